package settle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// TestAuditUnits: a class claims what its lessons of the period do, all trainees together.
func TestAuditUnits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room))
	people := class(t, w).People()
	people.Sessions = append(people.Sessions, registry.Session{ID: "k2", Class: "k", Span: between("03-03 23:00", "03-04 01:00")})
	people.Claims = append(people.Claims, registry.Claim{Session: "k1", Person: "p2", Ms: 15 * 60_000}, registry.Claim{Session: "k2", Person: "p1", Ms: 100 * 60_000})
	b, _ := w.registry.Base(testBase)
	roster, err := registry.NewRoster(b, people)
	if err != nil {
		t.Fatal(err)
	}
	rosters := map[string]*registry.Roster{testBase: roster}
	for _, tt := range []struct {
		from, to int
		want     []clue.Unit
	}{
		{2, 2, []clue.Unit{{ID: testBase + "/k", HalfUnits: 8}}},  // 180 min
		{2, 3, []clue.Unit{{ID: testBase + "/k", HalfUnits: 12}}}, // 280 min
		{3, 9, []clue.Unit{{ID: testBase + "/k", HalfUnits: 4}}},  // 100 min
		{4, 9, nil}, // the lesson past midnight is of the day on which it begins
	} {
		if diff := cmp.Diff(tt.want, settle.AuditUnits(rosters, dayOf(tt.from), dayOf(tt.to), settle.DefaultRules())); diff != "" {
			t.Errorf("%d to %d (-want +got):\n%s", tt.from, tt.to, diff)
		}
	}
}
