package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The smallest log that the settings allow, and messages with so many blanks that it fills in seconds.
const (
	smallLog = 64 << 20
	blanks   = 32 << 10
)

// fillLog cuts the WAN until the log has reached its bound, and mends it: meanwhile no device is acknowledged.
func fillLog(ctx context.Context, h *harness) (err error) {
	in, err := h.install(ctx, plan{bridge: []string{"--spool.max-bytes", fmt.Sprint(smallLog)}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	in.wan.sever()
	t := newTally(baseCode, fleetDevices, h.began.Add(-time.Hour), time.Millisecond)
	devices := newFleet(ctx, in.baseAddr, t, 0, voice{devices: fleetDevices, window: 20, pad: blanks})
	defer devices.end()
	r := row{Fault: "log at its bound (spool.max-bytes), WAN cut", Runs: 1}
	if err := await(ctx, hurryWithin, "the log is full", func() (bool, error) {
		n, err := metric(ctx, in.adminAddr, "jishi_log_refused_appends_total")
		return n > 0, err
	}); err != nil {
		return err
	}
	// The last PUBACKs arrive; what is acknowledged after them was not kept.
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	before := t.count()
	if err := pause(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	if n := t.count() - before; n > 0 {
		r.Failures = append(r.Failures, fmt.Sprintf("%d messages were acknowledged while the log was full", n))
	}
	mended := time.Now()
	in.wan.mend()
	if err := in.recovered(ctx, t, before); err != nil {
		return err
	}
	r.take(outcome{recovery: time.Since(mended)})
	return h.settle(ctx, in, devices, r)
}

// dropOldest cuts the WAN until a log that may drop its oldest records has dropped some, and mends it: the city is told
// which.
func dropOldest(ctx context.Context, h *harness) (err error) {
	in, err := h.install(ctx, plan{bridge: []string{"--spool.max-bytes", fmt.Sprint(smallLog), "--spool.drop-oldest"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	in.wan.sever()
	t := newTally(baseCode, 1, h.began.Add(-time.Hour), time.Millisecond)
	// One device over one connection: its n-th message is the log's n-th record, which is how those that were dropped are
	// known by name.
	devices := newFleet(ctx, in.baseAddr, t, 0, voice{devices: 1, window: 500, pad: blanks, most: 2 * smallLog / blanks})
	defer devices.end()
	devices.voices.Wait()
	if err := devices.finish(ctx); err != nil {
		return err
	}
	mended := time.Now()
	in.wan.mend()
	if err := in.drained(ctx); err != nil {
		return err
	}
	r := row{Fault: "log at its bound with spool.drop-oldest, WAN cut", Runs: 1}
	r.take(outcome{recovery: time.Since(mended)})
	numbers, err := inOrder(ctx, in.store)
	if err != nil {
		return err
	}
	o, err := t.judge(ctx, in.store, numbers(len(t.devices[0])))
	if err != nil {
		return err
	}
	if o.reported == 0 {
		o.failures = append(o.failures, "nothing was dropped: the row has shown nothing")
	}
	r.take(o)
	h.add(r)
	return nil
}

// inOrder checks on what is stored that message n of the one device is record n of the one log, and returns a function
// that numbers all of them so.
func inOrder(ctx context.Context, store evidence.Store) (func(n int) map[messageID][]number, error) {
	var epoch uint64
	q := evidence.Query{Base: baseCode, Device: deviceName(0), Window: allTime(), Kinds: []telemetry.Kind{telemetry.KindSample}}
	err := store.Read(ctx, q, func(e *evidence.Entry) error {
		epoch = e.Epoch
		if count, _ := e.Value(telemetry.Count); uint64(count) != e.Seq {
			return fmt.Errorf("message %v is record %d: they were to have one order", count, e.Seq)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what is left: %w", err)
	}
	return func(n int) map[messageID][]number {
		out := make(map[messageID][]number, n)
		for i := range n {
			out[messageID{0, i + 1}] = []number{{epoch, uint64(i + 1)}}
		}
		return out
	}, nil
}

// diskBytes is the size of the small file system.
const diskBytes = 24 << 20

// fillDisk gives the log a small disk that something else fills, again and again: writes fail in the middle, the bridge
// ends, and cannot start before there is room.
func fillDisk(ctx context.Context, h *harness) (err error) {
	dir, err := h.folder("disk")
	if err != nil {
		return err
	}
	unmount, err := mountSmall(dir, diskBytes)
	if errors.Is(err, errNoMount) {
		h.note("The row of the full disk needs the right to mount a tmpfs, which this user does not have (%v): it is missing.", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unmount()) }()
	in, err := h.install(ctx, plan{
		logDir: filepath.Join(dir, "log"), bridge: []string{"--spool.min-free-bytes", "0", "--spool.audit", "1s", "--spool.max-bytes", "64MiB"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	t := newTally(baseCode, fleetDevices, h.began.Add(-time.Hour), time.Millisecond)
	devices := newFleet(ctx, in.baseAddr, t, 0, voice{devices: fleetDevices, window: 50, every: 10 * time.Millisecond, pad: 1 << 10})
	defer devices.end()
	r := row{Fault: "disk of the log full (tmpfs)", Runs: h.some(10)}
	for range r.Runs {
		if err := in.squeeze(ctx, filepath.Join(dir, "ballast"), t, &r); err != nil {
			return err
		}
	}
	return h.settle(ctx, in, devices, r)
}

// squeeze fills the disk until the bridge has ended, frees it, and waits for the recovery.
func (in *installation) squeeze(ctx context.Context, path string, t *tally, r *row) error {
	if err := in.recovered(ctx, t, t.count()); err != nil {
		return err
	}
	in.wan.sever()
	if err := fillRest(path); err != nil {
		return err
	}
	if err := await(ctx, hurryWithin, "the bridge has ended", func() (bool, error) { return in.bridge.hasEnded(), nil }); err != nil {
		return err
	}
	// As whoever looks after the process would: it is started again while there is no room, and ends again.
	if in.bridge.startOnce(ctx) == nil {
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		in.bridge.kill()
	}
	freed, before := time.Now(), t.count()
	in.wan.mend()
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	if err := in.bridge.start(ctx); err != nil {
		return err
	}
	if err := in.recovered(ctx, t, before); err != nil {
		return err
	}
	r.take(outcome{recovery: time.Since(freed)})
	return nil
}

// fillRest writes a file until the disk has no room.
func fillRest(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer func() { _ = f.Close() }()
	zeros := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(zeros)
	}
	return nil
}
