package spool_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// clock is a clock that a test moves.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(1_700_000_000_000)
	return c
}

func (c *clock) now() time.Time             { return time.UnixMilli(c.ms.Load()) }
func (c *clock) advance(d time.Duration)    { c.ms.Add(d.Milliseconds()) }
func small(o spool.Options) spool.Options   { o.SegmentBytes = spool.MinSegmentBytes; return o }
func bounded(o spool.Options) spool.Options { o.MaxBytes = 40 << 10; return small(o) }

// fill appends until the log refuses, and returns the number of the last record taken.
func fill(t *testing.T, log *spool.Log) uint64 {
	t.Helper()
	for range 10_000 {
		if _, err := tryPut(t, log, 5); err != nil {
			if !errors.Is(err, spool.ErrFull) {
				t.Fatal(err)
			}
			return log.End() - 1
		}
	}
	t.Fatal("the log is never full")
	return 0
}

func dirSize(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A full log refuses and loses nothing; when the city has the oldest it takes again, and deletes acknowledged records
// before the audit period is over rather than refuse devices [L-13.1].
func TestFullLogRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, bounded(spool.Options{Audit: time.Hour}))
	last := fill(t, log)
	wantAnswer(t, log, answer{Seqs: seqs(1, last)})
	if size := dirSize(t, dir); size > 40<<10 {
		t.Errorf("directory has %d bytes, at most %d are allowed", size, 40<<10)
	}
	if _, err := tryPut(t, log, 5); !errors.Is(err, spool.ErrFull) || !strings.Contains(err.Error(), "max_bytes") {
		t.Errorf("Append: %v, want ErrFull with the bound", err)
	}
	if err := log.Acknowledge(spool.Range{First: 1, Last: last / 2}); err != nil {
		t.Fatal(err)
	}
	put(t, log, 5)
	got := readAll(t, log, 1)
	begin := log.Begin()
	want := answer{
		Seqs: seqs(begin, last+5),
		Gaps: []spool.GapError{{First: 1, Last: begin - 1, Cause: spool.CauseExpired}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if begin > last/2+1 || len(log.Missing()) > 0 {
		t.Errorf("begin %d, missing %v: something unacknowledged was deleted", begin, log.Missing())
	}
}

// Only when told to, the log drops the oldest; each dropped number is on the list, also after a crash, until the city
// acknowledges it [L-1.5].
func TestDropOldest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := bounded(spool.Options{DropOldest: true})
	log := open(t, dir, o)
	if err := log.Acknowledge(spool.Range{First: 1, Last: 10}); err != nil {
		t.Fatal(err)
	}
	put(t, log, 20)
	if err := log.Acknowledge(spool.Range{First: 3, Last: 4}); err != nil {
		t.Fatal(err)
	}
	for range 400 {
		put(t, log, 5)
		if size := dirSize(t, dir); size > 40<<10 {
			t.Fatalf("directory has %d bytes, at most %d are allowed", size, 40<<10)
		}
	}
	for _, when := range []string{"at once", "after a crash"} {
		begin := log.Begin()
		if begin < 1000 {
			t.Fatalf("begin %d: nothing was dropped", begin)
		}
		missing := []spool.Range{{First: 1, Last: 2}, {First: 5, Last: begin - 1}}
		if diff := cmp.Diff(missing, log.Missing()); diff != "" {
			t.Errorf("%s, missing (-want +got):\n%s", when, diff)
		}
		if first, records, _ := log.Unacknowledged(); first != 1 || records != log.End()-begin {
			t.Errorf("%s: %d records wait from %d", when, records, first)
		}
		got := readAll(t, log, 1)
		for _, gap := range got.Gaps {
			if want := spool.CauseDropped; gap.Cause != want && gap.First != 3 {
				t.Errorf("%s: gap %v", when, gap)
			}
		}
		if diff := cmp.Diff(seqs(begin, log.End()-1), got.Seqs); diff != "" {
			t.Errorf("%s, records (-want +got):\n%s", when, diff)
		}
		log = open(t, copyDir(t, dir), o)
	}
	if err := log.Acknowledge(log.Missing()...); err != nil {
		t.Fatal(err)
	}
	if len(log.Missing()) > 0 || len(log.Losses()) > 0 {
		t.Errorf("the city knows; still missing %v, losses %v", log.Missing(), log.Losses())
	}
}

