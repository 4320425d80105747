package voice

import (
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
)

// Of a Shelly of the second generation and later.
const (
	gen2Poll  = 60 * time.Second
	gen2Valid = 132 * time.Second
	// gen2FullMs is how long after its birth it says everything.
	gen2FullMs = 300
)

// The timers of a Shelly of the second generation.
const (
	gen2Look = iota
	gen2Minute
	gen2Asked
	gen2Full
)

// shellyGen2 is a plug with a relay, a meter without one, or a three-phase meter. It says what has changed, and its energy
// once a minute while there is some: at constant zero it is silent, so a bridge asks. A voice cannot hear the question, so
// it answers as if it were asked. Its options:
//
//	component  switch (default), pm1 or em
//	poll       after how long without a power a bridge asks, 60s; off for a bridge that never does
//	valid      for how long a consumer believes a value; 132s
//
// and those of every gadget.
type shellyGen2 struct {
	gadget
	component string
	key       string // component:0
	online    string // topics
	events    string
	status    []string
	pollMs    int64
	validMs   int64
	zoneMs    int64

	ever   bool // it has said a power since it started
	saidMs int64
	said   reading // what it said last
	minutes
}

// minutes is the memory of a meter: its register at the beginning of the running minute by the device's clock, and what
// the last three complete ones added to it, the latest first.
type minutes struct {
	startWh float64
	by      [3]float64
	ts      int64 // seconds
}

func newShellyGen2(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	v := &shellyGen2{
		component: o.word("component", "switch", "pm1", "em"),
		pollMs:    o.length("poll", gen2Poll, 0, time.Hour).Milliseconds(),
		validMs:   o.valid(gen2Valid),
		zoneMs:    spec.ZoneOffsetMs,
	}
	life := o.gadget(spec.id(), shellyKeepAlive)
	if err := meterOnly(&spec, o); err != nil {
		return nil, Identity{}, err
	}
	v.gadget = life
	v.online, v.events, v.key = v.id+"/online", v.id+"/events/rpc", v.component+":0"
	v.status = []string{v.id + "/status/" + v.key}
	if v.component == "em" {
		v.status = append(v.status, v.id+"/status/emdata:0")
	}
	return v, Identity{Dialect: "shelly", Device: v.id, Channel: v.key}, nil
}

// Day implements Voice.
func (v *shellyGen2) Day(in Input) []Message { return v.run(&in, v) }

func (v *shellyGen2) draws(s plant.Step) {
	v.set(s.AtMs, s.PowerW)
	if v.connected {
		v.alarm(gen2Look, v.nextLook(s.AtMs))
	}
}

func (v *shellyGen2) birth(atMs int64) {
	v.to(atMs)
	v.minutes = minutes{startWh: v.wattHours, ts: v.minuteOf(atMs) / 1000}
	v.ever = false
	v.word("true", Message{AtMs: atMs, Topic: v.online, Retain: true, Exact: true, Tells: Birth})
	v.alarm(gen2Full, (atMs+gen2FullMs)/10*10)
	v.alarm(gen2Minute, v.nextMinute(atMs))
}

// everything says the status of all components.
func (v *shellyGen2) everything(atMs int64) {
	r := v.read(v.in, atMs)
	v.notify(atMs, "NotifyFullStatus")
	v.full(atMs, &r)
	v.endNotify(atMs, r.tells(State|Energy))
	v.said = r
	v.saidPower(atMs, &r)
}

func (v *shellyGen2) death(int64, bool) { v.quiet() }

func (v *shellyGen2) will(atMs int64) {
	v.word("false", Message{AtMs: atMs, Topic: v.online, Retain: true, Exact: true, Tells: Death})
}

func (v *shellyGen2) timer(atMs int64) {
	for {
		switch v.rings(atMs) {
		case gen2Minute:
			v.minute(atMs)
		case gen2Look:
			v.look(atMs)
		case gen2Asked:
			v.answer(atMs)
		case gen2Full:
			v.everything(atMs)
		default:
			return
		}
	}
}

// clock is what the device's clock shows: UTC, as far as it knows.
func (v *shellyGen2) clock(atMs int64) int64 { return v.in.saidUTCMs(atMs, v.zoneMs) }

const minuteMs = 60_000

// minuteOf is the beginning of the running minute by the device's clock.
func (v *shellyGen2) minuteOf(atMs int64) int64 {
	said := v.clock(atMs)
	return said - said%minuteMs
}

