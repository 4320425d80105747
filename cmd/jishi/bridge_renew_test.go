package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// command runs the binary to its end and returns what it printed and its exit code.
func command(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), jishi(t), args...)
	cmd.Env = environment()
	b, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(b), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b), 0
}

// TestForkedLogIsRenewed is the whole story of a restored backup: the city refuses what the bridge goes on with, status
// says so and what to do, renew-log carries it over, and then every sample of every device is stored, once.
func TestForkedLogIsRenewed(t *testing.T) {
	t.Parallel()
	c := newCity(t, onSQLite, registry.Base{
		Name: "基地", Tier: "N", Districts: nistBase().Districts, Hours: nistBase().Hours,
	}, "")
	c.startCollector()
	bridgeArgs := []string{
		"bridge", "--data.dir", c.path("bridge"), "--base.code", testBase, "--bridge.id", testBridge, "--broker.addr", c.baseAddr,
		"--uplink.url", "tcp://" + c.cityAddr, "--admin.addr", c.adminAddr, "--bridge.linger", "20ms", "--bridge.ack-timeout", "1s", "--log.level", "warn",
	}
	begin := func() { c.bridge = start(t, "bridge", "public key", bridgeArgs...) }
	log, backup := c.path("bridge", "log"), c.path("backup")
	startMs, said := time.Now().UnixMilli(), 0
	say := func(n int) {
		t.Helper()
		device, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + c.baseAddr, ClientID: "meter", CleanSession: true})
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			payload := fmt.Appendf(nil, `{"t":%d,"v":{"power_w":%d}}`, startMs-10_000+int64(said), said)
			if err := device.Publish(t.Context(), "jishi/v1/"+testBase+"/dev/meter/sample", 1, false, payload); err != nil {
				t.Fatal(err)
			}
			said++
		}
		if err := device.Close(); err != nil {
			t.Error(err)
		}
	}

	begin()
	say(150)
	c.drained(time.Minute)
	c.bridge.kill9()
	if err := os.CopyFS(backup, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}
	begin()
	say(150)
	c.drained(time.Minute)
	c.bridge.kill9()
	if err := errors.Join(os.RemoveAll(log), os.CopyFS(log, os.DirFS(backup))); err != nil {
		t.Fatal(err)
	}
	begin()
	say(150)
	until(t, time.Minute, "the city refuses", func() bool {
		return metric(t, c.adminAddr, `jishi_bridge_refused_frames{reason="forked"}`) > 0
	})

	out, code := command(t, "bridge", "status", "--admin.addr", c.adminAddr, "--json")
	var status struct {
		Attention []struct{ Code, Severity string }
		Uplink    struct{ Refused []struct{ Reason string } }
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&status); err != nil {
		t.Fatalf("%v in:\n%s", err, out)
	}
	if code != 1 || len(status.Attention) == 0 || status.Attention[0].Code != "JishiLogForked" || status.Uplink.Refused[0].Reason != frame.RefusedForked {
		t.Errorf("status ends with %d and tells %+v", code, status)
	}
	if out, code := command(t, "bridge", "renew-log", "--data.dir", c.path("bridge")); code != 1 || !strings.Contains(out, "stop it first") {
		t.Errorf("renew-log beside the bridge ends with %d:\n%s", code, out)
	}
	c.bridge.stop()
	if out, code := command(t, "bridge", "renew-log", "--data.dir", c.path("bridge")); code != 0 || !strings.Contains(out, "carried over: ") {
		t.Fatalf("renew-log ends with %d:\n%s", code, out)
	}

	begin()
	say(50)
	c.drained(time.Minute)
	out, code = command(t, "bridge", "status", "--admin.addr", c.adminAddr)
	if code != 0 || !strings.Contains(out, "一切正常 all is well") {
		t.Errorf("status after the renewal ends with %d:\n%s", code, out)
	}
	c.bridge.stop()
	times := map[float64]int{}
	q := evidence.Query{Base: testBase, Device: "meter", Kinds: []telemetry.Kind{telemetry.KindSample}, Window: everything()}
	if err := c.store().Read(t.Context(), q, func(e *evidence.Entry) error {
		power, _ := e.Value(telemetry.PowerW)
		if want := startMs - 10_000 + int64(power); e.EventMs != want {
			t.Errorf("the sample of %d is stored at %d", want, e.EventMs)
		}
		times[power]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range said {
		if n := times[float64(i)]; n != 1 {
			t.Errorf("sample %d is stored %d times", i, n)
		}
	}
}
