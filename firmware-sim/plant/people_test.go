package plant_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// habitual is a base where everybody has one habit always.
func habitual(t *testing.T, h scenario.Habits) *plant.Day {
	t.Helper()
	s := everyKind(9)
	for i := range s.Bases[0].People {
		s.Bases[0].People[i].Habits = h
	}
	return newPlant(t, s).Day(0, 0)
}

func TestHabits(t *testing.T) {
	t.Parallel()
	count := func(d *plant.Day, direction string) map[string]int {
		out := map[string]int{}
		for _, tap := range d.Taps {
			if tap.Direction == direction && tap.Reader.ID == "door" {
				out[tap.Owner]++
			}
		}
		return out
	}
	first := func(p plant.PersonDay, d *plant.Day) int64 {
		return p.Present[0].StartMs - sessionOf(t, d, "day").Whole.StartMs
	}

	punctual := habitual(t, scenario.Habits{})
	late := habitual(t, scenario.Habits{Late: 1})
	early := habitual(t, scenario.Habits{LeavesEarly: 1})
	noOut := habitual(t, scenario.Habits{ForgetsTapOut: 1})
	noIn := habitual(t, scenario.Habits{ForgetsTapIn: 1})
	twice := habitual(t, scenario.Habits{TapsTwice: 1})
	for _, id := range sessionOf(t, punctual, "day").Class.Trainees {
		if got := first(*personOf(t, punctual, id), punctual); got > 3*minuteMs {
			t.Errorf("punctual %s comes %d ms after the class began", id, got)
		}
		if got := first(*personOf(t, late, id), late); got < 3*minuteMs {
			t.Errorf("late %s comes %d ms after the class began", id, got)
		}
		p := personOf(t, early, id).Present
		if last := p[len(p)-1]; last.EndMs > at("16:56") {
			t.Errorf("%s leaves at %v, not early", id, last.End())
		}
		if in, out := count(noOut, "in")[id], count(noOut, "out")[id]; out != in-1 {
			t.Errorf("%s taps in %d and out %d times and forgets the last", id, in, out)
		}
		if in, out := count(noIn, "in")[id], count(noIn, "out")[id]; in != out-1 {
			t.Errorf("%s taps in %d and out %d times and forgets the first", id, in, out)
		}
		if got := count(twice, "in")[id]; got == 0 || got%2 != 0 {
			t.Errorf("%s taps in %d times, want each twice", id, got)
		}
	}
	if d := habitual(t, scenario.Habits{Absent: 1}); len(d.Taps) > 0 || machineOf(t, d, "lathe").Attended.Ms() > 0 {
		t.Errorf("all are absent, and there are %d taps", len(d.Taps))
	}
}

func TestPeopleQueueAtTheDoor(t *testing.T) {
	t.Parallel()
	d := habitual(t, scenario.Habits{})
	near := 0
	for i, tap := range d.Taps {
		if i > 0 && tap.Reader == d.Taps[i-1].Reader && tap.AtMs-d.Taps[i-1].AtMs <= 4*secondMs {
			near++
		}
	}
	if near < 5 {
		t.Errorf("%d times somebody passes within 4 s of somebody else, want some peaks", near)
	}
}

func TestWhatPassesMidnightMeets(t *testing.T) {
	t.Parallel()
	s := everyKind(21)
	p := newPlant(t, s)
	for day := range 4 {
		d, next := p.Day(0, day), p.Day(0, day+1)
		tonight := sessionOf(t, d, "night")
		var rest *plant.Session
		for i := range next.Sessions {
			if next.Sessions[i].BeginsMs == d.StartMs {
				rest = &next.Sessions[i]
			}
		}
		if rest == nil || rest.Whole != tonight.Whole || tonight.Planned.EndMs != d.EndMs || rest.Planned.StartMs != d.EndMs {
			t.Fatalf("day %d: %+v and %+v are not the parts of one session", day, tonight, rest)
		}
		for i := range d.People {
			before, after := d.People[i].Present, next.People[i].Present
			if len(before) == 0 {
				continue
			}
			if stays := before[len(before)-1].EndMs == d.EndMs; stays != (len(after) > 0 && after[0].StartMs == d.EndMs) {
				t.Errorf("day %d: %s is there until %v, then from %v", day, d.People[i].Person.ID, before[len(before)-1], after)
			}
		}
	}
}

func TestAPowerCutStopsEverything(t *testing.T) {
	t.Parallel()
	s := everyKind(13)
	cut := span.Span{StartMs: at("10:00"), EndMs: at("10:10")}
	s.Faults = []scenario.Fault{{Kind: scenario.PowerCut, Rate: 1, For: 600e9, FromMs: cut.StartMs, ToMs: cut.EndMs}}
	d := newPlant(t, s).Day(0, 0)
	if len(d.Dark) != 1 || d.Dark[0] != cut {
		t.Fatalf("dark %v, want %v", d.Dark, cut)
	}
	for _, m := range d.Machines {
		if stateAt(m.Phases, cut.StartMs) != plant.Off || stateAt(m.Phases, cut.EndMs) != plant.Off {
			t.Errorf("%s goes on in the dark, or by itself after it", m.Machine.ID)
		}
		attended := m.Attended.Clip(span.Span{StartMs: cut.EndMs + 10*minuteMs, EndMs: at("11:20")})
		if m.Machine.Kind != scenario.HandBench && attended.Ms() > 30*minuteMs && stateAt(m.Phases, attended[0].EndMs-1) == plant.Off {
			t.Errorf("nobody switches %s on again", m.Machine.ID)
		}
	}
}
