package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in a scenario file.
type Problem struct {
	File         string
	Line, Column int    // from 1
	Path         string // the field, such as bases[0].classes[1].slots[0].time; "" for the file as a whole
	Value        string // what was there; "" when nothing was
	Zh, En       string // what would be right
}

// String returns one line: place, field, value, Chinese, English.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		b.WriteString(p.Path)
		if p.Value != "" {
			fmt.Fprintf(&b, " = %q", p.Value)
		}
		b.WriteString(": ")
	}
	return b.String() + p.Zh + " / " + p.En
}

// Problems are all mistakes of a file, in the order of their places. It is Read's error.
type Problems []Problem //nolint:errname // a list of mistakes that can also be returned as the error

// Error implements error, one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p), len(p)+1)
	for i := range p {
		lines[i] = p[i].String()
	}
	if len(p) >= maxProblems {
		lines = append(lines, fmt.Sprintf("只列出前 %d 处 / only the first %d are listed", maxProblems, maxProblems))
	}
	return strings.Join(lines, "\n")
}

const (
	// maxProblems bounds the report of a file that is something else altogether.
	maxProblems = 200
	// maxShown bounds a value quoted in a problem, in characters.
	maxShown = 80
)

// wrong says what would be right, in both languages. The zero value: nothing is wrong.
type wrong struct{ zh, en string }

// spot is where something stands in the file.
type spot struct {
	line, column int
	path         string
}

func (s spot) String() string { return fmt.Sprintf("%s (%d:%d)", s.path, s.line, s.column) }

// checker collects the problems of one file.
type checker struct {
	file     string
	problems Problems
	told     map[spot]bool // spots that have a problem: the first says enough, and a template is stamped many times
}

func (c *checker) bad(at spot, value string, w wrong) {
	if c.told[at] || len(c.problems) >= maxProblems {
		return
	}
	if c.told == nil {
		c.told = map[spot]bool{}
	}
	c.told[at] = true
	c.problems = append(c.problems, Problem{
		File: c.file, Line: max(at.line, 1), Column: max(at.column, 1), Path: at.path, Value: shorten(value), Zh: w.zh, En: w.en,
	})
}

func shorten(value string) string {
	if shown := []rune(value); len(shown) > maxShown {
		return string(shown[:maxShown]) + "…"
	}
	return value
}

// err returns nil, or the Problems in order of place.
func (c *checker) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return c.problems
}
