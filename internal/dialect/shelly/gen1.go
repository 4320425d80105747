package shelly

import (
	"slices"
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
		words := gen1Words(group)
		quantity = words.quantity
		if text, n, err = words.read(text); err != nil {
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
	}
	if quantity != "" {
		c.say(quantity, n, m.ReceivedMs)
	}
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
	case "relay", "light", "roller", "white", "color", "emeter", "meter", "temperature", "input":
	default:
		return "", 0, false
	}
	switch field {
	case "":
		return "", 0, gen1Words(group).right != ""
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

// vocabulary is what a group says on its own topic: the words, and what they become.
type vocabulary struct {
	right    string // for the error; "" when the group says no words
	quantity string // of the number beside the word; "" for none
	words    []string
	states   []string
}

func gen1Words(group string) vocabulary {
	switch group {
	case "relay", "light", "white", "color":
		return vocabulary{
			right: "on, off or overpower", quantity: telemetry.RelayOn,
			words: []string{"off", "on", "overpower"}, states: []string{"OFF", "ON", "OVERPOWER"},
		}
	case "roller":
		return vocabulary{right: "open, close or stop", words: []string{"open", "close", "stop"}, states: []string{"OPEN", "CLOSE", "STOP"}}
	case "input":
		return vocabulary{right: "0 or 1", words: []string{"0", "1"}, states: []string{"OFF", "ON"}}
	}
	return vocabulary{}
}

// read reads the word of a relay, a roller or an input.
func (v vocabulary) read(text string) (state string, relayOn float64, err *dialect.Error) {
	i := slices.Index(v.words, text)
	if i < 0 {
		return "", 0, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; %s is right", dialect.Quote(text), v.right)
	}
	if v.states[i] == "ON" {
		relayOn = 1
	}
	return v.states[i], relayOn, nil
}

func tooManyChannels(device string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonOversized, "device %s has more than %d channels", dialect.Quote(device), maxChannels)
}
