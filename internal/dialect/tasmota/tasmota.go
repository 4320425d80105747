// Package tasmota decodes what devices with the Tasmota firmware publish: energy telemetry, relay states, badge readers
// and the last will. docs/dialects/tasmota.md describes it. It refuses to guess: of the many sensors that Tasmota knows,
// it reads the energy meter, the relays and the badge readers, and leaves the others alone. It refuses to repeat: a
// card's number goes into its token and nowhere else, neither into a record nor into an error.
package tasmota

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "tasmota"

const (
	// DefaultTelePeriod is the firmware's own.
	DefaultTelePeriod = 300 * time.Second
	// BehindMs is how old a time with a zone may be: a day, for a broker that held it for a bridge that was down.
	BehindMs = 24 * 3600 * 1000
	// LocalBehindMs is how old a local time without a zone may be: an hour. One that is further behind comes more
	// likely from a device set to another zone (the firmware's default is UTC+1) than from a late message.
	LocalBehindMs = 3600 * 1000
)

// Options are the dialect's settings. The zero value is right for devices as the firmware's defaults make them.
type Options struct {
	// TelePeriod is the devices' setting of that name, 10 s to 1 h; 0 means DefaultTelePeriod. What a device says
	// holds for 2.2 times as long.
	TelePeriod time.Duration
	// Zone is where devices whose times have no offset are; nil means Asia/Shanghai.
	Zone *time.Location
	// FullTopics are the devices' settings of that name. Each has %prefix% and %topic% as whole parts; none means the
	// default %prefix%/%topic%/ and the swapped %topic%/%prefix%/.
	FullTopics []string
	// MaxDevices is how many devices are remembered; 0 means dialect.MaxDevices.
	MaxDevices int
	// KeepPowerWhenOff records no power of 0 W when a device's only relay opens: for devices whose meter is not behind
	// their relay.
	KeepPowerWhenOff bool
	// Cards make the tokens of the cards that badge readers see; nil refuses every card with
	// telemetry.ReasonNoCardKey.
	Cards *card.Tokens
}

// Dialect implements dialect.Dialect. Of each device it remembers whether it meters and has one relay only.
type Dialect struct {
	doc     jsondoc.Reader
	names   dialect.Names
	devices *dialect.Memory[device]
	topics  []fullTopic
	zone    *time.Location
	clock   dialect.Clock
	local   dialect.Clock
	validMs int64
	keep    bool // Options.KeepPowerWhenOff
	cards   *card.Tokens
}

// device is what is remembered of one device.
type device struct {
	meters  bool // its meter has one power, for the whole device
	another bool // it has numbered relays: which of them is before the meter is not known
}

