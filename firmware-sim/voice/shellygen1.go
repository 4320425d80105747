package voice

import (
	"math"
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
)

// Of a Shelly of the first generation.
const (
	gen1Period      = 30 * time.Second
	gen1Valid       = 66 * time.Second
	shellyKeepAlive = 60 * time.Second
	// gen1RegisterMs is how often the energy that it says moves on, as in recordings of a Plug S.
	gen1RegisterMs = 60_000
)

// The timers of a Shelly of the first generation.
const (
	gen1Update = iota
	gen1Look
	gen1Register
)

// shellyGen1 is a plug with a relay, or a 3EM with three clamps, on whose first the machine hangs. Its options:
//
//	model   plug (default) or 3em
//	energy  lost (default) or kept: whether the plug's counter survives a restart; a 3EM's total always does
//	valid   for how long a consumer believes a value; 66s
//
// and those of every gadget.
type shellyGen1 struct {
	gadget
	prefix   string // shellies/<id>/
	clamps   []gen1Clamp
	topics   gen1Topics
	threeEM  bool
	keeps    bool
	periodMs int64
	validMs  int64

	saidW   float64
	startWh float64 // the register when the device started
	shownWh float64 // what it says of it
}

// gen1Topics are those of the device.
type gen1Topics struct{ online, announce, relay, celsius, fahrenheit, hot string }

// gen1Clamp are the topics of a relay's meter or of a clamp; a relay has the first two only.
type gen1Clamp struct{ power, energy, pf, current, voltage, total, returned, returnedTotal string }

func newShellyGen1(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	v := &shellyGen1{
		threeEM: o.word("model", "plug", "3em") == "3em",
		keeps:   o.word("energy", "lost", "kept") == "kept",
		validMs: o.valid(gen1Valid),
	}
	life := o.gadget(spec.id(), shellyKeepAlive)
	if err := meterOnly(&spec, o); err != nil {
		return nil, Identity{}, err
	}
	v.gadget, v.periodMs, v.prefix = life, spec.everyMs(gen1Period), "shellies/"+life.id+"/"
	v.topics = gen1Topics{
		online: v.prefix + "online", announce: v.prefix + "announce", relay: v.prefix + "relay/0",
		celsius: v.prefix + "temperature", fahrenheit: v.prefix + "temperature_f", hot: v.prefix + "overtemperature",
	}
	if !v.threeEM {
		v.clamps = []gen1Clamp{{power: v.prefix + "relay/0/power", energy: v.prefix + "relay/0/energy"}}
		return v, Identity{Dialect: "shelly", Device: life.id, Channel: "relay:0"}, nil
	}
	for _, n := range [...]string{"0", "1", "2"} {
		at := v.prefix + "emeter/" + n + "/"
		v.clamps = append(v.clamps, gen1Clamp{
			power: at + "power", energy: at + "energy", pf: at + "pf", current: at + "current", voltage: at + "voltage",
			total: at + "total", returned: at + "returned_energy", returnedTotal: at + "total_returned",
		})
	}
	return v, Identity{Dialect: "shelly", Device: life.id, Channel: "emeter:0"}, nil
}

// Day implements Voice.
func (v *shellyGen1) Day(in Input) []Message { return v.run(&in, v) }

func (v *shellyGen1) draws(s plant.Step) {
	v.set(s.AtMs, s.PowerW)
	if v.connected {
		v.alarm(gen1Look, v.nextLook(s.AtMs))
	}
}

func (v *shellyGen1) birth(atMs int64) {
	v.to(atMs)
	if !v.keeps {
		v.startWh = v.wattHours
	}
	v.shownWh = v.wattHours
	v.word("true", Message{AtMs: atMs, Topic: v.topics.online, Retain: true, Exact: true, Tells: Birth})
	v.announce("shellies/announce", atMs)
	v.announce(v.topics.announce, atMs)
	v.update(atMs)
	v.alarm(gen1Register, atMs+gen1RegisterMs)
}

func (v *shellyGen1) announce(topic string, atMs int64) {
	model := "SHPLG-S"
	if v.threeEM {
		model = "SHEM-3"
	}
	v.text = appendText(append(v.text[:0], '{'), "id", v.id)
	v.text = appendText(v.text, "model", model)
	v.text = appendText(v.text, "mac", hexID(v.id))
	v.text = appendText(v.text, "ip", "192.168.8."+strconv.FormatInt(20+spread(v.id, 200), 10))
	v.text = appendTruth(v.text, "new_fw", false)
	v.text = append(appendText(v.text, "fw_ver", "20230913-113421/v1.14.0-gcb84623"), '}')
	v.send(Message{AtMs: atMs, Topic: topic, Exact: true})
}

func (v *shellyGen1) death(int64, bool) { v.quiet() }

