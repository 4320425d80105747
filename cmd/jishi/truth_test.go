package main_test

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/mqtt/mosquittotest"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

var update = flag.Bool("update", false, "write the golden files anew")

// nistMachine is one machine of the NIST test bed and the data item in which its controller says what it does.
type nistMachine struct{ id, uuid, execution string }

func nistMachines() []nistMachine {
	return []nistMachine{
		{"GFAgie01", "mtc_adapter001", "GFAgie01-path_basic_2"},
		{"Hurco01", "mtc_adapter005", "Hurco01-path_5"},
		{"Hurco02", "mtc_adapter006", "Hurco02-path_5"},
		{"Hurco03", "mtc_adapter007", "Hurco03-path_5"},
		{"Hurco04", "mtc_adapter008", "Hurco04-path_5"},
		{"Hurco06", "mtc_adapter010", "Hurco06-path_5"},
		{"Mazak01", "mtc_adapter002", "Mazak01-path_13"},
		{"Mazak03", "mtc_adapter004", "Mazak03-path_10"},
	}
}

// nistBase registers the test bed as a base would be.
func nistBase() registry.Base {
	base := registry.Base{
		Name: "NIST 智能制造试验台", NameEN: "NIST SMS test bed", Tier: registry.TierLocal,
		Districts: []registry.District{{Code: "500107", Valid: registry.Always()}},
		Hours:     []registry.Hours{{Valid: registry.Always(), Workday: registry.Times{{Start: 0, End: 24 * 60}}, Restday: registry.Times{{Start: 0, End: 24 * 60}}}},
		Workshops: []registry.Workshop{{ID: "lab", Name: "制造实验室"}},
	}
	for _, m := range nistMachines() {
		base.Equipment = append(base.Equipment, registry.Equipment{
			ID: m.id, AssetNumber: m.id, Name: m.id, Workshop: "lab", Category: registry.General, Profile: registry.Machine,
			QuotaHours: 1400, InService: registry.Always(), Signal: registry.Signal{Kind: registry.SignalController},
		})
		base.Devices = append(base.Devices, registry.Device{ID: m.uuid, Name: m.id, Kind: registry.Controller})
		base.Bindings = append(base.Bindings, registry.Binding{
			Device: m.uuid, Channel: m.execution, Equipment: m.id, Use: registry.UseState, Valid: registry.Always(),
		})
	}
	return base
}

