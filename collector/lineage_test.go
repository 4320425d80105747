package collector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	timespan "github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// history is a log from which frames can be cut anywhere, as a bridge does after its restart.
type history struct {
	*sender
	make   func(seq uint64) telemetry.Message
	chains [][32]byte // before each number, from 1
}

func newHistory(t testing.TB, id string, make func(seq uint64) telemetry.Message) *history {
	s := newSender(t, id)
	return &history{sender: s, make: make, chains: [][32]byte{{}, s.chain}}
}

// to makes the log so long that it ends before a number.
func (h *history) to(end uint64) {
	for seq := uint64(len(h.chains) - 1); seq < end; seq++ {
		m := h.make(seq)
		h.chains = append(h.chains, frame.ChainNext(h.chains[seq], seq, frame.AppendMessage(nil, &m)))
	}
}

// cut seals the messages from first to last, both in it.
func (h *history) cut(first, last uint64) []byte {
	h.t.Helper()
	h.to(last + 1)
	h.next, h.chain = first, h.chains[first]
	return h.frameOf(int(last-first+1), h.make)
}

// fork is the log as it goes on after it was restored from a copy that ended before a number: same key, same epoch.
func (h *history) fork(at uint64) *history {
	h.to(at)
	own := h.make
	f := &history{sender: newSender(h.t, h.id), chains: append([][32]byte(nil), h.chains[:at+1]...)}
	f.make = func(seq uint64) telemetry.Message {
		if seq < at {
			return own(seq)
		}
		m := message(seq + 1_000_000)
		m.Records[0].Values[0].Number = 1
		return m
	}
	return f
}

// verdict delivers a frame and returns what the city says of it: "stored", or the reason of the refusal.
func verdict(c *city, h *history, payload []byte) string {
	c.t.Helper()
	c.deliver(h.topic(), payload)
	select {
	case a := <-c.said:
		for _, r := range a.ack.Refused {
			return r.Reason
		}
		return "stored"
	case <-time.After(20 * time.Second):
		c.t.Fatal("the city says nothing")
		return ""
	}
}

// contents is what a store has of the senders' meter.
func contents(t testing.TB, s evidence.Store) []string {
	t.Helper()
	var out []string
	err := s.Read(t.Context(), evidence.Query{Base: testBase, Device: "meter-1", Window: timespan.Span{StartMs: 0, EndMs: evidence.MaxMs}}, func(e *evidence.Entry) error {
		out = append(out, fmt.Sprint(e.EventMs, e.Seq, e.Values))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRestoredLogIsNotMerged: a bridge that goes on from an old copy of its log is refused wherever its frames begin, by
// the collector that saw the first story and by one that did not, and no evidence changes.
func TestRestoredLogIsNotMerged(t *testing.T) {
	t.Parallel()
	for name, frames := range map[string][][2]uint64{
		"from the copy's end on":        {{51, 60}, {61, 100}, {101, 110}, {120, 130}},
		"within one receipt":            {{53, 55}, {56, 58}, {101, 102}},
		"across the end of all":         {{95, 105}, {106, 120}},
		"behind the end of all":         {{101, 110}},
		"with a piece of the old story": {{45, 60}, {101, 110}},
	} {
		for _, fresh := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, fresh collector %v", name, fresh), func(t *testing.T) {
				t.Parallel()
				store := openStore(t)
				h := newHistory(t, "b1", message)
				col, err := collector.New(options(store, h.sender))
				if err != nil {
					t.Fatal(err)
				}
				err = collect(t, col, func(c *city) {
					for first := uint64(1); first <= 100; first += 10 {
						if got := verdict(c, h, h.cut(first, first+9)); got != "stored" {
							t.Fatalf("frame at %d is %s", first, got)
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if fresh {
					if col, err = collector.New(options(store, h.sender)); err != nil {
						t.Fatal(err)
					}
				}
				before, receiptsBefore := contents(t, store), receipts(t, store)
				f := h.fork(51)
				err = collect(t, col, func(c *city) {
					for _, r := range frames {
						if got := verdict(c, f, f.cut(r[0], r[1])); got != frame.RefusedForked {
							t.Errorf("frame %v is %s", r, got)
						}
					}
					// The old story may still be told, and go on.
					if got := verdict(c, h, h.cut(91, 110)); got != "stored" {
						t.Errorf("the first story's next frame is %s", got)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				after := contents(t, store)
				if diff := cmp.Diff(before, after[:len(before)]); diff != "" || len(after) != 110 {
					t.Errorf("%d records, evidence changed:\n%s", len(after), diff)
				}
				if n := len(receipts(t, store)); n != len(receiptsBefore)+1 {
					t.Errorf("%d receipts, want one more than %d", n, len(receiptsBefore))
				}
			})
		}
	}
}

// TestOneLogIsNeverTakenForTwo: however a bridge cuts its log into frames, in which order they come and how often, over
// however many collectors on one store, no frame is refused and every record is there once.
func TestOneLogIsNeverTakenForTwo(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			store := openStore(t)
			h := newHistory(t, "b1", message)
			const end = 400
			h.to(end + 1)
			for range 4 { // collectors, one after the other; each knows only what it saw itself
				col, err := collector.New(options(store, h.sender))
				if err != nil {
					t.Fatal(err)
				}
				err = collect(t, col, func(c *city) {
					for range 40 {
						first := 1 + rng.Uint64N(end)
						last := min(end, first+rng.Uint64N(60))
						if got := verdict(c, h, h.cut(first, last)); got != "stored" {
							t.Fatalf("seed %d: frame %d to %d is %s", seed, first, last, got)
						}
					}
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			covered := make(map[uint64]bool)
			for _, r := range receipts(t, store) {
				for seq := r.First; seq <= r.Last; seq++ {
					covered[seq] = true
				}
			}
			if got := contents(t, store); len(got) != len(covered) {
				t.Errorf("%d records for %d numbers", len(got), len(covered))
			}
		})
	}
}

// countingWrites is a store that counts the messages it is given.
type countingWrites struct {
	evidence.Store
	messages int
}

func (s *countingWrites) Write(ctx context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	for i := range batches {
		s.messages += len(batches[i].Messages)
	}
	return s.Store.Write(ctx, batches)
}

// TestRepeatIsNotWrittenAgain: frames that come again, to a collector that knows nothing of the first time and however they
// are cut, are acknowledged and not written: an old frame must not undo a newer value of the same instant.
func TestRepeatIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	store := &countingWrites{Store: openStore(t)}
	h := newHistory(t, "b1", message)
	for round, cuts := range [][][2]uint64{
		{{1, 20}, {21, 40}, {41, 60}},
		{{1, 20}, {21, 40}, {41, 60}},
		{{41, 60}, {5, 33}, {1, 60}, {33, 35}},
		{{61, 70}, {21, 40}},
	} {
		col, err := collector.New(options(store, h.sender))
		if err != nil {
			t.Fatal(err)
		}
		err = collect(t, col, func(c *city) {
			for _, r := range cuts {
				if got := verdict(c, h, h.cut(r[0], r[1])); got != "stored" {
					t.Errorf("round %d: frame %v is %s", round, r, got)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if store.messages != 70 {
		t.Errorf("%d messages were written, want each of 70 once", store.messages)
	}
}
