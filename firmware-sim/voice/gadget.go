package voice

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// maxTimers is how many things a gadget does by itself, each at its own time.
const maxTimers = 4

// gadget is what plugs, meters and readers have in common: a life, a sensor, an outbox, and several timers in place of the
// life's one.
type gadget struct {
	life
	deaf
	sensor
	outbox

	in  *Input
	due [maxTimers]int64
}

// gadget takes the options of a life that all gadgets have, and returns one that was never there.
func (o *optionReader) gadget(id string, keepAlive time.Duration) gadget {
	g := gadget{life: newLife(id, 0, 1000*o.whole("keepalive_s", int64(keepAlive/time.Second), 1, 3600))}
	g.willAtOnce = o.word("will", "late", "at_once") == "at_once"
	g.quiet()
	return g
}

// run takes the speaker that the gadget is part of through its day.
func (g *gadget) run(in *Input, s speaker) []Message {
	g.in = in
	if !g.connected {
		g.quiet()
	}
	for i, due := range g.due {
		// What was due while the device stood nowhere is done when it is put up again.
		if due != never && due < g.firstMs() {
			g.due[i] = g.firstMs()
		}
	}
	g.wind()
	g.walk(in, s)
	g.in = nil
	return g.take()
}

// firstMs is when the device's day begins.
func (g *gadget) firstMs() int64 {
	if at := g.in.At.Clip(g.in.Span); g.in.Machine != nil && len(at) > 0 {
		return at[0].StartMs
	}
	return g.in.StartMs
}

// alarm sets one timer to an instant; the timer's meaning is the dialect's.
func (g *gadget) alarm(timer int, atMs int64) {
	g.due[timer] = atMs
	g.wind()
}

// rings returns a timer that is due, which it stops, or -1.
func (g *gadget) rings(atMs int64) int {
	for i, due := range g.due {
		if due <= atMs {
			g.alarm(i, never)
			return i
		}
	}
	g.wind()
	return -1
}

// quiet stops all timers.
func (g *gadget) quiet() {
	for i := range g.due {
		g.due[i] = never
	}
	g.wind()
}

func (g *gadget) wind() { g.timerDue = slices.Min(g.due[:]) }

// leave implements speaker.
func (g *gadget) leave(atMs int64) { g.pause(atMs) }

// id is what the device or reader calls itself.
func (s *Spec) id() string {
	if s.Reader != nil {
		return s.Reader.ID
	}
	return s.Device.ID
}

// meterOnly refuses what a plug or meter cannot be.
func meterOnly(spec *Spec, o *optionReader) error {
	switch {
	case spec.Device == nil:
		o.wrong = append(o.wrong, errors.New("it is no reader; a meter is right"))
	case spec.Device.Role != scenario.Meter:
		o.wrong = append(o.wrong, fmt.Errorf("role is %q; meter is right", spec.Device.Role))
	}
	return o.err()
}

// word says a text as it is.
func (g *gadget) word(payload string, m Message) {
	g.text = append(g.text[:0], payload...)
	g.send(m)
}

// send says what g.text holds.
func (g *gadget) send(m Message) {
	m.Device = g.id
	if m.EventMs == 0 {
		m.EventMs = m.AtMs
	}
	g.say(m)
}

// nextLook is the next instant at which a meter that measures once a second looks, at or after an instant. Each has its
// own hundredth of the second, which is as fine as these devices say time.
func (g *gadget) nextLook(atMs int64) int64 {
	const each = 1000
	own := 10 * spread(g.id, each/10)
	at := atMs - atMs%each + own
	if at < atMs {
		at += each
	}
	return at
}

// spread draws a number below n from a name, always the same one.
func spread(name string, n int64) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return int64(h.Sum64() % uint64(n))
}

// hexID is a serial number of six bytes such as a MAC address, drawn from the device's name.
func hexID(name string) string {
	const digits = "0123456789ABCDEF"
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	n := h.Sum64()
	out := []byte("02")
	for range 10 {
		out = append(out, digits[n&15])
		n >>= 4
	}
	return string(out)
}

// length takes an option that is a duration; "off" is 0 where that is allowed.
func (o *optionReader) length(name string, fallback, least, most time.Duration) time.Duration {
	value := o.text(name, fallback.String())
	if value == "off" && least == 0 {
		return 0
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		o.wrong = append(o.wrong, fmt.Errorf("option %s is %q; a duration from %v to %v is right", name, value, least, most))
		return fallback
	}
	return d
}

// valid takes the option of what a consumer of the device believes: for how long its word holds.
func (o *optionReader) valid(usual time.Duration) int64 {
	return o.length("valid", usual, time.Second, 48*time.Hour).Milliseconds()
}
