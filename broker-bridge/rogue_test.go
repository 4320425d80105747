package bridge_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// rogue is a dialect that breaks its promises: it says of every message what the test tells it to.
type rogue struct {
	name     string
	records  map[string][]telemetry.Record // by payload
	requests []dialect.Request             // by every message
	due      []dialect.Request             // by every poll
	polled   []int64
}

func (r *rogue) Name() string           { return r.name }
func (*rogue) Claims(topic string) bool { return strings.HasPrefix(topic, "rogue/") }

func (r *rogue) Decode(m dialect.Message) (dialect.Result, error) {
	return dialect.Result{Records: r.records[string(m.Payload)], Requests: r.requests}, nil
}

func (r *rogue) Poll(nowMs int64) []dialect.Request {
	r.polled = append(r.polled, nowMs)
	return r.due
}

// with puts the dialect before all others.
func with(t *testing.T, d dialect.Dialect) func(*bridge.Options) {
	router, err := dialect.NewRouter([]dialect.Dialect{d})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *bridge.Options) { o.Dialects = router }
}

// TestWhatNoFrameCarriesIsQuarantined: a decoder's mistake costs its own message, which is kept raw with the reason, and
// can stop neither the forwarder nor the messages beside it.
func TestWhatNoFrameCarriesIsQuarantined(t *testing.T) {
	t.Parallel()
	good := telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockReceived, Device: "m", EventMs: dawn,
		Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: 1}},
	}
	but := func(change func(r *telemetry.Record)) []telemetry.Record {
		r := good
		change(&r)
		return []telemetry.Record{good, r}
	}
	values := func(n int, number float64) []telemetry.Value {
		out := make([]telemetry.Value, n)
		for i := range out {
			out[i] = telemetry.Value{Quantity: "q" + strings.Repeat("x", i), Number: number}
		}
		return out
	}
	many := func(n int, r telemetry.Record) []telemetry.Record {
		out := make([]telemetry.Record, n)
		for i := range out {
			out[i] = r
		}
		return out
	}
	long := good
	long.State = strings.Repeat("s", telemetry.MaxState)
	d := &rogue{name: "rogue", records: map[string][]telemetry.Record{
		"good":               {good},
		"NaN":                but(func(r *telemetry.Record) { r.Values = values(1, math.NaN()) }),
		"infinity":           but(func(r *telemetry.Record) { r.Values = values(1, math.Inf(-1)) }),
		"state not UTF-8":    but(func(r *telemetry.Record) { r.State = "\xff" }),
		"device not UTF-8":   but(func(r *telemetry.Record) { r.Device = "\xff" }),
		"no device":          but(func(r *telemetry.Record) { r.Device = "" }),
		"no clock":           but(func(r *telemetry.Record) { r.Clock = 0 }),
		"no kind":            but(func(r *telemetry.Record) { r.Kind = 0 }),
		"kind from nowhere":  but(func(r *telemetry.Record) { r.Kind = 9 }),
		"sample with a card": but(func(r *telemetry.Record) { r.Card = "k1_9f86d081884c7d65" }),
		"quantity twice":     but(func(r *telemetry.Record) { r.Values = append(values(1, 1), values(1, 2)...) }),
		"long device":        but(func(r *telemetry.Record) { r.Device = strings.Repeat("d", telemetry.MaxName+1) }),
		"65 values":          but(func(r *telemetry.Record) { r.Values = values(frame.MaxValues+1, 1) }),
		"4097 records":       many(telemetry.MaxRecords+1, good),
		"200 KiB":            many(frame.MaxMessage/telemetry.MaxState, long),
	}}
	order := []string{
		"good", "NaN", "infinity", "state not UTF-8", "device not UTF-8", "no device", "no clock", "no kind", "kind from nowhere",
		"sample with a card", "quantity twice", "long device", "65 values", "4097 records", "200 KiB", "good",
	}
	oversized := map[string]bool{"long device": true, "65 values": true, "4097 records": true, "200 KiB": true}
	reg := prometheus.NewPedanticRegistry()
	ingest(t, spool.Options{}, func(o *bridge.Options) { with(t, d)(o); o.Registerer = reg }, func(s *intake) {
		for _, payload := range order {
			s.b.Deliver(s.message("rogue/x", payload))
		}
		synctest.Wait()
		s.wantAcked(order...)
		for i, got := range s.records() {
			want := "raw malformed received"
			switch {
			case order[i] == "good":
				want = "sample received"
			case oversized[order[i]]:
				want = "raw oversized received"
			}
			if describe := describe(got.Message.Records); describe != want {
				t.Errorf("%s: logged as %q, want %q", order[i], describe, want)
			}
			if r := got.Message.Records[0]; r.Kind == telemetry.KindRaw && (string(r.Payload) != order[i] || r.Topic != "rogue/x" || r.Detail == "") {
				t.Errorf("%s: quarantined as %+v", order[i], r)
			}
		}
		if devices := s.b.Devices(); len(devices) != 1 || devices[0].Records != 2 {
			t.Errorf("devices heard are %v, want the good messages' alone", devices)
		}
		up := newUplink()
		s.wg.Go(func() { _ = s.b.Forward(s.t.Context(), up) })
		time.Sleep(pause)
		synctest.Wait()
		if diff := cmp.Diff([]frame.Range{span(1, uint64(len(order)))}, up.ranges()); diff != "" {
			t.Errorf("frames sent (-want +got):\n%s", diff)
		}
		close(up.acks)
	})
	wantMetrics(t, reg, `
		# HELP jishi_bridge_unsendable_records_total Records of the log that no frame can carry; the city is told that they are missing.
		# TYPE jishi_bridge_unsendable_records_total counter
		jishi_bridge_unsendable_records_total 0
	`, "jishi_bridge_unsendable_records_total")
}

// TestRequestsAreSent: what a dialect wants to ask goes out after the message that caused it is on disk, and each second
// without any message.
func TestRequestsAreSent(t *testing.T) {
	t.Parallel()
	d := &rogue{
		name: "rogue", requests: []dialect.Request{{Topic: "plug/1/command", Payload: []byte("status")}},
		due: []dialect.Request{{Topic: "plug/2/command", Payload: []byte("announce")}},
	}
	var published []string
	reg := prometheus.NewPedanticRegistry()
	set := func(o *bridge.Options) {
		with(t, d)(o)
		o.Registerer = reg
		o.Publish = func(r dialect.Request) error {
			topic, payload := r.Topic, r.Payload
			published = append(published, topic+" "+string(payload))
			if topic == "plug/2/command" {
				return errors.New("nobody is connected")
			}
			return nil
		}
	}
	ingest(t, spool.Options{}, set, func(s *intake) {
		release := make(chan struct{})
		s.disk.sync = func() error { <-release; return nil }
		s.say("rogue/x", "hello")
		if len(published) > 0 {
			t.Errorf("published before the message is on disk: %v", published)
		}
		close(release)
		synctest.Wait()
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		want := []string{"plug/1/command status", "plug/2/command announce", "plug/2/command announce"}
		if diff := cmp.Diff(want, published); diff != "" {
			t.Errorf("published (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]int64{dawn + 1000, dawn + 2000}, d.polled); diff != "" {
			t.Errorf("polled at (-want +got):\n%s", diff)
		}
	})
	wantMetrics(t, reg, `
		# HELP jishi_bridge_request_errors_total Requests to devices that could not be published.
		# TYPE jishi_bridge_request_errors_total counter
		jishi_bridge_request_errors_total 2
	`, "jishi_bridge_request_errors_total")
}
