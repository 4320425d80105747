package hours_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const minuteMs = 60_000

// world is a drawn day of a room: everything begins and ends at whole minutes, so that an oracle can look at each minute.
type world struct {
	day      span.Span
	rule     hours.Rule
	in       attendance.Input
	stations []hours.Station
	deciding []hours.Exclusion
}

// drawWorld draws lessons of one course in one room, who is enrolled and where, taps, machines and outages.
func drawWorld(t *rapid.T) *world {
	w := &world{day: calendar.Date{Year: 2026, Month: time.March, Day: 2}.Span(), rule: hours.DefaultRule()}
	w.rule.DailyCapUnits = rapid.SampledFrom([]int{8, 8, 0, 2}).Draw(t, "cap")
	profile := rapid.SampledFrom([]registry.Profile{
		registry.Machine, registry.Machine, registry.Burst, registry.Thermal, registry.Computer, registry.Bench, registry.Kitchen,
	}).Draw(t, "profile")
	seats := rapid.IntRange(0, 3).Draw(t, "seats")
	for i := range rapid.IntRange(1, 3).Draw(t, "lessons") {
		l := attendance.Lesson{
			Session: registry.Session{
				ID: fmt.Sprintf("L%d", i), Class: fmt.Sprintf("k%d", i), Workshop: "w",
				Span: w.drawSpan(t, "lesson", 240), Practice: rapid.IntRange(0, 3).Draw(t, "practice") > 0,
			},
			Profile: profile, MaxPerStation: seats,
		}
		for range rapid.IntRange(0, 2).Draw(t, "breaks") {
			at := l.Span.StartMs + rapid.Int64Range(0, l.Span.Ms()/minuteMs-1).Draw(t, "break")*minuteMs
			l.Breaks = span.NewSet(append(l.Breaks, span.Span{StartMs: at, EndMs: min(l.Span.EndMs, at+10*minuteMs)})...)
		}
		for _, s := range []string{"s1", "s2", "s3"} {
			if rapid.Bool().Draw(t, "uses "+s) {
				l.Stations = append(l.Stations, s)
			}
		}
		for p := range 5 {
			if rapid.IntRange(0, 2).Draw(t, "enrolled") > 0 {
				l.Trainees = append(l.Trainees, registry.Enrolment{
					Class: l.Class, Person: person(p), Station: rapid.SampledFrom([]string{"", "", "s1", "s2"}).Draw(t, "own"),
				})
			}
		}
		w.in.Lessons = append(w.in.Lessons, l)
	}
	slices.SortStableFunc(w.in.Lessons, func(a, b attendance.Lesson) int { return cmp.Compare(a.Span.StartMs, b.Span.StartMs) })
	for p := range 4 { // the fifth never taps
		w.drawTaps(t, person(p))
	}
	w.drawStations(t)
	w.in.Deaf = map[string]span.Set{}
	for range rapid.IntRange(0, 2).Draw(t, "outages") {
		w.in.Deaf["w"] = span.NewSet(append(w.in.Deaf["w"], w.drawSpan(t, "deaf", 60))...)
	}
	return w
}

func person(i int) string { return fmt.Sprintf("p%d", i) }

// minute is an instant of the day.
func (w *world) minute(m int64) int64 { return w.day.StartMs + m*minuteMs }

// drawSpan draws a span between 7:00 of the day and some hours after its end.
func (w *world) drawSpan(t *rapid.T, label string, most int64) span.Span {
	from := rapid.OneOf(rapid.Int64Range(7*60, 12*60), rapid.Int64Range(7*60, 25*60)).Draw(t, label+" from")
	return span.Span{StartMs: w.minute(from), EndMs: w.minute(from + rapid.Int64Range(1, most).Draw(t, label+" for"))}
}

func (w *world) drawTaps(t *rapid.T, who string) {
	at := int64(7 * 60)
	for range rapid.IntRange(0, 8).Draw(t, "taps") {
		at += rapid.Int64Range(1, 150).Draw(t, "gap")
		w.in.Taps = append(w.in.Taps, attendance.Tap{
			AtMs: w.minute(at), Reader: "door", Card: who, Person: who, Expired: rapid.IntRange(0, 14).Draw(t, "expired") == 0,
			Place:     attendance.Place{Workshop: "w", Station: rapid.SampledFrom([]string{"", "", "", "s1", "s2"}).Draw(t, "at")},
			Direction: rapid.SampledFrom([]telemetry.Direction{telemetry.DirectionIn, telemetry.DirectionOut, telemetry.DirectionNone}).Draw(t, "direction"),
		})
	}
	w.sortTaps()
}

