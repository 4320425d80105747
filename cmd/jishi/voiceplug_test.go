package main_test

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice/voicetest"
	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/esphome"
	"github.com/jishi-telemetry/jishi/internal/dialect/shelly"
	"github.com/jishi-telemetry/jishi/internal/dialect/tasmota"
	"github.com/jishi-telemetry/jishi/internal/dialect/zigbee2mqtt"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// plugVoice is a plug, meter or reader with the decoder that is to understand it.
type plugVoice struct {
	name    string
	spec    voice.Spec
	decoder func(t *testing.T) dialect.Dialect
	// off is how far a power may be from the truth in watts, offShare as a share of it, and lagMs how long ago it may have
	// been so.
	off, offShare float64
	lagMs         int64
	// fresh is in the payloads of messages that say a power of now; the others only repeat one. "" is all.
	fresh string
	// coarseMs is how far before its instant a record may be: the device's time has so few digits.
	coarseMs int64
	// energy is the channel of the register, energyOff how far it may be behind at the end in watt-hours; -1 for none.
	energy    string
	energyOff float64
}

func plugVoices() []plugVoice {
	type options = map[string]string
	shellyD := func(t *testing.T) dialect.Dialect { return right(t)(shelly.New(shelly.Options{})) }
	tasmotaD := func(t *testing.T) dialect.Dialect {
		return right(t)(tasmota.New(tasmota.Options{Cards: cardTokens(t)}))
	}
	esphomeD := func(t *testing.T) dialect.Dialect {
		return right(t)(esphome.New(esphome.Options{Cards: cardTokens(t)}))
	}
	zigbeeD := func(t *testing.T) dialect.Dialect { return right(t)(zigbee2mqtt.New(zigbee2mqtt.Options{})) }
	uncachedD := func(t *testing.T) dialect.Dialect {
		return right(t)(zigbee2mqtt.New(zigbee2mqtt.Options{Uncached: true}))
	}
	plug := func(d scenario.Dialect, every time.Duration, o options) voice.Spec {
		return voicetest.Device(scenario.Device{ID: "plug-7", Dialect: d, Role: scenario.Meter, Every: every, Options: o})
	}
	list := []plugVoice{
		{name: "gen1", spec: plug(scenario.ShellyGen1, 0, nil), decoder: shellyD, off: 0.006, energy: "relay:0", energyOff: 10},
		{name: "gen1 3em", spec: plug(scenario.ShellyGen1, 0, options{"model": "3em"}), decoder: shellyD, off: 0.006, energy: "emeter:0", energyOff: 10},
		{name: "gen2", spec: plug(scenario.ShellyGen2, 0, nil), decoder: shellyD, off: 1, offShare: 0.05, lagMs: 1000, fresh: `"apower"`, coarseMs: 10, energy: "switch:0", energyOff: 0.01},
		{name: "gen2 pm1", spec: plug(scenario.ShellyGen2, 0, options{"component": "pm1"}), decoder: shellyD, off: 1, offShare: 0.05, lagMs: 1000, fresh: `"apower"`, coarseMs: 10, energy: "pm1:0", energyOff: 0.01},
		{name: "gen2 em", spec: plug(scenario.ShellyGen2, 0, options{"component": "em"}), decoder: shellyD, off: 1, offShare: 0.05, lagMs: 1000, fresh: `"total_act_power"`, coarseMs: 10, energy: "em:0", energyOff: 0.01},
		{name: "tasmota", spec: plug(scenario.Tasmota, 0, nil), decoder: tasmotaD, off: 0.51, energy: "energy", energyOff: 1},
		{name: "tasmota relay", spec: plug(scenario.Tasmota, time.Minute, options{"relay": "follow", "power_delta": "105"}), decoder: tasmotaD, off: 0.51, energy: "energy", energyOff: 1},
		{name: "tasmota three", spec: plug(scenario.Tasmota, 10*time.Second, options{"phases": "3"}), decoder: tasmotaD, off: 1.51, energy: "energy", energyOff: 3},
		{name: "tasmota two", spec: plug(scenario.Tasmota, 10*time.Second, options{"phases": "2"}), decoder: tasmotaD, off: 1.01, energy: "energy", energyOff: 2},
		{name: "esphome", spec: plug(scenario.ESPHome, 0, nil), decoder: esphomeD, off: 0.051, energy: "sensor/energy_wh", energyOff: 0.1},
		{name: "zigbee", spec: plug(scenario.Zigbee2MQTT, 0, nil), decoder: zigbeeD, off: 1, lagMs: 5000, energy: "energy", energyOff: 10},
		{name: "zigbee uncached", spec: plug(scenario.Zigbee2MQTT, 0, options{"cache": "off", "last_seen": "epoch"}), decoder: uncachedD, off: 0.51, energy: "energy", energyOff: 10},
		{name: "zigbee polled", spec: plug(scenario.Zigbee2MQTT, 0, options{"poll": "60s", "last_seen": "iso"}), decoder: zigbeeD, off: 0.51, energy: "energy", energyOff: 10},
		{name: "zigbee local", spec: plug(scenario.Zigbee2MQTT, 0, options{"last_seen": "iso_local"}), decoder: zigbeeD, off: 1, lagMs: 5000, coarseMs: 1000, energy: "energy", energyOff: 10},
	}
	for _, form := range []string{"iso", "both", "epoch", "epoch_ms"} {
		list = append(list, plugVoice{
			name: "tasmota " + form, spec: plug(scenario.Tasmota, 0, options{"time": form}), decoder: tasmotaD, off: 0.51, energy: "energy", energyOff: 1,
		})
	}
	contact := voicetest.Device(scenario.Device{ID: "plug-7", Dialect: scenario.ESPHome, Role: scenario.Controller})
	list = append(list, plugVoice{name: "esphome contact", spec: contact, decoder: esphomeD})
	for _, hardware := range []string{"rc522", "pn532", "wiegand", "rdm6300"} {
		reader := func(d scenario.Dialect, o options) voice.Spec {
			return voicetest.Reader(scenario.Reader{ID: "gate-2", Dialect: d, Type: hardware, Options: o})
		}
		list = append(list,
			plugVoice{name: "tasmota " + hardware, spec: reader(scenario.Tasmota, nil), decoder: tasmotaD, coarseMs: 1000},
			plugVoice{name: "esphome " + hardware, spec: reader(scenario.ESPHome, nil), decoder: esphomeD},
		)
		if hardware == "wiegand" {
			list = append(list, plugVoice{name: "tasmota hex", spec: reader(scenario.Tasmota, options{"hex": "yes"}), decoder: tasmotaD, coarseMs: 1000})
		}
	}
	return list
}

