package settle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// ErrUnknownSession is returned for a session that the roster does not have, ErrNotEnrolled for a person who is not in it.
var (
	ErrUnknownSession = errors.New("session is not in the timetable (课表中没有此课次)")
	ErrNotEnrolled    = errors.New("person is not enrolled in the session (此人未报名该课次)")
)

// Ref is where a piece of evidence stands in a bridge's log.
type Ref struct{ Epoch, Seq uint64 }

// Explanation is all that one trainee's lesson rests on: what was scheduled, what was read, what the machines did, and the
// verdict of every minute.
type Explanation struct {
	Base       string
	Lesson     attendance.Lesson
	Class      registry.Class
	Person     string
	Attendance attendance.Attendance
	// Taps are what was read of the person for the lesson's block, repeats among them.
	Taps []attendance.Tap
	// Deaf is when a reader of the room was not heard of.
	Deaf span.Set
	// Verdicts are one for each day that the lesson touches, in order.
	Verdicts []DayVerdict
	Machines []MachineStory
}

// DayVerdict is the part of a lesson's verdict that belongs to a day. HalfUnits are those of the whole trainee-day, all its
// lessons together.
type DayVerdict struct {
	Day calendar.Date
	hours.Verdict
	DayVerifiedMs int64
	HalfUnits     int64
}

// MachineStory is what a machine at one of the lesson's stations did, with the records that say so.
type MachineStory struct {
	Equipment registry.Equipment
	Segments  []SegmentStory
}

// SegmentStory is a stretch of one state. Record is the piece of evidence with which it began, nil where none did: a silence,
// the edge of the window, or a state that began at another source's word.
type SegmentStory struct {
	usage.Segment
	Record *Ref
}

// Explain tells why each minute of a trainee's lesson counts or does not. The
// error is ErrUnknownSession or ErrNotEnrolled, or the store's.
func (s *Settler) Explain(ctx context.Context, roster *registry.Roster, session, person string, terms Terms) (*Explanation, error) {
	lesson, ok := roster.Session(session)
	if !ok {
		return nil, fmt.Errorf("session %q of base %s: %w", session, roster.Base(), ErrUnknownSession)
	}
	x := &Explanation{Base: roster.Base(), Lesson: lessonOf(roster, lesson), Person: person}
	if !has(x.Lesson, map[string]bool{person: true}) {
		return nil, fmt.Errorf("person %q in session %q: %w", person, session, ErrNotEnrolled)
	}
	x.Class, _ = roster.Class(lesson.Class)
	for d := calendar.DateOf(lesson.Span.Start()); d.Span().StartMs < lesson.Span.EndMs; d = d.Add(1) {
		p := peopleDay{
			s: s, roster: roster, rules: terms.Rules, digest: newDigest(), only: person, out: &PeopleDay{Base: roster.Base(), Day: d},
		}
		if err := p.derive(ctx, terms.Decisions); err != nil {
			return nil, fmt.Errorf("explain %s in %s: %w", person, session, err)
		}
		x.day(p.out, terms.Rules)
	}
	if err := s.machineStories(ctx, x, terms.Rules); err != nil {
		return nil, fmt.Errorf("explain %s in %s: %w", person, session, err)
	}
	return x, nil
}

// day takes what one day says of the lesson.
func (x *Explanation) day(p *PeopleDay, rules Rules) {
	v := DayVerdict{Day: p.Day}
	for i := range p.Verdicts {
		if p.Verdicts[i].Person != x.Person {
			continue
		}
		v.DayVerifiedMs += p.Verdicts[i].VerifiedMs
		if p.Verdicts[i].Session == x.Lesson.ID {
			v.Verdict, x.Attendance = p.Verdicts[i], p.Attendance[i]
		}
	}
	v.HalfUnits = rules.Hours.HalfUnits(v.DayVerifiedMs)
	x.Verdicts = append(x.Verdicts, v)
	if x.Taps == nil {
		for _, i := range x.Attendance.Taps {
			x.Taps = append(x.Taps, p.Taps[i])
		}
	}
	x.Deaf = x.Deaf.Union(p.Deaf[x.Lesson.Workshop].Clip(x.Lesson.Span))
}

// machineStories tells what the machines at the lesson's stations did.
func (s *Settler) machineStories(ctx context.Context, x *Explanation, rules Rules) error {
	if !x.Lesson.Practice {
		return nil
	}
	reach := rules.Hours.Reach()
	window := span.Span{StartMs: x.Lesson.Span.StartMs - reach, EndMs: x.Lesson.Span.EndMs + reach}
	var wanted []registry.Equipment
	for _, e := range s.registry.EquipmentOf(x.Base) {
		if e.Workshop == x.Lesson.Workshop && slices.Contains(x.Lesson.Stations, e.Station) && e.Signal.Kind != registry.SignalNone {
			wanted = append(wanted, e)
		}
	}
	x.Machines = make([]MachineStory, len(wanted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, e := range wanted {
		g.Go(func() (err error) {
			x.Machines[i], err = s.machineStory(ctx, x.Base, e, window)
			return err
		})
	}
	return g.Wait()
}

// machineStory tells what one machine did, and which record each stretch began with.
func (s *Settler) machineStory(ctx context.Context, base string, e registry.Equipment, window span.Span) (MachineStory, error) {
	story := MachineStory{Equipment: e}
	m, err := s.Machine(ctx, base, e.ID, window)
	if err != nil {
		return story, err
	}
	records, err := s.recordsOf(ctx, m, window)
	if err != nil {
		return story, err
	}
	for _, segment := range m.Timeline {
		part := SegmentStory{Segment: segment}
		if ref, ok := records[segment.StartMs]; ok {
			part.Record = &ref
		}
		story.Segments = append(story.Segments, part)
	}
	return story, nil
}

// recordsOf finds the records of a machine's sources by their event time.
func (s *Settler) recordsOf(ctx context.Context, m *Machine, window span.Span) (map[int64]Ref, error) {
	out := map[int64]Ref{}
	for _, source := range s.sources(m) {
		err := s.store.Read(ctx, evidence.Query{
			Base: m.Base, Device: source.Device, Channels: []string{source.Channel}, Window: window.Intersect(source.Span),
			Kinds: []telemetry.Kind{telemetry.KindSample, telemetry.KindLink},
		}, func(e *evidence.Entry) error {
			out[e.EventMs] = Ref{e.Epoch, e.Seq}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
