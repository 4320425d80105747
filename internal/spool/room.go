package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// reserve is what the log keeps of MaxBytes for the state, twice while it is replaced, and for a segment's header.
const reserve = 8 << 10

// The bounds, as errors and metrics name them.
const (
	boundBytes = "max_bytes"
	boundAge   = "max_age"
	boundFree  = "min_free_bytes"
)

// Room returns how many bytes the log could still take within its bounds if it deleted all that the city has; 0 when it is
// full, and -1 when nothing bounds it and the disk does not say. With DropOldest it never is full, and the room says when dropping begins. It asks
// the file system for the free space.
func (l *Log) Room() int64 {
	l.mu.RLock()
	deletable := l.deletableLocked()
	needed := l.heldLocked() - deletable + 48*int64(len(l.acked)+len(l.lost)) + l.unwritten.Load() + reserve
	l.mu.RUnlock()
	room := int64(-1)
	if l.o.MaxBytes > 0 {
		room = max(0, l.o.MaxBytes-needed)
	}
	free, err := l.o.FS.Free(l.dir)
	if err != nil {
		return room
	}
	if free = max(0, free+deletable-l.o.MinFreeBytes); room < 0 || free < room {
		return free
	}
	return room
}

// deletableLocked returns the bytes of the oldest segments that hold nothing the city does not have.
func (l *Log) deletableLocked() (bytes int64) {
	for i := range len(l.segments) - 1 {
		if r, ok := l.numbersLocked(i); ok && !l.acked.containsAll(r) {
			break
		}
		bytes += l.segments[i].size
	}
	return bytes
}

// freeSpace remembers how much of the disk is free, so that not every append asks.
type freeSpace struct {
	bytes int64
	asked time.Time
}

// freeFor is how long an answer of the disk is good.
const freeFor = time.Second

// makeRoom returns nil when need bytes may be appended within the options, after deleting what may be deleted for it, in
// the order of [L-13.1]. The caller holds queueMu.
func (l *Log) makeRoom(need int64) error {
	why, err := l.fullFor(need)
	if err != nil || why == "" {
		l.free.bytes -= need
		return err
	}
	l.gcMu.Lock()
	defer l.gcMu.Unlock()
	for why != "" {
		oldest, ok := l.oldestClosed()
		switch {
		case ok && oldest.acked:
			err = l.deleteOldest("audit")
		case ok && l.o.DropOldest:
			err = l.dropOldest(oldest.numbers, why)
		default:
			return fmt.Errorf("%w: no room for %d bytes within %s", ErrFull, need, why)
		}
		if err != nil {
			return fmt.Errorf("make room: %w", err)
		}
		l.free.asked = time.Time{}
		if why, err = l.fullFor(need); err != nil {
			return err
		}
	}
	l.free.bytes -= need
	return nil
}

// fullFor returns the bound that need more bytes would pass, "" for none. The caller holds queueMu.
func (l *Log) fullFor(need int64) (bound string, err error) {
	if l.o.MaxBytes > 0 {
		l.mu.RLock()
		held := l.heldLocked() + 48*int64(len(l.acked)+len(l.lost))
		l.mu.RUnlock()
		if held+l.unwritten.Load()+need+reserve > l.o.MaxBytes {
			return boundBytes, nil
		}
	}
	if l.o.MaxAge > 0 {
		if oldest, ok := l.oldestClosed(); ok && !oldest.acked && l.olderThan(oldest.closedMs, l.o.MaxAge) {
			return boundAge, nil
		}
	}
	if l.o.MinFreeBytes > 0 {
		if l.free.bytes-need < l.o.MinFreeBytes || time.Since(l.free.asked) > freeFor {
			free, err := l.o.FS.Free(l.dir)
			if err != nil {
				return "", fmt.Errorf("ask for free space: %w", err)
			}
			l.free = freeSpace{free - l.unwritten.Load(), time.Now()}
		}
		if l.free.bytes-need < l.o.MinFreeBytes {
			return boundFree, nil
		}
	}
	return "", nil
}

// closedSegment is a segment that is no longer written to.
type closedSegment struct {
	segment
	numbers  Range
	acked    bool  // wholly
	closedMs int64 // its last record is not younger
}

// oldestClosed returns the oldest segment, and false when that is the one written to.
func (l *Log) oldestClosed() (closedSegment, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.segments) < 2 {
		return closedSegment{}, false
	}
	r, _ := l.numbersLocked(0)
	closedMs := l.segments[0].lastMs
	if closedMs == 0 {
		closedMs = l.segments[1].createdMs
	}
	return closedSegment{l.segments[0], r, l.acked.containsAll(r), closedMs}, true
}

func (l *Log) olderThan(ms int64, age time.Duration) bool {
	return l.o.Now().UnixMilli()-ms > age.Milliseconds()
}

// dropOldest deletes the oldest segment with records that the city does not have, after its numbers are on the list of
// losses on disk [L-1.5]. The caller holds gcMu.
func (l *Log) dropOldest(r Range, bound string) error {
	var added []Range
	err := l.changeState(func(s *state) { s.lost, added = s.lost.addUnacked(s.acked, r, CauseDropped) })
	if err != nil {
		return err
	}
	l.reportLosses(added, CauseDropped, nil)
	return l.deleteOldest(bound)
}

// deleteOldest deletes the oldest segment. A file that is already gone is as good. The caller holds gcMu.
func (l *Log) deleteOldest(reason string) error {
	l.mu.RLock()
	oldest := l.segments[0]
	r, _ := l.numbersLocked(0)
	l.mu.RUnlock()
	if err := l.o.FS.Remove(oldest.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete segment: %w", err)
	}
	l.mu.Lock()
	l.segments = l.segments[1:]
	l.mu.Unlock()
	l.m.drop(reason, r.count())
	return nil
}

// Retain deletes whole segments that are acknowledged and older than Options.Audit, the oldest first, and returns how
// many [L-13.2]. The owner of the log calls it now and then. It does not wait for what is not acknowledged.
func (l *Log) Retain() (deleted int, err error) {
	if err := l.closeExpired(); err != nil {
		return 0, fmt.Errorf("retain: %w", err)
	}
	l.gcMu.Lock()
	defer l.gcMu.Unlock()
	if err := l.err(); errors.Is(err, ErrClosed) {
		return 0, fmt.Errorf("retain: %w", err)
	}
	for {
		oldest, ok := l.oldestClosed()
		if !ok || !oldest.acked || !l.olderThan(oldest.closedMs, l.o.Audit) && l.o.Audit > 0 {
			return deleted, nil
		}
		if err := l.deleteOldest("expired"); err != nil {
			return deleted, fmt.Errorf("retain: %w", err)
		}
		deleted++
	}
}

// closeExpired asks the committer to close the newest segment when all of it may be deleted.
func (l *Log) closeExpired() error {
	if !l.newestExpired() {
		return nil
	}
	l.queueMu.Lock()
	if l.closing {
		l.queueMu.Unlock()
		return ErrClosed
	}
	if l.rollWanted == nil {
		l.rollWanted = make(chan struct{})
	}
	done := l.rollWanted
	l.queueMu.Unlock()
	l.signal()
	<-done
	return nil
}

// newestExpired reports whether the newest segment has records and all of them may be deleted.
func (l *Log) newestExpired() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	r, ok := l.numbersLocked(len(l.segments) - 1)
	return ok && l.failed == nil && l.acked.containsAll(r) && (l.o.Audit == 0 || l.olderThan(l.lastMs, l.o.Audit))
}
