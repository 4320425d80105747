// Package shelly decodes what Shelly devices publish: the JSON of generation 2 and later, and the plain texts of
// generation 1. docs/dialects/shelly.md describes both. It asks devices that have been silent, for a Shelly at constant
// load says nothing for hours. It refuses button presses, scripts and configuration: they say nothing about use.
package shelly

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
const Name = "shelly"

const (
	// DefaultPoll is how long a meter may say no power before its device is asked.
	DefaultPoll = time.Minute
	// Gen1ValidMs is for how long a value of generation 1 holds: 2.2 times the 30 s at which devices repeat by default.
	Gen1ValidMs = 66_000
	// BehindMs is how old a device's time may be: a day. The devices store nothing, but a broker may hold their
	// messages for a bridge that is down, and their time is UTC from NTP or absent.
	BehindMs = 24 * 3600 * 1000
	// MaxRequests is how many devices one Poll asks; the others are due at the next.
	MaxRequests = 256
)

// Ask says how a silent device is asked for its status.
type Ask uint8

// The ways of asking.
const (
	// AskCommand publishes status_update to <prefix>/command; the device answers on <prefix>/status/<component>.
	AskCommand Ask = iota
	// AskRPC publishes Shelly.GetStatus to <prefix>/rpc; the device answers on <prefix>/jishi/rpc, with its own time.
	AskRPC
	// AskNever asks nothing: a meter at constant load is then unknown after its validity.
	AskNever
)

// Options are the dialect's settings. The zero value is right for devices as they are delivered.
type Options struct {
	// Poll is how long a meter may say no power before its device is asked, 10 s to 1 h; 0 means DefaultPoll. What a
	// generation 2 device says holds for 2.2 times as long.
	Poll time.Duration
	// Ask is how the devices are asked.
	Ask Ask
	// MaxDevices is how many devices are remembered; 0 means dialect.MaxDevices.
	MaxDevices int
}

// Dialect implements dialect.Dialect. It remembers for each device what its components last said, for a status
// notification holds only what changed.
type Dialect struct {
	doc     jsondoc.Reader
	names   dialect.Names
	devices *dialect.Memory[device]
	clock   dialect.Clock
	pollMs  int64
	validMs int64
	ask     Ask
}

// New returns the dialect, or an error that names the option which is wrong.
func New(o Options) (*Dialect, error) {
	if o.Poll == 0 {
		o.Poll = DefaultPoll
	}
	if o.Poll < 10*time.Second || o.Poll > time.Hour {
		return nil, fmt.Errorf("shelly: Poll is %v; 10s to 1h is right", o.Poll)
	}
	if o.Ask > AskNever {
		return nil, fmt.Errorf("shelly: Ask is %d; AskCommand, AskRPC or AskNever is right", o.Ask)
	}
	if o.MaxDevices < 0 {
		return nil, fmt.Errorf("shelly: MaxDevices is %d; 1 or more is right, or 0 for %d", o.MaxDevices, dialect.MaxDevices)
	}
	pollMs := o.Poll.Milliseconds()
	return &Dialect{
		devices: dialect.NewMemory[device](o.MaxDevices),
		clock:   dialect.Clock{BehindMs: BehindMs},
		pollMs:  pollMs,
		validMs: pollMs * 22 / 10,
		ask:     o.Ask,
	}, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect. The prefix of generation 2 topics is the technician's choice, so they are known by
// their ending.
func (d *Dialect) Claims(topic string) bool { return split(topic).kind != foreign }

// Forgotten is how many devices were forgotten to keep the limit.
func (d *Dialect) Forgotten() uint64 { return d.devices.Forgotten() }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	at := split(m.Topic)
	if at.kind == foreign {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s is not a Shelly's; <prefix>/events/rpc, <prefix>/status/<component>, <prefix>/online and shellies/<id>/… are read", dialect.Quote(m.Topic))
	}
	if len(m.Payload) == 0 || at.kind == silent {
		return dialect.Result{}, nil
	}
	if m.Retained && at.kind != online {
		// No other topic says when its retained value was true, and the overlay must not learn from it.
		return dialect.Result{}, nil
	}
	if err := dialect.CheckName("device in the topic", at.device); err != nil {
		return dialect.Result{}, err
	}
	if err := dialect.CheckPayload(m.Payload); err != nil {
		return dialect.Result{}, err
	}
	switch at.kind {
	case online:
		return d.online(m, at)
	case gen1:
		return d.gen1(m, at)
	}
	return d.gen2(m, at)
}

// online decodes the sign of life, which is also the last will.
func (d *Dialect) online(m dialect.Message, at address) (dialect.Result, error) {
	rec := telemetry.Record{Kind: telemetry.KindLink, Retained: m.Retained}
	switch text := strings.TrimSpace(string(m.Payload)); text {
	case "true":
		rec.Link = telemetry.LinkOnline
	case "false":
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; true or false is right", dialect.Quote(text))
	}
	name, dev := d.devices.Heard(at.device)
	dev.prefix = d.names.Own(at.prefix)
	dev.down = rec.Link.Down()
	// Whatever comes back may have changed meanwhile: it is asked anew, and nothing old is carried over.
	dev.channels, dev.askedMs = nil, 0
	rec.Device = name
	d.clock.Date(&rec, 0, m.ReceivedMs, false)
	return dialect.Result{Records: []telemetry.Record{rec}}, nil
}

// Poll implements dialect.Dialect: it asks each generation 2 device of which a meter has said no power for the polling
// time, and each that came up and has not spoken yet.
func (d *Dialect) Poll(nowMs int64) []dialect.Request {
	if d.ask == AskNever {
		return nil
	}
	var due []dialect.Request
	for _, dev := range d.devices.All() {
		if dev.gen1 || dev.down || nowMs-dev.quietSince() < d.pollMs {
			continue
		}
		dev.askedMs = nowMs
		due = append(due, d.request(dev.prefix))
		if len(due) == MaxRequests {
			break
		}
	}
	return due
}

func (d *Dialect) request(prefix string) dialect.Request {
	if d.ask == AskCommand {
		return dialect.Request{Topic: prefix + "/command", Payload: []byte("status_update")}
	}
	var a fastjson.Arena
	o := a.NewObject()
	o.Set("id", a.NewNumberInt(1))
	o.Set("src", a.NewString(prefix+"/"+replyTo))
	o.Set("method", a.NewString("Shelly.GetStatus"))
	return dialect.Request{Topic: prefix + "/rpc", Payload: o.MarshalTo(nil)}
}
