package calibrate_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/calibrate"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// TestStories holds the proposal to what a person who watched the machine would say.
func TestStories(t *testing.T) {
	t.Parallel()
	programme := func(s *story, pauseW float64) *story { // a drum that turns, rests, and turns the other way
		for range 60 {
			s.runs(30, 250).does(usage.Running, 12, pauseW, 0.05)
		}
		return s.runs(600, 2200)
	}
	arcs := func(s *story) *story {
		for i := range int64(80) {
			s.runs(8+i%5, 4200).does(usage.Running, 25+i%30, 45, 0.05)
		}
		return s.runs(8, 4200)
	}
	tests := []struct {
		name    string
		story   *story
		profile string
		idle    bool   // whether an idle level is to be found
		note    string // a note that must be there
		offW    [2]float64
		runW    [2]float64
	}{
		{"a lathe waits at 320 W", latheDay(10), "machine", true, "idle_level", [2]float64{1, 300}, [2]float64{345, 1700}},
		{
			"a lathe that is never switched off", newStory(10).idle(7200, 300).runs(1800, 3000).idle(1800, 300).runs(900, 3000), "", true, "off_not_seen",
			[2]float64{1, 290},
			[2]float64{330, 2500},
		},
		{"pauses of a programme are work", programme(newStory(2).off(600), 4).does(usage.Running, 420, 4, 0.02).off(600), "", false, "pauses_are_work", [2]float64{0.6, 3.8}, [2]float64{0.6, 3.8}},
		{
			"waiting after the programme is not", programme(newStory(2).off(600), 4).idle(3600, 4).off(600), "", true, "idle_level",
			[2]float64{0.6, 3.8},
			[2]float64{4.3, 200},
		},
		{
			"switched on and left standing before the work", newStory(5).off(900).idle(480, 60).runs(3000, 900).off(900), "", true, "idle_level",
			[2]float64{0.6, 55},
			[2]float64{65, 750},
		},
		{"many pauses as irregular as people", irregular(newStory(5).off(900)), "", true, "idle_level", [2]float64{1, 190}, [2]float64{215, 1800}},
		{"many pauses as alike as a programme's", regular(newStory(5).off(900)), "", false, "pauses_are_work", [2]float64{1, 190}, [2]float64{1, 190}},
		{"a constant load cannot be split", newStory(10).off(3600).runs(20_000, 750).off(3600), "", false, "constant_load", [2]float64{1, 600}, [2]float64{1, 600}},
		{"a short job with nothing else", newStory(2).off(90_000).runs(200, 120).off(3600), "", false, "one_regime", [2]float64{1, 100}, [2]float64{1, 100}},
		{"off is not zero watts at a large machine's clamps", standing(), "", true, "off_is_not_zero", [2]float64{21, 800}, [2]float64{1000, 5500}},
		{"a meter that flickers at 2 W", flicker(), "", false, "meter_noise", [2]float64{2.01, 900}, [2]float64{2.01, 900}},
		{"a welder waits between arcs, and holds", arcs(newStory(1).off(3600)).off(3600), "burst", true, "burst_tool", [2]float64{0.6, 43}, [2]float64{48, 3600}},
		{
			"a computer's power shows that it is on", newStory(30).off(3600).idle(3600, 60).runs(7200, 140).off(3600), "computer", false, "only_on",
			[2]float64{1, 55},
			[2]float64{1, 55},
		},
		{
			"an oven's warm rest is part of its work", newStory(10).off(900).runs(7200, 3000).does(usage.Running, 3600, 1100, 0.05).off(900), "thermal", false, "one_regime",
			[2]float64{1, 1050},
			[2]float64{1, 1050},
		},
		{"half an hour", newStory(10).off(600).runs(600, 500).off(300), "", false, "too_little", [2]float64{1, 450}, [2]float64{1, 450}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := propose(t, tt.story.points, tt.story.window(), tt.profile)
			t.Logf("%+v, alternative %+v, notes %v", p.Rule, p.Alternative, codes(p))
			if got := p.Rule.RunW > p.Rule.OffW; got != tt.idle {
				t.Errorf("idle level found is %v, want %v", got, tt.idle)
			}
			if !codes(p)[tt.note] {
				t.Errorf("no note %q among %v", tt.note, codes(p))
			}
			if p.Rule.OffW < tt.offW[0] || p.Rule.OffW > tt.offW[1] {
				t.Errorf("OffW is %v, want %v", p.Rule.OffW, tt.offW)
			}
			if p.Rule.RunW < tt.runW[0] || p.Rule.RunW > tt.runW[1] {
				t.Errorf("RunW is %v, want %v", p.Rule.RunW, tt.runW)
			}
			got := usage.Sum(usage.Timeline(tt.story.points, &p.Rule, tt.story.window()), nil)
			for _, state := range []usage.State{usage.Running, usage.Unknown} {
				if want := tt.story.truth[state]; tt.profile != "computer" && !near(float64(got.Of(state)), float64(want), 0.01) {
					t.Errorf("%s for %d s, want %d s", state, got.Of(state)/1000, want/1000)
				}
			}
		})
	}
}