// nistLogs are the logs that a test replays: all of them with -full, else those of one pattern.
func nistLogs(t *testing.T, data, pattern string) []string {
	t.Helper()
	if *full {
		pattern = "*/*"
	}
	logs, err := filepath.Glob(filepath.Join(data, "raw", pattern+".txt.gz"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs like %s: %v", pattern, err)
	}
	return logs
}

// TestTruthNIST sends recordings of real machine tools through a real MQTT broker, the log, frames and the collector into
// each store, and holds every machine-day to what the controllers themselves said: both weeks of all machines with -full
// (make truth-nist), else one week of two. InfluxDB is reached over mosquitto as the city's broker, SQLite over the
// embedded one.
func TestTruthNIST(t *testing.T) {
	data := recordingtest.Folder(t, "nist_sms_testbed")
	logs := nistLogs(t, data, "[GM]*01/*-2016*")
	tables := map[storeKind]truthTable{}
	for _, kind := range []storeKind{onSQLite, onInflux} {
		t.Run(string(kind), func(t *testing.T) {
			broker := ""
			if kind == onInflux {
				broker = mosquittotest.Start(t).Addr
			}
			c := newCity(t, kind, nistBase(), broker)
			c.startCollector()
			c.startBridge()
			replay := c.replay(logs...)
			replay.wait(10 * time.Minute)
			t.Logf("%s", replay.out)
			c.drained(5 * time.Minute)
			c.holdsEverything(logs)
			tables[kind] = c.truthTable(data, logs)
			tables[kind].check(t)
		})
	}
	if len(tables) != 2 || t.Failed() {
		t.Fatal("not both stores were filled")
	}
	if diff := cmp.Diff(tables[onSQLite], tables[onInflux]); diff != "" {
		t.Errorf("the two stores disagree (-SQLite +InfluxDB):\n%s", diff)
	}
	if *full {
		golden(t, "truth-nist.txt", tables[onSQLite].render())
		return
	}
	tables[onSQLite].isGolden(t)
}

// truthTable is what was derived, beside the truth, for every machine-day that has a log.
type truthTable struct {
	Rows     []truthRow
	Evidence string // digest of every sample of every device
}

type truthRow struct {
	Machine, Day string
	Window       span.Span
	Derived      map[string]float64 // seconds by execution value
	Truth        map[string]float64 // nil when the truth file has no row for the machine-day
	RunningS     float64
	UnknownS     float64
	LinesS       float64 // how far the truth file is from the order of the log's lines, seconds
	Digest       string
}

// truthTable derives every machine-day.
func (c *city) truthTable(data string, logs []string) truthTable {
	c.t.Helper()
	segments, err := sim.ReadTruthFile(filepath.Join(data, "execution_segments.csv.gz"))
	if err != nil {
		c.t.Fatal(err)
	}
	truth := map[string]sim.ExecutionDay{}
	for _, d := range sim.TruthDays(segments) {
		truth[d.Machine+d.Day] = d
	}
	settler := c.settler()
	table := truthTable{Evidence: c.evidenceDigest()}
	for _, path := range logs {
		table.Rows = append(table.Rows, c.truthRow(settler, path, truth))
	}
	return table
}

func (c *city) truthRow(settler *settle.Settler, path string, truth map[string]sim.ExecutionDay) truthRow {
	c.t.Helper()
	name := strings.Split(filepath.Base(path), "-")
	day, err := time.Parse("20060102", name[1])
	if err != nil {
		c.t.Fatal(err)
	}
	row := truthRow{Machine: name[0], Day: name[1], Window: span.Of(day, day.AddDate(0, 0, 1)), Derived: map[string]float64{}}
	if d, ok := truth[name[0]+name[1]]; ok {
		row.Window, row.Truth = d.Window, d.Seconds
		if log, err := sim.ReadExecutionLog(path); err != nil {
			c.t.Fatal(err)
		} else if byLine, ok := log.Execution(sim.ByLine); ok {
			row.LinesS = math.Round(d.Difference(byLine)*1000) / 1000
		}
	}
	m, err := settler.Machine(c.t.Context(), testBase, row.Machine, row.Window)
	if err != nil {
		c.t.Fatal(err)
	}
	for word, ms := range m.Totals.Words {
		row.Derived[word] = float64(ms) / 1000
	}
	// The word of an unknown stretch is UNAVAILABLE, or nothing when the agent said that the whole machine was gone.
	row.Derived["UNAVAILABLE"] = float64(m.Totals.UnknownMs) / 1000
	row.RunningS, row.UnknownS, row.Digest = float64(m.Totals.RunningMs)/1000, float64(m.Totals.UnknownMs)/1000, m.Digest
	return row
}

// check holds every machine-day that has a truth to it: 1 s in sum over all execution values.
func (table truthTable) check(t *testing.T) {
	t.Helper()
	judged := 0
	for _, r := range table.Rows {
		if r.Truth == nil {
			if r.RunningS != 0 {
				t.Errorf("%s %s: %g s running, and the truth file has no row", r.Machine, r.Day, r.RunningS)
			}
			continue
		}
		judged++
		if d := r.difference(); !(d <= 1) {
			t.Errorf("%s %s: derived differs from truth by %.3f s in sum\nderived %v\n  truth %v", r.Machine, r.Day, d, r.Derived, r.Truth)
		}
		if math.Abs(r.RunningS-r.Truth["ACTIVE"]) > 1 {
			t.Errorf("%s %s: running %.3f s, ACTIVE %.3f s", r.Machine, r.Day, r.RunningS, r.Truth["ACTIVE"])
		}
		if math.Abs(r.UnknownS-r.Truth["UNAVAILABLE"]) > 1 {
			t.Errorf("%s %s: unknown %.3f s, UNAVAILABLE %.3f s", r.Machine, r.Day, r.UnknownS, r.Truth["UNAVAILABLE"])
		}
	}
	if judged == 0 || *full && judged != 20 {
		t.Errorf("%d machine-days have a truth, want 20 of all and some of some", judged)
	}
}

// difference is the sum over all execution values of how far derived is from truth, in seconds.
func (r truthRow) difference() float64 {
	var sum float64
	for _, word := range words(r.Derived, r.Truth) {
		sum += math.Abs(r.Derived[word] - r.Truth[word])
	}
	return sum
}

func words(a, b map[string]float64) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func (table truthTable) render() string {
	var s strings.Builder
	s.WriteString("Derived seconds of each execution value beside the truth file, per machine and log day (window from 00:00Z).\n" +
		"diff: sum over all values of |derived - truth|. lines: how far the truth file is from the order of the log's\n" +
		"lines; where it is not 0 the log holds stamps of two clocks, see docs/truth-nist.md.\n\n")
	fmt.Fprintf(&s, "%-9s %-8s %10s  %-70s %7s %9s\n", "machine", "day", "window_s", "derived (truth) s", "diff", "lines")
	for _, r := range table.Rows {
		s.WriteString(r.line() + "\n")
	}
	fmt.Fprintf(&s, "\nevidence %s\n", table.Evidence)
	return s.String()
}

// line renders a machine-day.
func (r truthRow) line() string {
	var parts []string
	diff, lines := "-", "-"
	for _, w := range words(r.Derived, r.Truth) {
		part := fmt.Sprintf("%s %.3f", w, r.Derived[w])
		if r.Truth != nil {
			part += fmt.Sprintf(" (%.3f)", r.Truth[w])
		}
		parts = append(parts, part)
	}
	if r.Truth != nil {
		diff, lines = fmt.Sprintf("%.3f", r.difference()), fmt.Sprintf("%.3f", r.LinesS)
	}
	return fmt.Sprintf("%-9s %-8s %10.3f  %-70s %7s %9s", r.Machine, r.Day, float64(r.Window.Ms())/1000, strings.Join(parts, ", "), diff, lines)
}

// isGolden holds each machine-day to its line in the golden table of an undisturbed run of everything.
func (table truthTable) isGolden(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "truth-nist.txt"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 {
			want[f[0]+" "+f[1]] = strings.TrimSuffix(line, "\n")
		}
	}
	for _, r := range table.Rows {
		t.Log(r.line())
		if diff := cmp.Diff(want[r.Machine+" "+r.Day], r.line()); diff != "" {
			t.Errorf("a machine-day differs from the golden table (-want +got):\n%s", diff)
		}
	}
}

// golden compares a text with its golden file and prints it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	t.Logf("\n%s", got)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; run with -update when it is right):\n%s", path, diff)
	}
}
