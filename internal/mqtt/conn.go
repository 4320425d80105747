package mqtt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// maxPending is how many bytes may wait for the socket before a writer has to wait.
	maxPending = 256 << 10
	// maxUnreadAcks is how many bytes of acknowledgements, 4 each, may wait beyond that. A peer that has left a quarter
	// of a million of them unread is not coming back.
	maxUnreadAcks = 1 << 20
	// writeChunk is written within writeStall or the connection is given up; together they allow links of 2 kB/s.
	writeChunk = 64 << 10
	writeStall = 30 * time.Second
	// linger is how long Close goes on writing what was already accepted, and waits for the peer to have read it.
	linger = time.Second
	// keptBuffer is the largest write buffer an idle connection keeps.
	keptBuffer = 64 << 10
)

// Why the broker ends a connection of its own accord.
var (
	errUnreadAcks = errors.New("peer does not read its acknowledgements")
	errOversized  = errors.New("peer sent a payload over its limit")
	errWithdrawn  = errors.New("permit was withdrawn")
)

// The first byte of the acknowledgement packets.
const (
	pubackPacket = 0x40
	pubrecPacket = 0x50
)

// conn is a network connection whose writes are gathered in memory and written by one goroutine, as few large writes. Both
// libraries write every packet on its own, and block their locks on a slow peer; with conn a Write is a copy, unless
// maxPending is reached.
//
// Each Write must hold whole packets: acknowledgements go in between.
type conn struct {
	net.Conn
	in io.Reader // the connection itself, or a buffer in front of it

	// What follows is of the broker. It is written in the goroutine of the connection before anyone else knows of it.
	clientID string          // as the client chose it
	permit   *Permit         // nil: everything is allowed
	party    *party          // of the permit's name; nil without one
	bucket   *bucket         // nil without a bound
	writable map[string]bool // topics that MayPublish allowed; only for the connection's goroutine
	first    *firstPacket    // watches the CONNECT; nil once it has passed

	mu      sync.Mutex // guards what follows
	work    sync.Cond  // signalled when out has bytes or the connection ends
	room    sync.Cond  // signalled when out was taken, a read is over or the connection ends
	out     []byte     // accepted, not yet taken by the flusher
	reading bool       // a Read is under way
	err     error      // why it ended; nil while it is open
	writeBy time.Time  // once ended: the deadline of what is still written

	ended   chan struct{} // closed when nothing is accepted any more
	flushed chan struct{} // closed when the flusher is gone and the socket is closed
}

// newConn takes over nc and starts its flusher, which ends after Close or a failure; flushed says when. With readBuffer
// bytes greater than zero, reads are buffered too.
func newConn(nc net.Conn, readBuffer int) *conn {
	c := &conn{Conn: nc, in: nc, ended: make(chan struct{}), flushed: make(chan struct{})}
	if readBuffer > 0 {
		c.in = bufio.NewReaderSize(nc, readBuffer)
	}
	c.work.L, c.room.L = &c.mu, &c.mu
	go c.flush()
	return c
}

// Read implements net.Conn. An error ends the connection.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.beginRead(); err != nil {
		return 0, err
	}
	defer c.endRead()
	n, err := c.in.Read(p)
	if err == nil && c.first != nil {
		err = c.checkFirst(p[:n])
	}
	if err != nil {
		c.end(fmt.Errorf("read: %w", err), linger)
		err = c.cause()
	}
	return n, err
}

func (c *conn) beginRead() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = c.err == nil
	return c.err
}

func (c *conn) endRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	c.room.Broadcast()
}

// Write accepts one or more whole packets. It blocks while maxPending bytes are waiting.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && len(c.out) >= maxPending {
		c.room.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	c.out = append(c.out, p...)
	c.work.Signal()
	return len(p), nil
}

// waitRoom blocks until a Write would not, with half of the room left to others, or until the connection ends.
func (c *conn) waitRoom() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && len(c.out) >= maxPending/2 {
		c.room.Wait()
	}
}

// acknowledge writes a PUBACK or PUBREC without reason and properties, which is the same four bytes in MQTT 3.1.1 and 5.
// It never blocks; on a connection that has ended it does nothing.
func (c *conn) acknowledge(packet byte, id uint16) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.out = append(c.out, packet, 2, byte(id>>8), byte(id))
	unread := len(c.out) > maxPending+maxUnreadAcks
	c.work.Signal()
	c.mu.Unlock()
	if unread {
		c.end(errUnreadAcks, 0)
	}
}

// Close implements net.Conn: it stops reads and new writes at once, and returns while what was accepted is still being
// written and read by the peer, for linger at most. It may be called more than once.
func (c *conn) Close() error {
	c.end(net.ErrClosed, linger)
	return nil
}

// SetDeadline implements net.Conn for reads only: a keep-alive that is counted from the last packet read must not break
// writes to a client that is merely being held back.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn. It does nothing once the connection has ended: that reads end then is decided.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn by doing nothing: writes to the socket have a deadline of their own.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// cause says why the connection ended, nil while it is open.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// end is called by whoever finds out first why the connection is over.
func (c *conn) end(err error, grace time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	c.writeBy = time.Now().Add(grace)
	// Deadlines, not Close, so that the flusher can still write. Their errors mean that the socket is gone already.
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	_ = c.Conn.SetWriteDeadline(c.writeBy)
	close(c.ended)
	c.work.Broadcast()
	c.room.Broadcast()
}

// flush writes what was accepted until the connection has ended and nothing is left.
func (c *conn) flush() {
	defer close(c.flushed)
	defer c.Conn.Close()
	var spare []byte
	for {
		batch := c.take(spare)
		if len(batch) == 0 {
			c.part()
			return
		}
		if err := c.send(batch); err != nil {
			c.end(fmt.Errorf("write: %w", err), 0)
			return
		}
		spare = batch[:0]
		if cap(spare) > keptBuffer {
			spare = nil
		}
	}
}

// take waits for bytes to write and exchanges them for an empty buffer; it returns none when the connection has ended.
func (c *conn) take(spare []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && len(c.out) == 0 {
		c.work.Wait()
	}
	batch := c.out
	c.out = spare
	c.room.Broadcast()
	return batch
}

func (c *conn) send(b []byte) error {
	for len(b) > 0 {
		c.allowWrite()
		n, err := c.Conn.Write(b[:min(len(b), writeChunk)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// part waits after a Close until the peer has hung up too, or until linger is over. A socket that is closed before, with
// bytes unread, is reset, and a reset destroys the acknowledgements that the peer has not read yet; and mosquitto drops
// what it has not read of a connection when the next one with the same client id comes.
func (c *conn) part() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	c.mu.Lock()
	for c.reading { // or its deadline, which is over, would be extended
		c.room.Wait()
	}
	closed := errors.Is(c.err, net.ErrClosed)
	_ = c.Conn.SetReadDeadline(c.writeBy)
	c.mu.Unlock()
	if closed && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.Conn) //nolint:errcheck // the deadline or a reset ends the wait as well as a hang-up
	}
}

func (c *conn) allowWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(writeStall))
	} // else end has set it
}
