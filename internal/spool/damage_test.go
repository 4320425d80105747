package spool_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

const blockHeader, segmentHeader = 80, 80

// layout is where the blocks of a segment are; each put of the tests makes one.
type layout struct {
	dir   string
	path  string
	data  []byte
	ends  []int // where each block ends; ends[0] is the end of the segment's header
	count uint64
}

// written makes a log of one segment with these numbers of records per block, as a crash would leave it.
func written(t *testing.T, counts ...int) layout {
	t.Helper()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	path := segmentFiles(t, dir)[0]
	l := layout{path: filepath.Base(path), ends: []int{segmentHeader}}
	for _, n := range counts {
		put(t, log, n)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		l.ends = append(l.ends, int(info.Size()))
		l.count += uint64(n)
	}
	l.dir = copyDir(t, dir)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l.data = data
	return l
}

// with returns a copy of the directory with other bytes in the segment.
func (l layout) with(t *testing.T, data []byte) string {
	t.Helper()
	dir := copyDir(t, l.dir)
	if err := os.WriteFile(filepath.Join(dir, l.path), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A commit of which any prefix is on the disk is cut off; nothing before it is touched, its numbers are not used again,
// and the log goes on [L-11.5].
func TestTruncationAtEveryByteOfTheLastBlock(t *testing.T) {
	t.Parallel()
	l := written(t, 3, 1, 5)
	for size := l.ends[2]; size < l.ends[3]; size++ {
		dir := l.with(t, l.data[:size])
		log := open(t, dir, spool.Options{})
		want := answer{Seqs: seqs(1, 4)}
		if size >= l.ends[2]+blockHeader {
			want.Gaps = []spool.GapError{{First: 5, Last: 9, Cause: spool.CauseTorn}}
		}
		got := readAll(t, log, 1)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%d of %d bytes (-want +got):\n%s", size, len(l.data), diff)
		}
		goesOn(t, dir, log, want)
	}
}

// goesOn checks that a mended log takes records, and that all of it is there after another open.
func goesOn(t *testing.T, dir string, log *spool.Log, was answer) {
	t.Helper()
	end := log.End()
	put(t, log, 2)
	if n := len(was.Seqs); n > 0 && was.Seqs[n-1].Last+1 == end {
		was.Seqs = append(was.Seqs[:n-1:n-1], spool.Range{First: was.Seqs[n-1].First, Last: end + 1})
	} else {
		was.Seqs = append(was.Seqs, spool.Range{First: end, Last: end + 1})
	}
	for range 2 {
		if diff := cmp.Diff(was, readAll(t, log, 1)); diff != "" {
			t.Fatalf("after going on (-want +got):\n%s", diff)
		}
		closeAll(t, log)
		log = open(t, dir, spool.Options{})
	}
	closeAll(t, log)
}

// Every bit of a segment may flip: the block that it hit is lost and said to be, every other record comes back, nothing
// wrong is given, no number is used again [L-1.3].
func TestEveryFlippedBit(t *testing.T) {
	t.Parallel()
	l := written(t, 2, 1, 2)
	first := []uint64{0, 1, 3, 4, 6} // of block i; block 0 is the segment's header
	for at := range l.data {
		hit := 0
		for at >= l.ends[hit] {
			hit++
		}
		data := append([]byte(nil), l.data...)
		data[at] ^= 1 << (at % 8)
		dir := l.with(t, data)
		log := open(t, dir, spool.Options{})
		got := readAll(t, log, 1)

		var want answer
		switch hit {
		case 0:
			want.Seqs = seqs(1, 5)
		case 1:
			want.Seqs = seqs(3, 5)
		case 2:
			want.Seqs = []spool.Range{{First: 1, Last: 2}, {First: 4, Last: 5}}
		case 3:
			want.Seqs = seqs(1, 3)
		}
		if diff := cmp.Diff(want.Seqs, got.Seqs); diff != "" {
			t.Fatalf("bit in byte %d, block %d (-want +got):\n%s", at, hit, diff)
		}
		switch {
		case hit == 0:
			if len(got.Gaps) > 0 {
				t.Fatalf("bit in byte %d: gaps %v", at, got.Gaps)
			}
		case len(got.Gaps) != 1 || got.Gaps[0].First != first[hit] || got.Gaps[0].Last < first[hit+1]-1:
			t.Fatalf("bit in byte %d, block %d: gaps %v", at, hit, got.Gaps)
		case hit < 3 && got.Gaps[0].Last != first[hit+1]-1:
			t.Fatalf("bit in byte %d, block %d: gaps %v", at, hit, got.Gaps)
		}
		if log.End() < 6 {
			t.Fatalf("bit in byte %d: number %d would be used again", at, log.End())
		}
		if hit > 0 && at%7 == 0 {
			goesOn(t, dir, log, got)
		} else {
			closeAll(t, log)
		}
	}
}

// Damage in a segment that is no longer written to is found by the reader that passes it, told once per reader, and
// remembered [L-12.2]; Verify finds it too [L-11.3].
func TestDamageInAnOlderSegment(t *testing.T) {
	t.Parallel()
	for _, finder := range []string{"reader", "verify"} {
		t.Run(finder, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			o := spool.Options{SegmentBytes: spool.MinSegmentBytes}
			log := open(t, dir, o)
			for range 100 {
				put(t, log, 3)
			}
			closeAll(t, log)
			damage(t, segmentFiles(t, dir)[1], -1)
			log = open(t, dir, o)
			if got := log.Missing(); len(got) > 0 {
				t.Fatalf("known before it was read: %v", got)
			}
			if finder == "verify" {
				if n, err := log.Verify(t.Context()); err != nil || n != 297 {
					t.Fatalf("Verify: %d, %v; want 297 records", n, err)
				}
			} else {
				readAll(t, log, 1)
			}
			missing := log.Missing()
			if len(missing) != 1 || missing[0].Last-missing[0].First != 2 {
				t.Fatalf("missing %v, want one block of three", missing)
			}
			closeAll(t, log)
			log = open(t, dir, o)
			if diff := cmp.Diff(missing, log.Missing()); diff != "" {
				t.Errorf("after another open (-want +got):\n%s", diff)
			}
			got := readAll(t, log, 1)
			want := []spool.GapError{{First: missing[0].First, Last: missing[0].Last, Cause: spool.CauseCorrupt}}
			if diff := cmp.Diff(want, got.Gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s", diff)
			}
			if err := log.Acknowledge(missing...); err != nil {
				t.Fatal(err)
			}
			if got := log.Missing(); len(got) > 0 {
				t.Errorf("the city was told of %v, still missing", got) // [L-14.3]
			}
		})
	}
}

