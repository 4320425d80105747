package evidencetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func (s suite) receipts(t *testing.T) {
	store := s.store(t)
	receipt := func(epoch, first, last uint64) evidence.Receipt {
		return evidence.Receipt{
			Epoch: epoch, First: first, Last: last, ChainBefore: [32]byte{byte(first), 0xff}, ChainAfter: [32]byte{31: byte(last)},
			FirstMs: t0 + int64(first), LastMs: t0 + int64(last), CollectedMs: t0 + 99,
		}
	}
	lost := evidence.Receipt{Epoch: 5, First: 21, Last: 4_000_000_000, Missing: true, FirstMs: t0, LastMs: t0, CollectedMs: t0}
	want := []evidence.BridgeReceipt{
		{Bridge: "a", Receipt: receipt(5, 1, 10)},
		{Bridge: "a", Receipt: receipt(5, 11, 20)},
		{Bridge: "a", Receipt: lost},
		{Bridge: "a", Receipt: receipt(7, 1, 3)},
		{Bridge: "b", Receipt: receipt(1, 1, 1)},
	}
	for range 2 {
		for i := range want { // written backwards, and twice
			r := want[len(want)-1-i]
			b := batch()
			b.Bridge, b.Epoch, b.Receipts = r.Bridge, r.Epoch, []evidence.Receipt{r.Receipt}
			mustWrite(t, store, b)
		}
	}
	for bridge, want := range map[string][]evidence.BridgeReceipt{"": want, "a": want[:4], "b": want[4:], "c": nil} {
		got, err := store.Receipts(t.Context(), base, bridge)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("receipts of %q (-want +got):\n%s", bridge, diff)
		}
	}
}

