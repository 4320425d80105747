package enrol

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// A document is a title and lines "name: value" in one order. A signature covers every byte before its line; these begin
// with the title, so that nothing else that a key signs can pass for the document.

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

type writer struct{ text string }

func (w *writer) line(name, value string) { w.text += name + ": " + value + "\n" }

func (w *writer) sign(name string, key ed25519.PrivateKey) {
	w.line(name, encode(ed25519.Sign(key, []byte(w.text))))
}

// reader takes the lines one after the other and keeps the first thing that is wrong.
type reader struct {
	text string // as it was written
	at   int    // of the next line
	err  error
}

// newReader undoes what a mail program may have done to the text, and takes its title.
func newReader(text []byte, title string) (*reader, error) {
	if len(text) > MaxBytes {
		return nil, malformed("%d bytes, at most %d", len(text), MaxBytes)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	text = append(bytes.TrimRight(text, " \n"), '\n')
	if !bytes.HasPrefix(text, []byte(title+"\n")) {
		first, _, _ := bytes.Cut(text, []byte("\n"))
		return nil, malformed("first line is %q, want %q", first[:min(len(first), 60)], title)
	}
	return &reader{text: string(text), at: len(title) + 1}, nil
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) has(name string) bool { return strings.HasPrefix(r.text[r.at:], name+": ") }

func (r *reader) value(name string) string {
	if r.err != nil {
		return ""
	}
	line, _, whole := strings.Cut(r.text[r.at:], "\n")
	value, ok := strings.CutPrefix(line, name+": ")
	if !whole || !ok {
		r.fail(malformed("a line %q is not where it should be", name))
		return ""
	}
	r.at += len(line) + 1
	return value
}

// bytes reads so many bytes in base64, in the one way in which they are written.
func (r *reader) bytes(name string, size int) []byte {
	value := r.value(name)
	b, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || len(b) != size || encode(b) != value {
		r.fail(malformed("%s is not %d bytes in base64", name, size))
		return make([]byte, size)
	}
	return b
}

func (r *reader) name(name string) string {
	value := r.value(name)
	if err := checkName(value); err != nil {
		r.fail(malformed("%s: %w", name, err))
	}
	return value
}

func (r *reader) keyID(name string) string {
	value := r.value(name)
	if len(value) != 8 || strings.Trim(value, "0123456789abcdef") != "" {
		r.fail(malformed("%s is not eight hexadecimal digits", name))
	}
	return value
}

func (r *reader) time(name string) time.Time {
	value := r.value(name)
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || t.UTC().Format(time.RFC3339) != value {
		r.fail(malformed("%s is not a time such as 2026-03-02T08:00:00Z", name))
	}
	return t.UTC()
}

// verify takes a line that signs everything before it.
func (r *reader) verify(name string, key ed25519.PublicKey) {
	signed := r.text[:r.at]
	signature := r.bytes(name, ed25519.SignatureSize)
	if r.err == nil && !ed25519.Verify(key, []byte(signed), signature) {
		r.fail(fmt.Errorf("%s: %w", name, ErrSignature))
	}
}

// end wants nothing more.
func (r *reader) end() error {
	if r.err == nil && r.at != len(r.text) {
		r.fail(malformed("there is more behind the signature"))
	}
	return r.err
}

// maxName is the longest id of the registry.
const maxName = 64

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%d bytes, at most %d", len(name), maxName)
	}
	return frame.ValidName(name)
}

func checkNames(base, bridge string) error {
	if err := checkName(base); err != nil {
		return fmt.Errorf("base: %w", err)
	}
	if err := checkName(bridge); err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	return nil
}
