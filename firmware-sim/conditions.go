package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Faults of devices last so long when the file does not say.
const (
	defaultUnsetMs = 5 * 60_000
	defaultJumpMs  = 30 * 60_000
	defaultStuckMs = 10 * 60_000
	defaultDeafMs  = 30 * 60_000
)

// conditionsOf is what is wrong with a member on a day.
func conditionsOf(s *scenario.Scenario, base int, m *member, day *plant.Day, n int) voice.Conditions {
	var c voice.Conditions
	var unset, stuck []span.Span
	c.Dead = day.Dark.Union(offOf(s, base, m, day, n))
	for i := range s.Faults {
		f := &s.Faults[i]
		at := within(f, day.Span)
		if !m.hit(f) || at.Empty() {
			continue
		}
		rng := random(s, base, m.number<<8|uint64(i), n, purposeConditions)
		switch f.Kind {
		case scenario.LocalTime:
			c.LocalTime = true
		case scenario.Spike:
			c.Spike, c.SpikeBy = f.Rate, f.By
		case scenario.Cached:
			c.Cached = f.Rate
		case scenario.Drift:
			c.Shifts = append(c.Shifts, voice.Shift{FromMs: s.FromMs, Rate: f.By / 86_400})
		case scenario.Reboot:
			for _, t := range times(rng, f, at, 0) {
				c.Reboots = append(c.Reboots, t.StartMs)
			}
		case scenario.Clock1970:
			for _, t := range times(rng, f, at, defaultUnsetMs) {
				c.Reboots, unset = append(c.Reboots, t.StartMs), append(unset, t)
			}
		case scenario.ClockJump:
			for _, t := range times(rng, f, at, defaultJumpMs) {
				c.Shifts = append(c.Shifts, voice.Shift{FromMs: t.StartMs, OffsetMs: int64(f.By * 1000)}, voice.Shift{FromMs: t.EndMs})
			}
		case scenario.Stuck:
			stuck = append(stuck, times(rng, f, at, defaultStuckMs)...)
		}
	}
	slices.Sort(c.Reboots)
	slices.SortStableFunc(c.Shifts, func(a, b voice.Shift) int { return compareMs(a.FromMs, b.FromMs) })
	c.Unset, c.Stuck = span.NewSet(unset...), span.NewSet(stuck...)
	return c
}

// hit reports whether a fault hits the member.
func (m *member) hit(f *scenario.Fault) bool {
	if m.reader != nil {
		return f.HitsReader(m.spec.Base.Code, m.reader)
	}
	return f.HitsDevice(m.spec.Base.Code, m.spec.Device)
}

// times draws when a fault of so many a day happens, in order and apart, each within the part of the day in which people
// are there: half past seven to half past nine in the evening.
func times(rng *rand.Rand, f *scenario.Fault, at span.Span, defaultMs int64) []span.Span {
	const fromMs, toMs = 7*3600_000 + 1800_000, 21*3600_000 + 1800_000
	forMs := f.For.Milliseconds()
	if forMs == 0 {
		forMs = defaultMs
	}
	window := at
	if at.Ms() == dayMs {
		window = span.Span{StartMs: at.StartMs + fromMs, EndMs: at.StartMs + toMs}
	}
	count := int(f.Rate)
	if rng.Float64() < f.Rate-float64(count) {
		count++
	}
	var out []span.Span
	for range count {
		room := window.Ms() - forMs
		if room <= 0 {
			break
		}
		start := window.StartMs + rng.Int64N(room)
		t := span.Span{StartMs: start, EndMs: start + max(forMs, 1)}
		if !slices.ContainsFunc(out, func(o span.Span) bool { return !o.Intersect(t).Empty() }) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b span.Span) int { return compareMs(a.StartMs, b.StartMs) })
	return out
}

// offOf is when a reader is off on a day: it hears nothing and says nothing, and is there again at the end as after a power cut.
func offOf(s *scenario.Scenario, base int, m *member, day *plant.Day, n int) span.Set {
	var off []span.Span
	for i := range s.Faults {
		f := &s.Faults[i]
		if at := within(f, day.Span); f.Kind == scenario.ReaderOff && m.hit(f) && !at.Empty() {
			off = append(off, times(random(s, base, m.number<<8|uint64(i), n, purposeConditions), f, at, defaultDeafMs)...)
		}
	}
	return span.NewSet(off...)
}

// taps are those that a reader hears: without the time in which it is off, and with the cards of ghosts.
func (r *run) taps(m *member, day *plant.Day, n int) []plant.Tap {
	deaf := day.Dark.Union(offOf(r.s.scenario, r.base, m, day, n))
	ghosts := slices.DeleteFunc(r.ghostTaps(m, day, n), func(t plant.Tap) bool { return deaf.Contains(t.AtMs) })
	var out []plant.Tap
	for _, t := range day.Taps {
		if t.Reader == m.reader && !deaf.Contains(t.AtMs) {
			out = append(out, t)
		}
	}
	if len(ghosts) > 0 {
		out = append(out, ghosts...)
		slices.SortStableFunc(out, func(a, b plant.Tap) int { return compareMs(a.AtMs, b.AtMs) })
	}
	if r.watch != nil {
		r.watch.deaf(m, deaf, ghosts)
	}
	return out
}

// ghostTaps are the cards of ghosts that a reader sees on a day.
func (r *run) ghostTaps(m *member, day *plant.Day, n int) []plant.Tap {
	var ghosts []plant.Tap
	s := r.s.scenario
	for i := range s.Faults {
		f := &s.Faults[i]
		at := within(f, day.Span)
		if f.Kind != scenario.GhostCard || !m.hit(f) || at.Empty() {
			continue
		}
		rng := random(s, r.base, m.number<<8|uint64(i), n, purposeConditions)
		for _, t := range times(rng, f, at, defaultDeafMs) {
			ghosts = append(ghosts, plant.Tap{AtMs: t.StartMs, Reader: m.reader, Card: ghostCard(rng)})
		}
	}
	return ghosts
}

// ghostCard is a card that nobody holds, as a disturbed RDM6300 reads one.
func ghostCard(rng *rand.Rand) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 8)
	for i := range b {
		b[i] = digits[rng.IntN(16)]
	}
	return string(b)
}

func compareMs(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// within is the part of a span in which a fault may happen.
func within(f *scenario.Fault, s span.Span) span.Span {
	if f.FromMs != 0 {
		s.StartMs = max(s.StartMs, f.FromMs)
	}
	if f.ToMs != 0 {
		s.EndMs = min(s.EndMs, f.ToMs)
	}
	return s
}

// WANCuts are when a base's bridge cannot reach the city, in order. No message tells of it: who plays the scenario cuts the
// link.
func (s *Simulation) WANCuts(base int) []span.Span {
	var all []span.Span
	for i := range s.scenario.Faults {
		f := &s.scenario.Faults[i]
		if f.Kind != scenario.WANCut || !f.HitsBase(s.scenario.Bases[base].Code) {
			continue
		}
		for n := range s.scenario.Days {
			day := span.Span{StartMs: s.scenario.Midnight(n), EndMs: s.scenario.Midnight(n + 1)}
			if at := within(f, day); !at.Empty() {
				all = append(all, times(random(s.scenario, base, uint64(i)<<32, n, purposeConditions), f, at, defaultDeafMs)...)
			}
		}
	}
	return span.NewSet(all...)
}
