// Package plant makes what truly happens of a scenario: on each day which person was where, which class was held, what
// each machine did and which power it drew. It is the simulator's truth, from which package voice makes what devices say
// and package sim the ledger that the product is compared with. It refuses to know dialects, messages and every package
// that derives figures: it is the oracle.
//
// A day is a function of the scenario, its seed and the day: days may be made in any order and concurrently. What goes on
// from day to day (counters, session numbers) belongs to the voices. What passes midnight (a class, a machine that was
// forgotten, a print) belongs to the day on which it began; each of the two days shows its part of it, and the parts meet.
package plant

import (
	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// State is what a machine really does.
type State uint8

// The states.
const (
	Off     State = iota // without power, or switched off
	Idle                 // switched on and not working
	Running              // working
	Fault                // it cannot work: the controller has an alarm
)

// String returns the state's lower-case English name.
func (s State) String() string { return [...]string{"off", "idle", "running", "fault"}[s] }

// Day is one local day at one base. All lists are in the order of the scenario, all times are milliseconds since the Unix
// epoch, all spans half-open and in order.
type Day struct {
	span.Span
	Base *scenario.Base
	// Workday is true on a working day, make-up days included.
	Workday  bool
	Machines []MachineDay
	Sessions []Session
	People   []PersonDay
	// Taps are what happened at the readers, by instant.
	Taps []Tap
	// Dark are the power cuts of the whole base.
	Dark span.Set
	// Frauds are what people did on purpose.
	Frauds []FraudSpan
}

// MachineDay is what a machine did.
type MachineDay struct {
	Machine *scenario.Machine
	// Phases cover the day without a gap; neighbours differ.
	Phases []Phase
	// Power is the true active power: each step holds until the next; the first is at the day's start.
	Power []Step
	// Words are what the controller says when it changes; the first is at the day's start.
	Words []Words
	// Attended is when somebody who belongs there was at the machine.
	Attended span.Set
}

// Phase is a span in which a machine did one thing.
type Phase struct {
	span.Span
	State State
}

// Step is the power from an instant on.
type Step struct {
	AtMs   int64
	PowerW float64
}

// Words are what a controller knows from an instant on.
type Words struct {
	AtMs int64
	// Available is false while the controller is switched off.
	Available bool
	// Execution is an MTConnect execution value, such as ACTIVE or READY; Mode a controller mode.
	Execution, Mode string
	Program         string
	// Alarm is the active alarm's code, "" when there is none.
	Alarm    string
	SpeedRPM float64
	// Parts counts finished parts of the day.
	Parts int
}

// Session is one class on one day as it really was.
type Session struct {
	// ID is the timetable's; see scenario.Session.
	ID    string
	Class *scenario.Class
	Slot  *scenario.Slot
	// Planned is the slot's span, Breaks those within it.
	Planned span.Span
	Breaks  span.Set
	// Held is when it was really held; empty for a ghost class.
	Held span.Span
	// ClaimedMs is how long the base says that it was held, breaks not counted. A class that passes midnight is claimed as
	// a whole on the day on which it begins, and with 0 on the next.
	ClaimedMs int64

	// Planned, Breaks and Held are cut to the day. Class, Slot and BeginsMs, the midnight of the day on which the session
	// begins, together say which session it is; Whole is its planned span uncut. A session is in every day that Whole or
	// somebody's presence touches, in that order: those of the day before first.
	BeginsMs int64
	Whole    span.Span
}

// PersonDay is where a person really was.
type PersonDay struct {
	Person *scenario.Person
	// Present is when the person was in the class's workshop, by session (an index into Day.Sessions).
	Present []Presence
}

// Presence is one stay.
type Presence struct {
	span.Span
	Session int
	// Station is where the person worked during practice; "" when none was free or the class has none.
	Station string
	// Practice is when the person really worked at the station: the breaks are out.
	Practice span.Set
}

// Tap is one card held to one reader.
type Tap struct {
	AtMs   int64
	Reader *scenario.Reader
	// Card is the number in hexadecimal; Holder is who held it, Owner whose it is ("" for a ghost card, which nobody holds).
	Card          string
	Holder, Owner string
	// Direction is what the holder did: "in" or "out".
	Direction string
}

// FraudSpan says that a fraud was under way.
type FraudSpan struct {
	span.Span
	Fraud *scenario.Fraud
	// Persons are whose hours it would inflate.
	Persons []string
}
