package registry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func instant(t testing.TB, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

func TestOpeningHours(t *testing.T) {
	t.Parallel()
	r, _ := example(t)
	const work, rest = "work", "rest"
	errCalendar := errors.New("日历未发布")
	tests := map[string]struct {
		workshop, date, kind string // kind "": the calendar does not know, and must not be asked
		want                 string
	}{
		"workday in winter":                      {"", "2026-03-17", work, "08:30-11:30,13:30-17:00"},
		"workday in summer":                      {"cnc", "2026-06-17", work, "08:30-11:30,14:00-17:30"},
		"last day of summer":                     {"cnc", "2026-09-30", work, "08:30-11:30,14:00-17:30"},
		"first day of winter":                    {"cnc", "2026-10-01", rest, "closed"},
		"make-up Saturday":                       {"cnc", "2026-10-10", work, "08:30-11:30,13:30-17:00"},
		"restday":                                {"", "2026-03-21", rest, "closed"},
		"closed by exception without a calendar": {"", "2026-03-18", "", "closed"},
		"open on Saturday for the contest":       {"cnc", "2026-07-11", "", "08:30-17:30"},
		"the base's exception closes a workshop with hours of its own": {"elec", "2026-03-18", "", "closed"},
		"workshop by weekday, evening":                                 {"elec", "2026-03-16", "", "08:30-11:30,13:30-17:00,19:00-21:00"},
		"workshop by weekday, no key is closed":                        {"elec", "2026-03-22", "", "closed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			day := days(t, tt.date, 1)
			got, err := r.OpeningHours("cq-yb-01", tt.workshop, day, func() (bool, error) {
				if tt.kind == "" {
					return false, errCalendar
				}
				return tt.kind == work, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, render(got, day)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := r.OpeningHours("cq-yb-01", "", days(t, "2026-03-17", 1), func() (bool, error) { return false, errCalendar }); !errors.Is(err, errCalendar) {
		t.Errorf("unpublished calendar: %v", err)
	}
}

func render(open span.Set, day span.Span) string {
	var times registry.Times
	for _, s := range open {
		times = append(times, registry.Opening{Start: int(s.StartMs-day.StartMs) / 60000, End: int(s.EndMs-day.StartMs) / 60000})
	}
	return times.String()
}

func TestOpeningHoursRefuses(t *testing.T) {
	t.Parallel()
	r := load(t, minimal+"    hours: [{from: 2026-01-01, workday: \"08:00-12:00\"}]\n")
	worked := func() (bool, error) { return true, nil }
	day := days(t, "2026-01-05", 1)
	if _, err := r.OpeningHours("b", "", days(t, "2025-12-31", 1), worked); !errors.Is(err, registry.ErrNoHours) {
		t.Errorf("a day before all hours: %v, want ErrNoHours", err)
	}
	if _, err := r.OpeningHours("c", "", day, worked); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("unknown base: %v", err)
	}
	if _, err := r.OpeningHours("b", "w", day, worked); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("unknown workshop: %v", err)
	}
	for _, s := range []span.Span{days(t, "2026-01-05", 2), {StartMs: day.StartMs + 1, EndMs: day.EndMs + 1}, {}} {
		if _, err := r.OpeningHours("b", "", s, worked); err == nil {
			t.Errorf("%v was taken for a day", s)
		}
	}
}

func TestParseTimes(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "08:30", "08:30-", "8:3-9:00", "08:30-08:30", "09:00-08:00", "08:00-25:00", "23:00-24:01", "08:60-09:00", "08:00-10:00,09:00-11:00", "10:00-11:00,08:00-09:00", "+8:00-9:00", "08:00-09:00,", "Closed", "08:00–09:00"} {
		if got, err := registry.ParseTimes(s); err == nil {
			t.Errorf("ParseTimes(%q) = %v, want an error", s, got)
		}
	}
	for s, want := range map[string]string{"closed": "closed", "8:30-11:30": "08:30-11:30", "00:00-24:00": "00:00-24:00", "08:00-09:00, 09:00-10:00": "08:00-09:00,09:00-10:00"} {
		got, err := registry.ParseTimes(s)
		if err != nil || got.String() != want {
			t.Errorf("ParseTimes(%q) = %v, %v, want %s", s, got, err, want)
		}
	}
}

func FuzzParseTimes(f *testing.F) {
	f.Add("08:30-11:30,13:30-17:00")
	f.Add("closed")
	f.Add("00:00-24:00")
	f.Fuzz(func(t *testing.T, s string) {
		times, err := registry.ParseTimes(s)
		if err != nil {
			return
		}
		again, err := registry.ParseTimes(times.String())
		if err != nil || again.String() != times.String() {
			t.Fatalf("%q reads as %v, which reads back as %v, %v", s, times, again, err)
		}
	})
}

// Opening hours never leave their day, and a day in them is as long as the times say.
func TestOpeningHoursStayInTheDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, 1440), 2, 8, rapid.ID).Draw(t, "cuts")
		times := timesOf(cuts)
		base := minimalBase()
		base.Hours = []registry.Hours{{Valid: registry.Always(), Workday: times, Restday: times}}
		r, err := registry.New(base)
		if err != nil {
			t.Fatal(err)
		}
		start := registry.BeginMs + int64(rapid.IntRange(0, 300000).Draw(t, "day"))*86400000
		day := span.Span{StartMs: start, EndMs: start + 86400000}
		open, err := r.OpeningHours("b", "", day, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(open.Clip(day)) != len(open) || open.Ms() != open.Clip(day).Ms() {
			t.Fatalf("%v leaves %v", open, day)
		}
		var want int64
		for _, o := range times {
			want += int64(o.End-o.Start) * 60000
		}
		if open.Ms() != want {
			t.Fatalf("%v lasts %d ms, want %d", times, open.Ms(), want)
		}
	})
}
