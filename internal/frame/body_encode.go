package frame

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// encode appends the body [F-5.1]: every column that is not empty, in order of field numbers.
func (w *rows) encode(dst []byte, firstMs int64) []byte {
	w.encodeSeries()
	w.encodeShapes()
	w.encodeMessages(firstMs)
	w.sortRecords()
	w.encodeRecords()
	w.encodeNumbers()
	for field, c := range w.columned {
		if field == bodyText || field == bodyBlob {
			dst = append(dst, c...)
			continue
		}
		dst = appendBlob(dst, protowire.Number(field), c)
	}
	return dst
}

func (w *rows) put(field int, v uint64) {
	w.columned[field] = binary.AppendUvarint(w.columned[field], v)
}

func (w *rows) encodeSeries() {
	for i := range w.seriesRows {
		s := &w.seriesRows[i]
		w.put(bodySeriesFlags, uint64(s.flags))
		w.put(bodySeriesDevice, uint64(s.device))
		w.put(bodySeriesChannel, uint64(s.channel))
		w.put(bodySeriesValid, uint64(s.validMs))
		w.put(bodySeriesQuantities, uint64(s.quantities))
	}
	for _, q := range w.quantities {
		w.put(bodyQuantity, uint64(q))
	}
}

func (w *rows) encodeShapes() {
	list := w.shapeList
	expected := int64(0)
	for _, s := range w.shapeRows {
		w.put(bodyShapeDialect, uint64(s.dialect))
		w.put(bodyShapeRecords, uint64(s.records))
		for _, series := range list[:s.records] {
			w.put(bodyShapeSeries, zigzag(int64(series)-expected))
			expected = int64(series) + 1
		}
		list = list[s.records:]
	}
}

func (w *rows) encodeMessages(lastMs int64) {
	w.next.reset(len(w.shapeRows))
	for _, m := range w.messages {
		if m.shape == w.next.predict() {
			w.put(bodyMessageShape, 0)
		} else {
			w.put(bodyMessageShape, uint64(m.shape)+1)
		}
		w.next.move(m.shape)
		w.put(bodyMessageReceived, zigzag(m.receivedMs-lastMs))
		lastMs = m.receivedMs
	}
}

// sortRecords lists the records series by series, each series in the log's order.
func (w *rows) sortRecords() {
	if cap(w.order) < len(w.records) {
		w.order = make([]uint32, len(w.records))
	}
	w.order = w.order[:len(w.records)]
	starts := make([]uint32, len(w.seriesRows))
	at := uint32(0)
	for i := range w.seriesRows {
		starts[i] = at
		at += w.seriesRows[i].records
	}
	for i := range w.records {
		s := w.records[i].series
		w.order[starts[s]] = uint32(i)
		starts[s]++
	}
}

func (w *rows) encodeRecords() {
	order := w.order
	for i := range w.seriesRows {
		s := &w.seriesRows[i]
		of := order[:s.records]
		order = order[s.records:]
		if s.flags&flagEvent != 0 {
			last := int64(0)
			for _, j := range of {
				event := w.records[j].event
				w.put(bodyEvent, zigzag(event-last))
				last = event
			}
		}
		if s.flags>>flagDeviceShift&3 == deviceColumn {
			last := int64(0)
			for _, j := range of {
				device := w.records[j].device
				w.put(bodyDeviceTime, zigzag(device-last))
				last = device
			}
		}
		w.encodeTexts(s, of)
	}
}

func (w *rows) encodeTexts(s *seriesRow, of []uint32) {
	kind := telemetry.Kind(s.flags&flagKindMask) + 1
	for _, j := range of {
		switch {
		case s.flags&flagState != 0:
			w.put(bodyState, uint64(w.records[j].text))
		case kind == telemetry.KindTap:
			w.put(bodyCard, uint64(w.records[j].text))
		case kind == telemetry.KindRaw:
			for _, n := range w.raws[w.records[j].raw] {
				w.put(bodyRaw, uint64(n))
			}
		}
	}
}

// encodeNumbers writes the columns of numbers [F-5.6]: for each quantity of each series its coding, then its mantissas, with
// the numbers that are no short decimals kept apart.
func (w *rows) encodeNumbers() {
	order := w.order
	place, lastException := uint64(0), uint64(0)
	for i := range w.seriesRows {
		s := &w.seriesRows[i]
		of := order[:s.records]
		order = order[s.records:]
		for q := range s.quantities {
			c := w.columns[s.column+q].coding(w, of, q)
			w.put(bodyColumn, uint64(c.head()))
			last := int64(0)
			for _, j := range of {
				v := w.numbers[w.records[j].number+q]
				m, ok := c.fit(v, c.places)
				if !ok {
					m = last
					w.put(bodyException, place-lastException)
					lastException = place + 1
					w.columned[bodyExceptionBits] = binary.LittleEndian.AppendUint64(
						w.columned[bodyExceptionBits], math.Float64bits(v))
				}
				if c.delta {
					w.put(bodyMantissa, zigzag(m-last))
				} else {
					w.put(bodyMantissa, zigzag(m))
				}
				last = m
				place++
			}
		}
	}
}

// coding is how one column of numbers is written.
type coding struct {
	places int
	single bool
	delta  bool
	fit    func(v float64, places int) (int64, bool)
}

func (c coding) head() uint32 {
	h := uint32(c.places)
	if c.single {
		h |= columnSingle
	}
	if c.delta {
		h |= columnDelta
	}
	return h
}

// coding chooses what is shortest for the column's numbers.
func (c *column) coding(w *rows, of []uint32, q uint32) coding {
	code := coding{places: c.places, fit: decimal}
	if c.missed > 0 {
		if p, ok := singlePlaces(w, of, q); ok {
			code = coding{places: p, single: true, fit: decimalSingle}
		}
	}
	plain, delta, last := 0, 0, int64(0)
	for _, j := range of {
		m, ok := code.fit(w.numbers[w.records[j].number+q], code.places)
		if !ok {
			m = last
		}
		plain += sizeVarint(zigzag(m))
		delta += sizeVarint(zigzag(m - last))
		last = m
	}
	code.delta = delta < plain
	return code
}

// singlePlaces returns the fewest places with which every number of the column is a decimal rounded to 32 bits.
func singlePlaces(w *rows, of []uint32, q uint32) (int, bool) {
	p := 0
	for _, j := range of {
		var ok bool
		if p, ok = places(w.numbers[w.records[j].number+q], p, decimalSingle); !ok {
			return 0, false
		}
	}
	return p, true
}
