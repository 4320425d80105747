package clue

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// Input is one day of one base, with the days before it that tell what is normal there.
type Input struct {
	Base string
	// Roster is the base's; nil is a base at which nobody is known.
	Roster *registry.Roster
	// Seats is how many people a workshop holds (教室容量); without an entry it is not known.
	Seats map[string]int
	// Norms are watt-hours of the stations' machines for one trainee-hour, by class id, or by profile for classes without
	// one. Without an entry the base's own earlier lessons are the norm.
	Norms map[string]float64
	Today *Day
	// Past are days before Today, in order; four weeks are enough, and fewer find less.
	Past []*Day
}

// Day is what settle has of one day. What lies beyond its midnights belongs to lessons that do.
type Day struct {
	Date       calendar.Date
	Lessons    []attendance.Lesson
	Attendance []attendance.Attendance
	Verdicts   []hours.Verdict
	// Taps are in order of AtMs; Attendance's indexes point into them.
	Taps []attendance.Tap
	// Readers are the day's readers and where they stand.
	Readers []Reader
	// Deaf is when a room's readers were not heard of, by workshop.
	Deaf map[string]span.Set
	// Opening are the opening hours, by workshop; without an entry they are not known.
	Opening  map[string]span.Set
	Machines []Machine
	Devices  []Device
	Mains    []Main
	// Excused is what an accepted work order explains (停电、检修、换表、改线、教室变更): nothing of it is a clue.
	Excused []Excuse
}

// Reader is a badge reader.
type Reader struct {
	ID string
	attendance.Place
}

// Excuse is an explanation that a named person accepted.
type Excuse struct {
	Span span.Span
	// Workshop, Machine and Device say where; all empty is the whole base.
	Workshop, Machine, Device string
}

// Machine is one machine's day.
type Machine struct {
	ID string
	attendance.Place
	Profile registry.Profile
	// LongCycle says that it may run for long by itself (长周期加工), whatever a class says.
	LongCycle bool
	// Timeline covers the day as far as the machine was in service.
	Timeline []usage.Segment
	// OffW is the power below which it is off, watts; 0 when not known.
	OffW float64
	// Power is the power that a meter measured; without steps there is no meter.
	Power Curve
	// Device is what decides the states at the end of the day; Rebound says that a binding of the machine began or ended
	// on the day.
	Device  string
	Rebound bool
}

// Curve is power in equal steps: the mean over each step, time-weighted. Steps of ten seconds tell a steady load from a
// cycle; steps of a minute are too coarse for that but do for the rest.
type Curve struct {
	StartMs, StepMs int64
	MeanW           []float64
	// Known says which steps have evidence; the others are zero in MeanW. It is as long as MeanW.
	Known []bool
}

// Device is what one meter or controller said on the day, apart from its values.
type Device struct {
	ID, Dialect string
	// Prints are of the device's power values, in order of event time (see Printer).
	Prints []Print
	// Clock compares its clock with the bridge's.
	Clock Clock
	// Backward are the instants at which its energy counter showed less than before.
	Backward []Backward
	// Down is when the device was said to be offline: from a will or a goodbye to the next sign of its return. HeardDown is
	// in how many minutes of that the bridge received (ReceivedMs, not retained) records of it all the same.
	Down      span.Set
	HeardDown int
	// Rebound says that a binding of the device began or ended on the day, as when a meter is replaced.
	Rebound bool
	// Evidence is a record to begin with, if there is one.
	Evidence []Ref
}

// Clock sums up a device's clock over a day.
type Clock struct {
	// Trusted counts records whose device time was taken as event time; Off those of them whose device time differs from
	// the bridge's by more than Params.F5.ClockOff. Records that were marked suspect or corrected count for neither: a known
	// fault of a clock is no clue.
	Trusted, Off int
	// WorstMs is the median difference of those that are off, device minus bridge.
	WorstMs int64
}

// Backward is an energy counter that went back.
type Backward struct {
	AtMs         int64
	FromWh, ToWh float64
	Epoch, Seq   uint64
}

