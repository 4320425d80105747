package clue_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

func TestReview(t *testing.T) {
	t.Parallel()
	assign := clue.Step{AtMs: 1, By: "chief", To: clue.Assigned, Assignee: "anna"}
	look := clue.Step{AtMs: 2, By: "anna", To: clue.Investigated, Finding: clue.Confirmed, Reason: "现场核查"}
	confirm := clue.Step{AtMs: 3, By: "chief", To: clue.Confirmed, Reason: "证据一致"}
	for name, c := range map[string]struct {
		steps []clue.Step
		want  string // a part of the error, "" for none
		state clue.State
	}{
		"just raised":                         {nil, "", clue.Raised},
		"to the end":                          {[]clue.Step{assign, look, confirm, {AtMs: 4, By: "chief", To: clue.Removed, Reason: "r"}, {AtMs: 5, By: "x", To: clue.Referred, Reason: "r"}}, "", clue.Referred},
		"excluded, then an appeal":            {[]clue.Step{assign, look, {AtMs: 3, By: "chief", To: clue.Excluded, Reason: "r"}, {AtMs: 4, By: "chief", To: clue.Assigned, Assignee: "bo", Reason: "new evidence"}}, "", clue.Assigned},
		"nobody":                              {[]clue.Step{{AtMs: 1, To: clue.Assigned, Assignee: "anna"}}, "named person", clue.Raised},
		"to nobody":                           {[]clue.Step{{AtMs: 1, By: "chief", To: clue.Assigned}}, "name who shall", clue.Raised},
		"decided at once":                     {[]clue.Step{{AtMs: 1, By: "chief", To: clue.Confirmed, Reason: "r"}}, "cannot follow", clue.Raised},
		"another investigates":                {[]clue.Step{assign, {AtMs: 2, By: "bo", To: clue.Investigated, Finding: clue.Excluded, Reason: "r"}}, "only the assignee", clue.Assigned},
		"without a finding":                   {[]clue.Step{assign, {AtMs: 2, By: "anna", To: clue.Investigated, Reason: "r"}}, "finding is required", clue.Assigned},
		"maker is checker":                    {[]clue.Step{assign, look, {AtMs: 3, By: "anna", To: clue.Confirmed, Reason: "r"}}, "maker is never checker", clue.Investigated},
		"without a reason":                    {[]clue.Step{assign, look, {AtMs: 3, By: "chief", To: clue.Excluded, Reason: "  "}}, "reason is required", clue.Investigated},
		"a reason like a book":                {[]clue.Step{assign, look, {AtMs: 3, By: "chief", To: clue.Excluded, Reason: strings.Repeat("x", 5000)}}, "longer than", clue.Investigated},
		"back in time":                        {[]clue.Step{assign, {AtMs: 0, By: "anna", To: clue.Investigated, Finding: clue.Excluded, Reason: "r"}}, "earlier", clue.Assigned},
		"after the end":                       {[]clue.Step{assign, look, confirm, {AtMs: 4, By: "chief", To: clue.Referred, Reason: "r"}, {AtMs: 5, By: "chief", To: clue.Assigned, Assignee: "bo", Reason: "r"}}, "cannot follow", clue.Referred},
		"hours taken without being confirmed": {[]clue.Step{assign, look, {AtMs: 3, By: "chief", To: clue.Removed, Reason: "r"}}, "cannot follow", clue.Investigated},
	} {
		var r clue.Review
		var err error
		for _, s := range c.steps {
			var next clue.Review
			if next, err = r.Apply(s); err != nil {
				break
			}
			r = next
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.Is(err, clue.ErrStep) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		case r.State() != c.state:
			t.Errorf("%s: state %s, want %s", name, r.State(), c.state)
		}
	}
}

// TestReviewNeverDecidesAlone: whatever steps are tried, what is decided was investigated by one person and decided by
// another, both named, and an earlier review is never changed.
func TestReviewNeverDecidesAlone(t *testing.T) {
	t.Parallel()
	states := []clue.State{clue.Raised, clue.Assigned, clue.Investigated, clue.Excluded, clue.Confirmed, clue.Removed, clue.Recovered, clue.Referred, "odd"}
	people := []string{"", "anna", "bo", "chief"}
	rapid.Check(t, func(t *rapid.T) {
		var r clue.Review
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			s := clue.Step{
				AtMs: rapid.Int64Range(0, 5).Draw(t, "at"), By: rapid.SampledFrom(people).Draw(t, "by"),
				To: rapid.SampledFrom(states).Draw(t, "to"), Assignee: rapid.SampledFrom(people).Draw(t, "assignee"),
				Finding: rapid.SampledFrom(states).Draw(t, "finding"), Reason: rapid.SampledFrom([]string{"", "r"}).Draw(t, "reason"),
			}
			before := slices.Clone(r.Steps)
			next, err := r.Apply(s)
			if !slices.EqualFunc(before, r.Steps, func(a, b clue.Step) bool { return a.To == b.To && a.By == b.By }) {
				t.Fatal("Apply changed the review that it was given")
			}
			if err != nil && len(next.Steps) != len(r.Steps) {
				t.Fatal("a refused step was taken")
			}
			r = next
		}
		for i, s := range r.Steps {
			if s.By == "" || i > 0 && s.AtMs < r.Steps[i-1].AtMs {
				t.Fatalf("step %d: %+v", i, s)
			}
			if s.To == clue.Confirmed || s.To == clue.Excluded {
				if made := r.Steps[i-1]; made.To != clue.Investigated || made.By == s.By {
					t.Fatalf("decided by %q after %+v", s.By, made)
				}
			}
		}
	})
}

func TestPrecisions(t *testing.T) {
	t.Parallel()
	got := clue.Precisions([]clue.Outcome{
		{clue.F11, 1, clue.Excluded},
		{clue.F2, 1, clue.Confirmed},
		{clue.F2, 1, clue.Removed},
		{clue.F2, 1, clue.Referred},
		{clue.F2, 1, clue.Excluded},
		{clue.F2, 1, clue.Assigned},
		{clue.F2, 2, clue.Raised},
	})
	if len(got) != 3 || got[0].Rule != clue.F2 || got[1].Version != 2 || got[2].Rule != clue.F11 {
		t.Fatalf("precisions %+v", got)
	}
	f2 := got[0]
	if f2.Confirmed != 3 || f2.Excluded != 1 || f2.Open != 1 || f2.Value == nil || *f2.Value != 0.75 {
		t.Errorf("F2 is %+v", f2)
	}
	// Wilson's interval of 3 in 4, by hand: 0.3006 to 0.9544.
	if math.Abs(f2.Low-0.3006) > 5e-4 || math.Abs(f2.High-0.9544) > 5e-4 {
		t.Errorf("interval %v to %v", f2.Low, f2.High)
	}
	if open := got[1]; open.Value != nil || open.Low != 0 || open.High != 1 {
		t.Errorf("nothing was decided: %+v", open)
	}
}
