package settle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// TestMeterThatMoves: a meter speaks for the machine that it was on at the time, and what it said there is never carried
// to the next machine.
func TestMeterThatMoves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(func(b *registry.Base) {
		b.Equipment = []registry.Equipment{metered("saw"), metered("mill")}
		b.Devices = []registry.Device{device("meter")}
		b.Bindings = []registry.Binding{
			bound("meter", "saw", span.Span{StartMs: registry.BeginMs, EndMs: at("12:00")}),
			bound("meter", "mill", span.Span{StartMs: at("12:00"), EndMs: at("13:00")}),
			bound("meter", "saw", span.Span{StartMs: at("13:00"), EndMs: registry.ForeverMs}),
		}
	}))
	w.said(working("11:50", "12:00")...)        // on the saw
	w.said(power("meter", at("12:00:20"), 500)) // on the mill, moved twenty seconds ago
	w.said(working("12:00:50", "12:10")...)
	w.said(working("13:00", "13:05")...) // on the saw again
	day := monday.Span()
	// On the saw 10 min to the move, and 4.5 min to the last word; on the mill from its first word to its last.
	wantTotals(t, w.machine("saw", day), seconds{Running: 870, Unknown: 24*hour - 870, Opening: 8.5 * hour})
	wantTotals(t, w.machine("mill", day), seconds{Running: 570, Unknown: 24*hour - 570, Opening: 8.5 * hour})
	for _, s := range w.machine("mill", day).Timeline {
		if s.StartMs < at("12:00:20") && s.EndMs > at("12:00:20") {
			t.Errorf("the mill's timeline knows of %v before its meter said anything", s.Span)
		}
	}
}

// TestServiceBoundsTheWindow: before a machine is in service and after it, there is no time of which it could be said
// that it was not used.
func TestServiceBoundsTheWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(func(b *registry.Base) {
		lathe(b)
		b.Equipment[0].InService = span.Span{StartMs: at("10:00"), EndMs: at("03-04 00:00")}
	}))
	w.said(word("cnc", at("09:00"), "ACTIVE"))
	m := w.machine("lathe", monday.Span())
	if want := between("10:00", "03-03 00:00"); m.Window != want {
		t.Errorf("window is %v, want %v", m.Window, want)
	}
	wantTotals(t, m, seconds{Running: 14 * hour, Opening: 7 * hour})
	for _, d := range []calendar.Date{monday.Add(-1), monday.Add(2)} {
		m := w.machine("lathe", d.Span())
		wantNotes(t, m, settle.NoteNotInService)
		if !m.Window.Empty() || len(m.Timeline) > 0 || m.Totals.WindowMs != 0 {
			t.Errorf("%s: window %v, timeline %v, totals %+v: want none", d, m.Window, m.Timeline, m.Totals)
		}
	}
	rows, err := w.settler.Day(t.Context(), testBase, monday.Add(-1), at("03-09 00:00"))
	if err != nil || len(rows) != 0 {
		t.Errorf("rows of a day without any machine in service: %v, %v; want none", rows, err)
	}
}

