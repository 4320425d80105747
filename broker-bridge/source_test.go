package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/mqtt/mosquittotest"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// herald is a dialect that is seen on the broker, and counts what it hears.
type herald struct{ dialect.Dialect }

func (herald) Announce(nowMs int64) []dialect.Request {
	return []dialect.Request{{Topic: "host/state", Payload: fmt.Appendf(nil, "online %d", nowMs), QoS: 1, Retain: true}}
}

func (herald) Farewell(nowMs int64) []dialect.Request {
	return []dialect.Request{{Topic: "host/state", Payload: fmt.Appendf(nil, "offline %d", nowMs), QoS: 1, Retain: true}}
}

// stand is a bridge in front of a broker that the base already has.
type stand struct {
	t      *testing.T
	broker *mosquittotest.Server
	log    *spool.Log
	d      *rogue
}

// runSource runs the bridge until the returned function is called.
func (s *stand) run() (stop func()) {
	b := newBridge(s.t, s.log, func(o *bridge.Options) {
		router, err := dialect.NewRouter([]dialect.Dialect{herald{s.d}})
		if err != nil {
			s.t.Fatal(err)
		}
		o.Dialects = router
	})
	ctx, cancel := context.WithCancel(s.t.Context())
	running, end := context.WithCancel(s.t.Context())
	var source, run sync.WaitGroup
	run.Go(func() {
		if err := b.Run(running); err != nil {
			s.t.Error(err)
		}
	})
	source.Go(func() {
		if err := b.RunSource(ctx, mqtt.ClientOptions{URL: s.broker.URL, ClientID: "bridge"}, []string{"rogue/#"}); err != nil {
			s.t.Error(err)
		}
	})
	return func() {
		cancel()
		source.Wait()
		end()
		run.Wait()
	}
}

// dial connects a device or an observer.
func (s *stand) dial(id string) *mqtt.Client {
	s.t.Helper()
	c, err := mqtt.Dial(s.t.Context(), mqtt.ClientOptions{URL: s.broker.URL, ClientID: id, CleanSession: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// waitFor reads an observer's messages until one fits.
func (s *stand) waitFor(c *mqtt.Client, what string, fits func(in mqtt.Inbound) bool) {
	s.t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case in, ok := <-c.Messages():
			in.Ack()
			if ok && fits(in) {
				return
			}
			if !ok {
				s.t.Fatalf("connection ended before %s", what)
			}
		case <-late:
			s.t.Fatalf("no %s came", what)
		}
	}
}

// TestTheBasesOwnBroker: a bridge in front of a broker that the base already has misses nothing that was published while
// it was away, asks the devices over the same connection, and says when it is there and when it is not.
func TestTheBasesOwnBroker(t *testing.T) {
	t.Parallel()
	s := &stand{t: t, broker: mosquittotest.Start(t, "max_queued_messages 0"), log: openLog(t, t.TempDir(), spool.Options{FS: spool.RealFS()})}
	record := telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockReceived, Device: "m", EventMs: dawn, State: "ACTIVE"}
	s.d = &rogue{
		name: "rogue", records: map[string][]telemetry.Record{"hello": {record}},
		requests: []dialect.Request{{Topic: "plug/command", Payload: []byte("status_update"), QoS: 1}},
	}
	observer, device := s.dial("observer"), s.dial("device")
	for _, filter := range []string{"host/state", "plug/command"} {
		if err := observer.Subscribe(t.Context(), filter, 1); err != nil {
			t.Fatal(err)
		}
	}
	starts := func(word string) func(mqtt.Inbound) bool {
		return func(in mqtt.Inbound) bool { return strings.HasPrefix(string(in.Payload), word) }
	}
	const rounds, perRound = 3, 200
	publish := func() {
		for range perRound {
			if err := device.Publish(t.Context(), "rogue/m", 1, false, []byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range rounds {
		stop := s.run()
		s.waitFor(observer, "announcement", starts("online"))
		publish()
		s.waitFor(observer, "request", starts("status_update"))
		stop()
		s.waitFor(observer, "farewell", starts("offline"))
		publish() // while it is away
	}
	stop := s.run()
	s.waitFor(observer, "announcement", starts("online"))
	want := uint64(rounds * 2 * perRound)
	for deadline := time.Now().Add(20 * time.Second); s.log.End()-1 < want && time.Now().Before(deadline); {
		publishProbe(t, device) // gives the broker something to do, and the test a moment
	}
	stop()
	hellos := uint64(0)
	for _, payload := range raws(t, s.log) {
		if payload == "hello" {
			hellos++
		}
	}
	if hellos < want {
		t.Errorf("%d messages are logged, %d were acknowledged to the device", hellos, want)
	}
}

func publishProbe(t *testing.T, c *mqtt.Client) {
	t.Helper()
	if err := c.Publish(t.Context(), "nobody/listens", 1, false, nil); err != nil {
		t.Fatal(err)
	}
}

// raws reads the payloads that the log keeps.
func raws(t *testing.T, log *spool.Log) []string {
	t.Helper()
	s := &intake{t: t, log: log}
	var out []string
	for _, r := range s.records() {
		_, payload, _ := strings.Cut(r.Raw, "\x00")
		out = append(out, payload)
	}
	return slices.Clip(out)
}
