package settle

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// ClueHistoryDays is how many days before a day tell what is normal at a base.
const ClueHistoryDays = 28

// ClueDay gathers what the rules of clues look at on one day of a base: the people, the machines' timelines and power, and
// what their devices said beside that.
func (s *Settler) ClueDay(ctx context.Context, roster *registry.Roster, d calendar.Date, terms Terms) (*clue.Day, error) {
	people, err := s.People(ctx, roster, d, terms)
	if err != nil {
		return nil, err
	}
	day := &clue.Day{
		Date: d, Lessons: people.Lessons, Attendance: people.Attendance, Verdicts: people.Verdicts, Taps: people.Taps, Deaf: people.Deaf,
		Opening: map[string]span.Set{},
	}
	window := d.Span()
	s.clueReaders(roster.Base(), window, day)
	machines, err := s.Machines(ctx, roster.Base(), window)
	if err != nil {
		return nil, fmt.Errorf("clues of base %s on %s: %w", roster.Base(), d, err)
	}
	heard := map[string]*deviceDay{}
	for _, m := range machines {
		day.Opening[m.Equipment.Workshop] = day.Opening[m.Equipment.Workshop].Union(m.Opening)
		if m.Window.Empty() || m.Equipment.Signal.Kind == registry.SignalNone {
			continue
		}
		x, err := s.clueMachine(ctx, m, window, heard)
		if err != nil {
			return nil, fmt.Errorf("clues of base %s on %s: %w", roster.Base(), d, err)
		}
		day.Machines = append(day.Machines, x)
	}
	day.Devices = devicesOf(heard)
	return day, nil
}

// clueReaders writes down where the day's readers stand.
func (s *Settler) clueReaders(base string, window span.Span, day *clue.Day) {
	p := peopleDay{s: s, out: &PeopleDay{Base: base}}
	for _, b := range s.registry.Readers(base, window) {
		if place, ok := p.placeOf(b); ok {
			day.Readers = append(day.Readers, clue.Reader{ID: b.Device, Place: place})
		}
	}
}

// Clues finds the clues of a day, given the days before it.
func Clues(roster *registry.Roster, today *clue.Day, past []*clue.Day, params *clue.Params) []clue.Clue {
	return clue.Find(&clue.Input{Base: roster.Base(), Roster: roster, Today: today, Past: past}, params)
}
