package frame

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Field numbers of Message in frame.proto.
const (
	messageDialect  = 1
	messageReceived = 2
	messageRecord   = 3
)

// Field numbers of Record in frame.proto. The fields up to recordDirection stay the same from one record of a channel
// to the next; the columns of a frame's body rely on it.
const (
	recordKind      = 1
	recordClock     = 2
	recordRetained  = 3
	recordDevice    = 4
	recordChannel   = 5
	recordValid     = 6
	recordQuantity  = 7
	recordLink      = 8
	recordDirection = 9
	recordEvent     = 10
	recordDevTime   = 11
	recordNumber    = 12
	recordState     = 13
	recordCard      = 14
	recordReason    = 15
	recordDetail    = 16
	recordTopic     = 17
	recordPayload   = 18
)

// AppendMessage appends the canonical bytes [F-2.1] of the message without its Seq: the body of the base's log and what
// the chain hashes. Equal messages have equal bytes. It does not judge: CheckMessage says whether the bytes are
// acceptable.
func AppendMessage(dst []byte, m *telemetry.Message) []byte {
	dst = appendText(dst, messageDialect, m.Dialect)
	dst = appendNumber(dst, messageReceived, uint64(m.ReceivedMs))
	for i := range m.Records {
		r := &m.Records[i]
		dst = protowire.AppendTag(dst, messageRecord, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(sizeFixed(r)+sizeChanging(r)))
		dst = appendChanging(appendFixed(dst, r), r)
	}
	return dst
}

func appendFixed(dst []byte, r *telemetry.Record) []byte {
	dst = appendNumber(dst, recordKind, uint64(r.Kind))
	dst = appendNumber(dst, recordClock, uint64(r.Clock))
	if r.Retained {
		dst = append(dst, recordRetained<<3, 1)
	}
	dst = appendText(dst, recordDevice, r.Device)
	dst = appendText(dst, recordChannel, r.Channel)
	dst = appendNumber(dst, recordValid, uint64(r.ValidMs))
	for i := range r.Values {
		dst = append(dst, recordQuantity<<3|byte(protowire.BytesType))
		dst = protowire.AppendString(dst, r.Values[i].Quantity)
	}
	dst = appendNumber(dst, recordLink, uint64(r.Link))
	return appendNumber(dst, recordDirection, uint64(r.Direction))
}

func appendChanging(dst []byte, r *telemetry.Record) []byte {
	dst = appendNumber(dst, recordEvent, uint64(r.EventMs))
	dst = appendNumber(dst, recordDevTime, uint64(r.DeviceMs))
	if len(r.Values) > 0 {
		dst = append(dst, recordNumber<<3|byte(protowire.BytesType))
		dst = protowire.AppendVarint(dst, uint64(8*len(r.Values)))
		for i := range r.Values {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(r.Values[i].Number))
		}
	}
	dst = appendText(dst, recordState, r.State)
	dst = appendText(dst, recordCard, r.Card)
	dst = appendText(dst, recordReason, string(r.Reason))
	dst = appendText(dst, recordDetail, r.Detail)
	dst = appendText(dst, recordTopic, r.Topic)
	return appendBlob(dst, recordPayload, r.Payload)
}

// sizeFixed is how many bytes appendFixed appends.
func sizeFixed(r *telemetry.Record) int {
	n := sizeNumber(recordKind, uint64(r.Kind)) + sizeNumber(recordClock, uint64(r.Clock))
	if r.Retained {
		n += 2
	}
	n += sizeText(recordDevice, len(r.Device)) + sizeText(recordChannel, len(r.Channel))
	n += sizeNumber(recordValid, uint64(r.ValidMs))
	for i := range r.Values {
		q := len(r.Values[i].Quantity)
		n += 1 + sizeVarint(uint64(q)) + q
	}
	return n + sizeNumber(recordLink, uint64(r.Link)) + sizeNumber(recordDirection, uint64(r.Direction))
}

// sizeChanging is how many bytes appendChanging appends.
func sizeChanging(r *telemetry.Record) int {
	n := sizeNumber(recordEvent, uint64(r.EventMs)) + sizeNumber(recordDevTime, uint64(r.DeviceMs))
	n += sizeText(recordNumber, 8*len(r.Values))
	n += sizeText(recordState, len(r.State)) + sizeText(recordCard, len(r.Card))
	n += sizeText(recordReason, len(r.Reason)) + sizeText(recordDetail, len(r.Detail))
	return n + sizeText(recordTopic, len(r.Topic)) + sizeText(recordPayload, len(r.Payload))
}
