package esprfid

import (
	"fmt"
	"strings"
)

// devicePart stands for the reader's name at the end of a topic setting.
const devicePart = "%device%"

// leaf is what follows a reader's topic setting in a message's topic.
type leaf uint8

const (
	leafBare         leaf = iota // the setting itself: all messages up to version 1.0, and commands up to 1.3
	leafSend                     // send, since version 1.3
	leafSync                     // sync: boots and heartbeats of version 1.3
	leafTag                      // tag: cards in the mode for Home Assistant
	leafAvailability             // avty: the last will in that mode
	leafOther                    // cmd: commands; accesslist: the list of users; io/…: door, lock and bell
)

func parseLeaf(text string) (leaf, bool) {
	switch text {
	case "send":
		return leafSend, true
	case "sync":
		return leafSync, true
	case "tag":
		return leafTag, true
	case "avty":
		return leafAvailability, true
	case "cmd", "accesslist":
		return leafOther, true
	}
	input, ok := strings.CutPrefix(text, "io/")
	return leafOther, ok && input != "" && !strings.Contains(input, "/")
}

// topicSetting is a reader's topic setting.
type topicSetting struct {
	prefix string // all of it, or what stands before %device%
	each   bool   // a reader's name follows the prefix
}

func parseTopic(text string) (topicSetting, error) {
	prefix, each := strings.CutSuffix(text, devicePart)
	t := topicSetting{prefix: prefix, each: each}
	if prefix == "" || strings.ContainsAny(prefix, "%+#\x00") || !each && lastPart(prefix) == "" {
		return t, fmt.Errorf("esprfid: Topics has %q; a topic such as esprfid is right, or one that ends in %s such as esprfid/%s", text, devicePart, devicePart)
	}
	return t, nil
}

// address is what a topic says. The name is a part of the topic.
type address struct {
	device string
	leaf   leaf
	own    bool // the reader has the topic for itself: what it calls itself in the payload does not count
}

// split reads a topic by the first setting that it fits.
func (d *Dialect) split(topic string) (address, bool) {
	for _, t := range d.topics {
		if at, ok := t.match(topic); ok {
			return at, true
		}
	}
	return address{}, false
}

func (t topicSetting) match(topic string) (address, bool) {
	rest, ok := strings.CutPrefix(topic, t.prefix)
	if !ok {
		return address{}, false
	}
	at := address{device: lastPart(t.prefix), own: t.each}
	if t.each {
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		if at.device, rest = rest[:end], rest[end:]; at.device == "" {
			return at, false
		}
	}
	if rest == "" {
		return at, true
	}
	text, ok := strings.CutPrefix(rest, "/")
	if !ok {
		return at, false
	}
	at.leaf, ok = parseLeaf(text)
	return at, ok
}

// lastPart is what stands behind a topic's last slash.
func lastPart(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }
