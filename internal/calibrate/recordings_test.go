package calibrate_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// shellyPoints reads a Shelly plug's recording: one point per reading of power.
func shellyPoints(t *testing.T, file string) []usage.Point {
	t.Helper()
	var points []usage.Point
	for _, row := range csvRows(t, file)[1:] {
		if row[1] != "power" {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.999999", row[0])
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, usage.Point{AtMs: at.UnixMilli(), ValidMs: 66_000, PowerW: number(t, row[2]), HasPower: true})
	}
	return points
}

// plugValidMs is how long the tracebase plugs, which report every few seconds, may be silent.
const plugValidMs = 60_000

// plugPoints reads the day files of one tracebase plug.
func plugPoints(t *testing.T, pattern string) []usage.Point {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordingtest.Folder(t, "tracebase"), pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("no day files match %s (%v)", pattern, err)
	}
	var points []usage.Point
	for _, file := range files {
		points = append(points, plugDay(t, file)...)
	}
	return points
}

func plugDay(t *testing.T, file string) []usage.Point {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var points []usage.Point
	for lines := bufio.NewScanner(z); lines.Scan(); {
		fields := strings.Split(lines.Text(), ";")
		if len(fields) < 2 {
			continue
		}
		at, err := time.Parse("02/01/2006 15:04:05", strings.TrimSpace(fields[0]))
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, usage.Point{AtMs: at.UnixMilli(), ValidMs: plugValidMs, PowerW: number(t, fields[1]), HasPower: true})
	}
	return points
}

// whole is the window from the first point to the last.
func whole(points []usage.Point) span.Span {
	return span.Span{StartMs: points[0].AtMs, EndMs: points[len(points)-1].AtMs}
}

// TestWashingMachine: with the proposed thresholds the running time is within 2 % of the cycle. 0 W is off, and both
// recordings begin with the machine off, so the cycle is from the first reading above zero to the zero that ends it.
func TestWashingMachine(t *testing.T) {
	t.Parallel()
	folder := recordingtest.Folder(t, "siemens_washing_machine_shelly_mqtt")
	for _, name := range []string{"45m30d", "240m60d"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			points := shellyPoints(t, filepath.Join(folder, name+"-shelly-events.csv"))
			p := propose(t, points, whole(points), "")
			if p.Rule.OffW <= 0 || p.Rule.OffW > 1.5 {
				t.Errorf("OffW is %v: want 0 W off and the pauses at 1.5 W and more on", p.Rule.OffW)
			}
			timeline := usage.Timeline(points, &p.Rule, whole(points))
			running := float64(usage.Sum(timeline, nil).RunningMs) / 1000
			all, lead, cycle := cycleOf(points)
			t.Logf("%s: OffW %v W, RunW %v W, hysteresis %v, dwell %v and %v, confidence %s",
				name, p.Rule.OffW, p.Rule.RunW, p.Rule.Hysteresis, p.Rule.DwellOn, p.Rule.DwellOff, p.Confidence)
			t.Logf("%s: running %.3f s; of the electrical cycle (%.3f s) %.2f %%; of the whole recording (%.3f s, first row to last) %.2f %%",
				name, running, cycle, 100*running/cycle, all, 100*running/all)
			if math.Abs(running-cycle) > 0.02*cycle {
				t.Errorf("running for %.3f s, want %.3f s within 2 %%", running, cycle)
			}
			if lead > 0.02*all {
				t.Logf("%s: the %.3f s before the machine is switched on read 0 W and are %.2f %% of the whole recording: while 0 W is off, no rule comes within 2 %% of that",
					name, lead, 100*lead/all)
				return
			}
			if math.Abs(running-all) > 0.02*all {
				t.Errorf("running for %.3f s, want the recording's %.3f s within 2 %%", running, all)
			}
		})
	}
}

// cycleOf measures the raw rows, in seconds: the whole recording, the part before the first reading above zero, and the
// cycle from there to the zero that ends the recording.
func cycleOf(points []usage.Point) (all, lead, cycle float64) {
	first := slices.IndexFunc(points, func(p usage.Point) bool { return p.PowerW > 0 })
	last := len(points) - 1
	for points[last].PowerW > 0 || points[last-1].PowerW <= 0 {
		last--
	}
	seconds := func(from, to int) float64 { return float64(points[to].AtMs-points[from].AtMs) / 1000 }
	return seconds(0, len(points)-1), seconds(0, first), seconds(first, last)
}

// TestPlugs holds what is proposed for plugs recorded over days to the raw series, read without any of the code under
// test: nothing is invented across a gap, a long stretch of 0 W is off, and what plainly works is running.
func TestPlugs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, files string
		// worksW is what the device draws when there is no doubt that it works.
		worksW float64
		// runs is how many runs there may be, seconds how long each may be.
		runs    [2]int
		seconds [2]float64
	}{
		{"bread cutter, cuts for seconds", "Breadcutter/*.csv.gz", 10, [2]int{40, 55}, [2]float64{2, 60}},
		{"iron, thermostat pulses of 10 to 70 s", "Iron/*.csv.gz", 300, [2]int{4, 20}, [2]float64{8, 3600}},
		{"dryer with a standby of 4 W", "LaundryDryer/_D36122*.csv.gz", 1000, [2]int{10, 400}, [2]float64{3, 7200}},
		{"dryer whose meter flickers at 2 W", "LaundryDryer/dev_B7E43D*.csv.gz", 1000, [2]int{8, 20}, [2]float64{5, 7200}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			points := plugPoints(t, tt.files)
			window := whole(points)
			p := propose(t, points, window, "")
			timeline := usage.Timeline(points, &p.Rule, window)
			runs := only(timeline, usage.Running)
			totals := usage.Sum(timeline, nil)
			t.Logf("OffW %v W, RunW %v W, hysteresis %v, dwell %v and %v, confidence %s, notes %v",
				p.Rule.OffW, p.Rule.RunW, p.Rule.Hysteresis, p.Rule.DwellOn, p.Rule.DwellOff, p.Confidence, codes(p))
			t.Logf("%d runs; running %d s, idle %d s, off %d s, unknown %d s",
				len(runs), totals.RunningMs/1000, totals.IdleMs/1000, totals.OffMs/1000, totals.UnknownMs/1000)

			gaps, zeros, work := rawTruth(points, tt.worksW, p.Rule.DwellOff.Milliseconds())
			if diff := cmp.Diff(gaps, only(timeline, usage.Unknown)); diff != "" {
				t.Errorf("unknown is not exactly what was silent:\n%s", diff)
			}
			if invented := zeros.Subtract(only(timeline, usage.Off)); len(invented) > 0 {
				t.Errorf("%d s of 0 W are not off, first at %v", invented.Ms()/1000, invented[0].Start())
			}
			if lost := work.Subtract(runs); float64(lost.Ms()) > 0.005*float64(work.Ms()) {
				t.Errorf("%d s of %d s at %v W or more are not running, first at %v", lost.Ms()/1000, work.Ms()/1000, tt.worksW, lost[0].Start())
			}
			if len(runs) < tt.runs[0] || len(runs) > tt.runs[1] {
				t.Errorf("%d runs, want %v", len(runs), tt.runs)
			}
			for _, run := range runs {
				if s := float64(run.Ms()) / 1000; s < tt.seconds[0] || s > tt.seconds[1] {
					t.Errorf("a run of %v s at %v, want %v", s, run.Start(), tt.seconds)
				}
			}
		})
	}
}

func only(timeline []usage.Segment, state usage.State) span.Set {
	var spans []span.Span
	for _, s := range timeline {
		if s.State == state {
			spans = append(spans, s.Span)
		}
	}
	return span.NewSet(spans...)
}

// rawTruth reads the rows alone: silences, stretches of 0 W longer than a run may bridge, and time of plain work.
func rawTruth(points []usage.Point, worksW float64, bridgeMs int64) (gaps, zeros, work span.Set) {
	var silent, zero, working []span.Span
	for i := range len(points) - 1 {
		s := span.Span{StartMs: points[i].AtMs, EndMs: points[i+1].AtMs}
		switch {
		case s.Ms() > plugValidMs:
			silent = append(silent, s)
		case points[i].PowerW == 0:
			zero = append(zero, s)
		case points[i].PowerW >= worksW:
			working = append(working, s)
		}
	}
	for _, s := range span.NewSet(zero...) {
		if s.Ms() > bridgeMs {
			zeros = append(zeros, s)
		}
	}
	return span.NewSet(silent...), zeros, span.NewSet(working...)
}

// TestCompressor: motor current makes three levels, and the compressor's own signal says when it was loaded. Power is
// derived from the current at 400 V and a power factor of 0.85; only the levels' ratios matter.
func TestCompressor(t *testing.T) {
	t.Parallel()
	points, loaded, still := compressor(t)
	window := whole(points)
	p := propose(t, points, window, "machine")
	timeline := usage.Timeline(points, &p.Rule, window)
	totals := usage.Sum(timeline, nil)
	t.Logf("%+v, levels %+v, notes %v", p.Rule, p.Levels, codes(p))
	t.Logf("running %d s, idle %d s, off %d s of %d s; loaded %d s, motor still %d s",
		totals.RunningMs/1000, totals.IdleMs/1000, totals.OffMs/1000, totals.WindowMs/1000, loaded.Ms()/1000, still.Ms()/1000)
	if lost := loaded.Subtract(only(timeline, usage.Running)); lost.Ms() > 0 {
		t.Errorf("%d s of %d s loaded are not running", lost.Ms()/1000, loaded.Ms()/1000)
	}
	if lost := still.Subtract(only(timeline, usage.Off)); lost.Ms() > 0 {
		t.Errorf("%d s of %d s with a still motor are not off", lost.Ms()/1000, still.Ms()/1000)
	}
}

func compressor(t *testing.T) (points []usage.Point, loaded, still span.Set) {
	t.Helper()
	rows := csvRows(t, filepath.Join(recordingtest.Folder(t, "metropt3_compressor_sample"), "metropt3_sample.csv"))
	column := func(name string) int { return slices.Index(rows[0], name) }
	at, current, electric := column("timestamp"), column("Motor_current"), column("DV_eletric")
	for _, row := range rows[1:] {
		when, err := time.Parse(time.DateTime, row[at])
		if err != nil {
			t.Fatal(err)
		}
		watts := math.Sqrt(3) * 400 * 0.85 * number(t, row[current])
		points = append(points, usage.Point{AtMs: when.UnixMilli(), ValidMs: 60_000, PowerW: watts, HasPower: true})
	}
	var load, stop []span.Span
	for i := range len(points) - 1 {
		s := span.Span{StartMs: points[i].AtMs, EndMs: points[i+1].AtMs}
		if row := rows[1+i]; row[electric] == "1.0" {
			load = append(load, s)
		} else if number(t, row[current]) < 0.5 {
			stop = append(stop, s)
		}
	}
	return points, span.NewSet(load...), span.NewSet(stop...)
}

func csvRows(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
