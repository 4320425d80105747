package tasmota

import (
	"strconv"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// state decodes STATE: the relays, the signal and how long the device has been up.
func (r *reading) state(v *fastjson.Value) {
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		if channel, ok := relayOf(jsondoc.View(key)); ok {
			r.relay(channel, v, false)
		}
	})
	health := telemetry.Record{Channel: "state"}
	r.health(&health, telemetry.SignalDBm, "Wifi.Signal", v.Get("Wifi", "Signal"))
	if seconds := v.Get("UptimeSec"); seconds != nil {
		r.health(&health, telemetry.DurationS, "UptimeSec", seconds)
	} else {
		r.uptime(&health, v.Get("Uptime"))
	}
	if len(health.Values) > 0 {
		r.emit(health)
	}
}

func (r *reading) health(rec *telemetry.Record, quantity, where string, v *fastjson.Value) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return
	}
	n, reason := r.d.doc.Number(v)
	var fault *dialect.Error
	if reason != telemetry.ReasonNone {
		fault = dialect.Errorf(reason, "%s.%s is %s; a number is right", r.path, where, r.quote(v.String()))
	} else if q, _ := dialect.QuantityOf(quantity); n < q.Min || n > q.Max {
		fault = r.outOfRange(q, n, "."+where)
	}
	if fault != nil {
		r.faults.Add(fault)
		return
	}
	rec.Values = append(rec.Values, telemetry.Value{Quantity: quantity, Number: n})
}

// uptime reads how long the device has been up as firmware before 6.7 says it: days, T, hours, minutes and seconds.
func (r *reading) uptime(rec *telemetry.Record, v *fastjson.Value) {
	if v == nil {
		return
	}
	seconds, ok := parseUptime(jsondoc.Text(v))
	if !ok {
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s.Uptime is %s; days, T and a time such as 3T00:10:11 are right",
			r.path, r.quote(v.String())))
		return
	}
	rec.Values = append(rec.Values, telemetry.Value{Quantity: telemetry.DurationS, Number: seconds})
}

func parseUptime(text string) (seconds float64, ok bool) {
	const clock = "00:00:00"
	days, rest, found := strings.Cut(text, "T")
	if !found || len(rest) != len(clock) || rest[2] != ':' || rest[5] != ':' {
		return 0, false
	}
	for _, part := range [...]struct {
		text string
		each float64
	}{{days, 86_400}, {rest[:2], 3600}, {rest[3:5], 60}, {rest[6:], 1}} {
		n, err := strconv.ParseUint(part.text, 10, 16)
		if err != nil {
			return 0, false
		}
		seconds += float64(n) * part.each
	}
	return seconds, true
}

// edges decodes RESULT: the relays that a command or a button has switched, among the results of all other commands.
func (r *reading) edges(v *fastjson.Value) {
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		if channel, ok := relayOf(jsondoc.View(key)); ok {
			r.relay(channel, v, true)
		}
	})
}

// power decodes stat/…/POWER: a bare word, or with SetOption4 the same object as RESULT.
func (r *reading) power(leaf string) *dialect.Error {
	if r.m.Payload[0] == '{' {
		return r.document("", (*reading).edges)
	}
	channel, _ := relayOf(leaf)
	word := strings.TrimSpace(string(r.m.Payload))
	on, ok := parseWord(word)
	if !ok {
		return r.notAWord("payload", word)
	}
	r.clock = r.d.clock
	r.remember()
	r.switched(channel, on, true)
	return nil
}

func (r *reading) relay(channel string, v *fastjson.Value, edge bool) {
	word := jsondoc.Text(v)
	if v.Type() != fastjson.TypeString {
		word = v.String()
	}
	on, ok := parseWord(word)
	if !ok {
		r.faults.Add(r.notAWord(r.path+"."+strings.ToUpper(channel), word))
		return
	}
	r.switched(channel, on, edge)
}

func parseWord(word string) (on, ok bool) {
	switch {
	case strings.EqualFold(word, "ON"):
		return true, true
	case strings.EqualFold(word, "OFF"):
		return false, true
	}
	return false, false
}

func (r *reading) notAWord(where, word string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; ON or OFF is right (commands StateText1 and StateText2)", where, r.quote(word))
}

// switched records a relay's position. An edge to off is also the end of the load: PowerDelta does not report it, and
// the next telemetry may be a TelePeriod away, so the meter behind a device's only relay is recorded at 0 W at once, as
// the device itself will say (it does not measure while off unless SetOption21 is set).
func (r *reading) switched(channel string, on, edge bool) {
	if channel != "power" {
		r.dev.another = true
	}
	rec := telemetry.Record{Channel: r.d.names.Own(channel), State: "OFF", Values: []telemetry.Value{{Quantity: telemetry.RelayOn}}}
	if on {
		rec.State, rec.Values[0].Number = "ON", 1
	}
	r.emit(rec)
	if edge && !on && r.dev.meters && !r.dev.another && !r.m.Retained && !r.d.keep {
		r.emit(telemetry.Record{Channel: "energy", State: "OFF", Values: []telemetry.Value{{Quantity: telemetry.PowerW}}})
	}
}
