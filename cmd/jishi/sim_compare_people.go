package main

import (
	"context"
	"fmt"
	"strings"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/enlist"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// comparedPerson is what was verified of one trainee beside what is true.
type comparedPerson struct {
	Scenario string `json:"scenario"`
	Base     string `json:"base"`
	Person   string `json:"person"`
	// PlannedS is scheduled; DeservedS truly deserves to count; VerifiedS counts; PendingS waits for a person to decide.
	PlannedS  float64 `json:"planned_s"`
	DeservedS float64 `json:"deserved_s"`
	VerifiedS float64 `json:"verified_s"`
	PendingS  float64 `json:"pending_s"`
	// ForgotS is the part of what is deserved that no tap shows, because the person held no card to a reader or its message was
	// lost. OutageS is the part that a
	// reader or a machine that was not heard of hides, OpenS that part of PendingS which is deserved.
	ForgotS float64 `json:"forgot_s"`
	OutageS float64 `json:"outage_s"`
	OpenS   float64 `json:"open_s"`
	// LostS is deserved, and neither verified nor pending, with nothing that hides it. DeniedS is verified and denied by the
	// truth; FraudS too, but while somebody cheated for this person: that is for clues to find.
	LostS   float64 `json:"lost_s"`
	DeniedS float64 `json:"denied_s"`
	FraudS  float64 `json:"fraud_s"`
	// Edges are how often a machine that proves for the person truly began or ended a run, or the person a stay.
	Edges int  `json:"edges"`
	Right bool `json:"right"`
}

// lostBound is how much of what is deserved may be lost.
const lostBound = 0.005

// judge decides whether the person was judged right.
func (p *comparedPerson) judge() {
	edgesS := deniedBoundS + edgeBoundS*float64(p.Edges)
	p.Right = p.DeniedS <= edgesS && p.LostS <= lostBound*p.DeservedS+edgesS
}

// roster writes down who learns at the base.
func (g *stage) roster() (*registry.Roster, error) {
	base, _ := g.registry.Base(g.s.Scenario().Bases[g.base].Code)
	people, err := g.p.enlistPeople(g.s, g.base)
	if err != nil {
		return nil, err
	}
	roster, err := registry.NewRoster(base, people)
	if err != nil {
		return nil, fmt.Errorf("people of the scenario: %w", err)
	}
	return roster, nil
}

// enlistPeople writes down who learns at a simulated base, with the tokens of the base's own card key.
func (p *process) enlistPeople(s *sim.Simulation, base int) (registry.People, error) {
	key, err := p.bridgeCardKey()
	if err != nil {
		return registry.People{}, err
	}
	tokens, err := card.NewTokens(card.Options{Key: key})
	if err != nil {
		return registry.People{}, err
	}
	return enlist.People(s, base, func(number string) string {
		token, wrong := tokens.Token("", card.Hex, number)
		if wrong != nil {
			return ""
		}
		return token
	})
}

// personTruth is what the ledger says of one person.
type personTruth struct {
	planned, deserved, forgot, hidden, fraud, mistaken span.Set
	edges                                              int
}

// people settles every day of the base and holds every trainee to the ledger.
func (g *stage) people(ctx context.Context, name string, ledger *sim.Ledger) ([]comparedPerson, error) {
	roster, err := g.roster()
	if err != nil {
		return nil, err
	}
	verified, pending := map[string]span.Set{}, map[string]span.Set{}
	window := g.s.Span()
	for d := calendar.DateOf(window.Start()); d.Span().StartMs < window.EndMs; d = d.Add(1) {
		p, err := g.settler.People(ctx, roster, d, settle.DefaultTerms())
		if err != nil {
			return nil, err
		}
		for i := range p.Verdicts {
			v := &p.Verdicts[i]
			verified[v.Person] = verified[v.Person].Union(v.Of(hours.Verified))
			pending[v.Person] = pending[v.Person].Union(v.Of(hours.DataGap))
		}
	}
	truth := g.truthOfPeople(roster, ledger)
	var rows []comparedPerson
	for _, p := range roster.People().Persons {
		if t := truth[p.ID]; !p.Teacher && t != nil {
			row := comparedPerson{Scenario: name, Base: roster.Base(), Person: p.ID}
			row.measure(verified[p.ID], pending[p.ID], t)
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// measure fills in what was verified and what is true of it.
func (p *comparedPerson) measure(verified, pending span.Set, t *personTruth) {
	seconds := func(s span.Set) float64 { return float64(s.Ms()) / 1000 }
	denied := verified.Subtract(t.deserved).Subtract(t.mistaken)
	missed := t.deserved.Subtract(verified)
	p.PlannedS, p.DeservedS, p.VerifiedS, p.PendingS = seconds(t.planned), seconds(t.deserved), seconds(verified), seconds(pending)
	p.ForgotS, p.OutageS = seconds(missed.Intersect(t.forgot)), seconds(missed.Intersect(t.hidden).Subtract(t.forgot))
	p.OpenS = seconds(pending.Intersect(t.deserved))
	p.LostS = seconds(missed.Subtract(pending).Subtract(t.forgot).Subtract(t.mistaken))
	p.DeniedS, p.FraudS = seconds(denied.Subtract(t.fraud)), seconds(denied.Intersect(t.fraud))
	p.Edges = t.edges
	p.judge()
}

// truthOfPeople gathers the ledger's facts of each person.
func (g *stage) truthOfPeople(roster *registry.Roster, ledger *sim.Ledger) map[string]*personTruth {
	out := map[string]*personTruth{}
	of := func(person string) *personTruth {
		if out[person] == nil {
			out[person] = &personTruth{}
		}
		return out[person]
	}
	add := func(set *span.Set, s span.Span) { *set = append(*set, s) }
	rooms := g.rooms(ledger)
	for _, f := range ledger.Facts() {
		if f.Base != roster.Base() {
			continue
		}
		switch f.Kind {
		case sim.FactPlanned:
			add(&of(f.Subject).planned, f.Span)
			if f.State == "practice" {
				room := rooms[roomOf(roster, f.Detail)]
				of(f.Subject).mistaken = append(of(f.Subject).mistaken, room.mistaken.Clip(f.Span)...)
				of(f.Subject).hidden = append(of(f.Subject).hidden, room.hidden.Clip(f.Span)...)
				of(f.Subject).edges += room.edges
			}
		case sim.FactDeserved:
			add(&of(f.Subject).deserved, f.Span)
		case sim.FactPresent:
			of(f.Subject).edges += 2
		case sim.FactUntapped:
			if f.State == sim.UntappedDeaf {
				add(&of(f.Subject).hidden, f.Span)
			} else { // not tapped, or the reader's message was lost on the air: nobody can tell the two apart
				add(&of(f.Subject).forgot, f.Span)
			}
		case sim.FactFraud:
			for person := range strings.SplitSeq(f.Detail, ",") {
				add(&of(person).fraud, f.Span)
			}
		case sim.FactMachine, sim.FactUnseen, sim.FactMistaken, sim.FactClass, sim.FactDark, sim.FactDeaf, sim.FactGhost:
		}
	}
	for _, t := range out {
		for _, set := range []*span.Set{&t.planned, &t.deserved, &t.forgot, &t.hidden, &t.fraud, &t.mistaken} {
			*set = span.NewSet(*set...)
		}
	}
	return out
}
