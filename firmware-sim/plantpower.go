package sim

import (
	"math/rand/v2"
	"strconv"
	"time"
)

// reading is the power of a machine from one instant to the next reading.
type reading struct {
	atMs  int64
	watts float64
	state State
}

// load is how much a machine draws; every figure varies a little.
type load struct {
	idleW, runW float64
	// everyMs is how often a reading changes while the machine runs or idles, up to twice that.
	runEveryMs, idleEveryMs int64
}

// readings returns the machine's power over the day, a new value at every change of state and every now and then.
func (l load) readings(p plan, rng *rand.Rand, grainMs int64) []reading {
	var out []reading
	for _, phase := range p.phases {
		everyMs, watts := l.idleEveryMs, l.idleW
		switch phase.State {
		case Running:
			everyMs, watts = l.runEveryMs, jitter(rng, l.runW, 0.2)
		case Off, Unknown:
			out = append(out, reading{phase.StartMs, 0, phase.State})
			continue
		}
		for at := phase.StartMs; at < phase.EndMs; {
			out = append(out, reading{at, jitter(rng, watts, 0.06), phase.State})
			at += everyMs + rng.Int64N(everyMs)
			at -= at % grainMs
		}
	}
	return out
}

// meter integrates readings into an energy counter.
type meter struct {
	wattHours float64
	atMs      int64
	watts     float64
}

// to moves the meter to an instant.
func (m *meter) to(ms int64) {
	if m.atMs > 0 {
		m.wattHours += m.watts * float64(ms-m.atMs) / 3_600_000
	}
	m.atMs = ms
}

// set changes the power at an instant.
func (m *meter) set(ms int64, watts float64) {
	m.to(ms)
	m.watts = watts
}

// visit calls change for every reading, and tick for every multiple of everyMs of the day, in order of time; a change
// comes before a tick of the same instant.
func visit(p plan, readings []reading, everyMs int64, change func(reading), tick func(int64)) {
	for at := p.day.StartMs; at < p.day.EndMs; at += everyMs {
		for len(readings) > 0 && readings[0].atMs <= at {
			change(readings[0])
			readings = readings[1:]
		}
		tick(at)
	}
	for _, r := range readings {
		change(r)
	}
}

func appendFixed(out []byte, name string, value float64, decimals int) []byte {
	out = append(append(append(out, '"'), name...), '"', ':')
	return strconv.AppendFloat(out, value, 'f', decimals, 64)
}

// nativeMill is a CNC mill whose gateway speaks the native dialect: state, speed, power and energy every ten seconds and
// at every change.
type nativeMill struct {
	topic string
	meter meter
	state State
	rpm   float64
}

func newNativeMill(base, device string) *nativeMill {
	return &nativeMill{topic: "jishi/v1/" + base + "/dev/" + device}
}

// millPeriodMs is how often the mill's gateway reports; after six missed reports its silence means something.
const (
	millPeriodMs = 10_000
	millValidS   = 60
)

// day implements voice.
func (m *nativeMill) day(p plan, rng *rand.Rand, first bool) []Timed {
	var out []Timed
	if first {
		payload := append(strconv.AppendInt([]byte(`{"t":`), p.day.StartMs, 10), `,"online":true}`...)
		out = append(out, Timed{AtMs: p.day.StartMs, Topic: m.topic + "/link", Payload: payload, Retain: true})
	}
	readings := load{idleW: 420, runW: 3100, runEveryMs: 20_000, idleEveryMs: 60_000}.readings(p, rng, 1)
	var saidMs int64
	say := func(atMs int64) {
		m.meter.to(atMs)
		out = append(out, Timed{AtMs: atMs, Topic: m.topic + "/sample", Payload: m.sample(atMs)})
		saidMs = atMs
	}
	visit(p, readings, millPeriodMs, func(r reading) {
		m.meter.set(r.atMs, r.watts)
		if r.state != m.state {
			m.state, m.rpm = r.state, 0
			if r.state == Running {
				m.rpm = float64(1200 + 200*rng.IntN(24))
			}
			say(r.atMs)
		}
	}, func(atMs int64) {
		if atMs != saidMs {
			say(atMs)
		}
	})
	return out
}

func (m *nativeMill) sample(atMs int64) []byte {
	words := map[State]string{Running: "RUNNING", Idle: "IDLE", Off: "OFF"}
	out := strconv.AppendInt([]byte(`{"t":`), atMs, 10)
	out = append(out, `,"state":"`...)
	out = append(append(out, words[m.state]...), `","v":{`...)
	out = appendFixed(out, "power_w", m.meter.watts, 1)
	out = appendFixed(append(out, ','), "energy_wh", m.meter.wattHours, 2)
	out = appendFixed(append(out, ','), "speed_rpm", m.rpm, 0)
	out = append(out, `},"valid_s":`...)
	return append(strconv.AppendInt(out, millValidS, 10), '}')
}