// Main is a main meter with the meters behind it.
type Main struct {
	Device string
	Subs   []string
	// Energy of the main meter, and the sum over Subs; both only as far as their coverage says.
	MainWh, SubsWh float64
	// Coverage is the least of theirs, 0 to 1.
	Coverage float64
}

// inState returns when the machine was in one of the states.
func (m *Machine) inState(states ...usage.State) span.Set {
	return m.when(func(s *usage.Segment) bool { return slices.Contains(states, s.State) })
}

// when returns the time of some segments: they are in order, so that those which touch are all there is to join.
func (m *Machine) when(holds func(*usage.Segment) bool) span.Set {
	var out span.Set
	for i := range m.Timeline {
		s := &m.Timeline[i]
		switch n := len(out); {
		case s.Empty() || !holds(s):
		case n > 0 && out[n-1].EndMs == s.StartMs:
			out[n-1].EndMs = s.EndMs
		default:
			out = append(out, s.Span)
		}
	}
	return out
}

// known returns when anything is known of the machine's state.
func (m *Machine) known() span.Set {
	return m.inState(usage.Running, usage.Idle, usage.Off, usage.Fault)
}

// said returns when the machine's source itself said that it knows nothing, as an agent does of a controller that was
// switched off. That is less than knowing that it is off, and more than silence.
func (m *Machine) said() span.Set {
	return m.when(func(s *usage.Segment) bool { return s.State == usage.Unknown && s.Word != "" })
}

// Span is the curve's time.
func (c *Curve) Span() span.Span {
	return span.Span{StartMs: c.StartMs, EndMs: c.StartMs + int64(len(c.MeanW))*c.StepMs}
}

// wattHours is the energy in a window, and the part of the window that is known, 0 to 1.
func (c *Curve) wattHours(set span.Set) (wh, coverage float64) {
	var knownMs int64
	for _, s := range set {
		lo, hi := c.steps(s)
		for i := lo; i < hi; i++ {
			if !c.Known[i] {
				continue
			}
			at := c.StartMs + int64(i)*c.StepMs
			ms := span.Span{StartMs: at, EndMs: at + c.StepMs}.Intersect(s).Ms()
			knownMs += ms
			wh += c.MeanW[i] * float64(ms) / msPerHour
		}
	}
	if total := set.Ms(); total > 0 {
		coverage = float64(knownMs) / float64(total)
	}
	return wh, coverage
}

// steps returns the steps that touch a span, from lo to before hi.
func (c *Curve) steps(s span.Span) (lo, hi int) {
	s = s.Intersect(c.Span())
	if s.Empty() || c.StepMs <= 0 {
		return 0, 0
	}
	return int((s.StartMs - c.StartMs) / c.StepMs), int((s.EndMs - c.StartMs + c.StepMs - 1) / c.StepMs)
}

const (
	msPerHour = 3600_000
	minuteMs  = 60_000
)

// widen makes every span of a set longer at both ends.
func widen(set span.Set, ms int64) span.Set {
	out := make([]span.Span, len(set))
	for i, s := range set {
		out[i] = span.Span{StartMs: s.StartMs - ms, EndMs: s.EndMs + ms}
	}
	return span.NewSet(out...)
}

// joined closes the gaps of a set that are shorter than a length.
func joined(set span.Set, ms int64) span.Set {
	var out span.Set
	for _, s := range set {
		if n := len(out); n > 0 && s.StartMs-out[n-1].EndMs < ms {
			out[n-1].EndMs = s.EndMs
			continue
		}
		out = append(out, s)
	}
	return out
}

// longest returns the longest span of a set.
func longest(set span.Set) span.Span {
	var out span.Span
	for _, s := range set {
		if s.Ms() > out.Ms() {
			out = s
		}
	}
	return out
}

// hull is the span from a set's beginning to its end.
func hull(set span.Set) span.Span {
	if len(set) == 0 {
		return span.Span{}
	}
	return span.Span{StartMs: set[0].StartMs, EndMs: set[len(set)-1].EndMs}
}
