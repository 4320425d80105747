package zigbee2mqtt

import (
	"bytes"
	"strings"
)

// kind is what a topic carries.
type kind uint8

const (
	foreign      kind = iota // not Zigbee2MQTT's
	silent                   // Zigbee2MQTT's, and says nothing about use
	bridgeState              // whether Zigbee2MQTT itself is there
	availability             // whether a device is there
	message                  // what a device said, and what was cached
)

// address is what a topic says. The texts are parts of the topic.
type address struct {
	kind    kind
	network int    // index of the Zigbee2MQTT
	device  string // the friendly name, which may have slashes; of Zigbee2MQTT itself <base>/bridge
}

// split reads a topic.
func (d *Dialect) split(topic string) address {
	for i := range d.networks {
		rest, ok := strings.CutPrefix(topic, d.networks[i].base)
		if !ok || len(rest) < 2 || rest[0] != '/' {
			continue
		}
		at := below(rest[1:])
		at.network = i
		if at.kind == bridgeState {
			at.device = strings.TrimSuffix(topic, "/state")
		}
		return at
	}
	return address{}
}

// below reads what follows the base topic.
func below(rest string) address {
	switch {
	case rest == "bridge/state":
		return address{kind: bridgeState}
	case rest == "bridge" || strings.HasPrefix(rest, "bridge/"):
		return address{kind: silent}
	case isCommand(rest):
		return address{kind: silent}
	}
	if name, ok := strings.CutSuffix(rest, "/availability"); ok {
		return address{kind: availability, device: name}
	}
	return address{kind: message, device: rest}
}

// isCommand reports whether a topic is one to which others publish for a device: <name>/set, <name>/get/<attribute>.
func isCommand(rest string) bool {
	return strings.HasSuffix(rest, "/set") || strings.HasSuffix(rest, "/get") ||
		strings.Contains(rest, "/set/") || strings.Contains(rest, "/get/")
}

// holdsCode reports whether a payload has members in which keypads and locks tell the code or the tag that was used.
func holdsCode(payload []byte) bool {
	for _, member := range [...]string{"action_code", "pin_code", `"users"`, `"code"`, "last_unlock", "last_used_pin"} {
		if bytes.Contains(payload, []byte(member)) {
			return true
		}
	}
	return false
}
