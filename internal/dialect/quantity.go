package dialect

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Range is the closed range in which a quantity's number is plausible for any machine of a training workshop. It
// catches broken sensors, wrong units and corrupt messages; the registry's range of one equipment is narrower.
type Range struct{ Min, Max float64 }

// Quantity is one that a record may carry: its name, which ends in its unit, and its plausible range.
type Quantity struct {
	Name string
	Range
}

// quantities is never written after its initialisation.
var quantities = byName(
	Quantity{telemetry.PowerW, Range{-1e7, 1e7}},
	Quantity{telemetry.ApparentVA, Range{-1e7, 1e7}},
	Quantity{telemetry.ReactiveVar, Range{-1e7, 1e7}},
	Quantity{telemetry.CurrentA, Range{-1e5, 1e5}},
	Quantity{telemetry.VoltageV, Range{-1e6, 1e6}},
	Quantity{telemetry.EnergyWh, Range{-1e13, 1e13}},
	Quantity{telemetry.FrequencyHz, Range{0, 1e4}},
	// Meters print factors such as 1.01 near full load.
	Quantity{telemetry.PowerFactor, Range{-1.1, 1.1}},
	Quantity{telemetry.SpeedRPM, Range{-1e6, 1e6}},
	Quantity{telemetry.LoadPercent, Range{-1000, 1000}},
	Quantity{telemetry.FeedMMS, Range{-1e5, 1e5}},
	Quantity{telemetry.OverridePct, Range{-1000, 1000}},
	Quantity{telemetry.PositionMM, Range{-1e7, 1e7}},
	// A rotary axis that is never reset counts on.
	Quantity{telemetry.AngleDeg, Range{-1e9, 1e9}},
	Quantity{telemetry.TemperatureC, Range{-273.15, 5000}},
	Quantity{telemetry.Count, Range{-1e15, 1e15}},
	Quantity{telemetry.DurationS, Range{0, 1e11}},
	Quantity{telemetry.Number, Range{-1e18, 1e18}},
	Quantity{telemetry.RelayOn, Range{0, 1}},
	Quantity{telemetry.SignalDBm, Range{-200, 50}},
)

func byName(list ...Quantity) map[string]Quantity {
	m := make(map[string]Quantity, len(list))
	for _, q := range list {
		m[q.Name] = q
	}
	return m
}

// Quantities lists every quantity, ordered by name.
func Quantities() []Quantity {
	return slices.SortedFunc(maps.Values(quantities), func(a, b Quantity) int { return cmp.Compare(a.Name, b.Name) })
}

// QuantityOf returns the quantity of a name. The name in the answer is the package's own: a caller may pass bytes that
// it does not own.
func QuantityOf(name string) (Quantity, bool) {
	q, ok := quantities[name]
	return q, ok
}

// CheckNumber refuses a number that is not finite or outside the plausible range of its quantity. where says where in
// the message it stands, such as "$.v.power_w".
func CheckNumber(quantity string, number float64, where string) *Error {
	q, ok := quantities[quantity]
	switch {
	case math.IsNaN(number) || math.IsInf(number, 0):
		return Errorf(telemetry.ReasonNotFinite, "%s is %v; a finite number is right", where, number)
	case !ok:
		return Errorf(telemetry.ReasonMalformed, "%s: no quantity is called %s", where, Quote(quantity))
	case number < q.Min || number > q.Max:
		return Errorf(telemetry.ReasonOutOfRange, "%s is %v; %s lies between %v and %v", where, number, quantity, q.Min, q.Max)
	}
	return nil
}
