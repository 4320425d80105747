package bridge_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestStatusOfTheUplink: an operator sees whether the city is there and since when, what is out, how old the oldest
// record is that waits, what the city refuses and why; and nothing of it once it is over.
func TestStatusOfTheUplink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t, t.TempDir(), spool.Options{})
		reg := prometheus.NewPedanticRegistry()
		s := &scene{t: t, log: log, b: newBridge(t, log, func(o *bridge.Options) { o.Window, o.Registerer = 4, reg })}
		begin := time.Now().UnixMilli()
		receivedMs := func(seq uint64) int64 { return begin - 60_000 + int64(seq) }
		entries := make([]spool.Entry, 20)
		for i := range entries {
			entries[i] = spool.Entry{ReceivedMs: receivedMs(uint64(i + 1)), Body: body(uint64(i + 1))}
		}
		if _, err := log.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}

		got := s.b.Status()
		want := bridge.UplinkStatus{WindowFrames: 4, Refused: []bridge.RefusedStatus{}}
		if diff := cmp.Diff(want, got.Uplink); diff != "" {
			t.Errorf("uplink before the city was there (-want +got):\n%s", diff)
		}
		if got.Queue.Records != 20 || got.Queue.OldestMs != receivedMs(1) {
			t.Errorf("queue %+v, want 20 records, the oldest of %d", got.Queue, receivedMs(1))
		}

		time.Sleep(time.Minute)
		s.connect()
		s.wait(2 * time.Second) // the linger
		up := time.Now().Add(-2 * time.Second).UnixMilli()
		if got = s.b.Status(); !got.Uplink.Connected || got.Uplink.SinceMs != up || got.Uplink.FramesOut != 1 || got.Queue.OldestMs != receivedMs(1) {
			t.Errorf("uplink %+v, queue %+v", got.Uplink, got.Queue)
		}

		s.ack(span(1, 5))
		if got = s.b.Status(); got.Uplink.LastAckMs != time.Now().UnixMilli() || got.Uplink.CityOffsetMs != 1-time.Now().UnixMilli() || got.Queue.Records != 15 {
			t.Errorf("after an acknowledgement: uplink %+v, queue %+v", got.Uplink, got.Queue)
		}

		refusal := func(reason string) {
			s.answer(&frame.Ack{Epoch: log.Epoch(), CollectorMs: 1, Refused: []frame.Refusal{{Range: span(6, 20), Reason: reason}}})
		}
		refusal("a word of a newer city " + strings.Repeat("新", 30))
		refusal(frame.RefusedForked)
		refusal(frame.RefusedForked)
		now := time.Now().UnixMilli()
		wantRefused := []bridge.RefusedStatus{
			{Reason: frame.RefusedForked, Said: frame.RefusedForked, FramesOut: 1, RecordsOut: 15, Total: 2, LastMs: now},
			{Reason: "other", Said: "a word of a newer city " + strings.Repeat("新", 13), Total: 1, LastMs: now},
		}
		if diff := cmp.Diff(wantRefused, s.b.Status().Uplink.Refused); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
		wantMetrics(t, reg, `
			# HELP jishi_bridge_refused_frames Frames that are out and refused by the city, by reason.
			# TYPE jishi_bridge_refused_frames gauge
			jishi_bridge_refused_frames{reason="bad_chain"} 0
			jishi_bridge_refused_frames{reason="bad_signature"} 0
			jishi_bridge_refused_frames{reason="forked"} 1
			jishi_bridge_refused_frames{reason="malformed"} 0
			jishi_bridge_refused_frames{reason="other"} 0
			jishi_bridge_refused_frames{reason="unknown_bridge"} 0
			# HELP jishi_bridge_frames_out Frames sent and not yet acknowledged by the city.
			# TYPE jishi_bridge_frames_out gauge
			jishi_bridge_frames_out 1
			# HELP jishi_bridge_uplink_connected 1 while a connection to the city is up.
			# TYPE jishi_bridge_uplink_connected gauge
			jishi_bridge_uplink_connected 1
		`, "jishi_bridge_refused_frames", "jishi_bridge_frames_out", "jishi_bridge_uplink_connected")

		if err := s.disconnect(); err != nil {
			t.Error(err)
		}
		got = s.b.Status()
		if got.Uplink.Connected || got.Uplink.SinceMs != now || got.Uplink.FramesOut != 0 || got.Uplink.Refused[0].FramesOut != 0 {
			t.Errorf("after the city went: %+v", got.Uplink)
		}
		if got.Queue.Records != 15 || got.Queue.OldestMs != receivedMs(6) {
			t.Errorf("queue %+v, want 15 records, the oldest of %d", got.Queue, receivedMs(6))
		}
		s.connect()
		s.wait(2 * time.Second)
		s.ack(span(6, 20))
		if got = s.b.Status(); got.Queue.Records != 0 || got.Queue.OldestMs != 0 || got.Uplink.FramesOut != 0 {
			t.Errorf("when all is stored: queue %+v, uplink %+v", got.Queue, got.Uplink)
		}
		if err := s.disconnect(); err != nil {
			t.Error(err)
		}
	})
}

