package frame

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// rows are a frame's messages in order of arrival, with everything that repeats replaced by its number.
type rows struct {
	text, blob table
	series     table
	shape      table

	seriesRows []seriesRow
	quantities []uint32 // text, for each column
	columns    []column // for each quantity of each series
	shapeRows  []shapeRow
	shapeList  []uint32 // series, for each record of each shape
	messages   []messageRow
	records    []recordRow
	numbers    []float64
	raws       []rawRow

	key       []byte // scratch: the key of a series
	shapeKey  []byte // scratch: the key of a shape
	order     []uint32
	mantissas []int64 // scratch: of one column
	next      successor
	first     firsts
	columned  [bodyFields][]byte // the body's fields as they grow
}

type seriesRow struct {
	flags           uint32
	device, channel uint32
	validMs         int64
	column          uint32 // the first of its columns
	quantities      uint32
	records         uint32
}

type shapeRow struct {
	dialect uint32
	records uint32
}

type messageRow struct {
	shape      uint32
	receivedMs int64
}

type recordRow struct {
	series uint32
	number uint32 // the first of its numbers
	text   uint32 // state or card
	raw    uint32
	event  int64 // event_ms - received_ms
	device int64 // device_ms - event_ms
}

// rawRow is reason and detail (text), topic and payload (blob).
type rawRow [4]uint32

func (w *rows) reset() {
	w.text.reset()
	w.blob.reset()
	w.series.reset()
	w.shape.reset()
	w.seriesRows, w.quantities, w.columns = w.seriesRows[:0], w.quantities[:0], w.columns[:0]
	w.shapeRows, w.shapeList = w.shapeRows[:0], w.shapeList[:0]
	w.messages, w.records, w.numbers, w.raws = w.messages[:0], w.records[:0], w.numbers[:0], w.raws[:0]
	for i := range w.columned {
		w.columned[i] = w.columned[i][:0]
	}
}

// add takes a message apart and returns an upper bound of the bytes it adds to the columns.
func (w *rows) add(v *messageView) int {
	cost := w.textCost(v.dialect)
	dialect := w.textNumber(v.dialect)
	w.shapeKey = binary.AppendUvarint(w.shapeKey[:0], uint64(dialect))
	for i := range v.records {
		cost += w.addRecord(&v.records[i], v.receivedMs)
		w.shapeKey = binary.AppendUvarint(w.shapeKey, uint64(w.records[len(w.records)-1].series))
	}
	shape, isNew := w.shape.number(w.shapeKey)
	if isNew {
		w.shapeRows = append(w.shapeRows, shapeRow{dialect: dialect, records: uint32(len(v.records))})
		for _, r := range w.records[len(w.records)-len(v.records):] {
			w.shapeList = append(w.shapeList, r.series)
		}
		cost += 6 + 3*len(v.records)
	}
	last := v.receivedMs
	if n := len(w.messages); n > 0 {
		last = w.messages[n-1].receivedMs
	}
	w.messages = append(w.messages, messageRow{shape: shape, receivedMs: v.receivedMs})
	return cost + 3 + sizeVarint(zigzag(v.receivedMs-last))
}

// addRecord adds the record's row and returns an upper bound of its bytes.
func (w *rows) addRecord(v *recordView, receivedMs int64) int {
	flags := v.flags(receivedMs)
	w.key = append(binary.LittleEndian.AppendUint16(w.key[:0], uint16(flags)), v.fixed...)
	series, isNew := w.series.number(w.key)
	cost := 0
	if isNew {
		cost = w.addSeries(v, flags)
	}
	row := &w.seriesRows[series]
	row.records++
	r := recordRow{
		series: series, number: uint32(len(w.numbers)),
		event: v.eventMs - receivedMs, device: v.deviceMs - v.eventMs,
	}
	if flags&flagEvent != 0 {
		cost += sizeVarint(zigzag(r.event)) + 1
	}
	if flags>>flagDeviceShift&3 == deviceColumn {
		cost += sizeVarint(zigzag(r.device)) + 1
	}
	for i := range v.quantities {
		n := math.Float64frombits(binary.LittleEndian.Uint64(v.numbers[8*i:]))
		w.numbers = append(w.numbers, n)
		cost += w.columns[int(row.column)+i].add(n)
	}
	switch {
	case len(v.state) > 0:
		cost += w.textCost(v.state)
		r.text = w.textNumber(v.state)
	case v.kind == telemetry.KindTap:
		cost += w.textCost(v.card)
		r.text = w.textNumber(v.card)
	case v.kind == telemetry.KindRaw:
		cost += w.textCost(v.reason) + w.textCost(v.detail) + len(v.topic) + len(v.payload) + 16
		r.raw = uint32(len(w.raws))
		w.raws = append(w.raws, rawRow{
			w.textNumber(v.reason), w.textNumber(v.detail), w.blobNumber(v.topic), w.blobNumber(v.payload),
		})
	}
	w.records = append(w.records, r)
	return cost
}

