package frame

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// readSeries reads the rows of the series and holds each to its kind [F-2.3] [F-5.4].
func (o *opener) readSeries() error {
	flags, device, channel := o.column(bodySeriesFlags), o.column(bodySeriesDevice), o.column(bodySeriesChannel)
	valid, count := o.column(bodySeriesValid), o.column(bodySeriesQuantities)
	names, codings := o.column(bodyQuantity), o.column(bodyColumn)
	o.series, o.quantities, o.columns, o.fixed = o.series[:0], o.quantities[:0], o.columns[:0], o.fixed[:0]
	expected := int64(0)
	for len(flags.b) > 0 && !flags.bad {
		if len(o.series) == MaxRecords {
			return tooLarge("number of series", MaxRecords+1, MaxRecords)
		}
		s := openSeries{flags: uint32(flags.below(flagLimit)), quantities: count.below(MaxValues + 1)}
		number := expected + unzigzag(device.next())
		if number < 0 || number >= int64(len(o.texts)) {
			return malformed("series has no such device")
		}
		expected = number + 1
		s.record.Device, s.record.Channel = o.texts[number], o.text(&channel)
		s.record.ValidMs = int64(valid.next())
		first := len(o.quantities)
		for range s.quantities {
			c := openColumn{quantity: uint32(names.below(len(o.texts))), head: uint32(codings.below(columnLimit))}
			o.columns = append(o.columns, c)
			o.quantities = append(o.quantities, o.texts[c.quantity])
		}
		if err := s.check(o.quantities[first:]); err != nil {
			return err
		}
		o.addFixed(&s, o.quantities[first:])
		o.series = append(o.series, s)
	}
	for _, c := range []*cursor{&flags, &device, &channel, &valid, &count, &names, &codings} {
		if !c.done() {
			return malformed("rows of series do not fit together")
		}
	}
	o.shareFixed()
	return nil
}

// text reads the number of a text.
func (o *opener) text(c *cursor) string { return o.texts[c.below(len(o.texts))] }

// check fills the record from the flags and holds it to its kind.
func (s *openSeries) check(quantities []string) error {
	r := &s.record
	r.Kind = telemetry.Kind(s.flags&flagKindMask) + 1
	r.Clock = telemetry.Clock(s.flags>>flagClockShift&3) + 1
	r.Retained = s.flags&flagRetained != 0
	which := uint8(s.flags >> flagWhichShift & 3)
	sample := r.Kind == telemetry.KindSample
	switch {
	case r.Kind == telemetry.KindLink && which != 0:
		r.Link = telemetry.LinkEvent(which)
	case r.Kind == telemetry.KindTap && which <= uint8(telemetry.DirectionOut):
		r.Direction = telemetry.Direction(which)
	case which != 0 || r.Kind == telemetry.KindLink:
		return malformed("%s with %d as its link event or direction", r.Kind, which)
	}
	switch {
	case s.flags>>flagDeviceShift&3 > deviceColumn:
		return malformed("series has no such device time")
	case len(r.Device) > telemetry.MaxName || len(r.Channel) > telemetry.MaxName:
		return tooLarge("length of a name", max(len(r.Device), len(r.Channel)), telemetry.MaxName)
	case r.Device == "" && r.Kind != telemetry.KindRaw:
		return malformed("%s has no device", r.Kind)
	case r.ValidMs < 0:
		return malformed("series is valid for a negative time")
	case !sample && (len(quantities) > 0 || s.flags&flagState != 0):
		return malformed("%s with values or a state", r.Kind)
	}
	return checkQuantities(quantities)
}

func checkQuantities(quantities []string) error {
	for i, q := range quantities {
		if q == "" || len(q) > telemetry.MaxName {
			return malformed("quantity's name has %d bytes, want 1 to %d", len(q), telemetry.MaxName)
		}
		if slices.Contains(quantities[:i], q) {
			return malformed("%q stands twice", q)
		}
	}
	return nil
}

