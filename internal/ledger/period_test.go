package ledger_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// settled puts a settlement of 2 March with its verdicts.
func settled(t *testing.T, l *ledger.Ledger, evidence, decisions string, rows ...ledger.HoursRow) {
	t.Helper()
	d := ledger.PeopleDay{
		Base: "cq01", Day: "2026-03-02", RuleVersion: "hours/1", RulesDigest: "u", RegistryDigest: "r", RosterDigest: "p",
		EvidenceDigest: evidence, DecisionsDigest: decisions, SettledMs: 7,
	}
	if _, err := l.PutPeople(t.Context(), d, rows); err != nil {
		t.Fatal(err)
	}
}

func verdict(person string, verifiedMs, grantedMs int64) ledger.HoursRow {
	return ledger.HoursRow{
		Base: "cq01", Day: "2026-03-02", Session: "s", Person: person, Class: "k", Status: attendance.Present, PlannedMs: 100, PresentMs: 90,
		VerifiedMs: verifiedMs, GrantedMs: grantedMs,
	}
}

func march() ledger.PeriodStep {
	return ledger.PeriodStep{Base: "cq01", Period: "month:2026-03", FromDay: "2026-03-01", ToDay: "2026-03-31", By: " Chen ", AtMs: 5}
}

// closed is a ledger whose March is sealed: two machines, two trainees.
func closed(t *testing.T) (*ledger.Ledger, ledger.PeriodStep) {
	t.Helper()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	put(t, l, row("lathe", "2026-03-02", 10), row("saw", "2026-03-02", 20), row("lathe", "2026-04-01", 30))
	settled(t, l, "e1", "d", verdict("a", 60, 0), verdict("b", 70, 0))
	if _, err := l.Seal(t.Context(), march()); !errors.Is(err, ledger.ErrNotFinal) {
		t.Fatalf("sealed what is not final: %v", err)
	}
	if _, err := l.Finalise(t.Context(), march()); err != nil {
		t.Fatal(err)
	}
	step, err := l.Seal(t.Context(), march())
	if err != nil {
		t.Fatal(err)
	}
	return l, step
}

