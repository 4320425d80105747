// Package esphome decodes what devices with the ESPHome firmware publish over MQTT: sensors, binary sensors, switches,
// text sensors, the birth and will, and what the automations of badge readers publish. docs/dialects/esphome.md
// describes it. It refuses to guess a unit that the topic does not tell, to take a retained value for a new one, and to
// read a card's number out of anything but a reader's topic.
package esphome

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Name is the dialect's name.
const Name = "esphome"

// DefaultUpdateInterval is what the firmware's examples of energy meters set, and the default of most sensors.
const DefaultUpdateInterval = 60 * time.Second

// Unavailable is the state of a sensor that says it has no value: the word that all dialects have for it.
const Unavailable = "UNAVAILABLE"

// unavailableMs is for how long a sensor's word that it has no value describes it. It is the shortest validity there is:
// what the sensor said before must not live on through it.
const unavailableMs = 1

// Options are the dialect's settings. The zero value is right for devices as the firmware's examples make them.
type Options struct {
	// UpdateInterval is the longest update_interval of the sensors that are evidence, 1 s to 1 h; 0 means
	// DefaultUpdateInterval. What a sensor says holds for 2.2 times as long.
	UpdateInterval time.Duration
	// OnChange is for how long what is published on change only (binary_sensor, switch, text_sensor) holds, up to a day; 0
	// means until the device says otherwise or is gone.
	OnChange time.Duration
	// Quantities say what a sensor measures, for those whose object id does not tell: a quantity such as "energy_wh", one
	// of power_kw, energy_kwh, current_ma and voltage_mv, or "-" to leave the sensor out. The key is the object id, or
	// <prefix>/<object id> for one device's.
	Quantities map[string]string
	// Roots are what stands before the last part of the devices' topic_prefix, where it has several parts: hall/east for
	// hall/east/lathe-3. Below other roots <prefix>/status is not read, because it may be anybody's.
	Roots []string
	// Cards turn what readers say into tokens; nil refuses every card.
	Cards *card.Tokens
}

// Dialect implements dialect.Dialect. It remembers names only: every message stands for itself.
type Dialect struct {
	names      dialect.Names
	clock      dialect.Clock
	cards      *card.Tokens
	roots      []string
	quantities map[string]unit
	sensorMs   int64
	changeMs   int64
}

