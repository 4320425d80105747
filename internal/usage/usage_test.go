package usage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// The vocabulary of the stories below: seconds, watts and words become points.

func at(second float64) int64 { return int64(second * 1000) }

func watts(second, powerW float64) usage.Point {
	return usage.Point{AtMs: at(second), ValidMs: 60_000, PowerW: powerW, HasPower: true}
}

func metered(second, powerW, energyWh float64) usage.Point {
	p := watts(second, powerW)
	p.EnergyWh, p.HasEnergy = energyWh, true
	return p
}

func word(second float64, w string) usage.Point { return usage.Point{AtMs: at(second), Word: w} }

func down(second float64) usage.Point { return usage.Point{AtMs: at(second), Down: true} }

// told renders a timeline as "0-10 idle, 10-20 running".
func told(segments []usage.Segment) string {
	var s string
	for i, g := range segments {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%g-%g %s", float64(g.StartMs)/1000, float64(g.EndMs)/1000, g.State)
		if g.Estimate != usage.Unknown {
			s += fmt.Sprintf("(%s?)", g.Estimate)
		}
	}
	return s
}

func seconds(from, to float64) span.Span { return span.Span{StartMs: at(from), EndMs: at(to)} }

var plain = &usage.PowerRule{OffW: 5, RunW: 100}

var careful = &usage.PowerRule{OffW: 5, RunW: 100, Hysteresis: 0.2, DwellOn: 5 * time.Second, DwellOff: 20 * time.Second}

