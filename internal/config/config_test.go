package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/jishi-telemetry/jishi/internal/config"
)

var update = flag.Bool("update", false, "write the expected texts anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, got)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// A flag wins over the environment, the environment over the file, the file over the default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	const file = "window: 4\n"
	tests := map[string]struct {
		scene
		want   int64
		source string // its end
	}{
		"default":                   {scene{}, 16, "default"},
		"file":                      {scene{file: file}, 4, "jishi.yaml:1:9 window"},
		"variable over file":        {scene{file: file, env: []string{"JISHI_WINDOW=3"}}, 3, "JISHI_WINDOW"},
		"an empty variable is none": {scene{file: file, env: []string{"JISHI_WINDOW="}}, 4, "jishi.yaml:1:9 window"},
		"flag over all":             {scene{file: file, env: []string{"JISHI_WINDOW=3"}, args: []string{"--window=2"}}, 2, "--window"},
		"the last flag counts":      {scene{args: []string{"--window=2", "--window=1"}}, 1, "--window"},
		"foreign variables":         {scene{env: []string{"WINDOW=3", "PATH=/bin", "JISHI_SERVICE_HOST=10.0.0.1", "JISHI_PORT_80_TCP_ADDR=10.0.0.1", "JISHI_API_PORT=tcp://10.0.0.1:80"}}, 16, "default"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.command = "serve"
			c, err := tt.load(t)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Int("window"); got != tt.want || !strings.HasSuffix(c.Source("window"), tt.source) {
				t.Errorf("window %d from %s, want %d from %s", got, c.Source("window"), tt.want, tt.source)
			}
		})
	}
}

func TestValuesOfEveryKind(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "token")
	write(t, secret, "s3cret\n")
	c, err := scene{
		command: "collect",
		file:    "broker: {topics: [a/#, b/+/c], addr: ':1883'}\nspool:\n  max-bytes: 500MB\n  keep: 36h\ninflux: {url: 'https://influx.example.cn:8086', token-file: " + secret + "}\nlog: {level: warn}\n",
		env:     []string{"JISHI_BROKER_PASSWORD=pass,word"}, args: []string{"--demo", "--spool.dir", "/var/lib/jishi"},
	}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		c.List("broker.topics"), c.String("broker.addr"), c.Size("spool.max-bytes"), c.Duration("spool.keep"), c.String("influx.url"),
		c.Secret("influx.token").Reveal(), c.Secret("broker.password").Reveal(), c.String("log.level"), c.Bool("demo"), c.String("spool.dir"),
	}
	want := []any{
		[]string{"a/#", "b/+/c"},
		":1883", int64(500e6), 36 * time.Hour, "https://influx.example.cn:8086",
		"s3cret", "pass,word", "warn", true, "/var/lib/jishi",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !c.IsSet("influx.url") || filepath.Base(c.File()) != "jishi.yaml" || c.PrintRequested() {
		t.Error("IsSet, File or PrintRequested is wrong")
	}
}

// Every mistake of every source is reported at once. The texts are read by people: look at the diff before taking an
// update.
func TestProblems(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	write(t, empty, "\n")
	tests := map[string]scene{
		"all at once": {
			command: "collect",
			args:    []string{"--window=0", "--spool.max-bytes=1MiB", "--broker.topics=a,,b", "--influx.token-file=" + filepath.Join(dir, "none")},
			env:     []string{"JISHI_BROKER_ADR=x", "JISHI_BROKER_ADDR=localhost", "JISHI_SPOOL_KEEP=30", "JISHI_BROKER_PASSWORD_FILE=" + empty, "JISHI_BROKER_PASSWORD=***", "JISHI_NOTHING=hush"},
			file:    "spol: {dir: x}\nbroker:\n  adddr: x\n  addr: {host: x}\n  topics: []\n  password:\nspool: 3\ninflux:\n  url: https://user:hush@influx\n  token: ''\nlog:\n  level: warning\ndemo: yes\nwindow: ten\n",
		},
		"required": {command: "bridge"},
		"yaml":     {command: "serve", file: "a: [\n"},
		"twice":    {command: "serve", file: "window: 1\nwindow: 2\ndemo: *x\n"},
		"a list":   {command: "serve", file: "- window\n"},
		"no file":  {command: "serve", args: []string{"--config", filepath.Join(dir, "none.yaml")}},
	}
	anyDir := regexp.MustCompile(regexp.QuoteMeta(os.TempDir()) + `/[^ ":]*/`)
	for name, s := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.load(t)
			var problems config.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v, want Problems", err)
			}
			for _, p := range problems {
				if p.Source == "" || p.Zh == "" || p.En == "" {
					t.Errorf("problem without source or text: %+v", p)
				}
			}
			got := anyDir.ReplaceAllString(err.Error(), "DIR/") + "\n"
			golden(t, strings.ReplaceAll(name, " ", "-")+".txt", got)
		})
	}
}

// Settings of another command are known, checked, and need not be there.
func TestSettingsOfOtherCommands(t *testing.T) {
	t.Parallel()
	c, err := scene{command: "serve", file: "base: cq-yb-01\ninflux: {token-file: /none}\n"}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a setting of another command can be read")
		}
	}()
	c.String("base")
}

