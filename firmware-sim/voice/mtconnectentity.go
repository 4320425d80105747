package voice

// mtEntity publishes one observation a topic, as cppagent's MqttEntitySink does.
type mtEntity struct {
	mtconnect
	quiet bool
}

func newMTConnect(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	e := &mtEntity{mtconnect: newAgent(&spec, o, spec.everyMs(mtEvery))}
	e.sink = e
	for i := range e.items {
		e.items[i].topic = "MTConnect/Devices/" + e.id + "/Observations/" + e.items[i].id
	}
	return e, e.identity(), o.err()
}

// Day implements Voice.
func (e *mtEntity) Day(in Input) []Message { return e.day(&in, e) }

// observed implements mtSink. What is observed while the link is down waits for the restatement.
func (e *mtEntity) observed(item *mtItem) {
	if !e.quiet && (e.connected || e.shared) {
		e.publish(item, item.atMs)
	}
}

// due implements mtSink: the sink publishes changes only.
func (e *mtEntity) due(int64) {}

// announced implements mtSink: the sink says every current value again, with the time of its last change. A shared agent
// is connected already, and says what its machine says first.
func (e *mtEntity) announced(atMs int64) {
	e.sayProbe(atMs, 2)
	e.quiet = !e.shared
	e.look(atMs, false)
	if e.quiet {
		for i := range e.items {
			e.publish(&e.items[i], atMs)
		}
	}
	e.quiet = false
}

// publish renders an observation as the sink does: its members in their order, every result a text. One that is said again
// counts from now on where the agent's will has ended it since it was observed.
func (e *mtEntity) publish(item *mtItem, atMs int64) {
	m := Message{
		AtMs: atMs, Topic: item.topic, QoS: 1, Retain: e.retain, Current: true, Device: e.id, Tells: e.tells(item),
		EventMs: item.atMs, Exact: item.saidMs != item.atMs, SaidMs: item.saidMs,
	}
	if item.atMs < atMs && item.atMs <= e.goneMs {
		m.EventMs, m.SaidMs, m.Exact = atMs, 0, true
	}
	out := appendText(append(e.text[:0], '{'), "dataItemId", item.id)
	out = appendText(out, "name", item.name)
	out = appendText(out, "type", item.typ)
	if item.sub != "" {
		out = appendText(out, "subType", item.sub)
	}
	out = append(append(append(appendKey(out, "timestamp"), '"'), item.stamp[:]...), '"')
	out = appendText(out, "category", item.category)
	if item.category == "CONDITION" {
		out = appendText(out, "level", item.value.text)
		if code := item.value.code; code != "" {
			out = appendText(appendText(out, "nativeCode", code), "conditionId", code)
			out = appendText(out, "message", "alarm "+code)
		}
	} else {
		out = append(item.value.appendTo(append(appendKey(out, "result"), '"'), 6), '"')
	}
	e.text = append(appendWhole(out, "sequence", item.sequence), '}')
	e.say(m)
}

// tells is what an observation tells.
func (m *mtconnect) tells(item *mtItem) Tells {
	switch item {
	case &m.items[mtAvail]:
		if item.value.unknown() {
			return Death
		}
		return Birth
	case &m.items[mtState]:
		switch {
		case item.value.unknown():
			return Death
		case item.wrong:
			return State | Wrong
		}
		return State
	}
	return 0
}
