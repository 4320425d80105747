package sim

import "github.com/jishi-telemetry/jishi/firmware-sim/voice"

// delivery is a message on its way to the broker.
type delivery struct {
	message voice.Message
	atMs    int64 // when the broker gets it
	lost    bool  // it never does: the instant is when it would have
	again   bool  // it is a repeat
	member  int
	order   uint64
}

// queue is a heap of deliveries by instant, then by the order in which they were said.
type queue []delivery

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	if q[i].atMs != q[j].atMs {
		return q[i].atMs < q[j].atMs
	}
	return q[i].order < q[j].order
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	d, ok := x.(delivery)
	if !ok {
		panic("sim: the queue takes deliveries")
	}
	*q = append(*q, d)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	d := (*q)[last]
	(*q)[last] = delivery{}
	*q = (*q)[:last]
	return d
}
