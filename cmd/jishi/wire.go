package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/collector"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/config"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/intake"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/lifecycle"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// process is what every long-running command has: its settings, logger, metrics, and the stack that stops its parts.
type process struct {
	c          *settings
	log        *slog.Logger
	metrics    *prometheus.Registry
	stack      *lifecycle.Stack
	now        func() time.Time
	base       string        // the base its bridge stands at
	replay     bool          // its bridge obeys a replayer's clock
	guard      *guard        // of its broker, once that has started
	uplinkAddr string        // where its bridge meets the collector, when that is not the broker itself
	linger     time.Duration // how long its bridge's frames wait when no setting says so; 0 is the bridge's own default

	demo          bool       // it lives in a directory that its end removes
	asks          bool       // its API asks who calls, unless a setting says otherwise
	firstPassword obs.Secret // of the account that this start made, "" when there was one
}

// processCommand is the RunE of a command that runs until it is told to end; start is a method of process.
func processCommand(c *settings, start func(p *process, ctx context.Context, cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		return c.run(cmd, func(ctx context.Context) error {
			return serveUntil(ctx, c, cmd.ErrOrStderr(), func(ctx context.Context, p *process) error { return start(p, ctx, cmd) })
		})
	}
}

// serveUntil sets a process up with start, runs it until ctx ends or a part of it fails, and stops it.
func serveUntil(ctx context.Context, c *settings, stderr io.Writer, start func(ctx context.Context, p *process) error) (err error) {
	logger, err := obs.NewLogger(stderr, c.String("log.level"), c.String("log.format"))
	if err != nil {
		return usageError{err}
	}
	p := &process{c: c, log: logger, metrics: obs.NewRegistry(obs.ReadBuild()), stack: lifecycle.New(logger, 0), now: time.Now}
	defer func() { err = errors.Join(err, p.stack.Stop()) }()
	if err := start(ctx, p); err != nil {
		return err
	}
	return p.stack.Wait(ctx)
}

func (s *settings) makeDir() error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return fmt.Errorf("make data directory (--data.dir): %w", err)
	}
	return nil
}

// openRegistry loads the reference data.
func openRegistry(c *settings) (*registry.Registry, error) {
	path := c.path("registry.path", "registry")
	reg, err := registry.Open(path)
	return reg, explainRegistry(path, err)
}

// followRegistry loads the reference data and follows its files while the process runs.
func (p *process) followRegistry(ctx context.Context) (*registry.Live, error) {
	path := p.c.path("registry.path", "registry")
	live, err := registry.OpenLive(path, registry.LiveOptions{Logger: p.log.With("part", "registry"), Registerer: p.metrics})
	if err != nil {
		return nil, explainRegistry(path, err)
	}
	p.stack.Go(ctx, "registry", live.Run)
	return live, nil
}

// explainRegistry says what to do when there is no registry.
func explainRegistry(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no registry at %s: write one (see docs/registry.md), import a workbook (jishi import, see docs/import.md), name another with --registry.path, "+
			"or try `jishi up --demo`: %w", path, err)
	}
	return err
}

// knownBase refuses a base that the registry does not have: what its devices say would be stored and never shown.
func (p *process) knownBase(reg *registry.Registry) error {
	if _, ok := reg.Base(p.base); ok {
		return nil
	}
	return usageError{config.Problems{p.c.Problem("base.code", "登记数据中没有此基地", "the registry has no such base, it has "+baseCodes(reg))}}
}

// openStore opens the evidence store that the settings name; metrics may be nil.
func openStore(ctx context.Context, c *settings, readOnly bool, metrics prometheus.Registerer) (evidence.Store, error) {
	if c.String("evidence.kind") == "influx" {
		return openInflux(ctx, c, readOnly, metrics)
	}
	path := c.path("evidence.path", "evidence.db")
	if _, err := os.Stat(path); readOnly && err != nil {
		return nil, fmt.Errorf("no evidence at %s: `jishi up` or `jishi collect` makes it; name another with --data.dir or --evidence.path: %w", path, err)
	}
	return embedded.Open(ctx, path, embedded.Options{ReadOnly: readOnly})
}

// openInflux connects to InfluxDB, and makes sure that the bucket is there for a process that will write.
func openInflux(ctx context.Context, c *settings, readOnly bool, metrics prometheus.Registerer) (evidence.Store, error) {
	store, err := influx.New(influx.Options{
		Registerer: metrics,
		URL:        c.String("influx.url"), Org: c.String("influx.org"), Bucket: c.String("influx.bucket"),
		Token: obs.Secret(c.Secret("influx.token").Reveal()),
	})
	if err != nil || readOnly {
		return store, err
	}
	if err := store.EnsureBucket(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("set up InfluxDB: %w", err), store.Close())
	}
	return store, nil
}

// openLog opens the base's log.
func (p *process) openLog() (*spool.Log, error) {
	log, err := spool.Open(p.c.path("spool.dir", "log"), spool.Options{
		MaxBytes: p.c.Size("spool.max-bytes"), MinFreeBytes: p.c.Size("spool.min-free-bytes"),
		Audit: p.c.Duration("spool.audit"), DropOldest: p.c.Bool("spool.drop-oldest"),
		Registerer: p.metrics, Logger: p.log.With("part", "log"),
	})
	if err != nil {
		return nil, err
	}
	p.stack.Add("log", func(context.Context) error { return log.Close() })
	return log, nil
}

