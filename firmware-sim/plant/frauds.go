package plant

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// manyCards is how many cards one person holds when the scenario does not say.
const manyCards = 5

// checkFrauds refuses frauds that lack what they need or name what is nowhere.
func (p *Plant) checkFrauds() error {
	var errs []error
	for i := range p.scenario.Frauds {
		f := &p.scenario.Frauds[i]
		if err := p.checkFraud(f); err != nil {
			errs = append(errs, fmt.Errorf("fraud %s at line %d: %w", f.Kind, f.Line, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Plant) checkFraud(f *scenario.Fraud) error {
	var errs []error
	need := func(field, id string, found bool) {
		switch {
		case id == "":
			errs = append(errs, fmt.Errorf("%s is required", field))
		case !found:
			errs = append(errs, fmt.Errorf("%s %q is at no base", field, id))
		}
	}
	known := func(field, id string, found bool) {
		if id != "" {
			need(field, id, found)
		}
	}
	home, _ := p.home(f.At, f.Person)
	m := p.machine(f.At, f.Machine)
	switch f.Kind {
	case scenario.GhostClass, scenario.ShortClass, scenario.OverClaimed:
		need("class", f.Class, p.hasClass(f.At, f.Class))
	case scenario.TwoBases:
		need("person", f.Person, home >= 0)
		need("base", f.Base, p.baseIndex(f.Base) >= 0)
		if home >= 0 && p.baseIndex(f.Base) == home {
			errs = append(errs, fmt.Errorf("base %q is the person's own: want another one", f.Base))
		}
	case scenario.IdleRunning, scenario.CopiedCurve:
		need("machine", f.Machine, m != nil)
		if m != nil && !m.model.shows {
			errs = append(errs, fmt.Errorf("machine %q is a %s: its power does not show that it runs", f.Machine, m.Kind))
		}
	case scenario.ManyCards, scenario.TapAndLeave:
		if f.Class == "" && f.Person == "" {
			errs = append(errs, errors.New("class or person is required"))
		}
	}
	if f.Kind == scenario.ShortClass && (f.Share <= 0 || f.Share >= 1) {
		errs = append(errs, fmt.Errorf("share is %v: want the part that is held, above 0 and below 1", f.Share))
	}
	if f.Kind == scenario.OverClaimed && f.Share <= 1 {
		errs = append(errs, fmt.Errorf("share is %v: want the factor by which more is claimed, above 1", f.Share))
	}
	known("class", f.Class, p.hasClass(f.At, f.Class))
	known("person", f.Person, home >= 0)
	return errors.Join(errs...)
}

// home returns the base and the index of a person, at the base with the code or at any for ""; -1 when nobody has the id.
func (p *Plant) home(code, id string) (base, person int) {
	for i := range p.bases {
		if j, ok := p.bases[i].people[id]; ok && (code == "" || code == p.bases[i].Code) {
			return i, j
		}
	}
	return -1, -1
}

func (p *Plant) baseIndex(code string) int {
	return slices.IndexFunc(p.bases, func(b base) bool { return b.Code == code })
}

func (p *Plant) machine(code, id string) *machine {
	for i := range p.bases {
		for j := range p.bases[i].machines {
			if m := &p.bases[i].machines[j]; m.ID == id && (code == "" || code == p.bases[i].Code) {
				return m
			}
		}
	}
	return nil
}

func (p *Plant) hasClass(code, id string) bool {
	for i := range p.bases {
		b := &p.bases[i]
		if (code == "" || code == b.Code) && slices.ContainsFunc(b.classes, func(c class) bool { return c.ID == id }) {
			return true
		}
	}
	return false
}

// cardsOf returns the trainees of a class whose cards somebody else holds: the first ones besides the holder.
func (p *Plant) cardsOf(b *base, c *class, f *scenario.Fraud) []int {
	holder := p.cardHolder(b, c, f)
	if holder < 0 {
		return nil
	}
	n := f.Cards
	if n == 0 {
		n = manyCards
	}
	var out []int
	for _, person := range c.trainees {
		if person != holder && len(out) < n-1 {
			out = append(out, person)
		}
	}
	return out
}

// cardHolder is whom the fraud names, else the class's first trainee; -1 when that person does not belong to the class.
func (p *Plant) cardHolder(b *base, c *class, f *scenario.Fraud) int {
	if f.Person == "" {
		if len(c.trainees) == 0 {
			return -1
		}
		return c.trainees[0]
	}
	i, ok := b.people[f.Person]
	if !ok || i != c.teacher && !slices.Contains(c.trainees, i) {
		return -1
	}
	return i
}

// cheat marks the visits of one person at which the person holds the cards of others, or taps and leaves.
func (p *Plant) cheat(b *base, pl *plan, visits []*visit, rng *rand.Rand) {
	for _, v := range visits {
		for i, part := range v.parts {
			if i == 0 || part.session != v.parts[i-1].session {
				p.holdCards(b, pl, v, part.session)
				p.tapAndLeave(b, pl, v, part.session)
			}
		}
		if v.leaves {
			v.back = happens(rng, 0.7)
		}
	}
}

func (p *Plant) holdCards(b *base, pl *plan, v *visit, session int) {
	c := pl.of[session]
	for f := range p.frauds(b, scenario.ManyCards, &pl.sessions[session]) {
		if p.cardHolder(b, c, f) != v.person || len(v.others) > 0 {
			continue
		}
		v.others, v.tapIn, v.tapOut = p.cardsOf(b, c, f), true, true
		var whose []string
		for _, i := range v.others {
			whose = append(whose, b.People[i].ID)
		}
		pl.frauds = append(pl.frauds, FraudSpan{Span: v.hull(), Fraud: f, Persons: whose})
	}
}

func (p *Plant) tapAndLeave(b *base, pl *plan, v *visit, session int) {
	f := p.tapsAndLeaves(b, pl, session, v.person)
	if f == nil || v.leaves {
		return
	}
	v.leaves, v.tapIn = true, true
	pl.frauds = append(pl.frauds, FraudSpan{Span: v.hull(), Fraud: f, Persons: []string{b.People[v.person].ID}})
}

// tapsAndLeaves returns the fraud by which a trainee does not stay at a session, nil for none.
func (p *Plant) tapsAndLeaves(b *base, pl *plan, session, person int) *scenario.Fraud {
	for f := range p.frauds(b, scenario.TapAndLeave, &pl.sessions[session]) {
		if slices.Contains(pl.of[session].trainees, person) && (f.Person == "" || f.Person == b.People[person].ID) {
			return f
		}
	}
	return nil
}

// hull is the part of the timetable that a visit fills.
func (v *visit) hull() span.Span {
	return span.Span{StartMs: v.parts[0].StartMs, EndMs: v.parts[len(v.parts)-1].EndMs}
}

// claimed notes the frauds at classes that are neither taps nor machines.
func (p *Plant) claimed(b *base, pl *plan) {
	for i := range pl.sessions {
		s := &pl.sessions[i]
		if f := p.fraud(b, scenario.ShortClass, s); f != nil {
			rest := span.Span{StartMs: s.Held.EndMs, EndMs: s.Whole.EndMs}
			pl.frauds = append(pl.frauds, FraudSpan{Span: rest, Fraud: f, Persons: slices.Clone(s.Class.Trainees)})
		}
		if f := p.fraud(b, scenario.OverClaimed, s); f != nil {
			pl.frauds = append(pl.frauds, FraudSpan{Span: s.Whole, Fraud: f, Persons: slices.Clone(s.Class.Trainees)})
		}
	}
}

// twoBases taps the card of a person of another base while that person has a class there.
func (d *doors) twoBases(day int) {
	for i := range d.plant.scenario.Frauds {
		f := &d.plant.scenario.Frauds[i]
		if f.Kind != scenario.TwoBases || f.Base != d.base.Code {
			continue
		}
		home, person := d.plant.home(f.At, f.Person)
		sessions, of := d.plant.sessions(&d.plant.bases[home], day)
		for j := range sessions {
			if !on(f, sessions[j].BeginsMs) || !slices.Contains(of[j].trainees, person) || f.Class != "" && f.Class != of[j].ID {
				continue
			}
			d.elsewhere(f, sessions[j].Whole, d.plant.bases[home].cards[person], d.plant.chance(day, "two bases", f.Person))
			break
		}
	}
}

// elsewhere taps a copied card at this base's first door, or at the door of a class that is held at the time; somebody
// of that class holds it.
func (d *doors) elsewhere(f *scenario.Fraud, when span.Span, number string, rng *rand.Rand) {
	workshop, holder := -1, ""
	for i := range d.plan.sessions {
		if !d.plan.sessions[i].Held.Intersect(when).Empty() && d.reader(d.plan.of[i].workshop, "", "in") >= 0 {
			workshop, holder = d.plan.of[i].workshop, d.plan.sessions[i].Class.Teacher
			break
		}
	}
	for i := 0; workshop < 0 && i < len(d.base.doors); i++ {
		if d.base.doors[i].Station == "" {
			workshop = d.base.doors[i].workshop
		}
	}
	if workshop < 0 {
		return
	}
	h := hand{holder: holder, workshop: workshop, direction: "in", cards: []card{{number, f.Person}}}
	d.hand(when.StartMs-between(rng, 0, 4*minute), h)
	h.direction = "out"
	d.hand(when.EndMs+between(rng, 0, 3*minute), h)
	d.plan.frauds = append(d.plan.frauds, FraudSpan{Span: when, Fraud: f, Persons: []string{f.Person}})
}
