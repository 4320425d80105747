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
		if d := distance(fold(word), fold(c)); d < bestDistance || (d == bestDistance && best == "" && d <= 1) {
			best, bestDistance = c, d
		}
	}
	return best
}

func fold(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// distance is the number of insertions, deletions and replacements of bytes that make b out of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
