package spool_test

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// failSegment fails one kind of step on segments.
func failSegment(op string, v verdict) func(step) verdict {
	return func(s step) verdict {
		if s.Op == op && strings.HasSuffix(s.Path, ".log") {
			return v
		}
		return verdict{}
	}
}

// After the disk failed once, nothing is taken until the log is opened again, though the disk is well; what was durable
// can be read, and is there after the next open; what was not acknowledged may be there, and has its own numbers [L-9.3].
func TestDiskFailureSealsTheLog(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		op       string
		verdict  verdict
		cause    error
		wantKept uint64 // of the five records of the failed commit
		wantGap  bool
	}{
		"write fails":           {op: "write", verdict: verdict{err: errInjected}, cause: errInjected},
		"write stops in header": {op: "write", verdict: verdict{err: errInjected, short: 50}, cause: errInjected},
		"write stops in record": {op: "write", verdict: verdict{err: errInjected, short: 150}, cause: errInjected, wantGap: true},
		"disk is full":          {op: "write", verdict: verdict{err: syscall.ENOSPC, short: 120}, cause: syscall.ENOSPC, wantGap: true},
		"sync fails":            {op: "sync", verdict: verdict{err: errInjected}, cause: errInjected, wantKept: 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys := newFaultFS(nil)
			reg := prometheus.NewPedanticRegistry()
			o := spool.Options{FS: fsys, Registerer: reg}
			log := open(t, dir, o)
			put(t, log, 10)

			fsys.set(failSegment(tt.op, tt.verdict))
			_, err := tryPut(t, log, 5)
			if !errors.Is(err, spool.ErrFailed) || !errors.Is(err, tt.cause) {
				t.Fatalf("Append: %v, want ErrFailed and the cause", err)
			}
			syncs := 0
			fsys.set(func(s step) verdict {
				if s.Op == "sync" || s.Op == "write" {
					syncs++
				}
				return verdict{}
			})
			if _, err := tryPut(t, log, 1); !errors.Is(err, spool.ErrFailed) {
				t.Errorf("Append after the failure: %v, want ErrFailed", err)
			}
			if err := log.Wait(t.Context(), 11); !errors.Is(err, spool.ErrFailed) {
				t.Errorf("Wait after the failure: %v, want ErrFailed", err)
			}
			if err := log.Stats().Failed; !errors.Is(err, tt.cause) {
				t.Errorf("Stats().Failed is %v", err)
			}
			if err := log.Acknowledge(spool.Range{First: 1, Last: 2}); err != nil {
				t.Errorf("Acknowledge after the failure: %v", err)
			}
			wantAnswer(t, log, answer{Seqs: seqs(1, 10)}) // [L-12.3]
			closeAll(t, log)
			if syncs > 0 {
				t.Errorf("%d writes and syncs after the failure, want none", syncs)
			}

			log = open(t, dir, o)
			want := answer{Seqs: seqs(1, 10+tt.wantKept)}
			if tt.wantGap {
				want.Gaps = []spool.GapError{{First: 11, Last: 15, Cause: spool.CauseTorn}} // [L-9.4]
			}
			wantAnswer(t, log, want)
			put(t, log, 3)
		})
	}
}

// Everything that goes wrong while a segment is made or the state is saved seals the log too, and the next open mends it.
func TestFailureWhileASegmentIsMade(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"open", "write", "sync", "syncdir", "replace"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			fsys := newFaultFS(nil)
			o := spool.Options{FS: fsys, SegmentBytes: spool.MinSegmentBytes}
			log := open(t, dir, o)
			put(t, log, 40)
			old := segmentFiles(t, dir)[0]
			fsys.set(func(s step) verdict {
				if s.Op == op && s.Path != old {
					return verdict{err: errInjected, short: 30}
				}
				return verdict{}
			})
			if _, err := tryPut(t, log, 40); !errors.Is(err, spool.ErrFailed) || !errors.Is(err, errInjected) {
				t.Fatalf("Append: %v, want ErrFailed", err)
			}
			fsys.set(nil)
			closeAll(t, log)
			log = open(t, dir, o)
			put(t, log, 40)
			wantAnswer(t, log, answer{Seqs: seqs(1, 80)})
		})
	}
}

