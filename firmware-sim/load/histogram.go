package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram of durations is right to 1.6 %: up to 128 µs each microsecond has a bucket of its own, and every doubling
// above is cut into 64. The last bucket holds everything above a day.
const (
	fineBits    = 7
	fineBuckets = 1 << fineBits // and of each doubling half as many
	doublings   = 30
	buckets     = fineBuckets + doublings*fineBuckets/2
)

func bucketOf(us int64) int {
	if us < fineBuckets {
		return int(max(us, 0))
	}
	shift := bits.Len64(uint64(us)) - fineBits
	return min(fineBuckets/2*shift+int(us>>shift), buckets-1)
}

// upperUs is the largest duration that falls into the bucket, microseconds.
func upperUs(bucket int) int64 {
	if bucket < fineBuckets {
		return int64(bucket)
	}
	shift := bucket/(fineBuckets/2) - 1
	return int64(bucket-fineBuckets/2*shift+1)<<shift - 1
}

// recorder is a Histogram in the making. It is safe for concurrent use.
type recorder struct {
	counts [buckets]atomic.Int64
	max    atomic.Int64
}

func (r *recorder) record(us int64) {
	r.counts[bucketOf(us)].Add(1)
	for {
		seen := r.max.Load()
		if us <= seen || r.max.CompareAndSwap(seen, us) {
			return
		}
	}
}

func (r *recorder) snapshot() Histogram {
	h := Histogram{MaxUs: r.max.Load()}
	for i := range r.counts {
		if n := r.counts[i].Load(); n > 0 {
			h.add(i, n)
		}
	}
	return h
}

// Histogram is a distribution of durations. The zero value is empty.
type Histogram struct {
	counts []int64
	total  int64
	// MaxUs is the longest duration, microseconds, exact.
	MaxUs int64
}

func (h *Histogram) add(bucket int, n int64) {
	if len(h.counts) <= bucket {
		h.counts = append(h.counts, make([]int64, bucket+1-len(h.counts))...)
	}
	h.counts[bucket] += n
	h.total += n
}

// Add adds the durations of another histogram.
func (h *Histogram) Add(other Histogram) {
	h.counts = append([]int64(nil), h.counts...)
	for i, n := range other.counts {
		if n > 0 {
			h.add(i, n)
		}
	}
	h.MaxUs = max(h.MaxUs, other.MaxUs)
}

// Count is how many durations there are.
func (h Histogram) Count() int64 { return h.total }

// Quantile is a duration that the share q of all durations, 0 to 1, does not exceed; it is at most 1.6 % too long. 0 when
// the histogram is empty.
func (h Histogram) Quantile(q float64) time.Duration {
	rank := min(int64(q*float64(h.total)), h.total-1)
	for i, n := range h.counts {
		if rank -= n; rank < 0 {
			return time.Duration(min(upperUs(i), h.MaxUs)) * time.Microsecond
		}
	}
	return 0
}

// Above is how many durations are longer than d, to the histogram's precision.
func (h Histogram) Above(d time.Duration) int64 {
	var n int64
	for i := bucketOf(d.Microseconds()) + 1; i < len(h.counts); i++ {
		n += h.counts[i]
	}
	return n
}

// sparse is the written form: bucket and count by turns.
type sparse struct {
	MaxUs  int64   `json:"max_us"`
	Counts []int64 `json:"counts,omitempty"`
}

// MarshalJSON writes the buckets that hold something.
func (h Histogram) MarshalJSON() ([]byte, error) {
	s := sparse{MaxUs: h.MaxUs}
	for i, n := range h.counts {
		if n > 0 {
			s.Counts = append(s.Counts, int64(i), n)
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements json.Unmarshaler for what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var s sparse
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read histogram: %w", err)
	}
	*h = Histogram{MaxUs: s.MaxUs}
	if len(s.Counts)%2 != 0 || s.MaxUs < 0 {
		return errors.New("read histogram: want pairs of bucket and count, and a maximum of 0 or more")
	}
	for i := 0; i < len(s.Counts); i += 2 {
		bucket, n := s.Counts[i], s.Counts[i+1]
		if bucket < 0 || bucket >= buckets || n < 1 {
			return fmt.Errorf("read histogram: %d in bucket %d: want a count above 0 in a bucket below %d", n, bucket, buckets)
		}
		h.add(int(bucket), n)
	}
	return nil
}
