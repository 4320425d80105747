// Package zigbee2mqtt decodes what Zigbee2MQTT publishes for the devices of its Zigbee network: plugs and meters, relays,
// contacts and motion sensors, their availability, and its own. docs/dialects/zigbee2mqtt.md describes it. Zigbee2MQTT
// repeats what it has cached in every message; the package refuses to take such a repetition for something that a device
// said.
package zigbee2mqtt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "zigbee2mqtt"

const (
	// DefaultBase is Zigbee2MQTT's own setting base_topic.
	DefaultBase = "zigbee2mqtt"
	// DefaultReportMax is the longest interval at which most devices are configured to report their power.
	DefaultReportMax = time.Hour
	// BehindMs is how old a last_seen may be: a day, for a broker that held the message for a bridge that was down.
	BehindMs = 24 * 3600 * 1000
	// MaxDevices is how many devices are remembered by default: all of them must fit into the records of one message, the
	// one that says that Zigbee2MQTT is gone.
	MaxDevices = telemetry.MaxRecords - 1
)

// Options are the dialect's settings. The zero value is right for Zigbee2MQTT as its defaults make it.
type Options struct {
	// Bases are the settings base_topic of the base's Zigbee2MQTTs; none means DefaultBase. Friendly names must differ
	// across them.
	Bases []string
	// ReportMax is the longest interval at which a healthy device reports or is polled, 10 s to 24 h; 0 means
	// DefaultReportMax. What a device says holds for 2.2 times as long.
	ReportMax time.Duration
	// Uncached says that every Zigbee2MQTT has the setting advanced.cache_state at false, so that a message holds what the
	// device said and nothing else.
	Uncached bool
	// MaxDevices is how many devices are remembered, up to MaxDevices; 0 means MaxDevices.
	MaxDevices int
}

// Dialect implements dialect.Dialect. It remembers for each device what its last message said, to tell what is new.
type Dialect struct {
	doc      jsondoc.Reader
	names    dialect.Names
	clock    dialect.Clock
	devices  *dialect.Memory[device]
	networks []network
	validMs  int64
	uncached bool
}

// network is one Zigbee2MQTT.
type network struct {
	base    string
	offline bool // it is known to be gone
}

// New returns the dialect, or an error that names every option which is wrong.
func New(o Options) (*Dialect, error) {
	var wrong []error
	if len(o.Bases) == 0 {
		o.Bases = []string{DefaultBase}
	}
	d := &Dialect{clock: dialect.Clock{BehindMs: BehindMs}, uncached: o.Uncached}
	for i, base := range o.Bases {
		if base == "" || strings.ContainsAny(base, "+#") || strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/") {
			wrong = append(wrong, fmt.Errorf("zigbee2mqtt: Bases has %q; a base_topic such as zigbee2mqtt is right", base))
		}
		if slices.Contains(o.Bases[:i], base) {
			wrong = append(wrong, fmt.Errorf("zigbee2mqtt: Bases has %q twice", base))
		}
		d.networks = append(d.networks, network{base: base})
	}
	if o.ReportMax == 0 {
		o.ReportMax = DefaultReportMax
	}
	if o.ReportMax < 10*time.Second || o.ReportMax > 24*time.Hour {
		wrong = append(wrong, fmt.Errorf("zigbee2mqtt: ReportMax is %v; 10s to 24h is right", o.ReportMax))
	}
	if o.MaxDevices == 0 {
		o.MaxDevices = MaxDevices
	}
	if o.MaxDevices < 0 || o.MaxDevices > MaxDevices {
		wrong = append(wrong, fmt.Errorf("zigbee2mqtt: MaxDevices is %d; 1 to %d is right, or 0 for %d", o.MaxDevices, MaxDevices, MaxDevices))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	d.validMs = o.ReportMax.Milliseconds() * 22 / 10
	d.devices = dialect.NewMemory[device](o.MaxDevices)
	return d, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool {
	at := d.split(topic)
	return at.kind != foreign
}

// Poll implements dialect.Dialect: Zigbee2MQTT polls the devices that need it.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Forgotten is how many devices were forgotten to keep the limit.
func (d *Dialect) Forgotten() uint64 { return d.devices.Forgotten() }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	at := d.split(m.Topic)
	res := dialect.Result{Private: holdsCode(m.Payload)}
	switch {
	case at.kind == foreign:
		return res, dialect.Errorf(telemetry.ReasonUnknownTopic, "topic %s is not below %s", dialect.Quote(m.Topic), dialect.Quote(d.networks[0].base))
	case len(m.Payload) == 0 || at.kind == silent:
		return res, nil
	}
	if err := dialect.CheckName("friendly name in the topic", at.device); err != nil {
		return res, err
	}
	if err := dialect.CheckPayload(m.Payload); err != nil {
		return res, err
	}
	var err error
	switch at.kind {
	case bridgeState:
		res.Records, err = d.bridge(m, at)
	case availability:
		res.Records, err = d.availability(m, at)
	default:
		res.Records, err = d.message(m, at, res.Private)
	}
	return res, err
}

// bridge decodes Zigbee2MQTT's own birth and will. While it is gone nothing is known of its devices, and when it comes it
// publishes what it had cached, so that either way what the devices said before is forgotten.
func (d *Dialect) bridge(m dialect.Message, at address) ([]telemetry.Record, error) {
	event, err := d.online(m, telemetry.LinkWill)
	if err != nil {
		return nil, err
	}
	n := &d.networks[at.network]
	n.offline = event.Down()
	records := []telemetry.Record{d.link(m, d.names.Own(at.device), event)}
	for name, dev := range d.devices.All() {
		if dev.network != at.network {
			continue
		}
		dev.forget()
		if n.offline && !dev.down {
			dev.down = true
			records = append(records, d.link(m, name, event))
		}
	}
	return records, nil
}

// availability decodes what Zigbee2MQTT holds of one device's connection.
func (d *Dialect) availability(m dialect.Message, at address) ([]telemetry.Record, error) {
	event, err := d.online(m, telemetry.LinkOffline)
	if err != nil {
		return nil, err
	}
	name, dev := d.devices.Heard(at.device)
	dev.network = at.network
	if m.Retained && d.networks[at.network].offline {
		// The broker still remembers the device's last availability, and Zigbee2MQTT is not there to correct it.
		event = telemetry.LinkWill
	}
	dev.down = event.Down()
	return []telemetry.Record{d.link(m, name, event)}, nil
}

func (d *Dialect) link(m dialect.Message, device string, event telemetry.LinkEvent) telemetry.Record {
	rec := telemetry.Record{Kind: telemetry.KindLink, Retained: m.Retained, Device: device, Link: event}
	d.clock.Date(&rec, 0, m.ReceivedMs, false)
	return rec
}

// online reads {"state":"online"}, or the bare word of older versions and of legacy_availability_payload.
func (d *Dialect) online(m dialect.Message, down telemetry.LinkEvent) (telemetry.LinkEvent, error) {
	word := strings.TrimSpace(string(m.Payload))
	if strings.HasPrefix(word, "{") {
		v, err := d.doc.Read(m.Payload)
		if err != nil {
			return 0, err
		}
		word = jsondoc.Text(v.Get("state"))
	}
	switch word {
	case "online":
		return telemetry.LinkOnline, nil
	case "offline":
		return down, nil
	}
	return 0, dialect.Errorf(telemetry.ReasonMalformed, "state is %s; online or offline is right", dialect.Quote(word))
}
