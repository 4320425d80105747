package api

import (
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Clue is one suspicion with what people made of it. It is no verdict and changes no hour.
type Clue struct {
	Key        string        `json:"key"`
	Rule       string        `json:"rule" doc:"such as F2; see docs/clues.md"`
	Title      string        `json:"title" doc:"规则名称"`
	TitleEN    string        `json:"title_en"`
	Version    int           `json:"version" doc:"of the rule"`
	Revision   int           `json:"revision" doc:"of what the clue says"`
	Base       string        `json:"base"`
	Bases      []string      `json:"bases,omitempty" doc:"where it is about several"`
	Day        string        `json:"day" format:"date"`
	From       string        `json:"from" format:"date-time"`
	To         string        `json:"to" format:"date-time" doc:"exclusive"`
	Severity   string        `json:"severity" enum:"high,medium,low"`
	SeverityZh string        `json:"severity_zh"`
	Tests      []string      `json:"tests" nullable:"false"`
	Subjects   ClueSubjects  `json:"subjects"`
	Measures   []ClueMeasure `json:"measures" nullable:"false"`
	Explain    string        `json:"explain"`
	ExplainEN  string        `json:"explain_en"`
	State      string        `json:"state" enum:"raised,assigned,investigated,excluded,confirmed,removed,recovered,referred"`
	StateZh    string        `json:"state_zh"`
	Next       []string      `json:"next" nullable:"false" doc:"states that may follow"`
	Assignee   string        `json:"assignee,omitempty" doc:"核查人"`
	RaisedAt   string        `json:"raised_at" format:"date-time"`
	SeenAt     string        `json:"seen_at" format:"date-time" doc:"the last derivation that found it"`
	GoneAt     string        `json:"gone_at,omitempty" format:"date-time" doc:"since when it is not found any more"`
	// Partial says that what it tells about bases outside the caller's scope is left out.
	Partial  bool           `json:"partial,omitempty" doc:"what concerns bases outside one's scope is left out"`
	Innocent []ClueInnocent `json:"innocent,omitempty" doc:"须先排除的正当原因"`
	Evidence []ClueEvidence `json:"evidence,omitempty"`
	Steps    []ClueStep     `json:"steps,omitempty" doc:"办理经过"`
	Answers  []ClueAnswer   `json:"answers,omitempty" doc:"基地说明"`
}

// ClueSubjects are whom and what a clue is about.
type ClueSubjects struct {
	Persons  []string `json:"persons,omitempty"`
	Cards    []string `json:"cards,omitempty" doc:"tokens"`
	Classes  []string `json:"classes,omitempty"`
	Sessions []string `json:"sessions,omitempty"`
	Machines []string `json:"machines,omitempty"`
	Devices  []string `json:"devices,omitempty"`
	Readers  []string `json:"readers,omitempty"`
}

// ClueMeasure is a figure that a test looked at, and the limit that it crossed.
type ClueMeasure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
}

// ClueInnocent is an explanation to rule out before anybody is blamed.
type ClueInnocent struct {
	Zh string `json:"zh"`
	En string `json:"en"`
}

// ClueEvidence points to a record of a bridge's log, or to what a source did in a span.
type ClueEvidence struct {
	Source string     `json:"source,omitempty"`
	From   string     `json:"from,omitempty" format:"date-time"`
	To     string     `json:"to,omitempty" format:"date-time"`
	Record *RecordRef `json:"record,omitempty"`
}

// ClueStep is what a person did.
type ClueStep struct {
	At          string   `json:"at" format:"date-time"`
	By          string   `json:"by"`
	State       string   `json:"state"`
	StateZh     string   `json:"state_zh"`
	Revision    int      `json:"revision" doc:"of the clue, as the person saw it"`
	Assignee    string   `json:"assignee,omitempty"`
	Finding     string   `json:"finding,omitempty"`
	Reason      string   `json:"reason,omitempty"`
	Attachments []string `json:"attachments,omitempty"`
}

