package ledger_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

func open(t *testing.T, path string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func row(equipment, day string, runningMs int64) ledger.Row {
	return ledger.Row{
		Base: "cq01", Equipment: equipment, Day: day, RuleVersion: "1", RegistryDigest: "aa", EvidenceDigest: "bb",
		SettledMs: 1000, StartMs: 5,
		Totals: usage.Totals{
			WindowMs: 86_400_000, RunningMs: runningMs, UnknownMs: 86_400_000 - runningMs,
			OpeningMs: 100, Words: map[string]int64{"ACTIVE": runningMs},
		},
	}
}

func put(t *testing.T, l *ledger.Ledger, rows ...ledger.Row) int {
	t.Helper()
	added, err := l.Put(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func TestSameFiguresMakeNoRevision(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	if got := put(t, l, row("a", "2026-03-02", 7)); got != 1 {
		t.Fatalf("first put added %d revisions, want 1", got)
	}
	later := row("a", "2026-03-02", 7)
	later.SettledMs = 2000
	if got := put(t, l, later); got != 0 {
		t.Fatalf("equal figures added %d revisions, want 0", got)
	}
}

func TestOtherFiguresMakeTheNextRevisionAndKeepTheOld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	put(t, l, row("a", "2026-03-02", 7))
	put(t, l, row("a", "2026-03-02", 8))
	evidence := row("a", "2026-03-02", 8)
	evidence.EvidenceDigest = "cc"
	put(t, l, evidence)

	got, err := open(t, path).History(t.Context(), "cq01", "a", "2026-03-02")
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Row{row("a", "2026-03-02", 7), row("a", "2026-03-02", 8), evidence}
	for i := range want {
		want[i].Revision = i + 1
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestLatestGivesTheLastRevisionOfEachDayInRange(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	put(t, l, row("b", "2026-03-02", 1), row("a", "2026-03-02", 2), row("a", "2026-03-03", 3), row("a", "2026-03-04", 4))
	put(t, l, row("a", "2026-03-03", 5))
	other := row("a", "2026-03-02", 9)
	other.Base = "cq02"
	put(t, l, other)

	rows, err := l.Latest(t.Context(), "cq01", "2026-03-02", "2026-03-03")
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, r := range rows {
		got = append(got, r.Totals.RunningMs)
	}
	if diff := cmp.Diff([]int64{2, 1, 5}, got); diff != "" {
		t.Errorf("running of the latest revisions (-want +got):\n%s", diff)
	}
}

func TestConcurrentPutsNumberRevisionsWithoutGap(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := l.Put(t.Context(), []ledger.Row{row("a", "2026-03-02", int64(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	rows, err := l.History(t.Context(), "cq01", "a", "2026-03-02")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if r.Revision != i+1 {
			t.Errorf("revision %d stands at place %d", r.Revision, i+1)
		}
	}
	if len(rows) != 8 {
		t.Errorf("%d revisions, want 8", len(rows))
	}
}
