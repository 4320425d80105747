package spool

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// A rangeSet is a set: every question has the answer that a map of numbers would give.
func TestRangeSetIsASet(t *testing.T) {
	t.Parallel()
	ranges := rapid.Custom(func(t *rapid.T) Range {
		first := rapid.Uint64Range(1, 60).Draw(t, "first")
		return Range{first, first + rapid.Uint64Range(0, 12).Draw(t, "more")}
	})
	rapid.Check(t, func(t *rapid.T) {
		var set rangeSet
		model := map[uint64]bool{}
		for _, r := range rapid.SliceOf(ranges).Draw(t, "added") {
			set = set.add(r)
			for n := r.First; n <= r.Last; n++ {
				model[n] = true
			}
		}
		for i, r := range set {
			if r.Last < r.First || i > 0 && r.First <= set[i-1].Last+1 {
				t.Fatalf("%v is not ascending, apart and whole", set)
			}
		}
		ask := ranges.Draw(t, "asked")
		var within uint64
		var without []Range
		for n := ask.First; n <= ask.Last; n++ {
			if model[n] {
				within++
			} else if k := len(without); k > 0 && without[k-1].Last+1 == n {
				without[k-1].Last = n
			} else {
				without = append(without, Range{n, n})
			}
		}
		if got := set.within(ask); got != within {
			t.Fatalf("%v has %d numbers of %v, want %d", set, got, ask, within)
		}
		if got := set.containsAll(ask); got != (within == ask.count()) {
			t.Fatalf("%v contains all of %v: %v", set, ask, got)
		}
		if diff := cmp.Diff(without, set.without(ask)); diff != "" {
			t.Fatalf("%v without %v (-want +got):\n%s", ask, set, diff)
		}
	})
}

// A loss keeps the cause under which its numbers were first lost, and no number is lost twice.
func TestLossListKeepsTheFirstCause(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var list lossList
		model := map[uint64]Cause{}
		for range rapid.IntRange(0, 20).Draw(t, "losses") {
			first := rapid.Uint64Range(1, 60).Draw(t, "first")
			r := Range{first, first + rapid.Uint64Range(0, 12).Draw(t, "more")}
			cause := Cause(rapid.IntRange(1, 4).Draw(t, "cause"))
			fresh := uint64(0)
			for n := r.First; n <= r.Last; n++ {
				if model[n] == 0 {
					model[n] = cause
					fresh++
				}
			}
			var added []Range
			list, added = list.add(r, cause)
			for _, a := range added {
				fresh -= a.count()
			}
			if fresh != 0 {
				t.Fatalf("adding %v says that %v was new", r, added)
			}
		}
		for n := uint64(1); n < 80; n++ {
			loss, ok, next := list.at(n)
			if ok != (model[n] != 0) || ok && loss.Cause != model[n] {
				t.Fatalf("%d is lost: %v %v, want %v", n, ok, loss, model[n])
			}
			for m := n; !ok && next > 0 && m < next; m++ {
				if model[m] != 0 {
					t.Fatalf("next lost above %d is %d, but %d is", n, next, m)
				}
			}
		}
	})
}
