package clue_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// mixed is a base with several frauds at once, and honest days before.
func mixed(t testing.TB) *world {
	w := newWorld(t, 12)
	w.turning().MaxPerStation = 6
	weeks(w, 3)
	d := w.day()
	d.lesson("turning", "8:30-11:30")
	d.works("8:35-11:28", "m1", "m2")
	d.hand("8:26", in, "t02", "t01", "t03", "t04")
	d.hand("11:34", out, "t02", "t01", "t03", "t04")
	for i, p := range w.trainees()[4:] {
		d.at("door", d.ms("8:09")+int64(i)*100_000, p, in)
	}
	d.claim(d.sessions[0], "t07", 300*minute)
	d.steady("m3", "12:10-17:00")
	d.devices = []clue.Device{{ID: "m1-meter", Clock: clue.Clock{Trusted: 100, Off: 100, WorstMs: 200_000}}}
	return w
}

func TestSameInputSameClues(t *testing.T) {
	t.Parallel()
	input := mixed(t).input()
	want := clue.Find(input, clue.DefaultParams())
	if got := names(want); !slices.Equal(got, []string{"F2 burst", "F4 unattended+steady", "F5 clock", "F7 over_claimed"}) {
		t.Fatalf("clues are %v", got)
	}
	for range 3 {
		if diff := cmp.Diff(want, clue.Find(input, clue.DefaultParams())); diff != "" {
			t.Fatalf("a second look gives other clues:\n%s", diff)
		}
	}
}

// TestOrderDoesNotMatter shuffles what has no order of its own: machines, devices, readers, and taps of one instant.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	input := mixed(t).input()
	want := clue.Find(input, clue.DefaultParams())
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, d := range append(slices.Clone(input.Past), input.Today) {
			rng.Shuffle(len(d.Machines), func(i, j int) { d.Machines[i], d.Machines[j] = d.Machines[j], d.Machines[i] })
			rng.Shuffle(len(d.Devices), func(i, j int) { d.Devices[i], d.Devices[j] = d.Devices[j], d.Devices[i] })
			rng.Shuffle(len(d.Readers), func(i, j int) { d.Readers[i], d.Readers[j] = d.Readers[j], d.Readers[i] })
		}
		if diff := cmp.Diff(want, clue.Find(input, clue.DefaultParams())); diff != "" {
			t.Fatalf("another order gives other clues:\n%s", diff)
		}
	}
}

func TestCluesAreWhole(t *testing.T) {
	t.Parallel()
	list := clue.Find(mixed(t).input(), clue.DefaultParams())
	keys := map[string]bool{}
	for _, c := range list {
		switch {
		case keys[c.Key] || len(c.Key) != 32:
			t.Errorf("key %q is not the clue's own", c.Key)
		case c.Span.Empty() || c.Severity == "" || c.Version < 1 || c.Base != "east" || c.Day.IsZero():
			t.Errorf("clue lacks something: %+v", c)
		case len(c.Tests) == 0 || len(c.Measures) < len(c.Tests) || len(c.Innocent) == 0:
			t.Errorf("clue says too little: %+v", c)
		case c.Explain.Zh == "" || c.Explain.En == "" || strings.Contains(c.Explain.String(), "%!"):
			t.Errorf("explanation %q", c.Explain)
		case len(c.Evidence) > clue.MaxEvidence:
			t.Errorf("%d pieces of evidence", len(c.Evidence))
		case c.Rule != clue.F5 && len(c.Evidence) == 0:
			t.Errorf("clue without evidence: %+v", c)
		}
		keys[c.Key] = true
	}
}

// TestKeyStays derives a day again after late taps that concern somebody else: the clue stays the one it was.
func TestKeyStays(t *testing.T) {
	t.Parallel()
	w := mixed(t)
	before := clue.Find(w.input(), clue.DefaultParams())
	w.days[3].at("lab-door", w.days[3].ms("12:00"), "x1", in)
	after := clue.Find(w.input(), clue.DefaultParams())
	for i := range before {
		if before[i].Key != after[i].Key {
			t.Errorf("%s has another key: %s, was %s", before[i].Rule, after[i].Key, before[i].Key)
		}
	}
	params := clue.DefaultParams()
	for _, r := range clue.Rules(params) {
		if got := r.Find(w.input()); !slices.EqualFunc(got, slices.DeleteFunc(slices.Clone(after), func(c clue.Clue) bool { return c.Rule != r.ID }), func(a, b clue.Clue) bool { return a.Key == b.Key }) {
			t.Errorf("rule %s alone finds %v", r.ID, names(got))
		}
	}
}

func TestEmptyInput(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]*clue.Input{
		"nothing": {}, "a day": {Base: "east", Today: &clue.Day{}},
		"nothing of a machine": {Today: &clue.Day{Machines: []clue.Machine{{ID: "m1", Profile: machine}}}},
		"nothing of a device":  {Today: &clue.Day{Devices: []clue.Device{{ID: "d"}}, Mains: []clue.Main{{}}}},
	} {
		if got := clue.Find(input, clue.DefaultParams()); len(got) > 0 {
			t.Errorf("%s: clues %v", name, names(got))
		}
	}
}

// TestMonotone: what is worse is found where what is less bad was found: a longer steady run, and a larger claim.
func TestMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		claimed := rapid.Int64Range(150, 400).Draw(rt, "claimed minutes")
		lunch := rapid.Int64Range(0, 300).Draw(rt, "minutes left running")
		w := newWorld(t, 4)
		d := honest(w)
		d.claim(d.sessions[0], "", claimed*minute)
		end := d.ms("12:00") + lunch*minute
		m := d.machine("m2")
		m.on = m.on.Union(span.NewSet(span.Span{StartMs: d.ms("12:00"), EndMs: end}))
		m.runs = m.runs.Union(span.NewSet(span.Span{StartMs: d.ms("12:00"), EndMs: end}))
		got := map[clue.ID][]string{}
		for _, c := range clue.Find(w.input(), clue.DefaultParams()) {
			got[c.Rule] = c.Tests
		}
		if over := slices.Contains(got[clue.F7], "over_claimed"); over != (claimed > 181) {
			rt.Errorf("%d minutes claimed of 180: over_claimed is %v", claimed, over)
		}
		// Somebody may be there for half an hour after the class, whose last tap is at 11:30.
		alone := slices.Contains(got[clue.F4], "unattended")
		if last := d.taps[len(d.taps)-1].AtMs; alone != (end-max(last+30*minute, d.ms("12:00")) > 15*minute) {
			rt.Errorf("left running for %d minutes: unattended is %v", lunch, alone)
		}
	})
}
