package spool_test

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// inspect looks at a log to its end, and checks each record by itself and the chain between neighbours.
func inspect(tb testing.TB, dir string) (got answer, seen *spool.Inspection) {
	tb.Helper()
	i, err := spool.Inspect(dir)
	if err != nil {
		tb.Fatal(err)
	}
	defer closeAll(tb, i)
	var rec spool.Record
	chain, last := spool.ChainStart(i.Epoch()), uint64(0)
	for {
		err := i.Next(&rec)
		if errors.Is(err, io.EOF) {
			return got, i
		}
		if gap, ok := errors.AsType[*spool.GapError](err); ok {
			got.Gaps = append(got.Gaps, *gap)
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		checkRecord(tb, &rec)
		if rec.Seq == last+1 && rec.ChainBefore != chain {
			tb.Fatalf("chain before %d does not continue the one before", rec.Seq)
		}
		if path, offset := i.Where(); filepath.Dir(path) != dir || offset < segmentHeader {
			tb.Fatalf("record %d is said to be in %s at %d", rec.Seq, path, offset)
		}
		chain, last = rec.ChainAfter, rec.Seq
		if n := len(got.Seqs); n > 0 && got.Seqs[n-1].Last+1 == rec.Seq {
			got.Seqs[n-1].Last = rec.Seq
		} else {
			got.Seqs = append(got.Seqs, spool.Range{First: rec.Seq, Last: rec.Seq})
		}
	}
}

// picture is every file of a directory with its size, time of change and sum.
func picture(tb testing.TB, dir string) string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			tb.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %d %v %08x\n", e.Name(), len(data), info.ModTime(), crc32.ChecksumIEEE(data))
	}
	return b.String()
}

// What is in the log is seen while its owner has it open, and looking changes nothing [L-15.1].
func TestInspectBesideTheOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	for range 100 {
		put(t, log, 3)
	}
	if err := log.Acknowledge(spool.Range{First: 1, Last: 40}); err != nil {
		t.Fatal(err)
	}
	before := picture(t, dir)
	got, seen := inspect(t, dir)
	if diff := cmp.Diff(answer{Seqs: seqs(1, 300)}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, picture(t, dir)); diff != "" {
		t.Errorf("looking changed the directory (-before +after):\n%s", diff)
	}
	if seen.Epoch() != log.Epoch() || seen.Begin() != 1 || seen.Tail() != 0 || len(seen.Strangers()) > 0 {
		t.Errorf("epoch %d, begin %d, tail %d, strangers %v", seen.Epoch(), seen.Begin(), seen.Tail(), seen.Strangers())
	}
	if diff := cmp.Diff(seqs(1, 40), seen.Acknowledged()); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
	put(t, log, 1) // the owner has noticed nothing
}

