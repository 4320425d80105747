package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// site is a base with its bridge, and the city's registry that knows both.
type site struct {
	dir      string
	registry *registry.Registry
	key      ed25519.PublicKey
}

// newSite makes the bridge's key and the registry's file.
func (b *bench) newSite(machines int) (*site, error) {
	dir, err := b.folder("site")
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir}
	for _, name := range []string{"bridge", "city", "registry"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o750); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	key, err := frame.GenerateKey()
	if err != nil {
		return nil, err
	}
	if err := frame.WriteKey(filepath.Join(dir, "bridge", "bridge.key"), key); err != nil {
		return nil, err
	}
	var ok bool
	if s.key, ok = key.Public().(ed25519.PublicKey); !ok {
		return nil, errors.New("the bridge's key has no Ed25519 public key")
	}
	if s.registry, err = registry.New(registeredBase(machines, s.key)); err != nil {
		return nil, err
	}
	return s, s.writeRegistry()
}

// logDir is where the site's bridge has its log.
func (s *site) logDir() string { return filepath.Join(s.dir, "bridge", "log") }

func (s *site) writeRegistry() (err error) {
	f, err := os.Create(filepath.Join(s.dir, "registry", "base.yaml"))
	if err != nil {
		return fmt.Errorf("write registry: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.registry.WriteYAML(f)
}

// registeredBase is a base of so many machines, each read by the power of a meter of its own.
func registeredBase(machines int, key ed25519.PublicKey) registry.Base {
	const room = "lab"
	base := registry.Base{
		Code: baseCode, Name: "测速基地", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Bridges:   []registry.Bridge{{ID: bridgeID, Keys: []registry.BridgeKey{{Key: key, Valid: registry.Always()}}}},
		Hours: []registry.Hours{{
			Valid: registry.Always(), Workday: registry.Times{{Start: 8 * 60, End: 20 * 60}}, Restday: registry.Times{{Start: 8 * 60, End: 20 * 60}},
		}},
		Workshops: []registry.Workshop{{ID: room, Name: "车间"}},
	}
	for i := range machines {
		id, device := fmt.Sprintf("mill-%03d", i), deviceName(i)
		base.Equipment = append(base.Equipment, registry.Equipment{
			ID: id, AssetNumber: id, Name: id, Workshop: room, Category: registry.General, Profile: registry.Machine,
			QuotaHours: 1400, InService: registry.Always(),
			Signal: registry.Signal{Kind: registry.SignalPower, Power: &registry.PowerRule{
				OffW: 20, RunW: 600, Hysteresis: registry.DefaultHysteresis,
				DwellOn: registry.DefaultDwellOn, DwellOff: registry.DefaultDwellOff,
			}},
		})
		base.Devices = append(base.Devices, registry.Device{ID: device, Name: device, Kind: registry.Meter})
		base.Bindings = append(base.Bindings, registry.Binding{
			Device: device, Equipment: id, Use: registry.UseState, Valid: registry.Always(),
		})
	}
	return base
}

// jishi starts one of the binary's processes, which says when it is ready.
func (b *bench) command(ctx context.Context, readyWord string, args ...string) (*process, error) {
	binary, err := filepath.Abs(b.jishi)
	if err != nil {
		return nil, fmt.Errorf("find jishi: %w", err)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = b.temp // where no settings file lies
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "JISHI_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return start(ctx, cmd, "jishi "+args[0], func(p *process) bool { return strings.Contains(p.output.String(), readyWord) })
}

// benchLinger is how long the bridge lets the last frame of a run wait for more: so little that it does not count among
// the seconds of a run.
const benchLinger = 20 * time.Millisecond

// running is a process of ours with the address of its metrics.
type running struct {
	*process
	addr  string // of the broker, where there is one
	admin string
}

// startBridge starts the site's bridge with its broker; uplink is the city's broker, "" for none, and linger how long
// frames wait, 0 for the bridge's own default.
func (b *bench) startBridge(ctx context.Context, s *site, uplink string, linger time.Duration) (*running, error) {
	r, err := newRunning()
	if err != nil {
		return nil, err
	}
	args := []string{
		"bridge", "--data.dir", filepath.Join(s.dir, "bridge"), "--base.code", baseCode, "--bridge.id", bridgeID,
		"--broker.addr", r.addr, "--log.level", "warn",
	}
	if linger > 0 {
		args = append(args, "--bridge.linger", linger.String())
	}
	if uplink != "" {
		args = append(args, "--uplink.url", "tcp://"+uplink)
	}
	r.process, err = b.command(ctx, "public key", append(args, b.adminArgs(r.admin)...)...)
	return r, err
}

// startCollector starts a collector that writes to InfluxDB.
func (b *bench) startCollector(ctx context.Context, s *site, city, influx string) (*running, error) {
	r, err := newRunning()
	if err != nil {
		return nil, err
	}
	args := []string{
		"collect", "--data.dir", filepath.Join(s.dir, "city"), "--registry.path", filepath.Join(s.dir, "registry"),
		"--city.url", "tcp://" + city, "--evidence.kind", "influx", "--influx.url", influx, "--influx.bucket", bucket,
		"--log.level", "warn",
	}
	r.process, err = b.command(ctx, "collecting", append(args, b.adminArgs(r.admin)...)...)
	return r, err
}

func (b *bench) adminArgs(addr string) []string {
	args := []string{"--admin.addr", addr}
	if b.profiles != "" {
		args = append(args, "--admin.pprof")
	}
	return args
}

func newRunning() (*running, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return &running{addr: addr, admin: admin}, nil
}

// profile writes a CPU profile of the next seconds into a file, when profiles are wanted.
func (b *bench) profile(ctx context.Context, r *running, name string, d time.Duration) error {
	if b.profiles == "" {
		return nil
	}
	body, err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", r.admin, int(d.Seconds())))
	if err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	if err := os.MkdirAll(b.profiles, 0o750); err != nil {
		return fmt.Errorf("profile %s: %w", name, err)
	}
	return os.WriteFile(filepath.Join(b.profiles, name+".pprof"), []byte(body), 0o600)
}
