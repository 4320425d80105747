package influx

// In the package: what is decoded here never leaves it, and a server cannot be made to send what is hostile.

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const rowsInJSON = `{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"channel":"a b"},"columns":["time","n","x","s","b"],"values":[[1,-5,1.5,"t",true],[9223372036854775807,null,-0,"\u00e9\n",false]],"partial":true}],"partial":true}]}
{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time"],"values":[[3]]}]}]}
`

// packed builds MessagePack by hand.
func packed(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch v := p.(type) {
		case int: // a head
			b = append(b, byte(v))
		case string:
			b = append(append(b, 0xd9, byte(len(v))), v...)
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

func rowsInPacked() []byte {
	return packed(
		0x81, "results", 0x91, 0x83, "statement_id", 0x00, "series", 0x91,
		0x85, "name", "m", "tags", 0x81, "channel", "a b", "columns", 0x95, "time", "n", "x", "s", "b",
		"values", 0x92,
		0x95, 0x01, 0xfb, 0xcb, []byte{0x3f, 0xf8, 0, 0, 0, 0, 0, 0}, "t", 0xc3,
		0x95, 0xcf, []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0xc0, 0xcb, []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, "é\n", 0xc2,
		"partial", 0xc3, "partial", 0xc3,
		0x81, "results", 0x91, 0x82, "statement_id", 0x00, "series", 0x91, 0x83, "name", "m", "columns", 0x91, "time",
		"values", 0x91, 0x91, 0x03,
	)
}

func answerOf(body []byte) *answer {
	return (&Store{o: Options{URL: "http://x", Bucket: "b"}}).newAnswer(io.NopCloser(bytes.NewReader(body)))
}

type plainRow struct {
	Time    int64
	Columns int
	Channel string
	Text    string
	Real    float64
	Null    bool
}

func TestBothFormatsSayTheSame(t *testing.T) {
	t.Parallel()
	want := []plainRow{
		{1, 5, "a b", "t", 1.5, false}, {math.MaxInt64, 5, "a b", "é\n", math.Copysign(0, -1), true}, {3, 1, "", "", 0, true},
	}
	for name, a := range map[string]*answer{
		"json": answerOf([]byte(rowsInJSON)), "packed": answerOf(rowsInPacked()),
	} {
		var got []plainRow
		for {
			ok, err := a.next()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if !ok {
				break
			}
			r := plainRow{Columns: len(a.columns), Channel: a.tags["channel"], Null: a.cell(a.column("n")).kind == cellNull}
			if r.Time, err = a.cell(a.column("time")).integer(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r.Text = string(a.cell(a.column("s")).text)
			if at := a.column("x"); at >= 0 {
				if r.Real, err = a.cell(at).real(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			got = append(got, r)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What is cut off, limited or erroneous in the middle is an error and never an end.
func TestHalfAnAnswerIsAnError(t *testing.T) {
	t.Parallel()
	drain := func(a *answer) error {
		for {
			if ok, err := a.next(); err != nil || !ok {
				return err
			}
		}
	}
	whole := rowsInPacked()
	second := bytes.LastIndex(whole, packed(0x81, "results"))
	for cut := 1; cut < len(whole); cut++ {
		if err := drain(answerOf(whole[:cut])); err == nil {
			t.Errorf("packed: cut at %d of %d (documents end at %d): no error", cut, len(whole), second)
		}
	}
	line := strings.Index(rowsInJSON, "\n")
	for cut := 1; cut < len(rowsInJSON)-2; cut++ {
		if err := drain(answerOf([]byte(rowsInJSON[:cut]))); err == nil {
			t.Errorf("json: cut at %d of %d (lines end at %d): no error", cut, len(rowsInJSON), line)
		}
	}
	for _, body := range []string{
		`{"error":"boom"}`, `{"results":[{"statement_id":0,"error":"boom"}]}`, `{}`, `<html>`, "[]",
		strings.SplitAfter(rowsInJSON, "\n")[0] + `{"results":[{"statement_id":0,"error":"boom"}]}`,
		`{"results":[{"series":[{"columns":["a"],"values":[[1,2]]}]}]}`,
		`{"results":[{"series":[{"columns":["a"],"values":[[{}]]}]}]}`,
	} {
		if err := drain(answerOf([]byte(body))); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(rowsInJSON))
	f.Add([]byte(`{"results":[{"series":[{"columns":[1],"values":[[]]}]}]}`))
	f.Add(rowsInPacked())
	f.Add(packed(0x81, "error", "boom"))
	f.Add(packed(0x81, "results", 0xdd, []byte{0xff, 0xff, 0xff, 0xff}))
	f.Add(packed(0x81, "x", 0x91, 0x91, 0x91, 0x91))
	f.Fuzz(func(t *testing.T, body []byte) {
		a := answerOf(body)
		for rows := 0; ; rows++ {
			ok, err := a.next()
			if err != nil || !ok {
				return
			}
			if rows > len(body) {
				t.Fatalf("%d rows out of %d bytes", rows, len(body))
			}
			if len(a.cells) != len(a.columns) {
				t.Fatalf("%d cells for %d columns", len(a.cells), len(a.columns))
			}
		}
	})
}

func FuzzMeta(f *testing.F) {
	f.Add("clock=device epoch=00000000000000ff dialect=a%20b retained valid_ms=15000 device_ms=event has=power_w,x state")
	f.Add("clock=unknown epoch=0 has=")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMeta(text)
		if err != nil {
			return
		}
		// What was understood is written and understood again.
		r := telemetry.Record{Kind: telemetry.KindSample, Clock: m.clock, Retained: m.retained, ValidMs: m.validMs, EventMs: 7}
		switch {
		case m.deviceIsEvent:
			r.DeviceMs = 7
		case m.deviceMs:
			r.DeviceMs = 8
		}
		b := appendMeta(nil, &r, &provenance{epoch: m.epoch, dialect: m.dialect})
		again, err := parseMeta(strings.TrimPrefix(string(b), `,meta="`))
		if err != nil {
			t.Fatalf("%q became %q: %v", text, b, err)
		}
		m.quantities, m.state = nil, false
		if diff := cmp.Diff(m, again, cmp.AllowUnexported(meta{})); diff != "" {
			t.Errorf("%q became %q (-want +got):\n%s", text, b, diff)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"", "a b", "数控 车床", "100%", "%25", "a\\,b=c", "\x00\n\r\x7f", "\u2028\uFFFD", "\xff", "'\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		coded := encoded(s)
		if got := decoded(coded); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		if strings.ContainsAny(coded, "\\\"\n\r\x00") {
			t.Errorf("%q is encoded as %q", s, coded)
		}
		if word := string(appendWord(nil, s)); strings.Contains(word, " ") || decoded(word) != s {
			t.Errorf("%q is the word %q", s, word)
		}
		if s == "" {
			return
		}
		tag := string(appendTag(nil, "k", s))
		for _, special := range []string{",", " ", "="} {
			if n := strings.Count(strings.TrimPrefix(tag, ",k="), special); n != strings.Count(tag, `\`+special) {
				t.Errorf("%q is the tag %q", s, tag)
			}
		}
	})
}

// A point that is half there is looked up until it is whole, in fake time.
func TestIncompletePointIsLookedUpAgain(t *testing.T) {
	t.Parallel()
	const columns = `"columns":["time","channel","seq","received_ms","collected_ms","device_ms","meta","state","power_w"]`
	const meta = `"clock=device epoch=0000000000000001 has=power_w"`
	row := func(name, values string) string {
		return `{"results":[{"series":[{"name":"` + name + `",` + columns + `,"values":[` + values + `]}]}]}`
	}
	survey := `{"results":[{"series":[{"name":"sample","columns":["time","distinct"],"values":[[0,` + meta + `]]}]}]}`
	whole := `[5000000,"a%20b",7,1,2,null,` + meta + `,null,3.5]`
	for name, test := range map[string]struct {
		half   string
		lookup []string // answers to the looking up, the last one for ever
		good   bool
	}{
		"whole at once":       {whole, nil, true},
		"no number":           {`[5000000,"a%20b",null,1,2,null,` + meta + `,null,3.5]`, []string{row("sample", whole)}, true},
		"no meta":             {`[5000000,"a%20b",7,1,2,null,null,null,3.5]`, []string{row("sample", whole)}, true},
		"no value, twice":     {`[5000000,"a%20b",7,1,2,null,` + meta + `,null,null]`, []string{row("sample", `[5000000,"a%20b",7,1,2,null,`+meta+`,null,null]`), `{"results":[{}]}`, row("sample", whole)}, true},
		"never whole":         {`[5000000,"a%20b",7,1,2,null,null,null,3.5]`, []string{row("sample", `[5000000,"a%20b",7,1,2,null,null,null,3.5]`)}, false},
		"of another type":     {`[5000000,"a%20b","7",1,2,null,` + meta + `,null,3.5]`, []string{row("sample", whole)}, false},
		"meta not this one's": {`[5000000,"a%20b",7,1,2,null,"x",null,3.5]`, []string{row("sample", whole)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				s, err := New(Options{URL: "http://x", Bucket: "b", Transport: transport(func(req *http.Request) *http.Response {
					q := req.URL.Query().Get("q")
					body := row("sample", test.half)
					switch {
					case strings.Contains(q, "DISTINCT"):
						body = survey
					case strings.Contains(q, "SELECT *"):
						if !strings.Contains(q, `time = 5000000`) || !strings.Contains(q, `"channel" = 'a%20b'`) {
							t.Errorf("looked up with %s", q)
						}
						body = test.lookup[min(asked, len(test.lookup)-1)]
						asked++
					}
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}
				})})
				if err != nil {
					t.Fatal(err)
				}
				var got []evidence.Entry
				q := evidence.Query{Base: "b", Device: "d", Window: span.Span{EndMs: 10}, Kinds: []telemetry.Kind{telemetry.KindSample}}
				err = s.Read(t.Context(), q, func(e *evidence.Entry) error { got = append(got, *e); return nil })
				if (err == nil) != test.good {
					t.Fatalf("error %v", err)
				}
				if test.good && (len(got) != 1 || got[0].Seq != 7 || got[0].Channel != "a b" || got[0].Values[0].Number != 3.5) {
					t.Errorf("entries %+v", got)
				}
			})
		})
	}
}

type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(req *http.Request) (*http.Response, error) { return f(req), nil }

func BenchmarkEncodeLine(b *testing.B) {
	r := telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "meter-0042", Channel: "energy", EventMs: 1_700_000_000_000,
		DeviceMs: 1_700_000_000_000, State: "ON",
		Values: []telemetry.Value{
			{Quantity: telemetry.PowerW, Number: 1234.5},
			{Quantity: telemetry.VoltageV, Number: 229.7},
			{Quantity: telemetry.CurrentA, Number: 5.37},
			{Quantity: telemetry.EnergyWh, Number: 987654},
		},
	}
	p := provenance{base: "base-01", bridge: "b", epoch: 1 << 60, seq: 123_456_789, dialect: "tasmota", receivedMs: 1_700_000_000_123, collectedMs: 1_700_000_001_000}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendRecord(buf[:0], &r, &p)
	}
	b.SetBytes(int64(len(buf)))
}
