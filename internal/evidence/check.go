package evidence

import (
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// MinMs and MaxMs bound the event and receive times that a store can keep, both inclusive: September 1677 to April 2262,
// which is what 64 bits of nanoseconds hold.
const (
	MinMs = -9_223_372_036_853
	MaxMs = 9_223_372_036_853
)

const (
	maxQuantity = 64     // bytes of a quantity's name
	maxTopic    = 65_535 // bytes of an MQTT topic, by the protocol
)

// reserved are the names that an InfluxDB reader finds beside the quantities, or that its query languages take for
// themselves: a quantity of that name could not be told from them.
var reserved = map[string]bool{
	"base": true, "bridge": true, "channel": true, "device": true, "epoch": true, "reason": true, "time": true,
	"state": true, "meta": true, "seq": true, "received_ms": true, "collected_ms": true, "device_ms": true,
	"event": true, "card": true, "direction": true,
}

// CheckBatch says whether the batch can be attributed: its base and bridge are names. The error is one that repeating
// will not cure.
func CheckBatch(b *Batch) error {
	for _, n := range []struct{ field, value string }{{"base", b.Base}, {"bridge", b.Bridge}} {
		if reason, detail := checkName(n.field, n.value, true); reason != telemetry.ReasonNone {
			return fmt.Errorf("batch: %s (%s): %w", detail, reason, ErrPermanent)
		}
	}
	return nil
}

// Check says why no store will ever take the record i of the message, with what is wrong in English, or ReasonNone.
// Every implementation of Store rejects exactly what Check rejects, and what its own engine refuses besides
// (telemetry.ReasonStoreRejected).
func Check(m *telemetry.Message, i int) (reason telemetry.Reason, detail string) {
	r := &m.Records[i]
	if reason, detail = checkTime("receive time", m.ReceivedMs); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if reason, detail = checkTime("event time", r.EventMs); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if reason, detail = checkName("dialect", m.Dialect, false); reason != telemetry.ReasonNone {
		return reason, detail
	}
	// A raw message may be of no device that anybody could name.
	if reason, detail = checkName("device", r.Device, r.Kind != telemetry.KindRaw); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if reason, detail = checkName("channel", r.Channel, false); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if r.Clock > telemetry.ClockSuspect {
		return telemetry.ReasonMalformed, fmt.Sprintf("clock quality %d is none that is known", r.Clock)
	}
	return checkKind(r)
}

func checkKind(r *telemetry.Record) (telemetry.Reason, string) {
	switch r.Kind {
	case telemetry.KindSample:
		return checkSample(r)
	case telemetry.KindTap:
		if r.Direction > telemetry.DirectionOut {
			return telemetry.ReasonMalformed, fmt.Sprintf("direction %d is none that is known", r.Direction)
		}
		return checkName("card", r.Card, false)
	case telemetry.KindLink:
		if r.Link < telemetry.LinkOnline || r.Link > telemetry.LinkWill {
			return telemetry.ReasonMalformed, fmt.Sprintf("link event %d is none that is known", r.Link)
		}
	case telemetry.KindRaw:
		return checkRaw(r)
	default:
		return telemetry.ReasonMalformed, fmt.Sprintf("kind %d is none that is known", r.Kind)
	}
	return telemetry.ReasonNone, ""
}

func checkSample(r *telemetry.Record) (telemetry.Reason, string) {
	if reason, detail := checkText("state", r.State, telemetry.MaxState); reason != telemetry.ReasonNone {
		return reason, detail
	}
	for i, v := range r.Values {
		if !quantityName(v.Quantity) {
			return telemetry.ReasonMalformed, fmt.Sprintf("quantity %.80q is not a name: want [a-z][a-z0-9_]*, at most %d bytes, not a reserved word",
				v.Quantity, maxQuantity)
		}
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return telemetry.ReasonNotFinite, fmt.Sprintf("%s is %v, want a finite number", v.Quantity, v.Number)
		}
		for j := range i {
			if r.Values[j].Quantity == v.Quantity {
				return telemetry.ReasonMalformed, "quantity " + v.Quantity + " is there twice"
			}
		}
	}
	return telemetry.ReasonNone, ""
}

func checkRaw(r *telemetry.Record) (telemetry.Reason, string) {
	if !knownReason(r.Reason) {
		return telemetry.ReasonMalformed, fmt.Sprintf("reason %.80q is none that is known", r.Reason)
	}
	if reason, detail := checkText("detail", r.Detail, telemetry.MaxDetail); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if reason, detail := checkText("topic", r.Topic, maxTopic); reason != telemetry.ReasonNone {
		return reason, detail
	}
	if n := len(r.Payload); n > telemetry.MaxRawPayload {
		return telemetry.ReasonOversized, fmt.Sprintf("payload has %d bytes, at most %d are kept", n, telemetry.MaxRawPayload)
	}
	return telemetry.ReasonNone, ""
}

func knownReason(reason telemetry.Reason) bool {
	return reason == telemetry.ReasonNone || slices.Contains(telemetry.Reasons(), reason)
}

func checkTime(what string, ms int64) (telemetry.Reason, string) {
	if ms < MinMs || ms > MaxMs {
		return telemetry.ReasonBadTime, fmt.Sprintf("%s %d ms is outside the years 1677 to 2262", what, ms)
	}
	return telemetry.ReasonNone, ""
}

func checkName(what, s string, required bool) (telemetry.Reason, string) {
	if required && s == "" {
		return telemetry.ReasonMalformed, what + " is empty"
	}
	return checkText(what, s, telemetry.MaxName)
}

func checkText(what, s string, limit int) (telemetry.Reason, string) {
	if len(s) > limit {
		return telemetry.ReasonOversized, fmt.Sprintf("%s has %d bytes, at most %d are kept", what, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return telemetry.ReasonNotUTF8, what + " is not UTF-8"
	}
	return telemetry.ReasonNone, ""
}

// quantityName reports whether the name can be an InfluxDB field of its own: quantities become columns, and a hostile
// name must not become one that another reader trips over.
func quantityName(s string) bool {
	if s == "" || len(s) > maxQuantity || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return !reserved[s]
}
