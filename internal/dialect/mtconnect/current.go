package mtconnect

import (
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// An agent that connects publishes every item's current value with the time of its last change, which may be weeks ago.
// Such a message says two things: that the value has held since then, and that it holds now. The second matters where
// clocks disagree: what an adapter stamps and what its agent stamps when the link is lost come from two clocks, and an
// adapter's clock that is a minute ahead leaves its last word later in event time than the agent's UNAVAILABLE. Without
// the second statement that word would hold all night (docs/truth-nist.md has the nights on which it would have).

// staleMs is how much older than usual an observation must be on arrival to be a current value restated: ten minutes,
// more than clocks that somebody looks after disagree, and less than a lunch break.
const staleMs = 10 * 60 * 1000

// lateness remembers how late a device's observations usually arrive, so that a clock that is slow does not make every
// observation look old: the least seen in this hour and in the last one with any. What the first hour has shown is not
// believed before it is over: a bridge that starts while an agent restates its values hears nothing but old ones, and
// would take them for the news of a slow clock. To restate too much costs a record, to restate too little a night.
type lateness struct {
	known      bool
	settled    bool  // an hour of observations is behind it
	hourMs     int64 // when this hour began, by the bridge's clock
	leastMs    int64
	previousMs int64
}

const (
	lateHourMs = 60 * 60 * 1000
	// slowestMs is the most that a clock is taken to be slow; what arrives later says nothing about the clock.
	slowestMs = 6 * lateHourMs
)

// usual returns the least lateness lately, 0 while none is settled, and takes in another.
func (l *lateness) usual(receivedMs, lateMs int64) int64 {
	var usual int64
	if l.settled {
		usual = l.least()
	}
	switch {
	case lateMs > slowestMs:
	case !l.known:
		*l = lateness{known: true, hourMs: receivedMs, leastMs: lateMs, previousMs: lateMs}
	case receivedMs-l.hourMs >= lateHourMs:
		l.hourMs, l.previousMs, l.leastMs, l.settled = receivedMs, l.leastMs, lateMs, true
	default:
		l.leastMs = min(l.leastMs, lateMs)
	}
	return usual
}

// least is the usual lateness, without taking in another.
func (l *lateness) least() int64 { return max(0, min(l.leastMs, l.previousMs)) }

// restated returns the records, and for each that is old on arrival the same again as of now. A value that the broker
// kept is not restated: the broker does not know whether it still holds. One that was said before the machine's agent was
// gone is restated however young it is: it holds again.
func (d *Dialect) restated(records []telemetry.Record, m dialect.Message) []telemetry.Record {
	for i := range records {
		r := &records[i]
		if r.Retained || r.Clock != telemetry.ClockDevice {
			continue
		}
		lateMs := m.ReceivedMs - r.EventMs
		_, machine := d.machines.Heard(r.Device)
		machine.gone = false
		usual := machine.late.usual(m.ReceivedMs, lateMs)
		if lateMs-usual <= staleMs && r.EventMs > machine.goneMs {
			continue
		}
		now := *r
		now.EventMs, now.DeviceMs, now.Clock = m.ReceivedMs, 0, telemetry.ClockReceived
		records = append(records, now)
	}
	return records
}
