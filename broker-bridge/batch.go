package bridge

import (
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// maxBatch bounds one group commit: enough that an fsync is shared by thousands, little enough to hold twice in memory.
const (
	maxBatchMessages = 8192
	maxBatchBytes    = 8 << 20
)

// keptBatchBytes is the most memory that a batch keeps for the next; batches are the bridge's steady work, and to make
// them anew would be most of what it allocates.
const keptBatchBytes = 4 << 20

// batch is a group of messages on their way to one fsync. One goroutine at a time has it.
type batch struct {
	entries  []spool.Entry
	messages []mqtt.Inbound // acknowledged once the entries are durable; may hold clock messages, which have no entry
	requests []dialect.Request
	bytes    int
	memory   []byte // what the entries' bodies and raw messages are parts of
}

// add takes a message and what was made of it: memory is the batch's own with the body appended from start on, and k is
// the message as the log may keep it.
func (n *batch) add(in mqtt.Inbound, k kept, memory []byte, receivedMs int64) {
	start, split := len(n.memory), len(memory)
	n.memory = appendRaw(memory, k)
	n.entries = append(n.entries, spool.Entry{
		Body: n.memory[start:split:split], Raw: n.memory[split:len(n.memory):len(n.memory)], ReceivedMs: receivedMs,
	})
	n.messages = append(n.messages, in)
	n.bytes += split - start + size(in)
}

// empty reports whether there is nothing in the batch.
func (n *batch) empty() bool { return len(n.messages)+len(n.requests) == 0 }

// reset empties the batch and lets go of what it held.
func (n *batch) reset() {
	clear(n.entries)
	clear(n.messages)
	clear(n.requests)
	n.entries, n.messages, n.requests, n.bytes = n.entries[:0], n.messages[:0], n.requests[:0], 0
	n.memory = n.memory[:0]
	if cap(n.memory) > keptBatchBytes {
		n.memory = nil
	}
}

// batches are the few that go round between decoder and committer.
type batches chan *batch

// fresh returns an empty batch.
func (p batches) fresh() *batch {
	select {
	case n := <-p:
		return n
	default:
		return new(batch)
	}
}

// done takes a batch back that nobody uses any more.
func (p batches) done(n *batch) {
	n.reset()
	select {
	case p <- n:
	default:
	}
}

// appendRaw appends the message as it is kept: topic, a zero byte (which no MQTT topic holds), payload; cut to what the log
// takes.
func appendRaw(dst []byte, k kept) []byte {
	dst = append(dst, k.topic...)
	dst = append(dst, 0)
	return append(dst, k.payload[:min(len(k.payload), spool.MaxRaw-len(k.topic)-1)]...)
}
