package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// TestUntapped: of a visit from 100 to 200 s everything between the first and the last tap that came is shown, and nothing
// else; why the rest is not, the taps tell.
func TestUntapped(t *testing.T) {
	t.Parallel()
	base := &scenario.Base{Workshops: []scenario.Workshop{{ID: "w", Readers: []scenario.Reader{{ID: "r"}, {ID: "s"}}}, {ID: "bare"}}}
	for _, tt := range []struct {
		name, workshop string
		taps           string // second and fate of each at r, or at s with an s before it
		want           string
	}{
		{"both taps came", "w", "100 heard, 200 heard", ""},
		{"no tap out", "w", "100 heard", "forgot 100-200"},
		{"no tap in", "w", "200 heard", "forgot 100-200"},
		{"no tap at all", "w", "", "forgot 100-200"},
		{"in between there is the station", "w", "s120 heard, s190 heard", "forgot 100-120, forgot 190-200"},
		{"the door was deaf at first", "w", "100 deaf, s120 heard, 200 heard", "deaf 100-120"},
		{"the door was deaf at last", "w", "100 heard, s195 heard, 200 deaf", "deaf 195-200"},
		{"a message was lost", "w", "100 lost, s120 heard, 200 lost", "lost 100-200"},
		{"nothing was heard", "w", "110 deaf, 190 deaf", "forgot 100-110, deaf 110-190, forgot 190-200"},
		{"a repeat needs no message", "w", "100 heard, 198 heard, 199 deaf", "forgot 199-200"},
		{"a repeat elsewhere is another tap", "w", "100 heard, s198 heard, 199 deaf", "deaf 198-199, forgot 199-200"},
		{"no reader at all", "bare", "", "deaf 100-200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newDoorbook(base)
			b.enter("p", tt.workshop, part{span.Span{StartMs: 100_000, EndMs: 150_000}, "x"})
			b.enter("p", tt.workshop, part{span.Span{StartMs: 150_000, EndMs: 200_000}, "x"})
			tapAll(b, tt.taps)
			b.close(200_000, func(string, string, string, span.Span) { t.Error("a visit that may go on was closed") })
			if got := strings.Join(closed(b, 200_001), ", "); joined(got) != joined(tt.want) {
				t.Errorf("untapped is %q, want %q", got, tt.want)
			}
			b.close(300_000, func(string, string, string, span.Span) { t.Error("a visit was closed twice") })
			if len(b.visits)+len(b.taps)+len(b.byPlace) > 0 {
				t.Error("what is over is still remembered")
			}
		})
	}
}

// tapAll holds p's card to readers, and lets the messages come or not.
func tapAll(b *doorbook, taps string) {
	if taps == "" {
		return
	}
	for one := range strings.SplitSeq(taps, ", ") {
		reader := "r"
		if rest, ok := strings.CutPrefix(one, "s"); ok {
			reader, one = "s", rest
		}
		var second int64
		var fate string
		if _, err := fmt.Sscan(one, &second, &fate); err != nil {
			panic(err)
		}
		at := &scenario.Reader{ID: reader}
		b.lived(&plant.Day{Taps: []plant.Tap{
			{AtMs: second * 1000, Reader: at, Holder: "p", Owner: "p"},
			{AtMs: second*1000 + 1, Reader: at, Holder: "friend", Owner: "p"}, // shows the friend, not p
		}})
		if fate != "deaf" {
			b.heard(reader, second*1000, fate == "lost")
		}
	}
}

// closed lists what a doorbook hands over, neighbours of one state joined.
func closed(b *doorbook, beforeMs int64) []string {
	var spans []span.Span
	var states []string
	b.close(beforeMs, func(_, _, state string, s span.Span) {
		for i := range spans {
			if states[i] == state && spans[i].EndMs == s.StartMs {
				spans[i].EndMs = s.EndMs
				return
			}
		}
		spans, states = append(spans, s), append(states, state)
	})
	var out []string
	for i, s := range spans {
		out = append(out, fmt.Sprintf("%s %d-%d", states[i], s.StartMs/1000, s.EndMs/1000))
	}
	return out
}

// joined is a list in an order that does not depend on where it comes from.
func joined(list string) string {
	parts := strings.Split(list, ", ")
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// TestWhoForgetsIsUntapped: in a lived scenario the people who forgot nothing are shown whole, those who left without a tap
// are not, and nothing untapped is outside of presence.
func TestWhoForgetsIsUntapped(t *testing.T) {
	t.Parallel()
	text := `
from: 2026-03-02
bases:
  workshops: {machines: {kind: hand_bench, count: 4}}
  trainees: [{id: neat, habits: punctual}, {id: hasty, habits: {like: punctual, forgets_tap_out: 1}}, {id: dreamy, habits: {like: punctual, forgets_tap_in: 1}}]
`
	s, err := scenario.Read("forgetful", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	simulation, err := NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	ledger := &Ledger{}
	for range simulation.Messages(0, ledger) { // the ledger is what is wanted
	}
	first, second := "class-1-20260302-0830", "class-1-20260302-1330"
	whole := map[string]string{"hasty": second, "dreamy": first}
	for _, person := range []string{"neat", "hasty", "dreamy"} {
		got := map[string]int64{}
		for _, f := range ledger.Facts() {
			if f.Kind == FactUntapped && f.Subject == person {
				got[f.Detail] += f.Span.Ms()
			}
		}
		want := map[string]int64{}
		for _, f := range ledger.Facts() {
			if f.Kind == FactPresent && f.Subject == person && f.Detail == whole[person] {
				want[f.Detail] += f.Span.Ms()
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: untapped milliseconds by session (-want +got):\n%s", person, diff)
		}
		planned := ledger.Spans(FactPlanned, s.Bases[0].Code, person, "practice")
		if planned.Ms() != (3*60+3*60+30)*60_000 {
			t.Errorf("%s: %d minutes are planned", person, planned.Ms()/60_000)
		}
	}
}
