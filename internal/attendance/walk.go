package attendance

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// walked is what one person did in a block.
type walked struct {
	taps     []int
	stays    []Stay
	present  span.Set
	pending  span.Set
	absences []absence
	flags    []Flag
	station  string
}

// walk reads a person's taps in order, once with the cards that were valid and once with all: what only an expired card
// shows is not presence, and it is known why.
func (d *deriver) walk(b block, taps []int) *walked {
	w := d.pass(b, taps, false)
	if slices.ContainsFunc(taps, func(i int) bool { return d.in.Taps[i].Expired && d.in.Taps[i].Workshop == b.workshop }) {
		w.flag(FlagExpiredCard)
		wrong := d.pass(b, taps, true).present.Subtract(w.present).Subtract(w.pending)
		w.because(wrong, IdentityFail)
	}
	return w
}

// because replaces the reason of stretches without presence.
func (w *walked) because(set span.Set, reason Reason) {
	var out []absence
	for _, a := range w.absences {
		for _, rest := range span.NewSet(a.Span).Subtract(set) {
			out = append(out, absence{rest, a.reason})
		}
		for _, hit := range set.Clip(a.Span) {
			out = append(out, absence{hit, reason})
		}
	}
	slices.SortFunc(out, func(a, b absence) int { return int(a.StartMs - b.StartMs) })
	w.absences = out
}

func (w *walked) flag(f Flag) {
	if !slices.Contains(w.flags, f) {
		w.flags = append(w.flags, f)
	}
}

// passage is a person on the way through a block's taps.
type passage struct {
	*walked
	d      *deriver
	b      block
	deaf   span.Set // of the block's room, in its window
	inside bool
	open   Stay  // while inside; its end is the last evidence
	goneMs int64 // since when the person is outside; the window's beginning at first
	last   map[Place]read
	// lost says that nobody can tell any more whether the person is inside: a reader that knows no direction was away, and
	// the next read may be a coming or a going. lostMs is since when, lostEndMs the last read.
	lost              bool
	lostMs, lostEndMs int64
}

// read is the last read of a card in a place.
type read struct {
	atMs      int64
	direction telemetry.Direction
}

func (d *deriver) pass(b block, taps []int, expired bool) *walked {
	p := passage{
		walked: &walked{}, d: d, b: b, deaf: d.in.Deaf[b.workshop].Clip(b.window), goneMs: b.window.StartMs, last: map[Place]read{},
	}
	for _, i := range taps {
		if t := &d.in.Taps[i]; expired || !t.Expired {
			p.tap(i, t)
		}
		if d.in.Taps[i].Workshop == b.workshop {
			p.taps = append(p.taps, i)
		}
	}
	p.end()
	return p.walked
}

// tap takes one tap.
func (p *passage) tap(i int, t *Tap) {
	if t.Workshop != p.b.workshop {
		p.elsewhere(t)
		return
	}
	repeat := p.repeats(t)
	p.last[t.Place] = read{t.AtMs, t.Direction}
	switch {
	case p.lost:
		p.lostEndMs = t.AtMs
	case repeat:
		p.seen(t.AtMs)
	case t.Station != "":
		p.atStation(i, t)
	case p.check(t):
		p.comes(i, t, false)
	case t.Direction == telemetry.DirectionIn:
		p.comes(i, t, true)
	case t.Direction == telemetry.DirectionOut:
		p.goes(i, t)
	case p.ambiguous(t):
		p.lose(t)
	case p.inside && t.AtMs >= p.b.planned.StartMs, !p.inside && t.AtMs >= p.b.planned.EndMs:
		p.goes(i, t)
	default:
		p.comes(i, t, false)
	}
}

// repeats reports whether the tap is the one before it again. A going of somebody who is there, or a coming of somebody who
// is not, is no repeat, however soon: something else was read in between.
func (p *passage) repeats(t *Tap) bool {
	before, ok := p.last[t.Place]
	if t.Direction == telemetry.DirectionOut && p.inside || t.Direction == telemetry.DirectionIn && !p.inside {
		return false
	}
	return ok && t.AtMs-before.atMs <= p.d.rule.Debounce.Milliseconds() && t.Direction == before.direction
}

