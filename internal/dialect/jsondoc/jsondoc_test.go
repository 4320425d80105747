package jsondoc_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fastjson"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		payload string
		reason  telemetry.Reason
		detail  string
	}{
		"empty":             {"", telemetry.ReasonMalformed, "empty"},
		"spaces":            {" \n", telemetry.ReasonMalformed, "empty"},
		"cut short":         {`{"a":1`, telemetry.ReasonMalformed, "byte 5"},
		"trailing":          {`{} {}`, telemetry.ReasonMalformed, "byte 3"},
		"bare NaN":          {`{"a":NaN}`, telemetry.ReasonNotFinite, "NaN at byte 5"},
		"bare nan":          {`{"a":nan}`, telemetry.ReasonNotFinite, "nan at byte 5"},
		"bare -inf":         {`{"a":-inf}`, telemetry.ReasonNotFinite, "-inf at byte 5"},
		"bare Infinity":     {`[Infinity]`, telemetry.ReasonNotFinite, "Infinity at byte 1"},
		"leading zero":      {`{"a":01}`, telemetry.ReasonMalformed, "byte 6"},
		"dangling point":    {`{"a":1.}`, telemetry.ReasonMalformed, "byte 7"},
		"plus sign":         {`{"a":+1}`, telemetry.ReasonMalformed, "byte 5"},
		"two numbers":       {`{"a":1-2}`, telemetry.ReasonMalformed, "byte 6"},
		"control character": {"{\"a\":\"\n\"}", telemetry.ReasonMalformed, "byte 6"},
		"before an escape":  {"{\"a\n\\\"\":1}", telemetry.ReasonMalformed, "byte 3"},
		"not UTF-8":         {"{\"a\":\"\xff\"}", telemetry.ReasonNotUTF8, "byte 6"},
		"too deep":          {strings.Repeat("[", 33) + strings.Repeat("]", 33), telemetry.ReasonOversized, "33 deep"},
		"unbounded depth":   {strings.Repeat("[", 100_000), telemetry.ReasonOversized, "100000 deep"},
		"too large":         {`"` + strings.Repeat("a", dialect.MaxPayload) + `"`, telemetry.ReasonOversized, "262146 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r jsondoc.Reader
			_, err := r.Read([]byte(tt.payload))
			if err == nil {
				t.Fatalf("Read(%.40q) accepted", tt.payload)
			}
			if err.Reason != tt.reason || !strings.Contains(err.Detail, tt.detail) {
				t.Errorf("Read(%.40q) = %v, want reason %s and detail with %q", tt.payload, err, tt.reason, tt.detail)
			}
		})
	}
}

func TestReadAcceptsTheDeepestAllowed(t *testing.T) {
	t.Parallel()
	var r jsondoc.Reader
	for _, payload := range []string{
		strings.Repeat("[", dialect.MaxDepth) + strings.Repeat("]", dialect.MaxDepth),
		`{"braces in a string":"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\"{{"}`,
	} {
		if _, err := r.Read([]byte(payload)); err != nil {
			t.Errorf("Read(%q): %v", payload, err)
		}
	}
}

func TestNumberText(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want   float64
		reason telemetry.Reason
	}{
		"12.5":          {12.5, telemetry.ReasonNone},
		" -3\n":         {-3, telemetry.ReasonNone},
		"1e3":           {1000, telemetry.ReasonNone},
		"150.500000":    {150.5, telemetry.ReasonNone},
		"1e400":         {0, telemetry.ReasonOutOfRange},
		"nan":           {0, telemetry.ReasonNotFinite},
		"-NaN":          {0, telemetry.ReasonNotFinite},
		"+Inf":          {0, telemetry.ReasonNotFinite},
		"-infinity":     {0, telemetry.ReasonNotFinite},
		"":              {0, telemetry.ReasonMalformed},
		"on":            {0, telemetry.ReasonMalformed},
		"true":          {0, telemetry.ReasonMalformed},
		"[1]":           {0, telemetry.ReasonMalformed},
		"0x10":          {0, telemetry.ReasonMalformed},
		"1_000":         {0, telemetry.ReasonMalformed},
		"1,5":           {0, telemetry.ReasonMalformed},
		"99999999e9999": {0, telemetry.ReasonOutOfRange},
	}
	for text, tt := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			if got, reason := jsondoc.Number(text); got != tt.want || reason != tt.reason {
				t.Errorf("Number(%q) = %v, %q; want %v, %q", text, got, reason, tt.want, tt.reason)
			}
		})
	}
}

// What is stored must be the number that the device wrote, to the last bit.
func TestNumberIsCorrectlyRounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Float64Range(-1e18, 1e18).Draw(t, "number")
		format := rapid.SampledFrom([]byte("efg")).Draw(t, "format")
		var r jsondoc.Reader
		v, err := r.Read([]byte(strconv.FormatFloat(want, format, -1, 64)))
		if err != nil {
			t.Fatal(err)
		}
		if got, reason := r.Number(v); got != want || reason != telemetry.ReasonNone {
			t.Fatalf("Number(%v) = %v, %q", want, got, reason)
		}
	})
}

func TestScaled(t *testing.T) {
	t.Parallel()
	var r jsondoc.Reader
	for text, want := range map[string]float64{"6.294": 6294, "514.153": 514153, "0.1": 100, "1e-3": 1, "14.68792": 14687.92, "0": 0} {
		v, err := r.Read([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, reason := r.Scaled(v, "e3"); got != want || reason != telemetry.ReasonNone {
			t.Errorf("Scaled(%s, e3) = %v, %q; want %v", text, got, reason, want)
		}
	}
}

// FuzzRead: Read accepts exactly what the standard library calls JSON, within the limits.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true]}`, `[NaN]`, `{"a":01}`, "\"\x01\"", `"\ud800"`, `{"\"":1}`, "{\"\n\\\"\":1}", ` {} `, `-`, `[1,]`} {
		f.Add([]byte(seed))
	}
	var r jsondoc.Reader
	f.Fuzz(func(t *testing.T, payload []byte) {
		v, err := r.Read(payload)
		if err == nil {
			if !json.Valid(payload) {
				t.Fatalf("Read(%q) accepted what is not JSON", payload)
			}
			walk(t, &r, v)
			return
		}
		if len(err.Detail) > telemetry.MaxDetail {
			t.Fatalf("detail of %d bytes", len(err.Detail))
		}
		if err.Reason == telemetry.ReasonMalformed && json.Valid(payload) {
			t.Fatalf("Read(%q) refused JSON: %v", payload, err)
		}
	})
}

func walk(t *testing.T, r *jsondoc.Reader, v *fastjson.Value) {
	t.Helper()
	switch v.Type() {
	case fastjson.TypeNumber:
		if n, reason := r.Number(v); reason == telemetry.ReasonNone && (math.IsNaN(n) || math.IsInf(n, 0)) {
			t.Fatalf("number %v", n)
		}
	case fastjson.TypeArray:
		for _, e := range v.GetArray() {
			walk(t, r, e)
		}
	case fastjson.TypeObject:
		v.GetObject().Visit(func(_ []byte, e *fastjson.Value) { walk(t, r, e) })
	}
}
