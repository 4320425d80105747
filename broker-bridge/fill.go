package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// fill reads records into frames and sends each that is full or has waited long enough, while the window has room.
func (f *forwarder) fill(ctx context.Context) error {
	for !f.window.full() {
		if f.builder.Len() == 0 {
			if lost := f.unannounced(); len(lost) > 0 {
				if err := f.announce(ctx, lost); err != nil {
					return err
				}
				continue
			}
		}
		full, err := f.readOne()
		if errors.Is(err, io.EOF) {
			if f.builder.Len() == 0 || time.Since(f.begun) < f.b.o.Linger {
				return nil
			}
			full, err = true, nil
		}
		if err != nil {
			return err
		}
		if full {
			if err := f.send(ctx, f.held); err != nil {
				return err
			}
		}
	}
	return nil
}

// readOne moves one record from the log to the builder, or steps over what the city has and what is lost. It reports
// whether the builder's frame must go. The error is io.EOF at the end of the log.
func (f *forwarder) readOne() (full bool, err error) {
	if !f.waiting {
		if err := f.read(); err != nil || !f.waiting {
			return false, err
		}
	}
	if f.builder.Len() == 0 {
		f.begun, f.held.First, f.heldMs = time.Now(), f.record.Seq, f.record.ReceivedMs
	}
	full, err = f.builder.Add(f.record.Seq, f.record.Body, f.record.ChainBefore, f.record.ChainAfter)
	switch {
	case err == nil:
		f.waiting, f.held.Last = false, f.record.Seq
		return full, nil
	case f.builder.Len() > 0 && (errors.Is(err, frame.ErrOrder) || errors.Is(err, frame.ErrChain)):
		// The numbers or the chain break here: the record begins the next frame, and the city sees the break.
		return true, nil
	}
	f.skip(err)
	return f.builder.Len() > 0, nil
}

// read gets the next record of the log that the city does not have; none is waiting after a step over what it has or
// what is lost.
func (f *forwarder) read() error {
	if last, ok := f.storedUntil(f.next); ok {
		return f.jump(last + 1)
	}
	err := f.reader.Next(&f.record)
	var gap *spool.GapError
	switch {
	case err == nil:
		f.waiting, f.next = true, f.record.Seq+1
		return nil
	case errors.As(err, &gap):
		f.next = gap.Last + 1
		return nil
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("read record %d of the log: %w", f.next, err)
}

// skip gives up a record that no frame can carry. The city is told that it is missing: it stays in the base's log, for a
// person to look at.
func (f *forwarder) skip(err error) {
	seq := f.record.Seq
	f.waiting = false
	f.unsendable = append(f.unsendable, frame.Range{First: seq, Last: seq})
	f.b.m.unsendable.Inc()
	f.b.status.unsendable.Add(1)
	f.b.o.Logger.Error("record cannot be sent, it is reported as missing", "seq", seq, "err", err)
}

// storedUntil returns the end of the range that holds the record and that the city has already, if there is one.
func (f *forwarder) storedUntil(seq uint64) (last uint64, ok bool) {
	for len(f.stored) > 0 && f.stored[0].Last < seq {
		f.stored = f.stored[1:]
	}
	if len(f.stored) > 0 && f.stored[0].First <= seq {
		return f.stored[0].Last, true
	}
	return 0, false
}

// jump continues reading at a later record.
func (f *forwarder) jump(to uint64) error {
	reader, err := f.b.o.Log.Reader(to)
	if err != nil {
		return fmt.Errorf("read the log from record %d: %w", to, err)
	}
	f.close()
	f.reader, f.next = reader, to
	return nil
}

// unannounced returns the numbers that will never come and that no frame on its way says so about.
func (f *forwarder) unannounced() []frame.Range {
	lost := append(toFrame(f.b.o.Log.Missing()), f.unsendable...)
	if len(lost) == 0 {
		return nil
	}
	return f.window.notOut(frame.MergeRanges(lost))
}

// announce tells the city of numbers that will never come, in a frame of their own.
func (f *forwarder) announce(ctx context.Context, lost []frame.Range) error {
	lost = lost[:min(len(lost), frame.MaxRanges)]
	f.builder.Missing(lost...)
	return f.send(ctx, lost...)
}

// send seals what the builder holds into a frame and sends it. covers are the numbers that it speaks about.
func (f *forwarder) send(ctx context.Context, covers ...frame.Range) error {
	var firstMs int64 // an announcement of losses has none
	if f.builder.Len() > 0 {
		firstMs = f.heldMs
	}
	bytes, err := f.builder.Seal(f.b.o.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("seal frame: %w", err)
	}
	if err := f.up.Send(ctx, bytes); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	f.window.add(bytes, covers, time.Now()).firstMs = firstMs
	f.report()
	f.b.m.frames.Inc()
	f.b.m.frameBytes.Add(float64(len(bytes)))
	return nil
}
