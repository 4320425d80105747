package frame

import (
	"math"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// AppendChecked appends like AppendMessage and judges like CheckMessage what it appended. It is for the bridge's hot path:
// ordinary samples are judged as they are, and only what is not certainly acceptable is read again for the verdict.
func AppendChecked(dst []byte, m *telemetry.Message) ([]byte, error) {
	out := AppendMessage(dst, m)
	body := out[len(dst):]
	if len(body) <= MaxMessage && ordinary(m) {
		return out, nil
	}
	return out, CheckMessage(body)
}

// ordinary reports whether CheckMessage certainly accepts the message's bytes, but for their number.
func ordinary(m *telemetry.Message) bool {
	if len(m.Records) > telemetry.MaxRecords || !isText(m.Dialect, telemetry.MaxName) {
		return false
	}
	for i := range m.Records {
		if !ordinarySample(&m.Records[i]) {
			return false
		}
	}
	return true
}

// ordinarySample reports whether the record is a sample that holds to [F-2.3] and to the limits.
func ordinarySample(r *telemetry.Record) bool {
	switch {
	case r.Kind != telemetry.KindSample, r.Clock < telemetry.ClockDevice, r.Clock > telemetry.ClockSuspect:
	case r.Device == "", r.ValidMs < 0, len(r.Values) > MaxValues:
	case r.Card != "", r.Direction != 0, r.Link != 0:
	case r.Reason != "", r.Detail != "", r.Topic != "", len(r.Payload) > 0:
	case !isText(r.Device, telemetry.MaxName), !isText(r.Channel, telemetry.MaxName), !isText(r.State, telemetry.MaxState):
	default:
		return distinctNumbers(r.Values)
	}
	return false
}

func distinctNumbers(values []telemetry.Value) bool {
	for i := range values {
		v := &values[i]
		if v.Quantity == "" || !isText(v.Quantity, telemetry.MaxName) || !finite(math.Float64bits(v.Number)) {
			return false
		}
		for j := range values[:i] {
			if values[j].Quantity == v.Quantity {
				return false
			}
		}
	}
	return true
}

func isText(s string, limit int) bool { return len(s) <= limit && utf8.ValidString(s) }
