package access

import (
	"net/netip"
	"sync"
	"time"
)

// An account may fail accountFailures times, and then once per accountEvery; an address, behind which a whole base may
// sit, addressFailures times, and then once per addressEvery. Each attempt counts as a failure until it is decided.
const (
	accountFailures = 10
	accountEvery    = time.Minute
	addressFailures = 64
	addressEvery    = 6 * time.Second
	// maxBuckets bounds what is remembered, of either.
	maxBuckets = 4096
)

// buckets count failures by key, each leaking with time. They are safe for concurrent use.
type buckets struct {
	limit float64
	every time.Duration

	mu sync.Mutex // guards by
	by map[string]*bucket
}

type bucket struct {
	level float64
	at    time.Time
}

// begin counts an attempt as a failure, unless the key has failed too often; then it says how long to wait.
func (b *buckets) begin(key string, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.by[key]
	if f == nil {
		f = &bucket{at: now}
		b.makeRoomLocked()
		b.by[key] = f
	}
	if passed := now.Sub(f.at); passed > 0 {
		f.level = max(0, f.level-float64(passed)/float64(b.every))
		f.at = now
	}
	if f.level+1 > b.limit {
		return time.Duration((f.level + 1 - b.limit) * float64(b.every)), false
	}
	f.level++
	return 0, true
}

// succeeded takes back what begin counted.
func (b *buckets) succeeded(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.by[key]; f != nil {
		f.level = max(0, f.level-1)
	}
}

// makeRoomLocked forgets the key that was quiet for the longest.
func (b *buckets) makeRoomLocked() {
	if b.by == nil {
		b.by = make(map[string]*bucket)
	}
	if len(b.by) < maxBuckets {
		return
	}
	var oldest string
	var at time.Time
	for key, f := range b.by {
		if at.IsZero() || f.at.Before(at) {
			oldest, at = key, f.at
		}
	}
	delete(b.by, oldest)
}

// neighbourhood is what one guesser can have many addresses of.
func neighbourhood(remote netip.Addr) string {
	remote = remote.Unmap()
	bits := 32
	if remote.Is6() {
		bits = 64
	}
	p, err := remote.Prefix(bits)
	if err != nil {
		return "" // no address: all of those together
	}
	return p.String()
}