// right ends the test when a decoder cannot be made.
func right(t *testing.T) func(d dialect.Dialect, err error) dialect.Dialect {
	return func(d dialect.Dialect, err error) dialect.Dialect {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
}

// plugDays lets the voice speak for some days and the product listen; a message that it refuses ends the test.
func plugDays(t *testing.T, p *plugVoice, wrong func(n int) voice.Conditions) (voice.Identity, []heard) {
	t.Helper()
	v, identity, err := voice.New(p.spec)
	if err != nil {
		t.Fatal(err)
	}
	d := p.decoder(t)
	if identity.Dialect != d.Name() {
		t.Errorf("the registry is told the dialect %q, it is %q", identity.Dialect, d.Name())
	}
	var all []heard
	for n := range days {
		for _, m := range v.Day(brief.Input(&p.spec, n, wrong(n))) {
			if !d.Claims(m.Topic) {
				t.Fatalf("%s is not claimed", m.Topic)
			}
			res, err := d.Decode(dialect.Message{Topic: m.Topic, Payload: m.Payload, ReceivedMs: m.AtMs})
			if err != nil {
				t.Fatalf("%s %s: %v", m.Topic, m.Payload, err)
			}
			all = append(all, heard{m, slices.Clone(res.Records)})
		}
	}
	return identity, all
}

// was is what a machine truly drew over all days, and whether its controller worked.
type was struct {
	steps []plant.Step
	words []plant.Words
}

func wasOf(p *plugVoice) was {
	var w was
	for n := range days {
		day := brief.Input(&p.spec, n, voice.Conditions{}).Machine
		w.steps, w.words = append(w.steps, day.Power...), append(w.words, day.Words...)
	}
	return w
}

// near reports whether the machine drew about so much at some time from one instant to another.
func (w *was) near(fromMs, toMs int64, watts float64, p *plugVoice) bool {
	i, _ := slices.BinarySearchFunc(w.steps, fromMs+1, func(s plant.Step, ms int64) int { return cmp.Compare(s.AtMs, ms) })
	for i = max(0, i-1); i < len(w.steps) && w.steps[i].AtMs <= toMs; i++ {
		if true := w.steps[i].PowerW; math.Abs(true-watts) <= p.off+p.offShare*max(true, watts) {
			return true >= 0
		}
	}
	return false
}

func (w *was) works(ms int64) bool {
	i, _ := slices.BinarySearchFunc(w.words, ms+1, func(x plant.Words, ms int64) int { return cmp.Compare(x.AtMs, ms) })
	return w.words[i-1].Execution == "ACTIVE"
}

func (w *was) wattHours() float64 {
	sum := 0.0
	for i, s := range w.steps {
		end := brief.Span(days - 1).EndMs
		if i+1 < len(w.steps) {
			end = w.steps[i+1].AtMs
		}
		sum += s.PowerW * float64(end-s.AtMs)
	}
	return sum / 3_600_000
}

// toldOf are a message's live records of the channel that tells the state.
func toldOf(identity voice.Identity, m *heard) *telemetry.Record {
	for i := range m.records {
		r := &m.records[i]
		if r.Kind != telemetry.KindSample || r.Device != identity.Device || r.Channel != identity.Channel {
			continue
		}
		if _, ok := r.Value(telemetry.PowerW); ok || strings.HasPrefix(r.Channel, "binary_sensor/") {
			return r
		}
	}
	return nil
}

// A healthy plug's messages decode without an error and give back device, channel, time and power as they were; what a
// message is said to tell it tells, and no other tells a power.
func TestPlugsDecodeToWhatWas(t *testing.T) {
	t.Parallel()
	for _, p := range plugVoices() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for what, c := range map[string]voice.Conditions{"healthy": {}, "cached": {Cached: 0.3}} {
				if what == "cached" && !strings.HasPrefix(p.name, "zigbee") {
					continue
				}
				identity, all := plugDays(t, &p, func(int) voice.Conditions { return c })
				if p.spec.Reader != nil {
					checkPlugTaps(t, &p, identity, all)
					continue
				}
				checkPlugStates(t, &p, identity, all)
				if what == "healthy" && p.energy != "" {
					checkPlugEnergy(t, &p, all)
				}
			}
		})
	}
}

