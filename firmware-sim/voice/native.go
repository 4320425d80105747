package voice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// native is a gateway that speaks the project's own format: a meter, or a controller's words. Options: channel is the part
// of the device that speaks, none by default; register is "volatile" (from zero at each start) or "kept"; store is "no" or "yes":
// it is dead for want of a link and not of power, and sends what happened meanwhile when the link is back; and those of every life.
type native struct {
	deaf
	life
	outbox
	sensor
	panel
	in *Input

	meter     bool
	keeps     bool
	sampleAt  string // topics
	linkAt    string
	validS    int64
	zoneMs    int64
	saidW     float64 // the power that was reported last
	saidWords plant.Words
	saidMs    int64 // when it reported last
	starting  bool  // it is rebooting, and measures nothing
	stored    []storedSample
}

// storedSample is a sample that waits for the link.
type storedSample struct {
	message Message
	text    []byte
}

// maxStored is how much a gateway stores; then it forgets the oldest.
const maxStored = 20_000

func newNative(spec Spec) (Voice, Identity, error) {
	if spec.Reader != nil {
		return newNativeReader(spec)
	}
	o := spec.options()
	everyMs := spec.everyMs(10 * time.Second)
	n := &native{
		life: o.life(spec.Device.ID, everyMs), meter: spec.Device.Role == scenario.Meter,
		keeps: o.word("register", "volatile", "kept") == "kept", zoneMs: spec.ZoneOffsetMs,
		// A little over twice the interval, so that one lost report is no gap.
		validS: max(1, (everyMs*22/10+999)/1000),
	}
	n.stores = o.word("store", "no", "yes") == "yes"
	channel := o.text("channel", "")
	n.linkAt = nativeTopic(&spec, "", "link")
	n.sampleAt = nativeTopic(&spec, channel, "sample")
	if strings.ContainsAny(channel, "/+#") {
		o.wrong = append(o.wrong, fmt.Errorf("option channel is %q; a name without / + # is right", channel))
	}
	return n, Identity{Dialect: string(scenario.Native), Device: spec.Device.ID, Channel: channel}, o.err()
}

func nativeTopic(spec *Spec, channel, kind string) string {
	id := ""
	if spec.Reader != nil {
		id = spec.Reader.ID
	} else {
		id = spec.Device.ID
	}
	parts := []string{"jishi/v1", spec.Base.Code, "dev", id}
	if channel != "" {
		parts = append(parts, channel)
	}
	return strings.Join(append(parts, kind), "/")
}

// Day implements Voice.
func (n *native) Day(in Input) []Message {
	n.in = &in
	n.walk(&in, n)
	n.in = nil
	return n.take()
}

func (n *native) draws(s plant.Step) {
	n.sensor.set(s.AtMs, s.PowerW)
	if n.meter && significant(n.saidW, s.PowerW) && !n.in.Stuck.Contains(s.AtMs) {
		n.sample(s.AtMs)
	}
}

func (n *native) words(w plant.Words) {
	n.panel.now = w
	if !n.meter && wordsDiffer(&n.saidWords, &w) && !n.in.Stuck.Contains(w.AtMs) {
		n.sample(w.AtMs)
	}
}

// wordsDiffer reports whether a gateway has news.
func wordsDiffer(a, b *plant.Words) bool {
	return stateWord(a) != stateWord(b) || a.SpeedRPM != b.SpeedRPM || a.Parts != b.Parts
}

func (n *native) birth(atMs int64) {
	said := n.in.saidUTCMs(atMs, n.zoneMs)
	n.text = appendTruth(appendWhole(append(n.text[:0], '{'), "t", said), "online", true)
	n.text = append(n.text, '}')
	n.say(Message{
		AtMs: atMs, Topic: n.linkAt, QoS: 1, Retain: true, Exact: said != atMs, Device: n.id, Tells: Birth, EventMs: atMs, SaidMs: said,
	})
	for i := range n.stored {
		s := &n.stored[i]
		s.message.AtMs = atMs
		n.text = append(n.text[:0], s.text...)
		n.say(s.message)
	}
	n.stored, n.starting, n.saidMs = n.stored[:0], false, 0
	n.sample(atMs)
}

