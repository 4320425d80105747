package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// baseCode is the base whose bridge is a process of its own.
const baseCode = "cq01"

// installation is a whole service of processes: a bridge at one base, the city's mosquitto, collectors and influxd.
type installation struct {
	h                    *harness
	dir, logDir          string
	influxAddr, cityAddr string
	baseAddr, adminAddr  string // of the base's broker, and of the bridge's metrics
	wan                  *wan   // between the bridge and the city's broker
	influxd, broker      *server
	bridge               *server
	collectors           []*server
	store                *influx.Store
	bridgeExtra          []string // further settings of the bridge
}

// plan says how an installation differs from the usual one.
type plan struct {
	bridge     []string // further settings of the bridge
	logDir     string   // "" is the usual folder
	collectors int      // 0 is one alone; more share the frames
}

// install sets an installation up and starts it. The caller closes it.
func (h *harness) install(ctx context.Context, p plan) (*installation, error) {
	dir, err := h.folder("installation")
	if err != nil {
		return nil, err
	}
	in := &installation{h: h, dir: dir, bridgeExtra: p.bridge, logDir: p.logDir}
	if in.logDir == "" {
		in.logDir = filepath.Join(dir, "bridge", "log")
	}
	if err := errors.Join(in.lay(), in.prepare(max(1, p.collectors))); err != nil {
		return nil, errors.Join(err, in.close())
	}
	for _, s := range in.servers() {
		if err := s.start(ctx); err != nil {
			return nil, errors.Join(err, in.close())
		}
	}
	return in, nil
}

// lay makes the folders, the bridge's key and the registry that knows it.
func (in *installation) lay() error {
	for _, name := range []string{"bridge", "city", "registry", "mosquitto", "influxd"} {
		if err := os.Mkdir(filepath.Join(in.dir, name), 0o750); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	key, err := frame.GenerateKey()
	if err != nil {
		return err
	}
	if err := frame.WriteKey(filepath.Join(in.dir, "bridge", "bridge.key"), key); err != nil {
		return err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("the bridge's key has no Ed25519 public key")
	}
	reg, err := registry.New(registry.Base{
		Code: baseCode, Name: "故障基地", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Bridges:   []registry.Bridge{{ID: bridgeID, Keys: []registry.BridgeKey{{Key: public, Valid: registry.Always()}}}},
		Hours: []registry.Hours{{
			Valid: registry.Always(), Workday: registry.Times{{Start: 8 * 60, End: 20 * 60}}, Restday: registry.Times{{Start: 8 * 60, End: 20 * 60}},
		}},
	})
	if err != nil {
		return err
	}
	return writeRegistry(filepath.Join(in.dir, "registry", "base.yaml"), reg)
}

func writeRegistry(path string, reg *registry.Registry) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write registry: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return reg.WriteYAML(f)
}

// prepare finds the addresses and makes the servers, which do not run yet.
func (in *installation) prepare(collectors int) (err error) {
	for _, addr := range []*string{&in.influxAddr, &in.cityAddr, &in.baseAddr, &in.adminAddr} {
		if *addr, err = freeAddr(); err != nil {
			return err
		}
	}
	if in.store, err = influx.New(influx.Options{URL: "http://" + in.influxAddr, Bucket: "jishi/autogen"}); err != nil {
		return err
	}
	if in.wan, err = newWAN(in.cityAddr); err != nil {
		return err
	}
	if in.influxd, err = in.h.influxd(filepath.Join(in.dir, "influxd"), in.influxAddr); err != nil {
		return err
	}
	if in.broker, err = in.h.mosquitto(filepath.Join(in.dir, "mosquitto"), in.cityAddr); err != nil {
		return err
	}
	for i := range collectors {
		c, err := in.h.service(fmt.Sprintf("collector %d", i+1), "collecting", func() []string { return in.collectArgs(collectors > 1) })
		if err != nil {
			return err
		}
		in.collectors = append(in.collectors, c)
	}
	in.bridge, err = in.h.service("bridge", "public key", in.bridgeArguments)
	return err
}

// The bridge waits less than usual, so that a hundred recoveries do not take an hour; what it promises is the same.
func (in *installation) bridgeArguments() []string {
	args := []string{
		"bridge", "--data.dir", filepath.Join(in.dir, "bridge"), "--spool.dir", in.logDir, "--base.code", baseCode,
		"--bridge.id", bridgeID, "--broker.addr", in.baseAddr, "--uplink.url", "tcp://" + in.wan.addr(), "--admin.addr", in.adminAddr,
		"--bridge.linger", "50ms", "--bridge.ack-timeout", "500ms", "--log.level", "warn",
	}
	return append(args, in.bridgeExtra...)
}

func (in *installation) collectArgs(shared bool) []string {
	args := []string{
		"collect", "--data.dir", filepath.Join(in.dir, "city"), "--registry.path", filepath.Join(in.dir, "registry"),
		"--city.url", "tcp://" + in.cityAddr, "--evidence.kind", "influx", "--influx.url", "http://" + in.influxAddr,
		"--influx.bucket", "jishi/autogen", "--log.level", "warn",
	}
	if shared {
		args = append(args, "--city.share-group", "city")
	}
	return args
}

// servers are the processes in the order in which they start.
func (in *installation) servers() []*server {
	return append(append([]*server{in.influxd, in.broker}, in.collectors...), in.bridge)
}

// close ends what runs and removes what was written.
func (in *installation) close() error {
	for _, s := range []*server{in.bridge, in.broker, in.influxd} {
		if s != nil {
			s.stop()
		}
	}
	for _, s := range in.collectors {
		s.stop()
	}
	if in.wan != nil {
		in.wan.close()
	}
	if in.store != nil {
		_ = in.store.Close()
	}
	if err := os.RemoveAll(in.dir); err != nil {
		return fmt.Errorf("remove installation: %w", err)
	}
	return nil
}

// hurryWithin is the longest that the city may take to catch up before the row is given up.
const hurryWithin = 3 * time.Minute

// drained waits until the city has heard of everything that is in the bridge's log.
func (in *installation) drained(ctx context.Context) error {
	return await(ctx, hurryWithin, "the city has everything", func() (bool, error) {
		if in.bridge.hasEnded() {
			return false, fmt.Errorf("bridge: %w:\n%s", errEnded, in.bridge.output)
		}
		for _, name := range []string{"jishi_log_pending_records", "jishi_log_missing_records"} {
			// No answer yet is no end.
			if n, err := metric(ctx, in.adminAddr, name); err != nil || n > 0 {
				return false, nil //nolint:nilerr // see above
			}
		}
		return true, nil
	})
}

// has waits until the evidence store has, of each device, the message that the device was told last is safe, or a later one.
func (in *installation) has(ctx context.Context, promised []int) error {
	at := 0
	return await(ctx, hurryWithin, "the evidence store has what the devices were promised", func() (bool, error) {
		for ; at < len(promised); at++ {
			last, err := in.store.Latest(ctx, baseCode, deviceName(at))
			if err != nil || !reaches(last, promised[at]) {
				return false, nil //nolint:nilerr // influxd may be dead at the moment
			}
		}
		return true, nil
	})
}

func reaches(last []evidence.Entry, n int) bool {
	for i := range last {
		if count, ok := last[i].Value("count"); ok && int(count) >= n {
			return true
		}
	}
	return n == 0
}
