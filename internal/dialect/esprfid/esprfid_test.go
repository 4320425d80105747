package esprfid_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/esprfid"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func must(o esprfid.Options) *esprfid.Dialect {
	cards, err := card.NewTokens(card.Options{Key: bytes.Repeat([]byte{7}, card.KeyBytes)})
	if err != nil {
		panic(err)
	}
	o.Cards = cards
	d, err := esprfid.New(o)
	if err != nil {
		panic(err)
	}
	return d
}

func fresh() dialect.Dialect { return must(esprfid.Options{}) }

func TestDialect(t *testing.T) { dialecttest.Run(t, fresh) }

func FuzzDecode(f *testing.F) { dialecttest.Fuzz(f, fresh) }

func TestClaims(t *testing.T) {
	t.Parallel()
	dialecttest.Claims(t, fresh(), map[string]bool{
		"esprfid":                     true,
		"esprfid/send":                true,
		"esprfid/sync":                true,
		"esprfid/tag":                 true,
		"esprfid/avty":                true,
		"esprfid/accesslist":          true,
		"esprfid/cmd":                 true,
		"esprfid/io/door":             true,
		"esprfid/gate-1/send":         true,
		"esprfid/gate-1":              true,
		"esprfid/gate-1/io/door":      true,
		"esprfid/io/door/more":        false,
		"esprfid/gate-1/other":        false,
		"esprfid/":                    false,
		"esprfid//send":               false,
		"esprfidx/send":               false,
		"/esprfid/send":               false,
		"rfid/send":                   false,
		"homeassistant/lock/x/config": false,
		"":                            false,
	})
}

const (
	heardMs = 1_717_378_211_000
	access  = `{"type":"access","time":1717378210,"isKnown":"true","access":"Always","username":"Zhang Wei","uid":"f9c2f720","hostname":"gate"}`
)

func heard(topic, payload string) dialect.Message {
	return dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: heardMs}
}

func told(res dialect.Result, err error) string {
	var b strings.Builder
	for i := range res.Records {
		b.WriteString(dialecttest.Line(&res.Records[i]) + "\n")
	}
	fmt.Fprintln(&b, err)
	return b.String()
}

// The topic settings that readers have: their documentation's own with a leading slash, one with the name in its
// middle, and the firmware's auto-topic, which adds to the last part.
func TestTopics(t *testing.T) {
	t.Parallel()
	d := must(esprfid.Options{Topics: []string{"/rfid", "base/readers/%device%", "door-%device%"}, Heartbeat: time.Hour})
	for topic, want := range map[string]string{
		"/rfid/send":               "gate", // who speaks is in the payload only
		"/rfid":                    "gate",
		"base/readers/north/send":  "north", // the topic goes before the payload
		"door-1a2b3c/send":         "1a2b3c",
		"base/readers/send":        "send",
		"base/readers/north/other": "",
		"door-/send":               "",
		"esprfid/send":             "",
	} {
		res, err := d.Decode(heard(topic, access))
		if d.Claims(topic) != (want != "") {
			t.Errorf("Claims(%q) = %v", topic, want == "")
		}
		if want == "" {
			if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonUnknownTopic || !res.Private {
				t.Errorf("%s: %s", topic, told(res, err))
			}
			continue
		}
		if err != nil || len(res.Records) != 1 || res.Records[0].Device != want {
			t.Errorf("%s: %s", topic, told(res, err))
		}
	}
}

