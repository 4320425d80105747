package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/dialect/esphome"
	"github.com/jishi-telemetry/jishi/internal/dialect/esprfid"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/dialect/sparkplug"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/dialect/zigbee2mqtt"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/lifecycle"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// guarding opens the guard of `jishi bridge` with these flags.
func guarding(t *testing.T, dir string, args ...string) error {
	t.Helper()
	cmd := &cobra.Command{Use: "bridge"}
	c := withSettings(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := c.Load(nil, ""); err != nil {
		t.Fatal(err)
	}
	c.dir = dir
	logger := slog.New(slog.DiscardHandler)
	p := &process{c: c, log: logger, metrics: obs.NewRegistry(obs.ReadBuild()), stack: lifecycle.New(logger, 0)}
	_, err := p.openGuard()
	return err
}

// A broker that other machines reach is never open to all by mistake.
func TestGuardRefusesToBeOpen(t *testing.T) {
	t.Parallel()
	empty, kept := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(kept, credential.FileName), []byte("devices: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(empty, "broken.yaml")
	if err := os.WriteFile(broken, []byte("devices: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		dir  string
		args []string
		want string // part of the error, "" for none
	}{
		"the default":               {empty, nil, ""},
		"localhost":                 {empty, []string{"--broker.addr=localhost:0"}, ""},
		"IPv6 loopback":             {empty, []string{"--broker.addr=[::1]:0"}, ""},
		"every address":             {empty, []string{"--broker.addr=:1883"}, "--broker.addr"},
		"another address":           {empty, []string{"--broker.addr=10.0.0.1:1883"}, "--broker.addr"},
		"every IPv6 address":        {empty, []string{"--broker.addr=[::]:1883"}, "--broker.addr"},
		"a name":                    {empty, []string{"--broker.addr=base.example:1883"}, "--broker.addr"},
		"anonymous on purpose":      {empty, []string{"--broker.addr=:1883", "--broker.anonymous"}, ""},
		"with credentials":          {kept, []string{"--broker.addr=:1883"}, ""},
		"credentials and anonymous": {kept, []string{"--broker.anonymous"}, "--broker.anonymous"},
		"credentials that are not":  {empty, []string{"--broker.credentials=" + filepath.Join(empty, "none.yaml")}, "no such file"},
		"credentials with mistakes": {empty, []string{"--broker.credentials=" + broken}, "broken.yaml:1"},
		"TLS without certificate":   {kept, []string{"--broker.tls-addr=:8883"}, "--broker.tls-cert"},
		"certificate without TLS":   {kept, []string{"--broker.tls-cert=x"}, "--broker.tls-cert"},
		"authority without TLS":     {kept, []string{"--broker.client-ca=x"}, "--broker.client-ca"},
		"required without one":      {kept, []string{"--broker.client-cert=required"}, "--broker.client-cert"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := guarding(t, tt.dir, tt.args...)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// What is reserved is what bridges and collectors use, and no device's topic.
func TestReservedTopics(t *testing.T) {
	t.Parallel()
	for _, topic := range []string{frame.FrameTopic("b", "x"), frame.AckTopic("b", "x"), frame.FrameFilter(), frame.AckTopic("+", "+"), frame.FrameTopic("基地", "x")} {
		if !reservedTopic(topic) {
			t.Errorf("%s is not reserved", topic)
		}
	}
	for _, topic := range []string{"jishi/v1/b/dev/d/sample", "jishi/v1/b/dev/d/frame", "tele/x/frame", "jishi/v1/frame", "jishi/v1/#"} {
		if reservedTopic(topic) {
			t.Errorf("%s is reserved", topic)
		}
	}
}

// An entry's dialect is one that the bridge speaks, and none is missing.
func TestCredentialsKnowTheDialects(t *testing.T) {
	t.Parallel()
	want := []string{esphome.Name, esprfid.Name, mapping.Name, mtconnect.Name, native.Name, shelly.Name, sparkplug.Name, tasmota.Name, zigbee2mqtt.Name}
	slices.Sort(want)
	if diff := cmp.Diff(want, credential.Dialects()); diff != "" {
		t.Errorf("(-spoken +known):\n%s", diff)
	}
}
