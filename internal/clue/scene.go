package clue

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// scene is an input with what all rules look up.
type scene struct {
	*Input
	today *day
	past  []*day
	// efforts and queues are what rules work out and use again.
	efforts map[*lesson]effortOf
	queues  *queues
}

// day is a Day with its indexes.
type day struct {
	*Day
	lessons []lesson
}

// lesson is one lesson with everybody in it.
type lesson struct {
	*attendance.Lesson
	class    registry.Class
	trainees []trainee
	machines []*Machine // at its stations
	// time is the scheduled time without breaks.
	time span.Set
}

// trainee is one person at one lesson. verdict is nil when there is none.
type trainee struct {
	*attendance.Attendance
	verdict *hours.Verdict
	// claimedMs is what the base claims, and claimed whether it claims anything.
	claimedMs int64
	claimed   bool
}

func look(in *Input) *scene {
	s := &scene{Input: in, efforts: map[*lesson]effortOf{}}
	if in.Roster == nil {
		copied := *in
		copied.Roster = registry.EmptyRoster(in.Base)
		s.Input = &copied
	}
	s.today = s.index(in.Today)
	for _, d := range in.Past {
		s.past = append(s.past, s.index(d))
	}
	return s
}

func (s *scene) index(d *Day) *day {
	if d == nil {
		d = &Day{}
	}
	out := &day{Day: d}
	verdicts := map[[2]string]*hours.Verdict{}
	for i := range d.Verdicts {
		v := &d.Verdicts[i]
		verdicts[[2]string{v.Session, v.Person}] = v
	}
	people := map[string][]trainee{}
	for i := range d.Attendance {
		a := &d.Attendance[i]
		t := trainee{Attendance: a, verdict: verdicts[[2]string{a.Session, a.Person}]}
		t.claimedMs, t.claimed = s.Roster.ClaimedMs(a.Session, a.Person)
		people[a.Session] = append(people[a.Session], t)
	}
	for i := range d.Lessons {
		l := lesson{Lesson: &d.Lessons[i], trainees: people[d.Lessons[i].ID]}
		l.class, _ = s.Roster.Class(l.Class)
		l.time = span.NewSet(l.Span).Subtract(l.Breaks)
		for j := range d.Machines {
			m := &d.Machines[j]
			if m.Workshop == l.Workshop && m.Station != "" && slices.Contains(l.Stations, m.Station) {
				l.machines = append(l.machines, m)
			}
		}
		out.lessons = append(out.lessons, l)
	}
	return out
}

// starts reports whether the lesson begins on the day: a lesson past midnight is judged once.
func (d *day) starts(l *lesson) bool { return d.Date.Span().Contains(l.Span.StartMs) }

// claimed returns the trainees for whom the base claims something, or everybody who tapped where it has not claimed yet.
func (l *lesson) claimed() []*trainee {
	var out, tapped []*trainee
	for i := range l.trainees {
		t := &l.trainees[i]
		if t.claimed && t.claimedMs > 0 {
			out = append(out, t)
		}
		if len(t.Taps) > 0 {
			tapped = append(tapped, t)
		}
	}
	if len(out) == 0 && !l.anyClaim() {
		return tapped
	}
	return out
}

func (l *lesson) anyClaim() bool {
	return slices.ContainsFunc(l.trainees, func(t trainee) bool { return t.claimed })
}

// hands reports whether the practice shows in what machines do: the profiles whose power rises when somebody works.
func (l *lesson) hands() bool {
	return l.Practice && (l.Profile == registry.Machine || l.Profile == registry.Burst) && !l.exam()
}

func (l *lesson) exam() bool { return l.class.Use == registry.UseAssessment }

// moved reports whether the timetable says that the lesson is held elsewhere than its class usually is.
func (l *lesson) moved() bool { return l.class.Workshop != "" && l.Workshop != l.class.Workshop }

// excused returns when a work order explains what happens at a place, machine or device.
func (d *day) excused(workshop, machine, device string) span.Set {
	var out []span.Span
	for _, e := range d.Excused {
		if (e.Workshop == "" || e.Workshop == workshop) && (e.Machine == "" || e.Machine == machine) &&
			(e.Device == "" || e.Device == device) {
			out = append(out, e.Span)
		}
	}
	return span.NewSet(out...)
}

// workOrder reports whether a work order is about a device itself.
func (d *day) workOrder(device string) bool {
	return slices.ContainsFunc(d.Excused, func(e Excuse) bool { return e.Device == device })
}

// tappedAt returns the taps of the day in a room, its stations among it.
func (d *day) tappedAt(workshop string) []*attendance.Tap {
	var out []*attendance.Tap
	for i := range d.Taps {
		if d.Taps[i].Workshop == workshop {
			out = append(out, &d.Taps[i])
		}
	}
	return out
}

// reads reports whether a room has a reader at its door.
func (d *day) reads(workshop string) bool {
	return slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Workshop == workshop && r.Station == "" })
}

// readsStation reports whether a station has a reader of its own.
func (d *day) readsStation(workshop, station string) bool {
	return slices.Contains(d.stationReaders(), attendance.Place{Workshop: workshop, Station: station})
}

func (d *day) stationReaders() []attendance.Place {
	var out []attendance.Place
	for _, r := range d.Readers {
		if r.Station != "" {
			out = append(out, r.Place)
		}
	}
	return out
}

// work is what machines did in a window: when any ran, and how much of their time is known, 0 to 1.
func work(machines []*Machine, window span.Set, on bool) (active span.Set, knownShare float64) {
	states := []usage.State{usage.Running}
	if on {
		states = append(states, usage.Idle)
	}
	var knownMs int64
	for _, m := range machines {
		active = active.Union(m.inState(states...).Intersect(window))
		knownMs += m.known().Intersect(window).Ms()
	}
	if total := window.Ms() * int64(len(machines)); total > 0 {
		knownShare = float64(knownMs) / float64(total)
	}
	return active, knownShare
}

// tapRef points to a tap.
func tapRef(t *attendance.Tap) Ref {
	return Ref{Epoch: t.Epoch, Seq: t.Seq, Source: t.Reader, Span: span.Span{StartMs: t.AtMs, EndMs: t.AtMs + 1}}
}

// taps points to a trainee's taps.
func (d *day) taps(t *trainee) []Ref {
	var out []Ref
	for _, i := range t.Taps {
		if i >= 0 && i < len(d.Taps) {
			out = append(out, tapRef(&d.Taps[i]))
		}
	}
	return out
}

// machineRef points to what a machine did.
func machineRef(m *Machine, when span.Span) Ref { return Ref{Source: m.ID, Span: when} }
