package plant_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// states is a threshold machine that is as small as it can be: levels by the two thresholds, then runs that are too short
// become idle and dips that are too short become part of the run.
func states(steps []plant.Step, endMs int64, sig plant.Signature, hysteresis float64) []plant.Phase {
	var levels []plant.Phase
	state := plant.Off
	for i, s := range steps {
		end := endMs
		if i+1 < len(steps) {
			end = steps[i+1].AtMs
		}
		off, run := sig.OffW, sig.RunW
		if state != plant.Off {
			off *= 1 - hysteresis
		}
		if state == plant.Running {
			run *= 1 - hysteresis
		}
		switch {
		case s.PowerW >= run:
			state = plant.Running
		case s.PowerW >= off:
			state = plant.Idle
		default:
			state = plant.Off
		}
		levels = append(levels, plant.Phase{Span: span.Span{StartMs: s.AtMs, EndMs: end}, State: state})
	}
	levels = merge(levels)
	for i := 0; i < len(levels); i++ { // dips first: a run may begin with a short stroke before a dip
		if levels[i].State != plant.Running {
			continue
		}
		first := levels[i].Ms() >= sig.DwellOn.Milliseconds()
		for first {
			j := i + 1
			for j < len(levels) && levels[j].State != plant.Running {
				j++
			}
			if j == len(levels) || levels[j].StartMs-levels[i].EndMs >= sig.DwellOff.Milliseconds() {
				break
			}
			levels[i].EndMs = levels[j].EndMs
			levels = slices.Delete(levels, i+1, j+1)
		}
		if !first {
			levels[i].State = plant.Idle
		}
	}
	return merge(levels)
}

func merge(in []plant.Phase) []plant.Phase {
	var out []plant.Phase
	for _, p := range in {
		if n := len(out); n > 0 && out[n-1].State == p.State {
			out[n-1].EndMs = p.EndMs
			continue
		}
		out = append(out, p)
	}
	return out
}

// whole joins one machine's consecutive days. Power does not tell a fault from idle.
func whole(days []*plant.Day, machine int) (phases []plant.Phase, power []plant.Step) {
	for _, d := range days {
		phases = append(phases, d.Machines[machine].Phases...)
		power = append(power, d.Machines[machine].Power...)
	}
	for i := range phases {
		if phases[i].State == plant.Fault {
			phases[i].State = plant.Idle
		}
	}
	return merge(phases), power
}

func TestPowerShowsThePhasesAsTheSignatureSays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := everyKind(seed)
			// From Wednesday to Saturday: the last night class ends within the scenario, not in the middle of a dip.
			s.FromMs, s.Days = s.FromMs+2*86_400_000, 4
			s.Faults = []scenario.Fault{{Kind: scenario.PowerCut, Rate: float64(seed%3) * 0.7, For: 90e9}}
			if seed%2 == 1 {
				s.Frauds = []scenario.Fraud{
					{Kind: scenario.IdleRunning, Machine: "lathe"},
					{Kind: scenario.IdleRunning, Machine: "injection_press", Class: "night"},
					{Kind: scenario.CopiedCurve, Machine: "robot_cell", DatesMs: []int64{s.FromMs + 2*86_400_000}},
				}
			}
			checkSignatures(newPlant(t, s), s, t.Fatalf)
		})
	}
}

// checkSignatures compares the phases of a whole scenario with those that its power shows.
func checkSignatures(p *plant.Plant, s *scenario.Scenario, bad complain) {
	var days []*plant.Day
	for day := range s.Days {
		days = append(days, p.Day(0, day))
	}
	for i, m := range days[0].Machines {
		sig, ok := plant.SignatureOf(m.Machine.Kind, m.Machine.Model)
		if !ok {
			continue
		}
		want, power := whole(days, i)
		for _, hysteresis := range []float64{0, 0.1} {
			if got := states(power, days[len(days)-1].EndMs, sig, hysteresis); !slices.Equal(want, got) {
				bad("%s with hysteresis %v, truth (-) against power (+):\n%.2000s", m.Machine.ID, hysteresis, cmp.Diff(want, got))
			}
		}
	}
}

func TestSignaturesHoldForAnyFigures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(scenario.Kinds()).Draw(t, "kind")
		overrides := map[string]float64{}
		for _, f := range plant.Figures(kind) {
			if rapid.IntRange(0, 3).Draw(t, "override "+f.Name) == 0 {
				overrides[f.Name] = rapid.Float64Range(f.Least, f.Most).Draw(t, f.Name)
			}
		}
		s := only(everyKind(rapid.Uint64().Draw(t, "seed")), kind)
		s.FromMs, s.Days = s.FromMs+3*dayMs, 3
		s.Bases[0].Workshops[0].Machines[0].Model = overrides
		p, err := plant.New(s)
		if err != nil {
			return // levels that no threshold separates
		}
		checkSignatures(p, s, t.Fatalf)
	})
}