func TestHeartbeatSetsTheValidity(t *testing.T) {
	t.Parallel()
	res, err := must(esprfid.Options{Heartbeat: 30 * time.Minute}).Decode(heard("esprfid/send", `{"type":"heartbeat","time":1717378210}`))
	if err != nil || len(res.Records) != 1 || res.Records[0].ValidMs != 66*60*1000 {
		t.Error(told(res, err))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := esprfid.New(esprfid.Options{
		Topics: []string{"", "%device%", "a/+", "a/%device%/b", "a/", "#"}, Heartbeat: time.Second, Notation: card.Facility,
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{`has ""`, `has "%device%"`, `has "a/+"`, `has "a/%device%/b"`, `has "a/"`, `has "#"`, "Heartbeat is 1s", `Notation is "facility"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %s:\n%v", part, err)
		}
	}
}

// Whatever the message, neither a card's number nor its holder's name is let out.
func TestNoNumberAndNoNameIsRepeated(t *testing.T) {
	t.Parallel()
	d := fresh()
	rapid.Check(t, func(t *rapid.T) {
		uid := rapid.StringMatching(`[0-9a-f]{8}|[0-9a-f]{14}|[1-9][0-9]{6,9}`).Draw(t, "uid")
		name := rapid.StringMatching(`[A-Z][a-z]{3,5}Qx`).Draw(t, "name")
		shape := rapid.SampledFrom([]string{
			`{"type":"access","time":1717378210,"isKnown":"true","access":"Always","username":"%[2]s","uid":"%[1]s"}`,
			`{"type":"access","time":"%[1]s","username":"%[2]s","uid":"%[1]s"}`,
			`{"type":"access","time":1717378210,"username":"%[2]s","uid":"%[1]s!"}`,
			`{"type":"access","username":"%[2]s","uid":%[1]q,"hostname":["%[2]s"]}`,
			`{"type":"%[2]s","uid":"%[1]s"}`,
			`{"type":"WARN","src":"rfid","desc":"Unknown rfid tag is scanned","data":"%[1]s %[2]s","time":1717378210}`,
			`{"type":"heartbeat","uptime":"%[1]s%[1]s","username":"%[2]s"}`,
			`{"type":"heartbeat","time":1717378210,"uid":"%[1]s","username":"%[2]s"}`,
			`{"command":"userfile","uid":"%[1]s","user":"%[2]s","acctype":1}`,
			`{"uid":"%[1]s","username":"%[2]s","access":["Always","Denied"],"time":1717378210}`,
			`{"type":"access","username":"%[2]s","uid":"%[1]s`,
			`%[1]s %[2]s`,
			`["%[1]s","%[2]s"]`,
		}).Draw(t, "shape")
		payload := fmt.Sprintf(shape, uid, name)
		topic := rapid.SampledFrom([]string{"esprfid", "esprfid/send", "esprfid/sync", "esprfid/tag", "esprfid/avty", "esprfid/accesslist", "esprfid/cmd", "esprfid/io/door", "esprfid/gate/send", "other"}).Draw(t, "topic")
		res, err := d.Decode(heard(topic, payload))
		if !res.Private {
			t.Fatalf("%s %s is not private", topic, payload)
		}
		if said := strings.ToLower(told(res, err)); strings.Contains(said, uid) || strings.Contains(said, strings.ToLower(name)) {
			t.Fatalf("%s %s:\n%s", topic, payload, told(res, err))
		}
	})
}

// A message cut off anywhere, or with one wrong byte, says nothing of the card or its holder either.
func TestBrokenReadIsPrivate(t *testing.T) {
	t.Parallel()
	d := fresh()
	for at := 1; at < len(access); at++ {
		for _, broken := range []string{access[:at], access[:at] + "\x01" + access[at+1:], access[:at] + "\xff" + access[at+1:]} {
			res, err := d.Decode(heard("esprfid/send", broken))
			said := told(res, err)
			if !res.Private || strings.Contains(said, "f9c2") || strings.Contains(said, "f720") || strings.Contains(said, "Zhang") || strings.Contains(said, "Wei") {
				t.Errorf("%q: private %v, %s", broken, res.Private, said)
			}
		}
	}
}

// A Wiegand reader's decimal number is the same card as a Tasmota reader's.
func TestNotation(t *testing.T) {
	t.Parallel()
	cards, err := card.NewTokens(card.Options{Key: make([]byte, card.KeyBytes), Readers: map[string]card.Rule{"hex": {Notation: card.Hex}}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := esprfid.New(esprfid.Options{Notation: card.Decimal, Cards: cards})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := cards.Token("other", card.Decimal, "7748328")
	for _, payload := range []string{
		`{"type":"access","uid":"7748328","hostname":"gate"}`,
		`{"type":"access","uid":"763ae8","hostname":"hex"}`,
	} {
		res, err := d.Decode(heard("esprfid/send", payload))
		if err != nil || len(res.Records) != 1 || res.Records[0].Card != want {
			t.Errorf("%s: %s", payload, told(res, err))
		}
	}
}

func TestNoCardKey(t *testing.T) {
	t.Parallel()
	d, err := esprfid.New(esprfid.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := d.Decode(heard("esprfid/send", access))
	if e, ok := errors.AsType[*dialect.Error](err); !ok || e.Reason != telemetry.ReasonNoCardKey || !res.Private || len(res.Records) != 0 {
		t.Error(told(res, err))
	}
}

func TestHeartbeatsAreNotPrivate(t *testing.T) {
	t.Parallel()
	d := fresh()
	for topic, payload := range map[string]string{
		"esprfid/send":   `{"type":"heartbeat","time":1717378210,"uptime":999,"ip":"192.168.1.7","hostname":"gate"}`,
		"esprfid":        `{"type":"boot","time":3,"Wifi SSID":"x","Local IP":"192.168.1.7"}`,
		"esprfid/g/avty": "online",
		"esprfid/x/avty": "",
	} {
		if res, err := d.Decode(heard(topic, payload)); res.Private || err != nil {
			t.Errorf("%s: private %v, %v", topic, res.Private, err)
		}
	}
}

func BenchmarkDecodeAccess(b *testing.B) { dialecttest.Bench(b, fresh(), "esprfid/send", access) }

func Example() {
	cards, _ := card.NewTokens(card.Options{Key: bytes.Repeat([]byte{7}, card.KeyBytes)})
	d, _ := esprfid.New(esprfid.Options{Cards: cards})
	res, err := d.Decode(dialect.Message{
		Topic:      "esprfid/gate-1/send",
		Payload:    []byte(`{"type":"access","time":1717378210,"isKnown":"true","access":"Always","username":"Zhang Wei","uid":"ba839d07"}`),
		ReceivedMs: 1_717_378_211_000,
	})
	fmt.Println(dialecttest.Line(&res.Records[0]), res.Private, err)
	// Output:
	// tap gate-1 - 2024-06-03T01:30:10.000Z device card=k5252b341_9f92cf1639647983e8bf3e227e903c5a dir=none true <nil>
}
