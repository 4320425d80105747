package workbook

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// row is one row of a page that is being read.
type row struct {
	im    *importing
	page  *page
	line  line
	heads map[string]*head // by key, of this page
}

// head is a column of a page that the sheet knows.
type head struct {
	index int    // from 0
	title string // as the product calls it
	mask  func(string) string
}

// cell is one cell of a row, possibly of a column that the page does not have.
type cell struct {
	r    *row
	key  string
	head *head // nil when the page has no such column
	text string
}

// cell returns the row's cell in a column. What Excel shows for a formula that failed is reported, and counts as empty.
func (r *row) cell(key string) cell {
	c := cell{r: r, key: key, head: r.heads[key]}
	if c.head == nil || c.head.index >= len(r.line.cells) {
		return c
	}
	c.text = clean(r.line.cells[c.head.index])
	if isErrorValue(c.text) {
		c.bad("公式出错（"+c.text+"），请改为数值或修正公式", "the formula failed ("+c.text+"), want a value or a formula that works")
		c.text = ""
	} else if len(c.text) > maxCellBytes {
		c.bad(fmt.Sprintf("内容过长，至多 %d 字节", maxCellBytes), fmt.Sprintf("too long, want at most %d bytes", maxCellBytes))
		c.text = ""
	}
	return c
}

// maxCellBytes bounds a cell; the longest that is right is a list of stations.
const maxCellBytes = 4000

func (r *row) spot(key string) spot { return spot{r.page.index, r.line.number, key} }

// isBad reports whether the cell has a mistake already.
func (c cell) isBad() bool { return c.r.im.told[c.r.spot(c.key)] }

// bad reports a mistake in the cell.
func (c cell) bad(zh, en string) {
	m := Mistake{File: c.r.page.file, Sheet: c.r.page.sheet.info().Zh, Row: c.r.line.number, Zh: zh, En: en}
	column := -1
	if c.head != nil {
		column, m.Column, m.Header, m.Value = c.head.index, letter(c.head.index), c.head.title, c.text
		if c.text == "" && c.head.index < len(c.r.line.cells) {
			m.Value = clean(c.r.line.cells[c.head.index]) // of a formula that failed
		}
		if c.head.mask != nil {
			m.Value = c.head.mask(m.Value)
		}
	} else {
		m.Header = c.r.page.sheet.title(c.key)
	}
	c.r.im.add(c.r.spot(c.key), column, m)
}

// refer reports a reference to something that is not there.
func (c cell) refer(zh, en string, known []string) {
	zh, en = suggest(c.text, known, zh, en)
	c.bad(zh, en)
}

func letter(index int) string {
	name, err := excelize.ColumnNumberToName(index + 1)
	if err != nil {
		return ""
	}
	return name
}

// present reports whether the page has the column.
func (c cell) present() bool { return c.head != nil }

// filled reports whether there is anything in the cell.
func (c cell) filled() bool { return c.text != "" }

// code reads an id, a code or a number that is no quantity. A long number that Excel has shortened is refused: its digits
// are lost.
func (c cell) code() string {
	s := strings.TrimSpace(narrow(c.text))
	switch {
	case floated.MatchString(s):
		c.bad(floatedZh, floatedEn)
		return ""
	case strings.HasSuffix(s, ".0"):
		return strings.TrimSuffix(s, ".0")
	}
	return s
}

const (
	floatedZh = "被 Excel 当成数字，后几位已丢失，请把整列设为“文本”格式后重新填写"
	floatedEn = "Excel took it for a number and lost its last digits: format the column as text and enter it again"
)

// name reads a text for people.
func (c cell) name() string { return strings.TrimSpace(c.text) }

// from reads the beginning of a validity, to the end: a day alone is the last one inside. Empty is no bound.
func (c cell) from() int64 { return c.instant(registry.BeginMs, 0) }
func (c cell) to() int64   { return c.instant(registry.ForeverMs, dayMs) }

