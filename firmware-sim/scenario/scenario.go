// Package scenario reads scenario files: which bases there are, with which machines, devices, readers, people and classes,
// and which faults and frauds happen. It is for the simulator and for who writes tests of a device or of a whole base
// without any hardware. It refuses what cannot be: an unknown key, an impossible timetable, a person in two places, a
// negative rate; every mistake is reported with its file, line, value and what would be right.
//
// The package holds what a file says and nothing random: package plant makes days of it.
package scenario

import "time"

// Scenario is one file. It is read-only once it was read, and may be shared.
type Scenario struct {
	Name string
	// Seed decides everything that is random: the same file with the same seed gives the same bytes.
	Seed uint64
	// Zone is where all bases are; UTC+8 when the file names none.
	Zone *time.Location
	// FromMs is the local midnight of the first day, milliseconds since the Unix epoch; Days is how many there are, 1 to
	// 3660.
	FromMs int64
	Days   int
	// Holidays and Makeup are days off and make-up working days besides the week's, as midnights in order. The simulator
	// asks no calendar of the product.
	Holidays, Makeup []int64
	Bases            []Base
	Faults           []Fault
	Frauds           []Fraud
}

// Base is one training base.
type Base struct {
	Code, Name string
	// Bridge is the id of its bridge.
	Bridge string
	// Opening are its opening hours on working days and on days off.
	Opening   Opening
	Workshops []Workshop
	People    []Person
	Classes   []Class
}

// Opening are hours of a day.
type Opening struct{ Workday, Restday []Hours }

// Hours are from and to as time since local midnight; To may be up to 48 h where a class passes midnight.
type Hours struct{ From, To time.Duration }

// Workshop is a room with machines, stations and readers.
type Workshop struct {
	ID, Name string
	Stations []Station
	Machines []Machine
	Readers  []Reader
}

// Station is where trainees work.
type Station struct {
	ID string
	// Machines are ids of machines of the workshop; a bench has none.
	Machines []string
	// Capacity is how many trainees may work there at once, at least 1.
	Capacity int
}

// Kind is what a machine is; it decides its physical model.
type Kind string

// The kinds of machine.
const (
	Lathe          Kind = "lathe"           // manual lathe: runs of seconds to minutes, power follows the cut
	CNCMill        Kind = "cnc_mill"        // controller states, program runs of minutes, alarms
	CNCLathe       Kind = "cnc_lathe"       // as the mill, shorter programs
	Welder         Kind = "welder"          // arc bursts, near zero between
	RobotCell      Kind = "robot_cell"      // cycles of constant length with a controller
	InjectionPress Kind = "injection_press" // heaters that cycle, shots of equal length
	Compressor     Kind = "compressor"      // loaded and unloaded by pressure, without an operator
	Oven           Kind = "oven"            // long flat runs without an operator
	Printer3D      Kind = "printer_3d"      // hours of one job, small power
	PLCBench       Kind = "plc_bench"       // small constant power; use does not show in it
	ComputerRoom   Kind = "computer_room"   // many computers on one meter
	HandBench      Kind = "hand_bench"      // no electricity at all
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		Lathe, CNCMill, CNCLathe, Welder, RobotCell, InjectionPress, Compressor, Oven, Printer3D, PLCBench, ComputerRoom, HandBench,
	}
}

// Machine is one piece of equipment.
type Machine struct {
	ID, Name string
	Kind     Kind
	// Model overrides figures of the kind's physical model, by name such as "run_w"; package plant lists them.
	Model map[string]float64
	// Devices speak for it, at most one of each role at any instant.
	Devices []Device
	// Line is where the file says it.
	Line int
}

// Role is what a device tells of its machine.
type Role string

// The roles.
const (
	Meter      Role = "meter"      // power and energy
	Controller Role = "controller" // the controller's own state, and what else it knows
)

// Dialect is the voice of a device, as the product's dialects are called.
type Dialect string