// A crash between the note of a drop and the deletion must not bring back what was told to be lost.
func TestInterruptedDropIsFinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fsys := newFaultFS(nil)
	o := bounded(spool.Options{DropOldest: true, FS: fsys})
	log := open(t, dir, o)
	fsys.set(func(s step) verdict {
		if s.Op == "remove" {
			return verdict{err: errInjected}
		}
		return verdict{}
	})
	var err error
	for err == nil {
		_, err = tryPut(t, log, 5)
	}
	if !errors.Is(err, errInjected) {
		t.Fatal(err)
	}
	missing := log.Missing()
	if len(missing) != 1 || missing[0].First != 1 || len(segmentFiles(t, dir)) == 0 {
		t.Fatalf("missing %v", missing)
	}
	log = open(t, copyDir(t, dir), spool.Options{})
	if diff := cmp.Diff(missing, log.Missing()); diff != "" || log.Begin() != missing[0].Last+1 {
		t.Errorf("begin %d, missing (-want +got):\n%s", log.Begin(), diff)
	}
}

func TestMinFreeBytes(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	free.Store(1_000_000)
	fsys := newFaultFS(func(s step) verdict {
		if s.Op == "write" {
			free.Add(-int64(len(s.Data)))
		}
		return verdict{free: max(1, free.Load())}
	})
	log := open(t, t.TempDir(), spool.Options{FS: fsys, MinFreeBytes: 990_000})
	last := fill(t, log)
	if used := log.Stats().Bytes; used < 5_000 || used > 10_000 {
		t.Errorf("%d bytes taken of 10000", used)
	}
	wantAnswer(t, log, answer{Seqs: seqs(1, last)})
	free.Store(2_000_000)
	put(t, log, 5)
	free.Store(0)
	if err := log.Acknowledge(spool.Range{First: 1, Last: last}); err != nil {
		t.Fatal("acknowledgements must be taken on a full disk:", err)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	for _, drop := range []bool{false, true} {
		c := newClock()
		log := open(t, t.TempDir(), small(spool.Options{MaxAge: 48 * time.Hour, DropOldest: drop, Now: c.now}))
		put(t, log, 10)
		c.advance(25 * time.Hour)
		put(t, log, 10) // a day later: another segment [L-4.4]
		c.advance(22 * time.Hour)
		put(t, log, 10)
		c.advance(2 * time.Hour)
		_, err := tryPut(t, log, 10)
		if drop {
			if diff := cmp.Diff([]spool.Range{{First: 1, Last: 10}}, log.Missing()); err != nil || diff != "" {
				t.Errorf("DropOldest: %v, missing (-want +got):\n%s", err, diff)
			}
			continue
		}
		if !errors.Is(err, spool.ErrFull) || len(log.Missing()) > 0 {
			t.Errorf("Append: %v, missing %v; want ErrFull and nothing", err, log.Missing())
		}
		if err := log.Acknowledge(spool.Range{First: 1, Last: 10}); err != nil {
			t.Fatal(err)
		}
		put(t, log, 10)
	}
}

// Retain keeps the audit period, then deletes, also what is in the newest segment of a base that fell silent [L-13.2].
func TestRetain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := newClock()
	const audit = 30 * 24 * time.Hour
	log := open(t, dir, small(spool.Options{Audit: audit, Now: c.now}))
	retain := func(want int) {
		t.Helper()
		if got, err := log.Retain(); err != nil || got != want {
			t.Fatalf("Retain deleted %d, %v; want %d", got, err, want)
		}
	}
	for range 3 {
		put(t, log, 10)
		c.advance(25 * time.Hour)
	}
	put(t, log, 10)
	c.advance(audit)
	retain(0) // nothing is acknowledged
	if err := log.Acknowledge(spool.Range{First: 11, Last: 40}); err != nil {
		t.Fatal(err)
	}
	retain(0) // the oldest is not
	if err := log.Acknowledge(spool.Range{First: 1, Last: 10}); err != nil {
		t.Fatal(err)
	}
	retain(3) // the newest record is not older
	c.advance(time.Millisecond)
	retain(1)
	if log.Begin() != 41 || log.End() != 41 {
		t.Errorf("begin %d, end %d, want 41", log.Begin(), log.End())
	}
	put(t, log, 1)
	closeAll(t, log)
	log = open(t, dir, spool.Options{Now: c.now}) // no audit period: acknowledged is deleted at once
	if err := log.Acknowledge(spool.Range{First: 41, Last: 41}); err != nil {
		t.Fatal(err)
	}
	retain(1)
	retain(0)
	closeAll(t, log)
	log = open(t, dir, spool.Options{})
	if log.Begin() != 42 || log.End() != 42 || len(log.Missing()) > 0 {
		t.Errorf("begin %d, end %d, missing %v", log.Begin(), log.End(), log.Missing())
	}
	put(t, log, 1)
}

