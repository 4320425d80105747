package enlist

import (
	"cmp"
	"fmt"
	"slices"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// People returns who learns and teaches at one base of a simulation, by its place in the scenario: persons and their cards, classes
// and who is enrolled, the timetable, and what the base claims. Nobody's own station is registered: where readers stand
// at stations they show it. token makes of a card's number in hexadecimal what the records of the base's readers will carry;
// the error names a card for which it makes nothing. Nothing of it says who came, and when.
func People(s *sim.Simulation, n int, token func(cardHex string) string) (registry.People, error) {
	from := &s.Scenario().Bases[n]
	people := registry.People{Base: from.Code}
	for i := range from.People {
		p := &from.People[i]
		people.Persons = append(people.Persons, registry.Person{ID: p.ID, Teacher: p.Teacher})
		card := registry.Card{Token: token(s.Card(n, i)), Person: p.ID, Valid: registry.Always()}
		if card.Token == "" {
			return people, fmt.Errorf("card of %s: it has no token", p.ID)
		}
		people.Cards = append(people.Cards, card)
	}
	for i := range from.Classes {
		c := &from.Classes[i]
		people.Classes = append(people.Classes, scenarioClass(from, c))
		for _, id := range c.Trainees {
			people.Enrolments = append(people.Enrolments, registry.Enrolment{Class: c.ID, Person: id, Valid: registry.Always()})
		}
	}
	for _, l := range s.Timetable(n) {
		people.Sessions = append(people.Sessions, registry.Session{
			ID: l.ID, Class: l.Class.ID, Span: l.Whole, Breaks: l.Breaks, Practice: l.Slot.Practice,
		})
	}
	for _, c := range s.Claims(n) {
		people.Claims = append(people.Claims, registry.Claim{Session: c.Session, Person: c.Person.ID, Ms: c.Ms})
	}
	return people, nil
}

// scenarioClass is a class as the registry knows it. Stations of many seats, such as computer rooms, prove as many trainees
// as they have seats.
func scenarioClass(b *scenario.Base, c *scenario.Class) registry.Class {
	class := registry.Class{
		ID: c.ID, Name: cmp.Or(c.Name, c.ID), Use: registry.UseSocial, Profile: registry.Profile(c.Profile), Workshop: c.Workshop,
		Stations: slices.Clone(c.Stations), Teacher: c.Teacher,
	}
	if seats := plant.SeatsOf(b, c); seats > plant.DefaultRule().PerStation {
		class.MaxPerStation = seats
	}
	for _, m := range machinesOf(b, c) {
		// Their work goes on when people have gone.
		if m.Kind == scenario.Oven || m.Kind == scenario.Printer3D {
			class.LongCycle = true
		}
	}
	return class
}

// machinesOf are the machines at which a class practises.
func machinesOf(b *scenario.Base, c *scenario.Class) []*scenario.Machine {
	var out []*scenario.Machine
	for i := range b.Workshops {
		w := &b.Workshops[i]
		for j := range w.Machines {
			if w.ID == c.Workshop && slices.Contains(c.Stations, stationOf(w, w.Machines[j].ID)) {
				out = append(out, &w.Machines[j])
			}
		}
	}
	return out
}
