// Package jsondoc reads the JSON payloads of devices for the dialects: strictly by RFC 8259, within the limits of
// package dialect, and with errors that say where the payload is wrong. It refuses what its parser alone would let
// pass: NaN and infinities, numbers such as 01 or 1., control characters, and unbounded depth.
package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// keptPayload is the largest payload whose parser is kept for the next one, in bytes: a parser keeps the memory of its
// largest payload.
const keptPayload = 32 << 10

// Reader reads payloads one after another with the same memory. The zero value is ready; it is used by one goroutine
// at a time.
type Reader struct {
	parser  *fastjson.Parser
	scratch []byte
}

// Read returns the payload's JSON value. The value, and every string taken from it, is good until the next Read: what
// is kept must be copied.
func (r *Reader) Read(payload []byte) (*fastjson.Value, *dialect.Error) {
	if err := dialect.CheckPayload(payload); err != nil {
		return nil, err
	}
	if !utf8.Valid(payload) {
		return nil, dialect.Errorf(telemetry.ReasonNotUTF8, "payload is not UTF-8 from byte %d on", validPrefix(payload))
	}
	if depth := depthOf(payload); depth > dialect.MaxDepth {
		return nil, dialect.Errorf(telemetry.ReasonOversized, "payload nests %d deep; at most %d is read", depth, dialect.MaxDepth)
	}
	// fastjson looks for control characters only behind a string's last escape. Few devices send any escape.
	if fastjson.ValidateBytes(payload) != nil || bytes.IndexByte(payload, '\\') >= 0 && !json.Valid(payload) {
		return nil, explain(payload)
	}
	if r.parser == nil || len(payload) > keptPayload {
		r.parser = &fastjson.Parser{}
	}
	v, err := r.parser.ParseBytes(payload)
	if len(payload) > keptPayload {
		r.parser = nil
	}
	if err != nil {
		return nil, dialect.Errorf(telemetry.ReasonMalformed, "payload is not JSON: %v", err)
	}
	return v, nil
}

// Number returns the number of a JSON number, correctly rounded. The reason is telemetry.ReasonMalformed when v is not a
// number, and telemetry.ReasonOutOfRange when it is too large for a float64.
func (r *Reader) Number(v *fastjson.Value) (float64, telemetry.Reason) { return r.Scaled(v, "") }

// Scaled is Number times a power of ten, such as "e3" for a thousand, without a second rounding: 6.294 kWh are
// 6294 Wh.
func (r *Reader) Scaled(v *fastjson.Value, power string) (float64, telemetry.Reason) {
	if v == nil || v.Type() != fastjson.TypeNumber {
		return 0, telemetry.ReasonMalformed
	}
	r.scratch = v.MarshalTo(r.scratch[:0])
	if power != "" && bytes.IndexByte(r.scratch, 'e') < 0 && bytes.IndexByte(r.scratch, 'E') < 0 {
		r.scratch = append(r.scratch, power...)
		power = ""
	}
	n, reason := parse(r.scratch)
	if power != "" && reason == telemetry.ReasonNone {
		factor, _ := parse([]byte("1" + power))
		n *= factor
	}
	return n, reason
}

// Number returns the number that a text payload or a JSON string holds, in JSON's own grammar; spaces around it are
// ignored. The reason is telemetry.ReasonNotFinite for a text such as "nan" or "-inf", and as Reader.Number says for
// others.
func Number(text string) (float64, telemetry.Reason) {
	text = strings.Trim(text, " \t\r\n")
	if notFinite(text) {
		return 0, telemetry.ReasonNotFinite
	}
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') || fastjson.Validate(text) != nil {
		return 0, telemetry.ReasonMalformed
	}
	return parse([]byte(text))
}

// Text returns the text of a JSON string, or "" for anything else. It shares the reader's memory: it is good until the
// reader's next Read, and what is kept must be copied.
func Text(v *fastjson.Value) string {
	return View(v.GetStringBytes())
}

// View returns an object's key as a string, under the same terms as Text.
func View(key []byte) string { return unsafe.String(unsafe.SliceData(key), len(key)) }

// parse reads a text that is a number by JSON's grammar.
func parse(text []byte) (float64, telemetry.Reason) {
	n, err := strconv.ParseFloat(string(text), 64)
	switch {
	case err == nil:
		return n, telemetry.ReasonNone
	case math.IsInf(n, 0):
		return 0, telemetry.ReasonOutOfRange
	}
	return 0, telemetry.ReasonMalformed
}

// notFinite reports whether the text is one of the ways in which firmware prints a number that is none.
func notFinite(text string) bool {
	text = strings.TrimLeft(text, "+-")
	switch {
	case len(text) < 3 || len(text) > len("infinity"):
		return false
	case strings.EqualFold(text, "nan"), strings.EqualFold(text, "inf"), strings.EqualFold(text, "infinity"):
		return true
	}
	return false
}

// depthOf returns how deep the brackets outside strings nest, without recursion; it may say more, up to MaxDepth.
func depthOf(payload []byte) int {
	if n := bytes.Count(payload, []byte{'{'}) + bytes.Count(payload, []byte{'['}); n <= dialect.MaxDepth {
		// Not deeper than there are brackets: nearly every message ends here.
		return n
	}
	depth, deepest := 0, 0
	inString := false
	for i := 0; i < len(payload); i++ {
		switch c := payload[i]; {
		case inString:
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

func validPrefix(payload []byte) int {
	n := 0
	for n < len(payload) {
		r, size := utf8.DecodeRune(payload[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// explain says where a payload stops being JSON. It is off the usual path, so it can afford a second parser.
func explain(payload []byte) *dialect.Error {
	if len(bytes.TrimSpace(payload)) == 0 {
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is empty; JSON is right")
	}
	var any json.RawMessage
	var syntax *json.SyntaxError
	err := json.Unmarshal(payload, &any)
	if !errors.As(err, &syntax) {
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is not JSON: %v", err)
	}
	at := max(int(syntax.Offset)-1, 0)
	if word, from := wordAround(payload, at); notFinite(word) {
		return dialect.Errorf(telemetry.ReasonNotFinite, "payload has %s at byte %d; JSON has finite numbers only", word, from)
	}
	near := payload[at:min(at+16, len(payload))]
	return dialect.Errorf(telemetry.ReasonMalformed, "payload is not JSON at byte %d, near %s: %v", at, dialect.Quote(string(near)), syntax)
}

// wordAround returns the run of letters and signs that holds the byte at, and where it starts.
func wordAround(payload []byte, at int) (string, int) {
	part := func(i int) bool {
		c := payload[i]
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+'
	}
	from, to := min(at, len(payload)), at
	for from > 0 && part(from-1) {
		from--
	}
	for to < len(payload) && part(to) {
		to++
	}
	return string(payload[from:to]), from
}

// TypeName names the type of a JSON value for an error's detail.
func TypeName(v *fastjson.Value) string {
	if v == nil {
		return "nothing"
	}
	switch v.Type() {
	case fastjson.TypeObject:
		return "an object"
	case fastjson.TypeArray:
		return "an array"
	case fastjson.TypeString:
		return "a string"
	case fastjson.TypeNumber:
		return "a number"
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "a boolean"
	}
	return "null"
}