// receiptsAmong asks for the receipts that share a number with a range, by number alone and within a time.
func (s suite) receiptsAmong(t *testing.T) {
	store := s.store(t)
	receipt := func(epoch, first, last uint64, atMs int64) evidence.Receipt {
		return evidence.Receipt{Epoch: epoch, First: first, Last: last, FirstMs: atMs, LastMs: atMs + 1, CollectedMs: t0, ChainAfter: [32]byte{byte(last)}}
	}
	mine := []evidence.Receipt{receipt(5, 1, 10, t0), receipt(5, 11, 20, t0+1000), receipt(5, 21, 30, t0+2000)}
	lost := evidence.Receipt{Epoch: 5, First: 31, Last: 5000, Missing: true, FirstMs: t0 + 3000, LastMs: t0 + 3000, CollectedMs: t0}
	mustWrite(t, store,
		evidence.Batch{Base: base, Bridge: "a", Epoch: 5, CollectedMs: t0, Receipts: append(slices.Clone(mine), lost)},
		evidence.Batch{Base: base, Bridge: "a", Epoch: 6, CollectedMs: t0, Receipts: []evidence.Receipt{receipt(6, 1, 30, t0)}},
		evidence.Batch{Base: base, Bridge: "b", Epoch: 5, CollectedMs: t0, Receipts: []evidence.Receipt{receipt(5, 1, 30, t0)}},
		evidence.Batch{Base: "other", Bridge: "a", Epoch: 5, CollectedMs: t0, Receipts: []evidence.Receipt{receipt(5, 1, 30, t0)}})
	for name, c := range map[string]struct {
		first, last uint64
		window      span.Span
		want        []evidence.Receipt
	}{
		"all":                  {1, math.MaxInt64, span.Span{}, append(slices.Clone(mine), lost)},
		"one, by its middle":   {15, 15, span.Span{}, mine[1:2]},
		"two, by their border": {20, 21, span.Span{}, mine[1:3]},
		"inside a loss":        {4000, 4001, span.Span{}, []evidence.Receipt{lost}},
		"after all":            {5001, 6000, span.Span{}, nil},
		"within a time":        {1, math.MaxInt64, span.Span{StartMs: t0 + 1000, EndMs: t0 + 2000}, mine[1:2]},
		"at another time":      {15, 15, span.Span{StartMs: t0 + 1001, EndMs: t0 + 9000}, nil},
	} {
		q := evidence.ReceiptQuery{Base: base, Bridge: "a", Epoch: 5, First: c.first, Last: c.last, Window: c.window}
		got, err := store.ReceiptsAmong(t.Context(), q)
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// receiptsNeverCollide writes receipts that share their instants: a replay runs a day in seconds, a clock stands still,
// and a frame is cut another way when it is sent again.
func (s suite) receiptsNeverCollide(t *testing.T) {
	store := s.store(t)
	b := batch()
	for i := range uint64(300) {
		first := 1 + i*7
		for _, last := range []uint64{first, first + 6, first + 4000} {
			b.Receipts = append(b.Receipts, evidence.Receipt{Epoch: epoch, First: first, Last: last, FirstMs: t0, LastMs: t0})
		}
		b.Receipts = append(b.Receipts,
			evidence.Receipt{Epoch: epoch, First: first, Last: first + 6, Missing: true, FirstMs: t0, LastMs: t0},
			evidence.Receipt{Epoch: epoch + 1, First: first, Last: first + 6, FirstMs: t0, LastMs: t0},
			evidence.Receipt{Epoch: epoch, First: first + 1<<40, Last: first + 1<<41, Missing: true}, // at no known time
		)
	}
	mustWrite(t, store, b)
	got, err := store.Receipts(t.Context(), base, bridge)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(b.Receipts) {
		t.Errorf("%d of %d receipts came back", len(got), len(b.Receipts))
	}
}

func (s suite) concurrency(t *testing.T) {
	store := s.store(t)
	const writers, readers, calls, records = 4, 3, 5, 20
	var wg sync.WaitGroup
	errs := make(chan error, (writers+readers)*calls*8)
	for w := range writers {
		wg.Go(func() {
			for c := range calls {
				b := batch()
				b.Bridge = fmt.Sprintf("bridge %d", w)
				for i := range records {
					n := (w*calls+c)*records + i
					b.Messages = append(b.Messages, message(uint64(n+1), sample("a", int64(n), float64(n))))
				}
				b.Receipts = []evidence.Receipt{{Epoch: epoch, First: b.Messages[0].Seq, Last: b.Messages[records-1].Seq, FirstMs: t0}}
				_, err := store.Write(t.Context(), []evidence.Batch{b})
				errs <- err
			}
		})
	}
	for range readers {
		wg.Go(func() {
			for range calls {
				last := evidence.Entry{}
				errs <- store.Read(t.Context(), all(), func(e *evidence.Entry) error {
					if evidence.Compare(&last, e) >= 0 {
						return fmt.Errorf("%d after %d", e.EventMs, last.EventMs)
					}
					last = keep(e)
					return nil
				})
				_, err := store.Latest(t.Context(), base, device)
				errs <- err
				_, err = store.Devices(t.Context(), base, always)
				errs <- err
				_, err = store.Receipts(t.Context(), base, "")
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if n := len(mustRead(t, store, all())); n != writers*calls*records {
		t.Errorf("%d records, want %d", n, writers*calls*records)
	}
}

func (s suite) cancelled(t *testing.T) {
	store := s.store(t)
	mustWrite(t, store, each(1, sample("a", 1, 1), sample("a", 2, 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range callAll(ctx, store) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	// In the middle of a reading, too.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	var many []telemetry.Record
	for i := range 20_000 {
		many = append(many, sample("b", int64(i), 1))
	}
	mustWrite(t, store, each(10, many...))
	calls := 0
	err := store.Read(ctx, all(), func(*evidence.Entry) error {
		calls++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || calls == len(many)+2 {
		t.Errorf("cancelled in the middle: %v after %d entries", err, calls)
	}
	// And the store lives on.
	if n := len(mustRead(t, store, all())); n != len(many)+2 {
		t.Errorf("%d records, want %d", n, len(many)+2)
	}
}

func (s suite) closed(t *testing.T) {
	store := s.open(t)
	mustWrite(t, store, each(1, sample("a", 1, 1)))
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	for name, err := range callAll(t.Context(), store) {
		if !errors.Is(err, evidence.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
}

func (s suite) ping(t *testing.T) {
	if err := s.store(t).Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// callAll calls every method and returns what each said.
func callAll(ctx context.Context, s evidence.Store) map[string]error {
	errs := map[string]error{}
	nothing := func(*evidence.Entry) error { return nil }
	_, errs["write"] = s.Write(ctx, []evidence.Batch{each(1, sample("a", 1, 1))})
	errs["read"] = s.Read(ctx, all(), nothing)
	_, errs["before"] = s.Before(ctx, all())
	_, errs["latest"] = s.Latest(ctx, base, device)
	_, errs["devices"] = s.Devices(ctx, base, always)
	errs["quarantine"] = s.Quarantine(ctx, base, always, nothing)
	_, errs["receipts"] = s.Receipts(ctx, base, bridge)
	_, errs["receipts among"] = s.ReceiptsAmong(ctx, evidence.ReceiptQuery{Base: base, Bridge: bridge, Epoch: 1, First: 1, Last: 1})
	errs["ping"] = s.Ping(ctx)
	return errs
}
