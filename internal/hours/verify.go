package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
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
	v.theory()
	v.practices()
	for _, mine := range v.byPerson() {
		v.decide(mine)
		v.apart(mine)
		v.cap(mine)
		v.beyond(mine)
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
	unread   span.Set // only stations were active at which readers show others
	overlap  span.Set
	excluded span.Set
	overCap  span.Set
	beyond   span.Set // presence outside the timetable
}

func (v *verifier) begin(a *attendance.Attendance) paper {
	l := v.lessons[a.Session]
	planned := span.NewSet(l.Span).Subtract(l.Breaks).Clip(v.in.Day)
	return paper{a: a, lesson: l, planned: planned, present: planned.Intersect(a.Present)}
}

// theory decides what presence at theory proves.
func (v *verifier) theory() {
	for i := range v.papers {
		if p := &v.papers[i]; !p.lesson.Practice {
			p.verified, p.pending = p.present, p.planned.Intersect(p.a.Pending)
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

// apart gives an instant that two lessons of one person share to one of them: to one that has it verified before one for
// which it is pending, and of two alike to the one that began first.
func (v *verifier) apart(mine []*paper) {
	var taken span.Set
	for _, p := range mine {
		p.overlap = p.verified.Intersect(taken)
		p.verified, p.granted = p.verified.Subtract(taken), p.granted.Subtract(taken)
		taken = taken.Union(p.verified)
	}
	for _, p := range mine {
		p.overlap = p.overlap.Union(p.pending.Intersect(taken))
		p.pending = p.pending.Subtract(taken)
		taken = taken.Union(p.pending)
	}
}

// cap takes from a person's day what is over its limit: what comes first counts. Pending is only as much as still could.
func (v *verifier) cap(mine []*paper) {
	if v.rule.DailyCapUnits <= 0 {
		return
	}
	limit := int64(v.rule.DailyCapUnits) * v.rule.Unit.Milliseconds()
	var sure, open span.Set
	for _, p := range mine {
		sure, open = sure.Union(p.verified), open.Union(p.pending)
	}
	over := after(sure, limit).Union(after(open, max(0, limit-sure.Ms())))
	for _, p := range mine {
		p.overCap = p.verified.Union(p.pending).Intersect(over)
		p.verified, p.granted, p.pending = p.verified.Subtract(over), p.granted.Subtract(over), p.pending.Subtract(over)
	}
}

// beyond notes presence outside the person's timetable, once, beside the nearest lesson around which it was seen.
func (v *verifier) beyond(mine []*paper) {
	var known span.Set // the timetable, and what is noted already
	for _, p := range mine {
		known = known.Union(span.NewSet(p.lesson.Span))
	}
	for _, p := range mine {
		for _, s := range p.a.Present.Subtract(known).Clip(v.in.Day) {
			if nearest(mine, s) == p {
				p.beyond = append(p.beyond, s)
			}
		}
		known = known.Union(p.beyond)
	}
}

// nearest is the lesson nearest to a stretch outside of all, of those around which it was seen; the earlier of two.
func nearest(mine []*paper, s span.Span) *paper {
	var out *paper
	var least int64
	for _, p := range mine {
		away := max(s.StartMs-p.lesson.Span.EndMs, p.lesson.Span.StartMs-s.EndMs)
		if p.a.Present.Contains(s.StartMs) && (out == nil || away < least) {
			out, least = p, away
		}
	}
	return out
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
