package collector

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

func stored(first uint64) *frame.Frame {
	return &frame.Frame{Header: frame.Header{Base: "b", Bridge: "x", Epoch: 1, First: first, Count: 1, ChainCheck: [frame.ChainCheckBytes]byte{byte(first)}}}
}

func TestRecentRemembersTheLast(t *testing.T) {
	t.Parallel()
	var r recent
	const n = maxRing + maxRing/2
	for i := uint64(1); i <= n; i++ {
		r.add(stored(i))
		r.add(stored(i))
	}
	for i := uint64(1); i <= n; i++ {
		if got, want := r.has(stored(i)), i > n-maxRing; got != want {
			t.Fatalf("frame %d of %d is remembered: %v, want %v", i, n, got, want)
		}
	}
	if len(r.known) != maxRing || len(r.order) != maxRing {
		t.Errorf("%d frames are remembered in %d places, want %d", len(r.known), len(r.order), maxRing)
	}
}

// TestRecentKnowsFramesByContent: any part of a frame's place or chain makes it another, and one with losses is never
// remembered.
func TestRecentKnowsFramesByContent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(f *frame.Frame){
		"base":   func(f *frame.Frame) { f.Base = "c" },
		"bridge": func(f *frame.Frame) { f.Bridge = "y" },
		"epoch":  func(f *frame.Frame) { f.Epoch = 2 },
		"first":  func(f *frame.Frame) { f.First = 8 },
		"count":  func(f *frame.Frame) { f.Count = 2 },
		"chain":  func(f *frame.Frame) { f.ChainCheck[7] = 1 },
		"losses": func(f *frame.Frame) { f.Missing = []frame.Range{{First: 1, Last: 1}} },
	} {
		var r recent
		r.add(stored(7))
		f := stored(7)
		change(f)
		if r.has(f) {
			t.Errorf("a frame with another %s counts as stored", name)
		}
	}
	var r recent
	f := stored(7)
	f.Missing = []frame.Range{{First: 1, Last: 1}}
	r.add(f)
	f.Missing = nil
	if r.has(f) {
		t.Error("a frame is known by one that announced losses")
	}
}

// TestAcksSayEverythingOnce: whatever frames say, their acknowledgements can be read, and name the same numbers.
func TestAcksSayEverythingOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var v verdicts
		want := map[uint64]bool{}
		refusals := rapid.SampledFrom([]int{0, 1, frame.MaxRanges, frame.MaxRanges + 1}).Draw(t, "refusals")
		for i := range refusals {
			v.refused = append(v.refused, frame.Refusal{Range: frame.Range{First: uint64(i + 1), Last: uint64(i + 1)}, Reason: "bad_chain"})
		}
		for range rapid.SampledFrom([]int{0, 1, 5, 2000}).Draw(t, "stored") {
			first := rapid.Uint64Range(1, 9000).Draw(t, "first")
			last := first + rapid.Uint64Range(0, 3).Draw(t, "length")
			v.stored = append(v.stored, frame.Range{First: first, Last: last})
			for n := first; n <= last; n++ {
				want[n] = true
			}
		}
		got, refused := map[uint64]bool{}, 0
		for _, ack := range v.acks(1, 2) {
			parsed, err := frame.ParseAck(ack.Append(nil))
			if err != nil {
				t.Fatalf("acknowledgement cannot be read: %v", err)
			}
			refused += len(parsed.Refused)
			for _, r := range parsed.Stored {
				for n := r.First; n <= r.Last; n++ {
					if got[n] {
						t.Fatalf("%d is acknowledged twice", n)
					}
					got[n] = true
				}
			}
		}
		if len(got) != len(want) || refused != refusals {
			t.Fatalf("%d numbers are acknowledged and %d refused, want %d and %d", len(got), refused, len(want), refusals)
		}
		for n := range want {
			if !got[n] {
				t.Fatalf("%d is not acknowledged", n)
			}
		}
	})
}
