package native

import (
	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// sample decodes one sample. A bad number is left out alone, for one broken sensor must not silence the others; any
// other fault sets the whole sample aside.
func (r *reading) sample(o *fastjson.Object) {
	rec := r.base
	rec.Kind, rec.ValidMs = telemetry.KindSample, DefaultValidMs
	ok := r.members(o, "t, v, state and valid_s", func(key []byte, v *fastjson.Value) (member, bool) {
		switch string(key) {
		case "v":
			return memberV, r.values(&rec, v)
		case "state":
			return memberState, r.state(&rec, v)
		case "valid_s":
			return memberValid, r.valid(&rec, v)
		}
		return 0, false
	})
	switch {
	case !ok:
	case r.seen&(memberV|memberState) == 0:
		r.fault(telemetry.ReasonMalformed, "", "has neither v nor state; a sample says one of them at least")
	case r.index >= 0 && r.seen&memberT == 0:
		r.fault(telemetry.ReasonMalformed, "", "has no t; in a batch each sample says its own time")
	case len(rec.Values) == 0 && rec.State == "":
		// Every number was bad, and each has its own fault.
	default:
		r.emit(rec)
	}
}

func (r *reading) values(rec *telemetry.Record, v *fastjson.Value) bool {
	o, err := v.Object()
	if err != nil {
		r.fault(telemetry.ReasonMalformed, ".v", "is %s; an object of quantity and number is right", jsondoc.TypeName(v))
		return false
	}
	if o.Len() == 0 {
		r.fault(telemetry.ReasonMalformed, ".v", "is empty; one quantity at least is right")
		return false
	}
	rec.Values = make([]telemetry.Value, 0, min(o.Len(), 32))
	o.Visit(func(key []byte, v *fastjson.Value) { r.value(rec, key, v) })
	return true
}

func (r *reading) value(rec *telemetry.Record, key []byte, v *fastjson.Value) {
	q, known := dialect.QuantityOf(string(key))
	if !known {
		r.fault(telemetry.ReasonMalformed, ".v", "has the unknown quantity %s%s", dialect.Quote(string(key)), hint(string(key)))
		return
	}
	n, reason := r.d.doc.Number(v)
	switch {
	case reason == telemetry.ReasonMalformed:
		r.fault(reason, ".v."+q.Name, "is %s; a number is right", jsondoc.TypeName(v))
		return
	case reason != telemetry.ReasonNone || n < q.Min || n > q.Max:
		r.fault(telemetry.ReasonOutOfRange, ".v."+q.Name, "is %s; %s lies between %v and %v", dialect.Quote(v.String()), q.Name, q.Min, q.Max)
		return
	}
	if _, twice := rec.Value(q.Name); twice {
		r.fault(telemetry.ReasonMalformed, ".v."+q.Name, "is given twice; the first one is taken")
		return
	}
	rec.Values = append(rec.Values, telemetry.Value{Quantity: q.Name, Number: n})
}

// otherUnits are names that devices' makers are likely to write for a quantity in another unit, and what is right.
var otherUnits = map[string]string{
	"power": "power_w, in watts", "power_kw": "power_w, in watts", "apparent_kva": "apparent_va, in volt-amperes",
	"current": "current_a, in amperes", "current_ma": "current_a, in amperes",
	"voltage": "voltage_v, in volts", "voltage_mv": "voltage_v, in volts",
	"energy": "energy_wh, in watt-hours", "energy_kwh": "energy_wh, in watt-hours", "energy_j": "energy_wh, in watt-hours",
	"frequency": "frequency_hz, in hertz", "pf": "power_factor, 0 to 1", "speed": "speed_rpm, in revolutions a minute",
	"rpm": "speed_rpm", "load": "load_percent", "feed_mm_min": "feed_mm_s, in millimetres a second",
	"temperature": "temperature_c, in degrees Celsius", "temperature_f": "temperature_c, in degrees Celsius",
	"temperature_k": "temperature_c, in degrees Celsius", "duration_ms": "duration_s, in seconds",
	"relay": "relay_on, 0 or 1", "rssi": "signal_dbm",
}

func hint(name string) string {
	if right, ok := otherUnits[name]; ok {
		return "; right is " + right
	}
	return "; the quantities are listed in docs/dialects/native.md"
}

func (r *reading) state(rec *telemetry.Record, v *fastjson.Value) bool {
	if v.Type() != fastjson.TypeString {
		r.fault(telemetry.ReasonMalformed, ".state", "is %s; a text is right", jsondoc.TypeName(v))
		return false
	}
	text := jsondoc.Text(v)
	if text == "" {
		r.fault(telemetry.ReasonMalformed, ".state", "is empty; 1 to %d bytes are right, or no member state", telemetry.MaxState)
		return false
	}
	if dialect.CheckState("", text) != nil {
		// Only now is its place worth writing.
		r.faults.Add(dialect.CheckState(r.path(".state"), text))
		return false
	}
	rec.State = r.d.names.Own(text)
	return true
}

func (r *reading) valid(rec *telemetry.Record, v *fastjson.Value) bool {
	ms, reason := r.d.doc.Scaled(v, "e3")
	if reason != telemetry.ReasonNone || ms != 0 && (ms < 1000 || ms > MaxValidS*1000) {
		r.fault(telemetry.ReasonMalformed, ".valid_s", "is %s; 1 to %d seconds are right, or 0 for until the device says otherwise",
			dialect.Quote(v.String()), MaxValidS)
		return false
	}
	rec.ValidMs = int64(ms)
	return true
}