func (c cell) instant(empty, more int64) int64 {
	if !c.filled() {
		return empty
	}
	ms, hasTime, ok := parseInstant(c.text, c.r.page.late)
	if !ok {
		c.bad("应为存在的日期，如 2026-03-02、2026/3/2 或 2026年3月2日（2000 至 2999 年）", "want a date that exists, like 2026-03-02, 2026/3/2 or 2026年3月2日 (years 2000 to 2999)")
		return empty
	}
	if hasTime {
		more = 0
	}
	return ms + more
}

// day reads a day without a time, as its first instant; 0 when there is none.
func (c cell) day() int64 {
	ms := c.instant(0, 0)
	if ms != 0 && !isMidnight(ms) {
		c.bad("应只有日期，没有时刻", "want a day without a time")
		return 0
	}
	return ms
}

// clock reads a time of day in minutes; -1 when there is none.
func (c cell) clock() int {
	if !c.filled() {
		return -1
	}
	minute, ok := parseClock(c.text)
	if !ok {
		c.bad("应为时刻，如 08:30（00:00 至 24:00）", "want a time of day like 08:30 (00:00 to 24:00)")
		return -1
	}
	return minute
}

// times reads the open times of a day; an empty cell is closed.
func (c cell) times() registry.Times {
	if !c.filled() {
		return nil
	}
	times, ok := parseTimes(c.text)
	if !ok {
		c.bad("应为按先后、不重叠的时段，如 08:30-11:30,13:30-17:00，或“关闭”", "want times in order and without overlap, like 08:30-11:30,13:30-17:00, or 关闭 (closed)")
	}
	return times
}

// number reads a quantity from low to high, 0 for an empty cell.
func (c cell) number(low, high float64) float64 {
	if !c.filled() {
		return 0
	}
	v, ok := parseNumber(c.text)
	switch {
	case !ok:
		c.bad("应为数字", "want a number")
	case v < 0 && low >= 0:
		c.bad(fmt.Sprintf("不应为负，应为 %s 至 %s", showNumber(low), showNumber(high)), fmt.Sprintf("is negative, want %s to %s", showNumber(low), showNumber(high)))
	case v < low || v > high:
		c.bad(fmt.Sprintf("应为 %s 至 %s", showNumber(low), showNumber(high)), fmt.Sprintf("want %s to %s", showNumber(low), showNumber(high)))
	default:
		return v
	}
	return 0
}

// whole is number for integers.
func (c cell) whole(low, high int) int {
	v := c.number(float64(low), float64(high))
	if v != math.Trunc(v) {
		c.bad("应为整数", "want a whole number")
		return 0
	}
	return int(v)
}

// list reads several ids.
func (c cell) list() []string { return splitList(c.text) }

// yes reads 是 or 否; an empty cell is 否.
func (c cell) yes() bool {
	switch word(c.text) {
	case "是", "y", "yes", "true", "1", "√":
		return true
	case "", "否", "n", "no", "false", "0", "×":
	default:
		c.bad("应为“是”或“否”", "want 是 (yes) or 否 (no)")
	}
	return false
}

// choice is a closed list of words. The first word of each is what is written.
type choice [][]string

// read returns the value that a cell's word stands for: the last of its line. "" when there is none.
func (list choice) read(c cell) string {
	if !c.filled() {
		return ""
	}
	w := word(c.text)
	for _, words := range list {
		if slices.ContainsFunc(words, func(known string) bool { return word(known) == w }) {
			return words[len(words)-1]
		}
	}
	zh, en := suggest(c.text, list.all(), "可用："+joinZh(list.words()), "want one of "+joinEn(list.words()))
	c.bad(zh, en)
	return ""
}

// show returns the word that is written for a value.
func (list choice) show(value string) string {
	for _, words := range list {
		if words[len(words)-1] == value {
			return words[0]
		}
	}
	return value
}

// words are what the template offers.
func (list choice) words() []string {
	out := make([]string, len(list))
	for i, words := range list {
		out[i] = words[0]
	}
	return out
}

func (list choice) all() []string {
	var out []string
	for _, words := range list {
		out = append(out, words...)
	}
	return out
}
