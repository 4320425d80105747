package voice

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Of Zigbee2MQTT and the reporting that it configures for meters.
const (
	zigbeeMost      = time.Hour
	zigbeeValid     = 132 * time.Minute
	zigbeeLeastMs   = 5000             // between two reports
	zigbeeGone      = 10 * time.Minute // until a device that is silent counts as gone
	zigbeeSlowMs    = 60_000           // how often a meter looks at its voltage and its energy
	zigbeeStartMs   = 2000             // between Zigbee2MQTT's own birth and what it has cached
	zigbeeChangedW  = 1
	zigbeeChangedV  = 2
	zigbeeStepWh    = 10
	zigbeeKeepAlive = zigbeeGone * 2 / 3
)

// The timers of a plug on Zigbee.
const (
	zigbeeReport = iota // the power has changed
	zigbeeMost1h        // the longest interval, or the next poll
	zigbeeSlow
	zigbeeExtra // something else of the plug than its meter
)

// zigbee2mqtt is a plug as Zigbee2MQTT publishes it: all that is cached of it, whatever the plug said. Every is the
// longest interval between two reports of its power. Its options:
//
//	base          the setting base_topic; zigbee2mqtt
//	last_seen     none (default), iso, iso_local or epoch
//	cache         on (default) or off: the setting cache_state
//	availability  on (default) or off
//	poll          the plug does not report and is polled so often; off
//	valid         for how long a consumer believes the device; 132m
//
// The first plug of a base speaks also for Zigbee2MQTT itself.
type zigbee2mqtt struct {
	gadget
	zigbeeForm
	topic, presence, bridge string
	leads, available        bool
	pollMs, mostMs, validMs int64

	greeted bool
	joined  bool // it has just joined, and says all of its meter
	first   bool // what is published next is the cache of before
	extras  int
	sentMs  int64 // of the last message, 0 for none
	seenMs  int64 // the last last_seen
	powerMs int64 // of the last report of power
	cached  zigbeeMeter
	sent    zigbeeMeter
	wrong   bool
}

// zigbeeMeter is what a plug has said of its meter, in its own steps.
type zigbeeMeter struct{ powerW, voltageV, currentA, energyKWh float64 }

func newZigbee2MQTT(spec Spec) (Voice, Identity, error) {
	o := spec.options()
	base := o.text("base", "zigbee2mqtt")
	v := &zigbee2mqtt{
		zigbeeForm: zigbeeForm{
			lastSeen: o.word("last_seen", lastSeenNone, lastSeenISO, lastSeenLocal, lastSeenEpoch),
			caches:   o.word("cache", "on", "off") == "on",
			zoneMs:   spec.ZoneOffsetMs,
		},
		available: o.word("availability", "on", "off") == "on",
		pollMs:    o.length("poll", 0, 0, time.Hour).Milliseconds(),
		mostMs:    spec.everyMs(zigbeeMost),
		validMs:   o.valid(zigbeeValid),
	}
	if base == "" || strings.ContainsAny(base, "+#") || strings.HasSuffix(base, "/") {
		o.wrong = append(o.wrong, fmt.Errorf("option base is %q; a base_topic such as zigbee2mqtt is right", base))
	}
	if err := meterOnly(&spec, o); err != nil {
		return nil, Identity{}, err
	}
	v.gadget = gadget{life: newLife(spec.id(), 0, zigbeeKeepAlive.Milliseconds())}
	v.quiet()
	v.leads = leadsZigbee(&spec)
	v.topic, v.bridge = base+"/"+v.id, base+"/bridge/state"
	v.presence = v.topic + "/availability"
	return v, Identity{Dialect: "zigbee2mqtt", Device: v.id, Channel: "energy"}, nil
}

// leadsZigbee reports whether the device is its base's first on Zigbee.
func leadsZigbee(spec *Spec) bool {
	for _, w := range spec.Base.Workshops {
		for _, m := range w.Machines {
			for _, d := range m.Devices {
				if d.Dialect == scenario.Zigbee2MQTT {
					return d.ID == spec.Device.ID
				}
			}
		}
	}
	return true
}

// Day implements Voice.
func (v *zigbee2mqtt) Day(in Input) []Message { return v.run(&in, v) }

func (v *zigbee2mqtt) draws(s plant.Step) {
	v.set(s.AtMs, s.PowerW)
	if v.connected && v.pollMs == 0 && v.due[zigbeeReport] == never {
		v.alarm(zigbeeReport, max(s.AtMs, v.powerMs+zigbeeLeastMs))
	}
}

func (v *zigbee2mqtt) birth(atMs int64) {
	if !v.greeted {
		v.greeted, v.first = true, true
		if v.leads {
			v.word(`{"state":"online"}`, Message{AtMs: atMs, Topic: v.bridge, QoS: 1, Retain: true, Exact: true})
		}
	}
	if v.available {
		v.word(`{"state":"online"}`, Message{AtMs: atMs, Topic: v.presence, QoS: 1, Retain: true, Exact: true, Tells: Birth})
	}
	v.joined = true
	v.alarm(zigbeeReport, atMs+zigbeeStartMs)
	v.alarm(zigbeeSlow, atMs+zigbeeStartMs+spread(v.id, zigbeeSlowMs))
	v.alarm(zigbeeMost1h, atMs+v.longest())
}

// longest is when the power is said again, though it has not changed.
func (v *zigbee2mqtt) longest() int64 {
	if v.pollMs > 0 {
		return v.pollMs
	}
	return v.mostMs
}

