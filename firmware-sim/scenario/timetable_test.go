package scenario_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// drawnClass is a class of a drawn timetable; its trainees and stations are bits.
type drawnClass struct {
	weekday, from, length int
	practice              bool
	trainees, stations    int
	teacher               int
}

// minutes are those of two weeks in which the class is held.
func (c drawnClass) minutes() map[int]bool {
	out := map[int]bool{}
	for week := range 2 {
		for m := range c.length {
			out[(week*7+c.weekday)*24*60+c.from+m] = true
		}
	}
	return out
}

// clash says whether two classes cannot both be held.
func (c drawnClass) clash(d drawnClass) bool {
	if c.trainees&d.trainees == 0 && c.teacher != d.teacher && (c.stations&d.stations == 0 || !c.practice || !d.practice) {
		return false
	}
	others := d.minutes()
	for m := range c.minutes() {
		if others[m] {
			return true
		}
	}
	return false
}

func bits(set int, prefix string) string {
	var out []string
	for i := range 4 {
		if set&(1<<i) != 0 {
			out = append(out, fmt.Sprintf("%s%d", prefix, i+1))
		}
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (c drawnClass) String() string {
	day := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}[c.weekday]
	return fmt.Sprintf("{trainees: %s, stations: %s, teacher: teacher-%d, slots: {days: %s, time: %q, practice: %v}}",
		bits(c.trainees, "t00"), bits(c.stations, "at-lathe-"), c.teacher, day, hours(c.from, c.length), c.practice)
}

// A timetable is refused exactly when somebody would be in two places, or two classes practise at one station, at any
// minute.
func TestTimetableAgreesWithMinutes(t *testing.T) {
	t.Parallel()
	one := rapid.Custom(func(t *rapid.T) drawnClass {
		return drawnClass{
			weekday: rapid.IntRange(0, 6).Draw(t, "weekday"), from: 60 * rapid.IntRange(0, 23).Draw(t, "hour"),
			length: 60 * rapid.IntRange(1, 12).Draw(t, "hours"), practice: rapid.Bool().Draw(t, "practice"),
			trainees: rapid.IntRange(0, 15).Draw(t, "trainees"), stations: rapid.IntRange(0, 15).Draw(t, "stations"),
			teacher: rapid.IntRange(1, 3).Draw(t, "teacher"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.SliceOfN(one, 1, 4).Draw(t, "classes")
		text := "from: 2026-03-02\ndays: 14\nbases:\n  trainees: 4\n  teachers: 3\n  workshops: {machines: {kind: lathe, count: 4}}\n  classes:\n"
		clash := false
		for i, c := range classes {
			text += "    - " + c.String() + "\n"
			for _, other := range classes[:i] {
				clash = clash || c.clash(other)
			}
		}
		_, err := scenario.Read("drawn.yaml", []byte(text))
		if (err != nil) != clash {
			t.Fatalf("clash %v, error %v\n%s", clash, err, text)
		}
	})
}

// A fraud may say that people are not where the timetable has them, on its days and for its people only.
func TestFraudsExcuse(t *testing.T) {
	t.Parallel()
	const base = `
from: 2026-03-02
days: 3
bases:
  trainees: 2
  teachers: 2
  workshops: {machines: {kind: lathe, count: 2}}
  classes:
    - {id: real, stations: at-lathe-1, teacher: teacher-1, slots: "08:30-11:30"}
    - {id: paper, %s, slots: {time: "09:00-10:00", days: [2026-03-03]}}
frauds: [%s]
`
	tests := map[string]struct {
		paper, fraud string
		right        bool
	}{
		"nobody cheats":            {"trainees: t001, teacher: teacher-2, stations: at-lathe-2", "", false},
		"a ghost class":            {"trainees: all, teacher: teacher-1, stations: at-lathe-1", "{kind: ghost_class, class: paper}", true},
		"a ghost class of the day": {"trainees: all, teacher: teacher-1", "{kind: ghost_class, class: paper, dates: 2026-03-03}", true},
		"the other is a ghost on another day": {
			"trainees: all, teacher: teacher-1", "{kind: ghost_class, class: real, dates: 2026-03-04}", false,
		},
		"one taps and leaves":     {"trainees: t001, teacher: teacher-2, stations: at-lathe-2", "{kind: tap_and_leave, class: real, person: t001}", true},
		"another taps and leaves": {"trainees: t001, teacher: teacher-2, stations: at-lathe-2", "{kind: tap_and_leave, class: real, person: t002}", false},
		"all tap and leave":       {"trainees: all, teacher: teacher-2, stations: at-lathe-2", "{kind: tap_and_leave, class: real}", true},
		"but the teacher":         {"trainees: all, teacher: teacher-1, stations: at-lathe-2", "{kind: tap_and_leave, class: real}", false},
		"it is only shortened":    {"trainees: t001, teacher: teacher-2, stations: at-lathe-2", "{kind: short_class, class: real}", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := scenario.Read("s.yaml", fmt.Appendf(nil, base, tt.paper, tt.fraud)); (err == nil) != tt.right {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Overrides take the place of what the file says, and their mistakes are told apart from the file's.
func TestOverrides(t *testing.T) {
	t.Parallel()
	text := read(t, "../scenarios/all-faults.yaml")
	seed := uint64(7)
	s, err := scenario.ReadWith("f.yaml", text, scenario.Overrides{Seed: &seed, Faults: []string{"drop", "{kind: delay, rate: 0.5, for: 10s}"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Faults) != 2 || s.Faults[0].Rate != 0.01 || s.Faults[1].Rate != 0.5 || s.Seed != seed {
		t.Errorf("seed %d, faults %+v", s.Seed, s.Faults)
	}
	if s, err := scenario.ReadWith("f.yaml", text, scenario.Overrides{Faults: []string{}}); err != nil || len(s.Faults) != 0 {
		t.Errorf("no faults: %v, %v", s, err)
	}
	_, err = scenario.ReadWith("f.yaml", text, scenario.Overrides{Faults: []string{"drop", "{kind: drop, rate: 2}", "{kind: dro", "drip"}})
	problems, _ := errors.AsType[scenario.Problems](err)
	var places []string
	for _, p := range problems {
		places = append(places, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column))
	}
	if got := strings.Join(places, " "); got != "fault 2:1:20 fault 3:1:1 fault 4:1:1" {
		t.Errorf("problems at %s: %v", got, err)
	}
}

// TestTimetable: every session is there once, in order, with an id that says its class, day and time.
func TestTimetable(t *testing.T) {
	t.Parallel()
	s, err := scenario.Read("timetable", []byte(`
from: 2026-03-02
days: 2
bases:
  workshops: {machines: {kind: lathe, count: 2}}
  trainees: 4
  classes:
    - {id: late, trainees: t001, stations: at-lathe-1, slots: {time: "22:00-01:30", days: mon}}
    - {id: day, trainees: t002, stations: at-lathe-2, teacher: teacher-1, slots: ["13:30-17:00", "08:30-11:30"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range s.Timetable(&s.Bases[0]) {
		got = append(got, fmt.Sprintf("%s %s %d", l.ID, l.Class.ID, l.Ms()/60_000))
	}
	want := []string{
		"late-20260302-2200 late 210", "day-20260302-0830 day 180", "day-20260302-1330 day 210",
		"day-20260303-0830 day 180", "day-20260303-1330 day 210",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the timetable is %q, want %q", got, want)
	}
}
