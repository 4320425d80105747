package esphome

import (
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
)

// kind is what a topic carries.
type kind uint8

const (
	foreign kind = iota // not ESPHome's
	silent              // ESPHome's, and says nothing about use
	status              // the birth and will
	tag                 // a card at a reader
	sensor              // a number
	binary              // ON or OFF
	text                // a word
)

// address is what a topic says. The texts are parts of the topic.
type address struct {
	kind      kind
	private   bool   // the payload may hold a card's number
	device    string // the prefix; of a reader without one, the reader
	channel   string // <component>/<object id>, or the reader
	component string
	object    string
	notation  card.Notation
}

// quote returns the payload's text for an error, or stars where it may be a card's number.
func (a address) quote(text string) string {
	if a.private {
		return "****"
	}
	return dialect.Quote(text)
}

// discovery is the root at which Home Assistant listens: what is below it describes devices or comes from itself.
const discovery = "homeassistant"

// split reads a topic by its ending.
func (d *Dialect) split(topic string) address {
	head, leaf, ok := cutLast(topic)
	if !ok || head == "" {
		return address{}
	}
	switch leaf {
	case "config":
		if strings.HasPrefix(topic, discovery+"/") {
			return address{kind: silent}
		}
	case "status", "debug":
		return d.atDevice(head, leaf)
	case "tag", "tag_removed":
		return atReader(head, leaf)
	case "state", "command":
		return atComponent(head, leaf)
	}
	if strings.HasPrefix(topic, "esphome/discover/") {
		return address{kind: silent}
	}
	return address{}
}

// atDevice reads <prefix>/status and <prefix>/debug. Many things have topics with such endings, so the prefix must be one
// part, as the firmware makes it, or one part below a root of the settings.
func (d *Dialect) atDevice(prefix, leaf string) address {
	root, _, deep := cutLast(prefix)
	switch {
	case deep && !slices.Contains(d.roots, root):
		return address{}
	case leaf == "debug":
		// The firmware's log, which tells each card that a reader finds.
		return address{kind: silent, private: true}
	case prefix == discovery:
		return address{kind: silent}
	}
	return address{kind: status, device: prefix}
}

func cutLast(s string) (head, last string, ok bool) {
	cut := strings.LastIndexByte(s, '/')
	if cut < 0 {
		return "", s, false
	}
	return s[:cut], s[cut+1:], true
}

// atComponent reads <prefix>/<component>/<object id>/<leaf>, and the deeper topics of covers, fans and the like, which
// put the name of a property before the leaf.
func atComponent(head, leaf string) address {
	rest, object, _ := cutLast(head)
	device, component, ok := cutLast(rest)
	k, known := componentKind(component)
	if !known {
		object = component
		device, component, ok = cutLast(device)
		k, known = componentKind(component)
		known = known && k == silent
	}
	if !ok || !known || device == "" || object == "" || device == discovery {
		return address{}
	}
	if leaf == "command" {
		k = silent
	}
	channel := ""
	if k != silent {
		channel = head[len(device)+1:]
	}
	return address{kind: k, private: namesCard(object), device: device, channel: channel, component: component, object: object}
}

// componentKind tells the firmware's components.
func componentKind(component string) (kind, bool) {
	switch component {
	case "sensor":
		return sensor, true
	case "binary_sensor", "switch":
		return binary, true
	case "text_sensor":
		return text, true
	case "alarm_control_panel", "button", "camera", "climate", "cover", "date", "datetime", "event", "fan", "humidifier",
		"light", "lock", "number", "select", "text", "time", "update", "valve", "water_heater":
		// What the technician sets, or what is no machine of a workshop.
		return silent, true
	}
	return foreign, false
}

// readerNames are the readers whose topics are read.
const readerNames = "rdm6300, wiegand, pn532, pn7150, pn7160, rc522, st25r"

// atReader reads [<prefix>/]<reader>/tag, the topics of the firmware's examples of automations.
func atReader(head, leaf string) address {
	device, reader, prefixed := cutLast(head)
	at := address{kind: tag, private: true, device: device, channel: reader}
	if !prefixed {
		at.device = reader
	}
	switch reader {
	case "rdm6300", "wiegand":
		at.notation = card.Decimal
	case "pn532", "pn7150", "pn7160", "rc522", "st25r":
		at.notation = card.Hex
	default:
		return address{}
	}
	if leaf == "tag_removed" {
		at.kind = silent
	}
	return at
}

// namesCard reports whether an object's name says that it may hold a card's number.
func namesCard(object string) bool {
	for word := range strings.FieldsFuncSeq(object, func(r rune) bool { return r == '_' || r == '-' || r == '.' }) {
		switch word {
		case "tag", "tags", "card", "cards", "uid", "rfid", "nfc", "badge", "wiegand", "rdm6300", "rc522", "pn532", "pn7150", "pn7160", "st25r":
			return true
		}
	}
	return false
}
