package main

import (
	"encoding/json"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/lipgloss"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"数控车床1号　ok é": "数控车床1号　ok é",
		"a\x1b[31m":   `a\x1b[31m`,
		"\a\r\n\t":    `\x07\x0d\x0a\x09`,
		"\u009b2J":    `\u009b2J`,
		"\u202eabc":   `\u202eabc`,
		"a\xffb":      `a\xffb`,
		"\ufffd":      `\ufffd`,
		"\U000e0041":  `\U000e0041`,
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := printableLines("a\x1b\nb"), "a\\x1b\nb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Whatever the text, what is shown is printable, fits its cell exactly, and JSON keeps its value.
func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"数控车床", "\x1b[2J", "\u202e\u009b", "\xff", "🧑‍🏭e\u0301"} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, s string, columns int) {
		columns = min(max(columns, 0), 100)
		shown := printable(s)
		for _, r := range shown {
			if !unicode.IsGraphic(r) {
				t.Fatalf("%q is shown as %q", s, shown)
			}
		}
		if got := lipgloss.Width(cell(shown, columns, true)); got != columns {
			t.Fatalf("cell of %q has %d columns, want %d", s, got, columns)
		}
		if !utf8.ValidString(s) {
			return
		}
		plain, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(printableJSON(plain), &back); err != nil || back != s {
			t.Fatalf("JSON of %q is %q, which is %q (%v)", s, printableJSON(plain), back, err)
		}
	})
}
