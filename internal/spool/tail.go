package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// tail is what reading a whole segment tells about where it ends.
type tail struct {
	epoch      uint64   // of its blocks; 0 = it has none
	next       uint64   // one above the last good block
	seen       uint64   // the highest number in a good header without its payload
	gaps       []Range  // numbers between good blocks
	chain      [32]byte // after number next-1
	chained    bool     // chain is known
	size       int64    // of the file
	goodEnd    int64    // where the last good block ends
	known      int64    // up to here it is clear which numbers the bytes hold
	commitOff  int64    // where the last commit begins
	commitMs   int64
	unreadable bool // the disk refused to give bytes
}

// read reads a segment block by block.
func (r *recovery) read(s foundSegment) (t tail, err error) {
	f, err := r.l.o.FS.OpenFile(s.path, os.O_RDONLY, 0)
	if err != nil {
		return t, fmt.Errorf("read segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sc := scanner{f: f, epoch: r.l.epoch, off: segmentHeaderLen, limit: s.size, floor: s.first}
	sc.known = min(s.size, segmentHeaderLen)
	t = tail{next: s.first, size: s.size, goodEnd: sc.known, commitOff: sc.known, commitMs: s.createdMs}
	var b, last block
	for {
		err := sc.next(&b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return t, fmt.Errorf("read segment: %w", err)
		}
		if b.first > t.next {
			t.gaps = append(t.gaps, Range{t.next, b.first - 1})
		}
		if b.flags&flagCommit != 0 {
			t.commitOff = b.off
		}
		sc.epoch, t.epoch = b.epoch, b.epoch
		t.next, t.goodEnd, t.commitMs, last = b.last()+1, b.off+b.size(), b.commitMs, b
	}
	t.seen, t.known, t.unreadable = sc.seen, sc.known, sc.unreadable
	if t.epoch == 0 {
		return t, nil
	}
	t.chain, err = endOfChain(&sc, last)
	t.chained = true
	return t, err
}

// endOfChain reads a good block again and returns the chain after it.
func endOfChain(sc *scanner, last block) ([32]byte, error) {
	sc.off, sc.floor = last.off, last.first
	var b block
	if err := sc.next(&b); err != nil || b.off != last.off {
		return [32]byte{}, fmt.Errorf("read block again: %w", errors.Join(err, errDamaged))
	}
	rd := Reader{next: b.first, block: b, chain: b.chain, rest: b.payload, left: b.count}
	var rec Record
	for rd.left > 0 {
		rd.take(&rec)
	}
	return rd.chain, nil
}
