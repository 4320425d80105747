package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Config is the settings of one command. Fill it in this order: New, BindFlags, parsing the flags, Load. After Load it
// does not change and may be read by many goroutines. The getters panic for a name or kind that is not in the table:
// that is a mistake in the program.
type Config struct {
	table   []Setting
	command string
	flags   map[string]*flagValue // by flag name
	file    string
	chosen  map[string]chosen // by setting name
}

// chosen is a value and who gave it.
type chosen struct {
	value
	source string // such as "--broker.addr", "JISHI_BROKER_ADDR", "jishi.yaml:3" or "default"
	file   string // the file of a secret
}

const printName = "print-config"

// New returns the empty configuration of a command. The error lists the mistakes of the table.
func New(table []Setting, command string) (*Config, error) {
	if err := checkTable(table); err != nil {
		return nil, fmt.Errorf("settings table: %w", err)
	}
	return &Config{table: slices.Clone(table), command: command, flags: map[string]*flagValue{}, chosen: map[string]chosen{}}, nil
}

// flagValue keeps what was given, so that Load can judge it together with everything else.
type flagValue struct {
	given []string
	def   string
	kind  Kind
}

// Set implements pflag.Value. It takes everything.
func (f *flagValue) Set(s string) error {
	f.given = append(f.given, s)
	return nil
}

// String implements pflag.Value; pflag shows it as the default.
func (f *flagValue) String() string {
	if len(f.given) > 0 {
		return strings.Join(f.given, ",")
	}
	return f.def
}

// Type implements pflag.Value.
func (f *flagValue) Type() string { return f.kind.String() }

// BindFlags defines the flags of the command's settings, --config for the file and --print-config. Parsing them never
// fails for a value; Load reports it.
func (c *Config) BindFlags(fs *pflag.FlagSet) {
	bind := func(name, help, def string, kind Kind) {
		f := &flagValue{def: def, kind: kind}
		c.flags[name] = f
		flag := fs.VarPF(f, name, "", help)
		if kind == Bool {
			flag.NoOptDefVal = "true"
		}
	}
	bind(configName, "YAML file with settings ("+envName(configName)+")", "", Path)
	bind(printName, "print the settings as YAML, secrets left out, and exit", "", Bool)
	for _, s := range c.table {
		if !s.usedBy(c.command) {
			continue
		}
		help, kind := s.Help, s.Kind
		if kind == Secret {
			help, kind = "file with: "+help, Path
		}
		bind(s.Flag(), help+" ("+envName(s.Flag())+")", s.Default, kind)
	}
}

// PrintRequested reports whether --print-config was given.
func (c *Config) PrintRequested() bool {
	f := c.flags[printName]
	return f != nil && len(f.given) > 0 && f.given[len(f.given)-1] == "true"
}

// File returns the path of the YAML file that Load read, "" when there was none.
func (c *Config) File() string { return c.file }

// IsSet reports whether the setting has a value, be it the default.
func (c *Config) IsSet(name string) bool {
	c.setting(name)
	_, ok := c.chosen[name]
	return ok
}

// Source says who gave the setting its value: a flag, a variable, a place in the file, "default", or "" when nobody did.
func (c *Config) Source(name string) string {
	c.setting(name)
	return c.chosen[name].source
}

// String returns a String, URL, Addr, Path or Enum, "" when it is not set.
func (c *Config) String(name string) string { return c.want(name, String, URL, Addr, Path, Enum).text }

// Int returns an Int, 0 when it is not set.
func (c *Config) Int(name string) int64 { return c.want(name, Int).n }

// Size returns a Size in bytes, 0 when it is not set.
func (c *Config) Size(name string) int64 { return c.want(name, Size).n }

// Duration returns a Duration, 0 when it is not set.
func (c *Config) Duration(name string) time.Duration { return time.Duration(c.want(name, Duration).n) }

// Bool returns a Bool, false when it is not set.
func (c *Config) Bool(name string) bool { return c.want(name, Bool).n == 1 }

// Secret returns a Secret, empty when it is not set.
func (c *Config) Secret(name string) SecretText { return SecretText{c.want(name, Secret).text} }

// List returns a List, nil when it is not set.
func (c *Config) List(name string) []string { return slices.Clone(c.want(name, List).list) }

func (c *Config) want(name string, kinds ...Kind) value {
	s := c.setting(name)
	if !slices.Contains(kinds, s.Kind) {
		panic(fmt.Sprintf("config: setting %q is a %s", name, s.Kind))
	}
	return c.chosen[name].value
}

func (c *Config) setting(name string) Setting {
	for _, s := range c.table {
		if s.Name == name {
			if !s.usedBy(c.command) {
				panic(fmt.Sprintf("config: setting %q is not one of command %q", name, c.command))
			}
			return s
		}
	}
	panic(fmt.Sprintf("config: no setting %q in the table", name))
}
