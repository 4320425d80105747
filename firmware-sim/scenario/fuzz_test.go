package scenario_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Whatever the bytes are: a scenario in which everything fits together, or problems with places; never a panic.
func FuzzRead(f *testing.F) {
	for _, file := range slices.Concat(examples(f), mistakes(f)) {
		if strings.Contains(filepath.Base(file), "limits") || strings.Contains(filepath.Base(file), "sessions") {
			continue // slow, and no shorter for the fuzzer's changes
		}
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := scenario.Read("f.yaml", text)
		if (s == nil) != (err != nil) {
			t.Fatalf("scenario %v, error %v", s, err)
		}
		if err != nil {
			problems, _ := errors.AsType[scenario.Problems](err)
			checkProblems(t, problems)
			return
		}
		if s.Days < 1 || s.Days > scenario.MaxDays || len(s.Bases) > scenario.MaxBases {
			t.Fatalf("%d days, %d bases", s.Days, len(s.Bases))
		}
		for i := range s.Bases {
			checkBase(t, s, &s.Bases[i])
		}
		for _, fault := range s.Faults {
			if fault.Rate < 0 || fault.For < 0 || !slices.Contains(scenario.FaultKinds(), fault.Kind) {
				t.Fatalf("fault %+v", fault)
			}
		}
		for _, fraud := range s.Frauds {
			if !slices.ContainsFunc(s.Bases, func(b scenario.Base) bool { return b.Code == fraud.At }) {
				t.Fatalf("fraud %+v is at no base", fraud)
			}
		}
	})
}

// checkBase looks whether a base's references lead somewhere and its timetable can be.
func checkBase(t *testing.T, s *scenario.Scenario, b *scenario.Base) {
	t.Helper()
	people := map[string]bool{}
	for _, p := range b.People {
		if h := p.Habits; people[p.ID] || h.Late < 0 || h.Late > 1 || h.Absent < 0 || h.Absent > 1 || h.TapsTwice < 0 || h.TapsTwice > 1 {
			t.Fatalf("person %+v", p)
		}
		people[p.ID] = true
	}
	stations := map[string]string{}
	for _, w := range b.Workshops {
		machines := map[string]bool{}
		for _, m := range w.Machines {
			if machines[m.ID] || !slices.Contains(scenario.Kinds(), m.Kind) {
				t.Fatalf("machine %+v", m)
			}
			machines[m.ID] = true
		}
		for _, st := range w.Stations {
			if _, twice := stations[st.ID]; twice || st.Capacity < 1 || slices.ContainsFunc(st.Machines, func(id string) bool { return !machines[id] }) {
				t.Fatalf("station %+v", st)
			}
			stations[st.ID] = w.ID
		}
		for _, r := range w.Readers {
			if r.Station != "" && stations[r.Station] != w.ID {
				t.Fatalf("reader %+v", r)
			}
		}
	}
	for i := range b.Classes {
		checkClass(t, s, &b.Classes[i], people, stations)
	}
}

func checkClass(t *testing.T, s *scenario.Scenario, c *scenario.Class, people map[string]bool, stations map[string]string) {
	t.Helper()
	if c.Teacher != "" && !people[c.Teacher] || c.Claimed <= 0 ||
		slices.ContainsFunc(c.Trainees, func(id string) bool { return !people[id] }) ||
		slices.ContainsFunc(c.Stations, func(id string) bool { return stations[id] != c.Workshop }) {
		t.Fatalf("class %+v", c)
	}
	for i := range min(s.Days, 10) {
		for _, session := range s.Sessions(c, s.Midnight(i)) {
			if session.Empty() || !slices.Equal(session.Breaks, session.Breaks.Clip(session.Span)) {
				t.Fatalf("session %+v", session)
			}
		}
	}
}
