package zigbee2mqtt

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// form is how a field speaks.
type form uint8

const (
	number form = iota // of a meter or a sensor
	relay              // ON or OFF; Zigbee2MQTT also sets it by itself, when a group or the device is commanded
	word               // a state such as true
	event              // happens once, and is never cached
)

// field is one that is read.
type field struct {
	form     form
	channel  string
	quantity string // of a number
	power    string // the power of ten that turns the device's unit into the quantity's
}

// meterChannel is where all that a meter measures speaks.
const meterChannel = "energy"

// fieldOf returns the field of a member's name, and the endpoint or phase behind it: state_l1 is state and l1. The texts
// of both may be parts of the name.
func fieldOf(key string) (f field, endpoint string, ok bool) {
	if f, ok = fieldNamed(key); ok {
		return f, "", true
	}
	for i := strings.LastIndexByte(key, '_'); i > 0; i = strings.LastIndexByte(key[:i], '_') {
		if f, ok = fieldNamed(key[:i]); ok && f.form != event && isEndpoint(key[i+1:]) {
			return f, key[i+1:], true
		}
	}
	return field{}, "", false
}

func fieldNamed(name string) (field, bool) {
	switch name {
	case "power":
		return field{channel: meterChannel, quantity: telemetry.PowerW}, true
	case "power_apparent":
		return field{channel: meterChannel, quantity: telemetry.ApparentVA}, true
	case "power_reactive":
		return field{channel: meterChannel, quantity: telemetry.ReactiveVar}, true
	case "current":
		return field{channel: meterChannel, quantity: telemetry.CurrentA}, true
	case "voltage":
		return field{channel: meterChannel, quantity: telemetry.VoltageV}, true
	case "energy":
		return field{channel: meterChannel, quantity: telemetry.EnergyWh, power: "e3"}, true
	case "ac_frequency":
		return field{channel: meterChannel, quantity: telemetry.FrequencyHz}, true
	case "temperature", "device_temperature":
		return field{channel: name, quantity: telemetry.TemperatureC}, true
	case "state":
		return field{form: relay, channel: name}, true
	case "occupancy", "presence", "contact", "vibration":
		return field{form: word, channel: name}, true
	case "action":
		return field{form: event, channel: name}, true
	}
	return field{}, false
}

// isEndpoint tells the names of endpoints and phases from the rest of other members' names, such as power_outage_memory.
func isEndpoint(s string) bool {
	switch s {
	case "left", "right", "center", "top", "bottom", "relay", "meter", "usb", "a", "b", "c", "phase_a", "phase_b", "phase_c":
		return true
	}
	digits := strings.TrimPrefix(strings.TrimPrefix(s, "l"), "ep")
	return digits != "" && len(digits) <= 2 && strings.Trim(digits, "0123456789") == ""
}
