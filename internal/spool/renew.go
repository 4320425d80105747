package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Renewal is what Renew did.
type Renewal struct {
	// OldEpoch and Epoch are those of the log before and after.
	OldEpoch, Epoch uint64
	// Records were carried over, and Lost numbers that have no record, with their causes.
	Records, Lost uint64
	// Aside is the directory in which the old log is kept.
	Aside string
	// Finished says that an earlier renewal had been interrupted after it was decided, and was finished; nothing else was
	// done.
	Finished bool
}

// carryBytes and carryRecords bound what is copied by one commit of the new log.
const (
	carryBytes   = 1 << 20
	carryRecords = 8192
)

// Renew makes a new log in the directory, with a new epoch, and carries over every record that the city has not
// acknowledged, in order, with body, raw message and time of receipt unchanged; numbers that are lost and that the city
// does not know of stay lost, at their place [L-16.1]. The old log is kept aside in the same directory, for a person to
// look at and to delete. It is for a log that the city refuses because it was restored from an old copy, and for one whose
// disk was replaced: of each of the rescued directories, which are only looked at, it first carries over what that log's
// state says the city does not have.
//
// No process may have the log open: the error is ErrLocked then, and ErrNoLog when there is neither a log nor a rescued
// one. A crash at any moment leaves either the old log or, after the next Open, the new one. Of the options only
// SegmentBytes, FS, Logger and Now count.
func Renew(ctx context.Context, dir string, o Options, rescued ...string) (Renewal, error) {
	o = Options{SegmentBytes: o.SegmentBytes, FS: o.FS, Logger: o.Logger, Now: o.Now}.withDefaults()
	r := Renewal{}
	unfinished, err := checkRenewable(dir, o.FS, len(rescued) > 0)
	if err != nil {
		return r, fmt.Errorf("renew log in %s: %w", dir, err)
	}
	old, err := Open(dir, o)
	if err != nil {
		return r, fmt.Errorf("renew log: %w", err)
	}
	if unfinished != nil {
		r.Finished, r.Epoch, r.Aside = true, old.Epoch(), unfinished.aside()
		return r, old.Close()
	}
	r.OldEpoch = old.Epoch()
	// The old log stays open until it is decided, so that nobody appends to it meanwhile.
	err = prepareRenewal(ctx, old, rescued, &r)
	if err := errors.Join(err, old.Close()); err != nil {
		return Renewal{}, fmt.Errorf("renew log in %s: %w", dir, err)
	}
	fresh, err := Open(dir, o) // which finishes what is decided
	if err != nil {
		return r, fmt.Errorf("finish renewal: %w", err)
	}
	return r, fresh.Close()
}

// checkRenewable returns the renewal that a crash interrupted, nil when there is none.
func checkRenewable(dir string, fsys FS, rescued bool) (*decided, error) {
	d, err := findDecided(fsys, dir)
	if err != nil || d != nil {
		return d, err
	}
	names, err := logFiles(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		if !rescued {
			return nil, ErrNoLog
		}
		return nil, nil
	}
	return nil, err
}

// prepareRenewal makes the new log beside the old one and decides for it. After a failed decision the new log is left
// where it is: whether it was decided for is seen at the next Open, and then it must be there.
func prepareRenewal(ctx context.Context, old *Log, rescued []string, r *Renewal) error {
	staging := filepath.Join(old.dir, stagingName)
	if err := clearStaging(old.o.FS, staging); err != nil { // [L-16.2]
		return err
	}
	fresh, err := Open(staging, old.o)
	if err != nil {
		return errors.Join(err, clearStaging(old.o.FS, staging))
	}
	if err := errors.Join(fillRenewal(ctx, fresh, old, rescued, r), fresh.Close()); err != nil {
		return errors.Join(err, clearStaging(old.o.FS, staging))
	}
	if err := old.o.FS.SyncDir(old.dir); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	d := decided{dir: old.dir, epoch: fresh.Epoch(), phase: phaseAside}
	r.Epoch, r.Aside = d.epoch, d.aside()
	if err := old.o.FS.ReplaceFile(d.marker(), nil, filePerm); err != nil { // [L-16.3]
		return fmt.Errorf("decide for the new log: %w", err)
	}
	return nil
}

