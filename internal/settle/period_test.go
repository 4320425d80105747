package settle_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx/influxdtest"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// TestTheRightDaysAreSettledAgain: late frames, a corrected binding and timetable, and other rules make revisions of the days that
// they are about and of no other, and each says why.
func TestTheRightDaysAreSettledAgain(t *testing.T) {
	t.Parallel()
	first := map[string]string{"03-02": "first", "03-03": "first"}
	tests := []struct {
		name   string
		change func(o *office, frames []evidence.Batch)
		want   map[string]string
	}{
		{"nothing", func(*office, []evidence.Batch) {}, first},
		{"a restart", func(o *office, _ []evidence.Batch) { o.restart() }, first},
		{
			"a late frame about Monday", func(o *office, frames []evidence.Batch) { o.arrive(frames[1]) },
			map[string]string{"03-02": "machine + first evidence", "03-03": "first"},
		},
		{"the same frame again", func(o *office, frames []evidence.Batch) { o.arrive(frames[0], frames[2]) }, first},
		{
			"another machine was meant from Tuesday on", func(o *office, _ []evidence.Batch) {
				o.base.Devices = append(o.base.Devices, device("cnc2"))
				o.base.Bindings[0].Valid = until("03-03 00:00")
				o.base.Bindings = append(o.base.Bindings, bound("cnc2", "lathe", since("03-03 00:00")))
				o.refer()
			},
			// What the lathe said of Monday still counts, and what it did from Tuesday on is not known.
			map[string]string{"03-02": "first", "03-03": "machine + first evidence,registry", "03-04": "machine +"},
		},
		{
			"a machine that was bought later", func(o *office, _ []evidence.Batch) {
				e := controller("mill")
				e.InService = since("03-20 00:00")
				o.base.Equipment = append(o.base.Equipment, e)
				o.refer()
			}, first,
		},
		{
			"another name", func(o *office, _ []evidence.Batch) {
				o.base.Name, o.base.Equipment[0].Name = "新名称", "车床"
				o.refer()
			}, first,
		},
		{
			"Tuesday's lesson was shorter", func(o *office, _ []evidence.Batch) {
				o.people.Sessions[1].Span = between("03-03 08:30", "03-03 10:30")
				o.refer()
			},
			map[string]string{"03-02": "first", "03-03": "first roster"},
		},
		{
			"a lesson that was never held", func(o *office, _ []evidence.Batch) {
				o.people.Sessions = o.people.Sessions[:1]
				o.refer()
			},
			map[string]string{"03-02": "first", "03-03": "first evidence,roster"}, // without a lesson no tap is looked at
		},
		{
			"next week's timetable", func(o *office, _ []evidence.Batch) {
				o.people.Sessions = append(o.people.Sessions, registry.Session{ID: "k9", Class: "k", Span: between("03-09 08:30", "03-09 11:30")})
				o.refer()
			}, first,
		},
		{
			"other rules of hours", func(o *office, _ []evidence.Batch) {
				o.restart()
				o.keeper.Rules = settle.DefaultRules()
				o.keeper.Rules.Hours.Dilation = 5 * time.Minute
			},
			map[string]string{"03-02": "first rules", "03-03": "first rules"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, newStore(t))
			frames := o.twoDays()
			o.arrive(frames[0], frames[2], frames[3])
			o.turn("03-05 03:00")
			o.wantDays(first)
			test.change(o, frames)
			o.turn("03-05 03:01")
			o.wantDays(test.want)
			o.turn("03-05 03:02")
			o.wantDays(test.want)
		})
	}
}

