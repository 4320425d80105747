package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/jishi-telemetry/jishi/api"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// topSort is what the board is sorted by.
type topSort int

const (
	sortID topSort = iota
	sortName
	sortState
	sortRunning
	sortRate
	sortHeard
	sortPower
)

// maxFilter bounds what is typed or pasted into the filter.
const maxFilter = 64

// What the model is told, beside keys and sizes.
type (
	// boardMsg is an answer of the server.
	boardMsg struct {
		board *api.Board
		at    time.Time
	}
	// failMsg is why there was none.
	failMsg struct {
		err error
		at  time.Time
	}
	// askMsg says that it is time to ask again, clockMsg that a second has passed.
	askMsg   struct{}
	clockMsg time.Time
)

// topModel is the state of the live board: everything that its view is made of.
type topModel struct {
	server string
	lang   string
	every  time.Duration
	fetch  tea.Cmd
	style  topStyle

	width, height int
	now           time.Time
	board         *topBoard // nil before the first answer
	fetched       time.Time // when the board came
	err           error     // why the last question had no answer; nil when it had

	sort     topSort
	reversed bool
	filter   string
	typing   bool   // the filter is being typed
	before   string // the filter before it was typed
	rows     []int  // the machines that are shown, in order
	cursor   int    // among the rows
	offset   int    // the first row on the screen
}

func newTopModel(f *topFlags, r *lipgloss.Renderer) topModel {
	return topModel{server: f.server, lang: f.lang, every: f.every, width: 80, height: 24, style: newTopStyle(r)}
}

// fetchBoard asks the server once.
func fetchBoard(ctx context.Context, client *boardClient) tea.Msg {
	board, err := client.board(ctx)
	if err != nil {
		return failMsg{err, time.Now()}
	}
	return boardMsg{board, time.Now()}
}

func everySecond() tea.Cmd {
	return tea.Tick(time.Second, func(t time.Time) tea.Msg { return clockMsg(t) })
}

// Init implements tea.Model.
func (m topModel) Init() tea.Cmd { return tea.Batch(m.fetch, everySecond()) }

// Update implements tea.Model.
func (m topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	again := tea.Tick(m.every, func(time.Time) tea.Msg { return askMsg{} })
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case boardMsg:
		m.show(msg.board, m.lang)
		m.fetched, m.now, m.err, cmd = msg.at, msg.at, nil, again
	case failMsg:
		m.now, m.err, cmd = msg.at, msg.err, again
	case askMsg:
		cmd = m.fetch
	case clockMsg:
		m.now, cmd = time.Time(msg), everySecond()
	case tea.KeyMsg:
		cmd = m.key(msg)
	}
	m.keepInView()
	return m, cmd
}

// show takes a board and keeps the cursor on its machine.
func (m *topModel) show(b *api.Board, lang string) {
	selected := m.selected()
	m.lang, m.board = lang, newTopBoard(b, lang)
	m.order()
	if selected == nil {
		return
	}
	for row, i := range m.rows {
		if m.board.Machines[i].Equipment == selected.Equipment {
			m.cursor = row
		}
	}
}

// selected is the machine under the cursor, nil when there is none.
func (m *topModel) selected() *api.MachineState {
	if m.board == nil || m.cursor >= len(m.rows) {
		return nil
	}
	return &m.board.Machines[m.rows[m.cursor]]
}

func (m *topModel) key(k tea.KeyMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return tea.Quit
	}
	if m.typing {
		m.typeFilter(k)
		return nil
	}
	if len(k.Runes) > 1 {
		return m.burst(k)
	}
	switch name := k.String(); name {
	case "q":
		return tea.Quit
	case "/":
		m.typing, m.before = true, m.filter
	case "esc":
		m.filter = ""
		m.order()
	case "L":
		other := map[string]string{langZH: langEN, langEN: langZH}[m.lang]
		if m.lang = other; m.board != nil {
			m.show(m.board.Board, other)
		}
	default:
		if !m.move(name) {
			m.sortBy(name)
		}
	}
	return nil
}

// burst takes keys that were typed so fast that they came as one; what was pasted is no keys.
func (m *topModel) burst(k tea.KeyMsg) tea.Cmd {
	for _, r := range k.Runes {
		if k.Paste {
			break
		}
		if cmd := m.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}}); cmd != nil {
			return cmd
		}
		m.keepInView()
	}
	return nil
}

