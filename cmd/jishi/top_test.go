package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/api"
)

// at is 10:15:30 on a day in Asia/Shanghai.
func at(offset time.Duration) *time.Time {
	t := time.Date(2026, 3, 2, 2, 15, 30, 0, time.UTC).Add(offset)
	return &t
}

// workshop is a board with every state, long and short names, withheld rates and silent meters.
func workshop() *api.Board {
	rate := func(v float64) *float64 { return &v }
	return &api.Board{
		Base: "cq01", Name: "重庆机电公共实训基地", NameEN: "Chongqing base", Now: *at(0),
		Machines: []api.MachineState{
			{
				Equipment: "cnc-1", Name: "数控车床", NameEN: "CNC lathe", Workshop: "w1", State: "running", StateZh: "运行", Word: "ACTIVE",
				Since: at(-75 * time.Minute), RunningS: 5025, IdleS: 60, Rate: rate(0.8123), Coverage: 1, Device: "mazak-01",
				LastHeard: at(-3 * time.Second), LastState: "ACTIVE",
			},
			{
				Equipment: "cnc-2", Name: "数控车床", NameEN: "CNC lathe", Workshop: "w1", State: "fault", StateZh: "故障", Word: "ALARM",
				Since: at(-2 * time.Minute), RunningS: 3600, Rate: rate(0), Coverage: 0.9999, Device: "mazak-02", LastHeard: at(time.Second),
			},
			{
				Equipment: "weld-1", Name: "焊接机器人工作站（带变位机与除尘系统）", NameEN: "Welding robot cell", Workshop: "w2", State: "idle", StateZh: "待机",
				Since: at(-26 * time.Hour), IdleS: 36930, Rate: rate(0.05), Coverage: 0.9, Device: "shellypro1pm-a0b1c2d3e4f5",
				LastHeard: at(-40 * time.Second), LastValues: map[string]float64{"power_w": 38.24, "voltage_v": 231},
			},
			{
				Equipment: "lathe-1", Name: "普通车床", NameEN: "Lathe", Workshop: "w2", State: "unknown", StateZh: "未知", Since: at(-3 * time.Hour),
				UnknownS: 10800, Coverage: 0.2, Device: "tasmota_1", LastHeard: at(-72 * time.Hour), LastValues: map[string]float64{"power_w": 1204},
				Notes: []string{"coverage_below_floor"},
			},
			{Equipment: "mill-9", Name: "铣床", NameEN: "Mill", Workshop: "w2", State: "off", StateZh: "关机", Since: at(-10 * time.Hour), Rate: rate(0), Coverage: 1, Device: "t9"},
			{Equipment: "bare", Name: "未绑定", State: "unknown", StateZh: "未知"},
		},
	}
}

// watching is a model that was told this.
func watching(lang string, messages ...tea.Msg) topModel {
	m := newTopModel(&topFlags{server: "http://127.0.0.1:8080", lang: lang, every: 2 * time.Second}, lipgloss.NewRenderer(io.Discard))
	m.fetch = func() tea.Msg { return nil }
	return told(m, messages...)
}

func told(m topModel, messages ...tea.Msg) topModel {
	for _, msg := range messages {
		next, _ := m.Update(msg)
		m, _ = next.(topModel)
	}
	return m
}

// keys are what is typed, one message a key.
func keys(names ...string) (all []tea.Msg) {
	special := map[string]tea.KeyType{
		"enter": tea.KeyEnter, "esc": tea.KeyEsc, "backspace": tea.KeyBackspace, "down": tea.KeyDown, "up": tea.KeyUp,
		"pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "end": tea.KeyEnd, "home": tea.KeyHome, "ctrl+u": tea.KeyCtrlU,
	}
	for _, name := range names {
		if t, ok := special[name]; ok {
			all = append(all, tea.KeyMsg{Type: t})
			continue
		}
		all = append(all, tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)})
	}
	return all
}

func size(width, height int) tea.Msg { return tea.WindowSizeMsg{Width: width, Height: height} }

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run the test with -update to write it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// What a person sees, at the size that every terminal has, in a narrow one and in a wide one.
func TestTopView(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]topModel{
		"80x24-zh":  watching(langZH, boardMsg{workshop(), *at(0)}),
		"80x24-en":  watching(langEN, boardMsg{workshop(), *at(0)}),
		"40x12-zh":  watching(langZH, size(40, 12), boardMsg{workshop(), *at(0)}),
		"160x14-zh": watching(langZH, size(160, 14), boardMsg{workshop(), *at(0)}),
		"first-zh":  watching(langZH, size(60, 8)),
		"failed-zh": watching(langZH, size(80, 8), failMsg{errors.New("connection refused"), *at(0)}),
		"old-zh":    watching(langZH, size(100, 12), boardMsg{workshop(), *at(0)}, failMsg{errors.New("connection refused"), *at(9 * time.Second)}),
		"empty-en":  watching(langEN, size(100, 8), boardMsg{&api.Board{Base: "b", Now: *at(0)}, *at(0)}),
		"nothing-zh": watching(langZH, append([]tea.Msg{size(80, 12), boardMsg{workshop(), *at(0)}},
			keys("/", "刨", "床")...)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			for line := range strings.SplitSeq(m.View(), "\n") {
				b.WriteString(strings.TrimRight(line, " ") + "\n")
			}
			golden(t, "top-"+name+".txt", b.String())
		})
	}
}

