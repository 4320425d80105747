package bridge_test

import (
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
		_ = s.end() // the stories that care look
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
		few := func(o *bridge.Options) { o.InboxMessages = 2 }
		b := newBridge(t, openLog(t, t.TempDir(), spool.Options{}), few)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Run(ctx); err != nil {
			t.Errorf("Run returned %v at its context's end, want nil", err)
		}
		acked := false
		for range 10 { // more than the inbox holds: nobody is kept waiting
			b.Deliver(mqtt.Inbound{Topic: meterTopic, Ack: func() { acked = true }})
		}
		if acked {
			t.Error("a message was acknowledged after Run had ended")
		}
	})
}

// TestRunEndsWhileTheDiskHangs: who stops a base with a hanging disk gets an answer when the disk does, and nothing that
// hung is acknowledged.
func TestRunEndsWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	ingest(t, spool.Options{}, func(o *bridge.Options) { o.InboxMessages = 7 }, func(s *intake) {
		release := make(chan struct{})
		s.disk.sync = func() error { <-release; return nil }
		var devices sync.WaitGroup
		devices.Go(func() {
			for i := range 100 { // more than the inbox holds
				s.b.Deliver(s.message(meterTopic, sample(dawn, i)))
			}
		})
		synctest.Wait()
		if err := s.end(); err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
		devices.Wait()
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
