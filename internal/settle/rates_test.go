package settle_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// rosterOf is a timetable of sessions, two classes in the workshop w1.
func rosterOf(t *testing.T, b registry.Base, sessions ...registry.Session) *registry.Roster {
	t.Helper()
	people := registry.People{Base: testBase, Sessions: sessions, Classes: []registry.Class{
		{ID: "turning", Name: "车工", Use: registry.UseSocial, Profile: registry.Machine, Workshop: "w1"},
		{ID: "school", Name: "实习", Use: registry.UseSchool, Profile: registry.Machine, Workshop: "w1"},
	}}
	r, err := registry.NewRoster(b, people)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func session(id, class, from, to string, stations ...string) registry.Session {
	return registry.Session{ID: id, Class: class, Span: between(from, to), Practice: true, Stations: stations}
}

// week asks for the rates from the Monday to the Friday.
func week(r *registry.Roster) *settle.RatesQuery {
	return &settle.RatesQuery{
		Base: testBase, From: monday, To: monday.Add(4), NowMs: at("04-01 00:00"), Roster: r,
		Options: usage.RateOptions{Floor: usage.CoverageFloor, Outside: usage.DefaultOutside()},
	}
}

func (w *world) rates(q *settle.RatesQuery) *settle.Rates {
	w.t.Helper()
	r, err := w.settler.Rates(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// rate is one rate as tables have it: numerator, denominator and value, or why there is none.
func rate(r *usage.Rates, id string) string {
	for _, n := range r.All() {
		if n.ID != id {
			continue
		}
		of := amount(n.Numerator) + "/" + amount(n.Denominator)
		if n.Value == nil {
			return of + " " + string(n.Why)
		}
		return fmt.Sprintf("%s=%.4f", of, *n.Value)
	}
	return "no such rate"
}

func amount(q usage.Quantity) string {
	if q.Unknown {
		return "?"
	}
	v, _, _ := q.Shown()
	return fmt.Sprintf("%.3f", v)
}

func wantRates(t *testing.T, r *usage.Rates, want map[string]string) {
	t.Helper()
	for id, text := range want {
		if got := rate(r, id); got != text {
			t.Errorf("%s is %s, want %s", id, got, text)
		}
	}
}

// TestRatesOfAWeek: a lathe that worked on two mornings of a week of five working days, once for each of two classes.
func TestRatesOfAWeek(t *testing.T) {
	t.Parallel()
	b := base(func(b *registry.Base) {
		lathe(b)
		b.Equipment[0].ValueFen = 3_000_000
		b.Workshops[0].Stations = []registry.Station{{ID: "s1"}, {ID: "s2"}}
	})
	w := newWorld(t, b)
	w.said(word("cnc", at("03-01 20:00"), "OFF"), word("cnc", at("09:00"), "READY"), word("cnc", at("09:10"), "ACTIVE"),
		word("cnc", at("11:10"), "READY"), word("cnc", at("11:30"), "OFF"),
		word("cnc", at("03-03 09:00"), "ACTIVE"), word("cnc", at("03-03 10:00"), "OFF"))
	q := week(rosterOf(t, b, session("m", "turning", "09:00", "12:00"), session("t", "school", "03-03 09:00", "03-03 11:00")))
	q.Verified = &settle.Verified{
		Equipment: map[string]int64{"lathe": at("18:00") - at("09:00")}, // 9 trainee-hours
		Stations:  map[settle.Place]int64{{"w1", "s1"}: at("18:00") - at("09:00"), {"w1", "s2"}: at("17:30") - at("09:30")},
		Coverage:  1,
	}
	q.Presence = map[string]*usage.Presence{"lathe": {
		Known: span.NewSet(between("00:00", "03-07 00:00")), Attended: span.NewSet(between("09:00", "12:00")),
	}}
	q.Upkeep = map[string]settle.Upkeep{"lathe": {Maintenance: span.NewSet(between("03-04 08:30", "03-04 11:00")), Outages: &span.Set{}}}
	got := w.rates(q)
	m := &got.Machines[0]
	// Monday: 10 min of preparation, 2 h running, 15 of 20 min of post-processing; Tuesday 1 h. Five days of 8.5 h.
	wantRates(t, &m.Rates, map[string]string{
		"quota":               "3.417/19.178=0.1782", // 1400 × 5 ÷ 365
		"calendar":            "3.417/40.000=0.0854", // 42.5 − 2.5
		"opening":             "3.000/42.500=0.0706",
		"timetable":           "3.417/5.000=0.6833",
		"on":                  "3.500/42.500=0.0824",
		"idle_run":            "1.000/3.500=0.2857", // nobody was there on Tuesday
		"trainee_per_machine": "9.000/3.417=2.6341",
		"availability":        "5.000/5.000=1.0000",
		"shared":              "2.417/3.417=0.7073",
		"completeness":        "42.500/42.500=1.0000",
		"online":              "42.500/42.500=1.0000",
		"energy_per_trainee":  "?/9.000 no_energy",
	})
	if m.Days != 5 || m.Window != between("00:00", "03-07 00:00") || len(m.Digest) != 64 || len(m.Notes) > 0 {
		t.Errorf("machine %+v", m)
	}
	// 17 trainee-hours at 2 stations × 5 days × 8.5 h
	if u := got.StationUse; !u.Given() || *u.Value != 0.2 || u.Denominator.Amount != 85*3600_000 {
		t.Errorf("station use %+v, want 17 ÷ 85", u)
	}
	if got.Provisional || got.RuleVersion != "usage/1 rates/1" || got.RosterDigest != q.Roster.Digest() || got.RegistryDigest == "" {
		t.Errorf("what the rates rest on: %+v", got)
	}
	if f := got.Fleets[0]; f.ID != "quota" || *f.Mean != *m.Rates.Quota.Value || *f.ByValue != *f.Mean || *f.Scored != *f.Mean {
		t.Errorf("fleet of one machine %+v, want its rate", f)
	}
	if len(got.Fleets) != len(m.Rates.All()) {
		t.Errorf("%d fleets of %d rates", len(got.Fleets), len(m.Rates.All()))
	}
}

// TestRatesWithoutRoster: what nobody handed in is withheld with its reason, and never 0.
func TestRatesWithoutRoster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	w.said(word("cnc", at("03-01 20:00"), "READY"), word("cnc", at("09:00"), "ACTIVE"), word("cnc", at("17:30"), "READY"))
	for name, roster := range map[string]*registry.Roster{"none": nil, "empty": registry.EmptyRoster(testBase)} {
		got := w.rates(week(roster))
		wantRates(t, &got.Machines[0].Rates, map[string]string{
			"quota": "?/19.178 no_timetable", "calendar": "?/42.500 no_timetable", "opening": "8.500/42.500=0.2000",
			"timetable": "?/? no_timetable", "on": "120.000/42.500=2.8235", "idle_run": "?/120.000 presence_unknown",
			"trainee_per_machine": "?/? no_timetable", "availability": "?/? faults_unknown",
			"shared": "?/? no_timetable", "online": "42.500/42.500=1.0000",
		})
		if got.Machines[0].Rates.IdleRunMs != nil || got.StationUse.Why != usage.WhyNoVerified {
			t.Errorf("%s: unattended %v, station use %+v", name, got.Machines[0].Rates.IdleRunMs, got.StationUse)
		}
	}
}

// TestRatesRefuseAnUnpublishedCalendar: 日历未发布 withholds what is divided by working days, and nothing else.
func TestRatesRefuseAnUnpublishedCalendar(t *testing.T) {
	t.Parallel()
	b := base(func(b *registry.Base) {
		lathe(b)
		b.Workshops[0].Stations = []registry.Station{{ID: "s1"}}
		b.Hours[0] = registry.Hours{Valid: registry.Always(), ByWeekday: true, Weekday: [7]registry.Times{1: {{Start: 480, End: 960}}}}
	})
	w := newWorld(t, b)
	w.said(word("cnc", at("03-01 20:00"), "ACTIVE"))
	q := week(rosterOf(t, b, session("m", "turning", "09:00", "12:00")))
	q.From = calendar.Date{Year: 2199, Month: time.March, Day: 4} // a Monday
	q.To, q.NowMs = q.From, q.From.Add(3).Span().StartMs
	q.Verified = &settle.Verified{Stations: map[settle.Place]int64{}, Coverage: 1}
	got := w.rates(q)
	wantRates(t, &got.Machines[0].Rates, map[string]string{
		"calendar": "0.000/? calendar_unpublished", "on": "24.000/? calendar_unpublished",
		"quota": "0.000/3.836=0.0000", "opening": "24.000/8.000=3.0000",
	})
	if got.StationUse.Why != usage.WhyCalendar || !got.Provisional {
		t.Errorf("station use %+v, provisional %v", got.StationUse, got.Provisional)
	}
	q.From, q.To = calendar.Date{Year: 2026, Month: time.December, Day: 28}, calendar.Date{Year: 2026, Month: time.December, Day: 28}
	q.NowMs = at("12-30 00:00")
	if got := w.rates(q); !got.Provisional || !got.Machines[0].Rates.On.Given() {
		t.Errorf("late December before the next year's notice: provisional %v, %+v; want a provisional rate", got.Provisional, got.Machines[0].Rates.On)
	}
}

// TestRatesByStation: a session is the machines' at its stations, and those that belong to the whole workshop; without
// stations it is everybody's in its workshop, and in no other.
func TestRatesByStation(t *testing.T) {
	t.Parallel()
	b := base(func(b *registry.Base) {
		b.Workshops = []registry.Workshop{
			{ID: "w1", Name: "车间", Stations: []registry.Station{{ID: "s1"}, {ID: "s2"}}}, {ID: "w2", Name: "另一车间"},
		}
		for i, id := range []string{"first", "second", "shared", "elsewhere"} {
			e := controller(id)
			e.Station = []string{"s1", "s2", "", ""}[i]
			e.Workshop = []string{"w1", "w1", "w1", "w2"}[i]
			b.Equipment = append(b.Equipment, e)
			b.Devices = append(b.Devices, device("d-"+id))
			b.Bindings = append(b.Bindings, bound("d-"+id, id, registry.Always()))
		}
	})
	w := newWorld(t, b)
	for _, id := range []string{"first", "second", "shared", "elsewhere"} {
		w.said(word("d-"+id, at("03-01 20:00"), "ACTIVE"))
	}
	got := w.rates(week(rosterOf(t, b, session("one", "turning", "09:00", "10:00", "s1"), session("all", "school", "10:00", "12:00"))))
	var told []string
	for _, m := range got.Machines {
		a := m.Rates.Attribution
		told = append(told, fmt.Sprintf("%s %d+%d", m.Equipment.ID, a.ByUse[registry.UseSocial].Ms()/3600_000, a.ByUse[registry.UseSchool].Ms()/3600_000))
	}
	if diff := cmp.Diff([]string{"elsewhere 0+0", "first 1+2", "second 0+2", "shared 1+2"}, told); diff != "" {
		t.Errorf("hours of social and school use (-want +got):\n%s", diff)
	}
}

// TestRatesPassMidnight: a night class is one session, and standby after midnight belongs to the run before it.
func TestRatesPassMidnight(t *testing.T) {
	t.Parallel()
	b := base(lathe)
	w := newWorld(t, b)
	w.said(word("cnc", at("08:00"), "READY"), word("cnc", at("22:00"), "ACTIVE"), word("cnc", at("23:55"), "READY"), word("cnc", at("03-03 06:00"), "OFF"))
	q := week(rosterOf(t, b, session("night", "turning", "21:50", "03-03 01:00")))
	got := w.rates(q).Machines[0].Rates.Attribution.Effective
	want := usage.Effective{PrepMs: 10 * 60_000, RunMs: 115 * 60_000, PostMs: 15 * 60_000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("effective time (-want +got):\n%s", diff)
	}
}

// TestRatesStopAtNow: what has not happened is in no denominator.
func TestRatesStopAtNow(t *testing.T) {
	t.Parallel()
	b := base(lathe)
	w := newWorld(t, b)
	w.said(word("cnc", at("03-01 20:00"), "READY"))
	q := week(rosterOf(t, b, session("m", "turning", "12:00", "14:00"), session("t", "turning", "03-04 09:00", "03-04 11:00")))
	q.NowMs = at("03-03 12:30")
	m := w.rates(q).Machines[0]
	wantRates(t, &m.Rates, map[string]string{"opening": "0.000/12.500=0.0000", "timetable": "0.000/2.000=0.0000"})
	if m.Days != 2 || m.Window != between("00:00", "03-03 12:30") {
		t.Errorf("%d days, window %v", m.Days, m.Window)
	}
}

// TestRatesOutOfService: a machine that was not there has no rate, and counts for none of the means.
func TestRatesOutOfService(t *testing.T) {
	t.Parallel()
	b := base(func(b *registry.Base) {
		lathe(b)
		b.Equipment[0].InService = span.Span{StartMs: at("03-05 00:00"), EndMs: registry.ForeverMs}
		late := controller("late")
		late.InService.StartMs = at("04-01 00:00")
		b.Equipment = append(b.Equipment, late)
	})
	w := newWorld(t, b)
	w.said(word("cnc", at("03-04 20:00"), "READY"))
	got := w.rates(week(rosterOf(t, b, session("m", "turning", "12:00", "14:00"))))
	if m := got.Machines[1]; m.Days != 2 {
		t.Errorf("%d days in service, want Thursday and Friday", m.Days)
	}
	late := got.Machines[0]
	for _, n := range late.Rates.All() {
		if n.Why != usage.WhyNotInService {
			t.Errorf("%s of a machine that is not in service: %+v", n.ID, n.Rate)
		}
	}
	if diff := cmp.Diff([]settle.Note{settle.NoteNotInService}, late.Notes); diff != "" {
		t.Error(diff)
	}
	if f := got.Fleets[0]; f.Counted != 1 || len(f.Withheld) != 1 || f.Withheld[0].Equipment != "late" {
		t.Errorf("fleet %+v", f)
	}
}

// energyOf is a meter's reading of its counter.
func energyOf(device string, ms int64, wh float64) telemetry.Record {
	r := power(device, ms, 500)
	r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.EnergyWh, Number: wh})
	return r
}

