package collector_test

import (
	"context"
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The words in which the tests of this package tell their stories.

const testBase = "cq01"

// dawn is when the stories begin: 2026-03-02T00:00:00Z.
const dawn = 1_772_409_600_000

// sender is a bridge as the collector sees it.
type sender struct {
	t     testing.TB
	id    string
	key   ed25519.PrivateKey
	epoch uint64
	next  uint64
	chain [32]byte
}

func newSender(t testing.TB, id string) *sender {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(id, ed25519.SeedSize)[:ed25519.SeedSize]))
	return &sender{t: t, id: id, key: key, epoch: 77, next: 1, chain: frame.ChainStart(77)}
}

func (s *sender) public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// message is what the sender's log holds under a number: one sample of one meter.
func message(seq uint64) telemetry.Message {
	at := dawn + int64(seq)*1000
	return telemetry.Message{ReceivedMs: at + 20, Dialect: "native", Records: []telemetry.Record{{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "meter-1", EventMs: at, DeviceMs: at,
		Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: float64(seq)}},
	}}}
}

// frame seals the next n messages into a frame.
func (s *sender) frame(n int) []byte { return s.frameOf(n, message) }

func (s *sender) frameOf(n int, message func(seq uint64) telemetry.Message) []byte {
	s.t.Helper()
	b := frame.NewBuilder(testBase, s.id, s.epoch, s.key)
	for range n {
		m := message(s.next)
		body := frame.AppendMessage(nil, &m)
		after := frame.ChainNext(s.chain, s.next, body)
		if _, err := b.Add(s.next, body, s.chain, after); err != nil {
			s.t.Fatal(err)
		}
		s.next, s.chain = s.next+1, after
	}
	return s.seal(b)
}

// missing seals a frame that only announces losses.
func (s *sender) missing(ranges ...frame.Range) []byte {
	s.t.Helper()
	b := frame.NewBuilder(testBase, s.id, s.epoch, s.key)
	b.Missing(ranges...)
	return s.seal(b)
}

func (s *sender) seal(b *frame.Builder) []byte {
	s.t.Helper()
	sealed, err := b.Seal(dawn + int64(s.next)*1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return sealed
}

func (s *sender) topic() string { return frame.FrameTopic(testBase, s.id) }

// answer is one acknowledgement that the collector published.
type answer struct {
	topic string
	ack   frame.Ack
}

// city is a connection to the city's broker that the test plays.
type city struct {
	t      testing.TB
	frames chan mqtt.Inbound
	said   chan answer

	mu    sync.Mutex // guards the rest
	acked int        // frames acknowledged to the broker
	fail  error      // what Acknowledge returns
}

func newCity(t testing.TB) *city {
	return &city{t: t, frames: make(chan mqtt.Inbound), said: make(chan answer, 1000)}
}

// Frames implements collector.Downlink.
func (c *city) Frames() <-chan mqtt.Inbound { return c.frames }

// Acknowledge implements collector.Downlink.
func (c *city) Acknowledge(_ context.Context, topic string, payload []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	ack, err := frame.ParseAck(payload)
	if err != nil {
		c.t.Errorf("acknowledgement on %s cannot be read: %v", topic, err)
	}
	c.said <- answer{topic, ack}
	return nil
}

// deliver hands a frame to the collector and returns when it was taken from the connection.
func (c *city) deliver(topic string, payload []byte) {
	c.frames <- mqtt.Inbound{Topic: topic, Payload: payload, QoS: 1, Ack: func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acked++
	}}
}

// settled returns when everything that was delivered has been verified: frames are verified one after the other, and one
// that cannot be read is done with at once.
func (c *city) settled() {
	done := make(chan struct{})
	c.frames <- mqtt.Inbound{Topic: "x", Ack: func() { close(done) }}
	<-done
}

func (c *city) ackedFrames() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

// play runs a collector over one connection to the city until tell returns, and returns what Collect returned.
func play(t testing.TB, o collector.Options, tell func(c *city)) error {
	t.Helper()
	col, err := collector.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return collect(t, col, tell)
}

func collect(t testing.TB, col *collector.Collector, tell func(c *city)) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := newCity(t)
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = col.Collect(ctx, c) })
	tell(c)
	cancel()
	wg.Wait()
	return err
}

// options are a collector's that knows the senders' keys.
func options(store evidence.Store, senders ...*sender) collector.Options {
	return collector.Options{Store: store, BridgeKeys: func(base, id string, _ int64) []ed25519.PublicKey {
		for _, s := range senders {
			if base == testBase && id == s.id {
				return []ed25519.PublicKey{s.public()}
			}
		}
		return nil
	}}
}

// openStore opens an empty embedded store.
func openStore(t testing.TB) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// receipts returns what a store vouches for.
func receipts(t testing.TB, s evidence.Store) []evidence.BridgeReceipt {
	t.Helper()
	out, err := s.Receipts(t.Context(), testBase, "")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// span is one range, written shortly.
func span(first, last uint64) frame.Range { return frame.Range{First: first, Last: last} }

// wantMetrics compares the named metrics with their exposition.
func wantMetrics(t testing.TB, reg *prometheus.Registry, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(reg, strings.NewReader(strings.ReplaceAll(want, "\t", "")+"\n"), names...); err != nil {
		t.Error(err)
	}
}

// inbound is a frame as the broker hands it over, whose acknowledgement nobody notes.
func inbound(s *sender, payload []byte) mqtt.Inbound {
	return mqtt.Inbound{Topic: s.topic(), Payload: payload, QoS: 1, Ack: func() {}}
}
