package settle_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func got(bridge string, epoch, first, last uint64, clock [2]int64) evidence.BridgeReceipt {
	return evidence.BridgeReceipt{Bridge: bridge, Receipt: evidence.Receipt{Epoch: epoch, First: first, Last: last, FirstMs: clock[0], LastMs: clock[1]}}
}

func lost(bridge string, epoch, first, last uint64, saidMs int64) evidence.BridgeReceipt {
	r := got(bridge, epoch, first, last, [2]int64{saidMs, saidMs})
	r.Missing = true
	return r
}

// TestCompleteness: a bridge is complete up to the first record that may still come, and not further than the clock.
func TestCompleteness(t *testing.T) {
	t.Parallel()
	const forever = registry.ForeverMs
	gap := func(epoch, first, last uint64, fromMs, toMs int64) settle.Absence {
		return settle.Absence{Epoch: epoch, First: first, Last: last, Between: span.Span{StartMs: fromMs, EndMs: toMs}}
	}
	tests := []struct {
		name     string
		receipts []evidence.BridgeReceipt
		want     settle.Watermark
	}{
		{"never sent", nil, settle.Watermark{}},
		{"all of it", []evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), got("b", 1, 6, 9, [2]int64{300, 400})}, settle.Watermark{ThroughMs: 400}},
		{
			"a range between",
			[]evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), got("b", 1, 8, 9, [2]int64{300, 400})},
			settle.Watermark{ThroughMs: 200, Waiting: []settle.Absence{gap(1, 6, 7, 200, 300)}},
		},
		{
			"the beginning",
			[]evidence.BridgeReceipt{got("b", 1, 3, 5, [2]int64{100, 200})},
			settle.Watermark{Waiting: []settle.Absence{gap(1, 1, 2, 0, 100)}},
		},
		{
			"a range that is lost, told much later",
			[]evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), got("b", 1, 8, 9, [2]int64{300, 400}), lost("b", 1, 6, 7, 900)},
			settle.Watermark{ThroughMs: 400, Lost: []settle.Absence{gap(1, 6, 7, 200, 300)}},
		},
		{
			"lost at the end",
			[]evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), lost("b", 1, 6, 7, 900)},
			settle.Watermark{ThroughMs: 200, Lost: []settle.Absence{gap(1, 6, 7, 200, forever)}},
		},
		{"lost, and there all the same", []evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), lost("b", 1, 2, 5, 900)}, settle.Watermark{ThroughMs: 200}},
		{"two frames that overlap", []evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 200}), got("b", 1, 3, 9, [2]int64{150, 400})}, settle.Watermark{ThroughMs: 400}},
		{"a new log", []evidence.BridgeReceipt{got("b", 9, 1, 5, [2]int64{100, 200}), got("b", 2, 1, 3, [2]int64{500, 600})}, settle.Watermark{ThroughMs: 600}},
		{
			"a new log without its beginning",
			[]evidence.BridgeReceipt{got("b", 9, 1, 5, [2]int64{100, 200}), got("b", 2, 2, 3, [2]int64{500, 600})},
			settle.Watermark{ThroughMs: 200, Waiting: []settle.Absence{gap(2, 1, 1, 200, 500)}},
		},
		{
			"a range of the old log",
			[]evidence.BridgeReceipt{got("b", 9, 1, 5, [2]int64{100, 200}), got("b", 9, 7, 7, [2]int64{250, 260}), got("b", 2, 1, 3, [2]int64{500, 600})},
			settle.Watermark{ThroughMs: 200, Waiting: []settle.Absence{gap(9, 6, 6, 200, 250)}},
		},
		{"a clock that is ahead", []evidence.BridgeReceipt{got("b", 1, 1, 5, [2]int64{100, 99_999})}, settle.Watermark{ThroughMs: 10_000}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.want.Bridge = "b"
			for range 3 {
				list := slices.Clone(test.receipts)
				rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
				if diff := cmp.Diff([]settle.Watermark{test.want}, settle.Completeness(list, 10_000, "b")); diff != "" {
					t.Errorf("watermark (-want +got):\n%s", diff)
				}
			}
		})
	}
	two := settle.Completeness([]evidence.BridgeReceipt{got("c", 1, 1, 1, [2]int64{5, 6}), got("a", 1, 1, 1, [2]int64{7, 8})}, 10_000, "b")
	if len(two) != 3 || two[0].Bridge != "a" || two[0].ThroughMs != 8 || two[1].ThroughMs != 0 || two[2].ThroughMs != 6 {
		t.Errorf("watermarks of three bridges: %+v", two)
	}
}

// TestCompletenessGrows: as frames arrive, in whatever order, a bridge's watermark never goes back within one log, and at the
// end it is the last record's; before that, everything up to it is there.
func TestCompletenessGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 4), 1, 12).Draw(t, "frames")
		var frames []evidence.BridgeReceipt
		var seq uint64
		for _, n := range sizes {
			first := seq + 1
			seq += uint64(n)
			frames = append(frames, got("b", 1, first, seq, [2]int64{int64(first) * 10, int64(seq) * 10}))
		}
		order := rapid.Permutation(frames).Draw(t, "order")
		var wasMs int64
		for i := range order {
			arrived := order[:i+1]
			w := settle.Completeness(arrived, 1<<40)[0]
			if w.ThroughMs < wasMs {
				t.Fatalf("watermark went back from %d to %d", wasMs, w.ThroughMs)
			}
			wasMs = w.ThroughMs
			for _, f := range frames {
				there := slices.ContainsFunc(arrived, func(r evidence.BridgeReceipt) bool { return r.First == f.First })
				if f.FirstMs <= w.ThroughMs && !there {
					t.Fatalf("complete through %d, and the frame from %d is not there", w.ThroughMs, f.FirstMs)
				}
			}
		}
		if wasMs != int64(seq)*10 {
			t.Fatalf("complete through %d at the end, want %d", wasMs, seq*10)
		}
	})
}
