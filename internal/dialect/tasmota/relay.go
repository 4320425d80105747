package tasmota

import (
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
	r.health(&health, telemetry.DurationS, "UptimeSec", v.Get("UptimeSec"))
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
		fault = dialect.Errorf(reason, "%s.%s is %s; a number is right", r.path, where, dialect.Quote(v.String()))
	} else if q, _ := dialect.QuantityOf(quantity); n < q.Min || n > q.Max {
		fault = dialect.CheckNumber(quantity, n, r.path+"."+where)
	}
	if fault != nil {
		r.faults.Add(fault)
		return
	}
	rec.Values = append(rec.Values, telemetry.Value{Quantity: quantity, Number: n})
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
func (r *reading) power(leaf string) (dialect.Result, error) {
	if r.m.Payload[0] == '{' {
		return r.document("", (*reading).edges)
	}
	channel, _ := relayOf(leaf)
	word := strings.TrimSpace(string(r.m.Payload))
	on, ok := parseWord(word)
	if !ok {
		return dialect.Result{}, notAWord("payload", word)
	}
	r.clock = r.d.clock
	r.remember()
	r.switched(channel, on, true)
	return r.result()
}

func (r *reading) relay(channel string, v *fastjson.Value, edge bool) {
	word := jsondoc.Text(v)
	if v.Type() != fastjson.TypeString {
		word = v.String()
	}
	on, ok := parseWord(word)
	if !ok {
		r.faults.Add(notAWord(r.path+"."+strings.ToUpper(channel), word))
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

func notAWord(where, word string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; ON or OFF is right (commands StateText1 and StateText2)", where, dialect.Quote(word))
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