// The dialects that the simulator speaks.
const (
	Native            Dialect = "native"
	MTConnect         Dialect = "mtconnect"          // entity sink
	MTConnectDocument Dialect = "mtconnect_document" // document sink
	Sparkplug         Dialect = "sparkplug"
	ShellyGen1        Dialect = "shelly_gen1"
	ShellyGen2        Dialect = "shelly_gen2"
	Tasmota           Dialect = "tasmota"
	ESPHome           Dialect = "esphome"
	Zigbee2MQTT       Dialect = "zigbee2mqtt"
	ESPRFID           Dialect = "esprfid" // readers only
)

// Device is a meter or controller on the base's MQTT broker.
type Device struct {
	// ID is what the device calls itself on MQTT; unique at its base.
	ID      string
	Dialect Dialect
	Role    Role
	// Every is how often it reports when nothing changes; 0 is the dialect's usual.
	Every time.Duration
	// Options are the dialect's own, such as phases: "3" or time: "epoch"; package voice lists them.
	Options map[string]string
	// FromMs and ToMs are when it is at this machine; 0 is without bound. A meter that is swapped in mid-day stands at two
	// machines with bounds that meet.
	FromMs, ToMs int64
	// Line is where the file says it.
	Line int
}

// Reader is a badge reader at a door or at a station.
type Reader struct {
	ID      string
	Dialect Dialect
	// Type is the hardware where the dialect knows several: rc522, pn532, wiegand, rdm6300.
	Type string
	// Station is where it is; "" is the workshop's door.
	Station string
	// Direction is "in", "out" or "" when it does not know.
	Direction string
	Options   map[string]string
	// Line is where the file says it.
	Line int
}

// Person is a trainee or a teacher.
type Person struct {
	ID string
	// Card is the card's number in hexadecimal; drawn by the seed when the file names none.
	Card    string
	Teacher bool
	Habits  Habits
}

// Habits are how a person keeps to the timetable, each a share of days from 0 to 1.
type Habits struct {
	Late, LeavesEarly, ForgetsTapOut, ForgetsTapIn, Absent float64
	// TapsTwice is how often a card is held to the reader again within seconds.
	TapsTwice float64
}

// Class is a course held for some trainees.
type Class struct {
	ID, Name string
	// Profile is the course's evidence profile: machine, burst, thermal, computer, bench or kitchen.
	Profile  string
	Teacher  string
	Trainees []string
	Workshop string
	Stations []string
	Slots    []Slot
	// Claimed is how many times the true hours the base claims; 1 is honest, 0 is 1.
	Claimed float64
}

// Slot is when a class is held, on each of its days.
type Slot struct {
	// Weekdays are the days of the week (time.Monday …) without the holidays; Workdays instead takes every working day,
	// make-up days included; DatesMs instead takes the midnights named, in order, whatever days they are.
	Weekdays []time.Weekday
	Workdays bool
	DatesMs  []int64
	Hours
	Breaks []Hours
	// Practice is true for practice, false for theory.
	Practice bool
}

// Fault is something that goes wrong with devices, readers or links.
type Fault struct {
	Kind FaultKind
	// Rate is how often: a share of messages (0 to 1) or a number per device and day, as the kind says.
	Rate float64
	// At is the code of the base where it happens; "" is all.
	At string
	// Devices are whom it hits: ids of devices and readers; none is all that it can hit.
	Devices []string
	// FromMs and ToMs bound it; 0 is the whole scenario.
	FromMs, ToMs int64
	// For is how long it lasts each time, By how much, where the kind has that.
	For time.Duration
	By  float64
	// With is the other machine of a swap, whose meter comes in exchange if it has one.
	With string
	// Line is where the file says it.
	Line int
}

// FaultKind names a fault.
type FaultKind string

