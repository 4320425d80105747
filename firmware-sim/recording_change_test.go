package sim

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// Times in payloads of known dialects move with the recording, in their own form; everything else stays as it is.
func TestShiftPayload(t *testing.T) {
	t.Parallel()
	const delta = 86_400_000 + 1_500 // a day and 1.5 seconds
	for _, row := range []struct{ topic, payload, want string }{
		{"jishi/v1/b/dev/m/sample", `{"t":1772438400123,"v":{"power_w":1772438400123}}`, `{"t":1772524801623,"v":{"power_w":1772438400123}}`},
		{"jishi/v1/b/dev/m/sample", `[{"t": "2026-03-02T16:00:00.5+08:00"}, {"t":1}]`, `[{"t": "2026-03-03T16:00:02.0+08:00"}, {"t":1}]`},
		{"tele/plug/SENSOR", `{"Time":"2026-03-02T08:00:00","ENERGY":{"TotalStartTime":"2026-02-28T23:59:59","Power":3}}`, `{"Time":"2026-03-03T08:00:01","ENERGY":{"TotalStartTime":"2026-03-02T00:00:00","Power":3}}`},
		{"tele/plug/SENSOR", `{"Time":"1970-01-01T00:00:12"}`, `{"Time":"1970-01-01T00:00:12"}`},
		{"tele/plug/LWT", "Online", "Online"},
		{"shellyplus/events/rpc", `{"params":{"ts":1772438400.49,"switch:0":{"aenergy":{"minute_ts":1772438400}}}}`, `{"params":{"ts":1772524801.99,"switch:0":{"aenergy":{"minute_ts":1772524801}}}}`},
		{"shellies/s/relay/0/power", "12.5", "12.5"},
		{"zigbee2mqtt/lathe", `{"last_seen":"2026-03-02T08:00:00.000Z","power":1}`, `{"last_seen":"2026-03-03T08:00:01.500Z","power":1}`},
		{"zigbee2mqtt/lathe", `{"last_seen":1772438400000}`, `{"last_seen":1772524801500}`},
		{"MTConnect/Devices/u/Observations/x", `{"dataItemId":"x","timestamp":"2026-03-02T08:00:00.123456Z","result":"timestamp"}`, `{"dataItemId":"x","timestamp":"2026-03-03T08:00:01.623456Z","result":"timestamp"}`},
		{"spBv1.0/STATE/host", `{"online":true,"timestamp":1772438400000}`, `{"online":true,"timestamp":1772524801500}`},
		{"esp/sensor/power/state", "1234.5", "1234.5"},
		{"unknown/dialect", "7", "7"},
	} {
		got, known := shiftPayload(row.topic, []byte(row.payload), delta)
		if diff := cmp.Diff(row.want, string(got)); diff != "" || !known {
			t.Errorf("%s, known %v (-want +got):\n%s", row.topic, known, diff)
		}
	}
	for topic, payload := range map[string]string{
		"unknown/dialect": `{"timestamp":"2026-03-02T08:00:00Z"}`, "tele/plug/SENSOR": `{"Time":`,
		"other/x": "\xff\x00\x01", "other/y": "2026-03-02T08:00:00Z 12", "spBv1.0/g/DDATA/e/d": "\xff\xff\xff",
	} {
		if got, known := shiftPayload(topic, []byte(payload), delta); known || string(got) != payload {
			t.Errorf("%s: %q, known %v: want it as it was, and said so", topic, got, known)
		}
	}
}

// A Sparkplug payload of two metrics with times, and fields that are none of them.
func TestShiftSparkplug(t *testing.T) {
	t.Parallel()
	number := func(b []byte, field, v uint64) []byte {
		b = append(b, byte(field<<3))
		for ; v >= 0x80; v >>= 7 {
			b = append(b, byte(v)|0x80)
		}
		return append(b, byte(v))
	}
	message := func(ms uint64) []byte {
		metric := number([]byte{1<<3 | 2, 1, 'x'}, 3, ms)
		metric = number(metric, 4, 10)
		metric = append(metric, 13<<3|1, 1, 2, 3, 4, 5, 6, 7, 8)
		b := number(nil, 1, ms)
		for range 2 {
			b = append(b, 2<<3|2, byte(len(metric)))
			b = append(b, metric...)
		}
		return number(b, 3, 1772438400000) // seq: no time, whatever it looks like
	}
	const at, delta = 1772438400000, -31_536_000_000
	got, known := shiftPayload("spBv1.0/g/DDATA/e/d", message(at), delta)
	if diff := cmp.Diff(message(at+delta), got); diff != "" || !known {
		t.Errorf("known %v (-want +got):\n%s", known, diff)
	}
}