// check reports whether the tap answers a request to tap again.
func (p *passage) check(t *Tap) bool {
	return p.inside && slices.ContainsFunc(p.b.checks, func(c registry.Check) bool {
		return (c.Person == "" || c.Person == t.Person) && c.Span.Contains(t.AtMs)
	})
}

// ambiguous reports whether a read without direction may be a coming as well as a going, because one before it may have
// been lost.
func (p *passage) ambiguous(t *Tap) bool {
	return t.AtMs >= p.b.planned.StartMs && t.AtMs < p.b.planned.EndMs && len(p.unheard(t.AtMs)) > 0
}

// unheard is when the readers were away since the last that is known of the person.
func (p *passage) unheard(untilMs int64) span.Set {
	sinceMs := p.goneMs
	if p.inside {
		sinceMs = p.open.EndMs
	}
	return p.deaf.Clip(span.Span{StartMs: sinceMs, EndMs: untilMs})
}

// lose gives up telling inside from outside. Up to the readers' outage it is known.
func (p *passage) lose(t *Tap) {
	p.lost, p.lostMs, p.lostEndMs = true, p.unheard(t.AtMs)[0].StartMs, t.AtMs
	if p.inside {
		p.seen(p.lostMs)
		p.close()
		return
	}
	p.absent(span.Span{StartMs: p.goneMs, EndMs: p.lostMs}, p.whyBefore())
}

// seen takes evidence that the person is there.
func (p *passage) seen(atMs int64) {
	if p.inside {
		p.open.EndMs = max(p.open.EndMs, atMs)
	}
}

// comes opens a stay, or shows that the person is still there. again is what readers that know the direction call odd.
func (p *passage) comes(i int, t *Tap, again bool) {
	if deaf := p.unheard(t.AtMs); p.inside && again && len(deaf) > 0 {
		p.missedOut(deaf[0].StartMs, t.AtMs)
	}
	if p.inside {
		p.seen(t.AtMs)
		if again {
			p.flag(FlagPassback)
		}
		return
	}
	p.outside(t.AtMs, true)
	p.inside, p.open = true, Stay{Span: span.Span{StartMs: t.AtMs, EndMs: t.AtMs}, In: i, Out: -1}
}

// missedOut ends a stay of somebody who comes in again, after an outage in which a going may not have been heard. Who comes
// in twice was there all the time, so that the stretch up to the second coming is open.
func (p *passage) missedOut(deafMs, againMs int64) {
	p.seen(deafMs)
	p.close()
	p.goneMs = againMs
	p.maybe(span.Span{StartMs: deafMs, EndMs: againMs})
}

// atStation takes a read at a station: the person is in the room, and works there.
func (p *passage) atStation(i int, t *Tap) {
	p.station = t.Station
	if p.inside {
		p.seen(t.AtMs)
		return
	}
	if t.AtMs < p.b.planned.EndMs {
		p.flag(FlagNoIn)
		p.comes(i, t, false)
	}
}

// goes ends a stay.
func (p *passage) goes(i int, t *Tap) {
	if p.inside {
		p.open.EndMs, p.open.Out = t.AtMs, i
		p.close()
		p.goneMs = t.AtMs
		return
	}
	if len(p.stays) > 0 {
		p.flag(FlagPassback)
	} else {
		p.flag(FlagNoIn)
	}
	// Nobody was seen coming. Who came while the reader was away has been there since.
	if deaf := p.deaf.Clip(span.Span{StartMs: p.goneMs, EndMs: t.AtMs}); len(deaf) > 0 {
		p.absent(span.Span{StartMs: p.goneMs, EndMs: deaf[0].StartMs}, p.whyBefore())
		p.maybe(span.Span{StartMs: deaf[0].StartMs, EndMs: t.AtMs})
	} else {
		p.absent(span.Span{StartMs: p.goneMs, EndMs: t.AtMs}, NoBadgeIn)
	}
	p.goneMs = t.AtMs
}

