package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	readyWithin = 60 * time.Second
	stopWithin  = 20 * time.Second
	pollEvery   = 10 * time.Millisecond
)

// server is a program that the harness starts, kills and starts again. The harness ends it, by its own handle, and ends no
// other process. It is used by one goroutine.
type server struct {
	name   string
	make   func() *exec.Cmd
	ready  func(ctx context.Context, s *server) bool
	cmd    *exec.Cmd
	output *output
	exited chan struct{}
}

// output is the last of what a process has said.
type output struct {
	mu   sync.Mutex // guards text: os/exec writes it while others read
	text []byte
}

const outputLimit = 32 << 10

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if n := len(o.text) - outputLimit; n > 0 {
		o.text = append([]byte(nil), o.text[n:]...)
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// errEnded says that a process ended that was to run.
var errEnded = errors.New("it ended by itself")

// launch runs the program without waiting for it to be ready.
func (s *server) launch() error {
	s.cmd, s.output, s.exited = s.make(), new(output), make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	endWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	cmd, exited := s.cmd, s.exited
	go func() { // ends with the process; kill and stop wait for it
		defer close(exited)
		_ = cmd.Wait() //nolint:errcheck // how it ended is told by what it said
	}()
	return nil
}

// startTries is how often a program is started that ends at once: while it was dead, somebody else may have had its port.
const startTries = 5

// start runs the program and returns when it is ready.
func (s *server) start(ctx context.Context) (err error) {
	for range startTries {
		if err = s.startOnce(ctx); !errors.Is(err, errEnded) || pause(ctx, 10*pollEvery) != nil {
			break
		}
	}
	return err
}

func (s *server) startOnce(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	err := await(ctx, readyWithin, s.name+" is ready", func() (bool, error) {
		if s.hasEnded() {
			return false, errEnded
		}
		return s.ready(ctx, s), nil
	})
	if err != nil {
		s.kill()
		return fmt.Errorf("start %s: %w; it said:\n%s", s.name, err, s.output)
	}
	return nil
}

// hasEnded reports whether the program does not run.
func (s *server) hasEnded() bool {
	if s.cmd == nil {
		return true
	}
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// kill ends the process with signal 9, and returns when it is gone.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	// It may have ended already; the wait covers that.
	_ = s.cmd.Process.Kill() //nolint:errcheck // see above
	<-s.exited
}

// stop ends the process as an operator would, or by force when that does not help.
func (s *server) stop() {
	if s.hasEnded() {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended meanwhile; the wait covers that
	select {
	case <-s.exited:
	case <-time.After(stopWithin):
		s.kill()
	}
}

// await polls until done, with a limit.
func await(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %s in vain until %s", limit, what))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Ports that Linux gives to no outgoing connection by itself: what is free here is still free when a program that was
// killed wants it again, except for another server.
const lowPort, highPort = 20_000, 32_000

// freeAddr returns an address of the loopback at which nobody listens.
func freeAddr() (string, error) {
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowPort+rand.IntN(highPort-lowPort))); err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// answers reports whether somebody listens there.
func answers(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
