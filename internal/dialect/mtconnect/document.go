package mtconnect

import (
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// A Sample document says what changed, each observation with its own time. A Current document says all values of a
// machine, most of them unchanged for long, and that they hold now. So what no document said before is recorded at its own
// time, and every value of a Current document as of the document's time: without that, a value that does not change would be
// silent, and a validity could not end with the agent.

// document is one MTConnectStreams document on its way to records.
type document struct {
	o          observation
	current    bool
	header     header
	stream     *stream
	changed    []telemetry.Record // what no document said before, at its own time
	held       []telemetry.Record // Current: every value, at its own time
	conditions []condition
	newestMs   int64 // the latest time of any observation
	missed     bool
	full       bool
	faults     dialect.Faults
}

// document decodes a Current or Sample document of the machine in the topic.
func (d *Dialect) document(m dialect.Message, device string, current bool) (dialect.Result, error) {
	if err := dialect.CheckName("uuid in the topic", device); err != nil {
		return dialect.Result{}, err
	}
	v, err := d.doc.Read(m.Payload)
	if err != nil {
		return dialect.Result{}, err
	}
	streams := v.Get("MTConnectStreams")
	if streams == nil || streams.Type() != fastjson.TypeObject {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed,
			"$.MTConnectStreams is %s; the document that cppagent writes in JSON version 1 or 2 is right", jsondoc.TypeName(streams))
	}
	h, err := readHeader(streams.Get("Header"))
	if err != nil {
		return dialect.Result{}, err
	}
	p := document{current: current, header: h}
	p.o = observation{d: d, m: m, base: telemetry.Record{
		Kind: telemetry.KindSample, Retained: m.Retained, Device: d.names.Own(device), ValidMs: DocumentValidMs,
	}}
	p.remember()
	each(streams.Get("Streams"), "DeviceStream", p.device)
	p.settle()
	if p.missed {
		d.gaps++
	}
	return dialect.Result{Records: p.records()}, p.faults.Err()
}

// remember finds what is known of the machine. What the broker kept teaches nothing: it may be of an agent that is gone.
func (p *document) remember() {
	if p.o.m.Retained {
		p.stream = &stream{items: make(map[string]uint64), conditions: make(map[string][]active)}
		return
	}
	_, machine := p.o.d.machines.Heard(p.o.base.Device)
	machine.gone = false
	p.stream = p.o.d.stream(machine, p.header)
	p.missed = p.stream.passed(p.header, p.current)
}

// each calls take for the elements of a list, which version 1 wraps each in an object with one member, and version 2 puts
// whole into such a member.
func each(v *fastjson.Value, member string, take func(*fastjson.Value)) {
	if v == nil {
		return
	}
	if v.Type() == fastjson.TypeObject {
		v = v.Get(member)
	}
	for _, e := range v.GetArray() {
		if wrapped := e.Get(member); wrapped != nil {
			e = wrapped
		}
		take(e)
	}
}

// device decodes the stream of one device, which must be the topic's: an agent speaks for others on their own topics.
func (p *document) device(v *fastjson.Value) {
	if uuid := jsondoc.Text(v.Get("uuid")); uuid != p.o.base.Device {
		p.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "DeviceStream.uuid is %s; the uuid of the topic is right, %s",
			dialect.Quote(uuid), dialect.Quote(p.o.base.Device)))
		return
	}
	components := v.Get("ComponentStreams")
	if components == nil {
		components = v.Get("ComponentStream")
	}
	each(components, "ComponentStream", func(c *fastjson.Value) {
		p.category(c.Get("Samples"), "SAMPLE")
		p.category(c.Get("Events"), "EVENT")
		p.category(c.Get("Condition"), "CONDITION")
	})
}

// category decodes the observations of one category of a component: version 1 lists objects with the type as their only
// member, version 2 has one member a type, each with a list.
func (p *document) category(v *fastjson.Value, category string) {
	if v == nil {
		return
	}
	if v.Type() == fastjson.TypeObject {
		v.GetObject().Visit(func(key []byte, list *fastjson.Value) {
			for _, e := range list.GetArray() {
				p.observation(jsondoc.View(key), category, e)
			}
		})
		return
	}
	for _, e := range v.GetArray() {
		e.GetObject().Visit(func(key []byte, e *fastjson.Value) { p.observation(jsondoc.View(key), category, e) })
	}
}

// observation decodes one observation; typ is its type, or a condition's level.
func (p *document) observation(typ, category string, v *fastjson.Value) {
	if p.full {
		return
	}
	if v.Type() != fastjson.TypeObject {
		p.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; an observation's object is right", dialect.Quote(typ), jsondoc.TypeName(v)))
		return
	}
	rec := p.o.base
	item := jsondoc.Text(v.Get("dataItemId"))
	wrong := dialect.CheckName("dataItemId of "+category, item)
	if wrong == nil {
		rec.Channel = p.o.d.names.Own(item)
		wrong = p.date(&rec, v)
	}
	if wrong != nil {
		p.faults.Add(wrong)
		return
	}
	if dialect.Dateless(&rec) {
		return
	}
	sequence := v.GetUint64("sequence")
	if category == "CONDITION" {
		p.condition(rec, typ, v, sequence)
		return
	}
	fresh := p.heard(rec.Channel, sequence)
	result := v.Get("value")
	if result == nil {
		// Without a value there is an empty text.
		return
	}
	one, err := p.o.value(rec, &said{v: v, result: result, typ: typ, category: category, path: rec.Channel, member: "value"})
	if wrong, ok := err.(*dialect.Error); ok && fresh { //nolint:errorlint // value returns the type itself.
		// A Current document repeats what could not be read, and is not set aside again for it.
		p.faults.Add(wrong)
	}
	p.take(one.Records, fresh)
}

