package credential

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Problem is one mistake in the file.
type Problem struct {
	File         string
	Line, Column int
	Path         string // the field, such as devices[3].passwords
	Value        string // what was there, "" when nothing was or it may be secret
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

// Problems are all mistakes of a file, in order of place; it is Parse's error.
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

// reader collects the problems of one file.
type reader struct {
	file     string
	problems Problems
}

func (r *reader) bad(p Problem) {
	if len(r.problems) >= maxProblems {
		return
	}
	if shown := []rune(p.Value); len(shown) > maxShown {
		p.Value = string(shown[:maxShown]) + "…"
	}
	p.File = r.file
	r.problems = append(r.problems, p)
}

func (r *reader) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path))
	})
	return r.problems
}

// newReader parses the document; root is nil when there is nothing in it that can be read. An empty document is a file
// without entries.
func newReader(name string, text []byte) (r *reader, root *mapping) {
	r = &reader{file: name}
	node, problems := strictyaml.Parse(text)
	for _, p := range problems {
		r.bad(Problem{Line: p.Line, Column: p.Column, Zh: p.Zh, En: p.En})
	}
	if len(problems) > 0 || node.Kind == strictyaml.Null {
		return r, nil
	}
	return r, r.mapping("", node)
}

// mapping reads the fields of one YAML mapping. Each method notes the key, so that done can report those that nobody asked
// for.
type mapping struct {
	r            *reader
	path         string
	line, column int
	fields       map[string]strictyaml.Field
	order        []string
	asked        []string
}

// mapping returns nil after it has reported that the node is none. It does not show what was there: it may be a password.
func (r *reader) mapping(path string, node strictyaml.Node) *mapping {
	if node.Kind != strictyaml.Map {
		r.bad(Problem{Line: node.Line, Column: node.Column, Path: path, Zh: "应为若干“键: 值”", En: "want a mapping of keys to values"})
		return nil
	}
	m := &mapping{r: r, path: path, line: node.Line, column: node.Column, fields: map[string]strictyaml.Field{}}
	for _, f := range node.Fields {
		m.fields[f.Key] = f
		m.order = append(m.order, f.Key)
	}
	return m
}

// at is a field's path.
func (m *mapping) at(key string) string {
	if m.path == "" || key == "" {
		return m.path + key
	}
	return m.path + "." + key
}

// bad reports a mistake of a field, or of the mapping itself when it has no such field.
func (m *mapping) bad(key, value, zh, en string) {
	p := Problem{Line: m.line, Column: m.column, Path: m.at(key), Value: value, Zh: zh, En: en}
	if f, ok := m.fields[key]; ok {
		p.Line, p.Column = f.Value.Line, f.Value.Column
	}
	m.r.bad(p)
}

// badItem reports a mistake of one item of a list.
func (m *mapping) badItem(key string, i int, value, zh, en string) {
	item := m.fields[key].Value.Items[i]
	m.r.bad(Problem{Line: item.Line, Column: item.Column, Path: fmt.Sprintf("%s[%d]", m.at(key), i), Value: value, Zh: zh, En: en})
}

// get returns the field's value, and whether it is there and not null.
func (m *mapping) get(key string) (strictyaml.Node, bool) {
	if !slices.Contains(m.asked, key) {
		m.asked = append(m.asked, key)
	}
	f, ok := m.fields[key]
	return f.Value, ok && f.Value.Kind != strictyaml.Null
}

func (m *mapping) has(key string) bool {
	_, ok := m.get(key)
	return ok
}

// done reports every key that was not asked for.
func (m *mapping) done() {
	for _, key := range m.order {
		if slices.Contains(m.asked, key) {
			continue
		}
		f := m.fields[key]
		zh, en := "未知的键，可用："+strings.Join(m.asked, ", "), "unknown key, known are "+strings.Join(m.asked, ", ")
		if near := strictyaml.Nearest(key, m.asked); near != "" {
			zh, en = fmt.Sprintf("未知的键，是否应为 %s？", near), fmt.Sprintf("unknown key, did you mean %s?", near)
		}
		m.r.bad(Problem{Line: f.Line, Column: f.Column, Path: m.at(key), Zh: zh, En: en})
	}
}

