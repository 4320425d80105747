package usage

import (
	"cmp"
	"math/big"
)

// Unit is what a Quantity counts.
type Unit string

// The units.
const (
	// UnitMs: milliseconds of a machine or of a calendar; shown as hours (h).
	UnitMs Unit = "ms"
	// UnitTraineeMs: milliseconds of one trainee each; shown as trainee-hours (人时).
	UnitTraineeMs Unit = "trainee_ms"
	// UnitStationMs: milliseconds of one station each; shown as station-hours (工位时).
	UnitStationMs Unit = "station_ms"
	// UnitDeviceDays: days of one device each (台日).
	UnitDeviceDays Unit = "device_days"
	// UnitMilliWh: thousandths of a watt-hour; shown as kWh.
	UnitMilliWh Unit = "mwh"
)

const msPerHour = 3_600_000

// shown is how many of the unit make one of what is shown, with the names of that.
func (u Unit) shown() (scale int64, zh, en string) {
	switch u {
	case UnitTraineeMs:
		return msPerHour, "人时", "trainee-h"
	case UnitStationMs:
		return msPerHour, "工位时", "station-h"
	case UnitDeviceDays:
		return 1, "台日", "device-d"
	case UnitMilliWh:
		return 1_000_000, "kWh", "kWh"
	}
	return msPerHour, "h", "h"
}

// Quantity is an exact amount: Amount/Parts of its unit. Parts is 1, or more where a year's quota is shared out over days;
// 0 stands for 1, so that the zero Quantity is nothing at all.
type Quantity struct {
	Unit   Unit
	Amount int64
	Parts  int64
	// Unknown says that nobody knows the amount, or only a part of it: it must not be shown as an amount.
	Unknown bool
}

// Shown returns the quantity as a reader sees it: hours, trainee-hours, station-hours, device-days or kWh, with the unit's
// Chinese and English name.
func (q Quantity) Shown() (value float64, zh, en string) {
	_, zh, en = q.Unit.shown()
	value, _ = q.exact().Float64()
	return value, zh, en
}

// exact is the quantity in the unit that is shown.
func (q Quantity) exact() *big.Rat {
	scale, _, _ := q.Unit.shown()
	return new(big.Rat).Quo(big.NewRat(q.Amount, max(q.Parts, 1)), big.NewRat(scale, 1))
}

func (q Quantity) positive() bool { return q.Amount > 0 }

// unless is the quantity, unknown when there is a reason.
func (q Quantity) unless(why ...Why) Quantity {
	q.Unknown = cmp.Or(why...) != WhyGiven
	return q
}

// Why says why a rate is withheld.
type Why string

// The reasons.
const (
	// WhyGiven: the rate is given.
	WhyGiven Why = ""
	// WhyNotInService: the equipment was not in service in the period.
	WhyNotInService Why = "not_in_service"
	// WhyNotApplicable: the rate makes no sense for the equipment's evidence profile.
	WhyNotApplicable Why = "not_applicable"
	// WhyCalendar: the working days of the period are not all known (日历未发布).
	WhyCalendar Why = "calendar_unpublished"
	// WhyNoHours: the registry has no opening hours for a part of the period.
	WhyNoHours Why = "no_opening_hours"
	// WhyNoTimetable: no timetable was given, so that no machine time can be attributed.
	WhyNoTimetable Why = "no_timetable"
	// WhyNoPresence: nobody says who was at the machine.
	WhyNoPresence Why = "presence_unknown"
	// WhyNoVerified: no verified hours were given.
	WhyNoVerified Why = "verified_unknown"
	// WhyNoFaults: neither the machine's controller nor a record of outages would tell of a fault.
	WhyNoFaults Why = "faults_unknown"
	// WhyNoLink: nobody says when the device was connected.
	WhyNoLink Why = "link_unknown"
	// WhyNoEnergy: no energy counter speaks for the machine.
	WhyNoEnergy Why = "no_energy"
	// WhyNoDenominator: there is nothing to divide by in the period.
	WhyNoDenominator Why = "no_denominator"
	// WhyLowCoverage: too little is known (数据不足).
	WhyLowCoverage Why = "low_coverage"
)

// Text returns the reason in Chinese and in English, "" for WhyGiven.
func (w Why) Text() (zh, en string) {
	switch w {
	case WhyGiven:
		return "", ""
	case WhyNotInService:
		return "期内不在役", "not in service in the period"
	case WhyNotApplicable:
		return "不适用", "not applicable to this kind of equipment"
	case WhyCalendar:
		return "日历未发布", "calendar not published"
	case WhyNoHours:
		return "未登记开放时间", "no opening hours known"
	case WhyNoTimetable:
		return "未导入课表", "no timetable"
	case WhyNoPresence:
		return "无在岗记录", "presence not known"
	case WhyNoVerified:
		return "无核验学时", "no verified hours"
	case WhyNoFaults:
		return "无故障或停用记录", "nothing tells of faults"
	case WhyNoLink:
		return "无连接记录", "connection not known"
	case WhyNoEnergy:
		return "无电能读数", "no energy counter"
	case WhyNoDenominator:
		return "分母为零", "nothing to divide by"
	}
	return "数据不足", "too little data"
}

// Rate is one rate with all that is needed to judge it. What is known of it is known even where the rate is withheld.
type Rate struct {
	Numerator, Denominator Quantity
	// Value is Numerator/Denominator in the units in which they are shown, 0 or more and not cut at 1; nil when the rate is
	// withheld.
	Value *float64
	// Coverage is the part of what the rate rests on that is known, 0 to 1.
	Coverage float64
	// Floor is the coverage below which the rate is withheld.
	Floor float64
	// Why is WhyGiven exactly when Value is not nil.
	Why Why
}

// Given reports whether the rate has a value.
func (r Rate) Given() bool { return r.Value != nil }

// Exact returns the value before its last division, nil when the rate is withheld.
func (r Rate) Exact() *big.Rat {
	if r.Value == nil {
		return nil
	}
	return new(big.Rat).Quo(r.Numerator.exact(), r.Denominator.exact())
}

// NewRate divides, once. It withholds the value with the reason that is handed in, or for want of a denominator, or
// because the coverage is below the floor, in this order.
func NewRate(numerator, denominator Quantity, coverage, floor float64, why Why) Rate {
	r := Rate{Numerator: numerator, Denominator: denominator, Coverage: coverage, Floor: floor, Why: why}
	switch {
	case why != WhyGiven:
	case !denominator.positive():
		r.Why = WhyNoDenominator
	case coverage < floor:
		r.Why = WhyLowCoverage
	default:
		value, _ := new(big.Rat).Quo(numerator.exact(), denominator.exact()).Float64()
		r.Value = &value
	}
	return r
}

// part is known/total as a coverage: 1 of nothing, because nothing is missing.
func part(known, total int64) float64 {
	if total <= 0 {
		return 1
	}
	return float64(known) / float64(total)
}
