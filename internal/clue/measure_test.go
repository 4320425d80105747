package clue

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// permute calls yield with every order of k things.
func permute(k int, yield func([]int)) {
	order := make([]int, k)
	var fill func(at int, free []int)
	fill = func(at int, free []int) {
		if at == k {
			yield(order)
			return
		}
		for i, v := range free {
			order[at] = v
			rest := append(append([]int(nil), free[:i]...), free[i+1:]...)
			fill(at+1, rest)
		}
	}
	all := make([]int, k)
	for i := range all {
		all[i] = i
	}
	fill(0, all)
}

// TestChances compares the closed forms with counting all orders.
func TestChances(t *testing.T) {
	t.Parallel()
	for k := 2; k <= 7; k++ {
		for _, tau := range []float64{0.9, 0.5, 1} {
			high, all := 0, 0
			permute(k, func(order []int) {
				all++
				if kendall(order) >= tau-1e-12 {
					high++
				}
			})
			if got, want := orderChance(k, tau-1e-12), float64(high)/float64(all); math.Abs(got-want) > 1e-12 {
				t.Errorf("tau >= %v of %d things: chance %v, counted %v", tau, k, got, want)
			}
		}
	}
	// Any 3 neighbours of 5 in order among 6: counted, against the formula, which may count a pair of matches twice.
	match, all := 0, 0
	permute(6, func(order []int) {
		all++
		found := false
		for from := range 3 {
			for i := range 4 {
				found = found || order[i] == from && order[i+1] == from+1 && order[i+2] == from+2
			}
		}
		if found {
			match++
		}
	})
	got := chanceOf(5, 3, []*chain{{reads: make([]*read, 6)}}, 1)
	if want := float64(match) / float64(all); got < want || got > 1.25*want {
		t.Errorf("chance %v, counted %v", got, want)
	}
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	if r, ok := correlation([]float64{1, 2, 3, 5}, []float64{2, 4, 6, 10}); !ok || math.Abs(r-1) > 1e-12 {
		t.Errorf("correlation %v %v, want 1", r, ok)
	}
	// By hand: deviations -1 0 1 and 1 -2 1 give 0 / … = 0.
	if r, ok := correlation([]float64{1, 2, 3}, []float64{4, 1, 4}); !ok || math.Abs(r) > 1e-12 {
		t.Errorf("correlation %v %v, want 0", r, ok)
	}
	if _, ok := correlation([]float64{5, 5, 5}, []float64{1, 2, 3}); ok {
		t.Error("what does not vary has no correlation")
	}
	if got := median([]float64{9, 1, 5, 3}); got != 4 {
		t.Errorf("median %v, want 4", got)
	}
	if got := variation(2, 4, 10); math.Abs(got-0.5) > 1e-12 { // 1 and 3: mean 2, deviation 1
		t.Errorf("variation %v, want 0.5", got)
	}
}

// TestMostAtOnce compares with counting every instant.
func TestMostAtOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const end = 30
		var sets []span.Set
		var count [end]int
		for range rapid.IntRange(0, 6).Draw(t, "sets") {
			var spans []span.Span
			for range rapid.IntRange(0, 3).Draw(t, "spans") {
				from := rapid.Int64Range(0, end-1).Draw(t, "from")
				spans = append(spans, span.Span{StartMs: from, EndMs: rapid.Int64Range(from, end).Draw(t, "to")})
			}
			set := span.NewSet(spans...)
			for i := range count {
				if set.Contains(int64(i)) {
					count[i]++
				}
			}
			sets = append(sets, set)
		}
		least := rapid.Int64Range(1, 5).Draw(t, "least")
		want := 0
		for k := 1; k <= len(sets); k++ {
			n := int64(0)
			for _, c := range count {
				if c >= k {
					n++
				}
			}
			if n >= least {
				want = k
			}
		}
		if got, when := mostAtOnce(sets, least); got != want || got > 0 && when.Ms() < least {
			t.Fatalf("most at once is %d in %v, counted %d", got, when, want)
		}
	})
}

// TestPrinterFindsRepeats: sixty changed values that come again share a print, wherever they stand; other values do not,
// and what a stuck sensor repeats makes none.
func TestPrinterFindsRepeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := func(seed, n int) []float64 {
			out := make([]float64, n)
			x := uint64(seed)
			for i := range out {
				x = scramble(x + base)
				out[i] = float64(x%100_000) / 10
			}
			return out
		}
		prints := func(list []float64, stutter bool) map[uint64]bool {
			var p Printer
			for i, v := range list {
				p.Take(v, int64(i), 1, uint64(i))
				if stutter {
					p.Take(v, int64(i), 1, uint64(i))
				}
			}
			out := map[uint64]bool{}
			for _, x := range p.Prints() {
				out[x.Hash] = true
			}
			return out
		}
		seed := rapid.IntRange(1, 1<<30).Draw(t, "seed")
		shared := values(seed, windowValues+keptOf-1)
		a := append(append(values(seed+1, rapid.IntRange(0, 150).Draw(t, "before")), shared...), values(seed+2, 70)...)
		b := append(append(values(seed+3, rapid.IntRange(0, 150).Draw(t, "before the second")), shared...), values(seed+4, 70)...)
		common := 0
		second := prints(b, true)
		for h := range prints(a, false) {
			if second[h] {
				common++
			}
		}
		if common == 0 {
			t.Fatal("sixty values came again and no print says so")
		}
		for h := range prints(values(seed+5, 400), false) {
			if second[h] {
				t.Fatal("other values have the same print")
			}
		}
		if got := prints(make([]float64, 500), true); len(got) != 0 {
			t.Fatalf("a stuck sensor has %d prints", len(got))
		}
		few := make([]float64, 500)
		for i := range few {
			few[i] = float64(i % 7)
		}
		if got := prints(few, false); len(got) != 0 {
			t.Fatalf("seven levels have %d prints", len(got))
		}
	})
}
