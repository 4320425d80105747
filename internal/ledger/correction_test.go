package ledger_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// asked is a request about an hour of 2 March.
func asked() ledger.Correction {
	day := calendar.Date{Year: 2026, Month: time.March, Day: 2}.Span().StartMs
	return ledger.Correction{
		Base: "cq01", Session: "s", Person: "a", Kind: ledger.CorrectGrant, Span: span.Span{StartMs: day + 9*3_600_000, EndMs: day + 10*3_600_000},
		Reason: "读卡器故障", By: "Wang", AtMs: 5,
	}
}

func request(t *testing.T, l *ledger.Ledger, c ledger.Correction) int64 {
	t.Helper()
	n, err := l.RequestCorrection(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestCorrectionSteps: every step from every state by maker and by another person; what is not allowed is refused in both
// languages and leaves no trace.
func TestCorrectionSteps(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	ways := map[ledger.CorrectionState][]ledger.CorrectionStep{
		ledger.CorrectionDraft:     nil,
		ledger.CorrectionSubmitted: {{State: ledger.CorrectionSubmitted, By: "wang"}},
		ledger.CorrectionApproved:  {{State: ledger.CorrectionSubmitted, By: "wang"}, {State: ledger.CorrectionApproved, By: "li"}},
		ledger.CorrectionRejected:  {{State: ledger.CorrectionSubmitted, By: "wang"}, {State: ledger.CorrectionRejected, By: "li", Note: "无凭据"}},
		ledger.CorrectionWithdrawn: {{State: ledger.CorrectionWithdrawn, By: "wang"}},
	}
	type try struct {
		from, to ledger.CorrectionState
		maker    bool
	}
	refused := map[try]error{}
	for from := range ways {
		for to := range ways {
			for _, maker := range []bool{true, false} {
				refused[try{from, to, maker}] = ledger.ErrCorrectionStep
			}
		}
	}
	for _, allowed := range []struct {
		from, to ledger.CorrectionState
		byMaker  error
		byOther  error
	}{
		{ledger.CorrectionDraft, ledger.CorrectionSubmitted, nil, ledger.ErrNotMaker},
		{ledger.CorrectionDraft, ledger.CorrectionWithdrawn, nil, ledger.ErrNotMaker},
		{ledger.CorrectionSubmitted, ledger.CorrectionWithdrawn, nil, ledger.ErrNotMaker},
		{ledger.CorrectionSubmitted, ledger.CorrectionApproved, ledger.ErrMakerIsChecker, nil},
		{ledger.CorrectionSubmitted, ledger.CorrectionRejected, ledger.ErrMakerIsChecker, nil},
		{ledger.CorrectionApproved, ledger.CorrectionWithdrawn, ledger.ErrMakerIsChecker, nil},
	} {
		refused[try{allowed.from, allowed.to, true}] = allowed.byMaker
		refused[try{allowed.from, allowed.to, false}] = allowed.byOther
	}
	for try, want := range refused {
		n := request(t, l, asked())
		for _, s := range ways[try.from] {
			if _, err := l.StepCorrection(t.Context(), n, s); err != nil {
				t.Fatal(err)
			}
		}
		by := " WANG"
		if !try.maker {
			by = "li"
		}
		_, err := l.StepCorrection(t.Context(), n, ledger.CorrectionStep{State: try.to, By: by, Note: "说明"})
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%+v: %v, want %v", try, err, want)
		}
		c, readErr := l.Correction(t.Context(), n)
		state := try.from
		if want == nil {
			state = try.to
		}
		if readErr != nil || c.State() != state {
			t.Errorf("%+v: state %q, %v; want %q", try, c.State(), readErr, state)
		}
		if err != nil && !bilingual(err.Error()) {
			t.Errorf("%+v: %q is not in both languages", try, err)
		}
		sqlAgrees(t, l, n, ledger.CorrectionStep{State: try.to, By: strings.ToLower(strings.TrimSpace(by))}, want == nil || errors.Is(want, ledger.ErrNotMaker))
	}
}

// sqlAgrees: the tables themselves refuse a step that changes what a correction does, whoever writes it.
func sqlAgrees(t *testing.T, l *ledger.Ledger, number int64, s ledger.CorrectionStep, may bool) {
	t.Helper()
	if may {
		return
	}
	_, err := l.DB().ExecContext(t.Context(), `INSERT INTO correction_step
		SELECT ?1, max(step) + 1, ?2, ?3, 0, '', 0 FROM correction_step WHERE number = ?1`, number, s.State, s.By)
	if err == nil {
		t.Errorf("the tables let %s by %s through", s.State, s.By)
	}
}

func bilingual(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) && strings.Contains(s, " / ")
}

