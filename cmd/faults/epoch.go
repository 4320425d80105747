package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// replaceDisk gives the bridge an empty folder for its log, again and again, while records wait in the old one; then it
// brings the old folders to the city, one after the other, as the operator of a base that got a new disk would.
func replaceDisk(ctx context.Context, h *harness) (err error) {
	in, err := h.install(ctx, plan{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	t := newTally(baseCode, fleetDevices, h.began.Add(-time.Hour), time.Millisecond)
	devices := newFleet(ctx, in.baseAddr, t, 0, steadily(h.rate))
	defer devices.end()
	r := row{Fault: "replaced disk: a new epoch, the old log sent later", Runs: h.some(20)}
	old, err := h.replacements(ctx, in, t, r.Runs)
	if err != nil {
		return err
	}
	if err := devices.finish(ctx); err != nil {
		return err
	}
	began := time.Now()
	for _, dir := range old {
		if err := in.drained(ctx); err != nil {
			return err
		}
		in.bridge.stop()
		in.logDir = dir
		if err := in.bridge.start(ctx); err != nil {
			return err
		}
	}
	if err := in.drained(ctx); err != nil {
		return err
	}
	r.take(outcome{recovery: time.Since(began)})
	o, err := t.judge(ctx, in.store, nil)
	if err != nil {
		return err
	}
	r.take(o)
	h.add(r)
	return nil
}

// replacements kills the bridge while it is cut off, and starts it with an empty folder; it returns the folders that were
// left with records in them.
func (h *harness) replacements(ctx context.Context, in *installation, t *tally, runs int) (old []string, err error) {
	rng := h.random("epoch", 0)
	bar := h.bar("replaced disks", runs)
	defer func() { _ = bar.Close() }()
	for run := range runs {
		if err := in.recovered(ctx, t, t.count()); err != nil {
			return nil, err
		}
		in.wan.sever()
		if err := pause(ctx, time.Duration(rng.Int64N(int64(300*time.Millisecond)))); err != nil {
			return nil, err
		}
		in.bridge.kill()
		old = append(old, in.logDir)
		in.logDir = filepath.Join(in.dir, "bridge", fmt.Sprintf("log-%d", run+2))
		in.wan.mend()
		acks := t.count()
		if err := in.bridge.start(ctx); err != nil {
			return nil, err
		}
		if err := await(ctx, hurryWithin, "devices are acknowledged again", func() (bool, error) { return t.count() > acks, nil }); err != nil {
			return nil, err
		}
		step(bar)
	}
	return old, nil
}
