package plant

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// doing is what a machine does, finer than its state.
type doing uint8

const (
	isOff doing = iota
	isStarting
	isReady
	isWorking
	isSteady // working with a load that hardly varies, which is how a machine runs that was left to itself
	isFailed
	isWaiting // a compressor whose motor stands
)

// state returns what the truth calls it.
func (d doing) state() State {
	return [...]State{isOff: Off, isStarting: Idle, isReady: Idle, isWorking: Running, isSteady: Running, isFailed: Fault, isWaiting: Idle}[d]
}

// act is a span in which a machine does one thing.
type act struct {
	span.Span
	doing doing
}

// activity is what a machine does because of the classes that begin on one day, from when it is first switched on until it
// is switched off, which may be on the next day. The zero value is a machine that nobody touches.
type activity struct {
	acts []act
	// key is the day whose chance its power is made of: another one's where the fraud copies its curve.
	key   int
	fraud *scenario.Fraud
}

// block is a span in which a machine may work.
type block struct {
	span.Span
	steady bool // by itself, without people
	dark   bool // it ends because the power is cut
}

// circumstances are what a machine's day depends on besides itself.
type circumstances struct {
	day      int
	plan     *plan
	dark     span.Set // of the day and the next
	attended span.Set // when somebody works at the machine
	forced   span.Set // when it runs without people, as a fraud
	classes  span.Set // when a class is held at the base
	lessons  span.Set // when one should be
	open     span.Set // the base's opening hours
	nightMs  int64    // until when a job may go on, next morning
}

// activity makes one machine's activity of one day.
func (p *Plant) activity(b *base, m *machine, day int, c *circumstances) activity {
	if source, ok := p.copied(b, m, day, c); ok {
		return source
	}
	w := worker{
		model: &m.model, rng: p.chance(day, "machine", b.Code, m.ID), c: c,
	}
	w.live()
	return activity{acts: w.acts, key: day}
}

// worker writes a machine's acts, from the first time that it is switched on.
type worker struct {
	model *model
	rng   *rand.Rand
	c     *circumstances
	acts  []act
	atMs  int64
	on    bool
}

// The habits of people at machines.
const (
	keepsOnMs  = 40 * minute // a machine is left on over a shorter break
	breakMs    = 2 * hour    // and switched off before a longer one
	offAtBreak = 0.5         // of the breaks between, this share
)

// live goes through the day's blocks.
func (w *worker) live() {
	if w.model.shape == powerless {
		return
	}
	blocks := w.blocks()
	for i, k := range blocks {
		if k.EndMs > w.atMs && w.reach(k) {
			w.fill(k)
		}
		next := int64(0)
		if i+1 < len(blocks) {
			next = blocks[i+1].StartMs
		}
		if w.on {
			w.leave(k, next)
		}
	}
}

// blocks returns when the machine may work: while people are there, or by itself, but never in the dark.
func (w *worker) blocks() []block {
	attended := w.c.attended
	if w.model.shape == pressure {
		attended = w.c.open
	}
	var out []block
	add := func(set span.Set, steady bool) {
		for _, s := range set.Subtract(w.c.dark) {
			// A block's end is the dark when the dark takes over where the block stops.
			out = append(out, block{Span: s, steady: steady, dark: w.c.dark.Contains(s.EndMs)})
		}
	}
	add(attended.Subtract(w.c.forced), false)
	if w.model.shows {
		add(w.c.forced, true)
	}
	slices.SortFunc(out, func(a, b block) int { return cmp.Compare(a.StartMs, b.StartMs) })
	return out
}

// until goes on with something up to an instant.
func (w *worker) until(ms int64, what doing) {
	if ms <= w.atMs {
		return
	}
	if n := len(w.acts); n > 0 && w.acts[n-1].doing == what {
		w.acts[n-1].EndMs = ms
	} else {
		w.acts = append(w.acts, act{span.Span{StartMs: w.atMs, EndMs: ms}, what})
	}
	w.atMs = ms
}

// reach switches the machine on where it is off, and goes on ready until somebody works at it; false when the block is
// over before that.
func (w *worker) reach(k block) bool {
	dwellMs := w.model.signature.DwellOff.Milliseconds()
	if w.on {
		ms := max(w.atMs, k.StartMs) + dwellMs + between(w.rng, 3*second, 50*second)
		w.until(min(ms, k.EndMs), isReady)
		return w.atMs < k.EndMs
	}
	ms := max(w.atMs, k.StartMs) + dwellMs + between(w.rng, 20*second, 200*second)
	if ms >= k.EndMs {
		return false
	}
	if len(w.acts) == 0 {
		w.atMs = ms
	}
	w.until(ms, isOff)
	w.on = true
	w.until(min(ms+w.model.startMs, k.EndMs), isStarting)
	return true
}

