package voice_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice/voicetest"
	"github.com/jishi-telemetry/jishi/internal/span"
)

var updatePlugs = flag.Bool("update-plugs", false, "write the digests of the plugs' days again")

// plugSpecs are plugs, meters and readers in each form that an option makes.
func plugSpecs() map[string]voice.Spec {
	device := func(d scenario.Dialect, every time.Duration, options map[string]string) voice.Spec {
		return voicetest.Device(scenario.Device{ID: "plug-7", Dialect: d, Role: scenario.Meter, Every: every, Options: options})
	}
	reader := func(d scenario.Dialect, hardware string, options map[string]string) voice.Spec {
		return voicetest.Reader(scenario.Reader{ID: "gate-2", Dialect: d, Type: hardware, Options: options})
	}
	specs := map[string]voice.Spec{
		"shelly gen1":          device(scenario.ShellyGen1, 0, nil),
		"shelly gen1 3em":      device(scenario.ShellyGen1, 0, map[string]string{"model": "3em"}),
		"shelly gen2 switch":   device(scenario.ShellyGen2, 0, nil),
		"shelly gen2 pm1":      device(scenario.ShellyGen2, 0, map[string]string{"component": "pm1"}),
		"shelly gen2 em":       device(scenario.ShellyGen2, 0, map[string]string{"component": "em"}),
		"shelly gen2 no poll":  device(scenario.ShellyGen2, 0, map[string]string{"poll": "off"}),
		"tasmota default":      device(scenario.Tasmota, 0, nil),
		"tasmota relay":        device(scenario.Tasmota, time.Minute, map[string]string{"relay": "follow", "power_delta": "105"}),
		"tasmota percent":      device(scenario.Tasmota, time.Minute, map[string]string{"power_delta": "20", "relay": "none"}),
		"tasmota two":          device(scenario.Tasmota, 10*time.Second, map[string]string{"phases": "2"}),
		"tasmota three":        device(scenario.Tasmota, 10*time.Second, map[string]string{"phases": "3"}),
		"esphome meter":        device(scenario.ESPHome, 0, nil),
		"zigbee2mqtt":          device(scenario.Zigbee2MQTT, 0, nil),
		"zigbee2mqtt uncached": device(scenario.Zigbee2MQTT, 0, map[string]string{"cache": "off"}),
		"zigbee2mqtt polled":   device(scenario.Zigbee2MQTT, 0, map[string]string{"poll": "60s"}),
	}
	for _, form := range []string{"local", "iso", "both", "epoch", "epoch_ms"} {
		specs["tasmota time "+form] = device(scenario.Tasmota, time.Minute, map[string]string{"time": form})
	}
	for _, form := range []string{"iso", "iso_local", "epoch"} {
		specs["zigbee2mqtt seen "+form] = device(scenario.Zigbee2MQTT, 0, map[string]string{"last_seen": form})
	}
	for _, hardware := range []string{"rc522", "pn532", "wiegand", "rdm6300"} {
		specs["tasmota "+hardware] = reader(scenario.Tasmota, hardware, nil)
		specs["esphome "+hardware] = reader(scenario.ESPHome, hardware, nil)
	}
	specs["tasmota wiegand hex"] = reader(scenario.Tasmota, "wiegand", map[string]string{"hex": "yes"})
	contact := scenario.Device{ID: "plug-7", Dialect: scenario.ESPHome, Role: scenario.Controller}
	specs["esphome contact"] = voicetest.Device(contact)
	return specs
}

// plugConditions are brief days on which something is wrong.
func plugConditions() map[string]voice.Conditions {
	at := func(minute int64) int64 { return voicetest.Brief().At(0, minute) }
	end := voicetest.Brief().Span(0).EndMs
	return map[string]voice.Conditions{
		"healthy": {},
		"dead": {
			Dead: span.NewSet(
				span.Span{StartMs: at(30), EndMs: at(30) + 20_000},
				span.Span{StartMs: at(60), EndMs: at(90)},
				span.Span{StartMs: end - 60_000, EndMs: end},
			),
		},
		"reboots": {Reboots: []int64{at(40), at(100) + 333}},
		"drift":   {Shifts: []voice.Shift{{FromMs: at(20), Rate: 1e-4}, {FromMs: at(90), OffsetMs: -3_600_000}, {FromMs: at(120)}}},
		"local":   {LocalTime: true},
		"unset":   {Unset: span.NewSet(span.Span{StartMs: at(20), EndMs: at(40)})},
		"stuck":   {Stuck: span.NewSet(span.Span{StartMs: at(30), EndMs: at(100)})},
		"spikes":  {Spike: 0.02, SpikeBy: 8},
		"cached":  {Cached: 0.4},
	}
}

