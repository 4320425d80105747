// Package dialect is the contract between the bridge and the decoders of device dialects, the router that finds a
// message's dialect by its topic, and the rule of clocks that all dialects share. It refuses network and disk: a
// decoder is a function of messages and its own memory of them.
package dialect

import (
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Message is one MQTT message as the base broker received it.
type Message struct {
	Topic      string
	Payload    []byte // read-only, and not kept after Decode returns
	Retained   bool   // true when the broker replayed it from its memory
	ReceivedMs int64  // the bridge's clock
}

// Request is a message that a decoder wants published to a device, such as a status request.
type Request struct {
	Topic   string
	Payload []byte
	QoS     byte // 0 to 2
	Retain  bool
}

// Result is what a message meant.
type Result struct {
	// Records may be empty: the message was understood and says nothing about use.
	Records []telemetry.Record
	// Requests are to be published to the devices, at most once each.
	Requests []Request
	// Private says that the payload holds a card's number or may hold one, so that only a scrubbed copy of it may be kept
	// (see package card). It speaks also when Decode returns an error.
	Private bool
}

// Dialect decodes the messages of one family of devices. It may remember what each device said before (births, overlays,
// sequence numbers), bounded per device and in the number of devices.
//
// A Dialect is used by one goroutine at a time.
type Dialect interface {
	// Name is the dialect's constant lower-case name, such as "mtconnect".
	Name() string
	// Claims reports whether the topic belongs to the dialect. It looks at the topic only and is cheap.
	Claims(topic string) bool
	// Decode says what the message meant. Every record's event time follows Clock.Date. A message or record that cannot
	// be decoded is a *Error, never a panic and never a guess; the caller keeps the message as a raw record.
	// A message with some good and some bad parts returns the good records and a *Error for the rest.
	Decode(m Message) (Result, error)
	// Poll returns the requests that are due at the instant nowMs, for devices whose healthy silence has no bound
	// unless they are asked. Dialects that never ask return nil.
	Poll(nowMs int64) []Request
}

// Announcer is a dialect whose bridge is itself seen on the broker, as a Sparkplug host application is by its STATE. Both
// methods are called from the goroutine that calls Decode.
type Announcer interface {
	Dialect
	// Announce returns what to publish when the bridge begins to listen at the instant nowMs, and again after each time
	// that its connection to the broker was lost.
	Announce(nowMs int64) []Request
	// Farewell returns what to publish when the bridge stops listening, and what the broker is to publish in its place
	// when the bridge dies (the MQTT will of the next connection).
	Farewell(nowMs int64) []Request
}

// Error says why a message could not be decoded.
type Error struct {
	Reason telemetry.Reason
	// Detail says what was wrong, where in the message, and what would be right.
	Detail string
}

// Error implements error.
func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }
