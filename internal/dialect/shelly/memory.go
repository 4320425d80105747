package shelly

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// maxChannels bounds what is remembered of one device; the largest has about a dozen meters.
const maxChannels = 64

// device is what is remembered of one device.
type device struct {
	prefix   string
	gen1     bool
	down     bool
	askedMs  int64
	channels []channel
	latestMs int64 // the latest time that it said, by its own clock; 0 when it has said none
	// What follows outlives the device's connection: it is what a gap is measured against.
	upSinceMs int64 // when the device began to run, on its own clock; 0 when it has not said so
	registers []register
}

// channel is what one part of the device last said.
type channel struct {
	name    string
	meter   bool  // it has said a power
	powerMs int64 // when it last did, on the bridge's clock
	values  []held
	word    string
	wordMs  int64
	touched bool // it spoke in the message being decoded
}

// held is a number and when it was said, on the bridge's clock.
type held struct {
	telemetry.Value
	saidMs int64
}

// channel returns the device's channel of a name, which it makes if there is room.
func (d *device) channel(name string) *channel {
	for i := range d.channels {
		if d.channels[i].name == name {
			return &d.channels[i]
		}
	}
	if len(d.channels) == maxChannels {
		return nil
	}
	d.channels = append(d.channels, channel{name: name})
	return &d.channels[len(d.channels)-1]
}

// register returns the memory of a channel's energy register, which it makes if there is room.
func (d *device) register(channel string) *register {
	for i := range d.registers {
		if d.registers[i].channel == channel {
			return &d.registers[i]
		}
	}
	if len(d.registers) == maxChannels {
		return nil
	}
	d.registers = append(d.registers, register{channel: channel})
	return &d.registers[len(d.registers)-1]
}

// quietSince is since when some meter of the device has said no power and was not asked either; 0 for a device that
// has never said anything.
func (d *device) quietSince() int64 {
	oldest, meters := int64(0), false
	for i := range d.channels {
		if c := &d.channels[i]; c.meter && (!meters || c.powerMs < oldest) {
			oldest, meters = c.powerMs, true
		}
	}
	return max(oldest, d.askedMs)
}

// say notes a number.
func (c *channel) say(quantity string, number float64, nowMs int64) {
	c.touched = true
	if quantity == telemetry.PowerW {
		c.meter, c.powerMs = true, nowMs
	}
	said := held{Value: telemetry.Value{Quantity: quantity, Number: number}, saidMs: nowMs}
	for i := range c.values {
		if c.values[i].Quantity == quantity {
			c.values[i] = said
			return
		}
	}
	c.values = append(c.values, said)
}

// unsay forgets a number that the device says it does not know.
func (c *channel) unsay(quantity string) {
	c.touched = true
	c.values = slices.DeleteFunc(c.values, func(h held) bool { return h.Quantity == quantity })
}

// become notes a state.
func (c *channel) become(word string, nowMs int64) {
	c.touched = true
	c.word, c.wordMs = word, nowMs
}

// sample is all that the channel said from one instant to another: the state of the channel, not only what changed. A
// message that says nothing of the power means that the power is what it was, and not that there is none.
func (c *channel) sample(fromMs, toMs int64) (values []telemetry.Value, word string) {
	values = make([]telemetry.Value, 0, len(c.values))
	for _, h := range c.values {
		if h.saidMs >= fromMs && h.saidMs <= toMs {
			values = append(values, h.Value)
		}
	}
	if c.wordMs >= fromMs && c.wordMs <= toMs {
		word = c.word
	}
	return values, word
}