func TestTimeline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		rule   usage.Rule
		window span.Span
		points []usage.Point
		want   string
	}{
		{"no evidence is unknown", plain, seconds(0, 10), nil, "0-10 unknown"},
		{"nothing before the first sample", plain, seconds(0, 10), []usage.Point{watts(4, 200)}, "0-4 unknown, 4-10 running"},
		{
			"the last sample before the window holds", plain, seconds(10, 20),
			[]usage.Point{watts(1, 200), watts(15, 0)},
			"10-15 running, 15-20 off",
		},
		{"zero watts is off", plain, seconds(0, 10), []usage.Point{watts(0, 0)}, "0-10 off"},
		{
			"three levels", plain, seconds(0, 30),
			[]usage.Point{watts(0, 0), watts(10, 50), watts(20, 100)},
			"0-10 off, 10-20 idle, 20-30 running",
		},
		{
			"a gap is unknown as a whole", plain, seconds(0, 300),
			[]usage.Point{watts(0, 200), watts(10, 200), watts(100, 200), watts(150, 200), watts(200, 0), watts(250, 0)},
			"0-10 running, 10-100 unknown, 100-200 running, 200-300 off",
		},
		{
			"silence at the end is unknown from the last word", plain, seconds(0, 200),
			[]usage.Point{watts(0, 200), watts(20, 200)},
			"0-20 running, 20-200 unknown",
		},
		{
			"a death is unknown at once", plain, seconds(0, 50),
			[]usage.Point{watts(0, 200), down(20), watts(40, 200)},
			"0-20 running, 20-40 unknown, 40-50 running",
		},
		{
			"a short run is not a run", careful, seconds(0, 60),
			[]usage.Point{watts(0, 50), watts(10, 200), watts(14, 50)},
			"0-60 idle",
		},
		{
			"a run is dated to its first sample", careful, seconds(0, 60),
			[]usage.Point{watts(0, 50), watts(10, 200), watts(16, 200), watts(30, 50)},
			"0-10 idle, 10-30 running, 30-60 idle",
		},
		{
			"a short dip belongs to the run", careful, seconds(0, 60),
			[]usage.Point{watts(0, 200), watts(10, 50), watts(25, 200)},
			"0-60 running",
		},
		{
			"a long dip ends the run at its first sample", careful, seconds(0, 60),
			[]usage.Point{watts(0, 200), watts(10, 50), watts(35, 200)},
			"0-10 running, 10-35 idle, 35-60 running",
		},
		{
			"hysteresis holds a run at 85 W, and does not start one", careful, seconds(0, 60),
			[]usage.Point{watts(0, 85), watts(10, 120), watts(20, 85), watts(50, 70)},
			"0-10 idle, 10-50 running, 50-60 idle",
		},
		{
			"a dip into silence is not credited", careful, seconds(0, 200),
			[]usage.Point{watts(0, 200), watts(10, 50), watts(100, 200), watts(150, 200)},
			"0-10 running, 10-100 unknown, 100-200 running",
		},
		{
			"energy bounds a gap as off", plain, seconds(0, 3700),
			[]usage.Point{metered(0, 0, 10), metered(3600, 0, 10.5), watts(3650, 0)},
			"0-3600 unknown(off?), 3600-3700 off",
		},
		{
			"energy bounds a gap as running", plain, seconds(0, 3700),
			[]usage.Point{metered(0, 200, 10), metered(3600, 200, 160), watts(3650, 200)},
			"0-3600 unknown(running?), 3600-3700 running",
		},
		{
			"energy between the thresholds bounds nothing", plain, seconds(0, 3650),
			[]usage.Point{metered(0, 50, 10), metered(3600, 50, 60)},
			"0-3600 unknown, 3600-3650 idle",
		},
		{
			"a counter that went back bounds nothing", plain, seconds(0, 3650),
			[]usage.Point{metered(0, 0, 10), metered(3600, 0, 0)},
			"0-3600 unknown, 3600-3650 off",
		},
		{"two samples at one instant: the later wins", plain, seconds(0, 10), []usage.Point{watts(0, 200), watts(0, 0)}, "0-10 off"},
		{
			"words", usage.NewControllerRule(nil), seconds(0, 40),
			[]usage.Point{word(-9, "READY"), word(10, "ACTIVE"), word(20, "UNAVAILABLE"), word(30, "FAULT")},
			"0-10 idle, 10-20 running, 20-30 unknown, 30-40 fault",
		},
		{"a word that nobody knows is unknown", usage.NewControllerRule(nil), seconds(0, 10), []usage.Point{word(0, "SINGING")}, "0-10 unknown"},
		{
			"words of one's own, in any case", usage.NewControllerRule(map[string]usage.State{"Bearbeiten": usage.Running}), seconds(0, 10),
			[]usage.Point{word(0, "BEARBEITEN")},
			"0-10 running",
		},
		{
			"a word holds over samples without one", usage.NewControllerRule(nil), seconds(0, 100),
			[]usage.Point{{AtMs: 0, ValidMs: 60_000, Word: "ACTIVE"}, watts(40, 9), watts(80, 9)},
			"0-100 running",
		},
		{
			"a word does not survive silence", usage.NewControllerRule(nil), seconds(0, 200),
			[]usage.Point{{AtMs: 0, ValidMs: 60_000, Word: "ACTIVE"}, watts(100, 9), watts(150, 9)},
			"0-200 unknown",
		},
		{
			"a word does not survive a death", usage.NewControllerRule(nil), seconds(0, 30),
			[]usage.Point{word(0, "ACTIVE"), down(10), watts(20, 9)},
			"0-10 running, 10-30 unknown",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := told(usage.Timeline(tt.points, tt.rule, tt.window)); got != tt.want {
				t.Errorf("timeline\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func drawPoints(t *rapid.T) []usage.Point {
	var points []usage.Point
	ms := int64(0)
	for range rapid.IntRange(0, 40).Draw(t, "points") {
		ms += rapid.SampledFrom([]int64{0, 1, 1000, 4000, 6000, 30_000, 61_000, 500_000}).Draw(t, "step")
		p := usage.Point{AtMs: ms, ValidMs: rapid.SampledFrom([]int64{0, 60_000}).Draw(t, "valid")}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			p.Down = true
		case 1:
			p.Word = rapid.SampledFrom([]string{"ACTIVE", "READY", "UNAVAILABLE", "?"}).Draw(t, "word")
		default:
			p.PowerW, p.HasPower = rapid.SampledFrom([]float64{0, 4, 5, 85, 99, 100, 300}).Draw(t, "power"), true
		}
		points = append(points, p)
	}
	return points
}

func TestTimelineProperties(t *testing.T) {
	t.Parallel()
	rules := []usage.Rule{plain, careful, usage.NewControllerRule(nil)}
	rapid.Check(t, func(t *rapid.T) {
		points := drawPoints(t)
		rule := rules[rapid.IntRange(0, len(rules)-1).Draw(t, "rule")]
		start := rapid.Int64Range(-5000, 200_000).Draw(t, "start")
		window := span.Span{StartMs: start, EndMs: start + rapid.Int64Range(1, 900_000).Draw(t, "length")}
		segments := usage.Timeline(points, rule, window)

		at := window.StartMs
		var total int64
		for i, s := range segments {
			if s.StartMs != at || s.Empty() {
				t.Fatalf("segment %d starts at %d, want %d, not empty: %s", i, s.StartMs, at, told(segments))
			}
			if i > 0 && s.State == segments[i-1].State && s.Word == segments[i-1].Word && s.Estimate == segments[i-1].Estimate {
				t.Fatalf("segment %d equals the one before: %s", i, told(segments))
			}
			at, total = s.EndMs, total+s.Ms()
		}
		if at != window.EndMs {
			t.Fatalf("timeline ends at %d, want %d", at, window.EndMs)
		}
		sum := usage.Sum(segments, span.NewSet(window))
		if sum.WindowMs != window.Ms() || sum.RunningMs+sum.IdleMs+sum.OffMs+sum.FaultMs+sum.UnknownMs != window.Ms() {
			t.Fatalf("states do not add up to the window: %+v", sum)
		}
		if sum.OpeningRunningMs != sum.RunningMs || sum.OpeningMs-sum.OpeningKnownMs != sum.UnknownMs {
			t.Fatalf("opening hours that are the window differ from the window: %+v", sum)
		}
		nothingInvented(t, points, segments)
		if diff := cmp.Diff(segments, usage.Timeline(points, rule, window)); diff != "" {
			t.Fatalf("the same evidence gave another timeline: %s", diff)
		}
	})
}

// nothingInvented is the oracle for silence: no instant inside a silence that is too long, or after a death, is anything
// but unknown.
func nothingInvented(t *rapid.T, points []usage.Point, segments []usage.Segment) {
	for i, p := range points {
		next := segments[len(segments)-1].EndMs
		if i+1 < len(points) {
			next = points[i+1].AtMs
		}
		if !p.Down && (p.ValidMs == 0 || next-p.AtMs <= p.ValidMs) {
			continue
		}
		for _, s := range segments {
			if dark := s.Intersect(span.Span{StartMs: p.AtMs, EndMs: next}); !dark.Empty() && s.State != usage.Unknown {
				t.Fatalf("%v is %s though the device was silent from %d to %d", dark, s.State, p.AtMs, next)
			}
		}
	}
	if len(points) > 0 {
		for _, s := range segments {
			if s.StartMs < points[0].AtMs && s.State != usage.Unknown {
				t.Fatalf("%v is %s before the first evidence", s.Span, s.State)
			}
		}
	}
}

// A window cut in two gives the same as the whole when each part sees the points within the rule's reach.
func TestTimelineDoesNotDependOnTheWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points := drawPoints(t)
		whole := span.Span{StartMs: 0, EndMs: 1_000_000}
		cut := rapid.Int64Range(1, whole.EndMs-1).Draw(t, "cut")
		for _, rule := range []usage.Rule{plain, usage.NewControllerRule(nil)} {
			points := append(points, usage.Point{AtMs: whole.EndMs, ValidMs: 1, Word: "READY", HasPower: true})
			a := usage.Sum(usage.Timeline(points, rule, span.Span{StartMs: 0, EndMs: cut}), nil)
			b := usage.Sum(usage.Timeline(points, rule, span.Span{StartMs: cut, EndMs: whole.EndMs}), nil)
			if diff := cmp.Diff(usage.Sum(usage.Timeline(points, rule, whole), nil), a.Add(b)); diff != "" {
				t.Fatalf("cut at %d (-whole +parts):\n%s", cut, diff)
			}
		}
	})
}

