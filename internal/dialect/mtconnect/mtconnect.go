// Package mtconnect decodes MTConnect over MQTT as agents publish it one observation a topic (cppagent's entity sink,
// MTConnect.NET's relay): docs/dialects/mtconnect.md describes it. It refuses the document topics (Current, Sample) with
// an error that says what to configure instead; it knows nothing of SHDR, which is for adapters.
package mtconnect

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "mtconnect"

// Unavailable is the state of a channel of which the agent says that its value is not known, however it was written.
const Unavailable = "UNAVAILABLE"

// root is where agents publish by default.
const root = "MTConnect/"

// Dialect implements dialect.Dialect. It remembers names, and how late each device's observations usually are. Repeats of an observation are not left out here: the
// first copy may have been decoded and then not stored, and a record's identity makes the second one harmless.
type Dialect struct {
	doc   jsondoc.Reader
	names dialect.Names
	kinds kinds
	clock dialect.Clock
	late  *dialect.Memory[lateness]
}

// New returns the dialect. Its clock believes any time in the past: an observation says when its value last changed,
// which may be weeks ago.
func New() *Dialect {
	return &Dialect{kinds: newKinds(), late: dialect.NewMemory[lateness](dialect.MaxDevices)}
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool { return strings.HasPrefix(topic, root) }

// Poll implements dialect.Dialect: agents cannot be asked over MQTT.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	if len(m.Payload) == 0 {
		return dialect.Result{}, nil
	}
	group, rest, _ := strings.Cut(strings.TrimPrefix(m.Topic, root), "/")
	device, leaf, _ := strings.Cut(rest, "/")
	kind, item, _ := strings.Cut(leaf, "/")
	switch {
	case group == "Devices" && kind == "Observations":
		result, err := d.observations(m, device, item)
		result.Records = d.restated(result.Records, m)
		return result, err
	case group == "Probe" && leaf == "Availability":
		return d.agent(m, device)
	case group == "Current" || group == "Sample":
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s carries whole MTConnectStreams documents, which are not read; configure the agent's MqttEntitySink, which publishes to %sDevices/<uuid>/Observations/<dataItemId>",
			dialect.Quote(m.Topic), root)
	case group == "Devices" || group == "Probe" || group == "Asset":
		// Device models and assets say nothing about use.
		return dialect.Result{}, nil
	}
	return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic,
		"topic %s is none of %sDevices, Probe, Asset, Current and Sample", dialect.Quote(m.Topic), root)
}

// agent decodes the agent's own availability, which is also its last will.
func (d *Dialect) agent(m dialect.Message, device string) (dialect.Result, error) {
	if err := dialect.CheckName("device in the topic", device); err != nil {
		return dialect.Result{}, err
	}
	if err := dialect.CheckPayload(m.Payload); err != nil {
		return dialect.Result{}, err
	}
	rec := telemetry.Record{Kind: telemetry.KindLink, Device: d.names.Own(device), Retained: m.Retained}
	switch text := strings.TrimSpace(string(m.Payload)); {
	case strings.EqualFold(text, "AVAILABLE"):
		rec.Link = telemetry.LinkOnline
	case strings.EqualFold(text, Unavailable):
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; AVAILABLE or UNAVAILABLE is right", dialect.Quote(text))
	}
	d.clock.Date(&rec, 0, m.ReceivedMs, false)
	return dialect.Result{Records: []telemetry.Record{rec}}, nil
}

// observations decodes one observation, or the array of them that a condition may be.
func (d *Dialect) observations(m dialect.Message, device, item string) (dialect.Result, error) {
	if err := dialect.CheckName("uuid in the topic", device); err != nil {
		return dialect.Result{}, err
	}
	if err := dialect.CheckName("dataItemId in the topic", item); err != nil {
		return dialect.Result{}, err
	}
	v, err := d.doc.Read(m.Payload)
	if err != nil {
		return dialect.Result{}, err
	}
	o := observation{d: d, m: m, base: telemetry.Record{
		Kind: telemetry.KindSample, Retained: m.Retained, Device: d.names.Own(device), Channel: d.names.Own(item),
	}}
	if v.Type() != fastjson.TypeArray {
		return o.decode(v, "$")
	}
	var res dialect.Result
	var faults dialect.Faults
	for _, e := range v.GetArray() {
		one, err := o.decode(e, "$[]")
		if fault, ok := err.(*dialect.Error); ok { //nolint:errorlint // decode returns the type itself.
			faults.Add(fault)
		}
		if len(res.Records)+len(one.Records) > telemetry.MaxRecords {
			faults.Add(dialect.Errorf(telemetry.ReasonOversized, "$ yields more than %d records", telemetry.MaxRecords))
			break
		}
		res.Records = append(res.Records, one.Records...)
	}
	return res, faults.Err()
}
