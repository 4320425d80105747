package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	sim "github.com/jishi-telemetry/jishi/firmware-sim"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// spoken is what a voice says on a day on which nothing is wrong.
func spoken(t *testing.T, spec voice.Spec) []voice.Message {
	t.Helper()
	v, _, err := voice.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	return v.Day(brief.Input(&spec, 0, voice.Conditions{}))
}

// members are an object's members in their order, each with the type of its value.
func members(t *testing.T, payload []byte) []string {
	t.Helper()
	var out []string
	d := json.NewDecoder(bytes.NewReader(payload))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("%s is no object: %v", payload, err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%v %T", key, value))
	}
	return out
}

// The samples that the projects themselves publish: their source, their documentation or an issue. The same members in the
// same order, of the same types.
func TestVoicesHaveTheShapeOfPublishedSamples(t *testing.T) {
	t.Parallel()
	lathe := controllerOf(scenario.MTConnect, nil)
	rfid := func(version, mode string) voice.Spec {
		return readerOf(scenario.Reader{Dialect: scenario.ESPRFID, Options: map[string]string{"version": version, "mode": mode}})
	}
	for _, test := range []struct {
		name, topic, sample string
		spec                voice.Spec
	}{
		{
			"cppagent, mqtt_entity_sink.cpp: an event", "MTConnect/Devices/dev-1/Observations/exec",
			`{"dataItemId":"mode","name":"ControllerMode","type":"CONTROLLER_MODE","timestamp":"2025-10-20T15:30:46.000000Z","category":"EVENT","result":"AUTOMATIC","sequence":1235}`, lathe,
		},
		{
			"cppagent, mqtt_entity_sink.cpp: a sample with a subtype", "MTConnect/Devices/dev-1/Observations/Srpm",
			`{"dataItemId":"s","name":"S1speed","type":"ROTARY_VELOCITY","subType":"ACTUAL","timestamp":"2025-10-20T15:30:46.000000Z","category":"SAMPLE","result":"1200.000000","sequence":1235}`, lathe,
		},
		{
			"esp-rfid 1.0, mqtt.esp: access", "esprfid/gate-1",
			`{"type":"access","time":1717378210,"isKnown":"true","access":"Always","username":"Zhang Wei","uid":"ba839d07"}`, rfid("1.0", "plain"),
		},
		{
			"esp-rfid 1.3, mqtt.esp: access", "esprfid/gate-1/send",
			`{"type":"access","time":1717378210,"isKnown":"true","access":"Always","username":"Zhang Wei","uid":"ba839d07","door":"gate-1"}`, rfid("1.3", "plain"),
		},
		{
			"esp-rfid 1.3, mqtt.esp: for Home Assistant", "esprfid/gate-1/tag",
			`{"uid":"ba839d07","username":"Zhang Wei","access":"Always","time":1717378210}`, rfid("1.3", "ha"),
		},
		{
			"esp-rfid 2, mqtt.esp: heartbeat", "esprfid/gate-1/send",
			`{"type":"heartbeat","time":1717378210,"uptime":999,"ip":"192.168.1.7","hostname":"gate-2"}`, rfid("2", "plain"),
		},
		{
			"esp-rfid 2, mqtt.esp: boot", "esprfid/gate-1/send",
			`{"type":"boot","time":1717378210,"uptime":"0","ip":"192.168.1.7","hostname":"gate-2"}`, rfid("2", "plain"),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want, like := members(t, []byte(test.sample)), 0
			var kind struct{ Type string }
			if err := json.Unmarshal([]byte(test.sample), &kind); err != nil {
				t.Fatal(err)
			}
			for _, m := range spoken(t, test.spec) {
				if m.Topic != test.topic || strings.HasPrefix(test.topic, "esprfid") && kind.Type != "" && !bytes.Contains(m.Payload, []byte(`"`+kind.Type+`"`)) {
					continue
				}
				like++
				if got := members(t, m.Payload); !slices.Equal(want, got) {
					t.Fatalf("%s has %q, the sample %q", m.Payload, got, want)
				}
			}
			if like == 0 {
				t.Errorf("nothing is said on %s", test.topic)
			}
		})
	}
}

// observation is what an observation of the entity sink says of itself.
type observation struct {
	Type, SubType, Category, Result, Level string
}

// recordedObservations are observations by type, and the words that each type has, and all conditions together.
type recordedObservations struct {
	shapes map[string]bool // type, category and members
	words  map[string]map[string]bool
	topics map[string]bool // how many parts a topic has
}

