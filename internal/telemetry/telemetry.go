// Package telemetry is the vocabulary of the service: what a device said, when it said it, and how far its clock can
// be trusted. Every other package speaks in these types. The package refuses behaviour: it decodes, stores and derives
// nothing, and it imports nothing of the project.
//
// Instants are integer milliseconds since the Unix epoch, UTC (the suffix Ms); days and time zones belong to the
// derivations. All types are plain values; a Message and everything it holds is read-only once it has been handed on.
package telemetry

// Message is what one device message became. It is the unit of the base's log: one message, one sequence number,
// whether it yielded no record (a message that says nothing about use), one, or many.
type Message struct {
	// Seq is the message's number in the base's log, from 1, gap-free within the log's epoch; 0 before it is logged.
	Seq uint64
	// ReceivedMs is the bridge's clock when the message arrived.
	ReceivedMs int64
	// Dialect names the decoder that read the message, such as "native" or "tasmota".
	Dialect string
	// Records are what the message said, in its own order.
	Records []Record
}

// Kind says which of the four things a Record is.
type Kind uint8

// The kinds of record. The numbers are part of the wire format and never change.
const (
	// KindSample is a measured or reported value of one channel of a device.
	KindSample Kind = 1
	// KindTap is one card held to one reader.
	KindTap Kind = 2
	// KindLink says that a device's connection came or went.
	KindLink Kind = 3
	// KindRaw is a message that could not be decoded, kept whole with the reason.
	KindRaw Kind = 4
)

// String returns the kind's lower-case English name.
func (k Kind) String() string {
	switch k {
	case KindSample:
		return "sample"
	case KindTap:
		return "tap"
	case KindLink:
		return "link"
	case KindRaw:
		return "raw"
	}
	return "unknown"
}

// Clock says where a record's event time comes from.
type Clock uint8

// The clock qualities. The numbers are part of the wire format and never change.
const (
	// ClockDevice: the device's own time, plausible.
	ClockDevice Clock = 1
	// ClockCorrected: the device's own time, corrected because its dialect is known to send local time.
	ClockCorrected Clock = 2
	// ClockReceived: the device said no time; the bridge's receive time stands in.
	ClockReceived Clock = 3
	// ClockSuspect: the device said an implausible time; the bridge's receive time stands in.
	ClockSuspect Clock = 4
)

// String returns the quality's lower-case English name.
func (c Clock) String() string {
	switch c {
	case ClockDevice:
		return "device"
	case ClockCorrected:
		return "corrected"
	case ClockReceived:
		return "received"
	case ClockSuspect:
		return "suspect"
	}
	return "unknown"
}

// LinkEvent says what happened to a device's connection.
type LinkEvent uint8

// The link events. The numbers are part of the wire format and never change.
const (
	// LinkOnline: the device says that it is there.
	LinkOnline LinkEvent = 1
	// LinkOffline: the device says that it is going, or an agent says that it is unavailable.
	LinkOffline LinkEvent = 2
	// LinkWill: the broker says that the device is gone (MQTT last will).
	LinkWill LinkEvent = 3
)

// String returns the event's lower-case English name.
func (e LinkEvent) String() string {
	switch e {
	case LinkOnline:
		return "online"
	case LinkOffline:
		return "offline"
	case LinkWill:
		return "will"
	}
	return "unknown"
}

// Down reports whether the event ends the device's connection.
func (e LinkEvent) Down() bool { return e == LinkOffline || e == LinkWill }

// Direction is the way a card went through a reader.
type Direction uint8

// The directions. The numbers are part of the wire format and never change.
const (
	// DirectionNone: the reader does not say; most readers do not.
	DirectionNone Direction = 0
	// DirectionIn: the holder came in.
	DirectionIn Direction = 1
	// DirectionOut: the holder went out.
	DirectionOut Direction = 2
)

// String returns "in", "out" or "none".
func (d Direction) String() string {
	switch d {
	case DirectionIn:
		return "in"
	case DirectionOut:
		return "out"
	}
	return "none"
}

// Record is one fact. Kind says which fields speak; the others are zero.
//
// A record's identity, by which a repeat is recognised, is (Device, Channel, EventMs) for a sample or link, and the
// same with a digest of the content for a tap: two taps at one instant stay two, two samples at one millisecond are
// one and the later in the log wins.
type Record struct {
	Kind  Kind
	Clock Clock
	// Retained is true when the broker or the device replayed an earlier value: it may fill an empty past, and it
	// never counts as a new sign of life.
	Retained bool
	// Device is the device's own identity on its base, 1 to MaxName bytes.
	Device string
	// Channel is the part of the device that speaks, such as "switch:0" or an MTConnect data item id; 0 to MaxName bytes.
	Channel string
	// EventMs is when it happened, as the rule of clocks decided.
	EventMs int64
	// DeviceMs is what the device itself said, before any rule; 0 when it said none.
	DeviceMs int64
	// ValidMs is for how long after EventMs a healthy device of this dialect may stay silent while the record still
	// describes it; 0 when it holds until the device says otherwise (report by exception).
	ValidMs int64

	// Values are a sample's numbers, finite, each quantity at most once.
	Values []Value
	// State is the word the device gave for the channel, such as "ACTIVE", at most MaxState bytes; "" when it gave none.
	State string

	// Card is a tap's card token: never a card number.
	Card string
	// Direction is a tap's direction.
	Direction Direction

	// Link is a link record's event.
	Link LinkEvent

	// Reason says why a raw record could not be decoded.
	Reason Reason
	// Detail says what was wrong, where, and what would be right, in English; at most MaxDetail bytes.
	Detail string
	// Topic and Payload are the raw message, Payload cut to MaxRawPayload bytes.
	Topic   string
	Payload []byte
}

// Value is one number with its quantity; the quantity's name ends in its unit.
type Value struct {
	Quantity string
	Number   float64
}

// Value returns the record's number for a quantity, and whether it has one.
func (r *Record) Value(quantity string) (float64, bool) {
	for i := range r.Values {
		if r.Values[i].Quantity == quantity {
			return r.Values[i].Number, true
		}
	}
	return 0, false
}

// Limits of a record's texts, in bytes.
const (
	MaxName       = 128
	MaxState      = 256
	MaxDetail     = 512
	MaxRawPayload = 4096
	// MaxRecords is how many records one message may yield.
	MaxRecords = 4096
)

// The words of a source that knows no value.
const (
	StateUnavailable = "UNAVAILABLE" // as MTConnect says it
	StateStale       = "STALE"       // as Sparkplug's quality says it: the last value is no longer vouched for
)

// The quantities that dialects map their fields to. The name is the InfluxDB field and carries the unit.
const (
	PowerW       = "power_w"
	ApparentVA   = "apparent_va"
	ReactiveVar  = "reactive_var"
	CurrentA     = "current_a"
	VoltageV     = "voltage_v"
	EnergyWh     = "energy_wh"
	FrequencyHz  = "frequency_hz"
	PowerFactor  = "power_factor"
	SpeedRPM     = "speed_rpm"
	LoadPercent  = "load_percent"
	FeedMMS      = "feed_mm_s"
	OverridePct  = "override_percent"
	PositionMM   = "position_mm"
	AngleDeg     = "angle_deg"
	TemperatureC = "temperature_c"
	Count        = "count"
	DurationS    = "duration_s"
	Number       = "value"
	RelayOn      = "relay_on"
	SignalDBm    = "signal_dbm"
)
