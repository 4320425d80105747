package settle

import (
	"context"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// DayDecisions returns what named persons decided of a base's day, as Corrections.Decisions does.
type DayDecisions func(ctx context.Context, base string, d calendar.Date) ([]hours.Exclusion, error)

// AddPeople derives attendance and verified hours of the query's period day by day and fills in its Verified and Presence.
// Without a timetable it leaves them as they are. decisions returns what named persons decided of a day; nil is nothing.
//
// A trainee's practice is given to the machine at the trainee's station when that is the station's only one. Where several
// machines share it, or somebody's station in the lesson is not known, no machine's share is known. Presence is told
// within the lessons of a workshop with a reader, while that reader was heard of.
func (s *Settler) AddPeople(ctx context.Context, q *RatesQuery, rules Rules, decisions DayDecisions) error {
	if q.Roster == nil || len(q.Roster.People().Sessions) == 0 {
		return nil
	}
	p := newRatesPeople(s.registry.EquipmentOf(q.Base))
	for d := range q.days {
		terms := Terms{Rules: rules}
		var err error
		if decisions != nil {
			terms.Decisions, err = decisions(ctx, q.Base, d)
		}
		if err != nil {
			return fmt.Errorf("rates of base %q: %w", q.Base, err)
		}
		day, err := s.People(ctx, q.Roster, d, terms)
		if err != nil {
			return fmt.Errorf("rates of base %q: %w", q.Base, err)
		}
		p.day(day)
	}
	q.Verified, q.Presence = p.verified(), p.presence()
	return nil
}

// ratesPeople adds up who was where.
type ratesPeople struct {
	equipment []registry.Equipment
	at        map[Place][]string // equipment by station
	stations  map[Place]int64
	loose     map[Place]bool // stations at which somebody else may have practised too
	plannedMs int64
	pendingMs int64

	told     map[string][]span.Span // by workshop: lessons with a reader, less what it missed
	attended map[string][]span.Span // by equipment
	unsure   map[string][]span.Span // by equipment: somebody may have been there
}

func newRatesPeople(equipment []registry.Equipment) *ratesPeople {
	p := &ratesPeople{
		equipment: equipment, at: map[Place][]string{}, stations: map[Place]int64{}, loose: map[Place]bool{},
		told: map[string][]span.Span{}, attended: map[string][]span.Span{}, unsure: map[string][]span.Span{},
	}
	for _, e := range equipment {
		if e.Station != "" {
			place := Place{e.Workshop, e.Station}
			p.at[place] = append(p.at[place], e.ID)
		}
	}
	return p
}

// day takes in one day's lessons.
func (p *ratesPeople) day(d *PeopleDay) {
	lessons := make(map[string]*attendance.Lesson, len(d.Lessons))
	for i := range d.Lessons {
		l := &d.Lessons[i]
		lessons[l.ID] = l
		if deaf, ok := d.Deaf[l.Workshop]; ok {
			p.told[l.Workshop] = append(p.told[l.Workshop], span.NewSet(l.Span).Subtract(deaf)...)
		}
	}
	for i := range d.Attendance {
		a, v := &d.Attendance[i], &d.Verdicts[i]
		if l := lessons[a.Session]; l != nil {
			p.present(l, a)
			p.count(l, a, v)
		}
	}
}

// present takes in when a trainee, or the teacher, was at the machines of a lesson.
func (p *ratesPeople) present(l *attendance.Lesson, a *attendance.Attendance) {
	for i := range p.equipment {
		e := &p.equipment[i]
		if e.Workshop != l.Workshop {
			continue
		}
		p.attended[e.ID] = append(p.attended[e.ID], a.TeacherPresent...)
		if a.Station == "" || e.Station == "" || a.Station == e.Station {
			p.attended[e.ID] = append(p.attended[e.ID], a.Present...)
			p.unsure[e.ID] = append(p.unsure[e.ID], a.Pending...)
		}
	}
}

// count takes in what of a trainee's lesson counts.
func (p *ratesPeople) count(l *attendance.Lesson, a *attendance.Attendance, v *hours.Verdict) {
	if !l.Practice {
		return
	}
	p.plannedMs += v.PlannedMs
	p.pendingMs += v.PendingMs
	station := a.Station
	if station == "" && len(l.Stations) == 1 {
		station = l.Stations[0]
	}
	p.stations[Place{l.Workshop, station}] += v.VerifiedMs
	if station != "" || v.VerifiedMs == 0 {
		return
	}
	for place := range p.at {
		if place.Workshop == l.Workshop && (len(l.Stations) == 0 || slices.Contains(l.Stations, place.Station)) {
			p.loose[place] = true
		}
	}
}

func (p *ratesPeople) verified() *Verified {
	v := &Verified{Equipment: map[string]int64{}, Stations: p.stations, Coverage: 1}
	if p.plannedMs > 0 {
		v.Coverage = float64(p.plannedMs-p.pendingMs) / float64(p.plannedMs)
	}
	for place, machines := range p.at {
		if len(machines) == 1 && !p.loose[place] {
			v.Equipment[machines[0]] = p.stations[place]
		}
	}
	return v
}

func (p *ratesPeople) presence() map[string]*usage.Presence {
	out := make(map[string]*usage.Presence)
	for i := range p.equipment {
		e := &p.equipment[i]
		told, ok := p.told[e.Workshop]
		if !ok {
			continue
		}
		attended := span.NewSet(p.attended[e.ID]...)
		out[e.ID] = &usage.Presence{
			Known: span.NewSet(told...).Subtract(span.NewSet(p.unsure[e.ID]...).Subtract(attended)), Attended: attended,
		}
	}
	return out
}
