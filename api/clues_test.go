package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// staffed is a rig with the persons of the permissions' test, a second evaluator, and three clues: two of b1, and one about b1 and b2.
func staffed(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, withAccounts).serve(t)
	for _, p := range persons {
		r.account(t, p.name, p.grants...)
	}
	r.account(t, "second", access.Grant{Role: access.Evaluator, Base: "b1"})
	day := calendar.Date{Year: 2026, Month: time.March, Day: 2}
	one := clue.Clue{
		Key: "k1", Rule: clue.F2, Version: 1, Tests: []string{"exact"}, Base: "b1", Day: day, Span: day.Span(), Severity: clue.High,
		Measures: []clue.Measure{{Name: "cards", Unit: "count", Value: 6, Limit: 4}}, Explain: clue.Text{Zh: "代打卡", En: "many cards"},
		Evidence: []clue.Ref{{Epoch: 1, Seq: 2, Source: "door", Span: span.Span{StartMs: 1, EndMs: 2}}}, Innocent: []clue.Text{{Zh: "排队", En: "a queue"}},
	}
	two, both := one, one
	two.Key, two.Rule, two.Severity = "k2", clue.F7, clue.Medium
	both.Key, both.Rule = "k3", clue.F6
	both.Subjects = clue.Subjects{Persons: []string{"b1/s1", "b2/s9"}, Cards: []string{"c"}, Bases: []string{"b1", "b2"}}
	if _, err := r.ledger.PutClues(t.Context(), "test", []clue.Clue{one, two, both}, noon.UnixMilli()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestClueIsReviewed: assigned, answered by the base, investigated, and decided by another than who investigated, also by token.
func TestClueIsReviewed(t *testing.T) {
	t.Parallel()
	r := staffed(t)
	const path = "/api/v1/bases/b1/clues/k1"
	for i, step := range []struct {
		who, body string
		status    int
		tells     string
	}{
		{"eval", `{"state":"confirmed","reason":"r"}`, 409, "不能是"},
		{"eval", `{"state":"assigned"}`, 422, "核查"},
		{"eval", `{"state":"assigned","assignee":"tech"}`, 422, "无权核查"},
		{"eval", `{"state":"assigned","assignee":"nobody-of-that-name"}`, 422, "不存在"},
		{"eval", `{"state":"assigned","assignee":"Second"}`, 200, ""},
		{"eval", `{"state":"investigated","finding":"confirmed","reason":"查了录像"}`, 409, "被分派的人"},
		{"second", `{"state":"investigated","reason":"查了录像"}`, 409, "结论"},
		{"second", `{"state":"investigated","finding":"confirmed","reason":"查了录像","attachments":["录像 7"]}`, 200, ""},
		{"second", `{"state":"confirmed","reason":"我看就是"}`, 409, "不得自行定论"},
		{"second by token", `{"state":"confirmed","reason":"我看就是"}`, 409, "不得自行定论"},
		{"eval", `{"state":"confirmed"}`, 409, "理由"},
		{"eval by token", `{"state":"confirmed","reason":"属实"}`, 200, ""},
	} {
		who, token, _ := strings.Cut(step.who, " by ")
		v := r.logIn(t, who)
		if token != "" {
			v = r.bearer(t, who)
		}
		a := v.do(t, http.MethodPost, path+"/steps", step.body)
		if a.status != step.status || step.tells != "" && !strings.Contains(string(a.body), step.tells) {
			t.Errorf("step %d, %s %s: %d %s", i, step.who, step.body, a.status, a.body)
		}
	}
	a := r.logIn(t, "base").do(t, http.MethodPost, path+"/answers", `{"text":"当日停电"}`)
	if a.status != http.StatusOK {
		t.Errorf("answer: %d %s", a.status, a.body)
	}
	var got api.Clue
	decodeLoosely(t, r.logIn(t, "base").do(t, http.MethodGet, path, ""), &got)
	var story []string
	for _, s := range got.Steps {
		story = append(story, s.By+" "+s.State+" "+s.Assignee+s.Finding)
	}
	for _, x := range got.Answers {
		story = append(story, x.By+": "+x.Text)
	}
	want := []string{"eval assigned second", "second investigated confirmed", "eval confirmed ", "base: 当日停电"}
	if diff := cmp.Diff(want, story); diff != "" || got.State != "confirmed" || len(got.Evidence) != 1 || len(got.Innocent) != 1 {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
	var precision struct{ Items []api.CluePrecision }
	decodeLoosely(t, r.logIn(t, "officer").do(t, http.MethodGet, "/api/v1/clues/precision", ""), &precision)
	if len(precision.Items) != 3 || precision.Items[0].Rule != "F2" || precision.Items[0].Confirmed != 1 || *precision.Items[0].Precision != 1 || precision.Items[1].Precision != nil {
		t.Errorf("precision: %+v", precision.Items)
	}
	entries, err := r.options.Access.Entries(t.Context(), access.AuditQuery{Action: string(access.ActClue), Base: "b1", Most: 100})
	if err != nil || len(entries) < 3 || !strings.Contains(entries[0].Actor, "token") {
		t.Errorf("audit log: %d entries, %v", len(entries), err)
	}
}

// TestCluesAreFilteredAndCut: filters and pages, and what a clue about two bases tells of the other one stays there.
func TestCluesAreFilteredAndCut(t *testing.T) {
	t.Parallel()
	r := staffed(t)
	for query, want := range map[string]string{
		"": "k3 k2 k1 of 3", "?rule=F7": "k2 of 1", "?severity=high&limit=1": "k3 of 2 next k3", "?severity=high&limit=1&after=k3": "k1 of 2 next k1",
		"?state=assigned": " of 0", "?from=2026-03-03": " of 0", "?to=2026-03-02&limit=2": "k3 k2 of 3 next k2", "?after=nonsense": " of 3",
	} {
		var page struct {
			Items []api.Clue
			Total int
			Next  string
		}
		decodeLoosely(t, r.logIn(t, "eval").do(t, http.MethodGet, "/api/v1/bases/b1/clues"+query, ""), &page)
		var keys []string
		for _, c := range page.Items {
			keys = append(keys, c.Key)
		}
		got := fmt.Sprintf("%s of %d", strings.Join(keys, " "), page.Total)
		if page.Next != "" {
			got += " next " + page.Next
		}
		if got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
	for who, want := range map[string]string{"eval": "[b1/s1] partial", "officer": "[b1/s1 b2/s9] whole"} {
		a := r.logIn(t, who).do(t, http.MethodGet, "/api/v1/bases/b1/clues/k3", "")
		var c api.Clue
		decodeLoosely(t, a, &c)
		got := fmt.Sprint(c.Subjects.Persons, map[bool]string{true: " partial", false: " whole"}[c.Partial])
		if got != want || who == "eval" && (strings.Contains(string(a.body), "s9") || len(c.Evidence) > 0) {
			t.Errorf("%s sees %s: %s", who, got, a.body)
		}
	}
	if p := problemOf(t, r.logIn(t, "officer").do(t, http.MethodGet, "/api/v1/bases/b2/clues/k1", ""), 404); !strings.Contains(p.Detail, "没有此线索") {
		t.Errorf("another base's clue: %+v", p)
	}
}

// TestNobodyDecidesWithoutAName: a service without accounts shows clues and takes no decision.
func TestNobodyDecidesWithoutAName(t *testing.T) {
	t.Parallel()
	r := newRig(t).serve(t)
	for op, row := range may {
		method, path, _ := strings.Cut(op, " ")
		if method != http.MethodPost || !strings.Contains(path, "{base}") || strings.HasSuffix(path, "/import") {
			continue
		}
		path = strings.NewReplacer("{base}", "b1", "{key}", "k", "{number}", "1", "{period}", "month:2026-02", "{person}", "p").Replace(path)
		if p := problemOf(t, (&visitor{r: r}).do(t, method, path, row.body), 403); !strings.Contains(p.Detail, "具名人员") {
			t.Errorf("%s: %s", op, p.Detail)
		}
	}
}
