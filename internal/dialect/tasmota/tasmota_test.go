package tasmota_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func must(o tasmota.Options) *tasmota.Dialect {
	d, err := tasmota.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect {
	cards, err := card.NewTokens(card.Options{Key: bytes.Repeat([]byte{7}, card.KeyBytes)})
	if err != nil {
		panic(err)
	}
	return must(tasmota.Options{Cards: cards})
}

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"tele/a/SENSOR":           true,
		"a/tele/SENSOR":           true,
		"stat/a/POWER1":           true,
		"cmnd/a/POWER":            true,
		"tele/a":                  false,
		"tele/a/b/SENSOR":         false,
		"tele//SENSOR":            false,
		"tele/a/":                 false,
		"other/a/SENSOR":          false,
		"shellies/x/relay/0":      false,
		"jishi/v1/b/dev/d/sample": false,
		"":                        false,
	})
}

func TestFullTopic(t *testing.T) {
	t.Parallel()
	d := must(tasmota.Options{FullTopics: []string{"workshop/%topic%/%prefix%"}, TelePeriod: 10 * time.Second, Zone: time.UTC})
	if d.Claims("tele/a/SENSOR") {
		t.Error("claims the default topic, which is not configured")
	}
	res, err := d.Decode(dialect.Message{
		Topic: "workshop/lathe/tele/SENSOR", Payload: []byte(`{"Time":"2024-06-03T01:30:10","ENERGY":{"Power":1}}`), ReceivedMs: 1_717_378_211_000,
	})
	if err != nil || len(res.Records) != 1 {
		t.Fatalf("%d records, %v", len(res.Records), err)
	}
	const want = "sample lathe energy 2024-06-03T01:30:10.000Z corrected valid=22s power_w=1"
	if got := dialecttest.Line(&res.Records[0]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A meter that is not behind the relay says by itself what flows when the relay is open.
func TestKeepPowerWhenOff(t *testing.T) {
	t.Parallel()
	for keep, want := range map[bool]int{false: 2, true: 1} {
		d := must(tasmota.Options{KeepPowerWhenOff: keep})
		_, err := d.Decode(dialect.Message{Topic: "tele/a/SENSOR", Payload: []byte(`{"ENERGY":{"Power":9}}`), ReceivedMs: 1_717_378_211_000})
		if err != nil {
			t.Fatal(err)
		}
		last, err := d.Decode(dialect.Message{Topic: "stat/a/POWER", Payload: []byte("OFF"), ReceivedMs: 1_717_378_212_000})
		if err != nil || len(last.Records) != want {
			t.Errorf("keep %v: %d records, %v; want %d", keep, len(last.Records), err, want)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := tasmota.New(tasmota.Options{
		TelePeriod: time.Second, MaxDevices: -1,
		FullTopics: []string{"%topic%", "%prefix%/%topic%/#", "%prefix%/%prefix%/%topic%", "%prefix%//%topic%"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"TelePeriod is 1s", "MaxDevices is -1", `"%topic%"`, `"%prefix%/%topic%/#"`, `"%prefix%/%prefix%/%topic%"`, `"%prefix%//%topic%"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %s:\n%v", part, err)
		}
	}
}

// TestRecordedMessages reads what real devices published.
func TestRecordedMessages(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(recordingtest.Folder(t, "mqtt_device_samples"), "tasmota_samples.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := fresh()
	read := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var sample struct{ Topic, Payload string }
		if err := json.Unmarshal(lines.Bytes(), &sample); err != nil {
			t.Fatal(err)
		}
		if !d.Claims(sample.Topic) {
			continue // One of them has a placeholder for its topic.
		}
		m := dialect.Message{Topic: sample.Topic, Payload: []byte(sample.Payload), ReceivedMs: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
		res, err := d.Decode(m)
		if err != nil || len(res.Records) == 0 {
			t.Errorf("%s %s: %d records, %v", sample.Topic, sample.Payload, len(res.Records), err)
		}
		for i := range res.Records {
			t.Log(dialecttest.Line(&res.Records[i]))
			if res.Records[i].Clock != telemetry.ClockSuspect {
				t.Errorf("a time of years ago is believed")
			}
		}
		read++
	}
	if read < 3 {
		t.Errorf("%d messages read", read)
	}
}

func BenchmarkDecodeSensor(b *testing.B) {
	dialecttest.Bench(b, fresh(), "tele/lathe-3/SENSOR",
		`{"Time":"2025-01-11T21:56:50","ENERGY":{"TotalStartTime":"2024-01-01T08:00:00","Total":6.294,"Yesterday":5.340,"Today":0.954,"Period":217,"Power":2635,"ApparentPower":2650,"ReactivePower":282,"Factor":0.99,"Voltage":227,"Current":11.661}}`)
}

func BenchmarkDecodeTap(b *testing.B) {
	dialecttest.Bench(b, fresh(), "tele/gate-1/SENSOR", `{"Time":1736603810,"RC522":{"UID":"BA839D07","Data":"","Type":"MIFARE 1KB"}}`)
}

func BenchmarkDecodePower(b *testing.B) {
	dialecttest.Bench(b, fresh(), "stat/lathe-3/POWER", "ON")
}