// Back and forth is where it was, and what was JSON stays JSON.
func FuzzShiftPayload(f *testing.F) {
	f.Add("tele/p/SENSOR", []byte(`{"Time":"2026-03-02T08:00:00","x":"\"Time\":"}`), int64(1500))
	f.Add("jishi/v1/b/dev/m/sample", []byte(`{"t": 1772438400123 ,"t":{"t":"2026-03-02 08:00:00.123456789123+08:00"}}`), int64(-86_400_001))
	f.Add("s/events/rpc", []byte(`{"ts":1772438400.49,"minute_ts":1e9,"unixtime":"1772438400.123456"}`), int64(1))
	f.Add("spBv1.0/g/DDATA/e/d", []byte("\x08\xfb\xc3\xae\xed\xca3"), int64(1000))
	f.Fuzz(func(t *testing.T, topic string, payload []byte, deltaMs int64) {
		deltaMs %= 50 * 365 * 86_400_000
		moved, known := shiftPayload(topic, payload, deltaMs)
		if !known && string(moved) != string(payload) {
			t.Fatal("changes what it does not know")
		}
		if json.Valid(payload) != json.Valid(moved) {
			t.Fatalf("%q became %q", payload, moved)
		}
		if _, known := shiftPayload(topic, payload, 0); !known {
			return
		}
		if same, _ := shiftPayload(topic, payload, 0); len(same) != len(payload) {
			t.Fatalf("moved by nothing, %q became %q", payload, same)
		}
	})
}

// A recording begins where it is told to, all of it moves alike, and what could not be moved is said.
func TestShiftedRecording(t *testing.T) {
	t.Parallel()
	start := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	was := messages(t, open(t, RecordingOptions{}, "testdata/recordings"))
	r := open(t, RecordingOptions{Start: start, Shift: time.Hour}, "testdata/recordings")
	now := messages(t, r)
	if len(now) != len(was) || now[0].AtMs != start.Add(time.Hour).UnixMilli() {
		t.Fatalf("%d of %d messages, the first at %s", len(now), len(was), time.UnixMilli(now[0].AtMs).UTC())
	}
	for i := range was {
		if now[i].AtMs-now[0].AtMs != was[i].AtMs-was[0].AtMs || now[i].Topic != was[i].Topic {
			t.Fatalf("message %d: %+v became %+v", i, was[i], now[i])
		}
		if strings.Contains(string(now[i].Payload), "2030-") {
			t.Errorf("message %d still says the old time: %s", i, now[i].Payload)
		}
	}
	if u := r.Counts().Unshifted; len(u) > 0 {
		t.Errorf("not moved: %v", u)
	}
}

func TestParseMessageFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]MessageFault{
		"drop=0.02": {Kind: FaultDrop, Rate: 0.02}, "delay=0.05,30s": {Kind: FaultDelay, Rate: 0.05, For: 30 * time.Second},
		"duplicate=1": {Kind: FaultDuplicate, Rate: 1}, "delay=0.1": {Kind: FaultDelay, Rate: 0.1},
	} {
		if got, err := ParseMessageFault(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"drop": "want KIND=RATE", "drop=-0.1": "want above 0 and at most 1", "drop=2": "want above 0", "drop=NaN": "want above 0",
		"lose=0.1": "want one of drop, delay, reorder, duplicate", "drop=0.1,30s": "only a delay has a duration", "delay=0.1,soon": "only a delay", "delay=0.1,-1s": "only a delay",
	} {
		if _, err := ParseMessageFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	_, err := OpenRecording([]string{"testdata/recordings"}, RecordingOptions{Faults: []MessageFault{{Kind: FaultDrop, Rate: 0.1}, {Kind: FaultDrop, Rate: 0.2}}})
	if err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("error %v", err)
	}
}

