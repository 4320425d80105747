package collector_test

import (
	"crypto/ed25519"
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

// TestVerdicts: only what an enrolled bridge signed, with a whole chain, under its own topic, reaches the store; whoever
// can be answered hears why not.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(dawn).Add(time.Hour)
	thief := newSender(t, "thief")
	tests := []struct {
		name   string
		frame  func(s *sender) []byte
		topic  string           // "": the sender's own
		valid  [2]time.Duration // of the key, from now; zero: always
		second bool             // another key of the bridge is valid now
		want   string           // reason; "stored", or "" for no answer
		about  []frame.Range
	}{
		{name: "good", want: "stored", about: []frame.Range{span(1, 3)}},
		{name: "good with losses", frame: func(s *sender) []byte {
			s.next = 5
			b := frame.NewBuilder(testBase, s.id, s.epoch, s.key)
			b.Missing(span(1, 2), span(4, 4))
			m := message(5)
			body := frame.AppendMessage(nil, &m)
			if _, err := b.Add(5, body, s.chain, frame.ChainNext(s.chain, 5, body)); err != nil {
				t.Fatal(err)
			}
			return s.seal(b)
		}, want: "stored", about: []frame.Range{span(1, 2), span(4, 5)}},
		{name: "signed by another", frame: func(s *sender) []byte {
			s.key = thief.key
			return s.frame(3)
		}, want: frame.RefusedBadSignature, about: []frame.Range{span(1, 3)}},
		{name: "changed on the way", frame: func(s *sender) []byte {
			f := s.frame(3)
			f[len(f)-70] ^= 1
			return f
		}, want: frame.RefusedBadSignature, about: []frame.Range{span(1, 3)}},
		{name: "not enrolled", frame: func(s *sender) []byte {
			s.id = "stranger"
			return s.frame(3)
		}, topic: frame.FrameTopic(testBase, "stranger"), want: frame.RefusedUnknownBridge, about: []frame.Range{span(1, 3)}},
		{name: "losses of one not enrolled", frame: func(s *sender) []byte {
			s.id = "stranger"
			return s.missing(span(2, 4), span(9, 9))
		}, topic: frame.FrameTopic(testBase, "stranger"), want: frame.RefusedUnknownBridge, about: []frame.Range{span(2, 4), span(9, 9)}},
		{name: "key ended, times in the frame are older", valid: [2]time.Duration{-24 * time.Hour, -time.Second},
			want: frame.RefusedUnknownBridge, about: []frame.Range{span(1, 3)}},
		{name: "key ended, another is valid", valid: [2]time.Duration{-24 * time.Hour, -time.Second}, second: true,
			want: frame.RefusedBadSignature, about: []frame.Range{span(1, 3)}},
		{name: "key not yet valid", valid: [2]time.Duration{time.Second, 24 * time.Hour}, want: frame.RefusedUnknownBridge, about: []frame.Range{span(1, 3)}},
		{name: "backlog from before the key", valid: [2]time.Duration{-time.Minute, 24 * time.Hour}, second: true,
			want: "stored", about: []frame.Range{span(1, 3)}},
		{name: "broken chain", frame: func(s *sender) []byte {
			b := frame.NewBuilder(testBase, s.id, s.epoch, s.key)
			m := message(1)
			if _, err := b.Add(1, frame.AppendMessage(nil, &m), s.chain, [32]byte{1}); err != nil {
				t.Fatal(err)
			}
			return s.seal(b)
		}, want: frame.RefusedBadChain, about: []frame.Range{span(1, 1)}},
		{name: "another beginning", frame: func(s *sender) []byte {
			s.chain = [32]byte{1}
			return s.frame(3)
		}, want: frame.RefusedBadChain, about: []frame.Range{span(1, 3)}},
		{name: "under another's topic", topic: frame.FrameTopic(testBase, "b2")},
		{name: "under another base's topic", topic: frame.FrameTopic("cq02", "b1")},
		{name: "under an ack topic", topic: frame.AckTopic(testBase, "b1")},
		{name: "cut short", frame: func(s *sender) []byte { f := s.frame(3); return f[:len(f)-1] }},
		{name: "empty", frame: func(*sender) []byte { return nil }},
		{name: "too large", frame: func(*sender) []byte { return make([]byte, frame.MaxFrame+1) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSender(t, "b1")
			public := s.public()
			if test.frame == nil {
				test.frame = func(s *sender) []byte { return s.frame(3) }
			}
			payload := test.frame(s)
			if test.topic == "" {
				test.topic = frame.FrameTopic(testBase, "b1")
			}
			store := openStore(t)
			reg := prometheus.NewPedanticRegistry()
			err := play(t, collector.Options{
				Store: store, Registerer: reg, Now: func() time.Time { return now },
				BridgeKeys: func(base, id string, atMs int64) (keys []ed25519.PublicKey) {
					if base != testBase || id != "b1" {
						return nil
					}
					at := time.UnixMilli(atMs).Sub(now)
					if test.valid == [2]time.Duration{} || test.valid[0] <= at && at < test.valid[1] {
						keys = append(keys, public)
					}
					if test.second {
						keys = append([]ed25519.PublicKey{newSender(t, "b1-second").public()}, keys...)
					}
					return keys
				},
			}, func(c *city) {
				c.deliver(test.topic, payload)
				if test.want == "" {
					c.settled()
					if c.ackedFrames() != 1 {
						t.Error("a frame that nobody can be told about is not acknowledged to the broker")
					}
					return
				}
				wantAnswer(t, <-c.said, test.topic, test.want, test.about)
			})
			if err != nil {
				t.Errorf("Collect returned %v, want nil", err)
			}
			if stored := len(receipts(t, store)) > 0; stored != (test.want == "stored") {
				t.Errorf("the store vouches for something: %v", stored)
			}
			verdict := map[string]string{"stored": "verified", "": frame.RefusedMalformed}[test.want]
			if verdict == "" {
				verdict = test.want
			}
			wantVerdict(t, reg, verdict, map[bool]int{true: 2, false: 1}[test.want == ""])
		})
	}
}

func wantAnswer(t *testing.T, got answer, topic, verdict string, about []frame.Range) {
	t.Helper()
	want := answer{strings.TrimSuffix(topic, "frame") + "ack", frame.Ack{Epoch: 77, CollectorMs: got.ack.CollectorMs}}
	for _, r := range about {
		if verdict == "stored" {
			want.ack.Stored = append(want.ack.Stored, r)
			continue
		}
		want.ack.Refused = append(want.ack.Refused, frame.Refusal{Range: r, Reason: verdict})
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// wantVerdict holds the counter of frames: n of the verdict and none of any other.
func wantVerdict(t *testing.T, reg *prometheus.Registry, verdict string, n int) {
	t.Helper()
	text := "# HELP jishi_collector_frames_total Frames taken, by verdict.\n# TYPE jishi_collector_frames_total counter\n"
	for _, v := range []string{"bad_chain", "bad_signature", "malformed", "repeated", "unknown_bridge", "verified"} {
		count := "0"
		if v == verdict {
			count = string(rune('0' + n))
		}
		text += `jishi_collector_frames_total{verdict="` + v + `"} ` + count + "\n"
	}
	wantMetrics(t, reg, text, "jishi_collector_frames_total")
}

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
