package voice

import "math/rand/v2"

// register is an energy register. It counts what truly flows, also while its device has no link.
type register struct {
	wattHours float64
	atMs      int64
	watts     float64
}

// set says the power from an instant on.
func (r *register) set(ms int64, watts float64) {
	r.to(ms)
	r.watts = watts
}

// to counts up to an instant.
func (r *register) to(ms int64) {
	if ms > r.atMs {
		r.wattHours += float64(r.watts*float64(ms-r.atMs)) / 3_600_000
		r.atMs = ms
	}
}

// pause stops counting until the power is set again: nobody says what flows meanwhile.
func (r *register) pause(ms int64) { r.set(ms, 0) }

// reading is what a sensor shows.
type reading struct {
	powerW, voltageV, currentA, factor, energyWh float64
	// wrong says that it shows something else than what is.
	wrong bool
}

// sensor is a meter's measuring part: the truth, and what is wrong with it.
type sensor struct {
	register
	shown reading
}

// The mains of the bases, and the power factor of what hangs on it.
const (
	mainsV      = 228.0
	powerFactor = 0.87
)

// read returns what the sensor shows at an instant.
func (s *sensor) read(in *Input, atMs int64) reading {
	s.to(atMs)
	r := reading{powerW: s.watts, voltageV: jitter(in.Rand, mainsV, 0.012), energyWh: s.wattHours}
	if r.powerW != 0 {
		r.factor = powerFactor
		r.currentA = r.powerW / float64(r.voltageV*powerFactor)
	}
	if in.Stuck.Contains(atMs) {
		s.shown.wrong = s.shown.powerW != r.powerW
		return s.shown
	}
	s.shown = r
	if in.Spike > 0 && in.Rand.Float64() < in.Spike {
		r.powerW, r.currentA, r.wrong = float64(r.powerW*in.SpikeBy), float64(r.currentA*in.SpikeBy), r.powerW != 0
	}
	return r
}

// tells is what a reading tells of the machine.
func (r *reading) tells(t Tells) Tells {
	if r.wrong {
		t |= Wrong
	}
	return t
}

// jitter changes a value by up to the given part of it, either way. The conversion keeps processors that can from
// rounding once instead of twice.
func jitter(rng *rand.Rand, value, part float64) float64 {
	return value * (1 + float64(part*(2*rng.Float64()-1)))
}
