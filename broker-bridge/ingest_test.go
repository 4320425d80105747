package bridge_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// dawn is when the stories of ingest begin: 2026-03-02T00:00:00Z.
const dawn = 1_772_409_600_000

// intake is a bridge that devices speak to, in a bubble.
type intake struct {
	t    *testing.T
	dir  string
	log  *spool.Log
	b    *bridge.Bridge
	disk *disk

	stop context.CancelFunc
	wg   sync.WaitGroup
	err  error // of Run

	mu    sync.Mutex // guards acked
	acked []string   // payloads in the order of their acknowledgement
}

// ingest tells of a bridge that takes device messages. The log and the bridge may be changed before they begin.
func ingest(t *testing.T, o spool.Options, set func(*bridge.Options), tell func(s *intake)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &intake{t: t, dir: t.TempDir(), disk: &disk{FS: spool.RealFS()}}
		o.FS = s.disk
		s.log = openLog(t, s.dir, o)
		begin := time.Now()
		s.b = newBridge(t, s.log, func(o *bridge.Options) {
			o.Now = func() time.Time { return time.UnixMilli(dawn).Add(time.Since(begin)) }
			if set != nil {
				set(o)
			}
		})
		ctx, stop := context.WithCancel(t.Context())
		s.stop = stop
		s.wg.Go(func() { s.err = s.b.Run(ctx) })
		tell(s)
		s.end()
	})
}

// end ends Run and returns its error.
func (s *intake) end() error {
	s.stop()
	s.wg.Wait()
	return s.err
}

// message is a device message whose acknowledgement is noted.
func (s *intake) message(topic, payload string) mqtt.Inbound {
	return mqtt.Inbound{Topic: topic, Payload: []byte(payload), QoS: 1, Ack: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.acked = append(s.acked, payload)
	}}
}

// say has a device say something, and waits until nothing more happens.
func (s *intake) say(topic, payload string) {
	s.b.Deliver(s.message(topic, payload))
	synctest.Wait()
}

func (s *intake) wantAcked(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(want, s.acked); diff != "" {
		s.t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
}

// logged is a record of the log, its body decoded.
type logged struct {
	Message telemetry.Message
	Raw     string
}

// records reads the whole log.
func (s *intake) records() []logged {
	s.t.Helper()
	reader, err := s.log.Reader(1)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	var out []logged
	for {
		var r spool.Record
		err := reader.Next(&r)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			s.t.Fatal(err)
		}
		l := logged{Raw: string(r.Raw)}
		if err := frame.DecodeMessage(r.Body, &l.Message); err != nil {
			s.t.Fatalf("record %d is no message: %v", r.Seq, err)
		}
		if l.Message.ReceivedMs != r.ReceivedMs {
			s.t.Errorf("record %d was received at %d, its message at %d", r.Seq, r.ReceivedMs, l.Message.ReceivedMs)
		}
		out = append(out, l)
	}
}

const meterTopic = "jishi/v1/cq01/dev/meter-1/sample"

// sample is a native message at a device time.
func sample(atMs int64, powerW int) string {
	return `{"t":` + strconv.FormatInt(atMs, 10) + `,"v":{"power_w":` + strconv.Itoa(powerW) + `}}`
}

// TestNothingIsAcknowledgedBeforeItIsOnDisk is the promise of the whole bridge: while a sync is under way, no message of
// its group is acknowledged, and none that came later.
func TestNothingIsAcknowledgedBeforeItIsOnDisk(t *testing.T) {
	t.Parallel()
	var routed []string
	set := func(o *bridge.Options) {
		o.Route = func(in mqtt.Inbound) { routed = append(routed, string(in.Payload)) }
	}
	ingest(t, spool.Options{}, set, func(s *intake) {
		release := make(chan struct{})
		syncing := 0
		s.disk.sync = func() error {
			syncing++
			<-release
			return nil
		}
		want := []string{sample(dawn, 1), sample(dawn+1, 2), sample(dawn+2, 3)}
		s.say(meterTopic, want[0])
		s.say(meterTopic, want[1])
		s.say(meterTopic, want[2])
		time.Sleep(time.Hour)
		synctest.Wait()
		if syncing != 1 {
			t.Fatalf("%d syncs are under way, want 1", syncing)
		}
		s.wantAcked()
		if len(routed) > 0 {
			t.Errorf("%d messages were passed on before they were on disk", len(routed))
		}
		release <- struct{}{}
		synctest.Wait()
		s.wantAcked(want[0])
		close(release)
		synctest.Wait()
		s.wantAcked(want...)
		if diff := cmp.Diff(want, routed); diff != "" {
			t.Errorf("passed on (-want +got):\n%s", diff)
		}
	})
}