// TestStatusOfDevices: silence is shown when the dialect's time is over, a goodbye at once, and a clock that is off as it
// is, not as messages that were held up make it look.
func TestStatusOfDevices(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		states := func() (out string) {
			for _, d := range s.b.Status().Devices {
				out += fmt.Sprintf("%s %s %d; ", d.Device, d.State, d.OffsetMs)
			}
			return out
		}
		s.say("jishi/v1/cq01/dev/kept/sample", sample(dawn-3_600_000, 1)) // an hour in its memory
		s.say("jishi/v1/cq01/dev/late/sample", sample(dawn-600_000, 1))
		s.say("jishi/v1/cq01/dev/gone/link", `{"online":false}`)
		if got, want := states(), "gone offline 0; kept online -3600000; late online -600000; "; got != want {
			t.Errorf("got %s want %s", got, want)
		}
		time.Sleep(30 * time.Second)
		s.say("jishi/v1/cq01/dev/kept/sample", sample(dawn+29_990, 1))
		s.say("jishi/v1/cq01/dev/kept/sample", sample(dawn-3_500_000, 1))
		time.Sleep(45 * time.Second)
		if got, want := states(), "gone offline 0; kept online -10; late silent -600000; "; got != want {
			t.Errorf("got %s want %s", got, want)
		}
		time.Sleep(30 * time.Second)
		if got, want := states(), "gone offline 0; kept silent -10; late silent -600000; "; got != want {
			t.Errorf("got %s want %s", got, want)
		}
	})
}

// TestStatusOfWhatCannotBeRead: the operator sees reason, topic and device, the latest first; who sends rubbish on a
// thousand topics does not fill the memory, and no card number is shown.
func TestStatusOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		for i := range 1000 {
			s.say(fmt.Sprintf("rubbish/%d", i), "x")
		}
		time.Sleep(time.Second)
		s.say(meterTopic, "{")
		s.say(meterTopic, "{")
		s.say("rfid/reader", "uid 04A2B3C4D5E6F7")
		got := s.b.Status()
		if n := len(got.Quarantine.Recent); n != 50 {
			t.Errorf("%d kinds are remembered, want 50", n)
		}
		if n := got.Quarantine.ByReason[telemetry.ReasonUnknownTopic]; n != 1001 {
			t.Errorf("%d messages of unknown topics, want 1001", n)
		}
		newest := got.Quarantine.Recent[0]
		newest.Detail = ""
		want := bridge.Stray{
			Reason: telemetry.ReasonMalformed, Topic: meterTopic, Dialect: "native", Count: 2, FirstMs: dawn + 1000, LastMs: dawn + 1000,
		}
		if diff := cmp.Diff(want, newest); diff != "" {
			t.Errorf("newest (-want +got):\n%s", diff)
		}
		all, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(all), "04A2B3C4D5E6F7") {
			t.Error("the status shows a card's number")
		}
	})
}

