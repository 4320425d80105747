package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// Uplink is one connection to the city.
type Uplink interface {
	// Send hands a frame to the city's broker. It may block to hold the bridge back. Its return says nothing about
	// storage: only an acknowledgement does.
	Send(ctx context.Context, frame []byte) error
	// Acks delivers the messages of the bridge's ack topic, and is closed when the connection ends.
	Acks() <-chan mqtt.Inbound
}

// ErrUplinkLost is returned by Forward when the connection ended.
var ErrUplinkLost = errors.New("uplink lost")

// Forward sends what the city has not acknowledged over one connection, oldest first, until the connection or ctx ends.
// It starts from the log each time: nothing about the window survives a connection, and nothing needs to. One Forward may
// run at a time.
func (b *Bridge) Forward(ctx context.Context, up Uplink) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	f, err := b.newForwarder(up)
	if err != nil {
		return err
	}
	defer f.close()
	b.status.connected.Store(true)
	defer b.status.connected.Store(false)
	grown := make(chan struct{}, 1)
	wg.Go(func() { b.watch(ctx, grown) })
	return f.run(ctx, grown)
}

// watch tells the forwarder when the log has grown.
func (b *Bridge) watch(ctx context.Context, grown chan<- struct{}) {
	for end := b.o.Log.End(); b.o.Log.Wait(ctx, end) == nil; end = b.o.Log.End() {
		select {
		case grown <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

// forwarder is the sender's side of the window protocol for one connection.
type forwarder struct {
	b         *Bridge
	up        Uplink
	window    window
	builder   *frame.Builder
	reader    *spool.Reader
	next      uint64        // the next record to read
	stored    []spool.Range // what the city had when the connection began, to be stepped over
	held      frame.Range   // the records in the builder
	begun     time.Time     // when the builder got its first record
	announced []spool.Range
}

func (b *Bridge) newForwarder(up Uplink) (*forwarder, error) {
	first, _, _ := b.o.Log.Unacknowledged()
	reader, err := b.o.Log.Reader(first)
	if err != nil {
		return nil, fmt.Errorf("read the log from record %d: %w", first, err)
	}
	return &forwarder{
		b: b, up: up, reader: reader, next: first, stored: b.o.Log.Acknowledged(),
		window:  window{size: b.o.Window, timeout: b.o.AckTimeout},
		builder: frame.NewBuilder(b.o.Base, b.o.ID, b.o.Log.Epoch(), b.o.Key),
	}, nil
}

func (f *forwarder) close() {
	// The reader only reads: there is nothing that its Close could lose.
	_ = f.reader.Close()
}

// run is the protocol's loop: fill the window, then wait for the first of what can happen.
func (f *forwarder) run(ctx context.Context, grown <-chan struct{}) error {
	for {
		if err := f.fill(ctx); err != nil {
			return err
		}
		timer := f.timer()
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case in, ok := <-f.up.Acks():
			if !ok {
				timer.Stop()
				return ErrUplinkLost
			}
			if err := f.acknowledged(in.Payload); err != nil {
				return err
			}
			in.Ack()
		case <-grown:
		case <-timer.C:
			if err := f.repeat(ctx); err != nil {
				return err
			}
		}
		timer.Stop()
	}
}

// timer fires when a waiting frame must go or an acknowledgement is late.
func (f *forwarder) timer() *time.Timer {
	at, ok := f.window.nextDue()
	if f.builder.Len() > 0 && !f.window.full() {
		if linger := f.begun.Add(f.b.o.Linger); !ok || linger.Before(at) {
			at, ok = linger, true
		}
	}
	if !ok {
		return time.NewTimer(time.Hour)
	}
	return time.NewTimer(max(0, time.Until(at)))
}

// fill reads records into frames and sends each that is full or has waited long enough, while the window has room.
func (f *forwarder) fill(ctx context.Context) error {
	if err := f.announceMissing(ctx); err != nil {
		return err
	}
	for !f.window.full() {
		full, err := f.readOne()
		switch {
		case errors.Is(err, io.EOF):
			if f.builder.Len() > 0 && time.Since(f.begun) >= f.b.o.Linger {
				return f.send(ctx)
			}
			return nil
		case errors.Is(err, errBreak):
			full = f.builder.Len() > 0
		case err != nil:
			return err
		}
		if full {
			if err := f.send(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// errBreak says that the next record does not follow the ones in the builder: their frame must go first.
var errBreak = errors.New("sequence breaks here")

// readOne moves one record from the log to the builder, stepping over what the city has and what is lost.
func (f *forwarder) readOne() (full bool, err error) {
	if last, ok := f.storedUntil(f.next); ok {
		return false, f.jump(last + 1)
	}
	var r spool.Record
	err = f.reader.Next(&r)
	var gap *spool.GapError
	if errors.As(err, &gap) {
		f.next = gap.Last + 1
		return false, errBreak
	}
	if err != nil {
		return false, err
	}
	if f.builder.Len() == 0 {
		f.begun, f.held.First = time.Now(), r.Seq
	}
	f.next, f.held.Last = r.Seq+1, r.Seq
	full, err = f.builder.Add(r.Seq, r.Body, r.ChainBefore, r.ChainAfter)
	if err != nil {
		return false, fmt.Errorf("frame record %d: %w", r.Seq, err)
	}
	return full, nil
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
	return errBreak
}

// send seals the builder's records into a frame and sends it.
func (f *forwarder) send(ctx context.Context) error {
	return f.sendCovering(ctx, []frame.Range{f.held})
}

func (f *forwarder) sendCovering(ctx context.Context, covers []frame.Range) error {
	bytes, err := f.builder.Seal(f.b.o.Now().UnixMilli())
	if err != nil {
		return fmt.Errorf("seal frame: %w", err)
	}
	if err := f.up.Send(ctx, bytes); err != nil {
		return fmt.Errorf("send frame: %w", err)
	}
	f.window.add(bytes, covers, time.Now())
	f.b.m.frames.Inc()
	f.b.m.frameBytes.Add(float64(len(bytes)))
	return nil
}

// announceMissing tells the city of ranges that will never come, in a frame of their own, once per connection.
func (f *forwarder) announceMissing(ctx context.Context) error {
	missing := f.b.o.Log.Missing()
	if len(missing) == len(f.announced) || f.builder.Len() > 0 || f.window.full() {
		return nil
	}
	f.announced = missing
	ranges := make([]frame.Range, len(missing))
	for i, r := range missing {
		ranges[i] = frame.Range{First: r.First, Last: r.Last}
	}
	open := subtract(ranges, toFrame(f.b.o.Log.Acknowledged()))
	if len(open) == 0 {
		return nil
	}
	f.builder.Missing(open...)
	return f.sendCovering(ctx, open)
}

// acknowledged obeys one message of the ack topic.
func (f *forwarder) acknowledged(payload []byte) error {
	ack, err := frame.ParseAck(payload)
	if err != nil {
		f.b.m.badAcks.Inc()
		f.b.o.Logger.Warn("acknowledgement cannot be read", "err", err)
		return nil
	}
	if ack.Epoch != f.b.o.Log.Epoch() {
		f.b.m.badAcks.Inc()
		return nil
	}
	stored := make([]spool.Range, 0, len(ack.Stored))
	for _, r := range ack.Stored {
		stored = append(stored, spool.Range{First: r.First, Last: r.Last})
	}
	if len(stored) > 0 {
		if err := f.b.o.Log.Acknowledge(stored...); err != nil {
			return fmt.Errorf("note acknowledgement: %w", err)
		}
	}
	f.window.acknowledge(ack.Stored)
	now := time.Now()
	for _, r := range ack.Refused {
		f.window.refuse(r, now)
		f.b.m.refused.WithLabelValues(refusalLabel(r.Reason)).Inc()
		f.b.o.Logger.Error("city refuses frame", "reason", r.Reason, "first", r.First, "last", r.Last)
	}
	return nil
}

// repeat sends again what is overdue.
func (f *forwarder) repeat(ctx context.Context) error {
	for _, late := range f.window.overdue(time.Now()) {
		if err := f.up.Send(ctx, late.bytes); err != nil {
			return fmt.Errorf("send frame again: %w", err)
		}
		f.b.m.repeats.Inc()
	}
	return nil
}

func toFrame(ranges []spool.Range) []frame.Range {
	out := make([]frame.Range, len(ranges))
	for i, r := range ranges {
		out[i] = frame.Range{First: r.First, Last: r.Last}
	}
	return out
}

// refusalLabel keeps the metric's label bounded, whatever the city says.
func refusalLabel(reason string) string {
	switch reason {
	case "bad_signature", "unknown_bridge", "bad_chain", "malformed", "forked":
		return reason
	}
	return "other"
}