// addFixed prepares the canonical bytes that all records of the series begin with.
func (o *opener) addFixed(s *openSeries, quantities []string) {
	o.named = o.named[:0]
	for _, q := range quantities {
		o.named = append(o.named, telemetry.Value{Quantity: q})
	}
	start := len(o.fixed)
	s.record.Values = o.named
	o.fixed = appendFixed(o.fixed, &s.record)
	s.record.Values = nil
	s.fixed = o.fixed[start:]
}

// shareFixed points the series at the final place of their bytes, which moved while it grew.
func (o *opener) shareFixed() {
	rest := o.fixed
	for i := range o.series {
		n := len(o.series[i].fixed)
		o.series[i].fixed, rest = rest[:n:n], rest[n:]
	}
}

// readShapes reads the rows of the shapes [F-5.5].
func (o *opener) readShapes() error {
	dialect, count, list := o.column(bodyShapeDialect), o.column(bodyShapeRecords), o.column(bodyShapeSeries)
	o.shapes, o.shapeList = o.shapes[:0], o.shapeList[:0]
	expected := int64(0)
	for len(dialect.b) > 0 && !dialect.bad {
		s := openShape{dialect: o.text(&dialect), records: count.below(telemetry.MaxRecords + 1), first: len(o.shapeList)}
		switch {
		case len(s.dialect) > telemetry.MaxName:
			return tooLarge("length of a dialect's name", len(s.dialect), telemetry.MaxName)
		case len(o.shapes) == MaxCount:
			return tooLarge("number of shapes", MaxCount+1, MaxCount)
		case len(o.shapeList)+s.records > MaxRecords:
			return tooLarge("number of records", len(o.shapeList)+s.records, MaxRecords)
		}
		for range s.records {
			series := expected + unzigzag(list.next())
			if series < 0 || series >= int64(len(o.series)) {
				return malformed("shape has no such series")
			}
			o.shapeList = append(o.shapeList, uint32(series))
			expected = series + 1
		}
		o.shapes = append(o.shapes, s)
	}
	if !dialect.done() || !count.done() || !list.done() {
		return malformed("rows of shapes do not fit together")
	}
	return nil
}

// readMessages reads the row of each message and counts the records of each series.
func (o *opener) readMessages(f *Frame) error {
	shapes, received := o.column(bodyMessageShape), o.column(bodyMessageReceived)
	o.messages, o.records = o.messages[:0], 0
	o.next.reset(len(o.shapes))
	at := f.FirstMs
	for range f.Count {
		shape := o.next.predict()
		if n := shapes.below(MaxCount + 1); n != 0 {
			shape = uint32(n - 1)
		}
		if int(shape) >= len(o.shapes) {
			return malformed("message has no such shape")
		}
		o.next.move(shape)
		at += unzigzag(received.next())
		o.messages = append(o.messages, messageRow{shape: shape, receivedMs: at})
		list := o.list(&o.shapes[shape])
		if o.records += len(list); o.records > MaxRecords {
			return tooLarge("number of records", o.records, MaxRecords)
		}
		for _, s := range list {
			o.series[s].records++
		}
	}
	switch {
	case !shapes.done() || !received.done():
		return malformed("rows of messages do not fit together")
	case o.messages[0].receivedMs != f.FirstMs || at != f.LastMs:
		return malformed("messages and the frame's times do not fit")
	}
	return nil
}

// list returns the series of a shape's records.
func (o *opener) list(s *openShape) []uint32 { return o.shapeList[s.first : s.first+s.records] }

// readRecords reads the columns of times and texts [F-5.6] into ints, series by series.
func (o *opener) readRecords() error {
	event, device := o.column(bodyEvent), o.column(bodyDeviceTime)
	state, card, raw := o.column(bodyState), o.column(bodyCard), o.column(bodyRaw)
	o.ints = o.ints[:0]
	for i := range o.series {
		s := &o.series[i]
		if s.flags&flagEvent != 0 {
			s.event = len(o.ints)
			o.readTimes(&event, s.records)
		}
		if s.flags>>flagDeviceShift&3 == deviceColumn {
			s.device = len(o.ints)
			o.readTimes(&device, s.records)
		}
		s.text = len(o.ints)
		switch {
		case s.flags&flagState != 0:
			o.readTexts(&state, s.records)
		case s.record.Kind == telemetry.KindTap:
			o.readTexts(&card, s.records)
		case s.record.Kind == telemetry.KindRaw:
			for range s.records {
				o.readTexts(&raw, 2)
				o.readBlobs(&raw, 2)
			}
		}
	}
	for _, c := range []*cursor{&event, &device, &state, &card, &raw} {
		if !c.done() {
			return malformed("columns of records do not fit together")
		}
	}
	return nil
}

