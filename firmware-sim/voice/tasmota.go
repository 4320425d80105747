package voice

import (
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
)

// Of the Tasmota firmware, as it is delivered.
const (
	tasmotaPeriod    = 300 * time.Second
	tasmotaValid     = 660 * time.Second
	tasmotaKeepAlive = 30 * time.Second
	// tasmotaFirstMs is how long after its start it tells its state for the first time.
	tasmotaFirstMs = 4000
)

// The timers of a device with Tasmota.
const (
	tasmotaTele = iota
	tasmotaLook
)

// tasmota is a plug or meter with the Tasmota firmware. Every is its TelePeriod. Its options:
//
//	phases       1 (default), 2 meters of one phase, or 3 phases
//	time         local (default), iso, both, epoch or epoch_ms: the command Time, iso with SetOption52
//	power_delta  the command PowerDelta: 0 (default) never, 1 to 100 percent, 101 to 32000 watts above 100
//	relay        always on (default), follow: open while the machine draws nothing, or none
//	total        kept (default) or lost: whether the energy register survives a restart
//	valid        for how long a consumer believes a value; 660s
//
// and those of every gadget.
type tasmota struct {
	gadget
	tasmotaClock
	topics   tasmotaTopics
	phases   int
	delta    int64
	relay    string
	keeps    bool
	periodMs int64
	validMs  int64

	closed    bool // its relay
	metered   bool // it has shown its meter
	boots     int64
	links     int64
	saidW     float64
	lostWh    float64 // the register when the device started, where it does not survive that
	periodWh  float64 // the register when it last reported
	dayMs     int64   // the local day that it counts
	dayWh     float64
	yesterday float64
	sinceMs   int64 // when it began to count
}

// tasmotaTopics are those of a device under the firmware's own FullTopic.
type tasmotaTopics struct{ will, state, sensor, info, power, result string }

func newTasmotaTopics(id string) tasmotaTopics {
	tele, stat := "tele/"+id+"/", "stat/"+id+"/"
	return tasmotaTopics{
		will: tele + "LWT", state: tele + "STATE", sensor: tele + "SENSOR", info: tele + "INFO",
		power: stat + "POWER", result: stat + "RESULT",
	}
}

// The words of the option relay.
const (
	relayAlways = "always"
	relayFollow = "follow"
	relayNone   = "none"
)

func newTasmota(spec Spec) (Voice, Identity, error) {
	if spec.Reader != nil {
		return newTasmotaReader(spec)
	}
	o := spec.options()
	v := &tasmota{
		tasmotaClock: o.tasmotaClock(spec.ZoneOffsetMs),
		topics:       newTasmotaTopics(spec.id()),
		phases:       int(o.whole("phases", 1, 1, 3)),
		delta:        o.whole("power_delta", 0, 0, 32_000),
		relay:        o.word("relay", relayAlways, relayFollow, relayNone),
		keeps:        o.word("total", "kept", "lost") == "kept",
		validMs:      o.valid(tasmotaValid),
		periodMs:     spec.everyMs(tasmotaPeriod),
	}
	v.gadget = o.gadget(spec.id(), tasmotaKeepAlive)
	v.closed = v.relay != relayFollow
	if err := meterOnly(&spec, o); err != nil {
		return nil, Identity{}, err
	}
	return v, Identity{Dialect: "tasmota", Device: v.id, Channel: "energy"}, nil
}

// Day implements Voice.
func (v *tasmota) Day(in Input) []Message {
	if v.sinceMs == 0 {
		v.sinceMs = in.StartMs
	}
	if v.dayMs != in.StartMs {
		v.to(in.StartMs)
		v.yesterday = v.wattHours - v.dayWh
		v.dayMs, v.dayWh = in.StartMs, v.wattHours
	}
	return v.run(&in, v)
}

func (v *tasmota) draws(s plant.Step) {
	v.set(s.AtMs, s.PowerW)
	if v.relay == relayFollow && v.closed != (s.PowerW != 0) {
		v.closed = s.PowerW != 0
		if v.connected {
			v.switched(s.AtMs)
		}
	}
	if v.connected && v.delta > 0 {
		v.alarm(tasmotaLook, wholeSecond(s.AtMs))
	}
}

func (v *tasmota) birth(atMs int64) {
	v.to(atMs)
	v.boots, v.links = v.boots+1, 1
	if !v.keeps {
		v.lostWh, v.dayWh, v.yesterday = v.wattHours, v.wattHours, 0
	}
	v.periodWh = v.wattHours
	v.greet(&v.topics, v.boots, atMs)
	if v.relay != relayNone {
		v.switched(atMs)
	}
	v.alarm(tasmotaTele, wholeSecond(atMs+tasmotaFirstMs))
}

func (v *tasmota) death(int64, bool) {
	v.quiet()
	v.metered = false
}

func (v *tasmota) will(atMs int64) {
	v.word("Offline", Message{AtMs: atMs, Topic: v.topics.will, Retain: true, Exact: true, Tells: Death})
}

func (v *tasmota) timer(atMs int64) {
	for {
		switch v.rings(atMs) {
		case tasmotaTele:
			v.alarm(tasmotaTele, wholeSecond(atMs+v.periodMs))
			v.state(atMs)
			r := v.read(v.in, atMs)
			v.report(atMs, &r, true)
		case tasmotaLook:
			v.look(atMs)
		default:
			return
		}
	}
}

