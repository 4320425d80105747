package settle

import (
	"container/list"
	"unsafe"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// defaultClueMemory holds four weeks of a base with a hundred machines. A base with more has its older days derived anew.
const defaultClueMemory = 256 << 20

// clueMemory holds days as the rules of clues look at them, so that a day that is normal for the 28 after it is derived once. The
// days that were not used for longest are forgotten first. The zero value holds nothing beyond the last day.
type clueMemory struct {
	most  int64 // bytes
	held  int64
	days  map[clueDayKey]*list.Element
	order list.List // of *heldDay, the last used first
}

type clueDayKey struct {
	base string
	day  calendar.Date
}

type heldDay struct {
	key    clueDayKey
	inputs string
	bytes  int64
	*clue.Day
}

// get returns a day that was derived from the same inputs, nil when none is held.
func (m *clueMemory) get(base string, d calendar.Date, inputs string) *clue.Day {
	e := m.days[clueDayKey{base, d}]
	if e == nil {
		return nil
	}
	held, _ := e.Value.(*heldDay) // nothing else is in the list
	if held.inputs != inputs {
		return nil
	}
	m.order.MoveToFront(e)
	return held.Day
}

// put holds a day.
func (m *clueMemory) put(base string, d calendar.Date, inputs string, day *clue.Day) {
	if m.days == nil {
		m.days = map[clueDayKey]*list.Element{}
	}
	held := &heldDay{key: clueDayKey{base, d}, inputs: inputs, bytes: bytesOf(day), Day: day}
	m.drop(m.days[held.key])
	m.days[held.key] = m.order.PushFront(held)
	m.held += held.bytes
	for m.held > m.most && m.order.Len() > 1 {
		m.drop(m.order.Back())
	}
}

func (m *clueMemory) drop(e *list.Element) {
	if e == nil {
		return
	}
	held, _ := m.order.Remove(e).(*heldDay) // nothing else is in the list
	delete(m.days, held.key)
	m.held -= held.bytes
}

// bytesOf is about how much memory a day takes.
func bytesOf(d *clue.Day) int64 {
	const person, lesson = 512, 1024 // with what hangs on them
	n := len(d.Lessons)*lesson + (len(d.Attendance)+len(d.Verdicts))*person + len(d.Taps)*int(unsafe.Sizeof(attendance.Tap{}))
	for i := range d.Machines {
		m := &d.Machines[i]
		n += int(unsafe.Sizeof(*m)) + len(m.Timeline)*int(unsafe.Sizeof(usage.Segment{})) + len(m.Power.MeanW)*9
	}
	for i := range d.Devices {
		n += int(unsafe.Sizeof(d.Devices[i])) + len(d.Devices[i].Prints)*int(unsafe.Sizeof(clue.Print{}))
	}
	return int64(n)
}
