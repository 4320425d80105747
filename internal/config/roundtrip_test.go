package config_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/config"
)

// values is everything that the getters of the bridge's settings give, secrets as their file tells.
func values(c *config.Config) map[string]any {
	out := map[string]any{}
	for _, s := range table {
		if len(s.Commands) > 0 && s.Commands[0] != "bridge" {
			continue
		}
		if !c.IsSet(s.Name) {
			continue
		}
		switch s.Kind {
		case config.Int:
			out[s.Name] = c.Int(s.Name)
		case config.Size:
			out[s.Name] = c.Size(s.Name)
		case config.Duration:
			out[s.Name] = c.Duration(s.Name)
		case config.Bool:
			out[s.Name] = c.Bool(s.Name)
		case config.Secret:
			out[s.Name] = c.Secret(s.Name).Reveal()
		case config.List:
			out[s.Name] = c.List(s.Name)
		default:
			out[s.Name] = c.String(s.Name)
		}
	}
	return out
}

// What --print-config prints is read back to the same settings, whoever gave them.
func TestPrintedConfigReadsBackEqual(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), `a "strange": #name`)
	write(t, secret, "s3cret")
	odd := rapid.StringMatching(`[a-z一-龥:#"'\\{}\[\]&*!|>%@ ~.\t\n-]{1,10}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
	draws := map[string]*rapid.Generator[string]{
		"base": odd, "spool.dir": odd, "broker.topics": odd,
		"broker.addr":     rapid.StringMatching(`[a-z0-9.]{0,8}:[1-9][0-9]{0,3}`),
		"spool.max-bytes": rapid.StringMatching(`[1-9][0-9]{2}(MiB|MB|GiB|GB)`),
		"spool.keep":      rapid.StringMatching(`[1-9][0-9]?(h|d|h1ms|h30m)`),
		"window":          rapid.StringMatching(`[1-9][0-9]{0,2}`),
		"log.level":       rapid.SampledFrom([]string{"debug", "info", "warn", "error"}),
		"demo":            rapid.SampledFrom([]string{"true", "false"}),
		"broker.password": rapid.Just(secret),
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := scene{command: "bridge", args: []string{"--base=b"}}
		for _, row := range table {
			draw, ok := draws[row.Name]
			if !ok {
				continue
			}
			name, env := row.Flag(), "JISHI_"+strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(row.Flag()))
			switch rapid.IntRange(0, 2).Draw(rt, row.Name+" source") {
			case 0:
				s.args = append(s.args, fmt.Sprintf("--%s=%s", name, draw.Draw(rt, row.Name)))
			case 1:
				s.env = append(s.env, env+"="+draw.Draw(rt, row.Name))
			}
		}
		c, err := s.load(t)
		if err != nil {
			rt.Fatal(err)
		}
		var printed strings.Builder
		if err := c.Print(&printed); err != nil {
			rt.Fatal(err)
		}
		again, err := scene{command: "bridge", file: printed.String()}.load(t)
		if err != nil {
			rt.Fatalf("%v\n%s", err, printed.String())
		}
		if diff := cmp.Diff(values(c), values(again)); diff != "" {
			rt.Fatalf("%s\n%s", diff, printed.String())
		}
	})
}

func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"base: b\nbroker: {addr: ':1', topics: [a, b]}\nspool: {max-bytes: 64MiB, keep: 1h}\nwindow: 1\ndemo: true\n",
		"base: [b]\nbroker: 3\n", "broker: {password: x, password-file: y}\n", "- a\n", "base:\n", "a: &x 1\n", "spool: {keep: 1e9d}\n", "base: \"\\x85\"\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := scene{command: "bridge", file: text}.load(t)
		if err != nil {
			return
		}
		if c.Secret("broker.password").Reveal() != "" {
			return // it is not printed, so it cannot be read back
		}
		var printed strings.Builder
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
		if !utf8.ValidString(printed.String()) {
			t.Fatalf("not UTF-8: %q", printed.String())
		}
		again, err := scene{command: "bridge", file: printed.String()}.load(t)
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, printed.String())
		}
		if diff := cmp.Diff(values(c), values(again)); diff != "" {
			t.Fatalf("%s\n%s", diff, printed.String())
		}
	})
}
