package mapping

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// linear turns what a device says into the quantity's own unit: number × scale + offset.
type linear struct{ scale, offset float64 }

// units are the units that a quantity may be said in. They are never written after their initialisation.
var units = map[string]map[string]linear{
	telemetry.PowerW:       times(map[string]float64{"mW": 1e-3, "W": 1, "kW": 1e3, "MW": 1e6}),
	telemetry.ApparentVA:   times(map[string]float64{"VA": 1, "kVA": 1e3, "MVA": 1e6}),
	telemetry.ReactiveVar:  times(map[string]float64{"var": 1, "kvar": 1e3, "Mvar": 1e6}),
	telemetry.CurrentA:     times(map[string]float64{"mA": 1e-3, "A": 1, "kA": 1e3}),
	telemetry.VoltageV:     times(map[string]float64{"mV": 1e-3, "V": 1, "kV": 1e3}),
	telemetry.EnergyWh:     times(map[string]float64{"Wh": 1, "kWh": 1e3, "MWh": 1e6, "J": 1.0 / 3600, "kJ": 1 / 3.6, "MJ": 1e3 / 3.6}),
	telemetry.FrequencyHz:  times(map[string]float64{"Hz": 1, "kHz": 1e3}),
	telemetry.PowerFactor:  times(map[string]float64{"1": 1, "%": 1e-2}),
	telemetry.SpeedRPM:     times(map[string]float64{"rpm": 1, "1/s": 60, "deg/s": 1.0 / 6, "rad/s": 30 / math.Pi}),
	telemetry.LoadPercent:  times(map[string]float64{"%": 1, "1": 100}),
	telemetry.FeedMMS:      times(map[string]float64{"mm/s": 1, "mm/min": 1.0 / 60, "m/min": 1e3 / 60.0, "in/min": 25.4 / 60}),
	telemetry.OverridePct:  times(map[string]float64{"%": 1, "1": 100}),
	telemetry.PositionMM:   times(map[string]float64{"um": 1e-3, "mm": 1, "cm": 10, "m": 1e3, "in": 25.4}),
	telemetry.AngleDeg:     times(map[string]float64{"deg": 1, "rad": 180 / math.Pi}),
	telemetry.TemperatureC: {"C": {1, 0}, "K": {1, -273.15}, "F": {5.0 / 9, -160.0 / 9}},
	telemetry.Count:        times(map[string]float64{"1": 1}),
	telemetry.DurationS:    times(map[string]float64{"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400}),
	telemetry.Number:       times(map[string]float64{"1": 1}),
	telemetry.RelayOn:      times(map[string]float64{"1": 1}),
	telemetry.SignalDBm:    times(map[string]float64{"dBm": 1}),
}

func times(scales map[string]float64) map[string]linear {
	out := make(map[string]linear, len(scales))
	for unit, scale := range scales {
		out[unit] = linear{scale: scale}
	}
	return out
}

// Units lists the units that a quantity may be said in, in order.
func Units(quantity string) []string { return slices.Sorted(maps.Keys(units[quantity])) }

// power returns a scale that is a power of ten as an exponent such as "e3", or "": a number's text with it is converted
// without a second rounding, so that 6.294 kWh are 6294 Wh.
func (l linear) power() string {
	text := strconv.FormatFloat(l.scale, 'e', -1, 64)
	if l.scale == 1 || len(text) < 2 || text[:2] != "1e" {
		return ""
	}
	return text[1:]
}
