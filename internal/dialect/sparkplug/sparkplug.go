// Package sparkplug decodes Sparkplug B 3.0 as a host application does: births, data and deaths of edge nodes and their
// devices, with aliases, sequence numbers and requests for rebirth, and with a STATE of its own. docs/dialects/sparkplug.md
// describes it, and lists what the specification asks of a host and which test holds it. It holds no message back and
// never writes to a machine: the only command that it sends is Node Control/Rebirth. It refuses data sets, templates,
// files and arrays, which say nothing about use that could be read without knowing the vendor.
package sparkplug

import (
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "sparkplug"

// The states of a metric that has no value which may be used.
const (
	// Unavailable is the state of a metric that is null, of bad quality, or whose value could not be read.
	Unavailable = "UNAVAILABLE"
	// Stale is the state of a metric that its edge node calls stale.
	Stale = "STALE"
)

const (
	// DefaultReorderTimeout is how long a missing message is waited for.
	DefaultReorderTimeout = 2 * time.Second
	// DefaultMaxNodes is how many edge nodes are remembered.
	DefaultMaxNodes = 500
	// MaxDevices is how many devices of one node are remembered.
	MaxDevices = 1000
	// MaxMetrics is how many metrics of one node and all its devices are remembered.
	MaxMetrics = 10_000
	// MaxRequests is how many nodes one Poll asks; the others are due at the next.
	MaxRequests = 256
)

// maxUnits bounds Options.Units.
const maxUnits = 10_000

// Options are the dialect's settings. The zero value reads every node and asks for what is missing, and is no host
// application.
type Options struct {
	// HostID is the name under which the bridge is a host application: it publishes its STATE to spBv1.0/STATE/<HostID>,
	// on which edge nodes may wait. It must be the only one of that name on the broker. "" publishes no STATE.
	HostID string
	// ReorderTimeout is how long a missing message is waited for before the node is asked for its birth, 100 ms to
	// 1 min; 0 means DefaultReorderTimeout.
	ReorderTimeout time.Duration
	// RebirthEvery is after what time a node is asked for its birth although nothing is missing, so that a death that
	// was lost is noticed, 1 min to 24 h; 0 asks never.
	RebirthEvery time.Duration
	// MaxNodes is how many edge nodes are remembered; 0 means DefaultMaxNodes.
	MaxNodes int
	// Units says the unit of metrics whose nodes do not, by the metric's whole name, such as "Meter/Power": "kW". It
	// goes before what the node says.
	Units map[string]string
}

// Dialect implements dialect.Announcer. It remembers of each node and device what its births announced.
type Dialect struct {
	doc       jsondoc.Reader
	names     dialect.Names
	nodes     *dialect.Memory[node]
	clock     dialect.Clock
	seed      maphash.Seed
	host      host
	units     map[string]string
	reorderMs int64
	everyMs   int64
}

// New returns the dialect, or an error that names the option which is wrong.
func New(o Options) (*Dialect, error) {
	if o.ReorderTimeout == 0 {
		o.ReorderTimeout = DefaultReorderTimeout
	}
	if o.MaxNodes == 0 {
		o.MaxNodes = DefaultMaxNodes
	}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("sparkplug: %w", err)
	}
	return &Dialect{
		nodes: dialect.NewMemory[node](o.MaxNodes),
		// A birth says values that may have changed last weeks ago, and a node may have stored as much.
		clock:     dialect.Clock{},
		seed:      maphash.MakeSeed(),
		host:      host{id: o.HostID},
		units:     maps.Clone(o.Units),
		reorderMs: o.ReorderTimeout.Milliseconds(),
		everyMs:   o.RebirthEvery.Milliseconds(),
	}, nil
}

func (o *Options) check() error {
	if o.HostID != "" {
		if fault := dialect.CheckName("HostID", o.HostID); fault != nil {
			return fault
		}
		if strings.ContainsAny(o.HostID, "/+#") {
			return fmt.Errorf("HostID is %q; a name without / + # is right", o.HostID)
		}
	}
	if o.ReorderTimeout < 100*time.Millisecond || o.ReorderTimeout > time.Minute {
		return fmt.Errorf("ReorderTimeout is %v; 100ms to 1m is right", o.ReorderTimeout)
	}
	if o.RebirthEvery != 0 && (o.RebirthEvery < time.Minute || o.RebirthEvery > 24*time.Hour) {
		return fmt.Errorf("RebirthEvery is %v; 1m to 24h is right, or 0 for never", o.RebirthEvery)
	}
	if o.MaxNodes < 1 {
		return fmt.Errorf("MaxNodes is %d; 1 or more is right, or 0 for %d", o.MaxNodes, DefaultMaxNodes)
	}
	if len(o.Units) > maxUnits {
		return fmt.Errorf("the names in Units are %d; at most %d are right", len(o.Units), maxUnits)
	}
	for name, unit := range o.Units {
		if _, ok := unitOf(unit); !ok {
			return fmt.Errorf("the unit of %q in Units is %q; one such as W, kW, kWh, A, V, rpm, °C or %% is right", name, unit)
		}
	}
	return nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool { return strings.HasPrefix(topic, root) }

// Forgotten is how many nodes were forgotten to keep the limit.
func (d *Dialect) Forgotten() uint64 { return d.nodes.Forgotten() }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	at := split(m.Topic)
	switch at.kind {
	case foreign:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s is not Sparkplug's; %s<group>/NBIRTH|NDATA|NDEATH|NCMD/<node>, %s<group>/DBIRTH|DDATA|DDEATH|DCMD/<node>/<device> and %sSTATE/<host> are read",
			dialect.Quote(m.Topic), root, root, root)
	case state:
		return d.state(m, at)
	case dcmd:
		return dialect.Result{}, nil
	}
	if fault := dialect.CheckName("node in the topic", at.node); fault != nil {
		return dialect.Result{}, fault
	}
	if at.device != "" {
		if fault := dialect.CheckName("device in the topic", at.device); fault != nil {
			return dialect.Result{}, fault
		}
	}
	if at.kind == ncmd {
		return d.commanded(m, at)
	}
	if fault := dialect.CheckPayload(m.Payload); fault != nil {
		return dialect.Result{}, fault
	}
	if m.Retained || len(m.Payload) == 0 {
		return d.replayed(m, at)
	}
	h, fault := readHeader(m.Payload)
	if fault != nil {
		return dialect.Result{}, fault
	}
	r := reading{d: d, m: m, at: at, header: h, node: d.heard(m, at)}
	r.decode()
	return r.res, r.faults.Err()
}

// heard returns what is remembered of the message's node.
func (d *Dialect) heard(m dialect.Message, at address) *node {
	name, n := d.nodes.Heard(at.node)
	if n.name == "" {
		n.name, n.group, n.edge = name, d.names.Own(at.group), d.names.Own(at.edge)
	}
	n.heardMs = m.ReceivedMs
	return n
}

// replayed handles what the broker kept, which no node may ask it to: nobody knows whether it still holds, and it must
// not teach aliases or numbers. It says that there is a node, though, which is asked what it has to say now.
func (d *Dialect) replayed(m dialect.Message, at address) (dialect.Result, error) {
	if len(m.Payload) == 0 || at.kind == ndeath || at.kind == ddeath || d.nodes.Find(at.node) != nil {
		return dialect.Result{}, nil
	}
	r := reading{d: d, m: m, at: at, node: d.heard(m, at)}
	r.ask()
	return r.res, nil
}
