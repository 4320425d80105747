package plant_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

const (
	secondMs = int64(1000)
	minuteMs = 60 * secondMs
	dayMs    = 24 * 60 * minuteMs
)

// complain is how an invariant says that it is broken.
type complain func(format string, args ...any)

// checkDay holds a day to what must never be false.
func checkDay(d *plant.Day, bad complain) {
	for i := range d.Machines {
		m := &d.Machines[i]
		of := func(format string, args ...any) { bad("machine "+m.Machine.ID+": "+format, args...) }
		checkPhases(d, m, of)
		checkPower(d, m, of)
		checkWords(d, m, of)
	}
	checkSessions(d, bad)
	checkPeople(d, bad)
	checkTaps(d, bad)
}

func checkPhases(d *plant.Day, m *plant.MachineDay, bad complain) {
	at := d.StartMs
	for i, p := range m.Phases {
		if p.StartMs != at || p.Empty() {
			bad("phase %d is %v, want one that begins at %d", i, p, at)
		}
		if i > 0 && m.Phases[i-1].State == p.State {
			bad("phases %d and %d are both %s", i-1, i, p.State)
		}
		at = p.EndMs
		if p.State != plant.Off && len(d.Dark.Clip(p.Span)) > 0 {
			bad("%s in the dark: %v, dark %v", p.State, p.Span, d.Dark)
		}
	}
	if at != d.EndMs {
		bad("phases end at %d, the day at %d", at, d.EndMs)
	}
	if m.Machine.Kind == scenario.HandBench && len(m.Phases) != 1 {
		bad("a bench without electricity has %d phases", len(m.Phases))
	}
}

func checkPower(d *plant.Day, m *plant.MachineDay, bad complain) {
	if len(m.Power) == 0 || m.Power[0].AtMs != d.StartMs {
		bad("power does not begin with the day: %v", m.Power[:min(1, len(m.Power))])
		return
	}
	for i, s := range m.Power {
		if i > 0 && s.AtMs <= m.Power[i-1].AtMs || !d.Contains(s.AtMs) {
			bad("step %d at %d follows %d", i, s.AtMs, m.Power[i-1].AtMs)
		}
		if s.PowerW < 0 || math.IsNaN(s.PowerW) || math.IsInf(s.PowerW, 0) || s.PowerW != math.Round(s.PowerW*10)/10 {
			bad("step %d is %v W: want tenths, 0 or more", i, s.PowerW)
		}
		if (stateAt(m.Phases, s.AtMs) == plant.Off) != (s.PowerW == 0) && m.Machine.Kind != scenario.HandBench {
			bad("%v W while %s at %d", s.PowerW, stateAt(m.Phases, s.AtMs), s.AtMs)
		}
	}
}

func stateAt(phases []plant.Phase, ms int64) plant.State {
	i, _ := slices.BinarySearchFunc(phases, ms, func(p plant.Phase, ms int64) int {
		if p.EndMs <= ms {
			return -1
		}
		return cmp.Compare(p.StartMs, ms)
	})
	if i < len(phases) && phases[i].StartMs <= ms {
		return phases[i].State
	}
	return phases[max(i-1, 0)].State
}

func checkWords(d *plant.Day, m *plant.MachineDay, bad complain) {
	if len(m.Words) == 0 || m.Words[0].AtMs != d.StartMs {
		bad("words do not begin with the day")
		return
	}
	for i, w := range m.Words {
		if i > 0 && (w.AtMs <= m.Words[i-1].AtMs || w.Parts < m.Words[i-1].Parts) {
			bad("words %d go back: %+v after %+v", i, w, m.Words[i-1])
		}
		end := d.EndMs
		if i+1 < len(m.Words) {
			end = m.Words[i+1].AtMs
		}
		said := plant.Idle
		switch {
		case !w.Available:
			said = plant.Off
		case w.Alarm != "":
			said = plant.Fault
		case w.Execution == "ACTIVE":
			said = plant.Running
		}
		for _, p := range m.Phases {
			if p.State != said && !p.Intersect(span.Span{StartMs: w.AtMs, EndMs: end}).Empty() {
				bad("words %+v until %d say %s, truth is %s in %v", w, end, said, p.State, p.Span)
			}
		}
	}
}

