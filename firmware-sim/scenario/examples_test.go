package scenario_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// The file of all faults has each of them once, so that it is played with each of them alone.
func TestOneFaultAlone(t *testing.T) {
	t.Parallel()
	const path = "../scenarios/all-faults.yaml"
	all := mustRead(t, path)
	if len(all.Faults) != len(scenario.FaultKinds()) {
		t.Errorf("the scenario has %d faults", len(all.Faults))
	}
	for i, kind := range scenario.FaultKinds() {
		alone, err := scenario.ReadWith(path, read(t, path), scenario.Overrides{Faults: []string{string(kind)}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all.Faults[i:i+1], alone.Faults); diff != "" {
			t.Errorf("%s alone (-in the file +alone):\n%s", kind, diff)
		}
		if !hitsSomething(alone, &alone.Faults[0]) {
			t.Errorf("%s hits nothing", kind)
		}
	}
}

func hitsSomething(s *scenario.Scenario, f *scenario.Fault) bool {
	b := &s.Bases[0]
	if f.HitsBase(b.Code) {
		return true
	}
	for _, w := range b.Workshops {
		for _, m := range w.Machines {
			for i := range m.Devices {
				if f.HitsDevice(b.Code, &m.Devices[i]) {
					return true
				}
			}
		}
		for i := range w.Readers {
			if f.HitsReader(b.Code, &w.Readers[i]) {
				return true
			}
		}
	}
	return false
}

// A fault without devices hits what it can, with devices those, and at a base only what is there.
func TestFaultsHit(t *testing.T) {
	t.Parallel()
	meter := &scenario.Device{ID: "m", Dialect: scenario.Tasmota, Role: scenario.Meter}
	plug := &scenario.Device{ID: "z", Dialect: scenario.Zigbee2MQTT, Role: scenario.Meter}
	door := &scenario.Reader{ID: "door", Dialect: scenario.Tasmota, Type: "rdm6300"}
	tests := map[string]struct {
		fault                    scenario.Fault
		meter, plug, door, whole bool
	}{
		"all":               {scenario.Fault{Kind: scenario.Drop}, true, true, true, false},
		"one":               {scenario.Fault{Kind: scenario.Drop, Devices: []string{"z"}}, false, true, false, false},
		"elsewhere":         {scenario.Fault{Kind: scenario.Drop, At: "b"}, false, false, false, false},
		"only what caches":  {scenario.Fault{Kind: scenario.Cached}, false, true, false, false},
		"only with a clock": {scenario.Fault{Kind: scenario.Drift}, true, false, true, false},
		"only readers":      {scenario.Fault{Kind: scenario.GhostCard}, false, false, true, false},
		"only machines":     {scenario.Fault{Kind: scenario.Stuck}, true, true, false, false},
		"the base":          {scenario.Fault{Kind: scenario.PowerCut, At: "a"}, false, false, false, true},
		"another base":      {scenario.Fault{Kind: scenario.WANCut, At: "b"}, false, false, false, false},
		"no such kind":      {scenario.Fault{Kind: "moth"}, false, false, false, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := []bool{tt.fault.HitsDevice("a", meter), tt.fault.HitsDevice("a", plug), tt.fault.HitsReader("a", door), tt.fault.HitsBase("a")}
			if want := []bool{tt.meter, tt.plug, tt.door, tt.whole}; !slices.Equal(got, want) {
				t.Errorf("meter, plug, door, base: %v, want %v", got, want)
			}
		})
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
