package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// air carries frames to a collector and acknowledgements to bridges, well or badly: while it is bad, messages are lost,
// repeated and overtaken by later ones, and connections break.
type air struct {
	frames chan mqtt.Inbound // to the collector

	mu        sync.Mutex // guards the rest
	rng       *rand.Rand
	badFrames bool
	badAcks   bool
	flying    []func()
	radios    map[string]*radio // by ack topic: the connection that a bridge has now
}

// newAir returns good air, which needs no random numbers.
func newAir() *air {
	return &air{frames: make(chan mqtt.Inbound, 1024), radios: map[string]*radio{}}
}

// carry takes a message, which comes out as what deliver does: once, or in bad air also never or twice.
func (a *air) carry(bad *bool, deliver func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	copies := 1
	if *bad {
		copies = []int{0, 0, 1, 1, 2}[a.rng.IntN(5)]
	}
	for range copies {
		a.flying = append(a.flying, deliver)
	}
}

// run lets messages out, in any order while the air is bad, until ctx ends.
func (a *air) run(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, deliver := range a.land() {
			deliver()
		}
	}
}

func (a *air) land() []func() {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.flying)
	if a.badFrames || a.badAcks {
		a.rng.Shuffle(n, func(i, j int) { a.flying[i], a.flying[j] = a.flying[j], a.flying[i] })
		n = a.rng.IntN(n + 1)
	}
	landing := slices.Clone(a.flying[:n])
	a.flying = a.flying[n:]
	return landing
}

// heal makes the air good.
func (a *air) heal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.badFrames, a.badAcks = false, false
}

// radio is one connection of a bridge.
type radio struct {
	a     *air
	topic string
	acks  chan mqtt.Inbound
	lost  bool // guarded by the air's mutex
}

// connect gives a base's bridge a connection, in the place of the one before.
func (a *air) connect(base string) *radio {
	r := &radio{a: a, topic: frame.FrameTopic(base, bridgeID), acks: make(chan mqtt.Inbound, 64)}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.radios[frame.AckTopic(base, bridgeID)] = r
	return r
}

// interrupt ends a base's connection.
func (a *air) interrupt(base string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.radios[frame.AckTopic(base, bridgeID)]; r != nil && !r.lost {
		r.lost = true
		close(r.acks)
	}
}

// Send implements bridge.Uplink.
func (r *radio) Send(_ context.Context, payload []byte) error {
	in := mqtt.Inbound{Topic: r.topic, Payload: payload, QoS: 1, Ack: func() {}}
	r.a.carry(&r.a.badFrames, func() {
		select {
		case r.a.frames <- in:
		default: // a broker's queue is bounded, too
		}
	})
	return nil
}

// Acks implements bridge.Uplink.
func (r *radio) Acks() <-chan mqtt.Inbound { return r.acks }

// hear gives the connection an acknowledgement, unless it is lost.
func (r *radio) hear(payload []byte) {
	r.a.mu.Lock()
	defer r.a.mu.Unlock()
	if r.lost {
		return
	}
	select {
	case r.acks <- mqtt.Inbound{Payload: payload, Ack: func() {}}:
	default:
	}
}

// Frames implements collector.Downlink.
func (a *air) Frames() <-chan mqtt.Inbound { return a.frames }

// Acknowledge implements collector.Downlink.
func (a *air) Acknowledge(_ context.Context, topic string, payload []byte) error {
	a.mu.Lock()
	r := a.radios[topic]
	a.mu.Unlock()
	if r != nil {
		a.carry(&a.badAcks, func() { r.hear(payload) })
	}
	return nil
}
