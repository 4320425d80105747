package sim

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// The data items of a lathe of the plant.
const (
	availabilityItem = "avail"
	executionItem    = "exec"
	modeItem         = "mode"
	speedItem        = "Srpm"
	programItem      = "program"
	partsItem        = "PartCountAct"
)

// mtconnectLathe is a CNC lathe behind an MTConnect agent, which reports on change. The agent runs day and night; it
// says UNAVAILABLE while the controller is switched off or cannot be reached.
type mtconnectLathe struct {
	agent *agent
	parts int
	now   map[string]string // the controller's values, by item
	out   []Timed
}

func latheItems() []DataItem {
	return []DataItem{
		{ID: availabilityItem, Name: "avail", Type: "AVAILABILITY", Category: "EVENT"},
		{ID: executionItem, Name: "execution", Type: "EXECUTION", Category: "EVENT"},
		{ID: modeItem, Name: "mode", Type: "CONTROLLER_MODE", Category: "EVENT"},
		{ID: speedItem, Name: "Srpm", Type: "ROTARY_VELOCITY", SubType: "ACTUAL", Category: "SAMPLE"},
		{ID: programItem, Name: "program", Type: "PROGRAM", Category: "EVENT"},
		{ID: partsItem, Name: "PartCountAct", Type: "PART_COUNT", Category: "EVENT"},
	}
}

func newMTConnectLathe(uuid string) *mtconnectLathe {
	device := &DeviceModel{Name: uuid, UUID: uuid, items: map[string]*DataItem{}}
	for _, item := range latheItems() {
		device.items[item.ID] = &item
	}
	return &mtconnectLathe{agent: newAgent(uuid, device), now: map[string]string{}}
}

// day implements voice.
func (l *mtconnectLathe) day(p plan, rng *rand.Rand, first bool) []Timed {
	l.out = nil
	if first {
		l.unavailable(p.day.StartMs)
	}
	for i, phase := range p.phases {
		before := Unknown
		if i > 0 {
			before = p.phases[i-1].State
		}
		l.enter(phase, before, rng)
	}
	return l.withLostLink(p)
}

// enter reports the change to a phase and what happens in it.
func (l *mtconnectLathe) enter(phase Stretch, before State, rng *rand.Rand) {
	at := phase.StartMs
	switch {
	case phase.State == Unknown && before != Unknown:
		l.unavailable(at)
	case phase.State == Unknown:
	case phase.State == Running:
		l.say(at, executionItem, "ACTIVE")
		l.spin(phase, rng)
	case before == Running:
		word := [...]string{"READY", "READY", "PROGRAM_COMPLETED", "INTERRUPTED", "FEED_HOLD"}[rng.IntN(5)]
		l.say(at, executionItem, word)
		l.say(at, speedItem, "0")
		if word == "PROGRAM_COMPLETED" {
			l.parts++
			l.say(at, partsItem, strconv.Itoa(l.parts))
		}
	default:
		l.say(at, availabilityItem, "AVAILABLE")
		l.say(at, modeItem, "AUTOMATIC")
		l.say(at, executionItem, "READY")
		l.say(at, speedItem, "0")
		l.say(at, programItem, fmt.Sprintf("O%04d", 1000+rng.IntN(40)))
		l.say(at, partsItem, strconv.Itoa(l.parts))
	}
}

// spin reports the spindle's speed: up to it within a second, then every few seconds.
func (l *mtconnectLathe) spin(phase Stretch, rng *rand.Rand) {
	rpm := float64(400 + 100*rng.IntN(22))
	for at := phase.StartMs + 300 + rng.Int64N(700); at < phase.EndMs; at += 5000 + rng.Int64N(10_000) {
		l.say(at, speedItem, strconv.FormatFloat(jitter(rng, rpm, 0.004), 'f', 1, 64))
	}
}

func (l *mtconnectLathe) unavailable(atMs int64) {
	for _, item := range latheItems() {
		l.say(atMs, item.ID, unavailable)
	}
}

const unavailable = "UNAVAILABLE"

// say notes an observation; the payload is rendered when it is known to reach the agent.
func (l *mtconnectLathe) say(atMs int64, item, result string) {
	l.out = append(l.out, Timed{AtMs: atMs, Topic: item, Payload: []byte(result), current: true})
}

// withLostLink turns what the controller said into what the agent publishes: nothing from a lost link but UNAVAILABLE
// at its start, and the current values when it is back.
func (l *mtconnectLathe) withLostLink(p plan) []Timed {
	said := l.out
	l.out = nil
	for _, lost := range p.down {
		for len(said) > 0 && said[0].AtMs < lost.StartMs {
			l.observe(said[0].AtMs, said[0].Topic, string(said[0].Payload))
			said = said[1:]
		}
		for _, item := range latheItems() {
			l.publish(lost.StartMs, item.ID, unavailable)
		}
		for len(said) > 0 && said[0].AtMs < lost.EndMs {
			l.now[said[0].Topic] = string(said[0].Payload)
			said = said[1:]
		}
		for _, item := range latheItems() {
			l.publish(lost.EndMs, item.ID, l.now[item.ID])
		}
	}
	for _, m := range said {
		l.observe(m.AtMs, m.Topic, string(m.Payload))
	}
	return l.out
}

func (l *mtconnectLathe) observe(atMs int64, item, result string) {
	l.now[item] = result
	l.publish(atMs, item, result)
}

func (l *mtconnectLathe) publish(atMs int64, item, result string) {
	p := l.agent.item([]byte(item), nil)
	pair := shdrPair{N: 1}
	pair.Fields[0] = []byte(result)
	stamp := time.UnixMilli(atMs).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z")
	l.out = append(l.out, Timed{AtMs: atMs, Topic: p.topic, Payload: l.agent.observation(p, stamp, &pair), current: true})
}
