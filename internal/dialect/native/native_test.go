package native_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/native"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func fresh() dialect.Dialect { return native.New() }

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

func Example() {
	d := native.New()
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
