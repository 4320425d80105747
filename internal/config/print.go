package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Print writes the command's settings as YAML that Load takes as its file. Each line says who gave the value. A secret
// appears as the name of its file, and otherwise only as a comment.
func (c *Config) Print(w io.Writer) error {
	root := &branch{}
	for _, s := range c.table {
		if s.usedBy(c.command) {
			root.add(strings.Split(s.Name, "."), c.line(s))
		}
	}
	var b strings.Builder
	root.write(&b, 0)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print settings: %w", err)
	}
	return nil
}

// line writes a setting after its group; the "%s" stands for the last part of its name.
func (c *Config) line(s Setting) string {
	_, key, _ := cutLast(s.Name, ".")
	got, ok := c.chosen[s.Name]
	switch {
	case !ok:
		return fmt.Sprintf("# %s: not set", key)
	case s.Kind == Secret && got.file != "":
		return fmt.Sprintf("%s%s: %s  # %s", key, fileSuffix, strictyaml.Quote(got.file), comment(got.source))
	case s.Kind == Secret:
		return fmt.Sprintf("# %s: %s set by %s and not shown", key, redacted, comment(got.source))
	case s.Kind == List:
		items := make([]string, len(got.list))
		for i, item := range got.list {
			items[i] = strictyaml.Quote(item)
		}
		return fmt.Sprintf("%s: [%s]  # %s", key, strings.Join(items, ", "), comment(got.source))
	case s.Kind == Int || s.Kind == Bool:
		return fmt.Sprintf("%s: %s  # %s", key, got.text, comment(got.source))
	}
	return fmt.Sprintf("%s: %s  # %s", key, strictyaml.Quote(got.text), comment(got.source))
}

// comment keeps a path with strange characters from ending the comment.
func comment(source string) string {
	quoted := fmt.Sprintf("%q", source)
	if quoted == `"`+source+`"` {
		return source
	}
	return quoted
}

// branch is one level of the printed mapping, in the order of the table.
type branch struct {
	keys   []string // "" for a line
	lines  []string
	groups map[string]*branch
}

func (b *branch) add(path []string, line string) {
	if len(path) == 1 {
		b.keys, b.lines = append(b.keys, ""), append(b.lines, line)
		return
	}
	if b.groups[path[0]] == nil {
		if b.groups == nil {
			b.groups = map[string]*branch{}
		}
		b.groups[path[0]] = &branch{}
		b.keys, b.lines = append(b.keys, path[0]), append(b.lines, "")
	}
	b.groups[path[0]].add(path[1:], line)
}

// isEmpty reports whether the branch would be a key without a value, which Load refuses.
func (b *branch) isEmpty() bool {
	for i, key := range b.keys {
		if key == "" && !strings.HasPrefix(b.lines[i], "#") {
			return false
		}
		if key != "" && !b.groups[key].isEmpty() {
			return false
		}
	}
	return true
}

func (b *branch) write(w *strings.Builder, indent int) {
	for i, key := range b.keys {
		if key == "" {
			fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", indent), b.lines[i])
			continue
		}
		mark := ""
		if b.groups[key].isEmpty() {
			mark = "# "
		}
		fmt.Fprintf(w, "%s%s%s:\n", strings.Repeat(" ", indent), mark, key)
		b.groups[key].write(w, indent+2)
	}
}
