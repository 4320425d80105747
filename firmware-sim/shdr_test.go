package sim

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSHDR(t *testing.T) {
	t.Parallel()
	fields := func(key []byte) int {
		return map[string]int{"execution": 1, "servo": 5, "note": 2}[string(key)]
	}
	for _, row := range []struct {
		name, line, reason string
		pairs              []string
	}{
		{"event", "2016-10-31T12:25:10.951Z|execution|ACTIVE", "", []string{"execution=ACTIVE"}},
		{"unknown key", "2016-10-31T12:25:10Z|whatever|7", "", []string{"whatever=7"}},
		{"empty value", "2016-10-31T12:25:10Z|execution|", "", []string{"execution="}},
		{"several pairs", "2016-10-31T12:25:10Z|execution|ACTIVE|a|1|note|c|text", "", []string{"execution=ACTIVE", "a=1", "note=c,text"}},
		{"condition", "2016-10-31T12:25:10Z|servo|Fault|E1|high|LOW|it broke", "", []string{"servo=Fault,E1,high,LOW,it broke"}},
		{"condition of an unknown key", "2016-10-31T12:25:10Z|x_cond|normal||||", "", []string{"x_cond=normal,,,,"}},
		{"pairs that look like a condition", "2016-10-31T12:25:10Z|a|b|c|d|e|f", "", []string{"a=b", "c=d", "e=f"}},
		{"command", "* PING", skipCommand, nil},
		{"asset", "2016-10-31T12:25:10Z|@ASSET@|T1|CuttingTool|<x/>", skipAsset, nil},
		{"key without value", "2016-10-31T12:25:10Z|execution", skipMalformed, nil},
		{"empty key", "2016-10-31T12:25:10Z||ACTIVE", skipMalformed, nil},
		{"no pipe", "2016-10-31T12:25:10Z", skipMalformed, nil},
		{"empty", "", skipMalformed, nil},
		{"year 1970", "1970-01-01T00:00:00Z|execution|ACTIVE", skipBadTime, nil},
		{"no zone", "2016-10-31T12:25:10.951|execution|ACTIVE", skipBadTime, nil},
		{"30 February", "2016-02-30T12:25:10Z|execution|ACTIVE", skipBadTime, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var line shdrLine
			if got := parseSHDR([]byte(row.line), fields, &line); got != row.reason {
				t.Fatalf("reason %q, want %q", got, row.reason)
			}
			if row.reason != "" {
				return
			}
			if diff := cmp.Diff(row.pairs, pairTexts(line)); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
		})
	}
}

func pairTexts(line shdrLine) []string {
	var out []string
	for _, p := range line.Pairs {
		out = append(out, string(p.Key)+"="+string(bytes.Join(p.Fields[:p.N], []byte(","))))
	}
	return out
}

func TestParseStampAgreesWithTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2016-10-31T12:25:10.951Z", "2016-10-31T12:25:10Z", "2000-01-01T00:00:00Z", "2099-12-31T23:59:59.999999Z",
		"2022-08-08T13:51:34.7167146Z", "2016-02-29T00:00:00.000001Z",
	} {
		want, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseStamp([]byte(text)); !ok || got != want.UnixMicro() {
			t.Errorf("%s: got %d %v, want %d", text, got, ok, want.UnixMicro())
		}
	}
}

// What must never be false: no panic, no byte of a line taken for two fields or for none, and no time stamp that the
// standard library reads differently.
func FuzzParseSHDR(f *testing.F) {
	for _, seed := range []string{
		"2016-10-31T12:25:10.951Z|execution|ACTIVE", "2016-10-31T12:25:10Z|x_cond|Normal||||", "* PING",
		"2016-10-31T12:25:10.1234567Z|a|1|b|2", "2016-10-31T12:25:10.Z|a|1", "2016-10-31T12:25:10Z|@ASSET@|x|y|z",
		"2016-10-31T12:25:10Z|servo|Fault|E1|high|LOW|it broke", "2016-10-31T24:00:00Z|a|",
	} {
		f.Add([]byte(seed))
	}
	fields := func(key []byte) int { return map[string]int{"servo": 5, "note": 2}[string(key)] }
	f.Fuzz(func(t *testing.T, text []byte) {
		var line shdrLine
		if parseSHDR(text, fields, &line) != "" {
			return
		}
		want, err := time.Parse(time.RFC3339Nano, string(line.Stamp))
		if err != nil || want.UnixMicro() != line.StampUs {
			t.Fatalf("stamp %q: got %d, time.Parse says %d, %v", line.Stamp, line.StampUs, want.UnixMicro(), err)
		}
		again := []string{string(line.Stamp)}
		for _, p := range line.Pairs {
			again = append(again, string(p.Key))
			for _, field := range p.Fields[:p.N] {
				again = append(again, string(field))
			}
		}
		if got := strings.Join(again, "|"); got != string(text) {
			t.Fatalf("the parts join to %q, the line is %q", got, text)
		}
	})
}

func FuzzReadDevices(f *testing.F) {
	f.Add([]byte(`<MTConnectDevices><Devices><Device name="a" uuid="u"><DataItems><DataItem id="i" name="n" type="T" category="EVENT"/></DataItems></Device></Devices></MTConnectDevices>`))
	f.Add([]byte(`<Device name="a" uuid="u/+"/>`))
	f.Add([]byte(`<Device name="a" uuid="u"/><Device name="a" uuid="v"/>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		devices, err := ReadDevices(bytes.NewReader(document))
		if err != nil {
			return
		}
		for name, d := range devices {
			if d.Name != name || d.UUID == "" || strings.ContainsAny(d.UUID, "/+#") {
				t.Fatalf("device %q has name %q and uuid %q", name, d.Name, d.UUID)
			}
		}
	})
}

func FuzzPlugLines(f *testing.F) {
	f.Add([]byte("2030-01-02 08:00:00.626264,power,31.05"))
	f.Add([]byte("02/01/2030 08:00:01; 3600; 12"))
	f.Add([]byte("02/01/2030 08:00:01;NaN;1"))
	f.Add([]byte("2030-01-02 08:00:00,energy,+Inf"))
	f.Fuzz(func(t *testing.T, line []byte) {
		for _, p := range []plug{newShellyPlug("p", time.UTC), &tasmotaPlug{topic: "p", zone: time.UTC, local: time.UTC}} {
			m, reason := p.message(line)
			if reason != "" {
				continue
			}
			us := m.AtMs * 1000
			if us < earliestUs || us >= latestUs || m.Topic == "" || len(m.Payload) == 0 || !m.Exact {
				t.Fatalf("line %q became %+v", line, m)
			}
			if bytes.ContainsAny(bytes.ToLower(m.Payload), "\x00") || bytes.Contains(m.Payload, []byte("NaN")) || bytes.Contains(m.Payload, []byte("Inf")) {
				t.Fatalf("line %q became payload %q", line, m.Payload)
			}
		}
	})
}
