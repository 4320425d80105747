package credential_test

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// reserved stands in for the topics between bridges and collectors.
func reserved(topic string) bool { return strings.HasSuffix(topic, "/frame") }

// file is a credentials file that a test writes.
type file struct {
	t    *testing.T
	path string
	age  int
}

func newFile(t *testing.T, devices string) *file {
	t.Helper()
	f := &file{t: t, path: filepath.Join(t.TempDir(), "credentials.yaml")}
	f.write(devices)
	return f
}

// write replaces the file, as atomically as an editor would, with a time of its own.
func (f *file) write(devices string) {
	f.t.Helper()
	f.age++
	beside := fmt.Sprint(f.path, f.age)
	if err := os.WriteFile(beside, []byte("devices:\n"+devices), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(beside, f.path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *file) open(change ...func(*credential.Options)) *credential.Keeper {
	f.t.Helper()
	o := credential.Options{Path: f.path, Base: "b1", Reserved: reserved}
	for _, c := range change {
		c(&o)
	}
	k, err := credential.Open(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// entry is a device with passwords in the clear.
func entry(name, rest string, passwords ...string) string {
	text := "  - name: " + name + "\n" + rest
	for i, p := range passwords {
		if i == 0 {
			text += "    passwords:\n"
		}
		text += "      - hash: \"" + hashed(p) + "\"\n"
	}
	return text
}

func login(name, password string) mqtt.Login {
	return mqtt.Login{ClientID: "c", Username: name, Password: []byte(password), Remote: netip.MustParseAddr("10.0.0.1")}
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{Raw: []byte("certificate of " + name), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().AddDate(1, 0, 0)}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	print32 := fmt.Sprintf("%x", sha256.Sum256([]byte("certificate of stranger")))
	f := newFile(t, entry("plug", "", "right", "also right")+
		entry("ended", "    passwords: [{hash: \""+hashed("right")+"\", not_after: 2020-01-01}]\n")+
		entry("out", "    disabled: true\n", "right")+
		entry("pinned", "    client_ids: [a, b]\n", "right")+
		entry("press", "    certificates: [{cn: press-3}, {sha256: \""+print32+"\"}]\n"))
	tests := map[string]struct {
		login mqtt.Login
		want  error
	}{
		"right password":            {login("plug", "right"), nil},
		"the other password":        {login("plug", "also right"), nil},
		"wrong password":            {login("plug", "wrong"), credential.DeniedPassword},
		"no password":               {login("plug", ""), credential.DeniedPassword},
		"endless password":          {login("plug", strings.Repeat("x", 2000)), credential.DeniedPassword},
		"another's password":        {login("ended", "also right"), credential.DeniedPassword},
		"unknown name":              {login("nobody", "right"), credential.DeniedName},
		"name of a link":            {login("jishi-bridge", "right"), credential.DeniedName},
		"no name":                   {login("", "right"), credential.DeniedAnonymous},
		"password that has ended":   {login("ended", "right"), credential.DeniedExpired},
		"disabled":                  {login("out", "right"), credential.DeniedDisabled},
		"disabled, wrong password":  {login("out", "wrong"), credential.DeniedPassword},
		"another client id":         {login("pinned", "right"), mqtt.DeniedClientID},
		"its client id":             {mqtt.Login{ClientID: "b", Username: "pinned", Password: []byte("right")}, nil},
		"password without one":      {login("press", "right"), credential.DeniedPassword},
		"certificate by name":       {mqtt.Login{Certificate: certificate("press-3")}, nil},
		"certificate by print":      {mqtt.Login{Certificate: certificate("stranger")}, nil},
		"certificate of nobody":     {mqtt.Login{Certificate: certificate("plug"), Username: "plug", Password: []byte("right")}, credential.DeniedCertificate},
		"certificate of a disabled": {mqtt.Login{Certificate: certificate("out")}, credential.DeniedCertificate},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // refusals take a second
				k := f.open(func(o *credential.Options) {
					o.Now = func() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }
				})
				begin := time.Now()
				p, err := k.Admit(t.Context(), tt.login)
				if !errors.Is(err, tt.want) || (p == nil) != (tt.want != nil) {
					t.Fatalf("got %v, %v; want error %v", p, err, tt.want)
				}
				if paused := time.Since(begin) >= time.Second; paused != (err != nil) {
					t.Errorf("answered after %v", time.Since(begin))
				}
			})
		})
	}
}

