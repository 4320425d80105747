package settle_test

import (
	"slices"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// saw is a base with one saw and its meter.
func saw(b *registry.Base) {
	b.Equipment = []registry.Equipment{metered("saw")}
	b.Devices = []registry.Device{device("meter"), device("other")}
	b.Bindings = []registry.Binding{bound("meter", "saw", registry.Always())}
}

// TestDigestNamesTheEvidence: other evidence behind a day is another digest; what the day does not rest on is none of it.
func TestDigestNamesTheEvidence(t *testing.T) {
	t.Parallel()
	another := power("meter", at("09:30:10"), 500)
	on := func(change func(r *telemetry.Record)) telemetry.Record {
		r := power("meter", at("09:30"), 500)
		change(&r)
		return r
	}
	tests := []struct {
		name  string
		said  telemetry.Record
		other bool
	}{
		{"one more reading", another, true},
		{"a reading that replaces another", on(func(r *telemetry.Record) { r.Values[0].Number = 501 }), true},
		{"the same with energy", on(func(r *telemetry.Record) {
			r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.EnergyWh, Number: 1})
		}), true},
		{"the same that holds longer", on(func(r *telemetry.Record) { r.ValidMs = 61_000 }), true},
		{"the same with a word", on(func(r *telemetry.Record) { r.State = "ACTIVE" }), true},
		{"a last will", link("meter", at("09:45"), telemetry.LinkWill), true},
		{"the last word before the day", power("meter", at("03-01 20:00"), 500), true},
		{"the first word after the day", power("meter", at("03-03 00:00:10"), 500), true},
		{"the same again", power("meter", at("09:30"), 500), false},
		{"a link that comes up", link("meter", at("09:45"), telemetry.LinkOnline), false},
		{"another channel", on(func(r *telemetry.Record) { r.Channel = "b" }), false},
		{"another device", power("other", at("09:30"), 500), false},
		{"an old value at an unknown time", on(func(r *telemetry.Record) {
			r.EventMs++
			r.Retained, r.Clock, r.DeviceMs = true, telemetry.ClockReceived, 0
		}), false},
		{"voltage beside it", on(func(r *telemetry.Record) {
			r.Values = append(r.Values, telemetry.Value{Quantity: telemetry.VoltageV, Number: 230})
		}), false},
		{"a last will before the last word before the day", link("meter", at("03-01 07:00"), telemetry.LinkWill), false},
		{"long before the day", power("meter", at("02-20 08:00"), 500), false},
		{"long after the day", power("meter", at("03-03 05:00"), 500), false},
		{"later than the words after the day", power("meter", at("03-03 01:30"), 500), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, base(saw))
			w.said(power("meter", at("03-01 08:00"), 0))
			w.said(working("09:00", "10:00")...)
			w.said(working("03-03 00:01", "03-03 01:00")...)
			before := w.machine("saw", monday.Span())
			w.said(test.said)
			after := w.machine("saw", monday.Span())
			if changed := before.Digest != after.Digest; changed != test.other {
				t.Errorf("digest changed: %v, want %v", changed, test.other)
			}
			if same := before.Samples == after.Samples; !same && !test.other {
				t.Errorf("%d pieces of evidence, then %d, under one digest", before.Samples, after.Samples)
			}
			if len(after.Digest) != 64 {
				t.Errorf("digest %q is no SHA-256", after.Digest)
			}
		})
	}
}

// TestDigestTellsDeathFromSilence: a last will and a word that says nothing are different evidence.
func TestDigestTellsDeathFromSilence(t *testing.T) {
	t.Parallel()
	dead, mute := newWorld(t, base(saw)), newWorld(t, base(saw))
	dead.said(link("meter", at("09:00"), telemetry.LinkWill))
	mute.said(word("meter", at("09:00"), ""))
	if a, b := dead.machine("saw", monday.Span()), mute.machine("saw", monday.Span()); a.Digest == b.Digest || a.Samples != b.Samples {
		t.Errorf("digests %s (%d pieces) and %s (%d)", a.Digest, a.Samples, b.Digest, b.Samples)
	}
}

// TestDigestDoesNotDependOnTheBridge: the same words by another bridge, in other frames, are the same evidence.
func TestDigestDoesNotDependOnTheBridge(t *testing.T) {
	t.Parallel()
	one, two := newWorld(t, base(saw)), newWorld(t, base(saw))
	records := working("09:00", "10:00")
	one.said(records...)
	two.bridge = "b2"
	for _, r := range slices.Backward(records) {
		two.saidTo(testBase, at("03-05 00:00"), r)
	}
	a, b := one.machine("saw", monday.Span()), two.machine("saw", monday.Span())
	if a.Digest != b.Digest || a.Samples != b.Samples {
		t.Errorf("digests %s (%d) and %s (%d) of the same evidence", a.Digest, a.Samples, b.Digest, b.Samples)
	}
}
