package sim

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// update rewrites the golden files: go test ./firmware-sim -update.
var update = flag.Bool("update", false, "rewrite golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func open(t *testing.T, o RecordingOptions, paths ...string) *Recording {
	t.Helper()
	r, err := OpenRecording(paths, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func messages(t *testing.T, r *Recording) []Timed {
	t.Helper()
	var out []Timed
	for m, err := range r.Messages() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// script shows messages as lines: time, flags, topic, payload.
func script(all []Timed) string {
	var b strings.Builder
	for _, m := range all {
		flags := ""
		if m.Retain {
			flags += " retain"
		}
		if m.Exact {
			flags += " exact"
		}
		fmt.Fprintf(&b, "%s%s\n  %s\n  %s\n", time.UnixMilli(m.AtMs).UTC().Format("2006-01-02T15:04:05.000Z"), flags, m.Topic, m.Payload)
	}
	return b.String()
}

// The whole folder: three formats, one file that is none, lines that cannot be read.
func TestRecordingGolden(t *testing.T) {
	t.Parallel()
	r := open(t, RecordingOptions{}, "testdata/recordings")
	golden(t, "recordings.golden", script(messages(t, r)))
	want := Counts{
		Lines: r.Counts().Lines, Bytes: r.Bytes(),
		Skipped: map[string]int64{
			skipCommand: 2, skipAsset: 3, skipMalformed: 4, skipBadTime: 2, skipUnknown: 1, skipNoValue: 2,
		},
		Undeclared: map[string]int64{"line": 1, "Xload_cond": 1},
		Examples: map[string]string{
			skipBadTime:   `testdata/recordings/Lathe9/Lathe9-20300102-20300103.txt: line 17: "1970-01-01T00:00:00Z|execution|READY": want a time between 2000 and 2100`,
			skipMalformed: `testdata/recordings/Lathe9/Lathe9-20300102-20300103.txt: line 15: "2030-01-02T08:00:12.999Z|Srpm": want 2030-01-02T08:00:00.123Z|key|value|key|value`,
			skipNoValue:   `testdata/recordings/press-shelly-events.csv: line 7: "2030-01-02 08:00:30.3,power,": want a number`,
			skipUnknown:   `testdata/recordings/press-shelly-events.csv: line 6: "2030-01-02 08:00:30.2,humidity,40": want a topic leaf that the device has: power, energy or temperature`,
		},
		Unshifted: map[string]int64{}, Faulted: map[string]int64{},
	}
	if diff := cmp.Diff(want, r.Counts()); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"testdata/recordings/Devices.xml", "testdata/recordings/notes.txt"}, r.Ignored()); diff != "" {
		t.Errorf("ignored (-want +got):\n%s", diff)
	}
	var machines []string
	for _, info := range r.Info() {
		machines = append(machines, info.Format+" "+info.Machine+" "+info.UUID)
	}
	wantMachines := []string{
		"shdr Lathe9 lathe-uuid-9", "shelly shellyplug-s-press shellyplug-s-press", "tracebase tasmota_AB12CD tasmota_AB12CD",
	}
	if diff := cmp.Diff(wantMachines, machines); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
}

// Local times are read in the zone that is given, and a plug that has its own clock shows that clock's time.
func TestRecordingZone(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("UTC+1", 3600)
	for _, file := range []string{"press-shelly-events.csv", "dev_AB12CD_2030.01.02.csv"} {
		r := open(t, RecordingOptions{Zone: zone, Device: "meter7"}, filepath.Join("testdata/recordings", file))
		first := messages(t, r)[1]
		if got := time.UnixMilli(first.AtMs).UTC().Format("15:04:05"); got != "07:00:00" {
			t.Errorf("%s: first message at %s UTC, want 07:00:00", file, got)
		}
		if !strings.Contains(first.Topic, "/meter7/") {
			t.Errorf("%s: topic %s, want device meter7", file, first.Topic)
		}
		if file[0] == 'd' && !bytes.Contains(first.Payload, []byte(`"Time":"2030-01-02T15:00:00"`)) {
			t.Errorf("payload %s: want the local time at a base", first.Payload)
		}
	}
}

// A replay that starts in the middle begins as an agent's client sees it: with the current values.
func TestRecordingWindow(t *testing.T) {
	t.Parallel()
	at := func(clock string) time.Time {
		parsed, err := time.Parse(time.RFC3339, "2030-01-02T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, row := range []struct {
		name     string
		from, to string
		want     []string
	}{
		{"middle", "08:00:09.5", "08:00:11", []string{
			"08:00:09.500 d9_avail", "08:00:09.500 d9_rpm", "08:00:09.500 d9_exec", "08:00:09.500 d9_sys", "08:00:10.000 d9_msg", "08:00:10.000 d9_asset",
		}},
		{"before everything", "00:00:00", "00:00:01", []string{"00:00:00.000 d9_avail", "00:00:00.000 d9_sys"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := open(t, RecordingOptions{From: at(row.from), To: at(row.to)}, "testdata/recordings/Lathe9")
			var got []string
			for _, m := range messages(t, r) {
				got = append(got, time.UnixMilli(m.AtMs).UTC().Format("15:04:05.000 ")+filepath.Base(m.Topic))
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenRecordingErrors(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, path string
		o          RecordingOptions
		want       string
	}{
		{"a file that is no recording", "testdata/recordings/notes.txt", RecordingOptions{}, "no recording: want"},
		{"a path that is not there", "testdata/none", RecordingOptions{}, "no such file"},
		{"a folder without recordings", "testdata/empty", RecordingOptions{}, "no recording in"},
		{"a devices document that is none", "testdata/recordings/Lathe9", RecordingOptions{Devices: "testdata/recordings/notes.txt"}, "read devices document"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if row.path == "testdata/empty" {
				row.path = t.TempDir()
			}
			if _, err := OpenRecording([]string{row.path}, row.o); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error with %q", err, row.want)
			}
		})
	}
}

// Compression is told from the content, and a line that is too long costs only itself.
func TestLines(t *testing.T) {
	t.Parallel()
	text := "first\r\n" + strings.Repeat("x", maxLine+1) + "\nmiddle\n" + strings.Repeat("y", maxLine-8) + "\nlast"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"plain": []byte(text), "gzip": zipped.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		var read int64
		in, err := openLines(path, &read)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range 5 {
			line, err := in.next()
			if err != nil {
				line = []byte("error: " + err.Error())
			}
			got = append(got, fmt.Sprintf("%.40s %d", line, len(line)))
		}
		want := []string{
			"first 5", "error: line longer than 512 KiB 31", "middle 6", fmt.Sprintf("%.40s %d", strings.Repeat("y", 40), maxLine-8), "last 4",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if err := in.close(); err != nil {
			t.Error(err)
		}
		if read != int64(len(content)) {
			t.Errorf("%s: counted %d bytes, the file has %d", name, read, len(content))
		}
	}
}

// listSource is a source of given messages.
type listSource struct {
	all    []Timed
	closed bool
}

func (s *listSource) next() (Timed, error) {
	if len(s.all) == 0 {
		return Timed{}, io.EOF
	}
	m := s.all[0]
	s.all = s.all[1:]
	return m, nil
}

func (s *listSource) close() error {
	s.closed = true
	return nil
}

// Whatever the sources hold: the merge yields every message once, by time, and each source's own order is kept.
func TestMergeProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(0, 5), 0, 30), 0, 6).Draw(t, "steps")
		var sources []source
		want := 0
		for i, steps := range lists {
			s := &listSource{}
			at := int64(0)
			for j, step := range steps {
				at += step
				s.all = append(s.all, Timed{AtMs: at, Topic: fmt.Sprintf("%d %d", i, j)})
				want++
			}
			sources = append(sources, s)
		}
		next := make([]int, len(lists))
		last, lastSource, got := int64(0), -1, 0
		for m, err := range merged(sources) {
			if err != nil {
				t.Fatal(err)
			}
			var i, j int
			if _, err := fmt.Sscan(m.Topic, &i, &j); err != nil {
				t.Fatal(err)
			}
			switch {
			case m.AtMs < last:
				t.Fatalf("time goes back from %d to %d", last, m.AtMs)
			case j != next[i]:
				t.Fatalf("source %d yields message %d, want %d", i, j, next[i])
			case m.AtMs == last && i < lastSource:
				t.Fatalf("at one instant source %d comes after source %d", i, lastSource)
			}
			next[i]++
			got++
			last, lastSource = m.AtMs, i
		}
		if got != want {
			t.Fatalf("got %d messages of %d", got, want)
		}
		for i, s := range sources {
			if !s.(*listSource).closed {
				t.Fatalf("source %d is still open", i)
			}
		}
	})
}