func checkSessions(d *plant.Day, bad complain) {
	for i := range d.Sessions {
		s := &d.Sessions[i]
		if !s.Held.Empty() && s.Held.Intersect(s.Planned) != s.Held {
			bad("session %d is held %v outside its plan %v", i, s.Held, s.Planned)
		}
		if s.Planned.Empty() != s.Whole.Intersect(d.Span).Empty() || s.Breaks.Clip(s.Planned).Ms() != s.Breaks.Ms() {
			bad("session %d is cut wrongly: %+v", i, s)
		}
		if s.BeginsMs != d.StartMs && s.ClaimedMs != 0 {
			bad("session %d is claimed on its second day", i)
		}
	}
}

func checkPeople(d *plant.Day, bad complain) {
	crowd := map[string][]span.Span{}
	for _, p := range d.People {
		of := func(format string, args ...any) { bad("person "+p.Person.ID+": "+format, args...) }
		for i, there := range p.Present {
			s := &d.Sessions[there.Session]
			if there.Empty() || there.Intersect(d.Span) != there.Span {
				of("presence %v is not of the day", there)
			}
			if i > 0 && there.StartMs < p.Present[i-1].EndMs {
				of("in two places: %v and %v", p.Present[i-1], there)
			}
			near := span.Span{StartMs: s.Whole.StartMs - 30*minuteMs, EndMs: s.Whole.EndMs + 15*minuteMs}
			if there.Intersect(near) != there.Span {
				of("present %v at a session of %v", there.Span, s.Whole)
			}
			if !slices.Contains(s.Class.Trainees, p.Person.ID) && s.Class.Teacher != p.Person.ID {
				of("present at class %s, to which nobody of that name belongs", s.Class.ID)
			}
			works := span.NewSet(there.Span).Clip(s.Held).Subtract(s.Breaks)
			if there.Station == "" {
				works = nil
			}
			if !slices.Equal(there.Practice, works) {
				of("works %v, want %v", there.Practice, works)
			}
			if there.Station != "" && (!s.Slot.Practice || !slices.Contains(s.Class.Stations, there.Station)) {
				of("at station %q of class %s", there.Station, s.Class.ID)
			}
			key := s.Class.Workshop + "/" + there.Station
			if there.Station != "" {
				crowd[key] = append(crowd[key], there.Practice...)
			}
		}
	}
	for _, w := range d.Base.Workshops {
		for _, st := range w.Stations {
			if most := together(crowd[w.ID+"/"+st.ID]); most > st.Capacity {
				bad("%d people at station %s, which has room for %d", most, st.ID, st.Capacity)
			}
		}
	}
}

