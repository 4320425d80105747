// Package influxdtest runs a real InfluxDB 1.8 server for tests: no container, no root, nothing mocked. It is for the
// tests of the influx store, of the collector and of the whole path, which must see the engine's own answers, its
// restarts and its kill -9. It refuses to be part of a product: it needs a testing.TB and ends every server with the
// test that started it.
package influxdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	startTries  = 5                // a free port may be taken by another process before influxd binds it
	startWithin = 60 * time.Second // an engine that replays a large WAL on a busy machine
	pollEvery   = 20 * time.Millisecond
	stopWithin  = 30 * time.Second
)

// Options changes how a server is started. The zero value is a server without authentication.
type Options struct {
	// User and Password, when both are set, turn authentication on and make this person the administrator.
	User, Password string
	// HTTP is appended to the [http] section of the configuration, such as `max-body-size = 1000`.
	HTTP string
	// Data is appended to the [data] section of the configuration, such as `max-series-per-database = 5`.
	Data string
}

// Server is one influxd process and its data. Its methods are for the test's own goroutine.
type Server struct {
	tb     testing.TB
	o      Options
	binary string
	dir    string
	port   int
	cmd    *exec.Cmd
	exited chan struct{} // closed when the running process has been waited for
}

// Start starts a server without authentication and ends it with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return StartWith(tb, Options{})
}

// StartWith starts a server with options and ends it with the test.
func StartWith(tb testing.TB, o Options) *Server {
	tb.Helper()
	s := &Server{tb: tb, o: o, binary: Binary(tb), dir: tb.TempDir()}
	tb.Cleanup(s.Stop)
	var err error
	for range startTries {
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.run(); err == nil {
			break
		}
	}
	if err != nil {
		tb.Fatalf("start influxd: %v", err)
	}
	if o.User != "" && o.Password != "" {
		s.createAdmin()
	}
	return s
}

// URL returns the server's address, such as "http://127.0.0.1:40123". It stays the same over a restart.
func (s *Server) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// Token returns the token that signs in the administrator, "user:password"; "" without authentication.
func (s *Server) Token() string {
	if s.o.User == "" {
		return ""
	}
	return s.o.User + ":" + s.o.Password
}

// Kill9 ends the process without letting it flush or close anything, and returns when it is gone.
func (s *Server) Kill9() {
	s.tb.Helper()
	if !s.Running() {
		s.tb.Fatal("kill influxd: it is not running")
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.tb.Fatalf("kill influxd: %v", err)
	}
	<-s.exited
}

// Restart starts the server again on the same data and address, after Kill9 or Stop, and returns when it answers.
func (s *Server) Restart() {
	s.tb.Helper()
	if s.Running() {
		s.tb.Fatal("restart influxd: it is still running")
	}
	var err error
	for range startTries {
		if err = s.run(); err == nil {
			return
		}
	}
	s.tb.Fatalf("restart influxd: %v", err)
}

// Stop ends the process as an operator would, waits for it, and does nothing when it has ended already.
func (s *Server) Stop() {
	if !s.Running() {
		return
	}
	// The process may end by itself between the question and the signal; the wait below covers both.
	_ = s.cmd.Process.Signal(os.Interrupt)
	select {
	case <-s.exited:
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill() // the wait below tells
		<-s.exited
	}
}

// Running reports whether the process is alive.
func (s *Server) Running() bool {
	if s.cmd == nil {
		return false
	}
	select {
	case <-s.exited:
		return false
	default:
		return true
	}
}

// Do sends one InfluxQL statement to /query as the administrator and fails the test when the server does not take it.
func (s *Server) Do(statement string) {
	s.tb.Helper()
	form := url.Values{"q": {statement}}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL()+"/query",
		strings.NewReader(form.Encode()))
	if err != nil {
		s.tb.Fatalf("ask influxd: %v", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.o.User != "" {
		req.SetBasicAuth(s.o.User, s.o.Password)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.tb.Fatalf("ask influxd: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.tb.Fatalf("ask influxd: %v", err)
	}
	if res.StatusCode != http.StatusOK || strings.Contains(string(body), `"error"`) {
		s.tb.Fatalf("ask influxd: %s: %s", res.Status, body)
	}
}

func (s *Server) createAdmin() {
	s.tb.Helper()
	// With authentication on and no user yet, influxd takes this one statement from anybody.
	user, password := s.o.User, s.o.Password
	s.o.User = ""
	s.Do(fmt.Sprintf("CREATE USER %q WITH PASSWORD '%s' WITH ALL PRIVILEGES", user, password))
	s.o.User = user
}

// run starts the process and returns when it answers, or with the end of its log when it died or never did.
func (s *Server) run() error {
	conf := filepath.Join(s.dir, "influxd.conf")
	if err := os.WriteFile(conf, []byte(s.config()), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	logPath := filepath.Join(s.dir, "influxd.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.binary, "-config", conf) // no context: Stop and Kill9 end it, and nothing else may
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "HOME="+s.dir)
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", s.binary, err)
	}
	exited := make(chan struct{})
	go func() { // ends with the process; Stop, Kill9 and the loop below wait for it
		defer close(exited)
		_ = cmd.Wait() // a killed process is what some tests want
	}()
	s.cmd, s.exited = cmd, exited
	if err := s.waitHealthy(); err != nil {
		s.Stop()
		return fmt.Errorf("%w; its log ends with:\n%s", err, tail(logPath))
	}
	return nil
}

func (s *Server) waitHealthy() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.exited:
			return errors.New("influxd ended at once")
		case <-ctx.Done():
			return fmt.Errorf("influxd does not answer within %s", startWithin)
		case <-tick.C:
		}
		if s.healthy(ctx) {
			return nil
		}
	}
}

func (s *Server) healthy(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/health", http.NoBody)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode == http.StatusOK
}

func (s *Server) config() string {
	return fmt.Sprintf(`reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
  dir = %q
[data]
  dir = %q
  wal-dir = %q
  query-log-enabled = false
  wal-fsync-delay = "0s"
  %s
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:%d"
  flux-enabled = true
  log-enabled = false
  auth-enabled = %t
  %s
`, filepath.Join(s.dir, "meta"), filepath.Join(s.dir, "data"), filepath.Join(s.dir, "wal"), s.o.Data, s.port,
		s.o.User != "" && s.o.Password != "", s.o.HTTP)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func tail(path string) string {
	const enough = 2000
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-enough):])
}
