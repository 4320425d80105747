package bridge_test

import (
	"strings"
	"testing"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// TestOptionsNameWhatIsWrong: every option out of its range is named, and what would be right.
func TestOptionsNameWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		set  func(o *bridge.Options)
		want string
	}{
		{"base", func(o *bridge.Options) { o.Base = "a/b" }, "Base"},
		{"no base", func(o *bridge.Options) { o.Base = "" }, "Base"},
		{"id", func(o *bridge.Options) { o.ID = "+" }, "ID"},
		{"the native dialect's level", func(o *bridge.Options) { o.ID = "dev" }, `ID is "dev"`},
		{"log", func(o *bridge.Options) { o.Log = nil }, "Log is missing"},
		{"key", func(o *bridge.Options) { o.Key = o.Key[:32] }, "Key has 32 bytes"},
		{"dialects", func(o *bridge.Options) { o.Dialects = nil }, "Dialects is missing"},
		{"window", func(o *bridge.Options) { o.Window = 1025 }, "Window is 1025: want 1 to 1024"},
		{"linger", func(o *bridge.Options) { o.Linger = 11 * time.Second }, "Linger is 11s: want up to 10s"},
		{"negative linger", func(o *bridge.Options) { o.Linger = -1 }, "Linger is -1ns"},
		{"time-out", func(o *bridge.Options) { o.AckTimeout = time.Hour }, "AckTimeout is 1h0m0s: want 100ms to 2m0s"},
		{"inbox", func(o *bridge.Options) { o.InboxMessages = -1 }, "InboxMessages is -1"},
		{"payload", func(o *bridge.Options) { o.MaxPayloadBytes = -1 }, "MaxPayloadBytes is -1"},
		{"retention", func(o *bridge.Options) { o.RetainEvery = -1 }, "RetainEvery is -1ns"},
	}
	good := bridge.Options{Base: testBase, ID: testBridge, Log: openLog(t, t.TempDir(), spool.Options{}), Key: testKey()}
	native := func(o *bridge.Options) { with(t, &rogue{name: "rogue"})(o) }
	native(&good)
	if _, err := bridge.New(good); err != nil {
		t.Fatalf("good options are refused: %v", err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := good
			test.set(&o)
			if _, err := bridge.New(o); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("New returned %v, want an error with %q", err, test.want)
			}
		})
	}
	_, err := bridge.New(bridge.Options{})
	for _, field := range []string{"Base", "ID", "Log", "Key", "Dialects"} {
		if err == nil || !strings.Contains(err.Error(), "bridge option "+field) {
			t.Errorf("New without options returned %v, want it to name %s", err, field)
		}
	}
}
