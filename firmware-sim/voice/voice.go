// Package voice says what a machine, a meter or a reader would say on MQTT: the exact topics and payloads of real devices,
// made from what truly happened (package plant). Each dialect has its own file. It is for the simulator, which hands the
// messages on, breaks them on purpose, and knows from what a message is meant to tell how much of the truth could be
// seen. The package refuses every decoder of the product: the two must agree without sharing a line.
package voice

import (
	"math/rand/v2"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Message is one MQTT message and what it is meant to tell.
type Message struct {
	// AtMs is when the device publishes it, by the true clock, milliseconds since the Unix epoch.
	AtMs    int64
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
	// Exact is true when the payload says no time, or one coarser than AtMs: the receive time is then the evidence.
	Exact bool
	// Current is true when the message is one of a device's current values, which its agent repeats when a client connects.
	Current bool

	// Device is the device's or reader's id in the scenario.
	Device string
	// Tells is what a consumer can learn from it, and when that was true: EventMs by the true clock, and for ValidMs after
	// it while nothing else comes (0: until the device says otherwise).
	Tells   Tells
	EventMs int64
	ValidMs int64
	// SaidMs is the instant that the payload gives for EventMs, by the device's clock, as a consumer reads it; 0 when the
	// payload gives none that a consumer would take.
	SaidMs int64
	// Place is a Sparkplug message's in its node's session, nil for all others.
	Place *Place
}

// Place is a Sparkplug message's place: the number of its session and its own in it, and when its node says that it sent it.
type Place struct {
	Session, Seq uint8
	SaidMs       int64
}

// Host is who listens to a Sparkplug node, and may ask it to say all again (Node Control/Rebirth).
type Host interface {
	// Said takes in what the node has just sent.
	Said(m *Message)
	// Turn lets time pass up to an instant, which never falls. It reports whether a request has reached the node by then, and
	// the next instant at which Turn has anything to do, past math.MaxInt64/2 for never.
	Turn(nowMs int64) (asked bool, nextMs int64)
}

// Tells is a set of what a message tells.
type Tells uint8

// What a message may tell.
const (
	// State: what its machine does, by power or by the controller's words.
	State Tells = 1 << iota
	// Energy: the meter's register.
	Energy
	// Death: nothing is known of the device's machine from here on.
	Death
	// Birth: the device is there.
	Birth
	// Tapped: a card was held to a reader.
	Tapped
	// Wrong: what it says of the state or the power is not so (a stuck sensor, a spike): until its next message a consumer
	// believes something else than what is true.
	Wrong
	// Implied: it does not name the state or power, and stands for it only to who heard what was said before.
	Implied
	// Aliased: it names its metrics by aliases, and tells nothing to who did not hear the birth that announced them.
	Aliased
)

// Has reports whether the set holds all of t.
func (t Tells) Has(all Tells) bool { return t&all == all }

// Conditions are what is wrong with a device on a day. The zero value is a healthy device.
type Conditions struct {
	// Shifts are how far the device's own clock is off, in order; the last one before an instant holds.
	Shifts []Shift
	// LocalTime makes a device say local time without offset that would say UTC.
	LocalTime bool
	// Unset is when the device has no time yet and says 1970.
	Unset span.Set
	// Dead is when the device is without power or link: it says nothing, its broker publishes its will some time after the
	// start, and at the end it connects again as from the start.
	Dead span.Set
	// Reboots are instants at which it starts again, counters from zero where it keeps none.
	Reboots []int64
	// Stuck is when the sensor repeats what it said before.
	Stuck span.Set
	// Spike makes a share of the values, 0 to 1, SpikeBy times as high.
	Spike, SpikeBy float64
	// Cached is the share of messages, 0 to 1, that repeat old fields beside something else (Zigbee2MQTT).
	Cached float64
}

// Shift is an error of a device's clock from an instant on: OffsetMs, and Rate milliseconds more for each millisecond.
type Shift struct {
	FromMs, OffsetMs int64
	Rate             float64
}

// Input is a device's day.
type Input struct {
	span.Span
	// First is true on the scenario's first day, when devices announce themselves.
	First bool
	// Machine is what the device's machine did; nil for a reader.
	Machine *plant.MachineDay
	// At is when the device stands at this machine; the whole day unless it is swapped.
	At span.Set
	// Taps are what happened at the reader.
	Taps []plant.Tap
	// Host listens to a Sparkplug node; nil is nobody.
	Host Host
	Conditions
	// Rand is the device's own source of chance for the day.
	Rand *rand.Rand
}

// Voice is one device through the days. It keeps counters, sequence numbers and last values from day to day, so that its
// days are asked for in order. One goroutine uses it.
type Voice interface {
	// Day returns the day's messages in order of AtMs, all of them within the day.
	Day(in Input) []Message
}

// Identity is what the registry has to know of a device to bind it: what the product's decoder will call it.
type Identity struct {
	// Dialect is the name of the product's dialect, Device and Channel are what its records are called. For a controller
	// Channel is the one that tells the state, for a meter the one that tells the power; "" where the dialect has none.
	Dialect, Device, Channel string
}

// Spec is who speaks: a device or a reader of a base. One of Device and Reader is set.
type Spec struct {
	Base    *scenario.Base
	Machine *scenario.Machine
	Device  *scenario.Device
	Reader  *scenario.Reader
	// ZoneOffsetMs is the local time's offset from UTC, for devices that say local time.
	ZoneOffsetMs int64
}
