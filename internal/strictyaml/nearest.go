package strictyaml

import "strings"

// Nearest returns the candidate that a mistyped word most likely means, or "" when none is near. Letter case and the
// difference between "-" and "_" count for nothing.
func Nearest(word string, candidates []string) string {
	const maxWord = 64 // longer words are no typing mistakes, and the comparison is quadratic
	if len(word) > maxWord {
		return ""
	}
	best, bestDistance := "", len(word)/3+1
	for _, c := range candidates {
		d := distance(fold(word), fold(c))
		if d >= len(word) || d > bestDistance {
			continue
		}
		if best == "" || d < bestDistance || commonPrefix(word, c) > commonPrefix(word, best) {
			best, bestDistance = c, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// distance is the number of insertions, deletions, replacements and swaps of neighbouring bytes that make b out of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j+1]+1, next[j]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
