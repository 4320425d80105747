package shelly

import "strings"

// kind is what a topic carries.
type kind uint8

const (
	foreign kind = iota // not a Shelly's
	silent              // a Shelly's, and says nothing about use
	online              // true or false
	events              // generation 2 notifications
	status              // generation 2 status of one component
	reply               // generation 2 answer to Shelly.GetStatus
	gen1                // a generation 1 value
)

// address is what a topic says. The texts are parts of the topic.
type address struct {
	kind   kind
	prefix string // all before the ending that tells the kind
	device string // the prefix, without shellies/
	leaf   string // status: the component; gen1: what follows the device
}

const (
	gen1Root = "shellies/"
	// replyTo is the part of a device's own topic tree to which it is asked to reply.
	replyTo = "jishi"
)

// split reads a topic. Generation 1 has a root of its own; generation 2 is known by its endings, under a prefix that
// is the device's id unless a technician chose another.
func split(topic string) address {
	if prefix, ok := strings.CutSuffix(topic, "/events/rpc"); ok {
		return under(events, prefix, "")
	}
	if prefix, ok := strings.CutSuffix(topic, "/"+replyTo+"/rpc"); ok {
		return under(reply, prefix, "")
	}
	cut := strings.LastIndexByte(topic, '/')
	if cut <= 0 {
		return address{}
	}
	head, leaf := topic[:cut], topic[cut+1:]
	if prefix, ok := strings.CutSuffix(head, "/status"); ok && isComponent(leaf) {
		return under(status, prefix, leaf)
	}
	if leaf == "online" {
		return under(online, head, "")
	}
	if rest, ok := strings.CutPrefix(topic, gen1Root); ok {
		device, leaf, deep := strings.Cut(rest, "/")
		if !deep || leaf == "command" || leaf == "announce" || leaf == "info" || leaf == "rpc" {
			// shellies/announce and shellies/command are of all devices.
			return address{kind: silent}
		}
		return address{kind: gen1, prefix: gen1Root + device, device: device, leaf: leaf}
	}
	switch leaf {
	case "rpc", "command":
		// What is published to the devices, by this bridge among others.
		return address{kind: silent}
	}
	return address{}
}

func under(k kind, prefix, leaf string) address {
	return address{kind: k, prefix: prefix, device: strings.TrimPrefix(prefix, gen1Root), leaf: leaf}
}

// isComponent reports whether a text is a component's key: lower-case letters and digits, and perhaps a number.
func isComponent(leaf string) bool {
	name, number, numbered := strings.Cut(leaf, ":")
	if name == "" || numbered && number == "" {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
	}
	return true
}
