package ledger_test

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

var claimed = []clue.Unit{{ID: "cq01/k1", HalfUnits: 40}, {ID: "cq01/k2", HalfUnits: 30}, {ID: "cq02/k1", HalfUnits: 20}, {ID: "cq02/k9", HalfUnits: 400}}

// sampled is a ledger with a sample that was drawn and checked in part.
func sampled(t *testing.T, l *ledger.Ledger) *ledger.AuditSample {
	t.Helper()
	seed := ledger.AuditSample{Name: "2026-H1", Seed: "03 11 17 20 28 31 07", Source: "福利彩票 2026078 期", SeedBy: "Li", SeedMs: 5}
	if err := l.PublishSeed(t.Context(), seed); err != nil {
		t.Fatal(err)
	}
	a, err := l.DrawAudit(t.Context(), "2026-H1", claimed, ledger.AuditDraw{From: "2026-01-01", To: "2026-06-30", Size: 3, By: "li", AtMs: 6})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.PutAuditResult(t.Context(), "2026-H1", a.Draw.Drawn[0].ID, ledger.AuditResult{FoundHalfUnits: 20, Note: "现场点名", By: "wang", AtMs: 7}); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestAuditSample: the seed comes before the draw, both stay, the draw is the one that anybody can recompute, and what is found of
// it is kept once.
func TestAuditSample(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	draw := ledger.AuditDraw{From: "2026-01-01", To: "2026-06-30", Size: 3, By: "li"}
	if _, err := l.DrawAudit(t.Context(), "2026-H1", claimed, draw); !errors.Is(err, ledger.ErrNoSeed) || !bilingual(err.Error()) {
		t.Errorf("drawn without a seed: %v", err)
	}
	drawn := sampled(t, l)
	want, err := clue.Sample(drawn.Seed, claimed, 3)
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.AuditSample(t.Context(), "2026-H1")
	if err != nil {
		t.Fatal(err)
	}
	var got []clue.Draw
	for _, u := range a.Draw.Drawn {
		got = append(got, u.Draw)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("draw (-want +got):\n%s", diff)
	}
	if a.SeedBy != "li" || a.Draw.Units != 4 || a.Draw.TotalHalfUnits != 490 || len(a.Draw.Checked()) != 1 || a.Draw.Checked()[0].FoundHalfUnits != 20 {
		t.Errorf("%+v", a)
	}
	backwards := slices.Clone(claimed)
	slices.Reverse(backwards)
	again := drawn.Draw.UnitsDigest
	other := ledger.AuditSample{Name: "other", Seed: "s", Source: "x", SeedBy: "li"}
	if err := l.PublishSeed(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if b, err := l.DrawAudit(t.Context(), "other", backwards, draw); err != nil || b.Draw.UnitsDigest != again {
		t.Errorf("the digest depends on the order: %+v, %v", b, err)
	}
	if names, err := l.AuditSamples(t.Context()); err != nil || !slices.Equal(names, []string{"other", "2026-H1"}) {
		t.Errorf("%v, %v", names, err)
	}
	undrawn := claimed[slices.IndexFunc(claimed, func(u clue.Unit) bool {
		return !slices.ContainsFunc(want, func(d clue.Draw) bool { return d.ID == u.ID })
	})].ID
	result := ledger.AuditResult{FoundHalfUnits: 1, Note: "n", By: "wang"}
	_, drawnAgain := l.DrawAudit(t.Context(), "2026-H1", claimed, draw)
	_, none := l.AuditSample(t.Context(), "none")
	for name, tt := range map[string]struct{ got, want error }{
		"another seed":      {l.PublishSeed(t.Context(), ledger.AuditSample{Name: "2026-H1", Seed: "mine", Source: "x", SeedBy: "li"}), ledger.ErrSeedStands},
		"a seed of nobody":  {l.PublishSeed(t.Context(), ledger.AuditSample{Name: "x", Seed: "mine", Source: "x"}), ledger.ErrText},
		"another draw":      {drawnAgain, ledger.ErrDrawn},
		"not drawn":         {l.PutAuditResult(t.Context(), "2026-H1", undrawn, result), ledger.ErrNotDrawn},
		"a second result":   {l.PutAuditResult(t.Context(), "2026-H1", want[0].ID, result), ledger.ErrHasResult},
		"less than nothing": {l.PutAuditResult(t.Context(), "2026-H1", want[1].ID, ledger.AuditResult{FoundHalfUnits: -1, Note: "n", By: "w"}), clue.ErrSample},
		"not a number":      {l.PutAuditResult(t.Context(), "2026-H1", want[1].ID, ledger.AuditResult{FoundHalfUnits: math.NaN(), Note: "n", By: "w"}), clue.ErrSample},
		"no such sample":    {none, ledger.ErrNoSample},
	} {
		if !errors.Is(tt.got, tt.want) || !bilingual(tt.got.Error()) {
			t.Errorf("%s: %v, want %v", name, tt.got, tt.want)
		}
	}
}
