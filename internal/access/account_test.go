package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/access"
)

func TestFirstRunMakesOneAdministratorOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	if used, err := d.InUse(t.Context()); used || err != nil {
		t.Fatalf("in use %v, %v", used, err)
	}
	first, err := d.FirstRun(t.Context())
	if err != nil || len(first) < access.MinPassword {
		t.Fatalf("password of %d characters, %v", len(first), err)
	}
	if again, err := d.FirstRun(t.Context()); again != "" || err != nil {
		t.Errorf("a second run made %q, %v", again, err)
	}
	s, err := d.LogIn(t.Context(), access.FirstName, first, here)
	if err != nil {
		t.Fatal(err)
	}
	p := s.Principal
	if !p.MustChange || p.May(access.ManageAccounts, access.City) || !p.May(access.Self, "") {
		t.Errorf("before the password was changed nothing but that is allowed: %+v", p)
	}
	if err := d.ChangePassword(t.Context(), p, here, first, password); err != nil {
		t.Fatal(err)
	}
	p, err = d.BySession(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, permission := range []access.Permission{access.ManageAccounts, access.ManageSecurity} {
		if !p.May(permission, access.City) {
			t.Errorf("the first account may not %s", permission)
		}
	}
	if p.May(access.ReadAudit, access.City) || p.May(access.ViewPeople, "b1") {
		t.Error("the first account sees the audit log or people")
	}
	want := []access.Action{access.ActFirstRun, access.ActLogIn, access.ActAccountPassword}
	if diff := cmp.Diff(want, d.actions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAnAccountMayBe(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "taken")
	g := func(role access.Role, base string) access.Grant { return access.Grant{Role: role, Base: base} }
	many := make([]access.Grant, 201)
	for i := range many {
		many[i] = g(access.Technician, "b"+strings.Repeat("x", i%60))
	}
	for name, tt := range map[string]struct {
		account access.NewAccount
		field   string // of the problem; "" is none
	}{
		"plain":                      {access.NewAccount{Name: "li.si-2"}, ""},
		"two bases":                  {access.NewAccount{Name: "two", Grants: []access.Grant{g(access.Technician, "b1"), g(access.BaseAdmin, "b2")}}, ""},
		"evaluator of the city":      {access.NewAccount{Name: "e", Grants: []access.Grant{g(access.Evaluator, "*")}}, ""},
		"evaluator of a base":        {access.NewAccount{Name: "f", Grants: []access.Grant{g(access.Evaluator, "b1")}}, ""},
		"upper case":                 {access.NewAccount{Name: "Li"}, "name"},
		"Chinese":                    {access.NewAccount{Name: "李四"}, "name"},
		"no name":                    {access.NewAccount{}, "name"},
		"a space":                    {access.NewAccount{Name: "a (token x)"}, "name"},
		"too long":                   {access.NewAccount{Name: strings.Repeat("a", 65)}, "name"},
		"control characters":         {access.NewAccount{Name: "g", Display: "a\x1b[2J"}, "display"},
		"direction override":         {access.NewAccount{Name: "g", Display: "a\u202eb"}, "display"},
		"short password":             {access.NewAccount{Name: "g", Password: "short"}, "password"},
		"one letter":                 {access.NewAccount{Name: "g", Password: strings.Repeat("a", 20)}, "password"},
		"name in the password":       {access.NewAccount{Name: "wangwu", Password: "Wangwu-2026-03"}, "password"},
		"too long a password":        {access.NewAccount{Name: "g", Password: strings.Repeat("abcdefgh", 17)}, "password"},
		"no such role":               {access.NewAccount{Name: "g", Grants: []access.Grant{g("root", "*")}}, "roles"},
		"no base":                    {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.Evaluator, "")}}, "roles"},
		"technician of the city":     {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.Technician, "*")}}, "roles"},
		"base admin of the city":     {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.BaseAdmin, "*")}}, "roles"},
		"officer of a base":          {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.Officer, "b1")}}, "roles"},
		"system and security":        {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.SystemAdmin, "*"), g(access.SecurityAdmin, "*")}}, "roles"},
		"audit and officer":          {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.AuditAdmin, "*"), g(access.Officer, "*")}}, "roles"},
		"system and technician":      {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.SystemAdmin, "*"), g(access.Technician, "b1")}}, "roles"},
		"a base of control bytes":    {access.NewAccount{Name: "g", Grants: []access.Grant{g(access.Technician, "b\x00")}}, "roles"},
		"more roles than are stored": {access.NewAccount{Name: "g", Grants: many}, "roles"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Add(t.Context(), system, tt.account)
			problem, ok := errors.AsType[access.Problem](err)
			if tt.field == "" && err != nil || tt.field != "" && (!ok || problem.Field != tt.field) {
				t.Errorf("error %v, want a problem of %q", err, tt.field)
			}
		})
	}
	if _, err := d.Add(t.Context(), system, access.NewAccount{Name: "taken"}); !errors.Is(err, access.ErrExists) {
		t.Errorf("a second account of one name: %v", err)
	}
}

