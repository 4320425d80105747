package sim_test

import (
	"strings"
	"testing"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// hoursOf are the minutes of an example's people by kind of fact, with its state for untapped, of the sessions whose id begins so. The machines' devices
// are left out: they change nothing about people, and are what takes time.
func hoursOf(t *testing.T, name, session string) map[string]float64 {
	t.Helper()
	text, _ := sim.ScenarioText(name)
	s, err := scenario.Read(name, text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Bases {
		for j := range s.Bases[i].Workshops {
			w := &s.Bases[i].Workshops[j]
			for k := range w.Machines {
				w.Machines[k].Devices = nil
			}
		}
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	ledger := &sim.Ledger{}
	for range simulation.Messages(0, ledger) { // the ledger is what is wanted
	}
	out := map[string]float64{}
	for _, f := range ledger.Facts() {
		if !strings.HasPrefix(f.Detail, session) {
			continue
		}
		kind := string(f.Kind)
		if f.Kind == sim.FactUntapped {
			kind = f.State
		}
		out[kind] += float64(f.Span.Ms()) / 60_000
	}
	return out
}

// TestPeopleScenariosSayWhatTheyShow: the example scenarios about people have the hours, and the reasons for hours that
// nobody can see, that their comments promise.
func TestPeopleScenariosSayWhatTheyShow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, session string
		planned       float64 // minutes of all trainees
		least         float64 // share of it that is deserved at the least
		forgot, deaf  bool    // whether there is such time
	}{
		{"people-clean", "", 11020, 0.995, false, false},
		{"people-clean", "turning-20260302-0830", 6 * 165, 0.995, false, false},
		{"people-doors", "", 0, 0.5, true, false},
		{"people-outage", "filing-20260302", 2 * 6 * 180, 0.995, false, false}, // off while nobody passes
		{"people-outage", "filing-20260303", 2 * 6 * 180, 0.995, false, true},  // off all day
		{"people-outage", "turning-20260302", 2 * 4 * 180, 0.9, false, true},   // off at coming and at going
		{"people-outage", "turning-20260303", 2 * 4 * 180, 0.9, false, false},  // only a meter is silent
		{"people-overnight", "night-shift-20260305-2200", 4 * 195, 0.99, false, false},
		{"people-overnight", "early-20260306-0030", 4 * 150, 0.99, false, false},
	} {
		t.Run(tt.name+" "+tt.session, func(t *testing.T) {
			t.Parallel()
			got := hoursOf(t, tt.name, tt.session)
			if tt.planned > 0 && got["planned"] != tt.planned {
				t.Errorf("%v minutes are planned, want %v", got["planned"], tt.planned)
			}
			if got["deserved"] < tt.least*got["planned"] || got["deserved"] > got["planned"] {
				t.Errorf("%v of %v minutes are deserved, want at least %v of them", got["deserved"], got["planned"], tt.least)
			}
			if (got["forgot"] > 0) != tt.forgot || (got["deaf"] > 0) != tt.deaf || got["lost"] > 0 {
				t.Errorf("minutes that no tap shows: %v, want forgotten ones %t, unheard ones %t", got, tt.forgot, tt.deaf)
			}
		})
	}
}
