package native_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// tokens are made with a key that only these tests use.
func tokens() *card.Tokens {
	t, err := card.NewTokens(card.Options{Key: []byte("the key of the native dialect's."), Readers: map[string]card.Rule{"door-9": {Reversed: true}}})
	if err != nil {
		panic(err)
	}
	return t
}

func fresh() dialect.Dialect { return native.New(native.Options{Cards: tokens()}) }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"jishi/v1/base/dev/d/sample":    true,
		"jishi/v1/base/dev/d/c/sample":  true,
		"jishi/v9/base/dev/d/sample":    true,
		"jishi/v1/base/bridge-1/frame":  false,
		"jishi/v1/base/bridge-1/ack":    false,
		"jishi/v1/base/devices/sample":  false,
		"jishi":                         false,
		"":                              false,
		"xjishi/v1/base/dev/d/c/sample": false,
	})
}

// Any number in range comes out as the device wrote it, whatever the quantity.
func TestNumbersPassUnchanged(t *testing.T) {
	t.Parallel()
	d := fresh()
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.SampledFrom(dialect.Quantities()).Draw(t, "quantity")
		n := rapid.Float64Range(q.Min, q.Max).Draw(t, "number")
		text, _ := json.Marshal(n)
		res, err := d.Decode(dialect.Message{
			Topic:      "jishi/v1/b/dev/d/sample",
			Payload:    fmt.Appendf(nil, `{"v":{%q:%s}}`, q.Name, text),
			ReceivedMs: 1_736_603_811_000,
		})
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%d records, %v", len(res.Records), err)
		}
		if got, _ := res.Records[0].Value(q.Name); got != n {
			t.Fatalf("%s = %v, want %v", q.Name, got, n)
		}
	})
}

