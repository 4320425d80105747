package plant

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// How a machine is left running: well apart from people, and for long enough to be worth it.
const (
	apartMs    = 5 * minute
	leastRunMs = 20 * minute
)

// idleRuns returns when a machine runs without people on purpose: as long as the base is open, except while somebody works
// at it. Where people are not really at the classes for which they tapped, that is all the time of the classes.
func (p *Plant) idleRuns(b *base, m *machine, c *circumstances) (span.Set, []FraudSpan) {
	var set span.Set
	var frauds []FraudSpan
	for i := range p.scenario.Frauds {
		f := &p.scenario.Frauds[i]
		if f.Kind != scenario.IdleRunning || f.Machine != m.ID || !at(f, b) || !on(f, c.plan.day.StartMs) || !p.within(c.day) {
			continue
		}
		rng := p.chance(c.day, "idle running", b.Code, m.ID)
		for _, run := range c.open.Union(c.lessons).Subtract(widen(c.attended, apartMs)) {
			run.StartMs += between(rng, minute, 4*minute)
			run.EndMs -= between(rng, minute, 4*minute)
			if run.Ms() < leastRunMs {
				continue
			}
			set = set.Union(span.NewSet(run))
			frauds = append(frauds, FraudSpan{Span: run, Fraud: f, Persons: c.plan.traineesAt(m, run)})
		}
	}
	return set, frauds
}

// widen makes every span of a set longer at both ends.
func widen(set span.Set, byMs int64) span.Set {
	out := make([]span.Span, len(set))
	for i, s := range set {
		out[i] = span.Span{StartMs: s.StartMs - byMs, EndMs: s.EndMs + byMs}
	}
	return span.NewSet(out...)
}

// traineesAt returns the trainees of the classes that should be at a machine at a time.
func (pl *plan) traineesAt(m *machine, when span.Span) []string {
	var out []string
	for i, c := range pl.of {
		if !m.usedBy(c) || pl.sessions[i].Whole.Intersect(when).Empty() {
			continue
		}
		for _, id := range c.Trainees {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

// usedBy reports whether a class works at one of the machine's stations.
func (m *machine) usedBy(c *class) bool {
	return slices.ContainsFunc(m.stations, func(at place) bool {
		return at.workshop == c.workshop && slices.Contains(c.Class.Stations, at.station)
	})
}

// copied returns the activity of an earlier day, on a day on which a machine repeats its curve: of the last honest day, or
// of the first one with any when the machine repeats it on all others. A power cut spoils the copy: then the day is as it
// would have been.
func (p *Plant) copied(b *base, m *machine, day int, c *circumstances) (activity, bool) {
	f := p.copies(b, m, day)
	if f == nil || len(c.dark) > 0 {
		return activity{}, false
	}
	for i := range day {
		source := i
		if len(f.DatesMs) > 0 {
			source = day - 1 - i
			if p.copies(b, m, source) != nil {
				continue
			}
		}
		from := p.circumstances(b, source)
		if from.at(p, b, m); len(from.dark) > 0 {
			continue
		}
		w := worker{model: &m.model, rng: p.chance(source, "machine", b.Code, m.ID), c: from}
		if w.live(); len(w.acts) == 0 {
			continue
		}
		shiftMs := c.plan.day.StartMs - from.plan.day.StartMs
		for i := range w.acts {
			w.acts[i].StartMs += shiftMs
			w.acts[i].EndMs += shiftMs
		}
		return activity{acts: w.acts, key: source, fraud: f}, true
	}
	return activity{}, false
}

// copies returns the fraud by which a machine repeats an earlier curve on a day, nil for none.
func (p *Plant) copies(b *base, m *machine, day int) *scenario.Fraud {
	if day < 1 {
		return nil
	}
	midnight := p.scenario.Midnight(day)
	for i := range p.scenario.Frauds {
		f := &p.scenario.Frauds[i]
		if f.Kind == scenario.CopiedCurve && f.Machine == m.ID && at(f, b) && on(f, midnight) {
			return f
		}
	}
	return nil
}
