package mqtt

import (
	"sync"
	"time"
)

// bucket is a token bucket in which a taker may run up a debt: it is told how long to wait until its tokens are there, and
// those who come after it wait behind it. It is safe for concurrent use.
type bucket struct {
	rate, size float64 // tokens per second; most that gather

	mu    sync.Mutex // guards what follows
	level float64
	at    time.Time // when level was right
}

// newBucket returns a full bucket.
func newBucket(rate float64, burst int, now time.Time) *bucket {
	size := float64(max(burst, 1))
	return &bucket{rate: rate, size: size, level: size, at: now}
}

// like reports whether the bucket has these measures.
func (b *bucket) like(rate float64, burst int) bool {
	return b.rate == rate && b.size == float64(max(burst, 1))
}

// take takes n tokens and returns how long to wait before using them.
func (b *bucket) take(n float64, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.at); passed > 0 {
		b.level = min(b.level+passed.Seconds()*b.rate, b.size)
		b.at = now
	}
	b.level -= n
	if b.level >= 0 {
		return 0
	}
	return time.Duration(-b.level / b.rate * float64(time.Second))
}
