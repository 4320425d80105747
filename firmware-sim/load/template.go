package load

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// TemplateOptions say what a device's messages look like. Topic and Payload may hold these placeholders:
//
//	{device}   the device's name: the prefix and its number, six digits at least
//	{base}     Base
//	{n}        the number of the message, per device, from 1
//	{t}        the instant of sending, Unix milliseconds
//	{s}        the same in seconds with three decimals
//	{time}     the same as 2026-03-02T08:00:00.000Z
//	{local}    the same as 2026-03-02T16:00:00, eight hours east and without saying so
//	{power}    watts with one decimal, between 100 and 900, from message to message
//	{energy}   a counter of watt-hours with one decimal
//	{valid}    2.2 times the interval between messages, whole seconds, 1 to 86400
//
// Braces around anything else than a single lower-case word are text.
type TemplateOptions struct {
	// Dialect gives Topic and Payload where they are empty: native (the default), tasmota or shelly.
	Dialect        string
	Topic, Payload string
	// Base is the code of a base, "" is "load".
	Base string
	// Prefix begins the devices' names, "" is "load-".
	Prefix string
	// Every is the interval, for {valid}.
	Every time.Duration
}

// Template makes the messages of devices. It is safe for concurrent use.
type Template struct {
	topic, payload []piece
	base, prefix   string
	valid          int64
}

// piece is a stretch of text, or what stands for a placeholder.
type piece struct {
	text string
	hole hole
}

type hole byte

const (
	holeNone hole = iota
	holeDevice
	holeBase
	holeNumber
	holeMillis
	holeSeconds
	holeTime
	holeLocal
	holePower
	holeEnergy
	holeValid
)

func holes() map[string]hole {
	return map[string]hole{
		"device": holeDevice, "base": holeBase, "n": holeNumber, "t": holeMillis, "s": holeSeconds, "time": holeTime,
		"local": holeLocal, "power": holePower, "energy": holeEnergy, "valid": holeValid,
	}
}

// shape is what the devices of a dialect send.
type shape struct{ topic, payload string }

func shapes() map[string]shape {
	return map[string]shape{
		"native": {
			"jishi/v1/{base}/dev/{device}/sample",
			`{"t":{t},"v":{"power_w":{power},"energy_wh":{energy}},"valid_s":{valid}}`,
		},
		"tasmota": {
			"tele/{device}/SENSOR",
			`{"Time":"{local}","ENERGY":{"Total":{energy},"Power":{power},"Voltage":230}}`,
		},
		"shelly": {"shellies/{device}/relay/0/power", "{power}"},
	}
}

// Dialects lists the dialects that have a message of their own.
func Dialects() []string { return slices.Sorted(maps.Keys(shapes())) }

// Limits of a message.
const (
	maxTopic   = 1024
	maxMessage = 256 << 10
)

// NewTemplate checks and prepares a message. The error names the field, and an unknown placeholder.
func NewTemplate(o TemplateOptions) (*Template, error) {
	if o.Dialect == "" {
		o.Dialect = "native"
	}
	known, ok := shapes()[o.Dialect]
	if !ok {
		return nil, fmt.Errorf("template option Dialect is %q: want one of %s", o.Dialect, strings.Join(Dialects(), ", "))
	}
	if o.Topic == "" {
		o.Topic = known.topic
	}
	if o.Payload == "" {
		o.Payload = known.payload
	}
	if o.Base == "" {
		o.Base = "load"
	}
	if o.Prefix == "" {
		o.Prefix = "load-"
	}
	t := &Template{base: o.Base, prefix: o.Prefix, valid: min(max(1, int64(2.2*o.Every.Seconds())), 86400)}
	var errTopic, errPayload error
	t.topic, errTopic = cutPieces(o.Topic)
	t.payload, errPayload = cutPieces(o.Payload)
	errs := []error{named("Topic", errTopic), named("Payload", errPayload)}
	if len(o.Topic) > maxTopic || strings.ContainsAny(o.Topic+o.Base+o.Prefix, "+#\x00") || !utf8.ValidString(o.Topic+o.Base+o.Prefix) {
		errs = append(errs, fmt.Errorf("template option Topic is %.80q: want at most %d bytes of UTF-8 without + and #", o.Topic, maxTopic))
	}
	if len(o.Payload) > maxMessage {
		errs = append(errs, fmt.Errorf("template option Payload has %d bytes: want at most %d", len(o.Payload), maxMessage))
	}
	return t, errors.Join(errs...)
}

func named(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("template option %s: %w", field, err)
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func cutPieces(text string) ([]piece, error) {
	known := holes()
	var out []piece
	at := 0
	for _, span := range placeholder.FindAllStringIndex(text, -1) {
		word := text[span[0]+1 : span[1]-1]
		h, ok := known[word]
		if !ok {
			return nil, fmt.Errorf("placeholder {%s} is unknown: want one of {%s}", word, strings.Join(slices.Sorted(maps.Keys(known)), "} {"))
		}
		if span[0] > at {
			out = append(out, piece{text: text[at:span[0]]})
		}
		out = append(out, piece{hole: h})
		at = span[1]
	}
	if at < len(text) {
		out = append(out, piece{text: text[at:]})
	}
	return out, nil
}

// occasion is which message of which device is sent when.
type occasion struct {
	device int
	name   string
	n      int64 // from 1
	ms     int64 // Unix
}

func (t *Template) appendPieces(b []byte, pieces []piece, at *occasion) []byte {
	for i := range pieces {
		b = t.appendPiece(b, &pieces[i], at)
	}
	return b
}

func (t *Template) appendPiece(b []byte, p *piece, at *occasion) []byte {
	switch p.hole {
	case holeDevice:
		return append(b, at.name...)
	case holeBase:
		return append(b, t.base...)
	case holeNumber:
		return strconv.AppendInt(b, at.n, 10)
	case holeMillis:
		return strconv.AppendInt(b, at.ms, 10)
	case holeSeconds:
		return appendFixed(b, at.ms, 1000)
	case holeTime:
		return time.UnixMilli(at.ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	case holeLocal:
		const east = 8 * 60 * 60 * 1000
		return time.UnixMilli(at.ms+east).UTC().AppendFormat(b, "2006-01-02T15:04:05")
	case holePower:
		return appendFixed(b, 1000+int64(scatter(uint64(at.device), uint64(at.n))%8001), 10)
	case holeEnergy:
		return appendFixed(b, 14*at.n, 10)
	case holeValid:
		return strconv.AppendInt(b, t.valid, 10)
	default:
		return append(b, p.text...)
	}
}

// appendFixed writes n/unit with all decimals of unit, a power of ten.
func appendFixed(b []byte, n, unit int64) []byte {
	b = strconv.AppendInt(b, n/unit, 10)
	b = append(b, '.')
	for rest := n % unit; unit > 1; {
		unit /= 10
		b = append(b, byte('0'+rest/unit%10))
	}
	return b
}

// scatter mixes two numbers (the finalizer of splitmix64), so that neighbours differ and a repeated run does not.
func scatter(a, b uint64) uint64 {
	x := a*0x9e3779b97f4a7c15 + b
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