// TestRatesCountEnergy: of the counter that is bound, or else of the device that decides the state; each meter by itself.
func TestRatesCountEnergy(t *testing.T) {
	t.Parallel()
	hourly := func(device string, from string, n int, wh float64) []telemetry.Record {
		var out []telemetry.Record
		for i := range n {
			out = append(out, energyOf(device, at(from)+int64(i)*3600_000, wh+float64(i)*1000))
		}
		return out
	}
	tests := []struct {
		name   string
		change func(b *registry.Base)
		said   []telemetry.Record
		want   string
	}{
		{"beside the state", func(*registry.Base) {}, hourly("meter", "03-01 23:00", 26, 100), "25.0 kWh, 0 resets"},
		{"past two midnights", func(*registry.Base) {}, hourly("meter", "03-01 23:00", 50, 100), "49.0 kWh, 0 resets"},
		{"a meter of its own", func(b *registry.Base) {
			x := bound("other", "saw", registry.Always())
			x.Use = registry.UseEnergy
			b.Bindings = append(b.Bindings, x)
		}, slices.Concat(hourly("meter", "03-01 23:00", 20, 100), hourly("other", "03-01 23:00", 11, 70_000)), "10.0 kWh, 0 resets"},
		{"the same meter, said twice", func(b *registry.Base) {
			x := bound("meter", "saw", registry.Always())
			x.Use = registry.UseEnergy
			b.Bindings = append(b.Bindings, x)
		}, hourly("meter", "03-01 23:00", 11, 70_000), "10.0 kWh, 0 resets"},
		{"a meter that was exchanged", func(b *registry.Base) {
			b.Bindings = []registry.Binding{
				bound("meter", "saw", span.Span{StartMs: registry.BeginMs, EndMs: at("12:00")}),
				bound("other", "saw", span.Span{StartMs: at("12:00"), EndMs: registry.ForeverMs}),
			}
		}, slices.Concat(hourly("meter", "03-01 23:00", 20, 100), hourly("other", "12:00", 6, 9_000)), "17.0 kWh, 0 resets"},
		{
			"a counter that began again", func(*registry.Base) {},
			slices.Concat(hourly("meter", "00:00", 5, 60_000), hourly("meter", "05:00", 5, 0)), "8.0 kWh, 1 resets",
		},
		{"no counter", func(*registry.Base) {}, working("09:00", "10:00"), "none"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, base(func(b *registry.Base) { saw(b); test.change(b) }))
			w.said(test.said...)
			e := w.rates(week(nil)).Machines[0].Rates.Energy
			got := "none"
			if e != nil {
				got = fmt.Sprintf("%.1f kWh, %d resets", float64(e.MilliWh)/1e6, e.Resets)
			}
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if e != nil && (e.ExpectedMs != 5*24*3600_000 || e.CoveredMs > e.ExpectedMs) {
				t.Errorf("energy is known for %d of %d ms", e.CoveredMs, e.ExpectedMs)
			}
		})
	}
}

