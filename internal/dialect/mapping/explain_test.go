package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mapping"
)

// When a message becomes nothing, the notes say why, and which rule says so.
func TestExplainSaysWhyNothingCame(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		topic, payload string
		retained       bool
		want           string
	}{
		"ignored":     {topic: "plant/p/debug", payload: "x", want: "example.yaml:0 the topic is listed under ignore: plant/+/debug"},
		"empty":       {topic: "plant/p/status", want: "which is how MQTT clears a retained message"},
		"condition":   {topic: "meters/m/3p", payload: `{"kind":"test"}`, want: `a condition does not hold: $.kind is "test"`},
		"absent":      {topic: "plant/p/status", payload: `{"mode":"RUN","power":1}`, want: "$.energy is not in the payload: no energy_wh"},
		"no time":     {topic: "plant/p/status", payload: `{"mode":"RUN"}`, want: "$.ts is not in the payload: the receive time stands in"},
		"suspect":     {topic: "plant/p/status", payload: `{"ts":1767225600,"mode":"RUN"}`, want: "its own time 1970-01-21T10:53:45Z is not believed"},
		"no number":   {topic: "sensors/s/temperature", payload: "unknown", want: "$ says that there is no number"},
		"dateless":    {topic: "sensors/s/temperature", payload: "20", retained: true, want: "when it happened is not known"},
		"retained":    {topic: "robots/r/state", payload: "{}", retained: true, want: "the rule says retained: ignore"},
		"other":       {topic: "robots/r/state", payload: `{"program":"x"}`, want: `$.program is "x", which the map does not have: ignored`},
		"heartbeat":   {topic: "robots/r/heartbeat", payload: "x", want: "nothing that program said of late"},
		"empty items": {topic: "gw/1/data", payload: `{"items":[]}`, want: "$.items is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, notes, _ := fresh().(*mapping.Dialect).Explain(dialect.Message{Topic: tt.topic, Payload: []byte(tt.payload), Retained: tt.retained, ReceivedMs: nowMs})
			var said []string
			for _, n := range notes {
				if n.Zh == "" {
					t.Errorf("note %q has no Chinese text", n.En)
				}
				said = append(said, fmt.Sprintf("%s:%d %s", n.File, n.Line, n.En))
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("notes:\n%s\nwant %q", all, tt.want)
			}
		})
	}
}

func Example() {
	m, err := mapping.Parse("press.yaml", []byte(`
version: 1
rules:
  - topic: plant/{device}/status
    valid: 22s
    samples:
      - channel: main
        values: {power_w: {path: $.power, unit: kW}}
        state: {path: $.mode, map: {RUN: ACTIVE, STOP: READY}}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := mapping.New(mapping.Options{Mappings: []*mapping.Mapping{m}})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := d.Decode(dialect.Message{Topic: "plant/press-1/status", Payload: []byte(`{"power":1.5,"mode":"RUN"}`), ReceivedMs: nowMs})
	r := res.Records[0]
	fmt.Println(r.Device, r.Channel, r.State, r.Values, err)
	// Output: press-1 main ACTIVE [{power_w 1500}] <nil>
}
