package bridge_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestUnreadableMessagesAreKept: whatever a device sends is logged, in order, with a record that says what is wrong, and
// costs its neighbours nothing.
func TestUnreadableMessagesAreKept(t *testing.T) {
	t.Parallel()
	good := sample(dawn-1000, 7)
	tests := []struct {
		name, topic, payload string
		want                 string // kind, reason, clock of each record
	}{
		{"good", meterTopic, good, "sample device"},
		{"cut JSON", meterTopic, `{"v":{"power_w":1`, "raw malformed received"},
		{"not JSON at all", meterTopic, "\x00\x01\x02", "raw malformed received"},
		{"NaN", meterTopic, `{"v":{"power_w":NaN}}`, "raw not_finite received"},
		{"number that overflows", meterTopic, `{"v":{"power_w":1e999}}`, "raw out_of_range received"},
		{"implausible number", meterTopic, `{"v":{"power_w":1e9}}`, "raw out_of_range received"},
		{"good part and bad part", meterTopic, `{"v":{"power_w":1e9,"voltage_v":230}}`, "sample received, raw out_of_range received"},
		{"state is not UTF-8", meterTopic, "{\"state\":\"\xff\xfe\"}", "raw not_utf8 received"},
		{"topic is not UTF-8", "meters/\xff/power", good, "raw unknown_topic received"},
		{"unknown topic", "zigbee2mqtt/plug", good, "raw unknown_topic received"},
		{"very long topic", strings.Repeat("a/", 30_000), good, "raw unknown_topic received"},
		{"the replayer's clock at a real base", bridge.ClockTopic, "1772409600000", "raw unknown_topic received"},
		{"oversized", meterTopic, strings.Repeat(" ", 256<<10) + good, "raw oversized received"},
		{"larger than the log takes", meterTopic, strings.Repeat("x", 3<<20), "raw oversized received"},
		{"1970", meterTopic, sample(0, 7), "sample suspect"},
		{"1999", meterTopic, sample(dialect.EarliestMs-1, 7), "sample suspect"},
		{"three minutes ahead", meterTopic, sample(dawn+3*60_000, 7), "sample suspect"},
		{"the year 2200", meterTopic, sample(7_258_118_400_000, 7), "sample suspect"},
		{"eight days ago", meterTopic, sample(dawn-8*86_400_000, 7), "sample suspect"},
		{"nothing to say", meterTopic, "", ""},
		{"good again", meterTopic, good, "sample device"},
	}
	reg := prometheus.NewPedanticRegistry()
	ingest(t, spool.Options{}, func(o *bridge.Options) { o.Registerer = reg }, func(s *intake) {
		release := make(chan struct{})
		s.disk.sync = func() error { <-release; return nil }
		var want []string
		for _, test := range tests { // the first is being synced, the others come in one group after it
			s.b.Deliver(s.message(test.topic, test.payload))
			want = append(want, test.payload)
		}
		close(release)
		synctest.Wait()
		s.wantAcked(want...)
		records := s.records()
		if len(records) != len(tests) {
			t.Fatalf("%d messages were logged, want %d", len(records), len(tests))
		}
		for i, test := range tests {
			got := records[i]
			if describe := describe(got.Message.Records); describe != test.want {
				t.Errorf("%s: logged as %q, want %q", test.name, describe, test.want)
			}
			raw := test.topic + "\x00" + test.payload
			if got.Raw != raw[:min(len(raw), spool.MaxRaw)] {
				t.Errorf("%s: %d raw bytes are kept, want all %d or the log's limit", test.name, len(got.Raw), len(raw))
			}
			for _, r := range got.Message.Records {
				if r.Clock != telemetry.ClockDevice && r.EventMs != got.Message.ReceivedMs {
					t.Errorf("%s: a record without a believable time happened at %d, received %d", test.name, r.EventMs, got.Message.ReceivedMs)
				}
				if r.Kind == telemetry.KindRaw && (r.Detail == "" || !bytes.HasPrefix([]byte(test.payload), r.Payload)) {
					t.Errorf("%s: quarantined without detail or payload: %q %q", test.name, r.Detail, r.Payload)
				}
			}
		}
	})
	wantMetrics(t, reg, `
		# HELP jishi_bridge_clock_suspect_total Records whose device time was implausible; the receive time stands in.
		# TYPE jishi_bridge_clock_suspect_total counter
		jishi_bridge_clock_suspect_total 5
		# HELP jishi_bridge_messages_total Device messages decoded or quarantined, by dialect.
		# TYPE jishi_bridge_messages_total counter
		jishi_bridge_messages_total{dialect="native"} 15
		jishi_bridge_messages_total{dialect="none"} 6
		# HELP jishi_bridge_quarantined_total Messages or parts of messages that could not be read, by reason.
		# TYPE jishi_bridge_quarantined_total counter
		jishi_bridge_quarantined_total{reason="bad_time"} 0
		jishi_bridge_quarantined_total{reason="foreign_base"} 0
jishi_bridge_quarantined_total{reason="malformed"} 2
		jishi_bridge_quarantined_total{reason="no_card_key"} 0
jishi_bridge_quarantined_total{reason="not_finite"} 1
		jishi_bridge_quarantined_total{reason="not_utf8"} 1
		jishi_bridge_quarantined_total{reason="out_of_range"} 3
		jishi_bridge_quarantined_total{reason="oversized"} 2
		jishi_bridge_quarantined_total{reason="store_rejected"} 0
		jishi_bridge_quarantined_total{reason="unknown_topic"} 4
		# HELP jishi_bridge_records_total Records that the messages yielded, by kind.
		# TYPE jishi_bridge_records_total counter
		jishi_bridge_records_total{kind="raw"} 13
		jishi_bridge_records_total{kind="sample"} 8
	`, "jishi_bridge_messages_total", "jishi_bridge_records_total", "jishi_bridge_quarantined_total", "jishi_bridge_clock_suspect_total")
}

