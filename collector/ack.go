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

// acknowledge tells each bridge in the group what is stored and what is refused, and then acknowledges the frames to the
// broker. An acknowledgement that is lost costs a repeat, nothing else.
func (c *Collector) acknowledge(ctx context.Context, down Downlink, group []*delivery) error {
	acks := make(map[bridgeLog]*frame.Ack)
	var order []bridgeLog
	for _, d := range group {
		log := bridgeLog{d.frame.Base, d.frame.Bridge, d.frame.Epoch}
		ack := acks[log]
		if ack == nil {
			ack = &frame.Ack{Epoch: log.epoch, CollectorMs: c.o.Now().UnixMilli()}
			acks[log], order = ack, append(order, log)
		}
		if d.refuse != "" {
			ack.Refused = append(ack.Refused, frame.Refusal{Range: covered(d.frame), Reason: d.refuse})
			continue
		}
		c.recent.add(d.frame)
		if d.frame.Count > 0 {
			ack.Stored = append(ack.Stored, covered(d.frame))
		}
		ack.Stored = append(ack.Stored, d.frame.Missing...)
	}
	for _, log := range order {
		if err := down.Acknowledge(ctx, frame.AckTopic(log.base, log.bridge), acks[log].Append(nil)); err != nil {
			return fmt.Errorf("acknowledge to bridge %s/%s: %w", log.base, log.bridge, err)
		}
	}
	for _, d := range group {
		d.in.Ack()
	}
	return nil
}

func covered(f *frame.Frame) frame.Range {
	return frame.Range{First: f.First, Last: f.First + uint64(max(f.Count, 1)) - 1}
}