func irregular(s *story) *story {
	for i := range int64(14) {
		s.runs(240, 2500).idle([]int64{65, 80, 95, 70, 410, 150, 90}[i%7], 200)
	}
	return s.runs(300, 2500).off(900)
}

func regular(s *story) *story {
	for range 14 {
		s.does(usage.Running, 240, 2500, 0.15).does(usage.Running, 130, 200, 0.04)
	}
	return s.runs(300, 2500).off(900)
}

func standing() *story {
	s := newStory(10).does(usage.Off, 5000, 16, 0.2).idle(2000, 900)
	return s.runs(3000, 7000).idle(1500, 900).runs(600, 7000).does(usage.Off, 4000, 16, 0.2)
}

func flicker() *story {
	s := newStory(2)
	for range 200 {
		s.off(60).does(usage.Off, 2, 2, 0)
	}
	return s.runs(900, 1200).off(3600).runs(700, 1200).off(300)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	day := newStory(10).off(3600).runs(600, 500).off(600)
	tests := []struct {
		name    string
		points  []usage.Point
		window  span.Span
		profile string
		want    error
	}{
		{"no points", nil, day.window(), "", calibrate.ErrNoPower},
		{"an empty window", day.points, span.Span{}, "", calibrate.ErrNoPower},
		{"words without power", []usage.Point{{AtMs: day.window().StartMs, Word: "ACTIVE"}}, day.window(), "", calibrate.ErrNoPower},
		{"not a number", []usage.Point{{AtMs: day.window().StartMs, PowerW: math.NaN(), HasPower: true}}, day.window(), "", calibrate.ErrNoPower},
		{"never on", newStory(10).off(3600).points, day.window(), "", calibrate.ErrNeverOn},
		{"noise alone", newStory(10).does(usage.Off, 3600, 0.3, 0.5).points, day.window(), "", calibrate.ErrNeverOn},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := calibrate.Propose(tt.points, tt.window, calibrate.Options{Profile: tt.profile}); !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := calibrate.Propose(day.points, day.window(), calibrate.Options{Profile: "lathe"}); err == nil {
		t.Error("an unknown profile is accepted")
	}
}

// TestNoteLimitsConfidence: the proposal is never surer than its least sure note, and every note speaks both languages.
func TestNoteLimitsConfidence(t *testing.T) {
	t.Parallel()
	for _, s := range []*story{latheDay(10), flicker(), standing(), newStory(10).off(600).runs(600, 500).off(300)} {
		p := propose(t, s.points, s.window(), "")
		want := calibrate.High
		for _, n := range p.Notes {
			want = min(want, n.Limit)
			if n.Code == "" || n.Zh == "" || n.En == "" {
				t.Errorf("note is not whole: %+v", n)
			}
		}
		if p.Confidence != want {
			t.Errorf("confidence is %s, want %s", p.Confidence, want)
		}
	}
}

var profiles = []string{"", "machine", "burst", "thermal", "computer", "bench", "kitchen"}

// drawAnything is any evidence at all: powers of every size, negative ones, gaps, deaths, points of other kinds.
func drawAnything(t *rapid.T) ([]usage.Point, span.Span) {
	palette := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(-50, 3), rapid.Float64Range(0, 5000), rapid.Float64Range(0, 1e7)), 1, 6).Draw(t, "palette")
	at := int64(0)
	var points []usage.Point
	for range rapid.IntRange(1, 120).Draw(t, "points") {
		at += rapid.SampledFrom([]int64{0, 1, 1000, 5000, 60_000, 600_000, 3_600_000}).Draw(t, "step")
		p := usage.Point{AtMs: at, ValidMs: rapid.SampledFrom([]int64{0, 10_000, 66_000, 4_000_000}).Draw(t, "valid")}
		p.HasPower = rapid.IntRange(0, 9).Draw(t, "kind") > 0
		p.PowerW = rapid.SampledFrom(palette).Draw(t, "power")
		p.Down = rapid.IntRange(0, 19).Draw(t, "down") == 0
		points = append(points, p)
	}
	start := rapid.Int64Range(-1000, at).Draw(t, "start")
	return points, span.Span{StartMs: start, EndMs: start + rapid.Int64Range(0, at+10_000).Draw(t, "length")}
}

