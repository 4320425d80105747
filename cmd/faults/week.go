package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	weekDevices  = 50
	quickDevices = 10
	clockTopic   = "jishi/sim/clock"
)

// cutForAWeek cuts the WAN for days of simulated time, in which every device says something every minute, and then mends it.
func cutForAWeek(ctx context.Context, h *harness) (err error) {
	devices := weekDevices
	if h.quick {
		devices = quickDevices
	}
	fault := fmt.Sprintf("WAN cut for %d simulated days, %d devices a message a minute", h.days, devices)
	in, err := h.install(ctx, plan{bridge: []string{"--bridge.replay-clock"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	in.wan.sever()
	from := h.began.Add(-time.Duration(h.days) * 24 * time.Hour).Truncate(time.Minute)
	t := newTally(baseCode, devices, from, time.Minute)
	if err := h.replayWeek(ctx, in, t, fault); err != nil {
		return err
	}
	waiting, err := metric(ctx, in.adminAddr, "jishi_log_pending_records")
	if err != nil {
		return err
	}
	r := row{Fault: fault, Runs: 1}
	if said := t.count(); int(waiting) != said {
		r.Failures = append(r.Failures, fmt.Sprintf("%.0f records waited for the city, and %d were acknowledged to devices", waiting, said))
	}
	mended := time.Now()
	in.wan.mend()
	if err := in.drained(ctx); err != nil {
		return err
	}
	r.take(outcome{recovery: time.Since(mended)})
	o, err := t.judge(ctx, in.store, nil)
	if err != nil {
		return err
	}
	r.take(o)
	h.add(r)
	return nil
}

// replayWeek lets the simulated time pass, over one connection, so that the clock and the messages keep their order.
func (h *harness) replayWeek(ctx context.Context, in *installation, t *tally, what string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := newSender(in.baseAddr, "gateway", 2000)
	done := make(chan struct{})
	go func() { // waited for below
		defer close(done)
		s.run(ctx)
	}()
	defer func() { cancel(); <-done }()
	minutes := h.days * 24 * 60
	bar := h.bar(what, minutes)
	defer func() { _ = bar.Close() }()
	for minute := range minutes {
		now := strconv.FormatInt(t.eventMs(minute+1)+1000, 10)
		s.publish(clockTopic, []byte(now), func() {})
		for d := range t.devices {
			id, topic, payload := t.say(d)
			if !s.publish(topic, payload, func() { t.acked(id) }) {
				return ctx.Err()
			}
		}
		step(bar)
	}
	return await(ctx, hurryWithin, "all of the simulated time is acknowledged", func() (bool, error) { return s.idle(), nil })
}
