package hours_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// TestCases holds the program to every figure that was computed by hand from the formulas: testdata/cases, whose first
// file says how to read them.
func TestCases(t *testing.T) {
	t.Parallel()
	cases := readCases(t)
	if len(cases) < 40 {
		t.Fatalf("%d cases are read, want 40 or more", len(cases))
	}
	days, err := calendar.New()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[hours.Reason]bool{}
	titles := map[string]bool{}
	for _, c := range cases {
		if titles[c.title] {
			t.Errorf("%s: two cases of one title", c.title)
		}
		titles[c.title] = true
		for _, w := range c.wants {
			for _, a := range w.amounts {
				seen[a.reason] = true
			}
		}
		t.Run(c.title, func(t *testing.T) {
			t.Parallel()
			c.checkCalendar(t, days)
			c.run(t, false)
			c.run(t, true)
		})
	}
	for _, r := range append(hours.Reasons(), hours.Verified) {
		if !seen[r] {
			t.Errorf("no case has the reason %q", r)
		}
	}
}

func (c *handCase) checkCalendar(t *testing.T, days *calendar.Calendar) {
	t.Helper()
	if c.worked == "" {
		return
	}
	worked, err := days.IsWorkday(c.day)
	if err != nil {
		t.Fatal(err)
	}
	if got := map[bool]string{true: "workday", false: "restday"}[worked]; got != c.worked {
		t.Errorf("%s is a %s, the case says %s", c.day, got, c.worked)
	}
}

// dayOf is what the program says of a day.
type dayOf struct {
	day      span.Span
	attended []attendance.Attendance
	verdicts []hours.Verdict
}

// run derives one day of the case, or the day after it, and compares every line.
func (c *handCase) run(t *testing.T, next bool) {
	t.Helper()
	day := c.day.Span()
	if next {
		day = c.day.Add(1).Span()
	}
	d := dayOf{day: day}
	d.attended, d.verdicts = c.derive(day)
	said := map[string]bool{}
	for _, w := range c.wants {
		if w.next != next {
			continue
		}
		for _, p := range w.persons {
			said[p+" "+w.lesson] = true
			if w.lesson == "" {
				c.checkUnits(t, w, p, d.verdicts)
				continue
			}
			c.checkVerdict(t, w, p, d)
		}
	}
	for _, v := range d.verdicts {
		if v.PlannedMs > 0 && (!said[v.Person+" "+v.Session] || !said[v.Person+" "]) {
			t.Errorf("%s in %s (next day %v): the case says nothing of it", v.Person, v.Session, next)
		}
	}
}

func (c *handCase) derive(day span.Span) ([]attendance.Attendance, []hours.Verdict) {
	in := &attendance.Input{Lessons: c.lessons, Taps: c.taps, Deaf: c.deaf, Running: map[attendance.Place]span.Set{}}
	for _, s := range c.stations {
		in.Running[s.Place] = s.Running
	}
	attended := attendance.Derive(in, c.attendance)
	return attended, hours.Verify(&hours.Input{
		Day: day, Lessons: c.lessons, Attendance: attended, Stations: c.stations, Decisions: c.decisions,
	}, c.rule)
}

func (c *handCase) checkUnits(t *testing.T, w want, person string, verdicts []hours.Verdict) {
	t.Helper()
	var ms int64
	for _, v := range verdicts {
		if v.Person == person {
			ms += v.VerifiedMs
		}
	}
	half := c.rule.HalfUnits(ms)
	if got := fmt.Sprintf("%d.%d", half/2, half%2*5); got != w.units {
		t.Errorf("%s\n%s has %s units of %s minutes", w.line, person, got, showMs(ms))
	}
}

func (c *handCase) checkVerdict(t *testing.T, w want, person string, d dayOf) {
	t.Helper()
	is := func(session, p string) bool { return session == w.lesson && p == person }
	i := slices.IndexFunc(d.attended, func(a attendance.Attendance) bool { return is(a.Session, a.Person) })
	j := slices.IndexFunc(d.verdicts, func(v hours.Verdict) bool { return is(v.Session, v.Person) })
	if i < 0 || j < 0 {
		t.Errorf("%s\nno attendance or no verdict of %s", w.line, person)
		return
	}
	v := &d.verdicts[j]
	if diff := cmp.Diff(c.expected(w), c.found(w, d.attended[i].Status, v)); diff != "" {
		t.Errorf("%s\n%s (-want +got):\n%s", w.line, person, diff)
	}
	l, err := c.lesson(w.lesson)
	if err != nil {
		t.Fatal(err)
	}
	planned := span.NewSet(l.Span).Subtract(l.Breaks).Clip(d.day).Ms()
	if v.PlannedMs != planned {
		t.Errorf("%s\n%s minutes are planned, want %s", w.line, showMs(v.PlannedMs), showMs(planned))
	}
	var sum int64
	for _, a := range w.amounts {
		if a.reason != hours.OutOfSchedule {
			sum += a.ms
		}
	}
	if sum != planned {
		t.Errorf("%s\nthe line adds up to %s minutes, the lesson has %s", w.line, showMs(sum), showMs(planned))
	}
}

// expected and found write a verdict in the same words: the status, each reason with its minutes and spans, what is
// granted, and the totals that the verdict itself states.
func (c *handCase) expected(w want) []string {
	out := []string{"status " + string(w.status), "granted " + showMs(w.granted)}
	var verified, pending int64
	for _, r := range c.reasons(w) {
		i := slices.IndexFunc(w.amounts, func(a amount) bool { return a.reason == r })
		if i < 0 {
			continue
		}
		a := w.amounts[i]
		out = append(out, c.line(r, a.ms, a.spans))
		switch r {
		case hours.Verified:
			verified = a.ms
		case hours.DataGap:
			pending = a.ms
		}
	}
	return append(out, "verified in all "+showMs(verified), "pending in all "+showMs(pending))
}

func (c *handCase) found(w want, status attendance.Status, v *hours.Verdict) []string {
	out := []string{"status " + string(status), "granted " + showMs(v.GrantedMs)}
	for _, r := range c.reasons(w) {
		var spans []span.Span
		for _, p := range slices.Concat(v.Pieces, v.Beyond) {
			if p.Reason == r {
				spans = append(spans, p.Span)
			}
		}
		if len(spans) > 0 {
			out = append(out, c.line(r, v.Ms(r), span.NewSet(spans...)))
		}
	}
	return append(out, "verified in all "+showMs(v.VerifiedMs), "pending in all "+showMs(v.PendingMs))
}

// reasons lists what is compared: presence beyond the timetable only where the line names it.
func (c *handCase) reasons(w want) []hours.Reason {
	all := append([]hours.Reason{hours.Verified}, hours.Reasons()...)
	return slices.DeleteFunc(all, func(r hours.Reason) bool {
		return r == hours.OutOfSchedule && !strings.Contains(w.line, string(r))
	})
}

func (c *handCase) line(r hours.Reason, ms int64, spans span.Set) string {
	name := string(r)
	if r == hours.Verified {
		name = "verified"
	}
	return fmt.Sprintf("%s %s %s", name, showMs(ms), c.show(spans))
}