// A consumer that has enough leaves no file open.
func TestMergeStops(t *testing.T) {
	t.Parallel()
	s := &listSource{all: []Timed{{AtMs: 1}, {AtMs: 2}, {AtMs: 3}}}
	for _, err := range merged([]source{s}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if !s.closed || len(s.all) != 2 {
		t.Errorf("closed %v, %d messages left: want a closed source that was read no further than needed", s.closed, len(s.all))
	}
}

// All real recordings are read to the last line; what is not published is accounted for.
func TestRealRecordings(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		dir             string
		lines, messages int64
		skipped         map[string]int64
		undeclared      int64
	}{
		{"nist_sms_testbed/raw", 1030712, 1030712, map[string]int64{}, 1030},
		{"siemens_washing_machine_shelly_mqtt", 5514, 5514, map[string]int64{skipCommand: 2}, 0},
		{"tracebase", 608390, 608390 + 4, map[string]int64{}, 0},
	} {
		t.Run(row.dir, func(t *testing.T) {
			t.Parallel()
			r := open(t, RecordingOptions{}, recordingtest.Folder(t, row.dir))
			var n, lastMs int64
			for m, err := range r.Messages() {
				if err != nil {
					t.Fatal(err)
				}
				if m.AtMs < lastMs {
					t.Fatalf("time goes back at message %d", n)
				}
				lastMs = m.AtMs
				n++
			}
			c := r.Counts()
			var undeclared int64
			for _, k := range c.Undeclared {
				undeclared += k
			}
			got := []any{c.Lines, n, c.Skipped, undeclared, c.Bytes == r.Bytes()}
			want := []any{row.lines, row.messages, row.skipped, row.undeclared, true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("lines, messages, skipped, undeclared, all bytes (-want +got):\n%s", diff)
			}
		})
	}
}

func BenchmarkMessages(b *testing.B) {
	r, err := OpenRecording([]string{recordingtest.Folder(b, "nist_sms_testbed/raw")}, RecordingOptions{})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		for _, err := range r.Messages() {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}

func TestRecordingInfoSortsFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, day := range []string{"20300104-20300105", "20300102-20300103", "20300103-20300104"} {
		line := fmt.Sprintf("2030-01-%s:00:00Z|execution|READY\n", day[6:8]+"T10")
		if err := os.WriteFile(filepath.Join(dir, "M1-"+day+".txt"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, RecordingOptions{}, dir)
	if files := r.Info()[0].Files; !slices.IsSorted(files) || len(files) != 3 {
		t.Errorf("files %q: want the machine's three days in order", files)
	}
}
