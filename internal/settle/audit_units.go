package settle

import (
	"maps"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// AuditUnits are what an audit may draw: the classes of all bases with what is claimed for them on the days from one to another, both
// inclusive, by the day on which a lesson begins. A unit's id is BASE/CLASS; it claims half units, rounded down over all of its
// claims, and a class that claims less than one is none. They are in order of id.
func AuditUnits(rosters map[string]*registry.Roster, from, to calendar.Date, rules Rules) []clue.Unit {
	var out []clue.Unit
	for _, base := range slices.Sorted(maps.Keys(rosters)) {
		roster, claimed := rosters[base], map[string]int64{}
		for _, c := range roster.People().Claims {
			s, ok := roster.Session(c.Session)
			if d := calendar.DateOf(s.Span.Start()); ok && !d.Before(from) && !to.Before(d) {
				claimed[s.Class] += c.Ms
			}
		}
		for _, class := range slices.Sorted(maps.Keys(claimed)) {
			if n := rules.Hours.HalfUnits(claimed[class]); n > 0 {
				out = append(out, clue.Unit{ID: base + "/" + class, HalfUnits: n})
			}
		}
	}
	return out
}
