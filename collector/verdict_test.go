package collector_test

import (
	"crypto/ed25519"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

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
		{
			name: "key ended, times in the frame are older", valid: [2]time.Duration{-24 * time.Hour, -time.Second},
			want: frame.RefusedUnknownBridge, about: []frame.Range{span(1, 3)},
		},
		{
			name: "key ended, another is valid", valid: [2]time.Duration{-24 * time.Hour, -time.Second}, second: true,
			want: frame.RefusedBadSignature, about: []frame.Range{span(1, 3)},
		},
		{name: "key not yet valid", valid: [2]time.Duration{time.Second, 24 * time.Hour}, want: frame.RefusedUnknownBridge, about: []frame.Range{span(1, 3)}},
		{
			name: "backlog from before the key", valid: [2]time.Duration{-time.Minute, 24 * time.Hour}, second: true,
			want: "stored", about: []frame.Range{span(1, 3)},
		},
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
	for _, v := range []string{"bad_chain", "bad_signature", "forked", "malformed", "repeated", "unknown_bridge", "verified"} {
		count := "0"
		if v == verdict {
			count = strconv.Itoa(n)
		}
		text += `jishi_collector_frames_total{verdict="` + v + `"} ` + count + "\n"
	}
	wantMetrics(t, reg, text, "jishi_collector_frames_total")
}
