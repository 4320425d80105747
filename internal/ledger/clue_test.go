package ledger_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// suspicion is a clue about a class on a day of March.
func suspicion(key string, day int) clue.Clue {
	d := calendar.Date{Year: 2026, Month: time.March, Day: day}
	return clue.Clue{
		Key: key, Rule: clue.F7, Version: 1, Tests: []string{"late"}, Base: "cq01", Day: d, Span: d.Span(), Severity: clue.Medium,
		Subjects: clue.Subjects{Classes: []string{"k"}}, Measures: []clue.Measure{{Name: "late", Unit: "count", Value: 9, Limit: 8}},
		Explain: clue.Text{Zh: "缩短课时", En: "shortened"}, Innocent: []clue.Text{{Zh: "停电", En: "a power cut"}},
		Evidence: []clue.Ref{{Epoch: 1, Seq: 7, Source: "door", Span: span.Span{StartMs: 1, EndMs: 2}}},
	}
}

func putClues(t *testing.T, l *ledger.Ledger, origin string, atMs int64, found ...clue.Clue) ledger.ClueNews {
	t.Helper()
	news, err := l.PutClues(t.Context(), origin, found, atMs)
	if err != nil {
		t.Fatal(err)
	}
	return news
}

// TestCluesAreKept: what is found again is the same clue, what says something else is its next revision, what is not found any more
// is marked and comes back.
func TestCluesAreKept(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	worse := suspicion("a", 2)
	worse.Measures[0].Value, worse.Version = 12, 2
	other := suspicion("city", 2)
	other.Subjects.Bases = []string{"cq01", "cq02"}
	for i, step := range []struct {
		found []clue.Clue
		want  ledger.ClueNews
		gone  bool
	}{
		{[]clue.Clue{suspicion("a", 2), suspicion("b", 2)}, ledger.ClueNews{Raised: 2}, false},
		{[]clue.Clue{suspicion("a", 2), suspicion("b", 2)}, ledger.ClueNews{}, false},
		{[]clue.Clue{worse}, ledger.ClueNews{Revised: 1, Gone: 1}, false},
		{nil, ledger.ClueNews{Gone: 1}, true},
		{nil, ledger.ClueNews{}, true},
		{[]clue.Clue{worse}, ledger.ClueNews{}, false},
	} {
		if i == 1 {
			putClues(t, l, "city 2026-03-02", 1, other) // another derivation's are not touched
		}
		if got := putClues(t, l, "base cq01 2026-03-02", int64(10+i), step.found...); got != step.want {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
		c, err := l.Clue(t.Context(), "cq01", "a")
		if err != nil || (c.GoneMs != 0) != step.gone || c.FirstMs != 10 {
			t.Errorf("step %d: %+v, %v", i, c, err)
		}
	}
	c, err := l.Clue(t.Context(), "", "a")
	if err != nil || c.Revision != 2 || c.SeenMs != 15 || cmp.Diff(worse, c.Clue) != "" {
		t.Errorf("%+v, %v\n%s", c, err, cmp.Diff(worse, c.Clue))
	}
	if c, err := l.Clue(t.Context(), "cq02", "city"); err != nil || c.GoneMs != 0 {
		t.Errorf("the other base's: %+v, %v", c, err)
	}
	for _, base := range []string{"cq02", "cq0", ""} {
		if _, err := l.Clue(t.Context(), base, map[bool]string{true: "none", false: "a"}[base == ""]); !errors.Is(err, ledger.ErrNoClue) || !bilingual(err.Error()) {
			t.Errorf("a clue that is not of %q: %v", base, err)
		}
	}
}

// TestNothingOfACluePasses: whoever writes SQL cannot change what was raised, said and decided.
func TestNothingOfACluePasses(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	putClues(t, l, "o", 1, suspicion("a", 2))
	if _, err := l.StepClue(t.Context(), "cq01", "a", clue.Step{By: "li", To: clue.Assigned, Assignee: "wang"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AnswerClue(t.Context(), "a", ledger.ClueAnswer{Base: "cq01", By: "zhao", Text: "停电"}); err != nil {
		t.Fatal(err)
	}
	sampled(t, l)
	for table, column := range map[string]string{
		"clue": "day", "clue_revision": "content", "clue_base": "base", "clue_step": "state", "clue_answer": "answer", "audit_seed": "seed",
		"audit_draw": "size", "audit_unit": "half_units", "audit_result": "found_half_units",
	} {
		for _, attempt := range []string{`DELETE FROM ` + table, `UPDATE ` + table + ` SET ` + column + ` = 1`} {
			if _, err := l.DB().ExecContext(t.Context(), attempt); err == nil {
				t.Errorf("the tables let %s through", attempt)
			}
		}
	}
}

// TestReviewsFollowTheirRules: any steps by any persons, in any order: the ledger takes what clue.Review allows and nothing else,
// the tables refuse what it refuses of states and of deciding, and what is read again is what was taken.
func TestReviewsFollowTheirRules(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	hasty(t, l)
	n := 0
	states := []clue.State{clue.Raised, clue.Assigned, clue.Investigated, clue.Excluded, clue.Confirmed, clue.Removed, clue.Recovered, clue.Referred}
	rapid.Check(t, func(r *rapid.T) {
		n++
		key := fmt.Sprint("k", n)
		if _, err := l.PutClues(t.Context(), key, []clue.Clue{suspicion(key, 2)}, 1); err != nil {
			r.Fatal(err)
		}
		var model clue.Review
		answered := map[string]bool{}
		person := rapid.SampledFrom([]string{"li", "wang", "zhao"})
		for at := range rapid.IntRange(1, 12).Draw(r, "steps") {
			if rapid.IntRange(0, 5).Draw(r, "answer") == 0 {
				by := person.Draw(r, "by")
				answered[by] = true
				if _, err := l.AnswerClue(t.Context(), key, ledger.ClueAnswer{Base: "cq01", By: by, Text: "说明"}); err != nil {
					r.Fatal(err)
				}
			}
			to := rapid.SampledFrom(append(model.State().Next(), states...)).Draw(r, "to")
			s := clue.Step{AtMs: int64(at), By: person.Draw(r, "by"), To: to, Reason: rapid.SampledFrom([]string{"因为", ""}).Draw(r, "reason")}
			if to == clue.Assigned {
				s.Assignee = person.Draw(r, "assignee")
			}
			if to == clue.Investigated {
				s.Finding, s.Attachments = clue.Confirmed, []string{"工单 7"}
			}
			next, refused := model.Apply(s)
			decides := to == clue.Investigated || to == clue.Excluded || to == clue.Confirmed
			if decides && answered[s.By] {
				refused = ledger.ErrClueAnswerer
			}
			if tablesTake(t, l, key, s) != (refused == nil) && !softly(refused, to) {
				r.Errorf("%+v after %v: the tables and the review differ, review: %v", s, model.State(), refused)
			}
			got, err := l.StepClue(t.Context(), "cq01", key, s)
			if (err == nil) != (refused == nil) {
				r.Fatalf("%+v after %v: %v, want %v", s, model.State(), err, refused)
			}
			if err != nil {
				if !bilingual(err.Error()) {
					r.Errorf("%q is not in both languages", err)
				}
				continue
			}
			if model = next; cmp.Diff(model, got.Review) != "" {
				r.Errorf("review (-want +got):\n%s", cmp.Diff(model, got.Review))
			}
		}
		c, err := l.Clue(t.Context(), "", key)
		if err != nil || cmp.Diff(model.Steps, c.Review.Steps) != "" || len(c.Seen) != len(model.Steps) {
			r.Errorf("read again: %v\n%s", err, cmp.Diff(model.Steps, c.Review.Steps))
		}
	})
}

// hasty has a ledger not wait for the disk.
func hasty(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	l.DB().SetMaxOpenConns(1)
	if _, err := l.DB().ExecContext(t.Context(), `PRAGMA synchronous = OFF`); err != nil {
		t.Fatal(err)
	}
}

// softly: the tables know states and who decides; the rest is the review's matter.
func softly(refused error, to clue.State) bool {
	return refused != nil && !errors.Is(refused, ledger.ErrClueAnswerer) || to == clue.Investigated
}

// tablesTake tries a step past the program, and takes it back.
func tablesTake(t *testing.T, l *ledger.Ledger, key string, s clue.Step) bool {
	t.Helper()
	tx, err := l.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}()
	_, err = tx.ExecContext(t.Context(), `INSERT INTO clue_step (key, step, revision, state, by_account, at_ms, assignee, finding, reason, attachments)
		SELECT ?1, coalesce(max(step), 0) + 1, 1, ?2, ?3, 0, ?4, '', '', '[]' FROM clue_step WHERE key = ?1`, key, s.To, s.By, s.Assignee)
	return err == nil
}

// TestTablesRefuseDecisionsOfTheInvestigator, whoever writes them.
func TestTablesRefuseDecisionsOfTheInvestigator(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	putClues(t, l, "o", 1, suspicion("a", 2))
	take(t, l, "a", clue.Step{By: "li", To: clue.Assigned, Assignee: "wang"}, clue.Step{By: "Wang ", To: clue.Investigated, Finding: clue.Excluded, Reason: "停电"})
	for by, want := range map[string]bool{"wang": false, "li": true} {
		for _, to := range []clue.State{clue.Excluded, clue.Confirmed} {
			if got := tablesTake(t, l, "a", clue.Step{By: by, To: to}); got != want {
				t.Errorf("%s decides %s: %v, want %v", by, to, got, want)
			}
		}
		for _, to := range []clue.State{clue.Raised, clue.Investigated, clue.Removed, "nonsense"} {
			if tablesTake(t, l, "a", clue.Step{By: by, To: to}) {
				t.Errorf("the tables let %s through after %s", to, clue.Investigated)
			}
		}
	}
}

func take(t *testing.T, l *ledger.Ledger, key string, steps ...clue.Step) {
	t.Helper()
	for _, s := range steps {
		if _, err := l.StepClue(t.Context(), "", key, s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCluesAreListed: each filter selects what it says, and the pages together are the whole.
func TestCluesAreListed(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	var found []clue.Clue
	for i := range 9 {
		c := suspicion(fmt.Sprint("c", i), 2+i/2)
		if i%3 == 0 {
			c.Rule, c.Severity = clue.F2, clue.High
		}
		if i == 4 {
			c.Subjects.Bases = []string{"cq01", "cq02"}
		}
		found = append(found, c)
	}
	putClues(t, l, "o", 1, found...)
	putClues(t, l, "o", 2, found[:8]...)
	take(t, l, "c1", clue.Step{By: "li", To: clue.Assigned, Assignee: "wang"})
	for name, tt := range map[string]struct {
		q    ledger.ClueQuery
		want []string
	}{
		"all that are found": {ledger.ClueQuery{Base: "cq01"}, []string{"c7", "c6", "c5", "c4", "c3", "c2", "c1", "c0"}},
		"gone too":           {ledger.ClueQuery{Base: "cq01", Gone: true, From: "2026-03-05"}, []string{"c8", "c7", "c6"}},
		"another base":       {ledger.ClueQuery{Base: "cq02"}, []string{"c4"}},
		"city":               {ledger.ClueQuery{Rule: clue.F2}, []string{"c6", "c3", "c0"}},
		"days":               {ledger.ClueQuery{From: "2026-03-03", To: "2026-03-03"}, []string{"c3", "c2"}},
		"severity":           {ledger.ClueQuery{Severity: clue.High, To: "2026-03-02"}, []string{"c0"}},
		"state":              {ledger.ClueQuery{State: clue.Assigned}, []string{"c1"}},
		"raised":             {ledger.ClueQuery{State: clue.Raised, To: "2026-03-02"}, []string{"c0"}},
		"assignee":           {ledger.ClueQuery{Assignee: "wang"}, []string{"c1"}},
		"nothing":            {ledger.ClueQuery{Base: "cq03"}, nil},
	} {
		for most := range 4 {
			var got []string
			q := tt.q
			q.Most = most
			for {
				page, total, err := l.Clues(t.Context(), q)
				if err != nil || total != len(tt.want) || most > 0 && len(page) > most {
					t.Fatalf("%s: %d of %d, %v", name, len(page), total, err)
				}
				for i := range page {
					got = append(got, page[i].Key)
				}
				if len(page) == 0 || most == 0 {
					break
				}
				q.After = page[len(page)-1].Key
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", name, most, diff)
			}
		}
	}
}

// TestOutcomes: a decision belongs to the version that was looked at, and what is gone counts when it was decided.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	list := []clue.Clue{suspicion("a", 2), suspicion("b", 3), suspicion("c", 4)}
	putClues(t, l, "o", 1, list...)
	for _, key := range []string{"a", "b"} {
		take(t, l, key, clue.Step{By: "li", To: clue.Assigned, Assignee: "wang"}, clue.Step{By: "wang", To: clue.Investigated, Finding: clue.Excluded, Reason: "停电"},
			clue.Step{By: "li", To: map[string]clue.State{"a": clue.Excluded, "b": clue.Confirmed}[key], Reason: "同意"})
	}
	list[0].Version = 2
	putClues(t, l, "o", 2, list[0]) // b, which was decided, and c are gone
	got, err := l.Outcomes(t.Context())
	want := []clue.Outcome{{Rule: clue.F7, Version: 1, State: clue.Excluded}, {Rule: clue.F7, Version: 1, State: clue.Confirmed}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, outcomes (-want +got):\n%s", err, diff)
	}
	take(t, l, "a", clue.Step{By: "li", To: clue.Assigned, Assignee: "wang", Reason: "申诉"})
	got, err = l.Outcomes(t.Context())
	if want[0] = (clue.Outcome{Rule: clue.F7, Version: 2, State: clue.Assigned}); err != nil || !slices.Equal(want, got) {
		t.Errorf("reopened: %v, %v", got, err)
	}
}

// TestClueDays: what a day was derived from is kept with it, and sightings only as long as asked for.
func TestClueDays(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	seen := func(base string) []clue.Sighting { return []clue.Sighting{{Base: base, Person: "p", Identity: "i"}} }
	for _, d := range []ledger.ClueDay{
		{Base: "cq01", Day: "2026-03-02", Inputs: "x", Sightings: seen("cq01")},
		{Base: "cq02", Day: "2026-03-02", Inputs: "y", Sightings: seen("cq02")},
		{Base: "cq01", Day: "2026-03-03", Inputs: "z"},
		{Base: "cq01", Day: "2026-02-01", Inputs: "old", Sightings: seen("cq01")},
	} {
		if _, err := l.PutClueDay(t.Context(), d, nil, "2026-03-01", 1); err != nil {
			t.Fatal(err)
		}
	}
	days, err := l.ClueDays(t.Context(), "cq01")
	if diff := cmp.Diff(map[string]string{"2026-02-01": "old", "2026-03-02": "x", "2026-03-03": "z"}, days); err != nil || diff != "" {
		t.Errorf("%v, days (-want +got):\n%s", err, diff)
	}
	both, err := l.Sightings(t.Context(), "2026-03-02")
	if diff := cmp.Diff(append(seen("cq01"), seen("cq02")...), both); err != nil || diff != "" {
		t.Errorf("%v, sightings (-want +got):\n%s", err, diff)
	}
	if _, err := l.PutClueDay(t.Context(), ledger.ClueDay{Base: "cq01", Day: "2026-03-03", Inputs: "z"}, nil, "2026-03-03", 1); err != nil {
		t.Fatal(err)
	}
	left, err := l.SightedDays(t.Context())
	if diff := cmp.Diff([]ledger.ClueDay{{Base: "cq01", Day: "2026-03-03", Inputs: "z"}}, left); err != nil || diff != "" {
		t.Errorf("%v, sighted days (-want +got):\n%s", err, diff)
	}
}
