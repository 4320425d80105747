package frame

import (
	"math"
)

// Field numbers of Body in frame.proto.
const (
	bodyText             = 1
	bodyBlob             = 2
	bodySeriesFlags      = 3
	bodySeriesDevice     = 4
	bodySeriesChannel    = 5
	bodySeriesValid      = 6
	bodySeriesQuantities = 7
	bodyQuantity         = 8
	bodyColumn           = 9
	bodyShapeDialect     = 10
	bodyShapeRecords     = 11
	bodyShapeSeries      = 12
	bodyMessageShape     = 13
	bodyMessageReceived  = 14
	bodyEvent            = 15
	bodyDeviceTime       = 16
	bodyState            = 17
	bodyCard             = 18
	bodyRaw              = 19
	bodyMantissa         = 20
	bodyException        = 21
	bodyExceptionBits    = 22
	bodyFields           = 23
)

// The bits of a row of bodySeriesFlags [F-5.4].
const (
	flagKindMask    = 0x3 // Kind - 1
	flagClockShift  = 2   // Clock - 1, two bits
	flagRetained    = 1 << 4
	flagEvent       = 1 << 5 // event_ms differs from received_ms: it has a column
	flagDeviceShift = 6      // two bits, see below
	flagWhichShift  = 8      // two bits: a link's event, a tap's direction
	flagState       = 1 << 10
	flagLimit       = 1 << 11
)

// What device_ms is, in two bits of the flags.
const (
	deviceNone   = 0 // 0
	deviceEvent  = 1 // event_ms
	deviceColumn = 2 // something else: it has a column
)

// The bits of a row of bodyColumn [F-5.7].
const (
	columnPlaces = 0x1f   // decimal places
	columnSingle = 1 << 5 // rounded to 32 bits
	columnDelta  = 1 << 6 // each mantissa minus the one before
	columnLimit  = 1 << 7
)

// successor predicts the shape of the next message [F-5.5]: devices speak in turns, so it is the shape that followed the
// present one the last time, or when none did, the first that was not seen yet. Both ends keep one.
type successor struct {
	after []uint32 // the shape that followed the last time, plus 1
	now   int      // the present shape, plus 1
	seen  uint32   // shapes from here on were not seen
}

func (s *successor) reset(shapes int) {
	s.after = append(s.after[:0], make([]uint32, shapes+1)...)
	s.now, s.seen = 0, 0
}

func (s *successor) predict() uint32 {
	if next := s.after[s.now]; next != 0 {
		return next - 1
	}
	return s.seen
}

func (s *successor) move(shape uint32) {
	s.after[s.now] = shape + 1
	s.now = int(shape) + 1
	s.seen = max(s.seen, shape+1)
}

// firsts remembers for each quantity how its last column was coded and began [F-5.7]: like devices measure like values, so the
// next column of the quantity is expected to begin there. Both ends keep one.
type firsts struct{ of []firstOf }

type firstOf struct {
	head     uint32
	mantissa int64
}

func (f *firsts) reset(texts int) { f.of = append(f.of[:0], make([]firstOf, texts)...) }

// base returns what a column's first mantissa is written against: 0 when the last column of the quantity was coded
// otherwise.
func (f *firsts) base(quantity, head uint32) int64 {
	if last := f.of[quantity]; last.head == head&^columnDelta {
		return last.mantissa
	}
	return 0
}

func (f *firsts) keep(quantity, head uint32, mantissa int64) {
	f.of[quantity] = firstOf{head: head &^ columnDelta, mantissa: mantissa}
}

// column chooses how the numbers of one quantity of one series are coded, and what they cost.
type column struct {
	places int
	last   int64
	count  int
	missed int // numbers that fit no decimal
}

// add takes the column's next number and returns an upper bound of the bytes that it adds to the body.
func (c *column) add(v float64) int {
	const exceptionCost = 14
	cost := 0
	m, ok := decimal(v, c.places)
	if !ok {
		// A column of binary fractions is not searched for ever.
		if c.missed > 8 && c.missed*2 > c.count {
			c.missed++
			c.count++
			return exceptionCost
		}
		p, found := places(v, c.places+1, decimal)
		if !found {
			c.missed++
			c.count++
			return exceptionCost
		}
		more := p - c.places
		cost = c.count * (more/2 + 1) // each place adds 3.33 bits to the mantissas that are there
		c.last = int64(math.RoundToEven(float64(c.last) * powersOfTen[more]))
		c.places = p
		m, _ = decimal(v, p)
	}
	cost += sizeVarint(zigzag(m - c.last))
	c.last = m
	c.count++
	return cost
}
