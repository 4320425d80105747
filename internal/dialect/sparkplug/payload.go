package sparkplug

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The fields of the messages Payload, Metric, PropertySet and PropertyValue that are read.
const (
	payloadTimestamp = 1
	payloadMetrics   = 2
	payloadSeq       = 3
	payloadUUID      = 4

	metricName       = 1
	metricAlias      = 2
	metricTimestamp  = 3
	metricDatatype   = 4
	metricHistorical = 5
	metricTransient  = 6
	metricNull       = 7
	metricProperties = 9
	metricInt        = 10
	metricLong       = 11
	metricFloat      = 12
	metricDouble     = 13
	metricBoolean    = 14
	metricString     = 15
	metricBytes      = 16
	metricExtension  = 19

	propertyKeys   = 1
	propertyValues = 2

	propertyNull   = 2
	propertyInt    = 3
	propertyLong   = 4
	propertyString = 8
)

// compressed is the uuid by which an extension of some vendors marks a payload within the payload.
const compressed = "SPBV1.0_COMPRESSED"

// maxProperties bounds the properties of one metric; the specification names one, and vendors about ten.
const maxProperties = 256

// latestSaidMs is the last instant of the year 9999: a device's later time is kept as this one.
const latestSaidMs = 253_402_300_799_999

// header is what a payload says of itself.
type header struct {
	saidMs  int64 // its timestamp as dialect.Clock takes it, 0 when it has none
	seq     uint8
	ordered bool // it has a seq
}

// said turns a timestamp into what dialect.Clock takes.
func said(timestamp uint64) int64 { return dialect.Said(int64(min(timestamp, latestSaidMs))) }

// wire is one field of a message, as it stands in the bytes.
type wire struct {
	number protowire.Number
	kind   protowire.Type
	bits   uint64 // of a varint, fixed32 or fixed64
	bytes  []byte // of a length-delimited field
}

// next cuts the first field off a message. A group, which Sparkplug does not use, is skipped as a field without content.
func next(b []byte) (wire, []byte, bool) {
	number, kind, n := protowire.ConsumeTag(b)
	if n < 0 {
		return wire{}, nil, false
	}
	b = b[n:]
	f := wire{number: number, kind: kind}
	switch kind {
	case protowire.VarintType:
		f.bits, n = protowire.ConsumeVarint(b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b)
		f.bits = uint64(v)
	case protowire.Fixed64Type:
		f.bits, n = protowire.ConsumeFixed64(b)
	case protowire.BytesType:
		f.bytes, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(number, kind, b)
	}
	if n < 0 {
		return wire{}, nil, false
	}
	return f, b[n:], true
}

func notProtobuf(what string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "%s is not a protobuf message of the Sparkplug B schema", what)
}

// wrongType refuses a field whose wire type is not its schema's.
func wrongType(what string, f wire) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "%s field %d has the wire type %d, which is not the Sparkplug B schema's",
		what, f.number, f.kind)
}

// readHeader reads all of a payload but its metrics, of which it makes sure that their bytes can be found.
func readHeader(payload []byte) (header, *dialect.Error) {
	var h header
	for rest := payload; len(rest) > 0; {
		f, after, ok := next(rest)
		if !ok {
			return header{}, notProtobuf("payload")
		}
		rest = after
		switch {
		case f.number == payloadTimestamp && f.kind == protowire.VarintType:
			h.saidMs = said(f.bits)
		case f.number == payloadSeq && f.kind == protowire.VarintType:
			if f.bits > math.MaxUint8 {
				return header{}, dialect.Errorf(telemetry.ReasonMalformed, "seq is %d; 0 to 255 is right", f.bits)
			}
			h.seq, h.ordered = uint8(f.bits), true
		case f.number == payloadUUID && f.kind == protowire.BytesType && string(f.bytes) == compressed:
			return header{}, dialect.Errorf(telemetry.ReasonMalformed, "payload is compressed (%s), which Sparkplug 3.0 does not have; turn compression off at the edge node", compressed)
		case f.number == payloadTimestamp || f.number == payloadSeq,
			f.number == payloadMetrics && f.kind != protowire.BytesType:
			return header{}, wrongType("payload", f)
		}
	}
	return h, nil
}

// eachMetric calls yield with the bytes of every metric of a payload that readHeader has accepted, until it returns false.
func eachMetric(payload []byte, yield func(index int, raw []byte) bool) {
	index := 0
	for rest := payload; len(rest) > 0; {
		f, after, ok := next(rest)
		if !ok {
			return
		}
		rest = after
		if f.number == payloadMetrics {
			if !yield(index, f.bytes) {
				return
			}
			index++
		}
	}
}