func eachOf(all []Timed) iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Whatever the faults: time never goes back, each message comes as often as was counted, and the same seed does the same.
func TestFaulted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []Timed
		atMs := int64(0)
		for i := range rapid.IntRange(0, 200).Draw(t, "n") {
			atMs += rapid.Int64Range(0, 20_000).Draw(t, "step")
			all = append(all, Timed{AtMs: atMs, Topic: fmt.Sprint(i)})
		}
		var faults []MessageFault
		for _, kind := range []string{FaultDrop, FaultDelay, FaultReorder, FaultDuplicate} {
			if rapid.Bool().Draw(t, kind) {
				faults = append(faults, MessageFault{Kind: kind, Rate: rapid.Float64Range(0.001, 1).Draw(t, "rate")})
			}
		}
		seed := rapid.Uint64().Draw(t, "seed")
		play := func() ([]Timed, map[string]int64) {
			done := map[string]int64{}
			var out []Timed
			for m, err := range faulted(eachOf(all), faults, seed, done) {
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, m)
			}
			return out, done
		}
		got, done := play()
		if int64(len(got)) != int64(len(all))-done[FaultDrop]+done[FaultDuplicate] {
			t.Fatalf("%d messages of %d, with %v", len(got), len(all), done)
		}
		copies := map[string]int{}
		lastMs := int64(0)
		for i, m := range got {
			if m.AtMs < lastMs {
				t.Fatalf("time goes back at message %d", i)
			}
			lastMs = m.AtMs
			copies[m.Topic]++
		}
		for topic, n := range copies {
			if n > 2 {
				t.Fatalf("message %s comes %d times", topic, n)
			}
		}
		again, _ := play()
		if !slices.EqualFunc(got, again, func(a, b Timed) bool { return a.AtMs == b.AtMs && a.Topic == b.Topic }) {
			t.Fatal("the same seed does otherwise")
		}
		if len(faults) == 0 && len(got) != len(all) {
			t.Fatal("without faults something happened")
		}
	})
}

// Each fault by itself happens about as often as is asked, and does what its name says.
func TestFaultRates(t *testing.T) {
	t.Parallel()
	var all []Timed
	for i := range 20_000 {
		all = append(all, Timed{AtMs: int64(i) * 1000, Topic: fmt.Sprint(i)})
	}
	for _, kind := range []string{FaultDrop, FaultDelay, FaultReorder, FaultDuplicate} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			done := map[string]int64{}
			inversions, previous := 0, -1
			for m, err := range faulted(eachOf(all), []MessageFault{{Kind: kind, Rate: 0.05}}, 1, done) {
				var i int
				if err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Sscan(m.Topic, &i); err != nil {
					t.Fatal(err)
				}
				if i < previous {
					inversions++
				}
				previous = i
			}
			if done[kind] < 800 || done[kind] > 1200 {
				t.Errorf("%d of 20000: want about 1000", done[kind])
			}
			if moves := kind == FaultDelay || kind == FaultReorder; moves != (inversions > 700) {
				t.Errorf("%d inversions", inversions)
			}
		})
	}
}

// Sessions of a training factory that others recorded are played whole.
func TestFischertechnikSessions(t *testing.T) {
	t.Parallel()
	dir := recordingtest.Folder(t, "fischertechnik_aps_orbis/sessions")
	r := open(t, RecordingOptions{Start: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}, dir)
	n := 0
	for m, err := range r.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		if m.Topic == "" {
			t.Fatal("a message without a topic")
		}
		n++
	}
	c := r.Counts()
	if n < 10_000 || len(c.Skipped) > 0 || len(c.Cut) > 0 || len(c.Unshifted) == 0 {
		t.Errorf("%d messages, skipped %v %v, cut %v, %d topics not moved", n, c.Skipped, c.Examples, c.Cut, len(c.Unshifted))
	}
	t.Logf("%d messages of %d sessions, %d lines; %d topics whose times are not moved", n, len(r.Info()), c.Lines, len(c.Unshifted))
}
