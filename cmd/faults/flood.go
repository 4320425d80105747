package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	floodMessages = 300_000
	floodWindow   = 5000
	// servedWithin is how long an ordinary device may wait for its PUBACK beside a flood before the row counts as failed: a
	// device that waits longer believes its connection dead.
	servedWithin = 30 * time.Second
)

// flood has one device send as fast as it can, while the others go on.
func flood(ctx context.Context, h *harness) (err error) {
	in, err := h.install(ctx, plan{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	t := newTally(baseCode, fleetDevices+1, h.began.Add(-time.Hour), time.Millisecond)
	others := newFleet(ctx, in.baseAddr, t, 0, voice{devices: fleetDevices, window: 100, every: 50 * time.Millisecond})
	defer others.end()
	if err := in.recovered(ctx, t, 0); err != nil {
		return err
	}
	others.slowest.Store(0)
	most := floodMessages * h.rate / 1000
	flooder := newFleet(ctx, in.baseAddr, t, fleetDevices, voice{devices: 1, window: floodWindow, most: min(most, floodMessages)})
	defer flooder.end()
	began := time.Now()
	flooder.voices.Wait()
	if err := flooder.finish(ctx); err != nil {
		return err
	}
	took, slowest := time.Since(began), time.Duration(others.slowest.Load())
	r := row{Fault: fmt.Sprintf("a device that floods (%s messages) beside %d others", grouped(min(most, floodMessages)), fleetDevices), Runs: 1}
	if slowest > servedWithin {
		r.Failures = append(r.Failures, fmt.Sprintf("another device waited %s for its PUBACK", slowest.Round(time.Millisecond)))
	}
	h.note("The flood took %.1f s, %s messages a second; meanwhile no other device waited longer than %d ms for a PUBACK.",
		took.Seconds(), grouped(int(float64(min(most, floodMessages))/took.Seconds())), slowest.Milliseconds())
	if err := others.finish(ctx); err != nil {
		return err
	}
	ended := time.Now()
	if err := in.drained(ctx); err != nil {
		return err
	}
	r.take(outcome{recovery: time.Since(ended)})
	o, err := t.judge(ctx, in.store, nil)
	if err != nil {
		return err
	}
	r.take(o)
	h.add(r)
	return nil
}
