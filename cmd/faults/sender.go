package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// sender is one device's MQTT connection: QoS 1, and what has no PUBACK is kept and sent again over the next connection,
// in its order. It is written here and not taken from the service, so that the judge shares nothing with the judged.
type sender struct {
	addr, id string
	window   int // messages that may be out

	mu      sync.Mutex // guards the rest, and writing to conn
	room    sync.Cond  // signalled when unacked has become shorter or the sender has ended
	unacked []*outgoing
	lastID  uint16
	conn    net.Conn // nil while there is none
	ended   bool
}

// outgoing is one message that has no PUBACK yet.
type outgoing struct {
	topic   string
	payload []byte
	acked   func()
	id      uint16
	sent    bool // at least once
}

func newSender(addr, id string, window int) *sender {
	s := &sender{addr: addr, id: id, window: window}
	s.room.L = &s.mu
	return s
}

// publish takes a message and blocks while the window is full. It reports whether the message was taken, which it is
// not once run has ended.
func (s *sender) publish(topic string, payload []byte, acked func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && len(s.unacked) >= s.window {
		s.room.Wait()
	}
	if s.ended {
		return false
	}
	out := &outgoing{topic: topic, payload: payload, acked: acked}
	s.unacked = append(s.unacked, out)
	if s.conn != nil {
		s.writeLocked(out)
	}
	return true
}

// idle reports whether everything is acknowledged.
func (s *sender) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.unacked) == 0
}

const (
	redialEvery = 20 * time.Millisecond
	dialTimeout = 2 * time.Second
)

// run keeps the connection, until ctx ends.
func (s *sender) run(ctx context.Context) {
	defer s.end()
	for ctx.Err() == nil {
		if conn, err := dialMQTT(ctx, s.addr, s.id); err == nil {
			s.converse(ctx, conn)
		}
		if pause(ctx, redialEvery) != nil {
			return
		}
	}
}

func (s *sender) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.room.Broadcast()
}

// converse sends again what is open, and takes acknowledgements until the connection ends.
func (s *sender) converse(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.resend(conn) })
	in := bufio.NewReader(conn)
	for s.takeAck(in) == nil {
	}
	_ = conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn = nil
	}
}

// resend makes the connection the one that publish writes to, after everything that is still open went over it.
func (s *sender) resend(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	for _, out := range s.unacked {
		if s.conn == nil {
			return
		}
		s.writeLocked(out)
	}
}

// writeLocked sends a message; an error ends the connection, and the message waits for the next one.
func (s *sender) writeLocked(out *outgoing) {
	if !out.sent {
		s.lastID++
		if s.lastID == 0 {
			s.lastID++
		}
		out.id = s.lastID
	}
	if _, err := s.conn.Write(appendPublish(nil, out)); err != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
	out.sent = true
}

var errNoAck = errors.New("broker sends what is no PUBACK")

// takeAck reads one PUBACK.
func (s *sender) takeAck(in *bufio.Reader) error {
	var packet [4]byte
	if _, err := io.ReadFull(in, packet[:]); err != nil {
		return err
	}
	if packet[0] != 0x40 || packet[1] != 2 {
		return fmt.Errorf("%w: %x", errNoAck, packet)
	}
	id := binary.BigEndian.Uint16(packet[2:])
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.unacked, func(out *outgoing) bool { return out.id == id && out.sent })
	if i < 0 {
		return nil // for what was sent twice
	}
	out := s.unacked[i]
	if i == 0 {
		s.unacked = s.unacked[1:] // the usual case, without moving the rest
	} else {
		s.unacked = slices.Delete(s.unacked, i, i+1)
	}
	out.acked()
	s.room.Broadcast()
	return nil
}

// appendPublish appends a PUBLISH packet of QoS 1, with DUP when it was sent before (MQTT 3.1.1, section 3.3).
func appendPublish(b []byte, out *outgoing) []byte {
	const publishQoS1, dup = 0x32, 0x08
	first := byte(publishQoS1)
	if out.sent {
		first |= dup
	}
	b = append(b, first)
	b = binary.AppendUvarint(b, uint64(2+len(out.topic)+2+len(out.payload))) // the remaining length has the same form
	b = binary.BigEndian.AppendUint16(b, uint16(len(out.topic)))
	b = append(b, out.topic...)
	b = binary.BigEndian.AppendUint16(b, out.id)
	return append(b, out.payload...)
}

// dialMQTT connects with a clean session and without keep-alive (MQTT 3.1.1, section 3.1).
func dialMQTT(ctx context.Context, addr, clientID string) (net.Conn, error) {
	const connect, cleanSession = 0x10, 0x02
	b := binary.AppendUvarint([]byte{connect}, uint64(10+2+len(clientID)))
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', 4, cleanSession, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID)))
	b = append(b, clientID...)

	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, 4)
	if err = c.SetDeadline(time.Now().Add(dialTimeout)); err == nil {
		_, err = c.Write(b)
	}
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && (answer[0] != 0x20 || answer[3] != 0) {
		err = fmt.Errorf("broker answers %x to CONNECT", answer)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}
