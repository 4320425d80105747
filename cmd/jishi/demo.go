package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/enlist"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// demoText greets whoever started the demo: board, broker, data directory, and what to try.
const demoText = `机时看板 board: %s
设备接入 broker: %s
数据目录 data: %s (removed at the end 退出时删除)
试一试 try: jishi usage --data.dir %s
            jishi hours --data.dir %s
            jishi top --server %s
Ctrl-C 退出 to stop
`

// upDemo starts everything on an imaginary workshop, lets it live through yesterday and today, and keeps it living.
func (p *process) upDemo(ctx context.Context, seed uint64, cmd *cobra.Command) error {
	text, ok := sim.ScenarioText("demo")
	if !ok {
		return errors.New("the demo's scenario is missing from the program")
	}
	s, err := scenario.ReadWith("demo.yaml", text, scenario.Overrides{Seed: &seed})
	if err != nil {
		return err
	}
	for i := range s.Bases {
		holdNow(&s.Bases[i], p.now())
	}
	return p.upScenario(ctx, s, cmd)
}

// upScenario starts everything on a scenario's first base, which lives from yesterday on, in real time.
func (p *process) upScenario(ctx context.Context, s *scenario.Scenario, cmd *cobra.Command) error {
	dir, err := os.MkdirTemp("", "jishi-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	p.stack.Add("demo data", func(context.Context) error { return os.RemoveAll(dir) })
	base := &s.Bases[0]
	p.c.dir, p.base, p.replay, p.demo = dir, base.Code, true, true
	s.FromMs, s.Days = s.DayOf(p.now().AddDate(0, 0, -1).UnixMilli()), liveDays
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		return usageError{err}
	}
	key, err := bridgeKey(p.c)
	if err != nil {
		return err
	}
	content, err := enlist.Base(simulation, 0, registry.Bridge{
		ID: p.c.String("bridge.id"), Keys: []registry.BridgeKey{{Key: publicKey(key), Valid: registry.Always()}},
	})
	if err != nil {
		return err
	}
	reg, err := registry.New(content)
	if err != nil {
		return fmt.Errorf("registry of the scenario: %w", err)
	}
	if err := writeRegistry(reg, filepath.Join(dir, "registry")); err != nil {
		return fmt.Errorf("registry of the scenario: %w", err)
	}
	if err := p.importPeople(ctx, simulation, content); err != nil {
		return fmt.Errorf("people of the scenario: %w", err)
	}
	broker, url, err := p.startAll(ctx, registry.Fixed(reg))
	if err != nil {
		return err
	}
	p.stack.Go(ctx, "demo", func(ctx context.Context) error { return p.live(ctx, simulation, broker) })
	_, err = fmt.Fprintf(cmd.OutOrStdout(), demoText, url, broker, dir, dir, dir, url)
	return err
}

// importPeople puts who learns at the base into the ledger, as an import would: the timetable of the days just past and the
// weeks to come.
func (p *process) importPeople(ctx context.Context, s *sim.Simulation, base registry.Base) (err error) {
	people, err := p.enlistPeople(s, 0)
	if err != nil {
		return err
	}
	until := p.now().AddDate(0, 0, shownDays).UnixMilli()
	people.Sessions = slices.DeleteFunc(people.Sessions, func(x registry.Session) bool { return x.Span.StartMs > until })
	known := make(map[string]bool, len(people.Sessions))
	for _, x := range people.Sessions {
		known[x.ID] = true
	}
	people.Claims = slices.DeleteFunc(people.Claims, func(c registry.Claim) bool { return !known[c.Session] })
	l, err := ledger.Open(ctx, p.c.path("ledger.path", "ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	_, err = l.PutReference(ctx, ledger.Change{
		AtMs: p.now().UnixMilli(), Actor: "jishi up", Note: "scenario", Since: ledger.AnyVersion,
		Bases: []registry.Base{base}, People: []registry.People{people},
	})
	return err
}

// shownDays is how far ahead a demo has a timetable.
const shownDays = 31

// liveDays is how long a scenario lives on: longer than anybody looks on.
const liveDays = 3660

// writeRegistry leaves the registry where the other commands look for it.
func writeRegistry(reg *registry.Registry, dir string) error {
	var text bytes.Buffer
	if err := reg.WriteYAML(&text); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, "demo.yaml"), text.Bytes(), 0o640)
}

// live publishes what the base's devices say, the past as fast as it can be acknowledged, then as it happens.
func (p *process) live(ctx context.Context, simulation *sim.Simulation, broker string) error {
	devices := p.guard.credentialed(mqtt.ClientOptions{
		URL: "tcp://" + broker, ClientID: "jishi-demo", Logger: p.log.With("part", "demo"),
	}, "demo", []string{"#"}, nil)
	_, err := simulation.Replay(ctx, 0, nil, sim.ReplayOptions{
		Dial: sim.Broker(devices), Live: true, Clock: true, Logger: p.log.With("part", "demo"),
	})
	return err
}

// holdNow lets the base's classes be held every day at the demo's hours, one of which is now: so that there is something to
// see at any hour.
func holdNow(base *scenario.Base, now time.Time) {
	week := []time.Weekday{time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday}
	for i := range base.Classes {
		c := &base.Classes[i]
		c.Slots = nil
		for _, h := range demoSessions(now) {
			c.Slots = append(c.Slots, scenario.Slot{Weekdays: week, Hours: h, Practice: true})
		}
	}
	base.Opening = scenario.Opening{Workday: demoSessions(now), Restday: demoSessions(now)}
}

// demoSessions are the workshop's classes: morning, afternoon, and, when neither is on, one that is on now, so that the
// demo has something to show at any hour.
func demoSessions(now time.Time) []scenario.Hours {
	morning := scenario.Hours{From: 8*time.Hour + 30*time.Minute, To: 11*time.Hour + 30*time.Minute}
	afternoon := scenario.Hours{From: 13*time.Hour + 30*time.Minute, To: 17 * time.Hour}
	at := time.Duration(now.UnixMilli()-calendar.DateOf(now).Span().StartMs) * time.Millisecond
	start := max(0, at-time.Hour).Truncate(30 * time.Minute)
	extra := scenario.Hours{From: start, To: start + 3*time.Hour}
	switch {
	case at < morning.From:
		extra.To = min(extra.To, morning.From)
		return append(fitting(extra), morning, afternoon)
	case at >= morning.To && at < afternoon.From:
		extra = scenario.Hours{From: max(start, morning.To), To: afternoon.From}
		return append(append([]scenario.Hours{morning}, fitting(extra)...), afternoon)
	case at >= afternoon.To:
		extra = scenario.Hours{From: max(start, afternoon.To), To: min(max(start, afternoon.To)+3*time.Hour, 24*time.Hour)}
		return append([]scenario.Hours{morning, afternoon}, fitting(extra)...)
	}
	return []scenario.Hours{morning, afternoon}
}

// fitting drops a session that is shorter than an hour, the shortest that a plant can fill.
func fitting(s scenario.Hours) []scenario.Hours {
	if s.To-s.From < time.Hour {
		return nil
	}
	return []scenario.Hours{s}
}
