package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Faults of links last so long when the file does not say.
const (
	defaultDelayMs = 30_000
	defaultBurstMs = 20 * 60_000
	// remembered is how many topics of a device a ghost may come back from.
	remembered = 16
)

// upset is what happens to one member's messages between the device and the broker.
type upset struct {
	faults []*scenario.Fault
	kept   []voice.Message // the last of each topic, oldest first, for ghosts
	unborn bool            // the birth that announced the aliases was lost
	missed bool            // a word about the state was lost or late, and none has named the state since
}

func newUpset(s *scenario.Scenario, m *member) *upset {
	u := &upset{}
	for i := range s.Faults {
		f := &s.Faults[i]
		switch f.Kind {
		case scenario.Duplicate, scenario.Drop, scenario.Reorder, scenario.Delay, scenario.OfflineBurst, scenario.Ghosts:
			if m.hit(f) {
				u.faults = append(u.faults, f)
			}
		}
	}
	return u
}

// day hands on a day's messages as they reach the broker.
func (u *upset) day(day span.Span, said []voice.Message, rng *rand.Rand, hand func(delivery)) {
	if len(u.faults) == 0 {
		for i := range said {
			hand(delivery{message: said[i], atMs: said[i].AtMs})
		}
		return
	}
	bursts := u.bursts(day, rng)
	ghosts := u.ghosts(day, rng)
	for i := range said {
		m := &said[i]
		for len(ghosts) > 0 && ghosts[0] <= m.AtMs {
			u.haunt(ghosts[0], hand)
			ghosts = ghosts[1:]
		}
		nextMs := m.AtMs
		if i+1 < len(said) {
			nextMs = said[i+1].AtMs
		}
		u.pass(m, nextMs, bursts, rng, hand)
		u.keep(m)
	}
	for _, ms := range ghosts {
		u.haunt(ms, hand)
	}
}

// pass lets chance decide over one message. Each fault draws, whatever the others did, so that one fault's rate does not
// change what another does.
func (u *upset) pass(m *voice.Message, nextMs int64, bursts []span.Span, rng *rand.Rand, hand func(delivery)) {
	d := delivery{message: *m, atMs: m.AtMs}
	copies := 1
	for _, f := range u.faults {
		if at := within(f, span.Span{StartMs: m.AtMs, EndMs: m.AtMs + 1}); at.Empty() {
			continue
		}
		switch f.Kind {
		case scenario.Duplicate:
			if rng.Float64() < f.Rate {
				copies++
			}
		case scenario.Drop:
			if rng.Float64() < f.Rate {
				d.lost = true
			}
		case scenario.Reorder:
			if rng.Float64() < f.Rate {
				d.atMs = max(d.atMs, nextMs)
			}
		case scenario.Delay:
			forMs := f.For.Milliseconds()
			if forMs == 0 {
				forMs = defaultDelayMs
			}
			if hit, by := rng.Float64() < f.Rate, rng.Int64N(forMs)+1; hit {
				d.atMs += by
			}
		}
	}
	for _, b := range bursts {
		if b.Contains(m.AtMs) {
			// A device that says no time of its own does not store what it says either.
			d.atMs, d.lost = max(d.atMs, b.EndMs), d.lost || m.Exact
		}
	}
	u.understand(&d)
	for i := range copies {
		d.again = i > 0
		hand(d)
	}
}

// understand notes what a listener makes of a message that leaves out what has not changed: when he missed the change, he
// takes the state for what it was.
func (u *upset) understand(d *delivery) {
	if d.message.Tells.Has(voice.Birth) {
		u.unborn = d.lost
	}
	if d.message.Tells.Has(voice.Aliased) && u.unborn {
		d.message.Tells &^= voice.State | voice.Energy
	}
	if !d.message.Tells.Has(voice.State) {
		return
	}
	switch {
	case d.lost || d.atMs > d.message.AtMs:
		u.missed = true
	case !d.message.Tells.Has(voice.Implied):
		u.missed = false
	case u.missed:
		d.message.Tells |= voice.Wrong
	}
}

// bursts are the spans in which nothing gets through, and at whose ends all of it does.
func (u *upset) bursts(day span.Span, rng *rand.Rand) []span.Span {
	var out []span.Span
	for _, f := range u.faults {
		if f.Kind == scenario.OfflineBurst {
			out = append(out, times(rng, f, within(f, day), defaultBurstMs)...)
		}
	}
	return out
}

// ghosts are the instants at which old messages come back.
func (u *upset) ghosts(day span.Span, rng *rand.Rand) []int64 {
	var out []int64
	for _, f := range u.faults {
		if f.Kind == scenario.Ghosts {
			for _, t := range times(rng, f, within(f, day), 1) {
				out = append(out, t.StartMs)
			}
		}
	}
	slices.Sort(out)
	return out
}

// haunt lets what the device said before come again as if it were new.
func (u *upset) haunt(atMs int64, hand func(delivery)) {
	for i := range u.kept {
		m := u.kept[i]
		if m.Exact && m.Tells.Has(voice.State) {
			m.Tells |= voice.Wrong // it says no time, so it looks as if it were true now
		}
		m.AtMs = atMs
		if m.Exact {
			m.EventMs = atMs
		}
		hand(delivery{message: m, atMs: atMs, again: true})
	}
}

// keep remembers the message for ghosts.
func (u *upset) keep(m *voice.Message) {
	if !slices.ContainsFunc(u.faults, func(f *scenario.Fault) bool { return f.Kind == scenario.Ghosts }) || !m.Retain {
		return
	}
	u.kept = slices.DeleteFunc(u.kept, func(k voice.Message) bool { return k.Topic == m.Topic })
	if len(u.kept) == remembered {
		u.kept = u.kept[1:]
	}
	u.kept = append(u.kept, *m)
}
