package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// persons are the accounts of the test: each role with the scopes that it can have.
var persons = []struct {
	name   string
	grants []access.Grant
}{
	{"tech", []access.Grant{{Role: access.Technician, Base: "b1"}}},
	{"base", []access.Grant{{Role: access.BaseAdmin, Base: "b1"}}},
	{"eval", []access.Grant{{Role: access.Evaluator, Base: "b1"}}},
	{"evalcity", []access.Grant{{Role: access.Evaluator, Base: "*"}}},
	{"officer", []access.Grant{{Role: access.Officer, Base: "*"}}},
	{"system", []access.Grant{{Role: access.SystemAdmin, Base: "*"}}},
	{"security", []access.Grant{{Role: access.SecurityAdmin, Base: "*"}}},
	{"auditor", []access.Grant{{Role: access.AuditAdmin, Base: "*"}}},
	{"nobody", nil},
}

// may says who may do what, independently of the product's own table: for each operation the persons above, in their
// order. A 1 may at base b1 only, an x everywhere, a dot nowhere. An operation without a row fails the test.
var may = map[string]struct{ who, body string }{
	"GET /api/v1/bases":                                           {"x x x x x x . . .", ""}, // each sees their own
	"GET /api/v1/bases/{base}/equipment":                          {"1 1 1 x x x . . .", ""},
	"GET /api/v1/bases/{base}/devices":                            {"1 1 1 x x x . . .", ""},
	"GET /api/v1/bases/{base}/state":                              {"1 1 1 x x x . . .", ""},
	"GET /api/v1/bases/{base}/equipment/{equipment}/timeline":     {"1 1 1 x x x . . .", ""},
	"GET /api/v1/bases/{base}/usage":                              {"1 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/settled":                            {"1 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/classes":                            {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/sessions":                           {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/hours":                              {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/days/{day}/settlements":             {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/sessions/{session}/people/{person}": {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/import/template":                    {". 1 . . x . . . .", ""},
	"POST /api/v1/bases/{base}/import":                            {". 1 . . x . . . .", `{"files":[{"name":"a.csv","data":""}],"dry_run":true}`},
	"GET /api/v1/bases/{base}/clues":                              {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/clues/{key}":                        {". 1 1 x x . . . .", ""},
	"POST /api/v1/bases/{base}/clues/{key}/steps":                 {". . 1 x x . . . .", `{"state":"assigned","assignee":"officer"}`},
	"POST /api/v1/bases/{base}/clues/{key}/answers":               {". 1 . . . . . . .", `{"text":"停电"}`},
	"GET /api/v1/clues/precision":                                 {". . . x x . . . .", ""},
	"GET /api/v1/bases/{base}/corrections":                        {". 1 1 x x . . . .", ""},
	"POST /api/v1/bases/{base}/corrections":                       {"1 1 . . . . . . .", `{"session":"k1","person":"s1","kind":"grant","from":"2026-03-02T00:30:00Z","to":"2026-03-02T01:00:00Z","reason":"r"}`},
	"GET /api/v1/bases/{base}/corrections/{number}":               {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/corrections/{number}/preview":       {". 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/corrections/{number}/attachment":    {". 1 1 x x . . . .", ""},
	"POST /api/v1/bases/{base}/corrections/{number}/submit":       {"1 1 . . . . . . .", `{}`},
	"POST /api/v1/bases/{base}/corrections/{number}/withdraw":     {"1 1 . . . . . . .", `{}`},
	"POST /api/v1/bases/{base}/corrections/{number}/approve":      {". 1 . . x . . . .", `{}`},
	"POST /api/v1/bases/{base}/corrections/{number}/reject":       {". 1 . . x . . . .", `{"note":"n"}`},
	"POST /api/v1/bases/{base}/corrections/{number}/revoke":       {". 1 . . x . . . .", `{"note":"n"}`},
	"GET /api/v1/bases/{base}/periods":                            {"1 1 1 x x . . . .", ""},
	"GET /api/v1/bases/{base}/periods/{period}":                   {"1 1 1 x x . . . .", ""},
	"POST /api/v1/bases/{base}/periods/{period}/finalise":         {". . . . x . . . .", ""},
	"POST /api/v1/bases/{base}/periods/{period}/seal":             {". . . . x . . . .", ""},
	"POST /api/v1/bases/{base}/periods/{period}/accept-gap":       {". . . . x . . . .", `{"from":"2026-02-02","to":"2026-02-03","reason":"r"}`},
	"GET /api/v1/bases/{base}/rates":                              {"1 1 1 x x . . . .", ""},
	"POST /api/v1/bases/{base}/people/{person}/unmask":            {". 1 1 x x . . . .", `{"reason":"核对名册"}`},
	"POST /api/v1/session":                                        {"x x x x x x x x x", `{"name":"stranger","password":"not this one"}`},
	"GET /api/v1/me":                                              {"x x x x x x x x x", ""},
	"POST /api/v1/me/password":                                    {"x x x x x x x x x", `{"old":"not this one","new":"short"}`},
	"GET /api/v1/accounts":                                        {". . . . . x x x .", ""},
	"POST /api/v1/accounts":                                       {". . . . . x . . .", `{"name":"stranger"}`},
	"PATCH /api/v1/accounts/{name}":                               {". . . . . x . . .", `{"display":"某人"}`},
	"PUT /api/v1/accounts/{name}/roles":                           {". . . . . . x . .", `{"roles":[{"role":"technician","base":"b2"}]}`},
	"GET /api/v1/tokens":                                          {"x x x x x x x x x", ""},
	"POST /api/v1/tokens":                                         {"x x x x x x x x x", `{"name":"","roles":[]}`},
	"DELETE /api/v1/tokens/{id}":                                  {"x x x x x x x x x", ""},
	"GET /api/v1/audit":                                           {". . . . . . . x .", ""},
	"DELETE /api/v1/session":                                      {"x x x x x x x x x", ""}, // the last: it ends the session
}

// operationsOf lists the description's operations as METHOD path, log-out last.
func operationsOf(t *testing.T, r *rig) []string {
	t.Helper()
	var out []string
	for path, methods := range dig(description(t, r.server).doc, "paths").(map[string]any) {
		for method := range methods.(map[string]any) {
			out = append(out, strings.ToUpper(method)+" "+path)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		last := func(s string) string { return fmt.Sprint(s == "DELETE /api/v1/session", s) }
		return strings.Compare(last(a), last(b))
	})
	return out
}

func TestEveryRouteDeclaresWhatItNeeds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(may)), slices.Sorted(slices.Values(operationsOf(t, r)))); diff != "" {
		t.Errorf("rows of the test (-) and routes (+) differ; say in the table above who may call the route:\n%s", diff)
	}
	for _, op := range operationsOf(t, r) {
		method, path, _ := strings.Cut(op, " ")
		o := dig(description(t, r.server).doc, "paths", path, strings.ToLower(method))
		permission, _ := dig(o, "x-permission").(string)
		if !access.Permission(permission).Known() {
			t.Errorf("%s declares permission %q", op, permission)
		}
		where, _ := dig(o, "x-scope").(string)
		if strings.Contains(path, "{base}") != (where == "base") {
			t.Errorf("%s has scope %q", op, where)
		}
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).fill(t, "b1").serve(t)
	r.account(t, "target")
	for _, p := range persons {
		r.account(t, p.name, p.grants...)
	}
	for column, p := range persons {
		for _, by := range []string{"session", "token"} {
			if by == "token" && p.grants == nil {
				continue // a token has a role
			}
			t.Run(p.name+" by "+by, func(t *testing.T) {
				v := r.logIn(t, p.name)
				if by == "token" {
					v = r.bearer(t, p.name)
				}
				for _, op := range operationsOf(t, r) {
					mark := strings.Fields(may[op].who)[column]
					for _, base := range []string{"b1", "b2", "nowhere", "*"} {
						if base != "b1" && !strings.Contains(op, "{base}") {
							continue
						}
						v.try(t, op, base, mark == "x" || mark == "1" && base == "b1")
					}
				}
			})
		}
	}
	if seq, _, err := r.options.Access.Verify(t.Context()); err != nil || seq == 0 {
		t.Errorf("the audit log: %d entries, %v", seq, err)
	}
	refused, err := r.options.Access.Entries(t.Context(), access.AuditQuery{Actor: "tech", Action: string(access.ActRefused), Base: "b2", Most: 500})
	if err != nil || len(refused) != 34 { // each operation with a {base}
		t.Errorf("%d refusals of the technician at the other base are in the audit log, %v", len(refused), err)
	}
}

// try calls an operation and compares whether it was refused.
func (v *visitor) try(t *testing.T, op, base string, allowed bool) {
	t.Helper()
	method, path, _ := strings.Cut(op, " ")
	path = strings.NewReplacer("{base}", base, "{equipment}", "cnc-1", "{name}", "target", "{id}", "none",
		"{session}", "none", "{person}", "none", "{day}", "2026-03-02",
		"{key}", "none", "{number}", "1", "{period}", "month:2026-02").Replace(path)
	a := v.do(t, method, path, may[op].body)
	// What would give more than the token is for people.
	forPeople := []string{"DELETE /api/v1/session", "POST /api/v1/me/password", "POST /api/v1/tokens"}
	switch {
	case !allowed:
		problemOf(t, a, http.StatusForbidden)
	case v.token != "" && slices.Contains(forPeople, op):
		if a.status != http.StatusForbidden && a.status != http.StatusUnprocessableEntity {
			t.Errorf("%s with a token: status %d", op, a.status)
		}
	case op == "POST /api/v1/session":
		problemOf(t, a, a.status) // nobody of that name
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status >= 500:
		t.Errorf("%s at %s: status %d: %s", op, base, a.status, a.body)
	}
}

func TestListsAreCutToTheScope(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	for _, p := range persons {
		r.account(t, p.name, p.grants...)
	}
	for name, want := range map[string]string{"tech": "b1", "eval": "b1", "evalcity": "b1 b2", "officer": "b1 b2", "system": "b1 b2"} {
		var got struct{ Items []struct{ Code string } }
		a := r.logIn(t, name).do(t, http.MethodGet, "/api/v1/bases", "")
		decodeLoosely(t, a, &got)
		var codes []string
		for _, b := range got.Items {
			codes = append(codes, b.Code)
		}
		if strings.Join(codes, " ") != want {
			t.Errorf("%s sees %v, want %s", name, codes, want)
		}
	}
}

func TestStrangersGetNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, withAccounts).serve(t)
	r.account(t, "tech", access.Grant{Role: access.Technician, Base: "b1"})
	gone := r.logIn(t, "tech")
	if err := r.options.Access.LogOut(t.Context(), gone.session.Principal); err != nil {
		t.Fatal(err)
	}
	one, err := r.options.Access.Add(t.Context(), "test", access.NewAccount{Name: "fresh", Grants: []access.Grant{{Role: access.Officer, Base: "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.options.Access.LogIn(t.Context(), "fresh", one, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		v      *visitor
		status int
	}{
		"nothing shown":          {&visitor{r: r}, 401},
		"a session that ended":   {gone, 401},
		"a token that never was": {&visitor{r: r, token: access.TokenPrefix + "x"}, 401},
		"a password as Basic":    {&visitor{r: r, headers: map[string]string{"Authorization": "Basic dGVjaDpwYXNzd29yZA=="}}, 401},
		"an empty cookie":        {&visitor{r: r, headers: map[string]string{"Cookie": "jishi="}}, 401},
		"a one-time password":    {&visitor{r: r, session: s}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			for _, op := range operationsOf(t, r) {
				method, path, _ := strings.Cut(op, " ")
				permission := dig(description(t, r.server).doc, "paths", path, strings.ToLower(method), "x-permission")
				if permission == "public" || permission == "self" && tt.status == 403 {
					continue
				}
				path = strings.NewReplacer("{base}", "b1", "{equipment}", "cnc-1", "{name}", "tech", "{id}", "none",
					"{session}", "none", "{person}", "none", "{day}", "2026-03-02",
					"{key}", "none", "{number}", "1", "{period}", "month:2026-02").Replace(path)
				a := tt.v.do(t, method, path, may[op].body)
				problemOf(t, a, tt.status)
				if tt.status == 401 && a.header.Get("WWW-Authenticate") != "Bearer" {
					t.Errorf("%s: WWW-Authenticate is %q", op, a.header.Get("WWW-Authenticate"))
				}
			}
		})
	}
	for _, path := range []string{"/", "/board.js", "/healthz", "/readyz", "/openapi.json"} {
		if a := r.get(t, path); a.status != http.StatusOK {
			t.Errorf("%s: status %d", path, a.status)
		}
	}
}
