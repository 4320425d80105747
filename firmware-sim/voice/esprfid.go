package voice

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// esprfid is a door reader with the ESP-RFID firmware. It publishes only while it is connected, with QoS 0, and keeps
// nothing for later. Options: topic is its MQTT topic setting, "esprfid/" and its id by default; version is "2", "1.3" or
// "1.0"; mode is "plain" or "ha" (Home Assistant, with a last will); heartbeat_s is its interval, 180 by default; zeros is
// "kept" or "dropped", for firmware that writes a byte below 16 with one digit; and those of every life.
type esprfid struct {
	deaf
	life
	outbox
	in *Input

	topic, version string
	ha, drops      bool
	wiegand        bool
	zoneMs         int64
}

func newESPRFID(spec Spec) (Voice, Identity, error) {
	if spec.Reader == nil {
		return nil, Identity{}, fmt.Errorf("%s is a device; esprfid is for readers only", spec.Device.ID)
	}
	o := spec.options()
	r := &esprfid{
		life:  o.life(spec.Reader.ID, 1000*o.whole("heartbeat_s", 180, 10, 86_400)),
		topic: o.text("topic", "esprfid/"+spec.Reader.ID), version: o.word("version", "2", "1.3", "1.0"),
		ha: o.word("mode", "plain", "ha") == "ha", drops: o.word("zeros", "kept", "dropped") == "dropped",
		wiegand: spec.Reader.Type == "wiegand", zoneMs: spec.ZoneOffsetMs,
	}
	if r.topic == "" || strings.ContainsAny(r.topic, "+#") {
		o.wrong = append(o.wrong, fmt.Errorf("option topic is %q; a topic without + # is right", r.topic))
	}
	return r, Identity{Dialect: string(scenario.ESPRFID), Device: spec.Reader.ID}, o.err()
}

// Day implements Voice.
func (r *esprfid) Day(in Input) []Message {
	r.in = &in
	r.walk(&in, r)
	r.in = nil
	return r.take()
}

// birth is a boot: readers say it at each connection. In the mode for Home Assistant they also say that they are available.
func (r *esprfid) birth(atMs int64) {
	if r.ha {
		r.available(atMs, "online", Birth)
	}
	r.begin("boot", atMs)
	switch r.version {
	case "1.0":
		r.text = appendText(appendText(r.text, "Wifi SSID", "workshop"), "Local IP", "192.168.1.7")
	default:
		r.text = r.whoAmI(appendText(r.text, "uptime", "0"))
	}
	r.alive(atMs)
}

// tick is a heartbeat. Version 1.0 cannot spell it.
func (r *esprfid) tick(atMs int64) {
	if !r.connected {
		return
	}
	switch r.version {
	case "1.0":
		r.begin("hearthbeat", atMs)
	default:
		r.begin("heartbeat", atMs)
		r.text = r.whoAmI(appendWhole(r.text, "uptime", r.upMs(atMs)/1000))
	}
	r.alive(atMs)
}

// will is what the broker says for a reader in the mode for Home Assistant; the others have none.
func (r *esprfid) will(atMs int64) {
	if r.ha {
		r.available(atMs, "offline", Death)
	}
}

func (r *esprfid) available(atMs int64, word string, tells Tells) {
	r.text = append(r.text[:0], word...)
	r.say(Message{
		AtMs: atMs, Topic: r.topic + "/avty", Retain: true, Exact: true, Device: r.id, Tells: tells, EventMs: atMs,
	})
}

// begin begins a message with its type and the reader's time, in seconds; a reader without NTP counts from its start.
func (r *esprfid) begin(kind string, atMs int64) {
	r.text = appendText(append(r.text[:0], '{'), "type", kind)
	r.text = appendWhole(r.text, "time", r.seconds(atMs))
}

func (r *esprfid) seconds(atMs int64) int64 { return max(0, r.in.saidUTCMs(atMs, r.zoneMs)/1000) }

// whoAmI writes the reader's address and name, which version 1.3 calls its door.
func (r *esprfid) whoAmI(out []byte) []byte {
	name := "hostname"
	if r.version == "1.3" {
		name = "door"
	}
	return appendText(appendText(out, "ip", "192.168.1.7"), name, r.id)
}

// alive ends a sign of life, which holds for a little more than two intervals.
func (r *esprfid) alive(atMs int64) {
	topic := r.topic + "/send"
	switch r.version {
	case "1.0":
		topic = r.topic
	case "1.3":
		topic = r.topic + "/sync"
	}
	r.text = append(r.text, '}')
	r.say(Message{
		AtMs: atMs, Topic: topic, Exact: true, Device: r.id, Tells: Birth, EventMs: atMs, ValidMs: r.everyMs * 22 / 10,
		SaidMs: r.seconds(atMs) * 1000,
	})
}

func (r *esprfid) tap(t *plant.Tap) {
	if !r.connected {
		return
	}
	known, access, user := "true", "Always", t.Owner
	if t.Owner == "" {
		known, access, user = "false", "Denied", "Unknown"
	}
	topic := r.topic
	if r.ha {
		topic += "/tag"
		out := appendText(append(r.text[:0], '{'), "uid", r.uid(t.Card))
		out = appendText(appendText(out, "username", user), "access", access)
		r.text = append(appendWhole(out, "time", r.seconds(t.AtMs)), '}')
	} else {
		r.begin("access", t.AtMs)
		out := appendText(appendText(appendText(r.text, "isKnown", known), "access", access), "username", user)
		out = appendText(out, "uid", r.uid(t.Card))
		switch r.version {
		case "2":
			out = appendText(appendText(out, "hostname", r.id), "doorName", "Door")
		case "1.3":
			out = appendText(out, "door", r.id)
		}
		r.text = append(out, '}')
		if r.version != "1.0" {
			topic += "/send"
		}
	}
	r.say(Message{
		AtMs: t.AtMs, Topic: topic, Exact: true, Device: r.id, Tells: Tapped, EventMs: t.AtMs, SaidMs: r.seconds(t.AtMs) * 1000,
	})
}

// uid writes a card's number as the reader's hardware and firmware do.
func (r *esprfid) uid(card string) string {
	if r.wiegand {
		return decimal(card)
	}
	card = strings.ToLower(card)
	if !r.drops || len(card)%2 != 0 {
		return card
	}
	var out strings.Builder
	for ; len(card) > 1; card = card[2:] {
		b, err := strconv.ParseUint(card[:2], 16, 8)
		if err != nil {
			return card // a scenario's card is hexadecimal
		}
		out.WriteString(strconv.FormatUint(b, 16))
	}
	return out.String()
}