// elsewhere takes a read in another room: the person is not here any more, and nobody saw the going.
func (p *passage) elsewhere(t *Tap) {
	switch {
	case p.lost:
		p.lostEndMs = t.AtMs
	case p.inside:
		p.flag(FlagElsewhere)
		p.unseen(t.AtMs)
	}
}

// close ends the open stay.
func (p *passage) close() {
	p.stays = append(p.stays, p.open)
	p.present = append(p.present, p.open.Span)
	p.inside = false
}

// unseen ends the open stay of somebody who left without a read, at the latest at the instant: credited is what evidence
// shows.
func (p *passage) unseen(byMs int64) {
	p.flag(FlagNoOut)
	p.worked(byMs)
	p.open.EndMs = max(p.open.EndMs, min(p.open.EndMs+p.d.rule.Grace.Milliseconds(), byMs, p.b.planned.EndMs))
	lastMs := p.open.EndMs
	p.close()
	rest := span.Span{StartMs: lastMs, EndMs: byMs}
	deaf := p.deaf.Clip(rest)
	p.goneMs = byMs
	if len(deaf) == 0 {
		p.absent(rest, NoBadgeOut)
		return
	}
	untilMs := deaf[len(deaf)-1].EndMs
	p.maybe(span.Span{StartMs: lastMs, EndMs: untilMs})
	p.absent(span.Span{StartMs: untilMs, EndMs: byMs}, NoBadgeOut)
}

// worked takes the runs that began at the person's own station as evidence. A run that goes on by itself is none.
func (p *passage) worked(byMs int64) {
	if p.b.profile != registry.Machine && p.b.profile != registry.Burst {
		return
	}
	station, alone := p.d.station(p.b, p.open, p.station, p.d.in.Taps)
	if !alone {
		return
	}
	for _, run := range p.d.in.Running[Place{p.b.workshop, station}] {
		if run.StartMs >= p.open.StartMs && run.StartMs < min(byMs, p.b.planned.EndMs) {
			p.seen(run.StartMs)
		}
	}
}

// outside ends a stretch outside, at a coming or at the end of all.
func (p *passage) outside(untilMs int64, comes bool) {
	out := span.Span{StartMs: p.goneMs, EndMs: untilMs}
	deaf := p.deaf.Clip(out)
	switch {
	case !comes && len(deaf) > 0: // came and left again while nobody listened, for all that is known
		from, to := deaf[0].StartMs, deaf[len(deaf)-1].EndMs
		p.absent(span.Span{StartMs: out.StartMs, EndMs: from}, p.whyBefore())
		p.maybe(span.Span{StartMs: from, EndMs: to})
		p.absent(span.Span{StartMs: to, EndMs: untilMs}, p.whyBefore())
	case comes && len(p.stays) == 0 && len(deaf) > 0: // came unheard and was read again, for all that is known
		p.absent(span.Span{StartMs: out.StartMs, EndMs: deaf[0].StartMs}, LateIn)
		p.maybe(span.Span{StartMs: deaf[0].StartMs, EndMs: untilMs})
	case comes && len(p.stays) == 0:
		p.absent(out, LateIn)
	default:
		p.absent(out, p.whyBefore())
	}
}

// whyBefore is why somebody who is not there now is not.
func (p *passage) whyBefore() Reason {
	if len(p.stays) > 0 {
		return EarlyOut
	}
	return NoBadgeIn
}

// end closes the block.
func (p *passage) end() {
	switch {
	case p.lost:
		untilMs := max(p.lostEndMs, p.b.planned.EndMs)
		p.maybe(span.Span{StartMs: p.lostMs, EndMs: untilMs})
		p.absent(span.Span{StartMs: untilMs, EndMs: p.b.window.EndMs}, NoBadgeOut)
	case p.inside:
		p.unseen(p.b.window.EndMs)
	default:
		p.outside(p.b.window.EndMs, false)
	}
	p.present = span.NewSet(p.present...)
	p.pending = span.NewSet(p.pending...).Subtract(p.present)
}

func (p *passage) absent(s span.Span, reason Reason) {
	if !s.Empty() {
		p.absences = append(p.absences, absence{s, reason})
	}
}

func (p *passage) maybe(s span.Span) {
	if !s.Empty() {
		p.pending = append(p.pending, s)
	}
}