func TestPermit(t *testing.T) {
	t.Parallel()
	f := newFile(t, entry("plug", "    dialect: tasmota\n    burst: 3\n    max_connections: 2\n", "right")+entry("board", "    role: reader\n", "right")+
		entry("greedy", "    publish: [\"#\"]\n    subscribe: [\"#\"]\n", "right"))
	k := f.open()
	admit := func(name string) *mqtt.Permit {
		t.Helper()
		p, err := k.Admit(t.Context(), login(name, "right"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := admit("plug")
	if p.Name != "plug" || p.MessagesPerSecond != 100 || p.Burst != 3 || p.MaxPayloadBytes != 256<<10 || p.MaxConnections != 2 || p.Withdrawn() != "" {
		t.Errorf("got %+v", p)
	}
	if !p.MayPublish("tele/plug/SENSOR") || p.MayPublish("tele/plug2/SENSOR") || !p.MayRead("cmnd/c_fb/#") || p.MayRead("#") {
		t.Error("a device does not have its own topics, or has others")
	}
	if p := admit("board"); p.MayPublish("x") || !p.MayRead("#") || !p.MayRead("tele/plug/SENSOR") {
		t.Error("a reader does not read everything, or publishes")
	}
	for _, name := range []string{"board", "greedy"} {
		if p := admit(name); p.MayPublish("jishi/v1/b1/br/frame") || p.MayRead("jishi/v1/b1/br/frame") || p.MayPublish("$SYS/x") || p.MayRead("$SYS/#") {
			t.Errorf("%s may have a reserved topic", name)
		}
	}
}

// Until there is a file, everyone or nobody gets in; once there is one, it stays in force even when it goes.
func TestWithoutAFile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "credentials.yaml")
		if _, err := credential.Open(credential.Options{Path: path}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file that must be there is not: got %v", err)
		}
		closed, err := credential.Open(credential.Options{Path: path, MayBeMissing: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := closed.Admit(t.Context(), login("a", "b")); !errors.Is(err, credential.DeniedAnonymous) {
			t.Errorf("got %v", err)
		}
		k, err := credential.Open(credential.Options{Path: path, MayBeMissing: true, Anonymous: true, Reserved: reserved})
		if err != nil {
			t.Fatal(err)
		}
		p, err := k.Admit(t.Context(), login("a", "b"))
		if err != nil || !p.MayPublish("x") || !p.MayRead("#") || p.MayPublish("a/frame") || p.Withdrawn() != "" || k.Configured() {
			t.Errorf("anonymous: got %+v, %v", p, err)
		}
		f := &file{t: t, path: path}
		f.write(entry("plug", "", "right"))
		if changed, err := k.Reload(); !changed || err != nil {
			t.Fatalf("the file that has come: got %v, %v", changed, err)
		}
		if p.Withdrawn() == "" || !k.Configured() {
			t.Error("anonymous clients stay")
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Reload(); err == nil || k.Problem() == nil {
			t.Error("nobody says that the file is gone")
		}
		if _, err := k.Admit(t.Context(), mqtt.Login{}); !errors.Is(err, credential.DeniedAnonymous) {
			t.Errorf("after the file went: got %v, want it still in force", err)
		}
	})
}

// What is taken from a client ends its permit, and nothing else does.
func TestReloadWithdraws(t *testing.T) {
	t.Parallel()
	plug, press, other := entry("plug", "", "old"), entry("press", "    certificates: [{cn: press}]\n"), entry("other", "", "right")
	both := plug + "      - hash: \"" + hashed("new") + "\"\n"
	tests := map[string]struct {
		next           string
		plug, press    bool // withdrawn
		oldPassword    error
		newPasswordToo bool
	}{
		"nothing":               {plug + press + other + "# a comment\n", false, false, nil, false},
		"a note":                {strings.Replace(plug, "passwords:", "note: x\n    passwords:", 1) + press + other, false, false, nil, false},
		"another device":        {plug + press, false, false, nil, false},
		"a second password":     {both + press + other, false, false, nil, true},
		"the password is gone":  {entry("plug", "", "new") + press + other, true, false, credential.DeniedPassword, true},
		"disabled":              {strings.Replace(plug, "passwords:", "disabled: true\n    passwords:", 1) + press + other, true, false, credential.DeniedDisabled, false},
		"removed":               {press + other, true, false, credential.DeniedName, false},
		"topics changed":        {strings.Replace(plug, "passwords:", "dialect: tasmota\n    passwords:", 1) + press + other, true, false, nil, false},
		"limits changed":        {strings.Replace(plug, "passwords:", "burst: 3\n    passwords:", 1) + press + other, true, false, nil, false},
		"certificate exchanged": {plug + entry("press", "    certificates: [{cn: press-2}]\n") + other, false, true, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFile(t, plug+press+other)
				k := f.open()
				byPassword, err := k.Admit(t.Context(), login("plug", "old"))
				if err != nil {
					t.Fatal(err)
				}
				byCertificate, err := k.Admit(t.Context(), mqtt.Login{Certificate: certificate("press")})
				if err != nil {
					t.Fatal(err)
				}
				f.write(tt.next)
				if _, err := k.Reload(); err != nil {
					t.Fatal(err)
				}
				if why := byPassword.Withdrawn(); (why != "") != tt.plug {
					t.Errorf("permit by password: withdrawn %q", why)
				}
				if why := byCertificate.Withdrawn(); (why != "") != tt.press {
					t.Errorf("permit by certificate: withdrawn %q", why)
				}
				if _, err := k.Admit(t.Context(), login("plug", "old")); !errors.Is(err, tt.oldPassword) {
					t.Errorf("the old password: got %v, want %v", err, tt.oldPassword)
				}
				if _, err := k.Admit(t.Context(), login("plug", "new")); (err == nil) != tt.newPasswordToo {
					t.Errorf("the new password: got %v", err)
				}
			})
		})
	}
}

func TestPermitEndsByTheClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 30, 15, 0, 0, 0, time.UTC)
	f := newFile(t, entry("plug", "    passwords: [{hash: \""+hashed("right")+"\", not_after: 2026-06-30}]\n"))
	k := f.open(func(o *credential.Options) { o.Now = func() time.Time { return now } })
	p, err := k.Admit(t.Context(), login("plug", "right"))
	if err != nil || p.Withdrawn() != "" {
		t.Fatalf("on the last day in Shanghai: %v, %v", p, err)
	}
	now = now.Add(time.Hour)
	if p.Withdrawn() == "" {
		t.Error("the permit holds on the day after")
	}
	synctest.Test(t, func(t *testing.T) {
		if _, err := k.Admit(t.Context(), login("plug", "right")); !errors.Is(err, credential.DeniedExpired) {
			t.Errorf("a password that was right yesterday: got %v", err)
		}
	})
}

// A slip of the pen locks nobody out and lets nobody in.
func TestAFileWithMistakesChangesNothing(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	f := newFile(t, entry("plug", "", "right"))
	k := f.open(func(o *credential.Options) { o.Registerer = reg })
	f.write("  - name: [\n")
	for range 3 {
		if changed, err := k.Reload(); changed || err == nil {
			t.Errorf("reload: got %v, %v", changed, err)
		}
	}
	var problems credential.Problems
	if !errors.As(k.Problem(), &problems) {
		t.Errorf("problem is %v", k.Problem())
	}
	if _, err := k.Admit(t.Context(), login("plug", "right")); err != nil {
		t.Errorf("got %v", err)
	}
	expect := func(failed, ok int) {
		t.Helper()
		want := fmt.Sprintf(`
# HELP jishi_credentials_file_ok 1 when the credentials file as it is now is in force, 0 when it has mistakes and an older content is.
# TYPE jishi_credentials_file_ok gauge
jishi_credentials_file_ok %d
# HELP jishi_credentials_reloads_total Times the credentials file had changed and was read.
# TYPE jishi_credentials_reloads_total counter
jishi_credentials_reloads_total{result="done"} 1
jishi_credentials_reloads_total{result="failed"} %d
`, ok, failed)
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "jishi_credentials_file_ok", "jishi_credentials_reloads_total"); err != nil {
			t.Error(err)
		}
	}
	expect(1, 0)
	f.write(entry("plug", "", "right"))
	if _, err := k.Reload(); err != nil || k.Problem() != nil {
		t.Errorf("the mistake is gone, and still: %v, %v", err, k.Problem())
	}
	if v := testutil.ToFloat64(gauge{reg, "jishi_credentials_file_ok"}); v != 1 {
		t.Errorf("file_ok is %v after the mistake was mended", v)
	}
}

