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

// said is one observation's object, in whichever way it is written.
type said struct {
	v        *fastjson.Value // the object
	result   *fastjson.Value // its value; nil when it has none
	typ      string
	category string
	path     string // where the object stands, for errors
	member   string // the member that holds the value
}

// where is the path of the value, or of one axis of it.
func (s *said) where(axis string) string { return s.path + "." + s.member + axis }

// decode decodes one observation of the entity sink; path names it in errors.
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
	o.d.sequence(&rec, v.Get("sequence"))
	category := jsondoc.Text(v.Get("category"))
	result := v.Get("result")
	level := v.Get("level")
	if level == nil && strings.EqualFold(category, "CONDITION") {
		level = result
	}
	if level != nil {
		return o.condition(rec, level, path)
	}
	if result == nil {
		return none, dialect.Errorf(telemetry.ReasonMalformed, "%s has no member result, and no level as a condition has", path)
	}
	return o.value(rec, &said{v: v, result: result, typ: jsondoc.Text(v.Get("type")), category: category, path: path, member: "result"})
}

// timestamp reads the time of an observation, 0 when it has none.
func timestamp(v *fastjson.Value, path string) (int64, *dialect.Error) {
	at, ok := instantOf(v)
	if !ok {
		return 0, badInstant(v, path, "timestamp")
	}
	return at, nil
}

// instantOf reads a time, 0 when there is none.
func instantOf(v *fastjson.Value) (ms int64, ok bool) {
	if v == nil {
		return 0, true
	}
	if v.Type() != fastjson.TypeString {
		return 0, false
	}
	// A time without a zone is UTC by the standard.
	at, ok := dialect.ParseInstant(jsondoc.Text(v))
	return dialect.Said(at.Ms), ok
}

func badInstant(v *fastjson.Value, path, member string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "%s.%s is %s; RFC 3339 is right, such as 2025-10-20T15:30:46.000000Z",
		path, member, dialect.Quote(v.String()))
}

// condition decodes a condition: its level is the channel's state.
func (o *observation) condition(rec telemetry.Record, level *fastjson.Value, path string) (dialect.Result, error) {
	state, ok := levelOf(jsondoc.Text(level))
	if !ok {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed,
			"%s.level is %s; NORMAL, WARNING, FAULT or UNAVAILABLE is right", path, dialect.Quote(level.String()))
	}
	rec.State = state
	return dialect.Result{Records: []telemetry.Record{rec}}, nil
}

// levelOf reads a condition's level, however it is written.
func levelOf(word string) (state string, ok bool) {
	for _, level := range [...]string{normal, warning, fault, Unavailable} {
		if strings.EqualFold(word, level) {
			return level, true
		}
	}
	return "", false
}

// value decodes a sample or an event.
func (o *observation) value(rec telemetry.Record, s *said) (dialect.Result, error) {
	k := o.d.kinds.of(s.typ)
	word := jsondoc.Text(s.result)
	var wrong *dialect.Error
	switch {
	case strings.EqualFold(word, Unavailable):
		rec.State = Unavailable
	case silent(s.v, s.result):
		return dialect.Result{}, nil
	case s.result.Type() == fastjson.TypeArray || numeric(k, s.category) && strings.Contains(word, " "):
		return o.axes(rec, s, k)
	case !k.word && (s.result.Type() == fastjson.TypeNumber || numeric(k, s.category)):
		var n telemetry.Value
		n, wrong = o.number(s, s.result, k, "")
		if wrong != nil && wrong.Reason == telemetry.ReasonMalformed && strings.EqualFold(s.category, "EVENT") {
			// An event's text may be anything: controllers write lines such as N120.
			rec.State, wrong = o.word(s)
		} else {
			rec.Values = []telemetry.Value{n}
		}
	default:
		rec.State, wrong = o.word(s)
	}
	if wrong != nil {
		return dialect.Result{}, wrong
	}
	if !k.link {
		return dialect.Result{Records: []telemetry.Record{rec}}, nil
	}
	return o.availability(rec, s)
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
func (o *observation) word(s *said) (string, *dialect.Error) {
	word := jsondoc.Text(s.result)
	if s.result.Type() != fastjson.TypeString {
		word = s.result.String()
	}
	if wrong := dialect.CheckState(s.where(""), word); wrong != nil {
		return "", wrong
	}
	return o.d.names.Own(word), nil
}

// numeric reports whether a text of this kind and category holds a number.
func numeric(k kind, category string) bool {
	return k.quantity != "" || !k.word && strings.EqualFold(category, "SAMPLE")
}

// number reads one number, in whichever of the two ways agents write it; axis says which part of the value it is.
func (o *observation) number(s *said, v *fastjson.Value, k kind, axis string) (telemetry.Value, *dialect.Error) {
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
		return telemetry.Value{}, dialect.Errorf(reason, "%s is %s; a number or UNAVAILABLE is right", s.where(axis), dialect.Quote(v.String()))
	}
	if q, _ := dialect.QuantityOf(quantity); n >= q.Min && n <= q.Max {
		return telemetry.Value{Quantity: quantity, Number: n}, nil
	}
	return telemetry.Value{}, dialect.CheckNumber(quantity, n, s.where(axis))
}

// axes decodes a value in three parts, such as a position in space: each part is a channel of its own.
func (o *observation) axes(rec telemetry.Record, s *said, k kind) (dialect.Result, error) {
	parts := s.result.GetArray()
	if s.result.Type() == fastjson.TypeString {
		var arena fastjson.Arena
		for f := range strings.FieldsSeq(jsondoc.Text(s.result)) {
			parts = append(parts, arena.NewString(f))
		}
	}
	if len(parts) != 3 {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; one number or three are right",
			s.where(""), dialect.Quote(s.result.String()))
	}
	var res dialect.Result
	var faults dialect.Faults
	for i, axis := range [...]string{"/x", "/y", "/z"} {
		n, wrong := o.number(s, parts[i], k, axis)
		if wrong == nil {
			one := rec
			one.Channel = o.d.names.Own(rec.Channel + axis)
			wrong = dialect.CheckName("dataItemId with its axis", one.Channel)
			one.Values = []telemetry.Value{n}
			if wrong == nil {
				res.Records = append(res.Records, one)
			}
		}
		faults.Add(wrong)
	}
	return res, faults.Err()
}

// availability adds to the sample of an AVAILABILITY what it says about the device as a whole.
func (o *observation) availability(rec telemetry.Record, s *said) (dialect.Result, error) {
	link := rec
	link.Kind, link.Channel, link.State, link.ValidMs = telemetry.KindLink, "", "", 0
	switch {
	case rec.State == Unavailable:
		link.Link = telemetry.LinkOffline
	case strings.EqualFold(rec.State, "AVAILABLE"):
		link.Link = telemetry.LinkOnline
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; AVAILABLE or UNAVAILABLE is right",
			s.where(""), dialect.Quote(rec.State))
	}
	return dialect.Result{Records: []telemetry.Record{rec, link}}, nil
}
