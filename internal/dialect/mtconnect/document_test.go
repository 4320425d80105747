package mtconnect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// observed is one observation of a test's document.
type observed struct {
	category, typ, item string
	at                  time.Time
	sequence            uint64
	value               any
}

// written is a test's document before it is written in one of the versions.
type written struct {
	created      time.Time
	instance     uint64
	first, next  uint64
	observations []observed
}

type object = map[string]any

// version1 writes the document as cppagent does with JsonVersion 1: everything wrapped, each in an object of its own.
func (w written) version1() string {
	categories := object{"component": "Path", "componentId": "p"}
	for _, o := range w.observations {
		list, _ := categories[o.category].([]any)
		categories[o.category] = append(list, object{o.typ: o.entity()})
	}
	streams := []any{object{"DeviceStream": object{
		"uuid": "m", "ComponentStreams": []any{object{"ComponentStream": categories}},
	}}}
	return w.text(1, streams)
}

// version2 writes it with JsonVersion 2: one member a type, each with a list.
func (w written) version2() string {
	component := object{"component": "Path", "componentId": "p"}
	for _, o := range w.observations {
		types, ok := component[o.category].(object)
		if !ok {
			types = object{}
			component[o.category] = types
		}
		list, _ := types[o.typ].([]any)
		types[o.typ] = append(list, o.entity())
	}
	return w.text(2, object{"DeviceStream": []any{object{"uuid": "m", "ComponentStream": []any{component}}}})
}

func (o observed) entity() object {
	e := object{"dataItemId": o.item, "timestamp": o.at.Format(time.RFC3339Nano), "sequence": o.sequence}
	if o.value != nil {
		e["value"] = o.value
	}
	return e
}

func (w written) text(version int, streams any) string {
	text, err := json.Marshal(object{"MTConnectStreams": object{
		"jsonVersion": version,
		"Header": object{
			"instanceId": w.instance, "creationTime": w.created.Format(time.RFC3339), "firstSequence": w.first, "nextSequence": w.next, "sender": "pc",
		},
		"Streams": streams,
	}})
	if err != nil {
		panic(err)
	}
	return string(text)
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func publish(t testing.TB, d dialect.Dialect, topic, payload string, at time.Time) []telemetry.Record {
	t.Helper()
	m := dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: at.UnixMilli()}
	result, err := d.Decode(m)
	if err != nil {
		t.Fatalf("%s %s: %v", topic, payload, err)
	}
	if problem := dialecttest.Check(m, result, err); problem != "" {
		t.Fatalf("%s %s: %s", topic, payload, problem)
	}
	return result.Records
}

func execution(sequence uint64, word string, at time.Time) observed {
	return observed{"Events", "Execution", "exec", at, sequence, word}
}

// What a document says does not depend on the version in which it was written.
func TestBothVersionsSayTheSame(t *testing.T) {
	t.Parallel()
	kinds := []observed{
		{category: "Samples", typ: "RotaryVelocity", item: "rpm"},
		{category: "Samples", typ: "PathPosition", item: "pos"},
		{category: "Events", typ: "Execution", item: "exec"},
		{category: "Events", typ: "Availability", item: "avail"},
		{category: "Condition", typ: "Fault", item: "system"},
		{category: "Condition", typ: "Normal", item: "system"},
	}
	rapid.Check(t, func(t *rapid.T) {
		one, two := mtconnect.New(), mtconnect.New()
		sequence := uint64(0)
		at := noon
		for range rapid.IntRange(1, 6).Draw(t, "documents") {
			at = at.Add(10 * time.Second)
			w := written{created: at, instance: rapid.Uint64Range(1, 2).Draw(t, "instance")}
			for range rapid.IntRange(0, 8).Draw(t, "observations") {
				sequence++
				o := rapid.SampledFrom(kinds).Draw(t, "kind")
				o.sequence = sequence
				o.at = at.Add(-time.Duration(rapid.IntRange(0, 60_000).Draw(t, "age")) * time.Millisecond)
				switch o.typ {
				case "RotaryVelocity":
					o.value = rapid.Float64Range(0, 9000).Draw(t, "rpm")
				case "PathPosition":
					o.value = []float64{1, 2, 3}
				case "Execution":
					o.value = rapid.SampledFrom([]string{"ACTIVE", "READY", "UNAVAILABLE"}).Draw(t, "execution")
				case "Availability":
					o.value = rapid.SampledFrom([]string{"AVAILABLE", "UNAVAILABLE"}).Draw(t, "availability")
				}
				w.observations = append(w.observations, o)
			}
			w.next = sequence + 1
			topic := rapid.SampledFrom([]string{"MTConnect/Current/m", "MTConnect/Sample/m"}).Draw(t, "topic")
			got := map[string]bool{}
			for _, r := range say(t, two, topic, w.version2(), at) {
				got[r] = true
			}
			want := map[string]bool{}
			for _, r := range say(t, one, topic, w.version1(), at) {
				want[r] = true
			}
			// Only the order of the types differs.
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s\n%s\n(-version 1 +version 2):\n%s", w.version1(), w.version2(), diff)
			}
		}
		if one.Gaps() != two.Gaps() || one.Restarts() != two.Restarts() {
			t.Fatalf("%d and %d gaps, %d and %d restarts", one.Gaps(), two.Gaps(), one.Restarts(), two.Restarts())
		}
	})
}

