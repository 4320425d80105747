// Package config reads the settings of a process from flags, from JISHI_… environment variables and from one YAML file,
// and falls back to defaults: a flag wins over the environment, the environment over the file, the file over the default.
// One table of settings drives all four, --print-config and the manual. It is for cmd, which holds the table. It refuses
// what it does not know: an unknown key, an unknown JISHI_ variable or a value out of range is an error with what would
// be right, and all errors come at once.
//
// A setting has one name in the dotted form "spool.max-bytes": the flag is --spool.max-bytes, the variable
// JISHI_SPOOL_MAX_BYTES, and the key max-bytes under spool.
package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is what values a setting takes.
type Kind uint8

// The kinds of setting.
const (
	// String is any text.
	String Kind = iota
	// Int is a whole number.
	Int
	// Size is a number of bytes: 64MiB, 1GiB, 500kB, or plain bytes.
	Size
	// Duration is a time with its unit: 250ms, 90s, 1h30m, 30d.
	Duration
	// Bool is true or false; a flag without a value is true.
	Bool
	// URL has a scheme and a host, and no password in it.
	URL
	// Addr is host:port; the host may be empty.
	Addr
	// Path is a path of a file or directory.
	Path
	// Enum is one of Choices.
	Enum
	// Secret is never printed. It has no flag, because other users can read flags; each source also takes the name of a
	// file that holds it, under the setting's name with "-file" added.
	Secret
	// List is texts without commas: a YAML list, a flag given several times, or one value with commas.
	List
)

var kindNames = [...]string{"string", "int", "size", "duration", "bool", "url", "host:port", "path", "choice", "secret", "list"}

// String returns the kind as the manual names it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Setting is one row of the table.
type Setting struct {
	Name     string   // dotted, lower case: letters, digits and "-" between dots
	Kind     Kind     //
	Default  string   // as a user would write it; "" leaves the setting unset. A list has commas.
	Help     string   // one English sentence, shown by --help and in the manual
	HelpZh   string   // the same in Chinese, shown in the manual
	Choices  []string // of an Enum
	Min, Max string   // of an Int, Size or Duration, both included; "" is no limit
	Required bool     // there must be a value
	Commands []string // which commands use it; nil: all. Others know the name and leave it alone.
}

const envPrefix = "JISHI_"

// Flag returns the name of the setting's flag, without dashes.
func (s Setting) Flag() string {
	if s.Kind == Secret {
		return s.Name + fileSuffix
	}
	return s.Name
}

// Env returns the name of the setting's environment variable.
func (s Setting) Env() string { return envName(s.Name) }

func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// fileSuffix is added to the name of a secret for the name of a file that holds it.
const fileSuffix = "-file"

// configName is the setting that this package itself adds: the file to read.
const configName = "config"

func (s Setting) usedBy(command string) bool {
	return len(s.Commands) == 0 || slices.Contains(s.Commands, command)
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$`)

// checkTable reports the mistakes of a programmer.
func checkTable(table []Setting) error {
	var errs []error
	envs := map[string]string{envName(configName): configName}
	for _, s := range table {
		if !namePattern.MatchString(s.Name) || s.Name == configName || s.Name == printName {
			errs = append(errs, fmt.Errorf("setting %q: not a free name in dotted lower case", s.Name))
			continue
		}
		names := []string{s.Name}
		if s.Kind == Secret {
			names = append(names, s.Name+fileSuffix)
		}
		for _, name := range names {
			if other, ok := envs[envName(name)]; ok {
				errs = append(errs, fmt.Errorf("setting %q: its variable %s is that of %q", name, envName(name), other))
			}
			envs[envName(name)] = name
		}
		errs = append(errs, s.check()...)
	}
	for _, s := range table {
		for _, t := range table {
			if strings.HasPrefix(t.Name, s.Name+".") {
				errs = append(errs, fmt.Errorf("setting %q: is also the group of %q", s.Name, t.Name))
			}
		}
	}
	return errors.Join(errs...)
}

func (s Setting) check() []error {
	var errs []error
	bad := func(what string) { errs = append(errs, fmt.Errorf("setting %q: %s", s.Name, what)) }
	if (s.Kind == Enum) != (len(s.Choices) > 0) {
		bad("choices belong to an enum, and an enum has choices")
	}
	if s.Help == "" || s.HelpZh == "" {
		bad("no help in both languages")
	}
	if s.Kind == Secret && s.Default != "" {
		bad("a secret has no default")
	}
	if (s.Min != "" || s.Max != "") && s.Kind != Int && s.Kind != Size && s.Kind != Duration {
		bad("only numbers have limits")
	}
	for _, limit := range []string{s.Min, s.Max} {
		if limit == "" {
			continue
		}
		if _, p := (Setting{Kind: s.Kind}).parse(limit); p != nil {
			bad("limit " + limit + ": " + p.en)
		}
	}
	if s.Default != "" && len(errs) == 0 {
		if _, p := s.parse(s.Default); p != nil {
			bad("default " + s.Default + ": " + p.en)
		}
	}
	return errs
}
