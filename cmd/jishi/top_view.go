package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/jishi-telemetry/jishi/api"
)

// topStyle is how things look. Colours say nothing that words do not say too; they are the terminal's own sixteen.
type topStyle struct {
	title, header, alarm, dim, selected lipgloss.Style
	states                              map[string]lipgloss.Style
}

func newTopStyle(r *lipgloss.Renderer) topStyle {
	colour := func(c string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(c)) }
	return topStyle{
		title: r.NewStyle().Bold(true), header: r.NewStyle().Underline(true), alarm: colour("9").Bold(true),
		dim: r.NewStyle().Faint(true), selected: r.NewStyle().Reverse(true),
		states: map[string]lipgloss.Style{
			"running": colour("10"), "idle": colour("11"), "off": colour("8"), "fault": colour("9").Bold(true), "unknown": colour("13"),
		},
	}
}

// The lines around the rows: above the title, the counts, the banner and the header, below two of the selected machine and
// the help. Where the terminal is low the less needed ones are left out.
const (
	linesAbove = 4
	linesBelow = 3
	// lowHeight is where the selected machine's lines are left out.
	lowHeight = 12
)

func (m *topModel) rowsOnScreen() int {
	if m.height < lowHeight {
		return m.height - linesAbove - 1
	}
	return m.height - linesAbove - linesBelow
}

// View implements tea.Model. It fills the screen exactly, and no line is wider than it.
func (m topModel) View() string {
	words := topWordsIn(m.lang)
	lines := []string{m.titleLine(words), m.countsLine(), m.banner(words)}
	lines = append(lines, m.table(words)...)
	for len(lines) < linesAbove+m.rowsOnScreen() {
		lines = append(lines, "")
	}
	if m.height >= lowHeight {
		lines = append(lines, m.detail(words)...)
	}
	lines = append(lines, m.lastLine(words))
	if extra := len(lines) - m.height; extra > 0 {
		// What is asked of the user stays to the last.
		lines = slices.Delete(lines, max(0, len(lines)-1-extra), len(lines)-1)
	}
	return strings.Join(lines, "\n")
}

func (m *topModel) fit(style lipgloss.Style, s string) string {
	return style.Render(truncate(s, m.width))
}

func (m *topModel) titleLine(words *topWords) string {
	if m.board == nil {
		return m.fit(m.style.title, words.product+"  "+printable(m.server))
	}
	return m.fit(m.style.title, m.board.title()+clock(m.board.Now))
}

// title names the base; the instant that the board is of comes after it.
func (b *topBoard) title() string {
	name := b.Name
	if b.lang == langEN && b.NameEN != "" {
		name = b.NameEN
	}
	return fmt.Sprintf("%s  %s %s  %s", b.words.product, name, b.Base, b.words.asOf)
}

func (m *topModel) countsLine() string {
	if m.board == nil {
		return ""
	}
	return truncate(m.board.counts()+m.view(), m.width)
}

// counts says how many machines are in which state.
func (b *topBoard) counts() string {
	n := map[string]int{}
	for i := range b.Machines {
		state := b.Machines[i].State
		if _, ok := b.words.states[state]; !ok {
			state = "unknown"
		}
		n[state]++
	}
	parts := []string{fmt.Sprintf("%d %s", len(b.Machines), b.words.machines)}
	for _, state := range []string{"running", "idle", "off", "fault", "unknown"} {
		parts = append(parts, fmt.Sprintf("%s %d", b.words.states[state], n[state]))
	}
	return strings.Join(parts, "  ")
}

// view says in which order and how many.
func (m *topModel) view() string {
	w := m.board.words
	s := "  |  " + w.sorted + w.sorts[m.sort]
	if m.reversed {
		s += w.reversed
	}
	if len(m.rows) > m.rowsOnScreen() || m.filter != "" {
		s += fmt.Sprintf("  %s%d-%d/%d", w.shown, min(m.offset+1, len(m.rows)), min(m.offset+m.rowsOnScreen(), len(m.rows)), len(m.rows))
	}
	return s
}

