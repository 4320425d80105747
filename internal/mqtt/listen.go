package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// maxStrangers is how many connections of one address may be on their way to being admitted. All devices of a base may
// come from one address, and come at once; those over it are hung up on and try again.
const maxStrangers = 1000

// listen binds the addresses; nil for one that is not wanted.
func (b *Broker) listen() (plain, encrypted net.Listener, err error) {
	if b.o.Addr != "" {
		if plain, err = net.Listen("tcp", b.o.Addr); err != nil {
			return nil, nil, err
		}
	}
	if b.o.TLSAddr != "" {
		if encrypted, err = net.Listen("tcp", b.o.TLSAddr); err != nil {
			return nil, nil, errors.Join(err, closeAll(plain))
		}
	}
	return plain, encrypted, nil
}

func (b *Broker) listenersLocked() []net.Listener {
	var out []net.Listener
	for _, l := range []net.Listener{b.plain, b.encrypted} {
		if l != nil {
			out = append(out, l)
		}
	}
	return out
}

func closeAll(listeners ...net.Listener) error {
	var errs []error
	for _, l := range listeners {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

func (b *Broker) isClosing() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// accept hands each connection to a goroutine of its own.
func (b *Broker) accept(listener net.Listener) {
	b.mu.Lock()
	encrypted := b.encrypted
	b.mu.Unlock()
	var pause time.Duration
	for {
		nc, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			b.take(nc, listener == encrypted)
		case b.isClosing() || errors.Is(err, net.ErrClosed):
			return
		default: // such as too many open files: it passes when a connection ends
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			b.warn.log("connection not accepted", "err", err)
			select {
			case <-time.After(pause):
			case <-b.closing:
			}
		}
	}
}

// take serves a connection, if there is room for it.
func (b *Broker) take(nc net.Conn, encrypted bool) {
	remote := hostOf(nc.RemoteAddr().String())
	if !b.hasRoom(remote) {
		b.refuse(refused{why: DeniedConnections, remote: nc.RemoteAddr().String()})
		_ = nc.Close()
		return
	}
	if encrypted {
		nc = tls.Server(nc, b.o.TLS)
	}
	c := newConn(nc, 0) // mochi reads through a buffer of its own
	c.first = &firstPacket{}
	b.mu.Lock()
	b.conns[c] = &attached{ended: make(chan struct{}), stranger: remote}
	b.strangers[remote]++
	b.mu.Unlock()
	b.serving.Go(func() { b.serve(c) })
}

// hasRoom keeps connections that say nothing from filling the broker: only the accept loops add any.
func (b *Broker) hasRoom(remote netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns) < b.o.MaxConnections && b.strangers[remote] < maxStrangers
}

// serve is one connection, from its handshake to its end.
func (b *Broker) serve(c *conn) {
	defer func() {
		b.detach(c)
		_ = c.Close()
		<-c.flushed
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	if err := b.handshake(c); err != nil {
		b.refuse(refused{why: DeniedTLS, remote: c.RemoteAddr().String(), what: err.Error()})
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(handshakeTimeout)) // for the CONNECT; mochi sets the next one after it
	err := b.server.EstablishConnection(listenerID, c)
	b.o.Logger.Debug("connection ended", "remote", c.RemoteAddr().String(), "err", err)
}

func (b *Broker) handshake(c *conn) error {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// attached is what the broker knows of a connection.
type attached struct {
	session  string        // mochi's client id, "" before it has connected
	stranger netip.Addr    // counted in strangers, until it has connected
	ended    chan struct{} // closed when nothing of it is delivered any more, its will included
}

// attach makes c the connection of the client id. It ends the one that the client had before, and waits until the last of
// that one, in the end its will, has been delivered: mochi alone would let the new connection overtake it, and a device
// that is back would look dead. It is denied when this takes too long, so that the client may try again, and
// when the client has too many connections already.
func (b *Broker) attach(c *conn, session string) Denial {
	late := time.After(takeoverTimeout)
	for {
		before, denied := b.claim(c, session)
		if before == nil {
			return denied
		}
		select {
		case <-before:
		case <-c.ended:
			return DeniedTakeover
		case <-late:
			return DeniedTakeover
		}
	}
}

// claim records c under the client id, or ends the connection that has it and returns when that will be over.
func (b *Broker) claim(c *conn, session string) (before <-chan struct{}, denied Denial) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.sessions[session]; other != nil {
		_ = other.Close()
		return b.conns[other].ended, ""
	}
	if c.party != nil {
		if limit := c.permit.MaxConnections; limit > 0 && c.party.connections >= limit {
			return nil, DeniedConnections
		}
		c.party.connections++
	}
	b.sessions[session] = c
	b.conns[c].session = session
	b.greetLocked(c)
	return nil, ""
}

// greetLocked says that the connection is no stranger any more.
func (b *Broker) greetLocked(c *conn) {
	a := b.conns[c]
	if !a.stranger.IsValid() {
		return
	}
	if b.strangers[a.stranger]--; b.strangers[a.stranger] <= 0 {
		delete(b.strangers, a.stranger)
	}
	a.stranger = netip.Addr{}
}

// detach says that nothing of the connection will be delivered any more.
func (b *Broker) detach(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.conns[c]
	b.greetLocked(c)
	if b.sessions[a.session] == c {
		delete(b.sessions, a.session)
		if c.party != nil {
			c.party.connections--
		}
	}
	close(a.ended)
}
