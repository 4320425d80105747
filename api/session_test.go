package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
)

// decodeLoosely decodes a good answer, fields that the test does not name left out.
func decodeLoosely(t *testing.T, a answer, v any) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatal(err)
	}
}

func TestLogInAndOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	r.account(t, "zhang", access.Grant{Role: access.Technician, Base: "b1"})
	body := fmt.Sprintf(`{"name":"zhang","password":%q}`, password)
	a := (&visitor{r: r}).do(t, http.MethodPost, "/api/v1/session", body)
	var me api.Me
	decodeLoosely(t, a, &me)
	if me.Account != "zhang" || me.CSRF == "" || me.MustChange || len(me.Roles) != 1 {
		t.Errorf("%+v", me)
	}
	response := http.Response{Header: a.header}
	cookies := response.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[0]
	if c.Name != "jishi" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.MaxAge != 12*60*60 {
		t.Errorf("cookie on the loopback: %+v", c)
	}
	v := &visitor{r: r, session: &access.Session{ID: c.Value, Principal: &access.Principal{CSRF: me.CSRF}}}
	if a := v.do(t, http.MethodGet, "/api/v1/bases/b1/equipment", ""); a.status != 200 {
		t.Errorf("status %d", a.status)
	}
	if a := v.do(t, http.MethodDelete, "/api/v1/session", ""); a.status != 200 || !strings.Contains(a.header.Get("Set-Cookie"), "jishi=;") {
		t.Errorf("log out: %d, %s", a.status, a.header.Get("Set-Cookie"))
	}
	if a := v.do(t, http.MethodGet, "/api/v1/me", ""); a.status != 401 {
		t.Errorf("after the log-out: status %d", a.status)
	}
	// Off the loopback the cookie is for TLS, and for this host alone.
	away := &visitor{r: r, headers: map[string]string{"Host": "jishi.example.cn"}}
	response.Header = away.do(t, http.MethodPost, "/api/v1/session", body).header
	if cookies = response.Cookies(); len(cookies) != 1 || !cookies[0].Secure || cookies[0].Name != "__Host-jishi" || cookies[0].Domain != "" {
		t.Errorf("cookies off the loopback: %+v", cookies)
	}
}

func TestLogInFailures(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	r.account(t, "zhang")
	v := &visitor{r: r}
	wrong := v.do(t, http.MethodPost, "/api/v1/session", `{"name":"zhang","password":"wrong, and a secret"}`)
	unknown := v.do(t, http.MethodPost, "/api/v1/session", `{"name":"li","password":"wrong, and a secret"}`)
	problemOf(t, wrong, 401)
	if string(wrong.body) != string(unknown.body) {
		t.Errorf("an unknown name is told apart:\n%s\n%s", wrong.body, unknown.body)
	}
	for _, body := range []string{`{"password":"my secret word"}`, `{"name":1,"password":"my secret word"}`, `{"name":"a","password":["my secret word"]}`, `{"name":"a","password":"my secret word","x":1}`} {
		a := v.do(t, http.MethodPost, "/api/v1/session", body)
		problemOf(t, a, 422)
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("the password comes back: %s", a.body)
		}
	}
	for range 20 {
		wrong = v.do(t, http.MethodPost, "/api/v1/session", `{"name":"zhang","password":"wrong password"}`)
	}
	problemOf(t, wrong, 429)
	if wrong.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for what, s := range map[string]string{"log": r.logs.String()} {
		if strings.Contains(s, "secret") {
			t.Errorf("a password is in the %s", what)
		}
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	r.account(t, "sys", access.Grant{Role: access.SystemAdmin, Base: "*"})
	add := func(n int) string { return fmt.Sprintf(`{"name":"made-%d"}`, n) }
	good := r.logIn(t, "sys")
	for i, tt := range []struct {
		name    string
		headers map[string]string
		status  int
	}{
		{"the page itself", nil, 200},
		{"the page itself, as browsers say", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": r.url}, 200},
		{"no token of the session", map[string]string{"X-CSRF-Token": ""}, 403},
		{"another session's", map[string]string{"X-CSRF-Token": r.logIn(t, "sys").session.Principal.CSRF}, 403},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another host of the site", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another origin", map[string]string{"Origin": "https://evil.example"}, 403},
		{"no origin", map[string]string{"Origin": "null"}, 403},
	} {
		good.headers = tt.headers
		if a := good.do(t, http.MethodPost, "/api/v1/accounts", add(i)); a.status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, a.status, tt.status)
		}
	}
	// A program has no page, and needs no token of a session.
	if a := r.bearer(t, "sys").do(t, http.MethodPost, "/api/v1/accounts", add(99)); a.status != 200 {
		t.Errorf("a token: status %d: %s", a.status, a.body)
	}
}

