package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Record is one record of the log.
type Record struct {
	// Seq is the record's number.
	Seq uint64
	// ReceivedMs is when the bridge received the message, Unix ms.
	ReceivedMs int64
	// Body and Raw are what was appended. They are valid until the reader's next call.
	Body, Raw []byte
	// ChainBefore and ChainAfter are the running hash on both sides of the record, see ChainStart.
	ChainBefore, ChainAfter [32]byte
}

// Reader gives the records in the order of their numbers, while others append [L-12.1]. It is not safe for concurrent
// use; a log may have many.
type Reader struct {
	l    *Log
	next uint64 // the number that the next call gives

	f     File   // the segment being read; nil = to be opened
	first uint64 // its first number
	scan  scanner
	block block
	left  uint32 // records of the block not yet given
	rest  []byte // their bytes
	ahead bool   // block is good and begins above next: a gap is to be told first

	chain   [32]byte // after number next-1
	chained bool     // chain was computed, not taken from a block
	hash    chainer
	closed  bool
}

// Reader returns a reader whose first record is from, or the first one above that the log has. It returns ErrOutOfRange
// when from is above End. The caller closes it.
func (l *Log) Reader(from uint64) (*Reader, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, fmt.Errorf("read log: %w", ErrClosed)
	}
	from = max(from, 1)
	if from > l.end {
		return nil, fmt.Errorf("read log from %d: %w (%d)", from, ErrOutOfRange, l.end)
	}
	return &Reader{l: l, next: from}, nil
}

// Next reads the next record. Its Body and Raw are valid until the next call, which uses their memory again.
//
// It returns io.EOF at the end of what is durable; call it again when the log has grown (Log.Wait). It returns a
// *GapError, once, where numbers have no record, and goes on after them with the next call. Any other error leaves the
// reader where it is.
func (r *Reader) Next(rec *Record) error {
	if r.left == 0 {
		if err := r.fill(); err != nil {
			return err
		}
	}
	r.take(rec)
	return nil
}

// Close lets the reader's file go. Calls after the first do nothing.
func (r *Reader) Close() error {
	r.closed, r.left = true, 0
	return r.leave()
}

// take cuts the next record from the block.
func (r *Reader) take(rec *Record) {
	bodyLen, rawLen := recordLengths(r.rest)
	raw := recordHeaderLen + bodyLen
	rec.Seq = r.next
	rec.ReceivedMs = int64(binary.LittleEndian.Uint64(r.rest))
	rec.Body = r.rest[recordHeaderLen:raw:raw]
	rec.Raw = r.rest[raw : raw+rawLen : raw+rawLen]
	rec.ChainBefore = r.chain
	r.chain = r.hash.next(&r.chain, r.next, rec.Body)
	rec.ChainAfter = r.chain
	r.rest = r.rest[raw+rawLen:]
	r.left--
	r.next++
}

