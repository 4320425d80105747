// Package mosquittotest runs a real mosquitto for tests that must know how another broker than the embedded one behaves.
// It skips the test, saying so, where mosquitto is not installed. It refuses to be used outside tests, and to listen on
// anything but the loopback.
package mosquittotest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startTimeout is how long mosquitto may take to listen.
const startTimeout = 10 * time.Second

// Server is a running mosquitto. It ends with the test.
type Server struct {
	// Addr is host:port, the same for all the life of the Server.
	Addr string
	// URL is Addr as a client wants it.
	URL string

	binary, config string
	process        *exec.Cmd
	output         *buffer
}

// Start runs mosquitto on a free port of the loopback with everyone allowed, limits out of the way, and
// persistence in a directory of the test. The extra lines go to the end of its configuration file, where they win.
func Start(t testing.TB, extra ...string) *Server {
	t.Helper()
	binary, err := find()
	if err != nil {
		t.Skip("mosquitto is not installed: skipping what only a real broker can show")
	}
	const attempts = 5 // between finding a free port and using it another process may take it
	for range attempts {
		s := &Server{Addr: freeAddr(t), binary: binary}
		s.URL = "tcp://" + s.Addr
		s.config = writeConfig(t, s.Addr, extra)
		if err = s.start(); err == nil {
			t.Cleanup(func() { s.stop(syscall.SIGTERM) })
			return s
		}
	}
	t.Fatalf("start mosquitto: %v", err)
	return nil
}

// find looks beyond PATH, since Debian installs mosquitto where only root looks.
func find() (string, error) {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/mosquitto")
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func writeConfig(t testing.TB, addr string, extra []string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lines := []string{
		fmt.Sprintf("listener %s %s", port, host),
		"allow_anonymous true",
		"persistence true",
		"persistence_location " + dir + "/",
		"log_dest stderr",
		"max_inflight_messages 65535",
		"max_queued_messages 1000000", // 0, "no limit", stops delivery before 2.0.17
	}
	if os.Geteuid() == 0 {
		lines = append(lines, "user root") // or it gives up the right to write to the test's directory
	}
	path := filepath.Join(dir, "mosquitto.conf")
	text := strings.Join(append(lines, extra...), "\n") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Stop ends mosquitto as an operator would; it writes its state. Calls after the first do nothing.
func (s *Server) Stop() { s.stop(syscall.SIGTERM) }

// Kill ends mosquitto as a power cut would.
func (s *Server) Kill() { s.stop(syscall.SIGKILL) }

// Restart starts mosquitto again after Stop or Kill, on the same address with the same state.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop()
	if err := s.start(); err != nil {
		t.Fatalf("restart mosquitto: %v", err)
	}
}

func (s *Server) stop(signal syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal)
	_ = s.process.Wait()
	s.process = nil
}

// start runs mosquitto and waits until it listens.
func (s *Server) start() error {
	s.output = new(buffer)
	s.process = exec.Command(s.binary, "-c", s.config)
	s.process.Stderr = s.output
	if err := s.process.Start(); err != nil {
		s.process = nil
		return err
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(startTimeout); time.Now().Before(end); <-poll.C {
		if s.output.listens() && s.answers() {
			return nil
		}
		if s.output.failed() {
			break
		}
	}
	s.stop(syscall.SIGKILL)
	return fmt.Errorf("mosquitto does not listen on %s: %s", s.Addr, s.output)
}

func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// buffer is what mosquitto says; the goroutine of os/exec writes it while start reads it.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String implements fmt.Stringer.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) listens() bool { return strings.Contains(b.String(), " running") }

func (b *buffer) failed() bool { return strings.Contains(b.String(), "Error: ") }
