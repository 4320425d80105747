package voice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Of the ESPHome firmware and its examples.
const (
	espUpdate    = 60 * time.Second
	espValid     = 132 * time.Second
	espKeepAlive = 15 * time.Second
)

// The timers of a device with ESPHome.
const (
	espUpdates = iota
	espRemoved
)

// esphome is a meter that says each number on a topic of its own, or, as a controller, a contact at the lamp that shows
// that the machine works. Every is its update_interval. Its options:
//
//	energy   lost (default) or kept: whether the counter survives a restart
//	contact  running (default): the object id of a controller's binary sensor
//	valid    for how long a consumer believes a number; 132s
//
// and those of every gadget. All its states are retained, and none says a time.
type esphome struct {
	gadget
	status   string // topics
	signal   string
	voltage  string
	current  string
	power    string
	energy   string
	contact  string
	meter    bool
	keeps    bool
	periodMs int64
	validMs  int64

	working, saidWorking bool
	startWh              float64
}

func newESPHome(spec Spec) (Voice, Identity, error) {
	if spec.Reader != nil {
		return newESPHomeReader(spec)
	}
	o := spec.options()
	contact := "running"
	v := &esphome{meter: spec.Device.Role == scenario.Meter, periodMs: spec.everyMs(espUpdate)}
	if v.meter {
		v.keeps = o.word("energy", "lost", "kept") == "kept"
		v.validMs = o.valid(espValid)
	} else if contact = o.text("contact", contact); contact == "" || strings.ContainsAny(contact, "/+#") {
		o.wrong = append(o.wrong, fmt.Errorf("option contact is %q; a name without / + # is right", contact))
	}
	v.gadget = o.gadget(spec.id(), espKeepAlive)
	if err := o.err(); err != nil {
		return nil, Identity{}, err
	}
	sensor := v.id + "/sensor/"
	v.status, v.signal = v.id+"/status", sensor+"wifi_signal/state"
	v.voltage, v.current = sensor+"voltage/state", sensor+"current/state"
	v.power, v.energy = sensor+"power/state", sensor+"energy_wh/state"
	channel := "sensor/power"
	if !v.meter {
		channel = "binary_sensor/" + contact
		v.contact = v.id + "/" + channel + "/state"
	}
	return v, Identity{Dialect: "esphome", Device: v.id, Channel: channel}, nil
}

// Day implements Voice.
func (v *esphome) Day(in Input) []Message { return v.run(&in, v) }

func (v *esphome) draws(s plant.Step) { v.set(s.AtMs, s.PowerW) }

func (v *esphome) words(w plant.Words) {
	v.working = w.Available && w.Execution == "ACTIVE"
	if v.connected && !v.meter && v.working != v.saidWorking && !v.in.Stuck.Contains(w.AtMs) {
		v.touch(w.AtMs)
	}
}

func (v *esphome) birth(atMs int64) {
	v.to(atMs)
	if !v.keeps {
		v.startWh = v.wattHours
	}
	v.word("online", Message{AtMs: atMs, Topic: v.status, Retain: true, Exact: true, Tells: Birth})
	v.update(atMs)
	if !v.meter {
		v.touch(atMs)
	}
}

func (v *esphome) death(int64, bool) { v.quiet() }

func (v *esphome) will(atMs int64) {
	v.word("offline", Message{AtMs: atMs, Topic: v.status, Retain: true, Exact: true, Tells: Death})
}

func (v *esphome) timer(atMs int64) {
	if v.rings(atMs) == espUpdates {
		v.update(atMs)
	}
}

// update says all sensors.
func (v *esphome) update(atMs int64) {
	v.alarm(espUpdates, atMs+v.periodMs)
	if v.meter {
		r := v.read(v.in, atMs)
		v.number(v.voltage, r.voltageV, 1, Message{AtMs: atMs})
		v.number(v.current, r.currentA, 3, Message{AtMs: atMs})
		v.number(v.power, r.powerW, 1, Message{AtMs: atMs, Tells: r.tells(State), ValidMs: v.validMs})
		v.number(v.energy, max(0, r.energyWh-v.startWh), 1, Message{AtMs: atMs, Tells: Energy, ValidMs: v.validMs})
	} else if v.saidWorking != v.working && !v.in.Stuck.Contains(atMs) {
		// A contact that was stuck shows what is so again.
		v.touch(atMs)
	}
	v.number(v.signal, float64(-45-spread(v.id, 30)), 0, Message{AtMs: atMs})
}

