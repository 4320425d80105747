package dialect

import (
	"container/list"
	"iter"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Memory is what a dialect remembers of each device, for a bounded number of devices: past the limit, the device heard
// longest ago is forgotten, so that a flood of invented devices costs no more than the limit. It is used by one
// goroutine at a time.
type Memory[T any] struct {
	limit     int
	byDevice  map[string]*list.Element
	order     *list.List // of *remembered[T], the one heard longest ago in front
	forgotten uint64
}

type remembered[T any] struct {
	device string
	state  T
}

// NewMemory returns an empty memory of at most limit devices; a limit below 1 means MaxDevices.
func NewMemory[T any](limit int) *Memory[T] {
	if limit < 1 {
		limit = MaxDevices
	}
	return &Memory[T]{limit: limit, byDevice: make(map[string]*list.Element), order: list.New()}
}

// Heard returns what is remembered of the device, new and zero if it was not known, and counts it as heard just now.
// The pointer is good until the device is forgotten; the name returned is the memory's own copy.
func (m *Memory[T]) Heard(device string) (name string, state *T) {
	if e, ok := m.byDevice[device]; ok {
		m.order.MoveToBack(e)
		r := e.Value.(*remembered[T])
		return r.device, &r.state
	}
	if len(m.byDevice) >= m.limit {
		oldest := m.order.Front()
		delete(m.byDevice, oldest.Value.(*remembered[T]).device)
		m.order.Remove(oldest)
		m.forgotten++
	}
	r := &remembered[T]{device: strings.Clone(device)}
	m.byDevice[r.device] = m.order.PushBack(r)
	return r.device, &r.state
}

// Find returns what is remembered of the device, without counting it as heard, or nil.
func (m *Memory[T]) Find(device string) *T {
	if e, ok := m.byDevice[device]; ok {
		return &e.Value.(*remembered[T]).state
	}
	return nil
}

// All iterates over the devices, the one heard longest ago first.
func (m *Memory[T]) All() iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for e := m.order.Front(); e != nil; e = e.Next() {
			if r := e.Value.(*remembered[T]); !yield(r.device, &r.state) {
				return
			}
		}
	}
}

// Len is how many devices are remembered.
func (m *Memory[T]) Len() int { return len(m.byDevice) }

// Forgotten is how many devices were forgotten to keep the limit.
func (m *Memory[T]) Forgotten() uint64 { return m.forgotten }

// maxNames and maxInterned bound what a Names holds, to about 10 MiB.
const (
	maxNames    = 65_536
	maxInterned = telemetry.MaxName
)

// Names gives one owned copy of each short text, so that the names of devices, channels and states, which repeat in
// every message, are allocated once and never pin a message. The zero value is ready; it is used by one goroutine at
// a time.
type Names struct {
	owned map[string]string
}

// Own returns a copy of s that the caller may keep. It accepts a string over bytes that will change.
func (n *Names) Own(s string) string {
	if own, ok := n.owned[s]; ok {
		return own
	}
	own := strings.Clone(s)
	if len(s) > maxInterned {
		return own
	}
	if n.owned == nil || len(n.owned) >= maxNames {
		// Starting anew keeps the bound without an order of use; the names in use come back with their next message.
		n.owned = make(map[string]string)
	}
	n.owned[own] = own
	return own
}