// scalar returns one plain value, "" and false when the field is not given or is something else, which is reported.
func (m *mapping) scalar(key string) (strictyaml.Node, bool) {
	node, ok := m.get(key)
	if ok && node.Kind != strictyaml.Scalar {
		m.bad(key, "", "应为一个值；以 { 或 [ 开头的文字请加引号", "want one plain value; put a text that begins with { or [ in quotes")
		return strictyaml.Node{}, false
	}
	return node, ok
}

func (m *mapping) text(key string) string {
	node, _ := m.scalar(key)
	return node.Text
}

func (m *mapping) truth(key string) bool {
	node, ok := m.scalar(key)
	if ok && (node.Quoted || node.Text != "true" && node.Text != "false") {
		m.bad(key, node.Text, "应为 true 或 false", "want true or false")
	}
	return ok && node.Text == "true"
}

// whole reads a whole number in a range, 0 when it is not given.
func (m *mapping) whole(key string, low, high int) int {
	node, ok := m.scalar(key)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(node.Text)
	if err != nil || node.Quoted || n < low || n > high {
		m.bad(key, node.Text, fmt.Sprintf("应为 %d 至 %d 的整数", low, high), fmt.Sprintf("want a whole number from %d to %d", low, high))
		return 0
	}
	return n
}

// rate reads a number above 0, 0 when it is not given.
func (m *mapping) rate(key string) float64 {
	node, ok := m.scalar(key)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(node.Text, 64)
	if err != nil || node.Quoted || math.IsNaN(v) || v < 0.01 || v > 1e6 {
		m.bad(key, node.Text, "应为每秒消息数，0.01 至 1000000", "want messages per second, 0.01 to 1000000")
		return 0
	}
	return v
}

// size reads a number of bytes, 0 when it is not given.
func (m *mapping) size(key string, low, high int) int {
	node, ok := m.scalar(key)
	if !ok {
		return 0
	}
	digits, factor := node.Text, 1
	for unit, bytes := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20} {
		if d, found := strings.CutSuffix(node.Text, unit); found {
			digits, factor = d, bytes
		}
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > high/factor || n*factor < low {
		m.bad(key, node.Text, "应为大小，如 4096、64KiB、1MiB，至多 64MiB", "want a size such as 4096, 64KiB or 1MiB, at most 64MiB")
		return 0
	}
	return n * factor
}

// instant reads an end, the zero time when it is not given.
func (m *mapping) instant(key string) time.Time {
	node, ok := m.scalar(key)
	if !ok {
		return time.Time{}
	}
	t, ok := parseEnd(node.Text)
	if !ok {
		m.bad(key, node.Text, "应为日期 2027-06-30（当日有效），或带时区的时刻 2027-06-30T12:00:00+08:00",
			"want a date such as 2027-06-30, which is the last day, or a time with its offset such as 2027-06-30T12:00:00+08:00")
		return time.Time{}
	}
	return t
}

// texts reads a list of texts: nil when it is not given, and not nil when it is empty.
func (m *mapping) texts(key string) []string {
	node, ok := m.get(key)
	if !ok {
		return nil
	}
	if node.Kind != strictyaml.List {
		m.bad(key, node.Text, "应为列表，如 [\"a/#\", \"b/#\"]", "want a list such as [\"a/#\", \"b/#\"]")
		return nil
	}
	out := make([]string, 0, len(node.Items))
	for i, item := range node.Items {
		if item.Kind != strictyaml.Scalar {
			m.badItem(key, i, "", "应为文字；以 { 开头的请加引号", "want a text; put one that begins with { in quotes")
			return nil
		}
		out = append(out, item.Text)
	}
	return out
}

// part reads a mapping inside the mapping; nil when it is not given.
func (m *mapping) part(key string) *mapping {
	node, ok := m.get(key)
	if !ok {
		return nil
	}
	return m.r.mapping(m.at(key), node)
}

// mappings reads a list of mappings; what is none is reported and left out.
func (m *mapping) mappings(key string) []*mapping {
	node, ok := m.get(key)
	if !ok {
		return nil
	}
	if node.Kind != strictyaml.List {
		m.bad(key, "", "应为列表，每项以 - 开头", "want a list, each item starting with -")
		return nil
	}
	var out []*mapping
	for i, item := range node.Items {
		if sub := m.r.mapping(fmt.Sprintf("%s[%d]", m.at(key), i), item); sub != nil {
			out = append(out, sub)
		}
	}
	return out
}