// TestRatesTellFaults: availability is given where the machine's controller has a word for a fault.
func TestRatesTellFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(b *registry.Base)
		state  string
		want   string
	}{
		"no word for it":     {func(*registry.Base) {}, "READY", "?/? faults_unknown"},
		"a word of its own":  {func(b *registry.Base) { b.Equipment[0].Signal.States = map[string]string{"BROKEN": "fault"} }, "READY", "5.000/5.000=1.0000"},
		"the native dialect": {func(b *registry.Base) { b.Devices[0].Dialect = "native" }, "READY", "5.000/5.000=1.0000"},
		"one was seen":       {func(*registry.Base) {}, "FAULT", "0.000/5.000=0.0000"},
	} {
		w := newWorld(t, base(func(b *registry.Base) { lathe(b); test.change(b) }))
		w.said(word("cnc", at("03-01 20:00"), test.state))
		if got := rate(&w.rates(week(nil)).Machines[0].Rates, "availability"); got != test.want {
			t.Errorf("%s: availability %s, want %s", name, got, test.want)
		}
	}
}

func TestRatesRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(lathe))
	for name, test := range map[string]struct {
		change func(q *settle.RatesQuery)
		is     error
		says   string
	}{
		"base":      {func(q *settle.RatesQuery) { q.Base = "nowhere" }, registry.ErrUnknown, "nowhere"},
		"equipment": {func(q *settle.RatesQuery) { q.Equipment = "mill" }, settle.ErrUnknownEquipment, "mill"},
		"backwards": {func(q *settle.RatesQuery) { q.To = q.From.Add(-1) }, nil, "want at least one day"},
		"too long":  {func(q *settle.RatesQuery) { q.To = q.From.Add(1098) }, nil, "at most 1098"},
		"roster":    {func(q *settle.RatesQuery) { q.Roster = registry.EmptyRoster("cq02") }, nil, `"cq02"`},
	} {
		q := week(nil)
		test.change(q)
		r, err := w.settler.Rates(t.Context(), q)
		if err == nil || r != nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	s := settle.New(&failing{Store: w.store, read: errInjected}, w.registry, newCalendar(t))
	if r, err := s.Rates(t.Context(), week(nil)); !errors.Is(err, errInjected) || r != nil {
		t.Errorf("a store that fails: %v, %v", r, err)
	}
}
