package collector

import (
	"sync"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// recent remembers frames that this collector has stored, so that a repeat costs an acknowledgement and not a write. It
// is a saving and no more: a frame that it has forgotten is written again, which changes nothing. verify asks and
// acknowledge adds from two goroutines; see the mutex.
type recent struct {
	mu sync.Mutex // guards the rest
	ring[recentKey]
}

// recentKey identifies a frame's content: the chain's end covers every record before it.
type recentKey struct {
	base, bridge string
	epoch, first uint64
	count        uint32
	chain        [frame.ChainCheckBytes]byte
}

func keyOf(f *frame.Frame) recentKey {
	return recentKey{f.Base, f.Bridge, f.Epoch, f.First, f.Count, f.ChainCheck}
}

func (r *recent) has(f *frame.Frame) bool {
	if len(f.Missing) > 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ring.has(keyOf(f))
}

func (r *recent) add(f *frame.Frame) {
	if len(f.Missing) > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring.add(keyOf(f))
}