func sealedJSON(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	f, err := l.SealedFigures(t.Context(), "cq01", "month:2026-03")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSealedFiguresStay byte for byte, whatever comes later, and what comes later is a supplementary entry that says what
// differs and why.
func TestSealedFiguresStay(t *testing.T) {
	t.Parallel()
	l, _ := closed(t)
	before := sealedJSON(t, l)
	if got, err := l.Supplements(t.Context(), "cq01", "month:2026-03"); err != nil || len(got) != 0 {
		t.Fatalf("supplements of a period as it was sealed: %v, %v", got, err)
	}
	late := row("lathe", "2026-03-02", 15)
	late.EvidenceDigest, late.SettledMs = "late", 2000
	fresh := row("mill", "2026-03-03", 40)
	put(t, l, late, fresh, row("lathe", "2026-04-01", 31))
	settled(t, l, "e2", "d", verdict("a", 60, 0), verdict("b", 75, 0))
	settled(t, l, "e2", "d2", verdict("b", 80, 5)) // a is not in the lesson any more
	if after := sealedJSON(t, l); after != before {
		t.Errorf("sealed figures changed:\n%s\n%s", before, after)
	}
	got, err := l.Supplements(t.Context(), "cq01", "month:2026-03")
	if err != nil {
		t.Fatal(err)
	}
	entry := func(s ledger.Supplement, deltas ...ledger.Delta) ledger.Supplement {
		s.Base, s.Period, s.Deltas = "cq01", "month:2026-03", deltas
		return s
	}
	day := int64(86_400_000)
	want := []ledger.Supplement{
		entry(ledger.Supplement{Day: "2026-03-02", Session: "s", Person: "a", SealedRevision: 1, Revision: 3, SettledMs: 7, Cause: "decisions"},
			ledger.Delta{Name: "planned", SealedMs: 100}, ledger.Delta{Name: "present", SealedMs: 90}, ledger.Delta{Name: "verified", SealedMs: 60}),
		entry(ledger.Supplement{Day: "2026-03-02", Session: "s", Person: "b", SealedRevision: 1, Revision: 3, SettledMs: 7, Cause: "evidence,decisions"},
			ledger.Delta{Name: "verified", SealedMs: 70, NowMs: 80}, ledger.Delta{Name: "granted", NowMs: 5}),
		entry(ledger.Supplement{Day: "2026-03-02", Equipment: "lathe", SealedRevision: 1, Revision: 2, SettledMs: 2000, Cause: "evidence"},
			ledger.Delta{Name: "running", SealedMs: 10, NowMs: 15}, ledger.Delta{Name: "unknown", SealedMs: day - 10, NowMs: day - 15}),
		entry(ledger.Supplement{Day: "2026-03-03", Equipment: "mill", Revision: 1, SettledMs: 1000, Cause: "first"},
			ledger.Delta{Name: "window", NowMs: day}, ledger.Delta{Name: "running", NowMs: 40}, ledger.Delta{Name: "unknown", NowMs: day - 40},
			ledger.Delta{Name: "opening", NowMs: 100}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("supplements (-want +got):\n%s", diff)
	}
	latest, err := l.LatestFigures(t.Context(), "cq01", "2026-03-01", "2026-03-31")
	if err != nil {
		t.Fatal(err)
	}
	if share, ok := latest.GrantedShare(); !ok || share != 5.0/80 {
		t.Errorf("granted share %v, %v; want 5 of 80", share, ok)
	}
}

// TestSealIsOnce: a second seal changes nothing, and nothing can take a seal away.
func TestSealIsOnce(t *testing.T) {
	t.Parallel()
	l, step := closed(t)
	late := row("lathe", "2026-03-02", 15)
	put(t, l, late)
	again := march()
	again.By, again.AtMs = "li", 99
	got, err := l.Seal(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(step, got); diff != "" {
		t.Errorf("second seal (-first +second):\n%s", diff)
	}
	if got.By != "chen" || len(got.Digest) != 64 {
		t.Errorf("step %+v", got)
	}
	for _, statement := range []string{
		`DELETE FROM period_step`, `UPDATE period_step SET by_account = 'x'`, `DELETE FROM sealed_usage`, `UPDATE sealed_usage SET revision = 2`,
		`DELETE FROM sealed_people`, `UPDATE sealed_people SET digest = ''`, `DELETE FROM usage_day`, `UPDATE usage_day SET running_ms = 1`,
		`DELETE FROM hours`, `UPDATE hours SET verified_ms = 1`, `DELETE FROM people_day`, `UPDATE people_day SET cause = ''`,
		`INSERT INTO sealed_usage VALUES ('cq01', 'month:2026-03', '2026-04-01', 'lathe', 1, '')`,
		`INSERT INTO sealed_people VALUES ('cq01', 'month:2026-03', '2026-03-09', 1, '')`,
		`INSERT OR REPLACE INTO period_step SELECT base, period, state, from_day, to_day, 'x', by_account, at_ms FROM period_step`,
	} {
		if _, err := l.DB().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s was let through", statement)
		}
	}
	if _, err := l.SealedFigures(t.Context(), "cq01", "month:2026-04"); !errors.Is(err, ledger.ErrNotSealed) {
		t.Errorf("figures of a period that is not sealed: %v", err)
	}
}

// TestAlteredLedgerIsFound: who gets around the triggers does not get around the digest.
func TestAlteredLedgerIsFound(t *testing.T) {
	t.Parallel()
	for _, statement := range []string{
		`DROP TRIGGER usage_day_stays; UPDATE usage_day SET running_ms = 11 WHERE equipment = 'lathe'`,
		`DROP TRIGGER hours_stays; UPDATE hours SET verified_ms = 61 WHERE person = 'a'`,
		`DROP TRIGGER hours_stays; UPDATE hours SET pieces = '[[0,1,"LATE"]]' WHERE person = 'a'`,
		`DROP TRIGGER people_day_stays; UPDATE people_day SET rules_digest = 'v'`,
		`DROP TRIGGER sealed_usage_is_kept; DELETE FROM sealed_usage WHERE equipment = 'saw'`,
		`DROP TRIGGER sealed_people_is_kept; DELETE FROM sealed_people`,
	} {
		l, _ := closed(t)
		if _, err := l.DB().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if _, err := l.SealedFigures(t.Context(), "cq01", "month:2026-03"); !errors.Is(err, ledger.ErrAltered) {
			t.Errorf("after %s: %v", statement, err)
		}
	}
}

// TestDigestIsOfTheContent: how many revisions it took, and when, does not matter; every figure does.
func TestDigestIsOfTheContent(t *testing.T) {
	t.Parallel()
	digest := func(fill func(l *ledger.Ledger)) string {
		l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
		fill(l)
		f, err := l.LatestFigures(t.Context(), "cq01", "2026-03-01", "2026-03-31")
		if err != nil {
			t.Fatal(err)
		}
		return f.Digest
	}
	straight := digest(func(l *ledger.Ledger) {
		put(t, l, row("lathe", "2026-03-02", 10))
		settled(t, l, "e", "d", verdict("a", 60, 0))
	})
	roundabout := digest(func(l *ledger.Ledger) {
		put(t, l, row("lathe", "2026-03-02", 9))
		settled(t, l, "e0", "d", verdict("a", 50, 0), verdict("b", 50, 0))
		late := row("lathe", "2026-03-02", 10)
		late.SettledMs = 5000
		put(t, l, late)
		settled(t, l, "e", "d", verdict("a", 60, 0))
	})
	if straight != roundabout {
		t.Error("the digest depends on the way")
	}
	other := digest(func(l *ledger.Ledger) {
		put(t, l, row("lathe", "2026-03-02", 10))
		settled(t, l, "e", "d", verdict("a", 60, 1))
	})
	if straight == other {
		t.Error("the digest does not see what was granted")
	}
}

// TestGaps are kept with who accepted them and why, once, and not without.
func TestGaps(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	gap := ledger.Gap{Base: "cq01", Bridge: "b1", Day: "2026-03-02", By: "Chen", Reason: "路由器损坏", AtMs: 5}
	if n, err := l.AcceptGaps(t.Context(), []ledger.Gap{gap}); err != nil || n != 1 {
		t.Fatalf("added %d, %v", n, err)
	}
	other := gap
	other.By, other.Reason = "li", "another word"
	if n, err := l.AcceptGaps(t.Context(), []ledger.Gap{other}); err != nil || n != 0 {
		t.Errorf("accepted again: added %d, %v", n, err)
	}
	for _, bad := range []func(g *ledger.Gap){
		func(g *ledger.Gap) { g.By = "" }, func(g *ledger.Gap) { g.Reason = " \n" }, func(g *ledger.Gap) { g.Reason = "\x1b[2J" },
		func(g *ledger.Gap) { g.Reason = strings.Repeat("x", 2001) },
	} {
		g := gap
		g.Day = "2026-03-03"
		bad(&g)
		if _, err := l.AcceptGaps(t.Context(), []ledger.Gap{{Base: "cq01", Day: "2026-03-04", By: "x", Reason: "y"}, g}); !errors.Is(err, ledger.ErrText) {
			t.Errorf("%+v: %v", g, err)
		}
	}
	got, err := l.AcceptedGaps(t.Context(), "cq01", "2026-03-01", "2026-03-31")
	gap.By = "chen"
	if diff := cmp.Diff([]ledger.Gap{gap}, got); err != nil || diff != "" {
		t.Errorf("gaps %v (-want +got):\n%s", err, diff)
	}
	for _, statement := range []string{`DELETE FROM accepted_gap`, `UPDATE accepted_gap SET reason = 'x'`} {
		if _, err := l.DB().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s was let through", statement)
		}
	}
}
