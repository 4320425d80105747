package zigbee2mqtt_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/zigbee2mqtt"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const receivedMs = 1_736_603_811_000

func must(o zigbee2mqtt.Options) *zigbee2mqtt.Dialect {
	d, err := zigbee2mqtt.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect { return must(zigbee2mqtt.Options{}) }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

// FuzzUncached is FuzzDecode for the other setting, under which the first message speaks.
func FuzzUncached(f *testing.F) {
	dialecttest.Fuzz(f, func() dialect.Dialect { return must(zigbee2mqtt.Options{Uncached: true}) })
}

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, must(zigbee2mqtt.Options{Bases: []string{"zigbee2mqtt", "hall/zigbee"}}), map[string]bool{
		"zigbee2mqtt/lathe-3":              true,
		"zigbee2mqtt/a/b/c":                true,
		"zigbee2mqtt/bridge/state":         true,
		"zigbee2mqtt/bridge/devices":       true,
		"zigbee2mqtt/lathe-3/availability": true,
		"hall/zigbee/lathe-3":              true,
		"hall/zigbee":                      false,
		"zigbee2mqtt":                      false,
		"zigbee2mqtt/":                     false,
		"zigbee2mqtt2/lathe-3":             false,
		"tele/a/SENSOR":                    false,
		"":                                 false,
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := zigbee2mqtt.New(zigbee2mqtt.Options{
		Bases: []string{"a/#", "/b", "c", "c"}, ReportMax: time.Second, MaxDevices: 4096,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{`"a/#"`, `"/b"`, `"c" twice`, "ReportMax is 1s", "MaxDevices is 4096"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %s:\n%v", part, err)
		}
	}
}

// A message that repeats what is cached is never evidence: not when the radio was heard, not when Zigbee2MQTT started
// again, and not when the broker replays it.
func TestCachedValuesAreNeverNew(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := must(zigbee2mqtt.Options{})
		power := rapid.IntRange(0, 3).Draw(t, "power")
		nowMs, seenMs := int64(receivedMs), int64(receivedMs)
		known := false // the decoder has a message to compare with
		for range rapid.IntRange(1, 30).Draw(t, "messages") {
			nowMs += 1000
			last := power
			topic, retained := "zigbee2mqtt/plug", false
			switch rapid.SampledFrom([]string{"report", "ping", "republish", "restart", "replay"}).Draw(t, "cause") {
			case "report":
				power, seenMs = rapid.IntRange(0, 3).Draw(t, "power"), nowMs
			case "ping":
				seenMs = nowMs
			case "restart":
				topic, known = "zigbee2mqtt/bridge/state", false
			case "replay":
				retained = true
			}
			payload := fmt.Sprintf(`{"state":"online","power":%d,"last_seen":%d,"linkquality":%d}`, power, seenMs, nowMs/1000%255)
			res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(payload), Retained: retained, ReceivedMs: nowMs})
			if err != nil {
				t.Fatal(err)
			}
			samples := 0
			for _, r := range res.Records {
				if r.Kind == telemetry.KindSample && r.Channel == "energy" {
					samples++
				}
			}
			want := 0
			if known && power != last {
				want = 1
			}
			if samples != want {
				t.Fatalf("%d samples of %s, want %d", samples, payload, want)
			}
			if topic == "zigbee2mqtt/plug" && !retained {
				known = true
			}
		}
	})
}

// Without the cache a message holds what the device said: a repeated value is a new word, and the first counts.
func TestUncached(t *testing.T) {
	t.Parallel()
	d := must(zigbee2mqtt.Options{Uncached: true, ReportMax: time.Minute})
	for i, step := range []struct {
		payload  string
		retained bool
		want     string
	}{
		{`{"power":5,"last_seen":1736603810490}`, false, "sample plug energy 2025-01-11T13:56:50.490Z device valid=2m12s power_w=5"},
		{`{"power":5,"last_seen":1736603810990}`, false, "sample plug energy 2025-01-11T13:56:50.990Z device valid=2m12s power_w=5"},
		{`{"voltage":230,"last_seen":1736603810995}`, false, "sample plug energy 2025-01-11T13:56:50.995Z device valid=2m12s voltage_v=230"},
		{`{"linkquality":30,"last_seen":1736603810999}`, false, ""},
		{`{"state":"ON","last_seen":1736603810999}`, false, ""},
		{`{"power":4,"last_seen":1736603810000}`, true, "sample plug energy 2025-01-11T13:56:50.000Z device retained valid=2m12s power_w=4"},
		{`{"power":4}`, true, ""},
	} {
		res, err := d.Decode(dialect.Message{Topic: "zigbee2mqtt/plug", Payload: []byte(step.payload), Retained: step.retained, ReceivedMs: receivedMs})
		got := ""
		for k := range res.Records {
			got += dialecttest.Line(&res.Records[k])
		}
		if err != nil || got != step.want {
			t.Errorf("step %d: %q, %v; want %q", i, got, err, step.want)
		}
	}
}