// A reader whose segment is deleted under it finishes it, and is told why the next ones are gone.
func TestReaderOverDeletion(t *testing.T) {
	t.Parallel()
	log := open(t, t.TempDir(), small(spool.Options{}))
	for range 60 {
		put(t, log, 5)
	}
	reader, err := log.Reader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, reader)
	var rec spool.Record
	if err := reader.Next(&rec); err != nil {
		t.Fatal(err)
	}
	if err := log.Acknowledge(spool.Range{First: 1, Last: 250}); err != nil {
		t.Fatal(err)
	}
	if n, err := log.Retain(); err != nil || n < 3 {
		t.Fatalf("Retain: %d, %v", n, err)
	}
	var gap *spool.GapError
	for err = reader.Next(&rec); err == nil; err = reader.Next(&rec) {
		checkRecord(t, &rec)
	}
	if !errors.As(err, &gap) {
		t.Fatal(err)
	}
	want := &spool.GapError{First: rec.Seq + 1, Last: log.Begin() - 1, Cause: spool.CauseExpired}
	if diff := cmp.Diff(want, gap, cmpopts.EquateErrors()); diff != "" && *want != *gap {
		t.Errorf("gap (-want +got):\n%s", diff)
	}
	for err = reader.Next(&rec); err == nil; err = reader.Next(&rec) {
		checkRecord(t, &rec)
	}
	if rec.Seq != log.End()-1 {
		t.Errorf("reader stopped at %d with %v", rec.Seq, err)
	}
}

// A segment that somebody deleted by hand is a loss that is told, not an error that stops the base.
func TestSegmentDeletedByHand(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"open", "closed"} {
		for which := range 3 { // the oldest, one in the middle, the newest
			dir := t.TempDir()
			log := open(t, dir, small(spool.Options{}))
			for range 60 {
				put(t, log, 5)
			}
			files := segmentFiles(t, dir)
			path := files[which*(len(files)-1)/2]
			if when == "closed" {
				dir = copyDir(t, dir)
				path = filepath.Join(dir, filepath.Base(path))
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if when == "closed" {
				log = open(t, dir, small(spool.Options{}))
			}
			got := readAll(t, log, 1)
			if len(got.Gaps) != 1 || len(log.Missing()) != 1 || held(got) < 200 || held(got) >= 300 {
				t.Errorf("%s, file %d: %d records, gaps %v, missing %v", when, which, held(got), got.Gaps, log.Missing())
			}
			if log.End() < 301 {
				t.Errorf("%s, file %d: number %d would be used again", when, which, log.End()) // [L-11.4]
			}
			if when == "closed" {
				put(t, log, 1)
			}
		}
	}
}
