package main

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/internal/config"
)

var updateManual = flag.Bool("update-manual", false, "write the table of settings into docs/config.md anew")

// The table is part of the program: every command must be able to make its settings of it.
func TestSettingsTableIsSound(t *testing.T) {
	t.Parallel()
	for _, cmd := range newRoot().Commands() {
		if _, err := config.New(settingsTable(), cmd.Name()); err != nil {
			t.Errorf("%s: %v", cmd.Name(), err)
		}
	}
}

// The manual's table is made from the program's.
func TestManualHasTheSettings(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "config.md")
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Paste(have, settingsTable())
	if err != nil {
		t.Fatal(err)
	}
	if *updateManual {
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(have)); diff != "" {
		t.Errorf("docs/config.md differs from the settings (go test ./cmd/jishi -run Manual -update-manual):\n%s", diff)
	}
}

// Bridge and replayer must not import each other, and must mean the same topic.
func TestReplayerAndBridgeAgreeOnTheClock(t *testing.T) {
	t.Parallel()
	if bridge.ClockTopic != sim.ClockTopic {
		t.Errorf("the bridge listens to %s, the replayer publishes to %s", bridge.ClockTopic, sim.ClockTopic)
	}
}
