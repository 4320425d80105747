package access_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/access"
)

func TestLogInRefusals(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "zhang")
	for name, tt := range map[string]struct{ name, password string }{
		"wrong password":   {"zhang", "correct horse batterx"},
		"empty password":   {"zhang", ""},
		"unknown name":     {"li", password},
		"no name":          {"", password},
		"another spelling": {"ZHANG", password},
		"hostile":          {"zhang' OR '1'='1", "' OR '1'='1"},
		"huge":             {strings.Repeat("z", 1<<16), strings.Repeat("p", 1<<16)},
		"not UTF-8":        {"zhang\xff", password},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := d.LogIn(t.Context(), tt.name, tt.password, here)
			if !errors.Is(err, access.ErrRefused) || s != nil {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
	entries, err := d.Entries(t.Context(), access.AuditQuery{Action: string(access.ActLogInRefused)})
	if err != nil || len(entries) != 8 {
		t.Fatalf("%d refusals in the log, %v", len(entries), err)
	}
	for _, e := range entries {
		if e.Actor != "zhang" && e.Actor != "" {
			t.Errorf("what was typed as a name is kept: %q", e.Actor)
		}
		if e.Detail["address"] != here.String() {
			t.Errorf("detail %v", e.Detail)
		}
	}
}

func TestGuessingIsSlow(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "zhang")
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}) }
	// One account from many addresses.
	for i := range 10 {
		if _, err := d.LogIn(t.Context(), "zhang", "wrong password", addr(i)); !errors.Is(err, access.ErrRefused) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	_, err := d.LogIn(t.Context(), "zhang", password, addr(99))
	throttled, ok := errors.AsType[access.ThrottledError](err)
	if !errors.Is(err, access.ErrThrottled) || !ok || throttled.Wait <= 0 || throttled.Wait > time.Minute {
		t.Fatalf("after ten failures: %v", err)
	}
	d.pass(throttled.Wait)
	if _, err := d.LogIn(t.Context(), "zhang", password, addr(99)); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
	// Many names from one address; in IPv6 from one network.
	six := netip.MustParsePrefix("2001:db8:1::/64").Addr()
	refused := 0
	for i := range 100 {
		six = six.Next()
		if _, err := d.LogIn(t.Context(), fmt.Sprintf("name%d", i), password, six); errors.Is(err, access.ErrRefused) {
			refused++
		}
	}
	if refused != 64 {
		t.Errorf("%d guesses were looked at, want 64", refused)
	}
	d.add(t, "li") // from elsewhere all is well
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "zhang")
	refused := func(what, id string) {
		t.Helper()
		if p, err := d.BySession(t.Context(), id); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%s: %v, %v", what, p, err)
		}
	}
	refused("no id", "")
	refused("an id that never was", strings.Repeat("x", 43))
	idle := d.logIn(t, "zhang")
	d.pass(30 * time.Minute)
	refused("idle for half an hour", idle.ID)

	busy := d.logIn(t, "zhang")
	for range 35 {
		d.pass(20 * time.Minute)
		if _, err := d.BySession(t.Context(), busy.ID); err != nil {
			t.Fatal(err)
		}
	}
	d.pass(20 * time.Minute)
	refused("in use for twelve hours", busy.ID)

	one, two := d.logIn(t, "zhang"), d.logIn(t, "zhang")
	if one.ID == two.ID || one.Principal.CSRF == two.Principal.CSRF || one.Principal.CSRF == "" || strings.Contains(one.Principal.CSRF, one.ID) {
		t.Error("two sessions share a secret")
	}
	if err := d.LogOut(t.Context(), one.Principal); err != nil {
		t.Fatal(err)
	}
	refused("logged out", one.ID)
	three := d.logIn(t, "zhang")
	if err := d.ChangePassword(t.Context(), three.Principal, here, password, "another good password"); err != nil {
		t.Fatal(err)
	}
	refused("the password was changed elsewhere", two.ID)
	if _, err := d.BySession(t.Context(), three.ID); err != nil {
		t.Errorf("the session that changed it: %v", err)
	}
	var leaked int
	if err := d.db.QueryRowContext(t.Context(), `SELECT count(*) FROM session WHERE instr(CAST(id_hash AS TEXT), ?) > 0`, three.ID).Scan(&leaked); err != nil || leaked != 0 {
		t.Errorf("the id itself is stored: %d, %v", leaked, err)
	}
}

