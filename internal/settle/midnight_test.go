package settle_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// TestSilenceAcrossMidnight: both days judge a silence by the whole of it, however long the device may be silent.
func TestSilenceAcrossMidnight(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		allowed       time.Duration
		before, after string // the last word and the next
		running       bool   // the silence is allowed
	}{
		{"allowed", time.Minute, "23:59:40", "03-03 00:00:20", true},
		{"one second too long", 39 * time.Second, "23:59:40", "03-03 00:00:20", false},
		{"too long, though neither part is", time.Minute, "23:59:20", "03-03 00:00:30", false},
		{"two hours, allowed", 2 * time.Hour, "23:00", "03-03 01:00", true},
		{"five hours, six allowed", 6 * time.Hour, "22:00", "03-03 03:00", true},
		{"five hours, a minute allowed", time.Minute, "23:59:30", "03-03 05:00", false},
		{"seven hours, six allowed", 6 * time.Hour, "22:00", "03-03 05:00", false},
		{"a day and more, a day allowed", 24 * time.Hour, "12:00", "03-03 12:00:01", false},
		{"eight days, seven allowed", 7 * 24 * time.Hour, "12:00", "03-10 12:00", false},
		{"a day, a day allowed", 24 * time.Hour, "12:00", "03-03 12:00", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, base(lathe))
			last, next := word("cnc", at(test.before), "ACTIVE"), word("cnc", at(test.after), "READY")
			last.ValidMs, next.ValidMs = test.allowed.Milliseconds(), 1000
			w.said(last, next)
			want := usage.Segment{Span: between(test.before, test.after)}
			if test.running {
				want.State, want.Word = usage.Running, "ACTIVE"
			}
			for _, day := range []span.Span{monday.Span(), monday.Add(1).Span()} {
				m := w.machine("lathe", day)
				part := want.Intersect(day)
				for _, s := range m.Timeline {
					if s.Intersect(part).Empty() {
						continue
					}
					if s.State != want.State || s.Word != want.Word {
						t.Errorf("%v is %s %q, want %s", s.Intersect(part), s.State, s.Word, want.State)
					}
				}
			}
		})
	}
}

// TestEnergyAcrossMidnight: what the counter suggests about a silence is the same for both days.
func TestEnergyAcrossMidnight(t *testing.T) {
	t.Parallel()
	for used, want := range map[float64]usage.State{5: usage.Off, 1000: usage.Running, 100: usage.Unknown, -1: usage.Unknown} {
		w := newWorld(t, base(saw))
		metered := func(clock string, wh float64) telemetry.Record {
			r := power("meter", at(clock), 500)
			r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.EnergyWh, Number: wh})
			return r
		}
		w.said(metered("23:30", 10_000), link("meter", at("23:40"), telemetry.LinkWill), link("meter", at("03-03 00:10"), telemetry.LinkWill))
		w.said(metered("03-03 00:30", 10_000+used), metered("03-03 00:30:30", 10_000+used))
		for _, window := range []span.Span{between("23:35", "03-03 00:00"), between("03-03 00:00", "03-03 00:25")} {
			got := w.machine("saw", window).Timeline
			if diff := cmp.Diff([]usage.Segment{{Span: window, Estimate: want}}, got); diff != "" {
				t.Errorf("%v Wh in an hour of silence (-want +got):\n%s", used, diff)
			}
		}
	}
}

