package esphome

import (
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// unit is what a sensor measures.
type unit struct {
	quantity string
	power    string // the power of ten that turns the sensor's unit into the quantity's
}

// leftOut is the quantity of a sensor that is not read.
const leftOut = "-"

// unitNamed returns the unit of a setting: a quantity, one of the other units that firmware prints, or leftOut.
func unitNamed(name string) (unit, bool) {
	switch name {
	case leftOut:
		return unit{quantity: leftOut}, true
	case "power_kw":
		return unit{telemetry.PowerW, "e3"}, true
	case "energy_kwh":
		return unit{telemetry.EnergyWh, "e3"}, true
	case "current_ma":
		return unit{telemetry.CurrentA, "e-3"}, true
	case "voltage_mv":
		return unit{telemetry.VoltageV, "e-3"}, true
	}
	q, ok := dialect.QuantityOf(name)
	return unit{quantity: q.Name}, ok
}

// unitOf returns what a sensor measures: by the settings, else by its name, else telemetry.Number.
func (d *Dialect) unitOf(at address) unit {
	if len(d.quantities) > 0 {
		if u, ok := d.quantities[at.device+"/"+at.object]; ok {
			return u
		}
		if u, ok := d.quantities[at.object]; ok {
			return u
		}
	}
	return guess(at.object)
}

// maxWords is how many words of an object id are looked at, from the end.
const maxWords = 8

// guess reads the last words of an object id. A name that tells no unit, or that is of a setting or an extreme and not of
// what is measured now, gives telemetry.Number. Energy is among them: half of the firmware's meters count Wh and the
// other half kWh.
func guess(object string) unit {
	words := strings.FieldsFunc(strings.ToLower(object), func(r rune) bool { return r == '_' || r == '-' })
	if slices.ContainsFunc(words, isBound) {
		return unit{quantity: telemetry.Number}
	}
	if len(words) > maxWords {
		words = words[len(words)-maxWords:]
	}
	for len(words) > 0 {
		last := words[len(words)-1]
		if len(words) > 1 {
			if u, ok := ending(words[len(words)-2] + "_" + last); ok {
				return u
			}
		}
		if u, ok := ending(last); ok {
			return u
		}
		if !isPhase(last) {
			break
		}
		words = words[:len(words)-1]
	}
	return unit{quantity: telemetry.Number}
}

// ending returns the unit that the end of a name tells.
func ending(words string) (unit, bool) {
	switch words {
	case "power", "watt", "watts", "power_w", "active_power":
		return unit{quantity: telemetry.PowerW}, true
	case "power_kw":
		return unit{telemetry.PowerW, "e3"}, true
	case "apparent_power", "power_va":
		return unit{quantity: telemetry.ApparentVA}, true
	case "reactive_power", "power_var":
		return unit{quantity: telemetry.ReactiveVar}, true
	case "power_factor", "pf":
		return unit{quantity: telemetry.PowerFactor}, true
	case "current", "current_a", "ampere", "amperes":
		return unit{quantity: telemetry.CurrentA}, true
	case "current_ma":
		return unit{telemetry.CurrentA, "e-3"}, true
	case "voltage", "voltage_v":
		return unit{quantity: telemetry.VoltageV}, true
	case "voltage_mv":
		return unit{telemetry.VoltageV, "e-3"}, true
	case "energy_wh", "wh":
		return unit{quantity: telemetry.EnergyWh}, true
	case "energy_kwh", "kwh":
		return unit{telemetry.EnergyWh, "e3"}, true
	case "frequency", "frequency_hz":
		return unit{quantity: telemetry.FrequencyHz}, true
	case "temperature", "temperature_c":
		return unit{quantity: telemetry.TemperatureC}, true
	case "rpm":
		return unit{quantity: telemetry.SpeedRPM}, true
	case "wifi_signal", "rssi", "signal_dbm", "signal_db":
		return unit{quantity: telemetry.SignalDBm}, true
	case "uptime", "uptime_s":
		return unit{quantity: telemetry.DurationS}, true
	case "count":
		return unit{quantity: telemetry.Count}, true
	}
	return unit{}, false
}

// isPhase reports whether the last word of a name only says which phase or meter it is.
func isPhase(word string) bool {
	switch word {
	case "a", "b", "c", "l1", "l2", "l3", "phase", "total":
		return true
	}
	return len(word) <= 2 && strings.Trim(word, "0123456789") == ""
}

// isBound reports whether a word of a name says that it is a setting or an extreme.
func isBound(word string) bool {
	switch word {
	case "max", "maximum", "min", "minimum", "peak", "limit", "target", "set", "setpoint", "rated", "nominal", "threshold":
		return true
	}
	return false
}
