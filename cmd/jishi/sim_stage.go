package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/enlist"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/lifecycle"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// stageLimit is how long the city may take to have everything once it was said.
const stageLimit = 3 * time.Minute

// serveQuietly runs parts of the service for as long as do takes.
func serveQuietly(ctx context.Context, c *settings, do func(ctx context.Context, p *process) error) (err error) {
	logger := quietLogger()
	p := &process{c: c, log: logger, metrics: prometheus.NewRegistry(), stack: lifecycle.New(logger, 0), now: time.Now}
	defer func() { err = errors.Join(err, p.stack.Stop()) }()
	return do(ctx, p)
}

// stage is the service's path from a base's broker to its figures, for one simulated base.
type stage struct {
	p        *process
	s        *sim.Simulation
	base     int
	registry *registry.Registry
	settler  *settle.Settler
	bridge   *bridge.Bridge
	broker   *mqtt.Broker
	link     *cuttable
}

// stage starts broker, bridge, collector and store, with the registry of the base.
func (p *process) stage(ctx context.Context, s *sim.Simulation, base int) (*stage, error) {
	p.base, p.replay, p.linger = s.Scenario().Bases[base].Code, true, upLinger
	if err := p.c.makeDir(); err != nil {
		return nil, err
	}
	key, err := bridgeKey(p.c)
	if err != nil {
		return nil, err
	}
	g := &stage{p: p, s: s, base: base}
	id := p.c.String("bridge.id")
	content, err := enlist.Base(s, base, registry.Bridge{ID: id, Keys: []registry.BridgeKey{{Key: publicKey(key), Valid: registry.Always()}}})
	if err != nil {
		return nil, err
	}
	if g.registry, err = registry.New(content); err != nil {
		return nil, fmt.Errorf("registry of the scenario: %w", err)
	}
	cal, err := calendar.New()
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, p.c, false, nil)
	if err != nil {
		return nil, err
	}
	p.stack.Add("evidence", func(context.Context) error { return store.Close() })
	g.settler = settle.New(store, g.registry, cal)
	if g.bridge, g.broker, err = p.startBridge(ctx, key); err != nil {
		return nil, err
	}
	return g, g.connect(ctx, own{g.bridge, g.broker, key}, store)
}

// connect joins bridge and collector, over a link that can be cut.
func (g *stage) connect(ctx context.Context, o own, store evidence.Store) error {
	var err error
	if g.link, err = newCuttable(o.broker.Addr()); err != nil {
		return err
	}
	g.p.stack.Go(ctx, "link", g.link.run)
	g.p.uplinkAddr = g.link.addr()
	return g.p.connect(ctx, o, store, registry.Fixed(g.registry))
}

// play lets the base live as fast as the broker acknowledges, and waits until the city has everything.
func (g *stage) play(ctx context.Context, ledger *sim.Ledger) error {
	cuts := span.NewSet(g.s.WANCuts(g.base)...)
	devices := g.p.guard.credentialed(mqtt.ClientOptions{URL: "tcp://" + g.broker.Addr(), ClientID: "jishi-sim"}, "sim", []string{"#"}, nil)
	_, err := g.s.Replay(ctx, g.base, ledger, sim.ReplayOptions{
		Dial: sim.Broker(devices), Clock: true, ProgressEvery: 5 * time.Millisecond,
		Progress: func(p sim.Progress) { g.link.cut(cuts.Contains(p.AtMs)) },
	})
	if err != nil {
		return err
	}
	g.link.cut(false)
	return g.await(ctx)
}

// await returns when nothing waits at the base any more.
func (g *stage) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stageLimit, fmt.Errorf("the city does not have everything after %s", stageLimit))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s := g.bridge.Status(); s.Queue.Records == 0 && s.Intake.WaitingMessages == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// compare derives every machine of the base and holds it to the ledger.
func (g *stage) compare(ctx context.Context, name string, ledger *sim.Ledger) ([]comparedMachine, error) {
	window := g.s.Span()
	base := g.s.Scenario().Bases[g.base].Code
	var rows []comparedMachine
	for _, e := range g.registry.EquipmentOf(base) {
		m, err := g.settler.Machine(ctx, base, e.ID, window)
		if err != nil {
			return nil, err
		}
		row := comparedMachine{Scenario: name, Base: base, Machine: e.ID, WindowS: float64(window.Ms()) / 1000}
		row.measure(window, m.Timeline, ledger)
		rows = append(rows, row)
	}
	return rows, nil
}

// measure fills in what was measured in the window and what is true of it.
func (m *comparedMachine) measure(window span.Span, timeline []usage.Segment, ledger *sim.Ledger) {
	var running, known []span.Span
	for _, s := range timeline {
		if s.State == usage.Running {
			running = append(running, s.Span)
		}
		if s.State != usage.Unknown {
			known = append(known, s.Span)
		}
	}
	truth := ledger.Spans(sim.FactMachine, m.Base, m.Machine, "running")
	unseen := ledger.Spans(sim.FactUnseen, m.Base, m.Machine, "")
	mistaken := ledger.Spans(sim.FactMistaken, m.Base, m.Machine, "")
	seconds := func(s span.Set) float64 { return float64(s.Ms()) / 1000 }
	measured := span.NewSet(running...)
	m.Edges = 2 * len(truth)
	m.TrueS, m.MeasuredS, m.UnseenS, m.MistakenS = seconds(truth), seconds(measured), seconds(unseen), seconds(mistaken)
	m.KnownS, m.SeenS = seconds(span.NewSet(known...)), seconds(unseen.Gaps(window))
	m.DeniedS = seconds(measured.Subtract(truth).Subtract(unseen).Subtract(mistaken))
	m.judge()
}
