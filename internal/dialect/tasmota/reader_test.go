package tasmota_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/dialecttest"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const heardMs = 1_717_378_211_000

func heard(topic, payload string) dialect.Message {
	return dialect.Message{Topic: topic, Payload: []byte(payload), ReceivedMs: heardMs}
}

// told is everything that an answer would let out.
func told(res dialect.Result, err error) string {
	var b strings.Builder
	for i := range res.Records {
		b.WriteString(dialecttest.Line(&res.Records[i]) + "\n")
	}
	fmt.Fprintln(&b, err)
	return b.String()
}

// Whatever the card, and wherever in the message its number stands, nothing but its token is let out.
func TestNoNumberIsRepeated(t *testing.T) {
	t.Parallel()
	d := fresh()
	rapid.Check(t, func(t *rapid.T) {
		uid := strings.ToUpper(rapid.StringMatching(`[0-9A-F]{8}|[0-9A-F]{14}|[1-9][0-9]{7,9}`).Draw(t, "uid"))
		shape := rapid.SampledFrom([]string{
			`{"Time":1717378210,"RC522":{"UID":"%s","Data":"%s"}}`,
			`{"Time":1717378210,"PN532":{"UID":"%s","DATA":"%s"}}`,
			`{"Time":1717378210,"RDM6300":{"UID":"%s"},"x":"%s"}`,
			`{"Time":1717378210,"Wiegand":{"UID":%s,"Size":%s}}`,
			`{"Time":1717378210,"Wiegand":{"UID":"%sh","Size":34},"x":"%s"}`,
			`{"Time":1717378210,"RC522":"%s","ENERGY":{"Power":"%s"}}`,
			`{"Time":1717378210,"RC522":{"UID":"%s"},"ENERGY":{"Power":1e9,"Frequency":9%s}}`,
			`{"Time":"%s","RC522":{"UID":"%s"}}`,
			`{"Time":"%s","\u0052C522":{"\u0055ID":"%s"}}`,
			`{"Time":1717378210,"RC522":{"UID":"%s%s`,
			`{"Time":1717378210,"RC522":{"UID":"%s-%s!"}}`,
		}).Draw(t, "shape")
		payload := fmt.Sprintf(shape, uid, uid)
		topic := rapid.SampledFrom([]string{"tele/gate/SENSOR", "gate/tele/SENSOR", "stat/gate/STATUS10", "tele/gate/STATE", "stat/gate/RESULT", "stat/gate/POWER", "tele/gate/LWT", "stat/gate/LOGGING", "cmnd/gate/x"}).Draw(t, "topic")
		res, err := d.Decode(heard(topic, payload))
		if !res.Private {
			t.Fatalf("%s %s is not private", topic, payload)
		}
		if strings.Contains(strings.ToUpper(told(res, err)), uid) {
			t.Fatalf("%s %s:\n%s", topic, payload, told(res, err))
		}
	})
}

// A message cut off anywhere, or with one wrong byte, says nothing of the card either.
func TestBrokenReadIsPrivate(t *testing.T) {
	t.Parallel()
	const payload, uid = `{"Time":"2024-06-03T09:30:10","RC522":{"UID":"BA839D07","Data":"","Type":"MIFARE 1KB"}}`, "BA839D07"
	from := strings.Index(payload, uid)
	d := fresh()
	for at := range len(payload) {
		for _, broken := range []string{payload[:at], payload[:at] + "\x01" + payload[at+1:], payload[:at] + "\xff" + payload[at+1:]} {
			res, err := d.Decode(heard("tele/gate/SENSOR", broken))
			if len(broken) > from && !res.Private {
				t.Errorf("%q is not private", broken)
			}
			if said := told(res, err); strings.Contains(said, "BA83") || strings.Contains(said, "9D07") {
				t.Errorf("%q: %s", broken, said)
			}
		}
	}
}

// One card is one token, at whichever reader and however SetOption123 prints it, and only its reader may change that.
func TestOneCardAtEveryReader(t *testing.T) {
	t.Parallel()
	d := fresh()
	token := func(payload string) string {
		t.Helper()
		res, err := d.Decode(heard("tele/gate/SENSOR", payload))
		if err != nil || len(res.Records) != 1 || res.Records[0].Kind != telemetry.KindTap || !card.IsToken(res.Records[0].Card) {
			t.Fatalf("%s: %s", payload, told(res, err))
		}
		return res.Records[0].Card
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := uint64(rapid.Uint32Range(1<<16, 1<<32-1).Draw(rt, "number"))
		want := token(fmt.Sprintf(`{"RC522":{"UID":"%08X"}}`, n))
		for _, payload := range []string{
			fmt.Sprintf(`{"PN532":{"UID":"%08X","DATA":""}}`, n),
			fmt.Sprintf(`{"RDM6300":{"UID":"%08X"}}`, n),
			`{"Wiegand":{"UID":` + strconv.FormatUint(n, 10) + `,"Size":34}}`,
			fmt.Sprintf(`{"Wiegand":{"UID":"%Xh","Size":34}}`, n),
		} {
			if got := token(payload); got != want {
				rt.Errorf("%s gives %s, want %s", payload, got, want)
			}
		}
	})
}

// A Wiegand reader that says the last byte first has the same four bytes in both notations.
func TestReversedReader(t *testing.T) {
	t.Parallel()
	cards, err := card.NewTokens(card.Options{Key: make([]byte, card.KeyBytes), Readers: map[string]card.Rule{"gate": {Reversed: true}}})
	if err != nil {
		t.Fatal(err)
	}
	d := must(tasmota.Options{Cards: cards})
	want, cardErr := cards.Token("other", card.Hex, "E83A7600")
	if cardErr != nil {
		t.Fatal(cardErr)
	}
	for _, payload := range []string{`{"Wiegand":{"UID":7748328,"Size":26}}`, `{"Wiegand":{"UID":"763AE8h","Size":26}}`} {
		res, err := d.Decode(heard("tele/gate/SENSOR", payload))
		if err != nil || len(res.Records) != 1 || res.Records[0].Card != want {
			t.Errorf("%s: %s", payload, told(res, err))
		}
	}
}

// Without the city's key a card is refused, and the other sensors of the message are not.
func TestNoCardKey(t *testing.T) {
	t.Parallel()
	d := must(tasmota.Options{})
	res, err := d.Decode(heard("tele/gate/SENSOR", `{"RC522":{"UID":"BA839D07"},"ENERGY":{"Power":5}}`))
	e, ok := errors.AsType[*dialect.Error](err)
	if !ok || e.Reason != telemetry.ReasonNoCardKey || !res.Private || len(res.Records) != 1 || res.Records[0].Kind != telemetry.KindSample {
		t.Errorf("private %v: %s", res.Private, told(res, err))
	}
}

// What speaks of no reader is not private: its log keeps the payload as it was.
func TestMetersAreNotPrivate(t *testing.T) {
	t.Parallel()
	d := fresh()
	for topic, payload := range map[string]string{
		"tele/a/SENSOR": `{"ENERGY":{"Power":5}}`, "tele/a/STATE": `{"POWER":"ON"}`, "stat/a/POWER": "ON", "tele/a/LWT": "Online",
	} {
		if res, err := d.Decode(heard(topic, payload)); res.Private || err != nil {
			t.Errorf("%s: private %v, %v", topic, res.Private, err)
		}
	}
}