func TestChangePasswordRefusals(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "zhang")
	p := d.logIn(t, "zhang").Principal
	if err := d.ChangePassword(t.Context(), p, here, "not the old one", "another good password"); !errors.Is(err, access.ErrRefused) {
		t.Errorf("wrong old password: %v", err)
	}
	for _, after := range []string{"", "short", password, "zhang-zhang-zhang-1"} {
		if err := d.ChangePassword(t.Context(), p, here, password, after); err == nil {
			t.Errorf("%q was taken", after)
		} else if _, ok := errors.AsType[access.Problem](err); !ok {
			t.Errorf("%q: %v", after, err)
		}
	}
	d.logIn(t, "zhang")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	tech := func(base string) access.Grant { return access.Grant{Role: access.Technician, Base: base} }
	d.add(t, "zhang", tech("b1"), tech("b2"))
	day := 24 * time.Hour
	for name, n := range map[string]access.NewToken{
		"more than the owner":   {Name: "n", Grants: []access.Grant{tech("b3")}, For: day},
		"another role":          {Name: "n", Grants: []access.Grant{{Role: access.Officer, Base: "*"}}, For: day},
		"no role":               {Name: "n", For: day},
		"no name":               {Grants: []access.Grant{tech("b1")}, For: day},
		"no end":                {Name: "n", Grants: []access.Grant{tech("b1")}},
		"too long":              {Name: "n", Grants: []access.Grant{tech("b1")}, For: 400 * day},
		"a name for a terminal": {Name: "\x1b[2J", Grants: []access.Grant{tech("b1")}, For: day},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := d.AddToken(t.Context(), "zhang", "zhang", n); err == nil {
				t.Error("was made")
			} else if _, ok := errors.AsType[access.Problem](err); !ok {
				t.Errorf("%v is no problem", err)
			}
		})
	}
	make := func() (string, access.Token) {
		t.Helper()
		text, token, err := d.AddToken(t.Context(), "zhang", "zhang", access.NewToken{Name: "grafana", Grants: []access.Grant{tech("b1"), tech("b2")}, For: day})
		if err != nil || !strings.HasPrefix(text, access.TokenPrefix) || len(text) < 40 {
			t.Fatalf("%d characters, %v", len(text), err)
		}
		return text, token
	}
	text, token := make()
	p, err := d.ByToken(t.Context(), text)
	if err != nil || p.Actor() != "zhang (token grafana)" || p.CSRF != "" || !p.May(access.ViewLive, "b2") {
		t.Fatalf("%+v, %v", p, err)
	}
	// What the owner loses, the token loses.
	if err := d.SetRoles(t.Context(), nil, system, "zhang", []access.Grant{tech("b1")}); err != nil {
		t.Fatal(err)
	}
	if p, err = d.ByToken(t.Context(), text); err != nil || p.May(access.ViewLive, "b2") || !p.May(access.ViewLive, "b1") {
		t.Errorf("%+v, %v", p, err)
	}
	refused := func(what, text string) {
		t.Helper()
		if _, err := d.ByToken(t.Context(), text); !errors.Is(err, access.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("the id", token.ID)
	refused("nothing", "")
	if err := d.RevokeToken(t.Context(), "li", "li", token.ID); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("another's token: %v", err)
	}
	if err := errors.Join(d.RevokeToken(t.Context(), "zhang", "zhang", token.ID), d.RevokeToken(t.Context(), "zhang", "zhang", token.ID)); err != nil {
		t.Fatal(err)
	}
	refused("revoked", text)
	if err := d.SetRoles(t.Context(), nil, system, "zhang", []access.Grant{tech("b1"), tech("b2")}); err != nil {
		t.Fatal(err)
	}
	text, _ = make()
	d.pass(day)
	refused("expired", text)
	text, _ = make()
	yes := true
	if _, err := d.Change(t.Context(), nil, system, "zhang", access.Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	refused("its owner is disabled", text)
	if all, err := d.Tokens(t.Context(), "zhang"); err != nil || len(all) != 3 {
		t.Errorf("%d tokens, %v", len(all), err)
	}
}
