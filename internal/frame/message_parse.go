package frame

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// CheckMessage reports whether the bytes are a canonical message within the limits: what DecodeMessage and the city
// will accept. A bridge calls it before it logs a message, because what is logged is sent as it is. The error is
// ErrMalformed or ErrTooLarge and says where.
func CheckMessage(b []byte) error {
	v := views.Get().(*messageView)
	defer views.Put(v)
	return v.parse(b)
}

// views keeps the memory of parsed messages for the next one.
var views = sync.Pool{New: func() any { return new(messageView) }}

// DecodeMessage reads the canonical bytes of one message into m, all but its Seq, which it leaves. It copies what it
// keeps. It accepts exactly the bytes that AppendMessage writes for a message within the limits [F-2.2]; any other
// bytes are ErrMalformed or ErrTooLarge, and m is then unspecified.
func DecodeMessage(b []byte, m *telemetry.Message) error {
	v := views.Get().(*messageView)
	defer views.Put(v)
	if err := v.parse(b); err != nil {
		return err
	}
	m.Dialect, m.ReceivedMs, m.Records = string(v.dialect), v.receivedMs, nil
	if len(v.records) == 0 {
		return nil
	}
	m.Records = make([]telemetry.Record, len(v.records))
	for i := range v.records {
		v.records[i].copyTo(&m.Records[i])
	}
	return nil
}

// messageView is a parsed message whose texts still lie in the parsed bytes.
type messageView struct {
	dialect    []byte
	receivedMs int64
	records    []recordView
}

// recordView is a parsed record whose texts still lie in the parsed bytes.
type recordView struct {
	fixed      []byte // the bytes of the fields that stay the same from record to record
	kind       telemetry.Kind
	clock      telemetry.Clock
	link       telemetry.LinkEvent
	direction  telemetry.Direction
	retained   bool
	device     []byte
	channel    []byte
	validMs    int64
	quantities [][]byte
	eventMs    int64
	deviceMs   int64
	numbers    []byte // 8 bytes for each quantity, little endian
	state      []byte
	card       []byte
	reason     []byte
	detail     []byte
	topic      []byte
	payload    []byte
}

// parse reads b and reuses the view's memory. Each record's shape is checked against its kind [F-2.3].
func (v *messageView) parse(b []byte) error {
	v.dialect, v.receivedMs, v.records = nil, 0, v.records[:0]
	if len(b) > MaxMessage {
		return tooLarge("message", len(b), MaxMessage)
	}
	r := reader{b: b, repeats: 1 << messageRecord}
	for r.next() {
		switch r.field {
		case messageDialect:
			v.dialect = r.text(telemetry.MaxName)
		case messageReceived:
			v.receivedMs = int64(r.number())
		case messageRecord:
			if len(v.records) == telemetry.MaxRecords {
				return tooLarge("number of records", len(v.records)+1, telemetry.MaxRecords)
			}
			if err := v.add().parse(r.bytes()); err != nil && r.err == nil {
				return err
			}
		default:
			r.unknown()
		}
	}
	return r.err
}

// add returns the next record view, with the memory of an earlier use.
func (v *messageView) add() *recordView {
	if len(v.records) < cap(v.records) {
		v.records = v.records[:len(v.records)+1]
	} else {
		v.records = append(v.records, recordView{})
	}
	return &v.records[len(v.records)-1]
}

func (v *recordView) parse(b []byte) error {
	*v = recordView{quantities: v.quantities[:0]}
	r := reader{b: b, repeats: 1 << recordQuantity}
	for r.next() {
		if r.field > recordDirection {
			v.parseChanging(&r)
			continue
		}
		v.parseFixed(&r)
		v.fixed = b[:len(b)-len(r.b)]
	}
	if r.err != nil {
		return r.err
	}
	return v.check()
}