// twoDays lets a new voice speak for two days, the first of which is under the conditions.
func twoDays(t *testing.T, spec voice.Spec, days voicetest.Calendar, c voice.Conditions) []voice.Message {
	t.Helper()
	v, _, err := voice.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	var all []voice.Message
	for day, conditions := range []voice.Conditions{c, {}} {
		said := v.Day(days.Input(&spec, day, conditions))
		last := days.Span(day).StartMs
		for i := range said {
			if said[i].AtMs < last || said[i].AtMs >= days.Span(day).EndMs {
				t.Fatalf("day %d, message %d is at %d, after %d", day, i, said[i].AtMs, last)
			}
			last = said[i].AtMs
		}
		all = append(all, said...)
	}
	return all
}

// digest is a hash of all that the messages say and are meant to tell.
func digest(said []voice.Message) string {
	h := sha256.New()
	var line []byte
	for i := range said {
		m := &said[i]
		line = append(append(line[:0], m.Topic...), 0)
		line = append(append(line, m.Payload...), 0)
		line = append(append(line, m.Device...), 0, m.QoS, byte(m.Tells))
		for _, flag := range []bool{m.Retain, m.Exact, m.Current} {
			line = strconv.AppendBool(line, flag)
		}
		for _, ms := range []int64{m.AtMs, m.EventMs, m.ValidMs, m.SaidMs} {
			line = binary.BigEndian.AppendUint64(line, uint64(ms))
		}
		h.Write(line)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// TestPlugDigests holds the bytes of each voice's days: the same on every run and on every platform. One of each dialect
// also has whole days, and days on which something is wrong.
func TestPlugDigests(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	specs, conditions := plugSpecs(), plugConditions()
	hardy := []string{"shelly gen1", "shelly gen2 switch", "tasmota relay", "tasmota rc522", "esphome meter", "zigbee2mqtt seen iso"}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		for _, what := range slices.Sorted(maps.Keys(conditions)) {
			if what != "healthy" && !slices.Contains(hardy, name) {
				continue
			}
			days := voicetest.Brief()
			if what == "healthy" && slices.Contains(hardy, name) {
				days = voicetest.Whole()
			}
			said := twoDays(t, specs[name], days, conditions[what])
			fmt.Fprintf(&got, "%s, %s: %d %s\n", name, what, len(said), digest(said))
		}
	}
	golden := filepath.Join("testdata", "plugs.golden")
	if *updatePlugs {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("go test -update-plugs writes the digests again:\n%s", diff)
	}
}

// TestPlugsDie: whatever has a will says it once for each time that it is gone for long, and is born again afterwards; the
// dead say nothing.
func TestPlugsDie(t *testing.T) {
	t.Parallel()
	specs := plugSpecs()
	for _, name := range []string{
		"shelly gen1", "shelly gen2 switch", "tasmota default", "tasmota rc522", "esphome meter", "esphome contact", "esphome pn532", "zigbee2mqtt",
	} {
		spec, c := specs[name], plugConditions()["dead"]
		deaths, births := 0, 0
		for _, m := range twoDays(t, spec, voicetest.Brief(), c) {
			switch {
			case m.Tells.Has(voice.Death):
				deaths++
				if !m.Retain || !m.Exact {
					t.Errorf("%s: the will is %+v", name, m)
				}
			case m.Retain && m.Tells == voice.Birth && m.ValidMs == 0:
				births++
			}
			if c.Dead.Contains(m.AtMs) && !m.Tells.Has(voice.Death) {
				t.Errorf("%s is dead and says %s", name, m.Topic)
			}
		}
		wantDeaths := 3
		if strings.HasPrefix(name, "zigbee2mqtt") {
			// What is back within ten minutes is not missed.
			wantDeaths = 1
		}
		if deaths != wantDeaths || births != 4 {
			t.Errorf("%s died %d times and was born %d times; want %d and 4", name, deaths, births, wantDeaths)
		}
	}
}

// TestWrongOptions: what a voice cannot do is refused, and the error names it and what would be right.
func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dialect scenario.Dialect
		role    scenario.Role
		options map[string]string
		want    string
	}{
		{scenario.ShellyGen1, scenario.Meter, map[string]string{"model": "4em"}, `option model is "4em"; plug or 3em is right`},
		{scenario.ShellyGen1, scenario.Controller, nil, "role is"},
		{scenario.ShellyGen2, scenario.Meter, map[string]string{"poll": "soon"}, `option poll is "soon"; a duration from 0s to 1h0m0s is right`},
		{scenario.Tasmota, scenario.Meter, map[string]string{"phases": "4"}, "option phases"},
		{scenario.Tasmota, scenario.Meter, map[string]string{"fase": "3"}, `option "fase" is unknown`},
		{scenario.ESPHome, scenario.Controller, map[string]string{"contact": "a/b"}, "option contact"},
		{scenario.Zigbee2MQTT, scenario.Meter, map[string]string{"base": "z/#"}, "option base"},
		{scenario.Zigbee2MQTT, scenario.Controller, nil, "meter is right"},
	} {
		spec := voicetest.Device(scenario.Device{ID: "plug-7", Dialect: test.dialect, Role: test.role, Options: test.options})
		if _, _, err := voice.New(spec); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "plug-7") {
			t.Errorf("%s %v: %v; want it to say %s", test.dialect, test.options, err, test.want)
		}
	}
	spec := voicetest.Reader(scenario.Reader{ID: "gate-2", Dialect: scenario.Tasmota, Type: "osdp"})
	if _, _, err := voice.New(spec); err == nil || !strings.Contains(err.Error(), `type is "osdp"; rc522 or pn532`) {
		t.Errorf("osdp: %v", err)
	}
}