func TestWithoutAccounts(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	v := &visitor{r: r}
	var me api.Me
	decodeLoosely(t, v.do(t, http.MethodGet, "/api/v1/me", ""), &me)
	if !me.Open || me.CSRF != "" {
		t.Errorf("%+v", me)
	}
	for _, op := range operationsOf(t, r) {
		method, path, _ := strings.Cut(op, " ")
		permission, _ := dig(description(t, r.server).doc, "paths", path, strings.ToLower(method), "x-permission").(string)
		path = strings.NewReplacer("{base}", "b1", "{equipment}", "cnc-1", "{name}", "tech", "{id}", "none",
			"{session}", "none", "{person}", "none", "{day}", "2026-03-02", "{key}", "none", "{number}", "1", "{period}", "month:2026-02").Replace(path)
		a := v.do(t, method, path, may[op].body)
		switch permission {
		case "live.view", "figures.view", "people.view", "clue.review", "clue.answer", "correction.request", "correction.approve", "period.settle", "people.unmask":
			one := strings.Contains(path, "/people/") || strings.Contains(path, "/none") || strings.Contains(path, "/corrections/")
			want := 200
			switch {
			case method == http.MethodPost:
				want = 403 // it wants a person who answers for it
			case one:
				want = 404
			}
			if a.status != want {
				t.Errorf("%s: status %d, want %d", op, a.status, want)
			}
		case "registry.import":
			if a.status != 200 && a.status != 422 {
				t.Errorf("%s: status %d", op, a.status)
			}
		default:
			if a.status != 404 && path != "/api/v1/me" {
				t.Errorf("%s: status %d, want 404", op, a.status)
			}
		}
	}
}

func TestOpenUntilTheFirstAccount(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts, func(o *api.Options) { o.Open = true }).serve(t)
	v := &visitor{r: r}
	if a := v.do(t, http.MethodGet, "/api/v1/bases/b1/equipment", ""); a.status != 200 {
		t.Errorf("before: status %d", a.status)
	}
	r.account(t, "tech", access.Grant{Role: access.Technician, Base: "b1"})
	if a := v.do(t, http.MethodGet, "/api/v1/bases/b1/equipment", ""); a.status != 401 {
		t.Errorf("after: status %d", a.status)
	}
	if a := r.logIn(t, "tech").do(t, http.MethodGet, "/api/v1/bases/b1/equipment", ""); a.status != 200 {
		t.Errorf("logged in: status %d", a.status)
	}
}

