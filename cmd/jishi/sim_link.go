package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// cuttable is a link to an address that can be cut: what is on it then is lost, and nobody gets through before it heals.
type cuttable struct {
	listener net.Listener
	target   string
	carrying sync.WaitGroup

	mu    sync.Mutex // guards the rest
	down  bool
	conns map[net.Conn]struct{}
}

func newCuttable(target string) (*cuttable, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the link: %w", err)
	}
	return &cuttable{listener: listener, target: target, conns: make(map[net.Conn]struct{})}, nil
}

func (c *cuttable) addr() string { return c.listener.Addr().String() }

// run carries connections until ctx ends.
func (c *cuttable) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		_ = c.listener.Close()
		c.cut(true)
	})
	defer stop()
	defer c.carrying.Wait()
	for {
		near, err := c.listener.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on the link: %w", err)
		}
		c.carrying.Go(func() { c.carry(near) })
	}
}

// carry joins a connection with one to the target.
func (c *cuttable) carry(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", c.target)
	if err != nil || !c.admit(near, far) {
		return
	}
	defer far.Close()
	defer c.dismiss(near, far)
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(near, far) //nolint:errcheck // a link ends when it ends
		_ = near.Close()
	})
	_, _ = io.Copy(far, near) //nolint:errcheck // see above
	_ = far.Close()
	back.Wait()
}

func (c *cuttable) admit(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		if c.down {
			_ = conn.Close()
			continue
		}
		c.conns[conn] = struct{}{}
	}
	return !c.down
}

func (c *cuttable) dismiss(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.conns, conn)
	}
}

// cut ends every connection and lets none through, or lets them through again.
func (c *cuttable) cut(down bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down
	if down {
		for conn := range c.conns {
			_ = conn.Close()
		}
		clear(c.conns)
	}
}
