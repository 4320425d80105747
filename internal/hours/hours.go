// Package hours verifies training hours: for each trainee and lesson it gives every scheduled millisecond one verdict,
// which is verified, pending, or refused with a reason. It is for settle, for the explanation of one lesson, and for
// reports. It refuses input and output and clocks: the same attendance, machine states and rule give the same verdicts. It
// refuses to judge people: a suspicion is a clue and takes away no minute.
//
// With P the scheduled time without breaks, B the presence that taps prove, and A the activity of the stations that prove
// practice (the formulas are those of the proposed rule set, 学时核验, and so are all default figures):
//
//	theory    V = P ∩ B
//	practice  V = P ∩ B ∩ A
//	units     floor(2 × V / unit) / 2, for each trainee and day
//
// A is made of each station's machines by the evidence profile of the course:
//
//	machine, thermal  running, with what adjoins a run in readiness, dilated
//	burst             every window of five minutes with an arc in it, dilated
//	computer          switched on, dilated
//	bench, kitchen    nothing is wanted of machines
//
// One station proves the practice of a few trainees at once, whatever class they are of, and of more those who came first. Who has a station of their
// own, by a reader there or by the enrolment, is proved by that one alone. For all others the stations prove together at which
// nobody says who works there.
//
// What a machine may have done while it was not heard of is pending, and so is what a reader's outage hides: it is
// nobody's fault, never silently zero and never silently full.
//
// All functions are pure and may run concurrently.
package hours