func checkPlugStates(t *testing.T, p *plugVoice, identity voice.Identity, all []heard) {
	t.Helper()
	truth, states := wasOf(p), 0
	for i := range all {
		m := &all[i]
		if m.Tells.Has(voice.Wrong) {
			t.Fatalf("%s: wrong, and nothing is wrong with the device", m.Topic)
		}
		if m.Tells.Has(voice.Birth) && (len(m.records) == 0 || m.records[0].Device != identity.Device) {
			t.Errorf("%s: a birth yields %v", m.Topic, m.records)
		}
		r := toldOf(identity, m)
		if m.Tells.Has(voice.State) != (r != nil) && (r == nil || p.spec.Device.Dialect != scenario.ShellyGen1) {
			// Of generation 1, whatever the meter says in the same millisecond carries the power.
			t.Errorf("%s %s at %d tells %b, and yields %+v", m.Topic, m.Payload, m.AtMs, m.Tells, r)
		}
		if r == nil || !m.Tells.Has(voice.State) {
			continue
		}
		states++
		if r.ValidMs != m.ValidMs || r.EventMs > m.EventMs || r.EventMs < m.EventMs-p.coarseMs {
			t.Errorf("%s at %d: a record of %d valid for %d, want %d and %d", m.Topic, m.AtMs, r.EventMs, r.ValidMs, m.EventMs, m.ValidMs)
		}
		if r.DeviceMs != m.SaidMs {
			t.Errorf("%s %s at %d says the time %d, and is read as %d", m.Topic, m.Payload, m.AtMs, m.SaidMs, r.DeviceMs)
		}
		if p.spec.Device.Role == scenario.Controller {
			if (r.State == "ON") != truth.works(m.EventMs) {
				t.Errorf("%s at %d: %s", m.Topic, m.AtMs, r.State)
			}
			continue
		}
		within := *p
		if p.fresh != "" && bytes.Contains(m.Payload, []byte(p.fresh)) {
			within.off, within.offShare, within.lagMs = 0.051, 0, 0
		}
		if w, _ := r.Value(telemetry.PowerW); !truth.near(m.EventMs-within.lagMs, m.EventMs, w, &within) {
			t.Errorf("%s %s at %d: %v W", m.Topic, m.Payload, m.AtMs, w)
		}
	}
	if states < 50 {
		t.Errorf("only %d records of the state", states)
	}
}

