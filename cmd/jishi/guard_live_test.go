package main_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// guarded is a bridge in a process of its own whose devices need passwords.
type guarded struct {
	t           testing.TB
	dir         string
	addr, admin string
	process     *process
}

var shownPassword = regexp.MustCompile(`password: ([a-z2-9]{24}) `)

// device runs `jishi device` and returns the password that it showed, "" when it showed none.
func (g *guarded) device(args ...string) string {
	g.t.Helper()
	shown := shownPassword.FindStringSubmatch(output(g.t, append([]string{"device", "--data.dir", g.dir}, args...)...))
	if shown == nil {
		return ""
	}
	return shown[1]
}

func (g *guarded) start() {
	g.t.Helper()
	g.addr, g.admin = freeAddr(g.t), freeAddr(g.t)
	g.process = start(g.t, "bridge", "public key", "bridge", "--data.dir", g.dir, "--base.code", testBase, "--bridge.id", testBridge,
		"--broker.addr", g.addr, "--admin.addr", g.admin)
}

func (g *guarded) dial(name, password string) (*mqtt.Client, error) {
	return mqtt.Dial(g.t.Context(), mqtt.ClientOptions{
		URL: "tcp://" + g.addr, ClientID: name, CleanSession: true, Username: name, Password: obs.Secret(password),
	})
}

// say publishes at QoS 1 and returns whether it was acknowledged.
func (g *guarded) say(c *mqtt.Client, topic string, payload []byte) bool {
	g.t.Helper()
	token := c.PublishAsync(topic, 1, false, payload)
	select {
	case <-token.Done():
		return token.Err() == nil
	case <-time.After(30 * time.Second):
		g.t.Fatal("the publish does not end")
		return false
	}
}

// refused is the process's metric of one reason.
func (g *guarded) refused(reason string) bool {
	g.t.Helper()
	response, err := http.Get("http://" + g.admin + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.Contains(string(text), `jishi_mqtt_broker_refused_total{reason="`+reason+`"} `)
}

// TestDevicesThatMayNot is a base from its first credentials to a revocation, with the real programs.
func TestDevicesThatMayNot(t *testing.T) {
	t.Parallel()
	g := &guarded{t: t, dir: t.TempDir()}
	right := g.device("add", "plug-1", "--dialect", "native")
	other := g.device("add", "plug-2", "--dialect", "native")
	g.start()

	own := "jishi/v1/" + testBase + "/dev/plug-1/sample"
	sample := []byte(`{"v":{"power_w":1}}`)
	for name, login := range map[string][2]string{"wrong_password": {"plug-1", other}, "unknown_name": {"plug-9", right}, "anonymous": {"", ""}} {
		if _, err := g.dial(login[0], login[1]); !errors.Is(err, mqtt.ErrRefused) {
			t.Errorf("%s: got %v", name, err)
		}
		until(t, 10*time.Second, name+" is counted", func() bool { return g.refused(name) })
	}
	connect := func(name, password string) *mqtt.Client {
		t.Helper()
		c, err := g.dial(name, password)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	if !g.say(connect("plug-1", right), own, sample) {
		t.Error("a device may not publish its own topic")
	}
	if g.say(connect("plug-2", other), own, sample) || g.say(connect("plug-2", other), "jishi/v1/"+testBase+"/"+testBridge+"/frame", sample) {
		t.Error("a device may publish as another, or as the bridge")
	}
	if g.say(connect("plug-1", right), own, make([]byte, 300<<10)) {
		t.Error("a payload over the limit was acknowledged")
	}
	for _, reason := range []string{"publish", "oversized"} {
		until(t, 10*time.Second, reason+" is counted", func() bool { return g.refused(reason) })
	}
	if log := g.process.out.String(); !strings.Contains(log, "name=plug-2") || !strings.Contains(log, "name=plug-1") || strings.Contains(log, right) || strings.Contains(log, other) {
		t.Error("the log does not name who was refused, or shows a password")
	}

	// A new password beside the old one, and then neither.
	old := connect("plug-1", right)
	next := g.device("rotate", "plug-1")
	until(t, 10*time.Second, "the new password is good", func() bool {
		c, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + g.addr, ClientID: "second", CleanSession: true, Username: "plug-1", Password: obs.Secret(next)})
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	if !g.say(old, own, sample) {
		t.Error("the connection of the old password ended with the rotation")
	}
	g.device("revoke", "plug-1")
	if err := g.process.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-old.Lost():
	case <-time.After(30 * time.Second):
		t.Error("the connection of a revoked device goes on")
	}
	for _, password := range []string{right, next} {
		if _, err := g.dial("plug-1", password); !errors.Is(err, mqtt.ErrRefused) {
			t.Errorf("a revoked device: got %v", err)
		}
	}
	until(t, 10*time.Second, "the revocation is counted", func() bool { return g.refused("withdrawn") && g.refused("disabled") })
}

// An anonymous base on the loopback needs credentials from the moment that there are some.
func TestFirstCredentialsOfARunningBridge(t *testing.T) {
	t.Parallel()
	g := &guarded{t: t, dir: t.TempDir()}
	g.start()
	stranger, err := g.dial("", "")
	if err != nil {
		t.Fatal(err)
	}
	password := g.device("add", "plug-1", "--dialect", "native")
	select {
	case <-stranger.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("an anonymous client stays")
	}
	c, err := g.dial("plug-1", password)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	g.process.stop()
	if err := os.Remove(g.dir + "/credentials.yaml"); err != nil {
		t.Fatal(err)
	}
	open := exec.Command(jishi(t), "bridge", "--data.dir", g.dir, "--broker.addr", ":0")
	open.Env = environment()
	if out, err := open.CombinedOutput(); err == nil || !strings.Contains(string(out), "--broker.addr") {
		t.Errorf("without its credentials the bridge serves everyone: %v\n%s", err, out)
	}
}
