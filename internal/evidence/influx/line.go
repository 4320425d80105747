package influx

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// The measurements.
const (
	sampleName     = "sample"
	tapName        = "tap"
	linkName       = "link"
	quarantineName = "quarantine"
	receiptName    = "receipt"
)

// nsPerMs is the room that a millisecond has for what tells apart the points of one instant.
const nsPerMs = 1_000_000

// provenance is what a line says of its way here. index is of the record in its message.
type provenance struct {
	base, bridge            string
	epoch, seq              uint64
	index                   int
	dialect                 string
	receivedMs, collectedMs int64
}

// appendRecord appends the line of an accepted sample, tap or link, or of a record in quarantine.
func appendRecord(b []byte, r *telemetry.Record, p *provenance) []byte {
	switch r.Kind {
	case telemetry.KindSample:
		return appendSample(b, r, p)
	case telemetry.KindTap:
		b = appendSeries(b, tapName, r, p)
		b = append(b, ` direction="`...)
		b = append(b, r.Direction.String()...)
		b = append(b, '"')
		b = appendText(b, "card", r.Card)
		b = appendProvenance(b, r, p)
		return appendTime(b, r.EventMs, int64(evidence.TapDigest(r)%nsPerMs))
	case telemetry.KindLink:
		b = appendSeries(b, linkName, r, p)
		b = append(b, ` event="`...)
		b = append(b, r.Link.String()...)
		b = append(b, '"')
		b = appendProvenance(b, r, p)
		return appendTime(b, r.EventMs, 0)
	default:
		return appendQuarantine(b, r, p)
	}
}

func appendSample(b []byte, r *telemetry.Record, p *provenance) []byte {
	b = appendSeries(b, sampleName, r, p)
	b = append(b, " seq="...)
	b = strconv.AppendInt(b, int64(p.seq), 10)
	b = append(b, 'i')
	for i := range r.Values {
		b = append(b, ',')
		b = append(b, r.Values[i].Quantity...)
		b = append(b, '=')
		b = strconv.AppendFloat(b, r.Values[i].Number, 'g', -1, 64)
	}
	if r.State != "" {
		b = appendText(b, "state", r.State)
	}
	b = appendTimes(b, r, p)
	b = appendMeta(b, r, p)
	b = append(b, " has="...)
	// The names in the sample's own order: a reader takes these fields and no other, so that a point which two samples
	// of one instant wrote shows the later one alone.
	for i := range r.Values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Values[i].Quantity...)
	}
	if r.State != "" {
		b = append(b, " state"...)
	}
	b = append(b, '"')
	return appendTime(b, r.EventMs, 0)
}

// appendSeries appends measurement and tags, in the order in which InfluxDB sorts them.
func appendSeries(b []byte, measurement string, r *telemetry.Record, p *provenance) []byte {
	b = append(b, measurement...)
	b = appendTag(b, "base", p.base)
	b = appendTag(b, "channel", r.Channel)
	return appendTag(b, "device", r.Device)
}

// appendProvenance appends the fields that every record but a sample has in the same way.
func appendProvenance(b []byte, r *telemetry.Record, p *provenance) []byte {
	b = appendInt(b, "seq", int64(p.seq))
	b = appendTimes(b, r, p)
	b = appendMeta(b, r, p)
	return append(b, '"')
}

func appendTimes(b []byte, r *telemetry.Record, p *provenance) []byte {
	b = appendInt(b, "received_ms", p.receivedMs)
	b = appendInt(b, "collected_ms", p.collectedMs)
	if r.DeviceMs != 0 && r.DeviceMs != r.EventMs {
		b = appendInt(b, "device_ms", r.DeviceMs)
	}
	return b
}

// appendMeta appends the meta field without its closing quote: words that are the same from record to record, in one
// text, because InfluxDB's cost is by the field and the same text again costs nearly nothing.
func appendMeta(b []byte, r *telemetry.Record, p *provenance) []byte {
	b = append(b, `,meta="clock=`...)
	b = append(b, r.Clock.String()...)
	b = append(b, " epoch="...)
	b = appendHex(b, p.epoch)
	if p.dialect != "" {
		b = append(b, " dialect="...)
		b = appendWord(b, p.dialect)
	}
	if r.Retained {
		b = append(b, " retained"...)
	}
	if r.ValidMs != 0 {
		b = append(b, " valid_ms="...)
		b = strconv.AppendInt(b, r.ValidMs, 10)
	}
	switch r.DeviceMs {
	case 0:
	case r.EventMs:
		b = append(b, " device_ms=event"...)
	default:
		b = append(b, " device_ms"...)
	}
	return b
}

