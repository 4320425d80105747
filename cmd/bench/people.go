package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	seatsPerRoom = 15 // and trainees of a class: 300 machines are 20 rooms, and 40 classes of 600 people
	lessonMs     = 3 * 60 * 60 * 1000
	explanations = 9 // of one run
)

// school is a base of rooms full of machines, each with a reader at its door, and two classes a day in every room.
type school struct {
	base     registry.Base
	registry *registry.Registry
	roster   *registry.Roster
	sessions []registry.Session
}

func roomName(i int) string { return fmt.Sprintf("room-%02d", i) }
func doorName(i int) string { return fmt.Sprintf("door-%02d", i) }

// newSchool makes a base whose classes are held on each of the days.
func newSchool(machines int, days []calendar.Date) (*school, error) {
	s := &school{base: registeredBase(machines, nil)}
	s.base.Bridges, s.base.Workshops = nil, nil
	people := registry.People{Base: baseCode}
	for i := range s.base.Equipment {
		room, seat := i/seatsPerRoom, fmt.Sprintf("s%02d", i%seatsPerRoom)
		if i%seatsPerRoom == 0 {
			s.room(room, days, &people)
		}
		w := &s.base.Workshops[room]
		w.Stations = append(w.Stations, registry.Station{ID: seat})
		s.base.Equipment[i].Workshop, s.base.Equipment[i].Station = w.ID, seat
		for k := range people.Classes[2*room:] {
			c := &people.Classes[2*room+k]
			c.Stations = append(c.Stations, seat)
		}
	}
	var err error
	if s.registry, err = registry.New(s.base); err != nil {
		return nil, err
	}
	s.roster, err = registry.NewRoster(s.base, people)
	s.sessions = people.Sessions
	return s, err
}

// room adds a room, its reader, and its two classes.
func (s *school) room(n int, days []calendar.Date, people *registry.People) {
	s.base.Workshops = append(s.base.Workshops, registry.Workshop{ID: roomName(n), Name: roomName(n)})
	s.base.Devices = append(s.base.Devices, registry.Device{ID: doorName(n), Name: doorName(n), Kind: registry.Reader})
	s.base.Bindings = append(s.base.Bindings, registry.Binding{
		Device: doorName(n), Room: roomName(n), Use: registry.UsePresence, Valid: registry.Always(),
	})
	for half := range int64(2) {
		class := fmt.Sprintf("k%02d-%d", n, half)
		people.Classes = append(people.Classes, registry.Class{
			ID: class, Name: class, Use: registry.UseSocial, Profile: registry.Machine, Workshop: roomName(n),
		})
		for seat := range seatsPerRoom {
			person := fmt.Sprintf("%s-%02d", class, seat)
			people.Persons = append(people.Persons, registry.Person{ID: person})
			people.Cards = append(people.Cards, registry.Card{Token: cardOf(person), Person: person, Valid: registry.Always()})
			people.Enrolments = append(people.Enrolments, registry.Enrolment{Class: class, Person: person, Valid: registry.Always()})
		}
		for _, d := range days {
			from := d.Span().StartMs + (8*60+30+half*5*60)*60_000 // half past eight, half past one
			people.Sessions = append(people.Sessions, registry.Session{
				ID: class + "-" + d.String(), Class: class, Span: span.Span{StartMs: from, EndMs: from + lessonMs}, Practice: true,
			})
		}
	}
}

func cardOf(person string) string { return "card-" + person }

// taps are two of each trainee and lesson, in order of time: within ten minutes before it and after it.
func (s *school) taps(seq uint64) evidence.Batch {
	rng := rand.New(rand.NewPCG(5, 1))
	around := func() int64 { return rng.Int64N(10 * 60_000) }
	batch := evidence.Batch{Base: baseCode, Bridge: bridgeID, Epoch: 1}
	add := func(room, person string, atMs int64, d telemetry.Direction) {
		seq++
		batch.Messages = append(batch.Messages, telemetry.Message{
			ReceivedMs: atMs + 40, Dialect: "native", Records: []telemetry.Record{{
				Kind: telemetry.KindTap, Clock: telemetry.ClockDevice, Device: "door" + room[len("room"):], EventMs: atMs, DeviceMs: atMs,
				Card: cardOf(person), Direction: d,
			}},
		})
	}
	for _, session := range s.sessions {
		l, _ := s.roster.Session(session.ID)
		for _, e := range s.roster.EnrolledIn(&l) {
			add(l.Workshop, e.Person, l.Span.StartMs-around(), telemetry.DirectionIn)
			add(l.Workshop, e.Person, l.Span.EndMs+around(), telemetry.DirectionOut)
		}
	}
	slices.SortFunc(batch.Messages, func(a, b telemetry.Message) int { return cmp.Compare(a.ReceivedMs, b.ReceivedMs) })
	first := seq - uint64(len(batch.Messages)) + 1
	for i := range batch.Messages {
		batch.Messages[i].Seq = first + uint64(i)
	}
	last := batch.Messages[len(batch.Messages)-1].ReceivedMs
	batch.Receipts = []evidence.Receipt{{Epoch: 1, First: first, Last: seq, FirstMs: batch.Messages[0].ReceivedMs, LastMs: last}}
	return batch
}

