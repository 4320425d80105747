package settle_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// corrected is an office whose Monday and Tuesday are settled; on Monday the lathe paused from 09:30 to 10:45, of which five
// minutes before the break at ten and five after it are no part of practice.
func corrected(t *testing.T) *office {
	t.Helper()
	o := newOffice(t, newStore(t))
	o.arrive(o.twoDays()[:4]...)
	o.turn("03-05 03:00")
	if diff := cmp.Diff(map[string]int64{"p1": 155, "p2": 155}, o.verified()); diff != "" {
		t.Fatalf("verified without corrections (-want +got):\n%s", diff)
	}
	return o
}

// TestPreviewIsWhatBecomesOfIt: nothing changes before the approval, and then exactly what was shown, on that day alone; and it is
// undone when the approval is withdrawn.
func TestPreviewIsWhatBecomesOfIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		change    func(c *ledger.Correction)
		now, then [3]int64 // minutes verified, pending, granted
		half      [2]int64 // half units of the day
	}{
		{
			"a grant", func(c *ledger.Correction) { c.Span = between("09:00", "10:30") }, [3]int64{155, 0, 0}, [3]int64{165, 0, 10}, [2]int64{6, 7},
		},
		{"an exclusion", func(c *ledger.Correction) { c.Kind = ledger.CorrectExclude }, [3]int64{155, 0, 0}, [3]int64{100, 0, 0}, [2]int64{6, 4}},
		{"presence of who was there", func(c *ledger.Correction) { c.Kind = ledger.CorrectPresence }, [3]int64{155, 0, 0}, [3]int64{155, 0, 0}, [2]int64{6, 6}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := corrected(t)
			n := o.ask(test.change)
			effects, err := o.corrections.Preview(t.Context(), n)
			if err != nil || len(effects) != 1 {
				t.Fatalf("preview: %v, %v", effects, err)
			}
			e := effects[0]
			if got := [2][3]int64{minutes(&e.Now.Verdict), minutes(&e.Then.Verdict)}; got != [2][3]int64{test.now, test.then} || e.Day != monday {
				t.Errorf("preview of %s: %v, want %v and %v", e.Day, got, test.now, test.then)
			}
			if half := [2]int64{e.Now.HalfUnits, e.Then.HalfUnits}; half != test.half {
				t.Errorf("half units %v, want %v", half, test.half)
			}
			before := o.days()
			o.turn("03-05 03:01")
			o.wantDays(before)
			o.step(n, ledger.CorrectionStep{State: ledger.CorrectionApproved, By: "li"})
			o.turn("03-05 03:02")
			if got := o.verified(); got["p1"] != test.then[0] || got["p2"] != 155 {
				t.Errorf("verified after the approval: %v, want p1 %d", got, test.then[0])
			}
			after := map[string]string{"03-02": "first decisions", "03-03": "first"}
			if test.now == test.then {
				after = before
			}
			o.wantDays(after)
			o.step(n, ledger.CorrectionStep{State: ledger.CorrectionWithdrawn, By: "li", Note: "误批"})
			o.turn("03-05 03:03")
			if got := o.verified(); got["p1"] != 155 {
				t.Errorf("verified after the withdrawal: %v", got)
			}
		})
	}
}

