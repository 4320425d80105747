package sim

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/span"
)

const truthDoc = "../docs/truth-nist.md"

// The truth file is what the logs say when every time stamp is believed, on every machine-day, and the days it leaves
// out hold nothing; the document shows by how much the other readings differ.
func TestTruthOfNIST(t *testing.T) {
	t.Parallel()
	dir := recordingtest.Folder(t, "nist_sms_testbed")
	segments, err := ReadTruthFile(filepath.Join(dir, "execution_segments.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	truth := map[string]ExecutionDay{}
	for _, day := range TruthDays(segments) {
		truth[day.Machine+day.Day] = day
	}
	paths, err := filepath.Glob(filepath.Join(dir, "raw", "*", "*.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(truth) != 20 || len(paths) != 112 {
		t.Errorf("%d machine-days in the truth file and %d logs: want 20 and 112", len(truth), len(paths))
	}
	var table strings.Builder
	table.WriteString("| machine | day | window s | ACTIVE s | by stamp | to last line | by line | inversions | ahead s | aligned ACTIVE s | aligned |\n")
	table.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, path := range paths {
		l, err := ReadExecutionLog(path)
		if err != nil {
			t.Fatal(err)
		}
		day, known := truth[l.Machine+l.Day]
		if _, ok := l.Execution(ByStamp); ok != known {
			t.Errorf("%s %s: the log has an execution %v, the truth file %v", l.Machine, l.Day, ok, known)
		}
		if known {
			table.WriteString(truthRow(t, l, day))
		}
	}
	checkTable(t, "readings", table.String())
}

// What holds at midnight is what the log's first lines say. Time stamps alone say something else where the machine's
// last word has a later one than the agent's.
func TestMidnightOfNIST(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(recordingtest.Folder(t, "nist_sms_testbed"), "raw", "Mazak*", "*.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| machine | day | carried over | its stamp | latest stamp of the day before | its stamp | seconds at stake |\n")
	table.WriteString("|---|---|---|---|---|---|---|\n")
	var before *ExecutionLog
	for _, path := range paths {
		l, err := ReadExecutionLog(path)
		if err != nil {
			t.Fatal(err)
		}
		if before != nil && before.Machine == l.Machine {
			table.WriteString(midnightRow(before, l))
		}
		before = l
	}
	checkTable(t, "midnight", table.String())
}

// midnightRow is empty when both ways to tell what holds at midnight agree, or nothing happens on the day.
func midnightRow(before, l *ExecutionLog) string {
	if _, ok := l.Execution(ByStamp); !ok || len(before.steps) == 0 {
		return ""
	}
	carried := l.steps[0]
	sorted, _ := before.order(ByStamp)
	latest := sorted[len(sorted)-1]
	if latest.value == carried.value || latest.stampUs <= carried.stampUs {
		return ""
	}
	stamp := func(us int64) string { return time.UnixMicro(us).UTC().Format("01-02 15:04:05.000") }
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %.3f |\n", l.Machine, l.Day, carried.value, stamp(carried.stampUs),
		latest.value, stamp(latest.stampUs), float64(l.steps[1].stampUs-l.startUs)/1e6)
}

// truthRow compares the readings of a log with the truth file.
func truthRow(t *testing.T, l *ExecutionLog, day ExecutionDay) string {
	t.Helper()
	byStamp, byLine, aligned := readDay(t, l, ByStamp), readDay(t, l, ByLine), readDay(t, l, Aligned)
	if d := byStamp.Difference(day); d > 0.010 {
		t.Errorf("%s %s: by stamp differs by %.3f s", day.Machine, day.Day, d)
	}
	if byStamp.Window != day.Window {
		t.Errorf("%s %s: window %v, the truth file has %v", day.Machine, day.Day, byStamp.Window, day.Window)
	}
	return fmt.Sprintf("| %s | %s | %.3f | %.3f | %.3f | %.3f | %.3f | %d | %s | %.3f | %.3f |\n",
		day.Machine, day.Day, float64(day.Window.Ms())/1000, day.Seconds["ACTIVE"], byStamp.Difference(day),
		float64(l.BehindUs())/1e6, byLine.Difference(day), l.Inversions(), ahead(l), aligned.Seconds["ACTIVE"], aligned.Difference(day))
}

func readDay(t *testing.T, l *ExecutionLog, r Reading) ExecutionDay {
	t.Helper()
	day, ok := l.Execution(r)
	if !ok {
		t.Fatalf("%s %s: the log has no execution", l.Machine, l.Day)
	}
	var sum float64
	for _, s := range day.Seconds {
		sum += s
	}
	if math.Abs(sum-float64(day.Window.Ms())/1000) > 0.002 {
		t.Errorf("%s %s: the values add up to %.3f s, the window has %.3f s", l.Machine, l.Day, sum, float64(day.Window.Ms())/1000)
	}
	return day
}

func ahead(l *ExecutionLog) string {
	if l.AheadUs.AtLeast == 0 && l.AheadUs.AtMost == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f to %.1f", float64(l.AheadUs.AtLeast)/1e6, float64(l.AheadUs.AtMost)/1e6)
}

// checkTable compares a table with the one that docs/truth-nist.md keeps between its marks.
func checkTable(t *testing.T, name, table string) {
	t.Helper()
	doc, err := os.ReadFile(truthDoc)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- table "+name+": go test ./firmware-sim -run OfNIST -parallel 1 -update -->\n", "<!-- end of table -->\n"
	before, rest, ok1 := strings.Cut(string(doc), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no table %s between its marks", truthDoc, name)
	}
	if *update {
		if err := os.WriteFile(truthDoc, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Split(table, "\n"), strings.Split(old, "\n")); diff != "" {
		t.Errorf("%s (-measured +written):\n%s", truthDoc, diff)
	}
}

// The three readings of one small day on which the device's clock is a minute ahead.
func TestReadings(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		"2030-01-01T20:00:00.000Z|execution|READY",          // the last known value
		"2030-01-02T08:01:00.000Z|execution|ACTIVE",         // 08:00:00 on the agent's clock
		"2030-01-02T08:02:00.000Z|Srpm|100",                 // 08:01:00
		"2030-01-02T08:01:30.000000Z|execution|UNAVAILABLE", // the link is lost
		"2030-01-02T08:03:00.000Z|execution|READY",          // 08:02:00
		"2030-01-02T08:04:00.000Z|execution|ACTIVE",         // 08:03:00
		"2030-01-02T08:03:00.000000Z|execution|UNAVAILABLE", // the link is lost at once
	}, "\n")
	path := filepath.Join(t.TempDir(), "M1-20300102-20300103.txt")
	if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ReadExecutionLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if l.AheadUs.AtLeast != 60e6 || l.AheadUs.AtMost != 90e6 || l.Inversions() != 1 || l.BehindUs() != 60e6 {
		t.Errorf("got %+v, %d inversions, last line %d µs behind", l.AheadUs, l.Inversions(), l.BehindUs())
	}
	const night = 8 * 3600
	for _, row := range []struct {
		reading Reading
		endS    float64
		want    map[string]float64
	}{
		// Sorted, the second UNAVAILABLE comes in the instant of the READY and after it, and is over with the ACTIVE.
		{ByStamp, night + 240, map[string]float64{"READY": night + 60, "ACTIVE": 30, "UNAVAILABLE": 90 + 60}},
		{ByLine, night + 240, map[string]float64{"READY": night + 60 + 60, "ACTIVE": 30, "UNAVAILABLE": 90}},
		{Aligned, night + 180, map[string]float64{"READY": night + 60, "ACTIVE": 90, "UNAVAILABLE": 30}},
	} {
		got := readDay(t, l, row.reading)
		if diff := cmp.Diff(row.want, got.Seconds, cmpopts.EquateApprox(0, 1e-6)); diff != "" {
			t.Errorf("reading %d (-want +got):\n%s", row.reading, diff)
		}
		if end := float64(got.Window.Ms()) / 1000; end != row.endS {
			t.Errorf("reading %d: the window has %g s, want %g", row.reading, end, row.endS)
		}
	}
}

func TestReadTruth(t *testing.T) {
	t.Parallel()
	const head = "machine,file_day,start,end,seconds,execution\n"
	for _, row := range []struct{ name, file, want string }{
		{"wrong columns", "a,b,c,d,e,f\n", "want"},
		{"seconds that are not the span's", head + "M,20300102,2030-01-02T00:00:00.000Z,2030-01-02T00:00:01.000Z,2,READY\n", "line 2: seconds 2"},
		{"seconds that are no number", head + "M,20300102,2030-01-02T00:00:00.000Z,2030-01-02T00:00:01.000Z,NaN,READY\n", "line 2: seconds NaN"},
		{"a time without a zone", head + "M,20300102,2030-01-02T00:00:00.000,2030-01-02T00:00:01.000Z,1,READY\n", "line 2: start"},
		{"a short row", head + "M,20300102\n", "wrong number of fields"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := ReadTruth(strings.NewReader(row.file)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error with %q", err, row.want)
			}
		})
	}
	segments, err := ReadTruth(strings.NewReader(head +
		"M,20300102,2030-01-02T00:00:00.000Z,2030-01-02T00:00:01.500Z,1.5,READY\n" +
		"M,20300102,2030-01-02T00:00:01.500Z,2030-01-02T00:00:02.000Z,0.5,ACTIVE\n" +
		"A,20300102,2030-01-02T00:00:00.000Z,2030-01-02T00:00:02.000Z,2,READY\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []ExecutionDay{
		{"A", "20300102", span.Span{StartMs: 1893542400000, EndMs: 1893542402000}, map[string]float64{"READY": 2}},
		{"M", "20300102", span.Span{StartMs: 1893542400000, EndMs: 1893542402000}, map[string]float64{"READY": 1.5, "ACTIVE": 0.5}},
	}
	if diff := cmp.Diff(want, TruthDays(segments)); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
}

func FuzzReadTruth(f *testing.F) {
	f.Add("machine,file_day,start,end,seconds,execution\nM,20300102,2030-01-02T00:00:00.000Z,2030-01-02T00:00:01.500Z,1.5,READY\n")
	f.Add("machine,file_day,start,end,seconds,execution\n\"M\",,2030-01-02T00:00:00Z,2030-01-01T00:00:00Z,-86400,\n")
	f.Fuzz(func(t *testing.T, text string) {
		segments, err := ReadTruth(strings.NewReader(text))
		if err != nil {
			return
		}
		var sum, byDay float64
		for _, s := range segments {
			sum += s.Seconds
		}
		for _, d := range TruthDays(segments) {
			for _, s := range d.Seconds {
				byDay += s
			}
		}
		if diff := math.Abs(sum - byDay); diff > 1e-6*(1+math.Abs(sum)) {
			t.Fatalf("the days have %g s, the segments %g s", byDay, sum)
		}
	})
}