// TestOneLeaderOnZigbee: of all plugs of a base one speaks for Zigbee2MQTT, once, and before any plug's cache.
func TestOneLeaderOnZigbee(t *testing.T) {
	t.Parallel()
	devices := []scenario.Device{
		{ID: "a", Dialect: scenario.Zigbee2MQTT, Role: scenario.Meter}, {ID: "b", Dialect: scenario.Zigbee2MQTT, Role: scenario.Meter},
	}
	base := voicetest.Base(devices, nil)
	said := 0
	for i := range devices {
		spec := voice.Spec{Base: base, Machine: &base.Workshops[0].Machines[0], Device: &devices[i]}
		for n, m := range twoDays(t, spec, voicetest.Brief(), plugConditions()["dead"]) {
			if strings.HasSuffix(m.Topic, "bridge/state") {
				said++
				if n != 0 || i != 0 {
					t.Errorf("%s speaks for Zigbee2MQTT in message %d", devices[i].ID, n)
				}
			}
		}
	}
	if said != 1 {
		t.Errorf("bridge/state was said %d times", said)
	}
}

// TestSwappedPlugGoesOn: a meter that is put up at another machine in mid-day says nothing of it: one voice goes on, is
// born once, and speaks of each machine only while it stands there.
func TestSwappedPlugGoesOn(t *testing.T) {
	t.Parallel()
	days := voicetest.Brief()
	for name, spec := range plugSpecs() {
		if spec.Device == nil {
			continue
		}
		v, _, err := voice.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		births, states := 0, [2]int{}
		in := days.Input(&spec, 0, voice.Conditions{})
		for i, at := range []span.Span{{StartMs: in.StartMs, EndMs: days.At(0, 80)}, {StartMs: days.At(0, 80), EndMs: in.EndMs}} {
			in.At, in.Machine = span.NewSet(at), days.Machine(0, uint64(i)+1)
			for _, m := range v.Day(in) {
				if m.AtMs < at.StartMs || m.AtMs >= at.EndMs {
					t.Errorf("%s speaks at %d and stands there in %v", name, m.AtMs, at)
				}
				if m.Tells.Has(voice.Birth) {
					births++
				}
				if m.Tells.Has(voice.State) {
					states[i]++
				}
			}
		}
		if births != 1 || states[0] < 10 || states[1] < 10 {
			t.Errorf("%s is born %d times and tells the states %v times", name, births, states)
		}
	}
}

// BenchmarkPlugDay is what a day of a device costs.
func BenchmarkPlugDay(b *testing.B) {
	for name, spec := range plugSpecs() {
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			v, _, err := voice.New(spec)
			if err != nil {
				b.Fatal(err)
			}
			in := voicetest.Input(&spec, 0, voice.Conditions{})
			messages := 0
			b.ReportAllocs()
			for range b.N {
				messages += len(v.Day(in))
				length := in.Span.Ms()
				in.Span.StartMs += length
				in.Span.EndMs += length
				in.At = span.NewSet(in.Span)
			}
			b.ReportMetric(float64(messages)/float64(b.N), "messages/day")
		})
	}
}
