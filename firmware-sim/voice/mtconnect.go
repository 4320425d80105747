package voice

import (
	"math"
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// mtItem is a data item of a machine with the observation that the agent holds of it.
type mtItem struct {
	id, name, typ, sub, category string
	// element is the type as documents write it, component the index of its component.
	element   string
	component int

	value    mtValue
	atMs     int64 // when it was observed, by the true clock
	saidMs   int64 // by the adapter's, and as it is written
	stamp    [len(stampMicros)]byte
	sequence int64
	wrong    bool
	topic    string // of the entity sink
}

// mtValue is a text, a number, or a condition's level, code and text.
type mtValue struct {
	text     string
	number   float64
	decimals int // of a number: -1 for a text, 0 for a count
	code     string
}

func mtWord(text string) mtValue  { return mtValue{text: text, decimals: -1} }
func mtSample(v float64) mtValue  { return mtValue{number: math.Round(v*10) / 10, decimals: 6} }
func mtCount(n int) mtValue       { return mtValue{number: float64(n)} }
func mtFault(code string) mtValue { return mtValue{text: "FAULT", code: code, decimals: -1} }
func (v *mtValue) unknown() bool  { return v.text == unavailable }
func (v *mtValue) appendTo(out []byte, decimals int) []byte {
	if v.decimals < 0 {
		return append(out, v.text...)
	}
	return strconv.AppendFloat(out, v.number, 'f', min(decimals, v.decimals), 64)
}

const (
	unavailable = "UNAVAILABLE"
	available   = "AVAILABLE"
)

// The indexes of the data items that the voice itself asks for.
const (
	mtAvail = iota // the same for both roles
	mtState        // what tells the state: execution, or the power
)

// mtComponents are the components of a machine, as documents group the data items.
var mtComponents = [...]struct{ component, id, name string }{
	{"Device", "d", ""}, {"Path", "p1", "path"}, {"Rotary", "c1", "C"}, {"Systems", "sys", "systems"}, {"Electric", "el", "electric"},
}

func controllerItems() []mtItem {
	return []mtItem{
		{id: "avail", name: "avail", typ: "AVAILABILITY", category: "EVENT", element: "Availability"},
		{id: "exec", name: "execution", typ: "EXECUTION", category: "EVENT", element: "Execution", component: 1},
		{id: "mode", name: "mode", typ: "CONTROLLER_MODE", category: "EVENT", element: "ControllerMode", component: 1},
		{id: "program", name: "program", typ: "PROGRAM", category: "EVENT", element: "Program", component: 1},
		{id: "PartCountAct", name: "PartCountAct", typ: "PART_COUNT", category: "EVENT", element: "PartCount", component: 1},
		{id: "Srpm", name: "Srpm", typ: "ROTARY_VELOCITY", sub: "ACTUAL", category: "SAMPLE", element: "RotaryVelocity", component: 2},
		{id: "system", name: "system", typ: "SYSTEM", category: "CONDITION", component: 3},
	}
}

func meterItems() []mtItem {
	return []mtItem{
		{id: "avail", name: "avail", typ: "AVAILABILITY", category: "EVENT", element: "Availability"},
		{id: "power", name: "power", typ: "WATTAGE", sub: "ACTUAL", category: "SAMPLE", element: "Wattage", component: 4},
		{id: "volt", name: "volt", typ: "VOLTAGE_AC", sub: "ACTUAL", category: "SAMPLE", element: "VoltageAC", component: 4},
		{id: "amp", name: "amp", typ: "AMPERAGE_AC", sub: "ACTUAL", category: "SAMPLE", element: "AmperageAC", component: 4},
		{id: "energy", name: "energy", typ: "ELECTRICAL_ENERGY", category: "SAMPLE", element: "ElectricalEnergy", component: 4},
	}
}

// mtSink is how an agent publishes.
type mtSink interface {
	// observed is a new observation.
	observed(item *mtItem)
	// announced publishes what is there when the agent has connected.
	announced(atMs int64)
	// due is the regular report, after what changed was observed.
	due(atMs int64)
}

// mtconnect is a machine behind an MTConnect agent, whatever it publishes. Options of both sinks: agent is "own" (the
// machine has an agent, whose last will ends it) or "shared" (an agent that never dies speaks for all machines of the base,
// and says UNAVAILABLE for the one that it lost), own by default where no other machine of the base has an agent and for
// documents; retain is "yes" or "no"; loses is "power" or "link": what the device is without while it is dead, so that its
// agent starts anew or says again what it has; and those of every life.
type mtconnect struct {
	deaf
	life
	outbox
	sensor
	panel
	in   *Input
	sink mtSink

	items  []mtItem
	meter  bool
	shared bool
	// lead is the one of the machines with a shared agent that says its availability; sole is whether the agent is the
	// only one of the base, so that its will is understood to end the machine.
	lead, sole bool
	linkOnly   bool // what kills the machine's agent is the loss of its link
	agentAt    string
	retain     bool
	zoneMs     int64

	running  bool  // the agent's process, which survives the loss of its link
	goneMs   int64 // when the will was last published
	instance int64
	sequence int64
	saidW    float64
}

// newAgent makes what both sinks have.
func newAgent(spec *Spec, o *optionReader, everyMs int64) mtconnect {
	m := mtconnect{
		life: o.life(spec.Device.ID, everyMs), meter: spec.Device.Role == scenario.Meter, zoneMs: spec.ZoneOffsetMs,
		items: controllerItems(),
	}
	if m.meter {
		m.items = meterItems()
	}
	m.sole, m.lead = agents(spec)
	who := []string{"shared", "own"}
	if m.sole || spec.Device.Dialect == scenario.MTConnectDocument {
		who = []string{"own", "shared"}
	}
	m.shared = o.word("agent", who...) == "shared"
	m.retain = o.word("retain", "yes", "no") == "yes"
	m.linkOnly = o.word("loses", "power", "link") == "link"
	agent := "agent-" + spec.Device.ID
	if m.shared {
		agent = "agent-" + spec.Base.Code
	}
	m.agentAt = "MTConnect/Probe/" + agent + "/Availability"
	return m
}

// agents reports whether the device's machine is the only one of its base with an agent, and whether it is the first.
func agents(spec *Spec) (sole, lead bool) {
	var ids []string
	for i := range spec.Base.Workshops {
		for j := range spec.Base.Workshops[i].Machines {
			for _, d := range spec.Base.Workshops[i].Machines[j].Devices {
				if d.Dialect == scenario.MTConnect || d.Dialect == scenario.MTConnectDocument {
					ids = append(ids, d.ID)
				}
			}
		}
	}
	for _, id := range ids {
		if id != ids[0] {
			return false, spec.Device.ID == ids[0]
		}
	}
	return true, true
}

func (m *mtconnect) identity() Identity {
	return Identity{Dialect: string(scenario.MTConnect), Device: m.id, Channel: m.items[mtState].id}
}

// day lets the agent's sink speak for a day.
func (m *mtconnect) day(in *Input, s speaker) []Message {
	m.in = in
	m.walk(in, s)
	m.in = nil
	return m.take()
}

// outdated reports whether an item's observation says something else than what is so now.
func (m *mtconnect) outdated(item *mtItem) bool {
	if m.meter {
		return item.value != mtSample(m.watts)
	}
	w := &m.panel.now
	if !w.Available {
		return !item.value.unknown()
	}
	return item.value != mtWord(orUnavailable(w.Execution))
}

func (m *mtconnect) draws(s plant.Step) {
	m.sensor.set(s.AtMs, s.PowerW)
	if m.meter && significant(m.saidW, s.PowerW) {
		m.look(s.AtMs, false)
	}
}

func (m *mtconnect) words(w plant.Words) {
	m.panel.now = w
	if !m.meter {
		m.look(w.AtMs, false)
	}
}

func (m *mtconnect) leave(atMs int64) { m.pause(atMs) }

func (m *mtconnect) tick(atMs int64) {
	m.look(atMs, true)
	m.sink.due(atMs)
}

// heard reports whether the agent hears the machine: its own always while it runs, a shared one while the link is there.
func (m *mtconnect) heard() bool { return m.running && (m.connected || !m.shared) }

// look observes what has changed on the machine. What the adapter's sensor repeats is no change.
func (m *mtconnect) look(atMs int64, regular bool) {
	if !m.heard() || m.in.Stuck.Contains(atMs) {
		return
	}
	if m.meter {
		m.measure(atMs)
		return
	}
	w, _ := m.panel.read(m.in, atMs)
	m.observe(mtAvail, atMs, mtWord(available), w.Available)
	m.observe(mtState, atMs, mtWord(orUnavailable(w.Execution)), w.Available)
	m.observe(2, atMs, mtWord(orUnavailable(w.Mode)), w.Available)
	m.observe(3, atMs, mtWord(orUnavailable(w.Program)), w.Available)
	m.observe(4, atMs, mtCount(w.Parts), w.Available)
	rpm := w.SpeedRPM
	if rpm > 0 && regular {
		rpm = jitter(m.in.Rand, rpm, 0.004)
	}
	m.observe(5, atMs, mtSample(rpm), w.Available)
	system := mtWord("NORMAL")
	if w.Alarm != "" {
		system = mtFault(w.Alarm)
	}
	m.observe(6, atMs, system, w.Available)
}

// orUnavailable is what an adapter says of an empty text.
func orUnavailable(text string) string {
	if text == "" {
		return unavailable
	}
	return text
}

// measure observes the meter. Its energy is in watt seconds, as MTConnect has it.
func (m *mtconnect) measure(atMs int64) {
	r := m.sensor.read(m.in, atMs)
	m.saidW = m.watts
	m.observe(mtAvail, atMs, mtWord(available), true)
	m.items[mtState].wrong = r.wrong
	m.observe(mtState, atMs, mtSample(r.powerW), true)
	m.observe(2, atMs, mtSample(r.voltageV), true)
	m.observe(3, atMs, mtSample(r.currentA), true)
	m.observe(4, atMs, mtSample(r.energyWh*3600), true)
}

// observe takes in a data item's value; an agent leaves out what it knows already.
func (m *mtconnect) observe(i int, atMs int64, v mtValue, known bool) {
	if !known {
		v = mtWord(unavailable)
	}
	item := &m.items[i]
	if item.value == v {
		return
	}
	m.sequence++
	item.value, item.atMs, item.sequence = v, atMs, m.sequence
	item.date(m.in.saidUTCMs(atMs, m.zoneMs))
	m.sink.observed(item)
}

// date writes the observation's time once: documents repeat it for as long as the value holds.
func (i *mtItem) date(saidMs int64) {
	i.saidMs = saidMs
	var text [40]byte // formatting needs more room than what it leaves
	copy(i.stamp[:], appendStamp(text[:0], saidMs, stampMicros))
}

// unknown observes that nothing is known of the machine, by the agent's own clock.
func (m *mtconnect) unknown(atMs int64) {
	for i := range m.items {
		m.observe(i, atMs, mtValue{}, false)
	}
}

// birth is when the agent has connected, or the machine to a shared agent. A new process of the agent counts from one, and
// knows nothing until its adapter has spoken.
func (m *mtconnect) birth(atMs int64) {
	starts := !m.running
	if starts {
		m.running = true
		m.sequence, m.instance = 0, m.in.saidUTCMs(m.startedMs, m.zoneMs)/1000
		for i := range m.items {
			m.sequence++
			item := &m.items[i]
			item.value, item.atMs, item.sequence = mtWord(unavailable), m.startedMs, m.sequence
			item.date(m.in.saidUTCMs(m.startedMs, m.zoneMs))
		}
	}
	if !m.shared || m.lead && starts {
		m.say(m.availability(atMs, available, Birth))
	}
	m.sink.announced(atMs)
}

// death ends the agent's process, unless it is only its link that is lost; a shared agent lives on.
func (m *mtconnect) death(_ int64, rebooted bool) {
	if (rebooted || !m.linkOnly) && !m.shared {
		m.running = false
	}
}

// will is published by the broker for the machine's own agent; a shared one notices itself that the machine is gone.
func (m *mtconnect) will(atMs int64) {
	m.goneMs = atMs
	if m.shared {
		m.unknown(atMs)
		m.sink.due(atMs)
		return
	}
	tells := Tells(0)
	if m.sole {
		tells = Death
	}
	m.say(m.availability(atMs, unavailable, tells))
}

// availability is the agent's sign of life, which is also its will; it says no time.
func (m *mtconnect) availability(atMs int64, word string, tells Tells) Message {
	m.text = append(m.text[:0], word...)
	return Message{
		AtMs: atMs, Topic: m.agentAt, QoS: 1, Retain: m.retain, Exact: true, Device: m.id, Tells: tells, EventMs: atMs,
	}
}

// mtEvery is how often an adapter looks at what changes little.
const mtEvery = 10 * time.Second
