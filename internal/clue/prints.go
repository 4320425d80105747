package clue

import (
	"hash/fnv"
	"math"
)

// Print stands for a window of a device's values: equal windows have equal hashes.
type Print struct {
	Hash uint64
	// AtMs is when the window's last value was said; Epoch and Seq say where it stands.
	AtMs       int64
	Epoch, Seq uint64
}

// The figures of a Printer. A run of windowValues + keptOf - 1 = 60 changed values that comes again shares a print with the
// first time: of every keptOf windows in a row the one with the smallest hash is kept (winnowing).
const (
	windowValues = 45
	keptOf       = 16
	// leastDistinct is how many different values a window must have: few levels come again by themselves.
	leastDistinct = 20
)

// Printer makes the prints of one device's values, so that days can be compared without keeping them. Values that repeat
// the one before are left out: a sensor that is stuck, or a machine that is off, says nothing twice. Feed it a day's power
// values in order of event time, and keep its prints with the day. The zero value is ready; it is not safe for concurrent
// use.
type Printer struct {
	values [windowValues]float64
	n      int
	last   float64
	// ring holds the last windows' prints.
	ring []Print
	out  []Print
}

// Take takes the next value. Retained and repeated records are not to be taken.
func (p *Printer) Take(value float64, atMs int64, epoch, seq uint64) {
	if p.n > 0 && value == p.last {
		return
	}
	p.last = value
	p.values[p.n%windowValues] = value
	if p.n++; p.n < windowValues {
		return
	}
	hash, ok := p.window()
	if !ok {
		p.ring = p.ring[:0]
		return
	}
	p.ring = append(p.ring, Print{Hash: hash, AtMs: atMs, Epoch: epoch, Seq: seq})
	if len(p.ring) > keptOf {
		p.ring = p.ring[1:]
	}
	if len(p.ring) == keptOf {
		p.keep()
	}
}

// window hashes the last values in order; false when they are too few different ones.
func (p *Printer) window() (uint64, bool) {
	h := fnv.New64a()
	seen := make(map[float64]bool, windowValues)
	var buf [8]byte
	for i := range windowValues {
		v := p.values[(p.n+i)%windowValues]
		seen[v] = true
		bits := math.Float64bits(v)
		for k := range buf {
			buf[k] = byte(bits >> (8 * k))
		}
		_, _ = h.Write(buf[:])
	}
	return h.Sum64(), len(seen) >= leastDistinct
}

// keep keeps the smallest of the ring unless it is kept already.
func (p *Printer) keep() {
	least := p.ring[0]
	for _, x := range p.ring[1:] {
		if x.Hash <= least.Hash {
			least = x
		}
	}
	if n := len(p.out); n == 0 || p.out[n-1] != least {
		p.out = append(p.out, least)
	}
}

// Prints returns what was kept so far, in order.
func (p *Printer) Prints() []Print { return p.out }
