package voice

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// sparkplug is an edge node of Sparkplug B with one device behind it, which reports by exception. It answers the requests for
// a rebirth of the host that its Input names. Options: alias is "on" or "off"; node is the edge node's name, "edge-" and the device's id by default; store is "no" or "yes": what happens while the link is down is sent
// as history when it is back; register is "volatile" (from zero at each start) or "kept"; and those of every life.
type sparkplug struct {
	deaf
	life
	outbox
	sensor
	panel
	in      *Input
	aliased bool // its data name metrics by alias

	meter, keeps bool
	group, node  string
	zoneMs       int64
	host         []spMetric // of the node itself
	metrics      []spMetric // of the device

	bdSeq       uint8 // of the session, or of the last one
	seq         uint8 // the next
	connectedMs int64 // when the session began
	alive       bool  // the device's birth holds
	running     bool  // it measures, with or without its link
	saidW       float64
	hostDue     int64 // when the node speaks of itself
	stored      []spStored
}

// spStored is data that waits for the link.
type spStored struct {
	atMs    int64
	tells   Tells
	metrics []byte
}

// spHostMs is how often a node says something of itself.
const spHostMs = 60_000

func newSparkplug(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	s := &sparkplug{
		life: o.life(spec.Device.ID, spec.everyMs(10*time.Second)), meter: spec.Device.Role == scenario.Meter,
		keeps: o.word("register", "volatile", "kept") == "kept", zoneMs: spec.ZoneOffsetMs,
		group: spec.Base.Code, node: o.text("node", "edge-"+spec.Device.ID), bdSeq: math.MaxUint8,
		host: []spMetric{{name: "Node/Uptime", datatype: spInt64, unit: "s"}, {name: "Node/Supply Voltage", datatype: spFloat, unit: "V"}},
		metrics: []spMetric{
			{name: "Execution", datatype: spString},
			{name: "Mode", datatype: spString},
			{name: "Program", datatype: spString},
			{name: "Alarm", datatype: spString},
			{name: "Spindle/Speed", datatype: spFloat, unit: "rpm"},
			{name: "Part Count", datatype: spInt32},
		},
	}
	if s.meter {
		s.metrics = []spMetric{
			{name: "Power", datatype: spDouble, unit: "W"},
			{name: "Voltage", datatype: spFloat, unit: "V"},
			{name: "Current", datatype: spFloat, unit: "A"},
			{name: "Energy", datatype: spDouble, unit: "kWh"},
		}
	}
	s.stores = o.word("store", "no", "yes") == "yes"
	if s.aliased = o.word("alias", "on", "off") == "on"; s.aliased {
		s.number()
	}
	if s.node == "" || strings.ContainsAny(s.node, "/+#") {
		o.wrong = append(o.wrong, fmt.Errorf("option node is %q; a name without / + # is right", s.node))
	}
	identity := Identity{
		Dialect: string(scenario.Sparkplug), Device: s.group + "/" + s.node + "/" + s.id, Channel: s.metrics[0].name,
	}
	return s, identity, o.err()
}

// number gives every metric an alias of its own within the node.
func (s *sparkplug) number() {
	next := uint64(1)
	for _, list := range [...][]spMetric{s.host, s.metrics} {
		for i := range list {
			list[i].alias = next
			next++
		}
	}
}

// Day implements Voice.
func (s *sparkplug) Day(in Input) []Message {
	s.in = &in
	if at := in.At.Clip(in.Span); in.Machine != nil && len(at) > 0 {
		s.timerDue = max(s.timerDue, at[0].StartMs) // what was due while it stood nowhere
	}
	s.walk(&in, s)
	s.in = nil
	return s.take()
}

func (s *sparkplug) leave(atMs int64) { s.pause(atMs) }

func (s *sparkplug) draws(st plant.Step) {
	s.sensor.set(st.AtMs, st.PowerW)
	if s.meter && significant(s.saidW, st.PowerW) {
		s.news(st.AtMs)
	}
}

func (s *sparkplug) words(w plant.Words) {
	s.panel.now = w
	if !s.meter {
		s.news(w.AtMs)
	}
}