func say(t *rapid.T, d dialect.Dialect, topic, payload string, at time.Time) []string {
	m := dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: at.UnixMilli()}
	result, err := d.Decode(m)
	if problem := dialecttest.Check(m, result, err); problem != "" || err != nil {
		t.Fatalf("%s: %v %s", payload, err, problem)
	}
	var lines []string
	for i := range result.Records {
		lines = append(lines, dialecttest.Line(&result.Records[i]))
	}
	return lines
}

func TestGapsAndRestartsAreNoticed(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	for i, step := range []struct {
		name           string
		topic          string
		w              written
		gaps, restarts uint64
	}{
		{"the first document", "Current", written{instance: 1, first: 1, next: 10, observations: []observed{execution(9, "READY", noon)}}, 0, 0},
		{"a change", "Sample", written{instance: 1, first: 1, next: 12, observations: []observed{execution(11, "ACTIVE", noon)}}, 0, 0},
		{"the same again", "Sample", written{instance: 1, first: 1, next: 12, observations: []observed{execution(11, "ACTIVE", noon)}}, 0, 0},
		{"ahead of its Sample", "Current", written{instance: 1, first: 1, next: 14, observations: []observed{execution(13, "READY", noon)}}, 0, 0},
		{"which then comes", "Sample", written{instance: 1, first: 1, next: 14, observations: []observed{execution(13, "READY", noon)}}, 0, 0},
		{"of other machines", "Sample", written{instance: 1, first: 1, next: 30}, 0, 0},
		{"one that no Sample said", "Current", written{instance: 1, first: 1, next: 30, observations: []observed{execution(20, "ACTIVE", noon)}}, 1, 0},
		{"the buffer ran over", "Sample", written{instance: 1, first: 500, next: 700, observations: []observed{execution(600, "READY", noon)}}, 2, 0},
		{"a restart", "Current", written{instance: 2, first: 1, next: 3, observations: []observed{execution(2, "UNAVAILABLE", noon)}}, 2, 1},
		{"and a change after it", "Sample", written{instance: 2, first: 1, next: 6, observations: []observed{execution(5, "READY", noon)}}, 2, 1},
	} {
		step.w.created = noon.Add(time.Duration(i) * time.Second)
		records := publish(t, d, "MTConnect/"+step.topic+"/m", step.w.version2(), step.w.created)
		if d.Gaps() != step.gaps || d.Restarts() != step.restarts {
			t.Errorf("%s: %d gaps, %d restarts; want %d, %d", step.name, d.Gaps(), d.Restarts(), step.gaps, step.restarts)
		}
		if len(records) == 0 && len(step.w.observations) > 0 {
			t.Errorf("%s: no records", step.name)
		}
	}
}

// The entity sink says no instanceId: the same data item with a lower number and a later time is of an agent that started
// again, and a lower number alone is a repeat.
func TestEntitySequenceThatStartsAgain(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	for i, step := range []struct {
		item     string
		sequence int
		second   int
		restarts uint64
	}{
		{"exec", 100, 0, 0},
		{"mode", 101, 1, 0},
		{"exec", 100, 0, 0}, // repeated when the sink connects again
		{"exec", 105, 9, 0},
		{"exec", 100, 0, 0},
		{"mode", 3, 20, 1},
		{"exec", 4, 20, 1},
		{"exec", 5, 21, 1},
	} {
		at := noon.Add(time.Duration(step.second) * time.Second)
		payload := fmt.Sprintf(`{"type":"EXECUTION","category":"EVENT","timestamp":%q,"result":"ACTIVE","sequence":%d}`, at.Format(time.RFC3339), step.sequence)
		publish(t, d, "MTConnect/Devices/m/Observations/"+step.item, payload, noon.Add(30*time.Second))
		if d.Restarts() != step.restarts {
			t.Errorf("step %d: %d restarts, want %d", i, d.Restarts(), step.restarts)
		}
	}
}

