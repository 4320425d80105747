package plant

import (
	"iter"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// plan is what people do of the classes that begin on one day, none of it cut at midnight.
type plan struct {
	day      span.Span
	sessions []Session
	of       []*class // the class of each session
	stays    []stay
	taps     []Tap
	frauds   []FraudSpan
}

// stay is one person's presence at one session.
type stay struct {
	person int
	Presence
}

// sessions returns the classes that begin on a day, in the order of the scenario, as they were held. It knows nothing of
// people.
func (p *Plant) sessions(b *base, day int) ([]Session, []*class) {
	if !p.within(day) {
		return nil, nil
	}
	midnight := p.scenario.Midnight(day)
	var out []Session
	var of []*class
	for i := range b.classes {
		c := &b.classes[i]
		for _, planned := range p.scenario.Sessions(c.Class, midnight) {
			s := Session{
				ID: planned.ID, Class: c.Class, Slot: planned.Slot, BeginsMs: midnight, Whole: planned.Span, Planned: planned.Span,
				Breaks: planned.Breaks.Clip(planned.Span),
			}
			p.hold(b, &s)
			out, of = append(out, s), append(of, c)
		}
	}
	return out, of
}

// Sessions returns the sessions that begin on a day at a base as they were held and claimed, none of them cut at midnight, in the
// order of the scenario's classes; none outside the scenario. base and day are as in Day.
func (p *Plant) Sessions(base, day int) []Session {
	out, _ := p.sessions(&p.bases[base], day)
	return out
}

// Claim is what a base says that one trainee did in one session.
type Claim struct {
	Session string // its id
	Person  *scenario.Person
	Ms      int64
}

// Claims returns what a base claims for the sessions that begin on a day: the session's hours for everybody of the class who was there, and
// for everybody whose card somebody else tapped. Who was absent is not claimed. In order of the sessions, then of their
// classes' trainees.
func (p *Plant) Claims(base, day int) []Claim {
	b := &p.bases[base]
	pl := p.live(b, day)
	listed := map[[2]int]bool{}
	for _, s := range pl.stays {
		listed[[2]int{s.Session, s.person}] = true
	}
	var out []Claim
	for i := range pl.sessions {
		s, c := &pl.sessions[i], pl.of[i]
		for f := range p.frauds(b, scenario.ManyCards, s) {
			for _, person := range p.cardsOf(b, c, f) {
				listed[[2]int{i, person}] = true
			}
		}
		ghosts := p.fraud(b, scenario.GhostClass, s) != nil
		for _, person := range c.trainees {
			if ghosts || listed[[2]int{i, person}] {
				out = append(out, Claim{Session: s.ID, Person: &b.People[person], Ms: s.ClaimedMs})
			}
		}
	}
	return out
}

// hold decides when a session is really held and what the base claims for it.
func (p *Plant) hold(b *base, s *Session) {
	s.Held = s.Whole
	if f := p.fraud(b, scenario.ShortClass, s); f != nil {
		s.Held.EndMs = s.Whole.StartMs + int64(float64(s.Whole.Ms())*f.Share)
	}
	share := s.Class.Claimed
	if share == 0 {
		share = 1
	}
	if f := p.fraud(b, scenario.OverClaimed, s); f != nil {
		share = float64(share * f.Share)
	}
	s.ClaimedMs = int64(share * float64(span.NewSet(s.Whole).Subtract(s.Breaks).Ms()))
	if p.fraud(b, scenario.GhostClass, s) != nil {
		s.Held.EndMs = s.Held.StartMs
	}
}

// fraud returns the first fraud of a kind that happens at a session, nil when there is none.
func (p *Plant) fraud(b *base, kind scenario.FraudKind, s *Session) *scenario.Fraud {
	for f := range p.frauds(b, kind, s) {
		return f
	}
	return nil
}

// frauds yields the frauds of a kind that happen at a session of a base: on its day, and at its class when they name one.
func (p *Plant) frauds(b *base, kind scenario.FraudKind, s *Session) iter.Seq[*scenario.Fraud] {
	return func(yield func(*scenario.Fraud) bool) {
		for i := range p.scenario.Frauds {
			f := &p.scenario.Frauds[i]
			if f.Kind == kind && at(f, b) && (f.Class == "" || f.Class == s.Class.ID) && on(f, s.BeginsMs) && !yield(f) {
				return
			}
		}
	}
}

// at reports whether a fraud happens at a base; without a code it is wherever its subject is.
func at(f *scenario.Fraud, b *base) bool { return f.At == "" || f.At == b.Code }

// on reports whether a fraud happens on the day that begins at the instant.
func on(f *scenario.Fraud, midnightMs int64) bool {
	return len(f.DatesMs) == 0 || slices.Contains(f.DatesMs, midnightMs)
}
