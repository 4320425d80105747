package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// message is one device message.
type message struct {
	topic   string
	payload []byte
}

// load is what one connection sends: whole PUBLISH packets of QoS 1, made before the clock starts, because making them
// is not what is measured and shares the machine's cores with what is.
type load struct {
	bytes []byte
	ends  []int // where each packet ends
}

// spread makes the loads of several connections: message i goes to connection i modulo their number, so that a device
// stays with one connection when devices take turns and their number is a multiple of the connections'.
func spread(messages []message, connections int) []load {
	loads := make([]load, connections)
	for i := range messages {
		l := &loads[i%connections]
		l.bytes = appendPublish(l.bytes, &messages[i], uint16(len(l.ends)%0xffff+1))
		l.ends = append(l.ends, len(l.bytes))
	}
	return loads
}

// appendPublish appends a PUBLISH packet of QoS 1 (MQTT 3.1.1, section 3.3).
func appendPublish(b []byte, m *message, id uint16) []byte {
	const publishQoS1 = 0x32
	b = append(b, publishQoS1)
	b = binary.AppendUvarint(b, uint64(2+len(m.topic)+2+len(m.payload))) // the remaining length has the same form
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.topic)))
	b = append(b, m.topic...)
	b = binary.BigEndian.AppendUint16(b, id)
	return append(b, m.payload...)
}

// appendConnect appends a CONNECT packet: a clean session without keep-alive (MQTT 3.1.1, section 3.1).
func appendConnect(b []byte, clientID string) []byte {
	const connect, cleanSession = 0x10, 0x02
	b = append(b, connect)
	b = binary.AppendUvarint(b, uint64(10+2+len(clientID)))
	b = append(b, 0, 4, 'M', 'Q', 'T', 'T', 4, cleanSession, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(clientID)))
	return append(b, clientID...)
}

// bytesOf is what the loads weigh on the wire.
func bytesOf(loads []load) int {
	n := 0
	for _, l := range loads {
		n += len(l.bytes)
	}
	return n
}

// count is how many messages the loads have.
func count(loads []load) int {
	n := 0
	for _, l := range loads {
		n += len(l.ends)
	}
	return n
}

// flooder holds connections to a broker that are ready to send.
type flooder struct {
	conns []net.Conn
}

// dialFlooder connects as often as there are loads.
func dialFlooder(ctx context.Context, addr string, connections int) (*flooder, error) {
	f := &flooder{}
	for i := range connections {
		c, err := dialMQTT(ctx, addr, fmt.Sprintf("bench-%d", i))
		if err != nil {
			f.close()
			return nil, fmt.Errorf("connect to broker: %w", err)
		}
		f.conns = append(f.conns, c)
	}
	return f, nil
}

func dialMQTT(ctx context.Context, addr, clientID string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	answer := make([]byte, 4)
	_, err = c.Write(appendConnect(nil, clientID))
	if err == nil {
		_, err = io.ReadFull(c, answer)
	}
	if err == nil && (answer[0] != 0x20 || answer[3] != 0) {
		err = fmt.Errorf("broker answers %x to CONNECT", answer)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (f *flooder) close() {
	for _, c := range f.conns {
		_ = c.Close()
	}
}

// send sends the loads, one on each connection, with at most window messages of each unacknowledged, and returns how
// long it took from the first byte to the last PUBACK.
func (f *flooder) send(ctx context.Context, loads []load, window int) (time.Duration, error) {
	defer context.AfterFunc(ctx, f.close)()
	errs := make([]error, 2*len(loads))
	var all sync.WaitGroup
	began := time.Now()
	for i := range loads {
		var acked atomic.Int64
		progress := make(chan struct{}, 1)
		all.Go(func() {
			errs[2*i] = countAcks(f.conns[i], len(loads[i].ends), &acked, progress)
			close(progress)
		})
		all.Go(func() { errs[2*i+1] = write(f.conns[i], &loads[i], window, &acked, progress) })
	}
	all.Wait()
	took := time.Since(began)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return took, errors.Join(errs...)
}

// maxBurst is the most that one write to the socket holds.
const maxBurst = 64 << 10

// write sends a load's packets, as many at once as the window has room for.
func write(c net.Conn, l *load, window int, acked *atomic.Int64, progress <-chan struct{}) error {
	for sent, at := 0, 0; sent < len(l.ends); {
		room := int(acked.Load()) + window
		if sent >= room {
			if _, ok := <-progress; !ok && sent >= int(acked.Load())+window {
				return nil // countAcks has the reason
			}
			continue
		}
		last := min(room, len(l.ends)) - 1
		for last > sent && l.ends[last]-at > maxBurst {
			last = sent + (last-sent)/2
		}
		if _, err := c.Write(l.bytes[at:l.ends[last]]); err != nil {
			_ = c.Close() // so that countAcks ends too
			return fmt.Errorf("publish: %w", err)
		}
		sent, at = last+1, l.ends[last]
	}
	return nil
}

// countAcks reads PUBACKs until all have come.
func countAcks(c net.Conn, want int, acked *atomic.Int64, progress chan<- struct{}) error {
	const ackLen = 4
	in := bufio.NewReaderSize(c, 64<<10)
	for got := 0; got < want; {
		if _, err := in.Peek(ackLen); err != nil {
			return fmt.Errorf("wait for PUBACK %d of %d: %w", got+1, want, err)
		}
		n := in.Buffered() / ackLen
		packets, err := in.Peek(n * ackLen)
		if err != nil {
			return fmt.Errorf("read PUBACK: %w", err)
		}
		for i := 0; i < len(packets); i += ackLen {
			if packets[i] != 0x40 || packets[i+1] != 2 {
				return fmt.Errorf("broker sends %x, want a PUBACK", packets[i:i+ackLen])
			}
		}
		if _, err := in.Discard(len(packets)); err != nil {
			return fmt.Errorf("read PUBACK: %w", err)
		}
		got += n
		acked.Store(int64(got))
		select {
		case progress <- struct{}{}:
		default:
		}
	}
	return nil
}