func (w *world) sortTaps() {
	slices.SortStableFunc(w.in.Taps, func(a, b attendance.Tap) int { return cmp.Compare(a.AtMs, b.AtMs) })
}

// drawStations draws what each station did, one state after the other.
func (w *world) drawStations(t *rapid.T) {
	w.in.Running = map[attendance.Place]span.Set{}
	for _, id := range []string{"s1", "s2", "s3"} {
		s := hours.Station{Place: attendance.Place{Workshop: "w", Station: id}, Bare: rapid.IntRange(0, 9).Draw(t, "bare") == 0}
		var of [4][]span.Span
		for at := int64(6 * 60); at < 30*60; {
			long := rapid.Int64Range(1, 200).Draw(t, "state for")
			k := rapid.IntRange(0, 3).Draw(t, "state")
			of[k] = append(of[k], span.Span{StartMs: w.minute(at), EndMs: w.minute(at + long)})
			at += long
		}
		s.Running, s.Ready, s.Unknown = span.NewSet(of[0]...), span.NewSet(of[1]...), span.NewSet(of[2]...)
		if rapid.IntRange(0, 5).Draw(t, "registers") == 0 {
			s.Registers = true
			if rapid.Bool().Draw(t, "station deaf") {
				s.Deaf = span.NewSet(w.drawSpan(t, "station deaf", 60))
			}
		}
		w.stations = append(w.stations, s)
		w.in.Running[s.Place] = s.Running
	}
}

// drawDecisions draws what named persons decided.
func (w *world) drawDecisions(t *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(t, "decisions") {
		w.deciding = append(w.deciding, hours.Exclusion{
			Session: rapid.SampledFrom(w.in.Lessons).Draw(t, "of").ID, Person: person(rapid.IntRange(0, 4).Draw(t, "whom")),
			Span: w.drawSpan(t, "decision", 200), Grant: rapid.Bool().Draw(t, "grant"),
		})
	}
}

// granted is when a decision gives a trainee a lesson.
func (w *world) granted(session, who string) span.Set {
	var out []span.Span
	for _, d := range w.deciding {
		if d.Grant && d.Session == session && d.Person == who {
			out = append(out, d.Span)
		}
	}
	return span.NewSet(out...)
}

func (w *world) attended() []attendance.Attendance {
	return attendance.Derive(&w.in, attendance.DefaultRule())
}

func (w *world) verify(attended []attendance.Attendance) []hours.Verdict {
	return hours.Verify(&hours.Input{
		Day: w.day, Lessons: w.in.Lessons, Attendance: attended, Stations: w.stations, Decisions: w.deciding,
	}, w.rule)
}

func (w *world) lesson(id string) *attendance.Lesson {
	i := slices.IndexFunc(w.in.Lessons, func(l attendance.Lesson) bool { return l.ID == id })
	return &w.in.Lessons[i]
}

func (w *world) planned(l *attendance.Lesson) span.Set {
	return span.NewSet(l.Span).Subtract(l.Breaks).Clip(w.day)
}

// active looks at each minute on its own, with none of the program's algebra: whether a station of the lesson may prove
// practice then, with unknown taken for work.
func (w *world) active(l *attendance.Lesson, atMs int64) bool {
	if l.Profile == registry.Bench || l.Profile == registry.Kitchen || len(l.Stations) == 0 {
		return true
	}
	return slices.ContainsFunc(w.stations, func(s hours.Station) bool {
		if !slices.Contains(l.Stations, s.Station) {
			return false
		}
		if s.Bare {
			return true
		}
		for m := int64(-10); m <= 10; m++ {
			if w.shows(&s, l, atMs+m*minuteMs) {
				return true
			}
		}
		return false
	})
}

// shows reports whether the station's minute, without what lies beside it, is one of work.
func (w *world) shows(s *hours.Station, l *attendance.Lesson, atMs int64) bool {
	runs := func(ms int64) bool { return s.Running.Contains(ms) || s.Unknown.Contains(ms) }
	switch l.Profile {
	case registry.Computer:
		return runs(atMs) || s.Ready.Contains(atMs)
	case registry.Burst:
		first := atMs - atMs%(5*minuteMs)
		for m := range int64(5) {
			if runs(first + m*minuteMs) {
				return true
			}
		}
		return false
	}
	if runs(atMs) {
		return true
	}
	for _, step := range []int64{-minuteMs, minuteMs} {
		at := atMs
		for n := 0; n < 15 && l.Span.Contains(atMs) && s.Ready.Contains(at); n++ {
			if at += step; runs(at) {
				return true
			}
		}
	}
	return false
}