func (m *topModel) move(key string) bool {
	page := max(1, m.rowsOnScreen()-1)
	switch key {
	case "j", "down":
		m.cursor++
	case "k", "up":
		m.cursor--
	case "pgdown", " ", "ctrl+f":
		m.cursor += page
	case "pgup", "ctrl+b":
		m.cursor -= page
	case "home", "g":
		m.cursor = 0
	case "end", "G":
		m.cursor = len(m.rows)
	default:
		return false
	}
	return true
}

// sortBy sorts by a key's column, and the other way round when it is sorted by it already.
func (m *topModel) sortBy(key string) {
	by, ok := map[string]topSort{
		"i": sortID, "n": sortName, "s": sortState, "h": sortRunning, "r": sortRate, "l": sortHeard, "w": sortPower,
	}[key]
	if !ok {
		return
	}
	m.reversed = by == m.sort && !m.reversed
	m.sort, m.cursor = by, 0
	m.order()
}

// typeFilter takes a key while the filter is typed: what is typed filters at once.
func (m *topModel) typeFilter(k tea.KeyMsg) {
	switch k.Type {
	case tea.KeyEnter:
		m.typing = false
	case tea.KeyEsc:
		m.typing, m.filter = false, m.before
	case tea.KeyBackspace:
		_, n := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-n]
	case tea.KeyCtrlU:
		m.filter = ""
	case tea.KeySpace, tea.KeyRunes:
		if typed := printable(string(k.Runes)); utf8.RuneCountInString(m.filter+typed) <= maxFilter {
			m.filter += typed
		}
	}
	m.cursor = 0
	m.order()
}

// order decides which machines are shown, and in which order.
func (m *topModel) order() {
	m.rows = nil
	if m.board == nil {
		return
	}
	for i := range m.board.Machines {
		if m.board.matches(&m.board.Machines[i], m.filter) {
			m.rows = append(m.rows, i)
		}
	}
	slices.SortStableFunc(m.rows, func(i, j int) int {
		a, b := &m.board.Machines[i], &m.board.Machines[j]
		c := m.compare(a, b)
		if m.reversed {
			c = -c
		}
		return cmp.Or(c, strings.Compare(a.Equipment, b.Equipment))
	})
}

// compare puts first what one looks for: trouble, the most hours, the highest rate, the longest silence, the most power.
func (m *topModel) compare(a, b *api.MachineState) int {
	most := func(x, y float64) int { return cmp.Compare(y, x) }
	switch m.sort {
	case sortName:
		return strings.Compare(m.board.plainName(a), m.board.plainName(b))
	case sortState:
		return cmp.Compare(urgency(a.State), urgency(b.State))
	case sortRunning:
		return most(a.RunningS, b.RunningS)
	case sortRate:
		return most(orLeast(a.Rate), orLeast(b.Rate))
	case sortHeard:
		return lastHeard(a).Compare(lastHeard(b))
	case sortPower:
		return most(power(a), power(b))
	}
	return strings.Compare(a.Equipment, b.Equipment)
}

// urgency orders the states as a technician looks at them.
func urgency(state string) int {
	return slices.Index([]string{"fault", "unknown", "running", "idle", "off"}, state)
}

func orLeast(v *float64) float64 {
	if v == nil {
		return math.Inf(-1)
	}
	return *v
}

func lastHeard(m *api.MachineState) time.Time {
	if m.LastHeard == nil {
		return time.Time{}
	}
	return *m.LastHeard
}

func power(m *api.MachineState) float64 {
	if w, ok := m.LastValues[telemetry.PowerW]; ok {
		return w
	}
	return math.Inf(-1)
}

// matches reports whether every word of the filter stands in what is known of the machine, in either language.
func (b *topBoard) matches(m *api.MachineState, filter string) bool {
	text := strings.ToLower(strings.Join([]string{
		m.Equipment, m.Name, m.NameEN, m.Workshop, m.Device, m.State, m.StateZh, b.stateWord(m), m.Word,
	}, "\n"))
	for word := range strings.FieldsSeq(strings.ToLower(filter)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// keepInView keeps the cursor among the rows and on the screen.
func (m *topModel) keepInView() {
	m.cursor = max(0, min(m.cursor, len(m.rows)-1))
	n := max(1, m.rowsOnScreen())
	m.offset = max(m.cursor-n+1, min(m.offset, m.cursor))
	m.offset = max(0, min(m.offset, len(m.rows)-n))
}
