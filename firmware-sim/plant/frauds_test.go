package plant_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func machineOf(t *testing.T, d *plant.Day, id string) *plant.MachineDay {
	t.Helper()
	i := slices.IndexFunc(d.Machines, func(m plant.MachineDay) bool { return m.Machine.ID == id })
	if i < 0 {
		t.Fatalf("no machine %q", id)
	}
	return &d.Machines[i]
}

func personOf(t *testing.T, d *plant.Day, id string) *plant.PersonDay {
	t.Helper()
	i := slices.IndexFunc(d.People, func(p plant.PersonDay) bool { return p.Person.ID == id })
	if i < 0 {
		t.Fatalf("no person %q", id)
	}
	return &d.People[i]
}

func fraudsOf(d *plant.Day, kind scenario.FraudKind) []plant.FraudSpan {
	return slices.DeleteFunc(slices.Clone(d.Frauds), func(f plant.FraudSpan) bool { return f.Fraud.Kind != kind })
}

func sessionOf(t *testing.T, d *plant.Day, class string) *plant.Session {
	t.Helper()
	i := slices.IndexFunc(d.Sessions, func(s plant.Session) bool { return s.Class.ID == class && s.BeginsMs == d.StartMs })
	if i < 0 {
		t.Fatalf("no session of %q", class)
	}
	return &d.Sessions[i]
}

func running(m *plant.MachineDay) span.Set {
	var out []span.Span
	for _, p := range m.Phases {
		if p.State == plant.Running {
			out = append(out, p.Span)
		}
	}
	return span.NewSet(out...)
}

// with returns a plant of every kind with frauds, all people punctual.
func with(t *testing.T, frauds ...scenario.Fraud) (*plant.Plant, *scenario.Scenario) {
	t.Helper()
	s := everyKind(5)
	for i := range s.Bases[0].People {
		s.Bases[0].People[i].Habits = scenario.Habits{}
	}
	s.Frauds = frauds
	return newPlant(t, s), s
}

func TestOnePersonTapsManyCards(t *testing.T) {
	t.Parallel()
	p, _ := with(t, scenario.Fraud{Kind: scenario.ManyCards, Class: "day", Person: "P-lathe-1", Cards: 4})
	d := p.Day(0, 0)
	f := fraudsOf(d, scenario.ManyCards)
	if len(f) == 0 || len(f[0].Persons) != 3 {
		t.Fatalf("frauds are %+v, want one that inflates the hours of three people", f)
	}
	for _, id := range f[0].Persons {
		if there := personOf(t, d, id).Present; len(there) > 0 {
			t.Errorf("%s is there: %v", id, there)
		}
	}
	var first []plant.Tap
	for _, tap := range d.Taps {
		if tap.Holder == "P-lathe-1" && tap.Reader.ID == "door" && len(first) < 4 {
			first = append(first, tap)
		}
	}
	cards := map[string]bool{}
	for i, tap := range first {
		cards[tap.Card] = true
		if i > 0 && tap.AtMs-first[i-1].AtMs > 5*secondMs {
			t.Errorf("%d ms between two cards of one hand", tap.AtMs-first[i-1].AtMs)
		}
	}
	if len(cards) != 4 {
		t.Errorf("%d different cards at the door, want 4: %+v", len(cards), first)
	}
}

func TestWhoTapsAndLeavesIsNotThere(t *testing.T) {
	t.Parallel()
	p, _ := with(t, scenario.Fraud{Kind: scenario.TapAndLeave, Class: "day", Person: "P-welder-0"})
	d := p.Day(0, 0)
	there := personOf(t, d, "P-welder-0").Present
	var ms int64
	for _, s := range there {
		ms += s.Ms()
		if s.Station != "" {
			t.Errorf("works at %s", s.Station)
		}
	}
	if len(there) == 0 || ms > 20*minuteMs {
		t.Errorf("present for %d ms in %v, want some minutes", ms, there)
	}
	if !slices.ContainsFunc(d.Taps, func(t plant.Tap) bool { return t.Owner == "P-welder-0" && t.Direction == "in" }) {
		t.Error("there is no tap")
	}
}

func TestAGhostClassIsOnlyTapped(t *testing.T) {
	t.Parallel()
	p, _ := with(t, scenario.Fraud{Kind: scenario.GhostClass, Class: "day"})
	d := p.Day(0, 0)
	s := sessionOf(t, d, "day")
	if !s.Held.Empty() || s.ClaimedMs == 0 {
		t.Errorf("held %v, claimed %d ms", s.Held, s.ClaimedMs)
	}
	tapped := map[string]bool{}
	for _, tap := range d.Taps {
		if tap.Holder == "T1" {
			tapped[tap.Owner] = true
		}
	}
	for _, id := range s.Class.Trainees {
		if len(personOf(t, d, id).Present) > 0 || !tapped[id] {
			t.Errorf("%s: present %v, tapped %v", id, personOf(t, d, id).Present, tapped[id])
		}
	}
	if got := running(machineOf(t, d, "lathe")).Clip(span.Span{StartMs: d.StartMs, EndMs: at("20:00")}); len(got) > 0 {
		t.Errorf("a machine runs for a ghost class: %v", got)
	}
}

