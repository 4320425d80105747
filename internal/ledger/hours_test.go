package ledger_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// TestPeopleRevisions: what is the same makes no revision, what differs makes one that says why and holds only what changed,
// and nothing that was said is lost.
func TestPeopleRevisions(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	day := ledger.PeopleDay{
		Base: "cq01", Day: "2026-03-02", RuleVersion: "hours/1", RulesDigest: "u", RegistryDigest: "r", RosterDigest: "p",
		EvidenceDigest: "e1", DecisionsDigest: "d", SettledMs: 1,
	}
	row := func(person string, verifiedMs int64) ledger.HoursRow {
		return ledger.HoursRow{
			Base: "cq01", Day: "2026-03-02", Session: "s", Person: person, Class: "k", Practice: true, Status: attendance.Present,
			Flags: []attendance.Flag{attendance.FlagNoOut}, ClaimedMs: 100, Claimed: true, PlannedMs: 100, PresentMs: 90,
			VerifiedMs: verifiedMs, PendingMs: 100 - verifiedMs,
			Pieces: []hours.Piece{{Span: span.Span{StartMs: 0, EndMs: verifiedMs}}, {Span: span.Span{StartMs: verifiedMs, EndMs: 100}, Reason: hours.DataGap}},
		}
	}
	put := func(want int, rows ...ledger.HoursRow) {
		t.Helper()
		got, err := l.PutPeople(t.Context(), day, rows)
		if err != nil || got != want {
			t.Fatalf("revision %d, %v; want %d", got, err, want)
		}
	}
	put(1, row("a", 60), row("b", 70))
	put(1, row("a", 60), row("b", 70)) // the same again
	day.EvidenceDigest, day.SettledMs = "e2", 2
	put(2, row("a", 80), row("b", 70)) // late evidence
	day.RosterDigest, day.SettledMs = "p2", 3
	put(3, row("a", 80)) // b was never in the class

	settlements, err := l.Settlements(t.Context(), "cq01", "2026-03-02")
	if err != nil {
		t.Fatal(err)
	}
	var causes []string
	for _, s := range settlements {
		causes = append(causes, s.Cause)
	}
	if diff := cmp.Diff([]string{"first", "evidence", "roster"}, causes); diff != "" {
		t.Errorf("causes (-want +got):\n%s", diff)
	}
	latest, err := l.Hours(t.Context(), ledger.HoursQuery{Base: "cq01", From: "2026-03-01", To: "2026-03-31"})
	if err != nil {
		t.Fatal(err)
	}
	want := row("a", 80)
	want.Revision = 2
	if diff := cmp.Diff([]ledger.HoursRow{want}, latest); diff != "" {
		t.Errorf("latest (-want +got):\n%s", diff)
	}
	history, err := l.HoursHistory(t.Context(), "cq01", "2026-03-02", "s", "b")
	if err != nil || len(history) != 2 || history[0].VerifiedMs != 70 || !history[1].Removed {
		t.Errorf("history of b: %+v, %v", history, err)
	}
}