func checkPlugEnergy(t *testing.T, p *plugVoice, all []heard) {
	t.Helper()
	last, want := -1.0, wasOf(p)
	for i := range all {
		for j := range all[i].records {
			r := &all[i].records[j]
			wh, ok := r.Value(telemetry.EnergyWh)
			if !ok || r.Channel != p.energy {
				continue
			}
			if wh < last {
				t.Fatalf("%s at %d: the register goes back from %v to %v", all[i].Topic, all[i].AtMs, last, wh)
			}
			last = wh
		}
	}
	if flown := want.wattHours(); math.Abs(last-flown) > p.energyOff {
		t.Errorf("the register ends at %v Wh, %v Wh have flown", last, flown)
	}
}

// checkPlugTaps compares a reader's records with the cards that were held to it. What is held to it within two seconds of
// another is not read where the firmware is deaf so long; the test's cards are further apart.
func checkPlugTaps(t *testing.T, p *plugVoice, identity voice.Identity, all []heard) {
	t.Helper()
	tokens, taps := cardTokens(t), 0
	var want []plant.Tap
	for n := range days {
		want = append(want, brief.Taps(n, p.spec.Reader)...)
	}
	for i := range all {
		m := &all[i]
		for j := range m.records {
			r := &m.records[j]
			if r.Kind != telemetry.KindTap {
				continue
			}
			if taps == len(want) {
				t.Fatalf("%s at %d: one tap too many", m.Topic, m.AtMs)
			}
			tap := want[taps]
			taps++
			token, err := tokens.Token(identity.Device, card.Hex, tap.Card)
			if err != nil {
				t.Fatal(err)
			}
			if r.Device != identity.Device || r.Channel != identity.Channel || r.Card != token || !m.Tells.Has(voice.Tapped) ||
				m.EventMs != tap.AtMs || r.EventMs > tap.AtMs || r.EventMs < tap.AtMs-p.coarseMs {
				t.Errorf("%s %s: %+v, want %+v with %s", m.Topic, m.Payload, r, tap, token)
			}
		}
	}
	if taps != len(want) {
		t.Errorf("%d taps, want %d", taps, len(want))
	}
}

