package voice

import (
	"hash/fnv"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// speaker is what a dialect does when something happens to its device. Methods are called in order of time.
type speaker interface {
	// draws says the machine's power from now on, and words what its controller knows; also while the device is dead,
	// for the machine goes on. Both come first at the beginning of each span at a machine.
	draws(s plant.Step)
	words(w plant.Words)
	// birth is when the device has connected: for the first time, after it was dead, or after a reboot.
	birth(atMs int64)
	// death is when the device stops without a word; rebooted says that it starts again at once.
	death(atMs int64, rebooted bool)
	// will is when the broker publishes the device's last will; the session that it ends may already be followed by a
	// birth at the same instant.
	will(atMs int64)
	// tick is when it reports although nothing changed.
	tick(atMs int64)
	// tap is a card held to a reader, also while it is dead.
	tap(t *plant.Tap)
	// timer is the instant that the voice itself set in life.timerDue.
	timer(atMs int64)
	// leave is the end of the span: the day's, or the device's time at this machine.
	leave(atMs int64)
}

// deaf hears nothing; a voice embeds it and says what it hears.
type deaf struct{}

func (deaf) draws(plant.Step)  {}
func (deaf) words(plant.Words) {}
func (deaf) birth(int64)       {}
func (deaf) death(int64, bool) {}
func (deaf) will(int64)        {}
func (deaf) tick(int64)        {}
func (deaf) tap(*plant.Tap)    {}
func (deaf) timer(int64)       {}
func (deaf) leave(int64)       {}

// life is when a device is there. It goes on from day to day.
type life struct {
	id string
	// everyMs is the time between ticks, 0 for none; keepAliveMs that of MQTT: a broker notices after one and a half.
	everyMs, keepAliveMs int64
	// willAtOnce is for links whose loss the broker notices by itself.
	willAtOnce bool
	// stores is for devices that go on working without their link: they tick while they are dead.
	stores bool

	connected bool
	born      bool  // it has connected once
	startedMs int64 // when it last got its power
	startDue  int64 // when it connects; never when it is not starting
	willDue   int64 // when the broker notices that it is gone; never when nothing is due
	tickDue   int64
	timerDue  int64 // when the voice wants to be called, while it is connected; never when it does not
}

const never = math.MaxInt64

// newLife returns the life of a device that was never there; everyMs 0 never ticks.
func newLife(id string, everyMs, keepAliveMs int64) life {
	return life{id: id, everyMs: everyMs, keepAliveMs: keepAliveMs, startDue: never, willDue: never, tickDue: never, timerDue: never}
}

// upMs is how long the device has had its power.
func (l *life) upMs(atMs int64) int64 { return atMs - l.startedMs }

// walk takes the speaker through the device's day. A device that is swapped in mid-day is one voice, which is asked for the
// day once a machine, in the order of At: it says nothing of it, and its counters go on. A reader stands at no machine, and
// its whole day is walked.
func (l *life) walk(in *Input, s speaker) {
	if in.Machine == nil {
		l.visit(in, in.Span, s)
		return
	}
	for _, at := range in.At.Clip(in.Span) {
		l.visit(in, at, s)
	}
}

// turn is a change of the device's own condition.
type turn struct {
	atMs int64
	what turning
}

type turning uint8

const (
	dies turning = iota
	reboots
	revives
)

// turns lists what happens to the device within the span.
func turns(in *Input, at span.Span) []turn {
	var list []turn
	for _, dead := range in.Dead.Clip(at) {
		list = append(list, turn{dead.StartMs, dies})
		if dead.EndMs < at.EndMs {
			list = append(list, turn{dead.EndMs, revives})
		}
	}
	for _, ms := range in.Reboots {
		if at.Contains(ms) && !in.Dead.Contains(ms) {
			list = append(list, turn{ms, reboots})
		}
	}
	slices.SortStableFunc(list, func(a, b turn) int {
		return int(min(1, max(-1, a.atMs-b.atMs)))
	})
	return list
}

// visit walks one span at one machine: the next thing that happens, until the span ends. Of what happens in one
// millisecond a death comes first, so that a machine that goes dark with its meter leaves no word of it, then what is true,
// then what the device says.
func (l *life) visit(in *Input, at span.Span, s speaker) {
	truth := begin(in, at, s)
	own := turns(in, at)
	if !l.connected && l.startDue == never && !in.Dead.Contains(at.StartMs) {
		l.start(in, at.StartMs)
	}
	for {
		turnMs, drawMs, wordMs, tapMs := int64(never), int64(never), int64(never), int64(never)
		if len(own) > 0 {
			turnMs = own[0].atMs
		}
		if len(truth.power) > 0 {
			drawMs = truth.power[0].AtMs
		}
		if len(truth.words) > 0 {
			wordMs = truth.words[0].AtMs
		}
		if len(truth.taps) > 0 {
			tapMs = truth.taps[0].AtMs
		}
		next := min(turnMs, drawMs, wordMs, tapMs, l.willDue, l.startDue, l.tickDue, l.timerDue)
		if next >= at.EndMs {
			s.leave(at.EndMs)
			return
		}
		switch next {
		case turnMs:
			l.turn(in, own[0], s)
			own = own[1:]
		case drawMs:
			s.draws(truth.power[0])
			truth.power = truth.power[1:]
		case wordMs:
			s.words(truth.words[0])
			truth.words = truth.words[1:]
		case l.willDue:
			l.willDue = never
			s.will(next)
		case l.startDue:
			l.connect(next, s)
		case l.tickDue:
			l.tickDue += l.everyMs
			s.tick(next)
		case l.timerDue:
			l.timerDue = never
			s.timer(next)
		default:
			s.tap(&truth.taps[0])
			truth.taps = truth.taps[1:]
		}
	}
}

// truth is what is still to come of what truly happens.
type truth struct {
	power []plant.Step
	words []plant.Words
	taps  []plant.Tap
}

// begin tells the speaker what is true at the span's beginning, and returns what follows.
func begin(in *Input, at span.Span, s speaker) truth {
	t := truth{taps: in.Taps}
	for len(t.taps) > 0 && t.taps[0].AtMs < at.StartMs {
		t.taps = t.taps[1:]
	}
	if in.Machine == nil {
		return t
	}
	t.power, t.words = in.Machine.Power, in.Machine.Words
	now := plant.Step{AtMs: at.StartMs}
	for len(t.power) > 0 && t.power[0].AtMs <= at.StartMs {
		now.PowerW = t.power[0].PowerW
		t.power = t.power[1:]
	}
	s.draws(now)
	words := plant.Words{}
	for len(t.words) > 0 && t.words[0].AtMs <= at.StartMs {
		words = t.words[0]
		t.words = t.words[1:]
	}
	words.AtMs = at.StartMs
	s.words(words)
	return t
}

// turn takes in what happens to the device.
func (l *life) turn(in *Input, t turn, s speaker) {
	if t.what == revives {
		l.start(in, t.atMs)
		return
	}
	if l.connected {
		l.connected = false
		l.willDue = t.atMs + l.keepAliveMs*3/2
		if l.willAtOnce {
			l.willDue = t.atMs
		}
		s.death(t.atMs, t.what == reboots)
	}
	l.startDue, l.timerDue = never, never
	if t.what == reboots || !l.stores {
		l.tickDue = never
	}
	if t.what == reboots {
		l.start(in, t.atMs)
	}
}

// start is when the device gets its power or its link: at the very first it is there at once, later it takes some seconds.
func (l *life) start(in *Input, atMs int64) {
	l.startedMs, l.startDue = atMs, atMs
	if l.born {
		l.startDue = atMs + 1500 + in.Rand.Int64N(4000)
	}
}

// connect is when the broker takes the device's connection. Where the broker still holds the one before, it ends that, and
// publishes its will.
func (l *life) connect(atMs int64, s speaker) {
	if l.willDue != never {
		l.willDue = never
		s.will(atMs)
	}
	l.startDue, l.connected, l.born = never, true, true
	if l.everyMs > 0 {
		l.tickDue = atMs + 1 + l.phase()
	}
	s.birth(atMs)
}

// phase spreads the devices over their period, each always in the same way.
func (l *life) phase() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(l.id)) // never fails
	return int64(h.Sum64() % uint64(l.everyMs))
}

