package clue

import (
	"cmp"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// kendall is Kendall's tau of two orders of the same things: rank[i] is where the i-th of one order stands in the other, all
// different. It is 1 for the same order and -1 for the reverse; 0 for fewer than two.
func kendall(rank []int) float64 {
	agree, pairs := 0, 0
	for i := range rank {
		for _, later := range rank[i+1:] {
			pairs++
			if rank[i] < later {
				agree++
			}
		}
	}
	if pairs == 0 {
		return 0
	}
	return float64(2*agree-pairs) / float64(pairs)
}

// median is the middle of the values, the mean of the two middle ones of an even number; 0 of none.
func median(values []float64) float64 {
	values = slices.Clone(values)
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// variation is the coefficient of variation of n values with a sum and a sum of squares; +Inf where the mean is not above 0.
func variation(n int, sum, squares float64) float64 {
	if n == 0 || sum <= 0 {
		return math.Inf(1)
	}
	mean := sum / float64(n)
	return math.Sqrt(max(squares/float64(n)-float64(mean*mean), 0)) / mean
}

// correlation is Pearson's; ok is false where one of the two does not vary.
func correlation(a, b []float64) (r float64, ok bool) {
	n := float64(len(a))
	if len(a) < 2 || len(a) != len(b) {
		return 0, false
	}
	var sumA, sumB float64
	for i := range a {
		sumA += a[i]
		sumB += b[i]
	}
	meanA, meanB := sumA/n, sumB/n
	var aa, bb, ab float64
	for i := range a {
		da, db := a[i]-meanA, b[i]-meanB
		aa += float64(da * da)
		bb += float64(db * db)
		ab += float64(da * db)
	}
	if aa <= 1e-9*n*(1+meanA*meanA) || bb <= 1e-9*n*(1+meanB*meanB) {
		return 0, false
	}
	return ab / math.Sqrt(aa*bb), true
}

// mostAtOnce is how many of the sets hold at once for at least a total time, and when.
func mostAtOnce(sets []span.Set, leastMs int64) (most int, when span.Set) {
	levels := atOnce(sets)
	for k := len(sets); k > 0; k-- {
		if set := levels[k]; len(set) > 0 && set.Ms() >= leastMs {
			return k, set
		}
	}
	return 0, nil
}

// atOnce returns, for each k up to their number, when at least k of the sets hold.
func atOnce(sets []span.Set) []span.Set {
	type edge struct {
		atMs int64
		by   int
	}
	var edges []edge
	for _, set := range sets {
		for _, s := range set {
			edges = append(edges, edge{s.StartMs, 1}, edge{s.EndMs, -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.atMs, b.atMs), cmp.Compare(a.by, b.by)) })
	levels := make([]span.Set, len(sets)+1)
	n := 0
	for i, e := range edges {
		n += e.by
		if i+1 < len(edges) && edges[i+1].atMs > e.atMs {
			for k := 1; k <= n; k++ {
				levels[k] = append(levels[k], span.Span{StartMs: e.atMs, EndMs: edges[i+1].atMs})
			}
		}
	}
	for k := range levels {
		levels[k] = span.NewSet(levels[k]...)
	}
	return levels
}
