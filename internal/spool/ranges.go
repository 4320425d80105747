package spool

import (
	"cmp"
	"slices"
	"sort"
)

// Range is the numbers from First to Last, both included.
type Range struct{ First, Last uint64 }

// count returns how many numbers the range has.
func (r Range) count() uint64 { return r.Last - r.First + 1 }

// rangeSet is a set of numbers: ascending ranges that neither overlap nor touch. It is changed by replacement, never in
// place, so a set can be read while a new one is made.
type rangeSet []Range

// add returns the set with r in it.
func (s rangeSet) add(r Range) rangeSet {
	if s.containsAll(r) {
		return s
	}
	// The ranges from i up to j overlap or touch r, and become one with it.
	i := sort.Search(len(s), func(i int) bool { return s[i].Last >= r.First || s[i].Last+1 == r.First })
	j := i
	for j < len(s) && (s[j].First <= r.Last || s[j].First == r.Last+1) {
		r.First, r.Last = min(r.First, s[j].First), max(r.Last, s[j].Last)
		j++
	}
	out := make(rangeSet, 0, len(s)-(j-i)+1)
	out = append(out, s[:i]...)
	out = append(out, r)
	return append(out, s[j:]...)
}

// containsAll reports whether every number of r is in the set.
func (s rangeSet) containsAll(r Range) bool {
	i := s.search(r.First)
	return i < len(s) && s[i].First <= r.First && r.Last <= s[i].Last
}

// search returns the index of the first range that ends at n or above.
func (s rangeSet) search(n uint64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].Last >= n })
}

// within returns how many numbers of r are in the set.
func (s rangeSet) within(r Range) uint64 {
	var n uint64
	for i := s.search(r.First); i < len(s) && s[i].First <= r.Last; i++ {
		n += Range{max(r.First, s[i].First), min(r.Last, s[i].Last)}.count()
	}
	return n
}

// without returns the numbers of r that are not in the set.
func (s rangeSet) without(r Range) []Range {
	var out []Range
	next := r.First
	for i := s.search(r.First); i < len(s) && s[i].First <= r.Last; i++ {
		if s[i].First > next {
			out = append(out, Range{next, s[i].First - 1})
		}
		if s[i].Last >= r.Last {
			return out
		}
		next = s[i].Last + 1
	}
	return append(out, Range{next, r.Last})
}

// lossList is ascending losses that do not overlap. Like rangeSet it is changed by replacement.
type lossList []Loss

// ranges returns the numbers of all losses.
func (l lossList) ranges() rangeSet {
	out := make(rangeSet, 0, len(l))
	for _, loss := range l {
		if n := len(out); n > 0 && out[n-1].Last+1 == loss.First {
			out[n-1].Last = loss.Last
			continue
		}
		out = append(out, loss.Range)
	}
	return out
}

// add returns the list with the numbers of r that are not yet in it, under the cause, and what was new.
func (l lossList) add(r Range, cause Cause) (list lossList, added []Range) {
	added = l.ranges().without(r)
	if len(added) == 0 {
		return l, nil
	}
	list = slices.Clone(l)
	for _, a := range added {
		list = append(list, Loss{a, cause})
	}
	slices.SortFunc(list, func(a, b Loss) int { return cmp.Compare(a.First, b.First) })
	return list.merged(), added
}

// merged joins neighbours with the same cause.
func (l lossList) merged() lossList {
	out := l[:0]
	for _, loss := range l {
		if n := len(out); n > 0 && out[n-1].Cause == loss.Cause && out[n-1].Last+1 == loss.First {
			out[n-1].Last = loss.Last
			continue
		}
		out = append(out, loss)
	}
	return out
}

// at returns the loss that holds n, or else the first number above n that is lost (0 = none).
func (l lossList) at(n uint64) (loss Loss, ok bool, nextLost uint64) {
	i := sort.Search(len(l), func(i int) bool { return l[i].Last >= n })
	if i == len(l) {
		return Loss{}, false, 0
	}
	if l[i].First <= n {
		return l[i], true, 0
	}
	return Loss{}, false, l[i].First
}

// explain says why the first numbers of a range have no record, of a log that begins at a number. known is false for
// what nobody knew of: damage that was just found.
func (l lossList) explain(r Range, begin uint64) (g GapError, known bool) {
	loss, lost, nextLost := l.at(r.First)
	switch {
	case lost:
		return GapError{r.First, min(r.Last, loss.Last), loss.Cause}, true
	case nextLost > 0 && nextLost <= r.Last:
		r.Last = nextLost - 1
	}
	if r.First < begin {
		return GapError{r.First, min(r.Last, begin-1), CauseExpired}, true // [L-13.3]
	}
	return GapError{r.First, r.Last, CauseCorrupt}, false
}
