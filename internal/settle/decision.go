package settle

import (
	"context"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// decision is what of an approved correction decides figures: not who asked, and why.
type decision struct {
	Session, Person string
	Kind            ledger.CorrectionKind
	Span            span.Span
}

func decisionsOf(corrections []ledger.Correction) []decision {
	var out []decision
	for i := range corrections {
		c := &corrections[i]
		out = append(out, decision{c.Session, c.Person, c.Kind, c.Span})
	}
	return out
}

// touching returns the corrections whose stretch touches the day, in their order: of two about one minute the later holds.
func touching(corrections []ledger.Correction, d calendar.Date) []ledger.Correction {
	var out []ledger.Correction
	for i := range corrections {
		if !corrections[i].Span.Intersect(d.Span()).Empty() {
			out = append(out, corrections[i])
		}
	}
	return out
}

// decisions says what approved corrections decide of a day. A word about presence needs the day itself: what it grants is what the
// stations prove.
func (s *Settler) decisions(ctx context.Context, roster *registry.Roster, d calendar.Date, rules Rules, corrections []ledger.Correction) ([]hours.Exclusion, error) {
	isPresence := func(c ledger.Correction) bool { return c.Kind == ledger.CorrectPresence }
	if !slices.ContainsFunc(corrections, isPresence) {
		return (&PeopleDay{Day: d}).decide(rules, corrections), nil
	}
	p, err := s.People(ctx, roster, d, Terms{Rules: rules})
	if err != nil {
		return nil, err
	}
	return p.decide(rules, corrections), nil
}

// decide turns corrections into decisions on minutes. The day must have been derived without any.
func (p *PeopleDay) decide(rules Rules, corrections []ledger.Correction) []hours.Exclusion {
	then := p.hadBeenThere(rules, corrections)
	var out []hours.Exclusion
	for i := range corrections {
		c := &corrections[i]
		e := hours.Exclusion{Session: c.Session, Person: c.Person, Span: c.Span, Grant: c.Kind == ledger.CorrectGrant}
		if c.Kind != ledger.CorrectPresence {
			out = append(out, e)
			continue
		}
		at := p.indexOf(c)
		if at < 0 {
			continue // the trainee is not in the lesson any more
		}
		proved := then[at].Of(hours.Verified).Intersect(span.NewSet(c.Span)).Subtract(p.Verdicts[at].Of(hours.Verified))
		for _, e.Span = range proved {
			e.Grant = true
			out = append(out, e)
		}
	}
	return out
}

// indexOf returns where the correction's lesson and trainee stand in Attendance and Verdicts, -1 for nowhere.
func (p *PeopleDay) indexOf(c *ledger.Correction) int {
	return slices.IndexFunc(p.Attendance, func(a attendance.Attendance) bool { return a.Session == c.Session && a.Person == c.Person })
}

// hadBeenThere are the verdicts if everybody had been there of whom a correction says so. Such a person takes only a seat that
// nobody else has: the others' minutes are not touched. It is nil when no correction is about presence.
func (p *PeopleDay) hadBeenThere(rules Rules, corrections []ledger.Correction) []hours.Verdict {
	attended, any := slices.Clone(p.Attendance), false
	for i := range corrections {
		c := &corrections[i]
		at := p.indexOf(c)
		if c.Kind != ledger.CorrectPresence || at < 0 {
			continue
		}
		stretch, last := span.NewSet(c.Span), int64(math.MaxInt64-len(corrections)+i) // who asked first comes first
		a := &attended[at]
		a.Present, a.Pending = a.Present.Union(stretch), a.Pending.Subtract(stretch)
		a.Stays = []attendance.Stay{{Span: span.Span{StartMs: last, EndMs: last}, In: -1, Out: -1}}
		any = true
	}
	if !any {
		return nil
	}
	return hours.Verify(&hours.Input{Day: p.Day.Span(), Lessons: p.Lessons, Attendance: attended, Stations: p.Stations}, rules.Hours)
}

// under judges the day, which must have been derived without decisions, as if these corrections and no others were approved. The
// verdicts are in the order of Verdicts.
func (p *PeopleDay) under(rules Rules, corrections []ledger.Correction) []hours.Verdict {
	return hours.Verify(&hours.Input{
		Day: p.Day.Span(), Lessons: p.Lessons, Attendance: p.Attendance, Stations: p.Stations, Decisions: p.decide(rules, corrections),
	}, rules.Hours)
}
