package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// minSession is the shortest class that a plan can fill.
const minSession = time.Hour

// plan is one machine's day.
type plan struct {
	day    span.Span
	phases []Stretch // without gaps, from midnight to midnight
	down   span.Set  // when the link is lost
}

// truth returns the phases with unknown wherever the link is lost.
func (p plan) truth() []Stretch {
	var out []Stretch
	for _, s := range p.phases {
		for _, up := range span.NewSet(s.Span).Subtract(p.down) {
			out = append(out, Stretch{up, s.State})
		}
	}
	for _, lost := range p.down {
		out = append(out, Stretch{lost, Unknown})
	}
	slices.SortFunc(out, func(a, b Stretch) int { return cmp.Compare(a.StartMs, b.StartMs) })
	return out
}

// habits are how a machine is used.
type habits struct {
	run, pause   lengths // of one run, and of the pause after it
	series, rest lengths // of several runs in a row and the rest after them; a zero series never rests
	grainMs      int64   // transitions fall on multiples of it: the precision of the device's clock
	off          State   // what the machine is when it is switched off
	offAtLunch   bool
	drops        bool // its link is lost once a day
	absent       bool // nobody switches it on
}

// lengths is a range of durations in milliseconds; short ones are more likely than long ones. It is drawn with whole
// numbers only, so that a plan is the same on every processor.
type lengths struct{ least, most int64 }

func between(least, most time.Duration) lengths {
	return lengths{least.Milliseconds(), most.Milliseconds()}
}

func (l lengths) pick(rng *rand.Rand) int64 {
	n := l.most - l.least + 1
	return l.least + min(rng.Int64N(n), rng.Int64N(n), rng.Int64N(n))
}

// What people do: how late they come and leave early, how long they prepare, and the break in the middle of a class.
var (
	lateness    = lengths{20_000, 12 * 60_000}
	preparation = lengths{2 * 60_000, 7 * 60_000}
	clearing    = lengths{60_000, 8 * 60_000}
	classBreak  = lengths{10 * 60_000, 15 * 60_000}
	linkLoss    = lengths{50_000, 80_000}
)

// plan makes a day.
func (h habits) plan(rng *rand.Rand, day span.Span, sessions []Session) plan {
	b := planBuilder{rng: rng, habits: h, atMs: day.StartMs, plan: plan{day: day}}
	for i, s := range sessions {
		if h.absent {
			break
		}
		gap := Idle
		if i == 0 || h.offAtLunch {
			gap = h.off
		}
		fromMs, toMs := day.StartMs+s.From.Milliseconds(), day.StartMs+s.To.Milliseconds()
		b.until(fromMs+lateness.pick(rng), gap)
		b.class(fromMs, toMs)
		if h.drops && i == len(sessions)-1 {
			b.loseLink(fromMs, toMs)
		}
	}
	b.until(day.EndMs, h.off)
	return b.plan
}

// planBuilder writes a plan from midnight on.
type planBuilder struct {
	plan   plan
	habits habits
	rng    *rand.Rand
	atMs   int64
}

// until goes on in a state up to an instant, which is rounded to the grain.
func (b *planBuilder) until(ms int64, state State) {
	ms -= ms % b.habits.grainMs
	if ms <= b.atMs {
		return
	}
	s := Stretch{span.Span{StartMs: b.atMs, EndMs: ms}, state}
	if n := len(b.plan.phases); n > 0 && b.plan.phases[n-1].State == state {
		b.plan.phases[n-1].EndMs = ms
	} else {
		b.plan.phases = append(b.plan.phases, s)
	}
	b.atMs = ms
}

func (b *planBuilder) wait(l lengths) { b.until(b.atMs+l.pick(b.rng), Idle) }

// class fills a session: prepare, work, break, work, clear up.
func (b *planBuilder) class(fromMs, toMs int64) {
	middleMs := (fromMs + toMs) / 2
	endMs := toMs - clearing.pick(b.rng)
	b.wait(preparation)
	b.work(middleMs)
	b.wait(classBreak)
	b.work(endMs)
	b.until(endMs, Idle)
}

// work runs and pauses until the instant; a run that would last longer is not begun.
func (b *planBuilder) work(untilMs int64) {
	h := b.habits
	seriesMs := int64(math.MaxInt64)
	if h.series.least > 0 {
		seriesMs = b.atMs + h.series.pick(b.rng)
	}
	for {
		run := h.run.pick(b.rng) + h.grainMs
		if b.atMs+run+h.pause.least > untilMs {
			return
		}
		b.until(b.atMs+run, Running)
		b.wait(lengths{h.pause.least + h.grainMs, h.pause.most})
		if b.atMs > seriesMs {
			b.wait(h.rest)
			seriesMs = b.atMs + h.series.pick(b.rng)
		}
	}
}

// loseLink chooses about a minute somewhere in the middle half of the class.
func (b *planBuilder) loseLink(fromMs, toMs int64) {
	startMs := fromMs + (toMs-fromMs)/4 + b.rng.Int64N((toMs-fromMs)/2)
	b.plan.down = span.NewSet(span.Span{StartMs: startMs, EndMs: startMs + linkLoss.pick(b.rng)})
}

// jitter changes a value by up to the given part of it, either way. The conversion keeps processors that can from
// rounding once instead of twice.
func jitter(rng *rand.Rand, value, part float64) float64 {
	return value * (1 + float64(part*(2*rng.Float64()-1)))
}
