package voice

import (
	"strconv"
	"time"
)

// The parts of JSON, written in a device's own order and with its own decimals.

// appendKey writes a member's name, after a comma unless the object has just begun.
func appendKey(out []byte, name string) []byte {
	if n := len(out); n > 0 && out[n-1] != '{' {
		out = append(out, ',')
	}
	return append(append(append(out, '"'), name...), '"', ':')
}

// appendFixed writes a number with its decimals.
func appendFixed(out []byte, name string, value float64, decimals int) []byte {
	return strconv.AppendFloat(appendKey(out, name), value, 'f', decimals, 64)
}

// appendWhole writes a whole number.
func appendWhole(out []byte, name string, value int64) []byte {
	return strconv.AppendInt(appendKey(out, name), value, 10)
}

// appendTruth writes true or false.
func appendTruth(out []byte, name string, value bool) []byte {
	return strconv.AppendBool(appendKey(out, name), value)
}

// appendText writes a text.
func appendText(out []byte, name, value string) []byte {
	return appendQuoted(appendKey(out, name), value)
}

// appendQuoted writes a JSON string of valid UTF-8.
func appendQuoted(out []byte, text string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendStamp writes an instant as UTC with as many decimals of a second as the layout says.
func appendStamp(out []byte, ms int64, layout string) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(out, layout)
}

// Layouts of appendStamp.
const (
	stampSeconds = "2006-01-02T15:04:05Z"
	stampMicros  = "2006-01-02T15:04:05.000000Z"
)
