package mtconnect

import (
	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// maxWatched is of how many data items of a machine the entity sink's sequence numbers are watched: all of them start again
// when the agent does, so that any of them tells.
const maxWatched = 64

// sequences are the last observations of some data items of a machine.
type sequences map[string]numbered

type numbered struct {
	sequence uint64
	eventMs  int64
}

// sequence watches an observation's sequence number: the same data item with a lower number and a later time is of an agent
// that started again. A lower number alone is a repeat.
func (d *Dialect) sequence(rec *telemetry.Record, v *fastjson.Value) {
	if v == nil || rec.Retained || rec.Clock != telemetry.ClockDevice {
		return
	}
	number := v.GetUint64()
	if number == 0 {
		return
	}
	_, machine := d.machines.Heard(rec.Device)
	last, known := machine.items[rec.Channel]
	switch {
	case known && number >= last.sequence:
	case known && rec.EventMs > last.eventMs:
		d.restarts++
		clear(machine.items)
	case known || len(machine.items) == maxWatched:
		return
	case machine.items == nil:
		machine.items = sequences{}
	}
	machine.items[rec.Channel] = numbered{number, rec.EventMs}
}