// Whatever is wrong with a plug, its messages decode, and the time in which the product believes that it knows the state is
// the time in which the messages are said to tell it.
func TestBrokenPlugs(t *testing.T) {
	t.Parallel()
	for _, p := range plugVoices() {
		if p.spec.Reader != nil || slices.Contains([]string{"gen1 3em", "gen2 pm1", "tasmota two"}, p.name) {
			continue
		}
		for name, wrong := range conditions() {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				identity, all := plugDays(t, &p, wrong)
				for i := range all {
					m := &all[i]
					// What is said before 2000 is no time, however it is read.
					if r := toldOf(identity, m); r != nil && m.Tells.Has(voice.State) && r.DeviceMs != m.SaidMs && r.DeviceMs > dialect.EarliestMs {
						t.Errorf("%s %s at %d says the time %d, and is read as %d", m.Topic, m.Payload, m.AtMs, m.SaidMs, r.DeviceMs)
					}
				}
				window := span.Span{StartMs: brief.Span(0).StartMs, EndMs: brief.Span(days - 1).EndMs}
				want, got := coverage(all, window), plugBelieved(identity, all, window)
				differ := want.Subtract(got).Union(got.Subtract(want))
				if share := float64(differ.Ms()) / float64(window.Ms()); share > 0.001 {
					t.Errorf("known for %d s, said to be %d s; %.3f %% differ, first %v", got.Ms()/1000, want.Ms()/1000, share*100, differ[0])
				}
				if want.Ms() < window.Ms()/2 {
					t.Errorf("the state is known for %d s only", want.Ms()/1000)
				}
			})
		}
	}
}

// plugBelieved is when the product knows the power, or what a contact shows: since it was told, while the channel says
// anything, until the link is down or the channel was silent for too long.
func plugBelieved(identity voice.Identity, all []heard, window span.Span) span.Set {
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
	var spans []span.Span
	known := false
	for i := range records {
		r := &records[i]
		_, power := r.Value(telemetry.PowerW)
		next := window.EndMs
		if i+1 < len(records) {
			next = records[i+1].EventMs
		}
		known = r.Kind == telemetry.KindSample && (known || power || strings.HasPrefix(r.Channel, "binary_sensor/"))
		if known {
			until := next
			if r.ValidMs > 0 {
				until = min(next, r.EventMs+r.ValidMs)
			}
			spans = append(spans, span.Span{StartMs: r.EventMs, EndMs: until})
			known = until == next
		}
	}
	return span.NewSet(spans...).Clip(window)
}

// A Shelly of the second generation is asked by the product just when its voice answers as if it were asked.
func TestShellyAnswersWhatIsAsked(t *testing.T) {
	t.Parallel()
	p := plugVoice{
		spec: voicetest.Device(scenario.Device{ID: "plug-7", Dialect: scenario.ShellyGen2, Role: scenario.Meter}),
		decoder: func(t *testing.T) dialect.Dialect {
			return right(t)(shelly.New(shelly.Options{}))
		},
	}
	v, _, err := voice.New(p.spec)
	if err != nil {
		t.Fatal(err)
	}
	d := p.decoder(t)
	askedMs, asked, answered := int64(0), 0, 0
	nowMs := brief.Span(0).StartMs
	for _, m := range v.Day(brief.Input(&p.spec, 0, voice.Conditions{})) {
		for ; nowMs < m.AtMs; nowMs += 20 {
			if len(d.Poll(nowMs)) > 0 {
				asked++
				askedMs = nowMs
			}
		}
		if _, err := d.Decode(dialect.Message{Topic: m.Topic, Payload: m.Payload, ReceivedMs: m.AtMs}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(m.Topic, "/status/") {
			answered++
			if m.AtMs-askedMs > 1200 {
				t.Errorf("the status of %d was asked for at %d", m.AtMs, askedMs)
			}
		}
	}
	if answered < 50 || asked < answered || asked > answered+answered/10 {
		t.Errorf("asked %d times, answered %d times", asked, answered)
	}
}
