package config

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Problem is one mistake in the settings.
type Problem struct {
	Source string // the flag, variable or place in the file; for a missing value all that could give it
	Name   string // the setting, "" when there is none of that name
	Value  string // what was given, "***" for a secret
	Zh, En string // what would be right
}

// String returns one line.
func (p Problem) String() string {
	s := p.Source
	if p.Value != "" {
		s += fmt.Sprintf(" = %q", p.Value)
	}
	return s + ": " + p.Zh + " / " + p.En
}

// Problems are all mistakes of a Load; it is Load's error.
type Problems []Problem //nolint:errname // a list of mistakes that can also be returned as the error

// Error implements error, one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Problem makes the problem of a setting that Load took and that the program cannot use, such as one that does not fit
// another. It names who gave the value.
func (c *Config) Problem(name, zh, en string) Problem {
	s, got := c.setting(name), c.chosen[name]
	shown := got.text
	if s.Kind == Secret && shown != "" {
		shown = redacted
	}
	return Problem{Source: cmp.Or(got.source, s.anySource()), Name: name, Value: shown, Zh: zh, En: en}
}

// Load decides every setting. environ has the form of os.Environ; variables outside JISHI_ are not looked at, and an
// empty variable is one that is not given. The file is that of --config, else of JISHI_CONFIG, else defaultFile if it
// exists; "" is none. The error is Problems, every mistake of every source, also of values that another source overrides.
func (c *Config) Load(environ []string, defaultFile string) error {
	l := loader{c: c, env: variables(environ)}
	file := l.yamlFile(defaultFile)
	l.unknownVariables()
	for _, s := range c.table {
		l.decide(s, file)
	}
	if len(l.problems) > 0 {
		return l.problems
	}
	return nil
}

type loader struct {
	c        *Config
	env      map[string]string
	problems Problems
}

func (l *loader) bad(p Problem) { l.problems = append(l.problems, p) }

func variables(environ []string) map[string]string {
	env := map[string]string{}
	for _, entry := range environ {
		if name, text, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) && text != "" {
			env[name] = text
		}
	}
	return env
}

