package dialect

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Limits of a message. A message over one of them is refused whole.
const (
	// MaxPayload is how large a payload may be, in bytes.
	MaxPayload = 256 << 10
	// MaxDepth is how deep a JSON payload may nest.
	MaxDepth = 32
	// MaxDevices is how many devices a dialect remembers by default. The one heard longest ago is forgotten first.
	MaxDevices = 20_000
)

// maxQuoted is how many bytes of a message's own text an error repeats.
const maxQuoted = 48

// Errorf returns an *Error whose detail is valid UTF-8 of at most telemetry.MaxDetail bytes, whatever the arguments hold.
func Errorf(reason telemetry.Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: bounded(fmt.Sprintf(format, args...))}
}

// Quote returns the text quoted for an error's detail: escaped, and cut to its first bytes when it is long.
func Quote(s string) string {
	if len(s) <= maxQuoted {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q…", s[:maxQuoted])
}

func bounded(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= telemetry.MaxDetail {
		return s
	}
	const mark = "…"
	cut := telemetry.MaxDetail - len(mark)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

// Faults gathers what was wrong with the parts of one message, so that its good parts need not be lost with the bad
// ones. The zero value is ready for use.
type Faults struct {
	first *Error
	more  int
}

// Add notes a fault; nil is ignored.
func (f *Faults) Add(e *Error) {
	switch {
	case e == nil:
	case f.first == nil:
		f.first = e
	default:
		f.more++
	}
}

// Err returns nil when there was no fault, else one *Error: the first fault, and how many followed.
func (f *Faults) Err() error {
	switch {
	case f.first == nil:
		return nil
	case f.more == 0:
		return f.first
	}
	tail := fmt.Sprintf(" (and %d more)", f.more)
	head := f.first.Detail
	if over := len(head) + len(tail) - telemetry.MaxDetail; over > 0 {
		head = strings.ToValidUTF8(head[:len(head)-over], "")
	}
	return &Error{Reason: f.first.Reason, Detail: head + tail}
}

// CheckPayload refuses a payload over MaxPayload.
func CheckPayload(payload []byte) *Error {
	if len(payload) > MaxPayload {
		return Errorf(telemetry.ReasonOversized, "payload has %d bytes; at most %d are read", len(payload), MaxPayload)
	}
	return nil
}

// CheckName refuses a device, channel or card that is empty, longer than telemetry.MaxName bytes, not UTF-8, or that
// holds control characters. what names it in the error, such as "device in the topic".
func CheckName(what, name string) *Error {
	if name == "" {
		return Errorf(telemetry.ReasonMalformed, "%s is empty; 1 to %d bytes are right", what, telemetry.MaxName)
	}
	return checkText(what, name, telemetry.MaxName)
}

// CheckState refuses a state that is longer than telemetry.MaxState bytes, not UTF-8, or that holds control characters.
func CheckState(what, state string) *Error { return checkText(what, state, telemetry.MaxState) }

func checkText(what, s string, most int) *Error {
	if len(s) > most {
		return Errorf(telemetry.ReasonOversized, "%s has %d bytes; at most %d are right", what, len(s), most)
	}
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return Errorf(telemetry.ReasonMalformed, "%s holds the control character 0x%02x", what, s[i])
		}
		plain = plain && s[i] < utf8.RuneSelf
	}
	if !plain && !utf8.ValidString(s) {
		return Errorf(telemetry.ReasonNotUTF8, "%s is not UTF-8", what)
	}
	return nil
}
