package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// grace is how long running requests may go on once Serve is told to end.
	grace = 5 * time.Second
	// afterGrace is how long a request whose context was cut may take to notice.
	afterGrace = time.Second
)

// Serve serves on the listener, which it closes, until ctx ends. Then it lets running requests finish: for five seconds
// undisturbed, for one more with their contexts cancelled; what is still connected then is cut off and is an error. It
// may be called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	conns := &connections{Listener: l, idle: make(map[net.Conn]bool)}
	s.app.Server().ConnState = conns.became
	serving, ended := context.WithCancel(ctx)
	defer ended()
	var stopErr error
	var stopper sync.WaitGroup
	stopper.Go(func() {
		<-serving.Done()
		stopErr = s.stop(conns)
	})
	err := s.app.Listener(conns)
	if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		err = nil
	}
	ended()
	stopper.Wait()
	if err := errors.Join(err, stopErr); err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

func (s *Server) stop(conns *connections) error {
	defer s.cut()
	late := time.AfterFunc(grace, s.cut)
	defer late.Stop()
	conns.closeIdle()
	err := s.app.ShutdownWithTimeout(grace + afterGrace)
	// Before the server has begun to accept there is nothing to shut down: then this is what ends it.
	if closeErr := conns.Close(); closeErr != nil && !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	if n := conns.closeAll(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d connections were cut off", n))
	}
	return err
}

// connections is a listener that knows which of its connections are idle: the server's own shutdown waits for a client
// that has connected and says nothing.
type connections struct {
	net.Listener
	mu      sync.Mutex        // guards the rest
	idle    map[net.Conn]bool // of every open connection
	closing bool              // an idle connection is closed at once
}

// Accept implements net.Listener.
func (l *connections) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &connection{Conn: c, of: l}, nil
}

// connection is idle until its first byte of a request has been read: fasthttp calls a new one active before that.
type connection struct {
	net.Conn
	of *connections
}

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.of.mark(c, false)
	}
	return n, err
}

// became is fasthttp's ConnState hook, which sees a connection idle once its answer has been written.
func (l *connections) became(c net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew, fasthttp.StateIdle:
		l.mark(c, true)
	case fasthttp.StateClosed:
		l.mu.Lock()
		delete(l.idle, c)
		l.mu.Unlock()
	}
}

func (l *connections) mark(c net.Conn, idle bool) {
	l.mu.Lock()
	closing := l.closing && idle
	if closing {
		delete(l.idle, c)
	} else {
		l.idle[c] = idle
	}
	l.mu.Unlock()
	if closing {
		_ = c.Close()
	}
}

// closeIdle closes the idle connections, and from now on each that becomes idle.
func (l *connections) closeIdle() {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.drop(func(idle bool) bool { return idle })
}

// closeAll closes what is still open, and returns how many there were.
func (l *connections) closeAll() int { return l.drop(func(bool) bool { return true }) }

func (l *connections) drop(which func(idle bool) bool) int {
	l.mu.Lock()
	var out []net.Conn
	for c, idle := range l.idle {
		if which(idle) {
			out = append(out, c)
			delete(l.idle, c)
		}
	}
	l.mu.Unlock()
	for _, c := range out {
		_ = c.Close()
	}
	return len(out)
}
