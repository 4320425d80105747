package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const doorRegistry = `bases:
  - code: b1
    name: 第一基地
    tier: "5"
    districts: [{code: "500103"}]
`

// A server that nobody has set up yet: its first start makes the administrator, and from then on it asks who calls.
func TestServeAsksWhoCalls(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	registry := filepath.Join(dir, "registry.yaml")
	if err := os.WriteFile(registry, []byte(doorRegistry), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "--data.dir", dir, "--registry.path", registry, "--http.addr", addr}
	status := func(method, path, body, token string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(jishi(t), append(args, "--data.dir", dir)...)
		cmd.Env = environment()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}

	p := start(t, "serve", "one-time password", args...)
	first := regexp.MustCompile(`one-time password: ([a-z2-9]{24}) `).FindStringSubmatch(p.out.String())
	if first == nil {
		t.Fatal("no one-time password")
	}
	if got := status(http.MethodPost, "/api/v1/session", `{"name":"admin","password":"`+first[1]+`"}`, ""); got != http.StatusOK {
		t.Errorf("log in with what was printed: status %d", got)
	}
	for path, want := range map[string]int{"/api/v1/bases": 401, "/api/v1/bases/b1/state": 401, "/": 200, "/healthz": 200, "/readyz": 200, "/metrics": 200} {
		if got := status(http.MethodGet, path, "", ""); got != want {
			t.Errorf("%s for a stranger: status %d, want %d", path, got, want)
		}
	}
	// What the command line changes holds for the server that runs.
	if out, err := run("account", "add", "screen", "--role", "technician", "--base", "b1"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := run("account", "token", "add", "screen", "--name", "board")
	token := regexp.MustCompile(`jishi_\S+`).FindString(out)
	if err != nil || token == "" {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := status(http.MethodGet, "/api/v1/bases/b1/state", "", token); got != http.StatusOK {
		t.Errorf("the token: status %d", got)
	}
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	top := exec.Command(jishi(t), "top", "--once", "--server", "http://"+addr, "--token-file", file)
	if out, err := top.CombinedOutput(); err != nil {
		t.Errorf("top: %v\n%s", err, out)
	}
	if out, err := run("account", "disable", "screen"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := status(http.MethodGet, "/api/v1/bases/b1/state", "", token); got != http.StatusUnauthorized {
		t.Errorf("the token of a disabled account: status %d", got)
	}
	p.stop()

	// The second start says nothing of passwords, and nobody opens what has accounts.
	p = start(t, "serve again", "board: ", args...)
	p.stop()
	if strings.Contains(p.out.String(), "password") {
		t.Errorf("it says a password again:\n%s", p.out)
	}
	if out, err := run(append(args, "--access.required=false")...); err == nil || !strings.Contains(out, "已有账号") {
		t.Errorf("opened in spite of its accounts: %v\n%s", err, out)
	}
}