// bridgeKey reads the bridge's signing key, and makes one at the first start.
func bridgeKey(c *settings) (ed25519.PrivateKey, error) {
	path := c.path("bridge.key", "bridge.key")
	key, err := frame.ReadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = frame.GenerateKey(); err != nil {
		return nil, err
	}
	return key, frame.WriteKey(path, key)
}

// publicKey is the other half of a signing key.
func publicKey(key ed25519.PrivateKey) ed25519.PublicKey {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		panic("jishi: an Ed25519 key without its public half") // crypto/ed25519 promises that it has one
	}
	return public
}

// startCollector starts a collector on the city's broker.
func (p *process) startCollector(ctx context.Context, store evidence.Store, reg *registry.Live, city mqtt.ClientOptions, own map[string]ed25519.PublicKey) error {
	quarantine, err := collector.OpenQuarantine(collector.QuarantineOptions{Dir: p.c.quarantineDir(), Registerer: p.metrics})
	if err != nil {
		return err
	}
	c, err := collector.New(collector.Options{
		Store: store, BridgeKeys: bridgeKeys(reg, own), Quarantine: quarantine,
		KnownDevice: func(base, device string) bool { return reg.Current().KnownDevice(base, device) },
		ShareGroup:  p.c.String("city.share-group"), Logger: p.log.With("part", "collector"), Registerer: p.metrics,
	})
	if err != nil {
		return err
	}
	p.stack.Go(ctx, "collector", func(ctx context.Context) error { return c.Run(ctx, city) })
	return nil
}

// bridgeKeys finds the keys that a bridge may sign with: those of the registry, and the process's own bridge's.
func bridgeKeys(reg *registry.Live, own map[string]ed25519.PublicKey) func(base, id string, atMs int64) []ed25519.PublicKey {
	return func(base, id string, atMs int64) []ed25519.PublicKey {
		if key, ok := own[base+"/"+id]; ok {
			return []ed25519.PublicKey{key}
		}
		b, err := reg.Current().Bridge(base, id)
		if err != nil {
			return nil
		}
		return b.KeysAt(atMs)
	}
}

// startServer serves the API and the board, and returns where.
func (p *process) startServer(ctx context.Context, store evidence.Store, reg *registry.Live, l *ledger.Ledger) (string, error) {
	reference, err := p.followReference(ctx, reg, l)
	if err != nil {
		return "", err
	}
	o := api.Options{
		World: func() *api.World { return worldOf(store, reference.Current()) }, Store: store, Ledger: l,
		Ready: map[string]func(context.Context) error{"evidence": store.Ping, "ledger": l.Ping}, Gatherer: p.metrics, Registerer: p.metrics,
		Floor: p.c.floor(), Version: obs.ReadBuild().Version, Logger: p.log.With("part", "api"),
	}
	o.Intake = func(ctx context.Context) (*intake.Desk, error) {
		return intakeDesk(ctx, p.office(l), reg.Current())
	}
	o.Identities = func(ctx context.Context) (*identity.Desk, error) {
		vault, err := openVault(ctx, p.office(l), false)
		if err != nil {
			return nil, err
		}
		return p.office(l).desk(vault)
	}
	keeper := &settle.Keeper{
		Settler: worldOf(store, reference.Current()).Settler, Ledger: l, Logger: p.log.With("part", "settle"), Clues: clue.DefaultParams(),
		Reference: func(context.Context) (*ledger.Reference, error) { return reference.Current(), nil },
	}
	o.Periods, o.Corrections = &settle.Periods{Keeper: keeper}, &settle.Corrections{Keeper: keeper}
	if err := p.openDoor(ctx, l, &o); err != nil {
		return "", err
	}
	server, err := api.New(o)
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", p.c.String("http.addr"))
	if err != nil {
		return "", fmt.Errorf("listen for HTTP (--http.addr): %w", err)
	}
	p.stack.Go(ctx, "settle", func(ctx context.Context) error { keeper.Run(ctx); return nil })
	p.stack.Go(ctx, "http", func(ctx context.Context) error { return server.Serve(ctx, listener) })
	p.log.Info("HTTP listens", "url", "http://"+listener.Addr().String())
	return "http://" + listener.Addr().String(), nil
}

// office is what works with identities in this process.
func (p *process) office(l *ledger.Ledger) *office {
	return &office{c: p.c, ledger: l, audit: auditLog{access.New(l.DB(), access.Options{})}, now: p.now}
}

// worldOf is what the API shows figures by.
func worldOf(store evidence.Store, r *ledger.Reference) *api.World {
	return &api.World{Settler: settle.New(store, r.Registry, r.Calendar), Registry: r.Registry, Calendar: r.Calendar, Rosters: r.Rosters}
}

// openLedger opens the ledger and has the stack close it.
func (p *process) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	l, err := ledger.Open(ctx, p.c.path("ledger.path", "ledger.db"))
	if err != nil {
		return nil, err
	}
	p.stack.Add("ledger", func(context.Context) error { return l.Close() })
	return l, nil
}

// linkOptions are the client options for a link to the city's broker, before its credentials.
func (p *process) linkOptions(link, clientID string) mqtt.ClientOptions {
	return mqtt.ClientOptions{
		ClientID: clientID, CleanSession: true, Logger: p.log.With("part", link),
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"link": link}, p.metrics),
	}
}

// cityOptions are linkOptions with the address and credentials of the settings' group of that name.
func (p *process) cityOptions(group, clientID string) mqtt.ClientOptions {
	o := p.linkOptions(group, clientID)
	o.URL, o.Username = p.c.String(group+".url"), p.c.String(group+".username")
	o.Password = obs.Secret(p.c.Secret(group + ".password").Reveal())
	return o
}
