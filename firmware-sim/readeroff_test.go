package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// TestAReaderThatIsOffShowsIt: while a reader is off nothing of it comes but what the broker says for it, in every dialect; then it
// announces itself. That is how a service can tell an empty room from a dead reader.
func TestAReaderThatIsOffShowsIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dialect string // and options
		will    string // part of the topic at which the broker says that it is gone; "" for none
		birth   string // part of the topic of the first word afterwards
		everyS  int64  // how often it says at the least that it is there; 0 for never
	}{
		{"dialect: native", "/link", "/link", 60},
		{"dialect: native, options: {heartbeat_s: \"0\"}", "/link", "/link", 0},
		{"dialect: tasmota", "/LWT", "/LWT", 300},
		{"dialect: esphome", "/status", "/status", 60},
		{"dialect: esprfid", "", "/send", 180},
		{"dialect: esprfid, options: {mode: ha}", "/avty", "/avty", 180},
	} {
		t.Run(tt.dialect, func(t *testing.T) {
			t.Parallel()
			said, deaf := readerDay(t, tt.dialect)
			off := span.NewSet(span.Span{StartMs: deaf[0].StartMs, EndMs: deaf[0].EndMs})
			willed, back := false, false
			lastMs := said[0].AtMs
			for _, m := range said {
				switch {
				case off.Contains(m.AtMs) && tt.will != "" && strings.Contains(m.Topic, tt.will) && m.Tells.Has(voice.Death):
					willed = true
				case off.Contains(m.AtMs):
					t.Errorf("%s is said at %d, within %v", m.Topic, m.AtMs, off)
				case m.AtMs >= off[0].EndMs && !back:
					if back = true; !strings.Contains(m.Topic, tt.birth) || m.AtMs > off[0].EndMs+10_000 {
						t.Errorf("the first word is %s, %d ms after the end; want %s soon", m.Topic, m.AtMs-off[0].EndMs, tt.birth)
					}
				case tt.everyS > 0 && m.AtMs-lastMs > tt.everyS*1000+2000:
					t.Errorf("nothing is said for %d ms before %d", m.AtMs-lastMs, m.AtMs)
				}
				lastMs = m.AtMs
			}
			if willed != (tt.will != "") || !back {
				t.Errorf("the will is published: %t, and the reader is back: %t", willed, back)
			}
		})
	}
}

// readerDay is what a reader says on a day of which it is off for twenty minutes, and when it is.
func readerDay(t *testing.T, dialect string) ([]voice.Message, span.Set) {
	t.Helper()
	s, err := scenario.Read("reader", []byte(fmt.Sprintf(`
from: 2026-03-02
bases:
  workshops: {machines: {kind: hand_bench}, readers: {id: door, %s}}
  trainees: 1
faults: {kind: reader_off, rate: 1, for: 20m}
`, dialect)))
	if err != nil {
		t.Fatal(err)
	}
	simulation, err := NewSimulation(s)
	if err != nil {
		t.Fatal(err)
	}
	r := simulation.newRun(0, nil)
	day := r.live(0)
	m := r.crew.members[0]
	return r.voices[0].Day(r.input(m, day, 0)), offOf(s, 0, m, day, 0)
}
