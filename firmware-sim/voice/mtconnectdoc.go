package voice

import (
	"slices"
	"strings"
)

// mtDocument publishes whole documents, as cppagent's MqttService does: all current values at an interval, and what
// changed half a second after it did. Option json is the version of the documents, "2" or "1".
type mtDocument struct {
	mtconnect
	version             int
	currentAt, sampleAt string
	pending             []mtPending // observed and not sent yet
	sending             []mtItem
	order               []int
}

// mtPending is an observation that waits for the next document, and what it told when it was made.
type mtPending struct {
	mtItem
	tells Tells
}

// mtFlushMs is how long changes are gathered.
const mtFlushMs = 500

func newMTConnectDocument(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	d := &mtDocument{
		mtconnect: newAgent(&spec, o, spec.everyMs(mtEvery)), version: 2,
		currentAt: "MTConnect/Current/" + spec.Device.ID, sampleAt: "MTConnect/Sample/" + spec.Device.ID,
	}
	d.sink = d
	// A shared agent goes on with its documents while a machine is away.
	d.stores = d.shared
	if o.word("json", "2", "1") == "1" {
		d.version = 1
	}
	return d, d.identity(), o.err()
}

// Day implements Voice.
func (d *mtDocument) Day(in Input) []Message { return d.day(&in, d) }

// observed implements mtSink.
func (d *mtDocument) observed(item *mtItem) {
	d.pending = append(d.pending, mtPending{*item, d.tells(item) & (State | Death | Wrong)})
	if d.connected && d.timerDue == never {
		d.timerDue = item.atMs + mtFlushMs
	}
}

// announced implements mtSink.
func (d *mtDocument) announced(atMs int64) {
	d.sayProbe(atMs, d.version)
	d.look(atMs, false)
	d.current(atMs)
	if len(d.pending) > 0 {
		d.timerDue = atMs + mtFlushMs
	}
}

// due implements mtSink.
func (d *mtDocument) due(atMs int64) { d.current(atMs) }

func (d *mtDocument) timer(atMs int64) { d.sample(atMs) }

func (d *mtDocument) death(atMs int64, rebooted bool) {
	d.mtconnect.death(atMs, rebooted)
	if !d.running {
		d.pending = d.pending[:0]
	}
}

// current publishes all current values, which hold as of the document's second.
func (d *mtDocument) current(atMs int64) {
	d.header(atMs, d.sequence+1)
	d.streams(d.items)
	m := Message{
		AtMs: atMs, Topic: d.currentAt, QoS: 1, Retain: d.retain, Current: true, Device: d.id, EventMs: atMs - atMs%1000,
		ValidMs: mtDocumentValidMs, Exact: d.in.saidUTCMs(atMs, d.zoneMs) != atMs,
	}
	for i := range d.items {
		m.EventMs = max(m.EventMs, d.items[i].atMs)
	}
	m.SaidMs = d.in.saidUTCMs(m.EventMs, d.zoneMs)
	state := &d.items[mtState]
	m.Tells = d.tells(state)
	if m.Tells.Has(State) && d.outdated(state) {
		m.Tells |= Wrong
	}
	d.say(m)
}

// mtDocumentValidMs is for how long what a document says may be believed: three of the usual intervals.
const mtDocumentValidMs = 30_000

// sample publishes what was observed since the last time. What has gathered while the link was down comes as it would
// have, a document for each half second.
func (d *mtDocument) sample(atMs int64) {
	for len(d.pending) > 0 {
		n := 1
		for n < len(d.pending) && d.pending[n].atMs <= d.pending[0].atMs+mtFlushMs {
			n++
		}
		d.document(atMs, d.pending[:n])
		d.pending = d.pending[n:]
	}
}

// document publishes some observations.
func (d *mtDocument) document(atMs int64, observed []mtPending) {
	m := Message{
		AtMs: atMs, Topic: d.sampleAt, QoS: 1, Device: d.id, EventMs: atMs, ValidMs: mtDocumentValidMs,
		Exact: observed[0].saidMs != observed[0].atMs, SaidMs: observed[0].saidMs,
	}
	d.sending = d.sending[:0]
	for i := range observed {
		o := &observed[i]
		if o.tells != 0 && m.Tells == 0 {
			m.EventMs, m.SaidMs = o.atMs, o.saidMs
		}
		m.Tells |= o.tells
		d.sending = append(d.sending, o.mtItem)
	}
	d.header(atMs, observed[len(observed)-1].sequence+1)
	d.streams(d.sending)
	d.say(m)
}

// header begins a document of streams.
func (d *mtDocument) header(atMs, next int64) {
	out := append(d.text[:0], `{"MTConnectStreams":{`...)
	out = appendText(appendWhole(out, "jsonVersion", int64(d.version)), "schemaVersion", mtSchema)
	out = append(appendKey(out, "Header"), '{')
	out = d.appendHeader(out, atMs)
	out = appendWhole(appendWhole(appendWhole(out, "nextSequence", next), "lastSequence", next-1), "firstSequence", 1)
	d.text = append(out, '}')
}

const mtSchema = "2.3"