import (
	"time"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Rule is how hours are verified.
type Rule struct {
	// Unit is the length of one 学时: 45 minutes by default, 50 and 60 are in use too.
	Unit time.Duration
	// DailyCapUnits is how many units one person's day can have; 0 is without a limit.
	DailyCapUnits int
	// Dilation makes every active span of a station longer at both ends: measuring, clamping, instruction.
	Dilation time.Duration
	// Adjoin is how much readiness next to a run is part of it: preparing and clearing up (PREP, POST).
	Adjoin time.Duration
	// Window is the length of the windows of burst courses, counted from the epoch.
	Window time.Duration
	// PerStation is how many trainees one station proves at once where the class does not say.
	PerStation int
}

// DefaultRule returns the default figures: units of 45 minutes, eight a day, ten minutes on both sides, fifteen of
// adjoining readiness, windows of five minutes, three trainees to a station.
func DefaultRule() Rule {
	return Rule{
		Unit: 45 * time.Minute, DailyCapUnits: 8, Dilation: 10 * time.Minute, Adjoin: 15 * time.Minute, Window: 5 * time.Minute,
		PerStation: 3,
	}
}

// Reach is how far before and after a lesson the states of machines matter, in milliseconds.
func (r Rule) Reach() int64 { return (r.Dilation + max(r.Adjoin, r.Window)).Milliseconds() }

// Reason says why a stretch is not verified. The words are the codes of the rule set.
type Reason string

// The reasons. Verified is none.
const (
	Verified          Reason = ""
	NoBadgeIn         Reason = "NO_BADGE_IN"
	NoBadgeOut        Reason = "NO_BADGE_OUT"
	Late              Reason = "LATE"
	EarlyLeave        Reason = "EARLY_LEAVE"
	StationIdle       Reason = "STATION_IDLE"        // switched on, and nobody worked
	StationOffline    Reason = "STATION_OFFLINE"     // switched off
	Overcrowded       Reason = "OVERCROWDED"         // others were there first, or have the station by name
	DailyCap          Reason = "DAILY_CAP"           // the day has no more units
	OverlapOtherClass Reason = "OVERLAP_OTHER_CLASS" // another lesson has this time already
	IdentityFail      Reason = "IDENTITY_FAIL"       // a card that was not the person's at the time
	OutOfSchedule     Reason = "OUT_OF_SCHEDULE"     // present beyond the timetable; never part of a lesson
	ManualExcluded    Reason = "MANUAL_EXCLUDED"     // by a decision of a named person
	DataGap           Reason = "DATA_GAP"            // pending: a reader or a meter was not heard of
)

// Reasons lists every reason in the order in which reports show them.
func Reasons() []Reason {
	return []Reason{
		NoBadgeIn, NoBadgeOut, Late, EarlyLeave, StationIdle, StationOffline, Overcrowded, DailyCap, OverlapOtherClass,
		IdentityFail, OutOfSchedule, ManualExcluded, DataGap,
	}
}

// Zh returns what the reason is called in Chinese, as the person concerned reads it.
func (r Reason) Zh() string {
	switch r {
	case Verified:
		return "已核验"
	case NoBadgeIn:
		return "无签到记录"
	case NoBadgeOut:
		return "未签退，其后无在场证据"
	case Late:
		return "迟到"
	case EarlyLeave:
		return "早退或中途离开"
	case StationIdle:
		return "工位开机但无操作"
	case StationOffline:
		return "工位未开机"
	case Overcrowded:
		return "工位超员"
	case DailyCap:
		return "超过每日学时上限"
	case OverlapOtherClass:
		return "与另一课次时间重叠"
	case IdentityFail:
		return "卡在当时无效"
	case OutOfSchedule:
		return "课表之外"
	case ManualExcluded:
		return "经人工核定剔除"
	case DataGap:
		return "数据缺失，待人工核验"
	}
	return string(r)
}

// Station is what a station's machines did, in a window wider than the lessons by Rule.Reach. Of several machines one that
// works is enough; what it does not decide is unknown when any of them was not heard of.
type Station struct {
	attendance.Place
	Running span.Set
	// Ready is switched on and not working, a fault among it.
	Ready span.Set
	// Unknown is when it is not known what they did. What is in none of the sets is off.
	Unknown span.Set
	// Bare says that the station has no machine that could tell: in a course that wants a machine nothing is known of it.
	Bare bool
	// Registers says that a reader at the station shows who works there: it proves for nobody else. Deaf is when that reader
	// was not heard of.
	Registers bool
	Deaf      span.Set
}

// Exclusion takes a stretch of a trainee's lesson away, or gives one: the decision of a named person on a correction. It
// changes nobody else's verdict. Of two that contradict each other the later in Input.Decisions holds.
type Exclusion struct {
	Session, Person string
	Span            span.Span
	// Grant credits the stretch; else it is refused.
	Grant bool
}

// Input is all that hours rest on.
type Input struct {
	// Day is the local day: only the part of each lesson inside it is judged.
	Day span.Span
	// Lessons are all that touch the day, or some with all that are Together with them.
	Lessons []attendance.Lesson
	// Attendance is what attendance.Derive gave for the lessons.
	Attendance []attendance.Attendance
	Stations   []Station
	Decisions  []Exclusion
}

// Piece is a stretch with one verdict.
type Piece struct {
	span.Span
	Reason Reason
}

// Pending reports whether the verdict is open.
func (p Piece) Pending() bool { return p.Reason == DataGap }

// Verdict is what becomes of one trainee's lesson on one day. PlannedMs = VerifiedMs + PendingMs + the pieces refused.
type Verdict struct {
	Session, Person string
	// Pieces cover the scheduled time without breaks, in order; neighbours that touch differ in reason.
	Pieces []Piece
	// Beyond is presence on the day outside the person's timetable, in order, with the reason OutOfSchedule. It is told once,
	// by the nearest lesson.
	Beyond []Piece
	// PlannedMs is the scheduled time, PresentMs the presence in it, VerifiedMs what counts, PendingMs what waits for a
	// person to decide. GrantedMs is the part of VerifiedMs that stands on a decision.
	PlannedMs, PresentMs, VerifiedMs, PendingMs, GrantedMs int64
}

// Ms returns how long the verdict has a reason.
func (v *Verdict) Ms(r Reason) (ms int64) {
	for _, p := range v.Pieces {
		if p.Reason == r {
			ms += p.Ms()
		}
	}
	for _, p := range v.Beyond {
		if p.Reason == r {
			ms += p.Ms()
		}
	}
	return ms
}

// Of returns when the verdict has a reason.
func (v *Verdict) Of(r Reason) span.Set {
	var out []span.Span
	for _, p := range v.Pieces {
		if p.Reason == r {
			out = append(out, p.Span)
		}
	}
	return span.NewSet(out...)
}

// HalfUnits returns how many half units a trainee-day of so many milliseconds has: floor(2 × ms / unit). With units of
// 45 minutes, 44 minutes are one and 45 are two; 22.5 are one.
func (r Rule) HalfUnits(ms int64) int64 {
	if unit := r.Unit.Milliseconds(); unit > 0 {
		return 2 * ms / unit
	}
	return 0
}
