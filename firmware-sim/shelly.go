package sim

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// shellyHeader is the first line of a recording of a Shelly plug's topics.
const shellyHeader = "timestamp,topic_leaf,value"

// shellyPlug replays `timestamp,topic_leaf,value` as a Shelly Plug S of the first generation says it: one topic for
// each quantity, the number alone as payload, and no time.
type shellyPlug struct {
	prefix string // shellies/<id>/
	zone   *time.Location
	topics map[string]string // by leaf
}

func newShellyPlug(id string, zone *time.Location) *shellyPlug {
	prefix := "shellies/" + id + "/"
	return &shellyPlug{prefix: prefix, zone: zone, topics: map[string]string{
		"power":       prefix + "relay/0/power",
		"energy":      prefix + "relay/0/energy",
		"temperature": prefix + "temperature",
	}}
}

// birth implements plug: the device says that it is there.
func (p *shellyPlug) birth(atMs int64) Timed {
	return Timed{AtMs: atMs, Topic: p.prefix + "online", Payload: []byte("true"), Retain: true, Exact: true}
}

// form implements plug.
func (p *shellyPlug) form() string { return "2030-01-02 08:00:00,power,12.5" }

// message implements plug.
func (p *shellyPlug) message(line []byte) (Timed, string) {
	if string(line) == shellyHeader {
		return Timed{}, skipCommand
	}
	stamp, rest, ok1 := bytes.Cut(line, []byte{','})
	leaf, value, ok2 := bytes.Cut(rest, []byte{','})
	if !ok1 || !ok2 {
		return Timed{}, skipMalformed
	}
	at, err := time.ParseInLocation("2006-01-02 15:04:05", string(stamp), p.zone)
	if us := at.UnixMicro(); err != nil || us < earliestUs || us >= latestUs {
		return Timed{}, skipBadTime
	}
	topic := p.topics[string(leaf)]
	switch {
	case topic == "":
		return Timed{}, skipUnknown
	case len(value) == 0:
		return Timed{}, skipNoValue
	}
	if n, err := strconv.ParseFloat(string(value), 64); err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return Timed{}, skipMalformed
	}
	payload := bytes.Clone(value)
	if string(leaf) == "energy" {
		payload = bytes.TrimSuffix(payload, []byte(".0")) // the device counts whole watt-minutes
	}
	return Timed{AtMs: at.UnixMilli(), Topic: topic, Payload: payload, Exact: true}, ""
}
