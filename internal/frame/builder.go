package frame

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// fullBytes is the size of the uncompressed columns at which a frame is full. One more message of MaxMessage bytes and
// MaxRanges missing ranges still leave the frame below MaxFrame, even when nothing compresses; ordinary messages compress
// to well below MaxBytes.
const fullBytes = 224 << 10

// Builder collects messages of consecutive sequence numbers and seals them into frames. It serves one goroutine at a
// time, and keeps its memory from frame to frame.
type Builder struct {
	header Header
	key    ed25519.PrivateKey
	zstd   *zstd.Encoder

	view messageView
	rows rows

	canonical int // bytes of the messages so far
	estimate  int // upper bound of the columns' bytes so far
	out       []byte
	body      []byte
}

// NewBuilder returns an empty builder for the log with this epoch. Both names must be valid (ValidName), the epoch not 0
// and the key an Ed25519 key; Seal reports what is not.
func NewBuilder(base, bridge string, epoch uint64, key ed25519.PrivateKey) *Builder {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(512<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("frame: zstd refuses its constant options: " + err.Error())
	}
	b := &Builder{header: Header{Base: base, Bridge: bridge, Epoch: epoch}, key: key, zstd: encoder}
	b.reset()
	return b
}

// Len returns how many messages the builder holds.
func (b *Builder) Len() int { return int(b.header.Count) }

// Add takes the message with this sequence number, one above the one before. body is its canonical bytes, chainBefore and
// chainAfter are the log's chain hashes around it; the builder keeps none of the three. full says that the frame is to be
// sealed before more is added.
//
// On an error the message was not added and the builder is as before: ErrOrder when seq does not follow, ErrChain when
// chainBefore is not the hash after the message before, ErrMalformed or ErrTooLarge when CheckMessage refuses the body.
func (b *Builder) Add(seq uint64, body []byte, chainBefore, chainAfter [32]byte) (full bool, err error) {
	h := &b.header
	switch {
	case h.Count > 0 && seq != h.First+uint64(h.Count), seq == 0:
		return false, fmt.Errorf("add message %d after %d: %w", seq, h.Last(), ErrOrder)
	case h.Count > 0 && chainBefore != h.ChainAfter:
		return false, fmt.Errorf("add message %d: hash before it is not the one after %d: %w", seq, h.Last(), ErrChain)
	case b.isFull():
		return true, fmt.Errorf("add message %d to a full frame: %w", seq, ErrTooLarge)
	}
	if err := b.view.parse(body); err != nil {
		return false, fmt.Errorf("add message %d: %w", seq, err)
	}
	if h.Count == 0 {
		h.First, h.ChainBefore, h.FirstMs = seq, chainBefore, b.view.receivedMs
	}
	h.Count++
	h.ChainAfter, h.LastMs = chainAfter, b.view.receivedMs
	b.canonical += len(body)
	b.estimate += b.rows.add(&b.view)
	return b.isFull(), nil
}

func (b *Builder) isFull() bool {
	return b.estimate >= fullBytes || b.header.Count >= MaxCount ||
		len(b.rows.records) > MaxRecords-telemetry.MaxRecords ||
		len(b.rows.numbers) > MaxNumbers-MaxMessage/8 ||
		b.canonical > MaxCanonical-MaxMessage
}

// Missing announces ranges that will never come [F-4.4], in any order; ranges that touch or overlap become one. Seal refuses
// more than MaxRanges, and ranges that overlap the frame's messages.
func (b *Builder) Missing(ranges ...Range) {
	all := append(b.header.Missing, ranges...)
	slices.SortFunc(all, func(x, y Range) int {
		if x.First < y.First {
			return -1
		}
		return 1
	})
	merged := all[:0]
	for _, r := range all {
		if n := len(merged); n > 0 && r.First <= merged[n-1].Last+1 {
			merged[n-1].Last = max(merged[n-1].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	b.header.Missing = merged
}

// Seal returns the frame's bytes, signed, and empties the builder. sentMs is the bridge's clock. On an error, which is
// ErrMalformed or ErrTooLarge, the builder is emptied too: it was given a name, key or range that no frame can carry.
func (b *Builder) Seal(sentMs int64) ([]byte, error) {
	defer b.reset()
	b.header.SentMs = sentMs
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("seal frame from %d: %w", b.header.First, err)
	}
	b.out = b.header.append(b.out[:0])
	if b.header.Count > 0 {
		b.body = b.rows.encode(b.body[:0], b.header.FirstMs)
		b.out = appendBlob(b.out, frameBody, b.zstd.EncodeAll(b.body, nil))
	}
	signature := ed25519.Sign(b.key, b.out)
	b.out = appendBlob(b.out, frameSignature, signature)
	if len(b.out) > MaxFrame {
		return nil, fmt.Errorf("seal frame from %d: %w", b.header.First, tooLarge("frame", len(b.out), MaxFrame))
	}
	return slices.Clone(b.out), nil
}

func (b *Builder) check() error {
	h := &b.header
	if err := h.checkNames(); err != nil {
		return err
	}
	switch {
	case len(b.key) != ed25519.PrivateKeySize:
		return malformed("signing key has %d bytes, want %d", len(b.key), ed25519.PrivateKeySize)
	case h.Epoch == 0:
		return malformed("epoch is 0")
	case h.Count == 0 && len(h.Missing) == 0:
		return malformed("frame carries nothing")
	case len(h.Missing) > MaxRanges:
		return tooLarge("number of missing ranges", len(h.Missing), MaxRanges)
	case h.Count > 0 && h.Last() < h.First:
		return malformed("sequence numbers end")
	}
	for _, r := range h.Missing {
		if !r.valid() {
			return malformed("missing range %d to %d is none", r.First, r.Last)
		}
	}
	return checkMissing(h.Missing, Range{h.First, h.Last()})
}

func (b *Builder) reset() {
	b.header = Header{Base: b.header.Base, Bridge: b.header.Bridge, Epoch: b.header.Epoch}
	b.canonical, b.estimate = 0, 0
	b.rows.reset()
}

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

	key      []byte // scratch: the key of a series
	shapeKey []byte // scratch: the key of a shape
	order    []uint32
	next     successor
	columned [bodyFields][]byte
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
		cost += 1 + w.textCost(q)
		w.quantities = append(w.quantities, w.textNumber(q))
		w.columns = append(w.columns, column{})
	}
	return cost
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
