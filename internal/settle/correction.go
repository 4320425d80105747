package settle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// Errors of corrections, beside those of the ledger.
var (
	// ErrNoLesson: the base's timetable has no such lesson.
	ErrNoLesson = errors.New("课表中没有此课次 / the timetable has no such session")
	// ErrNoTrainee: the person is not enrolled in the lesson.
	ErrNoTrainee = errors.New("此人未报名该课次 / the person is not enrolled in the session")
	// ErrOutside: the stretch is not part of the lesson.
	ErrOutside = errors.New("时段应在课次之内 / the span must lie inside the session")
)

// Corrections takes requests to correct hours (补录/更正) and shows what they would do. What becomes of them is
// ledger.StepCorrection; approved ones decide when their day is settled again. Evidence is never edited. Its methods may be called
// concurrently.
type Corrections struct {
	Keeper *Keeper
}

// Request keeps a request as a draft and returns its number. The lesson must be in the timetable, the person in the lesson, and the
// stretch inside it.
func (c *Corrections) Request(ctx context.Context, r ledger.Correction) (int64, error) {
	f, err := c.Keeper.inForce(ctx)
	if err != nil {
		return 0, err
	}
	if err := fits(f, &r); err != nil {
		return 0, fmt.Errorf("request correction: %w", err)
	}
	r.AtMs = c.Keeper.Now().UnixMilli()
	return c.Keeper.Ledger.RequestCorrection(ctx, r)
}

// fits reports whether a correction is about a trainee's lesson, as the timetable is now.
func fits(f *inForce, r *ledger.Correction) error {
	roster := f.rosters[r.Base]
	if roster == nil {
		return fmt.Errorf("基地 base %q: %w", r.Base, ErrUnknownBase)
	}
	s, ok := roster.Session(r.Session)
	switch {
	case !ok:
		return fmt.Errorf("课次 session %q: %w", r.Session, ErrNoLesson)
	case !slices.ContainsFunc(roster.EnrolledIn(&s), func(e registry.Enrolment) bool { return e.Person == r.Person }):
		return fmt.Errorf("学员 person %q: %w", r.Person, ErrNoTrainee)
	case r.Span.Empty():
		return ledger.ErrSpan
	case r.Span.Intersect(s.Span) != r.Span:
		return fmt.Errorf("课次 session %s: %w", r.Session, ErrOutside)
	}
	return nil
}

// Decisions returns what the approved corrections decide of a base's day, for those who derive the day themselves: Settler.People and
// Settler.Explain.
func (c *Corrections) Decisions(ctx context.Context, base string, d calendar.Date) ([]hours.Exclusion, error) {
	f, err := c.Keeper.inForce(ctx)
	if err != nil {
		return nil, err
	}
	roster := f.rosters[base]
	if roster == nil {
		return nil, nil
	}
	approved, err := c.Keeper.Ledger.Corrections(ctx, ledger.CorrectionQuery{Base: base, State: ledger.CorrectionApproved, Window: d.Span()})
	if err != nil {
		return nil, err
	}
	return f.settler.decisions(ctx, roster, d, c.Keeper.Rules, approved)
}

// OfSession returns what the approved corrections decide of a base's lesson, on all the days that it touches, for Settler.Explain. Of a
// lesson that the timetable does not have it is nothing.
func (c *Corrections) OfSession(ctx context.Context, base, session string) ([]hours.Exclusion, error) {
	f, err := c.Keeper.inForce(ctx)
	if err != nil || f.rosters[base] == nil {
		return nil, err
	}
	s, ok := f.rosters[base].Session(session)
	if !ok {
		return nil, nil
	}
	var out []hours.Exclusion
	for d := calendar.DateOf(s.Span.Start()); d.Span().StartMs < s.Span.EndMs; d = d.Add(1) {
		day, err := c.Decisions(ctx, base, d)
		if err != nil {
			return nil, err
		}
		for _, e := range day {
			// What is said of a day is about its minutes only: the order in which corrections hold is that of their day.
			if e.Span = e.Span.Intersect(d.Span()); !e.Span.Empty() {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

// Effect is what a correction does to one day of a trainee.
type Effect struct {
	Day       calendar.Date
	Now, Then Outcome
}

// Outcome is a trainee's lesson and day under some corrections.
type Outcome struct {
	Verdict hours.Verdict // of the lesson, on that day
	// HalfUnits are those of the whole trainee-day, all its lessons together.
	HalfUnits int64
}

// Preview shows what a correction does, a day at a time, by verifying the hours with it and without. Now is with the other approved
// corrections and Then with this one too; of an approved one, Now is what it would be without it.
func (c *Corrections) Preview(ctx context.Context, number int64) ([]Effect, error) {
	r, err := c.Keeper.Ledger.Correction(ctx, number)
	if err != nil {
		return nil, err
	}
	f, err := c.Keeper.inForce(ctx)
	if err != nil {
		return nil, err
	}
	if err := fits(f, r); err != nil {
		return nil, fmt.Errorf("preview correction %d: %w", number, err)
	}
	approved, err := c.Keeper.Ledger.Corrections(ctx, ledger.CorrectionQuery{Base: r.Base, State: ledger.CorrectionApproved})
	if err != nil {
		return nil, err
	}
	approved = slices.DeleteFunc(approved, func(o ledger.Correction) bool { return o.Number == number })
	var out []Effect
	for d := calendar.DateOf(r.Span.Start()); d.Span().StartMs < r.Span.EndMs; d = d.Add(1) {
		e, err := c.effect(ctx, &job{inForce: f, base: r.Base, day: d, corrections: touching(approved, d)}, r)
		if err != nil {
			return nil, fmt.Errorf("preview correction %d: %w", number, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// effect derives the day once and judges it twice.
func (c *Corrections) effect(ctx context.Context, j *job, r *ledger.Correction) (Effect, error) {
	p, err := j.settler.People(ctx, j.rosters[j.base], j.day, Terms{Rules: c.Keeper.Rules})
	if err != nil {
		return Effect{}, err
	}
	with := append(slices.Clone(j.corrections), *r)
	slices.SortFunc(with, func(a, b ledger.Correction) int { return int(a.Number - b.Number) })
	return Effect{
		Day:  j.day,
		Now:  outcome(p.under(c.Keeper.Rules, j.corrections), r, c.Keeper.Rules),
		Then: outcome(p.under(c.Keeper.Rules, with), r, c.Keeper.Rules),
	}, nil
}

func outcome(verdicts []hours.Verdict, r *ledger.Correction, rules Rules) Outcome {
	var out Outcome
	var ms int64
	for i := range verdicts {
		v := &verdicts[i]
		if v.Person != r.Person {
			continue
		}
		ms += v.VerifiedMs
		if v.Session == r.Session {
			out.Verdict = *v
		}
	}
	out.HalfUnits = rules.Hours.HalfUnits(ms)
	return out
}
