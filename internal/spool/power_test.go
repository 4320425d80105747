package spool_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// witness knows what the log promised and showed, whatever happened to the power.
type witness struct {
	promised map[uint64]string // Append had returned
	shown    map[uint64]string // a reader was given
	acked    uint64            // numbers below are acknowledged
}

// live appends, reads and acknowledges until a step fails.
func (w *witness) live(t *testing.T, log *spool.Log, rng *rand.Rand, commits int) error {
	t.Helper()
	reader, err := log.Reader(log.Begin())
	if err != nil {
		return err
	}
	defer closeAll(t, reader)
	for range commits {
		entries := make([]spool.Entry, 1+rng.IntN(12))
		for i := range entries {
			// No two records have one body: a number that is given twice is seen.
			entries[i].Body = fmt.Appendf(nil, "%d %d %s", rng.Uint64(), i, make([]byte, rng.IntN(300)))
		}
		first, err := log.Append(t.Context(), entries)
		if err != nil {
			return err
		}
		for i, e := range entries {
			w.promised[first+uint64(i)] = string(e.Body)
		}
		if err := w.read(reader); err != nil {
			return err
		}
		if rng.IntN(4) == 0 {
			last := log.Begin() + uint64(rng.Int64N(int64(log.End()-log.Begin())))
			w.acked = max(w.acked, last+1) // an acknowledgement that fails may still be found
			if err := log.Acknowledge(spool.Range{First: 1, Last: last}); err != nil {
				return err
			}
			if _, err := log.Retain(); err != nil {
				return err
			}
		}
	}
	return nil
}

// read notes what a reader is given.
func (w *witness) read(reader *spool.Reader) error {
	var rec spool.Record
	var gap *spool.GapError
	for {
		err := reader.Next(&rec)
		switch {
		case err == nil:
			if was, ok := w.shown[rec.Seq]; ok && was != string(rec.Body) {
				return fmt.Errorf("%w: number %d was shown with another record", errBroken, rec.Seq)
			}
			w.shown[rec.Seq] = string(rec.Body)
		case errors.Is(err, io.EOF):
			return nil
		case !errors.As(err, &gap):
			return err
		}
	}
}

var errBroken = errors.New("a promise is broken")

// check reads everything that a new process finds.
func (w *witness) check(t *testing.T, log *spool.Log) {
	t.Helper()
	reader, err := log.Reader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, reader)
	if log.End() > 1<<16 {
		t.Fatalf("numbers jumped to %d: no segment vanished", log.End())
	}
	now := witness{shown: map[uint64]string{}}
	if err := now.read(reader); err != nil {
		t.Fatal(err)
	}
	for seq, body := range w.promised {
		switch got, ok := now.shown[seq]; {
		case !ok && seq >= w.acked:
			t.Fatalf("record %d was promised and is gone", seq) // [L-1.1]
		case ok && got != body:
			t.Fatalf("record %d has become another", seq)
		}
	}
	for seq, body := range w.shown {
		if got, ok := now.shown[seq]; ok && got != body {
			t.Fatalf("number %d was shown with another record", seq) // [L-1.2]
		}
		if seq >= log.End() {
			t.Fatalf("number %d was shown and would be given again", seq) // [L-1.4]
		}
	}
	for _, r := range log.Missing() {
		for seq := r.First; seq <= r.Last; seq++ {
			if _, ok := w.promised[seq]; ok && seq >= w.acked {
				t.Fatalf("record %d was promised and is missing", seq)
			}
		}
	}
	maps.Copy(w.shown, now.shown)
}

// The power may go at any step, during recovery too, and leave any sectors of what was not synced: what was promised is
// there, nothing wrong is shown, no number is given twice.
func TestPowerLossAtAnyStep(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			disk := newMemFS(seed)
			w := witness{promised: map[uint64]string{}, shown: map[uint64]string{}, acked: 1}
			for round := range uint64(6) {
				disk.left = rng.IntN(120)
				if round == 5 {
					disk.left = -1
				}
				log, err := spool.Open("log", spool.Options{FS: disk, SegmentBytes: spool.MinSegmentBytes})
				if err == nil {
					left := disk.left
					disk.left = -1 // a check needs power
					w.check(t, log)
					disk.left = left
					err = w.live(t, log, rng, 40)
					if closeErr := log.Close(); err == nil {
						err = closeErr
					}
				}
				if errors.Is(err, errBroken) || err != nil && !errors.Is(err, errInjected) {
					t.Fatalf("round %d: %v", round, err)
				}
				if rng.IntN(4) == 0 {
					disk = disk.afterKill()
				} else {
					disk = disk.afterPowerLoss(seed*10 + round)
				}
			}
		})
	}
}

// A sync that fails leaves pages that look clean and are not on the disk. What the next process shows from them must
// survive the loss of power that comes later [L-11.6].
func TestFailedSyncThenRestartThenPowerLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		disk := newMemFS(seed)
		w := witness{promised: map[uint64]string{}, shown: map[uint64]string{}, acked: 1}
		o := spool.Options{FS: disk}
		log, err := spool.Open("log", o)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.live(t, log, rng, 3); err != nil {
			t.Fatal(err)
		}
		disk.failSync = true
		if err := w.live(t, log, rng, 1); !errors.Is(err, spool.ErrFailed) {
			t.Fatal(err)
		}
		closeAll(t, log)
		if log, err = spool.Open("log", o); err != nil {
			t.Fatal(err)
		}
		w.check(t, log)
		if err := w.live(t, log, rng, 3); err != nil {
			t.Fatal(err)
		}
		o.FS = disk.afterPowerLoss(seed)
		after, err := spool.Open("log", o)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := after.Reader(1)
		if err != nil {
			t.Fatal(err)
		}
		now := witness{shown: map[uint64]string{}}
		if err := now.read(reader); err != nil {
			t.Fatal(err)
		}
		for seq := range w.shown {
			if _, ok := now.shown[seq]; !ok && seq >= w.acked {
				t.Fatalf("seed %d: record %d was shown after the restart and is gone", seed, seq)
			}
		}
		closeAll(t, reader, after, log)
	}
}