// banner says that the server does not answer, and how old the picture is; else which filter is on.
func (m *topModel) banner(words *topWords) string {
	switch {
	case m.err != nil:
		s := "! " + words.noAnswer
		if m.board != nil {
			s += ", " + fmt.Sprintf(words.picture, clock(m.board.Now)) + ", " + m.pictureAge(words)
		}
		return m.fit(m.style.alarm, s+", "+fmt.Sprintf(words.retry, m.every)+": "+printable(m.err.Error()))
	case m.board == nil:
		return truncate(words.connecting+printable(m.server)+" …", m.width)
	case m.stale():
		s := fmt.Sprintf(words.picture, clock(m.board.Now)) + ", " + m.pictureAge(words)
		return m.fit(m.style.alarm, "! "+s)
	case m.filter != "":
		return truncate(words.filtered+m.filter, m.width)
	}
	return ""
}

func (m *topModel) pictureAge(words *topWords) string {
	return fmt.Sprintf(words.old, age(m.now.Sub(m.fetched), m.lang))
}

// stale reports whether the picture is older than a server that answers leaves it.
func (m *topModel) stale() bool {
	return m.board != nil && m.now.Sub(m.fetched) > 2*m.every+3*time.Second
}

// table is the header and the rows on the screen.
func (m *topModel) table(words *topWords) []string {
	if m.board == nil {
		return nil
	}
	columns, gap := m.board.layOut(m.width)
	lines := []string{m.fit(m.style.header, headerRow(m.board, columns, gap))}
	for row := m.offset; row < min(m.offset+m.rowsOnScreen(), len(m.rows)); row++ {
		lines = append(lines, m.row(&m.board.Machines[m.rows[row]], columns, gap, row == m.cursor))
	}
	switch {
	case len(m.board.Machines) == 0:
		lines = append(lines, truncate(words.empty, m.width))
	case len(m.rows) == 0:
		lines = append(lines, truncate(words.nothing, m.width))
	}
	return lines
}

func (m *topModel) row(machine *api.MachineState, columns []placed, gap int, selected bool) string {
	cells := make([]string, 0, len(columns))
	for _, c := range columns {
		text := cell(c.text(m.board, machine), c.width, c.right)
		style := m.style.states[machine.State]
		switch {
		case selected:
			text = m.style.selected.Render(text)
		case m.stale() || m.err != nil:
			text = m.style.dim.Render(text)
		case c.id == colState:
			text = style.Render(text)
		}
		cells = append(cells, text)
	}
	between := strings.Repeat(" ", gap)
	if selected {
		between = m.style.selected.Render(between)
	}
	return strings.Join(cells, between)
}

// detail is what is known of the machine under the cursor, in two lines.
func (m *topModel) detail(words *topWords) []string {
	s := m.selected()
	if s == nil {
		return []string{"", ""}
	}
	first := []string{s.Equipment, m.board.plainName(s), m.board.state(s)}
	if s.Word != "" {
		first = append(first, s.Word)
	}
	if s.Since != nil {
		first = append(first, words.columns[colSince]+" "+m.board.since(s)+" ("+m.board.lasting(s)+")")
	}
	if len(s.Notes) > 0 {
		first = append(first, words.notes+": "+strings.Join(s.Notes, " "))
	}
	second := []string{words.device + " " + cmp.Or(s.Device, "—"), words.lastWord + " " + m.board.heard(s)}
	if s.LastState != "" {
		second = append(second, s.LastState)
	}
	for _, name := range slices.Sorted(maps.Keys(s.LastValues)) {
		second = append(second, name+"="+strconv.FormatFloat(s.LastValues[name], 'g', 6, 64))
	}
	return []string{
		m.fit(m.style.dim, strings.Join(first, "  ")), m.fit(m.style.dim, strings.Join(second, "  ")),
	}
}

// lastLine is the filter while it is typed, else the keys.
func (m *topModel) lastLine(words *topWords) string {
	if m.typing {
		return truncate(words.filterPrompt+m.filter+"_", m.width)
	}
	return m.fit(m.style.dim, words.help+words.helpSort)
}
