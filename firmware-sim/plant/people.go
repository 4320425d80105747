package plant

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// The limits of a visit: who has less than this between two classes in one workshop stays there, and a break of at least
// this length is spent outside by everybody.
const (
	staysMs      = 20 * minute
	longBreakMs  = 30 * minute
	shortBreakMs = 4 * minute // nobody goes out in a break that is shorter than this
	outShare     = 0.12       // of people who go out in one between the two
)

// visit is one time that a person comes into a workshop and leaves it again.
type visit struct {
	person, workshop int
	parts            []part
	// arriveMs and leaveMs are when the person wants to pass the door, and then when the person did.
	arriveMs, leaveMs int64
	tapIn, tapOut     bool
	missed            bool  // came too late for it
	leaves            bool  // taps and goes away again
	back              bool  // comes back to tap out
	others            []int // whose cards the person holds too
	station           string
}

// part is a piece of a session between two breaks that are spent outside.
type part struct {
	session int
	span.Span
	resumes bool // after a break
}

// live makes what people do of the classes that begin on a day.
func (p *Plant) live(b *base, day int) *plan {
	pl := &plan{day: p.date(day)}
	pl.sessions, pl.of = p.sessions(b, day)
	stations := make([]map[int]string, len(pl.sessions))
	visits := p.visits(b, day, pl)
	for i := range pl.sessions {
		stations[i] = assign(pl, i, visits)
	}
	for _, v := range visits {
		for _, part := range v.parts {
			if s := stations[part.session][v.person]; s != "" && v.station == "" {
				v.station = s
			}
		}
	}
	d := doors{plant: p, base: b, plan: pl, rng: p.chance(day, "doors", b.Code)}
	d.ghosts(day)
	d.twoBases(day)
	d.run(visits)
	for _, v := range visits {
		pl.stay(v, stations, p.chance(day, "stay", b.Code, b.People[v.person].ID))
	}
	slices.SortStableFunc(pl.stays, func(a, b stay) int {
		return cmp.Or(cmp.Compare(a.person, b.person), cmp.Compare(a.StartMs, b.StartMs))
	})
	p.claimed(b, pl)
	slices.SortStableFunc(pl.taps, func(a, b Tap) int { return cmp.Compare(a.AtMs, b.AtMs) })
	return pl
}

// visits returns everybody's visits, by person and time.
func (p *Plant) visits(b *base, day int, pl *plan) []*visit {
	var out []*visit
	gone, holders := p.away(b, pl)
	for person := range b.People {
		rng := p.chance(day, "person", b.Code, b.People[person].ID)
		h := b.People[person].Habits
		absent, late, early := happens(rng, h.Absent), happens(rng, h.Late), happens(rng, h.LeavesEarly)
		forgetsIn, forgetsOut := happens(rng, h.ForgetsTapIn), happens(rng, h.ForgetsTapOut)
		if absent && !holders[person] {
			continue
		}
		visits := pl.parts(p.attends(b, pl, person, gone), person, rng)
		for i, v := range visits {
			v.wish(rng)
			v.tapIn, v.tapOut = i > 0 || !forgetsIn, i < len(visits)-1 || !forgetsOut
		}
		if n := len(visits); n > 0 && late {
			v := visits[0]
			v.arriveMs = v.parts[0].StartMs + min(between(rng, 3*minute, 40*minute), v.parts[0].Ms()/2)
		}
		if n := len(visits); n > 0 && early {
			last := visits[n-1].parts[len(visits[n-1].parts)-1]
			visits[n-1].leaveMs = last.EndMs - min(between(rng, 5*minute, 60*minute), last.Ms()/2)
		}
		apart(visits, pl.day)
		p.cheat(b, pl, visits, rng)
		out = append(out, visits...)
	}
	return out
}

// attendance is a session as one person goes to it.
type attendance struct {
	session int
	held    span.Span
}

// attends returns the sessions that a person goes to, in order and apart. Who is in two classes at once goes to the one
// that begins first; who only taps there is free for the next.
func (p *Plant) attends(b *base, pl *plan, person int, gone map[[2]int]bool) []attendance {
	var out []attendance
	for i, c := range pl.of {
		if (c.teacher == person || slices.Contains(c.trainees, person)) && !pl.sessions[i].Held.Empty() && !gone[[2]int{i, person}] {
			out = append(out, attendance{i, pl.sessions[i].Held})
		}
	}
	slices.SortStableFunc(out, func(a, b attendance) int { return cmp.Compare(a.held.StartMs, b.held.StartMs) })
	n := 0
	for _, a := range out {
		if n > 0 && a.held.StartMs < out[n-1].held.EndMs {
			if p.tapsAndLeaves(b, pl, out[n-1].session, person) == nil {
				continue
			}
			out[n-1].held.EndMs = a.held.StartMs
			if out[n-1].held.Empty() {
				n--
			}
		}
		out[n] = a
		n++
	}
	return out[:n]
}

