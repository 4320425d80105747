// Package native decodes the project's own JSON format, made for gateways and readers that can be programmed:
// docs/dialects/native.md describes it, docs/dialects/native.schema.json is its JSON Schema. The package is strict: a
// member it does not know is an error that says what would be right, never something to skip.
package native

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "native"

// Version is the version of the format that this package reads, as the topic says it.
const Version = "v1"

const (
	// DefaultValidMs is for how long a sample holds that does not say valid_s.
	DefaultValidMs = 60_000
	// MaxValidS is the largest valid_s, in seconds: a day.
	MaxValidS = 86_400
	// BehindMs is for how long a gateway may store messages before it forwards them: seven days.
	BehindMs = 7 * 24 * 3600 * 1000
)

// Options are the dialect's settings. The zero value reads every base's topics, and refuses card numbers.
type Options struct {
	// Cards turn the number in a tap's uid into the card's token; nil refuses every uid, and takes ready tokens only.
	Cards *card.Tokens
	// Base is the code of the base that the bridge stands at: a topic that names another is refused. "" takes any.
	Base string
}

// Dialect implements dialect.Dialect. It remembers names only, so that decoding is a function of the message.
type Dialect struct {
	o     Options
	doc   jsondoc.Reader
	names dialect.Names
	clock dialect.Clock
	now   reading // the message being decoded, kept here to save its allocation
}

// New returns the dialect.
func New(o Options) *Dialect { return &Dialect{o: o, clock: dialect.Clock{BehindMs: BehindMs}} }

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect. It claims every version, so that a wrong one gets its own error.
func (d *Dialect) Claims(topic string) bool {
	rest, ok := strings.CutPrefix(topic, "jishi/")
	for range 2 {
		if ok {
			_, rest, ok = strings.Cut(rest, "/")
		}
	}
	return ok && strings.HasPrefix(rest, "dev/")
}

// Poll implements dialect.Dialect: native devices are never asked.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Decode implements dialect.Dialect. Every payload of a tap topic is private, whatever is wrong with it.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	res := dialect.Result{Private: strings.HasSuffix(m.Topic, "/tap")}
	if len(m.Payload) == 0 {
		// An empty payload is how MQTT clears a retained message.
		return res, nil
	}
	at, err := parseTopic(m.Topic)
	if err == nil {
		err = d.ours(at)
	}
	if err != nil {
		return res, err
	}
	v, err := d.doc.Read(m.Payload)
	if err != nil {
		return res, unrepeated(err, res.Private)
	}
	d.now = reading{d: d, m: m, private: res.Private, base: telemetry.Record{
		Retained: m.Retained,
		Device:   d.names.Own(at.device),
		Channel:  d.names.Own(at.channel),
	}}
	r := &d.now
	switch at.kind {
	case "sample":
		r.items(v, (*reading).sample)
	case "tap":
		r.items(v, (*reading).tap)
	case "link":
		r.link(v)
	}
	res.Records = r.records
	fault := r.faults.Err()
	d.now = reading{}
	return res, fault
}

// ours refuses what names another base than the bridge's own: it would be counted where it did not happen.
func (d *Dialect) ours(at address) *dialect.Error {
	if d.o.Base == "" || at.base == d.o.Base {
		return nil
	}
	return dialect.Errorf(telemetry.ReasonForeignBase, "topic names the base %s; this bridge stands at %s",
		dialect.Quote(at.base), dialect.Quote(d.o.Base))
}

// unrepeated takes the payload's own text out of the error of a payload that may hold a card's number.
func unrepeated(err *dialect.Error, private bool) *dialect.Error {
	if !private || err.Reason == telemetry.ReasonOversized || err.Reason == telemetry.ReasonNotUTF8 {
		return err
	}
	return dialect.Errorf(err.Reason, "payload is not JSON; it may hold a card's number and is not repeated here")
}

// address is what a topic says. The texts are parts of the topic.
type address struct{ base, device, channel, kind string }

