package collector

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// bridgeLog names one log of one bridge.
type bridgeLog struct {
	base, bridge string
	epoch        uint64
}

// verdicts is what a bridge hears about one group of its frames.
type verdicts struct {
	stored  []frame.Range
	refused []frame.Refusal
}

// acknowledge tells each bridge in the group what is stored and what is refused, and then acknowledges the frames to the
// broker. An acknowledgement that is lost costs a repeat, nothing else.
func (c *Collector) acknowledge(ctx context.Context, down Downlink, group []*delivery) error {
	said := make(map[bridgeLog]*verdicts)
	var order []bridgeLog
	for _, d := range group {
		log := bridgeLog{d.frame.Base, d.frame.Bridge, d.frame.Epoch}
		if said[log] == nil {
			said[log], order = &verdicts{}, append(order, log)
		}
		said[log].add(d)
		if d.refuse == "" {
			c.recent.add(d.frame)
		}
	}
	for _, log := range order {
		for _, ack := range said[log].acks(log.epoch, c.o.Now().UnixMilli()) {
			if err := down.Acknowledge(ctx, frame.AckTopic(log.base, log.bridge), ack.Append(nil)); err != nil {
				return fmt.Errorf("acknowledge to bridge %s/%s: %w", log.base, log.bridge, err)
			}
		}
	}
	for _, d := range group {
		d.in.Ack()
	}
	return nil
}

func (v *verdicts) add(d *delivery) {
	for _, r := range spokenOf(d.frame) {
		if d.refuse != "" {
			v.refused = append(v.refused, frame.Refusal{Range: r, Reason: d.refuse})
			continue
		}
		v.stored = append(v.stored, r)
	}
}

// acks returns the acknowledgements, each within the limit of ranges [F-1.3].
func (v *verdicts) acks(epoch uint64, nowMs int64) []frame.Ack {
	var out []frame.Ack
	stored, refused := frame.MergeRanges(v.stored), v.refused
	for len(stored)+len(refused) > 0 {
		ack := frame.Ack{Epoch: epoch, CollectorMs: nowMs}
		n := min(len(stored), frame.MaxRanges)
		ack.Stored, stored = stored[:n], stored[n:]
		n = min(len(refused), frame.MaxRanges-n)
		ack.Refused, refused = refused[:n], refused[n:]
		out = append(out, ack)
	}
	return out
}

// spokenOf returns the numbers that the frame speaks about: its messages, and what it announces as missing.
func spokenOf(f *frame.Frame) []frame.Range {
	if f.Count == 0 {
		return f.Missing
	}
	return append([]frame.Range{{First: f.First, Last: f.Last()}}, f.Missing...)
}
