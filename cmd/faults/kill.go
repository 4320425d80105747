package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// fleetDevices speak while processes are killed, fleetBurst messages at a time, so that there is more than one in most
// commits.
const fleetDevices, fleetBurst = 10, 10

// steadily is the voice of a fleet of that many messages a second.
func steadily(rate int) voice {
	return voice{
		devices: fleetDevices, window: 100, burst: fleetBurst,
		every: fleetBurst * time.Duration(fleetDevices) * time.Second / time.Duration(rate),
	}
}

// killing is a row in which a process dies again and again.
type killing struct {
	fault  string
	runs   int
	victim func(in *installation, run int) *server
	before func(in *installation) error // between the death and the new start; nil is nothing
	plan   plan
	// fresh: bridge and collectors are started anew, in order, after so many deaths; 0 is never. Whoever loses the
	// city's broker again and again within a minute waits longer each time, up to 30 s.
	fresh int
}

func killBridge(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{fault: "kill -9 of the bridge", runs: h.runs, victim: func(in *installation, _ int) *server { return in.bridge }})
}

func killCollector(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{fault: "kill -9 of the collector", runs: h.runs, victim: func(in *installation, _ int) *server { return in.collectors[0] }})
}

func killInfluxd(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{fault: "kill -9 of influxd", runs: h.runs, victim: func(in *installation, _ int) *server { return in.influxd }})
}

func killBroker(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{
		fault: "kill -9 of the city's broker (mosquitto)", runs: h.runs, fresh: 5,
		victim: func(in *installation, _ int) *server { return in.broker },
	})
}

// killAny kills one after the other in no order.
func killAny(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{fault: "kill -9 of any of the four", runs: h.runs, fresh: 5, victim: func(in *installation, run int) *server {
		all := in.servers()
		return all[h.random("kill-any", run).IntN(len(all))]
	}})
}

// wipeBroker kills the city's broker and takes away everything that it had kept.
func wipeBroker(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{
		fault: "city's broker killed and wiped", runs: h.some(20), fresh: 5,
		victim: func(in *installation, _ int) *server { return in.broker },
		before: func(in *installation) error {
			err := os.Remove(filepath.Join(in.dir, "mosquitto", "mosquitto.db"))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("wipe the broker: %w", err)
			}
			return nil
		},
	})
}

// twoCollectors share the frames; one dies while the other works on.
func twoCollectors(ctx context.Context, h *harness) error {
	return h.kill(ctx, killing{
		fault: "two collectors on one shared subscription, kill -9 of one", runs: h.some(50), plan: plan{collectors: 2},
		victim: func(in *installation, run int) *server { return in.collectors[run%2] },
	})
}

// kill makes one row.
func (h *harness) kill(ctx context.Context, k killing) (err error) {
	in, err := h.install(ctx, k.plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	t := newTally(baseCode, fleetDevices, h.began.Add(-time.Hour), time.Millisecond)
	devices := newFleet(ctx, in.baseAddr, t, 0, steadily(h.rate))
	defer devices.end()
	r := row{Fault: k.fault, Runs: k.runs}
	if err := h.strikes(ctx, k, in, t, &r); err != nil {
		return err
	}
	return h.settle(ctx, in, devices, r)
}

// strikes kills and starts again at moments of the seed's choice, and notes the longest recovery.
func (h *harness) strikes(ctx context.Context, k killing, in *installation, t *tally, r *row) error {
	rng := h.random(k.fault, 0)
	bar := h.bar(k.fault, k.runs)
	defer func() { _ = bar.Close() }()
	moment := func(most time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(most))) }
	if err := in.recovered(ctx, t, 0); err != nil {
		return err
	}
	began, whole := time.Now(), true
	for run := range k.runs {
		if err := pause(ctx, moment(300*time.Millisecond)); err != nil {
			return err
		}
		// The blow falls a moment after a PUBACK: in the midst of what the message behind it goes through.
		select {
		case <-t.nextAck():
		case <-time.After(time.Second): // there may be none while the service is down
		}
		if err := pause(ctx, moment(2*time.Millisecond)); err != nil {
			return err
		}
		if whole {
			began = time.Now()
		}
		victim := k.victim(in, run)
		victim.kill()
		acks := t.count()
		if k.before != nil {
			if err := k.before(in); err != nil {
				return err
			}
		}
		if err := pause(ctx, moment(100*time.Millisecond)); err != nil {
			return err
		}
		if err := victim.start(ctx); err != nil {
			return err
		}
		// One in four is killed again before it has recovered.
		if whole = rng.IntN(4) > 0 || run == k.runs-1; whole {
			if err := in.recovered(ctx, t, acks); err != nil {
				return fmt.Errorf("after death %d of %s: %w; it said:\n%s", run+1, victim.name, err, victim.output)
			}
			r.take(outcome{recovery: time.Since(began)})
		}
		if k.fresh > 0 && run%k.fresh == k.fresh-1 {
			if err := in.refresh(ctx); err != nil {
				return err
			}
		}
		step(bar)
	}
	return nil
}

// recovered waits until devices are acknowledged again, beyond so many messages, and until everything that they have been
// promised by now is in the evidence store.
func (in *installation) recovered(ctx context.Context, t *tally, acks int) error {
	if err := await(ctx, hurryWithin, "devices are acknowledged again", func() (bool, error) { return t.count() > acks, nil }); err != nil {
		return err
	}
	return in.has(ctx, t.promised())
}

// refresh starts bridge and collectors anew, in order.
func (in *installation) refresh(ctx context.Context) error {
	for _, s := range append([]*server{in.bridge}, in.collectors...) {
		s.stop()
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle ends a row: the devices fall silent, the city catches up, and what it has is compared with what they were told.
func (h *harness) settle(ctx context.Context, in *installation, devices *fleet, r row) error {
	if err := devices.finish(ctx); err != nil {
		return err
	}
	if err := in.drained(ctx); err != nil {
		return err
	}
	o, err := devices.tally.judge(ctx, in.store, nil)
	if err != nil {
		return err
	}
	r.take(o)
	h.add(r)
	return nil
}
