package credential_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

// base is a broker guarded by a file, as a base has it, and what came in.
type base struct {
	t      *testing.T
	file   *file
	keeper *credential.Keeper
	broker *mqtt.Broker
	reg    *prometheus.Registry

	mu  sync.Mutex // guards got
	got []string   // name, topic and payload of what was captured
}

func newBase(t *testing.T, devices string, change ...func(*mqtt.BrokerOptions)) *base {
	t.Helper()
	b := &base{t: t, file: newFile(t, devices), reg: prometheus.NewPedanticRegistry()}
	b.keeper = b.file.open()
	o := mqtt.BrokerOptions{
		Addr: "127.0.0.1:0", Admit: b.keeper.Admit, Capture: func(topic string) bool { return !reserved(topic) }, Registerer: b.reg,
		Deliver: func(in mqtt.Inbound) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got = append(b.got, in.Name+" "+in.Topic+" "+string(in.Payload[:min(len(in.Payload), 20)]))
			in.Ack()
		},
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	if b.broker, err = mqtt.NewBroker(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.broker.Close() })
	if err := b.broker.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *base) captured() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.got...)
}

// dial connects as a device does.
func (b *base) dial(name, password string) (*mqtt.Client, error) {
	return mqtt.Dial(b.t.Context(), mqtt.ClientOptions{
		URL: "tcp://" + b.broker.Addr(), ClientID: "c-" + name, CleanSession: true, Username: name, Password: obs.Secret(password),
	})
}

func (b *base) connect(name, password string) *mqtt.Client {
	b.t.Helper()
	c, err := b.dial(name, password)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// refused returns how often a name was refused for a reason.
func (b *base) refused(who string, why mqtt.Denial) int64 {
	for _, r := range b.broker.Refusals() {
		if r.Who == who && r.Why == why && r.Remote.IsLoopback() && !r.Last.IsZero() {
			return r.Count
		}
	}
	return 0
}

// counted returns the metric of a reason.
func (b *base) counted(why mqtt.Denial) float64 {
	families, err := b.reg.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "jishi_mqtt_broker_refused_total" && m.GetLabel()[0].GetValue() == string(why) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// until waits for what must become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not: %s", what)
		}
	}
}

func done(t *testing.T, token *mqtt.Token) error {
	t.Helper()
	select {
	case <-token.Done():
		return token.Err()
	case <-time.After(10 * time.Second):
		t.Fatal("the publish does not end")
		return nil
	}
}

