package mapping_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const nowMs = 1_767_225_600_000

// checkMessage holds a mapping to what every dialect promises, whatever the mapping and the message are: Explain is Decode,
// and a topic that is not claimed is an error.
func checkMessage(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, m *mapping.Mapping, topic string, payload []byte,
) {
	t.Helper()
	d, e := must(mapping.Options{Mappings: []*mapping.Mapping{m}, Cards: tokens}), must(mapping.Options{Mappings: []*mapping.Mapping{m}, Cards: tokens})
	msg := dialect.Message{Topic: topic, Payload: payload, ReceivedMs: nowMs}
	res, err := d.Decode(msg)
	if problem := dialecttest.Check(msg, res, err); problem != "" {
		t.Fatalf("%s", problem)
	}
	if !d.Claims(topic) && err == nil {
		t.Fatalf("%q is not claimed and read", topic)
	}
	explained, _, explainedErr := e.Explain(msg)
	if fmt.Sprint(explainedErr) != fmt.Sprint(err) || len(explained.Records) != len(res.Records) || explained.Private != res.Private {
		t.Fatalf("Explain says %v %v, Decode %v %v", explained.Records, explainedErr, res.Records, err)
	}
}

// A number said in any unit is the number that it would be in the quantity's own, to the last digit when the unit is a
// power of ten.
func TestUnitsConvert(t *testing.T) {
	t.Parallel()
	const text = "version: 1\nvalid: 1m\nrules:\n  - {topic: a, device: d, samples: [{channel: c, values: {energy_wh: {path: $, unit: UNIT}}}]}\n"
	exponent := map[string]string{"Wh": "", "kWh": "e3", "MWh": "e6"}
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"Wh", "kWh", "MWh"}).Draw(t, "unit")
		said := strconv.FormatFloat(rapid.Float64Range(0, 1e6).Draw(t, "number"), 'f', rapid.IntRange(0, 6).Draw(t, "digits"), 64)
		quoted := rapid.Bool().Draw(t, "quoted")
		d := must(mapping.Options{Mappings: []*mapping.Mapping{parse("m", strings.Replace(text, "UNIT", unit, 1))}})
		payload := said
		if quoted {
			payload = strconv.Quote(said)
		}
		res, err := d.Decode(dialect.Message{Topic: "a", Payload: []byte(payload), ReceivedMs: nowMs})
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%v, %v", res.Records, err)
		}
		want, err := strconv.ParseFloat(said+exponent[unit], 64)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := res.Records[0].Value(telemetry.EnergyWh); got != want {
			t.Fatalf("%s %s is %v Wh, want %v", said, unit, got, want)
		}
	})
}

// scale and offset are number × scale + offset.
func TestScaleAndOffset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Float64Range(-1e6, 1e6).Draw(t, "number")
		scale := rapid.Float64Range(0.001, 1000).Draw(t, "scale")
		offset := rapid.Float64Range(-1000, 1000).Draw(t, "offset")
		text := fmt.Sprintf("version: 1\nvalid: 1m\nrules:\n  - {topic: a, device: d, samples: [{channel: c, values: {value: {path: $.n, scale: %v, offset: %v}}}]}\n", scale, offset)
		d := must(mapping.Options{Mappings: []*mapping.Mapping{parse("m", text)}})
		payload, err := json.Marshal(map[string]float64{"n": number})
		if err != nil {
			t.Fatal(err)
		}
		res, err := d.Decode(dialect.Message{Topic: "a", Payload: payload, ReceivedMs: nowMs})
		if err != nil || len(res.Records) != 1 {
			t.Fatalf("%v, %v", res.Records, err)
		}
		got, _ := res.Records[0].Value(telemetry.Number)
		if want := number*scale + offset; math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Fatalf("%v × %v + %v is %v, want %v", number, scale, offset, got, want)
		}
	})
}

// A heartbeat invents nothing: what it affirms is what the robot last said, and never after a silence over its validity.
func TestHeartbeatInventsNothing(t *testing.T) {
	t.Parallel()
	const validMs = 66_000
	rapid.Check(t, func(t *rapid.T) {
		d := fresh()
		now, lastHeard := int64(nowMs), int64(0)
		word := ""
		for range rapid.IntRange(1, 40).Draw(t, "messages") {
			now += rapid.Int64Range(0, 2*validMs).Draw(t, "pause")
			m := dialect.Message{Topic: "robots/r1/heartbeat", Payload: []byte("x"), ReceivedMs: now}
			said := rapid.SampledFrom([]string{"", "", "started", "done"}).Draw(t, "said")
			if said != "" {
				m.Topic, m.Payload = "robots/r1/state", []byte(`{"program":"`+said+`"}`)
				word, lastHeard = map[string]string{"started": "ACTIVE", "done": "READY"}[said], now
			} else if now-lastHeard > validMs {
				word = ""
			}
			res, err := d.Decode(m)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range res.Records {
				got = append(got, res.Records[i].State)
				if at := res.Records[i].EventMs; at != now {
					t.Fatalf("dated %d, want %d", at, now)
				}
			}
			var want []string
			if word != "" {
				want, lastHeard = []string{word}, now
			}
			if !slices.Equal(got, want) {
				t.Fatalf("states %v, want %v", got, want)
			}
		}
	})
}

// Whatever the topics are, a pattern and what it captured say the topic again.
func TestCapturesAreTheTopic(t *testing.T) {
	t.Parallel()
	d := must(mapping.Options{Mappings: []*mapping.Mapping{parse("m",
		"version: 1\nvalid: 1m\nrules:\n  - {topic: \"p/{a}/x-{b}-y\", device: \"{a}\", payload: text, samples: [{channel: \"{b}\", state: $}]}\n")}})
	level := rapid.StringMatching(`[a-z0-9 -]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := level.Draw(t, "a"), level.Draw(t, "b")
		topic := "p/" + a + "/x-" + b + "-y"
		res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte("w"), ReceivedMs: nowMs})
		switch {
		case a == "" || b == "":
			if err == nil {
				t.Fatalf("%q is read", topic)
			}
		case err != nil || len(res.Records) != 1 || res.Records[0].Device != a || res.Records[0].Channel != b:
			t.Fatalf("%q: %v, %v", topic, res.Records, err)
		}
	})
}
