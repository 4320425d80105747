package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/evidence"
)

// problemOf checks that the answer is a problem as every problem must be: typed, in Chinese first, and silent about the
// inside.
func problemOf(t *testing.T, a answer, status int) huma.ErrorModel {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	var p huma.ErrorModel
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	texts := []string{p.Title, p.Detail}
	for _, e := range p.Errors {
		texts = append(texts, e.Message)
	}
	for _, s := range texts {
		if first, _ := firstRune(s); !unicode.Is(unicode.Han, first) {
			t.Errorf("%q is not in Chinese first", s)
		}
	}
	if p.Status != status {
		t.Errorf("the body says status %d", p.Status)
	}
	for _, inside := range []string{"secret-host", "/var/lib", "goroutine", ".go:", "runtime error", "sql", "fiber", "huma"} {
		if strings.Contains(string(a.body), inside) {
			t.Errorf("the inside is told (%s): %s", inside, a.body)
		}
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
		if a.header.Get(name) != want {
			t.Errorf("%s is %q", name, a.header.Get(name))
		}
	}
	return p
}

func firstRune(s string) (rune, bool) {
	for _, r := range s {
		return r, true
	}
	return 0, false
}

func TestProblems(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	long := strings.Repeat("x", 200)
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		tells                    string // what the detail or the errors must tell
	}{
		{"unknown base", "GET", "/api/v1/bases/nope/state", "", 404, "没有登记此基地"},
		{"unknown base, figures", "GET", "/api/v1/bases/nope/usage", "", 404, "没有登记此基地"},
		{"unknown equipment", "GET", "/api/v1/bases/b1/equipment/nope/timeline", "", 404, "没有登记此设备"},
		{"unknown equipment, figures", "GET", "/api/v1/bases/b1/usage?equipment=nope", "", 404, "没有登记此设备"},
		{"unknown path", "GET", "/api/v1/nope", "", 404, "没有此地址"},
		{"unknown path outside", "GET", "/nope.php", "", 404, "没有此地址"},
		{"wrong method", "POST", "/api/v1/bases", "{}", 405, "Allow"},
		{"wrong method on the board", "DELETE", "/", "", 405, "Allow"},
		{"not a date", "GET", "/api/v1/bases/b1/usage?from=yesterday", "", 422, "yyyy-mm-dd"},
		{"no such day", "GET", "/api/v1/bases/b1/usage?from=2026-02-30", "", 422, "yyyy-mm-dd"},
		{"from after to", "GET", "/api/v1/bases/b1/usage?from=2026-03-02&to=2026-03-01", "", 422, "结束日期早于开始日期"},
		{"too many days", "GET", "/api/v1/bases/b1/usage?from=2025-01-01&to=2026-03-01", "", 422, "62"},
		{"a day to come", "GET", "/api/v1/bases/b1/usage?from=2026-03-03", "", 422, "尚未到来"},
		{"settled, from after to", "GET", "/api/v1/bases/b1/settled?from=2026-03-02&to=2026-03-01", "", 422, "结束日期早于开始日期"},
		{"not an instant", "GET", "/api/v1/bases/b1/equipment/cnc-1/timeline?from=8:00", "", 422, "2026-03-02T08:00:00Z"},
		{"a plus that became a space", "GET", "/api/v1/bases/b1/equipment/cnc-1/timeline?from=2026-03-02T08:00:00+08:00", "", 422, "%2B"},
		{"instants the wrong way round", "GET", "/api/v1/bases/b1/equipment/cnc-1/timeline?from=2026-03-02T03:00:00Z&to=2026-03-02T02:00:00Z", "", 422, "开始时间须早于结束时间"},
		{"an empty window", "GET", "/api/v1/bases/b1/equipment/cnc-1/timeline?from=2026-03-02T03:00:00Z&to=2026-03-02T03:00:00Z", "", 422, "开始时间须早于结束时间"},
		{"too long a window", "GET", "/api/v1/bases/b1/equipment/cnc-1/timeline?from=2025-03-02T03:00:00Z", "", 422, "62"},
		{"unknown query parameter", "GET", "/api/v1/bases/b1/usage?form=2026-03-02", "", 422, "没有此查询参数"},
		{"query where none is known", "GET", "/api/v1/bases?x=1", "", 422, "没有此查询参数"},
		{"too long a code", "GET", "/api/v1/bases/" + long + "/state", "", 422, "过长"},
		{"a control character", "GET", "/api/v1/bases?x=\x7f", "", 400, "请求格式错误"},
		{"a body that is too large", "POST", "/api/v1/bases", "", 413, "12 MiB"},
		{"an address that is too long", "GET", "/api/v1/bases?x=" + strings.Repeat("x", 8192), "", 431, "4 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a answer
			switch tt.status {
			case http.StatusRequestEntityTooLarge: // the head alone: the server does not wait for the rest
				a = r.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", tt.path, 12<<20+1))
			case http.StatusBadRequest:
				a = r.raw(t, "GET "+tt.path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			default:
				a = r.do(t, tt.method, tt.path, strings.NewReader(tt.body))
			}
			p := problemOf(t, a, tt.status)
			told := p.Detail
			for _, e := range p.Errors {
				told += "\n" + e.Location + ": " + e.Message
			}
			if !strings.Contains(told, tt.tells) {
				t.Errorf("told %q, want it to contain %q", told, tt.tells)
			}
			if tt.status == http.StatusUnprocessableEntity && (len(p.Errors) == 0 || p.Errors[0].Location == "") {
				t.Errorf("it is not said which parameter: %s", a.body)
			}
			if tt.status == http.StatusMethodNotAllowed && !strings.Contains(a.header.Get("Allow"), "GET") {
				t.Errorf("Allow is %q", a.header.Get("Allow"))
			}
		})
	}
}

