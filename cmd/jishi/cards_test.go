package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// TestOneCardAtEveryReader: one card gives one token, whichever dialect its reader speaks and however it writes the number,
// and every message that named it is private.
func TestOneCardAtEveryReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "dialects.yaml")
	text := "cards: {default: {bits: 24}, readers: {gate-lsb/tag: {reversed: true}, hall: {notation: decimal}}}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	router, err := loadDialects(t, path)
	if err != nil {
		t.Fatal(err)
	}
	const received = 1_800_000_000_000
	tokens := make(map[string][]string)
	for _, m := range [][2]string{
		{"tele/gate-1/SENSOR", `{"Time":"2027-01-15T16:00:00","RC522":{"UID":"BA763AE8","Data":"","Type":"MIFARE 1KB"}}`},
		{"tele/gate-2/SENSOR", `{"Time":"2027-01-15T16:00:00","Wiegand":{"UID":7748328,"Size":26}}`},
		{"tele/gate-3/SENSOR", `{"Time":"2027-01-15T16:00:00","Wiegand":{"UID":"763AE8h","Size":26}}`},
		{"tele/gate-4/SENSOR", `{"Time":"2027-01-15T16:00:00","RDM6300":{"UID":"BA763AE8"}}`},
		{"esprfid/gate-5", `{"type":"access","time":1800000000,"isKnown":"true","access":"Always","username":"zhang","uid":"ba763ae8"}`},
		{"jishi/v1/cq01/dev/gate-6/tap", `{"uid":"118,15080","format":"facility"}`},
		{"jishi/v1/cq01/dev/gate-7/tap", `{"uid":"BA-76-3A-E8"}`},
	} {
		name, result, err := router.Decode(dialect.Message{Topic: m[0], Payload: []byte(m[1]), ReceivedMs: received})
		if err != nil || len(result.Records) != 1 || result.Records[0].Kind != telemetry.KindTap {
			t.Errorf("%s: %s says %+v, %v", m[0], name, result.Records, err)
			continue
		}
		if !result.Private {
			t.Errorf("%s: the message is not private", m[0])
		}
		tokens[result.Records[0].Card] = append(tokens[result.Records[0].Card], m[0])
	}
	if len(tokens) != 1 {
		t.Errorf("one card has %d tokens: %v", len(tokens), tokens)
	}
	for token := range tokens {
		if strings.Contains(strings.ToUpper(token), "763AE8") || strings.Contains(token, "7748328") {
			t.Errorf("token %s shows the number", token)
		}
	}
}