// A look at any moment of writing and deleting gives a run of whole records without a gap.
func TestInspectWhileItIsWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	put(t, log, 3)
	var wg sync.WaitGroup
	defer wg.Wait()
	written := make(chan struct{})
	wg.Go(func() {
		defer close(written)
		for n := range 300 {
			first, err := tryPut(t, log, 3)
			if err == nil && n%50 == 49 {
				if err = log.Acknowledge(spool.Range{First: 1, Last: first}); err == nil {
					_, err = log.Retain()
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for {
		got, _ := inspect(t, dir)
		for _, g := range got.Gaps {
			if g.Cause != spool.CauseExpired {
				t.Fatalf("a look beside the writer finds %v", &g)
			}
		}
		select {
		case <-written:
			return
		default:
		}
	}
}

// Every damaged byte costs at most its block, is told as a gap or a tail, and never gives a wrong record [L-15.3].
func TestInspectDamage(t *testing.T) {
	t.Parallel()
	l := written(t, 3, 1, 5)
	for at := range l.data {
		data := append([]byte(nil), l.data...)
		data[at] ^= 0x41
		dir := l.with(t, data)
		i, err := spool.Inspect(dir)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		closeAll(t, i)
		got, seen := inspect(t, dir)
		var there uint64
		for _, r := range append(got.Seqs, gapRanges(got.Gaps)...) {
			there += r.Last - r.First + 1
		}
		switch {
		case at < l.ends[0] && there != l.count, at < l.ends[2] && there != l.count:
			t.Fatalf("byte %d: %+v, want %d numbers", at, got, l.count)
		case at >= l.ends[2] && seen.Tail() != int64(l.ends[3]-l.ends[2]):
			t.Fatalf("byte %d: tail of %d bytes, want the last block", at, seen.Tail())
		}
	}
}

func gapRanges(gaps []spool.GapError) (out []spool.Range) {
	for _, g := range gaps {
		out = append(out, spool.Range{First: g.First, Last: g.Last})
	}
	return out
}

// What a crash or a commit that is under way leaves at the end is a tail, not damage.
func TestInspectTornTail(t *testing.T) {
	t.Parallel()
	l := written(t, 3, 5)
	for _, size := range []int{l.ends[1] + 1, l.ends[1] + blockHeader, l.ends[2] - 1} {
		got, seen := inspect(t, l.with(t, l.data[:size]))
		if diff := cmp.Diff(answer{Seqs: seqs(1, 3)}, got); diff != "" {
			t.Errorf("%d bytes (-want +got):\n%s", size, diff)
		}
		if want := int64(size - l.ends[1]); seen.Tail() != want {
			t.Errorf("%d bytes: tail %d, want %d", size, seen.Tail(), want)
		}
	}
}

// What the state knows to have been durable and is not there is a gap, also at the end [L-15.3].
func TestInspectLostEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	put(t, log, 3)
	path := segmentFiles(t, dir)[0]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, log, 4)
	closeAll(t, log)
	if err := os.Truncate(path, info.Size()); err != nil {
		t.Fatal(err)
	}
	got, _ := inspect(t, dir)
	want := answer{Seqs: seqs(1, 3), Gaps: []spool.GapError{{First: 4, Last: 7, Cause: spool.CauseCorrupt}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Without a state the segments say the epoch; a damaged state is named.
func TestInspectWithoutState(t *testing.T) {
	t.Parallel()
	for _, damaged := range []bool{false, true} {
		l := written(t, 3)
		state := filepath.Join(l.dir, "state")
		if damaged {
			damage(t, state, 20)
		} else if err := os.Remove(state); err != nil {
			t.Fatal(err)
		}
		got, seen := inspect(t, l.dir)
		if diff := cmp.Diff(answer{Seqs: seqs(1, 3)}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if strangers := len(seen.Strangers()); damaged != (strangers == 1) {
			t.Errorf("damaged %v: %d files are named", damaged, strangers)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	if _, err := spool.Inspect(empty); !errors.Is(err, spool.ErrNoLog) {
		t.Errorf("empty directory: %v, want ErrNoLog", err)
	}
	if _, err := spool.Inspect(filepath.Join(empty, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v, want ErrNotExist", err)
	}
	l := written(t, 1)
	i, err := spool.Inspect(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, i, i)
	var rec spool.Record
	if err := i.Next(&rec); !errors.Is(err, io.EOF) {
		t.Errorf("after Close: %v, want io.EOF", err)
	}
}

// Whatever the bytes, looking ends, gives ascending numbers and does not panic.
func FuzzInspect(f *testing.F) {
	f.Add([]byte("JISHILOG"), []byte("JISHIST1"))
	dir := f.TempDir()
	log := open(f, dir, spool.Options{})
	for n := range 4 {
		put(f, log, n+1)
	}
	state, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		f.Fatal(err)
	}
	segment, err := os.ReadFile(filepath.Join(dir, "00000000000000000001.log"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(segment, state)
	f.Fuzz(func(t *testing.T, segment, state []byte) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"00000000000000000001.log": segment, "state": state} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		i, err := spool.Inspect(dir)
		if err != nil {
			return
		}
		defer closeAll(t, i)
		var rec spool.Record
		var gap *spool.GapError
		for last := uint64(0); ; {
			switch err := i.Next(&rec); {
			case err == nil:
				if rec.Seq <= last {
					t.Fatalf("record %d after %d", rec.Seq, last)
				}
				last = rec.Seq
			case errors.As(err, &gap):
				if gap.First <= last || gap.Last < gap.First {
					t.Fatalf("gap %v after %d", gap, last)
				}
				last = gap.Last
			default:
				return
			}
		}
	})
}

// Passing over segments costs no record at or above the number, whatever the number.
func TestInspectSkipsTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	for range 50 {
		put(t, log, 6)
	}
	stats := log.Stats()
	closeAll(t, log)
	for _, seq := range []uint64{0, 1, 2, 150, 299, 300, 301, 1 << 60} {
		seen, err := spool.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		if n, bytes := seen.Size(); n != stats.Segments || bytes != stats.Bytes {
			t.Errorf("%d segments of %d bytes, want %d of %d", n, bytes, stats.Segments, stats.Bytes)
		}
		seen.SkipTo(seq)
		var rec spool.Record
		if err := seen.Next(&rec); err != nil {
			t.Fatal(err)
		}
		first, count := rec.Seq, uint64(1)
		for seen.Next(&rec) == nil {
			count++
		}
		if first > max(seq, 1) && seq <= 300 || first+count != 301 || seq == 299 && count > 60 {
			t.Errorf("skipped to %d: %d records from %d", seq, count, first)
		}
		closeAll(t, seen)
	}
}
