package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	steadyFor = 20 * time.Second
	// steadySettle is how long a process may do what it does after its start, before it counts as idle.
	steadySettle = 3 * time.Second
)

// upkeep is what a process costs a small computer: its memory without devices, and its memory and part of a core with
// all of them.
type upkeep struct {
	idleMiB, busyMiB, idleCore, busyCore float64 // parts of a core in per cent
}

type upkeeps []upkeep

func (u upkeeps) series(of func(upkeep) float64) series {
	var s series
	for _, one := range u {
		s = append(s, of(one))
	}
	return s
}

// measureSteady measures what a base costs that does what it does all year: 500 devices that say something every second,
// and a city that takes it.
func measureSteady(ctx context.Context, b *bench) error {
	var ours, peer upkeeps
	for range b.runs {
		u, err := b.bridgeUpkeep(ctx)
		if err != nil {
			return err
		}
		b.say("  bridge %+.2f", u)
		ours = append(ours, u)
		if u, err = b.mosquittoUpkeep(ctx); err != nil {
			return err
		}
		b.say("  mosquitto %+.2f", u)
		peer = append(peer, u)
	}
	load := fmt.Sprintf("%d devices, 1 msg/s each", devices)
	for _, c := range []struct {
		what, unit string
		of         func(upkeep) float64
		goal       goal
	}{
		{"memory of the idle bridge (broker, log, uplink)", "MiB", func(u upkeep) float64 { return u.idleMiB }, atMost(60, "< 60 MB")},
		{"memory of the bridge, at most; " + load, "MiB", func(u upkeep) float64 { return u.busyMiB }, goal{}},
		{"part of a core, idle", "%", func(u upkeep) float64 { return u.idleCore }, goal{}},
		{"part of a core, " + load, "%", func(u upkeep) float64 { return u.busyCore }, atMost(5, "< 5 % of a core")},
	} {
		r, t := ours.series(c.of), peer.series(c.of)
		line := row{what: c.what, ours: r.show(c.unit), peer: "mosquitto with its bridge: " + t.show(c.unit), ratio: times(t.median() / r.median())}
		if c.goal.text != "" {
			line.target, line.verdict = c.goal.text, c.goal.verdict(r.median())
		}
		b.add(line)
	}
	return nil
}

func (b *bench) bridgeUpkeep(ctx context.Context) (u upkeep, err error) {
	s, err := b.newSite(0)
	if err != nil {
		return u, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	city, err := b.startCity(ctx, s)
	if err != nil {
		return u, err
	}
	defer city.stop()
	bridge, err := b.startBridge(ctx, s, city.addr, 0)
	if err != nil {
		return u, err
	}
	defer bridge.stop()
	if b.profiles != "" {
		done := make(chan error, 1)
		go func() {
			if err := pause(ctx, 2*steadySettle); err != nil {
				done <- err
				return
			}
			done <- b.profile(ctx, bridge, "bridge-steady", steadyFor/2)
		}()
		defer func() { err = errors.Join(err, <-done) }()
	}
	sent, u, err := b.upkeep(ctx, bridge.process, bridge.addr)
	if err != nil {
		return u, err
	}
	if err := await(ctx, readyWithin, "all is stored", func() (bool, error) { return city.stored() >= sent, nil }); err != nil {
		return u, fmt.Errorf("%w; %d of %d are", err, city.stored(), sent)
	}
	return u, nil
}

// mosquittoUpkeep is the peer's: a broker that sends what it gets to another one, and keeps it in memory.
func (b *bench) mosquittoUpkeep(ctx context.Context) (u upkeep, err error) {
	city, cityAddr, err := b.mosquitto(ctx)
	if err != nil {
		return u, err
	}
	defer city.stop()
	base, baseAddr, err := b.mosquittoTo(ctx, city, cityAddr, "persistence true")
	if err != nil {
		return u, err
	}
	defer base.stop()
	_, u, err = b.upkeep(ctx, base, baseAddr)
	return u, err
}

// upkeep measures a process without devices and then with them, and returns how many messages it acknowledged.
func (b *bench) upkeep(ctx context.Context, p *process, addr string) (sent int, u upkeep, err error) {
	if err := pause(ctx, steadySettle); err != nil {
		return 0, u, err
	}
	u.idleCore, err = coreOf(p, func() error { return pause(ctx, steadySettle) })
	if err != nil {
		return 0, u, err
	}
	held, err := p.memory()
	if err != nil {
		return 0, u, err
	}
	u.idleMiB = held.now / (1 << 20)
	f, err := dialFlooder(ctx, addr, devices)
	if err != nil {
		return 0, u, err
	}
	defer f.close()
	u.busyCore, err = coreOf(p, func() error {
		sent, err = f.pace(ctx, steadyFor)
		return err
	})
	if err != nil {
		return 0, u, err
	}
	held, err = p.memory()
	u.busyMiB = held.peak / (1 << 20)
	return sent, u, err
}

// coreOf returns what part of a core, in per cent, the process uses while do runs.
func coreOf(p *process, do func() error) (float64, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	after, err := p.cpu()
	return 100 * (after - before).Seconds() / took.Seconds(), err
}

// pace lets each connection be a device that says something every second, evenly one after the other and whatever has
// become of what it said before. It returns when all is acknowledged, and how much that is.
func (f *flooder) pace(ctx context.Context, d time.Duration) (sent int, err error) {
	defer context.AfterFunc(ctx, f.close)()
	rounds := int(d / time.Second)
	errs := make([]error, len(f.conns)+1)
	var all sync.WaitGroup
	for i, c := range f.conns {
		all.Go(func() {
			var acked atomic.Int64
			errs[i] = countAcks(c, rounds, &acked, make(chan struct{}, 1))
		})
	}
	all.Go(func() { errs[len(f.conns)] = f.sayPaced(ctx, rounds) })
	all.Wait()
	return rounds * len(f.conns), errors.Join(append(errs, ctx.Err())...)
}

func (f *flooder) sayPaced(ctx context.Context, rounds int) error {
	meters := make([]*meter, len(f.conns))
	for i := range meters {
		meters[i] = newMeter(i)
	}
	every := time.Second / time.Duration(len(f.conns))
	began := time.Now()
	for n := range rounds * len(f.conns) {
		if err := pause(ctx, time.Until(began.Add(time.Duration(n)*every))); err != nil {
			return err
		}
		i := n % len(f.conns)
		m := meters[i]
		m.step()
		said := message{m.topic, m.say(time.Now().UnixMilli())}
		if _, err := f.conns[i].Write(appendPublish(nil, &said, uint16(n/len(f.conns)+1))); err != nil {
			return fmt.Errorf("publish: %w", err)
		}
	}
	return nil
}