// together returns the most spans that hold one instant.
func together(spans []span.Span) int {
	most := 0
	for _, s := range spans {
		n := 0
		for _, t := range spans {
			if t.Contains(s.StartMs) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func checkTaps(d *plant.Day, bad complain) {
	last := map[*scenario.Reader]plant.Tap{}
	inside := map[string][]span.Span{}
	for _, p := range d.People {
		for _, there := range p.Present {
			inside[p.Person.ID] = append(inside[p.Person.ID], there.Span)
		}
	}
	for i, t := range d.Taps {
		if i > 0 && t.AtMs < d.Taps[i-1].AtMs || !d.Contains(t.AtMs) {
			bad("tap %d at %d is out of order", i, t.AtMs)
		}
		if t.Card == "" || t.Owner == "" || t.Reader == nil {
			bad("tap %d lacks something: %+v", i, t)
		}
		if t.Reader.Direction != "" && t.Reader.Direction != t.Direction {
			bad("tap %d goes %s at reader %s, which is for %q", i, t.Direction, t.Reader.ID, t.Reader.Direction)
		}
		if before, ok := last[t.Reader]; ok {
			least := 2 * secondMs
			if before.Card == t.Card {
				least = secondMs
			}
			if t.AtMs-before.AtMs < least {
				bad("taps %d ms apart at reader %s: %+v, %+v", t.AtMs-before.AtMs, t.Reader.ID, before, t)
			}
		}
		last[t.Reader] = t
		// Who holds the cards of a ghost class is gone again at once.
		ghost := slices.ContainsFunc(d.Frauds, func(f plant.FraudSpan) bool { return f.Fraud.Kind == scenario.GhostClass })
		if t.Holder == t.Owner && !ghost && !slices.ContainsFunc(inside[t.Holder], func(s span.Span) bool {
			return s.StartMs <= t.AtMs && t.AtMs <= s.EndMs
		}) {
			bad("%s taps at %d and is not there: %v", t.Holder, t.AtMs, inside[t.Holder])
		}
	}
}

// cheats is a scenario of two bases with every fraud that the model knows, and power cuts.
func cheats(seed uint64) *scenario.Scenario {
	s := everyKind(seed)
	s.Bases = append(s.Bases, everyKind(seed).Bases[0])
	s.Bases[1].Code = "B2"
	s.Days = 5
	day := func(n int64) []int64 { return []int64{s.FromMs + n*dayMs} }
	s.Faults = []scenario.Fault{{Kind: scenario.PowerCut, At: "B2", Rate: 1.5, For: 300e9}}
	s.Frauds = []scenario.Fraud{
		{Kind: scenario.ManyCards, At: "B1", Class: "day", Person: "P-lathe-0", Cards: 4, DatesMs: day(0)},
		{Kind: scenario.TapAndLeave, At: "B1", Class: "day", Person: "P-welder-1"},
		{Kind: scenario.TapAndLeave, At: "B1", Class: "night"},
		{Kind: scenario.IdleRunning, At: "B1", Machine: "lathe"},
		{Kind: scenario.CopiedCurve, At: "B1", Machine: "cnc_mill", DatesMs: day(3)},
		{Kind: scenario.CopiedCurve, At: "B2", Machine: "welder"},
		{Kind: scenario.TwoBases, At: "B1", Person: "P-oven-0", Base: "B2"},
		{Kind: scenario.GhostClass, At: "B2", Class: "night", DatesMs: day(1)},
		{Kind: scenario.ShortClass, At: "B2", Class: "day", Share: 0.4, DatesMs: day(2)},
		{Kind: scenario.OverClaimed, At: "B2", Class: "day", Share: 2, DatesMs: day(4)},
	}
	return s
}

func TestEveryDayKeepsTheInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		kind := rapid.SampledFrom(scenario.Kinds()).Draw(t, "kind")
		s := only(everyKind(seed), kind)
		if rapid.Bool().Draw(t, "cheats") {
			s = only(cheats(seed), kind, scenario.Lathe, scenario.CNCMill, scenario.Welder)
		}
		base := rapid.IntRange(0, len(s.Bases)-1).Draw(t, "base")
		day := rapid.IntRange(0, s.Days-1).Draw(t, "day")
		if rapid.Bool().Draw(t, "dark") {
			s.Faults = append(s.Faults, scenario.Fault{Kind: scenario.PowerCut, Rate: 2, For: 45e9})
		}
		p, err := plant.New(s)
		if err != nil {
			t.Fatal(err)
		}
		checkDay(p.Day(base, day), func(format string, args ...any) { t.Fatalf(format, args...) })
	})
}

func TestTheScenarioFilesKeepTheInvariants(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := scenario.Read(file, text)
			if err != nil {
				t.Fatal(err)
			}
			p := newPlant(t, s)
			for base := range s.Bases {
				for day := range min(s.Days, 3) {
					checkDay(p.Day(base, day), func(format string, args ...any) {
						t.Fatalf(fmt.Sprintf("base %d day %d: ", base, day)+format, args...)
					})
				}
			}
		})
	}
}