func TestAShortClassEndsEarlyAndIsClaimedWhole(t *testing.T) {
	t.Parallel()
	p, s := with(t, scenario.Fraud{Kind: scenario.ShortClass, Class: "day", Share: 0.5, DatesMs: []int64{monday().UnixMilli()}},
		scenario.Fraud{Kind: scenario.OverClaimed, Class: "day", Share: 2, DatesMs: []int64{monday().UnixMilli() + dayMs}})
	short, over := sessionOf(t, p.Day(0, 0), "day"), sessionOf(t, p.Day(0, 1), "day")
	honest := sessionOf(t, p.Day(0, 2), "day")
	if short.Held.Ms() != short.Planned.Ms()/2 || short.ClaimedMs != honest.ClaimedMs {
		t.Errorf("short: held %d of %d ms, claimed %d", short.Held.Ms(), short.Planned.Ms(), short.ClaimedMs)
	}
	if over.Held != over.Planned || over.ClaimedMs != 2*honest.ClaimedMs {
		t.Errorf("over-claimed: held %v of %v, claimed %d, honest %d", over.Held, over.Planned, over.ClaimedMs, honest.ClaimedMs)
	}
	if honest.ClaimedMs != honest.Planned.Ms()-honest.Breaks.Ms() || s.Days < 3 {
		t.Errorf("honest: claimed %d of %d ms", honest.ClaimedMs, honest.Planned.Ms())
	}
}

func TestAMachineLeftRunningHasNobody(t *testing.T) {
	t.Parallel()
	p, _ := with(t, scenario.Fraud{Kind: scenario.IdleRunning, Machine: "lathe"}, scenario.Fraud{Kind: scenario.TapAndLeave, Class: "day"})
	d := p.Day(0, 0)
	m := machineOf(t, d, "lathe")
	f := fraudsOf(d, scenario.IdleRunning)
	if len(f) == 0 {
		t.Fatal("no fraud")
	}
	for _, f := range f {
		if m.Attended.Clip(f.Span).Ms() > 0 {
			t.Errorf("somebody is there in %v", f.Span)
		}
		if got := running(m).Clip(f.Span).Ms(); got < f.Ms()*9/10 {
			t.Errorf("runs for %d of %d ms", got, f.Ms())
		}
		var least, most float64 = 1e9, 0
		for _, s := range m.Power {
			if f.Contains(s.AtMs) && stateAt(m.Phases, s.AtMs) == plant.Running {
				least, most = min(least, s.PowerW), max(most, s.PowerW)
			}
		}
		if most > least*1.02 {
			t.Errorf("power from %v to %v W, want a load that hardly varies", least, most)
		}
	}
}

func TestACopiedCurveIsAnEarlierDays(t *testing.T) {
	t.Parallel()
	p, s := with(t, scenario.Fraud{Kind: scenario.CopiedCurve, Machine: "cnc_mill", DatesMs: []int64{monday().UnixMilli() + 2*dayMs}})
	// The night before is left out: it is each day's own.
	curve := func(day int) (out []plant.Step) {
		d := p.Day(0, day)
		for _, step := range machineOf(t, d, "cnc_mill").Power {
			if ms := step.AtMs - d.StartMs; ms > 8*60*minuteMs {
				out = append(out, plant.Step{AtMs: ms, PowerW: step.PowerW})
			}
		}
		return out
	}
	if diff := cmp.Diff(curve(1), curve(2)); diff != "" || len(curve(2)) < 100 {
		t.Errorf("%d steps, differences: %.500s", len(curve(2)), diff)
	}
	if slices.Equal(curve(2), curve(3)) {
		t.Error("the next day is the same too")
	}
	if f := fraudsOf(p.Day(0, 2), scenario.CopiedCurve); len(f) != 1 || len(f[0].Persons) == 0 || s.Days < 4 {
		t.Errorf("frauds: %+v", f)
	}
}

func TestACardIsAtTwoBases(t *testing.T) {
	t.Parallel()
	s := cheats(4)
	s.Faults = nil
	p := newPlant(t, s)
	i := slices.IndexFunc(s.Bases[0].People, func(p scenario.Person) bool { return p.ID == "P-oven-0" })
	card := p.Card(0, i)
	var in, out bool
	for _, tap := range p.Day(1, 0).Taps {
		if tap.Card == card {
			in, out = in || tap.Direction == "in", out || tap.Direction == "out"
			if tap.Owner != "P-oven-0" || tap.Holder == "P-oven-0" {
				t.Errorf("tap %+v", tap)
			}
		}
	}
	if !in || !out {
		t.Errorf("at the other base: in %v, out %v", in, out)
	}
	if p.Card(1, i) == card {
		t.Error("two people have one card")
	}
}

func TestNewRefusesFraudsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fraud scenario.Fraud
		want  string
	}{
		{scenario.Fraud{Kind: scenario.GhostClass}, "class is required"},
		{scenario.Fraud{Kind: scenario.GhostClass, Class: "no"}, `class "no" is at no base`},
		{scenario.Fraud{Kind: scenario.ShortClass, Class: "day", Share: 1}, "share is 1"},
		{scenario.Fraud{Kind: scenario.OverClaimed, Class: "day", Share: 1}, "share is 1"},
		{scenario.Fraud{Kind: scenario.IdleRunning, Machine: "plc_bench"}, "does not show"},
		{scenario.Fraud{Kind: scenario.CopiedCurve}, "machine is required"},
		{scenario.Fraud{Kind: scenario.TwoBases, Person: "T1", Base: "B1"}, "is the person's own"},
		{scenario.Fraud{Kind: scenario.ManyCards}, "class or person is required"},
	} {
		s := everyKind(1)
		tt.fraud.Line = 12
		s.Frauds = []scenario.Fraud{tt.fraud}
		if _, err := plant.New(s); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "line 12") {
			t.Errorf("%+v: error is %v, want one with %q", tt.fraud, err, tt.want)
		}
	}
}
