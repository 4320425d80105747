package collector_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

// counting is a store that counts writes.
type counting struct {
	evidence.Store
	writes atomic.Int64
}

// Write implements evidence.Store.
func (s *counting) Write(ctx context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	s.writes.Add(1)
	return s.Store.Write(ctx, batches)
}

// gated is a store whose writes wait until the test lets them through.
type gated struct {
	counting
	entered, open chan struct{}
}

func newGated(s evidence.Store) *gated {
	return &gated{counting: counting{Store: s}, entered: make(chan struct{}), open: make(chan struct{})}
}

// Write implements evidence.Store.
func (s *gated) Write(ctx context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	select {
	case s.entered <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-s.open:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.counting.Write(ctx, batches)
}

// scripted is a store that fails as it is told, and keeps the receipts of what it took.
type scripted struct {
	evidence.Store
	fail     []error // of the next writes; then they succeed
	attempts []time.Time
	taken    int
}

// Write implements evidence.Store.
func (s *scripted) Write(_ context.Context, batches []evidence.Batch) ([]evidence.Outcome, error) {
	s.attempts = append(s.attempts, time.Now())
	if len(s.fail) > 0 {
		err := s.fail[0]
		s.fail = s.fail[1:]
		return nil, err
	}
	for _, b := range batches {
		s.taken += len(b.Receipts)
	}
	return make([]evidence.Outcome, len(batches)), nil
}

// The stories of a failing store run in bubbles of synctest. Their frames only announce losses: those have no compressed
// body, whose decoder is shared with tests outside the bubble.

func failures(n int, err error) []error {
	out := make([]error, n)
	for i := range out {
		out[i] = err
	}
	return out
}

// TestStoreOutage: while the store refuses, nothing is acknowledged to anyone; when it takes writes again, everything is,
// and the operator was told twice.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, "b1")
		store := &scripted{fail: failures(10, errInjected)}
		reg := prometheus.NewPedanticRegistry()
		var told strings.Builder
		o := options(store, s)
		o.Registerer, o.Logger = reg, slog.New(slog.NewTextHandler(&told, nil))
		err := play(t, o, func(c *city) {
			begin := time.Now()
			c.deliver(s.topic(), s.missing(span(1, 1)))
			c.deliver(s.topic(), s.missing(span(2, 2)))
			time.Sleep(20 * time.Second)
			synctest.Wait()
			if len(c.said) > 0 || c.ackedFrames() > 0 {
				t.Error("acknowledged before the store took it")
			}
			for stored := uint64(0); stored < 2; { // in one acknowledgement or two
				for _, r := range (<-c.said).ack.Stored {
					stored += r.Len()
				}
			}
			if took := time.Since(begin); took > 70*time.Second {
				t.Errorf("the store was noticed after %v, want within the longest wait", took)
			}
			synctest.Wait()
			if c.ackedFrames() != 2 || store.taken != 2 {
				t.Errorf("%d frames acknowledged to the broker and %d stored, want 2", c.ackedFrames(), store.taken)
			}
		})
		if err != nil {
			t.Errorf("Collect returned %v, want nil", err)
		}
		for i := range store.attempts[:10] {
			wait := store.attempts[i+1].Sub(store.attempts[i])
			longest := min(200*time.Millisecond<<i, 10*time.Second)
			if wait < longest/2 || wait > longest {
				t.Errorf("wait %d was %v, want %v to %v", i, wait, longest/2, longest)
			}
		}
		if n := strings.Count(told.String(), "level=ERROR"); n != 1 || !strings.Contains(told.String(), "answers again") {
			t.Errorf("the operator was told\n%s\nwant one error and its end", &told)
		}
		wantMetrics(t, reg, `
			# HELP jishi_collector_store_errors_total Calls of the evidence store that had to be repeated, by what was asked.
			# TYPE jishi_collector_store_errors_total counter
			jishi_collector_store_errors_total{verb="write evidence"} 10
		`, "jishi_collector_store_errors_total")
	})
}

// TestErrorThatNeedsAPerson is told each time, and tried for ever: a person will have mended it at some time.
func TestErrorThatNeedsAPerson(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, "b1")
		store := &scripted{fail: failures(50, evidence.ErrPermanent)}
		var told strings.Builder
		o := options(store, s)
		o.Logger = slog.New(slog.NewTextHandler(&told, nil))
		if err := play(t, o, func(c *city) {
			c.deliver(s.topic(), s.missing(span(1, 1)))
			wantAnswer(t, <-c.said, s.topic(), "stored", []frame.Range{span(1, 1)})
		}); err != nil {
			t.Errorf("Collect returned %v, want nil", err)
		}
		if n := strings.Count(told.String(), "level=ERROR"); n != 50 {
			t.Errorf("the operator was told %d times, want each of 50", n)
		}
	})
}

// TestContextEndsDuringAnOutage: Collect returns, and what is not stored is acknowledged to nobody.
func TestContextEndsDuringAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, "b1")
		store := &scripted{fail: failures(1000, errInjected)}
		var played *city
		if err := play(t, options(store, s), func(c *city) {
			played = c
			c.deliver(s.topic(), s.missing(span(1, 1)))
			time.Sleep(time.Minute)
		}); err != nil {
			t.Errorf("Collect returned %v, want nil", err)
		}
		if len(played.said) > 0 || played.ackedFrames() > 0 {
			t.Error("acknowledged though the store never took it")
		}
	})
}

// TestOutageHoldsTheConnectionBack: frames that the store cannot take wait at the bridges, not in memory.
func TestOutageHoldsTheConnectionBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, "b1")
		store := &scripted{fail: failures(1000, errInjected)}
		o := options(store, s)
		o.BatchFrames = 4
		if err := play(t, o, func(c *city) {
			taken := 0
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for n := uint64(1); ctx.Err() == nil; n++ {
				select {
				case c.frames <- inbound(s, s.missing(span(n, n))):
					taken++
				case <-ctx.Done():
				}
			}
			if most := 4 + 4 + 1; taken > most {
				t.Errorf("%d frames were taken, want at most %d: a group, those verified, one in hand", taken, most)
			}
		}); err != nil {
			t.Errorf("Collect returned %v, want nil", err)
		}
	})
}