func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"down":           errDown,
		"needs a person": fmt.Errorf("%w: %w", evidence.ErrPermanent, errDown),
		"closed":         evidence.ErrClosed,
		"slow":           fmt.Errorf("read: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t).serve(t)
			r.store.fail(err)
			for _, path := range []string{"state", "usage", "devices", "equipment/cnc-1/timeline"} {
				a := r.get(t, "/api/v1/bases/b1/"+path)
				problemOf(t, a, http.StatusServiceUnavailable)
				if a.header.Get("Retry-After") == "" {
					t.Errorf("%s: no Retry-After", path)
				}
			}
			if !strings.Contains(r.logs.String(), err.Error()[:10]) {
				t.Errorf("the operator is not told: %s", r.logs)
			}
			r.store.fail(nil)
			r.store.failed.Store(nil)
			var b api.Board
			r.get(t, "/api/v1/bases/b1/state").into(t, &b)
		})
	}
}

func TestLedgerTrouble(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	problemOf(t, r.get(t, "/api/v1/bases/b1/settled"), http.StatusServiceUnavailable)
	a := r.get(t, "/readyz")
	var ready struct {
		Ready  bool
		Checks map[string]string
	}
	if err := json.Unmarshal(a.body, &ready); err != nil || a.status != http.StatusServiceUnavailable {
		t.Fatalf("status %d, %v: %s", a.status, err, a.body)
	}
	if ready.Ready || ready.Checks["evidence"] != "ok" || !strings.Contains(ready.Checks["ledger"], "closed") {
		t.Errorf("got %+v, want the one check that fails, in its own words", ready)
	}
}

// A store that never answers must not keep a request longer than the deadline: the server is not told when a client goes.
func TestRequestDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *api.Options) { o.Deadline = 50 * time.Millisecond }).serve(t)
	never := func(ctx context.Context, _ string, _ int64) error { <-ctx.Done(); return ctx.Err() }
	r.store.block.Store(&never)
	for _, path := range []string{"state", "usage", "devices"} {
		p := problemOf(t, r.get(t, "/api/v1/bases/b1/"+path), http.StatusServiceUnavailable)
		if !strings.Contains(p.Detail, "查询超时") {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.server.Handle("/api/v1/boom", func(*fiber.Ctx) error { panic("secret-host is on fire") })
	r.server.Handle("/api/v1/sour", func(*fiber.Ctx) error { return errors.New("secret-host is sour") })
	r.serve(t)
	problemOf(t, r.get(t, "/api/v1/boom"), http.StatusInternalServerError)
	problemOf(t, r.get(t, "/api/v1/sour"), http.StatusInternalServerError)
	for _, want := range []string{"secret-host is on fire", "errors_test.go", "secret-host is sour"} {
		if !strings.Contains(r.logs.String(), want) {
			t.Errorf("not logged: %s", want)
		}
	}
	if a := r.get(t, "/healthz"); a.status != http.StatusOK {
		t.Errorf("after the panic: status %d", a.status)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *api.Options) {
		o.Ready["broker"] = func(context.Context) error {
			return errors.New("no answer from tcp://127.0.0.1:1883: is mosquitto running?")
		}
	}).serve(t)
	a := r.get(t, "/readyz")
	if a.status != http.StatusServiceUnavailable || !strings.Contains(string(a.body), "is mosquitto running?") {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	if a := r.get(t, "/healthz"); a.status != http.StatusOK || !strings.Contains(string(a.body), `"status":"ok"`) {
		t.Errorf("alive is not the same as ready: status %d: %s", a.status, a.body)
	}
}