// nextMinute is when the running minute ends by the device's clock, unless that is set meanwhile.
func (v *shellyGen2) nextMinute(atMs int64) int64 {
	end := v.minuteOf(atMs) + minuteMs
	next := atMs + end - v.clock(atMs)
	for v.clock(next) < end && end-v.clock(next) < 1000 {
		next++
	}
	return next
}

// minute ends a minute, and says the energy if the last three complete minutes say something else than before.
func (v *shellyGen2) minute(atMs int64) {
	v.alarm(gen2Minute, v.nextMinute(atMs))
	r := v.read(v.in, atMs)
	before := v.by
	v.by = [3]float64{max(0, r.energyWh-v.startWh), v.by[0], v.by[1]}
	v.startWh, v.ts = r.energyWh, v.minuteOf(atMs)/1000
	if v.by == before {
		return
	}
	tells := Energy
	if v.ever && atMs-v.saidMs <= v.validMs {
		// What it does not name is unchanged, so that the power said before still holds.
		tells = v.said.tells(State|Energy) | Implied
	}
	v.notify(atMs, "NotifyStatus")
	v.energy(&r)
	v.endNotify(atMs, tells)
}

// look says what has changed by enough.
func (v *shellyGen2) look(atMs int64) {
	r := v.read(v.in, atMs)
	if r.wrong {
		v.alarm(gen2Look, v.nextLook(atMs+1))
	}
	if !changedEnough(v.said.powerW, r.powerW) {
		return
	}
	v.notify(atMs, "NotifyStatus")
	v.changes(&r)
	v.endNotify(atMs, r.tells(State))
	v.saidPower(atMs, &r)
}

// saidPower remembers what was said, and when a bridge would ask for more.
func (v *shellyGen2) saidPower(atMs int64, r *reading) {
	v.said.powerW, v.said.currentA, v.said.factor, v.said.wrong = r.powerW, r.currentA, r.factor, r.wrong
	v.ever, v.saidMs = true, atMs
	if v.pollMs > 0 {
		const travelMs = 40
		v.alarm(gen2Asked, atMs+v.pollMs+travelMs+v.in.Rand.Int64N(1000))
	}
}

// answer is the status that a bridge asked for, which says no time.
func (v *shellyGen2) answer(atMs int64) {
	r := v.read(v.in, atMs)
	if r.wrong {
		v.alarm(gen2Look, v.nextLook(atMs+1))
	}
	for i, topic := range v.status {
		v.text = v.text[:0]
		m := Message{AtMs: atMs, Topic: topic, Exact: true, Tells: r.tells(State | Energy), ValidMs: v.validMs}
		switch {
		case i == 1:
			v.text = v.energies(v.text, &r)
		case v.component == "em":
			v.text = v.phases(v.text, &r, true)
			m.Tells = r.tells(State)
		default:
			v.text = v.wholeStatus(v.text, &r)
		}
		v.send(m)
	}
	v.said = r
	v.saidPower(atMs, &r)
}

// notify begins a notification.
func (v *shellyGen2) notify(atMs int64, method string) {
	v.text = appendText(append(v.text[:0], '{'), "src", v.id)
	v.text = appendText(v.text, "dst", v.id+"/events")
	v.text = appendText(v.text, "method", method)
	v.text = append(appendKey(v.text, "params"), '{')
	v.text = appendSeconds(appendKey(v.text, "ts"), v.clock(atMs))
}

// appendSeconds writes milliseconds as seconds with two decimals, as the device says time.
func appendSeconds(out []byte, ms int64) []byte {
	out = append(strconv.AppendInt(out, ms/1000, 10), '.')
	hundredths := ms % 1000 / hundredthMs
	return append(out, byte('0'+hundredths/10), byte('0'+hundredths%10))
}

// hundredthMs is as fine as these devices say time.
const hundredthMs = 10

// endNotify sends the notification.
func (v *shellyGen2) endNotify(atMs int64, tells Tells) {
	v.text = append(v.text, '}', '}')
	v.send(Message{
		AtMs: atMs, Topic: v.events, Exact: v.clock(atMs) != atMs || atMs%10 != 0, Tells: tells, ValidMs: v.validMs,
		SaidMs: v.clock(atMs) / hundredthMs * hundredthMs,
	})
}
