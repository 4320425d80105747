package voice_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice/voicetest"
	"github.com/jishi-telemetry/jishi/internal/span"
)

var updateGateways = flag.Bool("update-gateways", false, "write the digests of the gateways' days again")

// gatewaySpecs are gateways, agents, edge nodes and readers in each form that an option makes.
func gatewaySpecs() map[string]voice.Spec {
	type options = map[string]string
	specs := map[string]voice.Spec{}
	for _, role := range []scenario.Role{scenario.Meter, scenario.Controller} {
		for _, s := range []struct {
			dialect scenario.Dialect
			options options
		}{
			{scenario.Native, nil},
			{scenario.Native, options{"store": "yes", "register": "kept", "channel": "main", "will": "at_once"}},
			{scenario.MTConnect, nil},
			{scenario.MTConnect, options{"loses": "link"}},
			{scenario.MTConnect, options{"agent": "shared"}},
			{scenario.MTConnectDocument, nil},
			{scenario.MTConnectDocument, options{"json": "1", "retain": "no"}},
			{scenario.Sparkplug, nil},
			{scenario.Sparkplug, options{"alias": "off", "store": "yes", "node": "edge", "keepalive_s": "20"}},
		} {
			specs[fmt.Sprint(s.dialect, " ", role, " ", s.options)] = voicetest.Device(scenario.Device{ID: "dev-1", Dialect: s.dialect, Role: role, Options: s.options})
		}
	}
	for _, r := range []scenario.Reader{
		{Dialect: scenario.Native, Direction: "in"},
		{Dialect: scenario.Native, Options: options{"notation": "facility", "heartbeat_s": "0"}},
		{Dialect: scenario.ESPRFID},
		{Dialect: scenario.ESPRFID, Options: options{"version": "1.3", "zeros": "dropped"}},
		{Dialect: scenario.ESPRFID, Options: options{"version": "1.0"}},
		{Dialect: scenario.ESPRFID, Type: "wiegand", Options: options{"mode": "ha"}},
	} {
		r.ID = "gate-1"
		specs[fmt.Sprint(r.Dialect, " reader ", r.Type, r.Options)] = voicetest.Reader(r)
	}
	return specs
}

// The bytes of each voice's days are the same on every run and on every platform, whole or broken.
func TestGatewayDigests(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	specs, conditions := gatewaySpecs(), plugConditions()
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		for _, what := range slices.Sorted(maps.Keys(conditions)) {
			said := twoDays(t, specs[name], voicetest.Brief(), conditions[what])
			fmt.Fprintf(&got, "%s, %s: %d %s\n", name, what, len(said), digest(said))
		}
		said := twoDays(t, specs[name], voicetest.Brief(), conditions["dead"])
		if again := twoDays(t, specs[name], voicetest.Brief(), conditions["dead"]); digest(said) != digest(again) {
			t.Errorf("%s says something else the second time", name)
		}
	}
	golden := filepath.Join("testdata", "gateways.golden")
	if *updateGateways {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("go test -update-gateways writes the digests again:\n%s", diff)
	}
}

// Whoever has a will says it once for each time that it is gone, is born again afterwards, and says nothing while it is dead.
func TestGatewaysDie(t *testing.T) {
	t.Parallel()
	c := plugConditions()["dead"]
	for name, spec := range gatewaySpecs() {
		if strings.Contains(name, "shared") || strings.Contains(name, "esprfid") && !strings.Contains(name, "ha") {
			continue // no will of its own
		}
		wills := 0
		for _, m := range twoDays(t, spec, voicetest.Brief(), c) {
			will := m.Tells == voice.Death && m.Exact && (m.Retain || strings.Contains(m.Topic, "/NDEATH/") || strings.Contains(m.Topic, "Availability"))
			if will && !strings.Contains(m.Topic, "Observations") {
				wills++
			} else if c.Dead.Contains(m.AtMs) {
				t.Errorf("%s is dead and says %s at %d", name, m.Topic, m.AtMs)
			}
		}
		if want := len(c.Dead); wills != want {
			t.Errorf("%s: %d wills, want %d", name, wills, want)
		}
	}
}

