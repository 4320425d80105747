package plant

import (
	"math/rand/v2"
	"time"
)

// chance returns the source of chance for one purpose on one day. Each purpose and subject has a stream of its own, so
// that one more machine or person changes nothing about the others.
func (p *Plant) chance(day int, purpose string, of ...string) *rand.Rand {
	const offset, prime = 14695981039346656037, 1099511628211
	h := uint64(offset)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
		h = (h ^ 0xff) * prime
	}
	add(purpose)
	for _, s := range of {
		add(s)
	}
	h = (h ^ uint64(day)) * prime
	return rand.New(rand.NewPCG(p.scenario.Seed, h))
}

// happens decides something that happens in a share of cases, 0 to 1.
func happens(rng *rand.Rand, share float64) bool {
	return rng.Int64N(1_000_000) < int64(share*1_000_000)
}

// quantiles are lengths in milliseconds at the probabilities 0, 10, 25, 50, 75, 90, 99 and 100 %; in between they are
// interpolated. Whole numbers keep a draw the same on every processor.
type quantiles [8]int64

// pick draws a length.
func (q *quantiles) pick(rng *rand.Rand) int64 {
	at := [8]int64{0, 100_000, 250_000, 500_000, 750_000, 900_000, 990_000, 1_000_000}
	u := rng.Int64N(1_000_000)
	i := 1
	for at[i] <= u {
		i++
	}
	return q[i-1] + (q[i]-q[i-1])*(u-at[i-1])/(at[i]-at[i-1])
}

// median makes q as much longer or shorter as its median becomes ms; none is shorter than leastMs.
func (q quantiles) median(ms, leastMs int64) quantiles {
	was := q[3]
	for i := range q {
		q[i] = max(q[i]*ms/was, leastMs)
	}
	return q
}

// seconds makes quantiles of seconds.
func seconds(s ...float64) quantiles {
	var q quantiles
	for i := range q {
		q[i] = int64(s[i] * 1000)
	}
	return q
}

// between draws from lo to hi, both included.
func between(rng *rand.Rand, lo, hi int64) int64 { return lo + rng.Int64N(hi-lo+1) }

// The units of time in which the models are written.
const (
	second = int64(time.Second / time.Millisecond)
	minute = 60 * second
	hour   = 60 * minute
)
