package mtconnect

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// kind says how observations of one type are read.
type kind struct {
	quantity string // the quantity of its number; "" for a word
	word     bool   // always a word, even when it looks like a number, as a program's name may
	link     bool   // AVAILABILITY
}

// kinds finds a type's kind, however the type was written, and remembers the spellings that it met.
type kinds struct {
	byType map[string]kind
	met    map[string]kind
}

// maxMet bounds the spellings remembered; MTConnect has some 300 types.
const maxMet = 4096

func newKinds() kinds {
	k := kinds{byType: make(map[string]kind), met: make(map[string]kind)}
	for quantity, types := range map[string][]string{
		telemetry.SpeedRPM:     {"SPINDLE_SPEED", "ROTARY_VELOCITY"},
		telemetry.LoadPercent:  {"LOAD"},
		telemetry.PositionMM:   {"POSITION", "PATH_POSITION"},
		telemetry.FeedMMS:      {"PATH_FEEDRATE", "AXIS_FEEDRATE"},
		telemetry.AngleDeg:     {"ANGLE"},
		telemetry.TemperatureC: {"TEMPERATURE"},
		telemetry.Count:        {"PART_COUNT"},
		telemetry.Number:       {"LINE", "LINE_NUMBER"},
		telemetry.PowerW:       {"ELECTRICAL_POWER", "WATTAGE"},
		telemetry.CurrentA:     {"AMPERAGE", "AMPERAGE_AC", "AMPERAGE_DC"},
		telemetry.VoltageV:     {"VOLTAGE", "VOLTAGE_AC", "VOLTAGE_DC"},
		telemetry.FrequencyHz:  {"FREQUENCY"},
		telemetry.DurationS:    {"ACCUMULATED_TIME"},
	} {
		for _, t := range types {
			k.byType[squash(t)] = kind{quantity: quantity}
		}
	}
	for _, t := range []string{
		"EXECUTION", "CONTROLLER_MODE", "EMERGENCY_STOP", "FUNCTIONAL_MODE", "PROGRAM", "PROGRAM_EDIT_NAME", "PROGRAM_HEADER",
		"PROGRAM_COMMENT", "BLOCK", "MESSAGE", "TOOL_ID", "TOOL_NUMBER", "TOOL_ASSET_ID", "PART_ID", "PALLET_ID", "OPERATOR_ID",
		"SERIAL_NUMBER", "WORKHOLDING_ID",
	} {
		k.byType[squash(t)] = kind{word: true}
	}
	k.byType[squash("AVAILABILITY")] = kind{word: true, link: true}
	return k
}

// of returns the kind of a type, which may be of a namespace of its own ("x:MOTOR") or in another case ("PathFeedrate").
func (k *kinds) of(typ string) kind {
	if found, ok := k.met[typ]; ok {
		return found
	}
	key := squash(typ)
	found, ok := k.byType[key]
	if !ok && strings.HasSuffix(key, "OVERRIDE") {
		found = kind{quantity: telemetry.OverridePct}
	}
	if len(k.met) < maxMet && len(typ) <= telemetry.MaxName {
		k.met[strings.Clone(typ)] = found
	}
	return found
}

func squash(typ string) string { return strings.ToUpper(strings.ReplaceAll(typ, "_", "")) }
