package main_test

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/mtconnect"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// okumaUUID and okumaExecution are the machine and the data item of its execution in the demo's Devices.xml.
const okumaUUID, okumaExecution = "OKUMA.123456", "Lpexecution"

// okumaSession is one connection of the adapter: the recording holds four, and not in the order of their time.
type okumaSession struct {
	lines  []string
	window span.Span        // from the first execution line to the largest time stamp
	wordMs map[string]int64 // how long each execution value held, by the lines alone
}

// okumaSessions reads the recording's sessions, in the order of their time.
func okumaSessions(t *testing.T, path string) []okumaSession {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var sessions []okumaSession
	in := bufio.NewScanner(z)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		if strings.Contains(in.Text(), "Z|avail|AVAILABLE|") {
			sessions = append(sessions, okumaSession{})
		}
		s := &sessions[len(sessions)-1]
		s.lines = append(s.lines, in.Text())
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	for i := range sessions {
		sessions[i].measure()
	}
	slices.SortFunc(sessions, func(a, b okumaSession) int { return int(a.window.StartMs - b.window.StartMs) })
	return sessions
}

// measure reads the execution lines: each value holds until the next one, the last until the session's largest time stamp.
func (s *okumaSession) measure() {
	s.wordMs = map[string]int64{}
	word, since := "", int64(0)
	for _, line := range s.lines {
		fields := strings.Split(line, "|")
		at, err := time.Parse(time.RFC3339Nano, fields[0])
		if err != nil {
			continue // a line of an asset document
		}
		s.window.EndMs = max(s.window.EndMs, at.UnixMilli())
		i := slices.Index(fields, "pexecution")
		if i < 0 {
			continue
		}
		if word == "" {
			s.window.StartMs = at.UnixMilli()
		} else {
			s.wordMs[word] += at.UnixMilli() - since
		}
		word, since = fields[i+1], at.UnixMilli()
	}
	s.wordMs[word] += s.window.EndMs - since
}

