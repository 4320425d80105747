// Package attendance derives who was where from badge readers: for each lesson and person the spans of presence that taps
// prove, what a dead reader leaves open, and why the rest is not presence. It is for settle, hours and clue. It refuses
// input and output and clocks: the same taps, timetable and rule give the same attendance. It takes nothing away for
// suspicion: what looks odd is a flag.
//
// What a tap proves is little, and no more than that is credited:
//
//   - A card held to a reader again within seconds is one read. Both taps are kept.
//   - Coming in opens a stay and going out ends it. A reader that knows no direction is read in turn: in, out, in. Before
//     the first lesson of a block begins, a second tap there is no going.
//   - Coming in twice is one coming; the second read shows that the person is there.
//   - Who never taps out is credited up to the last positive evidence: another read, or a run that the person's own machine
//     began. A going without a coming is credited nothing.
//   - A read elsewhere means that the person has left, unseen.
//   - Lessons that follow each other in one room are one block: nobody has to tap between them. One that passes midnight
//     is paired by its timetable and not by the date.
//   - While a reader is not heard of, what it could have shown is pending: neither credited nor refused.
//
// All functions are pure and may run concurrently.
package attendance

import (
	"time"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Rule is how taps are read. The defaults are ours ([P] in the formulas' source) but for Debounce, which is the makers'
// usual advice for time clocks.
type Rule struct {
	// Debounce is how soon the same card in the same room is the same read.
	Debounce time.Duration
	// Early is how long before a lesson a tap belongs to it, Late how long after.
	Early, Late time.Duration
	// Grace is credited after the last positive evidence of somebody who never tapped out.
	Grace time.Duration
	// LateAfter and LeftBefore are how much of a lesson may be missed at its ends before the status says so. They change
	// no minute.
	LateAfter, LeftBefore time.Duration
}

// DefaultRule returns the default figures: 90 s, an hour and a half before and after, no grace, five minutes at the ends.
func DefaultRule() Rule {
	return Rule{
		Debounce: 90 * time.Second, Early: 90 * time.Minute, Late: 90 * time.Minute,
		LateAfter: 5 * time.Minute, LeftBefore: 5 * time.Minute,
	}
}

// Place is a room, or a station in it.
type Place struct{ Workshop, Station string }

// Tap is one card at one reader.
type Tap struct {
	AtMs   int64
	Reader string
	Place
	Card      string // token
	Direction telemetry.Direction
	// Person is whose card it was at the instant; "" when nobody is known to hold it. Expired says that it was that
	// person's at another time only.
	Person  string
	Expired bool
	// Epoch and Seq say where in the bridge's log the tap stands.
	Epoch, Seq uint64
}

// Lesson is a session with who should be there.
type Lesson struct {
	registry.Session
	Profile registry.Profile
	// MaxPerStation is the class's; 0 is the rule's.
	MaxPerStation int
	Trainees      []registry.Enrolment
	Checks        []registry.Check
}

// Input is all that attendance rests on.
type Input struct {
	// Lessons are in order of beginning. All lessons of the people concerned that lie within Early and Late of one another
	// must be there, or a tap may be taken for another lesson's.
	Lessons []Lesson
	// Taps are in order of AtMs.
	Taps []Tap
	// Deaf is when a room's readers were not heard of, by workshop.
	Deaf map[string]span.Set
	// Running is when a station's machines truly worked: the beginning of a run is evidence that somebody was there.
	Running map[Place]span.Set
}

// Status sums up one person's attendance at one lesson (出勤状态).
type Status string

// The statuses.
const (
	Present   Status = "present"    // 出勤
	Late      Status = "late"       // 迟到
	LeftEarly Status = "left_early" // 早退
	Absent    Status = "absent"     // 缺勤
	Pending   Status = "pending"    // 待人工核验: a reader's outage leaves open what happened
)

// Zh returns the status's Chinese name.
func (s Status) Zh() string {
	switch s {
	case Present:
		return "出勤"
	case Late:
		return "迟到"
	case LeftEarly:
		return "早退"
	case Absent:
		return "缺勤"
	case Pending:
		return "待人工核验"
	}
	return string(s)
}

// Reason says why a scheduled stretch is no presence.
type Reason uint8

// The reasons, as far as taps can tell.
const (
	ReasonNone     Reason = iota
	NoBadgeIn             // no coming was read
	NoBadgeOut            // no going was read, and nothing later shows the person
	LateIn                // before the first coming
	EarlyOut              // after a going
	IdentityFail          // a card that was not the person's at the time
	ReaderNotHeard        // pending
)

// String returns the reason's lower-case English name.
func (r Reason) String() string {
	return [...]string{"", "no_badge_in", "no_badge_out", "late", "early", "identity_fail", "reader_not_heard"}[r]
}

// Flag is something odd that a person may want to look at. No flag changes a minute.
type Flag string

// The flags.
const (
	FlagPassback     Flag = "anti_passback"   // 反潜回: came in twice, or went out twice, without the other between
	FlagNoOut        Flag = "no_badge_out"    // 未签退
	FlagNoIn         Flag = "no_badge_in"     // 未签到
	FlagElsewhere    Flag = "elsewhere"       // read in another room while present here
	FlagExpiredCard  Flag = "expired_card"    // 卡已失效
	FlagCheckMissed  Flag = "check_missed"    // 抽查未应答
	FlagCheckDone    Flag = "check_answered"  // 抽查已应答
	FlagTeacherAway  Flag = "teacher_absent"  // 教师不在场
	FlagLateAndEarly Flag = "late_and_early"  // 迟到且早退
	FlagNotScheduled Flag = "out_of_schedule" // present beyond the timetable
)

// Stay is a stretch in which a person was in a room.
type Stay struct {
	span.Span
	// In and Out are the taps that opened and ended it, indexes into Input.Taps; -1 when no tap did.
	In, Out int
}

// Attendance is one person at one lesson.
type Attendance struct {
	Session, Person string
	// Station is where the person works: what a station's reader says, else the enrolment; "" when nobody says.
	Station string
	// Present is when the person was in the room, also outside the timetable: within Early and Late of the lesson's block.
	Present span.Set
	// Pending is when the person may have been there but for a reader's outage; it does not overlap Present.
	Pending span.Set
	Stays   []Stay
	Status  Status
	Flags   []Flag
	// Taps are all that were read of the person for the lesson's block, indexes into Input.Taps, repeats among them.
	Taps []int
	// TeacherPresent is when the lesson's teacher was there; nil when it names none.
	TeacherPresent span.Set

	absences []absence // what is neither present nor pending, in order
}

// absence is a stretch without presence, and why.
type absence struct {
	span.Span
	reason Reason
}

// Why says why the person is not credited at an instant that is not in Present.
func (a *Attendance) Why(atMs int64) Reason {
	if a.Pending.Contains(atMs) {
		return ReaderNotHeard
	}
	for _, x := range a.absences {
		if x.Contains(atMs) {
			return x.reason
		}
	}
	return NoBadgeIn
}

// Cuts are the instants at which Why may change.
func (a *Attendance) Cuts() []int64 {
	var out []int64
	for _, x := range a.absences {
		out = append(out, x.StartMs, x.EndMs)
	}
	for _, x := range a.Pending {
		out = append(out, x.StartMs, x.EndMs)
	}
	return out
}