// damage flips bits of the last byte of a file, or of another one.
func damage(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 0xff
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A message that carries bytes of a block cannot become records, even where the search for the next good block runs
// through it [L-5.3].
func TestAMessageCannotForgeABlock(t *testing.T) {
	t.Parallel()
	other := written(t, 2)
	forged := other.data[segmentHeader:]
	dir := t.TempDir()
	log := open(t, dir, spool.Options{})
	for range 2 {
		if _, err := log.Append(t.Context(), []spool.Entry{{Raw: forged}}); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(t, log)
	damage(t, segmentFiles(t, dir)[0], segmentHeader) // the first block's magic: the search runs through its payload
	log = open(t, dir, spool.Options{})
	reader, err := log.Reader(2)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(t, reader)
	var rec spool.Record
	if err := reader.Next(&rec); err != nil || rec.Seq != 2 || string(rec.Raw) != string(forged) {
		t.Fatalf("record %d, %v", rec.Seq, err)
	}
	if diff := cmp.Diff([]spool.Range{{First: 1, Last: 1}}, log.Missing()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

// Whatever bytes stand in the place of a segment's end, what is before it comes back and no number is used again.
func TestRandomEnds(t *testing.T) {
	t.Parallel()
	l := written(t, 4, 4, 4)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		from := l.ends[2] + rng.IntN(l.ends[3]-l.ends[2])
		end := make([]byte, rng.IntN(300))
		kind := i % 3
		for j := range end {
			switch kind {
			case 1:
				end[j] = 0xff
			case 2:
				end[j] = byte(rng.Uint32())
			}
		}
		data := append(append([]byte(nil), l.data[:from]...), end...)
		t.Run(fmt.Sprintf("%d", i), func(t *testing.T) {
			log := open(t, l.with(t, data), spool.Options{})
			got := readAll(t, log, 1)
			if diff := cmp.Diff(seqs(1, 8), got.Seqs); diff != "" {
				t.Fatalf("kept %d, then kind %d of %d bytes (-want +got):\n%s", from, kind, len(end), diff)
			}
		})
	}
}
