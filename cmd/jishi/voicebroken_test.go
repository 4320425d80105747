package main_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// coverage is when the state is known by what messages are said to tell.
func coverage(all []heard, window span.Span) span.Set {
	type fact struct{ atMs, untilMs int64 }
	var facts []fact
	for i := range all {
		m := &all[i]
		switch {
		case m.Tells.Has(voice.State):
			until := window.EndMs
			if m.ValidMs > 0 {
				until = m.EventMs + m.ValidMs
			}
			facts = append(facts, fact{m.EventMs, until})
		case m.Tells.Has(voice.Death):
			facts = append(facts, fact{m.EventMs, m.EventMs})
		}
	}
	slices.SortStableFunc(facts, func(a, b fact) int { return cmp.Compare(a.atMs, b.atMs) })
	var known []span.Span
	for i, f := range facts {
		if i+1 < len(facts) {
			f.untilMs = min(f.untilMs, facts[i+1].atMs)
		}
		known = append(known, span.Span{StartMs: f.atMs, EndMs: f.untilMs})
	}
	return span.NewSet(known...).Clip(window)
}

// believed is when the product knows the state, by its own records.
func believed(identity voice.Identity, all []heard, window span.Span) span.Set {
	var records []telemetry.Record
	for i := range all {
		for _, r := range all[i].records {
			sample := r.Kind == telemetry.KindSample && r.Channel == identity.Channel
			if r.Device == identity.Device && (sample || r.Kind == telemetry.KindLink && r.Link.Down()) {
				records = append(records, r)
			}
		}
	}
	slices.SortStableFunc(records, func(a, b telemetry.Record) int { return cmp.Compare(a.EventMs, b.EventMs) })
	var known []span.Span
	for i := range records {
		r := &records[i]
		until := window.EndMs
		switch {
		case r.Kind == telemetry.KindLink, r.State == telemetry.StateUnavailable, r.State == telemetry.StateStale:
			until = r.EventMs
		case r.ValidMs > 0:
			until = r.EventMs + r.ValidMs
		}
		if i+1 < len(records) {
			until = min(until, records[i+1].EventMs)
		}
		known = append(known, span.Span{StartMs: r.EventMs, EndMs: until})
	}
	return span.NewSet(known...).Clip(window)
}

// conditions are what may be wrong, each alone, and all together.
func conditions() map[string]func(n int) voice.Conditions {
	at := brief.At
	dead := func(n int) span.Set {
		return span.NewSet(
			span.Span{StartMs: at(n, 30) + 777, EndMs: at(n, 45)}, span.Span{StartMs: at(n, 60), EndMs: at(n, 60) + 30_000},
			// Over a midnight, cut at it.
			span.Span{StartMs: at(n, 0), EndMs: at(n, 7)}, span.Span{StartMs: at(n, 178), EndMs: at(n, 180)},
		)
	}
	reboots := func(n int) []int64 { return []int64{at(n, 80) + 3, at(n, 120), at(n, 120) + 1000} }
	unset := func(n int) span.Set { return span.NewSet(span.Span{StartMs: at(n, 80) + 3, EndMs: at(n, 89)}) }
	stuck := func(n int) span.Set { return span.NewSet(span.Span{StartMs: at(n, 90), EndMs: at(n, 115)}) }
	return map[string]func(n int) voice.Conditions{
		"dead":       func(n int) voice.Conditions { return voice.Conditions{Dead: dead(n)} },
		"reboots":    func(n int) voice.Conditions { return voice.Conditions{Reboots: reboots(n)} },
		"1970":       func(n int) voice.Conditions { return voice.Conditions{Reboots: reboots(n), Unset: unset(n)} },
		"local time": func(int) voice.Conditions { return voice.Conditions{LocalTime: true} },
		"jump": func(n int) voice.Conditions {
			return voice.Conditions{Shifts: []voice.Shift{{FromMs: at(n, 40), OffsetMs: 3600_000}, {FromMs: at(n, 140)}}}
		},
		"stuck": func(n int) voice.Conditions { return voice.Conditions{Stuck: stuck(n)} },
		"spike": func(int) voice.Conditions { return voice.Conditions{Spike: 0.1, SpikeBy: 8} },
		"all": func(n int) voice.Conditions {
			return voice.Conditions{Dead: dead(n), Reboots: reboots(n), Unset: unset(n), Stuck: stuck(n), Spike: 0.02, SpikeBy: 5}
		},
	}
}

// Whatever is wrong with a device, its messages decode; a record says what was, unless its message is said to be wrong; and
// the time in which the product believes that it knows the state is the time in which the messages are said to tell it.
func TestVoicesOfBrokenDevices(t *testing.T) {
	t.Parallel()
	for name, wrong := range conditions() {
		for _, s := range speakings() {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				t.Parallel()
				identity, all := listen(t, &s, wrong)
				if s.spec.Reader != nil {
					checkBrokenReader(t, &s, all, wrong)
					return
				}
				truth, lies := truthOf(&s), 0
				for i := range all {
					m := &all[i]
					for _, r := range stateRecords(identity, m) {
						problem := truth.check(r, s.spec.Device.Role == scenario.Meter)
						if r.Clock == telemetry.ClockSuspect {
							// It is put at its arrival, which may be half a second after what it says.
							problem = truth.checkWithin(r, s.spec.Device.Role == scenario.Meter, span.Span{StartMs: m.EventMs, EndMs: m.AtMs + 1})
						}
						if m.Tells.Has(voice.Wrong) {
							if problem != "" {
								lies++
							}
							continue
						}
						if problem != "" && r.State != telemetry.StateUnavailable {
							t.Errorf("%s at %d, record of %d: %s", m.Topic, m.AtMs, r.EventMs, problem)
						}
					}
				}
				if (name == "spike" && s.spec.Device.Role == scenario.Meter) && lies < 10 {
					t.Errorf("only %d wrong records", lies)
				}
				window := span.Span{StartMs: brief.Span(0).StartMs, EndMs: brief.Span(days - 1).EndMs}
				want, got := coverage(all, window), believed(identity, all, window)
				differ := want.Subtract(got).Union(got.Subtract(want))
				limit := 0.001
				if name == "jump" {
					// An observation that was stamped an hour ahead is believed once, when that hour has almost passed.
					limit = 0.002
				}
				if share := float64(differ.Ms()) / float64(window.Ms()); share > limit {
					t.Errorf("known for %d s, said to be %d s; %.3f %% differ, first %v", got.Ms()/1000, want.Ms()/1000, share*100, differ[0])
				}
				if want.Ms() < window.Ms()/5 {
					t.Errorf("the state is known for %d s only", want.Ms()/1000)
				}
			})
		}
	}
}

// checkBrokenReader holds a reader to saying every card that was held to it while it was there, and no other.
func checkBrokenReader(t *testing.T, s *speaking, all []heard, wrong func(n int) voice.Conditions) {
	t.Helper()
	want, got := 0, 0
	for n := range days {
		for _, tap := range brief.Taps(n, s.spec.Reader) {
			if !wrong(n).Dead.Contains(tap.AtMs) {
				want++
			}
		}
	}
	for i := range all {
		for _, r := range all[i].records {
			if r.Kind != telemetry.KindTap {
				continue
			}
			got++
			if off := r.EventMs - all[i].EventMs; r.Clock == telemetry.ClockSuspect && off != 0 {
				t.Errorf("%s: a suspect tap of %d is put at %d", all[i].Topic, all[i].EventMs, r.EventMs)
			}
		}
	}
	if got != want {
		t.Errorf("%d taps, want %d", got, want)
	}
}
