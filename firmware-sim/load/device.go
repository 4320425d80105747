package load

import (
	"net"
	"sync"
	"syscall"
)

// device is one device: a connection, and how far it is in its schedule. Its memory and that of its reader is what a
// hundred thousand of them are made of, so nothing is kept that can be computed.
type device struct {
	mu      sync.Mutex // guards everything below; held while writing, which never waits for the network
	conn    net.Conn   // nil while it is not connected
	raw     syscall.RawConn
	next    int64 // the number of its next message in the schedule, from 0
	writeUs int64 // when it last wrote
	lastID  uint16
	busy    bool // the network took no more; a goroutine waits to write the rest
	flight  flight
}

// flight are the messages that wait for their acknowledgement, oldest first.
type flight struct {
	sent []sent // used from head on
	head int
}

// sent is one message on its way.
type sent struct {
	dueUs  int64
	lateUs uint32 // after dueUs it was sent, cut at an hour
	id     uint16
}

// maxFlight is how many messages of one device may be unacknowledged; beyond that the device sends nothing, and the
// messages are counted as unsent. It bounds memory when a broker stops answering, and keeps packet ids apart.
const maxFlight = 8192

func (f *flight) len() int { return len(f.sent) - f.head }

func (f *flight) push(s sent) {
	if f.head > 0 && len(f.sent) == cap(f.sent) {
		f.sent = f.sent[:copy(f.sent, f.sent[f.head:])]
		f.head = 0
	}
	f.sent = append(f.sent, s)
}

// take removes the message with this id. Brokers acknowledge in order, so it is nearly always the first.
func (f *flight) take(id uint16) (s sent, ok bool) {
	for i := f.head; i < len(f.sent); i++ {
		if f.sent[i].id != id {
			continue
		}
		s = f.sent[i]
		copy(f.sent[f.head+1:i+1], f.sent[f.head:i])
		if f.head++; f.head == len(f.sent) {
			f.sent, f.head = f.sent[:0], 0
		}
		return s, true
	}
	return sent{}, false
}

func (f *flight) clear() { f.sent, f.head = f.sent[:0], 0 }

// nextID is the packet id of the next message, never 0.
func (d *device) nextID() uint16 {
	if d.lastID++; d.lastID == 0 {
		d.lastID = 1
	}
	return d.lastID
}
