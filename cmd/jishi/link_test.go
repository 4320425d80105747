package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/collector"
	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// The replayer and the bridge name the topic each by itself: the oracle imports no process, nor a process the oracle.
func TestReplayerAndBridgeMeanOneClock(t *testing.T) {
	t.Parallel()
	if bridge.ClockTopic != sim.ClockTopic {
		t.Errorf("the bridge listens on %q, the replayer speaks on %q", bridge.ClockTopic, sim.ClockTopic)
	}
}

// TestBadLinkLosesNothing joins bridges and collectors by a link that loses, repeats and reorders in both directions and
// breaks, while collectors are replaced. When it heals, the city has every record, each once, and the bases have nothing
// left to send.
func TestBadLinkLosesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 0))
			a := &air{rng: rand.New(rand.NewPCG(seed, 1)), faulty: true, bridges: map[string]*radio{}, frames: make(chan mqtt.Inbound, 1024)}
			store := openEvidence(t)
			sites := []*site{newSite(t, "b1"), newSite(t, "b2")}
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			defer wg.Wait()
			defer cancel()
			wg.Go(func() { a.run(ctx) })
			wg.Go(func() { a.collect(ctx, t, store, sites) })
			for _, s := range sites {
				wg.Go(func() { a.forward(ctx, s) })
			}
			for range 60 {
				s := sites[rng.IntN(len(sites))]
				s.say(rng, 1+rng.IntN(60))
				if rng.IntN(8) == 0 {
					a.interrupt(s)
				}
				pauseFor(t, time.Duration(rng.IntN(20))*time.Millisecond)
			}
			a.heal()
			for _, s := range sites {
				s.arrived(t, store)
			}
		})
	}
}

// TestBridgeAndCollectorOverMQTT is the same over a real broker, without faults but a broker that ends every connection.
func TestBridgeAndCollectorOverMQTT(t *testing.T) {
	t.Parallel()
	addr := embeddedBroker(t)
	store, s := openEvidence(t), newSite(t, "b1")
	c, err := collector.New(collector.Options{Store: store, BridgeKeys: keysOf([]*site{s}), ShareGroup: "city"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	client := func(id string) mqtt.ClientOptions {
		return mqtt.ClientOptions{URL: "tcp://" + addr, ClientID: id, CleanSession: true}
	}
	wg.Go(func() { _ = c.Run(ctx, client("collector")) })
	wg.Go(func() { _ = s.bridge.RunUplink(ctx, client("bridge")) })
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		s.say(rng, 100)
	}
	s.arrived(t, store)
	thief, err := mqtt.Dial(ctx, client("bridge")) // takes the client id: the bridge's connection ends
	if err != nil {
		t.Fatal(err)
	}
	s.say(rng, 100)
	if err := thief.Close(); err != nil {
		t.Error(err)
	}
	s.arrived(t, store)
}

// air carries messages between bridges and collectors, well or badly.
type air struct {
	frames chan mqtt.Inbound // to the collector

	mu      sync.Mutex // guards the rest
	rng     *rand.Rand
	faulty  bool
	flying  []func()
	bridges map[string]*radio // by ack topic: the connection that the bridge has now
}

// carry takes a message, which comes out as what deliver does: once, or while the air is bad also never or twice.
func (a *air) carry(deliver func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	copies := 1
	if a.faulty {
		copies = []int{0, 1, 1, 1, 2}[a.rng.IntN(5)]
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
	if a.faulty {
		a.rng.Shuffle(n, func(i, j int) { a.flying[i], a.flying[j] = a.flying[j], a.flying[i] })
		n = a.rng.IntN(n + 1)
	}
	landing := slices.Clone(a.flying[:n])
	a.flying = a.flying[n:]
	return landing
}

func (a *air) heal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faulty = false
}

// radio is one connection of a bridge.
type radio struct {
	a     *air
	topic string
	acks  chan mqtt.Inbound
	lost  bool // guarded by the air's mutex
}

// Send implements bridge.Uplink.
func (r *radio) Send(_ context.Context, payload []byte) error {
	in := mqtt.Inbound{Topic: r.topic, Payload: payload, QoS: 1, Ack: func() {}}
	r.a.carry(func() {
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

// forward keeps the site's bridge connected.
func (a *air) forward(ctx context.Context, s *site) {
	for ctx.Err() == nil {
		r := &radio{a: a, topic: frame.FrameTopic(testBase, s.id), acks: make(chan mqtt.Inbound, 64)}
		a.mu.Lock()
		a.bridges[frame.AckTopic(testBase, s.id)] = r
		a.mu.Unlock()
		if err := s.bridge.Forward(ctx, r); err != nil && !errors.Is(err, bridge.ErrUplinkLost) {
			s.t.Errorf("Forward returned %v", err)
		}
	}
}

// interrupt ends the site's connection.
func (a *air) interrupt(s *site) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.bridges[frame.AckTopic(testBase, s.id)]; r != nil && !r.lost {
		r.lost = true
		close(r.acks)
	}
}

// Frames implements collector.Downlink.
func (a *air) Frames() <-chan mqtt.Inbound { return a.frames }

// Acknowledge implements collector.Downlink.
func (a *air) Acknowledge(_ context.Context, topic string, payload []byte) error {
	a.mu.Lock()
	r := a.bridges[topic]
	a.mu.Unlock()
	a.carry(func() { r.hear(payload) })
	return nil
}

// collect runs one collector after the other, each without the memory of the one before.
func (a *air) collect(ctx context.Context, t testing.TB, store evidence.Store, sites []*site) {
	for ctx.Err() == nil {
		c, err := collector.New(collector.Options{Store: store, BridgeKeys: keysOf(sites), BatchFrames: 4})
		if err != nil {
			t.Error(err)
			return
		}
		shift, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
		if err := c.Collect(shift, a); err != nil {
			t.Errorf("Collect returned %v", err)
		}
		cancel()
	}
}
