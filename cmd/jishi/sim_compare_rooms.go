package main

import (
	"slices"
	"time"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// roomKey is a workshop with a class of one profile in it.
type roomKey struct {
	workshop string
	profile  registry.Profile
}

func roomOf(roster *registry.Roster, session string) roomKey {
	s, _ := roster.Session(session)
	c, _ := roster.Class(s.Class)
	return roomKey{s.Workshop, c.Profile}
}

// room is what nobody can hold against the service in a workshop: when its machines were taken for something else, as far
// as that reaches into hours, and when nobody could know what they did.
type room struct {
	mistaken, hidden span.Set
	edges            int
}

// rooms works out, for each workshop and profile, how far what was mistaken or unseen of a machine reaches into hours.
func (g *stage) rooms(ledger *sim.Ledger) map[roomKey]room {
	base := g.s.Scenario().Bases[g.base].Code
	out := map[roomKey]room{}
	for _, e := range g.registry.EquipmentOf(base) {
		of := func(kind sim.FactKind, states ...string) span.Set {
			var all span.Set
			for _, state := range states {
				all = all.Union(ledger.Spans(kind, base, e.ID, state))
			}
			return all
		}
		run, ready := of(sim.FactMachine, "running"), of(sim.FactMachine, "idle", "fault")
		mistaken, unseen := of(sim.FactMistaken, ""), of(sim.FactUnseen, "")
		believedRun := run.Subtract(mistaken).Union(of(sim.FactMistaken, "running"))
		believedReady := ready.Subtract(mistaken).Union(of(sim.FactMistaken, "idle", "fault"))
		seenRun, seenReady := believedRun.Subtract(unseen), believedReady.Subtract(unseen)
		for _, profile := range registry.Profiles() {
			key := roomKey{e.Workshop, profile}
			r := out[key]
			is, believed := proves(profile, run, ready), proves(profile, believedRun, believedReady)
			r.mistaken = r.mistaken.Union(is.Subtract(believed)).Union(believed.Subtract(is))
			r.hidden = r.hidden.Union(proves(profile, seenRun.Union(unseen), seenReady).Subtract(proves(profile, seenRun, seenReady)))
			r.edges += 2 * len(run)
			out[key] = r
		}
	}
	return out
}

// proves is when a machine proves practice, by the rule set's words and written again from them: the comparison must not
// rest on the code that it judges.
func proves(profile registry.Profile, run, ready span.Set) span.Set {
	const adjoin, dilation, window = 15 * time.Minute, 10 * time.Minute, 5 * time.Minute
	var out span.Set
	switch profile {
	case registry.Bench, registry.Kitchen:
		return nil
	case registry.Computer:
		out = run.Union(ready)
	case registry.Burst:
		ms := window.Milliseconds()
		for _, s := range run {
			out = append(out, span.Span{StartMs: s.StartMs / ms * ms, EndMs: (s.EndMs + ms - 1) / ms * ms})
		}
	case registry.Machine, registry.Thermal:
		out = slices.Clone(run)
		for _, s := range ready.Intersect(wider(run, adjoin)) {
			if slices.ContainsFunc(run, func(r span.Span) bool { return r.StartMs <= s.EndMs && s.StartMs <= r.EndMs }) {
				out = append(out, s)
			}
		}
	}
	return wider(span.NewSet(out...), dilation)
}

func wider(set span.Set, by time.Duration) span.Set {
	out := slices.Clone(set)
	for i := range out {
		out[i] = span.Span{StartMs: out[i].StartMs - by.Milliseconds(), EndMs: out[i].EndMs + by.Milliseconds()}
	}
	return span.NewSet(out...)
}