func (w *rows) addSeries(v *recordView, flags uint32) int {
	cost := 12 + sizeVarint(uint64(v.validMs)) + w.textCost(v.device) + w.textCost(v.channel)
	w.seriesRows = append(w.seriesRows, seriesRow{
		flags: flags, device: w.textNumber(v.device), channel: w.textNumber(v.channel), validMs: v.validMs,
		column: uint32(len(w.columns)), quantities: uint32(len(v.quantities)),
	})
	for _, q := range v.quantities {
		cost += 3 + w.textCost(q)
		n := w.textNumber(q)
		w.quantities = append(w.quantities, n)
		w.columns = append(w.columns, column{places: w.likelyPlaces(n)})
	}
	return cost
}

// likelyPlaces are those of the last column of the same quantity: like devices write alike, and columns that are coded alike
// compress.
func (w *rows) likelyPlaces(quantity uint32) int {
	for i := len(w.columns) - 1; i >= 0 && i >= len(w.columns)-2*MaxValues; i-- {
		if w.quantities[i] == quantity {
			return w.columns[i].places
		}
	}
	return 0
}

// flags are what the record's series is beside its fixed fields [F-5.4].
func (v *recordView) flags(receivedMs int64) uint32 {
	f := uint32(v.kind-1) | uint32(v.clock-1)<<flagClockShift
	f |= uint32(v.link|telemetry.LinkEvent(v.direction)) << flagWhichShift
	if v.retained {
		f |= flagRetained
	}
	if v.eventMs != receivedMs {
		f |= flagEvent
	}
	switch v.deviceMs {
	case 0:
	case v.eventMs:
		f |= deviceEvent << flagDeviceShift
	default:
		f |= deviceColumn << flagDeviceShift
	}
	if len(v.state) > 0 {
		f |= flagState
	}
	return f
}

// textCost is an upper bound of what textNumber and the number itself will add.
func (w *rows) textCost(s []byte) int { return 3 + w.text.cost(s) }

func (w *rows) textNumber(s []byte) uint32 {
	if n, ok := wordNumber(s); ok {
		return n
	}
	n, isNew := w.text.number(s)
	if isNew {
		w.columned[bodyText] = protowire.AppendBytes(append(w.columned[bodyText], bodyText<<3|2), s)
	}
	return n + uint32(len(words))
}

func (w *rows) blobNumber(s []byte) uint32 {
	if len(s) == 0 {
		return 0
	}
	n, isNew := w.blob.number(s)
	if isNew {
		w.columned[bodyBlob] = protowire.AppendBytes(append(w.columned[bodyBlob], bodyBlob<<3|2), s)
	}
	return n + 1
}

// table numbers byte strings in order of first use, from 0.
type table struct{ numbers map[string]uint32 }

func (t *table) reset() {
	if t.numbers == nil {
		t.numbers = make(map[string]uint32)
	}
	clear(t.numbers)
}

func (t *table) number(s []byte) (n uint32, isNew bool) {
	if n, ok := t.numbers[string(s)]; ok {
		return n, false
	}
	n = uint32(len(t.numbers))
	t.numbers[string(s)] = n
	return n, true
}

// cost is what a text adds when it is new.
func (t *table) cost(s []byte) int {
	if _, ok := t.numbers[string(s)]; ok {
		return 0
	}
	return len(s) + 3
}
