package tasmota

import (
	"time"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// time reads when the device says it is. The command Time chooses between a local time without an offset (the default),
// the same beside Epoch in seconds, seconds alone, and milliseconds; SetOption52 adds the offset to the text.
func (r *reading) time(v *fastjson.Value) *dialect.Error {
	r.clock = r.d.clock
	epoch, where := v.Get("Epoch"), ".Epoch"
	if epoch == nil {
		epoch, where = v.Get("Time"), ".Time"
	}
	if epoch == nil {
		return nil
	}
	switch epoch.Type() {
	case fastjson.TypeNumber:
		return r.epoch(epoch, where)
	case fastjson.TypeString:
		at, ok := dialect.ParseInstant(jsondoc.Text(epoch))
		if !ok {
			break
		}
		r.timeMs = dialect.Said(at.Ms)
		if !at.Zoned {
			r.clock, r.local = r.d.local, true
			r.timeMs = dialect.Said(inZone(at.Ms, r.d.zone))
		}
		return nil
	}
	return dialect.Errorf(telemetry.ReasonMalformed, "%s%s is %s; a time such as 2018-02-15T17:37:10, or seconds or milliseconds since 1970, is right",
		r.path, where, r.quote(epoch.String()))
}

func (r *reading) epoch(v *fastjson.Value, where string) *dialect.Error {
	const (
		// Seconds reach this in the year 5138, and milliseconds passed it in 1973.
		firstMs  = 1e11
		maxExact = 1 << 53
	)
	n, reason := r.d.doc.Number(v)
	if reason == telemetry.ReasonNone && n < firstMs {
		n, reason = r.d.doc.Scaled(v, "e3")
	}
	if reason != telemetry.ReasonNone || n < 0 || n >= maxExact {
		return dialect.Errorf(telemetry.ReasonMalformed, "%s%s is %s; seconds or milliseconds since 1970 are right",
			r.path, where, r.quote(v.String()))
	}
	r.timeMs = dialect.Said(int64(n))
	return nil
}

// inZone returns the instant at which a clock on the wall of the zone shows wallMs.
func inZone(wallMs int64, zone *time.Location) int64 {
	w := time.UnixMilli(wallMs).UTC()
	return time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), zone).UnixMilli()
}
