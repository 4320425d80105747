package shelly_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func must(o shelly.Options) *shelly.Dialect {
	d, err := shelly.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect { return must(shelly.Options{}) }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"a/b/c/events/rpc":               true,
		"plug/status/switch:0":           true,
		"plug/status/sys":                true,
		"plug/online":                    true,
		"plug/rpc":                       true,
		"plug/command":                   true,
		"shellies/x/relay/0/power":       true,
		"shellies/announce":              true,
		"plug/status":                    false,
		"plug/status/Lathe":              false,
		"homeassistant/status":           false,
		"online":                         false,
		"/online":                        false,
		"":                               false,
		"tele/x/SENSOR":                  false,
		"jishi/v1/b/dev/d/sample":        false,
		"zigbee2mqtt/x/availability":     false,
		"MTConnect/Probe/m/Availability": false,
	})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]shelly.Options{
		"Poll": {Poll: time.Second}, "Ask": {Ask: 9}, "MaxDevices": {MaxDevices: -1},
	} {
		if _, err := shelly.New(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("New(%+v) = %v, want an error that names %s", o, err, field)
		}
	}
}

func TestAskByRPC(t *testing.T) {
	t.Parallel()
	d := must(shelly.Options{Ask: shelly.AskRPC, Poll: 30 * time.Second})
	decode(t, d, `base/plug "1"/online`, "true", 1000)
	got := d.Poll(1000 + 30_000)
	if len(got) != 1 || got[0].Topic != `base/plug "1"/rpc` {
		t.Fatalf("requests %v", got)
	}
	var frame struct{ Src, Method string }
	if err := json.Unmarshal(got[0].Payload, &frame); err != nil || frame.Src != `base/plug "1"/jishi` || frame.Method != "Shelly.GetStatus" {
		t.Errorf("request %s (%v)", got[0].Payload, err)
	}
	if !d.Claims(frame.Src + "/rpc") {
		t.Error("the answer's topic is not claimed")
	}
	if never := must(shelly.Options{Ask: shelly.AskNever}); len(never.Poll(1e12)) != 0 {
		t.Error("AskNever asks")
	}
}

// A flood of invented devices costs no more than the limit, and one poll asks a bounded number of them.
func TestMemoryAndRequestsAreBounded(t *testing.T) {
	t.Parallel()
	d := must(shelly.Options{MaxDevices: 1000})
	for i := range 1500 {
		decode(t, d, fmt.Sprintf("plug-%d/online", i), "true", int64(i))
	}
	if got := d.Forgotten(); got != 500 {
		t.Errorf("forgotten %d, want 500", got)
	}
	asked := map[string]bool{}
	for range 4 {
		due := d.Poll(1_000_000)
		if len(due) > shelly.MaxRequests {
			t.Fatalf("%d requests at once", len(due))
		}
		for _, r := range due {
			if asked[r.Topic] {
				t.Fatalf("%s asked twice", r.Topic)
			}
			asked[r.Topic] = true
		}
	}
	if len(asked) != 1000 || len(d.Poll(1_000_000)) != 0 {
		t.Errorf("%d devices asked, want 1000", len(asked))
	}
}

func TestChannelsAreBounded(t *testing.T) {
	t.Parallel()
	d := must(shelly.Options{})
	var last error
	for i := range 100 {
		_, last = d.Decode(dialect.Message{Topic: fmt.Sprintf("plug/status/switch:%d", i), Payload: []byte(`{"apower":1}`), ReceivedMs: 1e12})
	}
	if e, ok := errors.AsType[*dialect.Error](last); !ok || e.Reason != telemetry.ReasonOversized {
		t.Errorf("100 channels: %v", last)
	}
}

func decode(t *testing.T, d dialect.Dialect, topic, payload string, receivedMs int64) []telemetry.Record {
	t.Helper()
	res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: receivedMs})
	if err != nil {
		t.Fatalf("%s %s: %v", topic, payload, err)
	}
	return res.Records
}

// TestRecordedStatus reads the status of real devices, as they would publish it.
func TestRecordedStatus(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(recordingtest.Folder(t, "mqtt_device_samples"), "shelly_gen2plus_status.json"))
	if err != nil {
		t.Fatal(err)
	}
	var devices map[string]json.RawMessage
	if err := json.Unmarshal(text, &devices); err != nil {
		t.Fatal(err)
	}
	meters := 0
	for name, whole := range devices {
		var components map[string]json.RawMessage
		if json.Unmarshal(whole, &components) != nil {
			continue
		}
		d := must(shelly.Options{})
		for key, status := range components {
			for _, r := range decode(t, d, "plug/status/"+key, string(status), 1_747_488_800_000) {
				t.Logf("%s: %s", name, dialecttest.Line(&r))
				if _, ok := r.Value(telemetry.PowerW); ok {
					meters++
				}
			}
		}
	}
	if meters < 5 {
		t.Errorf("%d channels with power, want one switch and a meter of three phases with their sum", meters)
	}
}

// TestRecordedPlug reads what a real plug of the first generation published over two washing cycles: every value comes
// out as the number that was recorded, energy in watt-hours.
func TestRecordedPlug(t *testing.T) {
	t.Parallel()
	quantities := map[string]string{"power": telemetry.PowerW, "energy": telemetry.EnergyWh, "temperature": telemetry.TemperatureC}
	topics := map[string]string{"power": "relay/0/power", "energy": "relay/0/energy", "temperature": "temperature"}
	files, err := filepath.Glob(filepath.Join(recordingtest.Folder(t, "siemens_washing_machine_shelly_mqtt"), "*-shelly-events.csv"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d recordings (%v), want two", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, read := must(shelly.Options{}), 0
		for line := range strings.Lines(string(text)) {
			f := strings.Split(strings.TrimSpace(line), ",")
			at, err := time.Parse("2006-01-02 15:04:05", f[0])
			if err != nil {
				continue
			}
			want, err := strconv.ParseFloat(f[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			if f[1] == "energy" {
				want /= 60
			}
			records := decode(t, d, "shellies/plug/"+topics[f[1]], f[2], at.UnixMilli())
			if len(records) != 1 {
				t.Fatalf("%s: %d records", line, len(records))
			}
			if got, ok := records[0].Value(quantities[f[1]]); !ok || got != want || records[0].EventMs != at.UnixMilli() {
				t.Fatalf("%s came out as %s", line, dialecttest.Line(&records[0]))
			}
			read++
		}
		if read < 1000 {
			t.Errorf("%s: %d values", file, read)
		}
	}
}

func BenchmarkDecodeStatus(b *testing.B) {
	dialecttest.Bench(b, fresh(), "shellyplus1pm-a8032ab12345/status/switch:0",
		`{"id":0,"source":"init","output":true,"apower":142.7,"voltage":230.1,"current":0.62,"pf":0.99,"freq":50.0,"aenergy":{"total":1587.234,"by_minute":[2381.109,2374.870,2389.451],"minute_ts":1736603760},"temperature":{"tC":38.2,"tF":100.8}}`)
}

func BenchmarkDecodeNotify(b *testing.B) {
	dialecttest.Bench(b, fresh(), "shellyplus1pm-a8032ab12345/events/rpc",
		`{"src":"shellyplus1pm-a8032ab12345","dst":"shellyplus1pm-a8032ab12345/events","method":"NotifyStatus","params":{"ts":1736603810.49,"switch:0":{"id":0,"apower":142.7}}}`)
}

func BenchmarkDecodeGen1(b *testing.B) {
	dialecttest.Bench(b, fresh(), "shellies/shellyplug-s-7A1B2C/relay/0/power", "2134.56")
}
