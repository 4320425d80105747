package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// failWrites has a write of the log fail, in the middle of its bytes, because the disk is full.
func failWrites(ctx context.Context, h *harness) error {
	return h.failDisk(ctx, "ENOSPC in the middle of a write", func(run int) fault {
		rng := h.random("enospc", run)
		return fault{op: "write", at: 2 + rng.IntN(20), err: syscall.ENOSPC, part: rng.Float64()}
	})
}

// failSyncs has an fsync of the log fail; every second time what it was to sync is gone from the cache, too.
func failSyncs(ctx context.Context, h *harness) error {
	return h.failDisk(ctx, "fsync that fails", func(run int) fault {
		rng := h.random("fsync", run)
		return fault{op: "sync", at: 2 + rng.IntN(20), err: errInjected, forget: run%2 == 0}
	})
}

const (
	localDevices = 4
	bursts       = 30 // more commits than a fault waits for
)

// failDisk makes one row of bridges whose disk fails once under load: the bridge must end without another PUBACK, and a
// new one must find everything that was acknowledged before.
func (h *harness) failDisk(ctx context.Context, what string, choose func(run int) fault) (err error) {
	city, err := h.newLocalCity(ctx, newAir(), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, city.close()) }()
	r, err := h.each(ctx, what, h.runs, func(ctx context.Context, run int) (outcome, error) {
		dir, err := h.folder("log")
		if err != nil {
			return outcome{}, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		t := newTally(fmt.Sprintf("d%05d", run), localDevices, h.began.Add(-time.Hour), time.Millisecond)
		failures, err := city.failOnce(ctx, t, filepath.Join(dir, "log"), choose(run))
		if err != nil {
			return outcome{}, err
		}
		o, err := city.again(ctx, t, localPlan{dir: filepath.Join(dir, "log"), segment: 4 << 10})
		o.failures = append(o.failures, failures...)
		return o, err
	})
	if err != nil {
		return err
	}
	h.add(r)
	return nil
}

// failOnce runs a bridge until its disk fails, and returns what it did wrong then.
func (c *localCity) failOnce(ctx context.Context, t *tally, dir string, f fault) (wrong []string, err error) {
	d := newDisk(f)
	base, err := c.open(ctx, t, localPlan{dir: dir, fs: d, segment: 4 << 10})
	if err != nil {
		return nil, err
	}
	ended, err := base.suffer(ctx)
	acks := t.count()
	switch {
	case err != nil:
		return nil, errors.Join(err, base.close())
	case !d.wasHit():
		wrong = append(wrong, "the disk never failed: the run has shown nothing")
	case ended == nil:
		wrong = append(wrong, "the bridge goes on though its disk has failed")
	case !errors.Is(ended, spool.ErrFailed):
		wrong = append(wrong, fmt.Sprintf("the bridge ended with %v, want %v", ended, spool.ErrFailed))
	}
	base.repeat() // nobody is there to acknowledge it
	if err := base.close(); err != nil {
		return nil, err
	}
	if n := t.count() - acks; n > 0 && ended != nil {
		wrong = append(wrong, fmt.Sprintf("%d messages were acknowledged after the disk had failed", n))
	}
	return wrong, nil
}

// suffer has the devices speak in bursts until the bridge ends, and returns its error; nil when it outlives them.
func (b *localBase) suffer(ctx context.Context) (ended, err error) {
	over := func() bool {
		select {
		case ended = <-b.run:
		default:
		}
		return ended != nil
	}
	for range bursts {
		before := b.tally.count()
		for i := range 3 * localDevices {
			b.say(i % localDevices)
		}
		// The next burst waits for a PUBACK of this one, so that every burst is a commit at least.
		err := await(ctx, localLimit, "a PUBACK, or the bridge's end", func() (bool, error) { return over() || b.tally.count() > before, nil })
		if err != nil || ended != nil {
			return ended, err
		}
	}
	return nil, nil
}