// describe writes records as the tables have them.
func describe(records []telemetry.Record) string {
	var parts []string
	for _, r := range records {
		part := r.Kind.String()
		if r.Kind == telemetry.KindRaw {
			part += " " + string(r.Reason)
		}
		parts = append(parts, part+" "+r.Clock.String())
	}
	return strings.Join(parts, ", ")
}

func TestDevicesHeard(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		s.say("jishi/v1/cq01/dev/mill/sample", sample(dawn-1500, 1))
		s.say("jishi/v1/cq01/dev/lathe/sample", `{"v":{"power_w":1}}`)
		time.Sleep(time.Minute)
		s.say("jishi/v1/cq01/dev/mill/sample", `{"v":{"power_w":1}}`)
		s.say("jishi/v1/cq01/dev/mill/link", `{"online":false,"will":true}`)
		s.say("unknown/topic", "x")
		want := []bridge.DeviceSeen{
			{Device: "lathe", Dialect: "native", ReceivedMs: dawn, ValidMs: 60_000, Records: 1, Online: true},
			{Device: "mill", Dialect: "native", ReceivedMs: dawn + 60_000, ValidMs: 60_000, OffsetMs: -1500, Clocked: true, Records: 3},
		}
		if diff := cmp.Diff(want, s.b.Devices()); diff != "" {
			t.Errorf("devices heard (-want +got):\n%s", diff)
		}
	})
}

// TestReplayClock: a bridge that was told so takes the replayer's time, never back, and takes no message before it.
func TestReplayClock(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	ingest(t, spool.Options{}, func(o *bridge.Options) { o.ReplayClock, o.Registerer = true, reg }, func(s *intake) {
		clock := func(ms int64) { s.say(bridge.ClockTopic, strconv.FormatInt(ms, 10)) }
		power := func() { s.say(meterTopic, `{"v":{"power_w":1}}`) }
		power()
		clock(1000)
		power()
		clock(5000)
		power()
		clock(4000)
		power()
		s.say(bridge.ClockTopic, "noon")
		power()
		clock(5001)
		power()
		var got []int64
		for _, r := range s.records() {
			got = append(got, r.Message.ReceivedMs)
		}
		if diff := cmp.Diff([]int64{1000, 5000, 5000, 5000, 5001}, got); diff != "" {
			t.Errorf("received at (-want +got):\n%s", diff)
		}
		if n := len(s.acked); n != 10 {
			t.Errorf("%d messages were acknowledged, want all but the one before the clock: %v", n, s.acked)
		}
	})
	wantMetrics(t, reg, `
		# HELP jishi_bridge_unclocked_total Messages not taken because the replayed clock was not set yet.
		# TYPE jishi_bridge_unclocked_total counter
		jishi_bridge_unclocked_total 1
	`, "jishi_bridge_unclocked_total")
}
