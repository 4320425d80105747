package plant

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Figure is one figure of a kind's physical model, which a scenario may override by its name.
type Figure struct {
	Name, Unit string
	// Default is the kind's own; an override lies from Least to Most.
	Default, Least, Most float64
	What                 string
}

// shape is how a machine works and how its power goes while it does.
type shape uint8

// The shapes.
const (
	cutting    shape = iota // spindle turning, cuts of some seconds at varying load
	arcs                    // bursts of seconds in series with rests
	cycles                  // batches of cycles that are all alike, with dips inside
	pressure                // loaded and unloaded by pressure, without people
	soaking                 // one long job that goes on without people: full power, then less
	printing                // one long job: heating, then a heater that cycles
	switchedOn              // only on and off
	powerless               // no electricity
)

// model is a machine's physical model: the kind's figures with the overrides of one machine. Powers are in tenths of a
// watt: whole numbers keep a day the same on every processor.
type model struct {
	kind   scenario.Kind
	shape  shape
	heated bool // heaters work day and night, up to the level of starting up
	// The levels: switched on and ready, long unused, starting up, working at the least and as usual.
	idle, standby, start, least, run int64
	noise                            int64 // parts per thousand by which a level varies, either way
	startMs, standbyAfterMs          int64
	length, pause                    quantiles
	series, rest                     quantiles // of arcs
	cycleMs                          int64
	forgets, alarms, demand          float64
	stopMs                           int64 // of a compressor: its motor stops when it was unloaded for so long
	bandMs                           int64 // of a compressor: from cut-in to cut-out without demand
	each                             int64 // of a computer room: one computer
	heat                             int64 // of a printer: heating up
	count                            int
	controller                       bool
	rpm                              int64 // of the spindle, at most
	signature                        Signature
	shows                            bool
}

// Signature is how a machine's states show in its true power: a meter that sees every step of the power, with these
// figures and any hysteresis up to a tenth, finds exactly the phases, a fault as idle.
type Signature struct {
	// OffW and RunW: below OffW the machine is off, from RunW on it works.
	OffW, RunW float64
	// Every run begins with at least DwellOn at or above RunW, and every pause between two runs lasts at least DwellOff;
	// dips inside a run are shorter.
	DwellOn, DwellOff time.Duration
}

// SignatureOf returns the signature of a kind with the overrides of a machine. It returns false for the kinds whose work
// does not show in their power (PLC bench, computer room, hand bench): the truth then knows off and idle, which means
// switched on, and only OffW is set; it is 0 for a hand bench, which has no electricity and is always off. It also
// returns false, and nothing else, for overrides that New refuses.
func SignatureOf(kind scenario.Kind, overrides map[string]float64) (Signature, bool) {
	m, err := newModel(kind, overrides)
	if err != nil {
		return Signature{}, false
	}
	return m.signature, m.shows
}

// newModel resolves the figures of a machine.
func newModel(kind scenario.Kind, overrides map[string]float64) (model, error) {
	figures := Figures(kind)
	if figures == nil && kind != scenario.HandBench {
		return model{}, fmt.Errorf("kind %q is unknown: want one of %q", kind, scenario.Kinds())
	}
	value := map[string]float64{}
	var names []string
	for _, f := range figures {
		value[f.Name] = f.Default
		names = append(names, f.Name)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		i := slices.IndexFunc(figures, func(f Figure) bool { return f.Name == name })
		if i < 0 {
			errs = append(errs, fmt.Errorf("model figure %q: a %s has none of that name: want one of %q", name, kind, names))
			continue
		}
		f, v := &figures[i], overrides[name]
		if math.IsNaN(v) || v < f.Least || v > f.Most {
			errs = append(errs, fmt.Errorf("model figure %s is %v: want %v to %v %s", name, v, f.Least, f.Most, f.Unit))
			continue
		}
		value[name] = v
	}
	if len(errs) > 0 {
		return model{}, errors.Join(errs...)
	}
	m := build(kind, value)
	return m, m.sign()
}

// ready returns the highest level of a machine that waits.
func (m *model) ready() int64 {
	if m.heated {
		return m.start
	}
	return m.idle
}

// sign finds thresholds between the levels and refuses levels that no threshold separates.
func (m *model) sign() error {
	if m.shape == powerless {
		return nil
	}
	on := m.idle
	for _, level := range []int64{m.standby, m.start} {
		if level > 0 {
			on = min(on, level)
		}
	}
	m.signature.OffW = float64(max(on/2, 1)) / 10
	if m.shape == switchedOn {
		return nil
	}
	high := max(m.idle, m.standby, m.start) * (1000 + m.noise) / 1000
	low := m.least * (1000 - m.noise) / 1000
	if low < high*3/2 {
		return fmt.Errorf("model: the least power of work, %v W with its noise, does not stand out from the most of being ready, %v W: want 1.5 times as much or more", float64(low)/10, float64(high)/10)
	}
	// Above the middle a tenth of hysteresis would reach the ready level; below it the noise would.
	m.signature.RunW = float64(high*5/4) / 10
	m.shows = true
	return nil
}