// TestStatusOfTheDisk: bounds, room and losses are shown; a full log is not ready, and is again when the city made room.
func TestStatusOfTheDisk(t *testing.T) {
	t.Parallel()
	o := spool.Options{SegmentBytes: spool.MinSegmentBytes, MaxBytes: 32 << 10, MinFreeBytes: 1, Audit: time.Hour}
	ingest(t, o, nil, func(s *intake) {
		synctest.Wait()
		if err := s.b.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		empty := s.b.Status().Disk
		if empty.RoomBytes < 20<<10 || empty.RoomBytes > 32<<10 || empty.AuditSeconds != 3600 || empty.MinFreeBytes != 1 || empty.DropOldest || len(empty.Epoch) != 16 {
			t.Errorf("empty disk %+v", empty)
		}
		n := 0
		for ; len(s.acked) == n; n++ {
			s.say(meterTopic, sample(dawn+int64(n), n))
		}
		time.Sleep(2 * time.Second)
		full := s.b.Status().Disk
		if full.FullSinceMs != dawn || full.RoomBytes > 512 || s.b.Ready() == nil {
			t.Errorf("full disk %+v, ready: %v", full, s.b.Ready())
		}
		if err := s.log.Acknowledge(spool.Range{First: 1, Last: s.log.End() - 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := s.b.Status().Disk; got.FullSinceMs != 0 || got.RoomBytes < 16<<10 || s.b.Ready() != nil {
			t.Errorf("disk with room again %+v, ready: %v", got, s.b.Ready())
		}
		_ = s.end()
		if s.b.Ready() == nil {
			t.Error("a bridge that has ended is ready")
		}
	})
}

// TestStatusOfLosses: what was dropped is summed up by cause, and told apart by what the city knows.
func TestStatusOfLosses(t *testing.T) {
	t.Parallel()
	o := spool.Options{SegmentBytes: spool.MinSegmentBytes, MaxBytes: 16 << 10, DropOldest: true}
	ingest(t, o, nil, func(s *intake) {
		for i := range 500 {
			s.say(meterTopic, sample(dawn+int64(i), i))
		}
		missing := s.log.Missing()
		if len(missing) != 1 || missing[0].First != 1 {
			t.Fatalf("missing %v, want one range from 1", missing)
		}
		lost := missing[0].Last
		want := bridge.LossStatus{
			ByCause: []bridge.LossSum{{Cause: "dropped", Records: lost, Untold: lost}},
			Recent:  []bridge.LossRange{{First: 1, Last: lost, Cause: "dropped"}},
		}
		if diff := cmp.Diff(want, s.b.Status().Losses); diff != "" {
			t.Errorf("losses (-want +got):\n%s", diff)
		}
		if err := s.log.Acknowledge(spool.Range{First: 1, Last: lost - 1}); err != nil {
			t.Fatal(err)
		}
		if got := s.b.Status().Losses.ByCause; len(got) != 1 || got[0].Untold != 1 {
			t.Errorf("losses %+v, want one record that the city does not know of", got)
		}
	})
}

func TestStatusOfTheIntake(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		for i := range 300 { // five minutes at 2/s, then silence
			s.say(meterTopic, sample(dawn, i))
			s.say(meterTopic, sample(dawn, i))
			time.Sleep(time.Second)
		}
		synctest.Wait()
		got := s.b.Status().Intake
		if got.Messages != 600 || got.PerSecond < 1.9 || got.PerSecond > 2.1 || got.LastMs != dawn+299_000 {
			t.Errorf("intake %+v, want 2/s", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := s.b.Status().Intake.PerSecond; got != 0 {
			t.Errorf("%v messages/s two minutes after the last one", got)
		}
	})
}

// TestStatusWhileEverythingHappens is for the race detector.
func TestStatusWhileEverythingHappens(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, nil, func(s *intake) {
		up := newUplink()
		var wg sync.WaitGroup
		wg.Go(func() { _ = s.b.Forward(s.t.Context(), up) })
		wg.Go(func() {
			for i := range 200 {
				s.b.Deliver(mqtt.Inbound{Topic: meterTopic, Payload: []byte(sample(dawn, i)), Ack: func() {}})
			}
		})
		for range 100 {
			_, _, _ = s.b.Status(), s.b.Ready(), s.b.Connected()
		}
		synctest.Wait()
		close(up.acks)
		wg.Wait()
	})
}