func (s *sparkplug) tick(atMs int64) {
	s.news(atMs)
	if s.connected && atMs >= s.hostDue {
		s.hostDue = atMs + spHostMs
		s.look(atMs)
		s.publish(atMs, "NDATA", 0, appendMetrics(nil, s.host, everyMetric, s.said(atMs), plainData))
	}
}

// birth begins a session: the node's birth, then the device's, whose numbers go on, then what was stored.
func (s *sparkplug) birth(atMs int64) {
	s.bdSeq++
	s.connectedMs, s.running, s.hostDue = atMs, true, atMs+spHostMs
	s.nodeBirth(atMs)
	off := !s.meter && !s.panel.now.Available
	if off && len(s.stored) == 0 {
		return
	}
	s.deviceBirth(atMs)
	for _, old := range s.stored {
		s.send(s.message(old.atMs, atMs, "DDATA", old.tells, old.metrics))
	}
	s.stored = nil
	if off {
		s.deviceDeath(atMs)
	}
}

// nodeBirth says all that the node knows of itself; the count begins again.
func (s *sparkplug) nodeBirth(atMs int64) {
	s.seq = 0
	s.look(atMs)
	said := s.said(atMs)
	metrics := appendBytes(nil, payloadMetrics, s.bdSeqMetric(said))
	rebirth := spMetric{name: "Node Control/Rebirth", datatype: spBoolean}
	metrics = appendBytes(metrics, payloadMetrics, rebirth.append(nil, said, births))
	s.publish(atMs, "NBIRTH", 0, appendMetrics(metrics, s.host, everyMetric, said, births))
}

// bear answers a request: the node's birth, and its device's if that is there, in the session that goes on.
func (s *sparkplug) bear(atMs int64) {
	s.nodeBirth(atMs)
	if s.alive {
		s.deviceBirth(atMs)
	}
}

// send hands on a message, and lets the host hear of it once all that happens at the instant has happened.
func (s *sparkplug) send(m Message) {
	s.say(m)
	if s.in.Host == nil {
		return
	}
	s.in.Host.Said(&s.list[len(s.list)-1])
	if s.connected {
		s.timerDue = m.AtMs
	}
}

// timer asks whether a request for a rebirth has come.
func (s *sparkplug) timer(atMs int64) {
	asked, nextMs := s.in.Host.Turn(atMs)
	s.timerDue = nextMs
	if asked && s.connected {
		s.bear(atMs)
	}
}

// deviceBirth says all that the device knows.
func (s *sparkplug) deviceBirth(atMs int64) {
	s.measure(atMs)
	s.alive = true
	s.publish(atMs, "DBIRTH", s.tells()|Birth, appendMetrics(nil, s.metrics, everyMetric, s.said(atMs), births))
}

// deviceDeath says that the controller was switched off.
func (s *sparkplug) deviceDeath(atMs int64) {
	s.alive = false
	s.publish(atMs, "DDEATH", Death, nil)
}

// death ends a session. A node without power forgets what it stored.
func (s *sparkplug) death(_ int64, rebooted bool) {
	s.alive = false
	if !rebooted && s.stores {
		return
	}
	s.running, s.stored = false, nil
	if !s.keeps {
		s.wattHours = 0
	}
}

// will is the node's death certificate: it was written when the node connected, with the number of that session, and has
// no place in the count.
func (s *sparkplug) will(atMs int64) {
	said := s.said(s.connectedMs)
	s.text = appendVarint(s.text[:0], payloadTimestamp, said)
	s.text = appendBytes(s.text, payloadMetrics, s.bdSeqMetric(said))
	s.send(Message{
		AtMs: atMs, Topic: s.topic("NDEATH"), QoS: 1, Exact: true, Device: s.id, Tells: Death, EventMs: atMs,
		Place: &Place{Session: s.bdSeq, SaidMs: int64(said)},
	})
}

func (s *sparkplug) bdSeqMetric(said uint64) []byte {
	m := spMetric{name: "bdSeq", datatype: spUInt64, value: spValue{number: float64(s.bdSeq)}}
	return m.append(nil, said, births)
}

// said is what the node's clock shows; the field knows no time before 1970.
func (s *sparkplug) said(atMs int64) uint64 { return uint64(max(0, s.in.saidUTCMs(atMs, s.zoneMs))) }

