package collector_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var errInjected = errors.New("injected")

// TestRepeatIsAcknowledgedAndNotWritten: a repeat costs no write while the collector lives, and changes nothing after it
// was replaced.
func TestRepeatIsAcknowledgedAndNotWritten(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := &counting{Store: openStore(t)}
	reg := prometheus.NewPedanticRegistry()
	o := options(store, s)
	o.Registerer = reg
	col, err := collector.New(o)
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.frame(3), s.missing(span(9, 9))
	deliver := func(c *city) {
		for range 2 {
			c.deliver(s.topic(), first)
			wantAnswer(t, <-c.said, s.topic(), "stored", []frame.Range{span(1, 3)})
		}
	}
	if err := collect(t, col, deliver); err != nil {
		t.Fatal(err)
	}
	if err := collect(t, col, deliver); err != nil { // after a lost connection
		t.Fatal(err)
	}
	if n := store.writes.Load(); n != 1 {
		t.Errorf("a frame that came four times was written %d times, want once", n)
	}
	if err := collect(t, col, func(c *city) {
		for range 2 { // losses are few: they are written each time
			c.deliver(s.topic(), second)
			wantAnswer(t, <-c.said, s.topic(), "stored", []frame.Range{span(9, 9)})
		}
	}); err != nil {
		t.Fatal(err)
	}
	before := receipts(t, store)
	if err := play(t, options(store, s), deliver); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, receipts(t, store)); diff != "" || len(before) != 2 {
		t.Errorf("receipts after a repeat to another collector (-before +after):\n%s", diff)
	}
	wantMetrics(t, reg, `
		# HELP jishi_collector_frames_total Frames taken, by verdict.
		# TYPE jishi_collector_frames_total counter
		jishi_collector_frames_total{verdict="bad_chain"} 0
		jishi_collector_frames_total{verdict="bad_signature"} 0
		jishi_collector_frames_total{verdict="forked"} 0
		jishi_collector_frames_total{verdict="malformed"} 0
		jishi_collector_frames_total{verdict="repeated"} 3
		jishi_collector_frames_total{verdict="unknown_bridge"} 0
		jishi_collector_frames_total{verdict="verified"} 3
	`, "jishi_collector_frames_total")
}

// TestGroupIsOneWrite: what came while the store was busy is written by one call, and each bridge hears of its own ranges
// in one acknowledgement.
func TestGroupIsOneWrite(t *testing.T) {
	t.Parallel()
	a, b := newSender(t, "a"), newSender(t, "b")
	store := newGated(openStore(t))
	err := play(t, options(store, a, b), func(c *city) {
		c.deliver(a.topic(), a.frame(1))
		<-store.entered
		a2, a3 := a.frame(2), a.frame(3)
		b1, b2 := b.frame(1), b.frame(1)
		a4 := a.frame(1)
		forged := slices.Clone(b2)
		forged[len(forged)-1] ^= 1
		for _, d := range []struct {
			s *sender
			f []byte
		}{{a, a3}, {b, b1}, {b, forged}, {a, a2}, {b, b.missing(span(7, 8))}, {a, a.missing(span(20, 20))}, {a, a4}} {
			c.deliver(d.s.topic(), d.f)
		}
		c.settled()
		if n := c.ackedFrames(); n != 0 {
			t.Errorf("%d frames were acknowledged to the broker before they were stored", n)
		}
		store.open <- struct{}{}
		wantAnswer(t, <-c.said, a.topic(), "stored", []frame.Range{span(1, 1)})
		<-store.entered
		select {
		case got := <-c.said:
			t.Errorf("answered before the write returned: %+v", got)
		default:
		}
		store.open <- struct{}{}
		wantAnswer(t, <-c.said, a.topic(), "stored", []frame.Range{span(2, 7), span(20, 20)})
		got := <-c.said
		got.ack.CollectorMs = 0
		want := answer{frame.AckTopic(testBase, "b"), frame.Ack{
			Epoch: 77, Stored: []frame.Range{span(1, 1), span(7, 8)},
			Refused: []frame.Refusal{{Range: span(2, 2), Reason: frame.RefusedBadSignature}},
		}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("answer (-want +got):\n%s", diff)
		}
	})
	if err != nil {
		t.Errorf("Collect returned %v, want nil", err)
	}
	if n := store.writes.Load(); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
}

