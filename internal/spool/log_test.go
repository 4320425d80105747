package spool_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

func TestLogKeepsWhatItTook(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	epoch := log.Epoch()
	if epoch == 0 || log.Begin() != 1 || log.End() != 1 {
		t.Fatalf("new log has epoch %d, begin %d, end %d", epoch, log.Begin(), log.End())
	}
	wantAnswer(t, log, answer{})
	put(t, log, 1)
	put(t, log, 200)
	for range 50 {
		put(t, log, 3)
	}
	wantAnswer(t, log, answer{Seqs: seqs(1, 351)})
	closeAll(t, log)
	if n := len(segmentFiles(t, dir)); n < 3 {
		t.Fatalf("%d segments: the test is to cross some", n)
	}

	log = open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	if log.Epoch() != epoch {
		t.Errorf("epoch changed from %d to %d", epoch, log.Epoch())
	}
	put(t, log, 10)
	wantAnswer(t, log, answer{Seqs: seqs(1, 361)})
	for from := uint64(1); from <= log.End(); from += 13 {
		want := answer{Seqs: seqs(from, 361)}
		if diff := cmp.Diff(want, readAll(t, log, from)); diff != "" {
			t.Fatalf("reading from %d (-want +got):\n%s", from, diff)
		}
	}
	if got := log.Missing(); len(got) > 0 {
		t.Errorf("nothing happened, but %v are missing", got)
	}
}

func TestLogTakesEverySizeUpToTheLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	sizes := []int{0, 1, 64<<10 - 17, 64<<10 - 16, 64<<10 - 15, 200_000, spool.MaxBody, 0}
	for _, size := range sizes {
		e := spool.Entry{Body: bytes.Repeat([]byte{'b'}, size), Raw: bytes.Repeat([]byte{'r'}, size)}
		if _, err := log.Append(t.Context(), []spool.Entry{e, {}}); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
	}
	for _, e := range []spool.Entry{{Body: make([]byte, spool.MaxBody+1)}, {Raw: make([]byte, spool.MaxRaw+1)}} {
		if _, err := log.Append(t.Context(), []spool.Entry{{}, e}); !errors.Is(err, spool.ErrTooLarge) {
			t.Errorf("oversized entry: %v, want ErrTooLarge", err)
		}
	}
	closeAll(t, log)
	log = open(t, dir, spool.Options{})
	if got, want := log.End(), uint64(2*len(sizes)+1); got != want {
		t.Fatalf("end %d, want %d: a refused entry has no number", got, want)
	}
	reader, err := log.Reader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, reader)
	var rec spool.Record
	for _, size := range sizes {
		for _, want := range []int{size, 0} {
			if err := reader.Next(&rec); err != nil {
				t.Fatal(err)
			}
			if len(rec.Body) != want || len(rec.Raw) != want ||
				bytes.Count(rec.Body, []byte{'b'}) != want || bytes.Count(rec.Raw, []byte{'r'}) != want {
				t.Errorf("record %d has %d and %d bytes, want %d of each kind", rec.Seq, len(rec.Body), len(rec.Raw), want)
			}
		}
	}
}

func TestAppendOfNothingDoesNothing(t *testing.T) {
	t.Parallel()
	log := open(t, t.TempDir(), spool.Options{})
	put(t, log, 2)
	if first, err := log.Append(t.Context(), nil); first != 3 || err != nil {
		t.Errorf("got %d, %v; want 3", first, err)
	}
	wantAnswer(t, log, answer{Seqs: seqs(1, 2)})
}

// When the context ends while the disk works, the outcome is unknown to the caller and the record may be kept; a context
// that ended before gives no number.
func TestAppendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fsys := newFaultFS(nil)
	log := open(t, t.TempDir(), spool.Options{FS: fsys})
	fsys.set(func(s step) verdict {
		if s.Op == "sync" {
			cancel()
			<-release
		}
		return verdict{}
	})
	if _, err := log.Append(ctx, []spool.Entry{entry(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v, want the context's error", err)
	}
	close(release)
	if _, err := log.Append(ctx, []spool.Entry{entry(2)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with a dead context: %v", err)
	}
	if err := log.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, log, answer{Seqs: seqs(1, 1)})
}

func TestOneProcessOpensALog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	_, err := spool.Open(dir, spool.Options{})
	if !errors.Is(err, spool.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second open: %v, want ErrLocked naming the directory", err)
	}
	closeAll(t, log, log)
	open(t, dir, spool.Options{})
}

func TestClosedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	put(t, log, 1)
	reader, err := log.Reader(2)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, log)
	var rec spool.Record
	calls := map[string]error{
		"Reader.Next": reader.Next(&rec),
		"Acknowledge": log.Acknowledge(spool.Range{First: 1, Last: 1}),
		"Wait":        log.Wait(t.Context(), 2),
	}
	_, calls["Append"] = log.Append(t.Context(), []spool.Entry{{}})
	_, calls["Retain"] = log.Retain()
	_, calls["Reader"] = log.Reader(1)
	_, calls["Verify"] = log.Verify(t.Context())
	for name, err := range calls {
		if !errors.Is(err, spool.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
	closeAll(t, reader, reader)
	if len(segmentFiles(t, dir)) != 1 {
		t.Error("a closed log deleted something")
	}
}

func TestReaderFollowsTheLog(t *testing.T) {
	t.Parallel()
	log := open(t, t.TempDir(), spool.Options{SegmentBytes: spool.MinSegmentBytes})
	if _, err := log.Reader(2); !errors.Is(err, spool.ErrOutOfRange) {
		t.Errorf("reader above the end: %v, want ErrOutOfRange", err)
	}
	reader, err := log.Reader(1)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, reader)
	var rec spool.Record
	for seq := uint64(1); seq < 500; seq++ {
		if err := reader.Next(&rec); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v, want io.EOF", err)
		}
		put(t, log, 1)
		if err := log.Wait(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
		if err := reader.Next(&rec); err != nil || rec.Seq != seq {
			t.Fatalf("record %d, %v; want %d", rec.Seq, err, seq)
		}
		checkRecord(t, &rec)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	tests := map[string]spool.Options{
		"SegmentBytes": {SegmentBytes: 1},
		"MaxBytes":     {MaxBytes: 5000, SegmentBytes: 4096},
		"MinFreeBytes": {MinFreeBytes: -1},
		"MaxAge":       {MaxAge: -1},
		"Audit":        {Audit: -1},
	}
	for field, o := range tests {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "log")
			if _, err := spool.Open(dir, o); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("error %v does not name the field", err)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("wrong options touched the disk")
			}
		})
	}
}

// Raw messages may hold personal data [L-3.2]; names are what the format says [L-3.3]; other files are not ours [L-3.4].
func TestFilesOfALog(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "base", "log")
	log := open(t, dir, spool.Options{})
	put(t, log, 1)
	closeAll(t, log)
	strangers := []string{"notes.txt", "1.log", "00000000000000000000.log", "state.tmp-123"}
	for _, name := range strangers {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	log = open(t, dir, spool.Options{})
	wantAnswer(t, log, answer{Seqs: seqs(1, 1)})
	modes := map[string]os.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		modes[e.Name()] = info.Mode().Perm()
	}
	want := map[string]os.FileMode{
		"LOCK": 0o600, "state": 0o600, "00000000000000000001.log": 0o600,
		"notes.txt": 0o644, "1.log": 0o644, "00000000000000000000.log": 0o644,
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory has mode %v, %v; want 700", info.Mode(), err)
	}
}
