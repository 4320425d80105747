package span_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// universe is small, so that the oracle, one bool an instant, is exact and cheap.
const universe = 40

var window = span.Span{StartMs: 0, EndMs: universe}

func drawSet(t *rapid.T, label string) (span.Set, [universe]bool) {
	var spans []span.Span
	var has [universe]bool
	for range rapid.IntRange(0, 6).Draw(t, label+" spans") {
		s := span.Span{
			StartMs: rapid.Int64Range(0, universe).Draw(t, label+" start"),
			EndMs:   rapid.Int64Range(0, universe).Draw(t, label+" end"),
		}
		spans = append(spans, s)
		for i := s.StartMs; i < s.EndMs; i++ {
			has[i] = true
		}
	}
	return span.NewSet(spans...), has
}

// check holds a set to the oracle and to its own rule: sorted, not empty, neither overlapping nor touching.
func check(t *rapid.T, what string, got span.Set, want func(i int) bool) {
	var total int64
	for i := range universe {
		if want(i) {
			total++
		}
		if got.Contains(int64(i)) != want(i) {
			t.Fatalf("%s: instant %d in set is %v, want %v; set %v", what, i, !want(i), want(i), got)
		}
	}
	if got.Ms() != total {
		t.Fatalf("%s: total %d ms, want %d", what, got.Ms(), total)
	}
	for i, s := range got {
		if s.Empty() || (i > 0 && got[i-1].EndMs >= s.StartMs) {
			t.Fatalf("%s: set breaks its rule at %d: %v", what, i, got)
		}
	}
}

func TestSetAlgebraAgreesWithInstants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, inA := drawSet(t, "a")
		b, inB := drawSet(t, "b")
		check(t, "new", a, func(i int) bool { return inA[i] })
		check(t, "union", a.Union(b), func(i int) bool { return inA[i] || inB[i] })
		check(t, "intersect", a.Intersect(b), func(i int) bool { return inA[i] && inB[i] })
		check(t, "subtract", a.Subtract(b), func(i int) bool { return inA[i] && !inB[i] })
		check(t, "gaps", a.Gaps(window), func(i int) bool { return !inA[i] })
		part := span.Span{StartMs: 7, EndMs: 23}
		check(t, "clip", a.Clip(part), func(i int) bool { return inA[i] && i >= 7 && i < 23 })
		check(t, "a is unchanged", a, func(i int) bool { return inA[i] })
		if got := a.Ms() + b.Ms(); got != a.Union(b).Ms()+a.Intersect(b).Ms() {
			t.Fatalf("inclusion and exclusion do not balance")
		}
	})
}

func TestEmptySpans(t *testing.T) {
	t.Parallel()
	for _, s := range []span.Span{{}, {StartMs: 5, EndMs: 5}, {StartMs: 6, EndMs: 5}} {
		if !s.Empty() || s.Ms() != 0 || s.Contains(5) || len(span.NewSet(s)) != 0 {
			t.Errorf("%v is not treated as empty", s)
		}
	}
}

func ExampleSet_Gaps() {
	day := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	morning := span.Of(day.Add(8*time.Hour), day.Add(12*time.Hour))
	afternoon := span.Of(day.Add(13*time.Hour), day.Add(17*time.Hour))
	open := span.NewSet(morning, afternoon)
	for _, gap := range open.Gaps(span.Of(day.Add(8*time.Hour), day.Add(18*time.Hour))) {
		fmt.Println(gap.Start().Format("15:04"), gap.End().Format("15:04"))
	}
	// Output:
	// 12:00 13:00
	// 17:00 18:00
}
