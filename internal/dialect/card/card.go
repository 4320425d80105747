// Package card turns what a badge reader says into a card's token, and cleans card numbers, ID numbers and names out of
// messages that are kept. It is for the dialects that hear readers and for the bridge's log: no raw card number leaves
// this package except as the token, a keyed hash under the city's key, and none of its errors repeats what it was given.
//
// Readers write one card in many ways: hexadecimal or decimal, first or last byte first, all bytes or only the 24 bits
// of Wiegand-26. Parse, Rule and Tokens bring them to one Number and so to one token.
package card

import (
	"math/big"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Notation is how a reader writes a card's number.
type Notation string

// The notations.
const (
	// Hex is hexadecimal, two digits a byte, with or without ":", "-" or blanks between them, a leading "0x" or a trailing
	// "h".
	Hex Notation = "hex"
	// Decimal is one decimal number.
	Decimal Notation = "decimal"
	// Facility is Wiegand-26 in two decimal numbers, facility code 0 to 255 and card 0 to 65535, with "," "-" ":" or a
	// blank between them.
	Facility Notation = "facility"
)

// Notations lists every notation.
func Notations() []Notation { return []Notation{Hex, Decimal, Facility} }

// The sizes of card numbers, in bytes. ISO 14443 has UIDs of 4, 7 and 10 bytes, EM4100 has 5, Wiegand-26 has 3.
const (
	minBytes = 2
	maxBytes = 10
)

// Number is a card's number: its bytes, most significant first. It prints as stars; the zero Number is no card.
type Number struct {
	bytes string
}

// String returns stars, so that a Number in a log line says nothing.
func (n Number) String() string { return "card ****" }

// GoString is String, for %#v.
func (n Number) GoString() string { return n.String() }

// Parse reads a number in a notation. An error says what is wrong and what would be right, and never repeats the text.
// A number of zeros is refused: it is what a reader says that has read nothing.
func Parse(notation Notation, text string) (Number, *dialect.Error) {
	var b []byte
	var err *dialect.Error
	switch notation {
	case Hex:
		b, err = parseHex(text)
	case Decimal:
		b, err = parseDecimal(text)
	case Facility:
		b, err = parseFacility(text)
	default:
		return Number{}, dialect.Errorf(telemetry.ReasonMalformed, "card notation %s is none of hex, decimal, facility", dialect.Quote(string(notation)))
	}
	if err != nil {
		return Number{}, err
	}
	if !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
		return Number{}, malformed("all zeros, which is no card")
	}
	return Number{string(b)}, nil
}

func malformed(what string) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed, "card number is %s; it is not repeated here", what)
}

func parseHex(text string) ([]byte, *dialect.Error) {
	const right = "%s; %d to %d bytes in hexadecimal are right"
	text = strings.TrimSuffix(strings.TrimPrefix(strings.ToLower(text), "0x"), "h")
	digits := make([]byte, 0, 2*maxBytes)
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			digits = append(digits, c-'0')
		case c >= 'a' && c <= 'f':
			digits = append(digits, c-'a'+10)
		case (c == ':' || c == '-' || c == ' ') && i > 0 && i < len(text)-1:
		default:
			return nil, dialect.Errorf(telemetry.ReasonMalformed, "card number is "+right, "not hexadecimal", minBytes, maxBytes)
		}
		if len(digits) > 2*maxBytes {
			return nil, dialect.Errorf(telemetry.ReasonMalformed, "card number is "+right, "too long", minBytes, maxBytes)
		}
	}
	if len(digits)%2 == 1 {
		digits = slices.Insert(digits, 0, 0)
	}
	if len(digits) < 2*minBytes {
		return nil, dialect.Errorf(telemetry.ReasonMalformed, "card number is "+right, "too short", minBytes, maxBytes)
	}
	b := make([]byte, len(digits)/2)
	for i := range b {
		b[i] = digits[2*i]<<4 | digits[2*i+1]
	}
	return b, nil
}

// maxDecimal is how many digits ten bytes have.
const maxDecimal = 25

func parseDecimal(text string) ([]byte, *dialect.Error) {
	if text == "" || len(text) > maxDecimal || strings.Trim(text, "0123456789") != "" {
		return nil, malformed("not decimal; 1 to 25 digits are right")
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok || n.BitLen() > 8*maxBytes {
		return nil, malformed("over ten bytes; 1 to 25 digits are right")
	}
	// Numbers of up to four bytes are what readers hold in 32 bits: the width matters when the bytes are reversed.
	return n.FillBytes(make([]byte, max(4, (n.BitLen()+7)/8))), nil
}

func parseFacility(text string) ([]byte, *dialect.Error) {
	facility, number, ok := cutAny(text, ",-: ")
	f, okF := small(strings.TrimSpace(facility), 255)
	n, okN := small(strings.TrimSpace(number), 65535)
	if !ok || !okF || !okN {
		return nil, malformed("no facility code and number; 0 to 255, a comma, 0 to 65535 are right")
	}
	return []byte{byte(f), byte(n >> 8), byte(n)}, nil
}

func cutAny(text, separators string) (before, after string, found bool) {
	i := strings.IndexAny(text, separators)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// small reads a decimal number up to a limit.
func small(text string, limit int) (int, bool) {
	if text == "" || len(text) > 5 {
		return 0, false
	}
	n := 0
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, n <= limit
}