// serviceLink is what Kubernetes adds to the environment of a pod for a service whose name is jishi or begins with jishi-.
var serviceLink = regexp.MustCompile(`^JISHI_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

func (l *loader) unknownVariables() {
	known := []string{envName(configName)}
	for _, s := range l.c.table {
		known = append(known, s.Env())
		if s.Kind == Secret {
			known = append(known, envName(s.Name+fileSuffix))
		}
	}
	for _, name := range sortedKeys(l.env) {
		if slices.Contains(known, name) || serviceLink.MatchString(name) {
			continue
		}
		l.bad(unknown(name, name, known, wrong{"环境变量", "variable"}))
	}
}

// unknown does not show the value: it may be a secret under a mistyped name.
func unknown(source, name string, known []string, what wrong) Problem {
	bare := make([]string, len(known)) // the prefix that all variables share says nothing about what was meant
	for i, k := range known {
		bare[i] = strings.TrimPrefix(k, envPrefix)
	}
	if near := strictyaml.Nearest(strings.TrimPrefix(name, envPrefix), bare); near != "" {
		near = known[slices.Index(bare, near)]
		return Problem{Source: source, Zh: fmt.Sprintf("未知的%s，是否应为 %s？", what.zh, near), En: fmt.Sprintf("unknown %s, did you mean %s?", what.en, near)}
	}
	return Problem{Source: source, Zh: fmt.Sprintf("未知的%s，见 docs/config.md", what.zh), En: fmt.Sprintf("unknown %s, see docs/config.md", what.en)}
}

// cutLast is strings.Cut at the last separator; without one everything is after.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", s, false
}

// given is a value that one source gave.
type given struct {
	source string
	texts  []string
	isFile bool // the text is the name of a file that holds the value
}

// decide takes the value of the strongest source, after judging them all.
func (l *loader) decide(s Setting, file map[string]given) {
	used := s.usedBy(l.c.command)
	sources := [][]given{l.fromFlags(s), l.fromEnv(s), fromFile(s, file)}
	if s.Default != "" {
		sources = append(sources, []given{{source: "default", texts: []string{s.Default}}})
	}
	taken, anything := false, false
	for _, level := range sources {
		anything = anything || len(level) > 0
		if len(level) > 1 {
			l.bad(Problem{Source: level[0].source + ", " + level[1].source, Name: s.Name, Zh: "只能给其中一个", En: "want only one of them"})
			continue
		}
		for _, g := range level {
			v, ok := l.read(s, g, used)
			if ok && !taken && used {
				l.c.chosen[s.Name], taken = v, true
			}
		}
	}
	if s.Required && used && !anything {
		l.bad(Problem{Source: s.anySource(), Name: s.Name, Zh: "必填：" + s.HelpZh, En: "required: " + s.Help})
	}
}

// anySource names all that could give the setting.
func (s Setting) anySource() string {
	if s.Kind == Secret {
		return fmt.Sprintf("--%s, %s, %s, %s", s.Flag(), s.Env(), envName(s.Flag()), s.Name)
	}
	return fmt.Sprintf("--%s, %s, %s", s.Flag(), s.Env(), s.Name)
}

func (l *loader) fromFlags(s Setting) []given {
	f := l.c.flags[s.Flag()]
	if f == nil || len(f.given) == 0 {
		return nil
	}
	texts := f.given
	if s.Kind != List {
		texts = texts[len(texts)-1:] // as usual for flags, the last one counts
	}
	return []given{{source: "--" + s.Flag(), texts: texts, isFile: s.Kind == Secret}}
}

func (l *loader) fromEnv(s Setting) []given {
	var out []given
	if text, ok := l.env[s.Env()]; ok {
		out = append(out, given{source: s.Env(), texts: []string{text}})
	}
	if name := envName(s.Name + fileSuffix); s.Kind == Secret {
		if text, ok := l.env[name]; ok {
			out = append(out, given{source: name, texts: []string{text}, isFile: true})
		}
	}
	return out
}

func fromFile(s Setting, file map[string]given) []given {
	var out []given
	if g, ok := file[s.Name]; ok {
		out = append(out, g)
	}
	if g, ok := file[s.Name+fileSuffix]; ok && s.Kind == Secret {
		g.isFile = true
		out = append(out, g)
	}
	return out
}

// read judges one given value. Secrets of other commands stay unread.
func (l *loader) read(s Setting, g given, used bool) (chosen, bool) {
	out := chosen{source: g.source}
	var w *wrong
	switch {
	case g.isFile:
		out.file = g.texts[0]
		if !used {
			return out, true
		}
		out.value, w = readSecret(g.texts[0])
	case s.Kind == List:
		var items []string
		for _, text := range g.texts {
			items = append(items, strings.Split(text, ",")...)
		}
		out.value, w = parseList(items)
	default:
		out.value, w = s.parse(g.texts[0])
	}
	if w == nil {
		return out, true
	}
	shown := strings.Join(g.texts, ",")
	if s.Kind == Secret && !g.isFile {
		shown = redacted
	}
	if s.Kind == URL {
		shown = userInfo.ReplaceAllString(shown, "//"+redacted+"@")
	}
	l.bad(Problem{Source: g.source, Name: s.Name, Value: shown, Zh: w.zh, En: w.en})
	return chosen{}, false
}

// userInfo is where a URL that is refused may hold a password.
var userInfo = regexp.MustCompile(`//.*@`)

const maxSecretBytes = 64 << 10

// readSecret reads a secret from its file, without the line end that editors add.
func readSecret(path string) (value, *wrong) {
	f, err := os.Open(path)
	if err != nil {
		return value{}, &wrong{"无法读取文件", "cannot read the file: " + err.Error()}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretBytes+1))
	if err != nil {
		return value{}, &wrong{"无法读取文件", "cannot read the file: " + err.Error()}
	}
	if len(text) > maxSecretBytes {
		return value{}, &wrong{"文件过大，应只含密文", "file too large, want the secret and nothing else"}
	}
	v, w := parseSecret(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"))
	if w != nil {
		return value{}, &wrong{"文件为空或只有 ***", "file is empty or holds only ***"}
	}
	return v, nil
}