func TestRateIsWithheldWithoutEvidence(t *testing.T) {
	t.Parallel()
	window := seconds(0, 1000)
	half := usage.Sum(usage.Timeline([]usage.Point{watts(500, 200), watts(550, 200), watts(600, 200), watts(650, 0), watts(700, 0), watts(750, 0), watts(800, 0), watts(850, 0), watts(900, 0), watts(950, 0)}, plain, window), span.NewSet(window))
	if _, ok := half.Rate(usage.CoverageFloor); ok || half.Coverage() != 0.5 {
		t.Errorf("coverage %v gives a rate", half.Coverage())
	}
	if rate, ok := half.Rate(0.5); !ok || rate != 0.15 {
		t.Errorf("rate %v %v, want 0.15", rate, ok)
	}
	shut := usage.Sum(usage.Timeline([]usage.Point{word(0, "ACTIVE")}, usage.NewControllerRule(nil), window), nil)
	if _, ok := shut.Rate(0); ok {
		t.Error("a day without opening hours has a rate")
	}
	over := usage.Sum(usage.Timeline([]usage.Point{word(0, "ACTIVE")}, usage.NewControllerRule(nil), window), span.NewSet(seconds(0, 500)))
	if rate, ok := over.Rate(usage.CoverageFloor); !ok || rate != 2 {
		t.Errorf("rate %v %v, want 2: running outside opening hours counts", rate, ok)
	}
}