// TestSealedFiguresStayAndASupplementAppears: late frames, a corrected timetable, other rules and an approved correction change the
// latest figures; the sealed ones stay byte for byte.
func TestSealedFiguresStayAndASupplementAppears(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	frames := o.twoDays()
	o.arrive(frames[0], frames[2], frames[3], frames[4])
	o.now = time.UnixMilli(at("04-10 09:00"))
	if _, err := o.periods.Finalise(t.Context(), testBase, march, "chen"); !errors.Is(err, settle.ErrProvisional) || !strings.Contains(err.Error(), "2026-03-01, ") {
		t.Fatalf("final with a frame still to come: %v", err)
	}
	accept := settle.Acceptance{Base: testBase, From: dayOf(1), To: dayOf(31), By: "chen", Reason: "网桥更换，原日志无法读出"}
	if n, err := o.periods.AcceptGap(t.Context(), accept); err != nil || n != 31 {
		t.Fatalf("accepted %d days, %v", n, err)
	}
	step := o.close()
	figures := func(which settle.Which) string {
		f, err := o.periods.Figures(t.Context(), testBase, march, which)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	sealed := figures(settle.Sealed)
	if sealed != figures(settle.Latest) {
		t.Error("what was sealed is not what was the latest")
	}
	o.arrive(frames[1])
	o.turn("04-10 09:01")
	o.people.Sessions[1].Span = between("03-03 08:30", "03-03 10:30")
	o.refer()
	o.turn("04-10 09:02")
	if figures(settle.Sealed) != sealed {
		t.Error("sealed figures changed")
	}
	if figures(settle.Latest) == sealed {
		t.Error("the latest figures did not change")
	}
	list, err := o.periods.Supplements(t.Context(), testBase, march)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, strings.TrimSpace(s.Day[5:]+" "+s.Equipment+s.Session+" "+s.Person)+": "+s.Cause)
	}
	want := []string{"03-02 lathe: evidence", "03-02 k1 p1: evidence", "03-02 k1 p2: evidence", "03-03 k2 p1: roster", "03-03 k2 p2: roster"}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("supplements (-want +got):\n%s", diff)
	}
	again, err := o.periods.Seal(t.Context(), testBase, march, "li")
	if diff := cmp.Diff(step, again); err != nil || diff != "" {
		t.Errorf("sealed again: %v\n%s", err, diff)
	}
}

// TestStepsOfAPeriod: neither too early nor out of order, and each refusal says what to wait for.
func TestStepsOfAPeriod(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	frames := o.twoDays()
	o.arrive(frames[:4]...)
	o.seq-- // the last was never sent
	refused := func(clock string, want error, do func() error) {
		t.Helper()
		o.now = time.UnixMilli(at(clock))
		if err := do(); !errors.Is(err, want) {
			t.Errorf("at %s: %v, want %v", clock, err, want)
		}
	}
	finalise := func() error { _, err := o.periods.Finalise(t.Context(), testBase, march, "chen"); return err }
	seal := func() error { _, err := o.periods.Seal(t.Context(), testBase, march, "chen"); return err }
	refused("03-31 23:00", settle.ErrNotOver, finalise)
	refused("04-01 01:59", settle.ErrNotOver, finalise)
	refused("04-01 02:00", settle.ErrProvisional, finalise)
	refused("04-01 02:00", ledger.ErrNotFinal, seal)
	o.arrive(o.frameAt("04-08 23:59"))
	refused("04-09 08:00", settle.ErrProvisional, finalise) // a gateway may still give out something of the 31st
	s, err := o.periods.Status(t.Context(), testBase, march)
	if err != nil {
		t.Fatal(err)
	}
	if last := s.Days[30]; last.Final || !last.Over || !slices.Equal(last.Behind, []string{"b1"}) || !s.Days[29].Final {
		t.Errorf("the last two days: %+v, %+v", s.Days[29], last)
	}
	if s.FreezeOn != (calendar.Date{Year: 2026, Month: time.April, Day: 8}) || s.State != "" {
		t.Errorf("status: state %q, freeze on %s", s.State, s.FreezeOn)
	}
	o.arrive(o.frameAt("04-09 00:00"))
	refused("04-08 09:00", settle.ErrProvisional, finalise) // a clock that is ahead of ours shows nothing
	o.now = time.UnixMilli(at("04-09 09:00"))
	if err := finalise(); err != nil {
		t.Fatal(err)
	}
	refused("04-08 23:00", settle.ErrNotFrozen, seal)
	o.now = time.UnixMilli(at("04-09 09:01"))
	if err := errors.Join(finalise(), seal(), seal(), finalise()); err != nil {
		t.Error(err)
	}
	if _, err := o.periods.Figures(t.Context(), testBase, settle.Period{Kind: settle.Year, Year: 2026}, settle.Sealed); !errors.Is(err, ledger.ErrNotSealed) {
		t.Errorf("figures of a year that is not sealed: %v", err)
	}
	if _, err := o.periods.Status(t.Context(), "elsewhere", march); !errors.Is(err, settle.ErrUnknownBase) {
		t.Errorf("a base that is not there: %v", err)
	}
}

