package registry_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

const examplePath = "../../deploy/registry/example.yaml"

func example(t testing.TB) (*registry.Registry, string) {
	t.Helper()
	text, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return load(t, string(text)), string(text)
}

func load(t testing.TB, text string) *registry.Registry {
	t.Helper()
	r, err := registry.Load(fstest.MapFS{"bases.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// day returns the span of a date in Asia/Shanghai; n days of it.
func days(t testing.TB, date string, n int64) span.Span {
	t.Helper()
	at := instant(t, date+"T00:00:00+08:00")
	return span.Span{StartMs: at, EndMs: at + n*86400000}
}

func TestExampleLoads(t *testing.T) {
	t.Parallel()
	r, err := registry.Open(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	fromDir, err := registry.Open("../../deploy/registry")
	if err != nil {
		t.Fatal(err)
	}
	if r.Digest() != fromDir.Digest() {
		t.Error("the file and its directory load differently")
	}
	if got := len(r.EquipmentOf("cq-yb-01")); got != 7 {
		t.Errorf("equipment: %d, want 7", got)
	}
	if !r.KnownDevice("cq-yb-01", "reader-cnc") || r.KnownDevice("cq-yb-01", "reader") || r.KnownDevice("x", "reader-cnc") {
		t.Error("KnownDevice is wrong")
	}
	lathe, _ := r.Equipment("cq-yb-01", "lathe-01")
	welder, _ := r.Equipment("cq-yb-01", "welder-01")
	mill, _ := r.Equipment("cq-yb-01", "mill-01")
	got := []any{lathe.QuotaHours, lathe.ValueFen, welder.QuotaHours, welder.Signal.Power.DwellOff, mill.QuotaHours, mill.Signal.States}
	want := []any{1400.0, int64(18500000), 800.0, registry.DefaultDwellOffBurst, 1000.0, map[string]string{"SETUP": "idle", "ALARM": "fault"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDistrictIsThatOfTheTime(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	b, _ := r.Base("cq-yb-01")
	for date, want := range map[string]string{"2025-11-05": "500112", "2025-11-06": "X-5001-LJXQ", "2030-01-01": "X-5001-LJXQ"} {
		if got := b.District(days(t, date, 1).StartMs); got != want {
			t.Errorf("district on %s: %q, want %q", date, got, want)
		}
	}
}

func TestBridgeKeysAreThoseOfTheTime(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	bridge, err := r.Bridge("cq-yb-01", "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	if got := len(bridge.KeysAt(days(t, "2025-12-31", 1).StartMs)); got != 0 {
		t.Errorf("keys before enrolment: %d", got)
	}
	if got := len(bridge.KeysAt(days(t, "2026-01-01", 1).StartMs)); got != 1 {
		t.Errorf("keys after enrolment: %d", got)
	}
	for _, id := range [][2]string{{"cq-yb-01", "edge-2"}, {"cq-yb-02", "edge-1"}} {
		if _, err := r.Bridge(id[0], id[1]); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("Bridge(%q) = %v, want ErrUnknown", id, err)
		}
	}
}

// A meter that was away decides nothing while it was away, and says what it says only in the window asked for.
func TestSourcesHonourValidity(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	year := span.Span{StartMs: days(t, "2026-01-01", 1).StartMs, EndMs: days(t, "2027-01-01", 1).StartMs}
	sources := r.Sources("cq-yb-01", "lathe-02", registry.UseState, year)
	if len(sources) != 2 {
		t.Fatalf("sources %+v, want two", sources)
	}
	want := []span.Span{
		{StartMs: year.StartMs, EndMs: instant(t, "2026-06-15T14:30:00+08:00")},
		{StartMs: days(t, "2026-09-01", 1).StartMs, EndMs: year.EndMs},
	}
	for i, s := range sources {
		if s.Span != want[i] || s.Device != "tasmota-4F8A21" || s.MaxSilenceMs != 15*60*1000 || s.Signal.Power != nil {
			t.Errorf("source %d: %+v, want %v uncalibrated", i, s, want[i])
		}
	}
	if got := r.Sources("cq-yb-01", "lathe-02", registry.UseState, days(t, "2026-07-01", 1)); got != nil {
		t.Errorf("a meter that was away decides: %+v", got)
	}
	if got := r.Sources("cq-yb-01", "lathe-01", registry.UseEnergy, year); len(got) != 1 || got[0].Channel != "em:0" {
		t.Errorf("energy source: %+v", got)
	}
	if got := r.Sources("cq-yb-01", "nothing", registry.UseState, year); got != nil {
		t.Errorf("unknown equipment has sources: %+v", got)
	}
}

func TestBoundSaysWhatADeviceIsAbout(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	at := days(t, "2026-03-01", 1).StartMs
	var uses []registry.Use
	for _, b := range r.Bound("cq-yb-01", "shelly-3em-a1b2c3", at) {
		uses = append(uses, b.Use)
	}
	if diff := cmp.Diff([]registry.Use{registry.UseEnergy, registry.UseState}, uses); diff != "" {
		t.Error(diff)
	}
	if got := r.Bound("cq-yb-01", "tasmota-4F8A21", days(t, "2026-07-01", 1).StartMs); got != nil {
		t.Errorf("bound while away: %+v", got)
	}
}

func TestDigestIsOfTheContent(t *testing.T) {
	t.Parallel()
	r, text := example(t)
	lines := strings.Split(text, "\n")
	var noComments []string
	for _, line := range lines {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			noComments = append(noComments, line)
		}
	}
	swapped := strings.Replace(strings.Join(noComments, "\n"),
		"      - {device: reader-cnc, room: cnc, use: presence}\n      - {device: reader-elec, room: elec, use: presence}",
		"      - {device: reader-elec, room: elec, use: presence}\n      - {device: reader-cnc, room: cnc, use: presence}", 1)
	if got := load(t, swapped); got.Digest() != r.Digest() || got.BaseDigest("cq-yb-01") != r.BaseDigest("cq-yb-01") {
		t.Error("comments or order change the digest")
	}
	for _, change := range [][2]string{{"run_w: 650", "run_w: 651"}, {"SETUP: idle", "SETUP: running"}, {"tier: N ", "tier: 5 "}, {"times: closed", `times: "08:00-09:00"`}} {
		if got := load(t, strings.Replace(text, change[0], change[1], 1)); got.Digest() == r.Digest() {
			t.Errorf("%v leaves the digest alone", change)
		}
	}
	if r.BaseDigest("none") != "" || !strings.HasPrefix(r.Digest(), "sha256:") {
		t.Errorf("digests %q, %q", r.BaseDigest("none"), r.Digest())
	}
}

func TestWriteReadsBackEqual(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	var b bytes.Buffer
	if err := r.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	again := load(t, b.String())
	if diff := cmp.Diff(r.Bases(), again.Bases()); diff != "" || again.Digest() != r.Digest() {
		t.Errorf("written registry differs:\n%s\n%s", diff, b.String())
	}
}

func TestNewChecksLikeLoad(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	good := r.Bases()
	again, err := registry.New(good...)
	if err != nil || again.Digest() != r.Digest() {
		t.Fatalf("New of a loaded registry: %v", err)
	}
	_, err = registry.New(good[0], good[0])
	var problems registry.Problems
	if !errors.As(err, &problems) || len(problems) == 0 || problems[0].File != "" || !strings.Contains(err.Error(), "bases[1].code") {
		t.Errorf("New with a base twice: %v", err)
	}
}
