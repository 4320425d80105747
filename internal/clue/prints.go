package clue

import "math"

// Print stands for a window of a device's values: equal windows have equal hashes.
type Print struct {
	Hash uint64
	// AtMs is when the window's last value was said; Epoch and Seq say where it stands.
	AtMs       int64
	Epoch, Seq uint64
}

// The figures of a Printer. A run of windowValues + keptOf - 1 = 60 changed values that comes again shares a print with the
// first time, if its values differ enough: of every keptOf windows in a row the one with the smallest hash is kept
// (winnowing; Schleimer, Wilkerson and Aiken 2003).
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
	values [windowValues + keptOf]float64 // the last ones, a ring
	n      int
	last   float64
	hash   uint64
	// ring holds the last windows' prints with the place of each, counted by n.
	ring [keptOf]placedPrint
	full int
	kept int // the place of the window that was kept last
	out  []Print
}

type placedPrint struct {
	Print
	at int
}

// base is the multiplier of the rolling hash: any odd number of 64 random bits (here the golden ratio's).
const base uint64 = 0x9e3779b97f4a7c15

// Take takes the next value. Retained and repeated records are not to be taken.
func (p *Printer) Take(value float64, atMs int64, epoch, seq uint64) {
	if p.n > 0 && value == p.last {
		return
	}
	p.last = value
	p.hash = p.hash*base + scramble(math.Float64bits(value))
	if p.n >= windowValues {
		p.hash -= scramble(math.Float64bits(p.values[(p.n-windowValues)%len(p.values)])) * power(base, windowValues)
	}
	p.values[p.n%len(p.values)] = value
	if p.n++; p.n < windowValues {
		return
	}
	p.ring[p.full%keptOf] = placedPrint{Print{Hash: scramble(p.hash), AtMs: atMs, Epoch: epoch, Seq: seq}, p.n}
	if p.full++; p.full >= keptOf {
		p.keep()
	}
}

// scramble spreads 64 bits (the finalizer of SplitMix64).
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// power is x to the n, modulo two to the 64.
func power(x uint64, n int) uint64 {
	out := uint64(1)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out *= x
		}
		x *= x
	}
	return out
}

// keep keeps the smallest of the ring, the last of equal ones, unless it is kept already or says too little.
func (p *Printer) keep() {
	least := p.ring[0]
	for _, x := range p.ring[1:] {
		if x.Hash < least.Hash || x.Hash == least.Hash && x.at > least.at {
			least = x
		}
	}
	if least.at == p.kept {
		return
	}
	p.kept = least.at
	if p.distinct(least.at) >= leastDistinct {
		p.out = append(p.out, least.Print)
	}
}

// distinct counts the different values of the window that ends at a place.
func (p *Printer) distinct(at int) int {
	n := 0
	for i := at - windowValues; i < at; i++ {
		fresh := true
		for k := at - windowValues; k < i && fresh; k++ {
			fresh = p.values[k%len(p.values)] != p.values[i%len(p.values)]
		}
		if fresh {
			n++
		}
	}
	return n
}

// Prints returns what was kept so far, in order.
func (p *Printer) Prints() []Print { return p.out }