// frameAt is a frame of a machine that is off.
func (o *office) frameAt(clock string) evidence.Batch { return o.frame(word("cnc", at(clock), "OFF")) }

// TestAnUnpublishedCalendarRefuses: a deadline that a notice could move is none, and neither is a year that rests on it.
func TestAnUnpublishedCalendarRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	years := newCalendar(t).Years()
	last := settle.Period{Kind: settle.Month, Year: years[len(years)-1], Number: 12}
	o.now = time.Date(last.Year+1, time.March, 1, 0, 0, 0, 0, time.UTC)
	first, _ := last.Days()
	accept := settle.Acceptance{Base: testBase, From: first, To: first.Add(30), By: "chen", Reason: "停用"}
	if _, err := o.periods.AcceptGap(t.Context(), accept); err != nil {
		t.Fatal(err)
	}
	if _, err := o.periods.Finalise(t.Context(), testBase, last, "chen"); !errors.Is(err, calendar.ErrUnpublished) {
		t.Errorf("final without a calendar: %v", err)
	}
	if s, err := o.periods.Status(t.Context(), testBase, last); err != nil || !errors.Is(s.FreezeErr, calendar.ErrUnpublished) {
		t.Errorf("status: %v", err)
	}
}

// TestALossWaitsForAnOfficer: what will never come holds up the day that it is of, and no other.
func TestALossWaitsForAnOfficer(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	frames := o.twoDays()
	o.arrive(frames[0], frames[2], frames[3], frames[4])
	gone := frames[1].Receipts[0]
	gone.Missing, gone.FirstMs, gone.LastMs = true, at("03-20 08:00"), at("03-20 08:00")
	o.arrive(evidence.Batch{Base: testBase, Bridge: "b1", Epoch: 1, Receipts: []evidence.Receipt{gone}})
	o.now = time.UnixMilli(at("04-10 09:00"))
	open := func() (out []string) {
		s, err := o.periods.Status(t.Context(), testBase, march)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range s.Days {
			if !d.Final {
				out = append(out, d.Day.String()[5:]+" "+strings.Join(d.Lossy, ","))
			}
		}
		return out
	}
	if diff := cmp.Diff([]string{"03-02 b1"}, open()); diff != "" {
		t.Errorf("days that wait (-want +got):\n%s", diff)
	}
	accept := settle.Acceptance{Base: testBase, Bridge: "b1", From: dayOf(2), To: dayOf(2), By: "chen", Reason: "硬盘损坏"}
	if _, err := o.periods.AcceptGap(t.Context(), accept); err != nil {
		t.Fatal(err)
	}
	if days := open(); days != nil {
		t.Errorf("days that wait after the acceptance: %v", days)
	}
	for _, bad := range []struct {
		change func(a *settle.Acceptance)
		want   error
	}{
		{func(a *settle.Acceptance) { a.Base = "x" }, settle.ErrUnknownBase},
		{func(a *settle.Acceptance) { a.Bridge = "b7" }, settle.ErrUnknownBridge},
		{func(a *settle.Acceptance) { a.To = calendar.Date{Year: 2026, Month: time.April, Day: 10} }, settle.ErrNotOver},
		{func(a *settle.Acceptance) { a.Reason = "" }, ledger.ErrText},
		{func(a *settle.Acceptance) { a.By = "" }, ledger.ErrText},
	} {
		a := accept
		bad.change(&a)
		if _, err := o.periods.AcceptGap(t.Context(), a); !errors.Is(err, bad.want) {
			t.Errorf("%+v: %v, want %v", a, err, bad.want)
		}
	}
	if _, err := o.periods.AcceptGap(t.Context(), settle.Acceptance{Base: testBase, From: dayOf(3), To: dayOf(2), By: "x", Reason: "y"}); err == nil {
		t.Error("accepted days that end before they begin")
	}
}

