package sim

import (
	"bytes"
	"time"
)

// shdrPair is one key of an SHDR line with its value fields.
type shdrPair struct {
	Key    []byte
	Fields [5][]byte // 1 field, or level, native code, native severity, qualifier and text of a condition
	N      int       // how many of Fields the line has
}

// shdrLine is one line of an adapter's log: a time stamp and the pairs that changed.
type shdrLine struct {
	Stamp   []byte // as written
	StampUs int64  // microseconds since the Unix epoch
	Pairs   []shdrPair
}

// Reasons why a line of a recording is not published. The set is closed: reasons are keys of Counts.Skipped.
const (
	skipMalformed = "malformed"   // not what the format promises
	skipBadTime   = "bad_time"    // a time stamp that is not a time between 2000 and 2100
	skipTooLong   = "too_long"    // a line longer than 512 KiB, or a payload longer than 256 KiB
	skipAsset     = "asset"       // an asset document, not an observation
	skipCommand   = "command"     // a line for the adapter's own protocol, such as * PING
	skipOutside   = "outside"     // before From or after To
	skipNoValue   = "no_value"    // an empty number
	skipUnknown   = "unknown_key" // a topic leaf that the device does not have
	skipClock     = "clock"       // the simulated clock of another replay
)

// shdrForm is what a line of an SHDR log looks like.
const shdrForm = "2030-01-02T08:00:00.123Z|key|value|key|value"

// rightFor says what a line skipped for a reason should have been, "" where it is not the line's fault.
func rightFor(reason, form string) string {
	switch reason {
	case skipMalformed:
		return "want " + form
	case skipBadTime:
		return "want a time between 2000 and 2100"
	case skipUnknown:
		return "want a topic leaf that the device has: power, energy or temperature"
	case skipNoValue:
		return "want a number"
	}
	return ""
}

// fieldsOf says how many value fields follow a key, 0 when the key is not known.
type fieldsOf func(key []byte) int

// parseSHDR splits a line `stamp|key|value|key|value…`. How many fields belong to a key depends on the kind of its
// data item; a key that fields does not know has one, or five when the line is one condition. It returns the reason
// to skip the line, or "". The pairs point into the line and are valid as long as it is.
func parseSHDR(line []byte, fields fieldsOf, out *shdrLine) (reason string) {
	out.Pairs = out.Pairs[:0]
	if len(line) > 0 && line[0] == '*' {
		return skipCommand
	}
	stamp, rest, ok := bytes.Cut(line, []byte{'|'})
	if !ok {
		return skipMalformed
	}
	if out.StampUs, ok = parseStamp(stamp); !ok {
		return skipBadTime
	}
	out.Stamp = stamp
	for more := true; more; {
		var p shdrPair
		if p.Key, rest, more = bytes.Cut(rest, []byte{'|'}); !more || len(p.Key) == 0 {
			return skipMalformed
		}
		if p.Key[0] == '@' {
			return skipAsset
		}
		want := fields(p.Key)
		if want == 0 {
			want = guessFields(rest, len(out.Pairs) == 0)
		}
		for p.N < want && more {
			p.Fields[p.N], rest, more = bytes.Cut(rest, []byte{'|'})
			p.N++
		}
		out.Pairs = append(out.Pairs, p)
	}
	return ""
}

// guessFields tells a condition of an unknown key by its level and its five fields, alone on its line.
func guessFields(rest []byte, first bool) int {
	if first && bytes.Count(rest, []byte{'|'}) == 4 && conditionLevel(rest[:bytes.IndexByte(rest, '|')]) != "" {
		return 5
	}
	return 1
}

// conditionLevel returns the level as the standard writes it, or "" when the word is none.
func conditionLevel(word []byte) string {
	for _, level := range [...]string{"UNAVAILABLE", "NORMAL", "WARNING", "FAULT"} {
		if len(word) == len(level) && bytes.EqualFold(word, []byte(level)) {
			return level
		}
	}
	return ""
}

// earliestUs and latestUs bound a believable time stamp: 2000-01-01 and 2100-01-01.
const (
	earliestUs = 946_684_800_000_000
	latestUs   = 4_102_444_800_000_000
)

// parseStamp reads 2006-01-02T15:04:05[.fraction]Z to the microsecond, cutting further digits.
func parseStamp(b []byte) (us int64, ok bool) {
	const shape = "0000-00-00T00:00:00"
	if len(b) < len(shape)+1 || b[len(b)-1] != 'Z' {
		return 0, false
	}
	for i := range len(shape) {
		if digit := b[i] >= '0' && b[i] <= '9'; (shape[i] == '0') != digit || shape[i] != '0' && b[i] != shape[i] {
			return 0, false
		}
	}
	number := func(from, to int) (n int) {
		for _, c := range b[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	fraction, ok := parseFraction(b[len(shape) : len(b)-1])
	if !ok {
		return 0, false
	}
	month, day, hour, minute, second := number(5, 7), number(8, 10), number(11, 13), number(14, 16), number(17, 19)
	if month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(number(0, 4), time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return 0, false
	}
	us = t.UnixMicro() + fraction
	return us, us >= earliestUs && us < latestUs
}

// parseFraction reads "" or a point and one or more digits as microseconds.
func parseFraction(b []byte) (us int64, ok bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 {
		return 0, false
	}
	for i := range max(6, len(b)-1) {
		c := byte('0')
		if i+1 < len(b) {
			c = b[i+1]
		}
		if c < '0' || c > '9' {
			return 0, false
		}
		if i < 6 {
			us = 10*us + int64(c-'0')
		}
	}
	return us, true
}
