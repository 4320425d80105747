package hours_test

import (
	"testing"

	"github.com/jishi-telemetry/jishi/internal/hours"
)

// Everybody can read why: each reason has a Chinese name of its own.
func TestReasonsHaveNames(t *testing.T) {
	t.Parallel()
	seen := map[string]hours.Reason{}
	for _, r := range append(hours.Reasons(), hours.Verified) {
		zh := r.Zh()
		if other, twice := seen[zh]; twice || zh == string(r) || zh == "" {
			t.Errorf("%q is called %q, as %q is", r, zh, other)
		}
		seen[zh] = r
	}
}

// Half units at their edges; those of a unit of no length are none.
func TestHalfUnits(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]int64{
		0: 0, 44 * minuteMs: 1, 45 * minuteMs: 2, 89 * minuteMs: 3, 90 * minuteMs: 4, 359 * minuteMs: 15, 360 * minuteMs: 16,
		45*minuteMs/2 - 1: 0, 45 * minuteMs / 2: 1,
	} {
		if got := hours.DefaultRule().HalfUnits(ms); got != want {
			t.Errorf("%s minutes are %d half units, want %d", showMs(ms), got, want)
		}
	}
	if got := (hours.Rule{}).HalfUnits(minuteMs); got != 0 {
		t.Errorf("without a unit there are %d half units, want 0", got)
	}
}
