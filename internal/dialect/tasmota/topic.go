package tasmota

import (
	"fmt"
	"strings"
)

// fullTopic is a device's setting of that name, in parts.
type fullTopic []string

const (
	prefixPart = "%prefix%"
	topicPart  = "%topic%"
)

func parseFullTopic(text string) (fullTopic, error) {
	parts := fullTopic(strings.Split(strings.TrimSuffix(text, "/"), "/"))
	prefixes, topics := 0, 0
	for _, p := range parts {
		switch {
		case p == prefixPart:
			prefixes++
		case p == topicPart:
			topics++
		case p == "" || strings.ContainsAny(p, "%+#"):
			return nil, fmt.Errorf("tasmota: FullTopics has %q, where the part %q is not read; %s, %s and plain parts are right", text, p, prefixPart, topicPart)
		}
	}
	if prefixes != 1 || topics != 1 {
		return nil, fmt.Errorf("tasmota: FullTopics has %q; one part %s and one part %s are right", text, prefixPart, topicPart)
	}
	return parts, nil
}

// address is what a topic says. The texts are parts of the topic.
type address struct{ prefix, device, leaf string }

// split reads a topic by the first setting that it fits.
func (d *Dialect) split(topic string) (address, bool) {
	for _, t := range d.topics {
		if at, ok := t.match(topic); ok {
			return at, true
		}
	}
	return address{}, false
}

func (t fullTopic) match(topic string) (address, bool) {
	var at address
	rest := topic
	for _, want := range t {
		part, tail, more := strings.Cut(rest, "/")
		if !more {
			return at, false
		}
		switch want {
		case prefixPart:
			if part != "tele" && part != "stat" && part != "cmnd" {
				return at, false
			}
			at.prefix = part
		case topicPart:
			at.device = part
		default:
			if part != want {
				return at, false
			}
		}
		rest = tail
	}
	at.leaf = rest
	return at, rest != "" && at.device != "" && strings.IndexByte(rest, '/') < 0
}

// relayOf returns the channel of a relay's key, such as power1 for POWER1.
func relayOf(key string) (channel string, ok bool) {
	number, ok := strings.CutPrefix(key, "POWER")
	if !ok || len(number) > 2 {
		return "", false
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return "", false
		}
	}
	return "power" + number, true
}