// gauge finds one metric of a registry.
type gauge struct {
	reg  *prometheus.Registry
	name string
}

func (g gauge) Describe(ch chan<- *prometheus.Desc) { ch <- prometheus.NewDesc(g.name, "x", nil, nil) }

func (g gauge) Collect(ch chan<- prometheus.Metric) {
	families, err := g.reg.Gather()
	if err != nil {
		return
	}
	for _, f := range families {
		if f.GetName() == g.name {
			ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, "x", nil, nil), prometheus.GaugeValue, f.GetMetric()[0].GetGauge().GetValue())
		}
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newFile(t, entry("plug", "", "right")).open()
		name, password := k.Link("bridge", []string{"jishi/v1/b1/br/frame"}, []string{"jishi/v1/b1/br/ack"})
		if strings.Contains(fmt.Sprint(password), password.Reveal()) {
			t.Error("the password can be printed")
		}
		p, err := k.Admit(t.Context(), login(name, password.Reveal()))
		if err != nil || !p.MayPublish("jishi/v1/b1/br/frame") || p.MayPublish("tele/x") || !p.MayRead("jishi/v1/b1/br/ack") || p.MessagesPerSecond != 0 {
			t.Errorf("got %+v, %v", p, err)
		}
		if _, err := k.Admit(t.Context(), login(name, "wrong")); !errors.Is(err, credential.DeniedName) {
			t.Errorf("a stranger under the link's name: got %v", err)
		}
	})
}

// Run follows the file, and has the broker look after every change.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFile(t, entry("plug", "", "right"))
		k := f.open()
		p, err := k.Admit(t.Context(), login("plug", "right"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		reload, withdrawn, done := make(chan os.Signal), make(chan string, 100), make(chan error)
		go func() {
			done <- k.Run(ctx, reload, func() int {
				withdrawn <- p.Withdrawn()
				return 0
			})
		}()
		time.Sleep(2100 * time.Millisecond)
		f.write(entry("other", "", "right"))
		if why := <-withdrawn; why != "" {
			t.Errorf("withdrawn before the change: %s", why)
		}
		begin := time.Now()
		if why := <-withdrawn; why == "" || time.Since(begin) > 2*time.Second {
			t.Errorf("withdrawn %q %v after the change", why, time.Since(begin))
		}
		f.write(entry("plug", "", "right"))
		begin = time.Now()
		reload <- os.Interrupt
		if why := <-withdrawn; why == "" || time.Since(begin) != 0 { // its hash is another now
			t.Errorf("withdrawn %q %v after the signal", why, time.Since(begin))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