// settledBy settles the frames in an order, looking after each at the first clock and once more at the last, and returns the figures without what tells the way to them.
func settledBy(t *testing.T, store evidence.Store, order []int, clocks ...string) (digest, figures string) {
	t.Helper()
	o := newOffice(t, store)
	frames := o.twoDays()
	for _, i := range order {
		o.arrive(frames[i])
		if clocks[0] != "" {
			o.turn(clocks[0])
		}
	}
	o.turn(clocks[len(clocks)-1])
	f, err := o.periods.Figures(t.Context(), testBase, march, settle.Latest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Machines {
		f.Machines[i].Revision = 0
	}
	for i := range f.Days {
		f.Days[i].Revision, f.Days[i].Cause, f.Days[i].Changed = 0, "", 0
	}
	for i := range f.Hours {
		f.Hours[i].Revision = 0
	}
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Machines) < 3 || len(f.Hours) != 4 {
		t.Fatalf("%d machine-days and %d verdicts, want 3 or more and 4", len(f.Machines), len(f.Hours))
	}
	return f.Digest, string(text)
}

// TestTheOrderOfArrivalDoesNotMatter: frames in any order, the ledger looked after at any time in between, end with the same
// figures and digests: at once when they come long after the day, and by the next day when they come soon.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	for _, clocks := range [][]string{{"03-12 03:00"}, {"03-04 03:00", "03-05 03:00"}} {
		wantDigest, want := settledBy(t, newStore(t), []int{0, 1, 2, 3, 4}, "", clocks[len(clocks)-1])
		random := rand.New(rand.NewPCG(1, 2))
		for range 2 {
			order := random.Perm(5)
			digest, got := settledBy(t, newStore(t), order, clocks...)
			if digest != wantDigest || withoutTime(got) != withoutTime(want) {
				t.Errorf("order %v at %v: digest %s, want %s\n%s", order, clocks, digest, wantDigest, cmp.Diff(withoutTime(want), withoutTime(got)))
			}
		}
	}
}

// withoutTime leaves out when figures were settled.
func withoutTime(figures string) string { return settledMs.ReplaceAllString(figures, "") }

var settledMs = regexp.MustCompile(`"SettledMs":\d+`)

// TestBothStoresGiveOneDigest: the same frames in InfluxDB and in the embedded store are the same figures.
func TestBothStoresGiveOneDigest(t *testing.T) {
	t.Parallel()
	server := influxdtest.Start(t)
	store, err := influx.New(influx.Options{URL: server.URL(), Bucket: "evidence/autogen", Token: obs.Secret(server.Token())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.EnsureBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	digest, figures := settledBy(t, store, []int{3, 0, 4, 2, 1}, "", "03-05 03:00")
	wantDigest, want := settledBy(t, newStore(t), []int{0, 1, 2, 3, 4}, "", "03-05 03:00")
	if digest != wantDigest || figures != want {
		t.Errorf("digest %s from InfluxDB, %s from the embedded store\n%s", digest, wantDigest, cmp.Diff(want, figures))
	}
}

// TestAllAtOnce: the keeper's turns, steps of periods, previews and reads do not get into each other's way.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, newStore(t))
	o.arrive(o.twoDays()...)
	o.now = time.UnixMilli(at("04-10 09:00"))
	n := o.ask(func(*ledger.Correction) {})
	g, ctx := errgroup.WithContext(t.Context())
	for range 2 {
		g.Go(func() error { return o.keeper.Turn(ctx) })
		g.Go(func() error {
			if _, err := o.periods.Finalise(ctx, testBase, march, "chen"); err != nil {
				return err
			}
			_, err := o.periods.Seal(ctx, testBase, march, "chen")
			return err
		})
		g.Go(func() error { _, err := o.corrections.Preview(ctx, n); return err })
		g.Go(func() error { _, err := o.periods.Status(ctx, testBase, march); return err })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	f, err := o.periods.Figures(t.Context(), testBase, march, settle.Sealed)
	if err != nil || len(f.Hours) != 4 {
		t.Errorf("sealed figures: %v", err)
	}
	o.wantDays(map[string]string{"03-02": "first", "03-03": "first"})
}