// TestRequestsThatAreRefused, all at once what is wrong with them, in both languages.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	attach := func(name string, size int) func(c *ledger.Correction) {
		return func(c *ledger.Correction) {
			c.Attachment = &ledger.Attachment{Name: name, Content: make([]byte, size)}
		}
	}
	tests := []struct {
		name   string
		change func(c *ledger.Correction)
		want   error
	}{
		{"no reason", func(c *ledger.Correction) { c.Reason = "" }, ledger.ErrText},
		{"nobody", func(c *ledger.Correction) { c.By = " " }, ledger.ErrText},
		{"a reason that steers a terminal", func(c *ledger.Correction) { c.Reason = "x\x1b[2J" }, ledger.ErrText},
		{"no person", func(c *ledger.Correction) { c.Person = "" }, ledger.ErrText},
		{"another kind", func(c *ledger.Correction) { c.Kind = "double" }, ledger.ErrKind},
		{"an empty span", func(c *ledger.Correction) { c.Span.EndMs = c.Span.StartMs }, ledger.ErrSpan},
		{"one byte too much", attach("a.pdf", ledger.MaxAttachment+1), ledger.ErrAttachment},
		{"an empty file", attach("a.pdf", 0), ledger.ErrAttachment},
		{"a path", attach("../a.pdf", 1), ledger.ErrAttachment},
		{"a path of Windows", attach(`c:\a.pdf`, 1), ledger.ErrAttachment},
		{"no name", attach("", 1), ledger.ErrText},
	}
	for _, test := range tests {
		c := asked()
		test.change(&c)
		_, err := l.RequestCorrection(t.Context(), c)
		if !errors.Is(err, test.want) || !bilingual(err.Error()) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if list, err := l.Corrections(t.Context(), ledger.CorrectionQuery{Base: "cq01"}); err != nil || len(list) != 0 {
		t.Errorf("kept %v, %v", list, err)
	}
	if _, err := l.StepCorrection(t.Context(), 9, ledger.CorrectionStep{State: ledger.CorrectionSubmitted, By: "x"}); !errors.Is(err, ledger.ErrNoCorrection) {
		t.Errorf("a correction that is not there: %v", err)
	}
	n := request(t, l, asked())
	submit(t, l, n)
	if _, err := l.StepCorrection(t.Context(), n, ledger.CorrectionStep{State: ledger.CorrectionRejected, By: "li"}); !errors.Is(err, ledger.ErrText) {
		t.Errorf("rejected without a word: %v", err)
	}
}

func submit(t *testing.T, l *ledger.Ledger, n int64) {
	t.Helper()
	if _, err := l.StepCorrection(t.Context(), n, ledger.CorrectionStep{State: ledger.CorrectionSubmitted, By: "wang"}); err != nil {
		t.Fatal(err)
	}
}

// TestAttachmentIsKept whole, with its digest, and can be neither changed nor taken away; no more than the request itself.
func TestAttachmentIsKept(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	content := bytes.Repeat([]byte{7}, ledger.MaxAttachment)
	c := asked()
	c.Attachment = &ledger.Attachment{Name: "签到表.jpg", Content: content}
	n := request(t, l, c)
	a, err := l.CorrectionAttachment(t.Context(), n)
	if err != nil || !bytes.Equal(a.Content, content) || a.Size != len(content) || a.Name != "签到表.jpg" {
		t.Fatalf("attachment: %v", err)
	}
	got, err := l.Correction(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	c.Number, c.By = n, "wang"
	c.Attachment = &ledger.Attachment{Name: a.Name, SHA256: a.SHA256, Size: a.Size}
	c.Steps = []ledger.CorrectionStep{{State: ledger.CorrectionDraft, By: "wang", AtMs: 5}}
	if diff := cmp.Diff(&c, got); diff != "" {
		t.Errorf("correction (-want +got):\n%s", diff)
	}
	for _, statement := range []string{
		`DELETE FROM correction_attachment`, `UPDATE correction_attachment SET name = 'x'`, `DELETE FROM correction_step`,
		`UPDATE correction_step SET state = 'approved'`, `UPDATE correction SET reason = 'x'`, `DELETE FROM correction`,
	} {
		if _, err := l.DB().ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s was let through", statement)
		}
	}
	if _, err := l.CorrectionAttachment(t.Context(), n+1); !errors.Is(err, ledger.ErrNoCorrection) {
		t.Errorf("an attachment that is not there: %v", err)
	}
}

// TestCorrectionAfterTheSeal wants to be called a supplementary entry, and one before it is none.
func TestCorrectionAfterTheSeal(t *testing.T) {
	t.Parallel()
	l, _ := closed(t)
	n := request(t, l, asked())
	submit(t, l, n)
	step := ledger.CorrectionStep{State: ledger.CorrectionApproved, By: "li"}
	if _, err := l.StepCorrection(t.Context(), n, step); !errors.Is(err, ledger.ErrPeriodSealed) || !strings.Contains(err.Error(), "month:2026-03") {
		t.Errorf("approved in a sealed period: %v", err)
	}
	step.Supplement = true
	if _, err := l.StepCorrection(t.Context(), n, step); err != nil {
		t.Error(err)
	}
	if _, err := l.StepCorrection(t.Context(), n, step); !errors.Is(err, ledger.ErrCorrectionStep) {
		t.Errorf("approved twice: %v", err)
	}
	next := asked()
	day := int64(24 * 3_600_000)
	next.Span = span.Span{StartMs: next.Span.StartMs + 40*day, EndMs: next.Span.EndMs + 40*day}
	m := request(t, l, next)
	submit(t, l, m)
	if _, err := l.StepCorrection(t.Context(), m, step); !errors.Is(err, ledger.ErrNotSupplement) {
		t.Errorf("a supplementary entry to an open period: %v", err)
	}
	list, err := l.Corrections(t.Context(), ledger.CorrectionQuery{Base: "cq01", State: ledger.CorrectionApproved, Window: asked().Span})
	if err != nil || len(list) != 1 || list[0].Number != n || !list[0].Steps[2].Supplement {
		t.Errorf("approved: %+v, %v", list, err)
	}
}
