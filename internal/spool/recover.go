package spool

import (
	"errors"
	"fmt"
	"os"
)

// recovery is the work of Open: from what the directory holds to a log that can be appended to.
type recovery struct {
	l        *Log
	st       state
	hadState bool
	segments []foundSegment
	tail     tail
	next     uint64
	seal     bool // the newest segment is left as it is, and a new one begun
}

// foundSegment is a segment file with what its header says.
type foundSegment struct {
	segment
	header   segmentHeader
	headerOK bool
}

// recover does the steps of docs/log.md §11 in order.
func (l *Log) recover() error {
	r := &recovery{l: l}
	for _, step := range []func() error{
		r.finishRenewal,
		r.readState,
		r.findSegments,
		r.chooseEpoch,
		r.setStrangersAside,
		r.deleteDropped,
		r.readNewest,
		r.number,
		r.accountForLosses,
		r.mendNewest,
		r.goOn,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	l.log.Info("log opened", "dir", l.dir, "epoch", l.epoch, "begin", l.segments[0].first, "end", l.end,
		"segments", len(l.segments), "bytes", l.heldLocked())
	return nil
}

// readNewest reads the newest segment block by block [L-11.3].
func (r *recovery) readNewest() error {
	r.tail = tail{next: 1, chain: ChainStart(r.l.epoch)}
	if len(r.segments) == 0 {
		return nil
	}
	newest := len(r.segments) - 1
	t, err := r.read(r.segments[newest])
	if err != nil {
		return err
	}
	r.tail = t
	// Without a block that ends the chain, an older segment knows it.
	for i := newest; !t.chained; i-- {
		if i < 0 {
			r.tail.chain = ChainStart(r.l.epoch)
			return nil
		}
		if i < newest {
			if t, err = r.read(r.segments[i]); err != nil {
				return err
			}
		}
		if !t.chained && r.segments[i].headerOK {
			t.chain, t.chained = r.segments[i].header.chain, true
		}
	}
	r.tail.chain, r.tail.chained = t.chain, true
	return nil
}

// number finds the next number [L-11.4].
func (r *recovery) number() error {
	t := &r.tail
	inOrder := r.closedInOrder()
	limit := uint64(1<<64 - 1)
	switch {
	case inOrder:
		limit = r.st.end
	case r.hadState:
		limit = r.st.limit
	}
	r.next = max(t.next, t.seen+1)
	if hidden := t.size - t.known - blockHeaderLen; hidden > 0 {
		r.next = max(r.next, min(r.next+uint64(hidden)/recordHeaderLen, limit))
	}
	cause := CauseTorn
	if inOrder || t.unreadable {
		cause, r.seal = CauseCorrupt, t.size > t.goodEnd
	}
	r.lose(t.next, r.next, cause)

	above := r.next
	if r.hadState {
		above = max(above, r.st.end)
		if n := len(r.st.acked); n > 0 {
			above = max(above, r.st.acked[n-1].Last+1)
		}
		if n := len(r.st.lost); n > 0 {
			above = max(above, r.st.lost[n-1].Last+1)
		}
		if r.newestGone() && r.st.cleanSize == 0 {
			above = max(above, r.st.limit)
		}
	}
	r.lose(r.next, above, CauseVanished)
	r.next = above
	return nil
}

// newestGone reports whether the state names a newest segment that is not there.
func (r *recovery) newestGone() bool {
	n := len(r.segments)
	return r.st.newest > 0 && (n == 0 || r.segments[n-1].first < r.st.newest)
}

// closedInOrder reports whether the newest segment is as the last close left it, but for what changed at rest.
func (r *recovery) closedInOrder() bool {
	n := len(r.segments)
	return r.hadState && n > 0 && r.st.cleanSize > 0 &&
		r.segments[n-1].first == r.st.newest && r.segments[n-1].size == r.st.cleanSize
}

// accountForLosses adds what has no record to the losses and saves them, before anything that tells of them is cut off
// [L-11.7].
func (r *recovery) accountForLosses() error {
	for _, gap := range r.tail.gaps {
		r.lose(gap.First, gap.Last+1, CauseCorrupt)
	}
	begin := r.next
	if len(r.segments) > 0 {
		begin = r.segments[0].first
	}
	r.lose(1, begin, CauseVanished)

	l := r.l
	l.end, l.next = r.next, r.next
	l.named = r.st.newest
	if n := len(r.segments); n > 0 {
		l.named = r.segments[n-1].first
	}
	l.limit, l.acked, l.lost = max(r.st.limit, r.next), r.st.acked, r.st.lost
	for _, s := range r.segments {
		l.segments = append(l.segments, s.segment)
	}
	// The newest name may be one that a killed process had not synced yet; the state must not outlive it [L-4.3].
	if err := l.o.FS.SyncDir(l.dir); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return l.changeState(func(s *state) { s.limit = r.next + reservation })
}

// lose adds the numbers from first up to, but not with, end.
func (r *recovery) lose(first, end uint64, cause Cause) {
	if first >= end {
		return
	}
	var added []Range
	r.st.lost, added = r.st.lost.addUnacked(r.st.acked, Range{first, end - 1}, cause)
	r.l.reportLosses(added, cause, nil)
}

// mendNewest makes the newest segment one that can be appended to and whose every block is on the disk.
func (r *recovery) mendNewest() (err error) {
	if len(r.segments) == 0 {
		return nil
	}
	newest := &r.l.segments[len(r.l.segments)-1]
	f, err := r.l.o.FS.OpenFile(newest.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("mend segment: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if newest.size > r.tail.goodEnd && !r.seal { // [L-11.5]
		r.l.log.Warn("unreadable end of segment cut off", "path", newest.path, "from", r.tail.goodEnd, "size", newest.size)
		if err := f.Truncate(r.tail.goodEnd); err != nil {
			return fmt.Errorf("cut segment: %w", err)
		}
		newest.size = r.tail.goodEnd
	}
	if !r.closedInOrder() && !r.tail.unreadable { // [L-11.6]
		if err := writeAgain(f, r.tail.commitOff, r.tail.goodEnd); err != nil {
			return fmt.Errorf("write last commit again: %w", err)
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync segment: %w", err)
	}
	return nil
}

// writeAgain puts the same bytes in the same place, so that the next sync has them to write whatever the kernel
// believes to be on the disk.
func writeAgain(f File, from, to int64) error {
	buf := make([]byte, min(readChunk, to-from))
	for from < to {
		piece := buf[:min(int64(len(buf)), to-from)]
		if _, err := f.ReadAt(piece, from); err != nil {
			return err
		}
		if _, err := f.WriteAt(piece, from); err != nil {
			return err
		}
		from += int64(len(piece))
	}
	return nil
}

// goOn opens the newest segment for appending, or makes one [L-11.8].
func (r *recovery) goOn() error {
	l := r.l
	// [L-7.2]: over numbers that were cut off, the chain goes on from the last record that could be read.
	l.chain, l.tailChain, l.lastMs = r.tail.chain, r.tail.chain, r.tail.commitMs
	if n := len(r.segments); n > 0 && r.segments[n-1].headerOK && !r.seal {
		f, err := l.o.FS.OpenFile(r.segments[n-1].path, os.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open newest segment: %w", err)
		}
		l.active = f
		return nil
	}
	// A file that has this name already holds no record: it is made again.
	s, f, err := l.createSegment(r.next, l.chain, os.O_TRUNC)
	if err != nil {
		return err
	}
	if n := len(l.segments); n > 0 && l.segments[n-1].first == s.first {
		l.segments = l.segments[:n-1]
	}
	l.segments, l.active = append(l.segments, s), f
	if err := l.changeState(func(st *state) { st.newest = s.first }); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}
