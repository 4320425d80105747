package evidence_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func sample() telemetry.Record {
	return telemetry.Record{
		Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "d", Channel: "c", EventMs: 1,
		Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: 1}},
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("长", 100)
	tests := map[string]struct {
		change func(*telemetry.Message, *telemetry.Record)
		want   telemetry.Reason
	}{
		"good":             {func(*telemetry.Message, *telemetry.Record) {}, telemetry.ReasonNone},
		"says nothing":     {func(_ *telemetry.Message, r *telemetry.Record) { r.Values = nil }, telemetry.ReasonNone},
		"oldest":           {func(_ *telemetry.Message, r *telemetry.Record) { r.EventMs = evidence.MinMs }, telemetry.ReasonNone},
		"youngest":         {func(_ *telemetry.Message, r *telemetry.Record) { r.EventMs = evidence.MaxMs }, telemetry.ReasonNone},
		"too old":          {func(_ *telemetry.Message, r *telemetry.Record) { r.EventMs = evidence.MinMs - 1 }, telemetry.ReasonBadTime},
		"too young":        {func(_ *telemetry.Message, r *telemetry.Record) { r.EventMs = math.MaxInt64 }, telemetry.ReasonBadTime},
		"bad receive time": {func(m *telemetry.Message, _ *telemetry.Record) { m.ReceivedMs = math.MinInt64 }, telemetry.ReasonBadTime},
		"long dialect":     {func(m *telemetry.Message, _ *telemetry.Record) { m.Dialect = long }, telemetry.ReasonOversized},
		"no device":        {func(_ *telemetry.Message, r *telemetry.Record) { r.Device = "" }, telemetry.ReasonMalformed},
		"long device":      {func(_ *telemetry.Message, r *telemetry.Record) { r.Device = long }, telemetry.ReasonOversized},
		"device in bytes":  {func(_ *telemetry.Message, r *telemetry.Record) { r.Device = "\xff" }, telemetry.ReasonNotUTF8},
		"long channel":     {func(_ *telemetry.Message, r *telemetry.Record) { r.Channel = long }, telemetry.ReasonOversized},
		"state in bytes":   {func(_ *telemetry.Message, r *telemetry.Record) { r.State = "\xc3" }, telemetry.ReasonNotUTF8},
		"long state":       {func(_ *telemetry.Message, r *telemetry.Record) { r.State = long }, telemetry.ReasonOversized},
		"clock":            {func(_ *telemetry.Message, r *telemetry.Record) { r.Clock = 9 }, telemetry.ReasonMalformed},
		"kind 0":           {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind = 0 }, telemetry.ReasonMalformed},
		"kind 5":           {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind = 5 }, telemetry.ReasonMalformed},
		"NaN":              {func(_ *telemetry.Message, r *telemetry.Record) { r.Values[0].Number = math.NaN() }, telemetry.ReasonNotFinite},
		"infinite":         {func(_ *telemetry.Message, r *telemetry.Record) { r.Values[0].Number = math.Inf(-1) }, telemetry.ReasonNotFinite},
		"twice":            {func(_ *telemetry.Message, r *telemetry.Record) { r.Values = append(r.Values, r.Values[0]) }, telemetry.ReasonMalformed},
		"quantity empty":   {func(_ *telemetry.Message, r *telemetry.Record) { r.Values[0].Quantity = "" }, telemetry.ReasonMalformed},
		"quantity time":    {func(_ *telemetry.Message, r *telemetry.Record) { r.Values[0].Quantity = "time" }, telemetry.ReasonMalformed},
		"quantity hostile": {func(_ *telemetry.Message, r *telemetry.Record) { r.Values[0].Quantity = "a=1,b" }, telemetry.ReasonMalformed},
		"link event":       {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Link = telemetry.KindLink, 4 }, telemetry.ReasonMalformed},
		"direction":        {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Direction = telemetry.KindTap, 3 }, telemetry.ReasonMalformed},
		"long card":        {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Card = telemetry.KindTap, long }, telemetry.ReasonOversized},
		"raw, no device":   {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Device = telemetry.KindRaw, "" }, telemetry.ReasonNone},
		"raw, big": {func(_ *telemetry.Message, r *telemetry.Record) {
			r.Kind, r.Payload = telemetry.KindRaw, make([]byte, telemetry.MaxRawPayload+1)
		}, telemetry.ReasonOversized},
		"raw, reason": {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Reason = telemetry.KindRaw, "x" }, telemetry.ReasonMalformed},
		"raw, topic":  {func(_ *telemetry.Message, r *telemetry.Record) { r.Kind, r.Topic = telemetry.KindRaw, "\xff" }, telemetry.ReasonNotUTF8},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := telemetry.Message{ReceivedMs: 1, Dialect: "native", Records: []telemetry.Record{sample()}}
			test.change(&m, &m.Records[0])
			got, detail := evidence.Check(&m, 0)
			if got != test.want {
				t.Errorf("reason %q (%s), want %q", got, detail, test.want)
			}
			if (detail == "") != (got == telemetry.ReasonNone) {
				t.Errorf("reason %q with detail %q", got, detail)
			}
			// What stands in quarantine for a refused record must itself be storable, apart from its times.
			m.Records[0] = evidence.Quarantined(&m.Records[0], got, detail)
			m.Records[0].EventMs, m.ReceivedMs, m.Dialect = 1, 1, ""
			if again, why := evidence.Check(&m, 0); again != telemetry.ReasonNone {
				t.Errorf("its quarantine entry is refused too: %s", why)
			}
		})
	}
}

func TestEveryReasonIsStorable(t *testing.T) {
	t.Parallel()
	for _, reason := range telemetry.Reasons() {
		m := telemetry.Message{Records: []telemetry.Record{{Kind: telemetry.KindRaw, Reason: reason}}}
		if got, detail := evidence.Check(&m, 0); got != telemetry.ReasonNone {
			t.Errorf("%s: %s", reason, detail)
		}
	}
}

func TestCheckBatch(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		b    evidence.Batch
		good bool
	}{
		"good":         {evidence.Batch{Base: "北京01", Bridge: "b"}, true},
		"no base":      {evidence.Batch{Bridge: "b"}, false},
		"no bridge":    {evidence.Batch{Base: "b"}, false},
		"bytes":        {evidence.Batch{Base: "b", Bridge: "\xfe"}, false},
		"far too long": {evidence.Batch{Base: strings.Repeat("x", 129), Bridge: "b"}, false},
	} {
		err := evidence.CheckBatch(&test.b)
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && !errors.Is(err, evidence.ErrPermanent) {
			t.Errorf("%s: %v is not permanent", name, err)
		}
	}
}

func TestQuarantinedShowsWhatWasSaid(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Device = strings.Repeat("备", 60) + "\xff"
	r.Values = append(r.Values, telemetry.Value{Quantity: "x", Number: math.NaN()})
	got := evidence.Quarantined(&r, telemetry.ReasonNotFinite, "x is NaN")
	if len(got.Device) > telemetry.MaxName || !utf8.ValidString(got.Device) {
		t.Errorf("device %q", got.Device)
	}
	var said struct {
		Values []map[string]string `json:"values"`
	}
	if err := json.Unmarshal(got.Payload, &said); err != nil {
		t.Fatalf("payload %s: %v", got.Payload, err)
	}
	want := []map[string]string{{"quantity": "power_w", "number": "1"}, {"quantity": "x", "number": "NaN"}}
	if diff := cmp.Diff(want, said.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}
