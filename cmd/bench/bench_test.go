package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		goal goal
		got  float64
		want string
	}{
		"reached exactly":      {atLeast(50_000, ""), 50_000, "met"},
		"short":                {atLeast(5, ""), 4, "short by 20 %"},
		"a hair short":         {atLeast(5, ""), 4.9999, "short by 1 %"},
		"small enough":         {atMost(2, ""), 1.9, "met"},
		"too large":            {atMost(2, ""), 3, "over by 50 %"},
		"nothing lost":         {atMost(0, ""), 0, "met"},
		"nothing was measured": {atLeast(1, ""), math.NaN(), "not measured"},
	} {
		if got := c.goal.verdict(c.got); got != c.want {
			t.Errorf("%s: verdict(%g) = %q, want %q", name, c.got, got, c.want)
		}
	}
}

func TestSeries(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]series{
		"2,000 x (1,000…300,000)": {300_000, 1000, 2000},
		"1.50 x (1.00…2.00)":      {2, 1},
		"1.23 M x":                {1_234_567},
		"0.125 x":                 {0.125},
		"0 x":                     {0},
		"-":                       {},
	} {
		if got := s.show("x"); got != want {
			t.Errorf("%v.show = %q, want %q", []float64(s), got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{"0": 0, "999": 999, "1,000": 1000, "2,400,000": 2.4e6, "-100": -100, "-1,000": -1000} {
		if got := grouped(v); got != want {
			t.Errorf("grouped(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "4242 (a ) b) S 1 2 3 4 5 6 7 8 9 10 123 27 0 0 20 0 9 0 100 200"
	if got, err := parseStat(line); err != nil || got != 1500*time.Millisecond {
		t.Errorf("parseStat = %v, %v, want 1.5 s", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1 2", "1 (x) S 1 2 3 4 5 6 7 8 9 10 a b"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("parseStat(%q) has no error", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const status = "Name:\tjishi\nVmHWM:\t   61440 kB\nVmRSS:\t    1024 kB\nRssAnon:\t 5 kB\n"
	if got, err := parseStatus(status); err != nil || got != (memory{now: 1 << 20, peak: 60 << 20}) {
		t.Errorf("parseStatus = %+v, %v, want 1 MiB and 60 MiB", got, err)
	}
	for _, bad := range []string{"", "VmRSS:\t5 kB\n", "VmHWM:\t5 kB\nVmRSS:\tmany\n"} {
		if _, err := parseStatus(bad); err == nil {
			t.Errorf("parseStatus(%q) has no error", bad)
		}
	}
}

// TestMessagesAreWhatBothSidesRead: every message is one sample of four readings with the device's own time, and no two
// of a device share an instant, where a store would keep one.
func TestMessagesAreWhatBothSidesRead(t *testing.T) {
	t.Parallel()
	router, err := dialect.NewRouter([]dialect.Dialect{native.New(native.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	type point struct {
		device string
		atMs   int64
	}
	seen := map[point]bool{}
	size := 0
	const n = 3*devices + 7
	messages := deviceMessages(n, now)
	for _, m := range messages {
		_, result, err := router.Decode(dialect.Message{Topic: m.topic, Payload: m.payload, ReceivedMs: now.UnixMilli()})
		if err != nil || len(result.Records) != 1 {
			t.Fatalf("%s %s: %d records, %v", m.topic, m.payload, len(result.Records), err)
		}
		r := result.Records[0]
		if r.Clock != telemetry.ClockDevice || len(r.Values) != readingsPerMessage {
			t.Fatalf("%s %s: clock %s, %d readings", m.topic, m.payload, r.Clock, len(r.Values))
		}
		seen[point{r.Device, r.EventMs}] = true
		size += len(m.payload)
	}
	if len(seen) != n {
		t.Errorf("%d messages make %d points", n, len(seen))
	}
	if mean := size / n; mean < 100 || mean > 140 {
		t.Errorf("payloads have %d bytes on average, want about 120", mean)
	}
}

// TestFlooderSendsEverythingOnce runs the load against a real broker.
func TestFlooderSendsEverythingOnce(t *testing.T) {
	t.Parallel()
	var received atomic.Int64
	broker, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr: "127.0.0.1:0", Capture: func(string) bool { return true },
		Deliver: func(in mqtt.Inbound) {
			if !strings.HasPrefix(in.Topic, "jishi/v1/") || !bytes.HasPrefix(in.Payload, []byte(`{"t":`)) || in.QoS != 1 {
				t.Errorf("broker gets %q %q at qos %d", in.Topic, in.Payload, in.QoS)
			}
			received.Add(1)
			in.Ack()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })

	const n = 5003
	for _, window := range []int{1, 100, 100_000} {
		received.Store(0)
		f, err := dialFlooder(t.Context(), broker.Addr(), 3)
		if err != nil {
			t.Fatal(err)
		}
		took, err := f.send(t.Context(), spread(deviceMessages(n, time.Now()), 3), window)
		f.close()
		if err != nil || took <= 0 || received.Load() != n {
			t.Errorf("window %d: %d of %d messages in %v, %v", window, received.Load(), n, took, err)
		}
	}
}

func TestFlooderEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	broker, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr: "127.0.0.1:0", Capture: func(string) bool { return true }, Deliver: func(mqtt.Inbound) {}, // never acknowledges
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Start(); err != nil {
		t.Fatal(err)
	}
	f, err := dialFlooder(t.Context(), broker.Addr(), 2)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := f.send(t.Context(), spread(deviceMessages(100, time.Now()), 2), 10)
		failed <- err
	}()
	_ = broker.Close()
	if err := <-failed; err == nil {
		t.Error("a broker that is gone is no error")
	}
}

func TestMetric(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "# HELP a_total x\na_total{k=\"1\"} 3\na_total{k=\"2\"} 4.5\na_total_more 100\nb 0\n")
	}))
	t.Cleanup(s.Close)
	addr := strings.TrimPrefix(s.URL, "http://")
	for name, want := range map[string]float64{"a_total": 7.5, "a_total_more": 100, "b": 0} {
		if got, err := metric(t.Context(), addr, name); err != nil || got != want {
			t.Errorf("metric %s = %g, %v, want %g", name, got, err, want)
		}
	}
	if _, err := metric(t.Context(), addr, "a"); err == nil {
		t.Error("a metric that is not there is no error")
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	if _, err := parseOptions([]string{"-runs", "1", "-only", "log,city"}, io.Discard); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]string{{"-runs", "0"}, {"-only", "lag"}, {"-messages", "1"}, {"-machines", "2000"}, {"x"}, {"-y"}} {
		if _, err := parseOptions(bad, io.Discard); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	if _, err := parseOptions([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}

// TestPartsWithoutServers measures what needs no other program, so that a change of what is measured shows here first.
func TestPartsWithoutServers(t *testing.T) {
	t.Parallel()
	var said, table bytes.Buffer
	args := []string{"-runs", "1", "-messages", "1000", "-only", "usage,uplink", "-data", t.TempDir(), "-dir", t.TempDir()}
	if err := run(t.Context(), args, &table, &said); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	for _, want := range []string{"usage of a machine-day", "uplink bytes", "No recording", "median of 1 runs"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, table.String())
		}
	}
}
