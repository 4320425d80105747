package main

import (
	"flag"
	"slices"
	"testing"
)

var wholeSuite = flag.Bool("suite", false, "play every example scenario and every fault alone")

// untrue are the rows of the suite that are known not to be right, with the reason.
func untrue() map[string]string {
	return map[string]string{
		"all-faults press": "a Sparkplug node that loses messages is asked for its birth, and the simulated one does not answer: it counts as gone",
	}
}

// TestMeasuredIsTrue: what the service measures of simulated bases is what the simulator knows to be true, through broker,
// log, frames, collector, store and derivation. Without -suite some scenarios are played, with it all of them and every
// fault alone.
func TestMeasuredIsTrue(t *testing.T) {
	t.Parallel()
	short := []string{"mtconnect", "meter-swap", "overnight"}
	for _, c := range suite() {
		if !*wholeSuite && !slices.Contains(short, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found, err := c.play(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(found.machines) == 0 || len(found.people) == 0 {
				t.Errorf("%d machines and %d people were compared", len(found.machines), len(found.people))
			}
			for i := range found.people {
				if p := &found.people[i]; !p.Right {
					t.Errorf("%s: not right: %+v", p.Person, *p)
				}
			}
			for i := range found.machines {
				m := &found.machines[i]
				why, known := untrue()[m.Scenario+" "+m.Machine]
				if m.Right == known {
					t.Errorf("%s: right is %v (%s): %+v", m.Machine, m.Right, why, *m)
				}
			}
		})
	}
}
