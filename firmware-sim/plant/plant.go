package plant

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Plant makes the days of a scenario. It is safe for concurrent use.
type Plant struct {
	scenario *scenario.Scenario
	bases    []base
}

// base is a base with what is looked up every day.
type base struct {
	*scenario.Base
	people   map[string]int // by id
	cards    []string       // by person
	machines []machine
	classes  []class
	doors    []door
}

// machine is a machine with its model and the stations at which it is worked.
type machine struct {
	*scenario.Machine
	model    model
	stations []place
}

// place is a station of a workshop, by the workshop's index.
type place struct {
	workshop int
	station  string
}

// class is a class with its people and its workshop as indexes.
type class struct {
	*scenario.Class
	workshop int
	teacher  int // -1 for none
	trainees []int
	capacity []int // of its stations
}

// door is a reader and where it is.
type door struct {
	*scenario.Reader
	workshop int
}

// New prepares a scenario, which must not change from then on. It reports every mistake that keeps its days from being made: a name that nothing has, a figure
// of a physical model that does not exist or is out of range, a fraud without what it needs.
func New(s *scenario.Scenario) (*Plant, error) {
	p := &Plant{scenario: s}
	var errs []error
	if s.Zone == nil {
		errs = append(errs, errors.New("the scenario's zone is nil: want the zone of its bases"))
	}
	if s.Days < 1 {
		errs = append(errs, fmt.Errorf("the scenario's days are %d: want 1 or more", s.Days))
	}
	for i := range s.Bases {
		b, err := newBase(&s.Bases[i])
		errs = append(errs, err)
		p.bases = append(p.bases, b)
	}
	errs = append(errs, p.checkFrauds())
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("new plant: %w", err)
	}
	p.dealCards()
	return p, nil
}

func newBase(sb *scenario.Base) (base, error) {
	b := base{Base: sb, people: map[string]int{}}
	var errs []error
	for i := range sb.People {
		b.people[sb.People[i].ID] = i
	}
	for wi := range sb.Workshops {
		w := &sb.Workshops[wi]
		for i := range w.Machines {
			m, err := newMachine(w, wi, &w.Machines[i])
			if err != nil {
				errs = append(errs, fmt.Errorf("base %s: machine %s: %w", sb.Code, w.Machines[i].ID, err))
			}
			b.machines = append(b.machines, m)
		}
		for i := range w.Readers {
			b.doors = append(b.doors, door{Reader: &w.Readers[i], workshop: wi})
		}
	}
	for i := range sb.Classes {
		c, err := b.newClass(&sb.Classes[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("base %s: class %s: %w", sb.Code, sb.Classes[i].ID, err))
		}
		b.classes = append(b.classes, c)
	}
	return b, errors.Join(errs...)
}

func newMachine(w *scenario.Workshop, workshop int, sm *scenario.Machine) (machine, error) {
	m := machine{Machine: sm}
	for i := range w.Stations {
		if slices.Contains(w.Stations[i].Machines, sm.ID) {
			m.stations = append(m.stations, place{workshop, w.Stations[i].ID})
		}
	}
	var err error
	m.model, err = newModel(sm.Kind, sm.Model)
	return m, err
}

func (b *base) newClass(sc *scenario.Class) (class, error) {
	c := class{Class: sc, teacher: -1}
	c.workshop = slices.IndexFunc(b.Workshops, func(w scenario.Workshop) bool { return w.ID == sc.Workshop })
	if c.workshop < 0 {
		return c, fmt.Errorf("workshop %q is not at the base", sc.Workshop)
	}
	for _, id := range sc.Stations {
		stations := b.Workshops[c.workshop].Stations
		i := slices.IndexFunc(stations, func(s scenario.Station) bool { return s.ID == id })
		if i < 0 {
			return c, fmt.Errorf("station %q is not in workshop %q", id, sc.Workshop)
		}
		c.capacity = append(c.capacity, max(stations[i].Capacity, 1))
	}
	for _, id := range sc.Trainees {
		i, ok := b.people[id]
		if !ok {
			return c, fmt.Errorf("trainee %q is not at the base", id)
		}
		c.trainees = append(c.trainees, i)
	}
	if sc.Teacher != "" {
		i, ok := b.people[sc.Teacher]
		if !ok {
			return c, fmt.Errorf("teacher %q is not at the base", sc.Teacher)
		}
		c.teacher = i
	}
	return c, nil
}

// dealCards gives everybody without a card one that nobody has: four bytes, as a MIFARE Classic card's number.
func (p *Plant) dealCards() {
	taken := map[string]bool{"00000000": true}
	for i := range p.bases {
		for j := range p.bases[i].People {
			taken[p.bases[i].People[j].Card] = true
		}
	}
	for i := range p.bases {
		b := &p.bases[i]
		for j := range b.People {
			card := b.People[j].Card
			if card == "" {
				rng := p.chance(0, "card", b.Code, b.People[j].ID)
				for card = draw(rng); taken[card]; card = draw(rng) {
				}
				taken[card] = true
			}
			b.cards = append(b.cards, card)
		}
	}
}

func draw(rng *rand.Rand) string { return fmt.Sprintf("%08x", rng.Uint32()) }

// Card returns the number of a person's card in hexadecimal, given or drawn; base and person are indexes into the
// scenario's lists.
func (p *Plant) Card(base, person int) string { return p.bases[base].cards[person] }

// date returns the local day, which may lie before or after the scenario.
func (p *Plant) date(day int) span.Span {
	return span.Span{StartMs: p.scenario.Midnight(day), EndMs: p.scenario.Midnight(day + 1)}
}

// within reports whether a day is one of the scenario's.
func (p *Plant) within(day int) bool { return day >= 0 && day < p.scenario.Days }
