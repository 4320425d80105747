package esphome_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/esphome"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const receivedMs = 1_736_603_811_000

// tokens are made with a key that only these tests use.
func tokens() *card.Tokens {
	t, err := card.NewTokens(card.Options{Key: []byte("the key of ESPHome's own tests..")})
	if err != nil {
		panic(err)
	}
	return t
}

func must(o esphome.Options) *esphome.Dialect {
	d, err := esphome.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect { return must(esphome.Options{Cards: tokens()}) }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"a/sensor/b/state":                   true,
		"a/b/c/binary_sensor/d/state":        true,
		"a/switch/b/command":                 true,
		"a/climate/b/mode/state":             true,
		"a/climate/b/target_temperature/x/y": false,
		"a/status":                           true,
		"a/debug":                            true,
		"a/b/status":                         false,
		"a/b/debug":                          false,
		"/status":                            false,
		"rdm6300/tag":                        true,
		"a/b/rc522/tag_removed":              true,
		"a/osdp/tag":                         false,
		"a/tag":                              false,
		"sensor/b/state":                     false,
		"a/sensor/state":                     false,
		"a/sensors/b/state":                  false,
		"a/sensor/b/config":                  false,
		"homeassistant/sensor/b/state":       false,
		"homeassistant/sensor/a/b/config":    true,
		"homeassistant/status":               true,
		"esphome/discover/a":                 true,
		"zigbee2mqtt/bridge/state":           false,
		"tele/a/SENSOR":                      false,
		"shellies/a/relay/0":                 false,
		"a/status/switch:0":                  false,
		"jishi/v1/b/dev/d/sample":            false,
		"":                                   false,
	})
}

func TestRoots(t *testing.T) {
	t.Parallel()
	d := must(esphome.Options{Roots: []string{"hall/east"}})
	dialecttest.Claims(t, d, map[string]bool{
		"hall/east/lathe-3/status": true,
		"hall/east/lathe-3/debug":  true,
		"hall/east/status":         false,
		"hall/east/a/b/status":     false,
		"hall/west/lathe-3/status": false,
		"lathe-3/status":           true,
	})
	res, err := d.Decode(dialect.Message{Topic: "hall/east/lathe-3/status", Payload: []byte("offline"), ReceivedMs: receivedMs})
	if err != nil || len(res.Records) != 1 || res.Records[0].Device != "hall/east/lathe-3" || res.Records[0].Link != telemetry.LinkWill {
		t.Errorf("%+v, %v", res.Records, err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := esphome.New(esphome.Options{
		UpdateInterval: time.Millisecond, OnChange: -1, Roots: []string{"hall/#"},
		Quantities: map[string]string{"energy": "energy_mwh", "": "power_w", "power": "power_kw"},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"UpdateInterval is 1ms", "OnChange is -1ns", `"hall/#"`, `Quantities["energy"] is "energy_mwh"`, `Quantities[""]`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %s:\n%v", part, err)
		}
	}
	if strings.Contains(err.Error(), `"power"`) {
		t.Errorf("error names what is right:\n%v", err)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	d := must(esphome.Options{
		UpdateInterval: 10 * time.Second, OnChange: time.Minute,
		Quantities: map[string]string{"energy": "energy_wh", "meter-2/energy": "energy_kwh", "shunt": "voltage_mv", "humidity": "-"},
	})
	for topic, want := range map[string]string{
		"meter-1/sensor/energy/state":    "valid=22s energy_wh=1.5",
		"meter-2/sensor/energy/state":    "valid=22s energy_wh=1500",
		"meter-2/sensor/shunt/state":     "valid=22s voltage_v=0.0015",
		"meter-2/text_sensor/word/state": "valid=1m0s state=1.5",
		"meter-2/sensor/humidity/state":  "",
	} {
		res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte("1.5"), ReceivedMs: receivedMs})
		got := ""
		if len(res.Records) == 1 {
			got = dialecttest.Line(&res.Records[0])
		}
		if err != nil || !strings.HasSuffix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, %v; want %q", topic, got, err, want)
		}
	}
}

// What a card's number may stand in is private, and the number gets nowhere but into its token.
func TestCardNumbersAreNotRepeated(t *testing.T) {
	t.Parallel()
	topics := []string{
		"door/rc522/tag", "rc522/tag", "door/pn532/tag_removed", "door/rdm6300/tag", "door/wiegand/tag",
		"door/text_sensor/last_tag/state", "door/sensor/card_uid/state", "door/sensor/nfc_temperature/state",
		"door/binary_sensor/rfid/state", "door/event/card-read/state", "door/debug", "/rc522/tag",
	}
	for _, cards := range []*card.Tokens{tokens(), nil} {
		d := must(esphome.Options{Cards: cards})
		for _, number := range []string{"74-10-37-94", "7616525", "BA839D07", "99999999999", "1e7616525"} {
			for _, topic := range topics {
				for _, retained := range []bool{false, true} {
					res, err := d.Decode(dialect.Message{Topic: topic, Payload: []byte(number), Retained: retained, ReceivedMs: receivedMs})
					if !res.Private {
						t.Errorf("%s is not private", topic)
					}
					if all := fmt.Sprintf("%v %+v", err, res); strings.Contains(all, number) || strings.Contains(all, "9.9999999999e+10") {
						t.Errorf("%s: %s is repeated in %s", topic, number, all)
					}
				}
			}
		}
	}
	_, err := must(esphome.Options{}).Decode(dialect.Message{Topic: "door/rc522/tag", Payload: []byte("74-10-37-94"), ReceivedMs: receivedMs})
	if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonNoCardKey {
		t.Errorf("without a key: %v", err)
	}
}

func ExampleNew() {
	d, err := esphome.New(esphome.Options{Quantities: map[string]string{"energy": "energy_kwh"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := d.Decode(dialect.Message{Topic: "lathe-3/sensor/energy/state", Payload: []byte("6.294"), ReceivedMs: receivedMs})
	fmt.Println(dialecttest.Line(&res.Records[0]), err)
	// Output:
	// sample lathe-3 sensor/energy 2025-01-11T13:56:51.000Z received valid=2m12s energy_wh=6294 <nil>
}

func BenchmarkDecodeSensor(b *testing.B) {
	dialecttest.Bench(b, fresh(), "hall-1/lathe-3/sensor/lathe_3_power/state", "1234.5")
}
