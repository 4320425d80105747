package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// demoText greets whoever started the demo: board, broker, data directory, and what to try.
const demoText = `机时演示 demo: %s
设备接入 broker: %s
数据目录 data: %s (removed at the end 退出时删除)
试一试 try: jishi usage --data.dir %s
            jishi top --server %s
Ctrl-C 退出 to stop
`

// demoBase is the code of the imaginary base.
const demoBase = "demo"

// upDemo starts everything on an imaginary workshop, lets it live through yesterday and today, and keeps it living.
func (p *process) upDemo(ctx context.Context, seed uint64, cmd *cobra.Command) error {
	dir, err := os.MkdirTemp("", "jishi-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	p.stack.Add("demo data", func(context.Context) error { return os.RemoveAll(dir) })
	p.c.dir, p.base, p.replay = dir, demoBase, true
	now := p.now()
	plant, err := sim.NewPlant(sim.PlantOptions{
		Seed: seed, Date: now.AddDate(0, 0, -1), Base: demoBase, Sessions: demoSessions(now),
	})
	if err != nil {
		return err
	}
	key, err := bridgeKey(p.c)
	if err != nil {
		return err
	}
	reg, err := demoRegistry(plant, demoSessions(now), registry.Bridge{
		ID: p.c.String("bridge.id"), Keys: []registry.BridgeKey{{Key: publicKey(key), Valid: registry.Always()}},
	})
	if err != nil {
		return fmt.Errorf("registry of the demo: %w", err)
	}
	if err := writeRegistry(reg, filepath.Join(dir, "registry")); err != nil {
		return fmt.Errorf("registry of the demo: %w", err)
	}
	broker, url, err := p.startAll(ctx, registry.Fixed(reg))
	if err != nil {
		return err
	}
	p.stack.Go(ctx, "demo", func(ctx context.Context) error { return p.live(ctx, plant, broker) })
	_, err = fmt.Fprintf(cmd.OutOrStdout(), demoText, url, broker, dir, dir, url)
	return err
}

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

// live publishes what the plant's devices say, the past as fast as it can be acknowledged, then as it happens.
func (p *process) live(ctx context.Context, plant *sim.Plant, broker string) error {
	yesterday := calendar.DateOf(p.now()).Add(-1).Span()
	window := span.Span{StartMs: yesterday.StartMs, EndMs: registry.ForeverMs}
	devices := p.guard.credentialed(mqtt.ClientOptions{
		URL: "tcp://" + broker, ClientID: "jishi-demo", Logger: p.log.With("part", "demo"),
	}, "demo", []string{"#"}, nil)
	_, err := plant.Replay(ctx, window, sim.ReplayOptions{
		Dial: sim.Broker(devices),
		Live: true, Clock: true, Logger: p.log.With("part", "demo"),
	})
	return err
}

// demoSessions are the workshop's classes: morning, afternoon, and, when neither is on, one that is on now, so that the
// demo has something to show at any hour.
func demoSessions(now time.Time) []sim.Session {
	morning := sim.Session{From: 8*time.Hour + 30*time.Minute, To: 11*time.Hour + 30*time.Minute}
	afternoon := sim.Session{From: 13*time.Hour + 30*time.Minute, To: 17 * time.Hour}
	at := time.Duration(now.UnixMilli()-calendar.DateOf(now).Span().StartMs) * time.Millisecond
	start := max(0, at-time.Hour).Truncate(30 * time.Minute)
	extra := sim.Session{From: start, To: start + 3*time.Hour}
	switch {
	case at < morning.From:
		extra.To = min(extra.To, morning.From)
		return append(fitting(extra), morning, afternoon)
	case at >= morning.To && at < afternoon.From:
		extra = sim.Session{From: max(start, morning.To), To: afternoon.From}
		return append(append([]sim.Session{morning}, fitting(extra)...), afternoon)
	case at >= afternoon.To:
		extra = sim.Session{From: max(start, afternoon.To), To: min(max(start, afternoon.To)+3*time.Hour, 24*time.Hour)}
		return append([]sim.Session{morning, afternoon}, fitting(extra)...)
	}
	return []sim.Session{morning, afternoon}
}

// fitting drops a session that is shorter than an hour, the shortest that a plant can fill.
func fitting(s sim.Session) []sim.Session {
	if s.To-s.From < time.Hour {
		return nil
	}
	return []sim.Session{s}
}

// demoRegistry writes down the plant's machines as a base would.
func demoRegistry(plant *sim.Plant, sessions []sim.Session, sender registry.Bridge) (*registry.Registry, error) {
	var times registry.Times
	for _, s := range sessions {
		times = append(times, registry.Opening{Start: int(s.From.Minutes()), End: int(s.To.Minutes())})
	}
	base := registry.Base{
		Code: demoBase, Name: "示范公共实训基地", NameEN: "Demonstration training base", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Bridges:   []registry.Bridge{sender},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: times, Restday: times}},
		Workshops: []registry.Workshop{{ID: "w1", Name: "综合实训车间", NameEN: "General workshop"}},
	}
	for _, m := range plant.Machines() {
		signal, kind := registry.Signal{Kind: registry.SignalController}, registry.Controller
		if m.Power.RunW > 0 {
			kind = registry.Meter
			signal = registry.Signal{Kind: registry.SignalPower, Power: &registry.PowerRule{
				OffW: m.Power.OffW, RunW: m.Power.RunW, Hysteresis: registry.DefaultHysteresis,
				DwellOn: m.Power.DwellOn, DwellOff: m.Power.DwellOff,
			}}
		}
		base.Equipment = append(base.Equipment, registry.Equipment{
			ID: m.ID, AssetNumber: "DEMO-" + m.ID, Name: m.NameZH, NameEN: m.NameEN, Workshop: "w1",
			Category: registry.General, Profile: registry.Machine, QuotaHours: 1400, InService: registry.Always(), Signal: signal,
		})
		base.Devices = append(base.Devices, registry.Device{ID: m.Device, Name: m.NameZH, Kind: kind, Dialect: m.Dialect})
		base.Bindings = append(base.Bindings, registry.Binding{
			Device: m.Device, Channel: m.Channel, Equipment: m.ID, Use: registry.UseState, Valid: registry.Always(),
		})
	}
	return registry.New(base)
}
