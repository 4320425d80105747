package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Verify judges every lesson's trainees on the day, in the order of the attendance.
func Verify(in *Input, r Rule) []Verdict {
	v := verifier{in: in, rule: r, stations: map[attendance.Place]*Station{}, lessons: map[string]*attendance.Lesson{}}
	for i := range in.Stations {
		v.stations[in.Stations[i].Place] = &in.Stations[i]
	}
	for i := range in.Lessons {
		v.lessons[in.Lessons[i].ID] = &in.Lessons[i]
	}
	v.papers = make([]paper, len(in.Attendance))
	for i := range in.Attendance {
		v.papers[i] = v.begin(&in.Attendance[i])
	}
	for i := range in.Lessons {
		v.prove(&in.Lessons[i])
	}
	for _, mine := range v.byPerson() {
		v.apart(mine)
		v.decide(mine)
		v.cap(mine)
	}
	out := make([]Verdict, len(v.papers))
	for i := range v.papers {
		out[i] = v.papers[i].verdict()
	}
	return out
}

// verifier judges one day.
type verifier struct {
	in       *Input
	rule     Rule
	stations map[attendance.Place]*Station
	lessons  map[string]*attendance.Lesson
	papers   []paper // in the order of the attendance
}

// paper is one trainee's lesson while it is judged. verified and pending shrink and grow; refused says why not, in order of
// precedence.
type paper struct {
	a        *attendance.Attendance
	lesson   *attendance.Lesson
	planned  span.Set
	present  span.Set
	verified span.Set
	pending  span.Set
	granted  span.Set
	off      span.Set // the station was off, as far as that is known
	crowded  span.Set
	overlap  span.Set
	excluded span.Set
	overCap  span.Set
}

func (v *verifier) begin(a *attendance.Attendance) paper {
	l := v.lessons[a.Session]
	planned := span.NewSet(l.Span).Subtract(l.Breaks).Clip(v.in.Day)
	return paper{a: a, lesson: l, planned: planned, present: planned.Intersect(a.Present)}
}

// prove decides what the presence at one lesson proves.
func (v *verifier) prove(l *attendance.Lesson) {
	var mine []int
	for i := range v.papers {
		if v.papers[i].lesson == l {
			mine = append(mine, i)
		}
	}
	if !l.Practice {
		for _, i := range mine {
			p := &v.papers[i]
			p.verified, p.pending = p.present, p.planned.Intersect(p.a.Pending)
		}
		return
	}
	for _, b := range v.benches(l, mine) {
		v.sit(l, &b)
	}
}

// benches puts the trainees of a practice where they work: each at the own station, the others at all of them together.
func (v *verifier) benches(l *attendance.Lesson, mine []int) []bench {
	own := map[string][]claim{}
	var loose []claim
	for _, i := range mine {
		p := &v.papers[i]
		c := claim{index: i, present: p.present}
		if len(p.a.Stays) > 0 {
			c.firstMs = p.a.Stays[0].StartMs
		}
		if slices.Contains(l.Stations, p.a.Station) {
			own[p.a.Station] = append(own[p.a.Station], c)
		} else {
			loose = append(loose, c)
		}
	}
	var out []bench
	seats := cmp.Or(l.MaxPerStation, v.rule.PerStation)
	all := bench{seats: seats, claims: loose}
	for _, id := range l.Stations {
		s := v.station(l, id)
		active := v.rule.active(s, l.Profile, l.Span)
		if len(own[id]) > 0 {
			out = append(out, bench{stations: []activity{active}, seats: seats, claims: own[id]})
		}
		switch {
		case s.Registers && len(s.Deaf.Clip(l.Span)) == 0: // who works there was read there
		case s.Registers:
			all.stations = append(all.stations, active.inDoubt())
		case len(own[id]) == 0:
			all.stations = append(all.stations, active)
		}
	}
	if len(l.Stations) == 0 { // nothing can be crowded, and a course that wants a machine has none that could tell
		bare := &Station{Bare: true}
		all.stations, all.seats = []activity{v.rule.active(bare, l.Profile, l.Span)}, 0
	}
	return append(out, all)
}

