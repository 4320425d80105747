package api_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/credential"
)

const password = "correct horse battery"

// elsewhere is an address of which no test has too many failures.
var elsewhere = netip.MustParseAddr("192.0.2.1")

// withAccounts has the server keep accounts.
func withAccounts(o *api.Options) {
	o.Access = access.New(o.Ledger.DB(), access.Options{
		Now:  o.Now,
		Cost: credential.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, // guessing costs nothing here, and the tests no time
	})
}

// account makes an account with its password changed already.
func (r *rig) account(t *testing.T, name string, grants ...access.Grant) {
	t.Helper()
	door := r.options.Access
	one, err := door.Add(t.Context(), "test", access.NewAccount{Name: name, Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	s, err := door.LogIn(t.Context(), name, one, elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if err := door.ChangePassword(t.Context(), s.Principal, elsewhere, one, password); err != nil {
		t.Fatal(err)
	}
}

// visitor sends requests with a session or a token.
type visitor struct {
	r       *rig
	session *access.Session
	token   string
	headers map[string]string // in place of what a browser would send
}

// logIn is a visitor with a session of the account.
func (r *rig) logIn(t *testing.T, name string) *visitor {
	t.Helper()
	s, err := r.options.Access.LogIn(t.Context(), name, password, elsewhere)
	for i := 0; err != nil && i < 3; i++ { // a test that failed on purpose waits as anyone does
		r.now.Add((10 * time.Minute).Milliseconds())
		s, err = r.options.Access.LogIn(t.Context(), name, password, elsewhere)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{r: r, session: s}
}

// bearer is a visitor with a token of the account that holds all of the account's roles.
func (r *rig) bearer(t *testing.T, name string) *visitor {
	t.Helper()
	a, err := r.options.Access.Account(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := r.options.Access.AddToken(t.Context(), "test", name, access.NewToken{Name: "t", Grants: a.Grants, For: access.LongestToken})
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{r: r, token: text}
}

// do asks as the visitor, and holds the answer to the API's own description.
func (v *visitor) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, v.r.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if v.session != nil {
		request.AddCookie(&http.Cookie{Name: "jishi", Value: v.session.ID})
		request.Header.Set("X-CSRF-Token", v.session.Principal.CSRF)
	}
	if v.token != "" {
		request.Header.Set("Authorization", "Bearer "+v.token)
	}
	for name, value := range v.headers {
		request.Header.Set(name, value)
		if name == "Host" {
			request.Host = value
		}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{response.StatusCode, response.Header, content}
	description(t, v.r.server).check(t, method, path, a)
	return a
}