// fill works through a block.
func (w *worker) fill(k block) {
	endMs := k.EndMs
	if !k.dark && !k.steady {
		// People clear up before they go.
		endMs -= min(between(w.rng, 20*second, 6*minute), k.Ms()/8)
	}
	switch {
	case k.steady && endMs-w.atMs >= w.model.signature.DwellOn.Milliseconds():
		w.until(endMs, isSteady)
	case k.steady:
	case w.model.shape == pressure:
		w.press(endMs)
	case w.model.shape == soaking || w.model.shape == printing:
		w.jobs(endMs)
	case w.model.shape == arcs:
		w.burst(endMs)
	case w.model.shape != switchedOn:
		w.runs(endMs)
	}
	w.until(k.EndMs, isReady)
}

// runs works and pauses until the instant. A run that is cut short there is one that people stop; one that would be too
// short to see is not begun.
func (w *worker) runs(endMs int64) {
	leastMs := w.model.signature.DwellOn.Milliseconds()
	for w.atMs < endMs {
		w.until(min(w.atMs+w.model.pause.pick(w.rng), endMs), isReady)
		n := w.model.length.pick(w.rng)
		if w.model.shape == cycles {
			n = max(n/w.model.cycleMs, 1) * w.model.cycleMs
		}
		n = min(n, endMs-w.atMs)
		if n < max(leastMs, w.model.cycleMs) {
			return
		}
		if w.model.shape == cycles {
			n -= n % w.model.cycleMs
		}
		w.until(w.atMs+n, isWorking)
		if w.model.controller && happens(w.rng, w.model.alarms) {
			w.until(min(w.atMs+between(w.rng, minute, 8*minute), endMs), isFailed)
			w.until(min(w.atMs+w.model.signature.DwellOff.Milliseconds()+second, endMs), isReady)
		}
	}
}

// burst welds: series of arcs, and rests in which the next piece is fitted.
func (w *worker) burst(endMs int64) {
	seriesMs := w.atMs + w.model.series.pick(w.rng)
	for w.atMs < endMs {
		w.until(min(w.atMs+w.model.pause.pick(w.rng), endMs), isReady)
		if w.atMs > seriesMs {
			w.until(min(w.atMs+w.model.rest.pick(w.rng), endMs), isReady)
			seriesMs = w.atMs + w.model.series.pick(w.rng)
		}
		n := min(w.model.length.pick(w.rng), endMs-w.atMs)
		if n < w.model.signature.DwellOn.Milliseconds() {
			return
		}
		w.until(w.atMs+n, isWorking)
	}
}

// jobs starts a job whenever none is under way; a job goes on when people leave, until it is done, the power is cut or
// the night is over.
func (w *worker) jobs(endMs int64) {
	for w.atMs < endMs {
		w.until(min(w.atMs+w.model.pause.pick(w.rng), endMs), isReady)
		if w.atMs >= endMs {
			return
		}
		limitMs := w.c.nightMs
		for _, dark := range w.c.dark {
			if dark.StartMs >= w.atMs {
				limitMs = min(limitMs, dark.StartMs)
				break
			}
		}
		n := min(w.model.length.pick(w.rng), limitMs-w.atMs)
		if n < minute {
			return
		}
		w.until(w.atMs+n, isWorking)
	}
}

// press loads and unloads a compressor between its two pressures. While it is loaded the rest of its air fills the tank,
// and while it is unloaded what is taken empties it: both follow from one time constant and the demand.
func (w *worker) press(endMs int64) {
	for w.atMs < endMs {
		demand := int64(42) // parts per thousand: leaks
		if w.c.classes.Contains(w.atMs) {
			mean := int64(w.model.demand * 1000)
			demand = min(mean/2+w.rng.Int64N(mean+1), 950)
		}
		loaded := max(w.model.bandMs*1000/(1000-demand), 2*second)
		if loaded > endMs-w.atMs {
			return
		}
		w.until(w.atMs+loaded, isWorking)
		falls := max(w.model.bandMs*1000/demand, 2*second)
		emptyMs := w.atMs + falls
		w.until(min(w.atMs+min(falls, w.model.stopMs), endMs), isReady)
		w.until(min(emptyMs, endMs), isWaiting)
	}
}

// leave decides what becomes of the machine after a block: it stays on for the next one, or is switched off, or is
// forgotten until somebody comes by in the morning. nextMs is when the next block begins, 0 when there is none.
func (w *worker) leave(k block, nextMs int64) {
	offMs := max(w.atMs, k.EndMs) + between(w.rng, 10*second, 150*second)
	forgotten := happens(w.rng, w.model.forgets)
	atBreak := happens(w.rng, offAtBreak)
	// What goes on by itself when people leave is found in the morning.
	byItself := w.atMs > k.EndMs
	untilMs, gap := offMs, nextMs-k.EndMs
	switch {
	case nextMs > 0 && (gap < keepsOnMs || gap < breakMs && !atBreak || byItself || forgotten):
		untilMs = nextMs
	case byItself || forgotten:
		untilMs = max(w.c.nightMs, w.atMs) + between(w.rng, 0, 40*minute)
	}
	for _, dark := range w.c.dark {
		if dark.StartMs >= k.EndMs && dark.StartMs <= untilMs {
			w.until(dark.StartMs, isReady)
			w.on = false
			return
		}
	}
	w.until(untilMs, isReady)
	w.on = nextMs > 0 && untilMs == nextMs
}
