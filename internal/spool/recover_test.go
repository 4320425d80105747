package spool_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// story is a log of several segments, 1 to 300, of which 1 to 20 are acknowledged, as a crash leaves it.
func story(t *testing.T) (dir string, epoch uint64) {
	t.Helper()
	live := t.TempDir()
	log := open(t, live, small(spool.Options{}))
	for range 60 {
		put(t, log, 5)
	}
	if err := log.Acknowledge(spool.Range{First: 1, Last: 20}); err != nil {
		t.Fatal(err)
	}
	return copyDir(t, live), log.Epoch()
}

// What Open finds, beyond torn ends and flipped bits, and what it makes of it.
func TestRecovery(t *testing.T) {
	t.Parallel()
	overwrite := func(path func(files []string) string, from, to int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			name := path(segmentFiles(t, dir))
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if to < 0 {
				to = len(data)
			}
			clear(data[from:to])
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	newest := func(files []string) string { return files[len(files)-1] }
	second := func(files []string) string { return files[1] }
	tests := map[string]struct {
		harm       func(t *testing.T, dir string)
		newEpoch   bool
		wantHeld   uint64 // at least
		wantFirst  uint64 // unacknowledged
		wantCauses []spool.Cause
		wantAside  []string
	}{
		"nothing":           {harm: func(*testing.T, string) {}, wantHeld: 300, wantFirst: 21},
		"header of newest":  {harm: overwrite(newest, 0, 80), wantHeld: 300, wantFirst: 21},
		"header of another": {harm: overwrite(second, 0, 80), wantHeld: 300, wantFirst: 21},
		"all of newest":     {harm: overwrite(newest, 0, -1), wantHeld: 250, wantFirst: 21, wantCauses: []spool.Cause{spool.CauseTorn}},
		"blocks of newest":  {harm: overwrite(newest, 80, -1), wantHeld: 250, wantFirst: 21, wantCauses: []spool.Cause{spool.CauseTorn}},
		"all of another":    {harm: overwrite(second, 0, -1), wantHeld: 250, wantFirst: 21, wantCauses: []spool.Cause{spool.CauseCorrupt}},
		"newest is empty":   {harm: func(t *testing.T, dir string) { truncate(t, newest(segmentFiles(t, dir)), 0) }, wantHeld: 250, wantFirst: 21},
		"state is gone":     {harm: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "state")) }, wantHeld: 300, wantFirst: 1},
		"state is damaged":  {harm: func(t *testing.T, dir string) { damage(t, filepath.Join(dir, "state"), 9) }, wantHeld: 300, wantFirst: 1, wantAside: []string{"state.damaged"}},
		"state and oldest":  {harm: func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "state"), segmentFiles(t, dir)[0]) }, wantHeld: 240, wantFirst: 1, wantCauses: []spool.Cause{spool.CauseVanished}},
		"state, all headers": {harm: func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "state"))
			for i := range segmentFiles(t, dir) {
				overwrite(func(files []string) string { return files[i] }, 0, 80)(t, dir)
			}
		}, wantHeld: 300, wantFirst: 1},
		"everything": {harm: func(t *testing.T, dir string) {
			remove(t, append(segmentFiles(t, dir), filepath.Join(dir, "state"))...)
		}, newEpoch: true, wantFirst: 1},
		"all segments": {
			harm:      func(t *testing.T, dir string) { remove(t, segmentFiles(t, dir)...) },
			wantFirst: 21, wantCauses: []spool.Cause{spool.CauseExpired, spool.CauseVanished},
		},
		"stranger": {harm: func(t *testing.T, dir string) {
			other, _ := story(t)
			copyFile(t, segmentFiles(t, other)[0], filepath.Join(dir, "00000000000000009999.log"))
		}, wantHeld: 300, wantFirst: 21, wantAside: []string{"00000000000000009999.log.damaged"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, epoch := story(t)
			tt.harm(t, dir)
			log := open(t, dir, small(spool.Options{}))
			if (log.Epoch() != epoch) != tt.newEpoch {
				t.Fatalf("epoch %d, was %d", log.Epoch(), epoch)
			}
			var was answer
			for range 2 { // another open finds the same
				got := readAll(t, log, 1)
				if n := held(got); n < tt.wantHeld || n > 300 {
					t.Errorf("%d records come back, want at least %d", n, tt.wantHeld)
				}
				var causes []spool.Cause
				for _, gap := range got.Gaps {
					causes = append(causes, gap.Cause)
				}
				if diff := cmp.Diff(tt.wantCauses, causes); diff != "" && name != "newest is empty" {
					t.Errorf("causes of gaps (-want +got):\n%s", diff)
				}
				if first, _, _ := log.Unacknowledged(); first != tt.wantFirst {
					t.Errorf("unacknowledged from %d, want %d", first, tt.wantFirst)
				}
				if was.Seqs != nil {
					if diff := cmp.Diff(was, got); diff != "" {
						t.Errorf("second open (-first +second):\n%s", diff)
					}
				}
				was = got
				closeAll(t, log)
				log = open(t, dir, small(spool.Options{}))
			}
			if !tt.newEpoch && name != "newest is empty" && log.End() < 301 {
				t.Errorf("number %d would be used again", log.End()) // [L-11.4]
			}
			goesOn(t, dir, log, was)
			aside, err := filepath.Glob(filepath.Join(dir, "*.damaged"))
			if err != nil {
				t.Fatal(err)
			}
			for i := range aside {
				aside[i] = filepath.Base(aside[i])
			}
			if diff := cmp.Diff(tt.wantAside, aside); diff != "" {
				t.Errorf("set aside (-want +got):\n%s", diff)
			}
		})
	}
}

