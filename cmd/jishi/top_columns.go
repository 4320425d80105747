package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// topColumnID names a column of the board.
type topColumnID int

const (
	colState topColumnID = iota
	colName
	colSince
	colRunning
	colIdle
	colUnknown
	colRate
	colCoverage
	colHeard
	colReading
	colID
	colFor
	colWorkshop
	colWord
	colDevice
	colNotes
)

// topColumn is how a column is shown. The narrower the terminal, the fewer columns: those of a high rank go first. The
// coverage outlasts the rate, which is never shown without it.
type topColumn struct {
	id    topColumnID
	rank  int
	max   int // columns of the terminal at most
	right bool
	text  func(b *topBoard, m *api.MachineState) string
}

// topBoard is a board with what its cells depend on.
type topBoard struct {
	*api.Board
	words *topWords
	lang  string
	twice map[string]bool // names that more than one machine has
}

func newTopBoard(b *api.Board, lang string) *topBoard {
	t := &topBoard{Board: b, words: topWordsIn(lang), lang: lang, twice: map[string]bool{}}
	seen := map[string]bool{}
	for i := range b.Machines {
		name := t.plainName(&b.Machines[i])
		t.twice[name] = seen[name]
		seen[name] = true
	}
	return t
}

// topColumns are the columns in the order in which they are shown. At 80 columns all up to the reading fit.
func topColumns() []topColumn {
	return []topColumn{
		{colState, 0, 11, false, (*topBoard).state},
		{colID, 11, 24, false, func(_ *topBoard, m *api.MachineState) string { return m.Equipment }},
		{colName, 1, 40, false, (*topBoard).name},
		{colSince, 2, 6, true, (*topBoard).since},
		{colFor, 10, 7, true, (*topBoard).lasting},
		{colRunning, 3, 6, true, func(_ *topBoard, m *api.MachineState) string { return hm(m.RunningS) }},
		{colIdle, 9, 6, true, func(_ *topBoard, m *api.MachineState) string { return hm(m.IdleS) }},
		{colUnknown, 8, 7, true, func(_ *topBoard, m *api.MachineState) string { return hm(m.UnknownS) }},
		{colRate, 5, 6, true, func(_ *topBoard, m *api.MachineState) string { return rateText(m.Rate) }},
		{colCoverage, 4, 6, true, func(_ *topBoard, m *api.MachineState) string { return coverageText(m.Coverage) }},
		{colHeard, 6, 7, true, (*topBoard).heard},
		{colReading, 7, 10, true, func(_ *topBoard, m *api.MachineState) string { return reading(m) }},
		{colWord, 12, 16, false, func(_ *topBoard, m *api.MachineState) string { return m.Word }},
		{colWorkshop, 13, 16, false, func(_ *topBoard, m *api.MachineState) string { return m.Workshop }},
		{colDevice, 14, 32, false, func(_ *topBoard, m *api.MachineState) string { return m.Device }},
		{colNotes, 15, 60, false, func(_ *topBoard, m *api.MachineState) string { return strings.Join(m.Notes, " ") }},
	}
}

// leastName is what the names get at least before other columns are shown.
const leastName = 12

// placed is a column with the width it got.
type placed struct {
	topColumn
	width int
}

// layOut chooses the columns that fit into a width, 0 for all, and gives the names what is left over.
func (b *topBoard) layOut(width int) (columns []placed, gap int) {
	gap = 1
	if width == 0 || width >= 100 {
		gap = 2
	}
	all := topColumns()
	natural := make(map[topColumnID]int, len(all))
	for _, c := range all {
		natural[c.id] = b.naturalWidth(&c, width == 0)
	}
	chosen, used := map[topColumnID]int{}, -gap
	for rank := range len(all) {
		c := all[slices.IndexFunc(all, func(c topColumn) bool { return c.rank == rank })]
		w := natural[c.id]
		if c.id == colName && width > 0 {
			w = min(w, leastName)
		}
		if width > 0 && used+gap+w > width {
			break
		}
		chosen[c.id], used = w, used+gap+w
	}
	if w, ok := chosen[colName]; ok && width > 0 {
		chosen[colName] = min(natural[colName], w+width-used)
	}
	for _, c := range all {
		if w, ok := chosen[c.id]; ok {
			columns = append(columns, placed{c, w})
		}
	}
	return columns, gap
}

