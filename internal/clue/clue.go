// Package clue raises clues (疑点线索): patterns in a base's days that fraud makes and honest training seldom does. It is for
// settle, which runs it after the hours are verified, for the officers who look into clues, and for the audit sample. It
// refuses to judge and to change anything: a clue names what was seen, how much of it, where the records stand and which
// innocent explanations must be ruled out, and a named person decides. No hour depends on a clue; package hours does not
// know this package.
//
// The rules are F1 to F7, F11 and F12 of the rule set. Each has an id, a version, documented default figures (DefaultParams)
// and a severity. The same input and figures give the same clues in the same order; a clue's id stays the same when the day
// is derived again.
//
// All functions are pure and may run concurrently.
package clue

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// ID names a rule.
type ID string

// The rules.
const (
	F1  ID = "F1"  // 虚报人数 ghost trainees
	F2  ID = "F2"  // 代打卡 one holder, many cards
	F3  ID = "F3"  // 签到后离开 tap and leave
	F4  ID = "F4"  // 设备空转 machines run for nobody
	F5  ID = "F5"  // 伪造终端或重放 emulated terminal or replay
	F6  ID = "F6"  // 一人多班或时间冲突 one person in two places
	F7  ID = "F7"  // 缩短课时 shortened or over-claimed class
	F11 ID = "F11" // 一师多地 one teacher in two rooms
	F12 ID = "F12" // 计量篡改 meter tampered with
)

// Severity says how soon a clue should be looked at.
type Severity string

// The severities, from the most urgent.
const (
	High   Severity = "high"   // 高
	Medium Severity = "medium" // 中
	Low    Severity = "low"    // 低
)

// Zh returns the severity's Chinese name.
func (s Severity) Zh() string {
	switch s {
	case High:
		return "高"
	case Medium:
		return "中"
	case Low:
		return "低"
	}
	return string(s)
}

// Text is a sentence in both languages.
type Text struct{ Zh, En string }

// String returns both, Chinese first.
func (t Text) String() string { return t.Zh + " / " + t.En }

// Measure is one figure that a test looked at, and the limit that it crossed.
type Measure struct {
	// Name is the figure's own, stable, such as "cards".
	Name string
	// Unit is "ms", "count", "share" (0 to 1), "W", "Wh", "Wh/h" or "km/h".
	Unit         string
	Value, Limit float64
}

// Ref points to evidence: a record of a bridge's log by epoch and sequence, or what a machine, device or reader did in a
// span. A tap has both.
type Ref struct {
	Epoch, Seq uint64 // 0, 0 for no single record
	Source     string // reader, device or machine id
	Span       span.Span
}

// Subjects are whom and what a clue is about, each list in order and without repeats.
type Subjects struct {
	Persons  []string `json:",omitempty"`
	Cards    []string `json:",omitempty"` // tokens
	Classes  []string `json:",omitempty"`
	Sessions []string `json:",omitempty"`
	Machines []string `json:",omitempty"`
	Devices  []string `json:",omitempty"`
	Readers  []string `json:",omitempty"`
	Bases    []string `json:",omitempty"` // where a clue is about several
}

func (s *Subjects) lists() []*[]string {
	return []*[]string{&s.Persons, &s.Cards, &s.Classes, &s.Sessions, &s.Machines, &s.Devices, &s.Readers, &s.Bases}
}

// Clue is one suspicion. It is no verdict and changes no hour.
type Clue struct {
	// Key identifies the clue: hex of the first 16 bytes of a SHA-256 over rule, base, day and subjects. It stays the same
	// when the day is derived again, and when a new version of the rule finds the same.
	Key     string
	Rule    ID
	Version int
	// Tests are those of the rule's tests that the day failed, such as "steady".
	Tests    []string
	Base     string
	Day      calendar.Date
	Span     span.Span
	Severity Severity
	Subjects Subjects
	Measures []Measure
	// Explain says what was seen.
	Explain Text
	// Evidence has at most MaxEvidence pointers, in order of time.
	Evidence []Ref
	// Innocent are the explanations to rule out before anybody is blamed.
	Innocent []Text
}

// MaxEvidence is how many pointers one clue carries: enough to begin, and the rest is found beside them.
const MaxEvidence = 64

// Rule is one rule with its figures.
type Rule struct {
	ID ID
	// Version changes whenever the same input may give other clues under the same figures.
	Version  int
	Title    Text
	Severity Severity // of its clues unless one says otherwise
	Innocent []Text
	find     func(*scene, *finder)
}

// Find returns the rule's clues about the input's day.
func (r *Rule) Find(in *Input) []Clue { return r.run(look(in)) }

func (r *Rule) run(s *scene) []Clue {
	f := finder{rule: r, scene: s}
	r.find(s, &f)
	return sorted(f.out)
}

// Find returns the clues of all rules about the input's day, in order of rule, span and key.
func Find(in *Input, p *Params) []Clue {
	s := look(in)
	var out []Clue
	for _, r := range Rules(p) {
		out = append(out, r.run(s)...)
	}
	return out
}

// finder collects one rule's clues.
type finder struct {
	rule  *Rule
	scene *scene
	out   []Clue
}

// add completes a clue and keeps it.
func (f *finder) add(c Clue) {
	c.Rule, c.Version, c.Innocent = f.rule.ID, f.rule.Version, f.rule.Innocent
	c.Base, c.Day = f.scene.Base, f.scene.today.Date
	c.Severity = cmp.Or(c.Severity, f.rule.Severity)
	f.out = append(f.out, complete(c))
}

// complete puts a clue's parts in order and gives it its key.
func complete(c Clue) Clue {
	for _, list := range c.Subjects.lists() {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	slices.SortFunc(c.Evidence, compareRefs)
	c.Evidence = slices.Compact(c.Evidence)
	if len(c.Evidence) > MaxEvidence {
		c.Evidence = c.Evidence[:MaxEvidence:MaxEvidence]
	}
	c.Key = keyOf(&c)
	return c
}

func compareRefs(a, b Ref) int {
	return cmp.Or(
		cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.Span.EndMs, b.Span.EndMs), cmp.Compare(a.Source, b.Source),
		cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Seq, b.Seq))
}

// keyOf hashes what a clue is about, each text with its length before it.
func keyOf(c *Clue) string {
	h := sha256.New()
	text := func(s string) {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		_, _ = h.Write([]byte(s))
	}
	text("jishi clue v1")
	text(string(c.Rule))
	text(c.Base)
	text(c.Day.String())
	for _, list := range c.Subjects.lists() {
		text(string(binary.BigEndian.AppendUint32(nil, uint32(len(*list)))))
		for _, s := range *list {
			text(s)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func sorted(list []Clue) []Clue {
	slices.SortFunc(list, func(a, b Clue) int {
		return cmp.Or(
			cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.Span.EndMs, b.Span.EndMs), cmp.Compare(a.Key, b.Key))
	})
	return list
}
