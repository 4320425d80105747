package calibrate

import (
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/usage"
)

// text writes the totals, the rule and the notes below the chart, and returns the picture's height.
func (d *drawing) text() int {
	d.legend(596)
	y := d.rule(632)
	y += 12
	for _, n := range d.proposal.Notes {
		fill := map[Confidence]string{High: "#1b8a5f", Medium: "#b7791f", Low: "#c8453b"}[n.Limit]
		d.printf("<circle cx=\"42\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", y-4, fill)
		y = d.lines(n.Zh, y, "", 13)
		y = d.lines(n.En, y, "e", 12)
		y += 8
	}
	return y + 8
}

// lines writes text from y down, wrapped, and returns the next free line.
func (d *drawing) lines(text string, y int, class string, size float64) int {
	for _, line := range wrapped(text, size, pictureW-56-40) {
		d.printf("<text class=\"%s\" x=\"56\" y=\"%d\">%s</text>\n", class, y, escaped(line))
		y += int(size) + 7
	}
	return y
}

// legend writes the states with their colours and the time in each.
func (d *drawing) legend(y int) {
	x := chartLeft
	for _, state := range usage.States() {
		ms := d.totals.Of(state)
		if state == usage.Fault && ms == 0 {
			continue // power alone never says fault
		}
		d.printf("<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"18\" height=\"14\" stroke=\"#9aa5b1\" stroke-width=\".5\"/>", state, x, y-12)
		d.printf("<text x=\"%d\" y=\"%d\"><tspan class=\"b\">%s</tspan> <tspan class=\"a\">%s</tspan> %s · %s</text>\n",
			x+26, y, state.Zh(), state, length(ms), escaped(percent(float64(ms)/float64(d.window.Ms()))))
		x += 250
	}
}

// rule writes the proposed rule as it goes into the registry, and returns the next free line.
func (d *drawing) rule(y int) int {
	r := d.proposal.Rule
	d.printf("<rect x=\"28\" y=\"%d\" width=\"%d\" height=\"34\" rx=\"6\" fill=\"#f5f7fa\"/>\n", y-22, pictureW-56)
	x := 44
	for _, part := range [][3]string{
		{"关机阈值", "OffW", watts(r.OffW) + " W"},
		{"运行阈值", "RunW", watts(r.RunW) + " W"},
		{"回差", "hysteresis", fmt.Sprintf("%.0f %%", 100*r.Hysteresis)},
		{"进入保持", "DwellOn", length(r.DwellOn.Milliseconds())},
		{"退出保持", "DwellOff", length(r.DwellOff.Milliseconds())},
	} {
		d.printf("<text x=\"%d\" y=\"%d\">%s <tspan class=\"a\">%s</tspan> <tspan class=\"b\">%s</tspan></text>\n", x, y, part[0], part[1], part[2])
		x += 250
	}
	return y + 24
}

// glyphWidth estimates how wide a character is, in parts of the font's size: whoever views the picture chooses the font.
func glyphWidth(c rune) float64 {
	switch {
	case c >= 0x2e80:
		return 1
	case c == ' ' || c == '.' || c == ',' || c == 'i' || c == 'l':
		return 0.3
	}
	return 0.55
}

// wrapped breaks text into lines of at most the width: at spaces, or behind any Chinese character.
func wrapped(text string, size, width float64) []string {
	var lines []string
	runes := []rune(text)
	start, cut := 0, 0
	used := 0.0
	for i := 0; i < len(runes); i++ {
		used += glyphWidth(runes[i]) * size
		if used > width && cut > start {
			lines = append(lines, string(runes[start:cut]))
			for cut < len(runes) && runes[cut] == ' ' {
				cut++
			}
			start, i, used = cut, cut-1, 0
			continue
		}
		if runes[i] == ' ' || (runes[i] >= 0x2e80 && !opens(runes, i+1)) {
			cut = i + 1
		}
	}
	return append(lines, string(runes[start:]))
}

// opens reports whether the character may not begin a line.
func opens(runes []rune, i int) bool {
	if i >= len(runes) {
		return false
	}
	switch runes[i] {
	case '，', '。', '；', '：', '）', '、', '”', ',', '.', ')', '%':
		return true
	}
	return false
}

// fitted cuts text that is too long for one line.
func fitted(text string, size, width float64) string {
	used := 0.0
	for i, c := range text {
		if used += glyphWidth(c) * size; used > width {
			return text[:i] + "…"
		}
	}
	return text
}
