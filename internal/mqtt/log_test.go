package mqtt

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestQuietLeavesOutPacketsAndLowersLevels(t *testing.T) {
	t.Parallel()
	var w bytes.Buffer
	logger := slog.New(quiet{slog.NewTextHandler(&w, &slog.HandlerOptions{Level: slog.LevelDebug})})
	logger.With("listener", "tcp").WithGroup("g").Warn("", "error", errors.New("eof"), "packet", "hush", "pk", "hush", "will", "hush")
	logger.Error("store broken")
	got := w.String()
	for _, want := range []string{
		`level=DEBUG msg="mochi: connection ended" listener=tcp g.err=eof`, `level=WARN msg="mochi: store broken"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "hush") {
		t.Errorf("a packet was logged:\n%s", got)
	}

	info := slog.New(quiet{slog.NewTextHandler(&w, nil)})
	if info.Enabled(t.Context(), slog.LevelWarn) {
		t.Error("mochi's warnings are built although nobody logs debug")
	}
}

func TestOccasionallyBoundsEachMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		o := &occasionally{logger: slog.New(slog.NewTextHandler(&w, nil)), every: 10 * time.Second}
		for range 25 { // a second apart
			o.log("client refused", "client", "a")
			time.Sleep(time.Second)
		}
		o.log("topic refused")
		lines := strings.Split(strings.TrimSpace(w.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines, want 3 of one message and 1 of the other:\n%s", len(lines), w.String())
		}
		if !strings.Contains(lines[1], "similar_skipped=9") {
			t.Errorf("second line does not count what was left out: %s", lines[1])
		}
	})
}
