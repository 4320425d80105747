package workbook

import (
	"fmt"
	"strings"
)

// The parsers of cells, for their tables and fuzz targets.
var (
	ParseInstant = parseInstant
	ParseClock   = parseClock
	ParseTimes   = parseTimes
	ParseRanges  = parseRanges
	ParseNumber  = parseNumber
	DecodeText   = decodeText
	Clean        = clean
	Harmless     = harmless
	ShowFrom     = showFrom
	ShowTo       = showTo
	ShowTimes    = showTimes
	ShowClock    = showClock
)

// The limits.
const (
	MaxRows     = maxRows
	MaxColumns  = maxColumns
	MaxMistakes = maxMistakes
)

// Document describes every sheet and column, as docs/import.md has it.
func Document() string {
	var b strings.Builder
	for _, s := range sheets() {
		i := s.info()
		fmt.Fprintf(&b, "### %s (%s)\n\n%s. %s.\n\n| 列 | header | 必填 | also understood | 说明 |\n|---|---|---|---|---|\n", i.Zh, i.En, i.noteZh, i.noteEn)
		for _, c := range s.columns() {
			must := ""
			switch {
			case c.must && c.inKey:
				must = "是, key"
			case c.must:
				must = "是"
			case c.inKey:
				must = "key"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.zh, c.en, must, joinEn(c.also), noteOf(c))
		}
		b.WriteString("\n")
	}
	return b.String()
}
