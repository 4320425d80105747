package enlist_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/enlist"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

func live(t *testing.T, name string) *sim.Simulation {
	t.Helper()
	text, ok := sim.ScenarioText(name)
	if !ok {
		t.Fatalf("no scenario %s", name)
	}
	s, err := scenario.Read(name, text)
	if err != nil {
		t.Fatal(err)
	}
	s.Days = min(s.Days, 7)
	simulation, err := sim.NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	return simulation
}

func sender() registry.Bridge {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize))).Public().(ed25519.PublicKey)
	return registry.Bridge{ID: "bridge", Keys: []registry.BridgeKey{{Key: key, Valid: registry.Always()}}}
}

// token stands for the city's keyed hash.
func token(card string) string { return "token-of-" + strings.ToLower(card) }

// TestEveryExampleIsAdmitted: the service's own registry takes every example scenario, machines and people, without a
// problem.
func TestEveryExampleIsAdmitted(t *testing.T) {
	t.Parallel()
	for _, name := range sim.Scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := live(t, name)
			for n := range s.Scenario().Bases {
				base, err := enlist.Base(s, n, sender())
				if err != nil {
					t.Fatal(err)
				}
				r, err := registry.New(base)
				if err != nil {
					t.Fatal(err)
				}
				people, err := enlist.People(s, n, token)
				if err != nil {
					t.Fatal(err)
				}
				roster, err := registry.NewRoster(base, people)
				if err != nil {
					t.Fatal(err)
				}
				from := &s.Scenario().Bases[n]
				checkReaders(t, r, from, s)
				if got := len(roster.SessionsIn(s.Span())); got != len(s.Scenario().Timetable(from)) {
					t.Errorf("%d sessions are registered, the timetable has %d", got, len(s.Scenario().Timetable(from)))
				}
			}
		})
	}
}

// checkReaders: every reader is bound where it stands.
func checkReaders(t *testing.T, r *registry.Registry, from *scenario.Base, s *sim.Simulation) {
	t.Helper()
	type place struct{ room, station string }
	got, want := map[place]int{}, map[place]int{}
	for _, b := range r.Readers(from.Code, s.Span()) {
		got[place{b.Room, b.Station}]++
	}
	for i := range from.Workshops {
		for _, reader := range from.Workshops[i].Readers {
			want[place{from.Workshops[i].ID, reader.Station}]++
		}
	}
	for p, n := range want {
		if got[p] != n {
			t.Errorf("%d readers are registered at %+v, want %d", got[p], p, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("readers are at %v, want %v", got, want)
	}
}

// TestPeopleAreWrittenDown: cards are tokens, nobody's presence is told, and a room of many seats proves as many.
func TestPeopleAreWrittenDown(t *testing.T) {
	t.Parallel()
	text := `
from: 2026-03-02
bases:
  workshops: {id: room, machines: {kind: computer_room, id: pc}}
  trainees: [{id: here, card: BA839D07, habits: punctual}, {id: away, habits: {absent: 1}}]
  classes: {id: cad, slots: {time: "08:30-11:30", breaks: ["10:00-10:15"], practice: false}, claimed: 2}
`
	read, err := scenario.Read("room", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.NewSimulation(read)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enlist.People(s, 0, token)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Persons) != 3 || len(p.Cards) != 3 || len(p.Enrolments) != 2 || len(p.Sessions) != 1 || len(p.Claims) != 1 || len(p.Classes) != 1 {
		t.Fatalf("people are %+v", p)
	}
	if p.Cards[0].Token != "token-of-ba839d07" {
		t.Errorf("the card's token is %s", p.Cards[0].Token)
	}
	if l := p.Sessions[0]; l.ID != "cad-20260302-0830" || l.Practice || l.Breaks.Ms() != 15*60_000 || l.Span.Ms() != 3*3600_000 {
		t.Errorf("the session is %+v", l)
	}
	if c := p.Claims[0]; c.Person != "here" || c.Ms != 2*165*60_000 {
		t.Errorf("the claim is %+v, want 330 minutes of who was there", c)
	}
	if c := p.Classes[0]; c.MaxPerStation != 40 || c.Profile != registry.Computer || c.LongCycle {
		t.Errorf("the class is %+v", c)
	}
	if _, err := enlist.People(s, 0, func(string) string { return "" }); err == nil || strings.Contains(err.Error(), "ba839d07") {
		t.Errorf("a card without a token: %v, want an error that does not tell the card", err)
	}
}
