package bridge

import (
	"sync"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// maxInboxBytes bounds the payloads that wait for the decoder: while the log is full, devices go on sending, and the
// number of messages alone would let them fill the memory of a small computer.
const maxInboxBytes = 64 << 20

// inbox is where device messages wait for the decoder, bounded by their number and their bytes.
type inbox struct {
	queue   chan mqtt.Inbound
	stopped chan struct{} // closed by stop: nothing is taken any more

	mu    sync.Mutex // guards bytes and ended
	room  sync.Cond  // signalled when bytes went down or the inbox ended
	bytes int
	ended bool
}

func newInbox(messages int) *inbox {
	i := &inbox{queue: make(chan mqtt.Inbound, messages), stopped: make(chan struct{})}
	i.room.L = &i.mu
	return i
}

// put takes a message, or drops it unacknowledged once the inbox was stopped. It blocks while there is no room; a single
// message larger than all the room is taken when nothing else waits.
func (i *inbox) put(in mqtt.Inbound) {
	if !i.reserve(size(in)) {
		return
	}
	select {
	case i.queue <- in:
	case <-i.stopped:
	}
}

// offer is put for who must not wait: it reports whether there was room.
func (i *inbox) offer(in mqtt.Inbound) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended || i.bytes+size(in) > maxInboxBytes {
		return false
	}
	select {
	case i.queue <- in:
		i.bytes += size(in)
		return true
	default:
		return false
	}
}

func (i *inbox) reserve(bytes int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for !i.ended && i.bytes > 0 && i.bytes+bytes > maxInboxBytes {
		i.room.Wait()
	}
	i.bytes += bytes
	return !i.ended
}

// took gives back the room of a message that was received from the queue.
func (i *inbox) took(in mqtt.Inbound) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bytes -= size(in)
	i.room.Broadcast()
}

// stop lets go of everyone who waits in put, now and later.
func (i *inbox) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = true
	i.room.Broadcast()
	close(i.stopped)
}

func size(in mqtt.Inbound) int { return len(in.Topic) + len(in.Payload) }
