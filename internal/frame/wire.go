package frame

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func tooLarge(what string, size, limit int) error {
	return fmt.Errorf("%w: %s is %d, at most %d", ErrTooLarge, what, size, limit)
}

// reader walks the fields of one message strictly [F-1.2]: ascending numbers, none twice but those that repeat, shortest
// varints, no trailing bytes. The first fault sticks; the methods return zero after it.
type reader struct {
	b       []byte
	repeats uint64 // bit n is set when field n may stand more than once
	field   protowire.Number
	typ     protowire.Type
	err     error
}

// next moves to the next field and reports whether there is one.
func (r *reader) next() bool {
	if r.err != nil || len(r.b) == 0 {
		return false
	}
	tag := r.uvarint()
	if r.err != nil {
		return false
	}
	n, typ := protowire.DecodeTag(tag)
	switch {
	case n < protowire.MinValidNumber:
		r.fail("field number %d", n)
		return false
	case n < r.field:
		r.fail("field %d stands after field %d", n, r.field)
		return false
	case n == r.field && (n >= 64 || r.repeats>>n&1 == 0):
		r.fail("field %d stands twice", n)
		return false
	}
	r.field, r.typ = n, typ
	return true
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(format, args...)
	}
}

// unknown refuses the current field: it has no meaning in this version, or it comes with a wrong wire type.
func (r *reader) unknown() { r.fail("field %d of wire type %d is unexpected", r.field, r.typ) }

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	v, n := protowire.ConsumeVarint(r.b)
	switch {
	case n < 0:
		r.fail("varint in field %d is cut or too long", r.field)
		r.b = nil
		return 0
	case r.b[n-1] == 0:
		r.fail("varint in field %d is not the shortest", r.field)
	}
	r.b = r.b[n:]
	return v
}

// number reads a varint field, which is never written when it is zero.
func (r *reader) number() uint64 {
	if r.typ != protowire.VarintType {
		r.unknown()
		return 0
	}
	v := r.uvarint()
	if v == 0 {
		r.fail("field %d is zero and must be left out", r.field)
	}
	return v
}

// small reads a varint field of at most limit.
func (r *reader) small(limit uint64) uint64 {
	v := r.number()
	if v > limit {
		r.fail("field %d is %d, at most %d", r.field, v, limit)
		return 0
	}
	return v
}

func (r *reader) fixed64() uint64 {
	if r.typ != protowire.Fixed64Type {
		r.unknown()
		return 0
	}
	if len(r.b) < 8 {
		r.fail("field %d is cut", r.field)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	if v == 0 {
		r.fail("field %d is zero and must be left out", r.field)
	}
	return v
}

// bytes reads a length-delimited field without copying; what it returns may be empty.
func (r *reader) bytes() []byte {
	if r.typ != protowire.BytesType {
		r.unknown()
		return nil
	}
	n := r.uvarint()
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.b)) {
		r.fail("field %d is cut: %d bytes announced, %d left", r.field, n, len(r.b))
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// blob reads bytes that are never written when empty, at most limit of them.
func (r *reader) blob(limit int) []byte {
	v := r.bytes()
	switch {
	case r.err != nil:
		return nil
	case len(v) == 0:
		r.fail("field %d is empty and must be left out", r.field)
	case len(v) > limit:
		r.err = tooLarge(fmt.Sprintf("length of field %d", r.field), len(v), limit)
	}
	return v
}

// text reads UTF-8 that is never written when empty, at most limit bytes of it.
func (r *reader) text(limit int) []byte {
	v := r.blob(limit)
	if r.err == nil && !utf8.Valid(v) {
		r.fail("field %d is not UTF-8", r.field)
	}
	return v
}

// The writers leave zero values out, as proto3 does [F-1.1].

func appendNumber(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func appendFixed64(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), v)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendBlob(b []byte, field protowire.Number, s []byte) []byte {
	if len(s) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func sizeVarint(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func sizeNumber(field protowire.Number, v uint64) int {
	if v == 0 {
		return 0
	}
	return protowire.SizeTag(field) + sizeVarint(v)
}

func sizeText(field protowire.Number, n int) int {
	if n == 0 {
		return 0
	}
	return protowire.SizeTag(field) + sizeVarint(uint64(n)) + n
}
