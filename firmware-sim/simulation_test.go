package sim_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

var updateScenarios = flag.Bool("update-scenarios", false, "write the digests of the example scenarios anew")

// goldenDays is how long a scenario may be to have a digest of all of it; of a longer one, its first day has.
const goldenDays = 3

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
		s.Days = 2 // some faults come on the second day
	}
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	return simulation
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
			fmt.Fprint(messages, m.Retain, m.Exact)
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
	var lines []string
	for _, name := range sim.Scenarios() {
		one := digest(t, live(t, name))
		if two := digest(t, live(t, name)); one != two {
			t.Errorf("%s: %s, and the second time %s", name, one, two)
		}
		lines = append(lines, fmt.Sprintf("%-18s %s", name, one))
	}
	got := strings.Join(lines, "\n") + "\n"
	if *updateScenarios {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
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
			for range s.Messages(base, ledger) { //nolint:revive // the ledger is what is wanted
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
	for _, kind := range scenario.FaultKinds() {
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
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	return simulation
}
