package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

const maxFileBytes = 1 << 20

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// yamlFile reads the file that flag, variable or default name, and returns its values by setting name.
func (l *loader) yamlFile(defaultFile string) map[string]given {
	path, source := defaultFile, ""
	if name := l.env[envName(configName)]; name != "" {
		path, source = name, envName(configName)
	}
	if f := l.c.flags[configName]; f != nil && len(f.given) > 0 {
		path, source = f.given[len(f.given)-1], "--"+configName
	}
	if path == "" {
		return nil
	}
	text, err := readBounded(path)
	if source == "" && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.bad(Problem{Source: cmp.Or(source, path), Value: path, Zh: "无法读取配置文件", En: "cannot read the settings file: " + err.Error()})
		return nil
	}
	l.c.file = path
	root, problems := strictyaml.Parse(text)
	for _, p := range problems {
		l.bad(Problem{Source: fmt.Sprintf("%s:%d:%d", path, p.Line, p.Column), Zh: p.Zh, En: p.En})
	}
	if len(problems) > 0 || root.Kind == strictyaml.Null {
		return nil
	}
	w := walker{l: l, path: path, values: map[string]given{}, known: map[string]Setting{}, groups: map[string]bool{}}
	w.index()
	w.walk("", root)
	return w.values
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("%d bytes, at most %d", info.Size(), maxFileBytes)
	}
	return os.ReadFile(path)
}

// walker turns the tree of the file into values by setting name.
type walker struct {
	l      *loader
	path   string
	values map[string]given
	known  map[string]Setting // also the -file names of secrets
	groups map[string]bool    // the dotted prefixes of the names
}

func (w *walker) index() {
	for _, s := range w.l.c.table {
		w.known[s.Name] = s
		if s.Kind == Secret {
			w.known[s.Name+fileSuffix] = Setting{Name: s.Name + fileSuffix, Kind: Path}
		}
		for name := s.Name; ; {
			group, _, ok := cutLast(name, ".")
			if !ok {
				break
			}
			w.groups[group], name = true, group
		}
	}
}

func (w *walker) bad(name string, n strictyaml.Node, p Problem) {
	p.Source = fmt.Sprintf("%s:%d:%d %s", w.path, n.Line, n.Column, name)
	w.l.bad(p)
}

func (w *walker) walk(group string, n strictyaml.Node) {
	if n.Kind != strictyaml.Map {
		w.bad(cmp.Or(group, "."), n, Problem{Value: n.Text, Zh: "应为若干“键: 值”", En: "want a mapping of keys to values"})
		return
	}
	for _, f := range n.Fields {
		name := f.Key
		if group != "" {
			name = group + "." + f.Key
		}
		switch s, ok := w.known[name]; {
		case ok:
			w.take(s, f.Value)
		case w.groups[name]:
			w.walk(name, f.Value)
		default:
			source := fmt.Sprintf("%s:%d:%d %s", w.path, f.Line, f.Column, name)
			w.l.bad(unknown(source, name, append(sortedKeys(w.known), sortedKeys(w.groups)...), wrong{"键", "key"}))
		}
	}
}

func (w *walker) take(s Setting, n strictyaml.Node) {
	g := given{source: fmt.Sprintf("%s:%d:%d %s", w.path, n.Line, n.Column, s.Name)}
	switch {
	case n.Kind == strictyaml.Scalar:
		g.texts = []string{n.Text}
	case n.Kind == strictyaml.List && s.Kind == List:
		for _, item := range n.Items {
			if item.Kind != strictyaml.Scalar {
				w.bad(s.Name, item, Problem{Name: s.Name, Zh: "每一项应为文字", En: "want a list of texts"})
				return
			}
			g.texts = append(g.texts, item.Text)
		}
		if len(g.texts) == 0 {
			w.bad(s.Name, n, Problem{Name: s.Name, Zh: "列表为空，请删去此键", En: "the list is empty, leave the key out"})
			return
		}
	case n.Kind == strictyaml.Null:
		w.bad(s.Name, n, Problem{Name: s.Name, Zh: "没有值，请填写或删去此键", En: "no value, give one or leave the key out"})
		return
	default:
		w.bad(s.Name, n, Problem{Name: s.Name, Zh: "应为一个值", En: "want one value of kind " + s.Kind.String()})
		return
	}
	w.values[s.Name] = g
}
