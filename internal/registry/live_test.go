package registry_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/registry"
)

// TestLiveFollowsItsFiles: a key that is admitted or ended is in force without a restart; a mistake changes nothing, is
// told once, and is over when it is mended.
func TestLiveFollowsItsFiles(t *testing.T) {
	t.Parallel()
	for name, path := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { liveStory(t, path) })
		})
	}
}

func liveStory(t *testing.T, path string) {
	var told lines
	reg := prometheus.NewPedanticRegistry()
	live, err := registry.OpenLive(path, registry.LiveOptions{Logger: slog.New(slog.NewTextHandler(&told, nil)), Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := live.Run(ctx); err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
	after := func(changes string, want int) {
		t.Helper()
		time.Sleep(time.Minute)
		synctest.Wait()
		if text := told.String(); strings.Count(text, "\n") != want {
			t.Errorf("after %s the operator was told, want %d lines:\n%s", changes, want, text)
		}
	}
	after("nothing", 0)
	key := registry.KeyEvent{Base: "b", Bridge: "b2", Key: keyOf("new"), AtMs: at(9)}
	if err := registry.AdmitKey(path, key); err != nil {
		t.Fatal(err)
	}
	after("admission", 1)
	if len(validities(t, live.Current(), "b2")) != 1 {
		t.Error("an admitted key is not in force")
	}
	broken := filepath.Join(registry.EventDir(path), "zz.yaml")
	if err := os.WriteFile(broken, []byte("admitted: {}"), 0o600); err != nil {
		t.Fatal(err)
	}
	after("a mistake", 2)
	if len(validities(t, live.Current(), "b2")) != 1 {
		t.Error("a mistake took a key away")
	}
	wantGauge(t, reg, "1")
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	after("its end", 3)
	wantGauge(t, reg, "0")
	key.AtMs = at(10)
	if err := registry.EndKey(path, key); err != nil {
		t.Fatal(err)
	}
	after("revocation", 4)
	for _, valid := range validities(t, live.Current(), "b2") {
		if valid.EndMs != at(10) {
			t.Errorf("a revoked key holds until %d, want %d", valid.EndMs, at(10))
		}
	}
	cancel()
	wg.Wait()
}

// lines is what was logged, for a test that reads while it is written.
type lines struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func wantGauge(t *testing.T, reg *prometheus.Registry, value string) {
	t.Helper()
	want := "# HELP jishi_registry_refused 1 while the registry's files are not good, and what they said before is in force.\n" +
		"# TYPE jishi_registry_refused gauge\njishi_registry_refused " + value + "\n"
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "jishi_registry_refused"); err != nil {
		t.Error(err)
	}
}

// TestLiveReadsWhatMayHaveChanged: files that look as before are not read again, unless they were changed so lately that
// they may have been changed since under the same time.
func TestLiveReadsWhatMayHaveChanged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "base.yaml")
	changed := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(strings.Replace(minimal, "基地", name, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	write("甲")
	live, err := registry.OpenLive(path, registry.LiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		b, _ := live.Current().Base("b")
		return b.Name
	}
	live.Look(changed.Add(time.Second)) // too fresh to be told by its time
	write("乙")                          // as long as before, and at the same time
	live.Look(changed.Add(time.Second))
	if name() != "乙" {
		t.Error("a file that changed twice within a moment was not read again")
	}
	live.Look(changed.Add(time.Minute))
	write("丙")
	live.Look(changed.Add(time.Minute))
	if name() != "乙" {
		t.Error("a file that looks as before was read again")
	}
	changed = changed.Add(time.Hour)
	write("丁")
	live.Look(changed.Add(time.Minute))
	if name() != "丁" {
		t.Error("a file with a new time was not read")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	live.Look(changed.Add(2 * time.Minute))
	if name() != "丁" {
		t.Error("a registry that is gone was taken for an empty one")
	}
}

func TestFixedStays(t *testing.T) {
	t.Parallel()
	r, err := registry.New(minimalBase())
	if err != nil {
		t.Fatal(err)
	}
	live := registry.Fixed(r)
	if err := live.Run(t.Context()); err != nil || live.Current() != r {
		t.Errorf("Run returned %v, and the registry is another: %v", err, live.Current() != r)
	}
}
