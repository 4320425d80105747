package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// loseAcks loses, repeats and reorders acknowledgements, while frames pass.
func loseAcks(ctx context.Context, h *harness) error {
	return h.badAir(ctx, "acknowledgements lost, repeated, reordered", func(a *air) { a.badAcks = true })
}

// shuffleFrames does it to frames, too, and breaks connections.
func shuffleFrames(ctx context.Context, h *harness) error {
	return h.badAir(ctx, "frames lost, repeated, reordered; links broken", func(a *air) { a.badAcks, a.badFrames = true, true })
}

// badAir makes one row of bridges over bad air.
func (h *harness) badAir(ctx context.Context, what string, spoil func(a *air)) error {
	r, err := h.each(ctx, what, h.runs, func(ctx context.Context, run int) (o outcome, err error) {
		rng := h.random(what, run)
		a := newAir()
		a.rng = h.random(what, -1-run)
		spoil(a)
		breaks := a.badFrames
		city, err := h.newLocalCity(ctx, a, nil)
		if err != nil {
			return outcome{}, err
		}
		defer func() { err = errors.Join(err, city.close()) }()
		dir := filepath.Join(city.dir, "log")
		t := newTally("cq01", localDevices, h.began.Add(-time.Hour), time.Millisecond)
		base, err := city.open(ctx, t, localPlan{dir: dir, fs: newDisk(fault{})})
		if err != nil {
			return outcome{}, err
		}
		for range 30 {
			for range 1 + rng.IntN(20) {
				base.say(rng.IntN(localDevices))
			}
			if breaks && rng.IntN(6) == 0 {
				a.interrupt(t.base)
			}
			if err := pause(ctx, time.Duration(rng.IntN(20))*time.Millisecond); err != nil {
				return outcome{}, errors.Join(err, base.close())
			}
		}
		a.heal()
		return base.finish(ctx, nil)
	})
	if err != nil {
		return err
	}
	h.add(r)
	return nil
}

// jumpClocks sets the clocks of devices, bridge and collector a day ahead or back, in turns.
func jumpClocks(ctx context.Context, h *harness) error {
	r, err := h.each(ctx, "clocks of device, bridge, collector jump by a day", h.runs, func(ctx context.Context, run int) (outcome, error) {
		return h.jump(ctx, run)
	})
	if err != nil {
		return err
	}
	h.add(r)
	return nil
}

// jump is one run: 40 bursts, before each of which a clock may jump.
func (h *harness) jump(ctx context.Context, run int) (o outcome, err error) {
	rng := h.random("clocks", run)
	// A bridge's clock passes ten milliseconds at each look and ends in 1, the devices' clocks end in 0: no message without
	// a believable time of its own shares an instant with another.
	var devices [localDevices]int64
	bridge, collector := newWildClock(h.began, 1), newWildClock(h.began, 2)
	city, err := h.newLocalCity(ctx, newAir(), collector.now)
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, city.close()) }()
	t := newTally("cq01", localDevices, h.began.Truncate(time.Second), 10*time.Millisecond)
	t.wildClocks = true
	dir, err := h.folder("log")
	if err != nil {
		return outcome{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	base, err := city.open(ctx, t, localPlan{dir: dir, fs: newDisk(fault{}), now: bridge.now})
	if err != nil {
		return outcome{}, err
	}
	for range 40 {
		leap := []int64{-1, 0, 1}[rng.IntN(3)] * dayMs
		switch rng.IntN(6) {
		case 0:
			bridge.set(leap)
		case 1:
			collector.set(leap)
		case 2:
			devices[rng.IntN(localDevices)] = leap
		}
		for range 1 + rng.IntN(8) {
			d := rng.IntN(localDevices)
			id, topic, _ := t.say(d)
			base.deliver(id, topic, t.payload(id, t.eventMs(id.n)+devices[d]))
		}
		if err := base.acked(ctx); err != nil {
			return outcome{}, errors.Join(fmt.Errorf("clock of the bridge %d: %w", bridge.leap.Load(), err), base.close())
		}
	}
	return base.finish(ctx, nil)
}
