package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// practices lets stations prove the practices. Lessons that use one station at the same time share its seats, whatever class
// they are of.
func (v *verifier) practices() {
	of := map[*attendance.Lesson][]*paper{}
	for i := range v.papers {
		p := &v.papers[i]
		of[p.lesson] = append(of[p.lesson], p)
	}
	for _, lessons := range v.sharing() {
		t := together{v: v, numbers: map[attendance.Place]int{}}
		for _, l := range lessons {
			t.lesson(l, of[l])
		}
		t.prove()
	}
}

// sharing groups the practices that share stations, also by way of a third one.
func (v *verifier) sharing() [][]*attendance.Lesson {
	var out [][]*attendance.Lesson
	for i := range v.in.Lessons {
		l := &v.in.Lessons[i]
		if !l.Practice {
			continue
		}
		group := []*attendance.Lesson{l}
		out = slices.DeleteFunc(out, func(g []*attendance.Lesson) bool {
			if !slices.ContainsFunc(g, func(o *attendance.Lesson) bool { return Together(l, o) }) {
				return false
			}
			group = append(group, g...)
			return true
		})
		out = append(out, group)
	}
	for _, g := range out {
		slices.SortFunc(g, func(a, b *attendance.Lesson) int {
			return cmp.Or(cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.ID, b.ID))
		})
	}
	return out
}

// Together reports whether two practices use a station at the same time, so that the trainees of one may have the seats that
// those of the other want. Whoever judges some lessons of a day only has to give all that are together with them, also by
// way of a third one, with the attendance of their trainees.
func Together(a, b *attendance.Lesson) bool {
	return a.Practice && b.Practice && a.Workshop == b.Workshop && !a.Span.Intersect(b.Span).Empty() &&
		slices.ContainsFunc(a.Stations, func(id string) bool { return slices.Contains(b.Stations, id) })
}

// together is practices that share stations while their trainees are put where they work.
type together struct {
	v       *verifier
	bench   bench
	numbers map[attendance.Place]int
	sitters []sitter // beside bench.claims before they are sorted
}

// sitter is a trainee at the stations that may prove for the trainee.
type sitter struct {
	p *paper
	// either is when any of them is active for all that is known, all the same for every station of the lesson.
	either, all span.Set
	// on is when any station was switched on.
	on span.Set
	// named is when only stations are active that are others', read when only such at which a reader shows who works.
	named, read span.Set
}

// workplace is a station as it stands in one lesson.
type workplace struct {
	station int
	own     activity // what it proves for those who work there
	loose   activity // for those of whom nobody says where they work
	spot    int      // of own; loose follows
}

// lesson takes a lesson's trainees: each at the own station, the others at all together at which nobody says who works.
func (t *together) lesson(l *attendance.Lesson, papers []*paper) {
	owned := map[string]bool{}
	for _, p := range papers {
		owned[p.a.Station] = true
	}
	delete(owned, "")
	var rest sitter
	places := map[string]workplace{}
	var spots []spot
	for _, id := range l.Stations {
		s := t.v.station(l, id)
		w := t.workplace(l, s, owned[id])
		places[id] = w
		either := w.own.either()
		rest.all, rest.on = rest.all.Union(either), rest.on.Union(w.own.on)
		rest.either = rest.either.Union(w.loose.either())
		if s.Registers {
			rest.read = rest.read.Union(either)
		} else {
			rest.named = rest.named.Union(either)
		}
		spots = append(spots, spot{w.station, w.spot + 1})
	}
	if len(l.Stations) == 0 { // nothing can be crowded, and a course that wants a machine has none that could tell
		w := t.add(attendance.Place{Workshop: l.Workshop, Station: "\x00" + l.ID}, t.v.rule.active(&Station{Bare: true}, l.Profile, l.Span))
		spots, rest.either, rest.all = []spot{{w.station, w.spot}}, w.own.either(), w.own.either()
	}
	rest.named, rest.read = rest.named.Subtract(rest.either), rest.read.Subtract(rest.either)
	for _, p := range papers {
		c := claim{index: len(t.sitters), person: p.a.Person, present: p.present, spots: spots}
		if len(p.a.Stays) > 0 {
			c.firstMs = p.a.Stays[0].StartMs
		}
		if len(l.Stations) > 0 {
			c.seats = cmp.Or(l.MaxPerStation, t.v.rule.PerStation)
		}
		at := rest
		if w, ok := places[p.a.Station]; ok {
			c.spots = []spot{{w.station, w.spot}}
			at = sitter{either: w.own.either(), all: w.own.either(), on: w.own.on}
		}
		at.p = p
		t.bench.claims, t.sitters = append(t.bench.claims, c), append(t.sitters, at)
	}
}

// workplace enters a station. owned says that somebody of the lesson works there by name.
func (t *together) workplace(l *attendance.Lesson, s *Station, owned bool) workplace {
	own := t.v.rule.active(s, l.Profile, l.Span)
	loose := own
	switch {
	case s.Registers && len(s.Deaf.Clip(l.Span)) == 0: // who works there was read there
		loose = activity{}
	case s.Registers:
		loose = own.inDoubt()
	case owned:
		loose = activity{}
	}
	w := t.add(attendance.Place{Workshop: l.Workshop, Station: s.Station}, own, loose)
	w.loose = loose
	return w
}

// add numbers a place and enters what it proves.
func (t *together) add(place attendance.Place, as ...activity) workplace {
	n, ok := t.numbers[place]
	if !ok {
		n = len(t.numbers)
		t.numbers[place] = n
	}
	t.bench.activities = append(t.bench.activities, as...)
	return workplace{station: n, own: as[0], spot: len(t.bench.activities) - len(as)}
}

// prove gives the seats, and notes what each trainee has of them.
func (t *together) prove() {
	t.bench.stations = len(t.numbers)
	for k, s := range t.bench.share() {
		at := &t.sitters[t.bench.claims[k].index]
		p := at.p
		p.verified = s.sure
		// Who may have been there may have worked where anybody could.
		p.pending = s.maybe.Union(p.planned.Intersect(p.a.Pending).Intersect(at.either))
		p.crowded = s.crowded.Union(p.planned.Intersect(at.named))
		p.unread = p.planned.Intersect(at.read)
		p.off = p.planned.Subtract(at.all)
		if p.lesson.Profile != registry.Computer {
			p.off = p.off.Subtract(at.on)
		}
	}
}

func (v *verifier) station(l *attendance.Lesson, id string) *Station {
	place := attendance.Place{Workshop: l.Workshop, Station: id}
	if s := v.stations[place]; s != nil {
		return s
	}
	return &Station{Place: place, Bare: true}
}