// settleDay settles machines and people of one day into a ledger, as settle.Keeper does.
func (s *school) settleDay(ctx context.Context, settler *settle.Settler, l *ledger.Ledger, d calendar.Date) error {
	nowMs := d.Add(2).Span().StartMs
	rows, err := settler.Day(ctx, baseCode, d, nowMs)
	if err != nil {
		return err
	}
	if _, err := l.Put(ctx, rows); err != nil {
		return err
	}
	day, verdicts, err := settler.PeopleRows(ctx, s.roster, d, settle.DefaultTerms(), nowMs)
	if err != nil {
		return err
	}
	if _, err := l.PutPeople(ctx, day, verdicts); err != nil {
		return err
	}
	return s.settled(rows, verdicts)
}

// settled checks that nothing was left out of what was timed.
func (s *school) settled(rows []ledger.Row, verdicts []ledger.HoursRow) error {
	people := 2 * len(s.base.Workshops) * seatsPerRoom
	var verified, pending int64
	for i := range verdicts {
		verified, pending = verified+verdicts[i].VerifiedMs, pending+verdicts[i].PendingMs
	}
	if len(rows) != len(s.base.Equipment) || len(verdicts) != people || verified == 0 || pending != 0 {
		return fmt.Errorf("%d machines and %d verdicts with %d ms verified and %d pending, want %d and %d with some and none",
			len(rows), len(verdicts), verified, pending, len(s.base.Equipment), people)
	}
	return nil
}

// timeDays settles some days into a new ledger and returns the seconds, on the clock and of processor time.
func (b *bench) timeDays(ctx context.Context, s *school, settler *settle.Settler, days []calendar.Date) (seconds, busy float64, err error) {
	dir, err := b.folder("ledger")
	if err != nil {
		return 0, 0, err
	}
	l, err := ledger.Open(ctx, filepath.Join(dir, "ledger.db"))
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	began, used := time.Now(), ownCPU()
	for _, d := range days {
		if err := s.settleDay(ctx, settler, l, d); err != nil {
			return 0, 0, err
		}
	}
	return time.Since(began).Seconds(), (ownCPU() - used).Seconds(), nil
}

// explain explains lessons of trainees of different classes, and returns the seconds that each took.
func (s *school) explain(ctx context.Context, settler *settle.Settler) (series, error) {
	var out series
	for n := range explanations {
		session := s.sessions[n*len(s.sessions)/explanations]
		person := fmt.Sprintf("%s-%02d", session.Class, n%seatsPerRoom)
		began := time.Now()
		x, err := settler.Explain(ctx, s.roster, session.ID, person, settle.DefaultTerms())
		if err != nil {
			return nil, err
		}
		out = append(out, time.Since(began).Seconds())
		if len(x.Taps) != 2 || len(x.Machines) == 0 || x.Verdicts[0].PlannedMs != lessonMs {
			return nil, fmt.Errorf("%d taps and %d machines explain %s", len(x.Taps), len(x.Machines), person)
		}
	}
	return out, nil
}

// judge measures attendance and hours alone, of a day that is read already.
func (b *bench) judge(ctx context.Context, s *school, settler *settle.Settler, d calendar.Date) error {
	p, err := settler.People(ctx, s.roster, d, settle.DefaultTerms())
	if err != nil {
		return err
	}
	running := make(map[attendance.Place]span.Set, len(p.Stations))
	for i := range p.Stations {
		running[p.Stations[i].Place] = p.Stations[i].Running
	}
	rules := settle.DefaultRules()
	var took series
	for range b.runs {
		began := time.Now()
		attended := attendance.Derive(&attendance.Input{Lessons: p.Lessons, Taps: p.Taps, Deaf: p.Deaf, Running: running}, rules.Attendance)
		hours.Verify(&hours.Input{Day: d.Span(), Lessons: p.Lessons, Attendance: attended, Stations: p.Stations}, rules.Hours)
		took = append(took, 1000*time.Since(began).Seconds())
	}
	b.add(row{
		what: fmt.Sprintf("attendance and hours of a day, pure: %d trainees, %d lessons, %d taps, %d stations",
			len(p.Verdicts), len(p.Lessons), len(p.Taps), len(p.Stations)), ours: took.show("ms"),
	})
	return nil
}