// TestPresenceGrantsWhatTheMachineProves: who had no card is credited what the station proves and no more, while a seat is left.
func TestPresenceGrantsWhatTheMachineProves(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	o.people.Persons = append(o.people.Persons, registry.Person{ID: "p3"})
	o.people.Enrolments = append(o.people.Enrolments, registry.Enrolment{Class: "k", Person: "p3", Valid: registry.Always()})
	o.refer()
	o.arrive(o.twoDays()[:4]...)
	o.turn("03-05 03:00")
	n := o.ask(func(c *ledger.Correction) {
		c.Person, c.Kind, c.Span = "p3", ledger.CorrectPresence, between("08:30", "11:30")
	})
	o.step(n, ledger.CorrectionStep{State: ledger.CorrectionApproved, By: "li"})
	o.turn("03-05 03:01")
	if diff := cmp.Diff(map[string]int64{"p1": 155, "p2": 155, "p3": 155}, o.verified()); diff != "" {
		t.Errorf("verified (-want +got):\n%s", diff)
	}
	decided, err := o.corrections.Decisions(t.Context(), testBase, monday)
	want := []hours.Exclusion{
		{Session: "k1", Person: "p3", Span: between("08:30", "09:55"), Grant: true},
		{Session: "k1", Person: "p3", Span: between("10:20", "11:30"), Grant: true},
	}
	if diff := cmp.Diff(want, decided); err != nil || diff != "" {
		t.Errorf("decisions: %v (-want +got):\n%s", err, diff)
	}
	if decided, err = o.corrections.Decisions(t.Context(), testBase, monday.Add(1)); err != nil || decided != nil {
		t.Errorf("decisions of a day without: %v, %v", decided, err)
	}
	f, err := o.periods.Figures(t.Context(), testBase, march, settle.Latest)
	if err != nil {
		t.Fatal(err)
	}
	// Monday: 3 × 155, of which 155 stand on a decision; Tuesday: 2 × 180.
	if share, ok := f.GrantedShare(); !ok || share != 155.0/(465+360) {
		t.Errorf("granted share %v", share)
	}
	o.people.Classes[0].MaxPerStation = 2
	o.refer()
	o.turn("03-05 03:02")
	if got := o.verified(); got["p1"] != 155 || got["p2"] != 155 || got["p3"] != 0 {
		t.Errorf("verified with two seats: %v, want none for who has none", got)
	}
}

// TestRequestsAboutNothing are refused in both languages, and leave nothing behind.
func TestRequestsAboutNothing(t *testing.T) {
	t.Parallel()
	o := corrected(t)
	tests := []struct {
		name   string
		change func(c *ledger.Correction)
		want   error
	}{
		{"an unknown base", func(c *ledger.Correction) { c.Base = "x" }, settle.ErrUnknownBase},
		{"an unknown session", func(c *ledger.Correction) { c.Session = "k7" }, settle.ErrNoLesson},
		{"somebody else", func(c *ledger.Correction) { c.Person = "teacher" }, settle.ErrNoTrainee},
		{"a span beyond the lesson", func(c *ledger.Correction) { c.Span = between("08:29", "09:00") }, settle.ErrOutside},
		{"another day", func(c *ledger.Correction) { c.Span = between("03-03 09:00", "03-03 10:00") }, settle.ErrOutside},
		{"no span", func(c *ledger.Correction) { c.Span = span.Span{} }, ledger.ErrSpan},
		{"no reason", func(c *ledger.Correction) { c.Reason = "" }, ledger.ErrText},
	}
	for _, test := range tests {
		c := ledger.Correction{
			Base: testBase, Session: "k1", Person: "p1", Kind: ledger.CorrectGrant, Span: between("09:00", "10:00"), Reason: "读卡器故障", By: "wang",
		}
		test.change(&c)
		_, err := o.corrections.Request(t.Context(), c)
		han := err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return unicode.Is(unicode.Han, r) })
		if !errors.Is(err, test.want) || !han || !strings.Contains(err.Error(), " / ") {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if list, err := o.ledger.Corrections(t.Context(), ledger.CorrectionQuery{Base: testBase}); err != nil || len(list) != 0 {
		t.Errorf("kept %v, %v", list, err)
	}
	if _, err := o.corrections.Preview(t.Context(), 9); !errors.Is(err, ledger.ErrNoCorrection) {
		t.Errorf("preview of nothing: %v", err)
	}
}

// TestACorrectionAfterTheSeal counts in the latest figures, and beside the sealed ones as a supplementary entry.
func TestACorrectionAfterTheSeal(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	o.arrive(o.twoDays()...)
	o.close()
	n := o.ask(func(c *ledger.Correction) { c.Span = between("09:00", "10:30") })
	o.now = o.now.Add(time.Minute)
	o.step(n, ledger.CorrectionStep{State: ledger.CorrectionApproved, By: "li", Supplement: true})
	o.turn("04-10 09:05")
	list, err := o.periods.Supplements(t.Context(), testBase, march)
	if err != nil || len(list) != 1 {
		t.Fatalf("supplements %+v, %v", list, err)
	}
	s := list[0]
	want := []ledger.Delta{{Name: "verified", SealedMs: 155 * 60_000, NowMs: 165 * 60_000}, {Name: "granted", NowMs: 10 * 60_000}}
	if diff := cmp.Diff(want, s.Deltas); diff != "" || s.Cause != ledger.CauseDecisions || s.Person != "p1" {
		t.Errorf("supplement %+v (-want +got):\n%s", s, diff)
	}
}