func TestAdministratorsCannotBecomeEachOther(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "sys", access.Grant{Role: access.SystemAdmin, Base: "*"})
	d.add(t, "sec", access.Grant{Role: access.SecurityAdmin, Base: "*"})
	d.add(t, "aud", access.Grant{Role: access.AuditAdmin, Base: "*"})
	d.add(t, "tech", access.Grant{Role: access.Technician, Base: "b1"})
	sys, sec := d.logIn(t, "sys").Principal, d.logIn(t, "sec").Principal
	yes := true
	for name, tt := range map[string]struct {
		name   string
		change access.Change
		want   error
	}{
		"a new password for the security admin": {"sec", access.Change{Reset: true}, access.ErrGuarded},
		"a new password for the auditor":        {"aud", access.Change{Reset: true}, access.ErrGuarded},
		"disabling the auditor":                 {"aud", access.Change{Disabled: &yes}, access.ErrGuarded},
		"disabling oneself":                     {"sys", access.Change{Disabled: &yes}, access.ErrOwn},
		"nobody":                                {"none", access.Change{Reset: true}, access.ErrUnknown},
		"a technician":                          {"tech", access.Change{Reset: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := d.Change(t.Context(), sys, "", tt.name, tt.change); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if err := d.SetRoles(t.Context(), sec, "", "sec", nil); !errors.Is(err, access.ErrOwn) {
		t.Errorf("own roles: %v", err)
	}
	if err := d.SetRoles(t.Context(), sec, "", "none", nil); !errors.Is(err, access.ErrUnknown) {
		t.Errorf("roles of nobody: %v", err)
	}
	// At the server's command line everything can be repaired.
	if _, err := d.Change(t.Context(), nil, system, "sec", access.Change{Reset: true}); err != nil {
		t.Error(err)
	}
}

func TestARoleThatGoesTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.add(t, "tech", access.Grant{Role: access.Technician, Base: "b1"}, access.Grant{Role: access.Technician, Base: "b2"})
	s := d.logIn(t, "tech")
	if !s.Principal.May(access.ViewLive, "b2") || s.Principal.May(access.ViewLive, "b3") || s.Principal.May(access.ViewLive, "") ||
		s.Principal.May(access.ViewLive, access.City) || s.Principal.May("nothing", "b1") {
		t.Errorf("scope of %+v", s.Principal.Grants)
	}
	if err := d.SetRoles(t.Context(), nil, system, "tech", []access.Grant{{Role: access.Technician, Base: "b1"}}); err != nil {
		t.Fatal(err)
	}
	p, err := d.BySession(t.Context(), s.ID)
	if err != nil || p.May(access.ViewLive, "b2") || !p.May(access.ViewLive, "b1") {
		t.Errorf("grants %+v, %v", p, err)
	}
	no, yes := false, true
	if _, err := d.Change(t.Context(), nil, system, "tech", access.Change{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.BySession(t.Context(), s.ID); !errors.Is(err, access.ErrRefused) {
		t.Errorf("the session of a disabled account: %v", err)
	}
	if _, err := d.LogIn(t.Context(), "tech", password, here); !errors.Is(err, access.ErrRefused) {
		t.Errorf("a disabled account logs in: %v", err)
	}
	if _, err := d.Change(t.Context(), nil, system, "tech", access.Change{Disabled: &no}); err != nil {
		t.Fatal(err)
	}
	d.logIn(t, "tech")
	if _, err := d.BySession(t.Context(), s.ID); !errors.Is(err, access.ErrRefused) {
		t.Errorf("a session came back with the account: %v", err)
	}
}

func TestTableOfRoles(t *testing.T) {
	t.Parallel()
	roles := access.Roles()
	seen := make(map[access.Permission]bool)
	for _, p := range access.Permissions() {
		if seen[p.Permission] || !p.Permission.Known() || p.Zh == "" || p.En == "" {
			t.Errorf("row %q", p.Permission)
		}
		seen[p.Permission] = true
		if !slices.ContainsFunc(roles, func(r access.RoleInfo) bool { return r.Role.Has(p.Permission) }) {
			t.Errorf("nobody has %s", p.Permission)
		}
	}
	// The separation of the three administrators, whatever else the table says.
	of := func(r access.Role) (out []access.Permission) {
		for _, p := range access.Permissions() {
			if r.Has(p.Permission) {
				out = append(out, p.Permission)
			}
		}
		return out
	}
	for role, want := range map[access.Role][]access.Permission{
		access.SystemAdmin:   {access.ViewLive, access.ViewAccounts, access.ManageAccounts},
		access.SecurityAdmin: {access.ViewAccounts, access.ManageSecurity},
		access.AuditAdmin:    {access.ViewAccounts, access.ReadAudit},
	} {
		if diff := cmp.Diff(want, of(role)); diff != "" {
			t.Errorf("%s: %s", role, diff)
		}
	}
	everyone := access.Everyone()
	for _, p := range []access.Permission{access.ViewAccounts, access.ManageAccounts, access.ManageSecurity, access.ReadAudit} {
		if everyone.May(p, access.City) {
			t.Errorf("everyone may %s", p)
		}
	}
}
