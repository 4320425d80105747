package zigbee2mqtt

import (
	"slices"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// eventMs is for how long an event such as a button's press describes its channel.
const eventMs = 1000

// reading is one message on its way to records.
type reading struct {
	d       *Dialect
	m       dialect.Message
	private bool // no fault may repeat the message's own text
	name    string
	dev     *device
	timeMs  int64 // last_seen, or 0
	elapsed bool  // the message says elapsed, which is said for reports of the device only and never cached
	said    []said
	faults  dialect.Faults
}

// said is one field of a message.
type said struct {
	field
	number float64
	word   string
}

// message decodes a device's state.
func (d *Dialect) message(m dialect.Message, at address, private bool) ([]telemetry.Record, error) {
	r := reading{d: d, m: m, private: private}
	v, err := d.doc.Read(m.Payload)
	switch {
	case err != nil && private && err.Reason == telemetry.ReasonMalformed:
		return nil, dialect.Errorf(err.Reason, "payload is not JSON; it may hold a code and is not repeated here")
	case err != nil:
		return nil, err
	case v.Type() != fastjson.TypeObject:
		return nil, dialect.Errorf(telemetry.ReasonMalformed,
			"payload is %s; an object is right: Zigbee2MQTT's setting advanced.output must be json", jsondoc.TypeName(v))
	}
	if err := r.time(v.Get("last_seen")); err != nil {
		return nil, err
	}
	r.elapsed = v.Exists("elapsed")
	r.name, r.dev = d.devices.Heard(at.device)
	r.dev.network = at.network
	if !m.Retained {
		r.dev.down, d.networks[at.network].offline = false, false
	}
	r.read(v)
	return r.records(), r.faults.Err()
}

// time reads last_seen: ISO 8601 in UTC or with an offset, or milliseconds since the epoch.
func (r *reading) time(v *fastjson.Value) *dialect.Error {
	const maxExact = 1 << 53
	if v == nil || v.Type() == fastjson.TypeNull {
		return nil
	}
	switch v.Type() {
	case fastjson.TypeNumber:
		if n, reason := r.d.doc.Number(v); reason == telemetry.ReasonNone && n >= 0 && n < maxExact {
			r.timeMs = dialect.Said(int64(n))
			return nil
		}
	case fastjson.TypeString:
		if at, ok := dialect.ParseInstant(jsondoc.Text(v)); ok && at.Zoned {
			r.timeMs = dialect.Said(at.Ms)
			return nil
		}
	}
	return dialect.Errorf(telemetry.ReasonMalformed,
		"$.last_seen is %s; ISO 8601 with Z or an offset, or milliseconds since 1970, are right", r.quote(v.String()))
}

// read collects the fields that are known.
func (r *reading) read(v *fastjson.Value) {
	r.dev.battery = r.dev.battery || v.Exists("battery")
	v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
		f, endpoint, known := fieldOf(jsondoc.View(key))
		if !known || v.Type() == fastjson.TypeNull {
			// Null is not known. What was said before stays until its validity ends.
			return
		}
		s := said{field: f}
		s.channel = r.d.names.Own(f.channel)
		if f.form == number {
			if !r.number(&s, v, key) {
				return
			}
		} else if !r.word(&s, v, key) {
			return
		}
		if endpoint != "" {
			s.channel = r.d.names.Own(f.channel + ":" + endpoint)
		}
		if r.twice(&s) {
			r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "$.%s is given twice; the first one is taken", key))
			return
		}
		if s.quantity == telemetry.PowerW || s.quantity == telemetry.CurrentA || s.quantity == telemetry.EnergyWh {
			r.dev.meters = true
		}
		r.said = append(r.said, s)
	})
	if !r.dev.meters || r.dev.battery {
		// The voltage of a battery, which is in millivolts.
		r.said = slices.DeleteFunc(r.said, func(s said) bool { return s.quantity == telemetry.VoltageV })
	}
}

func (r *reading) number(s *said, v *fastjson.Value, key []byte) bool {
	n, reason := r.d.doc.Scaled(v, s.power)
	if reason != telemetry.ReasonNone {
		r.faults.Add(dialect.Errorf(reason, "$.%s is %s; a number is right", key, r.quote(v.String())))
		return false
	}
	if q, _ := dialect.QuantityOf(s.quantity); n < q.Min || n > q.Max {
		r.faults.Add(dialect.CheckNumber(s.quantity, n, "$."+string(key)))
		return false
	}
	s.number = n
	return true
}

func (r *reading) word(s *said, v *fastjson.Value, key []byte) bool {
	switch v.Type() {
	case fastjson.TypeTrue:
		s.word = "true"
		return true
	case fastjson.TypeFalse:
		s.word = "false"
		return true
	case fastjson.TypeString:
	default:
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "$.%s is %s; a text or a boolean is right", key, jsondoc.TypeName(v)))
		return false
	}
	text := jsondoc.Text(v)
	if text == "" {
		// How older versions say that an action is over.
		return false
	}
	if err := dialect.CheckState("$."+string(key), text); err != nil {
		r.faults.Add(err)
		return false
	}
	s.word = r.d.names.Own(text)
	return true
}

func (r *reading) twice(s *said) bool {
	for i := range r.said {
		if r.said[i].channel == s.channel && r.said[i].quantity == s.quantity {
			return true
		}
	}
	return false
}

func (r *reading) quote(text string) string {
	if r.private {
		return "****"
	}
	return dialect.Quote(text)
}

// records returns a sample of each channel that the device itself has spoken on.
func (r *reading) records() []telemetry.Record {
	if r.m.Retained && !r.d.uncached {
		// Which of the fields were said when, nobody knows, and nothing may be learned from them either.
		return nil
	}
	news := r.judge()
	var out []telemetry.Record
	for i := range r.said {
		channel := r.said[i].channel
		if r.first(channel) != i || !news.speaks(channel) {
			continue
		}
		if rec := r.sample(channel, news); !dialect.Dateless(&rec) {
			out = append(out, rec)
		}
	}
	return out
}

// first returns the index of a channel's first field.
func (r *reading) first(channel string) int {
	for i := range r.said {
		if r.said[i].channel == channel {
			return i
		}
	}
	return -1
}

func (r *reading) sample(channel string, news verdict) telemetry.Record {
	rec := telemetry.Record{
		Kind: telemetry.KindSample, Retained: r.m.Retained, Device: r.name, Channel: channel, ValidMs: r.d.validMs,
	}
	for _, s := range r.said {
		if s.channel != channel {
			continue
		}
		switch s.form {
		case number:
			rec.Values = append(rec.Values, telemetry.Value{Quantity: s.quantity, Number: s.number})
		case relay:
			if s.word == "ON" || s.word == "OFF" {
				on := telemetry.Value{Quantity: telemetry.RelayOn}
				if s.word == "ON" {
					on.Number = 1
				}
				rec.Values = append(rec.Values, on)
			}
			rec.State = s.word
		case word:
			rec.State = s.word
		case event:
			rec.State, rec.ValidMs = s.word, eventMs
		}
	}
	r.d.clock.Date(&rec, news.timeMs, r.m.ReceivedMs, false)
	return rec
}
