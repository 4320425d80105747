package card_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func tokens(t interface{ Fatal(...any) }, o card.Options) *card.Tokens {
	if o.Key == nil {
		o.Key = bytes.Repeat([]byte{7}, card.KeyBytes)
	}
	tokens, err := card.NewTokens(o)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// One card has one token, however its readers write it.
func TestOneCardOneToken(t *testing.T) {
	t.Parallel()
	all := tokens(t, card.Options{Readers: map[string]card.Rule{
		"lsb-first": {Reversed: true}, "says-hex": {Notation: card.Hex}, "w26": {Bits: 24},
	}})
	type written struct {
		reader   string
		notation card.Notation
		text     string
	}
	cards := map[string][]written{
		"EM4100 tag with 24 bits": {
			{"", card.Decimal, "7748328"},
			{"", card.Decimal, "0007748328"},
			{"", card.Hex, "763AE8"},
			{"", card.Hex, "00763ae8"},
			{"", card.Hex, "0x763AE8"},
			{"", card.Hex, "763AE8h"},
			{"", card.Facility, "118,15080"},
			{"", card.Facility, "118-15080"},
			{"w26", card.Hex, "12763AE8"},
			{"says-hex", card.Decimal, "763AE8"},
			{"lsb-first", card.Hex, "E83A7600"},
			{"lsb-first", card.Decimal, "3896145408"},
		},
		"UID of four bytes": {
			{"", card.Hex, "BA839D07"},
			{"", card.Hex, "ba-83-9d-07"},
			{"", card.Hex, "BA:83:9D:07"},
			{"", card.Decimal, "3129187591"},
			{"lsb-first", card.Hex, "079D83BA"},
		},
		"UID of seven bytes": {{"", card.Hex, "04A2B3C4D5E680"}, {"lsb-first", card.Hex, "80e6d5c4b3a204"}},
	}
	seen := make(map[string]string)
	for name, ways := range cards {
		for _, w := range ways {
			token, err := all.Token(w.reader, w.notation, w.text)
			if err != nil {
				t.Errorf("%s: %+v: %v", name, w, err)
				continue
			}
			if other, ok := seen[token]; ok && other != name {
				t.Errorf("%s and %s share a token", name, other)
			}
			seen[token] = name
			if !card.IsToken(token) {
				t.Errorf("%q is no token", token)
			}
		}
	}
	if len(seen) != len(cards) {
		t.Errorf("%d tokens for %d cards: %v", len(seen), len(cards), seen)
	}
}

func TestOtherKeysOtherTokens(t *testing.T) {
	t.Parallel()
	a, _ := tokens(t, card.Options{}).Token("", card.Hex, "BA839D07")
	b, _ := tokens(t, card.Options{Key: bytes.Repeat([]byte{8}, card.KeyBytes)}).Token("", card.Hex, "BA839D07")
	if a == "" || a == b || a[:10] == b[:10] {
		t.Errorf("tokens %q and %q: both the key's name and the hash differ", a, b)
	}
	var none *card.Tokens
	if _, err := none.Token("", card.Hex, "BA839D07"); err == nil || err.Reason != telemetry.ReasonNoCardKey {
		t.Errorf("without a key: %v", err)
	}
}

// No error, and no printed Number, repeats what the reader said.
func TestRefusalsKeepTheSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notation card.Notation
		text     string
	}{
		{card.Hex, "BA839D0G"},
		{card.Hex, "B"},
		{card.Hex, ""},
		{card.Hex, "00000000"},
		{card.Hex, strings.Repeat("9A", 11)},
		{card.Hex, "-BA839D07"},
		{card.Decimal, "77483x28"},
		{card.Decimal, ""},
		{card.Decimal, "-7748328"},
		{card.Decimal, "0"},
		{card.Decimal, strings.Repeat("7", 26)},
		{card.Decimal, "9999999999999999999999999"},
		{card.Facility, "118"},
		{card.Facility, "256,15080"},
		{card.Facility, "118,65536"},
		{card.Facility, "118,-1508"},
		{card.Facility, "0,0"},
		{"octal", "7748328"},
	} {
		token, err := tokens(t, card.Options{}).Token("r", c.notation, c.text)
		if err == nil {
			t.Errorf("%s %q gives %s", c.notation, c.text, token)
			continue
		}
		if len(c.text) > 3 && strings.Contains(err.Error(), c.text) {
			t.Errorf("%v repeats the number", err)
		}
	}
	n, _ := card.Parse(card.Hex, "BA839D07")
	for _, text := range []string{fmt.Sprint(n), fmt.Sprintf("%v %+v %#v %s", n, n, n, n)} {
		if strings.Contains(strings.ToUpper(text), "BA839D") || strings.Contains(text, "\xba") {
			t.Errorf("a number prints as %q", text)
		}
	}
}

func TestOptionsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	key := make([]byte, card.KeyBytes)
	for want, o := range map[string]card.Options{
		"31 bytes":    {Key: key[1:]},
		"octal":       {Key: key, Default: card.Rule{Notation: "octal"}},
		"12":          {Key: key, Default: card.Rule{Bits: 12}},
		`"gate"`:      {Key: key, Readers: map[string]card.Rule{"gate": {Bits: 88}}},
		"multiple of": {Key: key, Default: card.Rule{Bits: 26}},
	} {
		if _, err := card.NewTokens(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to name %s", err, want)
		}
	}
}

