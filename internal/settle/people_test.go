package settle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// room is a base with a door reader and a lathe at the one station.
func room(b *registry.Base) {
	b.Workshops[0].Stations = []registry.Station{{ID: "s1"}}
	e := controller("lathe")
	e.Station = "s1"
	b.Equipment = []registry.Equipment{e}
	b.Devices = []registry.Device{device("cnc"), {ID: "door", Kind: registry.Reader}}
	b.Bindings = []registry.Binding{
		bound("cnc", "lathe", registry.Always()),
		{Device: "door", Room: "w1", Use: registry.UsePresence, Valid: registry.Always()},
	}
}

// class is a practice on Monday morning for two trainees, with a break.
func class(t testing.TB, w *world) *registry.Roster {
	t.Helper()
	b, _ := w.registry.Base(testBase)
	people := registry.People{
		Base:    testBase,
		Persons: []registry.Person{{ID: "p1"}, {ID: "p2"}, {ID: "teacher", Teacher: true}},
		Cards:   []registry.Card{{Token: "c1", Person: "p1", Valid: registry.Always()}, {Token: "c2", Person: "p2", Valid: registry.Always()}},
		Classes: []registry.Class{{
			ID: "k", Name: "车工", Use: registry.UseSocial, Profile: registry.Machine, Workshop: "w1", Stations: []string{"s1"}, Teacher: "teacher",
		}},
		Enrolments: []registry.Enrolment{{Class: "k", Person: "p1", Valid: registry.Always()}, {Class: "k", Person: "p2", Valid: registry.Always()}},
		Sessions:   []registry.Session{{ID: "k1", Class: "k", Span: between("08:30", "11:30"), Breaks: span.Set{between("10:00", "10:15")}, Practice: true}},
		Claims:     []registry.Claim{{Session: "k1", Person: "p1", Ms: 165 * 60_000}},
	}
	roster, err := registry.NewRoster(b, people)
	if err != nil {
		t.Fatal(err)
	}
	return roster
}

func tap(ms int64, card string, direction telemetry.Direction) telemetry.Record {
	return telemetry.Record{Kind: telemetry.KindTap, Clock: telemetry.ClockDevice, Device: "door", EventMs: ms, DeviceMs: ms, Card: card, Direction: direction}
}