func (n *native) death(_ int64, rebooted bool) {
	if !rebooted && n.stores {
		return
	}
	n.stored, n.starting = nil, true
	if !n.keeps {
		n.wattHours = 0
	}
}

// will is what the broker says for the device; the payload was written when the device connected, and says no time.
func (n *native) will(atMs int64) {
	n.text = append(n.text[:0], `{"online":false,"will":true}`...)
	n.say(Message{
		AtMs: atMs, Topic: n.linkAt, QoS: 1, Retain: true, Exact: true, Device: n.id, Tells: Death, EventMs: atMs,
	})
}

func (n *native) tick(atMs int64) { n.sample(atMs) }

func (n *native) leave(atMs int64) { n.pause(atMs) }

// sample reports what is so now, or stores it. What a second report in the same millisecond says is in the first.
func (n *native) sample(atMs int64) {
	if !n.connected && (!n.stores || !n.born || n.starting) || n.saidMs == atMs {
		return
	}
	said := n.in.saidUTCMs(atMs, n.zoneMs)
	n.text = appendWhole(append(n.text[:0], '{'), "t", said)
	m := Message{
		AtMs: atMs, Topic: n.sampleAt, QoS: 1, Exact: said != atMs, Device: n.id, Tells: State, EventMs: atMs,
		ValidMs: n.validS * 1000, SaidMs: said,
	}
	if n.meter {
		m.Tells = n.measured(atMs)
	} else if n.worded(atMs) {
		m.Tells |= Wrong
	}
	n.text = append(appendWhole(n.text, "valid_s", n.validS), '}')
	n.saidMs = atMs
	if n.connected {
		n.say(m)
		return
	}
	if len(n.stored) == maxStored {
		n.stored = n.stored[1:]
	}
	n.stored = append(n.stored, storedSample{m, append([]byte(nil), n.text...)})
}

// measured writes the meter's values.
func (n *native) measured(atMs int64) Tells {
	r := n.sensor.read(n.in, atMs)
	n.saidW = n.watts
	n.text = append(appendKey(n.text, "v"), '{')
	n.text = appendFixed(n.text, "power_w", r.powerW, 1)
	n.text = appendFixed(n.text, "voltage_v", r.voltageV, 1)
	n.text = appendFixed(n.text, "current_a", r.currentA, 3)
	n.text = appendFixed(n.text, "energy_wh", r.energyWh, 2)
	n.text = append(n.text, '}')
	return r.tells(State | Energy)
}

// worded writes the controller's words, and reports whether they are wrong.
func (n *native) worded(atMs int64) bool {
	w, wrong := n.panel.read(n.in, atMs)
	n.saidWords = w
	n.text = append(appendKey(n.text, "v"), '{')
	n.text = appendFixed(n.text, "speed_rpm", w.SpeedRPM, 0)
	n.text = appendWhole(n.text, "count", int64(w.Parts))
	n.text = append(n.text, '}')
	n.text = appendText(n.text, "state", stateWord(&w))
	return wrong
}

// nativeReader is a badge reader's gateway that speaks the project's own format. Options: notation is how it writes a
// card's number (hex, colon, decimal, facility); heartbeat_s how often it says that it is there, 0 for never; store as for
// native; and those of every life.
type nativeReader struct {
	deaf
	life
	outbox
	in *Input

	tapAt, linkAt, sampleAt string
	notation, dir           string
	zoneMs                  int64
	starting                bool
	stored                  []plant.Tap
}

func newNativeReader(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	r := &nativeReader{
		life:     o.life(spec.Reader.ID, 1000*o.whole("heartbeat_s", 60, 0, 39_000)),
		notation: o.word("notation", "hex", "colon", "decimal", "facility"), dir: spec.Reader.Direction, zoneMs: spec.ZoneOffsetMs,
		tapAt: nativeTopic(&spec, "", "tap"), linkAt: nativeTopic(&spec, "", "link"), sampleAt: nativeTopic(&spec, "", "sample"),
	}
	r.stores = o.word("store", "no", "yes") == "yes"
	return r, Identity{Dialect: string(scenario.Native), Device: spec.Reader.ID}, o.err()
}

