package registry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake in reference data.
type Problem struct {
	File         string // "" for data that came from no file
	Line, Column int    // from 1; 0 for data that came from no file
	Path         string // the field, such as bases[0].equipment[3].category
	Value        string // what was there, "" when nothing was
	Zh, En       string // what would be right
}

// String returns one line: place, field, value, Chinese, English.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(p.Path)
		if p.Value != "" {
			fmt.Fprintf(&b, " = %q", p.Value)
		}
		b.WriteString(": ")
	}
	return b.String() + p.Zh + " / " + p.En
}

// Problems are all mistakes of a load, in order of file and place. It is the error of Load and New.
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

// maxProblems bounds the report of a file that is something else altogether.
const maxProblems = 1000

// maxShown bounds a value quoted in a problem, in characters.
const maxShown = 80

// place is a field of the data, and where it stands if it came from a file.
type place struct {
	c    *checker
	file string
	path string
}

// checker collects problems and knows the lines of fields.
type checker struct {
	problems Problems
	lines    map[[2]string][2]int // file and path → line and column
	told     map[[2]string]bool   // fields that have a problem: the first says enough
	broken   map[[2]string]bool   // fields that could not be read at all: nothing is said about what is in them
	owners   map[string]place     // see unique
}

func newChecker() *checker {
	return &checker{lines: map[[2]string][2]int{}, told: map[[2]string]bool{}, broken: map[[2]string]bool{}, owners: map[string]place{}}
}

func (c *checker) root() place { return place{c: c} }

func (p place) key() [2]string { return [2]string{p.file, p.path} }

func (p place) field(name string) place {
	if p.path != "" {
		name = p.path + "." + name
	}
	return place{c: p.c, file: p.file, path: name}
}

func (p place) item(list string, i int) place {
	q := p.field(list)
	q.path = fmt.Sprintf("%s[%d]", q.path, i)
	return q
}

func (p place) mark(line, column int) { p.c.lines[p.key()] = [2]int{line, column} }

// around yields the keys of the field and of everything around it, from the inside out.
func (p place) around(yield func([2]string) bool) {
	for path := p.path; yield([2]string{p.file, path}) && path != ""; {
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// line returns where the field stands, or the nearest thing around it that stands somewhere.
func (p place) line() (line, column int) {
	for key := range p.around {
		if at, ok := p.c.lines[key]; ok {
			return at[0], at[1]
		}
	}
	if p.file == "" {
		return 0, 0
	}
	return 1, 1
}

// String is how another problem names the place.
func (p place) String() string {
	if p.file == "" {
		return p.path
	}
	line, column := p.line()
	return fmt.Sprintf("%s (%s:%d:%d)", p.path, p.file, line, column)
}

// bad reports a mistake. A field that has a problem already gets no second one.
func (p place) bad(value, zh, en string) {
	if p.c.told[p.key()] || len(p.c.problems) >= maxProblems {
		return
	}
	for key := range p.around {
		if p.c.broken[key] {
			return
		}
	}
	p.c.told[p.key()] = true
	line, column := p.line()
	if shown := []rune(value); len(shown) > maxShown {
		value = string(shown[:maxShown]) + "…"
	}
	p.c.problems = append(p.c.problems, Problem{File: p.file, Line: line, Column: column, Path: p.path, Value: value, Zh: zh, En: en})
}

// unique reports a value that another place of the same scope has already.
func (p place) unique(scope, value, zh, en string) {
	key := scope + "\x00" + value
	if first, ok := p.c.owners[key]; ok {
		p.bad(value, fmt.Sprintf("%s重复，已用于 %s", zh, first), fmt.Sprintf("%s is used twice, first by %s", en, first))
		return
	}
	p.c.owners[key] = p
}

// sorted returns the problems in order of place.
func (c *checker) sorted() Problems {
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return c.problems
}