func (v *zigbee2mqtt) death(int64, bool) { v.quiet() }

// will is when Zigbee2MQTT misses the plug, unless that is back already.
func (v *zigbee2mqtt) will(atMs int64) {
	if v.available && atMs != v.startDue {
		v.word(`{"state":"offline"}`, Message{AtMs: atMs, Topic: v.presence, QoS: 1, Retain: true, Exact: true, Tells: Death})
	}
}

func (v *zigbee2mqtt) timer(atMs int64) {
	for {
		switch v.rings(atMs) {
		case zigbeeReport:
			v.report(atMs, v.joined)
		case zigbeeMost1h:
			v.alarm(zigbeeMost1h, atMs+v.longest())
			v.report(atMs, true)
		case zigbeeSlow:
			v.slow(atMs)
		case zigbeeExtra:
			v.extra(atMs)
		default:
			return
		}
	}
}

// report says the power and the current if the power has changed, or anyhow; a poll reads all of the meter.
func (v *zigbee2mqtt) report(atMs int64, anyhow bool) {
	r := v.read(v.in, atMs)
	if r.wrong && v.pollMs == 0 {
		v.alarm(zigbeeReport, atMs+zigbeeLeastMs)
	}
	power := math.Round(r.powerW)
	if !anyhow && math.Abs(power-v.cached.powerW) < zigbeeChangedW {
		return
	}
	v.cached.powerW, v.cached.currentA, v.wrong = power, hundredths(r.currentA), r.wrong
	v.powerMs = atMs
	what := zigbeeFields{power: true}
	if v.pollMs > 0 || v.joined {
		v.slowly(&r)
		what.voltage, what.energy = true, true
	}
	v.joined = false
	v.publish(atMs, what)
	if v.pollMs == 0 {
		v.alarm(zigbeeMost1h, atMs+v.mostMs)
	}
	v.besides(atMs)
}

// slow says the voltage and the energy if they have changed, and answers a ping after a long silence.
func (v *zigbee2mqtt) slow(atMs int64) {
	v.alarm(zigbeeSlow, atMs+zigbeeSlowMs)
	if v.pollMs == 0 {
		r := v.read(v.in, atMs)
		before := v.cached
		if r.wrong {
			r.powerW = v.cached.powerW
		}
		what := zigbeeFields{
			voltage: math.Abs(math.Round(r.voltageV)-before.voltageV) >= zigbeeChangedV,
			energy:  math.Floor(r.energyWh/zigbeeStepWh)/100 != before.energyKWh,
		}
		if what.voltage || what.energy {
			v.slowly(&r)
			if !what.voltage {
				v.cached.voltageV = before.voltageV
			}
			v.publish(atMs, what)
			v.besides(atMs)
			return
		}
	}
	if v.lastSeen != lastSeenNone && atMs-v.sentMs >= zigbeeGone.Milliseconds() {
		v.publish(atMs, zigbeeFields{})
	}
}

func (v *zigbee2mqtt) slowly(r *reading) {
	v.cached.voltageV, v.cached.energyKWh = math.Round(r.voltageV), math.Floor(r.energyWh/zigbeeStepWh)/100
}

// besides draws how many messages follow in which the meter says nothing: of all messages they are the share that the
// conditions want.
func (v *zigbee2mqtt) besides(atMs int64) {
	const most = 20
	for v.extras = 0; v.extras < most && v.in.Cached > 0 && v.in.Rand.Float64() < v.in.Cached; {
		v.extras++
	}
	if v.extras > 0 {
		v.alarm(zigbeeExtra, atMs+500+v.in.Rand.Int64N(1500))
	}
}

func (v *zigbee2mqtt) extra(atMs int64) {
	v.extras--
	if v.extras > 0 {
		v.alarm(zigbeeExtra, atMs+500+v.in.Rand.Int64N(1500))
	}
	v.publish(atMs, zigbeeFields{})
}

// publish says what the plug has just said, among all that is cached of it. A consumer cannot see which of it is new: it
// believes the meter's channel when one of its numbers differs from the message before.
func (v *zigbee2mqtt) publish(atMs int64, what zigbeeFields) {
	seen := v.in.saidUTCMs(atMs, v.zoneMs)
	if v.lastSeen == lastSeenLocal {
		seen -= seen % 1000
	}
	tells, said := v.tells(seen, what), seen
	v.text = v.render(v.text[:0], seen, &v.cached, what, 60+v.in.Rand.Int64N(140))
	if v.lastSeen == lastSeenNone || seen == v.seenMs {
		// The time of the message before dates nothing that is new.
		said = 0
	}
	v.sent, v.sentMs, v.seenMs, v.first = v.cached, atMs, seen, false
	v.send(Message{
		AtMs: atMs, SaidMs: said, Topic: v.topic, Exact: said != atMs,
		Tells: tells, ValidMs: v.validMs,
	})
}

func (v *zigbee2mqtt) tells(seen int64, what zigbeeFields) Tells {
	t := Tells(0)
	switch {
	case !v.caches:
		if what.power {
			t = State
		}
		if what.energy {
			t |= Energy
		}
	case v.first || v.lastSeen != lastSeenNone && seen < v.seenMs:
		// What is published at the start, and after a clock was set back, is the cache of before.
	case v.cached != v.sent:
		t = State | Energy
	}
	if t != 0 && v.wrong {
		t |= Wrong
	}
	return t
}

// hundredths rounds as the firmware does.
func hundredths(n float64) float64 { return math.Round(n*100) / 100 }
