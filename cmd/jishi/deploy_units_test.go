package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/config"
)

// maxExposure is the most, in tenths, that `systemd-analyze security` may say of a unit, of 100.
const maxExposure = "20"

func unitPaths(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != 3 {
		t.Fatalf("units %v, want those of bridge, collector and server", paths)
	}
	return paths
}

// TestUnitsSaySettingsThatExist: a unit's variables are settings of the command that it starts, and the command exists.
func TestUnitsSaySettingsThatExist(t *testing.T) {
	t.Parallel()
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/jishi ([a-z]+) --config /etc/jishi/jishi\.yaml$`)
	variable := regexp.MustCompile(`(?m)^Environment=(JISHI_[A-Z_]+)=(.*)$`)
	credential := regexp.MustCompile(`(?m)^LoadCredential=([a-z-]+):/etc/jishi/([a-z-]+)$`)
	dropIn, err := os.ReadFile("../../deploy/systemd/influx.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range unitPaths(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		command := start.FindSubmatch(text)
		if command == nil {
			t.Fatalf("%s starts no jishi command with its settings", path)
		}
		unit := string(text)
		if string(command[1]) != "bridge" {
			unit += string(dropIn)
		}
		known := map[string]bool{}
		for _, s := range settingsTable() {
			name := strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(s.Flag()))
			known["JISHI_"+name] = s.Kind == config.Secret || len(s.Commands) == 0
		}
		loaded := map[string]bool{}
		for _, c := range credential.FindAllStringSubmatch(unit, -1) {
			loaded["%d/"+c[1]] = true
		}
		for _, v := range variable.FindAllStringSubmatch(unit, -1) {
			if _, ok := known[v[1]]; !ok {
				t.Errorf("%s sets %s, which is no setting", path, v[1])
			}
			if strings.HasPrefix(v[2], "%d/") && !loaded[v[2]] {
				t.Errorf("%s sets %s to a credential that is not loaded: %s", path, v[1], v[2])
			}
			delete(loaded, v[2])
		}
		for name := range loaded {
			t.Errorf("%s loads %s for nobody", path, name)
		}
		for _, want := range []string{
			"User=jishi", "StateDirectory=", "ProtectSystem=strict", "NoNewPrivileges=yes", "Restart=always", "RestartSec=", "CapabilityBoundingSet=\n",
		} {
			if !strings.Contains(unit, "\n"+want) {
				t.Errorf("%s does not say %s", path, want)
			}
		}
		if strings.Contains(unit, "WatchdogSec") {
			t.Errorf("%s has a watchdog, and nobody feeds it", path)
		}
	}
}

// TestUnitsVerify asks systemd's own tool about each unit, with a program that is there in place of ours.
func TestUnitsVerify(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed: the units are not verified")
	}
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, path := range unitPaths(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, filepath.Base(path))
		unit := strings.ReplaceAll(string(text), "/usr/bin/jishi", program)
		verify := func() string {
			if err := os.WriteFile(copied, []byte(unit), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", copied).CombinedOutput()
			if err != nil {
				return string(out) + err.Error()
			}
			return string(out)
		}
		if out := verify(); out != "" {
			t.Errorf("%s:\n%s", path, out)
		}
		out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--no-pager", "--threshold="+maxExposure, copied).CombinedOutput()
		if err != nil {
			t.Errorf("%s is exposed: %v\n%s", path, err, out)
		}
		unit = strings.Replace(unit, "ProtectHome=", "ProtectHouse=", 1)
		if out := verify(); !strings.Contains(out, "ProtectHouse") {
			t.Errorf("%s: a mistake is not seen: %q", path, out)
		}
	}
}
