package main

import (
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// logName is whose log a frame belongs to; base and bridge are "" for a log on disk, which does not say it.
type logName struct {
	base, bridge string
	epoch        uint64
}

func (n logName) String() string {
	if n.base == "" {
		return fmt.Sprintf("log %016x", n.epoch)
	}
	return fmt.Sprintf("%s/%s %016x", n.base, n.bridge, n.epoch)
}

func nameOf(h *frame.Header) logName { return logName{h.Base, h.Bridge, h.Epoch} }

// chains remembers the hash of each log at the numbers where two frames may meet. Frames come in any order and again; where
// two meet they must agree.
type chains map[logName]map[uint64]meeting

// meeting is the beginning of a chain hash, as much of it as a frame carries of its last.
type meeting [frame.ChainCheckBytes]byte

// frame returns what is wrong where this frame meets others, "" when nothing is.
func (c chains) frame(f *frame.Frame) string {
	if f.Count == 0 {
		return ""
	}
	if n, ok := c.meets(nameOf(&f.Header), f.First-1, meeting(f.ChainBefore[:])); !ok {
		return fmt.Sprintf("%s: %s has two hashes after number %d: a frame was altered, or the log was forked", frame.RefusedForked, nameOf(&f.Header), n)
	}
	if n, ok := c.meets(nameOf(&f.Header), f.Last(), meeting(f.ChainCheck[:])); !ok {
		return fmt.Sprintf("%s: %s has two hashes after number %d: a frame was altered, or the log was forked", frame.RefusedForked, nameOf(&f.Header), n)
	}
	return ""
}

func (c chains) meets(log logName, n uint64, hash meeting) (uint64, bool) {
	if c[log] == nil {
		start := frame.ChainStart(log.epoch)
		c[log] = map[uint64]meeting{0: meeting(start[:])}
	}
	was, known := c[log][n]
	if !known {
		c[log][n] = hash
	}
	return n, !known || was == hash
}

// record is frame for a record of a log, which come in order: only the last hash is remembered.
func (c chains) record(epoch uint64, rec *spool.Record) string {
	name := logName{epoch: epoch}
	_, ok := c.meets(name, rec.Seq-1, meeting(rec.ChainBefore[:]))
	c[name] = map[uint64]meeting{rec.Seq: meeting(rec.ChainAfter[:])}
	if ok {
		return ""
	}
	return "bad_chain: the records before it do not lead to its hash; one of them was altered"
}
