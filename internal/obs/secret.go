package obs

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret looks like everywhere but in Reveal.
const redacted = "***"

// Secret is a password, token or key that cannot be printed by accident: fmt with any verb, slog, encoding/json, YAML and
// encoding.TextMarshaler all show *** for it, or nothing when it is empty, so that an unset secret can be told from a
// set one. It is decoded like any string.
//
// Keep it in exported fields, and not as the key of a map: fmt cannot call methods on an unexported field, and encoding/json
// does not call them on keys, so both show the bare string there.
type Secret string

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb, not %x or %#v either, shows the secret.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) //nolint:errcheck // fmt.Formatter has no way to say it, and fmt's buffer takes everything
}

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML implements the marshaler of YAML libraries.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
