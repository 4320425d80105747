package clue_test

import (
	"math/rand/v2"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func TestIdleRunning(t *testing.T) {
	t.Parallel()
	play(t, []story{
		{name: "left running over lunch and after", past: 3, want: []string{"F4 unattended+steady"}, tell: func(w *world) {
			d := honest(w)
			d.steady("m3", "11:40-13:30")
		}},
		{name: "steady while a class is in the room", past: 3, want: []string{"F4 steady"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			d.works("8:35-11:28", "m1", "m2")
			d.steady("m3", "9:40-10:40")
			d.machine("m3").on = span.NewSet(d.during("8:35-11:28"))
		}},
		{name: "steady on the first day, known by the machines beside it", want: []string{"F4 steady"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			d.works("8:35-11:28", "m1", "m2")
			d.steady("m3", "9:40-10:40")
			d.machine("m3").on = span.NewSet(d.during("8:35-11:28"))
		}},
		{name: "at night", past: 3, want: []string{"F4 unattended+closed"}, tell: func(w *world) {
			d := honest(w)
			d.works("20:00-22:00", "m2")
			d.machine("m2").runs = d.machine("m2").runs.Union(span.NewSet(d.during("20:10-21:00")))
		}},
		{name: "warm-up with the teacher there", past: 3, tell: func(w *world) {
			d := honest(w)
			d.at("door", d.ms("7:45"), "x1", in)
			d.steady("m1", "7:50-8:26")
		}},
		{name: "long automatic machining", past: 3, tell: func(w *world) {
			w.turning().LongCycle = true
			d := honest(w)
			d.steady("m3", "11:40-17:30")
		}},
		{name: "heat treatment", past: 3, tell: func(w *world) {
			d := honest(w)
			d.machine("m3").profile = "thermal"
			d.steady("m3", "11:40-17:30")
		}},
		{name: "a machine whose load never varies", tell: func(w *world) {
			for range 4 {
				d := w.day()
				d.lesson("turning", "8:30-11:30")
				d.come("11:30", w.trainees()...)
				for _, m := range []string{"m1", "m2", "m3"} {
					d.steady(m, "8:50-11:20")
				}
			}
		}},
		{name: "a trial run after a repair, with a work order", past: 3, tell: func(w *world) {
			d := honest(w)
			d.steady("m3", "12:10-13:30")
			d.excused = []clue.Excuse{{Span: d.during("12:00-14:00"), Machine: "m3"}}
		}},
		{name: "readers away, nobody knows who is there", past: 3, tell: func(w *world) {
			d := honest(w)
			d.works("12:00-17:00", "m1")
			d.machine("m1").runs = d.machine("m1").runs.Union(span.NewSet(d.during("12:30-13:30")))
			d.deaf[hall] = span.NewSet(d.during("11:50-18:00"))
		}},
	})
}

// again makes a day's machine that of another day, a whole number of days later.
func again(d, before *dayOf, id string) {
	shift := d.date.Span().StartMs - before.date.Span().StartMs
	later := func(set span.Set) span.Set {
		var out span.Set
		for _, s := range set {
			out = append(out, span.Span{StartMs: s.StartMs + shift, EndMs: s.EndMs + shift})
		}
		return out
	}
	m, old := d.machine(id), before.machine(id)
	m.on, m.runs = later(old.on), later(old.runs)
	m.watts = func(ms int64) float64 { return old.watts(ms - shift) }
}

// fixed is a load that depends on the instant alone, so that a copy of it is one.
func fixed(ms int64) float64 {
	return 700 + 1300*rand.New(rand.NewPCG(uint64(ms), 9)).Float64()
}

func TestReplays(t *testing.T) {
	t.Parallel()
	copied := func(w *world, mode string) {
		first := w.days[0]
		first.machine("m2").watts = fixed
		d := honest(w)
		again(d, first, "m2")
		d.devices = []clue.Device{device("m2-meter")}
		for _, d := range w.days {
			d.machine("m2").dead = mode == "controller"
		}
	}
	values := func(d *dayOf, seed uint64, n int) []clue.Print {
		rng := rand.New(rand.NewPCG(seed, 3))
		var p clue.Printer
		for i := range n {
			p.Take(float64(rng.IntN(2000))/10, d.ms("8:00")+int64(i)*10_000, 7, uint64(i))
		}
		return p.Prints()
	}
	play(t, []story{
		{name: "the power of an earlier day", past: 4, want: []string{"F4 copied", "F5 repeated_states"}, tell: func(w *world) { copied(w, "meter") }},
		{name: "the controller's words of an earlier day", past: 4, want: []string{"F4 copied_steps", "F5 repeated_states"}, tell: func(w *world) { copied(w, "controller") }},
		{name: "the same readings", past: 1, want: []string{"F5 repeated_samples"}, tell: func(w *world) {
			w.days[0].devices = []clue.Device{{ID: "m1-meter", Prints: values(w.days[0], 1, 2000)}}
			d := honest(w)
			d.devices = []clue.Device{{ID: "m1-meter", Prints: values(d, 1, 2000)}}
		}},
		{name: "other readings", past: 1, tell: func(w *world) {
			w.days[0].devices = []clue.Device{{ID: "m1-meter", Prints: values(w.days[0], 1, 2000)}}
			d := honest(w)
			d.devices = []clue.Device{{ID: "m1-meter", Prints: values(d, 2, 2000)}}
		}},
	})
	for i := range 2 {
		play(t, []story{{name: "two honest days are not alike", past: 6 + i, tell: func(w *world) { honest(w) }}})
	}
}

// device gives the day's machines devices, so that F5's tests of states have somebody to ask.
func device(id string) clue.Device { return clue.Device{ID: id, Dialect: "tasmota"} }

func TestTerminals(t *testing.T) {
	t.Parallel()
	with := func(change func(d *dayOf, x *clue.Device)) func(w *world) {
		return func(w *world) {
			d := honest(w)
			x := device("m1-meter")
			change(d, &x)
			d.devices = []clue.Device{x}
		}
	}
	play(t, []story{
		{name: "a clock that is believed and off", want: []string{"F5 clock"}, tell: with(func(_ *dayOf, x *clue.Device) {
			x.Clock = clue.Clock{Trusted: 1000, Off: 900, WorstMs: -300_000}
		})},
		{name: "a fault of NTP, flagged", tell: with(func(_ *dayOf, x *clue.Device) { x.Clock = clue.Clock{Trusted: 12, Off: 12} })},
		{name: "readings that were buffered for a while", tell: with(func(_ *dayOf, x *clue.Device) { x.Clock = clue.Clock{Trusted: 1000, Off: 120} })},
		{name: "a counter set back", want: []string{"F5 counter_back"}, tell: with(func(d *dayOf, x *clue.Device) {
			x.Backward = []clue.Backward{{AtMs: d.ms("9:00"), FromWh: 512_000, ToWh: 498_000, Epoch: 7, Seq: 1}}
		})},
		{name: "a counter reset to nothing", tell: with(func(d *dayOf, x *clue.Device) {
			x.Backward = []clue.Backward{{AtMs: d.ms("9:00"), FromWh: 512_000, ToWh: 3}}
		})},
		{name: "a meter that was replaced", tell: with(func(d *dayOf, x *clue.Device) {
			x.Rebound = true
			x.Backward = []clue.Backward{{AtMs: d.ms("9:00"), FromWh: 512_000, ToWh: 498_000}}
		})},
		{name: "a meter that was replaced, with a work order", tell: with(func(d *dayOf, x *clue.Device) {
			d.excused = []clue.Excuse{{Span: d.during("8:00-9:00"), Device: x.ID}}
			x.Backward = []clue.Backward{{AtMs: d.ms("9:00"), FromWh: 512_000, ToWh: 498_000}}
		})},
		{name: "more behind the main meter than goes through it", want: []string{"F5 sub_meters"}, tell: func(w *world) {
			d := honest(w)
			d.mains = []clue.Main{{Device: "main", Subs: []string{"m1-meter", "m2-meter"}, MainWh: 10_000, SubsWh: 10_501, Coverage: 1}}
		}},
		{name: "the main meter was away for a while", tell: func(w *world) {
			d := honest(w)
			d.mains = []clue.Main{{Device: "main", Subs: []string{"m1-meter"}, MainWh: 8_000, SubsWh: 10_501, Coverage: 0.9}}
		}},
		{name: "heard while it is said to be offline", want: []string{"F12 heard_offline"}, tell: with(func(d *dayOf, x *clue.Device) {
			x.HeardDown, x.Down = 40, span.NewSet(d.during("9:00-10:00"))
		})},
		{name: "a will that came late", tell: with(func(d *dayOf, x *clue.Device) { x.HeardDown = 3 })},
	})
}

func TestTamperedMeters(t *testing.T) {
	t.Parallel()
	controlled := func(w *world) *dayOf {
		d := honest(w)
		d.machine("m1").word, d.machine("m1").dead = "ACTIVE", true
		return d
	}
	play(t, []story{
		{name: "works by its controller, without power", want: []string{"F12 bypassed"}, tell: func(w *world) { controlled(w) }},
		{name: "rewired, with a work order", tell: func(w *world) {
			d := controlled(w)
			d.excused = []clue.Excuse{{Span: d.during("8:00-12:00"), Machine: "m1"}}
		}},
		{name: "the meter was away", tell: func(w *world) {
			d := controlled(w)
			d.machine("m1").silent = span.NewSet(d.date.Span())
		}},
		{name: "another machine's load", past: 4, want: []string{"F12 level"}, tell: func(w *world) {
			d := honest(w)
			d.machine("m2").watts = func(ms int64) float64 { return 5 * w.cut(ms) }
		}},
		{name: "another machine's load, and another binding", past: 4, tell: func(w *world) {
			d := honest(w)
			d.machine("m2").watts = func(ms int64) float64 { return 5 * w.cut(ms) }
			d.machine("m2").rebound = true
		}},
		{name: "another meter than before", past: 4, tell: func(w *world) {
			d := honest(w)
			d.machine("m2").watts = func(ms int64) float64 { return 5 * w.cut(ms) }
			d.machine("m2").device = "new-meter"
		}},
	})
}
