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
	expected := int64(0)
	for i := range w.seriesRows {
		s := &w.seriesRows[i]
		w.put(bodySeriesFlags, uint64(s.flags))
		w.put(bodySeriesDevice, zigzag(int64(s.device)-expected))
		expected = int64(s.device) + 1
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

// encodeRecords writes the columns of times and texts [F-5.6].
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

// encodeNumbers writes the columns of numbers [F-5.7]: for each quantity of each series its coding, then its mantissas.
func (w *rows) encodeNumbers() {
	order := w.order
	e := exceptionWriter{rows: w}
	w.first.reset(len(words) + len(w.text.numbers))
	for i := range w.seriesRows {
		s := &w.seriesRows[i]
		of := order[:s.records]
		order = order[s.records:]
		for q := range s.quantities {
			w.encodeColumn(s.column+q, of, q, &e)
		}
	}
}

// encodeColumn writes one column in the coding that is shortest for it.
func (w *rows) encodeColumn(at uint32, of []uint32, q uint32, e *exceptionWriter) {
	c := &w.columns[at]
	head, fit := uint32(c.places), decimal
	if c.missed > 0 {
		if p, ok := w.singlePlaces(of, q); ok {
			head, fit = uint32(p)|columnSingle, decimalSingle
		}
	}
	base := w.first.base(w.quantities[at], head)
	w.mantissas = w.mantissas[:0]
	plain, delta, last := 0, 0, base
	for _, j := range of {
		v := w.numbers[w.records[j].number+q]
		m, ok := fit(v, int(head&columnPlaces))
		if !ok {
			e.write(v)
			m = last
		}
		e.place++
		w.mantissas = append(w.mantissas, m)
		plain += sizeVarint(zigzag(m))
		delta += sizeVarint(zigzag(m - last))
		last = m
	}
	isDelta := delta <= plain
	if isDelta {
		head |= columnDelta
	}
	w.put(bodyColumn, uint64(head))
	if last = base; !isDelta {
		last = 0
	}
	for _, m := range w.mantissas {
		w.put(bodyMantissa, zigzag(m-last))
		if isDelta {
			last = m
		}
	}
	w.first.keep(w.quantities[at], head, w.mantissas[0])
}

// exceptionWriter keeps apart the numbers that are no short decimals.
type exceptionWriter struct {
	rows  *rows
	place uint64 // of the number whose turn it is
	last  uint64 // the place after the last exception
}

func (e *exceptionWriter) write(v float64) {
	e.rows.put(bodyException, e.place-e.last)
	e.last = e.place + 1
	bits := &e.rows.columned[bodyExceptionBits]
	*bits = binary.LittleEndian.AppendUint64(*bits, math.Float64bits(v))
}

// singlePlaces returns the fewest places with which every number of the column is a decimal rounded to 32 bits.
func (w *rows) singlePlaces(of []uint32, q uint32) (int, bool) {
	p := 0
	for _, j := range of {
		var ok bool
		if p, ok = places(w.numbers[w.records[j].number+q], p, decimalSingle); !ok {
			return 0, false
		}
	}
	return p, true
}
