package clue

import "time"

// Params are the figures of all rules. DefaultParams are the documented ones (docs/clues.md); those that the rule set names
// are exactly its own, the others are proposals of this project [P].
type Params struct {
	F1  F1Params
	F2  F2Params
	F3  F3Params
	F4  F4Params
	F5  F5Params
	F6  F6Params
	F7  F7Params
	F11 F11Params
	F12 F12Params
}

// F1Params are the figures of 虚报人数.
type F1Params struct {
	// PerStation is how many trainees one station holds where the class does not say: 3.
	PerStation int
	// Sustained is for how long there must be too many: a change of classes is a moment.
	Sustained time.Duration
	// EnergyShare is the part of the norm below which energy (or running time) per trainee-hour is too little: 0.30.
	EnergyShare float64
	// Known is the part of the machines' time that must be known, 0 to 1.
	Known float64
	// LeastNorms is how many earlier lessons make a norm of the base's own.
	LeastNorms int
	// LeastTrainees is the fewest claimed trainees that the energy of a lesson is shared out among.
	LeastTrainees int
	// OneHand is the part of a lesson's trainees whose cards came in one hand above which the class is a ghost, 0 to 1.
	OneHand float64
}

// F2Params are the figures of 代打卡.
type F2Params struct {
	// Cards different cards on one reader within Within, with less than Gap between two: 4, 20 s, 5 s.
	Cards       int
	Within, Gap time.Duration
	// Debounce is how soon the same card on the same reader is the same read.
	Debounce time.Duration
	// Chance is how likely the same order of the same cards may be by chance before it is none.
	Chance float64
	// Apart is the part of the reads on the day in which a card of the group may be away from the others, 0 to 1.
	Apart float64
	// OrderCards, OrderDays and Tau: the same order of at least 5 cards on at least 3 days with Kendall's tau of 0.9 or more.
	OrderCards, OrderDays int
	Tau                   float64
	// PairDays and PairReads are how many days and reads a pair must always have been within Gap.
	PairDays, PairReads int
}

// F3Params are the figures of 签到后离开.
type F3Params struct {
	// Within is for how long after coming nothing is done: 45 min.
	Within time.Duration
	// Known is the part of the machines' time that must be known, 0 to 1.
	Known float64
	// StationShare is the part of the trainees that must have tapped at station readers before who did not stands out.
	StationShare float64
	// Days and DayShare: the pattern on more than half of at least 3 days is severe.
	Days     int
	DayShare float64
	// Checks is how many requests to tap again a person may leave unanswered without answering one.
	Checks int
}

// F4Params are the figures of 设备空转.
type F4Params struct {
	// Unattended is for how long a machine may run with nobody in the room: 15 min.
	Unattended time.Duration
	// Around is how long before and after a tap or a lesson somebody may have been there.
	Around time.Duration
	// SteadyCV, Steady and NormalCV: a coefficient of variation of power below 0.05 for 30 min, where 0.2 is normal.
	SteadyCV, NormalCV float64
	Steady             time.Duration
	// WarmUp is for how long after switching on a steady run is a warm-up.
	WarmUp time.Duration
	// Outside is for how long a machine may run outside opening hours.
	Outside time.Duration
	// Correlation is that of the power with an earlier day's: 0.99, over at least Compared of running on both days.
	Correlation float64
	Compared    time.Duration
	// Steps and StepShare: of at least so many changes of state this part came at the same time of an earlier day, give or
	// take StepWithin.
	Steps      int
	StepShare  float64
	StepWithin time.Duration
	// Pause is the longest pause inside a run.
	Pause time.Duration
}

// F5Params are the figures of 伪造终端或重放.
type F5Params struct {
	// Repeats is how many windows of samples (Printer) must be those of an earlier day.
	Repeats int
	// Steps, StepShare and StepWithin are as in F4Params, for every kind of machine.
	Steps      int
	StepShare  float64
	StepWithin time.Duration
	// ClockOff is how far a device's clock may be off, and ClockShare the part of at least ClockLeast records: 120 s.
	ClockOff   time.Duration
	ClockShare float64
	ClockLeast int
	// BackWh is how far a counter must go back, and ZeroShare the part of its value below which it was reset, not set back.
	BackWh, ZeroShare float64
	// MainShare is what the meters behind a main meter may show together, of what it shows: 1.05, with MainCoverage known.
	MainShare, MainCoverage float64
}

