package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// dialers is how many devices connect at a time: enough for some ten thousand a second on the loopback.
	dialers = 128
	// connectTimeout bounds one attempt, TCP and MQTT together.
	connectTimeout = 15 * time.Second
	// retryAfter is how long a device waits after a loss, or after an attempt that failed.
	retryAfter = time.Second
	// readBuffer holds what a device reads at once; an acknowledgement has 4 bytes.
	readBuffer = 64
)

// retries are the devices that are to connect again, oldest first, which is also the order of their instants.
type retries struct {
	mu    sync.Mutex // guards queue; taken after a device's mutex
	queue []retry
}

type retry struct {
	device int
	atUs   int64
}

func (q *retries) push(device int, atUs int64) {
	q.mu.Lock()
	q.queue = append(q.queue, retry{device, atUs})
	q.mu.Unlock()
}

func (q *retries) pop(nowUs int64) (device int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 || q.queue[0].atUs > nowUs {
		return 0, false
	}
	device = q.queue[0].device
	q.queue = q.queue[1:]
	return device, true
}

// connectAll connects every device but the first, which Run has tried, and those that lost their connection, at the rate
// that is asked for, until ctx is done.
func (r *run) connectAll(ctx context.Context) {
	work := make(chan int) // without room: a device that waits for a dialer waits in the queue
	var dialing sync.WaitGroup
	for range dialers {
		dialing.Go(func() {
			for i := range work {
				if err := r.connect(ctx, i); err != nil && ctx.Err() == nil {
					r.failed(i, err)
				}
				r.tried(i)
			}
		})
	}
	defer dialing.Wait()
	defer close(work)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	next, last, allowed := 1, time.Now(), 0.0
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		rate := float64(r.o.ConnectionsPerSecond)
		allowed = min(allowed+rate*now.Sub(last).Seconds(), max(1, rate/20)) // time that passed unused is not made good
		last = now
		for ; allowed >= 1; allowed-- {
			i, ok := next, next < len(r.devices)
			if ok {
				next++
			} else if i, ok = r.retries.pop(r.nowUs()); !ok {
				break
			}
			select {
			case work <- i:
			case <-ctx.Done():
				return
			}
		}
	}
}

// tried counts the devices that have tried once; the last of them ends the ramp.
func (r *run) tried(i int) {
	if r.triedOnce[i].CompareAndSwap(false, true) && r.triedDevices.Add(1) == int64(len(r.devices)) {
		close(r.ramped)
	}
}

// connect makes a device's connection and starts its reader.
func (r *run) connect(ctx context.Context, i int) error {
	r.tally.attempts.Add(1)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	device := r.o.First + i
	dialer := net.Dialer{LocalAddr: r.o.source(device, r.address), KeepAlive: -1, Control: latePort}
	conn, err := dialer.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return err
	}
	if err := r.shakeHands(ctx, conn, device); err != nil {
		_ = conn.Close()
		return err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return errors.Join(fmt.Errorf("connection is a %T", conn), conn.Close())
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	d := &r.devices[i]
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.closed.Load() {
		return conn.Close()
	}
	d.conn, d.raw, d.writeUs = conn, raw, r.nowUs()
	r.tally.connected.Add(1)
	r.running.Go(func() { r.read(i, conn) })
	return nil
}

// shakeHands sends CONNECT and reads CONNACK.
func (r *run) shakeHands(ctx context.Context, conn net.Conn, device int) error {
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	at := occasion{device: device, name: r.o.name(device), ms: r.epochMs + r.nowUs()/1000}
	username := string(r.o.Message.appendPieces(nil, r.username, &at))
	if _, err := conn.Write(appendConnect(nil, at.name, username, r.o.Password.Reveal(), uint16(r.o.KeepAlive/time.Second))); err != nil {
		return err
	}
	var answer [4]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	if answer[0] != packetConnack || answer[1] != 2 {
		return fmt.Errorf("%w: %x for CONNECT", errNotAnswer, answer)
	}
	if answer[3] != 0 {
		return refusedError(answer[3])
	}
	return conn.SetDeadline(time.Time{})
}

// read takes the broker's answers until the connection ends.
func (r *run) read(i int, conn net.Conn) {
	var in answers
	buffer := make([]byte, readBuffer)
	now := int64(0)
	acked := func(id uint16) { r.acked(i, conn, id, now) }
	for {
		n, err := conn.Read(buffer)
		if n > 0 {
			now = r.nowUs()
			if wrong := in.feed(buffer[:n], acked); wrong != nil {
				err = wrong
			}
		}
		if err != nil {
			d := &r.devices[i]
			d.mu.Lock()
			r.lostLocked(i, conn, err)
			d.mu.Unlock()
			return
		}
	}
}

// acked takes one acknowledgement.
func (r *run) acked(i int, conn net.Conn, id uint16, nowUs int64) {
	d := &r.devices[i]
	d.mu.Lock()
	s, ok := d.flight.take(id)
	ok = ok && d.conn == conn
	d.mu.Unlock()
	if !ok {
		r.tally.fault("acknowledgement of nothing sent")
		return
	}
	r.tally.acked.Add(1)
	r.tally.response.record(nowUs - s.dueUs)
	r.tally.service.record(max(0, nowUs-s.dueUs-int64(s.lateUs)))
}

// lostLocked ends a device's connection, once, and lets it connect again. The device's mutex is held.
func (r *run) lostLocked(i int, conn net.Conn, err error) {
	d := &r.devices[i]
	if d.conn != conn {
		return
	}
	d.conn, d.raw = nil, nil
	_ = conn.Close()
	r.tally.lost.Add(int64(d.flight.len()))
	d.flight.clear()
	r.tally.connected.Add(-1)
	if r.closed.Load() {
		return
	}
	r.tally.losses.Add(1)
	r.failed(i, fmt.Errorf("connection lost: %w", err))
}

// failed counts why a device is not connected, and lets it try again.
func (r *run) failed(i int, err error) {
	r.tally.fault(kindOf(err))
	r.logger.Debug("device not connected", "device", r.o.First+i, "err", err)
	r.retries.push(i, r.nowUs()+retryAfter.Microseconds())
}
