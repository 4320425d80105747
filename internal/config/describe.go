package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Describe writes the table as Markdown, one row a setting, for the manual.
func Describe(w io.Writer, table []Setting) error {
	var b strings.Builder
	b.WriteString("| 设置 setting | 环境变量 variable | 类型 kind | 默认 default | 说明 meaning |\n|---|---|---|---|---|\n")
	for _, s := range table {
		name, env := "`"+s.Name+"`", "`"+s.Env()+"`"
		if s.Kind == Secret {
			name += "<br>`" + s.Flag() + "`"
			env += "<br>`" + envName(s.Flag()) + "`"
		}
		def := "–"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		} else if s.Required {
			def = "必填 required"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s<br>%s |\n", name, env, cell(s.describeKind()), cell(def), cell(s.HelpZh), cell(s.Help+s.describeCommands()))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("describe settings: %w", err)
	}
	return nil
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func (s Setting) describeKind() string {
	switch {
	case s.Kind == Enum:
		return "`" + strings.Join(s.Choices, "` `") + "`"
	case s.Min != "" && s.Max != "":
		return fmt.Sprintf("%s, %s … %s", s.Kind, s.Min, s.Max)
	case s.Min != "":
		return fmt.Sprintf("%s ≥ %s", s.Kind, s.Min)
	case s.Max != "":
		return fmt.Sprintf("%s ≤ %s", s.Kind, s.Max)
	}
	return s.Kind.String()
}

func (s Setting) describeCommands() string {
	if len(s.Commands) == 0 {
		return ""
	}
	return " (" + strings.Join(s.Commands, ", ") + ")"
}

// The lines of the manual between which Paste puts the table.
const (
	docBegin = "<!-- settings: begin, generated from the table of settings -->\n"
	docEnd   = "<!-- settings: end -->\n"
)

// Paste returns the manual with the description of the table between its two marker lines. A test compares the result
// with the manual, and regenerates it when told to.
func Paste(manual []byte, table []Setting) ([]byte, error) {
	before, rest, ok1 := strings.Cut(string(manual), docBegin)
	_, after, ok2 := strings.Cut(rest, docEnd)
	if !ok1 || !ok2 {
		return nil, errors.New("paste settings: the manual has no marker lines")
	}
	var b strings.Builder
	b.WriteString(before + docBegin + "\n")
	if err := Describe(&b, table); err != nil {
		return nil, err
	}
	b.WriteString("\n" + docEnd + after)
	return []byte(b.String()), nil
}
