package mtconnect

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// observation is one message of observations on its way to records.
type observation struct {
	d    *Dialect
	m    dialect.Message
	base telemetry.Record
}

// decode decodes one observation; path names it in errors.
func (o *observation) decode(v *fastjson.Value, path string) (dialect.Result, error) {
	none := dialect.Result{}
	if v.Type() != fastjson.TypeObject {
		return none, dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; an observation's object is right", path, jsondoc.TypeName(v))
	}
	atMs, fault := timestamp(v.Get("timestamp"), path)
	if fault != nil {
		return none, fault
	}
	rec := o.base
	o.d.clock.Date(&rec, atMs, o.m.ReceivedMs, false)
	if dialect.Dateless(&rec) {
		return none, nil
	}
	category := jsondoc.Text(v.Get("category"))
	level := v.Get("level")
	if level == nil && strings.EqualFold(category, "CONDITION") {
		level = v.Get("result")
	}
	if level != nil {
		return o.condition(rec, level, path)
	}
	return o.value(rec, v, category, path)
}

// timestamp reads the time of an observation, 0 when it has none.
func timestamp(v *fastjson.Value, path string) (int64, *dialect.Error) {
	if v == nil {
		return 0, nil
	}
	if v.Type() == fastjson.TypeString {
		if at, ok := dialect.ParseInstant(jsondoc.Text(v)); ok {
			// A timestamp without a zone is UTC by the standard.
			return dialect.Said(at.Ms), nil
		}
	}
	return 0, dialect.Errorf(telemetry.ReasonMalformed, "%s.timestamp is %s; RFC 3339 is right, such as 2025-10-20T15:30:46.000000Z",
		path, dialect.Quote(v.String()))
}

// condition decodes a condition: its level is the channel's state.
func (o *observation) condition(rec telemetry.Record, level *fastjson.Value, path string) (dialect.Result, error) {
	switch word := jsondoc.Text(level); {
	case strings.EqualFold(word, "NORMAL"):
		rec.State = "NORMAL"
	case strings.EqualFold(word, "WARNING"):
		rec.State = "WARNING"
	case strings.EqualFold(word, "FAULT"):
		rec.State = "FAULT"
	case strings.EqualFold(word, Unavailable):
		rec.State = Unavailable
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed,
			"%s.level is %s; NORMAL, WARNING, FAULT or UNAVAILABLE is right", path, dialect.Quote(level.String()))
	}
	return dialect.Result{Records: []telemetry.Record{rec}}, nil
}

// value decodes a sample or an event.
func (o *observation) value(rec telemetry.Record, v *fastjson.Value, category, path string) (dialect.Result, error) {
	result := v.Get("result")
	if result == nil {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s has no member result, and no level as a condition has", path)
	}
	k := o.d.kinds.of(jsondoc.Text(v.Get("type")))
	word := jsondoc.Text(result)
	var fault *dialect.Error
	switch {
	case strings.EqualFold(word, Unavailable):
		rec.State = Unavailable
	case silent(v, result):
		return dialect.Result{}, nil
	case result.Type() == fastjson.TypeArray || numeric(k, category) && strings.Contains(word, " "):
		return o.axes(rec, result, k, path)
	case !k.word && (result.Type() == fastjson.TypeNumber || numeric(k, category)):
		var n telemetry.Value
		n, fault = o.number(result, k, path+".result")
		if fault != nil && fault.Reason == telemetry.ReasonMalformed && strings.EqualFold(category, "EVENT") {
			// An event's text may be anything: controllers write lines such as N120.
			rec.State, fault = o.word(result, path)
		} else {
			rec.Values = []telemetry.Value{n}
		}
	default:
		rec.State, fault = o.word(result, path)
	}
	if fault != nil {
		return dialect.Result{}, fault
	}
	if !k.link {
		return dialect.Result{Records: []telemetry.Record{rec}}, nil
	}
	return o.availability(rec, path)
}

// silent reports whether a result says nothing about use: a data set, a table, a time series (whose plain values come
// as items of their own), or no text at all.
func silent(v, result *fastjson.Value) bool {
	switch result.Type() {
	case fastjson.TypeObject, fastjson.TypeNull:
		return true
	case fastjson.TypeString:
		return strings.TrimSpace(jsondoc.Text(result)) == "" || v.Get("sampleCount") != nil
	case fastjson.TypeArray:
		return len(result.GetArray()) != 3 || v.Get("sampleCount") != nil
	}
	return false
}

// word reads a state.
func (o *observation) word(result *fastjson.Value, path string) (string, *dialect.Error) {
	word := jsondoc.Text(result)
	if result.Type() != fastjson.TypeString {
		word = result.String()
	}
	if fault := dialect.CheckState(path+".result", word); fault != nil {
		return "", fault
	}
	return o.d.names.Own(word), nil
}

// numeric reports whether a text of this kind and category holds a number.
func numeric(k kind, category string) bool {
	return k.quantity != "" || !k.word && strings.EqualFold(category, "SAMPLE")
}

// number reads one number, in whichever of the two ways agents write it.
func (o *observation) number(v *fastjson.Value, k kind, where string) (telemetry.Value, *dialect.Error) {
	quantity := k.quantity
	if quantity == "" {
		quantity = telemetry.Number
	}
	var n float64
	var reason telemetry.Reason
	if v.Type() == fastjson.TypeString {
		n, reason = jsondoc.Number(jsondoc.Text(v))
	} else {
		n, reason = o.d.doc.Number(v)
	}
	if reason != telemetry.ReasonNone {
		return telemetry.Value{}, dialect.Errorf(reason, "%s is %s; a number or UNAVAILABLE is right", where, dialect.Quote(v.String()))
	}
	return telemetry.Value{Quantity: quantity, Number: n}, dialect.CheckNumber(quantity, n, where)
}

// axes decodes a value in three parts, such as a position in space: each part is a channel of its own.
func (o *observation) axes(rec telemetry.Record, v *fastjson.Value, k kind, path string) (dialect.Result, error) {
	parts := v.GetArray()
	if v.Type() == fastjson.TypeString {
		fields := strings.Fields(jsondoc.Text(v))
		var arena fastjson.Arena
		for _, f := range fields {
			parts = append(parts, arena.NewString(f))
		}
	}
	if len(parts) != 3 {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s.result is %s; one number or three are right",
			path, dialect.Quote(v.String()))
	}
	var res dialect.Result
	var faults dialect.Faults
	for i, axis := range [...]string{"/x", "/y", "/z"} {
		n, fault := o.number(parts[i], k, path+".result"+axis)
		if fault == nil {
			one := rec
			one.Channel = o.d.names.Own(rec.Channel + axis)
			fault = dialect.CheckName("dataItemId with its axis", one.Channel)
			one.Values = []telemetry.Value{n}
			if fault == nil {
				res.Records = append(res.Records, one)
			}
		}
		faults.Add(fault)
	}
	return res, faults.Err()
}

// availability adds to the sample of an AVAILABILITY what it says about the device as a whole.
func (o *observation) availability(rec telemetry.Record, path string) (dialect.Result, error) {
	link := rec
	link.Kind, link.Channel, link.State = telemetry.KindLink, "", ""
	switch {
	case rec.State == Unavailable:
		link.Link = telemetry.LinkOffline
	case strings.EqualFold(rec.State, "AVAILABLE"):
		link.Link = telemetry.LinkOnline
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s.result is %s; AVAILABLE or UNAVAILABLE is right",
			path, dialect.Quote(rec.State))
	}
	return dialect.Result{Records: []telemetry.Record{rec, link}}, nil
}
