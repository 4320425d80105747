package main_test

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

const testBase, testBridge = "cq01", "b1"

// city is a whole installation of processes for one test: a city's broker, a bridge at one base, a collector, and a store.
type city struct {
	t         testing.TB
	dir       string
	cityAddr  string // of the city's broker
	baseAddr  string // of the base's broker
	adminAddr string // of the bridge
	influxd   *influxdtest.Server
	registry  *registry.Registry
	bridge    *process
	collector *process
}

// storeKind is which evidence store a city has.
type storeKind string

const (
	onSQLite storeKind = "embedded"
	onInflux storeKind = "influx"
)

// newCity writes the registry and the bridge's key, and starts a broker for the city. brokerURL is the city's broker when
// it is not to be the embedded one.
func newCity(t testing.TB, kind storeKind, base registry.Base, brokerAddr string) *city {
	t.Helper()
	c := &city{t: t, dir: t.TempDir(), cityAddr: brokerAddr, baseAddr: freeAddr(t), adminAddr: freeAddr(t)}
	if c.cityAddr == "" {
		c.cityAddr = embeddedBroker(t)
	}
	if kind == onInflux {
		c.influxd = influxdtest.Start(t)
	}
	key, err := frame.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c.mkdir("bridge")
	c.mkdir("city")
	if err := frame.WriteKey(c.path("bridge", "bridge.key"), key); err != nil {
		t.Fatal(err)
	}
	base.Code = testBase
	base.Bridges = []registry.Bridge{{ID: testBridge, Keys: []registry.BridgeKey{{Key: key.Public().(ed25519.PublicKey), Valid: registry.Always()}}}}
	if c.registry, err = registry.New(base); err != nil {
		t.Fatal(err)
	}
	c.writeRegistry()
	return c
}

func (c *city) path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

func (c *city) mkdir(name string) {
	if err := os.MkdirAll(c.path(name), 0o750); err != nil {
		c.t.Fatal(err)
	}
}

func (c *city) writeRegistry() {
	c.t.Helper()
	c.mkdir("registry")
	f, err := os.Create(c.path("registry", "base.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.registry.WriteYAML(f); err != nil {
		c.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func embeddedBroker(t testing.TB) string {
	t.Helper()
	b, err := mqtt.NewBroker(mqtt.BrokerOptions{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.Addr()
}

// storeArgs are the settings by which a command finds the city's store and registry.
func (c *city) storeArgs() []string {
	args := []string{"--data.dir", c.path("city"), "--registry.path", c.path("registry")}
	if c.influxd != nil {
		args = append(args, "--evidence.kind", "influx", "--influx.url", c.influxd.URL(), "--influx.bucket", "jishi/autogen")
		if token := c.influxd.Token(); token != "" {
			args = append(args, "--influx.token", token)
		}
	}
	return args
}

func (c *city) startBridge() {
	c.t.Helper()
	c.bridge = start(c.t, "bridge", "public key", "bridge", "--data.dir", c.path("bridge"), "--base.code", testBase,
		"--bridge.id", testBridge, "--broker.addr", c.baseAddr, "--uplink.url", "tcp://"+c.cityAddr, "--admin.addr", c.adminAddr,
		"--bridge.replay-clock", "--bridge.ack-timeout", "2s", "--log.level", "warn")
}

func (c *city) startCollector() {
	c.t.Helper()
	args := append([]string{"collect", "--city.url", "tcp://" + c.cityAddr, "--log.level", "warn"}, c.storeArgs()...)
	c.collector = start(c.t, "collector", "collecting", args...)
}

func (c *city) replay(args ...string) *process {
	c.t.Helper()
	return start(c.t, "replay", "", append([]string{"sim", "replay", "--quiet", "--broker", "tcp://" + c.baseAddr}, args...)...)
}

// drained waits until the city has acknowledged all that the bridge has logged.
func (c *city) drained(limit time.Duration) {
	c.t.Helper()
	until(c.t, limit, "the city has everything", func() bool {
		return metric(c.t, c.adminAddr, "jishi_log_pending_records") == 0
	})
}

// store opens the city's evidence for the test's own eyes.
func (c *city) store() evidence.Store {
	c.t.Helper()
	var store evidence.Store
	var err error
	if c.influxd != nil {
		store, err = influx.New(influx.Options{URL: c.influxd.URL(), Bucket: "jishi/autogen", Token: obs.Secret(c.influxd.Token())})
	} else {
		store, err = embedded.Open(c.t.Context(), c.path("city", "evidence.db"), embedded.Options{ReadOnly: true})
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = store.Close() })
	return store
}

func (c *city) settler() *settle.Settler {
	c.t.Helper()
	cal, err := calendar.New()
	if err != nil {
		c.t.Fatal(err)
	}
	return settle.New(c.store(), c.registry, cal)
}