// F6Params are the figures of 一人多班 and 时间冲突.
type F6Params struct {
	// Overlap is how long somebody must be in two places, or claimed in two lessons, at once.
	Overlap time.Duration
	// SpeedKMH is how fast people travel between bases, in a straight line: 80 km/h.
	SpeedKMH float64
	// PerYear is how many subsidised classes a person may have a year: 1.
	PerYear int
}

// F7Params are the figures of 缩短课时.
type F7Params struct {
	// Ratio is verified through claimed: 0.8.
	Ratio float64
	// Trainees is the fewest that a lesson is judged by, and PersonShare the part of them who must be missing at once for the
	// rest of Ratio, 0 to 1. Late is the fewest of whom it counts that they were all late; Alone the fewest whose machines
	// tell by themselves that they have gone.
	Trainees, Late, Alone int
	PersonShare           float64
	// Ended is the part of the lesson that nothing may follow, and at least EndedLeast.
	Ended      float64
	EndedLeast time.Duration
	// Together is within what time people who left early left together.
	Together time.Duration
	// Known is the part of the machines' time that must be known, 0 to 1.
	Known float64
	// Over is by how much a claim may exceed the timetable, as rounding does.
	Over time.Duration
}

// F11Params are the figures of 一师多地.
type F11Params struct {
	// Handover is how long two lessons of one teacher may overlap.
	Handover time.Duration
}

// F12Params are the figures of 计量篡改.
type F12Params struct {
	// Bypassed is for how long a controller must say that the machine works while its meter shows nothing.
	Bypassed time.Duration
	// BypassShare is the part of the running time of the lesson for which that holds.
	BypassShare float64
	// HeardDown is for how many minutes a device may be heard that is said to be offline.
	HeardDown int
	// LevelFactor is by what the power of running may differ from the days before; LevelDays and LevelLeast say of how many
	// days and how long a run is compared.
	LevelFactor float64
	LevelDays   int
	LevelLeast  time.Duration
}

// DefaultParams returns the documented figures.
func DefaultParams() *Params {
	return &Params{
		F1: F1Params{
			PerStation: 3, Sustained: 10 * time.Minute, EnergyShare: 0.30, Known: 0.75, LeastNorms: 3, LeastTrainees: 3, OneHand: 0.9,
		},
		F2: F2Params{
			Cards: 4, Within: 20 * time.Second, Gap: 5 * time.Second, Debounce: 90 * time.Second, Chance: 0.002, Apart: 0.2,
			OrderCards: 5, OrderDays: 3, Tau: 0.9, PairDays: 3, PairReads: 6,
		},
		F3: F3Params{Within: 45 * time.Minute, Known: 0.9, StationShare: 0.5, Days: 3, DayShare: 0.5, Checks: 2},
		F4: F4Params{
			Unattended: 15 * time.Minute, Around: 30 * time.Minute, SteadyCV: 0.05, NormalCV: 0.2, Steady: 30 * time.Minute,
			WarmUp: 45 * time.Minute, Outside: 15 * time.Minute, Correlation: 0.99, Compared: 30 * time.Minute,
			Steps: 20, StepShare: 0.9, StepWithin: 2 * time.Second, Pause: time.Minute,
		},
		F5: F5Params{
			Repeats: 1, Steps: 40, StepShare: 0.95, StepWithin: time.Second, ClockOff: 120 * time.Second, ClockShare: 0.5,
			ClockLeast: 60, BackWh: 100, ZeroShare: 0.01, MainShare: 1.05, MainCoverage: 0.95,
		},
		F6: F6Params{Overlap: 10 * time.Minute, SpeedKMH: 80, PerYear: 1},
		F7: F7Params{
			Ratio: 0.8, Trainees: 3, Late: 8, Alone: 5, PersonShare: 0.9, Ended: 0.2, EndedLeast: 25 * time.Minute, Together: 10 * time.Minute,
			Known: 0.5, Over: time.Minute,
		},
		F11: F11Params{Handover: 15 * time.Minute},
		F12: F12Params{
			Bypassed: 15 * time.Minute, BypassShare: 0.8, HeardDown: 30, LevelFactor: 3, LevelDays: 3, LevelLeast: 30 * time.Minute,
		},
	}
}

// Rules returns the rules about one base, with their figures, in order of id. FindCity holds those about several.
func Rules(p *Params) []*Rule {
	return []*Rule{
		ghosts(&p.F1, &p.F2), manyCards(&p.F2), tapAndLeave(&p.F3), idleRunning(&p.F4), emulated(&p.F5), twoPlaces(&p.F6),
		shortened(&p.F7), twoRooms(&p.F11), tampered(&p.F12),
	}
}