// From the one-time password of the first run to a technician who sees their own base.
func TestAccountsFromTheFirstRunOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	one, err := r.options.Access.FirstRun(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	logIn := func(name, word string) *visitor {
		t.Helper()
		a := (&visitor{r: r}).do(t, http.MethodPost, "/api/v1/session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, word))
		var me api.Me
		decodeLoosely(t, a, &me)
		response := http.Response{Header: a.header}
		return &visitor{r: r, session: &access.Session{ID: response.Cookies()[0].Value, Principal: &access.Principal{CSRF: me.CSRF}}}
	}
	want := func(a answer, status int) answer {
		t.Helper()
		if a.status != status {
			t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
		}
		return a
	}
	change := func(v *visitor, old, word string) {
		t.Helper()
		want(v.do(t, http.MethodPost, "/api/v1/me/password", fmt.Sprintf(`{"old":%q,"new":%q}`, old, word)), 200)
	}
	admin := logIn("admin", one)
	want(admin.do(t, http.MethodGet, "/api/v1/accounts", ""), 403)
	want(admin.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"around it","roles":[{"role":"system-admin","base":"*"}]}`), 403)
	want(admin.do(t, http.MethodPost, "/api/v1/me/password", fmt.Sprintf(`{"old":"x","new":%q}`, password)), 422)
	change(admin, one, password)
	var made struct {
		Account  api.Account
		Password string
	}
	decodeLoosely(t, admin.do(t, http.MethodPost, "/api/v1/accounts", `{"name":"zhang","display":"张三"}`), &made)
	want(admin.do(t, http.MethodPost, "/api/v1/accounts", `{"name":"zhang"}`), 409)
	want(admin.do(t, http.MethodPost, "/api/v1/accounts", `{"name":"Zhang San"}`), 422)
	roles := func(name, role, base string) answer {
		return admin.do(t, http.MethodPut, "/api/v1/accounts/"+name+"/roles", fmt.Sprintf(`{"roles":[{"role":%q,"base":%q}]}`, role, base))
	}
	want(roles("zhang", "technician", "b9"), 422)
	want(roles("zhang", "technician", "*"), 422)
	want(roles("nobody", "technician", "b1"), 404)
	want(roles("admin", "officer", "*"), 403)
	want(roles("zhang", "technician", "b1"), 200)
	zhang := logIn("zhang", made.Password)
	change(zhang, made.Password, "another good password")
	want(zhang.do(t, http.MethodGet, "/api/v1/bases/b1/state", ""), 200)
	want(zhang.do(t, http.MethodGet, "/api/v1/bases/b2/state", ""), 403)

	var token struct {
		Secret string
		Token  api.Token
	}
	decodeLoosely(t, zhang.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"屏幕","roles":[{"role":"technician","base":"b1"}]}`), &token)
	want(zhang.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"x","roles":[{"role":"technician","base":"b2"}]}`), 422)
	screen := &visitor{r: r, token: token.Secret}
	want(screen.do(t, http.MethodGet, "/api/v1/bases/b1/state", ""), 200)
	want(zhang.do(t, http.MethodDelete, "/api/v1/tokens/"+token.Token.ID, ""), 200)
	want(screen.do(t, http.MethodGet, "/api/v1/bases/b1/state", ""), 401)

	want(admin.do(t, http.MethodPatch, "/api/v1/accounts/zhang", `{"disabled":true}`), 200)
	want(zhang.do(t, http.MethodGet, "/api/v1/me", ""), 401)
	want(admin.do(t, http.MethodPatch, "/api/v1/accounts/admin", `{"disabled":true}`), 403)

	decodeLoosely(t, admin.do(t, http.MethodPost, "/api/v1/accounts", `{"name":"auditor"}`), &made)
	want(roles("auditor", "audit-admin", "*"), 200)
	auditor := logIn("auditor", made.Password)
	change(auditor, made.Password, password)
	var log struct{ Items []api.AuditEntry }
	decodeLoosely(t, auditor.do(t, http.MethodGet, "/api/v1/audit?limit=500", ""), &log)
	if len(log.Items) < 15 || log.Items[len(log.Items)-1].Action != "account.first" || len(log.Items[0].Hash) != 64 {
		t.Errorf("%d entries: %+v", len(log.Items), log.Items)
	}
	var page struct{ Items []api.AuditEntry }
	decodeLoosely(t, auditor.do(t, http.MethodGet, "/api/v1/audit?action=refused&actor=zhang", ""), &page)
	if len(page.Items) != 1 || page.Items[0].Base != "b2" || page.Items[0].Object != "state-now" {
		t.Errorf("%+v", page.Items)
	}
}
