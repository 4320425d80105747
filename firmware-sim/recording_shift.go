package sim

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// shifted moves messages in time, with the times that their payloads say where it is known how.
func (r *Recording) shifted(messages iter.Seq2[Timed, error]) iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		first := true
		delta := r.options.Shift.Milliseconds()
		for m, err := range messages {
			if err == nil {
				if first && !r.options.Start.IsZero() {
					delta += r.options.Start.UnixMilli() - m.AtMs
				}
				first = false
				var known bool
				if m.Payload, known = shiftPayload(m.Topic, m.Payload, delta); !known {
					r.counts.unshifted(m.Topic)
				}
				m.AtMs += delta
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// maxUnshifted bounds Counts.Unshifted.
const maxUnshifted = 1000

func (c *Counts) unshifted(topic string) {
	if _, ok := c.Unshifted[topic]; !ok && len(c.Unshifted) >= maxUnshifted {
		topic = ""
	}
	c.Unshifted[topic]++
}

// saysTime is what is known of the times in a dialect's payloads: the JSON members that hold them.
type saysTime struct {
	knows   func(topic string) bool
	members string
}

func under(prefixes ...string) func(string) bool {
	return func(topic string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(topic, p) {
				return true
			}
		}
		return false
	}
}

// timesByDialect lists the dialects whose payloads say times, by how their topics look; the first that knows a topic
// counts. The members are those of docs/dialects and of the products' own documents.
func timesByDialect() []saysTime {
	shellyTopic := func(topic string) bool {
		return strings.HasSuffix(topic, "/events/rpc") || strings.Contains(topic, "/status/")
	}
	uplink := func(topic string) bool {
		return strings.HasPrefix(topic, "application/") && strings.Contains(topic, "/event/")
	}
	return []saysTime{
		{under("jishi/v1/"), "t"},
		{under("tele/", "stat/"), "Time TotalStartTime"},
		{under("shellies/"), "unixtime"},
		{under("zigbee2mqtt/"), "last_seen"},
		{under("MTConnect/"), "timestamp creationTime deviceModelChangeTime"},
		{under("spBv1.0/STATE/", "STATE/"), "timestamp"},
		{under("homie/"), ""},
		{uplink, "time nsTime gwTime"},
		{shellyTopic, "ts minute_ts unixtime"},
	}
}

// sparkplugTopics begin the topics whose payloads are protobuf.
const sparkplugTopics = "spBv1.0/"

// shiftPayload moves the times that a payload says. It is false when the payload may say a time and it is not known where;
// the payload then stays as it is, as do times that no clock ever showed (before 2000).
func shiftPayload(topic string, payload []byte, deltaMs int64) (shifted []byte, known bool) {
	document := len(payload) > 0 && (payload[0] == '{' || payload[0] == '[')
	if strings.HasPrefix(topic, sparkplugTopics) && !document {
		return shiftSparkplug(payload, deltaMs)
	}
	if !document {
		return payload, utf8.Valid(payload) && len(payload) < len("2006-01-02T15:04:05") // a bare number or word says no time
	}
	if !json.Valid(payload) {
		return payload, false
	}
	for _, d := range timesByDialect() {
		if d.knows(topic) {
			return shiftMembers(payload, d.members, deltaMs), true
		}
	}
	return payload, false
}

// shiftMembers moves the times in the named members of a JSON document, at any depth, and leaves every other byte.
func shiftMembers(document []byte, names string, deltaMs int64) []byte {
	wanted := strings.Fields(names)
	out := make([]byte, 0, len(document))
	at := 0
	for at < len(document) {
		if document[at] != '"' {
			out = append(out, document[at])
			at++
			continue
		}
		end := endOfString(document, at)
		name := document[at:end]
		out = append(out, name...)
		at = end
		value := skipSpace(document, at)
		if value >= len(document) || document[value] != ':' || !isOneOf(name, wanted) {
			continue
		}
		value = skipSpace(document, value+1)
		out = append(out, document[at:value]...)
		at = endOfScalar(document, value)
		out = append(out, shiftScalar(document[value:at], deltaMs)...)
	}
	return out
}

func isOneOf(quoted []byte, names []string) bool {
	return slices.Contains(names, string(quoted[1:len(quoted)-1]))
}

// endOfString is the index after the closing quote; the document is valid JSON.
func endOfString(b []byte, at int) int {
	for at++; b[at] != '"'; at++ {
		if b[at] == '\\' {
			at++
		}
	}
	return at + 1
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && strings.IndexByte(" \t\r\n", b[at]) >= 0 {
		at++
	}
	return at
}

// endOfScalar is the index after a text or number, and at itself for anything else.
func endOfScalar(b []byte, at int) int {
	if b[at] == '"' {
		return endOfString(b, at)
	}
	end := at
	for end < len(b) && strings.IndexByte("0123456789.-+eE", b[end]) >= 0 {
		end++
	}
	return end
}

// shiftScalar moves a JSON number or text that is a believable time, and keeps its form and precision.
func shiftScalar(scalar []byte, deltaMs int64) []byte {
	if len(scalar) == 0 {
		return scalar
	}
	if scalar[0] != '"' {
		return shiftNumber(scalar, deltaMs)
	}
	inner := scalar[1 : len(scalar)-1]
	if len(inner) > 0 && isDigits(strings.Replace(string(inner), ".", "", 1)) {
		return append(append([]byte{'"'}, shiftNumber(inner, deltaMs)...), '"')
	}
	return append(append([]byte{'"'}, shiftDate(inner, deltaMs)...), '"')
}

// shiftNumber moves a number since 1970 in its own unit; its decimals stay as many.
func shiftNumber(text []byte, deltaMs int64) []byte {
	whole, fraction, pointed := bytes.Cut(text, []byte{'.'})
	n, err := strconv.ParseInt(string(whole), 10, 64)
	if err != nil || !isDigits(string(fraction)) || pointed && len(fraction) == 0 || len(fraction) > 9 {
		return text
	}
	unit := epochUnit(n)
	ns, ok := parseEpoch(string(text))
	if !ok || !believableNs(ns) {
		return text
	}
	ns += deltaMs * int64(time.Millisecond)
	out := strconv.AppendInt(nil, floorDiv(ns, unit), 10)
	if !pointed {
		return out
	}
	out = append(out, '.')
	rest := ns - floorDiv(ns, unit)*unit
	for range fraction {
		unit /= 10
		digit := int64(0)
		if unit > 0 {
			digit = rest / unit % 10
		}
		out = append(out, byte('0'+digit))
	}
	return out
}

func believableNs(ns int64) bool {
	us := ns / 1000
	return us >= earliestUs && us < latestUs
}

// shiftDate moves 2006-01-02T15:04:05 with any decimals and any zone; what follows the seconds keeps its form. A date
// without a zone is moved as what the clock on the wall shows.
func shiftDate(text []byte, deltaMs int64) []byte {
	const layout = "2006-01-02T15:04:05"
	if len(text) < len(layout) {
		return text
	}
	date, tail := string(text[:len(layout)]), text[len(layout):]
	separator := date[10]
	at, err := time.Parse(layout, date[:10]+"T"+date[11:])
	if err != nil || separator != 'T' && separator != ' ' {
		return text
	}
	digits := 0
	if len(tail) > 0 && tail[0] == '.' {
		for digits+1 < len(tail) && tail[digits+1] >= '0' && tail[digits+1] <= '9' {
			digits++
		}
	}
	ns := at.UnixNano()
	unit := int64(time.Second)
	for i := 0; i < min(digits, 9); i++ {
		unit /= 10
		ns += int64(tail[1+i]-'0') * unit
	}
	if !believableNs(ns) {
		return text
	}
	moved := time.Unix(0, ns+deltaMs*int64(time.Millisecond)).UTC()
	out := moved.AppendFormat(nil, layout)
	out[10] = separator
	if digits > 0 {
		out = append(out, '.')
		nine := strconv.AppendInt(nil, int64(time.Second)+int64(moved.Nanosecond()), 10)[1:]
		out = append(out, nine[:min(digits, 9)]...)
		out = append(out, tail[1+min(digits, 9):]...)
		return out
	}
	return append(out, tail...)
}

// Sparkplug B's protobuf, as far as its times go: payload.timestamp is field 1, payload.metrics field 2, and a metric's
// timestamp its field 3, all milliseconds as varints.
const (
	sparkplugTime       = 1
	sparkplugMetrics    = 2
	sparkplugMetricTime = 3

	wireVarint = 0
	wireFixed8 = 1
	wireBytes  = 2
	wireFixed4 = 5
)

// shiftSparkplug moves the times of a Sparkplug payload in place: between 1971 and 2109 all of them have six bytes.
func shiftSparkplug(payload []byte, deltaMs int64) (shifted []byte, known bool) {
	out := bytes.Clone(payload)
	ok := eachField(out, func(field uint64, value []byte) bool {
		switch field {
		case sparkplugTime<<3 | wireVarint:
			return shiftVarint(value, deltaMs)
		case sparkplugMetrics<<3 | wireBytes:
			return eachField(value, func(field uint64, value []byte) bool {
				return field != sparkplugMetricTime<<3|wireVarint || shiftVarint(value, deltaMs)
			})
		}
		return true
	})
	if !ok {
		return payload, false
	}
	return out, true
}

// eachField calls visit with each field's tag and the bytes of its value. It is false when the bytes are no protobuf, or
// visit is.
func eachField(b []byte, visit func(field uint64, value []byte) bool) bool {
	for len(b) > 0 {
		tag, n := varint(b)
		if n == 0 {
			return false
		}
		b = b[n:]
		size := 0
		switch tag & 7 {
		case wireVarint:
			_, size = varint(b)
			if size == 0 {
				return false
			}
		case wireFixed8:
			size = 8
		case wireFixed4:
			size = 4
		case wireBytes:
			length, n := varint(b)
			if n == 0 || length > uint64(len(b)-n) {
				return false
			}
			b = b[n:]
			size = int(length)
		default:
			return false
		}
		if size > len(b) || !visit(tag, b[:size]) {
			return false
		}
		b = b[size:]
	}
	return true
}

// varint reads a number; n is how many bytes it has, 0 when it is none.
func varint(b []byte) (value uint64, n int) {
	for i := 0; i < len(b) && i < 10; i++ {
		value |= uint64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return value, i + 1
		}
	}
	return 0, 0
}

// shiftVarint moves a time where it stands; one that no clock ever showed stays. It is false when the new one has not as
// many bytes.
func shiftVarint(b []byte, deltaMs int64) bool {
	value, n := varint(b)
	if ms := int64(value); ms < earliestUs/1000 || ms >= latestUs/1000 {
		return true
	}
	moved := uint64(int64(value) + deltaMs)
	if moved>>(7*(n-1)) == 0 || moved>>(7*n) != 0 {
		return false
	}
	for i := range n {
		b[i] = byte(moved>>(7*i))&0x7f | 0x80
	}
	b[n-1] &= 0x7f
	return true
}
