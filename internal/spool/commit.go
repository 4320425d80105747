package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// rollAge bounds how long records stay beyond the audit period because their segment is still written to [L-4.4].
	rollAge = 24 * time.Hour
	// spareBytes is the largest buffer kept for the next group.
	spareBytes = 2 * groupBytes
)

// commitLoop is the only writer of segments [L-9.1]. It ends when the log is closing and nothing waits.
func (l *Log) commitLoop() {
	for range l.wake {
		for g := l.take(); g != nil; g = l.take() {
			l.finish(g, l.commit(g))
		}
		if l.idle() {
			return
		}
	}
}

// take makes the pending group the committer's own.
func (l *Log) take() *group {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	g := l.pending
	if g != nil {
		l.pending = nil
		close(g.taken)
	}
	return g
}

// idle does what waits for a moment without a group, and reports whether the loop is to end.
func (l *Log) idle() (closing bool) {
	l.queueMu.Lock()
	asked := l.rollWanted
	l.rollWanted = nil
	closing = l.closing && l.pending == nil
	l.queueMu.Unlock()
	if asked != nil {
		if l.err() == nil && l.newestExpired() {
			if err := l.roll(l.End(), l.tailChain, 0); err != nil {
				_ = l.fail(err) //nolint:errcheck // no call waits for this roll: the log keeps the error for all that come
			}
		}
		close(asked)
	}
	return closing
}

// commit makes the group durable: a place, one write, one sync.
func (l *Log) commit(g *group) error {
	if err := l.err(); err != nil {
		return err
	}
	if g.open >= 0 {
		g.closeBlock()
	}
	if err := l.makePlace(g); err != nil {
		return l.fail(err)
	}
	start := time.Now()
	if err := l.write(g); err != nil {
		return l.fail(err)
	}
	l.m.commit(time.Since(start), g.end-g.first)
	l.publish(g)
	return nil
}

// makePlace begins a new segment when one is due, and raises the limit above the group's numbers when it must.
func (l *Log) makePlace(g *group) error {
	newest := l.newest()
	full := newest.size+int64(len(g.buf)) > l.o.SegmentBytes
	old := g.commitMs-newest.createdMs > rollAge.Milliseconds()
	if newest.size > segmentHeaderLen && (full || old) { // [L-4.4]
		return l.roll(g.first, l.tailChain, g.end)
	}
	l.mu.RLock()
	limit := l.limit
	l.mu.RUnlock()
	if g.end > limit { // [L-8.2]
		return l.changeState(func(s *state) { s.limit = g.end + reservation })
	}
	return nil
}

func (l *Log) write(g *group) error {
	n, err := l.active.WriteAt(g.buf, l.newest().size)
	if err == nil && n < len(g.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write %d records: %w", g.end-g.first, err)
	}
	if err := l.active.Sync(); err != nil {
		return fmt.Errorf("sync %d records: %w", g.end-g.first, err)
	}
	return nil
}

// publish lets readers see the group [L-1.4].
func (l *Log) publish(g *group) {
	l.tailChain = g.chain
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[len(l.segments)-1].size += int64(len(g.buf))
	l.end, l.lastMs = g.end, g.commitMs
	close(l.grown)
	l.grown = make(chan struct{})
}

// finish lets the group's callers go and keeps its buffer for another.
func (l *Log) finish(g *group, err error) {
	l.unwritten.Add(-int64(len(g.buf)))
	g.err = err
	close(g.done)
	if cap(g.buf) <= spareBytes {
		l.queueMu.Lock()
		l.spare = g.buf
		l.queueMu.Unlock()
	}
}

// fail ends the log's life as a taker, until it is opened again [L-9.3].
func (l *Log) fail(cause error) error {
	err := fmt.Errorf("%w: %w", ErrFailed, cause)
	l.mu.Lock()
	l.failed = err
	close(l.grown)
	l.grown = make(chan struct{})
	l.mu.Unlock()
	l.log.Error("log has failed, nothing is acknowledged until it is opened again", "err", cause, "dir", l.dir)
	return err
}

// roll closes the newest segment and goes on in a new one that begins with first [L-4.3]. Numbers below end become
// usable with it.
func (l *Log) roll(first uint64, chain [32]byte, end uint64) error {
	s, f, err := l.createSegment(first, chain, os.O_EXCL)
	if err != nil {
		return err
	}
	err = l.changeState(func(st *state) {
		st.newest = first
		st.limit = max(st.limit, end+reservation)
	})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.mu.Lock()
	l.segments[len(l.segments)-1].lastMs = l.lastMs
	l.segments = append(slices.Clip(l.segments), s)
	l.mu.Unlock()
	old := l.active
	l.active = f
	if err := old.Close(); err != nil {
		return fmt.Errorf("close segment: %w", err)
	}
	return nil
}

// createSegment makes a segment's file with its header, durable under its name [L-4.3].
func (l *Log) createSegment(first uint64, chain [32]byte, flag int) (segment, File, error) {
	path := filepath.Join(l.dir, segmentName(first))
	f, err := l.o.FS.OpenFile(path, os.O_RDWR|os.O_CREATE|flag, filePerm)
	if err != nil {
		return segment{}, nil, fmt.Errorf("make segment: %w", err)
	}
	s := segment{first: first, path: path, size: segmentHeaderLen, createdMs: l.o.Now().UnixMilli()}
	header := segmentHeader{epoch: l.epoch, first: first, createdMs: s.createdMs, chain: chain}
	_, err = f.WriteAt(header.append(nil), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.o.FS.SyncDir(l.dir)
	}
	if err != nil {
		return segment{}, nil, errors.Join(fmt.Errorf("make segment: %w", err), f.Close())
	}
	return s, f, nil
}
