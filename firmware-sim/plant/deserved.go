package plant

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Neighbours are the days before and after a day at the same base, nil where there is none. What a machine did there
// proves minutes on this side of midnight.
type Neighbours struct{ Before, After *Day }

// Merit is what one trainee deserves of one session on one day.
type Merit struct {
	// Session is an index into the day's sessions.
	Session int
	Person  *scenario.Person
	// Verified is when the hours count.
	Verified span.Set
	// Crowded would count but for others at the same station, OverCap but for the day's limit.
	Crowded, OverCap span.Set
}

// Deserved returns for every trainee of every session of a day, in the order of the sessions and of their classes' lists,
// the minutes that count as verified, from true presence and true machine states:
//
//	theory    scheduled and present
//	practice  scheduled, present, and the station active as the course's profile says:
//	          machine, thermal: a machine runs, with Adjoin and Dilation
//	          burst:            an arc in the Window, with Dilation
//	          computer:         a machine is switched on, with Dilation
//	          bench, kitchen:   no machine has to do anything
//
// Breaks never count. A trainee without a station earns nothing in a practice that wants a machine. Presence is the true
// one: what a forgotten tap hides is deserved all the same, and it is for the comparison to say that nobody could see it.
func Deserved(d *Day, n Neighbours, r Rule) []Merit {
	j := judge{day: d, rule: r}
	for _, near := range []*Day{n.Before, d, n.After} {
		if near != nil {
			j.days = append(j.days, near)
		}
	}
	for i := range d.People {
		for k := range d.People[i].Present {
			j.stays = append(j.stays, seat{person: i, Presence: &d.People[i].Present[k]})
		}
	}
	slices.SortStableFunc(j.stays, func(a, b seat) int { return cmp.Compare(a.StartMs, b.StartMs) })
	for i := range d.Sessions {
		j.session(i)
	}
	j.cap()
	return j.out
}

// judge applies a rule to a day.
type judge struct {
	day   *Day
	days  []*Day
	rule  Rule
	stays []seat // by arrival
	out   []Merit
}

// seat is a person's stay.
type seat struct {
	person int
	*Presence
}

// claim is when one trainee could earn at one session.
type claim struct {
	person int
	there  span.Set
}

// session judges one session.
func (j *judge) session(index int) {
	s := &j.day.Sessions[index]
	scheduled := span.NewSet(s.Planned).Subtract(s.Breaks)
	verified := map[int]span.Set{}
	crowded := map[int]span.Set{}
	note := func(claims []claim, seats []level) {
		for person, c := range share(claims, seats) {
			verified[person] = verified[person].Union(c[0])
			crowded[person] = crowded[person].Union(c[1])
		}
	}
	profile := s.Class.Profile
	switch {
	case !s.Slot.Practice:
		note(j.claims(index, scheduled, anywhere), nil)
	case profile == "bench" || profile == "kitchen":
		j.stations(index, scheduled, note, nil)
	default:
		j.stations(index, scheduled, note, func(station string) span.Set { return j.active(s, station) })
	}
	for _, id := range s.Class.Trainees {
		i := slices.IndexFunc(j.day.People, func(p PersonDay) bool { return p.Person.ID == id })
		if i < 0 {
			continue
		}
		j.out = append(j.out, Merit{Session: index, Person: j.day.People[i].Person, Verified: verified[i], Crowded: crowded[i]})
	}
}

// anywhere stands for every station and none.
const anywhere = "*"

// claims returns when trainees of a session were there as scheduled, by arrival. A person who went out and came back keeps
// the place.
func (j *judge) claims(index int, scheduled span.Set, station string) []claim {
	class := j.day.Sessions[index].Class
	var out []claim
	for _, s := range j.stays {
		if s.Session != index || station != anywhere && s.Station != station || !slices.Contains(class.Trainees, j.day.People[s.person].Person.ID) {
			continue
		}
		there := scheduled.Clip(s.Span)
		if i := slices.IndexFunc(out, func(c claim) bool { return c.person == s.person }); i >= 0 {
			out[i].there = out[i].there.Union(there)
			continue
		}
		out = append(out, claim{s.person, there})
	}
	return out
}

// pooled returns the claims of those who work at none of the stations that prove their own trainees only.
func (j *judge) pooled(index int, scheduled span.Set, owned map[string]bool) []claim {
	out := j.claims(index, scheduled, anywhere)
	return slices.DeleteFunc(out, func(c claim) bool {
		return slices.ContainsFunc(j.stays, func(s seat) bool { return s.Session == index && s.person == c.person && owned[s.Station] })
	})
}

// stations lets the stations of a session prove presence: each that of its own trainees, or all of them together that of
// all. A nil active wants nothing of the machines.
func (j *judge) stations(index int, scheduled span.Set, note func([]claim, []level), active func(string) span.Set) {
	s := &j.day.Sessions[index]
	perStation := j.rule.PerStation
	if j.rule.BySeats && perStation > 0 {
		perStation = max(perStation, SeatsOf(j.day.Base, s.Class))
	}
	var together []level
	owned := map[string]bool{} // stations that prove their own trainees only
	for _, station := range s.Class.Stations {
		when := span.NewSet(s.Planned)
		if active != nil {
			when = active(station)
		}
		seats := level{when, perStation}
		if j.rule.shared(j.day.Base, s.Class.Workshop, station) {
			together = append(together, seats)
			continue
		}
		owned[station] = true
		note(j.claims(index, scheduled, station), []level{seats})
	}
	if len(together) > 0 || j.rule.ByClass && !j.rule.ByReaders && active != nil {
		note(j.pooled(index, scheduled, owned), append(together, level{}))
	}
	// Without stations a bench course has nothing that could be crowded; who found no seat works at none.
	if active == nil && len(s.Class.Stations) == 0 {
		note(j.claims(index, scheduled, anywhere), nil)
	}
}

