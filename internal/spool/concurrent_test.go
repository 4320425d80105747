package spool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// Many append, some read, one acknowledges and one deletes, all at once: every record comes back once, in the order of
// its caller, with an unbroken chain; nothing is said to be missing.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	const appenders, calls = 8, 120
	log := open(t, t.TempDir(), small(spool.Options{}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	total := uint64(0)
	var appending, others sync.WaitGroup
	for id := range appenders {
		rng := rand.New(rand.NewPCG(uint64(id), 5))
		sizes := make([]int, calls)
		for i := range sizes {
			sizes[i] = 1 + rng.IntN(9)
			total += uint64(sizes[i])
		}
		appending.Go(func() { appendNumbered(ctx, t, log, id, sizes) })
	}
	others.Go(func() { followNumbered(ctx, t, log, total, true) })
	others.Go(func() { followNumbered(ctx, t, log, total, false) })
	others.Go(func() {
		for end := log.End(); end <= total; end = log.End() {
			_ = log.Stats()
			if _, err := log.Retain(); err != nil {
				t.Error(err)
				return
			}
			if log.Wait(ctx, end) != nil {
				return // an appender failed and said so
			}
		}
	})
	appending.Wait()
	others.Wait()
	if got := log.Missing(); len(got) > 0 || log.End() != total+1 {
		t.Errorf("end %d, want %d; missing %v", log.End(), total+1, got)
	}
}

// appendNumbered appends bodies that say whose they are and how many came before.
func appendNumbered(ctx context.Context, t *testing.T, log *spool.Log, id int, sizes []int) {
	n := uint64(0)
	for _, size := range sizes {
		entries := make([]spool.Entry, size)
		for i := range entries {
			entries[i].Body = binary.BigEndian.AppendUint64([]byte{byte(id)}, n)
			n++
		}
		first, err := log.Append(ctx, entries)
		if err != nil {
			t.Error(err)
			return
		}
		if log.End() < first+uint64(size) {
			t.Errorf("Append returned for %d to %d, the end is %d", first, first+uint64(size)-1, log.End())
		}
	}
}

// followNumbered reads up to a number while the log grows. The one that acknowledges is the only one that may miss
// nothing; the other may find that records expired.
func followNumbered(ctx context.Context, t *testing.T, log *spool.Log, total uint64, acknowledge bool) {
	reader, err := log.Reader(1)
	if err != nil {
		t.Error(err)
		return
	}
	defer closeAll(t, reader)
	next := map[byte]uint64{}
	chain := spool.ChainStart(log.Epoch())
	var rec spool.Record
	var gap *spool.GapError
	for seq := uint64(1); seq <= total; {
		err := reader.Next(&rec)
		switch {
		case errors.Is(err, io.EOF):
			if err := log.Wait(ctx, seq); err != nil {
				t.Error(err)
				return
			}
			continue
		case errors.As(err, &gap) && !acknowledge && gap.Cause == spool.CauseExpired && gap.First == seq:
			seq, next = gap.Last+1, nil
			continue
		case err != nil:
			t.Error(err)
			return
		}
		if rec.Seq != seq || next != nil && rec.ChainBefore != chain {
			t.Errorf("record %d, want %d, on an unbroken chain", rec.Seq, seq)
			return
		}
		id, n := rec.Body[0], binary.BigEndian.Uint64(rec.Body[1:])
		if next != nil {
			if next[id] != n {
				t.Errorf("record %d is number %d of appender %d, want %d", seq, n, id, next[id])
				return
			}
			next[id] = n + 1
		}
		chain = rec.ChainAfter
		if acknowledge && seq%50 == 0 {
			if err := log.Acknowledge(spool.Range{First: 1, Last: seq - 25}); err != nil {
				t.Error(err)
				return
			}
		}
		seq++
	}
}

// Calls that arrive during a commit are written by the next one together [L-9.1].
func TestCallsShareACommit(t *testing.T) {
	t.Parallel()
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fsys := newFaultFS(nil)
	log := open(t, t.TempDir(), spool.Options{FS: fsys})
	writes, syncs := 0, 0
	fsys.set(func(s step) verdict {
		switch s.Op {
		case "write":
			writes++
		case "sync":
			syncs++
			once.Do(func() { close(held) })
			<-hold
		}
		return verdict{}
	})
	var wg sync.WaitGroup
	call := func() {
		wg.Go(func() {
			if _, err := log.Append(t.Context(), []spool.Entry{{Body: []byte("b")}}); err != nil {
				t.Error(err)
			}
		})
	}
	call()
	<-held
	const more = 50
	for range more {
		call()
	}
	for log.Queued() < more {
		runtime.Gosched() // the calls are on their way to the queue
	}
	close(hold)
	wg.Wait()
	if writes != 2 || syncs != 2 || log.End() != more+2 {
		t.Errorf("%d writes and %d syncs for %d records, want 2 and 2", writes, syncs, log.End()-1)
	}
}

// What waits for the disk is bounded: a call that does not fit waits, gives up with its context, and then has no number
// [L-9.2].
func TestWaitingIsBounded(t *testing.T) {
	t.Parallel()
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fsys := newFaultFS(nil)
	log := open(t, t.TempDir(), spool.Options{FS: fsys})
	largest := 0
	fsys.set(func(s step) verdict {
		switch s.Op {
		case "write":
			largest = max(largest, len(s.Data))
		case "sync":
			once.Do(func() { close(held) })
			<-hold
		}
		return verdict{}
	})
	big := []spool.Entry{{Raw: make([]byte, spool.MaxRaw)}}
	var wg sync.WaitGroup
	call := func() {
		wg.Go(func() {
			if _, err := log.Append(t.Context(), big); err != nil {
				t.Error(err)
			}
		})
	}
	call()
	<-held        // the first is with the disk
	const fit = 7 // of a little over 1 MiB each, below 8 MiB
	for range fit {
		call()
	}
	for log.Queued() < fit {
		runtime.Gosched()
	}
	inner, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx := &watchedContext{Context: inner, waited: make(chan struct{})}
	gaveUp := make(chan error)
	wg.Go(func() {
		_, err := log.Append(ctx, big)
		gaveUp <- err
	})
	<-ctx.waited // or the call might end before it came to the queue, and prove nothing
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("the call that does not fit: %v, want the context's error", err)
	}
	if n := log.Queued(); n != fit {
		t.Errorf("%d calls wait for the disk, want %d", n, fit)
	}
	close(hold)
	wg.Wait()
	if end := log.End(); end != fit+2 || largest > 8<<20 {
		t.Errorf("end %d, want %d; the largest write has %d bytes, at most 8 MiB may wait", end, fit+2, largest)
	}
}

// watchedContext tells when somebody begins to wait for its end.
type watchedContext struct {
	context.Context //nolint:containedctx // it is a context itself, not a type that keeps one
	once            sync.Once
	waited          chan struct{}
}

func (c *watchedContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.waited) })
	return c.Context.Done()
}
