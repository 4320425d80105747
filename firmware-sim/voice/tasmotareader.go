package voice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
)

// tasmotaReader is a badge reader with the Tasmota firmware. It says each card once, and its STATE in each period. Its
// options:
//
//	time    as for a meter
//	size    the bits of a Wiegand reader, 26 or 34; auto (default) is 34 for cards of more than three bytes
//	hex     no (default) or yes: SetOption123 of a Wiegand reader
//
// and those of every gadget.
type tasmotaReader struct {
	gadget
	tasmotaClock
	topics    tasmotaTopics
	hardware  string
	size      string
	hex       bool
	boots     int64
	deafUntil int64
}

// The kinds of readers.
const (
	readerRC522   = "rc522"
	readerPN532   = "pn532"
	readerWiegand = "wiegand"
	readerRDM6300 = "rdm6300"
)

// readerDeafMs is how long a reader hears no card after one.
const readerDeafMs = 2000

func newTasmotaReader(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	v := &tasmotaReader{
		tasmotaClock: o.tasmotaClock(spec.ZoneOffsetMs),
		topics:       newTasmotaTopics(spec.id()),
		hardware:     o.hardware(&spec, readerRC522, readerPN532, readerWiegand, readerRDM6300),
		size:         o.word("size", "auto", "26", "34"),
		hex:          o.word("hex", "no", "yes") == "yes",
	}
	v.gadget = o.gadget(spec.id(), tasmotaKeepAlive)
	if err := o.err(); err != nil {
		return nil, Identity{}, err
	}
	return v, Identity{Dialect: "tasmota", Device: v.id, Channel: v.hardware}, nil
}

// Day implements Voice.
func (v *tasmotaReader) Day(in Input) []Message { return v.run(&in, v) }

func (v *tasmotaReader) birth(atMs int64) {
	v.boots++
	v.greet(&v.topics, v.boots, atMs)
	v.alarm(tasmotaTele, wholeSecond(atMs+tasmotaFirstMs))
}

func (v *tasmotaReader) death(int64, bool) { v.quiet() }

func (v *tasmotaReader) will(atMs int64) {
	v.word("Offline", Message{AtMs: atMs, Topic: v.topics.will, Retain: true, Exact: true, Tells: Death})
}

func (v *tasmotaReader) timer(atMs int64) {
	if v.rings(atMs) != tasmotaTele {
		return
	}
	v.alarm(tasmotaTele, wholeSecond(atMs+tasmotaPeriod.Milliseconds()))
	v.text = v.time(append(v.text[:0], '{'), v.in, atMs)
	v.text = append(appendWifi(appendUptime(v.text, v.upMs(atMs)), v.id, 1), '}')
	v.send(Message{
		AtMs: atMs, SaidMs: v.dated(v.in, atMs), Topic: v.topics.state, Exact: v.inexact(v.in, atMs), Tells: Birth,
		ValidMs: tasmotaValid.Milliseconds(),
	})
}

func (v *tasmotaReader) tap(t *plant.Tap) {
	if !v.connected || t.AtMs < v.deafUntil {
		return
	}
	v.deafUntil = t.AtMs + readerDeafMs
	v.text = v.time(append(v.text[:0], '{'), v.in, t.AtMs)
	switch v.hardware {
	case readerRC522:
		v.text = appendText(append(appendKey(v.text, "RC522"), '{'), "UID", t.Card)
		v.text = appendText(appendText(v.text, "Data", ""), "Type", "MIFARE 1KB")
	case readerPN532:
		v.text = appendText(append(appendKey(v.text, "PN532"), '{'), "UID", t.Card)
		v.text = appendText(v.text, "DATA", "")
	case readerRDM6300:
		v.text = appendText(append(appendKey(v.text, "RDM6300"), '{'), "UID", fourBytes(t.Card))
	default:
		v.text = append(appendKey(v.text, "Wiegand"), '{')
		v.text = v.wiegand(v.text, t.Card)
	}
	v.text = append(v.text, '}', '}')
	v.send(Message{
		AtMs: t.AtMs, SaidMs: v.dated(v.in, t.AtMs), Topic: v.topics.sensor, Exact: v.inexact(v.in, t.AtMs), Tells: Tapped,
	})
}

// wiegand writes the lower three or four bytes of a card and how many bits they came in, two of them for parity.
func (v *tasmotaReader) wiegand(out []byte, card string) []byte {
	size := int64(26)
	if v.size == "34" || v.size == "auto" && len(card) > 6 {
		size = 34
	}
	n := lowBits(card, size-2)
	if v.hex {
		out = append(appendKey(out, "UID"), '"')
		out = append(out, strings.ToUpper(strconv.FormatUint(n, 16))...)
		out = append(out, 'h', '"')
	} else {
		out = strconv.AppendUint(appendKey(out, "UID"), n, 10)
	}
	return appendWhole(out, "Size", size)
}

// hardware is the reader's type, the first of those that are known by default.
func (o *optionReader) hardware(spec *Spec, known ...string) string {
	if spec.Reader.Type == "" {
		return known[0]
	}
	if slices.Contains(known, spec.Reader.Type) {
		return spec.Reader.Type
	}
	o.wrong = append(o.wrong, fmt.Errorf("type is %q; %s is right", spec.Reader.Type, strings.Join(known, " or ")))
	return known[0]
}

// lowBits is the lower end of a card's hexadecimal number.
func lowBits(card string, bits int64) uint64 {
	n, err := strconv.ParseUint(card[max(0, len(card)-16):], 16, 64)
	if err != nil {
		return 0
	}
	return n & (1<<bits - 1)
}

// fourBytes are the lower four bytes of a card, as an RDM6300 says them.
func fourBytes(card string) string {
	const digits = 8
	if len(card) < digits {
		return strings.Repeat("0", digits-len(card)) + strings.ToUpper(card)
	}
	return strings.ToUpper(card[len(card)-digits:])
}
