package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
)

// printable shows a text from outside so that it cannot steer a terminal or pretend to be another one: what is not a
// letter, mark, number, sign or space (control and format characters, wrong UTF-8) is written as an escape.
func printable(s string) string {
	plain := func(r rune) bool { return unicode.IsGraphic(r) && r != utf8.RuneError }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case plain(r):
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// printableJSON writes what encoding/json leaves as it is and a terminal obeys (DEL, C1, bidirectional controls) as JSON
// escapes; the value stays the same.
func printableJSON(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			out = append(out, b[:n]...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		b = b[n:]
	}
	return out
}

// truncate cuts a printable text to so many columns of a terminal and says so with an ellipsis.
func truncate(s string, columns int) string {
	if lipgloss.Width(s) <= columns {
		return s
	}
	if columns < 2 {
		return strings.Repeat("…", max(0, columns))
	}
	return lipgloss.NewStyle().MaxWidth(columns-1).Render(s) + "…"
}

// cell brings a printable text to exactly so many columns of a terminal.
func cell(s string, columns int, right bool) string {
	s = truncate(s, columns)
	space := strings.Repeat(" ", max(0, columns-lipgloss.Width(s)))
	if right {
		return space + s
	}
	return s + space
}
