package bridge_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// reader is a dialect that hears cards: what it can read becomes a tap, the rest an error that repeats what it should not.
type reader struct{}

func (reader) Name() string                 { return "reader" }
func (reader) Claims(topic string) bool     { return strings.HasPrefix(topic, "gate/") }
func (reader) Poll(int64) []dialect.Request { return nil }
func (reader) Decode(m dialect.Message) (dialect.Result, error) {
	if bytes.Contains(m.Payload, []byte("bad")) {
		return dialect.Result{Private: true}, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s", dialect.Quote(string(m.Payload)))
	}
	return dialect.Result{Private: true, Records: []telemetry.Record{{
		Kind: telemetry.KindTap, Clock: telemetry.ClockReceived, Device: "gate-1", EventMs: m.ReceivedMs, Card: "k5252b341_2f6120c061df51248f7608145d4913b4",
	}}}, nil
}

// TestNoCardOrPersonReachesTheDisk: whatever a reader says and however badly, neither the log's files nor what is sent to
// the city hold the card's number, the person's name or the person's number.
func TestNoCardOrPersonReachesTheDisk(t *testing.T) {
	t.Parallel()
	secrets := []string{"BA839D07", "7748328", "张三", "zhangsan", "11010519491231002X", "440308199901101512"}
	set := func(o *bridge.Options) { with(t, reader{})(o) }
	ingest(t, spool.Options{}, set, func(s *intake) {
		for topic, payloads := range map[string][]string{
			"gate/1/tap": {
				`{"uid":"BA839D07","username":"zhangsan"}`, `{"uid":7748328}`, `{"name":"张三"}`, `bad BA839D07`,
				`{"bad":"BA839D07","id":"11010519491231002X"}`, `{"uid":"BA839D07" bad`,
			},
			"other/rfid/7748328":   {"BA839D07", `{"user":"zhangsan"}`},
			"other/door":           {`{"cardNo":7748328,"姓名":"张三"}`, `{"uid":"BA839D07"}`},
			"other/anything":       {`{"who":"11010519491231002X","then":"440308199901101512"}`},
			"x/11010519491231002X": {`{}`},
		} {
			for _, payload := range payloads {
				s.say(topic, payload)
			}
		}
		records := s.records()
		if len(records) != 12 {
			t.Errorf("%d messages were logged, want every one of 12", len(records))
		}
		taps := 0
		for _, r := range records {
			for _, record := range r.Message.Records {
				if record.Kind == telemetry.KindTap {
					taps++
				}
			}
		}
		if taps != 3 {
			t.Errorf("%d taps, want 3", taps)
		}
		_ = s.end()
		files, err := filepath.Glob(filepath.Join(s.dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no files in the log: %v", err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range secrets {
				if bytes.Contains(data, []byte(secret)) {
					t.Errorf("%s holds %s", filepath.Base(file), secret)
				}
			}
		}
	})
}
