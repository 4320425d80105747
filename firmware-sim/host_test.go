package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
)

// saying is one message of a node and when it comes; times are in milliseconds from the start, whose clock is right.
type saying struct {
	verb              string
	session, seq      uint8
	saidMs, arrivalMs int64
	lost              bool
}

const startMs = 1_772_409_600_000

// hears lets a host hear the messages, and returns those of which it can make use, and when it asks.
func hears(list []saying, untilMs int64) (understood []string, asks []int64) {
	h := newHost(func(d delivery) {
		if !d.lost && d.message.Tells&(voice.State|voice.Death) != 0 {
			what := "+"
			if d.message.Tells.Has(voice.Death) {
				what = "-"
			}
			understood = append(understood, fmt.Sprint(what, d.message.Place.Seq))
		}
	})
	for i, s := range list {
		topic := "spBv1.0/g/" + s.verb + "/n"
		var tells voice.Tells
		switch s.verb {
		case "DBIRTH":
			tells, topic = voice.State|voice.Birth, topic+"/d"
		case "DDATA":
			tells, topic = voice.State|voice.Aliased, topic+"/d"
		case "NDEATH":
			tells = voice.Death
		}
		said := startMs + s.saidMs
		h.take(delivery{atMs: startMs + s.arrivalMs, lost: s.lost, order: uint64(i), message: voice.Message{
			AtMs: said, EventMs: said, SaidMs: said, Topic: topic, Tells: tells, Place: &voice.Place{Session: s.session, Seq: s.seq, SaidMs: said},
		}})
	}
	for ms := int64(0); ms <= untilMs; ms += 100 {
		if asked, _ := h.Turn(startMs + ms); asked {
			asks = append(asks, ms)
		}
	}
	return understood, asks
}

// TestHost: what a host makes of a node's messages is what docs/dialects/sparkplug.md says, and it asks for a birth
// after the reorder time-out, not more often than each ten seconds.
func TestHost(t *testing.T) {
	t.Parallel()
	born := []saying{{"NBIRTH", 0, 0, 0, 0, false}, {"DBIRTH", 0, 1, 0, 0, false}}
	for _, tt := range []struct {
		name string
		list []saying
		want string // numbers of the messages understood, those that end the device with a minus
		asks []int64
	}{
		{"all in order", []saying{{"DDATA", 0, 2, 1000, 1000, false}, {"DDATA", 0, 3, 2000, 2000, false}}, "+1 +2 +3", nil},
		{"one is lost", []saying{{"DDATA", 0, 2, 1000, 1000, true}, {"DDATA", 0, 3, 2000, 2000, false}}, "+1 +3", []int64{4500, 14500, 24500}},
		{"one comes in time", []saying{{"DDATA", 0, 2, 1000, 3900, false}, {"DDATA", 0, 3, 2000, 2000, false}}, "+1 +3 +2", nil},
		{"one comes too late", []saying{{"DDATA", 0, 2, 1000, 5000, false}, {"DDATA", 0, 3, 2000, 2000, false}}, "+1 +3 +2", []int64{4500}},
		{"the node answers", []saying{
			{"DDATA", 0, 2, 1000, 1000, true},
			{"DDATA", 0, 3, 2000, 2000, false},
			{"NBIRTH", 0, 0, 4500, 4500, false},
			{"DBIRTH", 0, 1, 4500, 4500, false},
			{"DDATA", 0, 2, 9000, 9000, false},
		}, "+1 +3 +1 +2", []int64{4500}},
		{"what was on its way when the node was born again means nothing", []saying{
			{"NBIRTH", 0, 0, 4000, 4000, false},
			{"DBIRTH", 0, 1, 4000, 4000, false},
			{"DDATA", 0, 9, 3000, 5000, false},
		}, "+1 +1", []int64{7500, 17500, 27500}},
		{"without the device's birth aliases mean nothing", []saying{
			{"NBIRTH", 1, 0, 4000, 4000, false},
			{"DBIRTH", 1, 1, 4000, 4000, true},
			{"DDATA", 1, 2, 5000, 5000, false},
		}, "+1 -0", []int64{5500, 15500, 25500}},
		{"a device that is not born again is gone", []saying{
			{"NBIRTH", 0, 0, 4000, 4000, false},
			{"DBIRTH", 0, 1, 4000, 4000, true},
			{"NDATA", 0, 1, 29_000, 29_000, false},
			{"NDATA", 0, 2, 34_000, 34_000, false},
		}, "+1 -2", nil},
		{"a will ends the session", []saying{{"NDEATH", 0, 0, 4000, 4000, false}}, "+1 -0", nil},
		{"the will of the session before does not", []saying{
			{"NBIRTH", 1, 0, 4000, 4000, false},
			{"DBIRTH", 1, 1, 4000, 4000, false},
			{"NDEATH", 0, 0, 0, 4500, false},
			{"DDATA", 1, 2, 5000, 5000, false},
		}, "+1 -0 +1 +2", nil},
		{"a birth that comes before its node's is none", []saying{
			{"NDEATH", 0, 0, 4000, 4000, false},
			{"DBIRTH", 1, 1, 5000, 5000, false},
			{"NBIRTH", 1, 0, 5000, 6000, false},
			{"DDATA", 1, 2, 8000, 8000, false},
		}, "+1 -0", []int64{5500, 15500, 25500}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			understood, asks := hears(append(slices.Clone(born), tt.list...), 34_000)
			if got := strings.Join(understood, " "); got != tt.want {
				t.Errorf("understood are %q, want %q", got, tt.want)
			}
			if !slices.Equal(asks, tt.asks) {
				t.Errorf("it is asked at %v, want %v", asks, tt.asks)
			}
		})
	}
}

// TestANodeAnswers: a Sparkplug node that loses messages says its birth again within the session, half a second after the host
// has waited for what is missing, and numbers its messages from there.
func TestANodeAnswers(t *testing.T) {
	t.Parallel()
	births := func(faults string) (nodes int, messages []Timed) {
		s, err := scenario.Read("node", []byte(`
from: 2026-03-02
bases:
  workshops: {machines: {kind: robot_cell}}
  trainees: 2
`+faults))
		if err != nil {
			t.Fatal(err)
		}
		simulation, err := NewSimulation(s)
		if err != nil {
			t.Fatal(err)
		}
		for m := range simulation.Messages(0, nil) {
			if messages = append(messages, m); strings.Contains(m.Topic, "/NBIRTH/") {
				nodes++
			}
		}
		return nodes, messages
	}
	if nodes, _ := births(""); nodes != 1 {
		t.Errorf("%d births of a node that loses nothing, want 1", nodes)
	}
	nodes, messages := births("faults: {kind: drop, rate: 0.02}\n")
	if nodes < 10 {
		t.Errorf("%d births of a node that loses one message of fifty", nodes)
	}
	for _, m := range messages {
		if strings.Contains(m.Topic, "/NBIRTH/") && !bytes.HasSuffix(m.Payload, []byte{3 << 3, 0}) {
			t.Errorf("%s at %d does not begin the count again: % x", m.Topic, m.AtMs, m.Payload)
		}
	}
}