func (s *sparkplug) topic(verb string) string {
	topic := "spBv1.0/" + s.group + "/" + verb + "/" + s.node
	if verb[0] == 'D' {
		topic += "/" + s.id
	}
	return topic
}

// publish sends metrics of now, which hold until the node says otherwise.
func (s *sparkplug) publish(atMs int64, verb string, tells Tells, metrics []byte) {
	s.send(s.message(atMs, atMs, verb, tells, metrics))
}

// message takes the next number of the session.
func (s *sparkplug) message(eventMs, atMs int64, verb string, tells Tells, metrics []byte) Message {
	s.text = appendVarint(s.text[:0], payloadTimestamp, s.said(atMs))
	s.text = append(s.text, metrics...)
	s.text = appendVarint(s.text, payloadSeq, uint64(s.seq))
	place := &Place{Session: s.bdSeq, Seq: s.seq, SaidMs: int64(s.said(atMs))}
	s.seq++
	said := s.in.saidUTCMs(eventMs, s.zoneMs)
	if s.aliased && strings.HasSuffix(verb, "DATA") {
		tells |= Aliased
	}
	return Message{
		AtMs: atMs, Topic: s.topic(verb), Exact: said != eventMs, Device: s.id, Tells: tells, EventMs: eventMs, SaidMs: said, Place: place,
	}
}

// look reads what the node knows of itself.
func (s *sparkplug) look(atMs int64) {
	s.host[0].value.number = float64(s.upMs(atMs) / 1000)
	s.host[1].value.number = math.Round(jitter(s.in.Rand, 24.1, 0.01)*10) / 10
}

// measure reads the device, and returns which metrics have changed, a bit each.
func (s *sparkplug) measure(atMs int64) (changed uint) {
	set := func(i int, v spValue) {
		if s.metrics[i].value != v {
			s.metrics[i].value = v
			changed |= 1 << i
		}
	}
	number := func(v float64) spValue { return spValue{number: math.Round(v*100) / 100} }
	if s.meter {
		r := s.sensor.read(s.in, atMs)
		s.saidW = s.watts
		s.metrics[0].wrong = r.wrong
		set(0, number(r.powerW))
		set(1, number(r.voltageV))
		set(2, number(r.currentA))
		set(3, spValue{number: math.Round(r.energyWh*10) / 10_000})
		return changed
	}
	w, wrong := s.panel.read(s.in, atMs)
	s.metrics[0].wrong = wrong
	word := func(v string) spValue { return spValue{text: v, null: v == "" || !w.Available} }
	set(0, word(w.Execution))
	set(1, word(w.Mode))
	set(2, word(w.Program))
	set(3, word(w.Alarm))
	set(4, number(w.SpeedRPM))
	set(5, spValue{number: float64(w.Parts)})
	return changed
}

// tells is what a message with the metric of the state tells.
func (s *sparkplug) tells() Tells {
	t := State
	switch {
	case s.meter:
		t |= Energy
	case s.metrics[0].value.null:
		return Death
	}
	if s.metrics[0].wrong {
		t |= Wrong
	}
	return t
}

// news reports what has changed, or stores it; and the controller's coming and going.
func (s *sparkplug) news(atMs int64) {
	if !s.running {
		return
	}
	on := s.meter
	if !s.meter {
		w, _ := s.panel.read(s.in, atMs)
		on = w.Available
	}
	switch {
	case s.connected && on && !s.alive:
		s.deviceBirth(atMs)
	case s.connected && !on && s.alive:
		s.deviceDeath(atMs)
	case s.connected && !on:
	default:
		s.data(atMs)
	}
}

// data says what has changed.
func (s *sparkplug) data(atMs int64) {
	changed := s.measure(atMs)
	if changed == 0 {
		return
	}
	var tells Tells
	switch {
	case changed&1 != 0:
		tells = s.tells()
	case s.meter && changed&8 != 0:
		tells = Energy
	}
	if s.connected {
		s.publish(atMs, "DDATA", tells, appendMetrics(nil, s.metrics, changed, s.said(atMs), plainData))
		return
	}
	if len(s.stored) == maxStored {
		s.stored = s.stored[1:]
	}
	s.stored = append(s.stored, spStored{atMs, tells, appendMetrics(nil, s.metrics, changed, s.said(atMs), history)})
}