// What the city has acknowledged was sent: its numbers are not used again, though the bytes and the limit are gone.
func TestAcknowledgedNumbersAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	live := t.TempDir()
	log := open(t, live, spool.Options{})
	put(t, log, 50)
	if err := log.Acknowledge(spool.Range{First: 30, Last: 40}); err != nil {
		t.Fatal(err)
	}
	dir := copyDir(t, live)
	truncate(t, segmentFiles(t, dir)[0], segmentHeader)
	log = open(t, dir, spool.Options{})
	if log.End() != 51 {
		t.Errorf("end %d, want the 51 that the acknowledgement's state knew", log.End())
	}
	want := []spool.Range{{First: 1, Last: 29}, {First: 41, Last: 50}}
	if diff := cmp.Diff(want, log.Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// After a close in order nothing can be torn: an unreadable end is damage, its numbers are known, and its bytes are kept.
func TestDamageAfterAnOrderlyClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	put(t, log, 5)
	put(t, log, 5)
	closeAll(t, log)
	path := segmentFiles(t, dir)[0]
	size := log.Stats().Bytes
	damage(t, path, -1)
	log = open(t, dir, spool.Options{})
	want := answer{Seqs: seqs(1, 5), Gaps: []spool.GapError{{First: 6, Last: 10, Cause: spool.CauseCorrupt}}}
	wantAnswer(t, log, want)
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		t.Errorf("the damaged bytes were cut off: %v, %v", info, err)
	}
	goesOn(t, dir, log, want)
}

// A program of today must not touch what one of tomorrow wrote [L-4.2].
func TestOtherVersionIsRefused(t *testing.T) {
	t.Parallel()
	l := written(t, 2)
	data := append([]byte(nil), l.data...)
	data[8] = 2
	binary.LittleEndian.PutUint32(data[76:], crc32.Checksum(data[:76], crc32.MakeTable(crc32.Castagnoli)))
	dir := l.with(t, data)
	if _, err := spool.Open(dir, spool.Options{}); !errors.Is(err, spool.ErrVersion) {
		t.Fatalf("Open: %v, want ErrVersion", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, l.path))
	if err != nil || string(after) != string(data) {
		t.Errorf("the segment was touched: %v", err)
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The limit on disk is above every number that was used, also beyond the first reservation within one segment: when the
// only segment vanishes, its numbers are not used again [L-8.2] [L-1.2].
func TestReservationIsRaisedBeforeItIsPassed(t *testing.T) {
	t.Parallel()
	live := t.TempDir()
	log := open(t, live, spool.Options{})
	const reservation = 1 << 20
	for log.End() <= reservation+1000 {
		if _, err := log.Append(t.Context(), make([]spool.Entry, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(segmentFiles(t, live)); n != 1 {
		t.Fatalf("%d segments: a new one would raise the limit by itself", n)
	}
	dir := copyDir(t, live)
	remove(t, segmentFiles(t, dir)...)
	if after := open(t, dir, spool.Options{}); after.End() < log.End() {
		t.Errorf("number %d would be used again, all below %d were", after.End(), log.End())
	}
}