// The faults. Those of messages have a share as rate, the others a number per device and day.
const (
	Duplicate    FaultKind = "duplicate"     // share: the message comes twice
	Drop         FaultKind = "drop"          // share: the message never comes
	Reorder      FaultKind = "reorder"       // share: it comes after its successor
	Delay        FaultKind = "delay"         // share: it comes later, by up to For
	OfflineBurst FaultKind = "offline_burst" // per day: nothing comes for For, then all of it at once
	Reboot       FaultKind = "reboot"        // per day: the device starts again; counters from 0, last will before
	Clock1970    FaultKind = "clock_1970"    // per day: after a start the device says 1970 for For
	LocalTime    FaultKind = "local_time"    // the device says local time without offset
	Drift        FaultKind = "drift"         // By: seconds per day that its clock gains
	ClockJump    FaultKind = "clock_jump"    // per day: its clock jumps by By seconds for For
	Stuck        FaultKind = "stuck"         // per day: the sensor repeats its last value for For
	Spike        FaultKind = "spike"         // share: a value is By times too high
	Swap         FaultKind = "swap"          // once at FromMs: the meter stands at With from now on, and says nothing of it
	ReaderOff    FaultKind = "reader_off"    // per day: the reader hears and says nothing for For
	Ghosts       FaultKind = "ghosts"        // per day: the broker replays retained values
	Cached       FaultKind = "cached"        // share: a message repeats old fields (Zigbee2MQTT)
	GhostCard    FaultKind = "ghost_card"    // per day: the reader reports a card that nobody holds (RDM6300)
	PowerCut     FaultKind = "power_cut"     // per day: the whole base is dark for For, devices die without a word
	WANCut       FaultKind = "wan_cut"       // per day: the bridge cannot reach the city for For
)

// FaultKinds lists every fault.
func FaultKinds() []FaultKind {
	return []FaultKind{
		Duplicate, Drop, Reorder, Delay, OfflineBurst, Reboot, Clock1970, LocalTime, Drift, ClockJump, Stuck, Spike, Swap,
		ReaderOff, Ghosts, Cached, GhostCard, PowerCut, WANCut,
	}
}

// Fraud is something that people do on purpose.
type Fraud struct {
	Kind FraudKind
	// At is the code of the base where Class, Person, Machine and Device are.
	At string
	// Class, Person, Machine and Device are whom it is about, as the kind wants:
	//
	//	many_cards       Class, and Person who taps the cards
	//	tap_and_leave    Class, and Person who leaves; "" is all trainees
	//	idle_running     Machine
	//	copied_curve     Machine
	//	emulated_device  Device, which is no reader
	//	two_bases        Person
	//	ghost_class, short_class, over_claimed  Class
	Class, Person, Machine, Device string
	// Cards is how many cards one person taps, the own among them (many_cards); Base is the code of the other base of a
	// card that is at two (two_bases).
	Cards int
	Base  string
	// DatesMs are the midnights of the days on which it happens, in order; none is every day, for a class every day on which
	// it is held. What copies an earlier day does not happen on the first.
	DatesMs []int64
	// Share is how much: of a class that is shortened the part that is held, more than 0 and less than 1; of a claim the
	// factor, more than 1.
	Share float64
	// Line is where the file says it.
	Line int
}

// FraudKind names a fraud; the letters in comments are those of semantics.md §4.
type FraudKind string

// The frauds that telemetry can see.
const (
	ManyCards      FraudKind = "many_cards"      // F2: one person taps the cards of others who are not there
	TapAndLeave    FraudKind = "tap_and_leave"   // F3
	IdleRunning    FraudKind = "idle_running"    // F4: the machine runs without people
	CopiedCurve    FraudKind = "copied_curve"    // F4: the power of an earlier day again
	EmulatedDevice FraudKind = "emulated_device" // F5: a terminal that replays an earlier day's messages
	TwoBases       FraudKind = "two_bases"       // F6: one card at two bases at once
	GhostClass     FraudKind = "ghost_class"     // F1: claimed and tapped, nobody there
	ShortClass     FraudKind = "short_class"     // F7: held for a part of its time
	OverClaimed    FraudKind = "over_claimed"    // F7: more is claimed than happened
)

// FraudKinds lists every fraud.
func FraudKinds() []FraudKind {
	return []FraudKind{
		ManyCards, TapAndLeave, IdleRunning, CopiedCurve, EmulatedDevice, TwoBases, GhostClass, ShortClass, OverClaimed,
	}
}
