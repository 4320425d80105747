package voice

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the data types in sparkplug_b.proto.
const (
	spInt32    = 3
	spInt64    = 4
	spUInt64   = 8
	spFloat    = 9
	spDouble   = 10
	spBoolean  = 11
	spString   = 12
	spProperty = 12 // a property's type: String
)

// The fields of a payload and of a metric in sparkplug_b.proto.
const (
	payloadTimestamp = 1
	payloadMetrics   = 2
	payloadSeq       = 3

	metricName       = 1
	metricAlias      = 2
	metricTimestamp  = 3
	metricDatatype   = 4
	metricHistorical = 5
	metricNull       = 7
	metricProperties = 9
	metricInt        = 10
	metricLong       = 11
	metricFloat      = 12
	metricDouble     = 13
	metricBoolean    = 14
	metricString     = 15
)

func appendVarint(out []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, field, protowire.VarintType), v)
}

func appendBytes(out []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, field, protowire.BytesType), v)
}

func appendString(out []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, field, protowire.BytesType), v)
}

// spValue is a metric's value: a number or a text, or nothing.
type spValue struct {
	number float64
	text   string
	null   bool
}

// spMetric is a metric with the value that was said last.
type spMetric struct {
	name     string
	alias    uint64
	datatype uint64
	unit     string // in the birth, as the property engUnit; "" for none
	value    spValue
	wrong    bool
}

// spKind is what a message says metrics for.
type spKind uint8

const (
	plainData spKind = iota
	births
	history
)

// everyMetric is the set of all metrics.
const everyMetric = ^uint(0)

// appendMetrics writes those of the metrics whose bits are set.
func appendMetrics(out []byte, list []spMetric, which uint, said uint64, kind spKind) []byte {
	var one [128]byte
	for i := range list {
		if which&(1<<i) != 0 {
			out = appendBytes(out, payloadMetrics, list[i].append(one[:0], said, kind))
		}
	}
	return out
}

// append writes a metric. A birth says its name, its alias and its unit; data says one of name and alias.
func (m *spMetric) append(out []byte, said uint64, kind spKind) []byte {
	if kind == births || m.alias == 0 {
		out = appendString(out, metricName, m.name)
	}
	if m.alias != 0 {
		out = appendVarint(out, metricAlias, m.alias)
	}
	out = appendVarint(out, metricTimestamp, said)
	out = appendVarint(out, metricDatatype, m.datatype)
	if kind == history {
		out = appendVarint(out, metricHistorical, 1)
	}
	if m.value.null {
		out = appendVarint(out, metricNull, 1)
	}
	if kind == births && m.unit != "" {
		value := appendString(appendVarint(nil, 1, spProperty), 8, m.unit)
		out = appendBytes(out, metricProperties, appendBytes(appendString(nil, 1, "engUnit"), 2, value))
	}
	if m.value.null {
		return out
	}
	switch m.datatype {
	case spInt32:
		return appendVarint(out, metricInt, uint64(uint32(int32(m.value.number))))
	case spInt64, spUInt64:
		return appendVarint(out, metricLong, uint64(int64(m.value.number)))
	case spFloat:
		bits := math.Float32bits(float32(m.value.number))
		return protowire.AppendFixed32(protowire.AppendTag(out, metricFloat, protowire.Fixed32Type), bits)
	case spDouble:
		bits := math.Float64bits(m.value.number)
		return protowire.AppendFixed64(protowire.AppendTag(out, metricDouble, protowire.Fixed64Type), bits)
	case spBoolean:
		return appendVarint(out, metricBoolean, protowire.EncodeBool(m.value.number != 0))
	}
	return appendString(out, metricString, m.value.text)
}