// Of a device that is swapped from one machine to another in mid-day, one voice speaks all day: its births are not said
// again, and its register goes on.
func TestSwappedMeterGoesOn(t *testing.T) {
	t.Parallel()
	days := voicetest.Brief()
	for name, spec := range gatewaySpecs() {
		if spec.Device == nil || spec.Device.Role != scenario.Meter {
			continue
		}
		v, _, err := voice.New(spec)
		if err != nil {
			t.Fatal(err)
		}
		births, register := 0, 0.0
		in := days.Input(&spec, 0, voice.Conditions{})
		for i, at := range []span.Span{{StartMs: in.StartMs, EndMs: days.At(0, 80)}, {StartMs: days.At(0, 80), EndMs: in.EndMs}} {
			in.At = span.NewSet(at)
			in.Machine = days.Machine(0, uint64(i)+1)
			for _, m := range v.Day(in) {
				if m.AtMs < at.StartMs || m.AtMs >= at.EndMs {
					t.Errorf("%s speaks at %d and stands there in %v", name, m.AtMs, at)
				}
				if m.Tells.Has(voice.Birth) && (m.EventMs == m.AtMs || i == 1) {
					births++
				}
				var sample struct {
					V struct {
						EnergyWh float64 `json:"energy_wh"`
					} `json:"v"`
				}
				if m.Tells.Has(voice.Energy) && strings.HasPrefix(name, "native") {
					if err := json.Unmarshal(m.Payload, &sample); err != nil || sample.V.EnergyWh < register {
						t.Fatalf("%s: %s after %v Wh, %v", name, m.Payload, register, err)
					}
					register = sample.V.EnergyWh
				}
			}
		}
		if births > 2 || register < 100 && strings.HasPrefix(name, "native") {
			t.Errorf("%s is born %d times and ends at %v Wh", name, births, register)
		}
	}
}

// Native payloads are what the format's JSON Schema allows, also of broken devices.
func TestNativePayloadsFitTheSchema(t *testing.T) {
	t.Parallel()
	compiler := jsonschema.NewCompiler()
	schemas := map[string]*jsonschema.Schema{}
	for kind, def := range map[string]string{"sample": "sampleMessage", "tap": "tapMessage", "link": "link"} {
		schema, err := compiler.Compile(filepath.Join("..", "..", "docs", "dialects", "native.schema.json") + "#/$defs/" + def)
		if err != nil {
			t.Fatal(err)
		}
		schemas[kind] = schema
	}
	fitted := map[string]int{}
	for name, spec := range gatewaySpecs() {
		if !strings.HasPrefix(name, "native") {
			continue
		}
		for _, what := range []string{"healthy", "dead", "unset", "spikes"} {
			for i, m := range twoDays(t, spec, voicetest.Brief(), plugConditions()[what]) {
				if i%7 > 0 && m.Tells.Has(voice.State) {
					continue // one in seven of the many is enough
				}
				kind := m.Topic[strings.LastIndexByte(m.Topic, '/')+1:]
				payload, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Payload))
				if err != nil {
					t.Fatalf("%s: %v", m.Payload, err)
				}
				if err := schemas[kind].Validate(payload); err != nil {
					t.Fatalf("%s: %v", m.Payload, err)
				}
				fitted[kind]++
			}
		}
	}
	for kind := range schemas {
		if fitted[kind] < 10 {
			t.Errorf("only %d of %s", fitted[kind], kind)
		}
	}
}

// An agent that starts anew counts from one under a new instance, and one that has only lost its link goes on counting.
func TestAgentsCount(t *testing.T) {
	t.Parallel()
	type document struct {
		MTConnectStreams struct {
			Header struct{ InstanceID, NextSequence int64 } `json:"Header"`
		}
	}
	for _, test := range []struct {
		loses, what string
		instances   int
	}{{"link", "dead", 1}, {"power", "dead", 4}, {"link", "reboots", 3}, {"power", "healthy", 1}} {
		spec := voicetest.Device(scenario.Device{
			ID: "dev-1", Dialect: scenario.MTConnectDocument, Role: scenario.Controller, Options: map[string]string{"loses": test.loses},
		})
		next, instances := int64(0), map[int64]bool{}
		for _, m := range twoDays(t, spec, voicetest.Brief(), plugConditions()[test.what]) {
			if !strings.HasPrefix(m.Topic, "MTConnect/Current/") {
				continue
			}
			var d document
			if err := json.Unmarshal(m.Payload, &d); err != nil {
				t.Fatalf("%s: %v", m.Payload, err)
			}
			h := d.MTConnectStreams.Header
			if instances[h.InstanceID] && h.NextSequence < next {
				t.Errorf("loses %s, %s: the next is %d after %d", test.loses, test.what, h.NextSequence, next)
			}
			if !instances[h.InstanceID] && h.NextSequence > 20 {
				t.Errorf("loses %s, %s: a new instance begins with %d", test.loses, test.what, h.NextSequence)
			}
			instances[h.InstanceID], next = true, h.NextSequence
		}
		if len(instances) != test.instances {
			t.Errorf("loses %s, %s: %d instances, want %d", test.loses, test.what, len(instances), test.instances)
		}
	}
}