func (v *recordView) parseFixed(r *reader) {
	switch r.field {
	case recordKind:
		v.kind = telemetry.Kind(r.small(uint64(telemetry.KindRaw)))
	case recordClock:
		v.clock = telemetry.Clock(r.small(uint64(telemetry.ClockSuspect)))
	case recordRetained:
		v.retained = r.small(1) == 1
	case recordDevice:
		v.device = r.text(telemetry.MaxName)
	case recordChannel:
		v.channel = r.text(telemetry.MaxName)
	case recordValid:
		v.validMs = int64(r.small(math.MaxInt64))
	case recordQuantity:
		if len(v.quantities) == MaxValues {
			r.err = tooLarge("number of values", MaxValues+1, MaxValues)
			return
		}
		v.quantities = append(v.quantities, r.text(telemetry.MaxName))
	case recordLink:
		v.link = telemetry.LinkEvent(r.small(uint64(telemetry.LinkWill)))
	case recordDirection:
		v.direction = telemetry.Direction(r.small(uint64(telemetry.DirectionOut)))
	}
}

func (v *recordView) parseChanging(r *reader) {
	switch r.field {
	case recordEvent:
		v.eventMs = int64(r.number())
	case recordDevTime:
		v.deviceMs = int64(r.number())
	case recordNumber:
		v.numbers = r.blob(8 * MaxValues)
	case recordState:
		v.state = r.text(telemetry.MaxState)
	case recordCard:
		v.card = r.text(telemetry.MaxName)
	case recordReason:
		v.reason = r.text(telemetry.MaxName)
	case recordDetail:
		v.detail = r.text(telemetry.MaxDetail)
	case recordTopic:
		v.topic = r.blob(MaxTopic)
	case recordPayload:
		v.payload = r.blob(telemetry.MaxRawPayload)
	default:
		r.unknown()
	}
}

// check holds the record to its kind: which fields must speak and which must be silent [F-2.3].
func (v *recordView) check() error {
	if err := v.checkKind(); err != nil {
		return err
	}
	if len(v.numbers) != 8*len(v.quantities) {
		return malformed("%d bytes of numbers for %d quantities", len(v.numbers), len(v.quantities))
	}
	for i := range v.quantities {
		if !finite(binary.LittleEndian.Uint64(v.numbers[8*i:])) {
			return malformed("%q is not a finite number", v.quantities[i])
		}
		for _, earlier := range v.quantities[:i] {
			if bytes.Equal(earlier, v.quantities[i]) {
				return malformed("%q stands twice", earlier)
			}
		}
	}
	return nil
}

func (v *recordView) checkKind() error {
	sample := v.kind == telemetry.KindSample
	raw := v.kind == telemetry.KindRaw
	switch {
	case v.kind == 0:
		return malformed("record has no kind")
	case v.clock == 0:
		return malformed("record has no clock quality")
	case len(v.device) == 0 && !raw:
		return malformed("%s has no device", v.kind)
	case !sample && (len(v.quantities) > 0 || len(v.state) > 0):
		return malformed("%s with values or a state", v.kind)
	case (v.kind == telemetry.KindTap) != (len(v.card) > 0):
		return malformed("%s and its card do not fit", v.kind)
	case v.direction != 0 && v.kind != telemetry.KindTap:
		return malformed("%s with a direction", v.kind)
	case (v.kind == telemetry.KindLink) != (v.link != 0):
		return malformed("%s and its link event do not fit", v.kind)
	case raw != (len(v.reason) > 0):
		return malformed("%s and its reason do not fit", v.kind)
	case !raw && (len(v.detail) > 0 || len(v.topic) > 0 || len(v.payload) > 0):
		return malformed("%s with a raw message", v.kind)
	}
	return nil
}

// finite reports whether the bits of a float64 are neither NaN nor an infinity.
func finite(b uint64) bool { return b>>52&0x7ff != 0x7ff }

func (v *recordView) copyTo(r *telemetry.Record) {
	*r = telemetry.Record{
		Kind: v.kind, Clock: v.clock, Retained: v.retained,
		Device: string(v.device), Channel: string(v.channel),
		EventMs: v.eventMs, DeviceMs: v.deviceMs, ValidMs: v.validMs,
		State: string(v.state), Card: string(v.card), Direction: v.direction, Link: v.link,
		Reason: telemetry.Reason(v.reason), Detail: string(v.detail), Topic: string(v.topic),
		Payload: bytes.Clone(v.payload),
	}
	if len(v.quantities) == 0 {
		return
	}
	r.Values = make([]telemetry.Value, len(v.quantities))
	for i := range v.quantities {
		bits := binary.LittleEndian.Uint64(v.numbers[8*i:])
		r.Values[i] = telemetry.Value{Quantity: string(v.quantities[i]), Number: math.Float64frombits(bits)}
	}
}
