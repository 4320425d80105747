package sparkplug

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// measure says how a number becomes a value of the project: number × scale + offset, in the quantity's unit.
type measure struct {
	quantity string
	scale    float64
	offset   float64
}

// plain is the measure of a number of which nobody says what it is.
var plain = measure{quantity: telemetry.Number, scale: 1}

// percent stands for the unit %, whose quantity the metric's name decides.
const percent = "%"

// units are the units that are understood. Case matters, for mW is not MW; unitOf tries other spellings.
var units = map[string]measure{
	"W": {telemetry.PowerW, 1, 0}, "kW": {telemetry.PowerW, 1e3, 0}, "MW": {telemetry.PowerW, 1e6, 0}, "mW": {telemetry.PowerW, 1e-3, 0},
	"VA": {telemetry.ApparentVA, 1, 0}, "kVA": {telemetry.ApparentVA, 1e3, 0},
	"var": {telemetry.ReactiveVar, 1, 0}, "kvar": {telemetry.ReactiveVar, 1e3, 0},
	"A": {telemetry.CurrentA, 1, 0}, "mA": {telemetry.CurrentA, 1e-3, 0}, "kA": {telemetry.CurrentA, 1e3, 0},
	"V": {telemetry.VoltageV, 1, 0}, "mV": {telemetry.VoltageV, 1e-3, 0}, "kV": {telemetry.VoltageV, 1e3, 0},
	"Wh": {telemetry.EnergyWh, 1, 0}, "kWh": {telemetry.EnergyWh, 1e3, 0}, "MWh": {telemetry.EnergyWh, 1e6, 0},
	"J": {telemetry.EnergyWh, 1.0 / 3600, 0}, "kJ": {telemetry.EnergyWh, 1.0 / 3.6, 0}, "MJ": {telemetry.EnergyWh, 1e3 / 3.6, 0},
	"Hz": {telemetry.FrequencyHz, 1, 0}, "kHz": {telemetry.FrequencyHz, 1e3, 0},
	"rpm": {telemetry.SpeedRPM, 1, 0}, "r/min": {telemetry.SpeedRPM, 1, 0}, "1/min": {telemetry.SpeedRPM, 1, 0},
	"min-1": {telemetry.SpeedRPM, 1, 0}, "rev/min": {telemetry.SpeedRPM, 1, 0},
	"mm/s": {telemetry.FeedMMS, 1, 0}, "mm/min": {telemetry.FeedMMS, 1.0 / 60, 0}, "m/min": {telemetry.FeedMMS, 1e3 / 60, 0},
	"m/s": {telemetry.FeedMMS, 1e3, 0},
	"mm":  {telemetry.PositionMM, 1, 0}, "cm": {telemetry.PositionMM, 10, 0}, "m": {telemetry.PositionMM, 1e3, 0},
	"deg": {telemetry.AngleDeg, 1, 0}, "°": {telemetry.AngleDeg, 1, 0},
	"°C": {telemetry.TemperatureC, 1, 0}, "℃": {telemetry.TemperatureC, 1, 0}, "C": {telemetry.TemperatureC, 1, 0},
	"degC": {telemetry.TemperatureC, 1, 0}, "Cel": {telemetry.TemperatureC, 1, 0}, "K": {telemetry.TemperatureC, 1, -273.15},
	"°F": {telemetry.TemperatureC, 5.0 / 9, -160.0 / 9}, "F": {telemetry.TemperatureC, 5.0 / 9, -160.0 / 9}, "degF": {telemetry.TemperatureC, 5.0 / 9, -160.0 / 9},
	"ms": {telemetry.DurationS, 1e-3, 0}, "s": {telemetry.DurationS, 1, 0}, "sec": {telemetry.DurationS, 1, 0},
	"min": {telemetry.DurationS, 60, 0}, "h": {telemetry.DurationS, 3600, 0}, "hr": {telemetry.DurationS, 3600, 0},
	"dBm": {telemetry.SignalDBm, 1, 0},
	"pcs": {telemetry.Count, 1, 0}, "pc": {telemetry.Count, 1, 0}, "ea": {telemetry.Count, 1, 0}, "parts": {telemetry.Count, 1, 0},
	"count": {telemetry.Count, 1, 0}, "件": {telemetry.Count, 1, 0}, "个": {telemetry.Count, 1, 0}, "次": {telemetry.Count, 1, 0},
	"cosφ": {telemetry.PowerFactor, 1, 0}, "cosphi": {telemetry.PowerFactor, 1, 0}, "pf": {telemetry.PowerFactor, 1, 0},
	percent: plain,
}