// verdicts are one line for each trainee's lesson.
func verdicts(p *settle.PeopleDay) string {
	var out []string
	for i := range p.Verdicts {
		v := &p.Verdicts[i]
		line := fmt.Sprintf("%s %s planned %d verified %d pending %d", v.Person, p.Attendance[i].Status, v.PlannedMs/60_000, v.VerifiedMs/60_000, v.PendingMs/60_000)
		for _, piece := range v.Pieces {
			if piece.Reason != "" && !piece.Pending() {
				line += fmt.Sprintf(" %s %d", piece.Reason, piece.Ms()/60_000)
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func settled(t testing.TB, w *world, roster *registry.Roster) *settle.PeopleDay {
	t.Helper()
	p, err := w.settler.People(t.Context(), roster, monday, settle.DefaultTerms())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPeople: a morning in a workshop. The lathe works until eleven, so its last proof ends ten minutes later; one trainee
// leaves at half past ten.
func TestPeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room))
	roster := class(t, w)
	w.said(
		word("cnc", at("08:00"), "READY"), word("cnc", at("08:35"), "ACTIVE"), word("cnc", at("11:00"), "OFF"),
		tap(at("08:25"), "c1", telemetry.DirectionIn), tap(at("08:26"), "c2", telemetry.DirectionIn),
		tap(at("10:30"), "c2", telemetry.DirectionOut), tap(at("11:32"), "c1", telemetry.DirectionOut),
	)
	p := settled(t, w, roster)
	want := "p1 present planned 165 verified 145 pending 0 STATION_OFFLINE 20\np2 left_early planned 165 verified 105 pending 0 EARLY_LEAVE 60"
	if diff := cmp.Diff(want, verdicts(p)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	again := settled(t, w, roster)
	if p.Digest != again.Digest {
		t.Errorf("the same evidence has the digests %s and %s", p.Digest, again.Digest)
	}
	w.said(tap(at("09:00"), "c1", telemetry.DirectionIn))
	if later := settled(t, w, roster); later.Digest == p.Digest {
		t.Error("a tap more did not change the digest")
	}
}

// TestReaderAndMeterOutages: what nobody heard is pending, and nothing of it is refused.
func TestReaderAndMeterOutages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room))
	roster := class(t, w)
	w.said(
		word("cnc", at("08:00"), "READY"), word("cnc", at("08:35"), "ACTIVE"), link("cnc", at("09:00"), telemetry.LinkWill),
		word("cnc", at("09:50"), "ACTIVE"), word("cnc", at("11:30"), "OFF"),
		tap(at("08:25"), "c1", telemetry.DirectionIn), tap(at("11:32"), "c1", telemetry.DirectionOut),
		link("door", at("11:00"), telemetry.LinkOffline), link("door", at("11:20"), telemetry.LinkOnline),
		tap(at("08:26"), "c2", telemetry.DirectionIn),
	)
	p := settled(t, w, roster)
	// The lathe is proved until ten minutes into its silence and from ten minutes before its end: 30 minutes are open.
	want := "p1 present planned 165 verified 135 pending 30\np2 pending planned 165 verified 0 pending 155 NO_BADGE_OUT 10"
	if diff := cmp.Diff(want, verdicts(p)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room))
	roster := class(t, w)
	w.said(
		word("cnc", at("08:00"), "READY"), word("cnc", at("08:35"), "ACTIVE"), word("cnc", at("11:25"), "READY"),
		tap(at("08:40"), "c1", telemetry.DirectionIn), tap(at("11:32"), "c1", telemetry.DirectionOut),
	)
	x, err := w.settler.Explain(t.Context(), roster, "k1", "p1", settle.DefaultTerms())
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Taps) != 2 || len(x.Verdicts) != 1 || len(x.Machines) != 1 {
		t.Fatalf("%d taps, %d days, %d machines", len(x.Taps), len(x.Verdicts), len(x.Machines))
	}
	if got := x.Verdicts[0]; got.VerifiedMs != 155*60_000 || got.HalfUnits != 6 {
		t.Errorf("verified %d min, %d half units; want 155 and 6", got.VerifiedMs/60_000, got.HalfUnits)
	}
	var began []string
	for _, s := range x.Machines[0].Segments {
		if s.Record != nil {
			began = append(began, fmt.Sprintf("%s seq %d", s.State, s.Record.Seq))
		}
	}
	if diff := cmp.Diff([]string{"running seq 2", "idle seq 3"}, began[max(0, len(began)-2):]); diff != "" {
		t.Errorf("segments with their records (-want +got):\n%s", diff)
	}
	all := settled(t, w, roster)
	if diff := cmp.Diff(all.Verdicts[0], x.Verdicts[0].Verdict); diff != "" {
		t.Errorf("the day and the explanation differ (-day +explanation):\n%s", diff)
	}
	if _, err := w.settler.Explain(t.Context(), roster, "k9", "p1", settle.DefaultTerms()); !errors.Is(err, settle.ErrUnknownSession) {
		t.Errorf("unknown session: %v", err)
	}
	if _, err := w.settler.Explain(t.Context(), roster, "k1", "teacher", settle.DefaultTerms()); !errors.Is(err, settle.ErrNotEnrolled) {
		t.Errorf("not enrolled: %v", err)
	}
}

// TestExplanationOfASharedStation: two classes want the one station at once. The explanation of one trainee must know of the
// other class, whose trainees came first, or it would tell another verdict than the day.
func TestExplanationOfASharedStation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(room))
	b, _ := w.registry.Base(testBase)
	people := registry.People{Base: testBase}
	for _, class := range []string{"k", "l"} {
		people.Classes = append(people.Classes, registry.Class{
			ID: class, Name: class, Use: registry.UseSocial, Profile: registry.Machine, Workshop: "w1", Stations: []string{"s1"}, MaxPerStation: 1,
		})
		people.Persons = append(people.Persons, registry.Person{ID: "p" + class})
		people.Cards = append(people.Cards, registry.Card{Token: "c" + class, Person: "p" + class, Valid: registry.Always()})
		people.Enrolments = append(people.Enrolments, registry.Enrolment{Class: class, Person: "p" + class, Valid: registry.Always()})
		people.Sessions = append(people.Sessions, registry.Session{ID: class + "1", Class: class, Span: between("08:30", "11:30"), Practice: true})
	}
	roster, err := registry.NewRoster(b, people)
	if err != nil {
		t.Fatal(err)
	}
	w.said(
		word("cnc", at("08:00"), "ACTIVE"), word("cnc", at("12:00"), "OFF"),
		tap(at("08:20"), "ck", telemetry.DirectionIn), tap(at("08:25"), "cl", telemetry.DirectionIn),
		tap(at("11:31"), "ck", telemetry.DirectionOut), tap(at("11:32"), "cl", telemetry.DirectionOut),
	)
	day := settled(t, w, roster)
	want := "pk present planned 180 verified 180 pending 0\npl present planned 180 verified 0 pending 0 OVERCROWDED 180"
	if diff := cmp.Diff(want, verdicts(day)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	x, err := w.settler.Explain(t.Context(), roster, "l1", "pl", settle.DefaultTerms())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(day.Verdicts[1], x.Verdicts[0].Verdict); diff != "" {
		t.Errorf("the day and the explanation differ (-day +explanation):\n%s", diff)
	}
}