// saidMs is what the device's own clock shows at an instant: the time since it was set wrong, off as its shifts say, or
// the time since its start where it has none.
func (in *Input) saidMs(atMs int64) int64 {
	for _, unset := range in.Unset {
		if unset.Contains(atMs) {
			return atMs - unset.StartMs
		}
	}
	said := atMs
	for _, s := range in.Shifts {
		if s.FromMs > atMs {
			break
		}
		said = atMs + s.OffsetMs + int64(math.Round(s.Rate*float64(atMs-s.FromMs)))
	}
	return said
}

// saidUTCMs is saidMs for a device that says UTC, or local time in its place.
func (in *Input) saidUTCMs(atMs, zoneOffsetMs int64) int64 {
	if in.LocalTime {
		return in.saidMs(atMs) + zoneOffsetMs
	}
	return in.saidMs(atMs)
}

// outbox takes a day's messages.
type outbox struct {
	list []Message
	// text is where a payload is written before say takes it.
	text  []byte
	chunk []byte
}

// chunkBytes is how much memory payloads share: a day's payloads are many and small.
const chunkBytes = 64 << 10

// say appends a message with the text as its payload.
func (o *outbox) say(m Message) {
	if len(o.text) > cap(o.chunk)-len(o.chunk) {
		o.chunk = make([]byte, 0, max(chunkBytes, len(o.text)))
	}
	from := len(o.chunk)
	o.chunk = append(o.chunk, o.text...)
	m.Payload = o.chunk[from:len(o.chunk):len(o.chunk)]
	o.list = append(o.list, m)
}

// take returns the day's messages and begins another day's.
func (o *outbox) take() []Message {
	list := o.list
	o.list = make([]Message, 0, len(list))
	return list
}
