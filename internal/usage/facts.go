package usage

import (
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Presence says when somebody was at a machine.
type Presence struct {
	// Known is when readers would have told.
	Known span.Set
	// Attended is when somebody was there; outside Known it counts for nothing.
	Attended span.Set
}

// Facts are what is known about one machine in one period: everything that its rates are made of. What nobody knows is
// nil, and what rests on it is withheld; it is never taken for nothing.
type Facts struct {
	Profile registry.Profile
	// QuotaHours is 定额机时, hours a year, more than 0.
	QuotaHours float64
	// Days are the days of the period on which the machine was in service, in order.
	Days []calendar.Date
	// Timeline covers the period as far as the machine was in service.
	Timeline []Segment
	// Opening are the opening hours of the machine's workshop in service.
	Opening span.Set
	// Workdays are the opening hours on working days, the product workdays × open_hours of the formulas.
	Workdays span.Set
	// HoursWhy says why Opening is not whole (WhyNoHours, WhyCalendar); WorkdaysWhy likewise. WhyGiven when it is.
	HoursWhy, WorkdaysWhy Why
	// Maintenance is planned maintenance (计划维护).
	Maintenance span.Set
	// Bookings are the sessions held where the machine stands; Timetable says that there is a timetable at all.
	Bookings  []Booking
	Timetable bool
	// Presence is nil when nobody tells who was at the machine.
	Presence *Presence
	// TellsFault says that the machine's controller can say that it cannot work.
	TellsFault bool
	// Outages is when the machine was recorded as out of order; nil when no such record is kept.
	Outages *span.Set
	// Online is when the machine's device was connected; nil when nobody tells.
	Online *span.Set
	// Energy is nil when no counter speaks for the machine.
	Energy *Energy
	// VerifiedMs is the verified time of all trainees at the machine; nil when hours were not verified.
	VerifiedMs *int64
	// VerifiedCoverage is the part of the trainees' time that is not pending, 0 to 1.
	VerifiedCoverage float64
}

// RateOptions are the parameters of the rates.
type RateOptions struct {
	// Floor is the coverage below which a rate is withheld, 0 to 1; CoverageFloor is the default of the rule set.
	Floor float64
	// Outside are the uses that count as open to others (开放共享).
	Outside []registry.UseCategory
}

// DefaultOutside are the uses that count as open to others by default [P]: all but a base's own teaching, the training
// of its teachers, and what has no category. A base that is not a school's sets its own.
func DefaultOutside() []registry.UseCategory {
	return []registry.UseCategory{registry.UseSocial, registry.UseAssessment, registry.UseCompetition, registry.UseEnterprise}
}

// quotaParts is how finely a year's quota is shared out: 365 × 366, so that a day of either kind of year is a whole number.
const quotaParts = 365 * 366

// quota returns 定额机时 × days in service ÷ 365, or 366 in a leap year, exactly.
func (f *Facts) quota() Quantity {
	yearMs := int64(math.Round(f.QuotaHours * msPerHour))
	var parts int64
	for _, d := range f.Days {
		if leap(d.Year) {
			parts += 365
		} else {
			parts += 366
		}
	}
	return Quantity{Unit: UnitMs, Amount: yearMs * parts, Parts: quotaParts}
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

// idleRunning returns the running time without anybody there (IDLE_RUN), and the part of the running time of which it is
// known whether somebody was.
func (f *Facts) idleRunning() (idleMs, toldMs int64) {
	if f.Presence == nil {
		return 0, 0
	}
	told := inState(f.Timeline, Running).Intersect(f.Presence.Known)
	return told.Subtract(f.Presence.Attended).Ms(), told.Ms()
}

// availability counts the device-days on which the workshop opened, those of them of which it is known whether the machine
// could work, and those on which it could: on which it was out of order for less than half of the opening hours.
func (f *Facts) availability(floor float64) (days, known, available int64) {
	broken, unknown := inState(f.Timeline, Fault), inState(f.Timeline, Unknown)
	if f.Outages != nil {
		broken = broken.Union(*f.Outages)
	}
	openMs, brokenMs := msByDay(f.Opening), msByDay(f.Opening.Intersect(broken))
	silentMs := msByDay(f.Opening.Intersect(unknown).Subtract(broken))
	for _, d := range f.Days {
		open := openMs[d]
		if open == 0 {
			continue
		}
		days++
		switch {
		case 2*brokenMs[d] >= open:
			known++
		case part(open-silentMs[d], open) >= floor:
			known++
			available++
		}
	}
	return days, known, available
}

// msByDay splits a set at midnights.
func msByDay(set span.Set) map[calendar.Date]int64 {
	out := make(map[calendar.Date]int64)
	for _, s := range set {
		for d := calendar.DateOf(s.Start()); d.Span().StartMs < s.EndMs; d = d.Add(1) {
			out[d] += d.Span().Intersect(s).Ms()
		}
	}
	return out
}

// bookedCoverage is the part of the booked time in which the machine's state is known, 1 when nothing was booked.
func (f *Facts) bookedCoverage() float64 {
	if len(f.Timeline) == 0 {
		return 1
	}
	spans := make([]span.Span, len(f.Bookings))
	for i := range f.Bookings {
		spans[i] = f.Bookings[i].Span
	}
	booked := span.NewSet(spans...).Clip(span.Span{StartMs: f.Timeline[0].StartMs, EndMs: f.Timeline[len(f.Timeline)-1].EndMs})
	return part(booked.Subtract(inState(f.Timeline, Unknown)).Ms(), booked.Ms())
}

// outside returns the effective time of the uses that are open to others.
func outside(a *Attribution, uses []registry.UseCategory) int64 {
	var ms int64
	for use, e := range a.ByUse {
		if slices.Contains(uses, use) {
			ms += e.Ms()
		}
	}
	return ms
}