// fillRenewal carries everything over, and reads it back.
func fillRenewal(ctx context.Context, fresh, old *Log, rescued []string, r *Renewal) error {
	c := carrier{to: fresh}
	for _, dir := range rescued {
		if err := c.rescue(ctx, dir, old.o.FS); err != nil {
			return fmt.Errorf("carry over the records in %s: %w", dir, err)
		}
	}
	first, _, _ := old.Unacknowledged()
	reader, err := old.Reader(first)
	if err != nil {
		return err
	}
	if err := errors.Join(c.carry(ctx, reader, old.Acknowledged()), reader.Close()); err != nil {
		return fmt.Errorf("carry over records: %w", err)
	}
	readable, err := fresh.Verify(ctx)
	if err == nil && readable != c.records {
		err = fmt.Errorf("%d records were carried over and %d can be read: %w", c.records, readable, errDamaged)
	}
	r.Records, r.Lost = c.records, c.lost
	return err
}

// carrier appends the records of other logs to a new one that nobody else has.
type carrier struct {
	to      *Log
	records uint64
	lost    uint64

	entries []Entry
	bytes   []byte // what the entries are parts of
}

func (c *carrier) rescue(ctx context.Context, dir string, fsys FS) error {
	looked, err := inspect(dir, fsys)
	if err != nil {
		return err
	}
	return errors.Join(c.carry(ctx, looked, looked.st.acked), looked.Close())
}

// carry takes what a log gives, without what is acknowledged.
func (c *carrier) carry(ctx context.Context, from interface{ Next(rec *Record) error }, acked rangeSet) error {
	var rec Record
	for {
		err := from.Next(&rec)
		gap, lost := errors.AsType[*GapError](err)
		switch {
		case errors.Is(err, io.EOF):
			return c.flush(ctx)
		case lost:
			err = c.lose(ctx, gap, acked)
		case err == nil && !acked.containsAll(Range{rec.Seq, rec.Seq}):
			err = c.add(ctx, &rec)
		}
		if err != nil {
			return err
		}
	}
}

func (c *carrier) add(ctx context.Context, rec *Record) error {
	if len(c.entries) == carryRecords || len(c.bytes)+len(rec.Body)+len(rec.Raw) > cap(c.bytes) {
		if err := c.flush(ctx); err != nil {
			return err
		}
		if need := max(carryBytes, len(rec.Body)+len(rec.Raw)); cap(c.bytes) < need {
			c.bytes = make([]byte, 0, need)
		}
	}
	start := len(c.bytes)
	c.bytes = append(append(c.bytes, rec.Body...), rec.Raw...)
	split, end := start+len(rec.Body), len(c.bytes)
	c.entries = append(c.entries, Entry{
		ReceivedMs: rec.ReceivedMs, Body: c.bytes[start:split:split], Raw: c.bytes[split:end:end],
	})
	return nil
}

func (c *carrier) flush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.to.Append(ctx, c.entries); err != nil {
		return err
	}
	c.records += uint64(len(c.entries))
	c.entries, c.bytes = c.entries[:0], c.bytes[:0]
	return nil
}

// lose gives numbers of the new log to those of the gap that are lost and that the city does not know of.
func (c *carrier) lose(ctx context.Context, gap *GapError, acked rangeSet) error {
	if gap.Cause == CauseExpired {
		return nil
	}
	for _, r := range acked.without(Range{gap.First, gap.Last}) {
		if err := c.flush(ctx); err != nil {
			return err
		}
		if err := c.to.skip(r.count(), gap.Cause); err != nil {
			return err
		}
		c.lost += r.count()
	}
	return nil
}

// skip gives n numbers away that have no record, and lists them as lost. Nobody else may use the log.
func (l *Log) skip(n uint64, cause Cause) error {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	r := Range{l.next, l.next + n - 1}
	err := l.changeState(func(s *state) {
		s.end, s.limit = r.Last+1, max(s.limit, r.Last+1+reservation)
		s.lost, _ = s.lost.add(r, cause)
	})
	if err != nil {
		return fmt.Errorf("note %d lost records: %w", n, err)
	}
	l.next = r.Last + 1
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = l.next
	return nil
}

// clearStaging removes what is left of a new log that was never decided for.
func clearStaging(fsys FS, staging string) error {
	entries, err := fsys.ReadDir(staging)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		err = errors.Join(err, removed(fsys, filepath.Join(staging, entry.Name())))
	}
	if err = errors.Join(err, removed(fsys, staging)); err != nil {
		return fmt.Errorf("remove unfinished renewal: %w", err)
	}
	return nil
}

// removed removes a name that may be gone already.
func removed(fsys FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
