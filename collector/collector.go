// Package collector is the city's side of the window protocol: it takes frames from the city's broker, verifies that an
// enrolled bridge signed them and that their records form one unbroken chain, writes them to the evidence store, and only
// then acknowledges them to the bridge. It is for the city that must be able to say of every record where it is. It
// refuses state: what it knows is in the store, and a collector that dies is replaced by any other.
//
// The story, top to bottom:
//
//	verify   a frame is parsed, its signature and chain are checked     (verify.go)
//	store    what has come meanwhile goes to the store in one write     (collector.go)
//	ack      each bridge hears which ranges are stored                  (ack.go)
package collector

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// Collector verifies, stores and acknowledges frames.
type Collector struct {
	o       Options
	recent  recent
	told    told
	lineage lineage
	m       *metrics
}

// Downlink is one connection to the city's broker.
type Downlink interface {
	// Frames delivers the messages of the frame topics, and is closed when the connection ends.
	Frames() <-chan mqtt.Inbound
	// Acknowledge publishes an acknowledgement. It may block to hold the collector back.
	Acknowledge(ctx context.Context, topic string, payload []byte) error
}

// ErrDownlinkLost is returned by Collect when the connection ended.
var ErrDownlinkLost = errors.New("downlink lost")

// New returns a collector with valid options; the error names every option that is not.
func New(o Options) (*Collector, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return &Collector{o: o, m: newMetrics(o.Registerer)}, nil
}

// Run keeps a connection to the city's broker and collects over it, until ctx ends.
func (c *Collector) Run(ctx context.Context, o mqtt.ClientOptions) error {
	return mqtt.Maintain(ctx, o, func(ctx context.Context, client *mqtt.Client) error {
		down, err := openDownlink(ctx, client, c.o.ShareGroup)
		if err != nil {
			return err
		}
		return c.Collect(ctx, down)
	})
}

// Collect takes frames from one connection until that ends (then ErrDownlinkLost, or what could not be acknowledged) or
// ctx ends (then nil). Verification of the next frames runs beside the write of the last ones. One Collect may run at a
// time for each collector.
func (c *Collector) Collect(ctx context.Context, down Downlink) error {
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	verified := make(chan *delivery, c.o.BatchFrames)
	var wg sync.WaitGroup
	var lost error
	wg.Go(func() {
		defer close(verified)
		lost = c.verifyAll(ctx, down, verified)
	})
	err := c.storeAll(ctx, down, verified)
	cancel()
	wg.Wait()
	switch {
	case outer.Err() != nil:
		return nil // what is not acknowledged is sent again
	case err != nil:
		return err
	}
	return lost
}

// delivery is one frame on its way through the collector.
type delivery struct {
	in         mqtt.Inbound
	frame      *frame.Frame
	batch      evidence.Batch
	chainAfter [32]byte // the log's, once the frame is unpacked
	stored     bool     // it is in the store already: acknowledge only
	refuse     string   // the reason why it is not taken, "" when it is
}

// storeAll writes what has been verified, in groups that grow with the load, and acknowledges each group.
func (c *Collector) storeAll(ctx context.Context, down Downlink, verified <-chan *delivery) error {
	for first := range verified {
		group := c.gather(first, verified)
		if err := c.store(ctx, group); err != nil {
			return err
		}
		if err := c.acknowledge(ctx, down, group); err != nil {
			return err
		}
	}
	return nil
}

// gather adds what is already waiting.
func (c *Collector) gather(first *delivery, verified <-chan *delivery) []*delivery {
	group := []*delivery{first}
	messages := len(first.batch.Messages)
	for len(group) < c.o.BatchFrames && messages < c.o.BatchMessages {
		select {
		case next, ok := <-verified:
			if !ok {
				return group
			}
			group = append(group, next)
			messages += len(next.batch.Messages)
		default:
			return group
		}
	}
	return group
}

// store writes the group's batches, and waits for as long as the store does not take them.
func (c *Collector) store(ctx context.Context, group []*delivery) error {
	var batches []evidence.Batch
	for _, d := range group {
		if d.refuse == "" && !d.stored {
			batches = append(batches, d.batch)
		}
	}
	if len(batches) == 0 {
		return nil
	}
	return c.patiently(ctx, "write evidence", func() error {
		began := time.Now()
		outcomes, err := c.o.Store.Write(ctx, batches)
		if err == nil {
			c.m.writeSeconds.Observe(time.Since(began).Seconds())
			c.count(batches, outcomes)
		}
		return err
	})
}

// count turns outcomes into metrics and remembers which devices nobody has registered.
func (c *Collector) count(batches []evidence.Batch, outcomes []evidence.Outcome) {
	for i, o := range outcomes {
		c.m.records.WithLabelValues("accepted").Add(float64(o.Accepted))
		c.m.records.WithLabelValues("duplicate").Add(float64(o.Duplicate))
		c.m.records.WithLabelValues("rejected").Add(float64(len(o.Rejected)))
		for _, r := range o.Rejected {
			c.o.Logger.Warn("record rejected by the evidence store", "base", batches[i].Base, "bridge", batches[i].Bridge,
				"seq", r.Seq, "reason", r.Reason, "detail", r.Detail)
		}
		c.countUnregistered(&batches[i])
	}
}

// countUnregistered counts records of devices that the registry does not know. They are stored all the same: a device
// may be registered later, and its days settled then.
func (c *Collector) countUnregistered(b *evidence.Batch) {
	if c.o.KnownDevice == nil {
		return
	}
	for i := range b.Messages {
		for j := range b.Messages[i].Records {
			device := b.Messages[i].Records[j].Device
			if device != "" && !c.o.KnownDevice(b.Base, device) {
				c.m.unregistered.Inc()
			}
		}
	}
}
