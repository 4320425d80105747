package plant

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Day returns what happened on one day at one base; base is an index into the scenario's bases, day counts from 0. It
// depends on nothing but the scenario and its seed: days may be asked for in any order and concurrently. The caller owns
// the result, but not the parts of the scenario that it points to.
func (p *Plant) Day(base, day int) *Day {
	b := &p.bases[base]
	date := p.date(day)
	before, today := p.circumstances(b, day-1), p.circumstances(b, day)
	d := &Day{Span: date, Base: b.Base, Workday: p.scenario.Workday(date.StartMs), Dark: p.dark(b, day)}
	d.people(b, before.plan, today.plan)
	for i := range b.machines {
		d.machine(p, b, &b.machines[i], [2]*circumstances{before, today})
	}
	d.emulated(p, b)
	slices.SortStableFunc(d.Frauds, func(a, b FraudSpan) int { return cmp.Compare(a.StartMs, b.StartMs) })
	return d
}

// circumstances gathers what the machines of a base have in common on a day.
func (p *Plant) circumstances(b *base, day int) *circumstances {
	c := &circumstances{day: day, plan: p.live(b, day)}
	c.dark = p.dark(b, day).Union(p.dark(b, day+1))
	c.nightMs = c.plan.day.EndMs + 6*hour + 10*minute
	var held, planned []span.Span
	for i := range c.plan.sessions {
		held, planned = append(held, c.plan.sessions[i].Held), append(planned, c.plan.sessions[i].Whole)
	}
	c.classes, c.lessons = span.NewSet(held...), span.NewSet(planned...)
	if p.within(day) {
		c.open = p.scenario.Open(b.Base, c.plan.day.StartMs).Union(c.classes)
	}
	return c
}

// at sets what concerns one machine: when people work at it, and when it runs without them on purpose, which it returns
// as frauds.
func (c *circumstances) at(p *Plant, b *base, m *machine) []FraudSpan {
	c.attended = c.plan.attended(m)
	forced, frauds := p.idleRuns(b, m, c)
	c.forced = forced
	return frauds
}

// attended returns when somebody works at one of a machine's stations.
func (pl *plan) attended(m *machine) span.Set {
	var all []span.Span
	for i := range pl.stays {
		s := &pl.stays[i]
		if s.Station != "" && slices.Contains(m.stations, place{pl.of[s.Session].workshop, s.Station}) {
			all = append(all, s.Practice...)
		}
	}
	return span.NewSet(all...)
}

// dark returns the power cuts of a day. A cut ends with the day at the latest.
func (p *Plant) dark(b *base, day int) span.Set {
	if !p.within(day) {
		return nil
	}
	var all []span.Span
	date := p.date(day)
	for i := range p.scenario.Faults {
		f := &p.scenario.Faults[i]
		if f.Kind != scenario.PowerCut || f.At != "" && f.At != b.Code {
			continue
		}
		window := date
		if f.FromMs > 0 {
			window.StartMs = max(window.StartMs, f.FromMs)
		}
		if f.ToMs > 0 {
			window.EndMs = min(window.EndMs, f.ToMs)
		}
		if window.Empty() {
			continue
		}
		rng := p.chance(day, "dark", b.Code, strconv.Itoa(i))
		n := int(f.Rate)
		if happens(rng, f.Rate-float64(n)) {
			n++
		}
		forMs := f.For.Milliseconds()
		if forMs <= 0 {
			forMs = 10 * minute
		}
		for range n {
			at := window.StartMs + rng.Int64N(max(window.Ms()-forMs, 0)+1)
			all = append(all, span.Span{StartMs: at, EndMs: min(at+forMs, window.EndMs)})
		}
	}
	return span.NewSet(all...)
}