// fill finds the block that holds the next record.
func (r *Reader) fill() error {
	for {
		if r.closed {
			return ErrClosed
		}
		if r.ahead {
			if r.block.first > r.next {
				return r.gap(r.block.first - 1)
			}
			r.ahead = false
			r.enter()
			return nil
		}
		if r.f == nil {
			if err := r.open(); err != nil {
				return err
			}
		}
		switch err := r.scan.next(&r.block); {
		case err == nil:
			if r.block.last() >= r.next {
				r.ahead = true
			}
		case errors.Is(err, io.EOF):
			if err := r.atLimit(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("read log at %d: %w", r.next, err)
		}
	}
}

// enter begins the block at the next record.
func (r *Reader) enter() {
	if r.chained && r.block.first == r.next && r.chain != r.block.chain { // [L-7.3]
		r.l.m.breaks.Inc()
		r.l.log.Error("chain is broken: records before it were altered", "seq", r.next)
	}
	r.chain, r.chained = r.block.chain, true
	r.rest, r.left = r.block.payload, r.block.count
	if from := r.next; r.block.first < from {
		var passed Record
		for r.next = r.block.first; r.next < from; {
			r.take(&passed)
		}
	}
}

// gap tells of the numbers from next up to last, or of as many as have one cause.
func (r *Reader) gap(last uint64) error {
	g := r.l.explain(Range{r.next, last})
	r.next, r.chained = g.Last+1, false
	return g
}

// explain says why the first numbers of a range have no record. What nobody knew of is damage that was just found.
func (l *Log) explain(r Range) *GapError {
	l.mu.RLock()
	begin, acked := l.segments[0].first, l.acked
	g, known := l.lost.explain(r, begin)
	l.mu.RUnlock()
	if known {
		return &g
	}
	r = Range{g.First, g.Last}
	l.noteLoss(r, CauseCorrupt) // [L-12.2]
	if acked.containsAll(r) {
		// The city has these: no loss is noted, but the disk is not well.
		l.m.lose(CauseCorrupt, r.count())
		l.log.Warn("acknowledged records are damaged", "first", r.First, "last", r.Last)
	}
	return &g
}

// view is a segment as a reader may see it now.
type view struct {
	segment
	end    uint64 // one above its last durable number
	closed bool   // it is no longer written to
}

// locate returns the segment that holds the number or will hold it. When the number is below the oldest segment, it
// returns that one.
func (l *Log) locate(n uint64) (view, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return view{}, ErrClosed
	}
	i := len(l.segments) - 1
	for i > 0 && l.segments[i].first > n {
		i--
	}
	v := view{segment: l.segments[i], end: l.end, closed: i+1 < len(l.segments)}
	if v.closed {
		v.end = l.segments[i+1].first
	}
	return v, nil
}

// open opens the segment that holds the next record.
func (r *Reader) open() error {
	var tried string
	for {
		v, err := r.l.locate(r.next)
		if err != nil {
			return err
		}
		if r.next < v.first {
			return r.gap(v.first - 1)
		}
		f, err := r.l.o.FS.OpenFile(v.path, os.O_RDONLY, 0)
		switch {
		case err == nil:
			r.f, r.first = f, v.first
			r.scan = scanner{
				f: f, epoch: r.l.epoch, off: segmentHeaderLen, limit: v.size,
				floor: v.first, ceil: v.end, skip: r.next, buf: r.scan.buf[:0],
			}
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("read log at %d: %w", r.next, err)
		case tried != v.path:
			// It may have been deleted by Retain a moment ago: look again.
			tried = v.path
		case r.next < v.end:
			return r.gap(v.end - 1)
		default:
			return io.EOF
		}
	}
}

// atLimit decides what comes after the last block below the limit: more of the segment, a gap, the next segment, or
// nothing yet. It returns nil when fill is to look again.
func (r *Reader) atLimit() error {
	v, err := r.l.locate(r.first)
	if err != nil {
		return err
	}
	if v.first != r.first {
		// The segment was deleted; what the log says about its numbers is said by explain.
		return r.leave()
	}
	r.scan.ceil = v.end
	if v.size > r.scan.limit {
		r.scan.limit = v.size
		return nil
	}
	if r.next < v.end {
		return r.gap(v.end - 1)
	}
	if v.closed {
		return r.leave()
	}
	return io.EOF // [L-1.4]
}

// leave closes the segment being read.
func (r *Reader) leave() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// Verify reads everything that the log holds, so that damage nobody has met yet becomes known to Missing, Losses and the
// metrics. It returns how many records can be read.
func (l *Log) Verify(ctx context.Context) (records uint64, err error) {
	r, err := l.Reader(l.Begin())
	if err != nil {
		return 0, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var rec Record
	var gap *GapError
	for {
		switch err := r.Next(&rec); {
		case err == nil:
			records++
			if records%1024 == 0 && ctx.Err() != nil {
				return records, fmt.Errorf("verify: %w", ctx.Err())
			}
		case errors.Is(err, io.EOF):
			return records, nil
		case !errors.As(err, &gap):
			return records, fmt.Errorf("verify: %w", err)
		}
	}
}