func appendQuarantine(b []byte, r *telemetry.Record, p *provenance) []byte {
	b = append(b, quarantineName...)
	b = appendTag(b, "base", p.base)
	b = appendTag(b, "bridge", p.bridge)
	b = append(b, ",epoch="...)
	b = appendHex(b, p.epoch)
	b = appendTag(b, "reason", string(r.Reason))
	b = append(b, " index="...)
	b = strconv.AppendInt(b, int64(p.index), 10)
	b = append(b, 'i')
	b = appendInt(b, "event_ms", r.EventMs)
	// Devices and channels are fields here: whatever a stranger calls itself must not become a series. They are encoded
	// as in a tag, because InfluxQL has no way to say some characters either.
	b = appendText(b, "device", encoded(r.Device))
	b = appendText(b, "channel", encoded(r.Channel))
	b = appendText(b, "detail", r.Detail)
	b = appendText(b, "topic", r.Topic)
	if printable(r.Payload) {
		b = appendText(b, "payload", string(r.Payload))
	} else {
		b = appendText(b, "payload_hex", hex.EncodeToString(r.Payload))
	}
	b = appendProvenance(b, r, p)
	at := min(max(p.receivedMs, evidence.MinMs), evidence.MaxMs)
	return appendTime(b, at, quarantineDigits(p))
}

// printable reports whether the payload can stand as text in a field.
func printable(payload []byte) bool {
	return utf8.Valid(payload) && bytes.IndexByte(payload, 0) < 0
}

// quarantineDigits tells apart the records of one millisecond, log and reason: 15,625 messages with one record each in a
// row, or 244 with any number of records, get digits of their own.
func quarantineDigits(p *provenance) int64 {
	return int64((p.seq%nsPerMs*telemetry.MaxRecords + uint64(p.index)) % nsPerMs)
}

func appendReceipt(b []byte, base, bridge string, r *evidence.Receipt) []byte {
	b = append(b, receiptName...)
	b = appendTag(b, "base", base)
	b = appendTag(b, "bridge", bridge)
	b = append(b, ",epoch="...)
	b = appendHex(b, r.Epoch)
	b = append(b, ",missing="...)
	b = strconv.AppendBool(b, r.Missing)
	b = append(b, " first_seq="...)
	b = strconv.AppendInt(b, int64(r.First), 10)
	b = append(b, 'i')
	b = appendInt(b, "last_seq", int64(r.Last))
	b = appendInt(b, "first_ms", r.FirstMs)
	b = appendInt(b, "last_ms", r.LastMs)
	b = appendInt(b, "collected_ms", r.CollectedMs)
	b = append(b, `,chain_before="`...)
	b = hex.AppendEncode(b, r.ChainBefore[:])
	b = append(b, `",chain_after="`...)
	b = hex.AppendEncode(b, r.ChainAfter[:])
	b = append(b, '"')
	ms, digits := receiptTime(r)
	return appendTime(b, ms, digits)
}

// receiptTime places a receipt at its first message's receive time, with digits that differ for every two receipts of
// one bridge and epoch that could start in one millisecond: by where they start, and by where they end when a frame is
// cut another way on its second journey. A receipt without a time that can be stored gets one from its numbers.
func receiptTime(r *evidence.Receipt) (ms, digits int64) {
	if r.FirstMs == 0 || r.FirstMs < evidence.MinMs || r.FirstMs > evidence.MaxMs {
		mixed := (r.First*0x9e3779b97f4a7c15 ^ r.Last) * 0xbf58476d1ce4e5b9
		mixed ^= mixed >> 31
		return int64(mixed >> 2 / nsPerMs), int64(mixed >> 2 % nsPerMs)
	}
	return r.FirstMs, int64((r.First%nsPerMs*telemetry.MaxRecords + (r.Last-r.First)%nsPerMs) % nsPerMs)
}

func appendInt(b []byte, key string, v int64) []byte {
	b = append(b, ',')
	b = append(b, key...)
	b = append(b, '=')
	b = strconv.AppendInt(b, v, 10)
	return append(b, 'i')
}

func appendHex(b []byte, v uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[v>>shift&15])
	}
	return b
}

// appendTime ends the line with its instant in nanoseconds.
func appendTime(b []byte, ms, digits int64) []byte {
	b = append(b, ' ')
	b = strconv.AppendInt(b, ms*nsPerMs+digits, 10)
	return append(b, '\n')
}