// Whatever the size of the terminal, no line is wider and the picture is not higher; every column is straight.
func TestTopFits(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{langZH, langEN} {
		for width := 1; width < 220; width++ {
			for _, height := range []int{1, 2, 3, 5, 8, 12, 24, 60} {
				m := watching(lang, size(width, height), boardMsg{workshop(), *at(0)}, failMsg{errors.New("no"), *at(time.Minute)})
				lines := strings.Split(m.View(), "\n")
				if len(lines) > height {
					t.Fatalf("%s %dx%d: %d lines", lang, width, height, len(lines))
				}
				for _, line := range lines {
					if w := lipgloss.Width(line); w > width {
						t.Fatalf("%s %dx%d: line of %d columns: %q", lang, width, height, w, line)
					}
				}
			}
			checkStraight(t, lang, width)
		}
	}
}

func checkStraight(t *testing.T, lang string, width int) {
	t.Helper()
	b := newTopBoard(workshop(), lang)
	columns, gap := b.layOut(width)
	want := lipgloss.Width(headerRow(b, columns, gap))
	if len(columns) > 0 && want > width {
		t.Fatalf("%s at %d: header has %d columns", lang, width, want)
	}
	shown := map[topColumnID]bool{}
	for _, c := range columns {
		shown[c.id] = true
		for i := range b.Machines {
			if w := lipgloss.Width(cell(c.text(b, &b.Machines[i]), c.width, c.right)); w != c.width {
				t.Fatalf("%s at %d: cell of %d columns in a column of %d", lang, width, w, c.width)
			}
		}
	}
	if shown[colRate] && !shown[colCoverage] {
		t.Fatalf("%s at %d: a rate without its coverage", lang, width)
	}
	if width >= 80 && !(shown[colReading] && shown[colHeard] && shown[colIdle] && shown[colUnknown] && shown[colRate]) {
		t.Fatalf("%s at %d: not all that was promised for 80 columns: %v", lang, width, shown)
	}
}

func TestTopHelpFits(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{langZH, langEN} {
		w := topWordsIn(lang)
		if got := lipgloss.Width(w.help + w.helpSort); got > 80 {
			t.Errorf("%s: the keys take %d columns of 80", lang, got)
		}
	}
}

// Every text of one language is there in the other, so that no column is without a title.
func TestTopWords(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{langZH, langEN} {
		w := topWordsIn(lang)
		for _, c := range topColumns() {
			if w.columns[c.id] == "" {
				t.Errorf("%s: column %d has no title", lang, c.id)
			}
		}
		for s := sortID; s <= sortPower; s++ {
			if w.sorts[s] == "" {
				t.Errorf("%s: sort %d has no name", lang, s)
			}
		}
	}
}

// shownIDs are the machines on the screen, in order.
func shownIDs(m *topModel) (ids []string) {
	for _, i := range m.rows {
		ids = append(ids, m.board.Machines[i].Equipment)
	}
	return ids
}

func TestTopSorts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		want string
	}{
		{nil, "bare cnc-1 cnc-2 lathe-1 mill-9 weld-1"},
		{[]string{"i"}, "weld-1 mill-9 lathe-1 cnc-2 cnc-1 bare"},
		{[]string{"s"}, "cnc-2 bare lathe-1 cnc-1 weld-1 mill-9"},
		{[]string{"h"}, "cnc-1 cnc-2 bare lathe-1 mill-9 weld-1"},
		{[]string{"r"}, "cnc-1 weld-1 cnc-2 mill-9 bare lathe-1"},
		{[]string{"l"}, "bare mill-9 lathe-1 weld-1 cnc-1 cnc-2"},
		{[]string{"w"}, "lathe-1 weld-1 bare cnc-1 cnc-2 mill-9"},
		{[]string{"w", "w"}, "bare cnc-1 cnc-2 mill-9 weld-1 lathe-1"},
		{[]string{"n", "i"}, "bare cnc-1 cnc-2 lathe-1 mill-9 weld-1"},
	} {
		m := watching(langZH, append([]tea.Msg{boardMsg{workshop(), *at(0)}}, keys(c.keys...)...)...)
		if got := strings.Join(shownIDs(&m), " "); got != c.want {
			t.Errorf("keys %v: %s\nwant %s", c.keys, got, c.want)
		}
	}
}

