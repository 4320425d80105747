package main_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	cli "github.com/jishi-telemetry/jishi/cmd/jishi"
)

// The tests in this package run the real binary as its users do: processes, sockets, disks. They look at it from outside.

// built says that binary was asked for.
var built atomic.Bool

var binary = sync.OnceValues(func() (string, error) {
	built.Store(true)
	dir, err := os.MkdirTemp("", "jishi-bin-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "jishi")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// TestMain lets the test program be `jishi` itself for the scripts, and removes the binary when a test built one.
func TestMain(m *testing.M) {
	testscript.Main(withoutBinary{m}, map[string]func(){"jishi": cli.Main})
}

type withoutBinary struct{ m *testing.M }

func (w withoutBinary) Run() int {
	code := w.m.Run()
	if built.Load() {
		if path, err := binary(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
	}
	return code
}

func jishi(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// environment is the test's own without the variables that are for tests: jishi refuses those it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "JISHI_") })
}

// process is a jishi process that a test started.
type process struct {
	t    testing.TB
	name string
	args []string
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
	err  error
}

// start runs the binary and waits until it prints the line that says it is ready.
func start(t testing.TB, name, ready string, args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, args: args}
	p.run(ready)
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s printed:\n%s", p.name, p.out)
		}
	})
	return p
}

func (p *process) run(ready string) {
	p.t.Helper()
	p.out, p.done = &tail{}, make(chan struct{})
	p.cmd = exec.Command(jishi(p.t), p.args...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.out, p.out, environment()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if ready == "" {
		return
	}
	until(p.t, 60*time.Second, p.name+" is ready", func() bool {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended before it was ready: %v\n%s", p.name, p.err, p.out)
		default:
		}
		return strings.Contains(p.out.String(), ready)
	})
}

// kill9 ends the process as a power cut would end it, as far as a process can be told.
func (p *process) kill9() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end, and waits.
func (p *process) stop() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not stop in 30 s", p.name)
		p.kill9()
	}
}

// wait waits for a process that ends by itself, and fails the test when it fails.
func (p *process) wait(limit time.Duration) {
	p.t.Helper()
	select {
	case <-p.done:
		if p.err != nil {
			p.t.Fatalf("%s: %v\n%s", p.name, p.err, p.out)
		}
	case <-time.After(limit):
		p.t.Fatalf("%s did not end in %v\n%s", p.name, limit, p.out)
	}
}

// output runs the binary to its end and returns what it printed on stdout.
func output(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), jishi(t), args...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.Env = &stderr, environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("jishi %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// until waits until something is so, and fails the test when it is not in time.
func until(t testing.TB, limit time.Duration, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in %v: %s", limit, what)
		}
	}
}

// freeAddr returns an address on the loopback that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// metric reads one value from a process's /metrics; missing is -1.
func metric(t testing.TB, addr, name string) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return -1
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err == nil {
				return v
			}
		}
	}
	return -1
}

// tail keeps the last of what a process printed.
type tail struct {
	mu  sync.Mutex // guards buf
	buf []byte
}

func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if n := len(b.buf) - 64<<10; n > 0 {
		b.buf = b.buf[n:]
	}
	return len(p), nil
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.buf)
}