func TestPowerRuleNamesEveryMistake(t *testing.T) {
	t.Parallel()
	bad := &usage.PowerRule{OffW: 0, RunW: -1, Hysteresis: 1, DwellOn: -1, DwellOff: -1}
	err := bad.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{"OffW", "RunW", "Hysteresis", "DwellOn", "DwellOff"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("error does not name %s: %v", field, err)
		}
	}
	if err := careful.Validate(); err != nil {
		t.Errorf("a good rule: %v", err)
	}
}

func ExampleTimeline() {
	points := []usage.Point{
		{AtMs: 0, ValidMs: 60_000, PowerW: 3, HasPower: true},
		{AtMs: 30_000, ValidMs: 60_000, PowerW: 800, HasPower: true},
		{AtMs: 70_000, ValidMs: 60_000, PowerW: 40, HasPower: true},
	}
	rule := &usage.PowerRule{OffW: 5, RunW: 100}
	for _, s := range usage.Timeline(points, rule, span.Span{StartMs: 0, EndMs: 90_000}) {
		fmt.Println(s.StartMs/1000, s.EndMs/1000, s.State, s.State.Zh())
	}
	// Output:
	// 0 30 off 关机
	// 30 70 running 运行
	// 70 90 idle 待机
}

func BenchmarkTimeline(b *testing.B) {
	points := make([]usage.Point, 8640)
	for i := range points {
		points[i] = watts(float64(i*10), float64((i*7919)%300))
	}
	window := seconds(0, 86400)
	b.ReportAllocs()
	for b.Loop() {
		usage.Timeline(points, careful, window)
	}
	b.ReportMetric(float64(len(points)*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// TestWhatEndsPower: a source that says it knows no value, and a link that the broker remembers as down, end what the
// meter said before, although neither carries power.
func TestWhatEndsPower(t *testing.T) {
	t.Parallel()
	running := telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, EventMs: 0, Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: 900}}}
	rule := &usage.PowerRule{OffW: 10, RunW: 500}
	window := span.Span{StartMs: 0, EndMs: 100_000}
	for name, ending := range map[string]telemetry.Record{
		"no value":           {Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, EventMs: 40_000, State: telemetry.StateUnavailable},
		"stale":              {Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, EventMs: 40_000, State: telemetry.StateStale},
		"link down":          {Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, EventMs: 40_000, Link: telemetry.LinkOffline},
		"remembered as down": {Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, EventMs: 40_000, Link: telemetry.LinkWill, Retained: true},
	} {
		var points []usage.Point
		for _, r := range []telemetry.Record{running, ending} {
			if p, ok := usage.PointOf(&r); ok {
				points = append(points, p)
			}
		}
		var ms int64
		for _, s := range usage.Timeline(points, rule, window) {
			if s.State == usage.Running {
				ms += s.Ms()
			}
		}
		if ms != 40_000 {
			t.Errorf("%s: running for %d ms, want the 40,000 before it", name, ms)
		}
	}
	old := telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockReceived, Retained: true, Values: running.Values}
	up := telemetry.Record{Kind: telemetry.KindLink, Clock: telemetry.ClockReceived, Retained: true, Link: telemetry.LinkOnline}
	for _, r := range []telemetry.Record{old, up} {
		if p, ok := usage.PointOf(&r); ok {
			t.Errorf("%+v is evidence: %+v", r, p)
		}
	}
}
