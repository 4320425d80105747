package shelly

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// wattMinutes is how many watt-minutes a watt-hour has.
const wattMinutes = 60

// gen1 decodes one value of a generation 1 device: a plain number or word, without a time.
func (d *Dialect) gen1(m dialect.Message, at address) (dialect.Result, error) {
	group, rest, _ := strings.Cut(at.leaf, "/")
	number, field, _ := strings.Cut(rest, "/")
	name := ""
	switch {
	case at.leaf == "temperature":
		field = "temperature"
	case !isComponent(group+":"+number) || number == "":
		return dialect.Result{}, nil
	default:
		name = group + ":" + number
	}
	quantity, divisor, isWord := gen1Field(group, field)
	if quantity == "" && !isWord {
		return dialect.Result{}, nil
	}
	text := strings.TrimSpace(string(m.Payload))
	var n float64
	if isWord {
		var err *dialect.Error
		if text, n, err = gen1Word(text); err != nil {
			return dialect.Result{}, err
		}
	} else {
		var reason telemetry.Reason
		if n, reason = jsondoc.Number(text); reason != telemetry.ReasonNone {
			return dialect.Result{}, dialect.Errorf(reason, "payload is %s; a number is right", dialect.Quote(text))
		}
		n /= divisor
		if err := dialect.CheckNumber(quantity, n, "payload"); err != nil {
			return dialect.Result{}, err
		}
	}

	device, dev := d.devices.Heard(at.device)
	dev.prefix, dev.gen1, dev.down = d.names.Own(at.prefix), true, false
	c := dev.channel(d.names.Own(name))
	if c == nil {
		return dialect.Result{}, tooManyChannels(device)
	}
	if isWord {
		c.become(text, m.ReceivedMs)
		quantity = telemetry.RelayOn
	}
	c.say(quantity, n, m.ReceivedMs)
	rec := telemetry.Record{Kind: telemetry.KindSample, Device: device, Channel: c.name, ValidMs: Gen1ValidMs}
	// Each value has a message of its own, and several arrive within one millisecond, where the later record stands for
	// all: it says what all of them said, and nothing older.
	rec.Values, rec.State = c.sample(m.ReceivedMs, m.ReceivedMs)
	d.clock.Date(&rec, 0, m.ReceivedMs, false)
	return dialect.Result{Records: []telemetry.Record{rec}}, nil
}

// gen1Field says what a topic's last part means: the quantity of a number and what to divide it by, or a word.
func gen1Field(group, field string) (quantity string, divisor float64, word bool) {
	meter := group == "emeter"
	switch group {
	case "relay", "light", "roller", "white", "color", "emeter", "meter", "temperature":
	default:
		return "", 0, false
	}
	switch field {
	case "":
		return "", 0, group == "relay" || group == "light" || group == "white" || group == "color"
	case "power":
		return telemetry.PowerW, 1, false
	case "energy":
		if meter {
			// An energy meter's total says the same, and survives a restart.
			return "", 0, false
		}
		return telemetry.EnergyWh, wattMinutes, false
	case "total":
		if meter {
			return telemetry.EnergyWh, 1, false
		}
	case "reactive_power":
		return telemetry.ReactiveVar, 1, false
	case "voltage":
		return telemetry.VoltageV, 1, false
	case "current":
		return telemetry.CurrentA, 1, false
	case "pf":
		return telemetry.PowerFactor, 1, false
	case "temperature":
		return telemetry.TemperatureC, 1, false
	}
	return "", 0, false
}

// gen1Word reads the state of a relay.
func gen1Word(text string) (word string, relayOn float64, err *dialect.Error) {
	switch text {
	case "on":
		return "ON", 1, nil
	case "off":
		return "OFF", 0, nil
	case "overpower":
		return "OVERPOWER", 0, nil
	}
	return "", 0, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; on, off or overpower is right", dialect.Quote(text))
}

func tooManyChannels(device string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonOversized, "device %s has more than %d channels", dialect.Quote(device), maxChannels)
}
