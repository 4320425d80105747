package main

import "testing"

// TestPlantedFraudsAreFound: what the simulator plants is found through broker, log, frames, store and derivation with the
// documented default figures, and nobody honest beside it is suspected. jishi sim clues plays more seeds.
func TestPlantedFraudsAreFound(t *testing.T) {
	t.Parallel()
	if !*wholeSuite {
		t.Skip("plays four days of two bases: make clues, or go test ./cmd/jishi -run PlantedFrauds -suite; each rule and what evidence becomes for it have tests of their own")
	}
	seed := uint64(1)
	tally := &clueTally{}
	if err := tally.play(t.Context(), "frauds", &seed); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, x := range tally.planted {
		if x.found {
			found++
		} else {
			t.Logf("missed: %s %s %s", x.day, x.kind, x.subject)
		}
	}
	if len(tally.planted) < 20 || float64(found) < 0.9*float64(len(tally.planted)) {
		t.Errorf("%d of %d frauds are found, want nine in ten of at least twenty", found, len(tally.planted))
	}
	for _, c := range tally.falseAlarms {
		t.Errorf("false alarm: %s %v %+v: %s", c.Rule, c.Tests, c.Subjects, c.Explain.En)
	}
	if tally.honestDays == 0 {
		t.Error("no honest class was held")
	}
}
