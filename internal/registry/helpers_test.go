package registry_test

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// minimal is the least that loads; a test appends the fields of the base.
const minimal = "bases:\n  - code: b\n    name: 基地\n    tier: N\n    districts: [{code: \"500103\"}]\n"

func minimalBase() registry.Base {
	return registry.Base{Code: "b", Name: "基地", Tier: registry.TierLocal, Districts: []registry.District{{Code: "500103", Valid: registry.Always()}}}
}

// timesOf makes open times of an even number of distinct minutes.
func timesOf(cuts []int) registry.Times {
	cuts = slices.Sorted(slices.Values(cuts))
	var times registry.Times
	for i := 0; i+1 < len(cuts); i += 2 {
		times = append(times, registry.Opening{Start: cuts[i], End: cuts[i+1]})
	}
	return times
}