// New returns the dialect, or an error that names every option which is wrong.
func New(o Options) (*Dialect, error) {
	var wrong []error
	if o.UpdateInterval == 0 {
		o.UpdateInterval = DefaultUpdateInterval
	}
	if o.UpdateInterval < time.Second || o.UpdateInterval > time.Hour {
		wrong = append(wrong, fmt.Errorf("esphome: UpdateInterval is %v; 1s to 1h is right", o.UpdateInterval))
	}
	if o.OnChange < 0 || o.OnChange > 24*time.Hour {
		wrong = append(wrong, fmt.Errorf("esphome: OnChange is %v; up to 24h is right, or 0 for until the device says otherwise", o.OnChange))
	}
	d := &Dialect{
		cards:      o.Cards,
		roots:      slices.Clone(o.Roots),
		quantities: make(map[string]unit, len(o.Quantities)),
		sensorMs:   o.UpdateInterval.Milliseconds() * 22 / 10,
		changeMs:   o.OnChange.Milliseconds(),
	}
	for _, object := range slices.Sorted(maps.Keys(o.Quantities)) {
		u, ok := unitNamed(o.Quantities[object])
		if !ok || object == "" {
			wrong = append(wrong, fmt.Errorf("esphome: Quantities[%q] is %q; a quantity such as energy_wh or energy_kwh is right, or -", object, o.Quantities[object]))
		}
		d.quantities[object] = u
	}
	for _, root := range o.Roots {
		if root == "" || strings.ContainsAny(root, "+#") || strings.HasSuffix(root, "/") {
			wrong = append(wrong, fmt.Errorf("esphome: Roots has %q; the first parts of a topic_prefix such as hall/east are right", root))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return d, nil
}

// Name implements dialect.Dialect.
func (d *Dialect) Name() string { return Name }

// Claims implements dialect.Dialect. The prefix is the technician's choice, so topics are known by their ending; in a
// router the dialect stands behind those with a root of their own.
func (d *Dialect) Claims(topic string) bool { return d.split(topic).kind != foreign }

// Poll implements dialect.Dialect: devices cannot be asked.
func (d *Dialect) Poll(int64) []dialect.Request { return nil }

// Decode implements dialect.Dialect.
func (d *Dialect) Decode(m dialect.Message) (dialect.Result, error) {
	at := d.split(m.Topic)
	res := dialect.Result{Private: at.private}
	if at.kind == foreign {
		return res, dialect.Errorf(telemetry.ReasonUnknownTopic,
			"topic %s is not ESPHome's; <prefix>/<component>/<object id>/state, <prefix>/status and [<prefix>/]<reader>/tag are read", dialect.Quote(m.Topic))
	}
	if len(m.Payload) == 0 || at.kind == silent {
		return res, nil
	}
	if m.Retained && at.kind != status {
		// There is no time in any payload: nobody knows when a retained value was true.
		return res, nil
	}
	rec, err := d.record(m, at)
	if err != nil {
		return res, err
	}
	if rec.Kind != 0 {
		rec.Retained = m.Retained
		d.clock.Date(&rec, 0, m.ReceivedMs, false)
		res.Records = []telemetry.Record{rec}
	}
	return res, nil
}

// record decodes a payload; a record without a kind says nothing.
func (d *Dialect) record(m dialect.Message, at address) (telemetry.Record, *dialect.Error) {
	var rec telemetry.Record
	if err := dialect.CheckName("prefix in the topic", at.device); err != nil {
		return rec, err
	}
	if at.channel != "" {
		if err := dialect.CheckName("component and object id in the topic", at.channel); err != nil {
			return rec, err
		}
	}
	if err := dialect.CheckPayload(m.Payload); err != nil {
		return rec, err
	}
	rec.Device, rec.Channel = d.names.Own(at.device), d.names.Own(at.channel)
	text := strings.TrimSpace(string(m.Payload))
	switch at.kind {
	case status:
		return rec, link(&rec, text)
	case tag:
		return rec, d.tap(&rec, at, text)
	case sensor:
		return rec, d.sensor(&rec, at, text)
	case binary:
		return rec, d.binary(&rec, at, text)
	}
	return rec, d.text(&rec, at, text)
}

// link decodes the birth and the will. A device that stops in good order says the same as the will, so that the two
// deaths look alike.
func link(rec *telemetry.Record, text string) *dialect.Error {
	switch text {
	case "online":
		rec.Link = telemetry.LinkOnline
	case "offline":
		rec.Link = telemetry.LinkWill
	default:
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; online or offline is right (birth_message and will_message)", dialect.Quote(text))
	}
	rec.Kind = telemetry.KindLink
	return nil
}

// tap decodes what a reader's automation published. A tag that is taken away again is no second tap.
func (d *Dialect) tap(rec *telemetry.Record, at address, text string) *dialect.Error {
	token, err := d.cards.Token(rec.Device, at.notation, text)
	if err != nil {
		return err
	}
	rec.Kind, rec.Card = telemetry.KindTap, token
	return nil
}

// sensor decodes a number, in the unit that the object id tells.
func (d *Dialect) sensor(rec *telemetry.Record, at address, text string) *dialect.Error {
	u := d.unitOf(at)
	if u.quantity == leftOut {
		return nil
	}
	if at.private && u.quantity == telemetry.Number {
		return mayBeCard(at)
	}
	if hasNoValue(text) {
		unavailable(rec)
		return nil
	}
	number := text
	if u.power != "" && !strings.ContainsAny(text, "eE") {
		number += u.power
	}
	n, reason := jsondoc.Number(number)
	if reason != telemetry.ReasonNone {
		return dialect.Errorf(reason, "payload is %s; a number is right, or nan for none", at.quote(text))
	}
	if err := dialect.CheckNumber(u.quantity, n, "payload"); err != nil {
		if at.private {
			return dialect.Errorf(err.Reason, "payload is outside the range of %s; it is not repeated here", u.quantity)
		}
		return err
	}
	rec.Kind, rec.ValidMs = telemetry.KindSample, d.sensorMs
	rec.Values = []telemetry.Value{{Quantity: u.quantity, Number: n}}
	return nil
}

// binary decodes a switch or a binary sensor.
func (d *Dialect) binary(rec *telemetry.Record, at address, text string) *dialect.Error {
	on := strings.EqualFold(text, "ON")
	switch {
	case isUnknown(text):
		unavailable(rec)
		return nil
	case !on && !strings.EqualFold(text, "OFF"):
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is %s; ON or OFF is right", at.quote(text))
	}
	rec.Kind, rec.ValidMs, rec.State = telemetry.KindSample, d.changeMs, "OFF"
	if on {
		rec.State = "ON"
	}
	if at.component == "switch" {
		rec.Values = []telemetry.Value{{Quantity: telemetry.RelayOn}}
		if on {
			rec.Values[0].Number = 1
		}
	}
	return nil
}

// text decodes a text sensor: its text is the state's word.
func (d *Dialect) text(rec *telemetry.Record, at address, text string) *dialect.Error {
	switch {
	case at.private:
		return mayBeCard(at)
	case isUnknown(text):
		unavailable(rec)
		return nil
	case text == "":
		return dialect.Errorf(telemetry.ReasonMalformed, "payload is blank; a text is right")
	}
	if err := dialect.CheckState("payload", text); err != nil {
		return err
	}
	rec.Kind, rec.ValidMs, rec.State = telemetry.KindSample, d.changeMs, d.names.Own(text)
	return nil
}

// unavailable makes the record say that there is no value from here on.
func unavailable(rec *telemetry.Record) {
	rec.Kind, rec.ValidMs, rec.State = telemetry.KindSample, unavailableMs, Unavailable
}

// hasNoValue reports whether a sensor says that it has no value: the firmware prints nan, None with publish_nan_as_none,
// and what republishes other systems' states prints unknown and unavailable.
func hasNoValue(text string) bool {
	return isUnknown(text) || strings.EqualFold(text, "nan") || strings.EqualFold(text, "-nan") || strings.EqualFold(text, "none")
}

func isUnknown(text string) bool {
	return strings.EqualFold(text, "unknown") || strings.EqualFold(text, "unavailable")
}

func mayBeCard(at address) *dialect.Error {
	return dialect.Errorf(telemetry.ReasonMalformed,
		"%s %s may hold a card's number, which must not be kept; publish the card to <prefix>/<reader>/tag with a reader of %s, and set internal: true here",
		at.component, dialect.Quote(at.object), readerNames)
}
