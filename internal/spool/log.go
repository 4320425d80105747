package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dirPerm  fs.FileMode = 0o700 // [L-3.2]
	filePerm fs.FileMode = 0o600 // [L-3.2]
	lockName             = "LOCK"
)

// Entry is what a caller puts into the log.
type Entry struct {
	// ReceivedMs is when the bridge received the message, Unix ms.
	ReceivedMs int64
	// Body goes to the city and is chained; 0 to MaxBody bytes.
	Body []byte
	// Raw is the message as it came, for the audit period; 0 to MaxRaw bytes. It does not leave the base.
	Raw []byte
}

// Log is the log of one base. Its methods may be called from any goroutine.
//
//	Append ─┐
//	Append ─┼─▶ pending group ──▶ committer: write, fdatasync ──▶ segment files ──▶ Reader
//	Append ─┘     (≤ 8 MiB)          │                                 │
//	   ▲──────── returns ◀───────────┘            Acknowledge ──▶ state ──▶ Retain deletes
type Log struct {
	dir   string
	o     Options
	lock  io.Closer
	m     *metrics
	log   *slog.Logger
	epoch uint64

	// Order of locking: queueMu, gcMu, stateMu, mu.

	// queueMu guards the order of records: who holds it gives out numbers.
	queueMu    sync.Mutex
	pending    *group   // waiting for the committer; nil = nothing
	spare      []byte   // a buffer for the next group
	next       uint64   // the next number to give out
	chain      [32]byte // after number next-1
	hash       chainer
	free       freeSpace
	closing    bool          // no more groups are taken
	rollWanted chan struct{} // closed when the committer has looked whether to close the newest segment; nil = not asked

	// gcMu is held by who deletes segments.
	gcMu sync.Mutex
	// stateMu is held by who saves the state.
	stateMu sync.Mutex

	// mu guards what can be seen from outside. It is held for moments only, never across I/O.
	mu       sync.RWMutex
	segments []segment // ascending; the last one is written to
	end      uint64    // numbers below are durable
	lastMs   int64     // when the last commit was, Unix ms
	limit    uint64    // as on disk
	named    uint64    // as on disk: the segment that the state calls the newest
	acked    rangeSet  // as on disk
	lost     lossList  // as on disk
	missing  []Range   // lost and not acknowledged
	grown    chan struct{}
	failed   error
	closed   bool

	unwritten atomic.Int64 // bytes in groups that are not yet in a segment

	// Only the committer uses these.
	active    File
	tailChain [32]byte // after number end-1

	wake      chan struct{} // one place: a wake-up that waits is as good as two
	wg        sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// segment is one file of the log. Its numbers go up to the next segment's first.
type segment struct {
	first     uint64
	path      string
	size      int64 // durable bytes
	createdMs int64
	lastMs    int64 // when its last record was committed; 0 = not known, since an open or while it is written to
}

// Open opens the log in a directory, which it makes when there is none, and repairs what a crash left. It takes the
// directory for this process alone; a second open fails with ErrLocked. The caller closes the log.
func Open(dir string, o Options) (*Log, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(dir, dirPerm); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	lock, err := o.FS.Lock(filepath.Join(dir, lockName)) // [L-3.1]
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{
		dir: dir, o: o, lock: lock, log: o.Logger,
		grown: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	l.m = newMetrics(o.Registerer)
	if err := l.recover(); err != nil {
		l.m.unregister()
		return nil, errors.Join(fmt.Errorf("open log in %s: %w", dir, err), lock.Close())
	}
	l.m.gauges(l)
	l.wg.Go(l.commitLoop)
	return l, nil
}

// Close waits for appends that are under way, notes that the log was closed in order, and lets the directory go.
// Readers then get ErrClosed. Calls after the first do nothing and return what the first did.
func (l *Log) Close() error {
	l.closeOnce.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Log) close() error {
	l.queueMu.Lock()
	l.closing = true
	l.queueMu.Unlock()
	l.signal()
	l.wg.Wait()

	l.gcMu.Lock()
	defer l.gcMu.Unlock()
	var errs []error
	if l.err() == nil {
		// [L-8.3]: nothing is unwritten, because the committer has ended.
		errs = append(errs, l.changeState(func(s *state) { s.cleanSize = l.newest().size }))
	}
	l.stateMu.Lock() // a save that is under way ends before the directory is let go
	l.mu.Lock()
	l.closed = true
	close(l.grown)
	l.grown = nil
	l.mu.Unlock()
	l.stateMu.Unlock()
	errs = append(errs, l.active.Close(), l.lock.Close())
	l.m.unregister()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}

// Epoch returns the random number, never zero, that was given to the directory when the log was begun.
func (l *Log) Epoch() uint64 { return l.epoch }

// End returns the next number: all records below it are durable.
func (l *Log) End() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.end
}

// Begin returns the oldest number that the log still holds; it equals End when it holds none.
func (l *Log) Begin() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.segments[0].first
}

// Wait returns nil when End is above seq, or the error of the context, ErrFailed or ErrClosed when it never will be.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for {
		l.mu.RLock()
		end, grown, err := l.end, l.grown, l.errLocked()
		l.mu.RUnlock()
		if end > seq {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for record %d: %w", seq, err)
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("wait for record %d: %w", seq, ctx.Err())
		}
	}
}

// Stats is a picture of the log at one moment.
type Stats struct {
	Epoch          uint64
	Begin, End     uint64
	Segments       int
	Bytes          int64 // in segments
	UnackedRecords uint64
	UnackedBytes   int64 // estimated within segments
	MissingRecords uint64
	FreeBytes      int64 // on the disk; -1 = unknown
	Failed         error // why the log takes nothing more; nil = it does
}

// Stats returns a picture of the log. It asks the file system for the free space.
func (l *Log) Stats() Stats {
	_, records, bytes := l.Unacknowledged()
	free, err := l.o.FS.Free(l.dir)
	if err != nil {
		free = -1
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stats{
		Epoch: l.epoch, Begin: l.segments[0].first, End: l.end, Segments: len(l.segments),
		Bytes: l.heldLocked(), UnackedRecords: records, UnackedBytes: bytes, FreeBytes: free, Failed: l.failed,
	}
	for _, r := range l.missing {
		s.MissingRecords += r.count()
	}
	return s
}

// Limits are the bounds within which a log is kept, as its Options had them.
type Limits struct {
	MaxBytes     int64         // 0 = no bound
	MinFreeBytes int64         // 0 = not looked at
	MaxAge       time.Duration // 0 = no bound
	Audit        time.Duration
	DropOldest   bool
}

// Limits returns the bounds that the log was opened with.
func (l *Log) Limits() Limits {
	return Limits{
		MaxBytes: l.o.MaxBytes, MinFreeBytes: l.o.MinFreeBytes, MaxAge: l.o.MaxAge, Audit: l.o.Audit, DropOldest: l.o.DropOldest,
	}
}

// err returns why the log takes nothing more, nil if it does.
func (l *Log) err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.errLocked()
}

func (l *Log) errLocked() error {
	if l.closed {
		return ErrClosed
	}
	return l.failed
}

func (l *Log) newest() segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.segments[len(l.segments)-1]
}

func (l *Log) heldLocked() int64 {
	var n int64
	for i := range l.segments {
		n += l.segments[i].size
	}
	return n
}