// TestDwellAcrossMidnight: a run or a dip that is long enough only as a whole counts on both days.
func TestDwellAcrossMidnight(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		watts map[string]float64 // from an instant on
		want  usage.State        // from the second instant to the third
	}{
		{"a dip of 15 s is part of the run", map[string]float64{"23:50": 500, "23:59:50": 100, "03-03 00:00:05": 500}, usage.Running},
		{"a dip of 25 s ends it", map[string]float64{"23:50": 500, "23:59:50": 100, "03-03 00:00:15": 500}, usage.Idle},
		{"a run of 6 s counts", map[string]float64{"23:50": 100, "23:59:57": 500, "03-03 00:00:03": 100}, usage.Running},
		{"a run of 4 s does not", map[string]float64{"23:50": 100, "23:59:58": 500, "03-03 00:00:02": 100}, usage.Idle},
		{"a run until hours later does", map[string]float64{"23:50": 100, "23:59:58": 500, "03-03 05:00": 100}, usage.Running},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, base(saw))
			var instants []int64
			for _, clock := range slices.Sorted(maps.Keys(test.watts)) {
				r := power("meter", at(clock), test.watts[clock])
				r.ValidMs = 0
				instants = append(instants, r.EventMs)
				w.said(r)
			}
			w.said(power("meter", at("03-03 08:00"), 0)) // until when the last of them holds
			slices.Sort(instants)
			midnight := at("03-03 00:00")
			for _, window := range []span.Span{{StartMs: instants[1], EndMs: midnight}, {StartMs: midnight, EndMs: instants[2]}} {
				if diff := cmp.Diff([]usage.Segment{{Span: window, State: test.want}}, w.machine("saw", window).Timeline); diff != "" {
					t.Errorf("timeline (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// TestDaysAddUp: whatever was said and wherever a period is cut, its parts give what the whole gives, up to the last word.
func TestDaysAddUp(t *testing.T) {
	t.Parallel()
	store, cal, n := newWorld(t, base(lathe)).store, newCalendar(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		b := base(func(b *registry.Base) {
			plain := metered("saw") // without hysteresis, whose memory has no bound
			plain.Signal.Power.Hysteresis = 0
			b.Code = fmt.Sprintf("b%d", n)
			b.Equipment = []registry.Equipment{controller("lathe"), plain}
			b.Devices = []registry.Device{device("cnc"), device("meter")}
			b.Bindings = []registry.Binding{bound("cnc", "lathe", registry.Always()), bound("meter", "saw", registry.Always())}
		})
		reg, err := registry.New(b)
		if err != nil {
			rt.Fatal(err)
		}
		w := &world{t: t, store: store, registry: reg, settler: settle.New(store, reg, cal), bridge: "b1"}
		source := rapid.SampledFrom([]string{"cnc", "meter"}).Draw(rt, "source")
		records := drawEvidence(rt, source)
		w.saidTo(b.Code, 0, records...)
		whole := span.Span{StartMs: at("00:00"), EndMs: max(at("00:00")+1, records[len(records)-1].EventMs)}
		near := rapid.SampledFrom(records).Draw(rt, "near").EventMs + rapid.Int64Range(-25_000, 25_000).Draw(rt, "by")
		cut := min(max(near, whole.StartMs), whole.EndMs)
		derive := func(window span.Span) []usage.Segment {
			m, err := w.settler.Machine(t.Context(), b.Code, map[string]string{"cnc": "lathe", "meter": "saw"}[source], window)
			if err != nil {
				rt.Fatal(err)
			}
			return usage.Join(states(m.Timeline), window)
		}
		parts := append(derive(span.Span{StartMs: whole.StartMs, EndMs: cut}), derive(span.Span{StartMs: cut, EndMs: whole.EndMs})...)
		if diff := cmp.Diff(derive(whole), usage.Join(parts, whole)); diff != "" {
			rt.Fatalf("timelines of the whole and of its parts (-whole +parts):\n%s", diff)
		}
	})
}

// states returns the timeline without what energy suggests about its silences: that depends on how much of a silence is
// in sight.
func states(timeline []usage.Segment) []usage.Segment {
	for i := range timeline {
		timeline[i].Estimate = usage.Unknown
	}
	return timeline
}

// drawEvidence draws what a device said: mostly regular, sometimes silent for long, sometimes dead.
func drawEvidence(t *rapid.T, source string) []telemetry.Record {
	steps := []int64{1, 1000, 3000, 10_000, 30_000, 61_000, 700_000, 9_000_000}
	ms := at("00:00") - 100_000
	energy := rapid.Bool().Draw(t, "energy")
	counter := 0.0
	var out []telemetry.Record
	for range rapid.IntRange(1, 30).Draw(t, "records") {
		ms += rapid.SampledFrom(steps).Draw(t, "step")
		if rapid.IntRange(0, 9).Draw(t, "link") == 0 {
			out = append(out, link(source, ms, telemetry.LinkWill))
			continue
		}
		r := word(source, ms, rapid.SampledFrom([]string{"ACTIVE", "READY", "UNAVAILABLE"}).Draw(t, "word"))
		if source == "meter" {
			r = power(source, ms, rapid.SampledFrom([]float64{0, 19, 20, 199, 200, 900}).Draw(t, "power"))
		}
		if energy {
			counter += rapid.SampledFrom([]float64{0, 1, 100, -50}).Draw(t, "used")
			r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.EnergyWh, Number: counter})
		}
		r.ValidMs = rapid.SampledFrom([]int64{0, 5000, 60_000, 10_000_000}).Draw(t, "valid")
		out = append(out, r)
	}
	return out
}
