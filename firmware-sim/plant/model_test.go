package plant_test

import (
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

func TestOverridesOfAModel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		kind      scenario.Kind
		overrides map[string]float64
		want      string // of the error, "" for none
	}{
		{"none", scenario.Lathe, nil, ""},
		{"known", scenario.Lathe, map[string]float64{"run_w": 2500, "noise": 0}, ""},
		{"unknown", scenario.Lathe, map[string]float64{"runs_w": 2500}, `figure "runs_w"`},
		{"of another kind", scenario.Lathe, map[string]float64{"heat_w": 2500}, `want one of ["idle_w"`},
		{"out of range", scenario.Welder, map[string]float64{"run_w": 1}, "run_w is 1: want 200 to 40000 W"},
		{"not separable", scenario.CNCMill, map[string]float64{"idle_w": 1400}, "does not stand out"},
		{"of a bench", scenario.HandBench, map[string]float64{"run_w": 5}, "has none of that name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := everyKind(1)
			s.Bases[0].Workshops[0].Machines[0] = scenario.Machine{ID: "m1", Kind: tt.kind, Model: tt.overrides}
			_, err := plant.New(s)
			switch {
			case tt.want == "" && err != nil:
				t.Fatal(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "machine m1")):
				t.Fatalf("error is %v, want one of machine m1 with %q", err, tt.want)
			}
			if _, ok := plant.SignatureOf(tt.kind, tt.overrides); ok != (tt.want == "") {
				t.Errorf("SignatureOf says %v", ok)
			}
		})
	}
}

func TestWhatDoesNotShowInThePower(t *testing.T) {
	t.Parallel()
	for _, kind := range scenario.Kinds() {
		sig, ok := plant.SignatureOf(kind, nil)
		hidden := kind == scenario.PLCBench || kind == scenario.ComputerRoom || kind == scenario.HandBench
		if ok == hidden {
			t.Errorf("%s: shows is %v", kind, ok)
		}
		if (sig.OffW == 0) != (kind == scenario.HandBench) || (sig.RunW == 0) != hidden {
			t.Errorf("%s: %+v", kind, sig)
		}
		for _, f := range plant.Figures(kind) {
			if f.Default < f.Least || f.Default > f.Most || f.What == "" {
				t.Errorf("%s: %+v is outside its own range", kind, f)
			}
		}
	}
}

// TestMachinesWorkAsRealOnesDo holds the models to what recordings of real machines show; docs/simulator-models.md has
// the figures.
func TestMachinesWorkAsRealOnesDo(t *testing.T) {
	t.Parallel()
	s := only(everyKind(11), scenario.Lathe, scenario.CNCMill, scenario.CNCLathe, scenario.Welder, scenario.RobotCell)
	s.Days = 12
	p := newPlant(t, s)
	runs := map[scenario.Kind][]int64{}
	busy, attended := map[scenario.Kind]int64{}, map[scenario.Kind]int64{}
	for day := range s.Days {
		d := p.Day(0, day)
		for _, m := range d.Machines {
			attended[m.Machine.Kind] += m.Attended.Ms()
			for _, ph := range m.Phases {
				if ph.State == plant.Running && ph.StartMs > d.StartMs && ph.EndMs < d.EndMs {
					runs[m.Machine.Kind] = append(runs[m.Machine.Kind], ph.Ms())
					busy[m.Machine.Kind] += ph.Ms()
				}
			}
		}
	}
	for _, kind := range []scenario.Kind{scenario.Lathe, scenario.CNCMill, scenario.CNCLathe} {
		short, half := share(runs[kind], 5*secondMs), share(runs[kind], 30*secondMs)
		t.Logf("%s: %d runs, %.0f %% under 5 s, %.0f %% under 30 s", kind, len(runs[kind]), 100*short, 100*half)
		if short < 0.11 || short > 0.26 || half < 0.4 || half > 0.6 {
			t.Errorf("%s: %.2f of the runs under 5 s and %.2f under 30 s, want 0.12 to 0.26 and about half", kind, short, half)
		}
	}
	if duty := float64(busy[scenario.Welder]) / float64(attended[scenario.Welder]); duty < 0.2 || duty > 0.4 {
		t.Errorf("the arc burns for %.2f of the time, want 0.2 to 0.4", duty)
	}
	for _, n := range runs[scenario.RobotCell] {
		if n%(38*secondMs) != 0 {
			t.Fatalf("a robot ran for %d ms, which is no number of whole cycles", n)
		}
	}
}

func share(all []int64, below int64) float64 {
	n := 0
	for _, v := range all {
		if v < below {
			n++
		}
	}
	return float64(n) / float64(len(all))
}