// Two networks: the death of one says nothing of the other's devices, and all of one's fit into one message's records.
func TestNetworksDieAlone(t *testing.T) {
	t.Parallel()
	d := must(zigbee2mqtt.Options{Bases: []string{"zigbee2mqtt", "hall/zigbee"}})
	for i := range zigbee2mqtt.MaxDevices + 100 {
		base := "zigbee2mqtt"
		if i == zigbee2mqtt.MaxDevices+99 {
			base = "hall/zigbee"
		}
		decode(t, d, fmt.Sprintf("%s/plug-%d", base, i), `{"power":1}`)
	}
	if got := d.Forgotten(); got != 100 {
		t.Errorf("forgotten %d, want 100", got)
	}
	gone := decode(t, d, "zigbee2mqtt/bridge/state", "offline")
	if len(gone) != zigbee2mqtt.MaxDevices || gone[0].Device != "zigbee2mqtt/bridge" {
		t.Errorf("%d records, want one of the bridge and %d of its devices", len(gone), zigbee2mqtt.MaxDevices-1)
	}
	other := decode(t, d, "hall/zigbee/bridge/state", "offline")
	if len(other) != 2 || other[0].Device != "hall/zigbee/bridge" || other[1].Link != telemetry.LinkWill {
		t.Errorf("%d records of the other network", len(other))
	}
	if again := decode(t, d, "hall/zigbee/bridge/state", "offline"); len(again) != 1 {
		t.Errorf("a device dies twice: %d records", len(again))
	}
}

func TestFieldsAreBounded(t *testing.T) {
	t.Parallel()
	d := must(zigbee2mqtt.Options{})
	payload := func(power int) string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, `,"power_%d":%d`, i, power)
		}
		return "{" + b.String()[1:] + "}"
	}
	for power := range 3 {
		res, err := d.Decode(dialect.Message{Topic: "zigbee2mqtt/wide", Payload: []byte(payload(power / 2)), ReceivedMs: receivedMs})
		if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonOversized {
			t.Errorf("100 fields: %v", err)
		}
		if want := []int{0, 0, 64}[power]; len(res.Records) != want {
			t.Errorf("message %d: %d records, want %d", power, len(res.Records), want)
		}
	}
}

// What keypads and locks tell of codes is private, and no error repeats it.
func TestCodesArePrivate(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{"action":"disarm","action_code":"74103794"}`,
		`{"pin_code":{"user":1,"pin_code":74103794}}`,
		`{"users":{"1":{"pin_code":"74103794"}}`,
		`{"action_code":"74103794","power":"74103794","last_seen":"74103794"}`,
		`{"action_code":"74103794","power":"74103794"}`,
	} {
		res, err := fresh().Decode(dialect.Message{Topic: "zigbee2mqtt/keypad", Payload: []byte(payload), ReceivedMs: receivedMs})
		if !res.Private {
			t.Errorf("%s is not private", payload)
		}
		if all := fmt.Sprintf("%v %+v", err, res); strings.Contains(all, "74103794") {
			t.Errorf("%s is repeated in %s", payload, all)
		}
	}
}

func decode(t *testing.T, d dialect.Dialect, topic, payload string) []telemetry.Record {
	t.Helper()
	res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: receivedMs})
	if err != nil {
		t.Fatalf("%s %s: %v", topic, payload, err)
	}
	return res.Records
}

func BenchmarkDecodePlug(b *testing.B) {
	dialecttest.Bench(b, must(zigbee2mqtt.Options{Uncached: true}), "zigbee2mqtt/lathe-3",
		`{"child_lock":"UNLOCK","current":3.06,"energy":17.56,"indicator_mode":"off/on","last_seen":1736603810490,"linkquality":160,"power":712,"power_outage_memory":"off","state":"ON","update":{"installed_version":192,"latest_version":192,"state":"idle"},"voltage":243}`)
}

func BenchmarkDecodeCached(b *testing.B) {
	d := fresh()
	m := []dialect.Message{
		{Topic: "zigbee2mqtt/lathe-3", Payload: []byte(`{"current":3.06,"energy":17.56,"linkquality":160,"power":712,"state":"ON","voltage":243}`), ReceivedMs: receivedMs},
		{Topic: "zigbee2mqtt/lathe-3", Payload: []byte(`{"current":3.06,"energy":17.56,"linkquality":160,"power":713,"state":"ON","voltage":243}`), ReceivedMs: receivedMs},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := d.Decode(m[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}