// shellyWelderPlug is a Shelly of the second generation at a welding machine: changed attributes at once, the whole
// status once a minute.
type shellyWelderPlug struct {
	prefix   string
	meter    meter
	byMinute [3]float64 // watt-hours of the last three whole minutes, the latest first
	minuteWh float64    // the counter at the start of the minute
}

const minuteMs = 60_000

// day implements voice.
func (s *shellyWelderPlug) day(p plan, rng *rand.Rand, first bool) []Timed {
	var out []Timed
	if first {
		out = append(out, Timed{AtMs: p.day.StartMs, Topic: s.prefix + "/online", Payload: []byte("true"), Retain: true, Exact: true})
	}
	readings := load{idleW: 38, runW: 2600, runEveryMs: 2500, idleEveryMs: 45_000}.readings(p, rng, 10)
	visit(p, readings, minuteMs, func(r reading) {
		changed := r.watts != s.meter.watts
		s.meter.set(r.atMs, r.watts)
		if changed {
			out = append(out, Timed{AtMs: r.atMs, Topic: s.prefix + "/events/rpc", Payload: s.notify(r.atMs)})
		}
	}, func(atMs int64) {
		s.meter.to(atMs)
		s.byMinute = [3]float64{s.meter.wattHours - s.minuteWh, s.byMinute[0], s.byMinute[1]}
		s.minuteWh = s.meter.wattHours
		out = append(out, Timed{AtMs: atMs, Topic: s.prefix + "/status/switch:0", Payload: s.status(atMs), Exact: true})
	})
	return out
}

// notify renders a NotifyStatus with what changed; its time has two decimals, as the device's has.
func (s *shellyWelderPlug) notify(atMs int64) []byte {
	out := append([]byte(`{"src":"`), s.prefix...)
	out = append(append(out, `","dst":"`...), s.prefix...)
	out = append(out, `/events","method":"NotifyStatus","params":{`...)
	out = appendFixed(out, "ts", float64(atMs)/1000, 2)
	out = append(out, `,"switch:0":{"id":0,`...)
	out = appendFixed(out, "apower", s.meter.watts, 1)
	out = appendFixed(append(out, ','), "current", s.meter.watts/mainsV, 3)
	return append(out, `}}}`...)
}

// status renders the component's whole status, which says no time of its own.
func (s *shellyWelderPlug) status(atMs int64) []byte {
	out := []byte(`{"id":0,"source":"init","output":true,`)
	out = appendFixed(out, "apower", s.meter.watts, 1)
	out = appendFixed(append(out, ','), "voltage", mainsV, 1)
	out = appendFixed(append(out, ','), "current", s.meter.watts/mainsV, 3)
	out = append(out, `,"freq":50.0,"aenergy":{`...)
	out = appendFixed(out, "total", s.meter.wattHours, 3)
	out = append(out, `,"by_minute":[`...)
	for i, wh := range s.byMinute {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendFloat(out, wh*1000, 'f', 3, 64)
	}
	out = append(out, `],"minute_ts":`...)
	out = strconv.AppendInt(out, atMs/1000, 10)
	return append(out, `},"temperature":{"tC":38.2,"tF":100.8}}`...)
}

// tasmotaLathe is a plug with Tasmota at a manual lathe: telemetry every ten seconds and at every change of power that
// its PowerDelta sees.
type tasmotaLathe struct {
	topic string
	zone  *time.Location
	meter meter
	state State
}

// tasmotaPeriodMs is the plug's TelePeriod.
const tasmotaPeriodMs = 10_000

// day implements voice.
func (l *tasmotaLathe) day(p plan, rng *rand.Rand, first bool) []Timed {
	var out []Timed
	if first {
		out = append(out, Timed{AtMs: p.day.StartMs, Topic: "tele/" + l.topic + "/LWT", Payload: []byte("Online"), Retain: true, Exact: true})
	}
	var saidMs int64
	say := func(atMs int64) {
		l.meter.to(atMs)
		out = append(out, Timed{
			AtMs: atMs, Topic: "tele/" + l.topic + "/SENSOR", Exact: true,
			Payload: tasmotaSensor(time.UnixMilli(atMs).In(l.zone), l.meter.wattHours, l.meter.watts),
		})
		saidMs = atMs
	}
	readings := load{idleW: 65, runW: 1300, runEveryMs: 9000, idleEveryMs: 40_000}.readings(p, rng, 1000)
	visit(p, readings, tasmotaPeriodMs, func(r reading) {
		l.meter.set(r.atMs, float64(int64(r.watts)))
		if r.state != l.state {
			l.state = r.state
			say(r.atMs)
		}
	}, func(atMs int64) {
		if atMs != saidMs {
			say(atMs)
		}
	})
	return out
}