func TestBatchLimit(t *testing.T) {
	t.Parallel()
	batch := func(n int) []byte {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"t":%d,"v":{"value":1}}`, 1_736_603_000_000+i)
		}
		return []byte("[" + b.String()[1:] + "]")
	}
	d := fresh()
	topic := "jishi/v1/b/dev/d/sample"
	res, err := d.Decode(dialect.Message{Topic: topic, Payload: batch(telemetry.MaxRecords), ReceivedMs: 1_736_603_811_000})
	if err != nil || len(res.Records) != telemetry.MaxRecords {
		t.Errorf("full batch: %d records, %v", len(res.Records), err)
	}
	res, err = d.Decode(dialect.Message{Topic: topic, Payload: batch(telemetry.MaxRecords + 1), ReceivedMs: 1_736_603_811_000})
	if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonOversized || len(res.Records) != 0 {
		t.Errorf("over-full batch: %d records, %v", len(res.Records), err)
	}
}

// The number of a card gets nowhere but into its token: not into records, and not into errors, whatever member it stands
// in and whatever else is wrong.
func TestCardNumbersAreNotRepeated(t *testing.T) {
	t.Parallel()
	const number = "BA839D07"
	payloads := []string{
		`{"uid":"BA839D07"}`,
		`{"uid":"BA839D07","format":"decimal"}`,
		`{"uid":"BA839D07","format":"facility","dir":"in"}`,
		`{"uid":"BA839D07","format":"BA839D07"}`,
		`{"uid":"BA839D07BA839D07BA839D07"}`,
		`{"card":"BA839D07"}`,
		`{"card":"k1_9f86d081884c7d65","dir":"BA839D07"}`,
		`{"card":"k1_9f86d081884c7d65","t":"BA839D07"}`,
		`{"card":"k1_9f86d081884c7d65","BA839D07":1}`,
		`{"card":BA839D07}`,
		`BA839D07`,
		`["BA839D07"]`,
		`[{"t":1,"uid":"BA839D07 "}]`,
	}
	for _, cards := range []*card.Tokens{tokens(), nil} {
		d := native.New(native.Options{Cards: cards})
		for _, payload := range payloads {
			for _, topic := range []string{"jishi/v1/b/dev/door-1/tap", "jishi/v1/b/dev/door-1/r/tap", "jishi/v1/b/dev/door-1/r/x/tap", "jishi/v2/b/dev/d/tap"} {
				res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: 1_736_603_811_000})
				if !res.Private {
					t.Errorf("%s %s is not private", topic, payload)
				}
				if all := fmt.Sprintf("%v %+v", err, res); strings.Contains(strings.ToUpper(all), number) {
					t.Errorf("%s %s is repeated in %s", topic, payload, all)
				}
				if cards == nil && strings.Contains(payload, `{"uid":"BA839D07"}`) && topic == "jishi/v1/b/dev/door-1/tap" {
					if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonNoCardKey {
						t.Errorf("without a key: %v", err)
					}
				}
			}
		}
	}
}

// However a reader writes a card, and whatever way its gateway sends it, it is one token.
func TestOneCardOneToken(t *testing.T) {
	t.Parallel()
	d := fresh()
	want := ""
	for _, c := range []struct{ device, payload string }{
		{"door-1", `{"uid":"00763B08"}`},
		{"door-1", `{"uid":"76:3b:08","format":"hex"}`},
		{"door-1", `{"format":"decimal","uid":"7748360"}`},
		{"door-1", `{"uid":"118,15112","format":"facility"}`},
		{"door-9", `{"uid":"08-3B-76"}`},
	} {
		res, err := d.Decode(dialect.Message{Topic: "jishi/v1/b/dev/" + c.device + "/tap", Payload: []byte(c.payload), ReceivedMs: 1_736_603_811_000})
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%s: %d records, %v", c.payload, len(res.Records), err)
		}
		got := res.Records[0].Card
		if want == "" {
			want = got
		}
		if got != want || !card.IsToken(got) {
			t.Errorf("%s is %s, want %s", c.payload, got, want)
		}
	}
}

// A message that names another base is refused, and one without a base's setting is not.
func TestForeignBase(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]telemetry.Reason{"": "", "cq-yubei": "", "cq-banan": telemetry.ReasonForeignBase, "cq": telemetry.ReasonForeignBase} {
		d := native.New(native.Options{Base: base})
		for _, topic := range []string{"jishi/v1/cq-yubei/dev/d/sample", "jishi/v1/cq-yubei/dev/d/c/sample"} {
			res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(`{"v":{"power_w":1}}`), ReceivedMs: 1_736_603_811_000})
			e, refused := errors.AsType[*dialect.Error](err)
			switch {
			case want == "" && (err != nil || len(res.Records) != 1):
				t.Errorf("base %q, %s: %d records, %v", base, topic, len(res.Records), err)
			case want != "" && (!refused || e.Reason != want || len(res.Records) != 0 || !strings.Contains(e.Detail, "cq-yubei")):
				t.Errorf("base %q, %s: %d records, %v", base, topic, len(res.Records), err)
			}
		}
	}
}

func Example() {
	d := native.New(native.Options{})
	res, err := d.Decode(dialect.Message{
		Topic:      "jishi/v1/cq-yubei/dev/lathe-3/meter/sample",
		Payload:    []byte(`{"t":1736603810490,"v":{"power_w":142.7},"state":"running","valid_s":30}`),
		ReceivedMs: 1_736_603_811_000,
	})
	fmt.Println(dialecttest.Line(&res.Records[0]), err)
	_, err = d.Decode(dialect.Message{
		Topic:      "jishi/v1/cq-yubei/dev/lathe-3/meter/sample",
		Payload:    []byte(`{"v":{"power_kw":0.1427}}`),
		ReceivedMs: 1_736_603_811_000,
	})
	fmt.Println(err)
	// Output:
	// sample lathe-3 meter 2025-01-11T13:56:50.490Z device valid=30s state=running power_w=142.7 <nil>
	// malformed: $.v has the unknown quantity "power_kw"; right is power_w, in watts
}

func BenchmarkDecode(b *testing.B) {
	dialecttest.Bench(b, fresh(), "jishi/v1/cq-yubei/dev/lathe-3/meter/sample",
		`{"t":1736603810490,"v":{"power_w":142.7,"energy_wh":1587.2,"voltage_v":230.1},"state":"running","valid_s":30}`)
}
