package settle_test

import (
	"slices"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// meteredRoom is a base with a door reader and a metered lathe at its one station.
func meteredRoom(b *registry.Base) {
	b.Workshops[0].Stations = []registry.Station{{ID: "s1"}}
	e := metered("lathe")
	e.Station = "s1"
	b.Equipment = []registry.Equipment{e}
	b.Devices = []registry.Device{{ID: "meter", Kind: registry.Meter}, {ID: "door", Kind: registry.Reader}}
	b.Bindings = []registry.Binding{
		bound("meter", "lathe", registry.Always()),
		{Device: "door", Room: "w1", Use: registry.UsePresence, Valid: registry.Always()},
	}
}

// TestClueDay: what evidence becomes for the rules of clues. The lathe works in the class's morning and for two hours in the
// evening, when nobody has come through the door.
func TestClueDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, base(meteredRoom))
	roster := class(t, w)
	w.said(working("08:35", "11:20")...)
	w.said(power("meter", at("11:20"), 0), link("meter", at("12:00"), telemetry.LinkWill), power("meter", at("12:30"), 0))
	w.said(working("20:00", "22:00")...)
	w.said(
		tap(at("08:25"), "c1", telemetry.DirectionIn), tap(at("08:26"), "c2", telemetry.DirectionIn),
		tap(at("11:31"), "c1", telemetry.DirectionOut), tap(at("11:32"), "c2", telemetry.DirectionOut),
	)
	day, err := w.settler.ClueDay(t.Context(), roster, monday, settle.DefaultTerms())
	if err != nil {
		t.Fatal(err)
	}
	if len(day.Machines) != 1 || len(day.Devices) != 1 || len(day.Readers) != 1 {
		t.Fatalf("%d machines, %d devices, %d readers", len(day.Machines), len(day.Devices), len(day.Readers))
	}
	m, d := &day.Machines[0], &day.Devices[0]
	if m.Device != "meter" || m.OffW != 20 || m.Rebound || m.Place != (attendance.Place{Workshop: "w1", Station: "s1"}) {
		t.Errorf("machine: %+v", m)
	}
	step := func(clock string) int { return int((at(clock) - m.Power.StartMs) / m.Power.StepMs) }
	for _, x := range []struct {
		clock string
		watts float64
		known bool
	}{{"09:00", 500, true}, {"11:19", 500, true}, {"11:20", 0, false}, {"15:00", 0, false}, {"21:00", 500, true}, {"07:00", 0, false}} {
		if i := step(x.clock); m.Power.MeanW[i] != x.watts || m.Power.Known[i] != x.known {
			t.Errorf("at %s: %v W, known %v; want %v, %v", x.clock, m.Power.MeanW[i], m.Power.Known[i], x.watts, x.known)
		}
	}
	if len(d.Down) != 1 || d.Down[0].StartMs != at("12:00") || d.HeardDown == 0 || d.Clock.Trusted == 0 || d.Clock.Off != 0 {
		t.Errorf("device: down %v, heard while down in %d minutes, clock %+v", d.Down, d.HeardDown, d.Clock)
	}
	clues := settle.Clues(roster, day, nil, clue.DefaultParams())
	i := slices.IndexFunc(clues, func(c clue.Clue) bool { return c.Rule == clue.F4 })
	if i < 0 || !slices.Contains(clues[i].Tests, "unattended") || !slices.Equal(clues[i].Subjects.Machines, []string{"lathe"}) {
		t.Errorf("nobody was there in the evening, and the clues are %+v", clues)
	}
	for _, c := range clues {
		if c.Rule != clue.F4 && c.Rule != clue.F12 {
			t.Errorf("an honest morning: %s %v %s", c.Rule, c.Tests, c.Explain.En)
		}
	}
}