func TestOpeningHours(t *testing.T) {
	t.Parallel()
	later := calendar.Date{Year: 2026, Month: time.April, Day: 1}
	w := newWorld(t, base(func(b *registry.Base) {
		lathe(b)
		b.Hours[0].Valid.EndMs = at("03-16 00:00")
		b.Exceptions = []registry.Exception{{Valid: monday.Add(1).Span(), Reason: "停电"}}
	}), func() registry.Base {
		b := base(lathe)
		b.Code = "cq02"
		return b
	}())
	tests := []struct {
		name  string
		base  string
		day   calendar.Date
		open  float64
		notes []settle.Note
	}{
		{"Monday", testBase, monday, 8.5 * hour, nil},
		{"Sunday", testBase, monday.Add(-1), 0, nil},
		{"Saturday that is worked for the holiday", testBase, monday.Add(-2), 8.5 * hour, nil},
		{"Tuesday in the Spring Festival", testBase, calendar.Date{Year: 2026, Month: time.February, Day: 17}, 0, nil},
		{"closed by an exception", testBase, monday.Add(1), 0, nil},
		{"hours that ended", testBase, later, 0, []settle.Note{settle.NoteNoHours}},
		{"calendar not published", "cq02", calendar.Date{Year: 2199, Month: time.March, Day: 1}, 0, []settle.Note{settle.NoteCalendar}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m, err := w.settler.Machine(t.Context(), test.base, "lathe", test.day.Span())
			if err != nil {
				t.Fatal(err)
			}
			wantTotals(t, m, seconds{Unknown: 24 * hour, Opening: test.open})
			wantNotes(t, m, test.notes...)
		})
	}
	t.Run("two weeks", func(t *testing.T) {
		t.Parallel()
		m := w.machine("lathe", span.Span{StartMs: monday.Add(-3).Span().StartMs, EndMs: monday.Add(11).Span().StartMs})
		wantTotals(t, m, seconds{Unknown: 14 * 24 * hour, Opening: (2 + 4 + 4) * 8.5 * hour})
	})
	t.Run("part of a day", func(t *testing.T) {
		t.Parallel()
		m := w.machine("lathe", between("16:00", "18:00"))
		wantTotals(t, m, seconds{Unknown: 2 * hour, Opening: hour})
		if diff := cmp.Diff(span.NewSet(between("16:00", "17:00")), m.Opening); diff != "" {
			t.Errorf("opening (-want +got):\n%s", diff)
		}
	})
}

// TestNotesSayWhyThereIsNothing: a machine that cannot be measured is unknown all day, and says why.
func TestNotesSayWhyThereIsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(func(b *registry.Base) {
		blind, raw, free, late := controller("bench"), metered("raw"), controller("free"), controller("late")
		blind.Signal.Kind = registry.SignalNone
		raw.Signal.Power = nil
		b.Equipment = []registry.Equipment{blind, raw, free, late}
		b.Devices = []registry.Device{device("m1"), device("m2"), device("m3")}
		b.Bindings = []registry.Binding{
			bound("m1", "raw", registry.Always()),
			bound("m2", "late", span.Span{StartMs: at("03-03 00:00"), EndMs: registry.ForeverMs}),
		}
	}))
	for _, d := range []string{"m1", "m2", "m3"} {
		w.said(power(d, at("09:00"), 500), word(d, at("10:00"), "ACTIVE"))
	}
	for id, note := range map[string]settle.Note{
		"bench": settle.NoteNoSignal, "raw": settle.NoteNotCalibrated, "free": settle.NoteNotBound, "late": settle.NoteNotBound,
	} {
		m := w.machine(id, monday.Span())
		wantTotals(t, m, seconds{Unknown: 24 * hour, Opening: 8.5 * hour})
		wantNotes(t, m, note)
		want := []usage.Segment{{Span: monday.Span()}}
		if diff := cmp.Diff(want, m.Timeline); diff != "" {
			t.Errorf("timeline of %s (-want +got):\n%s", id, diff)
		}
	}
}

// TestValueFromWeeksBefore: what a controller reported on change holds until it says otherwise, however long ago.
func TestValueFromWeeksBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	w.said(word("cnc", at("01-10 08:00"), "READY"), word("cnc", at("01-10 09:00"), "ACTIVE"))
	wantTotals(t, w.machine("lathe", monday.Span()), seconds{Running: 24 * hour, Opening: 8.5 * hour})
	w.said(word("cnc", at("12:00"), "READY"))
	wantTotals(t, w.machine("lathe", monday.Span()), seconds{Running: 12 * hour, Idle: 12 * hour, Opening: 8.5 * hour})
	w.said(link("cnc", at("02-01 00:00"), telemetry.LinkWill))
	wantTotals(t, w.machine("lathe", monday.Span()), seconds{Unknown: 12 * hour, Idle: 12 * hour, Opening: 8.5 * hour})
}

