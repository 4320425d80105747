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

// passage is a day's messages of one member on their way to the broker, one after another as they are said.
type passage struct {
	*upset
	rng    *rand.Rand
	hand   func(delivery)
	bursts []span.Span
	ghosts []int64
	held   *fate // a message that its successor is to overtake
}

// begin prepares for a day: what gets through goes to hand.
func (u *upset) begin(day span.Span, rng *rand.Rand, hand func(delivery)) *passage {
	p := &passage{upset: u, rng: rng, hand: hand}
	if len(u.faults) > 0 {
		p.bursts, p.ghosts = u.bursts(day, rng), u.ghosts(day, rng)
	}
	return p
}

// said takes the next message.
func (p *passage) said(m *voice.Message) {
	if len(p.faults) == 0 {
		p.hand(delivery{message: *m, atMs: m.AtMs})
		return
	}
	p.release(m.AtMs)
	for len(p.ghosts) > 0 && p.ghosts[0] <= m.AtMs {
		p.haunt(p.ghosts[0], p.hand)
		p.ghosts = p.ghosts[1:]
	}
	f := p.decide(m)
	p.keep(m)
	if f.overtaken {
		p.held = &f
		return
	}
	p.pass(&f, m.AtMs)
}

// end lets through what is left of the day.
func (p *passage) end() {
	if p.held != nil {
		p.release(p.held.AtMs)
	}
	for _, ms := range p.ghosts {
		p.haunt(ms, p.hand)
	}
}

// release lets the held message follow its successor.
func (p *passage) release(nextMs int64) {
	if f := p.held; f != nil {
		p.held = nil
		p.pass(f, nextMs)
	}
}

// fate is what chance has decided over one message.
type fate struct {
	voice.Message
	copies          int
	lost, overtaken bool
	// beforeMs and afterMs are delays, by faults that come before the one of being overtaken and after it.
	beforeMs, afterMs int64
}

// decide lets chance decide over one message. Each fault draws, whatever the others did, so that one fault's rate does not
// change what another does.
func (p *passage) decide(m *voice.Message) fate {
	d := fate{Message: *m, copies: 1}
	rng := p.rng
	for _, f := range p.faults {
		if at := within(f, span.Span{StartMs: m.AtMs, EndMs: m.AtMs + 1}); at.Empty() {
			continue
		}
		switch f.Kind {
		case scenario.Duplicate:
			if rng.Float64() < f.Rate {
				d.copies++
			}
		case scenario.Drop:
			if rng.Float64() < f.Rate {
				d.lost = true
			}
		case scenario.Reorder:
			if rng.Float64() < f.Rate {
				d.overtaken = true
			}
		case scenario.Delay:
			forMs := f.For.Milliseconds()
			if forMs == 0 {
				forMs = defaultDelayMs
			}
			switch hit, by := rng.Float64() < f.Rate, rng.Int64N(forMs)+1; {
			case hit && d.overtaken:
				d.afterMs += by
			case hit:
				d.beforeMs += by
			}
		}
	}
	return d
}

// pass hands on a message of which everything is decided; an overtaken one comes after nextMs at the earliest.
func (p *passage) pass(f *fate, nextMs int64) {
	d := delivery{message: f.Message, atMs: f.AtMs + f.beforeMs, lost: f.lost}
	if f.overtaken {
		d.atMs = max(d.atMs, nextMs)
	}
	d.atMs += f.afterMs
	for _, b := range p.bursts {
		if b.Contains(f.AtMs) {
			// A device that says no time of its own does not store what it says either.
			d.atMs, d.lost = max(d.atMs, b.EndMs), d.lost || f.Exact
		}
	}
	p.understand(&d)
	for i := range f.copies {
		d.again = i > 0
		p.hand(d)
	}
}

// understand notes what a listener makes of a message that leaves out what has not changed: when he missed the change, he
// takes the state for what it was.
func (u *upset) understand(d *delivery) {
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
