package main

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// wan is the line between a base and the city: it forwards connections, until it is cut.
type wan struct {
	to       string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex // guards the rest
	cut   bool
	conns map[net.Conn]struct{}
}

// newWAN opens a line to an address. The caller closes it.
func newWAN(to string) (*wan, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a line: %w", err)
	}
	w := &wan{to: to, listener: l, conns: map[net.Conn]struct{}{}}
	w.wg.Go(w.accept)
	return w, nil
}

func (w *wan) addr() string { return w.listener.Addr().String() }

func (w *wan) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.forward(near) })
	}
}

// forward carries one connection until either side or the line ends.
func (w *wan) forward(near net.Conn) {
	far, err := net.Dial("tcp", w.to)
	if err != nil || !w.join(near, far) {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	defer w.leave(near, far)
	var wg sync.WaitGroup
	wg.Go(func() { carry(near, far) })
	carry(far, near)
	wg.Wait()
}

func carry(to, from net.Conn) {
	_, _ = io.Copy(to, from) //nolint:errcheck // that a connection ends is what this is about
	_ = to.Close()
	_ = from.Close()
}

func (w *wan) join(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false
	}
	for _, c := range conns {
		w.conns[c] = struct{}{}
	}
	return true
}

func (w *wan) leave(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.conns, c)
	}
}

// sever cuts the line: connections end, and new ones get nowhere.
func (w *wan) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.conns {
		_ = c.Close()
	}
}

// mend makes the line whole again.
func (w *wan) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// close ends the line for good.
func (w *wan) close() {
	_ = w.listener.Close()
	w.sever()
	w.wg.Wait()
}
