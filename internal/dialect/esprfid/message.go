package esprfid

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// state is the channel of what a reader says about itself.
const state = "state"

// document decodes what a reader says of its own accord, and among it what it answers and logs.
func (r *reading) document() *dialect.Error {
	v, err := r.read()
	if err != nil {
		return err
	}
	kind := v.Get("type")
	switch {
	case kind == nil && (v.Get("cmd") != nil || v.Get("command") != nil || v.Get("uid") != nil || v.Get("list") != nil):
		// A command, which older readers hear where they speak; or a user of a list.
		return nil
	case kind == nil || kind.Type() != fastjson.TypeString:
		return dialect.Errorf(telemetry.ReasonMalformed, "$.type is %s; a text such as access, boot or heartbeat is right", jsondoc.TypeName(kind))
	}
	switch jsondoc.Text(kind) {
	case "access":
		return r.access(v)
	case "boot":
		return r.alive(v, "boot")
	case "heartbeat", "hearthbeat": // The second is how versions up to 1.0 spell it.
		return r.alive(v, "heartbeat")
	}
	if v.Get("uid") != nil {
		return dialect.Errorf(telemetry.ReasonMalformed, "$.type is none that this dialect knows, and a card is in the message; access is right")
	}
	// The log (INFO, WARN, ERRO), and answers to commands.
	return nil
}

// tag decodes a card in the mode for Home Assistant, which has no type.
func (r *reading) tag() *dialect.Error {
	v, err := r.read()
	if err != nil {
		return err
	}
	return r.access(v)
}

// read returns the payload's object. Its errors say nothing of the payload.
func (r *reading) read() (*fastjson.Value, *dialect.Error) {
	v, err := r.d.doc.Read(r.m.Payload)
	if err != nil && (err.Reason == telemetry.ReasonMalformed || err.Reason == telemetry.ReasonNotFinite) {
		return nil, dialect.Errorf(err.Reason, "payload is not JSON; it may name a card, so nothing of it is repeated")
	}
	if err != nil {
		return nil, err
	}
	if v.Type() != fastjson.TypeObject {
		return nil, dialect.Errorf(telemetry.ReasonMalformed, "$ is %s; an object is right", jsondoc.TypeName(v))
	}
	return v, nil
}

// access decodes a card that was held to the reader, whether the reader knew it and opened the door or not.
func (r *reading) access(v *fastjson.Value) *dialect.Error {
	device, err := r.reader(v)
	if err != nil {
		return err
	}
	uid := v.Get("uid")
	if uid == nil || uid.Type() != fastjson.TypeString {
		return dialect.Errorf(telemetry.ReasonMalformed, "$.uid is %s; a text is right", jsondoc.TypeName(uid))
	}
	text := jsondoc.Text(uid)
	if strings.TrimSpace(text) == "" {
		// The door was opened by a command or a button.
		return nil
	}
	if err := r.time(v); err != nil {
		return err
	}
	token, err := r.d.cards.Token(device, r.d.notation, text)
	if err != nil {
		return dialect.Errorf(err.Reason, "$.uid: %s", err.Detail)
	}
	r.add(device, telemetry.Record{Kind: telemetry.KindTap, Card: token})
	return nil
}

// alive decodes a sign of life. A reader says boot whenever it has connected to the broker.
func (r *reading) alive(v *fastjson.Value, word string) *dialect.Error {
	device, err := r.reader(v)
	if err != nil {
		return err
	}
	if err := r.time(v); err != nil {
		return err
	}
	rec := telemetry.Record{Kind: telemetry.KindSample, Channel: state, State: word, ValidMs: r.d.validMs}
	if up := v.Get("uptime"); up != nil {
		seconds, err := r.uptime(up)
		if err != nil {
			return err
		}
		rec.Values = []telemetry.Value{{Quantity: telemetry.DurationS, Number: seconds}}
	}
	r.private = v.Get("uid") != nil || v.Get("username") != nil
	if word == "boot" {
		r.add(device, telemetry.Record{Kind: telemetry.KindLink, Link: telemetry.LinkOnline})
	}
	r.add(device, rec)
	return nil
}

// reader returns who speaks: by the topic where each reader has its own, else by the payload's hostname (door in version
// 1.3), else by the topic that they share.
func (r *reading) reader(v *fastjson.Value) (string, *dialect.Error) {
	name, where := r.at.device, "reader in the topic"
	if !r.at.own {
		for _, key := range [...]string{"hostname", "door"} {
			said := v.Get(key)
			if said == nil {
				continue
			}
			where = "$." + key
			if said.Type() != fastjson.TypeString {
				return "", dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; a text is right", where, jsondoc.TypeName(said))
			}
			name = jsondoc.Text(said)
			break
		}
	}
	if err := dialect.CheckName(where, name); err != nil {
		return "", err
	}
	return name, nil
}

// time reads when the reader says it is: seconds since 1970, or since its start while NTP has not answered.
func (r *reading) time(v *fastjson.Value) *dialect.Error {
	at := v.Get("time")
	if at == nil {
		return nil
	}
	const maxExactMs = 1 << 53
	ms, reason := r.d.doc.Scaled(at, "e3")
	if reason != telemetry.ReasonNone || ms < 0 || ms >= maxExactMs {
		return dialect.Errorf(telemetry.ReasonMalformed, "$.time is not a number of seconds since 1970")
	}
	r.timeMs = dialect.Said(int64(ms))
	return nil
}

// uptime reads the seconds since the start, which a boot says as text.
func (r *reading) uptime(v *fastjson.Value) (float64, *dialect.Error) {
	seconds, reason := r.d.doc.Number(v)
	if v.Type() == fastjson.TypeString {
		seconds, reason = jsondoc.Number(jsondoc.Text(v))
	}
	if reason != telemetry.ReasonNone {
		return 0, dialect.Errorf(reason, "$.uptime is not a number of seconds")
	}
	if q, _ := dialect.QuantityOf(telemetry.DurationS); seconds < q.Min || seconds > q.Max {
		return 0, dialect.Errorf(telemetry.ReasonOutOfRange, "$.uptime does not lie between %v and %v seconds", q.Min, q.Max)
	}
	return seconds, nil
}
