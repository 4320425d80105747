package settle

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// RatesVersion names the rules by which rates are computed from timelines. It changes whenever the same facts may give
// other rates.
const RatesVersion = "rates/1"

// MaxRateDays is the longest period that rates are given for: three years.
const MaxRateDays = 3 * 366

// RatesQuery says for what the rates are, and hands in what the evidence store does not have. What is nil is not known, and
// the rates that rest on it are withheld.
type RatesQuery struct {
	Base      string
	Equipment string        // one machine; "" for all
	From, To  calendar.Date // both included, at most three years
	// NowMs cuts the period: what has not happened yet is in no figure.
	NowMs   int64
	Options usage.RateOptions
	// Roster has the timetable; one without any session is no timetable.
	Roster   *registry.Roster
	Verified *Verified
	// Presence says who was at which machine, by equipment id.
	Presence map[string]*usage.Presence
	// Upkeep is by equipment id; a machine without an entry has no maintenance planned, and no record of outages.
	Upkeep map[string]Upkeep
}

// Verified are the verified hours of a period, in milliseconds of all trainees.
type Verified struct {
	Equipment map[string]int64 // by equipment id; what a machine without an entry has is not known
	Stations  map[Place]int64  // nil when hours were not given to stations
	// Coverage is the part of the trainees' time that is not pending, 0 to 1.
	Coverage float64
}

// Place is a station.
type Place struct{ Workshop, Station string }

// Upkeep is when a machine was kept from work.
type Upkeep struct {
	Maintenance span.Set  // planned (计划维护)
	Outages     *span.Set // out of order (故障停用); nil when no such record is kept
}

// Rates are the rates of a base in a period.
type Rates struct {
	Base     string
	From, To calendar.Date
	Machines []MachineRates // in order of equipment id
	// StationUse is 工位利用率 of all the base's stations.
	StationUse usage.Rate
	Fleets     []NamedFleet // in the order of usage.Rates.All
	// Provisional says that a calendar notice that is still to come can change the working days of the period.
	Provisional bool

	RuleVersion, RegistryDigest, RosterDigest string
}

// MachineRates are the rates of one machine.
type MachineRates struct {
	Equipment registry.Equipment
	Window    span.Span // from the first day in service to the end of the last, as far as they have come
	Days      int       // in service
	Rates     usage.Rates
	Digest    string // SHA-256 of the evidence of the states of all days, hex
	Notes     []Note
}

// NamedFleet is one rate over all machines.
type NamedFleet struct {
	ID     string // as usage.NamedRate has it
	Zh, En string
	usage.Fleet
}

// Rates derives the rates of a base's machines. The same evidence, registry, roster and query give the same result. The
// error is registry.ErrUnknown for a base, and ErrUnknownEquipment for a machine, that the registry does not have.
func (s *Settler) Rates(ctx context.Context, q *RatesQuery) (*Rates, error) {
	equipment, err := s.equipment(q)
	if err != nil {
		return nil, fmt.Errorf("rates of base %q: %w", q.Base, err)
	}
	r := &Rates{
		Base: q.Base, From: q.From, To: q.To, Machines: make([]MachineRates, len(equipment)),
		Provisional: s.calendar.Final(q.From, q.To) != nil,
		RuleVersion: RuleVersion + " " + RatesVersion, RegistryDigest: s.registry.BaseDigest(q.Base),
	}
	if q.Roster != nil {
		r.RosterDigest = q.Roster.Digest()
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range equipment {
		g.Go(func() error {
			f := &facts{s: s, q: q, e: &equipment[i]}
			return f.into(gctx, &r.Machines[i])
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("rates of base %q: %w", q.Base, err)
	}
	r.Fleets = fleets(r.Machines)
	r.StationUse, err = s.stationUse(q)
	if err != nil {
		return nil, fmt.Errorf("rates of base %q: %w", q.Base, err)
	}
	return r, nil
}

// equipment checks the query and returns the machines it is for.
func (s *Settler) equipment(q *RatesQuery) ([]registry.Equipment, error) {
	if _, ok := s.registry.Base(q.Base); !ok {
		return nil, registry.ErrUnknown
	}
	if q.To.Before(q.From) || q.From.Add(MaxRateDays-1).Before(q.To) {
		return nil, fmt.Errorf("period from %s to %s: want at least one day and at most %d", q.From, q.To, MaxRateDays)
	}
	if q.Roster != nil && q.Roster.Base() != q.Base {
		return nil, fmt.Errorf("the roster is of base %q", q.Roster.Base())
	}
	if q.Equipment == "" {
		return s.registry.EquipmentOf(q.Base), nil
	}
	e, ok := s.registry.Equipment(q.Base, q.Equipment)
	if !ok {
		return nil, fmt.Errorf("equipment %q: %w", q.Equipment, ErrUnknownEquipment)
	}
	return []registry.Equipment{e}, nil
}

// days calls yield for each day of the period that has begun, with its span as far as it has come.
func (q *RatesQuery) days(yield func(calendar.Date, span.Span) bool) {
	for d := q.From; !q.To.Before(d); d = d.Add(1) {
		w := Window(d, q.NowMs)
		if w.Empty() || !yield(d, w) {
			return
		}
	}
}

// fleets takes the means of every rate.
func fleets(machines []MachineRates) []NamedFleet {
	var out []NamedFleet
	members := map[string][]usage.Member{}
	for i := range machines {
		m := &machines[i]
		for _, n := range m.Rates.All() {
			members[n.ID] = append(members[n.ID], usage.Member{Equipment: m.Equipment.ID, ValueFen: m.Equipment.ValueFen, Rate: n.Rate})
		}
	}
	for _, n := range new(usage.Rates).All() {
		out = append(out, NamedFleet{ID: n.ID, Zh: n.Zh, En: n.En, Fleet: usage.NewFleet(members[n.ID])})
	}
	return out
}

// stationUse sets the verified hours at stations against the hours in which the stations stood open on working days.
func (s *Settler) stationUse(q *RatesQuery) (usage.Rate, error) {
	b, _ := s.registry.Base(q.Base)
	var openMs int64
	why := usage.WhyGiven
	for d, window := range q.days {
		worked, err := s.calendar.IsWorkday(d)
		if err != nil {
			why = cmp.Or(why, usage.WhyCalendar)
			continue
		}
		for i := range b.Workshops {
			w := &b.Workshops[i]
			if !worked || len(w.Stations) == 0 {
				continue
			}
			hours, err := s.registry.OpeningHours(q.Base, w.ID, d.Span(), func() (bool, error) { return worked, nil })
			if errors.Is(err, registry.ErrNoHours) {
				why = cmp.Or(why, usage.WhyNoHours)
			} else if err != nil {
				return usage.Rate{}, err
			}
			openMs += int64(len(w.Stations)) * hours.Clip(window).Ms()
		}
	}
	coverage := 0.0
	var verified *int64
	if q.Verified != nil && q.Verified.Stations != nil {
		coverage, verified = q.Verified.Coverage, new(int64)
		for _, ms := range q.Verified.Stations {
			*verified += ms
		}
	}
	return usage.StationUse(verified, openMs, coverage, q.Options.Floor, why), nil
}
