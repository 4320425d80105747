package frame

import (
	"errors"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const ackFormat = "jishi ack 1"

// Field numbers of Ack, Refusal and Range in frame.proto.
const (
	ackFormatField = 1
	ackEpoch       = 2
	ackCollector   = 3
	ackStored      = 4
	ackRefused     = 5

	rangeFirst    = 1
	rangeLast     = 2
	refusalReason = 3
)

// Range is a range of sequence numbers of one log, both ends included; First is at least 1 and at most Last.
type Range struct{ First, Last uint64 }

// Len returns how many sequence numbers the range holds.
func (r Range) Len() uint64 { return r.Last - r.First + 1 }

// valid reports whether the range is one: it excludes 2^64-1, so that Last+1 and Len are always numbers.
func (r Range) valid() bool { return r.First >= 1 && r.First <= r.Last && r.Last < math.MaxUint64 }

// The reasons of a Refusal [F-6.3]. A bridge keeps what is refused and tells its technician; only a person can help.
const (
	RefusedBadSignature  = "bad_signature"  // the enrolled key did not sign the frame
	RefusedUnknownBridge = "unknown_bridge" // the city has not enrolled this bridge
	RefusedBadChain      = "bad_chain"      // the messages do not fit the frame's chain hashes
	RefusedMalformed     = "malformed"      // the frame is not what docs/frame.md asks for
	RefusedForked        = "forked"         // the city holds other messages with these numbers [F-3.4]
)

// RefusalReason returns the reason for which a frame is refused after Parse, Verify or Messages returned err.
func RefusalReason(err error) string {
	switch {
	case errors.Is(err, ErrSignature):
		return RefusedBadSignature
	case errors.Is(err, ErrChain):
		return RefusedBadChain
	}
	return RefusedMalformed
}

// Refusal is a range that the city will not store, and why.
type Refusal struct {
	Range
	Reason string // one of the Refused constants, or one that a newer city knows
}

// Ack is the city's answer to a bridge.
type Ack struct {
	// Epoch is the log's epoch: numbers of another epoch are not meant.
	Epoch uint64
	// Stored is what is in the evidence store, durably, with its receipts.
	Stored []Range
	// Refused is what the city will not store.
	Refused []Refusal
	// CollectorMs is the collector's clock when it answered.
	CollectorMs int64
}

// Append appends the acknowledgement's bytes [F-6.1].
func (a *Ack) Append(dst []byte) []byte {
	dst = appendText(dst, ackFormatField, ackFormat)
	dst = appendFixed64(dst, ackEpoch, a.Epoch)
	dst = appendNumber(dst, ackCollector, uint64(a.CollectorMs))
	for _, r := range a.Stored {
		dst = protowire.AppendTag(dst, ackStored, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(r.size()))
		dst = r.append(dst)
	}
	for _, r := range a.Refused {
		dst = protowire.AppendTag(dst, ackRefused, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(r.size()+sizeText(refusalReason, len(r.Reason))))
		dst = appendText(r.append(dst), refusalReason, r.Reason)
	}
	return dst
}

func (r Range) append(dst []byte) []byte {
	return appendNumber(appendNumber(dst, rangeFirst, r.First), rangeLast, r.Last)
}

func (r Range) size() int { return sizeNumber(rangeFirst, r.First) + sizeNumber(rangeLast, r.Last) }

// ParseAck reads an acknowledgement strictly [F-6.2]; the error is ErrMalformed or ErrTooLarge. It keeps nothing of b.
func ParseAck(b []byte) (Ack, error) {
	if len(b) > MaxAck {
		return Ack{}, tooLarge("acknowledgement", len(b), MaxAck)
	}
	var a Ack
	var format []byte
	r := reader{b: b, repeats: 1<<ackStored | 1<<ackRefused}
	for r.next() {
		if len(a.Stored)+len(a.Refused) == MaxRanges {
			return Ack{}, tooLarge("number of ranges", MaxRanges+1, MaxRanges)
		}
		switch r.field {
		case ackFormatField:
			format = r.text(len(ackFormat))
		case ackEpoch:
			a.Epoch = r.fixed64()
		case ackCollector:
			a.CollectorMs = int64(r.number())
		case ackStored:
			f := parseRefusal(&r, false)
			a.Stored = append(a.Stored, f.Range)
		case ackRefused:
			a.Refused = append(a.Refused, parseRefusal(&r, true))
		default:
			r.unknown()
		}
	}
	switch {
	case r.err != nil:
		return Ack{}, r.err
	case string(format) != ackFormat:
		return Ack{}, malformed("format is %q, want %q", format, ackFormat)
	case a.Epoch == 0:
		return Ack{}, malformed("acknowledgement has no epoch")
	}
	return a, nil
}

// parseRefusal reads the current field as a Range, or as a Refusal when it must have a reason.
func parseRefusal(outer *reader, reason bool) Refusal {
	var f Refusal
	r := reader{b: outer.bytes()}
	for r.next() {
		switch {
		case r.field == rangeFirst:
			f.First = r.number()
		case r.field == rangeLast:
			f.Last = r.number()
		case r.field == refusalReason && reason:
			f.Reason = string(r.text(telemetry.MaxName))
		default:
			r.unknown()
		}
	}
	switch {
	case outer.err != nil:
	case r.err != nil:
		outer.err = r.err
	case !f.valid():
		outer.fail("range %d to %d is none", f.First, f.Last)
	case reason && f.Reason == "":
		outer.fail("refusal without a reason")
	}
	return f
}
