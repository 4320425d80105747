package api_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/api"
)

// raw sends bytes that no client would send, and reads the answer.
func (r *rig) raw(t *testing.T, request string) answer {
	t.Helper()
	c := r.dial(t)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func (r *rig) dial(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServeEndsWithOpenConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	// One has been answered and is kept alive, one has said nothing yet.
	idle := r.dial(t)
	if _, err := io.WriteString(idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(idle), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	silent := r.dial(t)
	// The server has taken the silent one, too, once it has answered one that came later.
	if a := r.raw(t, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); a.status != http.StatusOK {
		t.Fatalf("status %d", a.status)
	}
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("idle connections held the end up for %v", took)
	}
	for _, c := range []net.Conn{idle, silent} {
		if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("the connection is still open: %v", err)
		}
	}
}

func TestServeLetsARequestFinish(t *testing.T) {
	t.Parallel()
	r := newRig(t).fill(t, "b1").serve(t)
	reading, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	wait := func(ctx context.Context, _ string, _ int64) error {
		once.Do(func() { close(reading) })
		<-release
		return ctx.Err()
	}
	r.store.block.Store(&wait)
	answered := make(chan int, 1)
	go func() { answered <- r.get(t, "/api/v1/bases/b1/devices").status }()
	<-reading
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	// The listener is gone before the request is done.
	for {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		_ = c.Close()
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the running request got status %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServeEndsARequestThatDoesNot(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	reading := make(chan struct{})
	var once sync.Once
	never := func(ctx context.Context, _ string, _ int64) error {
		once.Do(func() { close(reading) })
		<-ctx.Done()
		return ctx.Err()
	}
	r.store.block.Store(&never)
	answered := make(chan int, 1)
	go func() { answered <- r.get(t, "/api/v1/bases/b1/devices").status }()
	<-reading
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the running request got status %d", status)
	}
}

func TestServeThatIsToldToEndBeforeItBegins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.server.Serve(ctx, l); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

func TestServeSaysThatItsListenerFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Serve(t.Context(), broken{l}); err == nil || !strings.Contains(err.Error(), "serve HTTP on 127.0.0.1") {
		t.Errorf("got %v", err)
	}
}

type broken struct{ net.Listener }

func (broken) Accept() (net.Conn, error) { return nil, errDown }

func TestRequestMetrics(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	for _, path := range []string{
		"/api/v1/bases", "/api/v1/bases/b1/state", "/api/v1/bases/b2/state", "/api/v1/bases/nope/state", "/", "/nope", "/another", "/healthz",
	} {
		r.get(t, path)
	}
	r.do(t, http.MethodPost, "/api/v1/bases", nil)
	want := `
# HELP jishi_http_requests_total Requests answered, by method, pattern of the route (other: no route) and status.
# TYPE jishi_http_requests_total counter
jishi_http_requests_total{method="GET",route="/",status="200"} 1
jishi_http_requests_total{method="GET",route="/api/v1/bases",status="200"} 1
jishi_http_requests_total{method="GET",route="/api/v1/bases/:base/state",status="200"} 2
jishi_http_requests_total{method="GET",route="/api/v1/bases/:base/state",status="404"} 1
jishi_http_requests_total{method="GET",route="/healthz",status="200"} 1
jishi_http_requests_total{method="GET",route="other",status="404"} 2
jishi_http_requests_total{method="POST",route="other",status="405"} 1
`
	if err := testutil.GatherAndCompare(r.metrics, strings.NewReader(want), "jishi_http_requests_total"); err != nil {
		t.Error(err)
	}
	a := r.get(t, "/metrics")
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
		t.Fatalf("status %d, content type %q", a.status, a.header.Get("Content-Type"))
	}
	for _, line := range []string{`jishi_http_request_seconds_count{route="/api/v1/bases/:base/state"} 3`, "jishi_http_requests_in_flight 1"} {
		if !strings.Contains(string(a.body), line+"\n") {
			t.Errorf("the exposition lacks %s", line)
		}
	}
	if problems, err := testutil.GatherAndLint(r.metrics); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestMetricsAndRegistererAreOptional(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *api.Options) { o.Gatherer, o.Registerer = nil, nil }).serve(t)
	problemOf(t, r.get(t, "/metrics"), http.StatusNotFound)
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for field, change := range map[string]func(*api.Options){
		"Settler": func(o *api.Options) { o.Settler = nil }, "Store": func(o *api.Options) { o.Store = nil },
		"Floor": func(o *api.Options) { o.Floor = 1.1 }, "Deadline": func(o *api.Options) { o.Deadline = -1 },
	} {
		var got api.Options
		newRig(t, func(o *api.Options) { got = *o })
		change(&got)
		if _, err := api.New(got); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
