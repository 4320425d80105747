package settle_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// office is a base with a lathe, a door and a class on Monday and Tuesday, whose ledger is kept; and who works with it.
type office struct {
	t           testing.TB
	store       evidence.Store
	ledger      *ledger.Ledger
	base        registry.Base
	people      registry.People
	reference   *ledger.Reference
	keeper      *settle.Keeper
	periods     *settle.Periods
	corrections *settle.Corrections
	now         time.Time
	seq         uint64
}

func newOffice(t testing.TB, store evidence.Store) *office {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &office{t: t, store: store, ledger: l, base: base(room)}
	o.people = class(t, newWorld(t, o.base)).People()
	o.people.Sessions = append(o.people.Sessions, registry.Session{
		ID: "k2", Class: "k", Span: between("03-03 08:30", "03-03 11:30"), Practice: true,
	})
	o.refer()
	o.restart()
	return o
}

func newStore(t testing.TB) evidence.Store {
	t.Helper()
	store, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "evidence.db"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// refer puts the office's base and people in force.
func (o *office) refer() {
	o.t.Helper()
	reg, err := registry.New(o.base)
	if err != nil {
		o.t.Fatal(err)
	}
	b, _ := reg.Base(testBase)
	roster, err := registry.NewRoster(b, o.people)
	if err != nil {
		o.t.Fatal(err)
	}
	o.reference = &ledger.Reference{Registry: reg, Rosters: map[string]*registry.Roster{testBase: roster}, Calendar: newCalendar(o.t)}
}

// restart replaces the keeper.
func (o *office) restart() {
	o.keeper = &settle.Keeper{
		Settler: settle.New(o.store, o.reference.Registry, o.reference.Calendar), Ledger: o.ledger,
		Reference: func(context.Context) (*ledger.Reference, error) { return o.reference, nil },
		Now:       func() time.Time { return o.now },
	}
	o.periods = &settle.Periods{Keeper: o.keeper}
	o.corrections = &settle.Corrections{Keeper: o.keeper}
}

// frame is the next frame of the bridge's log; it has not arrived yet.
func (o *office) frame(records ...telemetry.Record) evidence.Batch {
	b := evidence.Batch{Base: testBase, Bridge: "b1", Epoch: 1, CollectedMs: 1}
	r := evidence.Receipt{Epoch: 1, First: o.seq + 1, Last: o.seq + uint64(len(records)), CollectedMs: 1}
	for i := range records {
		o.seq++
		b.Messages = append(b.Messages, messageOf(o.seq, records[i]))
	}
	r.FirstMs, r.LastMs = records[0].EventMs, records[len(records)-1].EventMs
	b.Receipts = []evidence.Receipt{r}
	return b
}

func (o *office) arrive(frames ...evidence.Batch) {
	o.t.Helper()
	for _, f := range frames {
		if _, err := o.store.Write(o.t.Context(), []evidence.Batch{f}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) turn(clock string) {
	o.t.Helper()
	o.now = time.UnixMilli(at(clock))
	if err := o.keeper.Turn(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// twoDays are the frames of Monday and Tuesday: both trainees come at 08:25 and leave at 11:32, the lathe works from 08:30 to
// 11:30. The second frame has a pause of 75 minutes in Monday's work, the third the end of that day, the fourth has Tuesday, and the
// last a word of 10 April.
func (o *office) twoDays() []evidence.Batch {
	in := func(day string) []telemetry.Record {
		return []telemetry.Record{
			tap(at(day+" 08:25"), "c1", telemetry.DirectionIn), tap(at(day+" 08:26"), "c2", telemetry.DirectionIn),
			word("cnc", at(day+" 08:30"), "ACTIVE"),
		}
	}
	out := func(day string) []telemetry.Record {
		return []telemetry.Record{
			word("cnc", at(day+" 11:30"), "OFF"),
			tap(at(day+" 11:32"), "c1", telemetry.DirectionOut), tap(at(day+" 11:33"), "c2", telemetry.DirectionOut),
		}
	}
	return []evidence.Batch{
		o.frame(in("03-02")...), o.frame(word("cnc", at("09:30"), "READY"), word("cnc", at("10:45"), "ACTIVE")), o.frame(out("03-02")...),
		o.frame(append(in("03-03"), out("03-03")...)...), o.frame(word("cnc", at("04-10 08:00"), "OFF")),
	}
}

// days says of each day which revisions it has: machines, then people with the causes.
func (o *office) days() map[string]string {
	o.t.Helper()
	rows, err := o.ledger.Latest(o.t.Context(), testBase, "2026-03-01", "2026-04-30")
	if err != nil {
		o.t.Fatal(err)
	}
	out := map[string]string{}
	for _, r := range rows {
		if r.Revision > 1 {
			out[r.Day[5:]] += "machine " + strings.Repeat("+", r.Revision-1)
		}
	}
	for d := monday.Add(-1); d.Before(monday.Add(40)); d = d.Add(1) {
		list, err := o.ledger.Settlements(o.t.Context(), testBase, d.String())
		if err != nil {
			o.t.Fatal(err)
		}
		for _, s := range list {
			out[d.String()[5:]] += " " + s.Cause
		}
	}
	for d, s := range out {
		out[d] = strings.TrimSpace(s)
	}
	return out
}

func (o *office) wantDays(want map[string]string) {
	o.t.Helper()
	if diff := cmp.Diff(want, o.days()); diff != "" {
		o.t.Errorf("revisions by day (-want +got):\n%s", diff)
	}
}

// verified are the minutes of each trainee's Monday that count.
func (o *office) verified() map[string]int64 {
	o.t.Helper()
	rows, err := o.ledger.Hours(o.t.Context(), ledger.HoursQuery{Base: testBase, From: monday.String(), To: monday.String()})
	if err != nil {
		o.t.Fatal(err)
	}
	out := map[string]int64{}
	for i := range rows {
		out[rows[i].Person] = rows[i].VerifiedMs / 60_000
	}
	return out
}

var march = settle.Period{Kind: settle.Month, Year: 2026, Number: 3}

// close finalises and seals March, of which everything has arrived.
func (o *office) close() ledger.PeriodStep {
	o.t.Helper()
	o.turn("04-10 09:00")
	if _, err := o.periods.Finalise(o.t.Context(), testBase, march, "chen"); err != nil {
		o.t.Fatal(err)
	}
	step, err := o.periods.Seal(o.t.Context(), testBase, march, "chen")
	if err != nil {
		o.t.Fatal(err)
	}
	return step
}

// ask requests a correction of p1 on Monday and submits it.
func (o *office) ask(change func(c *ledger.Correction)) int64 {
	o.t.Helper()
	c := ledger.Correction{
		Base: testBase, Session: "k1", Person: "p1", Kind: ledger.CorrectGrant, Span: between("09:00", "10:00"), Reason: "读卡器故障", By: "wang",
	}
	change(&c)
	n, err := o.corrections.Request(o.t.Context(), c)
	if err != nil {
		o.t.Fatal(err)
	}
	o.step(n, ledger.CorrectionStep{State: ledger.CorrectionSubmitted, By: "wang"})
	return n
}

func (o *office) step(n int64, s ledger.CorrectionStep) {
	o.t.Helper()
	s.AtMs = o.now.UnixMilli()
	if _, err := o.ledger.StepCorrection(o.t.Context(), n, s); err != nil {
		o.t.Fatal(err)
	}
}

// dayOf is a day of March.
func dayOf(day int) calendar.Date { return calendar.Date{Year: 2026, Month: time.March, Day: day} }

// minutes of a verdict.
func minutes(v *hours.Verdict) [3]int64 {
	return [3]int64{v.VerifiedMs / 60_000, v.PendingMs / 60_000, v.GrantedMs / 60_000}
}

// always is the whole validity up to an instant, or from it.
func until(clock string) span.Span {
	return span.Span{StartMs: registry.BeginMs, EndMs: at(clock)}
}

func since(clock string) span.Span {
	return span.Span{StartMs: at(clock), EndMs: registry.ForeverMs}
}
