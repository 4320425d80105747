package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// row is one line of the table. Empty texts are shown as such.
type row struct {
	what    string // what was measured
	ours    string
	peer    string // the peer or the limit, by name, with its figure
	ratio   string
	target  string
	verdict string
}

// goal is a target of docs/figures.md and whether a figure reaches it.
type goal struct {
	text  string
	want  float64
	least bool // the figure must be at least want; else at most
}

func atLeast(want float64, text string) goal { return goal{text, want, true} }
func atMost(want float64, text string) goal  { return goal{text, want, false} }

// verdict says whether the figure reaches the goal, and if not by what part of the goal it is off.
func (g goal) verdict(got float64) string {
	switch {
	case math.IsNaN(got):
		return "not measured"
	case g.least && got >= g.want, !g.least && got <= g.want:
		return "met"
	case g.least:
		return fmt.Sprintf("short by %.0f %%", math.Ceil(100*(1-got/g.want)))
	}
	return fmt.Sprintf("over by %.0f %%", math.Ceil(100*(got/g.want-1)))
}

// median is the middle of the series, NaN when it is empty.
func (s series) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// show prints the median and, with more than one run, the range.
func (s series) show(unit string) string {
	if len(s) == 0 {
		return "-"
	}
	out := number(s.median()) + " " + unit
	if len(s) > 1 {
		out += fmt.Sprintf(" (%s…%s)", number(slices.Min(s)), number(slices.Max(s)))
	}
	return out
}

// number prints three significant digits, and thousands in groups.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case a >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case a >= 100:
		return grouped(v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	case a == 0:
		return "0"
	}
	return fmt.Sprintf("%.3f", v)
}

// grouped prints a whole number with its thousands in groups.
func grouped(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func times(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "-"
	}
	return number(ratio) + "×"
}

// add puts a row into the table.
func (b *bench) add(r row) {
	b.rows = append(b.rows, r)
	b.say("  %s: %s | %s | %s %s", r.what, r.ours, r.peer, r.ratio, r.verdict)
}

// print writes the table, the notes, and where and when they are from.
func (b *bench) print(w io.Writer) error {
	t := table.NewWriter()
	t.AppendHeader(table.Row{"what", "jishi", "peer or limit", "ratio", "target", "verdict"})
	for _, r := range b.rows {
		t.AppendRow(table.Row{r.what, r.ours, r.peer, r.ratio, r.target, r.verdict})
	}
	rendered := ""
	if b.markdown {
		rendered = t.RenderMarkdown()
	} else {
		style := table.StyleLight
		style.Format.Header = text.FormatDefault
		t.SetStyle(style)
		rendered = t.Render()
	}
	var s strings.Builder
	s.WriteString(rendered + "\n\n")
	for _, n := range b.notes {
		s.WriteString("- " + n + "\n")
	}
	fmt.Fprintf(&s, "- %s; %s; median of %d runs (smallest…largest), %.0f s in all.\n",
		machine(b.temp), b.began.Format(time.DateOnly), b.runs, time.Since(b.began).Seconds())
	_, err := io.WriteString(w, s.String())
	return err
}