// people fills in sessions, presence and taps: what is left of the day before, then the day's own.
func (d *Day) people(b *base, before, today *plan) {
	for i := range b.People {
		d.People = append(d.People, PersonDay{Person: &b.People[i]})
	}
	for _, pl := range []*plan{before, today} {
		index := d.addSessions(pl)
		for _, s := range pl.stays {
			there := s.Intersect(d.Span)
			if there.Empty() {
				continue
			}
			s.Presence.Span = there
			s.Practice = s.Practice.Clip(d.Span)
			s.Session = index[s.Session]
			d.People[s.person].Present = append(d.People[s.person].Present, s.Presence)
		}
		for _, t := range pl.taps {
			if d.Contains(t.AtMs) {
				d.Taps = append(d.Taps, t)
			}
		}
		for _, f := range pl.frauds {
			d.addFraud(f)
		}
	}
	slices.SortStableFunc(d.Taps, func(a, b Tap) int { return cmp.Compare(a.AtMs, b.AtMs) })
}

// addSessions adds the sessions of a plan that touch the day, and returns the index in the day of each.
func (d *Day) addSessions(pl *plan) []int {
	touched := make([]bool, len(pl.sessions))
	for i := range pl.sessions {
		touched[i] = !pl.sessions[i].Whole.Intersect(d.Span).Empty()
	}
	for _, s := range pl.stays {
		if !s.Intersect(d.Span).Empty() {
			touched[s.Session] = true
		}
	}
	index := make([]int, len(pl.sessions))
	for i, s := range pl.sessions {
		if !touched[i] {
			continue
		}
		index[i] = len(d.Sessions)
		s.Planned, s.Held, s.Breaks = s.Whole.Intersect(d.Span), s.Held.Intersect(d.Span), s.Breaks.Clip(d.Span)
		if s.Planned.Empty() {
			s.Planned = span.Span{}
		}
		if s.Held.Empty() {
			s.Held = span.Span{}
		}
		if pl.day.StartMs != d.StartMs {
			s.ClaimedMs = 0
		}
		d.Sessions = append(d.Sessions, s)
	}
	return index
}

// machine lays what is left of the day before and the day's own activity over a machine that is off.
func (d *Day) machine(p *Plant, b *base, m *machine, cs [2]*circumstances) {
	out := MachineDay{Machine: m.Machine}
	l := layers{day: d.Span}
	for _, c := range cs {
		idle := c.at(p, b, m)
		out.Attended = out.Attended.Union(c.attended.Clip(d.Span))
		a := p.activity(b, m, c.day, c)
		if n := len(a.acts); n > 0 && a.acts[n-1].EndMs > d.StartMs {
			l.add(p.render(b, m, &a))
		}
		for _, f := range append(idle, c.copied(m, &a)...) {
			d.addFraud(f)
		}
	}
	out.Phases, out.Power, out.Words = l.phases(), l.power(), l.words()
	d.Machines = append(d.Machines, out)
}

// copied returns the fraud of a curve that was copied, over all of it.
func (c *circumstances) copied(m *machine, a *activity) []FraudSpan {
	if a.fraud == nil {
		return nil
	}
	run := span.Span{StartMs: a.acts[0].StartMs, EndMs: a.acts[len(a.acts)-1].EndMs}
	return []FraudSpan{{Span: run, Fraud: a.fraud, Persons: c.plan.traineesAt(m, run)}}
}

func (d *Day) addFraud(f FraudSpan) {
	if f.Span = f.Intersect(d.Span); !f.Empty() {
		d.Frauds = append(d.Frauds, f)
	}
}

// emulated adds the terminals that replay an earlier day. What they say is the voices' matter.
func (d *Day) emulated(p *Plant, b *base) {
	for i := range p.scenario.Frauds {
		f := &p.scenario.Frauds[i]
		if f.Kind == scenario.EmulatedDevice && at(f, b) && on(f, d.StartMs) && d.StartMs > p.scenario.FromMs && b.hasDevice(f.Device) {
			d.addFraud(FraudSpan{Span: d.Span, Fraud: f})
		}
	}
}

func (b *base) hasDevice(id string) bool {
	for i := range b.machines {
		if slices.ContainsFunc(b.machines[i].Devices, func(d scenario.Device) bool { return d.ID == id }) {
			return true
		}
	}
	return slices.ContainsFunc(b.doors, func(d door) bool { return d.ID == id })
}