func (r *recordedObservations) add(t *testing.T, topic string, payload []byte) {
	t.Helper()
	var o observation
	if err := json.Unmarshal(payload, &o); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	if o.Type == "" {
		return // a key that the machine's model does not declare
	}
	parts := strings.Split(topic, "/")
	parts[2], parts[4] = "<uuid>", "<dataItemId>"
	r.topics[strings.Join(parts, "/")] = true
	r.shapes[shapeOf(t, &o, payload)] = true
	about := o.Type
	if o.Category == "CONDITION" {
		about = o.Category
	}
	if r.words[about] == nil {
		r.words[about] = map[string]bool{}
	}
	r.words[about][o.Result+o.Level] = true
}

// concerns reports whether a payload is of a type that has been added, or a condition.
func (r *recordedObservations) concerns(payload []byte) bool {
	if bytes.Contains(payload, []byte(`"category":"CONDITION"`)) {
		return true
	}
	for typ := range r.words {
		if bytes.Contains(payload, []byte(`"type":"`+typ+`"`)) {
			return true
		}
	}
	return false
}

// shapeOf is an observation's type and category with its members and their types, in any order.
func shapeOf(t *testing.T, o *observation, payload []byte) string {
	t.Helper()
	list := slices.DeleteFunc(members(t, payload), func(m string) bool {
		// Of machines some name their data items and some have subtypes; a fault has what a normal condition has not.
		return strings.HasPrefix(m, "name ") || strings.HasPrefix(m, "subType ") || strings.HasPrefix(m, "nativeCode ") ||
			strings.HasPrefix(m, "conditionId ") || strings.HasPrefix(m, "message ")
	})
	slices.Sort(list)
	return fmt.Sprint(o.Type, " ", o.Category, " ", list)
}

// An agent of the simulator says what the agents of real machines say: the same types and categories, the same members of
// the same types, and no word that those do not use.
func TestAgentsSayWhatRealMachinesSay(t *testing.T) {
	t.Parallel()
	okuma := recordingtest.Folder(t, "mtconnect_okuma_demo")
	nist := recordingtest.Folder(t, "nist_sms_testbed")
	ours := recordedObservations{map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}}
	for _, m := range spoken(t, controllerOf(scenario.MTConnect, nil)) {
		if strings.Contains(m.Topic, "/Observations/") {
			ours.add(t, m.Topic, m.Payload)
		}
	}
	real := recordedObservations{map[string]bool{}, map[string]map[string]bool{}, map[string]bool{}}
	for path, o := range map[string]sim.RecordingOptions{
		filepath.Join(okuma, "okuma.txt.gz"): {Devices: filepath.Join(okuma, "Devices.xml"), Device: "OKUMA"},
		// Of the days of the other recording one with interruptions and with a fault.
		filepath.Join(nist, "raw", "Mazak03", "Mazak03-20161102-20161103.txt.gz"): {},
	} {
		recording, err := sim.OpenRecording([]string{path}, o)
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range recording.Messages() {
			if err != nil {
				t.Fatal(err)
			}
			if ours.concerns(m.Payload) {
				real.add(t, m.Topic, m.Payload)
			}
		}
	}
	if diff := cmp.Diff(ours.topics, real.topics); diff != "" {
		t.Errorf("topics (-ours +real):\n%s", diff)
	}
	if len(ours.shapes) < 7 {
		t.Errorf("only %d kinds of observation: %q", len(ours.shapes), slices.Sorted(maps.Keys(ours.shapes)))
	}
	for shape := range ours.shapes {
		if !real.shapes[shape] {
			t.Errorf("no real machine has said %s", shape)
		}
	}
	for _, typ := range []string{"AVAILABILITY", "EXECUTION", "CONTROLLER_MODE", "CONDITION"} {
		for word := range ours.words[typ] {
			if !real.words[typ][word] {
				t.Errorf("no real machine has said %s %s, only %q", typ, word, slices.Sorted(maps.Keys(real.words[typ])))
			}
		}
	}
	for typ, words := range ours.words {
		for word := range words {
			if _, err := strconv.ParseFloat(word, 64); err == nil && !slices.ContainsFunc(slices.Collect(maps.Keys(real.words[typ])), isNumber) {
				t.Errorf("%s is a number here (%s), and never at a real machine", typ, word)
			}
		}
	}
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

// field is one field of a protobuf message.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  []byte
}

func fieldsOf(t *testing.T, message []byte) []field {
	t.Helper()
	var out []field
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			t.Fatalf("%x: %v", message, protowire.ParseError(n))
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			t.Fatalf("%x: %v", message, protowire.ParseError(n))
		}
		value := message[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		out = append(out, field{number, kind, value})
		message = message[n:]
	}
	return out
}

