package frame

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// openers keeps the memory of closed bodies for the next one.
var openers = sync.Pool{New: func() any {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBody))
	if err != nil {
		panic("frame: zstd refuses its constant options: " + err.Error())
	}
	return &opener{zstd: decoder}
}}

// decodeBody opens the frame's body and appends its messages to dst.
func decodeBody(dst []telemetry.Message, f *Frame) (messages []telemetry.Message, chainAfter [32]byte, err error) {
	o := openers.Get().(*opener)
	defer openers.Put(o)
	defer o.forget()
	if err := o.read(f); err != nil {
		return nil, chainAfter, err
	}
	return o.assemble(dst, f)
}

// read reads the columns, each of which says what the next ones hold.
func (o *opener) read(f *Frame) error {
	if err := o.open(f.body); err != nil {
		return err
	}
	if err := o.readSeries(); err != nil {
		return err
	}
	if err := o.readShapes(); err != nil {
		return err
	}
	if err := o.readMessages(f); err != nil {
		return err
	}
	if err := o.readRecords(); err != nil {
		return err
	}
	return o.readNumbers()
}

// opener holds a body while it is decoded. Everything in it may be overwritten by the next body; what the messages keep is
// allocated anew.
type opener struct {
	zstd   *zstd.Decoder
	plain  []byte
	fields [bodyFields][]byte
	texts  []string
	blobs  [][]byte

	series     []openSeries
	quantities []string // of each series
	columns    []openColumn
	shapes     []openShape
	shapeList  []uint32
	messages   []messageRow
	records    int               // how many
	values     []telemetry.Value // new for each body: the messages keep it
	ints       []int64           // columns of records: series by series event, device time, texts
	fixed      []byte            // the canonical bytes of all series' fixed fields
	named      []telemetry.Value // scratch: the quantities of one series
	next       successor
	first      firsts
	chain      chainer
}

// openColumn is the numbers of one quantity of one series: the quantity's text and how they are coded.
type openColumn struct {
	quantity uint32
	head     uint32
}

// openSeries is a series with the places of its next record's data.
type openSeries struct {
	record     telemetry.Record // what all its records agree in
	fixed      []byte           // the canonical bytes of that
	flags      uint32
	quantities int
	records    int
	value      int // of its next record, in values
	event      int // likewise in ints
	device     int
	text       int // state, card, or the four of a raw record
}

// openShape is a shape; its series begin at first in shapeList.
type openShape struct {
	dialect string
	records int
	first   int
}

// cursor reads the varints of one packed column. After the first fault bad is set and zeros come.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) next() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := uint64(c.b[0])
		c.b = c.b[1:]
		return v
	}
	return c.long()
}

func (c *cursor) long() uint64 {
	v, n := protowire.ConsumeVarint(c.b)
	if n < 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// below reads a number below limit.
func (c *cursor) below(limit int) int {
	v := c.next()
	if v >= uint64(limit) {
		c.bad = true
		return 0
	}
	return int(v)
}

// done reports whether the column was sound and is used up.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }

func (o *opener) column(field int) cursor { return cursor{b: o.fields[field]} }

// open decompresses the body and splits it into its columns [F-5.1]. The decoder's own limit stops a body that grows too
// large [F-5.2].
func (o *opener) open(body []byte) error {
	var err error
	if o.plain, err = o.zstd.DecodeAll(body, o.plain[:0]); err != nil {
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return fmt.Errorf("%w: body is above %d bytes", ErrTooLarge, MaxBody)
		}
		return malformed("body: %w", err)
	}
	if len(o.plain) > MaxBody {
		return tooLarge("body", len(o.plain), MaxBody)
	}
	return o.split()
}

// forget lets go of what the messages share, so that the pool does not keep it alive.
func (o *opener) forget() {
	clear(o.texts)
	clear(o.blobs)
	clear(o.quantities)
	clear(o.named)
	clear(o.series)
	clear(o.shapes)
	o.values = nil
}

func (o *opener) split() error {
	o.texts, o.blobs = append(o.texts[:0], words[:]...), append(o.blobs[:0], nil)
	o.fields = [bodyFields][]byte{}
	// All texts become one string and all blobs one slice, so that the messages pin two pieces of memory.
	end := fieldsEnd(o.plain, bodyText)
	allTexts := string(o.plain[:end])
	allBlobs := bytes.Clone(o.plain[end : end+fieldsEnd(o.plain[end:], bodyBlob)])
	r := reader{b: o.plain, repeats: 1<<bodyText | 1<<bodyBlob}
	for r.next() {
		switch {
		case r.field == bodyText:
			v := r.text(telemetry.MaxDetail)
			at := len(o.plain) - len(r.b)
			if r.err == nil {
				o.texts = append(o.texts, allTexts[at-len(v):at])
			}
		case r.field == bodyBlob:
			v := r.blob(MaxTopic)
			at := len(o.plain) - len(r.b) - end
			if r.err == nil {
				o.blobs = append(o.blobs, allBlobs[at-len(v):at:at])
			}
		case r.field < bodyFields:
			o.fields[r.field] = r.blob(MaxBody)
		default:
			r.unknown()
		}
	}
	return r.err
}

// fieldsEnd returns where the run of fields with this number at the start of b ends.
func fieldsEnd(b []byte, field protowire.Number) int {
	at := 0
	for at < len(b) && b[at] == byte(field<<3|2) {
		_, n := protowire.ConsumeBytes(b[at+1:])
		if n < 0 {
			return at
		}
		at += 1 + n
	}
	return at
}