// TestFailingDiskEndsRun: a sync that fails is never followed by an acknowledgement, and the process hears of it.
func TestFailingDiskEndsRun(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		s.say(meterTopic, sample(dawn, 1))
		s.disk.sync = func() error { return errInjected }
		s.say(meterTopic, sample(dawn, 2))
		s.say(meterTopic, sample(dawn, 3)) // after Run has ended: let go, not acknowledged
		s.wantAcked(sample(dawn, 1))
		s.wg.Wait()
		if !errors.Is(s.err, spool.ErrFailed) || !errors.Is(s.err, errInjected) {
			t.Errorf("Run returned %v, want the disk's error", s.err)
		}
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBridge(t, openLog(t, t.TempDir(), spool.Options{}), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run returned %v at its context's end, want nil", err)
		}
		acked := false
		b.Deliver(mqtt.Inbound{Topic: meterTopic, Ack: func() { acked = true }})
		if acked {
			t.Error("a message was acknowledged after Run had ended")
		}
	})
}

// TestRunEndsWhileTheDiskHangs: who stops a base with a hanging disk gets an answer when the disk does, and nothing that
// hung is acknowledged.
func TestRunEndsWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		release := make(chan struct{})
		s.disk.sync = func() error { <-release; return nil }
		s.say(meterTopic, sample(dawn, 1))
		s.say(meterTopic, sample(dawn, 2))
		if err := s.end(); err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		s.wantAcked()
		close(release)
	})
}

// TestFullLogHoldsDevicesBack: while there is no room nothing is acknowledged and nothing dropped; when the city has made
// room, what waited is taken.
func TestFullLogHoldsDevicesBack(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	var told strings.Builder
	o := spool.Options{SegmentBytes: spool.MinSegmentBytes, MaxBytes: 32 << 10}
	set := func(o *bridge.Options) { o.Registerer, o.Logger = reg, errorsTo(&told) }
	ingest(t, o, set, func(s *intake) {
		var said []string
		for len(said) == 0 || len(s.acked) == len(said) {
			said = append(said, sample(dawn+int64(len(said)), len(said)))
			s.say(meterTopic, said[len(said)-1])
			if len(said) > 10_000 {
				t.Fatal("the log is never full")
			}
		}
		for range 20 {
			said = append(said, sample(dawn+int64(len(said)), len(said)))
			s.say(meterTopic, said[len(said)-1])
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s.wantAcked(said[:len(said)-21]...)
		if !strings.Contains(told.String(), "log is full") || strings.Count(told.String(), "\n") != 1 {
			t.Errorf("the operator was told %q, want one line about the full log", &told)
		}
		if err := s.log.Acknowledge(spool.Range{First: 1, Last: s.log.End() - 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.wantAcked(said...)
	})
	wantMetrics(t, reg, `
		# HELP jishi_bridge_log_full_waits_total Waits of a second for room in the log; devices are not acknowledged meanwhile.
		# TYPE jishi_bridge_log_full_waits_total counter
		jishi_bridge_log_full_waits_total 61
	`, "jishi_bridge_log_full_waits_total")
}

// TestMemoryIsBoundedWhileTheDiskHangs: devices that go on sending large messages are held back by bytes, not only by
// number.
func TestMemoryIsBoundedWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		release := make(chan struct{})
		s.disk.sync = func() error { <-release; return nil }
		payload := strings.Repeat("x", 256<<10)
		const messages = 400 // 100 MiB
		taken := 0
		var wg sync.WaitGroup
		wg.Go(func() {
			for range messages {
				s.b.Deliver(s.message(meterTopic, payload))
				taken++
			}
		})
		synctest.Wait()
		if mib := taken / 4; mib < 64 || mib > 64+3*8+1 {
			t.Errorf("%d MiB were taken, want the inbox's 64 and three batches of 8", mib)
		}
		close(release)
		wg.Wait()
		synctest.Wait()
		if len(s.acked) != messages {
			t.Errorf("%d messages were acknowledged, want all %d", len(s.acked), messages)
		}
	})
}

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
		jishi_bridge_quarantined_total{reason="malformed"} 2
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
			{Device: "lathe", ReceivedMs: dawn, Records: 1, Online: true},
			{Device: "mill", ReceivedMs: dawn + 60_000, OffsetMs: -1500, Records: 3},
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

// TestOrderIsKept: what one connection delivers is logged and acknowledged in its order, however it is grouped.
func TestOrderIsKept(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, func(o *bridge.Options) { o.InboxMessages = 7 }, func(s *intake) {
		var want []string
		for i := range 500 {
			want = append(want, sample(dawn, i))
			s.b.Deliver(s.message(meterTopic, want[i]))
		}
		synctest.Wait()
		s.wantAcked(want...)
		var got []string
		for _, r := range s.records() {
			got = append(got, strings.TrimPrefix(r.Raw, meterTopic+"\x00"))
		}
		if !slices.Equal(want, got) {
			t.Error("the log has another order")
		}
	})
}
