package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Stub is the least that devices take for a broker: it accepts every connection, acknowledges every PUBLISH of QoS 1
// as soon as it is complete, and answers pings. It stores, forwards and checks nothing. It shows what the load, the
// network and the machine can do, so that a broker's own figures can be told from theirs.
type Stub struct {
	// MaxConnections is how many connections are held at a time, 0 for no limit; further ones wait to be accepted.
	MaxConnections int

	connections, messages atomic.Int64
}

// Connections is how many devices are connected now.
func (s *Stub) Connections() int64 { return s.connections.Load() }

// Messages is how many messages came so far.
func (s *Stub) Messages() int64 { return s.messages.Load() }

// Serve accepts connections until ctx is done; then it closes the listener and all connections, waits for them and
// returns nil.
func (s *Stub) Serve(ctx context.Context, listener net.Listener) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	open := openConns{conns: map[net.Conn]struct{}{}}
	defer context.AfterFunc(ctx, open.closeAll)()
	room := make(chan struct{}, s.limit()) // one for each connection
	for {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := accept(ctx, listener)
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		open.add(conn)
		s.connections.Add(1)
		serving.Go(func() {
			s.serve(conn)
			s.connections.Add(-1)
			open.remove(conn)
			<-room
		})
	}
}

func (s *Stub) limit() int {
	if s.MaxConnections > 0 {
		return s.MaxConnections
	}
	return maxDevices
}

// accept waits a little and tries again while the process has no file descriptor left.
func accept(ctx context.Context, listener net.Listener) (net.Conn, error) {
	for {
		conn, err := listener.Accept()
		if err == nil || kindOf(err) != "no file descriptors left" {
			return conn, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// openConns are the connections to be closed at the end.
type openConns struct {
	mu     sync.Mutex // guards the rest
	conns  map[net.Conn]struct{}
	closed bool
}

func (o *openConns) add(c net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns[c] = struct{}{}
	if o.closed {
		_ = c.Close()
	}
}

func (o *openConns) remove(c net.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.conns, c)
	_ = c.Close()
}

func (o *openConns) closeAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for c := range o.conns {
		_ = c.Close()
	}
}

// stubBuffer holds a few messages of a device.
const stubBuffer = 512

// serve answers one device until it goes.
func (s *Stub) serve(conn net.Conn) {
	in, answers := make([]byte, stubBuffer), make([]byte, 0, 64)
	var packets requests
	for {
		n, err := conn.Read(in)
		if n > 0 {
			var messages int64
			var wrong error
			answers, messages, wrong = packets.feed(in[:n], answers[:0])
			s.messages.Add(messages)
			if len(answers) > 0 {
				if _, err := conn.Write(answers); err != nil {
					return
				}
			}
			if wrong != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// requests takes a device's packets apart as they arrive, in pieces of any size, and keeps nothing of them but where in a
// packet it is.
type requests struct {
	state   requestState
	first   byte // of the packet
	lengthN byte // bytes of the remaining length so far
	left    int  // bytes of the packet that have not come
	topic   int  // bytes of the topic that have not come
	value   uint16
}

type requestState byte

const (
	atFirst requestState = iota
	atLength
	atTopicLength1
	atTopicLength2
	atTopic
	atID1
	atID2
	atRest
)

// feed takes the next bytes, appends the answers to out, and counts the messages. The error is io.EOF for DISCONNECT, or
// says what no device sends.
func (p *requests) feed(b, out []byte) (answers []byte, messages int64, err error) {
	for len(b) > 0 {
		switch p.state {
		case atTopic, atRest: // many bytes at once
			n := min(len(b), p.skippable())
			p.left -= n
			p.topic -= n
			b = b[n:]
		default:
			if out, err = p.take(b[0], out); err != nil {
				return out, messages, err
			}
			b = b[1:]
		}
		if out, err = p.settle(out, &messages); err != nil {
			return out, messages, err
		}
	}
	return out, messages, nil
}

func (p *requests) skippable() int {
	if p.state == atTopic {
		return min(p.topic, p.left)
	}
	return p.left
}

var errBadRequest = errors.New("no MQTT 3.1.1 packet of a publishing device")

// take takes one byte of a packet's head.
func (p *requests) take(c byte, out []byte) ([]byte, error) {
	switch p.state {
	case atFirst:
		*p = requests{first: c, state: atLength}
		return out, nil
	case atLength:
		p.left |= int(c&0x7f) << (7 * p.lengthN)
		if p.lengthN++; c&0x80 != 0 {
			if p.lengthN == maxLengthByte {
				return out, errBadRequest
			}
			return out, nil
		}
		p.state = atRest
		if p.first&typeMask == packetPublish {
			p.state = atTopicLength1
			if p.left < 2 {
				return out, errBadRequest
			}
		}
		return out, nil
	}
	p.left--
	p.value = p.value<<8 | uint16(c)
	switch p.state {
	case atTopicLength1:
		p.state = atTopicLength2
	case atTopicLength2:
		p.topic, p.state = int(p.value), atTopic
		if need := p.topic + p.idBytes(); need > p.left {
			return out, errBadRequest
		}
	case atID1:
		p.state = atID2
	case atID2:
		p.state = atRest
	}
	return out, nil
}

func (p *requests) idBytes() int {
	if p.first&publishQoS != 0 {
		return 2
	}
	return 0
}

// settle moves on where a part of a packet is complete, and answers a packet that is.
func (p *requests) settle(out []byte, messages *int64) ([]byte, error) {
	if p.state == atTopic && p.topic == 0 {
		p.state = atRest
		if p.idBytes() > 0 {
			p.state = atID1
		}
	}
	if p.state != atRest || p.left > 0 {
		return out, nil
	}
	p.state = atFirst
	switch {
	case p.first == packetConnect:
		return append(out, packetConnack, 2, 0, 0), nil
	case p.first&typeMask == packetPublish && p.first&publishQoS <= publishQoS1:
		*messages++
		if p.idBytes() > 0 {
			out = append(out, packetPuback, 2, byte(p.value>>8), byte(p.value))
		}
		return out, nil
	case p.first == packetPingreq:
		return append(out, packetPingresp, 0), nil
	case p.first == packetDisconnect:
		return out, io.EOF
	}
	return out, errBadRequest
}
