package main

import (
	"flag"
	"slices"
	"testing"
)

var wholeSuite = flag.Bool("suite", false, "play every example scenario and every fault alone")

// TestMeasuredIsTrue: what the service measures of simulated bases is what the simulator knows to be true, through broker,
// log, frames, collector, store and derivation. Without -suite some scenarios are played, with it all of them and every
// fault alone.
func TestMeasuredIsTrue(t *testing.T) {
	t.Parallel()
	short := []string{"mtconnect", "meter-swap", "people-clean", "people-outage", "people-overnight"}
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
			var all comparedPerson
			for i := range found.people {
				all.add(&found.people[i])
				if p := &found.people[i]; !p.Right {
					t.Errorf("%s: not right: %+v", p.Person, *p)
				}
			}
			if least, clean := 0.995, c.name == "people-clean" || c.name == "people-overnight"; clean && all.VerifiedS < least*all.DeservedS {
				t.Errorf("%.1f h are deserved and %.1f h verified, want %v of them at least", all.DeservedS/3600, all.VerifiedS/3600, least)
			}
			for i := range found.machines {
				m := &found.machines[i]
				if !m.Right {
					t.Errorf("%s: not right: %+v", m.Machine, *m)
				}
			}
		})
	}
}