// metric is one metric of a payload. The bytes are parts of the payload.
type metric struct {
	name       []byte
	alias      uint64
	aliased    bool
	saidMs     int64 // 0 when it has no timestamp
	datatype   uint64
	historical bool
	transient  bool
	null       bool

	field protowire.Number // which of the value's fields is set; 0 for none
	bits  uint64           // of a number or boolean
	text  []byte           // of a string

	quality int32 // of the property Quality
	unit    []byte
}

// parse reads a metric's bytes. Of a field that comes twice the last one counts, as protobuf has it.
func (m *metric) parse(raw []byte) *dialect.Error {
	*m = metric{quality: qualityGood}
	for len(raw) > 0 {
		f, after, ok := next(raw)
		if !ok {
			return notProtobuf("metric")
		}
		raw = after
		if f.number > metricExtension {
			continue
		}
		if f.kind != wireTypes[f.number] {
			return wrongType("metric", f)
		}
		if f.number >= metricInt {
			m.field, m.bits, m.text = f.number, f.bits, f.bytes
			continue
		}
		if fault := m.set(f); fault != nil {
			return fault
		}
	}
	return nil
}

// wireTypes are the wire types of a metric's fields, by number.
var wireTypes = [metricExtension + 1]protowire.Type{
	metricName: protowire.BytesType, metricAlias: protowire.VarintType, metricTimestamp: protowire.VarintType,
	metricDatatype: protowire.VarintType, metricHistorical: protowire.VarintType, metricTransient: protowire.VarintType,
	metricNull: protowire.VarintType, 8: protowire.BytesType, metricProperties: protowire.BytesType,
	metricInt: protowire.VarintType, metricLong: protowire.VarintType, metricFloat: protowire.Fixed32Type,
	metricDouble: protowire.Fixed64Type, metricBoolean: protowire.VarintType, metricString: protowire.BytesType,
	metricBytes: protowire.BytesType, 17: protowire.BytesType, 18: protowire.BytesType, metricExtension: protowire.BytesType,
}

func (m *metric) set(f wire) *dialect.Error {
	switch f.number {
	case metricName:
		m.name = f.bytes
	case metricAlias:
		m.alias, m.aliased = f.bits, true
	case metricTimestamp:
		m.saidMs = said(f.bits)
	case metricDatatype:
		m.datatype = f.bits
	case metricHistorical:
		m.historical = f.bits != 0
	case metricTransient:
		m.transient = f.bits != 0
	case metricNull:
		m.null = f.bits != 0
	case metricProperties:
		return m.properties(f.bytes)
	}
	return nil
}

// properties reads what a PropertySet says of the quality and the unit. Keys and values stand in two lists.
func (m *metric) properties(raw []byte) *dialect.Error {
	var keys, values [][]byte
	for len(raw) > 0 {
		f, after, ok := next(raw)
		if !ok {
			return notProtobuf("properties")
		}
		raw = after
		switch {
		case f.number != propertyKeys && f.number != propertyValues:
		case f.kind != protowire.BytesType:
			return wrongType("properties", f)
		case f.number == propertyKeys:
			keys = append(keys, f.bytes)
		default:
			values = append(values, f.bytes)
		}
		if len(keys) > maxProperties || len(values) > maxProperties {
			return dialect.Errorf(telemetry.ReasonOversized, "a metric has more than %d properties", maxProperties)
		}
	}
	if len(keys) != len(values) {
		return dialect.Errorf(telemetry.ReasonMalformed, "properties have %d keys and %d values; as many of each are right", len(keys), len(values))
	}
	for i := range keys {
		if fault := m.property(keys[i], values[i]); fault != nil {
			return fault
		}
	}
	return nil
}

// property reads one property if it is one that matters.
func (m *metric) property(key, raw []byte) *dialect.Error {
	isQuality, isUnit := isQualityKey(key), isUnitKey(key)
	if !isQuality && !isUnit {
		return nil
	}
	var field protowire.Number
	var v wire
	for len(raw) > 0 {
		f, after, ok := next(raw)
		if !ok {
			return notProtobuf("property")
		}
		raw = after
		if f.number == propertyNull && f.bits != 0 {
			return nil
		}
		if f.number >= propertyInt {
			field, v = f.number, f
		}
	}
	integer := (field == propertyInt || field == propertyLong) && v.kind == protowire.VarintType
	switch {
	case isQuality && integer:
		m.quality = int32(min(v.bits, math.MaxInt32))
	case isQuality:
		return dialect.Errorf(telemetry.ReasonMalformed, "the property Quality is not an integer; 0, 192 or 500 is right")
	case field == propertyString && v.kind == protowire.BytesType:
		m.unit = v.bytes
	}
	return nil
}