func (v *verifier) station(l *attendance.Lesson, id string) *Station {
	if s := v.stations[attendance.Place{Workshop: l.Workshop, Station: id}]; s != nil {
		return s
	}
	return &Station{Bare: true}
}

// sit lets a bench prove the practice of its trainees.
func (v *verifier) sit(l *attendance.Lesson, b *bench) {
	var sure, either, on span.Set
	for i := range b.stations {
		sure = sure.Union(b.stations[i].sure)
		either = either.Union(b.stations[i].sure).Union(b.stations[i].maybe)
		on = on.Union(b.stations[i].on)
	}
	for k, s := range b.share() {
		p := &v.papers[b.claims[k].index]
		p.verified, p.crowded = s.sure, s.crowded
		// Who may have been there may have worked where anybody could.
		p.pending = s.maybe.Union(p.planned.Intersect(p.a.Pending).Intersect(either))
		p.off = p.planned.Subtract(on).Subtract(either)
		if l.Profile == registry.Computer {
			p.off = p.planned.Subtract(either)
		}
	}
}

// byPerson returns the papers of each person, in order of the lessons' beginnings.
func (v *verifier) byPerson() [][]*paper {
	at := map[string]int{}
	var out [][]*paper
	for i := range v.papers {
		p := &v.papers[i]
		k, ok := at[p.a.Person]
		if !ok {
			k = len(out)
			at[p.a.Person] = k
			out = append(out, nil)
		}
		out[k] = append(out[k], p)
	}
	for _, mine := range out {
		slices.SortStableFunc(mine, func(a, b *paper) int {
			return cmp.Or(cmp.Compare(a.lesson.Span.StartMs, b.lesson.Span.StartMs), cmp.Compare(a.lesson.ID, b.lesson.ID))
		})
	}
	return out
}

// apart gives an instant that two lessons of one person share to the one that began first.
func (v *verifier) apart(mine []*paper) {
	var taken span.Set
	for _, p := range mine {
		p.overlap = p.verified.Union(p.pending).Intersect(taken)
		p.verified, p.pending = p.verified.Subtract(taken), p.pending.Subtract(taken)
		taken = taken.Union(p.verified).Union(p.pending)
	}
}

// decide applies what named persons decided.
func (v *verifier) decide(mine []*paper) {
	for _, p := range mine {
		for _, d := range v.in.Decisions {
			if d.Session != p.a.Session || d.Person != p.a.Person {
				continue
			}
			hit := p.planned.Clip(d.Span)
			p.pending = p.pending.Subtract(hit)
			if d.Grant {
				p.granted = p.granted.Union(hit.Subtract(p.verified))
				p.verified = p.verified.Union(hit)
				p.excluded = p.excluded.Subtract(hit)
				continue
			}
			p.verified, p.granted = p.verified.Subtract(hit), p.granted.Subtract(hit)
			p.excluded = p.excluded.Union(hit)
		}
	}
}

// cap takes from a person's day what is over its limit: what comes first counts.
func (v *verifier) cap(mine []*paper) {
	if v.rule.DailyCapUnits <= 0 {
		return
	}
	limit := int64(v.rule.DailyCapUnits) * v.rule.Unit.Milliseconds()
	var all span.Set
	for _, p := range mine {
		all = all.Union(p.verified)
	}
	over := after(all, limit)
	for _, p := range mine {
		p.overCap = p.verified.Intersect(over)
		p.verified, p.granted = p.verified.Subtract(over), p.granted.Subtract(over)
	}
}

// after is what is left of a set without its first milliseconds.
func after(set span.Set, ms int64) span.Set {
	var out span.Set
	for _, s := range set {
		taken := min(ms, s.Ms())
		ms -= taken
		if s.StartMs += taken; !s.Empty() {
			out = append(out, s)
		}
	}
	return out
}