// payloadShape is a Sparkplug payload's fields with their wire types, and those of its metrics by data type, without which
// of a metric they are.
type payloadShape struct {
	payload map[string]bool
	metrics map[string]map[string]bool // by data type
}

func (p *payloadShape) add(t *testing.T, payload []byte) {
	t.Helper()
	for _, f := range fieldsOf(t, payload) {
		p.payload[fmt.Sprint(f.number, " ", f.kind)] = true
		if f.number != 2 {
			continue
		}
		datatype, fields := "", []string{}
		for _, m := range fieldsOf(t, f.value) {
			if m.number == 4 {
				v, _ := protowire.ConsumeVarint(m.value)
				datatype = strconv.FormatUint(v, 10)
			}
			fields = append(fields, fmt.Sprint(m.number, " ", m.kind))
		}
		if p.metrics[datatype] == nil {
			p.metrics[datatype] = map[string]bool{}
		}
		for _, one := range fields {
			p.metrics[datatype][one] = true
		}
	}
}

// Payloads of the simulator's edge nodes have the fields that payloads of another project's encoder have, with the same wire
// types, and put a value of a data type into the same field.
func TestEdgeNodesSayWhatAnotherEncoderSays(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(recordingtest.Folder(t, "sparkplug_umh"), "test_vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Base64, Type string }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	real, ours := map[string]*payloadShape{}, map[string]*payloadShape{}
	shape := func(of map[string]*payloadShape, verb string) *payloadShape {
		if of[verb] == nil {
			of[verb] = &payloadShape{map[string]bool{}, map[string]map[string]bool{}}
		}
		return of[verb]
	}
	for _, v := range vectors {
		payload, err := base64.StdEncoding.DecodeString(v.Base64)
		if err != nil {
			t.Fatal(err)
		}
		shape(real, v.Type).add(t, payload)
	}
	spec := meterOf(scenario.Sparkplug, nil)
	v, _, err := voice.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range v.Day(brief.Input(&spec, 0, voice.Conditions{Reboots: []int64{brief.At(0, 30)}})) {
		verb := strings.Split(m.Topic, "/")[2]
		// The device's messages are a node's in all but the topic; their metrics are doubles, as the samples' are.
		shape(ours, "N"+verb[1:]).add(t, m.Payload)
	}
	for verb, want := range real {
		got := ours[verb]
		if got == nil {
			t.Errorf("no %s is said", verb)
			continue
		}
		for f := range want.payload {
			// The samples' NDEATH has a seq, which the specification forbids.
			if !got.payload[f] && (verb != "NDEATH" || !strings.HasPrefix(f, "3 ")) {
				t.Errorf("%s has no field %s", verb, f)
			}
		}
		for datatype, fields := range want.metrics {
			for f := range fields {
				// The samples give bdSeq and Node Control/Rebirth aliases, which the specification forbids for the second.
				if !got.metrics[datatype][f] && (!strings.HasPrefix(f, "2 ") || datatype == "10") {
					t.Errorf("%s: a metric of data type %s has no field %s, only %v", verb, datatype, f, got.metrics[datatype])
				}
			}
		}
	}
}

// The topics and counts of a plant's recorded edge nodes: as many parts for each verb, milliseconds, and one count.
func TestEdgeNodesUseRecordedTopics(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(recordingtest.Folder(t, "sparkplug_umh"), "pcap_patterns.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comment = '#'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]map[int]int{}
	for _, row := range rows[1:] {
		if row[7] == "" {
			continue // the capture has messages that are not Sparkplug's
		}
		if parts[row[4]] == nil {
			parts[row[4]] = map[int]int{}
		}
		parts[row[4]][strings.Count(row[2], "/")]++
	}
	heard := map[string]int{}
	for _, m := range spoken(t, meterOf(scenario.Sparkplug, nil)) {
		verb := strings.Split(m.Topic, "/")[2]
		if real := parts[verb]; real != nil && real[strings.Count(m.Topic, "/")] == 0 {
			t.Errorf("%s has not as many parts as the recorded %v", m.Topic, real)
		}
		if m.Retain || m.QoS != 0 {
			t.Errorf("%s: retain %v, QoS %d", m.Topic, m.Retain, m.QoS)
		}
		heard[verb]++
	}
	for verb := range parts {
		if heard[verb] == 0 {
			t.Errorf("%s was recorded and is not said", verb)
		}
	}
}