// level adds seats at some times; 0 seats is any number of them.
type level struct {
	when  span.Set
	seats int
}

// share gives the seats of each instant to those who came first. Without levels everybody has one. Of each person it
// returns what is proved, and what would be but for those who came before.
func share(claims []claim, levels []level) map[int][2]span.Set {
	out := map[int][2]span.Set{}
	if levels == nil {
		for _, c := range claims {
			out[c.person] = [2]span.Set{c.there}
		}
		return out
	}
	var cuts []int64
	mark := func(set span.Set) {
		for _, s := range set {
			cuts = append(cuts, s.StartMs, s.EndMs)
		}
	}
	for _, c := range claims {
		mark(c.there)
	}
	for _, l := range levels {
		mark(l.when)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	for i := 1; i < len(cuts); i++ {
		piece := span.Span{StartMs: cuts[i-1], EndMs: cuts[i]}
		seats := seatsAt(levels, piece.StartMs)
		if seats == 0 {
			continue
		}
		for _, c := range claims {
			if !c.there.Contains(piece.StartMs) {
				continue
			}
			which := 1
			if seats > 0 {
				which, seats = 0, seats-1
			}
			both := out[c.person]
			both[which] = append(both[which], piece)
			out[c.person] = both
		}
	}
	for person, both := range out {
		out[person] = [2]span.Set{span.NewSet(both[0]...), span.NewSet(both[1]...)}
	}
	return out
}

// seatsAt returns how many seats there are at an instant.
func seatsAt(levels []level, ms int64) int {
	const unlimited = 1 << 30
	n := 0
	for _, l := range levels {
		switch {
		case !l.when.Contains(ms):
		case l.seats <= 0:
			n += unlimited
		default:
			n += l.seats
		}
	}
	return n
}

// active returns when a station proves presence, by the profile of the course.
func (j *judge) active(s *Session, station string) span.Set {
	var runs, ready, on []span.Span
	for _, d := range j.days {
		for i := range d.Machines {
			if !stands(d.Base, s.Class.Workshop, station, d.Machines[i].Machine.ID) {
				continue
			}
			for _, p := range d.Machines[i].Phases {
				switch p.State {
				case Running:
					runs = append(runs, p.Span)
				case Idle, Fault:
					ready = append(ready, p.Span)
				case Off:
					continue
				}
				on = append(on, p.Span)
			}
		}
	}
	var out span.Set
	switch s.Class.Profile {
	case "computer":
		out = span.NewSet(on...)
	case "burst":
		out = windows(span.NewSet(runs...), j.rule.Window.Milliseconds())
	default:
		// Only being ready that touches a run counts, and only near it; being ready between two others' runs does too.
		run := span.NewSet(runs...)
		near := widen(run, j.rule.Adjoin.Milliseconds())
		for _, r := range span.NewSet(ready...).Intersect(near) {
			if touches(run, r) {
				out = append(out, r)
			}
		}
		out = run.Union(span.NewSet(out...).Clip(s.Whole))
	}
	return widen(out, j.rule.Dilation.Milliseconds())
}

// stands reports whether a machine is at a station.
func stands(b *scenario.Base, workshop, station, machine string) bool {
	for i := range b.Workshops {
		w := &b.Workshops[i]
		if w.ID != workshop {
			continue
		}
		for k := range w.Stations {
			if w.Stations[k].ID == station {
				return slices.Contains(w.Stations[k].Machines, machine)
			}
		}
	}
	return false
}

// touches reports whether a span touches one of a set.
func touches(set span.Set, s span.Span) bool {
	return slices.ContainsFunc(set, func(r span.Span) bool { return r.StartMs <= s.EndMs && s.StartMs <= r.EndMs })
}

// windows returns the windows of a length, counted from the epoch, in which the set has anything.
func windows(set span.Set, ms int64) span.Set {
	if ms <= 0 {
		return set
	}
	out := make([]span.Span, len(set))
	for i, s := range set {
		out[i] = span.Span{StartMs: s.StartMs - s.StartMs%ms, EndMs: (s.EndMs + ms - 1) / ms * ms}
	}
	return span.NewSet(out...)
}

// cap takes from each person's day what is over its limit.
func (j *judge) cap() {
	limit := j.rule.DailyCap.Milliseconds()
	if limit <= 0 {
		return
	}
	for i := range j.day.People {
		var mine []*Merit
		var all span.Set
		for k := range j.out {
			if j.out[k].Person == j.day.People[i].Person {
				mine = append(mine, &j.out[k])
				all = all.Union(j.out[k].Verified)
			}
		}
		if all.Ms() <= limit {
			continue
		}
		over := after(all, limit)
		for _, m := range mine {
			m.OverCap = m.Verified.Intersect(over)
			m.Verified = m.Verified.Subtract(over)
		}
	}
}

// after returns what is left of a set when its first milliseconds are taken away.
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
