package span

import (
	"cmp"
	"slices"
)

// Set is a set of instants held as spans that are not empty, sorted, and neither overlap nor touch. The zero value is
// the empty set. Build one with NewSet; a literal must keep the rule.
type Set []Span

// NewSet returns the set of all instants that any of the spans covers. Empty spans count for nothing.
func NewSet(spans ...Span) Set {
	sorted := make([]Span, 0, len(spans))
	for _, s := range spans {
		if !s.Empty() {
			sorted = append(sorted, s)
		}
	}
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Compare(a.StartMs, b.StartMs) })
	var set Set
	for _, s := range sorted {
		if n := len(set); n > 0 && s.StartMs <= set[n-1].EndMs {
			set[n-1].EndMs = max(set[n-1].EndMs, s.EndMs)
			continue
		}
		set = append(set, s)
	}
	return set
}

// Union returns the instants in either set.
func (a Set) Union(b Set) Set { return NewSet(slices.Concat(a, b)...) }

// Intersect returns the instants in both sets.
func (a Set) Intersect(b Set) Set {
	var out Set
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if s := a[i].Intersect(b[j]); !s.Empty() {
			out = append(out, s)
		}
		if a[i].EndMs < b[j].EndMs {
			i++
		} else {
			j++
		}
	}
	return out
}

// Subtract returns the instants in a that are not in b.
func (a Set) Subtract(b Set) Set {
	var out Set
	j := 0
	for _, s := range a {
		for j < len(b) && b[j].EndMs <= s.StartMs {
			j++
		}
		at := s.StartMs
		for k := j; k < len(b) && b[k].StartMs < s.EndMs; k++ {
			if at < b[k].StartMs {
				out = append(out, Span{at, b[k].StartMs})
			}
			at = max(at, b[k].EndMs)
		}
		if at < s.EndMs {
			out = append(out, Span{at, s.EndMs})
		}
	}
	return out
}

// Gaps returns the instants of the window that the set does not cover.
func (a Set) Gaps(window Span) Set { return NewSet(window).Subtract(a) }

// Clip returns the set's instants inside the window.
func (a Set) Clip(window Span) Set { return a.Intersect(NewSet(window)) }

// Ms returns the set's total length in milliseconds.
func (a Set) Ms() int64 {
	var total int64
	for _, s := range a {
		total += s.Ms()
	}
	return total
}

// Contains reports whether the instant lies in the set.
func (a Set) Contains(ms int64) bool {
	i, _ := slices.BinarySearchFunc(a, ms, func(s Span, ms int64) int {
		if s.EndMs <= ms {
			return -1
		}
		return 1
	})
	return i < len(a) && a[i].Contains(ms)
}