// Day implements Voice.
func (r *nativeReader) Day(in Input) []Message {
	r.in = &in
	r.walk(&in, r)
	r.in = nil
	return r.take()
}

func (r *nativeReader) birth(atMs int64) {
	said := r.in.saidUTCMs(atMs, r.zoneMs)
	r.text = append(appendTruth(appendWhole(append(r.text[:0], '{'), "t", said), "online", true), '}')
	r.say(Message{
		AtMs: atMs, Topic: r.linkAt, QoS: 1, Retain: true, Exact: said != atMs, Device: r.id, Tells: Birth, EventMs: atMs, SaidMs: said,
	})
	for i := range r.stored {
		r.tapped(atMs, &r.stored[i])
	}
	r.stored, r.starting = r.stored[:0], false
}

func (r *nativeReader) death(_ int64, rebooted bool) {
	if rebooted {
		r.stored, r.starting = nil, true
	}
}

func (r *nativeReader) will(atMs int64) {
	r.text = append(r.text[:0], `{"online":false,"will":true}`...)
	r.say(Message{
		AtMs: atMs, Topic: r.linkAt, QoS: 1, Retain: true, Exact: true, Device: r.id, Tells: Death, EventMs: atMs,
	})
}

// tick says that the reader is there: without it the silence of a night and that of a dead reader are one.
func (r *nativeReader) tick(atMs int64) {
	if !r.connected {
		return
	}
	said, validS := r.in.saidUTCMs(atMs, r.zoneMs), r.everyMs*22/10/1000
	r.text = appendText(appendWhole(append(r.text[:0], '{'), "t", said), "state", "READY")
	r.text = append(appendWhole(r.text, "valid_s", validS), '}')
	r.say(Message{
		AtMs: atMs, Topic: r.sampleAt, QoS: 1, Exact: said != atMs, Device: r.id, Tells: Birth, EventMs: atMs,
		ValidMs: validS * 1000, SaidMs: said,
	})
}

func (r *nativeReader) tap(t *plant.Tap) {
	switch {
	case r.connected:
		r.tapped(t.AtMs, t)
	case r.stores && r.born && !r.starting && len(r.stored) < maxStored:
		r.stored = append(r.stored, *t)
	}
}

func (r *nativeReader) tapped(atMs int64, t *plant.Tap) {
	said := r.in.saidUTCMs(t.AtMs, r.zoneMs)
	r.text = appendWhole(append(r.text[:0], '{'), "t", said)
	uid, format := written(t.Card, r.notation)
	r.text = appendText(r.text, "uid", uid)
	if format != "hex" {
		r.text = appendText(r.text, "format", format)
	}
	if r.dir != "" {
		r.text = appendText(r.text, "dir", r.dir)
	}
	r.text = append(r.text, '}')
	r.say(Message{
		AtMs: atMs, Topic: r.tapAt, QoS: 1, Exact: said != t.AtMs, Device: r.id, Tells: Tapped, EventMs: t.AtMs, SaidMs: said,
	})
}

// written writes a card's number in a notation, and names the product's word for it.
func written(card, notation string) (text, format string) {
	switch notation {
	case "colon":
		var pairs []string
		for ; len(card) > 2; card = card[2:] {
			pairs = append(pairs, card[:2])
		}
		return strings.Join(append(pairs, card), ":"), "hex"
	case "decimal":
		return decimal(card), "decimal"
	case "facility":
		low := card[max(0, len(card)-6):]
		if n, err := strconv.ParseUint(low, 16, 32); err == nil {
			return fmt.Sprintf("%d,%d", n>>16, n&0xffff), "facility"
		}
	}
	return card, "hex"
}
