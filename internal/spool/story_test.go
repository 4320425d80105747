package spool_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// The words in which the tests of this package tell their stories.

// tester is what the words need of a test; a property's *rapid.T is one too.
type tester interface {
	Helper()
	Error(args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// open opens a log, by default without syncs, and closes it when the test ends.
func open(tb testing.TB, dir string, o spool.Options) *spool.Log {
	tb.Helper()
	if o.FS == nil {
		o.FS = newQuickFS()
	}
	log, err := spool.Open(dir, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := log.Close(); err != nil && !errors.Is(err, errInjected) {
			tb.Error(err)
		}
	})
	return log
}

// entry is the only entry that a test puts under a number, so that a reader's answer can be checked by itself.
func entry(seq uint64) spool.Entry {
	return spool.Entry{
		ReceivedMs: int64(seq) * 10,
		Body:       fmt.Appendf(nil, "body %d %s", seq, strings.Repeat("b", int(seq%37))),
		Raw:        fmt.Appendf(nil, "raw %d %s", seq, strings.Repeat("r", int(seq%11))),
	}
}

// put appends the next n entries by one call and returns the first number.
func put(tb testing.TB, log *spool.Log, n int) uint64 {
	tb.Helper()
	first, err := tryPut(tb, log, n)
	if err != nil {
		tb.Fatal(err)
	}
	return first
}

func tryPut(tb testing.TB, log *spool.Log, n int) (uint64, error) {
	tb.Helper()
	next := log.End()
	entries := make([]spool.Entry, n)
	for i := range entries {
		entries[i] = entry(next + uint64(i))
	}
	first, err := log.Append(tb.Context(), entries)
	if err == nil && first != next {
		tb.Fatalf("Append gave number %d, want %d", first, next)
	}
	return first, err
}

// answer is what a reader gave: which numbers, and which gaps.
type answer struct {
	Seqs []spool.Range
	Gaps []spool.GapError
}

// readAll reads from a number to the end and checks each record by itself: the content is that of its number and the
// chain leads from record to record, across gaps too when the log says that they were cut off.
func readAll(tb tester, log *spool.Log, from uint64) answer {
	tb.Helper()
	reader, err := log.Reader(from)
	if err != nil {
		tb.Fatal(err)
	}
	defer closeAll(tb, reader)
	var got answer
	var rec spool.Record
	chain, chained := [32]byte{}, false
	if from <= 1 {
		chain, chained = spool.ChainStart(log.Epoch()), true
	}
	next := max(from, 1)
	for {
		err := reader.Next(&rec)
		if errors.Is(err, io.EOF) {
			break
		}
		if gap, ok := errors.AsType[*spool.GapError](err); ok {
			if gap.First != next || gap.Last < gap.First {
				tb.Fatalf("gap %+v, want one from %d", *gap, next)
			}
			got.Gaps = append(got.Gaps, *gap)
			next, chained = gap.Last+1, false
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		if rec.Seq != next {
			tb.Fatalf("record %d, want %d", rec.Seq, next)
		}
		checkRecord(tb, &rec)
		if chained && rec.ChainBefore != chain {
			tb.Fatalf("chain before %d does not continue the one before", rec.Seq)
		}
		chain, chained = rec.ChainAfter, true
		if n := len(got.Seqs); n > 0 && got.Seqs[n-1].Last+1 == rec.Seq {
			got.Seqs[n-1].Last = rec.Seq
		} else {
			got.Seqs = append(got.Seqs, spool.Range{First: rec.Seq, Last: rec.Seq})
		}
		next++
	}
	if next != log.End() {
		tb.Fatalf("reader stopped at %d, the log's end is %d", next, log.End())
	}
	return got
}

// checkRecord checks a record against its number and recomputes its chain by the formula in docs/log.md [L-7.1].
func checkRecord(tb tester, rec *spool.Record) {
	tb.Helper()
	want := entry(rec.Seq)
	if rec.ReceivedMs != want.ReceivedMs || !bytes.Equal(rec.Body, want.Body) || !bytes.Equal(rec.Raw, want.Raw) {
		tb.Fatalf("record %d is %d %q %q", rec.Seq, rec.ReceivedMs, rec.Body, rec.Raw)
	}
	h := sha256.New()
	h.Write(rec.ChainBefore[:])
	h.Write(binary.BigEndian.AppendUint64(nil, rec.Seq))
	h.Write(rec.Body)
	if [32]byte(h.Sum(nil)) != rec.ChainAfter {
		tb.Fatalf("chain after record %d is wrong", rec.Seq)
	}
}

func wantAnswer(tb testing.TB, log *spool.Log, want answer) {
	tb.Helper()
	if diff := cmp.Diff(want, readAll(tb, log, 1)); diff != "" {
		tb.Errorf("records (-want +got):\n%s", diff)
	}
}

// seqs is one range as the answer's ranges.
func seqs(first, last uint64) []spool.Range { return []spool.Range{{First: first, Last: last}} }

func closeAll(tb tester, closers ...io.Closer) {
	tb.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	}
}

// segmentFiles returns the paths of a directory's segments, the oldest first.
func segmentFiles(tb testing.TB, dir string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}

// copyDir is the disk as a crash at this moment would leave it.
func copyDir(tb testing.TB, dir string) string {
	tb.Helper()
	to := tb.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		tb.Fatal(err)
	}
	return to
}
