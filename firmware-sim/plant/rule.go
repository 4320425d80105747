package plant

import (
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// Rule is how hours are verified. Its figures are those of the rule set that the product is given; this package applies
// them to what truly happened, with nothing but arithmetic on spans.
type Rule struct {
	// Dilation makes every active span of a station longer at both ends: measuring, clamping, being shown.
	Dilation time.Duration
	// Adjoin is how much of being ready counts as active next to a run: preparing and clearing up.
	Adjoin time.Duration
	// Window is for burst courses: a window of this length, counted from the epoch, is active when there was an arc in it.
	Window time.Duration
	// PerStation is how many trainees one station proves at once; 0 is any number. Of more, those count who came first.
	PerStation int
	// BySeats makes it more for a class whose largest station has more seats, as a computer room has.
	BySeats bool
	// DailyCap is how much counts of one person's day; 0 is all of it. What comes first counts.
	DailyCap time.Duration
	// ByClass lets every station of the class prove the presence of any of its trainees, PerStation for each, as where
	// nobody registers who works at which. Otherwise each trainee's own station decides.
	ByClass bool
	// ByReaders decides it for each station: one with a reader proves those who work there, and the others together prove all who
	// work at one of them, for nobody can register who works where.
	ByReaders bool
}

// SeatsOf is how many seats the largest station of a class has.
func SeatsOf(b *scenario.Base, c *scenario.Class) int {
	seats := 0
	for i := range b.Workshops {
		for k := range b.Workshops[i].Stations {
			s := &b.Workshops[i].Stations[k]
			if b.Workshops[i].ID == c.Workshop && slices.Contains(c.Stations, s.ID) {
				seats = max(seats, s.Capacity)
			}
		}
	}
	return seats
}

// shared reports whether a station of a workshop proves any trainee of its class who works at no station of their own.
func (r *Rule) shared(b *scenario.Base, workshop, station string) bool {
	if !r.ByReaders {
		return r.ByClass
	}
	i := slices.IndexFunc(b.Workshops, func(w scenario.Workshop) bool { return w.ID == workshop })
	return i < 0 || !slices.ContainsFunc(b.Workshops[i].Readers, func(r scenario.Reader) bool { return r.Station == station })
}

// DefaultRule returns the default figures: ten minutes on both sides, fifteen of preparing and clearing up, windows of five
// minutes, three trainees to a station, eight units of 45 minutes a day.
func DefaultRule() Rule {
	return Rule{
		Dilation: 10 * time.Minute, Adjoin: 15 * time.Minute, Window: 5 * time.Minute, PerStation: 3, DailyCap: 6 * time.Hour,
	}
}