// switched says that the relay has been switched, and so that the load is gone when it opens: the next telemetry may be a
// TelePeriod away, and PowerDelta does not tell. That it closes says nothing of the load.
func (v *tasmota) switched(atMs int64) {
	word, tells := "ON", Tells(0)
	if !v.closed {
		word = "OFF"
		if v.metered && v.phases == 1 {
			tells = State
		}
		v.saidW = 0
	}
	v.text = append(appendText(append(v.text[:0], '{'), "POWER", word), '}')
	v.send(Message{AtMs: atMs, Topic: v.topics.result, Exact: true, Tells: tells, ValidMs: v.validMs})
	v.word(word, Message{AtMs: atMs, Topic: v.topics.power, Exact: true, Tells: tells, ValidMs: v.validMs})
}

// look reports the power at once if it has changed by more than PowerDelta, and the relay is closed.
func (v *tasmota) look(atMs int64) {
	if !v.closed {
		return
	}
	r := v.read(v.in, atMs)
	if r.wrong {
		v.alarm(tasmotaLook, atMs+1000)
	}
	by, floor := r.powerW-v.saidW, min(r.powerW, v.saidW)
	if by < 0 {
		by = -by
	}
	const percent = 100
	exceeds := by > float64(v.delta-percent)
	if v.delta <= percent {
		exceeds = by*percent/max(1, floor) > float64(v.delta)
	}
	if exceeds {
		v.report(atMs, &r, false)
	}
}

// state says STATE.
func (v *tasmota) state(atMs int64) {
	v.text = v.time(append(v.text[:0], '{'), v.in, atMs)
	v.text = appendUptime(v.text, v.upMs(atMs))
	if v.relay != relayNone {
		word := "OFF"
		if v.closed {
			word = "ON"
		}
		v.text = appendText(v.text, "POWER", word)
	}
	v.text = append(appendWifi(v.text, v.id, v.links), '}')
	v.send(Message{AtMs: atMs, Topic: v.topics.state, Exact: v.inexact(v.in, atMs)})
}

// report says SENSOR: the periodic one, or the one that PowerDelta sends, which has no Period.
func (v *tasmota) report(atMs int64, r *reading, periodic bool) {
	v.saidW, v.metered = r.powerW, true
	v.text = v.time(append(v.text[:0], '{'), v.in, atMs)
	v.text = append(appendKey(v.text, "ENERGY"), '{')
	v.text = append(appendKey(v.text, "TotalStartTime"), '"')
	v.text = append(appendStamp(v.text, v.sinceMs+v.zoneMs, tasmotaStamp), '"')
	total := r.energyWh - v.lostWh
	v.each("Total", total/1000, 3)
	v.each("Yesterday", v.yesterday/1000, 3)
	v.each("Today", max(0, r.energyWh-v.dayWh)/1000, 3)
	if periodic && v.phases == 1 {
		v.text = appendFixed(v.text, "Period", max(0, r.energyWh-v.periodWh), 0)
	}
	if periodic {
		v.periodWh = r.energyWh
	}
	apparent := r.currentA * r.voltageV
	v.each("Power", r.powerW, 0)
	v.each("ApparentPower", apparent, 0)
	v.each("ReactivePower", float64(apparent*reactiveShare), 0)
	v.same("Factor", r.factor, 2, v.phases > 1)
	v.same("Voltage", r.voltageV, 0, v.phases > 2)
	v.each("Current", r.currentA, 3)
	v.text = append(v.text, '}', '}')
	v.send(Message{
		AtMs: atMs, Topic: v.topics.sensor, Exact: v.inexact(v.in, atMs), Tells: r.tells(State | Energy), ValidMs: v.validMs,
		SaidMs: v.dated(v.in, atMs),
	})
}

// reactiveShare is how much of the apparent power is reactive at the sensors' power factor.
const reactiveShare = 0.493

// each writes a number that the phases share, alone or as a list.
func (v *tasmota) each(name string, value float64, decimals int) {
	if v.phases == 1 {
		v.text = appendFixed(v.text, name, value, decimals)
		return
	}
	parts := 1.0
	for range decimals {
		parts *= 10
	}
	shares := perPhase(value, parts)
	if v.phases == 2 {
		shares[1] += shares[2]
	}
	v.text = append(appendKey(v.text, name), '[')
	for i, share := range shares[:v.phases] {
		if i > 0 {
			v.text = append(v.text, ',')
		}
		v.text = strconv.AppendFloat(v.text, share, 'f', decimals, 64)
	}
	v.text = append(v.text, ']')
}

// same writes a number that is the same in all phases, alone or as a list.
func (v *tasmota) same(name string, value float64, decimals int, list bool) {
	if !list {
		v.text = appendFixed(v.text, name, value, decimals)
		return
	}
	v.text = append(appendKey(v.text, name), '[')
	for i := range v.phases {
		if i > 0 {
			v.text = append(v.text, ',')
		}
		v.text = strconv.AppendFloat(v.text, value, 'f', decimals, 64)
	}
	v.text = append(v.text, ']')
}