// New returns the dialect, or an error that names every option which is wrong.
func New(o Options) (*Dialect, error) {
	var wrong []error
	if o.TelePeriod == 0 {
		o.TelePeriod = DefaultTelePeriod
	}
	if o.TelePeriod < 10*time.Second || o.TelePeriod > time.Hour {
		wrong = append(wrong, fmt.Errorf("tasmota: TelePeriod is %v; 10s to 1h is right", o.TelePeriod))
	}
	if o.Zone == nil {
		// Shanghai has kept UTC+8 all year since 1992, so that no zone data needs to be present.
		o.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	if o.MaxDevices < 0 {
		wrong = append(wrong, fmt.Errorf("tasmota: MaxDevices is %d; 1 or more is right, or 0 for %d", o.MaxDevices, dialect.MaxDevices))
	}
	if len(o.FullTopics) == 0 {
		o.FullTopics = []string{"%prefix%/%topic%/", "%topic%/%prefix%/"}
	}
	topics := make([]fullTopic, 0, len(o.FullTopics))
	for _, text := range o.FullTopics {
		t, err := parseFullTopic(text)
		if err != nil {
			wrong = append(wrong, err)
		}
		topics = append(topics, t)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return &Dialect{
		devices: dialect.NewMemory[device](o.MaxDevices),
		topics:  topics,
		zone:    o.Zone,
		clock:   dialect.Clock{BehindMs: BehindMs},
		local:   dialect.Clock{BehindMs: LocalBehindMs},
		validMs: o.TelePeriod.Milliseconds() * 22 / 10,
		keep:    o.KeepPowerWhenOff,
		cards:   o.Cards,
	}, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect.
func (d *Dialect) Claims(topic string) bool {
	_, ok := d.split(topic)
	return ok
}

// Poll implements dialect.Dialect: the devices report by themselves.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Forgotten is how many devices were forgotten to keep the limit.
func (d *Dialect) Forgotten() uint64 { return d.devices.Forgotten() }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	r := reading{d: d, m: m, private: mayHoldCard(m.Payload)}
	r.faults.Add(r.decode())
	return dialect.Result{Records: r.records, Private: r.private}, r.faults.Err()
}

// reading is one message on its way to records.
type reading struct {
	d       *Dialect
	m       dialect.Message
	device  string // in the topic until remember, then owned
	dev     *device
	clock   dialect.Clock
	timeMs  int64
	local   bool
	private bool // the payload may hold a card's number: nothing of it is repeated
	path    string
	records []telemetry.Record
	faults  dialect.Faults
}

// decode returns why the whole message is refused; what is wrong with its parts goes to faults.
func (r *reading) decode() *dialect.Error {
	at, ok := r.d.split(r.m.Topic)
	if !ok {
		return dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s fits none of the configured FullTopics; the firmware's default is %%prefix%%/%%topic%%/", dialect.Quote(r.m.Topic))
	}
	// The log on MQTT (MqttLog) repeats the messages, and at its debug level the bytes that a reader sent.
	r.private = r.private || at.leaf == "LOGGING"
	if len(r.m.Payload) == 0 || at.prefix == "cmnd" {
		return nil
	}
	if err := dialect.CheckName("topic name in the topic", at.device); err != nil {
		return err
	}
	if err := dialect.CheckPayload(r.m.Payload); err != nil {
		return err
	}
	r.device = at.device
	switch at.prefix + "/" + at.leaf {
	case "tele/LWT":
		return r.will()
	case "tele/SENSOR":
		return r.document("", (*reading).sensor)
	case "stat/STATUS8", "stat/STATUS10":
		return r.document("StatusSNS", (*reading).meter)
	case "tele/STATE":
		return r.document("", (*reading).state)
	case "stat/STATUS11":
		return r.document("StatusSTS", (*reading).state)
	case "stat/RESULT":
		return r.document("", (*reading).edges)
	}
	if _, isRelay := relayOf(at.leaf); isRelay && at.prefix == "stat" {
		return r.power(at.leaf)
	}
	// Information about the firmware, settings, other commands' results.
	return nil
}

// remember makes the device known. It is called once the message has proved to be what its topic promises.
func (r *reading) remember() { r.device, r.dev = r.d.devices.Heard(r.device) }

// will decodes the last will, which is also the sign of life. A device that stops in good order publishes it itself, so
// that the two deaths look alike.
func (r *reading) will() *dialect.Error {
	rec := telemetry.Record{Kind: telemetry.KindLink, Retained: r.m.Retained}
	switch text := strings.TrimSpace(string(r.m.Payload)); text {
	case "Online":
		rec.Link = telemetry.LinkOnline
	case "Offline":
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; Online or Offline is right", r.quote(text))
	}
	r.remember()
	rec.Device = r.device
	r.d.clock.Date(&rec, 0, r.m.ReceivedMs, false)
	r.records = append(r.records, rec)
	return nil
}

// document decodes a JSON payload: the object under a member, or the whole when member is empty.
func (r *reading) document(member string, decode func(*reading, *fastjson.Value)) *dialect.Error {
	v, err := r.d.doc.Read(r.m.Payload)
	if err != nil {
		return r.unreadable(err)
	}
	r.path = "$"
	if member != "" {
		v, r.path = v.Get(member), "$."+member
	}
	if v == nil || v.Type() != fastjson.TypeObject {
		return dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; an object is right", r.path, jsondoc.TypeName(v))
	}
	if err := r.time(v); err != nil {
		return err
	}
	r.remember()
	decode(r, v)
	return nil
}

// sensor decodes SENSOR: of all sensors, the badge readers and the energy meter.
func (r *reading) sensor(v *fastjson.Value) {
	r.taps(v)
	r.meter(v)
}

// emit dates the sample and adds it, unless it replays a value of unknown age.
func (r *reading) emit(rec telemetry.Record) {
	rec.Kind, rec.ValidMs = telemetry.KindSample, r.d.validMs
	r.add(rec)
}

func (r *reading) add(rec telemetry.Record) {
	rec.Device, rec.Retained = r.device, r.m.Retained
	r.clock.Date(&rec, r.timeMs, r.m.ReceivedMs, r.local)
	if !dialect.Dateless(&rec) {
		r.records = append(r.records, rec)
	}
}
