package usage

import (
	"cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Rates are what one machine's year is judged by. The formulas and where each comes from are in docs/rates.md.
type Rates struct {
	Totals      Totals
	Attribution Attribution
	// OnMs is 开机机时, H_on: running, idle and fault time, in and outside the opening hours.
	OnMs int64
	// IdleRunMs is 空转机时, H_i; nil when nobody tells who was there, or the profile has no such thing.
	IdleRunMs *int64
	// Energy is nil when no counter speaks for the machine.
	Energy *Energy

	Quota             Rate // U_q 使用率(定额) = H_e ÷ (quota × days in service ÷ 365) [MOE]
	Calendar          Rate // U_c 使用率(日历) = H_e ÷ (workdays × opening hours − planned maintenance) [P]
	Opening           Rate // 使用率(开放) = running ÷ opening hours [P], as Totals.Rate
	Timetable         Rate // 使用率(课表) = H_e in the timetable ÷ scheduled practice hours [P]
	On                Rate // U_t 时间开动率 = H_on ÷ (workdays × opening hours) [P]
	IdleRun           Rate // 空转率 = H_i ÷ H_on [P]
	TraineePerMachine Rate // 人机比 (台班) = verified trainee-hours ÷ H_e [P]
	Availability      Rate // 设备完好率 = available device-days ÷ device-days in service [K]
	Shared            Rate // 开放共享率 = H_e of outside uses ÷ H_e [P], idea MOST and MOE
	Completeness      Rate // 数据完整率 = known ÷ expected time [P]
	Online            Rate // 在线率 = connected ÷ expected time [P]
	EnergyPerTrainee  Rate // 能耗 = kWh ÷ verified trainee-hours [P]
}

// NamedRate is a rate with its names.
type NamedRate struct {
	ID     string
	Zh, En string
	Rate
}

// All returns the rates in the order of reports.
func (r *Rates) All() []NamedRate {
	return []NamedRate{
		{"quota", "使用率(定额)", "use of quota", r.Quota},
		{"calendar", "使用率(日历)", "use of calendar", r.Calendar},
		{"opening", "使用率(开放)", "running in opening hours", r.Opening},
		{"timetable", "使用率(课表)", "use of timetable", r.Timetable},
		{"on", "时间开动率", "switched on", r.On},
		{"idle_run", "空转率", "running unattended", r.IdleRun},
		{"trainee_per_machine", "人机比", "trainees per machine", r.TraineePerMachine},
		{"availability", "设备完好率", "availability", r.Availability},
		{"shared", "开放共享率", "open to others", r.Shared},
		{"completeness", "数据完整率", "completeness of data", r.Completeness},
		{"online", "在线率", "online", r.Online},
		{"energy_per_trainee", "人时能耗", "energy per trainee-hour", r.EnergyPerTrainee},
	}
}

// Measure computes a machine's rates. It withholds each with the reason that a person could do something about: what is
// missing before how little is known.
func Measure(f *Facts, o RateOptions) Rates {
	m := measurer{f: f, o: o, r: Rates{Totals: Sum(f.Timeline, f.Opening), Attribution: Attribute(f.Timeline, f.Bookings), Energy: f.Energy}}
	m.r.OnMs = m.r.Totals.RunningMs + m.r.Totals.IdleMs + m.r.Totals.FaultMs
	m.coverage = m.r.Totals.Coverage()
	m.booked = min(m.coverage, f.bookedCoverage())
	m.use()
	m.time()
	m.data()
	m.people()
	return m.r
}

// measurer holds what the rates of one machine share.
type measurer struct {
	f        *Facts
	o        RateOptions
	r        Rates
	coverage float64 // of the opening hours
	booked   float64 // the same, or of the booked time where that is less: what effective time rests on
}

// rate divides with the first reason there is.
func (m *measurer) rate(numerator, denominator Quantity, coverage float64, why ...Why) Rate {
	first := WhyGiven
	if len(m.f.Days) == 0 {
		first = WhyNotInService
	}
	return NewRate(numerator, denominator, coverage, m.o.Floor, cmp.Or(append([]Why{first}, why...)...))
}

// when is the reason if the condition holds.
func when(missing bool, why Why) Why {
	if missing {
		return why
	}
	return WhyGiven
}

func hours(ms int64) Quantity { return Quantity{Unit: UnitMs, Amount: ms, Parts: 1} }

// use computes what rests on effective time.
func (m *measurer) use() {
	f, a := m.f, &m.r.Attribution
	noTimetable := when(!f.Timetable, WhyNoTimetable)
	effective := hours(a.Ms()).unless(noTimetable)
	work := hours(f.Workdays.Subtract(f.Maintenance).Ms()).unless(f.WorkdaysWhy)
	m.r.Quota = m.rate(effective, f.quota(), m.booked, noTimetable)
	m.r.Calendar = m.rate(effective, work, m.booked, noTimetable, f.WorkdaysWhy)
	scheduled := m.coverage
	if a.ScheduledMs > 0 {
		scheduled = part(a.ScheduledKnownMs, a.ScheduledMs)
	}
	m.r.Timetable = m.rate(hours(a.ScheduledEffectiveMs).unless(noTimetable), hours(a.ScheduledMs).unless(noTimetable),
		scheduled, noTimetable)
	m.r.Shared = m.rate(hours(outside(a, m.o.Outside)).unless(noTimetable), effective, m.booked, noTimetable)
}

// time computes what rests on the states alone.
func (m *measurer) time() {
	f, t := m.f, &m.r.Totals
	m.r.Opening = m.rate(hours(t.RunningMs), hours(t.OpeningMs).unless(f.HoursWhy), m.coverage, f.HoursWhy)
	m.r.On = m.rate(hours(m.r.OnMs), hours(f.Workdays.Ms()).unless(f.WorkdaysWhy), m.coverage, f.WorkdaysWhy)

	idle, told := f.idleRunning()
	exempt := f.Profile == registry.Thermal
	if f.Presence != nil && !exempt {
		m.r.IdleRunMs = &idle
	}
	why := cmp.Or(when(exempt, WhyNotApplicable), when(f.Presence == nil, WhyNoPresence))
	m.r.IdleRun = m.rate(hours(idle).unless(why), hours(m.r.OnMs), min(m.coverage, part(told, t.RunningMs)), why)

	days, known, available := f.availability(m.o.Floor)
	why = cmp.Or(when(!f.TellsFault && f.Outages == nil, WhyNoFaults), f.HoursWhy)
	m.r.Availability = m.rate(deviceDays(available).unless(why), deviceDays(known).unless(why), part(known, days),
		why, when(known == 0 && days > 0, WhyLowCoverage))
}

func deviceDays(n int64) Quantity { return Quantity{Unit: UnitDeviceDays, Amount: n, Parts: 1} }

// data computes how far the figures can be believed. These two are never withheld for what they say themselves.
func (m *measurer) data() {
	f, t := m.f, &m.r.Totals
	expected := f.Opening
	known, expectedMs := t.OpeningKnownMs, t.OpeningMs
	if n := len(f.Timeline); expectedMs == 0 && n > 0 {
		expected = span.NewSet(span.Span{StartMs: f.Timeline[0].StartMs, EndMs: f.Timeline[n-1].EndMs})
		known, expectedMs = t.WindowMs-t.UnknownMs, t.WindowMs
	}
	m.r.Completeness = m.rate(hours(known), hours(expectedMs), 1)
	var online int64
	if f.Online != nil {
		online = expected.Intersect(*f.Online).Ms()
	}
	noLink := when(f.Online == nil, WhyNoLink)
	m.r.Online = m.rate(hours(online).unless(noLink), hours(expectedMs), 1, noLink)
}

// people computes what rests on verified hours.
func (m *measurer) people() {
	f := m.f
	verified, noVerified := trainees(f.VerifiedMs)
	noTimetable := when(!f.Timetable, WhyNoTimetable)
	m.r.TraineePerMachine = m.rate(verified, hours(m.r.Attribution.Ms()).unless(noTimetable), min(m.booked, f.VerifiedCoverage),
		noTimetable, noVerified)

	noEnergy := when(f.Energy == nil, WhyNoEnergy)
	drawn, covered := Quantity{Unit: UnitMilliWh, Parts: 1}.unless(noEnergy), 0.0
	if f.Energy != nil {
		drawn.Amount, covered = f.Energy.MilliWh, f.Energy.Coverage()
	}
	m.r.EnergyPerTrainee = m.rate(drawn, verified, min(covered, f.VerifiedCoverage), noEnergy, noVerified)
}

// trainees is verified time as a quantity, or why there is none.
func trainees(verifiedMs *int64) (Quantity, Why) {
	why := when(verifiedMs == nil, WhyNoVerified)
	q := Quantity{Unit: UnitTraineeMs, Parts: 1}.unless(why)
	if verifiedMs != nil {
		q.Amount = *verifiedMs
	}
	return q, why
}

// StationUse is 工位利用率, U_w = Σ verified trainee-hours at stations ÷ (stations × workdays × opening hours) [P]. openMs is
// Σ over stations of the opening hours on working days; verifiedMs is nil when hours were not verified; coverage is the
// part of the trainees' time that is not pending. It may exceed 1: several trainees share a station.
func StationUse(verifiedMs *int64, openMs int64, coverage, floor float64, why Why) Rate {
	verified, noVerified := trainees(verifiedMs)
	return NewRate(verified, Quantity{Unit: UnitStationMs, Amount: openMs, Parts: 1}.unless(why), coverage, floor, cmp.Or(why, noVerified))
}