// messages are what the agent's entity sink publishes of the session.
func (s *okumaSession) messages(t *testing.T, devices string) []sim.Timed {
	t.Helper()
	path := filepath.Join(t.TempDir(), "OKUMA.txt")
	if err := os.WriteFile(path, []byte(strings.Join(s.lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	recording, err := sim.OpenRecording([]string{path}, sim.RecordingOptions{Devices: devices, Device: "OKUMA"})
	if err != nil {
		t.Fatal(err)
	}
	var all []sim.Timed
	for m, err := range recording.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// okumaDocuments are the same observations as the document sink publishes them: what changed in half a second in a Sample
// document, everything in a Current document every ten seconds.
func okumaDocuments(t *testing.T, entities []sim.Timed, version int) []sim.Timed {
	t.Helper()
	type observation struct {
		DataItemID string          `json:"dataItemId"`
		Type       string          `json:"type"`
		Category   string          `json:"category"`
		Timestamp  string          `json:"timestamp"`
		Result     json.RawMessage `json:"result"`
		Level      string          `json:"level"`
		Sequence   uint64          `json:"sequence"`
	}
	var out []sim.Timed
	latest := map[string]observation{}
	var changed []observation
	publish := func(group string, list []observation, atMs int64, next uint64) {
		slices.SortFunc(list, func(a, b observation) int { return int(a.Sequence) - int(b.Sequence) })
		component := map[string]any{"component": "Path", "componentId": "p"}
		for _, o := range list {
			category, typ := map[string]string{"SAMPLE": "Samples", "EVENT": "Events", "CONDITION": "Condition"}[o.Category], o.Type
			if o.Category == "CONDITION" {
				typ = o.Level
			}
			e := map[string]any{"dataItemId": o.DataItemID, "timestamp": o.Timestamp, "sequence": o.Sequence}
			if o.Result != nil {
				e["value"] = o.Result
			}
			if version == 1 {
				list, _ := component[category].([]any)
				component[category] = append(list, map[string]any{typ: e})
				continue
			}
			types, ok := component[category].(map[string]any)
			if !ok {
				types = map[string]any{}
				component[category] = types
			}
			ofType, _ := types[typ].([]any)
			types[typ] = append(ofType, e)
		}
		var streams any = map[string]any{"DeviceStream": []any{map[string]any{"uuid": okumaUUID, "ComponentStream": []any{component}}}}
		if version == 1 {
			streams = []any{map[string]any{"DeviceStream": map[string]any{
				"uuid": okumaUUID, "ComponentStreams": []any{map[string]any{"ComponentStream": component}},
			}}}
		}
		payload, err := json.Marshal(map[string]any{"MTConnectStreams": map[string]any{"jsonVersion": version, "Header": map[string]any{
			"instanceId": entities[0].AtMs / 1000, "sender": "pc", "firstSequence": 1, "nextSequence": next,
			"creationTime": time.UnixMilli(atMs).UTC().Format("2006-01-02T15:04:05Z"),
		}, "Streams": streams}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sim.Timed{AtMs: atMs, Topic: "MTConnect/" + group + "/" + okumaUUID, Payload: payload})
	}
	sampleMs, currentMs := entities[0].AtMs, entities[0].AtMs
	next := uint64(1)
	for i, m := range entities {
		var o observation
		if err := json.Unmarshal(m.Payload, &o); err != nil {
			t.Fatal(err)
		}
		if o.Category != "" { // an agent publishes only what its Devices.xml declares
			changed, latest[o.DataItemID], next = append(changed, o), o, o.Sequence+1
		}
		if i+1 < len(entities) && entities[i+1].AtMs-sampleMs < 500 {
			continue
		}
		publish("Sample", changed, m.AtMs, next)
		changed, sampleMs = nil, m.AtMs
		if m.AtMs-currentMs < 10_000 && i+1 < len(entities) {
			continue
		}
		all := make([]observation, 0, len(latest))
		for _, o := range latest {
			all = append(all, o)
		}
		publish("Current", all, m.AtMs, next)
		currentMs = m.AtMs
	}
	return out
}

// TestOkuma plays the recorded machine through the dialect, as its agent would have published it in each of the ways that
// agents have, and holds the execution's states and seconds to the recording's own execution lines.
func TestOkuma(t *testing.T) {
	t.Parallel()
	dir := recordingtest.Folder(t, "mtconnect_okuma_demo")
	sessions := okumaSessions(t, filepath.Join(dir, "okuma.txt.gz"))
	if len(sessions) != 4 {
		t.Fatalf("%d sessions, want 4", len(sessions))
	}
	for name, publish := range map[string]func(*testing.T, []sim.Timed) []sim.Timed{
		"entities":            func(_ *testing.T, all []sim.Timed) []sim.Timed { return all },
		"documents version 1": func(t *testing.T, all []sim.Timed) []sim.Timed { return okumaDocuments(t, all, 1) },
		"documents version 2": func(t *testing.T, all []sim.Timed) []sim.Timed { return okumaDocuments(t, all, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := mtconnect.New()
			for i := range sessions {
				s := &sessions[i]
				messages := publish(t, s.messages(t, filepath.Join(dir, "Devices.xml")))
				points := okumaPoints(t, d, messages)
				totals := usage.Sum(usage.Timeline(points, usage.NewControllerRule(nil), s.window), nil)
				t.Logf("session %d: %d messages, %v of %s", i+1, len(messages), okumaSeconds(totals.Words), time.Duration(s.window.Ms())*time.Millisecond)
				if diff := cmp.Diff(s.wordMs, totals.Words); diff != "" {
					t.Errorf("session %d: milliseconds of each execution value (-lines +derived):\n%s", i+1, diff)
				}
				if totals.RunningMs != s.wordMs["ACTIVE"] || totals.UnknownMs != 0 || totals.RunningMs == 0 {
					t.Errorf("session %d: running %d ms, unknown %d ms; ACTIVE %d ms", i+1, totals.RunningMs, totals.UnknownMs, s.wordMs["ACTIVE"])
				}
			}
			if d.Gaps() != 0 {
				t.Errorf("%d gaps in a recording that has none", d.Gaps())
			}
		})
	}
}

// okumaPoints decodes the messages and returns the execution's evidence in order of time; of
// two records of one instant the later stands.
func okumaPoints(t *testing.T, d *mtconnect.Dialect, messages []sim.Timed) []usage.Point {
	t.Helper()
	byMs, refused := map[int64]telemetry.Record{}, 0
	for _, m := range messages {
		result, err := d.Decode(dialect.Message{Topic: m.Topic, Payload: m.Payload, ReceivedMs: m.AtMs})
		// The adapter describes its computer in texts that are longer than a state may be.
		if err != nil && !strings.HasPrefix(err.Error(), string(telemetry.ReasonOversized)) {
			t.Errorf("%s %.300s: %v", m.Topic, m.Payload, err)
		}
		if err != nil {
			refused++
		}
		for _, r := range result.Records {
			if r.Kind == telemetry.KindSample && r.Device == okumaUUID && r.Channel == okumaExecution {
				byMs[r.EventMs] = r
			}
		}
	}
	if refused > 2 {
		t.Errorf("%d messages refused in part; two texts are too long, each said once", refused)
	}
	var points []usage.Point
	for _, r := range byMs {
		if p, ok := usage.PointOf(&r); ok {
			points = append(points, p)
		}
	}
	slices.SortFunc(points, func(a, b usage.Point) int { return int(a.AtMs - b.AtMs) })
	return points
}

func okumaSeconds(words map[string]int64) string {
	var parts []string
	for word, ms := range words {
		parts = append(parts, fmt.Sprintf("%s %.3f s", word, float64(ms)/1000))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
