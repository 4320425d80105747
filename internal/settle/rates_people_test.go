package settle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// morning is the room on the Monday of class: the lathe works from half past eight to eleven, and one trainee leaves at half
// past ten.
func morning(t *testing.T, change func(b *registry.Base)) (*world, *settle.RatesQuery) {
	t.Helper()
	w := newWorld(t, base(func(b *registry.Base) { room(b); change(b) }))
	w.said(word("cnc", at("03-01 20:00"), "OFF"), word("cnc", at("08:30"), "ACTIVE"), word("cnc", at("11:00"), "OFF"),
		tap(at("08:20"), "c1", telemetry.DirectionIn), tap(at("08:25"), "c2", telemetry.DirectionIn),
		tap(at("10:30"), "c2", telemetry.DirectionOut), tap(at("11:30"), "c1", telemetry.DirectionOut))
	q := week(class(t, w))
	if err := w.settler.AddPeople(t.Context(), q, settle.DefaultRules(), nil); err != nil {
		t.Fatal(err)
	}
	return w, q
}

// TestRatesOfPeople: the hours that were verified are those of the lathe at the class's only station, and the rates that want
// them are given.
func TestRatesOfPeople(t *testing.T) {
	t.Parallel()
	w, q := morning(t, func(*registry.Base) {})
	// The first from 08:30 to 11:10, when the lathe's last proof ends, less the break: 145 min. The second to 10:30: 105 min.
	const ms = (145 + 105) * 60_000
	want := &settle.Verified{
		Equipment: map[string]int64{"lathe": ms}, Stations: map[settle.Place]int64{{Workshop: "w1", Station: "s1"}: ms}, Coverage: 1,
	}
	if diff := cmp.Diff(want, q.Verified); diff != "" {
		t.Errorf("verified (-want +got):\n%s", diff)
	}
	wantPresence := map[string]*usage.Presence{"lathe": {
		Known: span.NewSet(between("08:30", "11:30")), Attended: span.NewSet(between("08:20", "11:30")),
	}}
	if diff := cmp.Diff(wantPresence, q.Presence); diff != "" {
		t.Errorf("presence (-want +got):\n%s", diff)
	}
	got := w.rates(q)
	wantRates(t, &got.Machines[0].Rates, map[string]string{
		"trainee_per_machine": "4.167/2.500=1.6667", "idle_run": "0.000/2.500=0.0000",
	})
	if u := got.StationUse; !u.Given() || u.Numerator.Amount != ms || u.Denominator.Amount != 5*85*360_000 {
		t.Errorf("station use %+v, want 250 min at one station of 5 × 8.5 h", u)
	}
}

// TestRatesOfPeopleWhoShare: of two machines at one station nobody knows who was at which, but the station's hours are known.
func TestRatesOfPeopleWhoShare(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *registry.Base){
		"two machines at the station": func(b *registry.Base) {
			second := controller("mill")
			second.Station = "s1"
			b.Equipment = append(b.Equipment, second)
		},
		"no reader": func(b *registry.Base) { b.Bindings = b.Bindings[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, q := morning(t, change)
			lathe := w.rates(q).Machines[0].Rates
			switch {
			case name == "no reader" && (len(q.Presence) > 0 || lathe.IdleRun.Why != usage.WhyNoPresence):
				t.Errorf("presence without a reader: %+v, %+v", q.Presence, lathe.IdleRun)
			case name != "no reader" && (lathe.TraineePerMachine.Why != usage.WhyNoVerified || q.Verified.Stations[settle.Place{Workshop: "w1", Station: "s1"}] == 0):
				t.Errorf("verified %+v, trainees per machine %+v", q.Verified, lathe.TraineePerMachine)
			}
		})
	}
}

// TestRatesOfPeopleMissed: while the reader is not heard of nobody knows who was there, and the time is pending.
func TestRatesOfPeopleMissed(t *testing.T) {
	t.Parallel()
	w, _ := morning(t, func(*registry.Base) {})
	w.said(link("door", at("09:00"), telemetry.LinkWill))
	q := week(class(t, w))
	if err := w.settler.AddPeople(t.Context(), q, settle.DefaultRules(), nil); err != nil {
		t.Fatal(err)
	}
	if known := q.Presence["lathe"].Known; known.Contains(at("09:30")) || !known.Contains(at("08:40")) {
		t.Errorf("presence is known at %v, and the reader was away from 09:00", known)
	}
	none := week(nil)
	if err := w.settler.AddPeople(t.Context(), none, settle.DefaultRules(), nil); err != nil || none.Verified != nil || none.Presence != nil {
		t.Errorf("without a timetable: %+v %+v %v", none.Verified, none.Presence, err)
	}
}

// TestRatesOfPeopleAtNoStation: where the class has two stations and nobody says who works at which, no machine's share is
// known, and a machine at a third station is known to have had nobody.
func TestRatesOfPeopleAtNoStation(t *testing.T) {
	t.Parallel()
	w, _ := morning(t, func(b *registry.Base) {
		b.Workshops[0].Stations = []registry.Station{{ID: "s1"}, {ID: "s2"}, {ID: "s3"}}
		for _, station := range []string{"s2", "s3"} {
			e := controller("at-" + station)
			e.Station = station
			b.Equipment = append(b.Equipment, e)
		}
	})
	b, _ := w.registry.Base(testBase)
	people := class(t, w).People()
	people.Classes[0].Stations = []string{"s1", "s2"}
	people.Sessions[0].Stations = nil
	roster, err := registry.NewRoster(b, people)
	if err != nil {
		t.Fatal(err)
	}
	q := week(roster)
	if err := w.settler.AddPeople(t.Context(), q, settle.DefaultRules(), nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"at-s3": 0}, q.Verified.Equipment); diff != "" {
		t.Errorf("verified by machine (-want +got):\n%s", diff)
	}
}