// Whatever bytes a card has: hexadecimal and decimal say the same card, and so do the two byte orders.
func TestNotationsAgree(t *testing.T) {
	t.Parallel()
	all := tokens(t, card.Options{Readers: map[string]card.Rule{"reversed": {Reversed: true}}})
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 10).Draw(t, "bytes")
		b[0] |= 1
		want, err := all.Token("", card.Hex, hex.EncodeToString(b))
		if err != nil {
			t.Fatal(err)
		}
		decimal := new(big.Int).SetBytes(b).String()
		if got, err := all.Token("", card.Decimal, decimal); err != nil || got != want {
			t.Errorf("decimal gives %s, %v; want %s", got, err, want)
		}
		slices.Reverse(b)
		if got, err := all.Token("reversed", card.Hex, hex.EncodeToString(b)); err != nil || got != want {
			t.Errorf("reversed gives %s, %v; want %s", got, err, want)
		}
	})
}

func TestIsToken(t *testing.T) {
	t.Parallel()
	token, _ := tokens(t, card.Options{}).Token("", card.Hex, "BA839D07")
	for text, want := range map[string]bool{
		token: true, "": false, token[1:]: false, strings.ToUpper(token): false, token + "0": false,
		"11010519491231002X": false, strings.Replace(token, "_", "-", 1): false,
	} {
		if card.IsToken(text) != want {
			t.Errorf("IsToken(%q) = %v", text, !want)
		}
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		payload, want string
		private       bool
	}{
		{`{"Time":"2021-01-23T13:10:50","RC522":{"UID":"BA839D07"}}`, `{"Time":"****-**-*****:**:**","RC522":{"UID":"********"}}`, true},
		{`{"7748328":1,"张三":2,"user" : "zhang"}`, `{"*******":*,"******":*,"user" : "*****"}`, true},
		{`BA839D07`, `********`, true},
		{`{"UID":"BA8`, `{"UID":"***`, true},
		{`{"id":"11010519491231002X","power":12.345678901234567890}`, `{"id":"******************","power":12.345678901234567890}`, false},
		{`x11010519491231002x 440308199901101512!`, `x****************** ******************!`, false},
		{`{"t":1736603810490,"energy":110105194912310021}`, `{"t":1736603810490,"energy":110105194912310021}`, false},
		{``, ``, false},
		{``, ``, true},
	} {
		before := strings.Clone(c.payload)
		if got := string(card.Scrub([]byte(c.payload), c.private)); got != c.want {
			t.Errorf("Scrub(%s, %v) = %s, want %s", c.payload, c.private, got, c.want)
		}
		if before != c.payload {
			t.Error("the payload was written to")
		}
	}
	if got, want := card.ScrubText(`door/gate-1/tag/BA839D07 is "7748328"`, true), `door/gate-1/tag/******** is "*******"`; got != want {
		t.Errorf("ScrubText = %s, want %s", got, want)
	}
}

func TestSuspect(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"UID":"x"}`: true, `{"cardNo":1}`: true, "door/rfid/1": true, `{"姓名":"x"}`: true, "gate/tag": true, "idCard": true,
		`{"voltage":230,"stage":2}`: false, "tele/x/SENSOR": false, `{"fluid":1}`: false, "": false,
	} {
		if got := card.Suspect("", []byte(text)); got != want {
			t.Errorf("Suspect(%q) = %v", text, got)
		}
		if got := card.Suspect(text, nil); got != want {
			t.Errorf("Suspect(topic %q) = %v", text, got)
		}
	}
}

// Nothing of a private value survives, whatever the payload's shape.
func FuzzScrub(f *testing.F) {
	f.Add([]byte(`{"RC522":{"UID":"BA839D07"}}`), true)
	f.Add([]byte(`110105194912310021 11010519491231002X`), false)
	f.Fuzz(func(t *testing.T, payload []byte, private bool) {
		before := slices.Clone(payload)
		got := card.Scrub(payload, private)
		if !bytes.Equal(before, payload) || len(got) != len(payload) {
			t.Fatal("the payload was written to, or changed its length")
		}
		digits := 0
		for i, c := range got {
			if c != payload[i] && c != '*' {
				t.Fatalf("byte %d became %q", i, c)
			}
			if c < '0' || c > '9' {
				digits = 0
				continue
			}
			if digits++; private && digits >= 4 {
				t.Fatalf("four digits survive in %q", got)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	for _, n := range card.Notations() {
		f.Add(string(n), "7748328")
		f.Add(string(n), "BA-83-9D-07")
		f.Add(string(n), "118,15080")
	}
	all := tokens(f, card.Options{Readers: map[string]card.Rule{"w26": {Bits: 24, Reversed: true}}})
	f.Fuzz(func(t *testing.T, notation, text string) {
		for _, reader := range []string{"", "w26"} {
			token, err := all.Token(reader, card.Notation(notation), text)
			if (err == nil) != card.IsToken(token) {
				t.Fatalf("token %q with error %v", token, err)
			}
			if err != nil && len(text) > 4 && !strings.Contains("hexadecimal bytes right decimal facility code and number", text) &&
				notation != text && strings.Contains(err.Detail, text) {
				t.Fatalf("%v repeats the number", err)
			}
		}
	})
}
