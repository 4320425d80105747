package scenario

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// Session is one class on one day as the timetable has it.
type Session struct {
	// ID is the class's id with the local day and time of the beginning, such as turning-20260302-0830. It does not depend
	// on the rest of the scenario, so that it stays when days or classes are added.
	ID string
	span.Span
	Class *Class
	Slot  *Slot
	// Breaks lie within the span.
	Breaks span.Set
}

// Midnight returns the local midnight at which day i begins; 0 is the first day. Midnight(s.Days) is the scenario's end.
func (s *Scenario) Midnight(i int) int64 {
	y, m, d := time.UnixMilli(s.FromMs).In(s.Zone).Date()
	return time.Date(y, m, d+i, 0, 0, 0, 0, s.Zone).UnixMilli()
}

// Midnights yields the local midnights at which the scenario's days begin, in order.
func (s *Scenario) Midnights() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range s.Days {
			if !yield(s.Midnight(i)) {
				return
			}
		}
	}
}

// Span is the whole scenario, from the first midnight to the last.
func (s *Scenario) Span() span.Span {
	return span.Span{StartMs: s.FromMs, EndMs: s.Midnight(s.Days)}
}

// DayOf returns the local midnight at which the day of an instant begins, also outside the scenario.
func (s *Scenario) DayOf(ms int64) int64 {
	y, m, d := time.UnixMilli(ms).In(s.Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, s.Zone).UnixMilli()
}

// Workday reports whether the day that begins at a midnight is a working day: Monday to Friday without the holidays, and
// the make-up days.
func (s *Scenario) Workday(midnightMs int64) bool {
	if s.Holiday(midnightMs) {
		return false
	}
	if contains(s.Makeup, midnightMs) {
		return true
	}
	day := s.weekday(midnightMs)
	return day != time.Saturday && day != time.Sunday
}

// Holiday reports whether the day that begins at a midnight is one of the holidays. An ordinary weekend is none.
func (s *Scenario) Holiday(midnightMs int64) bool { return contains(s.Holidays, midnightMs) }

func (s *Scenario) weekday(midnightMs int64) time.Weekday {
	return time.UnixMilli(midnightMs).In(s.Zone).Weekday()
}

func contains(sorted []int64, ms int64) bool {
	_, ok := slices.BinarySearch(sorted, ms)
	return ok
}

// Held reports whether a slot takes place on the day that begins at a midnight. Days of the week leave the holidays out;
// dates are held whatever day it is.
func (s *Scenario) Held(slot *Slot, midnightMs int64) bool {
	switch {
	case slot.Workdays:
		return s.Workday(midnightMs)
	case slot.DatesMs != nil:
		return contains(slot.DatesMs, midnightMs)
	}
	return slices.Contains(slot.Weekdays, s.weekday(midnightMs)) && !s.Holiday(midnightMs)
}

// Sessions returns the sessions of a class that begin on the day that begins at a midnight, by start. One that passes
// midnight ends on the next day, and belongs to this one.
func (s *Scenario) Sessions(class *Class, midnightMs int64) []Session {
	var out []Session
	for i := range class.Slots {
		slot := &class.Slots[i]
		if !s.Held(slot, midnightMs) {
			continue
		}
		session := Session{Span: slot.On(midnightMs), Class: class, Slot: slot}
		session.ID = class.ID + time.UnixMilli(session.StartMs).In(s.Zone).Format("-20060102-1504")
		for _, b := range slot.Breaks {
			session.Breaks = append(session.Breaks, b.On(midnightMs))
		}
		out = append(out, session)
	}
	slices.SortStableFunc(out, func(a, b Session) int { return cmp.Compare(a.StartMs, b.StartMs) })
	return out
}

// Timetable returns every session of a base that begins on one of the scenario's days: by day, then by the order of its
// classes, then by start. The last of them may end after the scenario.
func (s *Scenario) Timetable(b *Base) []Session {
	var out []Session
	for midnight := range s.Midnights() {
		for i := range b.Classes {
			out = append(out, s.Sessions(&b.Classes[i], midnight)...)
		}
	}
	return out
}

// On returns the hours as instants, on the day that begins at a midnight.
func (h Hours) On(midnightMs int64) span.Span {
	return span.Span{StartMs: midnightMs + h.From.Milliseconds(), EndMs: midnightMs + h.To.Milliseconds()}
}

// Open returns when a base is open on the day that begins at a midnight; hours past midnight end on the next day.
func (s *Scenario) Open(b *Base, midnightMs int64) span.Set {
	hours := b.Opening.Restday
	if s.Workday(midnightMs) {
		hours = b.Opening.Workday
	}
	spans := make([]span.Span, len(hours))
	for i, h := range hours {
		spans[i] = h.On(midnightMs)
	}
	return span.NewSet(spans...)
}