// parts cuts the sessions that a person goes to into visits.
func (pl *plan) parts(attends []attendance, person int, rng *rand.Rand) []*visit {
	var out []*visit
	for _, a := range attends {
		workshop := pl.of[a.session].workshop
		for j, piece := range span.NewSet(a.held).Subtract(pl.outside(a.session, rng)) {
			if n := len(out); j == 0 && n > 0 && out[n-1].workshop == workshop && piece.StartMs-out[n-1].hull().EndMs < staysMs {
				out[n-1].parts = append(out[n-1].parts, part{session: a.session, Span: piece})
				continue
			}
			out = append(out, &visit{
				person: person, workshop: workshop, parts: []part{{session: a.session, Span: piece, resumes: j > 0}},
			})
		}
	}
	return out
}

// outside returns the breaks of a session that somebody spends outside.
func (pl *plan) outside(session int, rng *rand.Rand) span.Set {
	var out span.Set
	for _, pause := range pl.sessions[session].Breaks {
		if pause.Ms() >= longBreakMs || pause.Ms() >= shortBreakMs && happens(rng, outShare) {
			out = append(out, pause)
		}
	}
	return out
}

// wish decides when a person wants to come and go who keeps to the timetable.
func (v *visit) wish(rng *rand.Rand) {
	// Half of the people are there nine minutes before the class, one in twenty in its last minute; after a break they come
	// as it ends.
	early := seconds(30, 60, 240, 540, 780, 1080, 1320, 1500)
	v.arriveMs = v.parts[0].StartMs - early.pick(rng)
	if v.parts[0].resumes {
		v.arriveMs = v.parts[0].StartMs + between(rng, -90*second, 45*second)
	}
	leaving := seconds(1, 5, 15, 40, 90, 240, 480, 540)
	v.leaveMs = v.hull().EndMs + leaving.pick(rng)
}

// apart keeps a person from being in two places: each visit ends before the middle of the gap to the next, and none
// begins before the day does.
func apart(visits []*visit, day span.Span) {
	for i, v := range visits {
		v.arriveMs = max(v.arriveMs, day.StartMs)
		if i == 0 {
			continue
		}
		before := visits[i-1]
		middle := (before.hull().EndMs + v.parts[0].StartMs) / 2
		before.leaveMs = min(before.leaveMs, middle)
		v.arriveMs = max(v.arriveMs, middle)
	}
}

// assign gives the trainees of a session their stations: one after the other round the class's stations, until all seats
// are taken. Who only taps takes none.
func assign(pl *plan, session int, visits []*visit) map[int]string {
	c := pl.of[session]
	if !pl.sessions[session].Slot.Practice || len(c.capacity) == 0 {
		return nil
	}
	there := map[int]bool{}
	for _, v := range visits {
		for _, part := range v.parts {
			if part.session == session && !v.leaves {
				there[v.person] = true
			}
		}
	}
	out := map[int]string{}
	free := slices.Clone(c.capacity)
	at := 0
	for _, person := range c.trainees {
		if !there[person] {
			continue
		}
		for range free {
			if free[at] > 0 {
				break
			}
			at = (at + 1) % len(free)
		}
		if free[at] == 0 {
			break
		}
		out[person] = c.Class.Stations[at]
		free[at]--
		at = (at + 1) % len(free)
	}
	return out
}

// stay writes down where a visitor was.
func (pl *plan) stay(v *visit, stations []map[int]string, rng *rand.Rand) {
	if v.missed {
		return
	}
	spans := span.NewSet(span.Span{StartMs: v.arriveMs, EndMs: v.leaveMs})
	if v.leaves {
		goes := span.Span{StartMs: v.arriveMs, EndMs: v.arriveMs + between(rng, 30*second, 150*second)}
		comes := span.Span{StartMs: v.leaveMs - between(rng, 10*second, 40*second), EndMs: v.leaveMs}
		if !v.back {
			comes = span.Span{}
		}
		spans = spans.Intersect(span.NewSet(goes, comes))
	}
	for i, part := range v.parts {
		window := span.Span{StartMs: v.arriveMs, EndMs: v.leaveMs}
		if i > 0 {
			window.StartMs = part.StartMs
		}
		if i+1 < len(v.parts) {
			window.EndMs = v.parts[i+1].StartMs
		}
		s := &pl.sessions[part.session]
		for _, there := range spans.Clip(window) {
			st := stay{person: v.person, Presence: Presence{
				Span: there, Session: part.session, Station: stations[part.session][v.person],
			}}
			if st.Station != "" {
				st.Practice = span.NewSet(there).Clip(s.Held).Subtract(s.Breaks)
			}
			pl.stays = append(pl.stays, st)
		}
	}
}

// away returns who is not at a session because somebody else holds the card, and who holds the cards of others.
func (p *Plant) away(b *base, pl *plan) (gone map[[2]int]bool, holders map[int]bool) {
	gone, holders = map[[2]int]bool{}, map[int]bool{}
	for i := range pl.sessions {
		for f := range p.frauds(b, scenario.ManyCards, &pl.sessions[i]) {
			for _, person := range p.cardsOf(b, pl.of[i], f) {
				gone[[2]int{i, person}] = true
				holders[p.cardHolder(b, pl.of[i], f)] = true
			}
		}
	}
	return gone, holders
}