// TestAnythingGivesAValidRuleOrSaysWhyNot, and the same evidence the same proposal.
func TestAnythingGivesAValidRuleOrSaysWhyNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		points, window := drawAnything(t)
		o := calibrate.Options{Profile: rapid.SampledFrom(profiles).Draw(t, "profile")}
		before := slices.Clone(points)
		p, err := calibrate.Propose(points, window, o)
		again, errAgain := calibrate.Propose(points, window, o)
		if diff := cmp.Diff(p, again); diff != "" || (err == nil) != (errAgain == nil) {
			t.Fatalf("two proposals from the same evidence differ: %s", diff)
		}
		if diff := cmp.Diff(before, points); diff != "" {
			t.Fatalf("the evidence was changed: %s", diff)
		}
		if err != nil {
			if !errors.Is(err, calibrate.ErrNoPower) && !errors.Is(err, calibrate.ErrNeverOn) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if err := p.Rule.Validate(); err != nil {
			t.Fatalf("rule %+v is not valid: %v", p.Rule, err)
		}
		if p.Alternative != nil && p.Alternative.Validate() != nil {
			t.Fatalf("alternative %+v is not valid", p.Alternative)
		}
		for _, r := range []*usage.PowerRule{&p.Rule, p.Alternative} {
			if r != nil && r.RunW > r.OffW && r.RunW*(1-r.Hysteresis) <= r.OffW {
				t.Fatalf("the hysteresis of %+v reaches down to off", r)
			}
		}
		if p.Rule.OffW <= p.NoiseW {
			t.Fatalf("OffW %v lies in the noise of %v W", p.Rule.OffW, p.NoiseW)
		}
		totals := usage.Sum(usage.Timeline(points, &p.Rule, window), nil)
		if known := totals.WindowMs - totals.UnknownMs; p.KnownMs != known || p.WindowMs != totals.WindowMs {
			t.Fatalf("%d of %d ms are known, want %d of %d as the timeline has it", p.KnownMs, p.WindowMs, known, totals.WindowMs)
		}
		var shares float64
		for i, l := range p.Levels {
			shares += l.Share
			if i > 0 && l.MeanW < p.Levels[i-1].MeanW {
				t.Fatalf("levels are out of order: %+v", p.Levels)
			}
		}
		if math.Abs(shares-1) > 1e-9 {
			t.Fatalf("the levels hold %v of the known time, want all of it: %+v", shares, p.Levels)
		}
	})
}