// The filter filters while it is typed, in both languages; Enter keeps it, Esc takes back what was typed.
func TestTopFilters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys []string
		want string
	}{
		{[]string{"/", "车", "床"}, "cnc-1 cnc-2 lathe-1"},
		{[]string{"/", "车", "床", "enter", "/", "故", "障"}, ""},
		{[]string{"/", "车", "床", " ", "故", "障"}, "cnc-2"},
		{[]string{"/", "F", "a", "u", "l", "t"}, "cnc-2"},
		{[]string{"/", "w", "2", "enter", "s"}, "lathe-1 weld-1 mill-9"},
		{[]string{"/", "w", "2", "enter", "esc"}, "bare cnc-1 cnc-2 lathe-1 mill-9 weld-1"},
		{[]string{"/", "w", "2", "enter", "/", "x", "esc"}, "lathe-1 mill-9 weld-1"},
		{[]string{"/", "x", "backspace", "backspace"}, "bare cnc-1 cnc-2 lathe-1 mill-9 weld-1"},
		{[]string{"/", "q", "ctrl+u", "t", "9"}, "mill-9"},
	} {
		m := watching(langZH, append([]tea.Msg{boardMsg{workshop(), *at(0)}}, keys(c.keys...)...)...)
		if got := strings.Join(shownIDs(&m), " "); got != c.want {
			t.Errorf("keys %v: %q, want %q", c.keys, got, c.want)
		}
	}
	m := watching(langZH, keys("/", strings.Repeat("x", 2000), "\x1b[31m")...)
	if m.filter != `\x1b[31m` {
		t.Errorf("filter is %q: too long a paste is refused, and escapes are shown", m.filter)
	}
}

// The cursor stays on its machine while the board is renewed, and on the screen while it moves.
func TestTopScrolls(t *testing.T) {
	t.Parallel()
	b := &api.Board{Base: "b", Now: *at(0)}
	for i := range 100 {
		b.Machines = append(b.Machines, api.MachineState{Equipment: fmt.Sprintf("m-%03d", i), State: "off"})
	}
	m := watching(langEN, boardMsg{b, *at(0)})
	for _, c := range []struct {
		keys   []string
		cursor int
	}{
		{[]string{"k"}, 0},
		{[]string{"j", "down"}, 2},
		{[]string{"pgdown"}, 18},
		{[]string{"end"}, 99},
		{[]string{"j"}, 99},
		{[]string{"pgup"}, 83},
		{[]string{"g"}, 0},
		{[]string{"G"}, 99},
		{[]string{"home", "pgdown", "pgdown"}, 32},
		{[]string{"kk"}, 30},
	} {
		m = told(m, keys(c.keys...)...)
		if m.cursor != c.cursor {
			t.Fatalf("keys %v: cursor at %d, want %d", c.keys, m.cursor, c.cursor)
		}
		if want := m.selected().Equipment; !strings.Contains(m.View(), want) {
			t.Fatalf("keys %v: %s is not on the screen", c.keys, want)
		}
	}
	only := func(machines []api.MachineState) tea.Msg {
		return boardMsg{&api.Board{Base: "b", Now: *at(0), Machines: machines}, *at(0)}
	}
	if m = told(m, only(b.Machines[10:])); m.selected().Equipment != "m-030" {
		t.Errorf("after a new board the cursor is on %s, want m-030", m.selected().Equipment)
	}
	if m = told(m, only(b.Machines[:1])); m.cursor != 0 || m.offset != 0 {
		t.Errorf("one machine is left: cursor %d, offset %d", m.cursor, m.offset)
	}
}

// After an answer and after none the server is asked again; q and ctrl+c end it.
func TestTopCommands(t *testing.T) {
	t.Parallel()
	for name, msg := range map[string]tea.Msg{"board": boardMsg{workshop(), *at(0)}, "failure": failMsg{errors.New("x"), *at(0)}, "clock": clockMsg(*at(0))} {
		if _, cmd := watching(langZH).Update(msg); cmd == nil {
			t.Errorf("after a %s nothing goes on", name)
		}
	}
	for _, k := range []tea.Msg{keys("q")[0], tea.KeyMsg{Type: tea.KeyCtrlC}} {
		_, cmd := watching(langZH).Update(k)
		if cmd == nil {
			t.Fatalf("%v does not end it", k)
		}
		if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Errorf("%v does not end it", k)
		}
	}
	m := watching(langZH, boardMsg{workshop(), *at(0)}, clockMsg(*at(time.Minute)))
	if !strings.Contains(m.View(), "画面截至 10:15:30") {
		t.Errorf("a picture of a minute ago is not called old:\n%s", m.View())
	}
}

// A view is made again at every key, also on a board of a large base.
func BenchmarkTopView(b *testing.B) {
	board := &api.Board{Base: "b", Now: *at(0)}
	for i := range 500 {
		m := workshop().Machines[i%5]
		m.Equipment = fmt.Sprintf("m-%03d", i)
		board.Machines = append(board.Machines, m)
	}
	m := watching(langZH, size(120, 50), boardMsg{board, *at(0)})
	for b.Loop() {
		_ = m.View()
	}
}