func (o *opener) readTimes(c *cursor, n int) {
	last := int64(0)
	for range n {
		last += unzigzag(c.next())
		o.ints = append(o.ints, last)
	}
}

func (o *opener) readTexts(c *cursor, n int) {
	for range n {
		o.ints = append(o.ints, int64(c.below(len(o.texts))))
	}
}

func (o *opener) readBlobs(c *cursor, n int) {
	for range n {
		o.ints = append(o.ints, int64(c.below(len(o.blobs))))
	}
}

// readNumbers reads the columns of numbers [F-5.7] into values, record by record of each series.
func (o *opener) readNumbers() error {
	total := 0
	for i := range o.series {
		o.series[i].value = total
		total += o.series[i].records * o.series[i].quantities
		if total > MaxNumbers {
			return tooLarge("number of values", total, MaxNumbers)
		}
	}
	o.values = make([]telemetry.Value, total)
	mantissa := o.column(bodyMantissa)
	e := exceptions{places: o.column(bodyException), bits: o.fields[bodyExceptionBits]}
	e.advance(0)
	o.first.reset(len(o.texts))
	columns := o.columns
	for i := range o.series {
		s := &o.series[i]
		for q := range s.quantities {
			if err := o.readColumn(s, q, columns[q], &mantissa, &e); err != nil {
				return err
			}
		}
		columns = columns[s.quantities:]
	}
	if !mantissa.done() || !e.done() {
		return malformed("columns of numbers do not fit together")
	}
	return nil
}

// readColumn reads the numbers of the q-th quantity of the series.
func (o *opener) readColumn(s *openSeries, q int, c openColumn, mantissa *cursor, e *exceptions) error {
	p := c.head & columnPlaces
	if p > maxPlaces {
		return malformed("column has %d decimal places, at most %d", p, maxPlaces)
	}
	power, isSingle, isDelta := powersOfTen[p], c.head&columnSingle != 0, c.head&columnDelta != 0
	m, quantity := int64(0), o.texts[c.quantity]
	if isDelta {
		m = o.first.base(c.quantity, c.head)
	}
	for i := range s.records {
		d := unzigzag(mantissa.next())
		if isDelta {
			d += m
		}
		if m = d; i == 0 {
			o.first.keep(c.quantity, c.head, m)
		}
		v := float64(m) / power
		if isSingle {
			v = single(v)
		}
		if e.place++; e.place == e.next {
			v = e.take()
		}
		o.values[s.value+i*s.quantities+q] = telemetry.Value{Quantity: quantity, Number: v}
	}
	return nil
}

// exceptions are the numbers that are no short decimals, in order of place.
type exceptions struct {
	places cursor
	bits   []byte
	place  uint64 // of the number whose turn it is
	next   uint64 // place of the next exception, plus 1; 0 when there is none
	bad    bool
}

// advance finds the next exception, which stands at from or later.
func (e *exceptions) advance(from uint64) {
	if e.next = 0; len(e.places.b) > 0 {
		e.next = from + e.places.next() + 1
	}
}

// take returns the exception whose turn it is.
func (e *exceptions) take() float64 {
	if len(e.bits) < 8 {
		e.bad = true
		return 0
	}
	bits := binary.LittleEndian.Uint64(e.bits)
	e.bits = e.bits[8:]
	e.bad = e.bad || !finite(bits)
	e.advance(e.next)
	return math.Float64frombits(bits)
}

func (e *exceptions) done() bool { return e.places.done() && len(e.bits) == 0 && e.next == 0 && !e.bad }
