package credential_test

import (
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
		want  mqtt.Denial
	}{
		"right password":            {login("plug", "right"), ""},
		"the other password":        {login("plug", "also right"), ""},
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
		"its client id":             {mqtt.Login{ClientID: "b", Username: "pinned", Password: []byte("right")}, ""},
		"password without one":      {login("press", "right"), credential.DeniedPassword},
		"certificate by name":       {mqtt.Login{Certificate: certificate("press-3")}, ""},
		"certificate by print":      {mqtt.Login{Certificate: certificate("stranger")}, ""},
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
				p, denied := k.Admit(t.Context(), tt.login)
				if denied != tt.want || (p == nil) != (tt.want != "") {
					t.Fatalf("got %v, %q; want %q", p, denied, tt.want)
				}
				if paused := time.Since(begin) >= time.Second; paused != (denied != "") {
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
		p, denied := k.Admit(t.Context(), login(name, "right"))
		if denied != "" {
			t.Fatal(denied)
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
		if _, denied := closed.Admit(t.Context(), login("a", "b")); denied != credential.DeniedAnonymous {
			t.Errorf("got %v", denied)
		}
		k, err := credential.Open(credential.Options{Path: path, MayBeMissing: true, Anonymous: true, Reserved: reserved})
		if err != nil {
			t.Fatal(err)
		}
		p, denied := k.Admit(t.Context(), login("a", "b"))
		if denied != "" || !p.MayPublish("x") || !p.MayRead("#") || p.MayPublish("a/frame") || p.Withdrawn() != "" || k.Configured() {
			t.Errorf("anonymous: got %+v, %v", p, denied)
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
		if _, denied := k.Admit(t.Context(), mqtt.Login{}); denied != credential.DeniedAnonymous {
			t.Errorf("after the file went: got %v, want it still in force", denied)
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
		oldPassword    mqtt.Denial
		newPasswordToo bool
	}{
		"nothing":               {plug + press + other + "# a comment\n", false, false, "", false},
		"a note":                {strings.Replace(plug, "passwords:", "note: x\n    passwords:", 1) + press + other, false, false, "", false},
		"another device":        {plug + press, false, false, "", false},
		"a second password":     {both + press + other, false, false, "", true},
		"the password is gone":  {entry("plug", "", "new") + press + other, true, false, credential.DeniedPassword, true},
		"disabled":              {strings.Replace(plug, "passwords:", "disabled: true\n    passwords:", 1) + press + other, true, false, credential.DeniedDisabled, false},
		"removed":               {press + other, true, false, credential.DeniedName, false},
		"topics changed":        {strings.Replace(plug, "passwords:", "dialect: tasmota\n    passwords:", 1) + press + other, true, false, "", false},
		"limits changed":        {strings.Replace(plug, "passwords:", "burst: 3\n    passwords:", 1) + press + other, true, false, "", false},
		"certificate exchanged": {plug + entry("press", "    certificates: [{cn: press-2}]\n") + other, false, true, "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFile(t, plug+press+other)
				k := f.open()
				byPassword, denied := k.Admit(t.Context(), login("plug", "old"))
				if denied != "" {
					t.Fatal(denied)
				}
				byCertificate, denied := k.Admit(t.Context(), mqtt.Login{Certificate: certificate("press")})
				if denied != "" {
					t.Fatal(denied)
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
				if _, denied := k.Admit(t.Context(), login("plug", "old")); denied != tt.oldPassword {
					t.Errorf("the old password: got %v, want %v", denied, tt.oldPassword)
				}
				if _, denied := k.Admit(t.Context(), login("plug", "new")); (denied == "") != tt.newPasswordToo {
					t.Errorf("the new password: got %v", denied)
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
	p, denied := k.Admit(t.Context(), login("plug", "right"))
	if denied != "" || p.Withdrawn() != "" {
		t.Fatalf("on the last day in Shanghai: %v, %v", p, denied)
	}
	now = now.Add(time.Hour)
	if p.Withdrawn() == "" {
		t.Error("the permit holds on the day after")
	}
	synctest.Test(t, func(t *testing.T) {
		if _, denied := k.Admit(t.Context(), login("plug", "right")); denied != credential.DeniedExpired {
			t.Errorf("a password that was right yesterday: got %v", denied)
		}
	})
}

func TestLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newFile(t, entry("plug", "", "right")).open()
		name, password := k.Link("bridge", []string{"jishi/v1/b1/br/frame"}, []string{"jishi/v1/b1/br/ack"})
		if strings.Contains(fmt.Sprint(password), password.Reveal()) {
			t.Error("the password can be printed")
		}
		p, denied := k.Admit(t.Context(), login(name, password.Reveal()))
		if denied != "" || !p.MayPublish("jishi/v1/b1/br/frame") || p.MayPublish("tele/x") || !p.MayRead("jishi/v1/b1/br/ack") || p.MessagesPerSecond != 0 {
			t.Errorf("got %+v, %v", p, denied)
		}
		if _, denied := k.Admit(t.Context(), login(name, "wrong")); denied != credential.DeniedName {
			t.Errorf("a stranger under the link's name: got %v", denied)
		}
	})
}