// ClueAnswer is what a base says.
type ClueAnswer struct {
	At   string `json:"at" format:"date-time"`
	By   string `json:"by"`
	Base string `json:"base"`
	Text string `json:"text"`
}

// ClueOf shows a clue: in a list without its evidence and history.
func ClueOf(c *ledger.ClueRecord, whole bool) Clue {
	state, title := c.Review.State(), titleOf(c.Rule)
	out := Clue{
		Key: c.Key, Rule: string(c.Rule), Title: title.Zh, TitleEN: title.En, Version: c.Version, Revision: c.Revision, Base: c.Base,
		Bases: c.Subjects.Bases, Day: c.Day.String(), From: instant(c.Span.StartMs), To: instant(c.Span.EndMs),
		Severity: string(c.Severity), SeverityZh: c.Severity.Zh(), Tests: append([]string{}, c.Tests...),
		Subjects: ClueSubjects{
			Persons: c.Subjects.Persons, Cards: c.Subjects.Cards, Classes: c.Subjects.Classes, Sessions: c.Subjects.Sessions,
			Machines: c.Subjects.Machines, Devices: c.Subjects.Devices, Readers: c.Subjects.Readers,
		},
		Measures: []ClueMeasure{}, Explain: c.Explain.Zh, ExplainEN: c.Explain.En, State: string(state), StateZh: state.Zh(), Next: []string{},
		Assignee: c.Review.Assignee(), RaisedAt: instant(c.FirstMs), SeenAt: instant(c.SeenMs),
	}
	for _, m := range c.Measures {
		out.Measures = append(out.Measures, ClueMeasure(m))
	}
	for _, next := range state.Next() {
		out.Next = append(out.Next, string(next))
	}
	if c.GoneMs != 0 {
		out.GoneAt = instant(c.GoneMs)
	}
	if whole {
		out.history(c)
	}
	return out
}

// titleOf names a rule.
func titleOf(id clue.ID) clue.Text {
	for _, r := range clue.Rules(clue.DefaultParams()) {
		if r.ID == id {
			return r.Title
		}
	}
	return clue.Text{Zh: string(id), En: string(id)}
}

func (out *Clue) history(c *ledger.ClueRecord) {
	for _, x := range c.Innocent {
		out.Innocent = append(out.Innocent, ClueInnocent(x))
	}
	for _, e := range c.Evidence {
		x := ClueEvidence{Source: e.Source}
		if e.Seq != 0 {
			x.Record = refOf(e.Epoch, e.Seq)
		}
		if e.Span != (span.Span{}) {
			x.From, x.To = instant(e.Span.StartMs), instant(e.Span.EndMs)
		}
		out.Evidence = append(out.Evidence, x)
	}
	for i, s := range c.Review.Steps {
		out.Steps = append(out.Steps, ClueStep{
			At: instant(s.AtMs), By: s.By, State: string(s.To), StateZh: s.To.Zh(), Revision: c.Seen[i], Assignee: s.Assignee,
			Finding: string(s.Finding), Reason: s.Reason, Attachments: s.Attachments,
		})
	}
	for _, a := range c.Answers {
		out.Answers = append(out.Answers, ClueAnswer{At: instant(a.AtMs), By: a.By, Base: a.Base, Text: a.Text})
	}
}

// within leaves out what a clue about several bases tells of those at which the caller may not see people: ids there, and the pointers
// to evidence, of which nobody can tell whose it is.
func (out *Clue) within(may func(base string) bool) {
	hidden := slices.DeleteFunc(slices.Clone(out.Bases), may)
	if len(hidden) == 0 {
		return
	}
	out.Partial, out.Evidence, out.Subjects.Cards = true, nil, nil
	for _, list := range []*[]string{&out.Subjects.Persons, &out.Subjects.Classes, &out.Subjects.Sessions} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(id string) bool {
			base, _, _ := strings.Cut(id, "/")
			return slices.Contains(hidden, base)
		})
	}
	out.Answers = slices.DeleteFunc(out.Answers, func(a ClueAnswer) bool { return slices.Contains(hidden, a.Base) })
}