func (v *shellyGen1) will(atMs int64) {
	v.word("false", Message{AtMs: atMs, Topic: v.topics.online, Retain: true, Exact: true, Tells: Death})
}

func (v *shellyGen1) timer(atMs int64) {
	for {
		switch v.rings(atMs) {
		case gen1Register:
			if v.to(atMs); !v.in.Stuck.Contains(atMs) {
				v.shownWh = v.wattHours
			}
			v.alarm(gen1Register, atMs+gen1RegisterMs)
		case gen1Look:
			v.look(atMs)
		case gen1Update:
			v.update(atMs)
		default:
			return
		}
	}
}

// look says the power if it has changed by enough.
func (v *shellyGen1) look(atMs int64) {
	r := v.read(v.in, atMs)
	v.lookAgain(&r, atMs)
	if changedEnough(v.saidW, r.powerW) {
		v.power(atMs, &r)
		v.energy(atMs)
		// In recordings of a Plug S the period begins again with each change.
		v.alarm(gen1Update, atMs+v.periodMs)
	}
}

// lookAgain ends a spike the next time it looks.
func (v *shellyGen1) lookAgain(r *reading, atMs int64) {
	if r.wrong {
		v.alarm(gen1Look, v.nextLook(atMs+1))
	}
}

// changedEnough is the rule by which a Shelly says a power at once: it looks once a second, and the power differs by more
// than 1 W and about a twentieth. It is measured on recordings of a Plug S.
func changedEnough(saidW, nowW float64) bool {
	change := math.Abs(nowW - saidW)
	return change > 1 && change > float64(0.048*max(math.Abs(saidW), math.Abs(nowW)))
}

// update says everything, as after a start and once in each period.
func (v *shellyGen1) update(atMs int64) {
	v.alarm(gen1Update, atMs+v.periodMs)
	r := v.read(v.in, atMs)
	v.lookAgain(&r, atMs)
	v.word("on", Message{AtMs: atMs, Topic: v.topics.relay, Exact: true})
	v.power(atMs, &r)
	v.energy(atMs)
	if v.threeEM {
		for i := range v.clamps[1:] {
			v.unused(atMs, &v.clamps[i+1], r.voltageV)
		}
		return
	}
	celsius := jitter(v.in.Rand, 31, 0.02)
	v.number(atMs, v.topics.celsius, celsius, 2)
	v.number(atMs, v.topics.fahrenheit, float64(celsius*1.8)+32, 2)
	v.number(atMs, v.topics.hot, 0, 0)
}

// power says what the relay or the first clamp carries.
func (v *shellyGen1) power(atMs int64, r *reading) {
	c := &v.clamps[0]
	v.saidW = r.powerW
	v.text = strconv.AppendFloat(v.text[:0], r.powerW, 'f', 2, 64)
	v.send(Message{AtMs: atMs, Topic: c.power, Exact: true, Tells: r.tells(State), ValidMs: v.validMs})
	if v.threeEM {
		v.number(atMs, c.pf, r.factor, 2)
		v.number(atMs, c.current, r.currentA, 2)
		v.number(atMs, c.voltage, r.voltageV, 2)
	}
}

// energy says the register as it was at the last whole minute since the start: watt-minutes since then, and of a clamp
// also the watt-hours of all time.
func (v *shellyGen1) energy(atMs int64) {
	c := &v.clamps[0]
	m := Message{AtMs: atMs, Topic: c.energy, Exact: true, Tells: State | Energy | Implied, ValidMs: v.validMs}
	wattMinutes := math.Floor((v.shownWh - v.startWh) * 60)
	if !v.threeEM {
		v.text = strconv.AppendFloat(v.text[:0], wattMinutes, 'f', 0, 64)
		v.send(m)
		return
	}
	v.number(atMs, c.energy, wattMinutes, 0)
	v.number(atMs, c.returned, 0, 0)
	m.Topic = c.total
	v.text = strconv.AppendFloat(v.text[:0], v.shownWh, 'f', 1, 64)
	v.send(m)
	v.number(atMs, c.returnedTotal, 0, 1)
}

// unused says that nothing hangs on a clamp.
func (v *shellyGen1) unused(atMs int64, c *gen1Clamp, voltageV float64) {
	v.number(atMs, c.power, 0, 2)
	v.number(atMs, c.pf, 0, 2)
	v.number(atMs, c.current, 0, 2)
	v.number(atMs, c.voltage, voltageV, 2)
	v.number(atMs, c.energy, 0, 0)
	v.number(atMs, c.returned, 0, 0)
	v.number(atMs, c.total, 0, 1)
	v.number(atMs, c.returnedTotal, 0, 1)
}

func (v *shellyGen1) number(atMs int64, topic string, value float64, decimals int) {
	v.text = strconv.AppendFloat(v.text[:0], value, 'f', decimals, 64)
	v.send(Message{AtMs: atMs, Topic: topic, Exact: true})
}
