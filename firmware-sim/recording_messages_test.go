package sim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What other people's recorders write.
func TestForeignMessages(t *testing.T) {
	t.Parallel()
	const at = 1772438400123 // 2026-03-02T08:00:00.123Z
	zone := time.FixedZone("UTC+8", 8*3600)
	for _, row := range []struct {
		name, line string
		want       Timed
	}{
		{"ours", `{"topic":"a","payload":"1","at_ms":1772438400123,"retained":true,"qos":1}`, Timed{AtMs: at, Payload: []byte("1"), Retain: true}},
		{"ours, bytes", `{"topic":"a","payload_base64":"AP8=","at_ms":1772438400123}`, Timed{AtMs: at, Payload: []byte{0, 255}}},
		{"fischertechnik", `{"topic":"a","payload":"{\"x\": 1}","timestamp":"2026-03-02T08:00:00.123Z","qos":0,"retain":false}`, Timed{AtMs: at, Payload: []byte(`{"x": 1}`)}},
		{"mosquitto_sub -F %J", `{"tst":"2026-03-02T16:00:00.123456+0800","topic":"a","qos":0,"retain":1,"payloadlen":7,"payload":{"x":1}}`, Timed{AtMs: at, Payload: []byte(`{"x":1}`), Retain: true}},
		{"a number for a payload", `{"Topic":"a","Value":12.50,"Time":1772438400.123}`, Timed{AtMs: at, Payload: []byte("12.50")}},
		{"no payload", `{"topic":"a","message":null,"ts":"1772438400123"}`, Timed{AtMs: at}},
		{"microseconds", `{"topic":"a","msg":"x","received_at":1772438400123456}`, Timed{AtMs: at, Payload: []byte("x")}},
		{"nanoseconds", `{"topic":"a","msg":"x","at":1772438400123456789}`, Timed{AtMs: at, Payload: []byte("x")}},
		{"a date of the zone", `{"topic":"a","msg":"x","time":"2026-03-02 16:00:00.123"}`, Timed{AtMs: at, Payload: []byte("x")}},
		{"whole seconds", `{"topic":"a","data":true,"time":1772438400}`, Timed{AtMs: at - 123, Payload: []byte("true")}},
		{"an exponent", `{"topic":"a","data":[1, 2],"ts":1.7724384e9}`, Timed{AtMs: at - 123, Payload: []byte("[1, 2]")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			m, about, err := parseMessage([]byte(row.line), zone)
			if err != nil || about != nil {
				t.Fatalf("about %v, error %v", about, err)
			}
			row.want.Topic, row.want.Exact = "a", true
			if diff := cmp.Diff(row.want, m, cmp.AllowUnexported(Timed{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A line that is none is told with its file, number, text and what would be right.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	const good = `{"topic":"a","payload":"1","at_ms":1772438400123}` + "\n"
	for _, row := range []struct{ name, line, reason, want string }{
		{"no JSON", `{"topic":"a",`, skipMalformed, `line 2: "{\"topic\":\"a\",": no JSON object`},
		{"no time", `{"topic":"a","payload":"1"}`, skipMalformed, `has no time: want a member such as "at_ms"`},
		{"no payload", `{"topic":"a","at_ms":1}`, skipMalformed, `has no "payload"`},
		{"a wildcard", `{"topic":"a/#","payload":"1","at_ms":1772438400123}`, skipMalformed, `"topic": want a text without + and #`},
		{"bad base64", `{"topic":"a","payload_base64":"%%","at_ms":1772438400123}`, skipMalformed, `"payload_base64": illegal base64`},
		{"1970", `{"topic":"a","payload":"1","at_ms":17}`, skipBadTime, `time "17": want Unix seconds`},
		{"no date", `{"topic":"a","payload":"1","time":"yesterday"}`, skipBadTime, `time "yesterday": want Unix seconds`},
		{"retained", `{"topic":"a","payload":"1","at_ms":1772438400123,"retain":"maybe"}`, skipMalformed, `"retained": want true or false`},
		{"of another version", `{"jishi_recording":"two"}`, skipMalformed, "is not of version 1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m.jsonl")
			if err := os.WriteFile(path, []byte(good+row.line+"\n"+good), 0o600); err != nil {
				t.Fatal(err)
			}
			got, counts := readBack(t, path)
			if len(got) != 2 || counts.Skipped[row.reason] != 1 || !strings.Contains(counts.Examples[row.reason], row.want) || !strings.HasPrefix(counts.Examples[row.reason], path+": line 2") {
				t.Errorf("%d messages, %v, %q: want %q", len(got), counts.Skipped, counts.Examples[row.reason], row.want)
			}
		})
	}
	// In the first line it is an error: there is nothing to play.
	path := filepath.Join(t.TempDir(), "m.jsonl")
	if err := os.WriteFile(path, []byte(`{"topic":"a","payload":"1"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenRecording([]string{path}, RecordingOptions{})
	if err == nil || !strings.Contains(err.Error(), path+`: line 1: "{\"topic\":\"a\",\"payload\":\"1\"}": has no time: want a member`) {
		t.Errorf("error %v", err)
	}
}

// Whatever a line holds, it is a message, a remark or an error that says what would be right.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"topic":"a","payload":"1","at_ms":1772438400123,"retained":true}`))
	f.Add([]byte(`{"tst":"2026-03-02T16:00:00.123456+0800","topic":"a","payload":{"x":1}}`))
	f.Add([]byte(`{"topic":"a","payload_base64":"AP8=","ts":1.7724384e9}`))
	f.Add([]byte(`{"jishi_recording":1,"ended_ms":1,"messages":3}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, about, err := parseMessage(line, time.UTC)
		switch {
		case err != nil && (about != nil || err.Error() == ""):
			t.Errorf("error %v and remark %v", err, about)
		case err == nil && about == nil:
			if m.Topic == "" || m.AtMs < earliestUs/1000 || m.AtMs >= latestUs/1000 || len(m.Payload) > maxPayload {
				t.Errorf("message %+v", m)
			}
			if raw, err := json.Marshal(m.Topic); err != nil || !json.Valid(raw) {
				t.Errorf("topic %q", m.Topic)
			}
		}
	})
}
