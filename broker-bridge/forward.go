package bridge

import (
	"context"
	"errors"
	"fmt"
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
	b.status.link.changed(true, b.o.Now().UnixMilli())
	defer func() { b.status.link.changed(false, b.o.Now().UnixMilli()) }()
	grown := make(chan struct{}, 1)
	end := b.o.Log.End() // before the first look at the log
	wg.Go(func() { b.watch(ctx, end, grown) })
	return f.run(ctx, grown)
}

// watch tells the forwarder when the log has grown beyond end, and rests after that. The log's end is asked before the
// forwarder is told, which then reads: asked after that, it would hide what came meanwhile, until something else came.
func (b *Bridge) watch(ctx context.Context, end uint64, grown chan<- struct{}) {
	for b.o.Log.Wait(ctx, end) == nil {
		end = b.o.Log.End()
		select {
		case grown <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(b.rest()):
		case <-ctx.Done():
			return
		}
	}
}

// forwarder is the sender's side of the window protocol for one connection.
type forwarder struct {
	b       *Bridge
	up      Uplink
	window  window
	builder *frame.Builder
	begun   time.Time   // when the builder got its first record
	held    frame.Range // the records in the builder
	heldMs  int64       // when the first of them was received

	reader     *spool.Reader
	record     spool.Record // read, and still to be put into the builder when waiting
	waiting    bool
	next       uint64        // the next record to read
	stored     []spool.Range // what the city has, to be stepped over; without what is below next
	unsendable []frame.Range // records that no frame can carry, not yet acknowledged as missing
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
			return ended(ctx, err)
		}
		f.report()
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
				return ended(ctx, err)
			}
		}
		timer.Stop()
	}
}

// ended returns nil for an error that only says that the context ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
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

// acknowledged obeys one message of the ack topic.
func (f *forwarder) acknowledged(payload []byte) error {
	ack, err := frame.ParseAck(payload)
	if err != nil {
		f.b.m.badAcks.Inc()
		f.b.o.Logger.Warn("acknowledgement cannot be read", "err", err)
		return nil
	}
	if ack.Epoch != f.b.o.Log.Epoch() { // [F-6.2]
		f.b.m.badAcks.Inc()
		return nil
	}
	if len(ack.Stored) > 0 {
		if err := f.b.o.Log.Acknowledge(toSpool(ack.Stored)...); err != nil {
			return fmt.Errorf("note acknowledgement: %w", err)
		}
		f.stored = f.b.o.Log.Acknowledged()
		f.unsendable = subtract(frame.MergeRanges(f.unsendable), frame.MergeRanges(ack.Stored))
		f.window.acknowledge(ack.Stored)
		f.b.status.link.acknowledged(ack.CollectorMs, f.b.o.Now().UnixMilli())
	}
	now := time.Now()
	for _, r := range ack.Refused {
		f.b.m.refused.WithLabelValues(refusalLabel(r.Reason)).Inc()
		f.b.status.link.refusal(r, f.b.o.Now().UnixMilli())
		if f.window.refuse(r, now) {
			f.b.o.Logger.Error("city refuses frame", "reason", r.Reason, "first", r.First, "last", r.Last)
		}
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

func toSpool(ranges []frame.Range) []spool.Range {
	out := make([]spool.Range, len(ranges))
	for i, r := range ranges {
		out[i] = spool.Range{First: r.First, Last: r.Last}
	}
	return out
}

// refusalLabel keeps the metric's label bounded, whatever the city says.
func refusalLabel(reason string) string {
	switch reason {
	case frame.RefusedBadSignature, frame.RefusedUnknownBridge, frame.RefusedBadChain, frame.RefusedMalformed, frame.RefusedForked:
		return reason
	}
	return refusedOther
}
