package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

func newUp() *cobra.Command {
	var demo bool
	var live string
	var seed uint64
	cmd := &cobra.Command{
		Use: "up", Short: "Run everything in one process, with nothing to install 一体运行", Args: cobra.NoArgs,
		Long: "Runs broker, bridge, collector, evidence store, ledger, API and board in one process.\n" +
			"Devices publish to --broker.addr; the board is at --http.addr.\n\n" +
			"With --demo a small imaginary workshop lives through today, and goes on living: 演示模式。\n" +
			"With --scenario one of your own does, from yesterday on (docs/simulator.md): 自定义场景。",
		Example: "  jishi up --demo\n  jishi up --scenario my-workshop.yaml\n  jishi up --registry.path ./registry --base.code cq01",
	}
	c := withSettings(cmd)
	cmd.Flags().BoolVar(&demo, "demo", false, "make up a small workshop's day and keep it running live")
	cmd.Flags().Uint64Var(&seed, "demo.seed", 1, "which of the imaginary workshops")
	cmd.Flags().StringVar(&live, "scenario", "", "let the first base of this scenario live, from yesterday on, in real time")
	cmd.MarkFlagsMutuallyExclusive("demo", "scenario")
	cmd.RunE = processCommand(c, func(p *process, ctx context.Context, cmd *cobra.Command) error {
		if (demo || live != "") && cmd.Flags().Changed("data.dir") {
			return usageError{errors.New("--data.dir 与演示不能同用: a demo or scenario lives in a directory of its own, which is removed at its end")}
		}
		switch {
		case demo:
			return p.upDemo(ctx, seed, cmd)
		case live != "":
			s, err := readScenario(live, scenario.Overrides{})
			if err != nil {
				return err
			}
			return p.upScenario(ctx, s, cmd)
		}
		return p.up(ctx, cmd)
	})
	return cmd
}

// up starts everything on the registry's data.
func (p *process) up(ctx context.Context, cmd *cobra.Command) error {
	p.base, p.replay = p.c.String("base.code"), p.c.Bool("bridge.replay-clock")
	imported, err := readImported(ctx, p.c)
	if err != nil {
		return err
	}
	reg, err := p.followRegistry(ctx)
	if errors.Is(err, fs.ErrNotExist) && imported != nil && len(imported.Registry.Bases()) > 0 {
		reg, err = registry.Fixed(imported.Registry), nil // its bases were all imported
	}
	if err != nil {
		return err
	}
	all, err := joined(reg.Current(), imported)
	if err != nil {
		return err
	}
	if err := p.knownBase(all.Registry); err != nil {
		return err
	}
	_, url, err := p.startAll(ctx, reg)
	if err != nil {
		return err
	}
	return p.sayBoard(cmd.OutOrStdout(), url)
}

// upLinger is how long frames wait within one process, where bytes cost nothing and a board may be watched.
const upLinger = 100 * time.Millisecond

// startAll starts the whole path from the base's broker to the board, and returns the broker's address and the board's.
func (p *process) startAll(ctx context.Context, reg *registry.Live) (brokerAddr, url string, err error) {
	p.linger = upLinger
	if err := p.c.makeDir(); err != nil {
		return "", "", err
	}
	store, err := openStore(ctx, p.c, false, p.metrics)
	if err != nil {
		return "", "", err
	}
	p.stack.Add("evidence", func(context.Context) error { return store.Close() })
	led, err := p.openLedger(ctx)
	if err != nil {
		return "", "", err
	}
	key, err := bridgeKey(p.c)
	if err != nil {
		return "", "", err
	}
	b, broker, err := p.startBridge(ctx, key)
	if err != nil {
		return "", "", err
	}
	if err := p.connect(ctx, own{b, broker, key}, store, reg); err != nil {
		return "", "", err
	}
	if err := p.startAdmin(ctx, adminOf(&observed{b, broker})); err != nil {
		return "", "", err
	}
	url, err = p.startServer(ctx, store, reg, led)
	return broker.Addr(), url, err
}

// own is a bridge that runs in this process, and the broker over which it meets the collector.
type own struct {
	bridge *bridge.Bridge
	broker *mqtt.Broker
	key    ed25519.PrivateKey
}

// connect joins bridge and collector over the process's own broker, as the two would meet on the city's.
func (p *process) connect(ctx context.Context, o own, store evidence.Store, reg *registry.Live) error {
	base, id := p.base, p.c.String("bridge.id")
	publish, subscribe := collectorTopics()
	city := p.guard.credentialed(p.linkOptions("city", "jishi-collector"), "collector", publish, subscribe)
	city.URL = "tcp://" + o.broker.Addr()
	if err := p.startCollector(ctx, store, reg, city, map[string]ed25519.PublicKey{base + "/" + id: publicKey(o.key)}); err != nil {
		return err
	}
	publish, subscribe = bridgeTopics(base, id)
	uplink := p.guard.credentialed(p.linkOptions("uplink", "jishi-bridge-"+base+"-"+id), "bridge", publish, subscribe)
	uplink.URL = city.URL
	if p.uplinkAddr != "" {
		uplink.URL = "tcp://" + p.uplinkAddr
	}
	p.stack.Go(ctx, "uplink", func(ctx context.Context) error { return o.bridge.RunUplink(ctx, uplink) })
	return nil
}