// TestDeathBeginsAtItsInstant: from a sign of death on nothing is known, and coming back says nothing by itself.
func TestDeathBeginsAtItsInstant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	w.said(word("cnc", at("08:00"), "ACTIVE"), link("cnc", at("10:00"), telemetry.LinkOffline),
		link("cnc", at("11:00"), telemetry.LinkOnline), word("cnc", at("12:00"), "ACTIVE"))
	wantTotals(t, w.machine("lathe", monday.Span()), seconds{Running: 14 * hour, Unknown: 10 * hour, Opening: 8.5 * hour})
}

func TestRegistrySilenceWinsOverTheDialect(t *testing.T) {
	t.Parallel()
	for silence, running := range map[time.Duration]float64{0: 60 * 60, 10 * time.Minute: 2 * 60 * 60} {
		w := newWorld(t, base(func(b *registry.Base) {
			b.Equipment = []registry.Equipment{metered("saw")}
			b.Devices = []registry.Device{device("meter")}
			b.Devices[0].MaxSilence = silence
			b.Bindings = []registry.Binding{bound("meter", "saw", registry.Always())}
		}))
		w.said(working("09:00", "10:00")...)
		for ms := at("10:05"); ms <= at("11:00"); ms += 5 * 60_000 {
			w.said(power("meter", ms, 500))
		}
		if got := w.machine("saw", between("09:00", "11:00")).Totals.RunningMs / 1000; float64(got) != running-map[bool]float64{true: 30}[silence == 0] {
			t.Errorf("silence of %v: %d s running, want about %v", silence, got, running)
		}
	}
}

func TestUnknownEquipment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	for _, b := range []string{testBase, "nowhere"} {
		if _, err := w.settler.Machine(t.Context(), b, "mill", monday.Span()); !errors.Is(err, settle.ErrUnknownEquipment) {
			t.Errorf("machine of %s: %v, want ErrUnknownEquipment", b, err)
		}
	}
}

func TestMachinesComeInOrder(t *testing.T) {
	t.Parallel()
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	w := newWorld(t, base(func(b *registry.Base) {
		for _, id := range ids {
			b.Equipment = append(b.Equipment, controller(id))
		}
	}))
	machines, err := w.settler.Machines(t.Context(), testBase, monday.Span())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range machines {
		got = append(got, m.Equipment.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
}

// failing is a store that cannot be read.
type failing struct {
	evidence.Store
	before, read error
}

var errInjected = errors.New("injected")

func (s *failing) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	if s.before != nil {
		return nil, s.before
	}
	return s.Store.Before(ctx, q)
}

func (s *failing) Read(ctx context.Context, q evidence.Query, yield func(*evidence.Entry) error) error {
	if s.read != nil {
		return s.read
	}
	return s.Store.Read(ctx, q, yield)
}

// TestStoreErrorIsNoFigure: a figure is never made of what happened to be readable.
func TestStoreErrorIsNoFigure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	w.said(word("cnc", at("08:00"), "ACTIVE"))
	for name, store := range map[string]*failing{
		"before": {Store: w.store, before: errInjected}, "read": {Store: w.store, read: errInjected},
	} {
		s := settle.New(store, w.registry, newCalendar(t))
		if rows, err := s.Day(t.Context(), testBase, monday, at("03-09 00:00")); !errors.Is(err, errInjected) || rows != nil {
			t.Errorf("%s fails: rows %v, error %v; want the store's error", name, rows, err)
		}
	}
}

func TestWindowOfADayThatIsNotOver(t *testing.T) {
	t.Parallel()
	for now, want := range map[string]span.Span{
		"03-01 12:00": {StartMs: at("00:00"), EndMs: at("00:00")},
		"12:00":       between("00:00", "12:00"),
		"03-04 12:00": between("00:00", "03-03 00:00"),
	} {
		if got := settle.Window(monday, at(now)); got != want {
			t.Errorf("window at %s is %v, want %v", now, got, want)
		}
	}
}
