package collector

import (
	"context"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// verifyAll turns the connection's messages into deliveries, in order.
func (c *Collector) verifyAll(ctx context.Context, down Downlink, verified chan<- *delivery) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case in, ok := <-down.Frames():
			if !ok {
				return ErrDownlinkLost
			}
			d, err := c.verify(ctx, in)
			if err != nil {
				return nil //nolint:nilerr // stopping: the frame is sent again
			}
			if d == nil {
				in.Ack()
				continue
			}
			select {
			case verified <- d:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// verify checks one frame: its form, that its topic is its own, its signature, the chain of its records, and that the
// chain goes on from what the city has. It returns nil for what cannot even be attributed to a bridge: there is nobody to
// answer. The error is that ctx has ended.
func (c *Collector) verify(ctx context.Context, in mqtt.Inbound) (*delivery, error) {
	f, err := frame.Parse(in.Payload)
	if err != nil || in.Topic != frame.FrameTopic(f.Base, f.Bridge) { // [F-7.3]
		c.m.frames.WithLabelValues(frame.RefusedMalformed).Inc()
		c.setAside(in, nil, frame.RefusedMalformed, err)
		return nil, nil
	}
	d := &delivery{in: in, frame: f}
	if d.refuse = c.authentic(f); d.refuse == "" && c.recent.has(f) {
		d.stored = true
	}
	if d.refuse == "" && !d.stored {
		d.refuse = c.unpack(d)
	}
	if d.refuse == "" && !d.stored {
		if d.refuse, err = c.continues(ctx, d); err != nil {
			return nil, err
		}
	}
	c.m.frames.WithLabelValues(frameVerdict(d)).Inc()
	if d.refuse != "" {
		c.setAside(in, f, d.refuse, nil)
	}
	return d, nil
}

// authentic returns the reason why the frame is not by the bridge it names, or "". The keys are those that hold now, by
// the city's clock: whoever has a revoked key can write any time into a frame.
func (c *Collector) authentic(f *frame.Frame) string {
	keys := c.o.BridgeKeys(f.Base, f.Bridge, c.o.Now().UnixMilli())
	if len(keys) == 0 {
		return frame.RefusedUnknownBridge
	}
	for _, key := range keys {
		if f.Verify(key) == nil {
			return ""
		}
	}
	return frame.RefusedBadSignature
}

// unpack decodes the frame's messages into the delivery's batch, or returns the reason why it cannot.
func (c *Collector) unpack(d *delivery) string {
	f := d.frame
	messages, chainAfter, err := f.Open(nil)
	if err != nil {
		return frame.RefusalReason(err)
	}
	collectedMs := c.o.Now().UnixMilli()
	d.chainAfter = chainAfter
	d.batch = evidence.Batch{
		Base: f.Base, Bridge: f.Bridge, Epoch: f.Epoch, CollectedMs: collectedMs, Messages: messages,
		Receipts: receipts(f, chainAfter, collectedMs),
	}
	return ""
}

// receipts are what the store will vouch for once it has the frame: its records, and the ranges that will never come.
func receipts(f *frame.Frame, chainAfter [32]byte, collectedMs int64) []evidence.Receipt {
	var out []evidence.Receipt
	if f.Count > 0 {
		out = append(out, evidence.Receipt{
			Epoch: f.Epoch, First: f.First, Last: f.Last(),
			ChainBefore: f.ChainBefore, ChainAfter: chainAfter,
			FirstMs: f.FirstMs, LastMs: f.LastMs, CollectedMs: collectedMs,
		})
	}
	for _, lost := range f.Missing {
		out = append(out, evidence.Receipt{
			Epoch: f.Epoch, First: lost.First, Last: lost.Last, Missing: true,
			FirstMs: f.SentMs, LastMs: f.SentMs, CollectedMs: collectedMs,
		})
	}
	return out
}

func frameVerdict(d *delivery) string {
	switch {
	case d.refuse != "":
		return d.refuse
	case d.stored:
		return "repeated"
	}
	return "verified"
}
