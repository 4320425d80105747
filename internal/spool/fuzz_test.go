package spool

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bytesFile is a segment in memory.
type bytesFile struct{ *bytes.Reader }

func (bytesFile) WriteAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }
func (bytesFile) Truncate(int64) error               { return fs.ErrPermission }
func (bytesFile) Sync() error                        { return nil }
func (bytesFile) Close() error                       { return nil }
func (bytesFile) Stat() (fs.FileInfo, error)         { return nil, fs.ErrInvalid }

// segmentOf is a segment of one block per count.
func segmentOf(epoch uint64, counts ...int) []byte {
	l := &Log{epoch: epoch, next: 1, chain: ChainStart(epoch), wake: make(chan struct{}, 1)}
	out := segmentHeader{epoch: epoch, first: 1, chain: l.chain}.append(nil)
	for _, n := range counts {
		g := &group{open: -1, first: l.next}
		l.encode(g, make([]Entry, n))
		g.closeBlock()
		out = append(out, g.buf...)
	}
	return out
}

// Whatever bytes a segment has, the scanner ends, stays within its memory, and gives only blocks that are what the
// format says, in order.
func FuzzScanner(f *testing.F) {
	const epoch = 7
	whole := segmentOf(epoch, 1, 3, 2)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(append(bytes.Repeat([]byte("JBLK"), 50), whole...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseSegmentHeader(data); err != nil && !errors.Is(err, errDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
		s := scanner{f: bytesFile{bytes.NewReader(data)}, epoch: epoch, off: segmentHeaderLen, limit: int64(len(data)), floor: 1}
		var b block
		last, end := uint64(0), int64(segmentHeaderLen)
		for {
			err := s.next(&b)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if b.epoch != epoch || b.first <= last || b.count == 0 || b.off < end || !recordsFill(b.payload, b.count) {
				t.Fatalf("block %+v after number %d at %d", b.blockHeader, last, end)
			}
			if !bytes.Equal(b.payload, data[b.off+blockHeaderLen:b.off+b.size()]) {
				t.Fatal("payload is not the segment's bytes")
			}
			last, end = b.last(), b.off+b.size()
		}
		if cap(s.buf) > blockHeaderLen+maxPayload+readChunk {
			t.Fatalf("buffer has %d bytes", cap(s.buf))
		}
	})
}

// A state that is accepted is written back the same, and keeps the promises of its lists.
func FuzzState(f *testing.F) {
	s := state{
		epoch: 9, end: 100, limit: 200, newest: 50, cleanSize: 4,
		acked: rangeSet{{1, 5}, {7, 9}}, lost: lossList{{Range{10, 12}, CauseTorn}, {Range{13, 13}, CauseDropped}},
	}
	f.Add(s.encode())
	f.Add((&state{epoch: 1, end: 1, limit: 1}).encode())
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The sum is put right, or the fuzzer would never come past it.
		if len(data) >= stateFixed+4 {
			data = append(data[:len(data)-4:len(data)-4], 0, 0, 0, 0)
			body := data[:len(data)-4]
			le := sum(body)
			data[len(data)-4], data[len(data)-3] = byte(le), byte(le>>8)
			data[len(data)-2], data[len(data)-1] = byte(le>>16), byte(le>>24)
		}
		got, err := decodeState(data)
		if err != nil {
			if !errors.Is(err, errDamaged) {
				t.Fatal(err)
			}
			return
		}
		if diff := cmp.Diff(data, got.encode()); diff != "" {
			t.Fatalf("state is written back otherwise (-was +is):\n%s", diff)
		}
		for _, r := range got.lost.ranges() {
			if open := got.acked.without(r); len(open) > 0 && got.acked.containsAll(r) {
				t.Fatalf("%v is and is not acknowledged", r)
			}
		}
	})
}