// An adapter whose clock is a minute slow: what a Current document says to hold is dated on the adapter's clock, so that no
// value is counted from its own time and once more from the agent's.
func TestDocumentsOfASlowAdapter(t *testing.T) {
	t.Parallel()
	d := mtconnect.New()
	const slow = time.Minute
	word, since := "READY", noon
	sequence := uint64(1)
	var last int64
	for second := range 600 {
		now := noon.Add(time.Duration(second) * time.Second)
		if second%25 == 0 {
			sequence++
			since = now
			word = map[string]string{"READY": "ACTIVE", "ACTIVE": "READY"}[word]
			w := written{created: now, instance: 1, first: 1, next: sequence + 1, observations: []observed{execution(sequence, word, since.Add(-slow))}}
			publish(t, d, "MTConnect/Sample/m", w.version1(), now)
			last = max(last, since.Add(-slow).UnixMilli())
		}
		if second%10 == 7 {
			w := written{created: now, instance: 1, first: 1, next: sequence + 1, observations: []observed{execution(sequence, word, since.Add(-slow))}}
			records := publish(t, d, "MTConnect/Current/m", w.version1(), now)
			if len(records) != 1 {
				t.Fatalf("second %d: %d records", second, len(records))
			}
			r := records[0]
			if want := now.Add(-slow).UnixMilli(); r.EventMs != want || r.State != word || r.DeviceMs != now.UnixMilli() || r.EventMs < last {
				t.Fatalf("second %d: %s", second, dialecttest.Line(&r))
			}
		}
	}
}

func TestStaleAfter(t *testing.T) {
	t.Parallel()
	d, err := mtconnect.NewWithOptions(mtconnect.Options{StaleAfter: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for minutes, want := range map[int]int{59: 2, 61: 1} {
		now := noon.Add(time.Duration(minutes) * time.Minute)
		// A new instance each time, so that the value's own record is always there.
		w := written{created: now, instance: uint64(minutes), next: 3, observations: []observed{execution(2, "ACTIVE", noon)}}
		if got := len(publish(t, d, "MTConnect/Current/m", w.version2(), now)); got != want {
			t.Errorf("after %d minutes: %d records, want %d", minutes, got, want)
		}
	}
	for field, o := range map[string]mtconnect.Options{"StaleAfter": {StaleAfter: time.Second}, "MaxDevices": {MaxDevices: -1}} {
		if _, err := mtconnect.NewWithOptions(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%+v: %v, want an error that names %s", o, err, field)
		}
	}
}

// A flood of machines, data items and conditions costs no more than the limits, and a document never yields more records than
// a message may.
func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	d, err := mtconnect.NewWithOptions(mtconnect.Options{MaxDevices: 10})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		publish(t, d, fmt.Sprintf("MTConnect/Sample/m%d", i), `{"MTConnectStreams":{"Header":{"instanceId":1},"Streams":{}}}`, noon)
	}
	if d.Forgotten() != 15 {
		t.Errorf("forgotten %d, want 15", d.Forgotten())
	}
	w := written{created: noon, instance: 1, next: 9000}
	for i := range 2200 {
		w.observations = append(w.observations, observed{"Events", "E", fmt.Sprintf("i%d", i), noon.Add(-time.Second), uint64(i + 1), "A"})
	}
	m := dialect.Message{Topic: "MTConnect/Current/m", Payload: []byte(w.version2()), ReceivedMs: noon.UnixMilli()}
	if len(m.Payload) > dialect.MaxPayload {
		t.Fatalf("%d bytes", len(m.Payload))
	}
	result, decodeErr := d.Decode(m)
	if problem := dialecttest.Check(m, result, decodeErr); problem != "" {
		t.Error(problem)
	}
	if decodeErr == nil || !strings.Contains(decodeErr.Error(), string(telemetry.ReasonOversized)) || len(result.Records) != telemetry.MaxRecords {
		t.Errorf("%d records, %v", len(result.Records), decodeErr)
	}
}

func BenchmarkDecodeCurrent(b *testing.B) {
	w := written{created: time.UnixMilli(1_736_603_811_000).UTC(), instance: 1, next: 101}
	for i := range 100 {
		at := w.created.Add(-time.Duration(i) * time.Minute)
		w.observations = append(w.observations, observed{"Samples", "Load", fmt.Sprintf("load%d", i), at, uint64(i + 1), 12.5})
	}
	dialecttest.Bench(b, fresh(), "MTConnect/Current/m", w.version2())
}
