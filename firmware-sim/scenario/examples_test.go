package scenario_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// The scenarios that are shipped are read without a problem, and between them every kind of machine, dialect, fault and
// fraud is played.
func TestExamplesCoverTheLanguage(t *testing.T) {
	t.Parallel()
	var kinds []scenario.Kind
	var dialects []scenario.Dialect
	var faults []scenario.FaultKind
	var frauds []scenario.FraudKind
	for _, path := range examples(t) {
		s, err := scenario.Read(filepath.Base(path), read(t, path))
		if err != nil {
			t.Errorf("problems:\n%v", err)
			continue
		}
		for _, b := range s.Bases {
			for _, w := range b.Workshops {
				for _, m := range w.Machines {
					kinds = append(kinds, m.Kind)
					for _, d := range m.Devices {
						dialects = append(dialects, d.Dialect)
					}
				}
				for _, r := range w.Readers {
					dialects = append(dialects, r.Dialect)
				}
			}
		}
		for _, f := range s.Faults {
			faults = append(faults, f.Kind)
		}
		for _, f := range s.Frauds {
			frauds = append(frauds, f.Kind)
		}
	}
	covers(t, "kind", kinds, scenario.Kinds())
	covers(t, "dialect", dialects, scenario.Dialects())
	covers(t, "fault", faults, scenario.FaultKinds())
	covers(t, "fraud", frauds, scenario.FraudKinds())
}

func covers[T ~string](t *testing.T, what string, got, want []T) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("no example has the %s %s", what, w)
		}
	}
}

// The file of all faults has each of them, so that Only plays it alone.
func TestOnlyOneFault(t *testing.T) {
	t.Parallel()
	s := mustRead(t, "../scenarios/all-faults.yaml")
	for _, kind := range scenario.FaultKinds() {
		alone := s.Only(kind)
		if len(alone.Faults) != 1 || alone.Faults[0].Kind != kind {
			t.Errorf("%s alone: %v", kind, alone.Faults)
		}
	}
	if n := len(s.Only().Faults); n != 0 {
		t.Errorf("%d faults are left without a kind", n)
	}
	if len(s.Faults) != len(scenario.FaultKinds()) {
		t.Errorf("the scenario itself has %d faults now", len(s.Faults))
	}
}

func mustRead(t testing.TB, path string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Read(filepath.Base(path), read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The year has the size that its name promises.
func TestYearIsABaseOfUsualSize(t *testing.T) {
	t.Parallel()
	s := mustRead(t, "../scenarios/year.yaml")
	machines := 0
	for _, w := range s.Bases[0].Workshops {
		machines += len(w.Machines)
	}
	workdays := 0
	for midnight := range s.Midnights() {
		if s.Workday(midnight) {
			workdays++
		}
	}
	// 248 is what the State Council's notice for 2026 comes to.
	if machines != 50 || len(s.Bases[0].People) != 200 || s.Days != 365 || workdays != 248 {
		t.Errorf("%d machines, %d people, %d days, %d working days", machines, len(s.Bases[0].People), s.Days, workdays)
	}
}