// Who publishes outside of its topics, with a wrong password or too much gets nowhere, and the operator sees who it was.
func TestWhoMayNotGetsNowhereAndIsSeen(t *testing.T) {
	t.Parallel()
	b := newBase(t, entry("plug-1", "    dialect: tasmota\n    max_payload: 100\n", "right")+entry("plug-2", "    dialect: tasmota\n", "other"))

	tests := map[string]struct {
		who string
		why mqtt.Denial
		do  func(t *testing.T)
	}{
		"wrong password": {"plug-1", credential.DeniedPassword, func(t *testing.T) {
			if _, err := b.dial("plug-1", "other"); !errors.Is(err, mqtt.ErrRefused) {
				t.Errorf("got %v", err)
			}
		}},
		"another's topic": {"plug-2", mqtt.DeniedPublish, func(t *testing.T) {
			if err := done(t, b.connect("plug-2", "other").PublishAsync("tele/plug-1/SENSOR", 1, false, []byte("forged"))); err == nil {
				t.Error("acknowledged")
			}
		}},
		"frames": {"plug-2", mqtt.DeniedPublish, func(t *testing.T) {
			if err := done(t, b.connect("plug-2", "other").PublishAsync("jishi/v1/b1/br/frame", 1, false, []byte("forged"))); err == nil {
				t.Error("acknowledged")
			}
		}},
		"oversized": {"plug-1", mqtt.DeniedOversized, func(t *testing.T) {
			if err := done(t, b.connect("plug-1", "right").PublishAsync("tele/plug-1/SENSOR", 1, false, make([]byte, 101))); err == nil {
				t.Error("acknowledged")
			}
		}},
		"oversized beyond reason": {"plug-1", mqtt.DeniedOversized, func(t *testing.T) {
			if err := done(t, b.connect("plug-1", "right").PublishAsync("tele/plug-1/SENSOR", 1, false, make([]byte, 2<<20))); err == nil {
				t.Error("acknowledged")
			}
		}},
		"everything": {"plug-2", mqtt.DeniedSubscribe, func(t *testing.T) {
			if err := b.connect("plug-2", "other").Subscribe(t.Context(), "#", 1); !errors.Is(err, mqtt.ErrRefused) {
				t.Errorf("got %v", err)
			}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			listed, counted := b.refused(tt.who, tt.why), b.counted(tt.why)
			tt.do(t)
			until(t, "the refusal is listed and counted", func() bool {
				return b.refused(tt.who, tt.why) > listed && b.counted(tt.why) > counted
			})
		})
	}
	if err := done(t, b.connect("plug-1", "right").PublishAsync("tele/plug-1/SENSOR", 1, false, []byte("mine"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"plug-1 tele/plug-1/SENSOR mine"}, b.captured()); diff != "" {
		t.Errorf("what came in (-want +got):\n%s", diff)
	}
}

// A password is exchanged while both are good, and then the old one ends, with what it connected.
func TestRotationAndRevocation(t *testing.T) {
	t.Parallel()
	old, next, other := hashed("old"), hashed("new"), entry("other", "", "right")
	device := func(rest string, hashes ...string) string {
		text := "  - name: plug\n" + rest + "    passwords:\n"
		for _, h := range hashes {
			text += "      - hash: \"" + h + "\"\n"
		}
		return text + other
	}
	b := newBase(t, device("", old))
	early, bystander := b.connect("plug", "old"), b.connect("other", "right")

	change := func(text string) (ended int) {
		t.Helper()
		b.file.write(text)
		if _, err := b.keeper.Reload(); err != nil {
			t.Fatal(err)
		}
		return b.broker.Review()
	}
	if ended := change(device("", old, next)); ended != 0 {
		t.Errorf("a second password ended %d connections", ended)
	}
	if err := done(t, early.PublishAsync("plug/x", 1, false, []byte("still here"))); err != nil {
		t.Errorf("connected by the old password: %v", err)
	}
	for _, password := range []string{"old", "new"} {
		c, err := b.dial("plug", password)
		if err != nil {
			t.Fatalf("with both good, the %s one: %v", password, err)
		}
		early = c
		defer c.Close()
	}
	if ended := change(device("", next)); ended != 0 {
		t.Errorf("the end of the old password ended %d connections of the new one", ended)
	}
	if _, err := b.dial("plug", "old"); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("the old password after its end: %v", err)
	}
	if ended := change(device("    disabled: true\n", next)); ended != 1 {
		t.Errorf("revocation ended %d connections, want 1", ended)
	}
	select {
	case <-early.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("the connection of a revoked device goes on")
	}
	if b.refused("plug", mqtt.DeniedWithdrawn) != 1 {
		t.Errorf("not in the list: %+v", b.broker.Refusals())
	}
	if _, err := b.dial("plug", "new"); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("a revoked device: %v", err)
	}
	if err := done(t, bystander.PublishAsync("other/x", 1, false, []byte("as ever"))); err != nil {
		t.Errorf("another device: %v", err)
	}
}

