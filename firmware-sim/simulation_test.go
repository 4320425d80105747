package sim_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

var (
	updateScenarios = flag.Bool("update-scenarios", false, "write the digests of the example scenarios anew")
	whole           = flag.Bool("whole", false, "check the digests of the heavy scenarios too")
)

// goldenDays is how long a scenario may be to have a digest of all of it; of a longer one, its first day has.
const goldenDays = 3

// heavy scenarios are many messages: their digests are only made anew with -whole.
func heavy(name string) bool {
	return slices.Contains([]string{"all-faults", "esphome", "native", "shelly-gen1", "tasmota", "year", "mtconnect-document", "people-clean", "people-doors", "people-outage"}, name)
}

// live prepares an example scenario, its beginning only when it is long.
func live(t testing.TB, name string, faults ...string) *sim.Simulation {
	t.Helper()
	text, ok := sim.ScenarioText(name)
	if !ok {
		t.Fatalf("no scenario %s", name)
	}
	s, err := scenario.ReadWith(name, text, scenario.Overrides{Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	if s.Days > goldenDays {
		s.Days = 1
	}
	if len(faults) > 0 {
		light(s)
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	return simulation
}

// light leaves a scenario of all faults only devices that speak little.
func light(s *scenario.Scenario) {
	if *whole {
		return
	}
	for i := range s.Bases {
		for j := range s.Bases[i].Workshops {
			w := &s.Bases[i].Workshops[j]
			w.Machines = slices.DeleteFunc(w.Machines, func(m scenario.Machine) bool { return slices.Contains([]string{"air", "bench", "doc"}, m.ID) })
		}
	}
}

// digest names the messages and the truth of all bases, byte for byte.
func digest(t testing.TB, s *sim.Simulation) string {
	t.Helper()
	messages, truth := sha256.New(), sha256.New()
	count := 0
	for base := range s.Scenario().Bases {
		ledger := &sim.Ledger{}
		lastMs := int64(0)
		for m := range s.Messages(base, ledger) {
			if m.AtMs < lastMs {
				t.Fatalf("message %d at %d comes after %d", count, m.AtMs, lastMs)
			}
			lastMs = m.AtMs
			count++
			_ = binary.Write(messages, binary.BigEndian, []int64{m.AtMs, int64(len(m.Topic)), int64(len(m.Payload))})
			messages.Write([]byte(m.Topic))
			messages.Write(m.Payload)
			_, _ = fmt.Fprint(messages, m.Retain, m.Exact)
		}
		if err := ledger.Write(truth); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("%8d messages %s truth %s", count, hex.EncodeToString(messages.Sum(nil)[:16]), hex.EncodeToString(truth.Sum(nil)[:16]))
}

// TestSameSeedSameBytes: an example scenario gives the same messages and the same truth every time, on every machine. The
// digests are kept; a change of the simulator that changes them says so.
func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "scenarios.golden")
	kept, err := os.ReadFile(golden)
	if err != nil && !*updateScenarios {
		t.Fatal(err)
	}
	known := strings.Split(strings.TrimSpace(string(kept)), "\n")
	var lines []string
	for i, name := range sim.Scenarios() {
		if heavy(name) && !*whole && !*updateScenarios && i < len(known) {
			lines = append(lines, known[i])
			continue
		}
		one := digest(t, live(t, name))
		if slices.Contains([]string{"demo", "frauds", "overnight"}, name) { // of the others the golden digest is the second time
			if two := digest(t, live(t, name)); one != two {
				t.Errorf("%s: %s, and the second time %s", name, one, two)
			}
		}
		lines = append(lines, fmt.Sprintf("%-18s %s", name, one))
	}
	got := strings.Join(lines, "\n") + "\n"
	if *updateScenarios {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if *updateScenarios {
		return
	}
	if diff := cmp.Diff(string(kept), got); diff != "" {
		t.Errorf("digests (-want +got); -update-scenarios writes them anew:\n%s", diff)
	}
}

// TestOtherSeedOtherBytes: chance comes from the seed.
func TestOtherSeedOtherBytes(t *testing.T) {
	t.Parallel()
	text, _ := sim.ScenarioText("demo")
	seen := make(map[string]bool)
	for seed := range uint64(2) {
		s, err := scenario.ReadWith("demo", text, scenario.Overrides{Seed: &seed})
		if err != nil {
			t.Fatal(err)
		}
		simulation, err := sim.NewSimulation(s)
		if err != nil {
			t.Fatal(err)
		}
		seen[digest(t, simulation)] = true
	}
	if len(seen) != 2 {
		t.Errorf("%d different digests of 2 seeds", len(seen))
	}
}

// TestLedgerHoldsTogether: the truth covers every machine's days without a gap, and nothing is unseen and mistaken at once.
func TestLedgerHoldsTogether(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"all-faults", "frauds", "meter-swap", "overnight"} {
		s := live(t, name)
		for base := range s.Scenario().Bases {
			ledger := &sim.Ledger{}
			for range s.Messages(base, ledger) { // the ledger is what is wanted
			}
			b := &s.Scenario().Bases[base]
			for i := range b.Workshops {
				for j := range b.Workshops[i].Machines {
					id := b.Workshops[i].Machines[j].ID
					if gaps := ledger.Spans(sim.FactMachine, b.Code, id, "").Gaps(s.Span()); gaps.Ms() != 0 {
						t.Errorf("%s: the truth of %s has gaps: %v", name, id, gaps)
					}
					unseen, mistaken := ledger.Spans(sim.FactUnseen, b.Code, id, ""), ledger.Spans(sim.FactMistaken, b.Code, id, "")
					if both := unseen.Intersect(mistaken); both.Ms() != 0 {
						t.Errorf("%s: %s is unseen and mistaken at once: %v", name, id, both)
					}
				}
			}
		}
	}
}

// TestEachFaultShows: every fault alone changes what the base's broker gets or what could be known, and a scenario without
// faults knows all that its devices can tell.
func TestEachFaultShows(t *testing.T) {
	t.Parallel()
	healthy := digest(t, noFaults(t))
	kinds := scenario.FaultKinds()
	if !*whole {
		kinds = []scenario.FaultKind{scenario.Drop, scenario.Reboot, scenario.GhostCard, scenario.WANCut}
	}
	for _, kind := range kinds {
		if kind == scenario.WANCut { // it leaves the messages alone
			if cuts := live(t, "all-faults", string(kind)).WANCuts(0); len(cuts) == 0 {
				t.Error("wan_cut cuts nothing")
			}
			continue
		}
		if digest(t, live(t, "all-faults", string(kind))) == healthy {
			t.Errorf("%s changes nothing", kind)
		}
	}
}

// noFaults is the scenario of all faults without any.
func noFaults(t testing.TB) *sim.Simulation {
	t.Helper()
	text, _ := sim.ScenarioText("all-faults")
	s, err := scenario.ReadWith("all-faults", text, scenario.Overrides{Faults: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	light(s)
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	return simulation
}
