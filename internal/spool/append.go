package spool

import (
	"context"
	"fmt"
)

// groupBytes is how many bytes may wait for the committer; a call beyond it waits [L-9.2]. A single larger call is taken
// when nothing else waits.
const groupBytes = 8 << 20

// group is the records of the calls that one commit makes durable together. It is filled under queueMu and belongs to
// the committer once it was taken.
type group struct {
	buf      []byte // whole blocks, and perhaps an open one at the end
	open     int    // where the open block begins; -1 = none
	head     blockHeader
	first    uint64
	end      uint64 // one above the last number
	chain    [32]byte
	commitMs int64

	taken chan struct{} // closed when the committer takes the group
	done  chan struct{} // closed when err is set and the records are durable or never will be
	err   error
}

// Append puts entries into the log, in order and with successive numbers, and returns the first number after all of them
// are durable. Calls from several goroutines are written together. It keeps nothing of the entries.
//
// The error is ErrTooLarge, ErrFull or ErrClosed when nothing was written. It is ErrFailed when the disk failed: nothing
// of the call may be acknowledged, though some of it may be found at the next open. It is the context's error when the
// context ended first: then the entries may or may not become durable.
func (l *Log) Append(ctx context.Context, entries []Entry) (first uint64, err error) {
	need, err := sizeOf(entries)
	if err != nil {
		return 0, fmt.Errorf("append to log: %w", err)
	}
	if len(entries) == 0 {
		return l.End(), nil
	}
	g, first, err := l.enqueue(ctx, entries, need)
	if err != nil {
		l.m.refuse(err)
		return 0, fmt.Errorf("append to log: %w", err)
	}
	select {
	case <-g.done: // [L-1.1]
	case <-ctx.Done():
		return 0, fmt.Errorf("append to log, outcome unknown: %w", ctx.Err())
	}
	if g.err != nil {
		l.m.refuse(g.err)
		return 0, fmt.Errorf("append to log: %w", g.err)
	}
	return first, nil
}

// sizeOf returns the bytes that the entries take at most, and refuses those that are too large [L-6.1].
func sizeOf(entries []Entry) (int64, error) {
	var n int64
	for i := range entries {
		e := &entries[i]
		if len(e.Body) > MaxBody || len(e.Raw) > MaxRaw {
			return 0, fmt.Errorf("%w: entry %d has a body of %d and a raw message of %d bytes, at most %d and %d fit",
				ErrTooLarge, i, len(e.Body), len(e.Raw), MaxBody, MaxRaw)
		}
		n += recordHeaderLen + int64(len(e.Body)) + int64(len(e.Raw))
	}
	// Two neighbouring blocks hold more than blockTarget together.
	return n + blockHeaderLen*(2*n/blockTarget+2), nil
}

// enqueue gives the entries their numbers and puts them into the pending group, waiting while that is full.
func (l *Log) enqueue(ctx context.Context, entries []Entry, need int64) (*group, uint64, error) {
	for {
		// Asked each time: when the room and the context's end come together, the select below may choose the room.
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		g, first, wait, err := l.tryEnqueue(entries, need)
		if err != nil || wait == nil {
			return g, first, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// tryEnqueue returns a channel to wait for when the pending group is full.
func (l *Log) tryEnqueue(entries []Entry, need int64) (g *group, first uint64, wait <-chan struct{}, err error) {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	if l.closing {
		return nil, 0, nil, ErrClosed
	}
	if err := l.err(); err != nil {
		return nil, 0, nil, err
	}
	if g := l.pending; g != nil && int64(len(g.buf))+need > groupBytes {
		return nil, 0, g.taken, nil
	}
	if err := l.makeRoom(need); err != nil {
		return nil, 0, nil, err
	}
	if l.pending == nil {
		l.pending = &group{
			buf: l.spare[:0], open: -1, first: l.next, commitMs: l.o.Now().UnixMilli(),
			taken: make(chan struct{}), done: make(chan struct{}),
		}
		l.spare = nil
	}
	first = l.next
	l.encode(l.pending, entries)
	l.signal()
	return l.pending, first, nil, nil
}

// encode puts the entries into the group's blocks and moves the chain on.
func (l *Log) encode(g *group, entries []Entry) {
	before := len(g.buf)
	for i := range entries {
		e := &entries[i]
		size := recordHeaderLen + len(e.Body) + len(e.Raw)
		if g.open >= 0 && len(g.buf)-g.open-blockHeaderLen+size > blockTarget { // [L-5.2]
			g.closeBlock()
		}
		if g.open < 0 {
			g.openBlock(l.epoch, l.next, l.chain)
		}
		g.buf = appendRecord(g.buf, e)
		g.head.count++
		l.chain = l.hash.next(&l.chain, l.next, e.Body)
		l.next++
	}
	g.end, g.chain = l.next, l.chain
	l.unwritten.Add(int64(len(g.buf) - before))
}

func (g *group) openBlock(epoch, first uint64, chain [32]byte) {
	g.head = blockHeader{epoch: epoch, first: first, commitMs: g.commitMs, chain: chain}
	if len(g.buf) == 0 {
		g.head.flags = flagCommit
	}
	g.open = len(g.buf)
	var header [blockHeaderLen]byte
	g.buf = append(g.buf, header[:]...)
}

func (g *group) closeBlock() {
	payload := g.buf[g.open+blockHeaderLen:]
	g.head.length, g.head.payload = uint32(len(payload)), sum(payload)
	g.head.put(g.buf[g.open:])
	g.open = -1
}

// signal tells the committer that there is something to do.
func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
