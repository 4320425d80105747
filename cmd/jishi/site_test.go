package main_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// siteDawn is when the devices of a site begin to speak: 2026-03-02T00:00:00Z.
const siteDawn = 1_772_409_600_000

// siteDevices is how many devices a site has.
const siteDevices = 3

// site is a bridge at a base, in the test's own process, and what its devices said.
type site struct {
	t      testing.TB
	id     string
	key    ed25519.PrivateKey
	log    *spool.Log
	bridge *bridge.Bridge
	nextMs int64
	said   map[string]float64 // the value that counts, by device and event time
}

// newSite starts a site's bridge; what it forwards over is up to the test.
func newSite(t testing.TB, id string) *site {
	t.Helper()
	s := &site{t: t, id: id, nextMs: siteDawn, said: map[string]float64{}}
	var err error
	if s.key, err = frame.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	if s.log, err = spool.Open(filepath.Join(t.TempDir(), "log"), spool.Options{}); err != nil {
		t.Fatal(err)
	}
	router, err := dialect.NewRouter([]dialect.Dialect{native.New(native.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	s.bridge, err = bridge.New(bridge.Options{
		Base: testBase, ID: id, Log: s.log, Key: s.key, Dialects: router,
		Window: 8, Linger: 5 * time.Millisecond, AckTimeout: 100 * time.Millisecond,
		Now: func() time.Time { return time.UnixMilli(siteDawn).Add(time.Hour) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.bridge.Run(ctx); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := s.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// say has the site's devices send messages, and returns when they are acknowledged. Now and then two messages are about
// one instant of one device: the later one counts.
func (s *site) say(rng *rand.Rand, messages int) {
	var acknowledged sync.WaitGroup
	for range messages {
		if rng.IntN(5) > 0 {
			s.nextMs++
		}
		device := fmt.Sprintf("%s-meter-%d", s.id, rng.IntN(siteDevices))
		value := float64(rng.IntN(100_000)) / 10
		s.said[fmt.Sprintf("%s %d", device, s.nextMs)] = value
		acknowledged.Add(1)
		s.bridge.Deliver(mqtt.Inbound{
			Topic:   "jishi/v1/" + testBase + "/dev/" + device + "/sample",
			Payload: fmt.Appendf(nil, `{"t":%d,"v":{"power_w":%v}}`, s.nextMs, value),
			QoS:     1, Ack: acknowledged.Done,
		})
	}
	acknowledged.Wait()
}

// arrived waits until the base has nothing left to send, and holds the store to what the devices said: every sample once,
// and a receipt for every number of the log.
func (s *site) arrived(t *testing.T, store evidence.Store) {
	t.Helper()
	until(t, time.Minute, "the city has everything of "+s.id, func() bool {
		_, pending, _ := s.log.Unacknowledged()
		return pending == 0
	})
	stored := map[string]float64{}
	for i := range siteDevices {
		q := evidence.Query{Base: testBase, Device: fmt.Sprintf("%s-meter-%d", s.id, i), Window: everything()}
		if err := store.Read(t.Context(), q, func(e *evidence.Entry) error {
			key := fmt.Sprintf("%s %d", e.Device, e.EventMs)
			if _, twice := stored[key]; twice {
				t.Errorf("%s is in the store twice", key)
			}
			stored[key], _ = e.Value(telemetry.PowerW)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(s.said, stored); diff != "" {
		t.Errorf("what the devices of %s said and what is stored (-said +stored):\n%s", s.id, diff)
	}
	receipts, err := store.Receipts(t.Context(), testBase, s.id)
	if err != nil {
		t.Fatal(err)
	}
	vouched := map[uint64]bool{}
	for _, r := range receipts {
		for n := r.First; n <= r.Last; n++ {
			vouched[n] = true
		}
		if r.Missing || r.Epoch != s.log.Epoch() {
			t.Errorf("receipt %+v: nothing is missing at %s, and it has one epoch", r, s.id)
		}
	}
	if want := int(s.log.End() - 1); len(vouched) != want || len(s.log.Missing()) > 0 {
		t.Errorf("receipts vouch for %d numbers of %s, want %d; missing %v", len(vouched), s.id, want, s.log.Missing())
	}
}

// keysOf knows the keys of the sites' bridges.
func keysOf(sites []*site) func(base, id string, atMs int64) []ed25519.PublicKey {
	return func(base, id string, _ int64) []ed25519.PublicKey {
		for _, s := range sites {
			if base == testBase && id == s.id {
				return []ed25519.PublicKey{s.key.Public().(ed25519.PublicKey)}
			}
		}
		return nil
	}
}

// openEvidence opens an empty embedded store.
func openEvidence(t testing.TB) evidence.Store {
	t.Helper()
	store, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// pauseFor waits while other goroutines of the test do their work.
func pauseFor(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