// naturalWidth is what the widest cell of a column needs.
func (b *topBoard) naturalWidth(c *topColumn, unbounded bool) int {
	w := lipgloss.Width(b.words.columns[c.id])
	for i := range b.Machines {
		w = max(w, lipgloss.Width(c.text(b, &b.Machines[i])))
	}
	if unbounded {
		return w
	}
	return min(w, max(c.max, lipgloss.Width(b.words.columns[c.id])))
}

// stateMark stands beside the word, so that a state can be found at a glance without its colour.
func stateMark(state string) string {
	switch state {
	case "running":
		return ">"
	case "idle":
		return "-"
	case "off":
		return "."
	case "fault":
		return "!"
	}
	return "?"
}

func (b *topBoard) stateWord(m *api.MachineState) string {
	if word, ok := b.words.states[m.State]; ok {
		return word
	}
	return m.State
}

func (b *topBoard) state(m *api.MachineState) string {
	return stateMark(m.State) + " " + b.stateWord(m)
}

func (b *topBoard) plainName(m *api.MachineState) string {
	name := m.Name
	if b.lang == langEN && m.NameEN != "" {
		name = m.NameEN
	}
	if name == "" {
		return m.Equipment
	}
	return name
}

// name tells machines of the same name apart.
func (b *topBoard) name(m *api.MachineState) string {
	name := b.plainName(m)
	if b.twice[name] && name != m.Equipment {
		return m.Equipment + " " + name
	}
	return name
}

// since is the time of day, with a mark when the state may have begun before today.
func (b *topBoard) since(m *api.MachineState) string {
	if m.Since == nil {
		return ""
	}
	if midnight := calendar.DateOf(b.Now).Span().StartMs; m.Since.UnixMilli() <= midnight {
		return "<00:00"
	}
	return clock(*m.Since)[:5]
}

// lasting is how long the state has lasted.
func (b *topBoard) lasting(m *api.MachineState) string {
	if m.Since == nil {
		return ""
	}
	return age(b.Now.Sub(*m.Since), b.lang)
}

func (b *topBoard) heard(m *api.MachineState) string {
	if m.LastHeard == nil {
		return b.words.neverHeard
	}
	return age(b.Now.Sub(*m.LastHeard), b.lang) + b.words.ago
}

// reading is the meter's last word: its power, or what else it said.
func reading(m *api.MachineState) string {
	if w, ok := m.LastValues[telemetry.PowerW]; ok {
		return watts(w) + " W"
	}
	return m.LastState
}

func watts(w float64) string {
	if math.Abs(w) < 100 {
		return fmt.Sprintf("%.1f", w)
	}
	return fmt.Sprintf("%.0f", w)
}

// hm shows seconds as h:mm, cut: a minute that is not over is not shown.
func hm(s float64) string {
	t := int64(s)
	return fmt.Sprintf("%d:%02d", t/3600, t/60%60)
}

func rateText(rate *float64) string {
	if rate == nil {
		return "—"
	}
	return fmt.Sprintf("%.1f%%", *rate*100)
}

// coverageText is cut, not rounded: 100% is said only when nothing is missing.
func coverageText(coverage float64) string {
	if coverage >= 1 {
		return "100%"
	}
	return fmt.Sprintf("%.1f%%", math.Floor(coverage*1000)/10)
}

// clock is the time of day in Asia/Shanghai.
func clock(t time.Time) string {
	s := (t.UnixMilli() - calendar.DateOf(t).Span().StartMs) / 1000
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// age is a duration in its largest unit, cut. Clocks that differ a little make it negative: then it is 0.
func age(d time.Duration, lang string) string {
	units := [4]string{"秒", "分", "时", "天"}
	if lang == langEN {
		units = [4]string{"s", "m", "h", "d"}
	}
	s := max(0, int64(d/time.Second))
	switch {
	case s < 60:
		return fmt.Sprintf("%d%s", s, units[0])
	case s < 3600:
		return fmt.Sprintf("%d%s", s/60, units[1])
	case s < 48*3600:
		return fmt.Sprintf("%d%s", s/3600, units[2])
	}
	return fmt.Sprintf("%d%s", s/86400, units[3])
}