// date dates an observation, and notes the latest time that the device's own clock said.
func (p *document) date(rec *telemetry.Record, v *fastjson.Value) *dialect.Error {
	atMs, wrong := timestamp(v.Get("timestamp"), rec.Channel)
	if wrong != nil {
		return wrong
	}
	p.o.d.clock.Date(rec, atMs, p.o.m.ReceivedMs, false)
	if rec.Clock == telemetry.ClockDevice {
		p.newestMs = max(p.newestMs, rec.EventMs)
	}
	return nil
}

// condition notes a condition, to be taken in the order of the sequence numbers: a document lists them by level.
func (p *document) condition(rec telemetry.Record, level string, v *fastjson.Value, sequence uint64) {
	var ok bool
	if rec.State, ok = levelOf(level); !ok {
		p.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s has the level %s; NORMAL, WARNING, FAULT or UNAVAILABLE is right",
			rec.Channel, dialect.Quote(level)))
		return
	}
	code := jsondoc.Text(v.Get("conditionId"))
	if code == "" {
		code = jsondoc.Text(v.Get("nativeCode"))
	}
	p.conditions = append(p.conditions, condition{rec: rec, code: p.o.d.names.Own(code), sequence: sequence})
}

// settle turns the conditions into the states of their data items. A Current document lists all that are active, so that
// what it does not list is over.
func (p *document) settle() {
	slices.SortStableFunc(p.conditions, func(a, b condition) int { return strings.Compare(a.rec.Channel, b.rec.Channel) })
	for from := 0; from < len(p.conditions); {
		to := from + 1
		for to < len(p.conditions) && p.conditions[to].rec.Channel == p.conditions[from].rec.Channel {
			to++
		}
		p.item(p.conditions[from:to])
		from = to
	}
}

// item takes in the conditions of one data item.
func (p *document) item(list []condition) {
	slices.SortStableFunc(list, func(a, b condition) int {
		switch {
		case a.sequence < b.sequence:
			return -1
		case a.sequence > b.sequence:
			return 1
		}
		return 0
	})
	if p.current {
		delete(p.stream.conditions, list[0].rec.Channel)
	}
	var rec telemetry.Record
	for i := range list {
		rec = list[i].rec
		rec.State = p.stream.apply(&list[i])
		if p.heard(rec.Channel, list[i].sequence) {
			p.changed = p.append(p.changed, rec)
		}
	}
	if p.current {
		p.held = p.append(p.held, rec)
	}
}

// heard reports whether an observation is to be recorded at its own time: a Sample document's always, for the first copy may
// have been lost after it was decoded.
func (p *document) heard(item string, sequence uint64) bool {
	fresh, missed := p.stream.heard(item, sequence)
	p.missed = p.missed || missed && p.current
	return fresh || !p.current
}

func (p *document) take(records []telemetry.Record, fresh bool) {
	for _, rec := range records {
		if fresh {
			p.changed = p.append(p.changed, rec)
		}
		if p.current {
			p.held = p.append(p.held, rec)
		}
	}
}

func (p *document) append(list []telemetry.Record, rec telemetry.Record) []telemetry.Record {
	if len(list) == telemetry.MaxRecords {
		p.overflow()
		return list
	}
	return append(list, rec)
}

func (p *document) overflow() {
	if !p.full {
		p.full = true
		p.faults.Add(dialect.Errorf(telemetry.ReasonOversized, "the document yields more than %d records", telemetry.MaxRecords))
	}
}

// records returns what changed and, of a Current document, what holds as of its time.
func (p *document) records() []telemetry.Record {
	if !p.current && p.newestMs > 0 && p.header.createdMs > 0 && !p.o.m.Retained {
		p.stream.late.usual(p.header.createdMs, p.header.createdMs-p.newestMs)
	}
	now, ok := p.now()
	if !ok {
		return p.changed
	}
	records := p.changed
	for i := range p.held {
		r := p.held[i]
		// What has no believable time of its own stands at its receipt, which is later than the document's and says nothing.
		if r.EventMs >= now.EventMs && r.Clock != telemetry.ClockSuspect {
			continue
		}
		r.EventMs, r.DeviceMs, r.Clock = now.EventMs, now.DeviceMs, now.Clock
		records = p.append(records, r)
	}
	return records
}

// now dates what a Current document says to hold. Adapters stamp the observations, and the agent the document, by clocks
// that may disagree: the document's time is put on the adapters' clock, by how late their observations usually are, and never
// before the latest of them. A machine of which nothing has changed for too long may have lost its adapter, and a document
// that the broker kept may be of any age: neither vouches for now.
func (p *document) now() (telemetry.Record, bool) {
	var now telemetry.Record
	if p.o.m.Retained || len(p.held) == 0 {
		return now, false
	}
	p.o.d.clock.Date(&now, p.header.createdMs, p.o.m.ReceivedMs, false)
	if p.newestMs > 0 && now.EventMs-p.newestMs > p.o.d.staleMs {
		return now, false
	}
	if now.Clock == telemetry.ClockDevice {
		said := now.EventMs
		now.EventMs = max(said-p.stream.late.least(), p.newestMs)
		if now.EventMs != said {
			now.Clock = telemetry.ClockCorrected
		}
	}
	return now, true
}