// spellings are the units in small letters, where that leaves no doubt.
var spellings = func() map[string]measure {
	folded := make(map[string]measure, len(units))
	twice := make(map[string]bool)
	for text, m := range units {
		low := strings.ToLower(text)
		if other, ok := folded[low]; ok && other != m {
			twice[low] = true
		}
		folded[low] = m
	}
	for low := range twice {
		delete(folded, low)
	}
	return folded
}()

// unitOf returns the measure of a unit as vendors write it.
func unitOf(text string) (measure, bool) {
	text = strings.TrimSpace(text)
	if m, ok := units[text]; ok {
		return m, true
	}
	m, ok := spellings[strings.ToLower(text)]
	return m, ok
}

// endings are the units that may end a name without brackets: those of more than one letter, which nobody takes for the
// name of a phase or an axis.
var endings = [...]string{
	"kwh", "mwh", "wh", "kw", "kva", "va", "kvar", "var", "ma", "mv", "kv", "hz", "rpm", "degc", "dbm",
}

// lone are the words after which a single letter is a unit.
var lone = map[string]string{"w": "power", "a": "current", "v": "voltage", "c": "temperature"}

// measureOf returns what a metric's numbers measure. A unit that was said decides; else the one that the name ends in;
// else the name alone, where it leaves no doubt. Power without a unit may be watts or kilowatts: it stays a plain number.
func measureOf(name, unit string) measure {
	leaf := strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	m, ok := unitOf(unit)
	if !ok && strings.TrimSpace(unit) == "" {
		var text string
		leaf, text = unitInName(leaf)
		m, ok = unitOf(text)
	}
	if ok {
		if m == plain {
			return percentOf(leaf)
		}
		return m
	}
	if strings.TrimSpace(unit) != "" {
		return plain
	}
	switch string(squash(nil, leaf)) {
	case "powerfactor", "pf", "cosphi", "cosφ":
		return measure{telemetry.PowerFactor, 1, 0}
	case "partcount", "partscount", "goodcount", "badcount", "scrapcount", "totalcount", "cyclecount", "piececount":
		return measure{telemetry.Count, 1, 0}
	case "rpm":
		return measure{telemetry.SpeedRPM, 1, 0}
	}
	return plain
}

// unitInName cuts the unit off the last part of a name: "power (kw)", "power [kw]", "power_kw".
func unitInName(leaf string) (rest, unit string) {
	if n := len(leaf); n > 2 && (leaf[n-1] == ')' || leaf[n-1] == ']') {
		if open := strings.LastIndexAny(leaf, "(["); open > 0 {
			return strings.TrimSpace(leaf[:open]), leaf[open+1 : n-1]
		}
	}
	cut := strings.LastIndexAny(leaf, "_ ")
	if cut <= 0 {
		return leaf, ""
	}
	rest, unit = leaf[:cut], leaf[cut+1:]
	if word, ok := lone[unit]; ok && strings.HasSuffix(rest, word) {
		return rest, strings.ToUpper(unit)
	}
	for _, e := range endings {
		if unit == e {
			return rest, unit
		}
	}
	return leaf, ""
}

// percentOf tells loads from overrides; any other share is a plain number.
func percentOf(leaf string) measure {
	switch {
	case strings.Contains(leaf, "load"):
		return measure{telemetry.LoadPercent, 1, 0}
	case strings.Contains(leaf, "override"), strings.Contains(leaf, "ovr"):
		return measure{telemetry.OverridePct, 1, 0}
	}
	return plain
}

// isRelay reports whether a boolean says that a machine's supply is switched on.
func isRelay(name string) bool {
	switch string(squash(nil, name[strings.LastIndexByte(name, '/')+1:])) {
	case "relay", "relayon", "relaystate", "switch", "switchon", "contactor", "contactoron", "poweron", "outputon":
		return true
	}
	return false
}

// isControl reports whether a metric is part of the protocol and says nothing about use.
func isControl(name string) bool {
	return name == bdSeqName || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/")
}
