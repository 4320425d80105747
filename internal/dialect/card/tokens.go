package card

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// KeyBytes is the size of a city's card key.
const KeyBytes = 32

// Rule is how one reader differs from what its dialect expects.
type Rule struct {
	// Notation is what the reader writes; "" is the dialect's own.
	Notation Notation
	// Reversed is true when the reader says the last byte first.
	Reversed bool
	// Bits are the low bits that count, 16 to 80 and a multiple of 8; 0 counts all. A base that mixes Wiegand-26 readers
	// with readers of whole UIDs sets 24, because that is all that both can see.
	Bits int
}

// Options are what Tokens need.
type Options struct {
	// Key is the city's card key, KeyBytes long. Required.
	Key []byte
	// Default is the rule for every reader that has none of its own.
	Default Rule
	// Readers are the rules of single readers, by device.
	Readers map[string]Rule
}

// Tokens make card tokens. They may be used concurrently.
type Tokens struct {
	o  Options
	id string // names the key in every token
}

// NewTokens returns tokens under a key; the error names the option that is wrong, and never the key.
func NewTokens(o Options) (*Tokens, error) {
	if len(o.Key) != KeyBytes {
		return nil, fmt.Errorf("card key has %d bytes: want %d", len(o.Key), KeyBytes)
	}
	if err := o.Default.check(); err != nil {
		return nil, err
	}
	for device, rule := range o.Readers {
		if err := rule.check(); err != nil {
			return nil, fmt.Errorf("reader %q: %w", device, err)
		}
	}
	o.Key = slices.Clone(o.Key)
	return &Tokens{o: o, id: KeyID(o.Key)}, nil
}

func (r Rule) check() error {
	if r.Notation != "" && !slices.Contains(Notations(), r.Notation) {
		return fmt.Errorf("card notation is %q: want one of %v", r.Notation, Notations())
	}
	if r.Bits != 0 && (r.Bits < 16 || r.Bits > 8*maxBytes || r.Bits%8 != 0) {
		return fmt.Errorf("card bits are %d: want 16 to %d, a multiple of 8, or 0 for all", r.Bits, 8*maxBytes)
	}
	return nil
}

// KeyID is the eight hexadecimal digits by which a key is named in its tokens. It says nothing about the key.
func KeyID(key []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("jishi card key id v1"))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// Token returns the token of a card that a reader wrote in its dialect's own notation, or why it is no card. The error
// never repeats the text. A nil Tokens refuses every card: without a key a number must not be kept.
func (t *Tokens) Token(device string, own Notation, text string) (string, *dialect.Error) {
	if t == nil {
		return "", dialect.Errorf(telemetry.ReasonNoCardKey, "this decoder has no card key; the bridge's setting card.key names one")
	}
	rule, ok := t.o.Readers[device]
	if !ok {
		rule = t.o.Default
	}
	notation := own
	if rule.Notation != "" {
		notation = rule.Notation
	}
	n, err := Parse(notation, text)
	if err != nil {
		return "", err
	}
	n = rule.apply(n)
	if n == (Number{}) {
		return "", malformed("zero in the bits that count")
	}
	return t.of(n), nil
}

// apply brings a number to its one form: the bytes that count, most significant first, without leading zeros.
func (r Rule) apply(n Number) Number {
	b := []byte(n.bytes)
	if r.Reversed {
		slices.Reverse(b)
	}
	if keep := r.Bits / 8; keep > 0 && len(b) > keep {
		b = b[len(b)-keep:]
	}
	return Number{strings.TrimLeft(string(b), "\x00")}
}

// of is the keyed hash: an HMAC-SHA256 of the number, cut to 128 bits, behind the key's name.
func (t *Tokens) of(n Number) string {
	mac := hmac.New(sha256.New, t.o.Key)
	mac.Write([]byte("jishi card v1\x00"))
	mac.Write([]byte(n.bytes))
	return "k" + t.id + "_" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// IsToken reports whether a text has the form of a token: what a gateway made that holds the city's key itself.
func IsToken(text string) bool {
	const length = 1 + 8 + 1 + 32
	if len(text) != length || text[0] != 'k' || text[9] != '_' {
		return false
	}
	digits := text[1:9] + text[10:]
	return strings.Trim(digits, "0123456789abcdef") == ""
}