// drawMachine is a day at a machine with a real idle level, as the package promises to recognise one: it waits for a
// quarter of an hour at least once, and its work draws at least twice what its waiting draws.
func drawMachine(t *rapid.T) *story {
	s := newStory(rapid.SampledFrom([]int64{5, 10, 20}).Draw(t, "every"))
	idleW := rapid.Float64Range(60, 800).Draw(t, "idle")
	runW := idleW * rapid.Float64Range(2.2, 20).Draw(t, "ratio")
	idleRipple := rapid.Float64Range(0, 0.08).Draw(t, "idle ripple")
	runRipple := rapid.Float64Range(0, 0.2).Draw(t, "run ripple")
	seconds := rapid.Int64Range
	s.off(seconds(600, 3600).Draw(t, "off before"))
	s.does(usage.Idle, seconds(900, 3000).Draw(t, "first wait"), idleW, idleRipple)
	for range rapid.IntRange(4, 15).Draw(t, "jobs") {
		s.does(usage.Running, seconds(20, 900).Draw(t, "job"), runW, runRipple)
		s.does(usage.Idle, seconds(40, 1200).Draw(t, "wait"), idleW, idleRipple)
	}
	return s.off(seconds(600, 3600).Draw(t, "off after"))
}

func TestMachinesAreRecovered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawMachine(t)
		p, err := calibrate.Propose(s.points, s.window(), calibrate.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := usage.Sum(usage.Timeline(s.points, &p.Rule, s.window()), nil)
		for _, state := range usage.States() {
			if !near(float64(got.Of(state)), float64(s.truth[state]), 0.01) {
				t.Fatalf("%s for %d s, want %d s, by %+v", state, got.Of(state)/1000, s.truth[state]/1000, p.Rule)
			}
		}
	})
}

// TestThresholdsFollowTheMachine: a machine k times as large gets thresholds k times as large, far above the noise.
func TestThresholdsFollowTheMachine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawMachine(t)
		k := rapid.Float64Range(1, 100).Draw(t, "k")
		larger := slices.Clone(s.points)
		for i := range larger {
			larger[i].PowerW *= k
		}
		p, err := calibrate.Propose(s.points, s.window(), calibrate.Options{})
		q, errQ := calibrate.Propose(larger, s.window(), calibrate.Options{})
		if err != nil || errQ != nil {
			t.Fatal(err, errQ)
		}
		if !near(q.Rule.OffW, k*p.Rule.OffW, 0.03) || !near(q.Rule.RunW, k*p.Rule.RunW, 0.03) {
			t.Fatalf("times %v: %+v becomes %+v", k, p.Rule, q.Rule)
		}
		if math.Abs(p.Rule.Hysteresis-q.Rule.Hysteresis) > 0.02 || p.Rule.DwellOn != q.Rule.DwellOn || p.Rule.DwellOff != q.Rule.DwellOff {
			t.Fatalf("times %v: hysteresis or dwell changed from %+v to %+v", k, p.Rule, q.Rule)
		}
	})
}

// TestShortRunsAreKept: half of the runs of real machine tools are short; a dwell must not erase them.
func TestShortRunsAreKept(t *testing.T) {
	t.Parallel()
	s := newStory(1).off(3600).idle(1200, 300)
	for i := range int64(200) {
		s.runs(3+i%3, 2500).idle(45+i%60, 300)
	}
	s.idle(1200, 300).off(3600)
	p := propose(t, s.points, s.window(), "machine")
	if p.Rule.DwellOn > 3*time.Second || !codes(p)["short_runs"] {
		t.Errorf("DwellOn is %v with runs of 3 to 5 s (notes %v)", p.Rule.DwellOn, codes(p))
	}
	got := usage.Sum(usage.Timeline(s.points, &p.Rule, s.window()), nil)
	if !near(float64(got.RunningMs), float64(s.truth[usage.Running]), 0.01) {
		t.Errorf("running for %d s, want %d s", got.RunningMs/1000, s.truth[usage.Running]/1000)
	}
}