const topicShape = "jishi/" + Version + "/<base>/dev/<device>[/<channel>]/<sample|tap|link>"

func parseTopic(topic string) (address, *dialect.Error) {
	var a address
	rest := strings.TrimPrefix(topic, "jishi/")
	version, rest, _ := strings.Cut(rest, "/")
	if version != Version {
		return a, dialect.Errorf(telemetry.ReasonMalformed, "topic says version %s; this bridge reads %s: %s",
			dialect.Quote(version), Version, topicShape)
	}
	a.base, rest, _ = strings.Cut(rest, "/")
	if err := dialect.CheckName("base in the topic", a.base); err != nil {
		return a, err
	}
	rest = strings.TrimPrefix(rest, "dev/")
	var two bool
	a.device, rest, two = strings.Cut(rest, "/")
	if !two {
		return a, malformedTopic(topic)
	}
	var three bool
	a.kind, rest, three = strings.Cut(rest, "/")
	if three {
		a.channel, a.kind = a.kind, rest
		if err := dialect.CheckName("channel in the topic", a.channel); err != nil {
			return a, err
		}
	}
	if err := dialect.CheckName("device in the topic", a.device); err != nil {
		return a, err
	}
	switch a.kind {
	case "sample", "tap", "link":
		return a, nil
	}
	return a, malformedTopic(topic)
}

func malformedTopic(topic string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "topic %s is not of the shape %s", dialect.Quote(topic), topicShape)
}

// reading is one message on its way to records.
type reading struct {
	d       *Dialect
	m       dialect.Message
	private bool             // no fault may repeat the message's own text
	base    telemetry.Record // what every record of the message starts from
	records []telemetry.Record
	faults  dialect.Faults

	// index is the number of the item in a batch, or -1; the rest is what the item has said so far.
	index int
	seen  member
	t     int64
}

// member is one of the members that items know, as a bit, so that one named twice is found.
type member uint16

const (
	memberT member = 1 << iota
	memberV
	memberState
	memberValid
	memberCard
	memberUID
	memberFormat
	memberDir
	memberOnline
	memberWill
)

// items decodes one object, or each object of a batch.
func (r *reading) items(v *fastjson.Value, decode func(*reading, *fastjson.Object)) {
	if v.Type() != fastjson.TypeArray {
		r.item(-1, v, decode)
		return
	}
	batch := v.GetArray()
	if len(batch) == 0 {
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "$ is an empty array; 1 to %d items are right", telemetry.MaxRecords))
		return
	}
	if len(batch) > telemetry.MaxRecords {
		r.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "$ has %d items; at most %d are read", len(batch), telemetry.MaxRecords))
		return
	}
	r.records = make([]telemetry.Record, 0, len(batch))
	for i, e := range batch {
		r.item(i, e, decode)
	}
}

func (r *reading) item(index int, v *fastjson.Value, decode func(*reading, *fastjson.Object)) {
	r.index, r.seen, r.t = index, 0, 0
	o, err := v.Object()
	if err != nil {
		r.fault(telemetry.ReasonMalformed, "", "is %s; an object is right", jsondoc.TypeName(v))
		return
	}
	decode(r, o)
}

// emit dates the record and adds it, unless it replays a value of unknown age.
func (r *reading) emit(rec telemetry.Record) {
	r.d.clock.Date(&rec, r.t, r.m.ReceivedMs, false)
	if !dialect.Dateless(&rec) {
		r.records = append(r.records, rec)
	}
}

