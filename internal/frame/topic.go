package frame

import (
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	topicRoot  = "jishi/v1/"
	frameLevel = "frame"
	ackLevel   = "ack"
)

// FrameTopic returns the topic on which a bridge publishes its frames [F-7.1]. Both names must be valid.
func FrameTopic(base, bridge string) string {
	return topicRoot + base + "/" + bridge + "/" + frameLevel
}

// AckTopic returns the topic on which the city acknowledges to a bridge [F-7.2]. Both names must be valid.
func AckTopic(base, bridge string) string { return topicRoot + base + "/" + bridge + "/" + ackLevel }

// FrameFilter returns the topic filter that matches the frames of every bridge.
func FrameFilter() string { return topicRoot + "+/+/" + frameLevel }

// ParseTopic returns the base and the bridge of a frame's or an acknowledgement's topic, and whether the topic is one.
func ParseTopic(topic string) (base, bridge string, ok bool) {
	rest, ok := strings.CutPrefix(topic, topicRoot)
	if !ok {
		return "", "", false
	}
	base, rest, _ = strings.Cut(rest, "/")
	bridge, level, _ := strings.Cut(rest, "/")
	if level != frameLevel && level != ackLevel || ValidName(base) != nil || ValidName(bridge) != nil {
		return "", "", false
	}
	return base, bridge, true
}

// ValidName reports whether a base's code or a bridge's id may stand in a topic, a frame and a file name [F-7.3]: 1 to
// telemetry.MaxName letters and digits of ASCII, '.', '_' and '-', the first a letter or digit. The error says what
// is wrong.
func ValidName(s string) error {
	if s == "" {
		return malformed("name is empty")
	}
	if len(s) > telemetry.MaxName {
		return tooLarge("name", len(s), telemetry.MaxName)
	}
	for i := range len(s) {
		if !nameByte(s[i], i == 0) {
			return malformed("name %q: byte %d is not allowed; use A-Z a-z 0-9, and after the first byte also . _ -", s, i+1)
		}
	}
	return nil
}

func nameByte(c byte, first bool) bool {
	switch {
	case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return true
	}
	return !first && (c == '.' || c == '_' || c == '-')
}
