package workbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Mistake is one thing wrong in a file. Personal data in Value are masked.
type Mistake struct {
	File   string // as it was handed over; "" for registered data that the import would make wrong
	Sheet  string // as the product calls it, or as the file does when it is unknown
	Row    int    // from 1, as Excel counts; 0 for the whole sheet
	Column string // letter; "" for the whole row
	Header string // as the product calls the column, or as the file does when it is unknown
	Value  string // what is there, "" when nothing is
	Zh, En string // what is wrong and what would be right
}

// String returns one line: place, header, value, Chinese, English.
func (m Mistake) String() string {
	var b strings.Builder
	for _, part := range []string{m.File, m.Sheet} {
		if part != "" {
			b.WriteString(part + " ")
		}
	}
	if m.Row > 0 {
		fmt.Fprintf(&b, "%s%d ", m.Column, m.Row)
	}
	if m.Header != "" {
		fmt.Fprintf(&b, "[%s]", m.Header)
	}
	if m.Value != "" {
		fmt.Fprintf(&b, " %q", m.Value)
	}
	return strings.TrimSpace(b.String()) + ": " + m.Zh + " / " + m.En
}

// Mistakes are all that is wrong with the files of an import, in order of file, sheet, row and column. It is the error of
// Import.
type Mistakes []Mistake //nolint:errname // a list of mistakes that can also be returned as the error

// Error implements error, one mistake a line.
func (m Mistakes) Error() string {
	lines := make([]string, len(m), len(m)+1)
	for i := range m {
		lines[i] = m[i].String()
	}
	if len(m) >= maxMistakes {
		lines = append(lines, fmt.Sprintf("只列出前 %d 处 / only the first %d are listed", maxMistakes, maxMistakes))
	}
	return strings.Join(lines, "\n")
}

const (
	maxMistakes = 1000 // bounds the report of a file that is something else altogether
	maxShown    = 60   // bounds a value quoted in a mistake, in characters
)

// report collects mistakes.
type report struct {
	mistakes []placedMistake
	told     map[spot]bool
}

// spot is a cell, a row (no key), a header (row 0) or a page (neither) of one page.
type spot struct {
	page int
	row  int
	key  string
}

// placedMistake is a mistake and where it sorts.
type placedMistake struct {
	Mistake
	page, column int
}

func newReport() *report { return &report{told: map[spot]bool{}} }

// add reports a mistake. A spot that has one already gets no second.
func (r *report) add(at spot, column int, m Mistake) {
	if r.told[at] || len(r.mistakes) >= maxMistakes {
		return
	}
	r.told[at] = true
	m.Value = shorten(m.Value)
	r.mistakes = append(r.mistakes, placedMistake{m, at.page, column})
}

func shorten(value string) string {
	if shown := []rune(value); len(shown) > maxShown {
		return string(shown[:maxShown]) + "…"
	}
	return value
}

func (r *report) sorted() Mistakes {
	slices.SortStableFunc(r.mistakes, func(a, b placedMistake) int {
		return cmp.Or(cmp.Compare(a.page, b.page), cmp.Compare(a.Row, b.Row), cmp.Compare(a.column, b.column))
	})
	out := make(Mistakes, len(r.mistakes))
	for i, m := range r.mistakes {
		out[i] = m.Mistake
	}
	return out
}

func joinZh(words []string) string { return strings.Join(words, "、") }
func joinEn(words []string) string { return strings.Join(words, ", ") }

// suggest puts the word that was probably meant before what would be right.
func suggest(value string, known []string, zh, en string) (string, string) {
	if near := strictyaml.Nearest(value, known); near != "" && near != value {
		return fmt.Sprintf("是否应为“%s”？%s", near, zh), fmt.Sprintf("did you mean %s? %s", near, en)
	}
	return zh, en
}
