package sim

import "strconv"

// ClockTopic carries the simulated time: the payload is Unix milliseconds in decimal. It is published with QoS 1 and
// never retained, and counts only for a bridge that runs with its replay clock on.
const ClockTopic = "jishi/sim/clock"

// Timed is one MQTT message and the instant at which the device published it.
type Timed struct {
	// AtMs is the instant of publication, Unix milliseconds. It never falls within a sequence of messages.
	AtMs    int64
	Topic   string
	Payload []byte
	Retain  bool
	// Exact is true when the payload says no time, or one coarser than AtMs: the receive time is then the evidence, and
	// a simulated clock must show AtMs to the millisecond when the message arrives.
	Exact bool
	// current is true when the message is one of a device's current values, which an agent repeats when a client
	// connects; a replay that starts in the middle then begins with the last one of each topic.
	current bool
}

func clockPayload(ms int64) []byte { return strconv.AppendInt(nil, ms, 10) }
