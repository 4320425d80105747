package sparkplug

import (
	"bytes"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The data types whose values are read. Those from dataSet on are sets, bytes and arrays, which say nothing about use.
const (
	typeUnknown  = 0
	typeInt8     = 1
	typeInt64    = 4
	typeUInt8    = 5
	typeUInt64   = 8
	typeFloat    = 9
	typeDouble   = 10
	typeBoolean  = 11
	typeString   = 12
	typeDateTime = 13
	typeText     = 14
	typeUUID     = 15
	typeDataSet  = 16
	typeLast     = 34 // DateTimeArray
)

// The quality codes of the specification.
const (
	qualityGood  = 192
	qualityStale = 500
	// qualityPast ends the codes that vendors who pass on OPC qualities use for good ones.
	qualityPast = 256
)

// The names of the property of a metric that holds its unit, in small letters. The specification leaves it to vendors.
var unitKeys = [...]string{"engunit", "engunits", "engineeringunit", "engineeringunits", "unit", "units"}

func isQualityKey(key []byte) bool { return bytes.EqualFold(key, []byte("quality")) }

func isUnitKey(key []byte) bool {
	if len(key) > 24 {
		return false
	}
	var squashed [24]byte
	s := squash(squashed[:0], key)
	for _, k := range unitKeys {
		if string(s) == k {
			return true
		}
	}
	return false
}

// squash appends a text in small letters without blanks, underscores and hyphens.
func squash[T string | []byte](dst []byte, text T) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == ' ' || c == '_' || c == '-':
		case c >= 'A' && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// form is what a value is, once its data type and the field that holds it have been compared.
type form uint8

const (
	formBad    form = iota // the field does not hold a value of the type
	formUnsure             // an integer of unknown type, which may be signed or not
	formNone               // nothing that says anything about use
	formNumber
	formBoolean
	formText
)

// read returns the metric's value as its data type says. A metric without a data type is read when its field leaves no
// doubt.
func (m *metric) read(datatype uint64) (form, float64) {
	switch {
	case datatype == typeUnknown:
		return m.untyped()
	case datatype <= typeUInt64:
		return m.integer(datatype)
	case datatype <= typeDouble:
		return m.real()
	case datatype == typeBoolean:
		if m.field == metricBoolean {
			return formBoolean, m.truth()
		}
	case datatype == typeDateTime:
		if m.field == metricLong && m.bits <= latestSaidMs {
			return formNumber, float64(m.bits)
		}
	case datatype <= typeUUID:
		if m.field == metricString {
			return formText, 0
		}
	case datatype <= typeLast:
		return formNone, 0
	}
	return formBad, 0
}

func (m *metric) untyped() (form, float64) {
	switch m.field {
	case metricInt, metricLong:
		return formUnsure, 0
	case metricFloat, metricDouble:
		return m.real()
	case metricBoolean:
		return formBoolean, m.truth()
	case metricString:
		return formText, 0
	}
	return formNone, 0
}

func (m *metric) truth() float64 {
	if m.bits != 0 {
		return 1
	}
	return 0
}

func (m *metric) real() (form, float64) {
	switch m.field {
	case metricFloat:
		return formNumber, float64(math.Float32frombits(uint32(m.bits)))
	case metricDouble:
		return formNumber, math.Float64frombits(m.bits)
	}
	return formBad, 0
}

// integer reads an integer of a type. A negative number may stand as two's complement of its own width, as the
// specification has it, or of the field's width, as its reference implementation in Java does; the two never overlap.
func (m *metric) integer(datatype uint64) (form, float64) {
	raw, asField := m.bits, int64(m.bits)
	switch m.field {
	case metricInt:
		// A uint32 field keeps the low half of a longer varint.
		raw = uint64(uint32(raw))
		asField = int64(int32(uint32(raw)))
	case metricLong:
	default:
		return formBad, 0
	}
	if datatype >= typeUInt8 {
		width := uint(8) << (datatype - typeUInt8)
		if width < 64 && raw>>width != 0 {
			return formBad, 0
		}
		return formNumber, float64(raw)
	}
	unused := 64 - uint(8)<<(datatype-typeInt8)
	switch {
	case asField<<unused>>unused == asField:
		return formNumber, float64(asField)
	case raw<<unused>>unused == raw:
		return formNumber, float64(int64(raw<<unused) >> unused)
	}
	return formBad, 0
}

// whole returns the metric's value as an integer that is not negative, as bdSeq is.
func (m *metric) whole() (uint64, bool) {
	ok := !m.null && (m.field == protowire.Number(metricInt) || m.field == protowire.Number(metricLong))
	return m.bits, ok
}