// touch says the contact.
func (v *esphome) touch(atMs int64) {
	v.saidWorking = v.working
	word := "OFF"
	if v.working {
		word = "ON"
	}
	v.word(word, Message{AtMs: atMs, Topic: v.contact, Retain: true, Exact: true, Tells: State})
}

func (v *esphome) number(topic string, value float64, decimals int, m Message) {
	m.Topic, m.Retain, m.Exact = topic, true, true
	v.text = strconv.AppendFloat(v.text[:0], value, 'f', decimals, 64)
	v.send(m)
}

// esphomeReader is a badge reader whose automations publish the cards below its prefix, as the firmware's examples do.
// Its options are those of every gadget.
type esphomeReader struct {
	gadget
	hardware                     string
	status, signal, tag, removed string // topics
	last                         string // the card that is about to be taken away
}

func newESPHomeReader(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	v := &esphomeReader{hardware: o.hardware(&spec, readerRC522, readerPN532, readerWiegand, readerRDM6300)}
	v.gadget = o.gadget(spec.id(), espKeepAlive)
	if err := o.err(); err != nil {
		return nil, Identity{}, err
	}
	v.status, v.signal = v.id+"/status", v.id+"/sensor/wifi_signal/state"
	v.tag, v.removed = v.id+"/"+v.hardware+"/tag", v.id+"/"+v.hardware+"/tag_removed"
	return v, Identity{Dialect: "esphome", Device: v.id, Channel: v.hardware}, nil
}

// Day implements Voice.
func (v *esphomeReader) Day(in Input) []Message { return v.run(&in, v) }

func (v *esphomeReader) birth(atMs int64) {
	v.word("online", Message{AtMs: atMs, Topic: v.status, Retain: true, Exact: true, Tells: Birth})
	v.alive(atMs)
}

func (v *esphomeReader) death(int64, bool) { v.quiet() }

func (v *esphomeReader) will(atMs int64) {
	v.word("offline", Message{AtMs: atMs, Topic: v.status, Retain: true, Exact: true, Tells: Death})
}

func (v *esphomeReader) timer(atMs int64) {
	for {
		switch v.rings(atMs) {
		case espUpdates:
			v.alive(atMs)
		case espRemoved:
			v.word(v.last, Message{AtMs: atMs, Topic: v.removed, Exact: true})
		default:
			return
		}
	}
}

// alive says the one sensor that a reader has.
func (v *esphomeReader) alive(atMs int64) {
	v.alarm(espUpdates, atMs+espUpdate.Milliseconds())
	v.text = strconv.AppendInt(v.text[:0], -45-spread(v.id, 30), 10)
	v.send(Message{AtMs: atMs, Topic: v.signal, Retain: true, Exact: true, Tells: Birth, ValidMs: espValid.Milliseconds()})
}

func (v *esphomeReader) tap(t *plant.Tap) {
	if !v.connected {
		return
	}
	switch v.hardware {
	case readerWiegand:
		v.last = decimal(t.Card)
	case readerRDM6300:
		v.last = decimal(fourBytes(t.Card))
	default:
		v.last = dashed(t.Card)
		// These see when the card is taken away again.
		v.alarm(espRemoved, t.AtMs+600+v.in.Rand.Int64N(900))
	}
	v.word(v.last, Message{AtMs: t.AtMs, Topic: v.tag, Exact: true, Tells: Tapped})
}

// dashed writes a card's bytes with dashes between them.
func dashed(card string) string {
	var out []byte
	for i := range len(card) {
		if i > 0 && (len(card)-i)%2 == 0 {
			out = append(out, '-')
		}
		out = append(out, card[i])
	}
	return strings.ToUpper(string(out))
}