func TestDefaultFileNeedNotExist(t *testing.T) {
	t.Parallel()
	c, err := config.New(table, "serve")
	if err != nil {
		t.Fatal(err)
	}
	c.BindFlags(pflag.NewFlagSet("jishi", pflag.ContinueOnError))
	if err := c.Load(nil, filepath.Join(t.TempDir(), "jishi.yaml")); err != nil || c.File() != "" {
		t.Errorf("Load: %v, file %q", err, c.File())
	}
}

func TestProblemNamesTheSource(t *testing.T) {
	t.Parallel()
	c, err := scene{command: "collect", args: []string{"--window=2"}, env: []string{"JISHI_INFLUX_TOKEN=hush"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Problem("window", "甲", "a").String(), c.Problem("influx.token", "乙", "b").String(), c.Problem("influx.url", "丙", "c").String()}
	want := []string{`--window = "2": 甲 / a`, `JISHI_INFLUX_TOKEN = "***": 乙 / b`, `--influx.url, JISHI_INFLUX_URL, influx.url: 丙 / c`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A secret reaches no printing, log, problem or JSON.
func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "hush-hush"
	c, err := scene{command: "collect", env: []string{"JISHI_INFLUX_TOKEN=" + secret}, file: "broker: {password: " + secret + "}\n"}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Secret("influx.token")
	if s.Reveal() != secret {
		t.Fatal("Reveal does not reveal")
	}
	var shown strings.Builder
	if err := c.Print(&shown); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&shown, "%v %+v %#v %s %q", s, s, s, s, s)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "secret", s)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "secret", s)
	text, err := json.Marshal(map[string]any{"secret": s})
	if err != nil {
		t.Fatal(err)
	}
	if shown.Write(text); strings.Contains(shown.String(), secret) {
		t.Errorf("the secret is shown:\n%s", shown.String())
	}
	if _, err := (scene{command: "serve", env: []string{"JISHI_BROKER_PASWORD=" + secret}, file: "broker: {pasword: " + secret + "}\n"}).load(t); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a mistyped name shows the secret: %v", err)
	}
}

func TestPrintAndDescribe(t *testing.T) {
	t.Parallel()
	c, err := scene{command: "collect", args: []string{"--window=2", "--print-config"}, env: []string{"JISHI_INFLUX_TOKEN=hush"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	if !c.PrintRequested() {
		t.Error("--print-config is not seen")
	}
	var printed, described strings.Builder
	if err := c.Print(&printed); err != nil {
		t.Fatal(err)
	}
	golden(t, "print.yaml", printed.String())
	if err := config.Describe(&described, table); err != nil {
		t.Fatal(err)
	}
	golden(t, "describe.md", described.String())

	const manual = "# x\n<!-- settings: begin, generated from the table of settings -->\nold\n<!-- settings: end -->\nend\n"
	once, err := config.Paste([]byte(manual), table)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := config.Paste(once, table)
	if err != nil || string(twice) != string(once) || strings.Contains(string(once), "old") || !strings.Contains(string(once), described.String()) {
		t.Errorf("Paste: %v\n%s", err, once)
	}
	if _, err := config.Paste([]byte("# x\n"), table); err == nil {
		t.Error("a manual without markers is taken")
	}
}

func TestTheManualHasMarkers(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Paste(text, table); err != nil {
		t.Error(err)
	}
}

func TestNewRefusesABadTable(t *testing.T) {
	t.Parallel()
	good := config.Setting{Name: "a.b", Help: "x", HelpZh: "x"}
	with := func(change func(*config.Setting)) config.Setting {
		s := good
		change(&s)
		return s
	}
	tests := map[string][]config.Setting{
		"upper case":        {with(func(s *config.Setting) { s.Name = "A" })},
		"reserved":          {with(func(s *config.Setting) { s.Name = "config" })},
		"twice":             {good, good},
		"same variable":     {good, with(func(s *config.Setting) { s.Name = "a-b" })},
		"secret's file":     {with(func(s *config.Setting) { s.Name = "x"; s.Kind = config.Secret }), with(func(s *config.Setting) { s.Name = "x.file" })},
		"group and setting": {good, with(func(s *config.Setting) { s.Name = "a" })},
		"no help":           {with(func(s *config.Setting) { s.Help = "" })},
		"enum without":      {with(func(s *config.Setting) { s.Kind = config.Enum })},
		"bad default":       {with(func(s *config.Setting) { s.Kind = config.Int; s.Default = "x" })},
		"default too low":   {with(func(s *config.Setting) { s.Kind = config.Int; s.Default = "1"; s.Min = "2" })},
		"bad limit":         {with(func(s *config.Setting) { s.Kind = config.Size; s.Max = "1XB" })},
		"limit of a text":   {with(func(s *config.Setting) { s.Max = "1" })},
		"default secret":    {with(func(s *config.Setting) { s.Kind = config.Secret; s.Default = "x" })},
	}
	for name, bad := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := config.New(bad, "x"); err == nil {
				t.Error("the table is taken")
			}
		})
	}
}