// A node's messages and its device's have one count from 0 to 255 and around; each session has the next bdSeq, and its will
// has that of the session that it ends.
func TestEdgeNodesCount(t *testing.T) {
	t.Parallel()
	for name, spec := range gatewaySpecs() {
		if !strings.HasPrefix(name, "sparkplug") {
			continue
		}
		session, next, deaths, wrapped := int64(-1), uint64(0), 0, false
		for _, m := range twoDays(t, spec, voicetest.Brief(), plugConditions()["dead"]) {
			verb := strings.Split(m.Topic, "/")[2]
			seq, bdSeq, ok := counts(m.Payload)
			switch verb {
			case "NDEATH":
				deaths++
				if ok || int64(bdSeq) != session {
					t.Fatalf("%s: a will with bdSeq %d and seq %v in session %d", name, bdSeq, ok, session)
				}
				continue
			case "NBIRTH":
				session++
				next = 0
				if int64(bdSeq) != session {
					t.Fatalf("%s: session %d has bdSeq %d", name, session, bdSeq)
				}
			}
			if !ok || seq != next {
				t.Fatalf("%s: %s has seq %d, %v; want %d", name, m.Topic, seq, ok, next)
			}
			wrapped = wrapped || next == 255
			next = (next + 1) % 256
		}
		if deaths != 3 || session != 3 || !wrapped && strings.Contains(name, "meter") {
			t.Errorf("%s: %d deaths, the last session is %d, wrapped %v", name, deaths, session, wrapped)
		}
	}
}

// counts returns a payload's seq, if it has one, and the bdSeq of its first metric.
func counts(payload []byte) (seq, bdSeq uint64, ok bool) {
	first := true
	for len(payload) > 0 {
		number, kind, n := protowire.ConsumeTag(payload)
		payload = payload[n:]
		switch {
		case number == 3:
			seq, n = protowire.ConsumeVarint(payload)
			ok = true
		case number == 2 && first:
			var metric []byte
			metric, n = protowire.ConsumeBytes(payload)
			first, bdSeq = false, longOf(metric)
		default:
			n = protowire.ConsumeFieldValue(number, kind, payload)
		}
		payload = payload[n:]
	}
	return seq, bdSeq, ok
}

// longOf returns a metric's long value.
func longOf(metric []byte) (long uint64) {
	for len(metric) > 0 {
		number, kind, n := protowire.ConsumeTag(metric)
		metric = metric[n:]
		if number == 11 {
			long, _ = protowire.ConsumeVarint(metric)
		}
		metric = metric[protowire.ConsumeFieldValue(number, kind, metric):]
	}
	return long
}

// What a gateway cannot do is refused, and the error names it and what would be right.
func TestWrongGatewayOptions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dialect scenario.Dialect
		options map[string]string
		want    string
	}{
		{scenario.Native, map[string]string{"store": "maybe"}, `option store is "maybe"; no or yes is right`},
		{scenario.Native, map[string]string{"channel": "a/b"}, "a name without / + # is right"},
		{scenario.Native, map[string]string{"colour": "red"}, `option "colour" is unknown; keepalive_s, will`},
		{scenario.MTConnect, map[string]string{"agent": "none"}, `option agent is "none"; own or shared is right`},
		{scenario.MTConnectDocument, map[string]string{"json": "3"}, `option json is "3"; 2 or 1 is right`},
		{scenario.Sparkplug, map[string]string{"alias": "maybe", "node": "a/b"}, `option node is "a/b"`},
		{scenario.Sparkplug, map[string]string{"keepalive_s": "0"}, "a whole number from 1 to 3600 is right"},
		{scenario.ESPRFID, nil, "esprfid is for readers only"},
		{"homie", nil, `dialect "homie" is not spoken`},
	} {
		spec := voicetest.Device(scenario.Device{ID: "dev-1", Dialect: test.dialect, Role: scenario.Meter, Options: test.options})
		if _, _, err := voice.New(spec); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "dev-1") {
			t.Errorf("%s %v: %v, want %q", test.dialect, test.options, err, test.want)
		}
	}
	reader := voicetest.Reader(scenario.Reader{ID: "gate-1", Dialect: scenario.ESPRFID, Options: map[string]string{"version": "9", "topic": "#"}})
	if _, _, err := voice.New(reader); err == nil || !strings.Contains(err.Error(), `version is "9"`) || !strings.Contains(err.Error(), `topic is "#"`) {
		t.Errorf("a reader's error is %v", err)
	}
}
