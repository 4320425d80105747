package load

import (
	"context"
	"net"
	"time"
)

const (
	// tick is how often the schedule is looked at: nothing is sent before its instant, and when the machine keeps up
	// everything within a tick after it. Finer ticks cost the cores that the broker needs.
	tick = time.Millisecond
	// maxBurst is how many messages of one device go into one write when it is behind.
	maxBurst = 64
	maxLate  = time.Hour
)

// schedule says when each message is due: message k of device i at start + (k + i/devices) × every. All times are
// microseconds since the run began.
type schedule struct {
	startUs, endUs int64 // messages are due in [startUs, endUs)
	everyUs        int64
	first, devices int64 // this process's first device, and how many there are in all
}

func (s *schedule) dueUs(device int, k int64) int64 {
	return s.startUs + k*s.everyUs + (s.first+int64(device))*s.everyUs/s.devices
}

// due is how many messages of the device are due by now, of those from number k on.
func (s *schedule) due(device int, k, nowUs int64) int64 {
	first := s.dueUs(device, 0)
	last := min(nowUs, s.endUs-1)
	if last < first {
		return 0
	}
	return max(0, (last-first)/s.everyUs+1-k)
}

// shard plays every n-th device on one goroutine.
type shard struct {
	*run
	number, of int
	w          writer
}

// writer is the memory for one goroutine's packets.
type writer struct {
	packets, scratch []byte
	try              tryWrite
}

// send walks through the schedule until it ends or ctx is done.
func (s *shard) send(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := int64(0); ; k++ {
		for i := s.number; i < len(s.devices); i += s.of {
			due := s.schedule.dueUs(i, k)
			if due >= s.schedule.endUs {
				if i == s.number { // the first device has the earliest instant
					return
				}
				continue
			}
			for now := s.nowUs(); now < due; now = s.nowUs() {
				timer.Reset(max(tick, time.Duration(due-now)*time.Microsecond))
				select {
				case <-timer.C:
				case <-ctx.Done():
					return
				}
			}
			s.visit(i, &s.w)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// visit sends what is due of one device.
func (r *run) visit(i int, w *writer) {
	d := &r.devices[i]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy {
		return // who writes the rest will look at the schedule after that
	}
	for count := r.prepare(i, w); count > 0; count = r.prepare(i, w) {
		conn := d.conn
		n, err := w.try.write(d.raw, w.packets)
		switch {
		case err != nil:
			r.lostUnanswered(count)
			r.lostLocked(i, conn, err)
		case n < len(w.packets):
			r.finishLater(i, conn, append([]byte(nil), w.packets[n:]...), count)
			return
		}
	}
}

// prepare makes the packets of what is due now, a burst at most, counts it, and returns how many there are. The
// device's mutex is held.
func (r *run) prepare(i int, w *writer) int64 {
	d := &r.devices[i]
	if r.startUs.Load() == 0 {
		return 0 // there is no schedule yet
	}
	now := r.nowUs()
	due := r.schedule.due(i, d.next, now)
	if due == 0 {
		return 0
	}
	if d.conn == nil {
		r.tally.missed.Add(due)
		d.next += due
		return 0
	}
	room := int64(maxBurst)
	if r.o.QoS > 0 {
		room = min(room, int64(maxFlight-d.flight.len()))
	}
	if room == 0 {
		r.tally.unsent.Add(due)
		d.next += due
		return 0
	}
	due = min(due, room)
	at := occasion{device: int(r.schedule.first) + i, name: r.o.name(int(r.schedule.first) + i), ms: r.epochMs + now/1000}
	w.packets = w.packets[:0]
	for range due {
		late := now - r.schedule.dueUs(i, d.next)
		r.tally.late.record(late)
		d.next++
		at.n = d.next
		id := uint16(0)
		if r.o.QoS > 0 {
			id = d.nextID()
			d.flight.push(sent{dueUs: now - late, lateUs: uint32(min(late, maxLate.Microseconds())), id: id})
		}
		w.packets, w.scratch = r.o.Message.appendPublish(w.packets, w.scratch, &at, r.o.QoS, id)
	}
	d.writeUs = now
	r.tally.sent.Add(due)
	return due
}

// finishLater lets a goroutine of its own write what the network did not take of count messages, and what becomes due
// meanwhile. The device's mutex is held.
func (r *run) finishLater(i int, conn net.Conn, rest []byte, count int64) {
	d := &r.devices[i]
	d.busy = true
	r.running.Go(func() {
		w := writer{packets: rest}
		for more := true; more; {
			_, err := conn.Write(w.packets)
			d.mu.Lock()
			switch {
			case err != nil:
				r.lostUnanswered(count)
				r.lostLocked(i, conn, err)
				more = false
			case d.conn != conn: // lost meanwhile
				more = false
			default:
				count = r.prepare(i, &w)
				more = count > 0
			}
			d.busy = more
			d.mu.Unlock()
		}
	})
}

// lostUnanswered counts messages that nobody will acknowledge, and that were not written.
func (r *run) lostUnanswered(count int64) {
	if r.o.QoS == 0 {
		r.tally.lost.Add(count)
	}
}

// ping keeps the connections of devices that have nothing to say until ctx is done.
func (r *run) ping(ctx context.Context) {
	const rounds = 20 // in half the keep-alive
	step := r.o.KeepAlive / 2 / rounds
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	var w writer
	for round := 0; ; round = (round + 1) % rounds {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		for i := round; i < len(r.devices); i += rounds {
			r.pingOne(i, &w)
		}
	}
}

func (r *run) pingOne(i int, w *writer) {
	d := &r.devices[i]
	d.mu.Lock()
	defer d.mu.Unlock()
	now := r.nowUs()
	if d.conn == nil || d.busy || now-d.writeUs < r.o.KeepAlive.Microseconds()/3 {
		return
	}
	d.writeUs = now
	w.packets = append(w.packets[:0], packetPingreq, 0)
	conn := d.conn
	n, err := w.try.write(d.raw, w.packets)
	switch {
	case err != nil:
		r.lostLocked(i, conn, err)
	case n < len(w.packets):
		r.finishLater(i, conn, append([]byte(nil), w.packets[n:]...), 0)
	}
}
