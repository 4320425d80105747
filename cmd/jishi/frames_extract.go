package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// extraction writes frames to a new file, which appears whole at the end or not at all.
type extraction struct {
	path         string
	base, bridge string
	key          func() (ed25519.PrivateKey, error)
	file         *atomicfile.File
	frames       int
	buf          []byte

	builder *frame.Builder // of the log being read
	match   bool           // the frame being built holds a record that was asked for
	chain   [32]byte       // after the last message in it
	next    uint64         // the number after it
}

// begin makes the file, when there is to be one.
func (l *look) begin(c *settings) error {
	e := l.extract
	if e == nil {
		return nil
	}
	if _, err := os.Lstat(e.path); !errors.Is(err, fs.ErrNotExist) {
		return usageError{fmt.Errorf("--extract %s: want the name of a new file; this one is there (or cannot be looked at: %w)", e.path, err)}
	}
	e.base, e.bridge = c.String("base.code"), c.String("bridge.id")
	e.key = func() (ed25519.PrivateKey, error) { return frame.ReadKey(c.path("bridge.key", "bridge.key")) }
	var err error
	e.file, err = atomicfile.Create(e.path, 0o600)
	return err
}

// abandon removes an unfinished file.
func (l *look) abandon() error {
	if l.extract == nil || l.extract.file == nil {
		return nil
	}
	return l.extract.file.Abort()
}

// end prints what is known only after everything was read, and finishes the file.
func (l *look) end() error {
	if l.stats != nil {
		if err := l.out.stats(l.stats); err != nil {
			return err
		}
	}
	if l.extract != nil {
		if l.extract.frames == 0 {
			return errors.Join(errors.New("nothing to extract: no frame holds a matching record; no file was written"), l.faults.err())
		}
		if err := l.extract.file.Commit(); err != nil {
			return err
		}
		if err := l.out.extracted(l.extract.path, l.extract.frames); err != nil {
			return err
		}
	}
	return l.faults.err()
}

func (e *extraction) write(b []byte) error {
	e.buf = frame.AppendDelimited(e.buf[:0], b)
	e.frames++
	_, err := e.file.Write(e.buf)
	return err
}

// beginLog makes ready to seal frames of a log.
func (e *extraction) beginLog(epoch uint64) error {
	key, err := e.key()
	if err != nil {
		return fmt.Errorf("seal frames of a log (--bridge.key): %w", err)
	}
	e.builder, e.match = frame.NewBuilder(e.base, e.bridge, epoch, key), false
	return nil
}

// add takes the next record of the log. Frames are cut as the bridge would cut them, and kept when one of their records
// was asked for.
func (e *extraction) add(rec *spool.Record, match bool) error {
	if e.builder.Len() > 0 && (rec.Seq != e.next || rec.ChainBefore != e.chain) {
		if err := e.endLog(); err != nil {
			return err
		}
	}
	full, err := e.builder.Add(rec.Seq, rec.Body, rec.ChainBefore, rec.ChainAfter)
	if err != nil {
		return err
	}
	e.match, e.next, e.chain = e.match || match, rec.Seq+1, rec.ChainAfter
	if full {
		return e.endLog()
	}
	return nil
}

// missing announces numbers that have no record. What was deleted after the city had it is not missing.
func (e *extraction) missing(g *spool.GapError) {
	if g.Cause != spool.CauseExpired {
		e.builder.Missing(frame.Range{First: g.First, Last: g.Last})
		e.match = true
	}
}

// endLog seals the frame that is being built.
func (e *extraction) endLog() error {
	if e.builder.Len() == 0 && !e.match {
		return nil
	}
	b, err := e.builder.Seal(time.Now().UnixMilli())
	match := e.match
	e.match = false
	if err != nil || !match {
		return err
	}
	return e.write(b)
}
