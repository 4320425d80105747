// Package mtconnect decodes MTConnect over MQTT as agents publish it: one observation a topic (cppagent's entity sink,
// MTConnect.NET's relay), or whole MTConnectStreams documents (cppagent's document sink, in both versions of its JSON).
// docs/dialects/mtconnect.md describes both. It knows nothing of SHDR, which is for adapters, and refuses device models and
// assets: they say nothing about use.
package mtconnect

import (
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "mtconnect"

// Unavailable is the state of a channel of which the agent says that its value is not known, however it was written.
const Unavailable = "UNAVAILABLE"

const (
	// DocumentValidMs is for how long what a document says holds: three times the 10 s at which agents publish all
	// current values.
	DocumentValidMs = 30_000
	// DefaultStaleAfter is how long nothing of a machine may change before its Current documents are no longer believed.
	DefaultStaleAfter = 24 * time.Hour
)

// root is where agents publish by default.
const root = "MTConnect/"

// Options are the dialect's settings. The zero value is right for agents as they are delivered.
type Options struct {
	// StaleAfter is how long no observation of a machine may change before a Current document no longer vouches for its
	// values, 1 minute to 30 days; 0 means DefaultStaleAfter. An agent goes on publishing the last values of an adapter
	// that dropped without a word.
	StaleAfter time.Duration
	// MaxDevices is how many machines are remembered; 0 means dialect.MaxDevices.
	MaxDevices int
}

// Dialect implements dialect.Dialect. It remembers of each machine how late its observations usually are and, where its
// agent publishes documents, the sequence numbers. Repeats of an observation are not left out here: the first copy may have
// been decoded and then not stored, and a record's identity makes the second one harmless.
type Dialect struct {
	doc      jsondoc.Reader
	names    dialect.Names
	kinds    kinds
	clock    dialect.Clock
	machines *dialect.Memory[machine]
	agents   *dialect.Memory[agent]
	staleMs  int64
	gaps     uint64
	restarts uint64
}

// machine is what is remembered of one machine.
type machine struct {
	late   lateness
	goneMs int64 // when its agent was last gone, on the bridge's clock; 0 when it never was
	gone   bool  // it has not spoken since
	items  sequences
	stream *stream // nil while the machine's agent has published no document
}

// New returns the dialect with its default options. Its clock believes any time in the past: an observation says when its
// value last changed, which may be weeks ago.
func New() *Dialect {
	return &Dialect{
		kinds: newKinds(), machines: dialect.NewMemory[machine](0), agents: dialect.NewMemory[agent](maxAgents),
		staleMs: DefaultStaleAfter.Milliseconds(),
	}
}

// NewWithOptions returns the dialect, or an error that names the option which is wrong.
func NewWithOptions(o Options) (*Dialect, error) {
	d := New()
	if o.StaleAfter != 0 {
		if o.StaleAfter < time.Minute || o.StaleAfter > 30*24*time.Hour {
			return nil, fmt.Errorf("mtconnect: StaleAfter is %v; 1m to 720h is right", o.StaleAfter)
		}
		d.staleMs = o.StaleAfter.Milliseconds()
	}
	if o.MaxDevices < 0 {
		return nil, fmt.Errorf("mtconnect: MaxDevices is %d; 1 or more is right, or 0 for %d", o.MaxDevices, dialect.MaxDevices)
	}
	d.machines = dialect.NewMemory[machine](o.MaxDevices)
	return d, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool { return strings.HasPrefix(topic, root) }

// Poll implements dialect.Dialect: agents cannot be asked over MQTT.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Forgotten is how many machines were forgotten to keep the limit.
func (d *Dialect) Forgotten() uint64 { return d.machines.Forgotten() }

// Gaps is how many documents showed that observations before them never arrived.
func (d *Dialect) Gaps() uint64 { return d.gaps }

// Restarts is how many restarts of agents were seen, by a new instanceId or by sequence numbers that start again, each
// once for every machine of the agent.
func (d *Dialect) Restarts() uint64 { return d.restarts }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	if len(m.Payload) == 0 {
		return dialect.Result{}, nil
	}
	group, rest, _ := strings.Cut(strings.TrimPrefix(m.Topic, root), "/")
	device, leaf, deep := strings.Cut(rest, "/")
	kind, item, _ := strings.Cut(leaf, "/")
	switch {
	case group == "Devices" && kind == "Observations":
		result, err := d.observations(m, device, item)
		result.Records = d.restated(result.Records, m)
		return d.retainedOfGone(result, m, device), err
	case group == "Probe" && leaf == "Availability":
		return d.agent(m, device)
	case (group == "Current" || group == "Sample") && !deep:
		result, err := d.document(m, device, group == "Current")
		return d.retainedOfGone(result, m, device), err
	case group == "Devices" || group == "Probe" || group == "Asset":
		// Device models and assets say nothing about use.
		return dialect.Result{}, nil
	}
	return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic,
		"topic %s is none of %sDevices, Probe/<uuid>, Asset, Current/<uuid> and Sample/<uuid>", dialect.Quote(m.Topic), root)
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
