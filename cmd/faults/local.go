package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// localCity is a collector with its store in this process, for faults that no process can be told to have from outside.
type localCity struct {
	h      *harness
	dir    string
	store  evidence.Store
	key    ed25519.PrivateKey // of every bridge
	air    *air
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed error
}

// newLocalCity opens a city that bridges reach over the air. The caller closes it. Now is its clock; nil is time.Now.
func (h *harness) newLocalCity(ctx context.Context, a *air, now func() time.Time) (*localCity, error) {
	dir, err := h.folder("city")
	if err != nil {
		return nil, err
	}
	store, err := embedded.Open(ctx, filepath.Join(dir, "evidence.db"), embedded.Options{})
	if err != nil {
		return nil, err
	}
	c := &localCity{h: h, dir: dir, store: store, air: a}
	if c.key, err = frame.GenerateKey(); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	public, ok := c.key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.Join(errors.New("the bridges' key has no Ed25519 public key"), store.Close())
	}
	col, err := collector.New(collector.Options{
		Store: store, Now: now, BridgeKeys: func(string, string, int64) []ed25519.PublicKey { return []ed25519.PublicKey{public} },
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	ctx, c.cancel = context.WithCancel(ctx)
	c.wg.Go(func() { a.run(ctx) })
	c.wg.Go(func() { c.failed = col.Collect(ctx, a) })
	return c, nil
}

func (c *localCity) close() error {
	c.cancel()
	c.wg.Wait()
	return errors.Join(c.failed, c.store.Close(), os.RemoveAll(c.dir))
}

// localBase is a bridge with its log in this process.
type localBase struct {
	city   *localCity
	tally  *tally
	log    *spool.Log
	bridge *bridge.Bridge
	cancel context.CancelFunc
	wg     sync.WaitGroup
	run    chan error // what Run returned, once
	link   error
}

// localPlan says how a local base is run.
type localPlan struct {
	dir     string // of the log
	fs      spool.FS
	segment int64            // bytes of a segment; 0 is the usual
	now     func() time.Time // nil is time.Now
	silent  bool             // it does not forward
	numbers map[messageID][]number
}

// open starts a bridge on a log. The caller closes it.
func (c *localCity) open(ctx context.Context, t *tally, p localPlan) (*localBase, error) {
	log, err := spool.Open(p.dir, spool.Options{FS: p.fs, SegmentBytes: p.segment, Now: p.now})
	if err != nil {
		return nil, err
	}
	router, err := dialect.NewRouter([]dialect.Dialect{native.New(native.Options{})})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	b, err := bridge.New(bridge.Options{
		Base: t.base, ID: bridgeID, Log: log, Key: c.key, Dialects: router, Now: p.now,
		Window: 8, Linger: time.Millisecond, AckTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	base := &localBase{city: c, tally: t, log: log, bridge: b, run: make(chan error, 1)}
	ctx, base.cancel = context.WithCancel(ctx)
	base.wg.Go(func() { base.run <- b.Run(ctx) })
	if !p.silent {
		base.wg.Go(func() { base.link = base.forward(ctx) })
	}
	return base, nil
}

// forward keeps the bridge connected.
func (b *localBase) forward(ctx context.Context) error {
	for ctx.Err() == nil {
		up := b.city.air.connect(b.tally.base)
		if err := b.bridge.Forward(ctx, up); err != nil && !errors.Is(err, bridge.ErrUplinkLost) {
			return err
		}
	}
	return nil
}

// close ends the bridge, and closes the log in order, unless that has failed. Run's error is the caller's to look at.
func (b *localBase) close() error {
	b.cancel()
	b.wg.Wait()
	return errors.Join(b.link, b.log.Close())
}

// say has a device say its next message, dated by a good clock.
func (b *localBase) say(device int) {
	id, topic, payload := b.tally.say(device)
	b.deliver(id, topic, payload)
}

// repeat has the devices send again what was not acknowledged, as they do over a new connection.
func (b *localBase) repeat() {
	for _, id := range b.tally.open() {
		b.deliver(id, b.tally.topic(id.device), b.tally.payload(id, b.tally.eventMs(id.n)))
	}
}

func (b *localBase) deliver(id messageID, topic string, payload []byte) {
	b.bridge.Deliver(mqtt.Inbound{Topic: topic, Payload: payload, QoS: 1, Ack: func() { b.tally.acked(id) }})
}

const localLimit = 20 * time.Second

// acked waits until everything that was said is acknowledged.
func (b *localBase) acked(ctx context.Context) error {
	return await(ctx, localLimit, "everything is acknowledged", func() (bool, error) { return b.tally.settled(), nil })
}

// drained waits until the city has heard of every number of the log.
func (b *localBase) drained(ctx context.Context) error {
	err := await(ctx, localLimit, "the city has everything", func() (bool, error) {
		first, _, _ := b.log.Unacknowledged()
		return first == b.log.End(), nil
	})
	if err != nil {
		return fmt.Errorf("%w: records %v of %d are acknowledged, %v are missing", err, b.log.Acknowledged(), b.log.End()-1, b.log.Missing())
	}
	return nil
}

// finish waits until all is acknowledged and in the city, closes the base, and judges.
func (b *localBase) finish(ctx context.Context, numbers map[messageID][]number) (outcome, error) {
	began := time.Now()
	err := b.acked(ctx)
	if err == nil {
		err = b.drained(ctx)
	}
	took := time.Since(began)
	if err = errors.Join(err, b.close()); err != nil {
		return outcome{}, fmt.Errorf("base %s: %w", b.tally.base, err)
	}
	o, err := b.tally.judge(ctx, b.city.store, numbers)
	o.recovery = took
	return o, err
}