// link decodes a link message: one object, never a batch.
func (r *reading) link(v *fastjson.Value) {
	r.item(-1, v, func(r *reading, o *fastjson.Object) {
		rec := r.base
		rec.Kind = telemetry.KindLink
		var online, will bool
		ok := r.members(o, "t, online and will", func(key []byte, v *fastjson.Value) (member, bool) {
			switch string(key) {
			case "online":
				return memberOnline, r.boolean(v, ".online", &online)
			case "will":
				return memberWill, r.boolean(v, ".will", &will)
			}
			return 0, false
		})
		switch {
		case !ok:
			return
		case r.seen&memberOnline == 0:
			r.fault(telemetry.ReasonMalformed, "", "has no member online; true or false is right")
			return
		case online && will:
			r.fault(telemetry.ReasonMalformed, ".will", "is true beside online true; a last will says online false")
			return
		case online:
			rec.Link = telemetry.LinkOnline
		case will:
			rec.Link = telemetry.LinkWill
		default:
			rec.Link = telemetry.LinkOffline
		}
		r.emit(rec)
	})
}

// members visits an item's members. read decodes one, says which it is (0: none that it knows) and whether it was
// right; t is read here. It returns false, with the faults noted, when the item must not be used.
func (r *reading) members(o *fastjson.Object, known string, read func([]byte, *fastjson.Value) (member, bool)) bool {
	good := true
	o.Visit(func(key []byte, v *fastjson.Value) {
		var bit member
		var ok bool
		if string(key) == "t" {
			bit, ok = memberT, r.time(v)
		} else {
			bit, ok = read(key, v)
		}
		switch {
		case bit == 0:
			r.fault(telemetry.ReasonMalformed, "", "has the unknown member %s; known are %s", r.quote(string(key)), known)
			good = false
		case r.seen&bit != 0:
			r.fault(telemetry.ReasonMalformed, "."+string(key), "is given twice")
			good = false
		}
		r.seen |= bit
		good = good && ok
	})
	return good
}

// time reads t: whole milliseconds since the epoch, or an RFC 3339 text with its offset.
func (r *reading) time(v *fastjson.Value) bool {
	const maxExact = 1 << 53
	switch v.Type() {
	case fastjson.TypeNumber:
		n, reason := r.d.doc.Number(v)
		ms := int64(0)
		if reason == telemetry.ReasonNone && n >= 0 && n < maxExact {
			ms = int64(n)
		}
		if reason != telemetry.ReasonNone || n < 0 || n >= maxExact || float64(ms) != n {
			r.fault(telemetry.ReasonMalformed, ".t", "is %s; whole milliseconds since 1970-01-01T00:00:00Z are right, such as 1736603810490",
				r.quote(v.String()))
			return false
		}
		r.t = dialect.Said(ms)
		return true
	case fastjson.TypeString:
		text := string(v.GetStringBytes())
		at, ok := dialect.ParseInstant(text)
		if !ok || !at.Zoned {
			r.fault(telemetry.ReasonMalformed, ".t", "is %s; RFC 3339 with an offset is right, such as 2025-01-11T21:56:50.490+08:00",
				r.quote(text))
			return false
		}
		r.t = dialect.Said(at.Ms)
		return true
	}
	r.fault(telemetry.ReasonMalformed, ".t", "is %s; a number of milliseconds or an RFC 3339 text is right", jsondoc.TypeName(v))
	return false
}

func (r *reading) boolean(v *fastjson.Value, path string, to *bool) bool {
	switch v.Type() {
	case fastjson.TypeTrue:
		*to = true
	case fastjson.TypeFalse:
		*to = false
	default:
		r.fault(telemetry.ReasonMalformed, path, "is %s; true or false is right", jsondoc.TypeName(v))
		return false
	}
	return true
}

// fault notes what is wrong at a path below the item.
func (r *reading) fault(reason telemetry.Reason, path, format string, args ...any) {
	r.faults.Add(dialect.Errorf(reason, "%s %s", r.path(path), fmt.Sprintf(format, args...)))
}

// quote returns the message's own text for a fault, or stars where it may be a card's number.
func (r *reading) quote(text string) string {
	if r.private {
		return "****"
	}
	return dialect.Quote(text)
}

func (r *reading) path(below string) string {
	if r.index < 0 {
		return "$" + below
	}
	return fmt.Sprintf("$[%d]%s", r.index, below)
}
