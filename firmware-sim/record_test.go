package sim

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// whatever is recorded is read again, byte for byte, however the file is compressed.
func TestRecorderRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		suffix := rapid.SampledFrom([]string{".jsonl", ".jsonl.gz", ".jsonl.zst"}).Draw(t, "suffix")
		path := filepath.Join(dir, fmt.Sprintf("m%d%s", n, suffix))
		to, err := CreateRecording(path, "test", []string{"#"})
		if err != nil {
			t.Fatal(err)
		}
		var want []Timed
		atMs := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixMilli()
		for range rapid.IntRange(0, 20).Draw(t, "messages") {
			atMs += rapid.Int64Range(0, 10_000).Draw(t, "step")
			topic := rapid.StringMatching(`[a-zé/]{1,20}`).Draw(t, "topic")
			payload := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 50), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "payload")
			m := Recorded{AtMs: atMs, Topic: topic, Payload: payload, Retained: rapid.Bool().Draw(t, "retained"), QoS: 1}
			if err := to.Write(&m); err != nil {
				t.Fatal(err)
			}
			want = append(want, Timed{AtMs: atMs, Topic: topic, Payload: payload, Retain: m.Retained, Exact: true})
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
		got, counts := readBack(t, path)
		if len(got) != len(want) || counts.Cut != nil || len(counts.Skipped) > 0 {
			t.Fatalf("%d messages, want %d; %+v", len(got), len(want), counts)
		}
		for i := range want {
			if got[i].AtMs != want[i].AtMs || got[i].Topic != want[i].Topic || !bytes.Equal(got[i].Payload, want[i].Payload) || got[i].Retain != want[i].Retain {
				t.Fatalf("message %d is %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

// fataler is a test of either kind.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func readBack(t fataler, paths ...string) ([]Timed, Counts) {
	t.Helper()
	r, err := OpenRecording(paths, RecordingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all []Timed
	for m, err := range r.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all, r.Counts()
}

// Wherever a recording is cut off, it plays up to there, in order, and says so.
func TestCutRecordings(t *testing.T) {
	t.Parallel()
	for _, suffix := range []string{".jsonl", ".jsonl.gz", ".jsonl.zst"} {
		t.Run(suffix, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "whole"+suffix)
			to, err := CreateRecording(path, "test", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 300 {
				m := Recorded{AtMs: 1772438400000 + int64(i), Topic: fmt.Sprint("t/", i), Payload: fmt.Append(nil, strings.Repeat("x", i%40), i*7919)}
				if err := to.Write(&m); err != nil {
					t.Fatal(err)
				}
				if i%50 == 0 {
					if err := to.Flush(); err != nil { // as every second
						t.Fatal(err)
					}
				}
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for cut := len(whole) / 3; cut < len(whole)-1; cut += 1 + len(whole)/60 {
				part := filepath.Join(dir, fmt.Sprint("cut", cut, suffix))
				if err := os.WriteFile(part, whole[:cut], 0o600); err != nil {
					t.Fatal(err)
				}
				got, counts := readBack(t, part)
				for i, m := range got {
					if m.Topic != fmt.Sprint("t/", i) {
						t.Fatalf("cut at %d: message %d is %s", cut, i, m.Topic)
					}
				}
				if len(counts.Cut) != 1 || len(got) == 0 && cut > len(whole)/2 {
					t.Fatalf("cut at %d of %d: %d messages, told %q: want some messages and one word about the cut", cut, len(whole), len(got), counts.Cut)
				}
			}
		})
	}
}

// The other formats say it too when their gzip ends in the middle.
func TestCutGzipOfOtherFormats(t *testing.T) {
	t.Parallel()
	text := shellyHeader + "\n"
	for i := range 2000 {
		text += fmt.Sprintf("2030-01-02 08:%02d:%02d,power,%d\n", i/60%60, i%60, i*7919%1000)
	}
	path := filepath.Join(t.TempDir(), "press-shelly-events.csv.gz")
	to, err := CreateRecording(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := to.packer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := to.packer.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.file.Truncate(info.Size() / 2); err != nil {
		t.Fatal(err)
	}
	got, counts := readBack(t, path)
	if len(got) < 100 || len(got) > 1900 || len(counts.Cut) != 1 || !strings.Contains(counts.Cut[0], "ends in the middle, after line") {
		t.Errorf("%d messages, told %q", len(got), counts.Cut)
	}
}

// Two recordings of one base, side by side: one order.
func TestMessageFilesAreMerged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, half := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, half), 0o700); err != nil {
			t.Fatal(err)
		}
		to, err := CreateRecording(filepath.Join(dir, half, "same.jsonl"), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			m := Recorded{AtMs: 1772438400000 + int64(i*1000), Topic: fmt.Sprint(half, i)}
			if half == "b" {
				m.AtMs += 500
			}
			if err := to.Write(&m); err != nil {
				t.Fatal(err)
			}
		}
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := readBack(t, dir)
	var topics []string
	for _, m := range got {
		topics = append(topics, m.Topic)
	}
	if diff := cmp.Diff("a0 b0 a1 b1 a2 b2 a3 b3 a4 b4", strings.Join(topics, " ")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCreateRecordingRefusesToOverwrite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.jsonl")
	to, err := CreateRecording(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateRecording(path, "", nil); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("error %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", info.Mode(), err)
	}
}

// A broker is recorded with what it remembers and what comes, through the loss of the connection, and the recording says
// what it missed; replayed, it says the same again.
func TestRecordBroker(t *testing.T) {
	t.Parallel()
	b := startBroker(t, func(in mqtt.Inbound) { in.Ack() })
	publish := func(topic, payload string, retain bool) {
		t.Helper()
		if err := b.Publish(topic, []byte(payload), retain, 1); err != nil {
			t.Fatal(err)
		}
	}
	publish("plant/remembered", "old", true)
	publish("elsewhere", "not asked for", true)
	cutter := startCutter(t, b.Addr(), 110, 1)
	path := filepath.Join(t.TempDir(), "m.jsonl.gz")
	to, err := CreateRecording(path, "tcp://"+b.Addr(), []string{"plant/#"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sent := 0
	progress, err := Record(ctx, to, RecordOptions{
		Broker: mqtt.ClientOptions{URL: "tcp://" + cutter, ClientID: "tap"}, Filters: []string{"plant/#"},
		Progress: func(p RecordProgress) { // about every second, on the goroutine that records
			if sent++; sent > 20 || p.Reconnects > 0 && p.Messages > 10 {
				cancel()
				return
			}
			for i := range 10 {
				publish("plant/live", fmt.Sprintf("%d %d %s", sent, i, strings.Repeat("x", 50)), false)
			}
			publish(ClockTopic, "1772438400000", false)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	got, counts := readBack(t, path)
	if int64(len(got)) != progress.Messages || progress.Reconnects != 1 || counts.Gaps != 1 || len(counts.Cut) > 0 {
		t.Errorf("%d messages read, %+v, %d gaps, cut %q", len(got), progress, counts.Gaps, counts.Cut)
	}
	if len(got) == 0 || got[0].Topic != "plant/remembered" || !got[0].Retain || string(got[0].Payload) != "old" {
		t.Errorf("first message %+v: want what the broker remembered", got[:min(1, len(got))])
	}
	for _, m := range got {
		if !strings.HasPrefix(m.Topic, "plant/") {
			t.Errorf("recorded %s", m.Topic)
		}
	}
}

func TestRecordRefusesAWrongBroker(t *testing.T) {
	t.Parallel()
	to, err := CreateRecording(filepath.Join(t.TempDir(), "m.jsonl"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	_, err = Record(t.Context(), to, RecordOptions{Broker: mqtt.ClientOptions{URL: "tcp://127.0.0.1:1", ClientID: "tap"}, Filters: []string{"#"}})
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error %v", err)
	}
}

// A log's raw messages are what was received; what the log no longer has is told.
func TestRecordLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, err := spool.Open(dir, spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var entries []spool.Entry
	for i := range 10 {
		e := spool.Entry{ReceivedMs: start.UnixMilli() + int64(i)*1000, Body: []byte("body"), Raw: fmt.Appendf(nil, "base/m%d/state\x00{\"n\":%d}", i%2, i)}
		if i == 3 {
			e.Raw = nil
		}
		entries = append(entries, e)
	}
	if _, err := log.Append(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, row := range []struct {
		name string
		o    RecordLogOptions
		want RecordedLog
		last string
	}{
		{"all", RecordLogOptions{}, RecordedLog{Records: 10, WithoutRaw: 1, RecordProgress: RecordProgress{Messages: 9, Bytes: 63}}, `{"n":9}`},
		{"one device", RecordLogOptions{Filters: []string{"+/m0/#"}}, RecordedLog{Records: 10, WithoutRaw: 1, RecordProgress: RecordProgress{Messages: 5, Bytes: 35}}, `{"n":8}`},
		{"a window", RecordLogOptions{From: start.Add(4 * time.Second), To: start.Add(6 * time.Second)}, RecordedLog{Records: 10, RecordProgress: RecordProgress{Messages: 2, Bytes: 14}}, `{"n":5}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "m.jsonl")
			to, err := CreateRecording(path, dir, row.o.Filters)
			if err != nil {
				t.Fatal(err)
			}
			got, err := RecordLog(t.Context(), to, dir, row.o)
			if err != nil {
				t.Fatal(err)
			}
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			got.Elapsed = 0
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			all, _ := readBack(t, path)
			if last := all[len(all)-1]; string(last.Payload) != row.last {
				t.Errorf("last message %s", last.Payload)
			}
		})
	}
	to, err := CreateRecording(filepath.Join(t.TempDir(), "m.jsonl"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := RecordLog(t.Context(), to, t.TempDir(), RecordLogOptions{}); err == nil || !strings.Contains(err.Error(), "no log") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestMatchesFilter(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b", "a/b", true},
		{"a/b", "a", false},
		{"a", "a/b", false},
		{"a/+", "a/b", true},
		{"a/+", "a", false},
		{"a/+", "a/b/c", false},
		{"a/#", "a", true},
		{"a/#", "a/b/c", true},
		{"#", "a/b", true},
		{"+/b", "a/b", true},
		{"+", "a", true},
		{"+", "a/", false},
		{"+/+", "a/", true},
		{"#", "$SYS/x", false},
		{"+/x", "$SYS/x", false},
		{"$SYS/#", "$SYS/x", true},
		{"a/+/c", "a//c", true},
	} {
		if got := matchesFilter(row.topic, row.filter); got != row.want {
			t.Errorf("%q matches %q: %v, want %v", row.filter, row.topic, got, row.want)
		}
	}
	for _, bad := range []string{"", "a/#/b", "a#", "a+/b", "a\x00"} {
		if CheckFilter(bad) == nil {
			t.Errorf("filter %q is taken", bad)
		}
	}
	if err := CheckFilter("a/+/b/#"); err != nil {
		t.Error(err)
	}
}