// appendHeader writes what every document says of its agent.
func (m *mtconnect) appendHeader(out []byte, atMs int64) []byte {
	out = appendText(out, "version", "2.5.0.1")
	out = append(appendStamp(append(appendKey(out, "creationTime"), '"'), m.in.saidUTCMs(atMs, m.zoneMs), stampSeconds), '"')
	out = appendWhole(appendTruth(out, "testIndicator", false), "instanceId", m.instance)
	out = appendText(appendText(out, "sender", "agent-pc-"+m.id), "schemaVersion", mtSchema)
	return appendWhole(out, "bufferSize", 131_072)
}

// streams ends a document with the observations, in order of component, category, type and sequence.
func (d *mtDocument) streams(list []mtItem) {
	d.order = d.order[:0]
	for i := range list {
		d.order = append(d.order, i)
	}
	slices.SortStableFunc(d.order, func(a, b int) int { return compareItems(&list[a], &list[b]) })
	out := appendKey(d.text, "Streams")
	if d.version == 1 {
		out = append(out, `[{"DeviceStream":{`...)
	} else {
		out = append(out, `{"DeviceStream":[{`...)
	}
	out = appendText(appendText(out, "name", d.id), "uuid", d.id)
	if d.version == 1 {
		out = append(d.componentsV1(append(appendKey(out, "ComponentStreams"), '['), list), `]}}]`...)
	} else {
		out = append(d.componentsV2(append(appendKey(out, "ComponentStream"), '['), list), `]}]}`...)
	}
	d.text = append(out, `}}`...)
}

func compareItems(a, b *mtItem) int {
	switch {
	case a.component != b.component:
		return a.component - b.component
	case a.category != b.category:
		return strings.Compare(a.category, b.category)
	}
	return strings.Compare(a.heading(), b.heading())
}

// heading is the element that a document puts an observation under: a condition's level, or the type.
func (i *mtItem) heading() string {
	if i.category != "CONDITION" {
		return i.element
	}
	switch i.value.text {
	case "FAULT":
		return "Fault"
	case unavailable:
		return "Unavailable"
	}
	return "Normal"
}

// mtCategory is the member of a component that holds the observations of a category.
func mtCategory(category string) string {
	switch category {
	case "SAMPLE":
		return "Samples"
	case "EVENT":
		return "Events"
	}
	return "Condition"
}

// componentsV1 wraps each component and observation in an object of its own.
func (d *mtDocument) componentsV1(out []byte, list []mtItem) []byte {
	component, category := -1, ""
	for _, i := range d.order {
		item := &list[i]
		if item.component != component {
			if component >= 0 {
				out = append(out, `]}},`...)
			}
			component, category = item.component, ""
			out = appendComponent(append(out, `{"ComponentStream":{`...), component)
		}
		if item.category != category {
			if category != "" {
				out = append(out, ']')
			}
			category = item.category
			out = append(appendKey(out, mtCategory(category)), '[')
		} else {
			out = append(out, ',')
		}
		out = append(appendKey(append(out, '{'), item.heading()), '{')
		out = append(item.appendObservation(out), `}}`...)
	}
	return append(out, `]}}`...)
}

// componentsV2 has one member a type, each with a list.
func (d *mtDocument) componentsV2(out []byte, list []mtItem) []byte {
	component, category, heading := -1, "", ""
	for _, i := range d.order {
		item := &list[i]
		if item.component != component {
			if component >= 0 {
				out = append(out, `]}},`...)
			}
			component, category = item.component, ""
			out = appendComponent(append(out, '{'), component)
		}
		switch {
		case item.category != category:
			if category != "" {
				out = append(out, `]}`...)
			}
			category, heading = item.category, item.heading()
			out = append(appendKey(append(appendKey(out, mtCategory(category)), '{'), heading), '[')
		case item.heading() != heading:
			heading = item.heading()
			out = append(appendKey(append(out, ']'), heading), '[')
		default:
			out = append(out, ',')
		}
		out = append(item.appendObservation(append(out, '{')), '}')
	}
	return append(out, `]}}`...)
}

func appendComponent(out []byte, i int) []byte {
	c := mtComponents[i]
	out = appendText(appendText(out, "component", c.component), "componentId", c.id)
	if c.name != "" {
		out = appendText(out, "name", c.name)
	}
	return out
}

// appendObservation writes an observation's members.
func (i *mtItem) appendObservation(out []byte) []byte {
	out = appendText(appendText(out, "dataItemId", i.id), "name", i.name)
	if i.sub != "" {
		out = appendText(out, "subType", i.sub)
	}
	out = append(append(append(appendKey(out, "timestamp"), '"'), i.stamp[:]...), '"')
	out = appendWhole(out, "sequence", i.sequence)
	if i.category == "CONDITION" {
		if code := i.value.code; code != "" {
			out = appendText(appendText(out, "nativeCode", code), "conditionId", code)
			out = appendText(out, "value", "alarm "+code)
		}
		return appendText(out, "type", i.typ)
	}
	if i.value.decimals < 0 {
		return appendText(out, "value", i.value.text)
	}
	return i.value.appendTo(appendKey(out, "value"), 1)
}
