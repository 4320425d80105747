package obs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/obs"
)

const hidden = "correct horse"

type settings struct {
	User     string                `json:"user" yaml:"user"`
	Password obs.Secret            `json:"password" yaml:"password"`
	Unset    obs.Secret            `json:"unset" yaml:"unset"`
	Pointer  *obs.Secret           `json:"pointer" yaml:"pointer"`
	ByName   map[string]obs.Secret `json:"by_name" yaml:"by_name"`
	List     []obs.Secret          `json:"list" yaml:"list"`
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	secret := obs.Secret(hidden)
	all := settings{
		User: "operator", Password: secret, Pointer: &secret,
		ByName: map[string]obs.Secret{"a": secret}, List: []obs.Secret{secret},
	}
	ways := map[string]func() string{
		"json": func() string { return marshal(t, json.Marshal, all) },
		"yaml": func() string { return marshal(t, yaml.Marshal, all) },
		"slog text": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewTextHandler(w, nil) }, all, secret)
		},
		"slog json": func() string {
			return logged(func(w *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(w, nil) }, all, secret)
		},
		"text":  func() string { return marshal(t, func(v any) ([]byte, error) { return secret.MarshalText() }, all) },
		"error": func() string { return fmt.Errorf("login with %s: %w", secret, os.ErrPermission).Error() },
		"print": func() string { return fmt.Sprint(secret, &secret, all) },
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s", "%T %[1]v"} {
		ways[verb] = func() string { return fmt.Sprintf(verb, secret) + fmt.Sprintf(verb, all) }
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := way()
			for _, leak := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden), "correct"} {
				if strings.Contains(got, leak) {
					t.Errorf("leaked: %s", got)
				}
			}
			if !strings.Contains(got, "***") {
				t.Errorf("no *** in: %s", got)
			}
		})
	}
}

func marshal(t *testing.T, by func(any) ([]byte, error), v any) string {
	t.Helper()
	out, err := by(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func logged(handler func(*bytes.Buffer) slog.Handler, all settings, secret obs.Secret) string {
	var w bytes.Buffer
	slog.New(handler(&w)).Info("settings", "all", all, "password", secret, slog.Group("g", "password", secret))
	return w.String()
}

func TestSecretIsReadLikeAString(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*settings) error{
		"json": func(s *settings) error { return json.Unmarshal([]byte(`{"password":"correct horse"}`), s) },
		"yaml": func(s *settings) error { return yaml.Unmarshal([]byte("password: correct horse\n"), s) },
	} {
		var s settings
		if err := read(&s); err != nil || s.Password.Reveal() != hidden {
			t.Errorf("%s: got %q, %v", name, s.Password.Reveal(), err)
		}
	}
}

func TestEmptySecretShowsThatItIsUnset(t *testing.T) {
	t.Parallel()
	if got := fmt.Sprintf("[%v]", obs.Secret("")); got != "[]" {
		t.Errorf("got %s, want []", got)
	}
}

func TestNewLogger(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		level, format string
		want          string // of a debug and a warning, "" for an error
	}{
		{"", "", "level=WARN msg=trouble"},
		{"debug", "text", "level=DEBUG msg=detail\nlevel=WARN msg=trouble"},
		{"warn", "json", `{"level":"WARN","msg":"trouble"}`},
		{"error", "json", ""},
	} {
		t.Run(tt.level+"/"+tt.format, func(t *testing.T) {
			t.Parallel()
			var w bytes.Buffer
			logger, err := obs.NewLogger(&w, tt.level, tt.format)
			if err != nil {
				t.Fatal(err)
			}
			logger.Debug("detail")
			logger.Warn("trouble")
			if got := strings.TrimSpace(withoutTime(w.String())); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// withoutTime removes the first attribute of each line.
func withoutTime(log string) string {
	var lines []string
	for line := range strings.Lines(log) {
		if rest, ok := strings.CutPrefix(line, `{"time":`); ok {
			_, rest, _ = strings.Cut(rest, ",")
			lines = append(lines, "{"+rest)
			continue
		}
		_, rest, _ := strings.Cut(line, " ")
		lines = append(lines, rest)
	}
	return strings.Join(lines, "")
}

func TestNewLoggerNamesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, tt := range [][2]string{{"loud", "text"}, {"INFO", "text"}, {"info", "xml"}} {
		_, err := obs.NewLogger(&bytes.Buffer{}, tt[0], tt[1])
		if err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("level %q, format %q: got error %v, want one that says what is allowed", tt[0], tt[1], err)
		}
	}
}

func TestNewRegistry(t *testing.T) {
	t.Parallel()
	r := obs.NewRegistry(obs.Build{Version: "v1.2.3", Revision: "abc", GoVersion: "go1.26.0"})
	want := `
# HELP jishi_build_info Always 1; the labels say which program this is.
# TYPE jishi_build_info gauge
jishi_build_info{go_version="go1.26.0",revision="abc",version="v1.2.3"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "jishi_build_info"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if n, err := testutil.GatherAndCount(r, name); err != nil || n != 1 {
			t.Errorf("%s: got %d metrics, %v", name, n, err)
		}
	}
}

func TestReadBuild(t *testing.T) {
	t.Parallel()
	if b := obs.ReadBuild(); b.Version == "" || !strings.HasPrefix(b.GoVersion, "go") {
		t.Errorf("got %+v", b)
	}
}

func ExampleSecret() {
	password := obs.Secret("correct horse")
	fmt.Println(password)
	fmt.Printf("%q\n", password.Reveal())
	// Output:
	// ***
	// "correct horse"
}