// A device that floods waits for its turn; nothing that was acknowledged is lost, and nobody else waits.
func TestAFloodHoldsBackOnlyTheOneWhoFloods(t *testing.T) {
	t.Parallel()
	b := newBase(t, entry("loud", "    messages_per_second: 100\n    burst: 20\n", "right")+entry("quiet", "", "right"))
	loud, quiet := b.connect("loud", "right"), b.connect("quiet", "right")
	begin := time.Now()
	var tokens []*mqtt.Token
	for i := range 60 {
		tokens = append(tokens, loud.PublishAsync("loud/x", 1, false, fmt.Append(nil, i)))
	}
	if err := done(t, quiet.PublishAsync("quiet/x", 1, false, []byte("q"))); err != nil {
		t.Fatal(err)
	}
	calm := time.Since(begin)
	for _, token := range tokens {
		if err := done(t, token); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took < 390*time.Millisecond || calm > took {
		t.Errorf("60 messages took %v, want 0.4 s for the 40 over the burst; the other device took %v", took, calm)
	}
	if got := len(b.captured()); got != 61 {
		t.Errorf("%d messages came in, want 61", got)
	}
	if b.refused("loud", mqtt.DeniedRate) == 0 || b.refused("quiet", mqtt.DeniedRate) != 0 {
		t.Errorf("refusals %+v", b.broker.Refusals())
	}
}

// What is for links is out of a reader's reach, though it may read everything.
func TestReaderReadsEverythingButFrames(t *testing.T) {
	t.Parallel()
	b := newBase(t, entry("board", "    role: reader\n", "right"))
	reader := b.connect("board", "right")
	if err := reader.Subscribe(t.Context(), "#", 1); err != nil {
		t.Fatal(err)
	}
	name, password := b.keeper.Link("bridge", []string{"a/frame"}, []string{"a/ack"})
	link := b.connect(name, password.Reveal())
	if err := done(t, link.PublishAsync("a/frame", 1, false, []byte("sealed"))); err != nil {
		t.Fatal(err)
	}
	if err := b.broker.Publish("tele/x", []byte("open"), false, 1); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-reader.Messages():
		if m.Topic != "tele/x" {
			t.Errorf("the reader was sent %s", m.Topic)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the reader was sent nothing")
	}
	if n := len(b.broker.Refusals()); n != 0 {
		t.Errorf("what is merely not sent to a reader is no refusal: %+v", b.broker.Refusals())
	}
}

// Certificates get devices in over TLS, beside passwords in plain; one that is taken out of the file ends its connection.
func TestCertificateBesidePassword(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	serving, err := credential.OpenServing(newServingFiles(t, a).options())
	if err != nil {
		t.Fatal(err)
	}
	press := "  - name: press\n    certificates: [{cn: press-3}]\n"
	plug := entry("plug", "", "right")
	b := newBase(t, press+plug, func(o *mqtt.BrokerOptions) { o.TLSAddr, o.TLS = "127.0.0.1:0", serving.Config() })
	encrypted := func(config *tls.Config, name, password string) (*mqtt.Client, error) {
		config.RootCAs = a.pool
		return mqtt.Dial(t.Context(), mqtt.ClientOptions{
			URL: "ssl://" + b.broker.TLSAddr(), ClientID: "c", CleanSession: true, TLS: config, Username: name, Password: obs.Secret(password),
		})
	}
	c, err := encrypted(&tls.Config{Certificates: []tls.Certificate{a.client("press-3")}}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := done(t, c.PublishAsync("press/x", 1, false, []byte("by certificate"))); err != nil {
		t.Error(err)
	}
	p, err := encrypted(&tls.Config{}, "plug", "right")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := encrypted(&tls.Config{Certificates: []tls.Certificate{a.client("stranger")}}, "plug", "right"); !errors.Is(err, mqtt.ErrRefused) {
		t.Errorf("a certificate of nobody: %v", err)
	}
	if _, err := encrypted(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "plug", "right"); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	until(t, "the handshake that failed is listed", func() bool {
		for _, r := range b.broker.Refusals() {
			if r.Why == mqtt.DeniedTLS && strings.Contains(r.What, "version") {
				return true
			}
		}
		return false
	})
	if err := done(t, b.connect("plug", "right").PublishAsync("plug/x", 1, false, []byte("in plain"))); err != nil {
		t.Error(err)
	}
	b.file.write(strings.Replace(press, "press-3", "press-4", 1) + plug)
	if _, err := b.keeper.Reload(); err != nil {
		t.Fatal(err)
	}
	b.broker.Review()
	select {
	case <-c.Lost():
	case <-time.After(10 * time.Second):
		t.Error("the connection of a certificate that was removed goes on")
	}
}