// A failed open touches nothing that a later one needs, and lets the directory go.
func TestOpenUnderFaults(t *testing.T) {
	t.Parallel()
	l := written(t, 3, 4)
	torn := append(append([]byte(nil), l.data...), l.data[l.ends[1]:l.ends[2]-1]...)
	for n := range 40 {
		dir := l.with(t, torn)
		steps := 0
		fsys := newFaultFS(func(s step) verdict {
			if s.Op == "read" {
				return verdict{}
			}
			if steps++; steps == n+1 {
				return verdict{err: errInjected}
			}
			return verdict{}
		})
		log, err := spool.Open(dir, spool.Options{FS: fsys})
		fsys.set(nil)
		if err == nil {
			closeAll(t, log)
			if n < 5 {
				t.Fatalf("Open made only %d steps that can fail", n)
			}
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("step %d: %v", n, err)
		}
		log = open(t, dir, spool.Options{})
		if diff := cmp.Diff(seqs(1, 7), readAll(t, log, 1).Seqs); diff != "" {
			t.Fatalf("after step %d failed (-want +got):\n%s", n, diff)
		}
		closeAll(t, log)
	}
	t.Fatal("Open never ended")
}

// An acknowledgement that could not be saved is not counted, and the old state is still there [L-8.1].
func TestAcknowledgementThatCannotBeSaved(t *testing.T) {
	t.Parallel()
	fsys := newFaultFS(nil)
	log := open(t, t.TempDir(), spool.Options{FS: fsys})
	put(t, log, 10)
	fsys.set(func(s step) verdict {
		if s.Op == "replace" {
			return verdict{err: errInjected}
		}
		return verdict{}
	})
	if err := log.Acknowledge(spool.Range{First: 1, Last: 5}); !errors.Is(err, errInjected) {
		t.Fatalf("Acknowledge: %v", err)
	}
	if first, _, _ := log.Unacknowledged(); first != 1 {
		t.Errorf("unacknowledged from %d, want 1", first)
	}
	fsys.set(nil)
	if err := log.Acknowledge(spool.Range{First: 1, Last: 5}); err != nil {
		t.Fatal(err)
	}
	if first, _, _ := log.Unacknowledged(); first != 6 {
		t.Errorf("unacknowledged from %d, want 6", first)
	}
}

// A bad sector costs the block it is in; at the end of the newest segment nothing is cut off for it [L-11.5].
func TestUnreadableSector(t *testing.T) {
	t.Parallel()
	const page = 4096
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	for range 100 {
		put(t, log, 10)
	}
	path := segmentFiles(t, dir)[0]
	size := log.Stats().Bytes
	crashed := copyDir(t, dir)
	for _, at := range []int64{0, 3 * page, (size - 1) / page * page} {
		fsys := newFaultFS(func(s step) verdict {
			if s.Op == "read" && filepath.Base(s.Path) == filepath.Base(path) && s.Off < at+page && at < s.Off+int64(len(s.Data)) {
				return verdict{err: syscall.EIO}
			}
			return verdict{}
		})
		dir := copyDir(t, crashed)
		log, err := spool.Open(dir, spool.Options{FS: fsys})
		if err != nil {
			t.Fatalf("sector at %d: %v", at, err)
		}
		got := readAll(t, log, 1)
		if n := held(got); n < 1000-2*page/300*10 || n >= 1000 {
			t.Errorf("sector at %d: %d records of 1000 come back", at, n)
		}
		if len(log.Missing()) != 1 {
			t.Errorf("sector at %d: missing %v", at, log.Missing())
		}
		put(t, log, 1)
		closeAll(t, log)

		// Another day the sector can be read: what was behind it is still there.
		log = open(t, dir, spool.Options{})
		if n := held(readAll(t, log, 1)); n != 1001 {
			t.Errorf("sector at %d, readable again: %d records, want 1001", at, n)
		}
		closeAll(t, log)
	}
}

func held(a answer) (n uint64) {
	for _, r := range a.Seqs {
		n += r.Last - r.First + 1
	}
	return n
}

// What a failed sync left in the page cache is written again before anybody may read it [L-11.6].
func TestLastCommitIsWrittenAgain(t *testing.T) {
	t.Parallel()
	l := written(t, 3, 4)
	dir := copyDir(t, l.dir)
	for _, want := range []bool{true, false} { // after a crash; after a close in order
		var again []byte
		synced := false
		fsys := newFaultFS(func(s step) verdict {
			switch {
			case s.Op == "write" && s.Off == int64(l.ends[1]):
				again, synced = append(again, s.Data...), false
			case s.Op == "sync":
				synced = true
			}
			return verdict{}
		})
		log, err := spool.Open(dir, spool.Options{FS: fsys})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(again) == string(l.data[l.ends[1]:]) && synced; got != want {
			t.Errorf("last commit written again and synced: %v, want %v", got, want)
		}
		closeAll(t, log)
	}
}
