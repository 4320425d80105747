package plant_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// claimed are the persons that a base claims anything for in the class's first session of the first day.
func claimed(p *plant.Plant, class string) (persons []string, ms int64) {
	session := class + "-20260302-"
	for _, c := range p.Claims(0, 0) {
		if strings.HasPrefix(c.Session, session+"0") {
			persons, ms = append(persons, c.Person.ID), c.Ms
		}
	}
	return persons, ms
}

// TestABaseClaimsForWhoWasThere: an honest base claims the session without its breaks for everybody who came, and for
// nobody else.
func TestABaseClaimsForWhoWasThere(t *testing.T) {
	t.Parallel()
	p, s := with(t)
	absent := "P-lathe-0"
	for i := range s.Bases[0].People {
		if s.Bases[0].People[i].ID == absent {
			s.Bases[0].People[i].Habits = scenario.Habits{Absent: 1}
		}
	}
	persons, ms := claimed(p, "day")
	want := slices.DeleteFunc(slices.Clone(s.Bases[0].Classes[0].Trainees), func(id string) bool { return id == absent })
	if !slices.Equal(persons, want) || ms != 165*minuteMs {
		t.Errorf("%d minutes are claimed for %v, want 165 for %v", ms/minuteMs, persons, want)
	}
}

// TestCheatsClaimForCards: a base claims for the cards that were tapped, whoever held them.
func TestCheatsClaimForCards(t *testing.T) {
	t.Parallel()
	for _, f := range []scenario.Fraud{
		{Kind: scenario.ManyCards, Class: "day", Cards: 4},
		{Kind: scenario.GhostClass, Class: "day"},
		{Kind: scenario.TapAndLeave, Class: "day"},
		{Kind: scenario.ShortClass, Class: "day", Share: 0.5},
	} {
		p, s := with(t, f)
		if persons, ms := claimed(p, "day"); !slices.Equal(persons, s.Bases[0].Classes[0].Trainees) || ms != 165*minuteMs {
			t.Errorf("%s: %d minutes are claimed for %v, want 165 for all", f.Kind, ms/minuteMs, persons)
		}
	}
	p, _ := with(t, scenario.Fraud{Kind: scenario.OverClaimed, Class: "day", Share: 2})
	if _, ms := claimed(p, "day"); ms != 330*minuteMs {
		t.Errorf("%d minutes are claimed, want twice 165", ms/minuteMs)
	}
}

// TestSessionsOfADay: what Sessions returns is what the days show, uncut, each once, by its id.
func TestSessionsOfADay(t *testing.T) {
	t.Parallel()
	p, s := with(t)
	ids := map[string]plant.Session{}
	for day := range s.Days {
		for _, l := range p.Sessions(0, day) {
			if _, ok := ids[l.ID]; ok {
				t.Errorf("%s is there twice", l.ID)
			}
			ids[l.ID] = l
		}
	}
	seen := map[string]bool{}
	for day := range s.Days {
		for _, l := range p.Day(0, day).Sessions {
			whole, ok := ids[l.ID]
			if !ok || whole.Whole != l.Whole || whole.Class != l.Class {
				t.Errorf("day %d has %s at %v, the timetable %v", day, l.ID, l.Whole, whole.Whole)
			}
			seen[l.ID] = true
		}
	}
	if len(seen) != len(ids) || len(ids) == 0 {
		t.Errorf("%d sessions in the timetable, %d in the days", len(ids), len(seen))
	}
	if _, ok := ids["night-20260302-2100"]; !ok {
		t.Error("there is no night-20260302-2100")
	}
}
