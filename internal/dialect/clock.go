package dialect

import "github.com/jishi-telemetry/jishi/internal/telemetry"

// AheadMs is how far a device's clock may run ahead of the bridge's and still be believed: two minutes.
const AheadMs = 2 * 60 * 1000

// EarliestMs is 2000-01-01T00:00:00Z: a device that says an earlier time has no clock yet.
const EarliestMs = 946_684_800_000

// Clock is the rule by which a record gets its event time.
type Clock struct {
	// BehindMs is how old a device's time may be when the message arrives: the dialect's own buffering. 0 means any age,
	// for dialects that report a value's last change.
	BehindMs int64
}

// Date sets the record's EventMs, DeviceMs and Clock from the time the device said (0 when it said none) and the
// bridge's receive time. corrected marks a device time that was shifted from local time.
//
// The device's time is taken when it is not before 2000, not more than AheadMs ahead of the bridge, and not further
// behind than BehindMs; else the receive time stands in and the record's clock is suspect.
func (c Clock) Date(r *telemetry.Record, deviceMs, receivedMs int64, corrected bool) {
	r.DeviceMs = deviceMs
	switch {
	case deviceMs == 0:
		r.EventMs, r.Clock = receivedMs, telemetry.ClockReceived
	case !c.plausible(deviceMs, receivedMs):
		r.EventMs, r.Clock = receivedMs, telemetry.ClockSuspect
	case corrected:
		r.EventMs, r.Clock = deviceMs, telemetry.ClockCorrected
	default:
		r.EventMs, r.Clock = deviceMs, telemetry.ClockDevice
	}
}

func (c Clock) plausible(deviceMs, receivedMs int64) bool {
	if deviceMs < EarliestMs || deviceMs > receivedMs+AheadMs {
		return false
	}
	return c.BehindMs == 0 || deviceMs >= receivedMs-c.BehindMs
}

// Dateless reports whether the record replays an earlier value without a believable time of its own: when it happened is
// not known, and the receive time would make it look fresh, so that a decoder leaves it out. A link record is never
// dateless: what the broker remembers of a connection is true now.
func Dateless(r *telemetry.Record) bool {
	return r.Retained && r.Kind != telemetry.KindLink &&
		(r.Clock == telemetry.ClockReceived || r.Clock == telemetry.ClockSuspect)
}