// TestGroupHasBounds: a write takes no more than the options say.
func TestGroupHasBounds(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := newGated(openStore(t))
	o := options(store, s)
	o.BatchFrames, o.BatchMessages = 3, 5
	if err := play(t, o, func(c *city) {
		c.deliver(s.topic(), s.frame(1))
		<-store.entered
		c.deliver(s.topic(), s.frame(4))
		c.deliver(s.topic(), s.frame(1))
		c.deliver(s.topic(), s.frame(1)) // the group is full without it
		store.open <- struct{}{}
		<-c.said
		<-store.entered
		c.deliver(s.topic(), s.frame(1))
		c.deliver(s.topic(), s.frame(1))
		c.deliver(s.topic(), s.frame(1)) // three frames wait besides
		store.open <- struct{}{}
		if diff := cmp.Diff([]frame.Range{span(2, 6)}, (<-c.said).ack.Stored); diff != "" {
			t.Errorf("second write, bounded by messages (-want +got):\n%s", diff)
		}
		<-store.entered
		store.open <- struct{}{}
		if diff := cmp.Diff([]frame.Range{span(7, 9)}, (<-c.said).ack.Stored); diff != "" {
			t.Errorf("third write, bounded by frames (-want +got):\n%s", diff)
		}
	}); err != nil {
		t.Errorf("Collect returned %v, want nil", err)
	}
}

// TestLossesBecomeReceipts: what a base announces as missing is written down as that, and its records as records.
func TestLossesBecomeReceipts(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := openStore(t)
	now := time.UnixMilli(dawn).Add(time.Hour)
	o := options(store, s)
	o.Now = func() time.Time { return now }
	if err := play(t, o, func(c *city) {
		c.deliver(s.topic(), s.frame(2))
		<-c.said
		c.deliver(s.topic(), s.missing(span(3, 5)))
		<-c.said
	}); err != nil {
		t.Fatal(err)
	}
	want := []evidence.BridgeReceipt{
		{Bridge: "b1", Receipt: evidence.Receipt{
			Epoch: 77, First: 1, Last: 2, ChainBefore: frame.ChainStart(77), ChainAfter: s.chain,
			FirstMs: dawn + 1020, LastMs: dawn + 2020, CollectedMs: now.UnixMilli(),
		}},
		{Bridge: "b1", Receipt: evidence.Receipt{
			Epoch: 77, First: 3, Last: 5, Missing: true, FirstMs: dawn + 3000, LastMs: dawn + 3000, CollectedMs: now.UnixMilli(),
		}},
	}
	if diff := cmp.Diff(want, receipts(t, store)); diff != "" {
		t.Errorf("receipts (-want +got):\n%s", diff)
	}
}

// TestThousandsOfRangesFitAcknowledgements: an acknowledgement that names more than a bridge reads is split.
func TestThousandsOfRangesFitAcknowledgements(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := newGated(openStore(t))
	var want []frame.Range
	if err := play(t, options(store, s), func(c *city) {
		c.deliver(s.topic(), s.frame(1))
		<-store.entered
		for i := range 3 {
			var ranges []frame.Range
			for j := range frame.MaxRanges {
				n := uint64(2 + 2*(i*frame.MaxRanges+j))
				ranges = append(ranges, span(n, n))
			}
			c.deliver(s.topic(), s.missing(ranges...))
			want = append(want, ranges...)
		}
		c.settled()
		store.open <- struct{}{}
		<-c.said
		<-store.entered
		store.open <- struct{}{}
		var got []frame.Range
		for len(got) < len(want) {
			got = append(got, (<-c.said).ack.Stored...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
	}); err != nil {
		t.Errorf("Collect returned %v, want nil", err)
	}
}

// TestRecordsAreCounted: what the store says of each record is counted, and so are records of devices that nobody has
// registered; the frame is acknowledged all the same, because all of it is kept.
func TestRecordsAreCounted(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := openStore(t)
	reg := prometheus.NewPedanticRegistry()
	o := options(store, s)
	o.Registerer = reg
	o.KnownDevice = func(base, device string) bool { return base == testBase && device == "meter-1" }
	odd := func(seq uint64) telemetry.Message {
		m := message(seq)
		switch seq {
		case 2:
			m.Records[0].Device = "meter-2"
		case 3:
			m.Records[0].Values[0].Quantity = "Not a name"
		case 4:
			m.Records = append(m.Records, m.Records[0])
		case 5:
			m.Records = []telemetry.Record{{Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, EventMs: dawn, Reason: telemetry.ReasonUnknownTopic}}
		}
		return m
	}
	if err := play(t, o, func(c *city) {
		c.deliver(s.topic(), s.frameOf(5, odd))
		wantAnswer(t, <-c.said, s.topic(), "stored", []frame.Range{span(1, 5)})
	}); err != nil {
		t.Fatal(err)
	}
	wantMetrics(t, reg, `
		# HELP jishi_collector_records_total Records written to the evidence store, by verdict.
		# TYPE jishi_collector_records_total counter
		jishi_collector_records_total{verdict="accepted"} 4
		jishi_collector_records_total{verdict="duplicate"} 1
		jishi_collector_records_total{verdict="rejected"} 1
		# HELP jishi_collector_unregistered_records_total Records of devices that the registry does not know; they are stored all the same.
		# TYPE jishi_collector_unregistered_records_total counter
		jishi_collector_unregistered_records_total 1
	`, "jishi_collector_records_total", "jishi_collector_unregistered_records_total")
}

// TestConnectionLost: what was taken before the connection ended is stored; the bridge hears of it over the next one.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	s := newSender(t, "b1")
	store := openStore(t)
	col, err := collector.New(options(store, s))
	if err != nil {
		t.Fatal(err)
	}
	f := s.frame(2)
	err = collect(t, col, func(c *city) {
		c.deliver(s.topic(), f)
		<-c.said
		close(c.frames)
	})
	if !errors.Is(err, collector.ErrDownlinkLost) && err != nil {
		t.Errorf("Collect returned %v, want ErrDownlinkLost", err)
	}
	broken := newCity(t)
	broken.fail = errInjected
	go broken.deliver(s.topic(), f)
	if err := col.Collect(t.Context(), broken); !errors.Is(err, errInjected) {
		t.Errorf("Collect returned %v, want why it could not acknowledge", err)
	}
	if n := broken.ackedFrames(); n != 0 {
		t.Errorf("%d frames were acknowledged to the broker though the bridge was not told", n)
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := options(openStore(t))
	if _, err := collector.New(good); err != nil {
		t.Fatalf("good options are refused: %v", err)
	}
	for want, set := range map[string]func(o *collector.Options){
		"Store is missing":      func(o *collector.Options) { o.Store = nil },
		"BridgeKeys is missing": func(o *collector.Options) { o.BridgeKeys = nil },
		"BatchFrames is -1":     func(o *collector.Options) { o.BatchFrames = -1 },
		"BatchMessages is -1":   func(o *collector.Options) { o.BatchMessages = -1 },
		`ShareGroup is "a/b"`:   func(o *collector.Options) { o.ShareGroup = "a/b" },
	} {
		o := good
		set(&o)
		if _, err := collector.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New returned %v, want an error with %q", err, want)
		}
	}
}
