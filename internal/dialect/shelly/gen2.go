package shelly

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/dialect/jsondoc"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// gen2 decodes a notification, the status of a component, or the answer to a request.
func (d *Dialect) gen2(m dialect.Message, at address) (dialect.Result, error) {
	v, err := d.doc.Read(m.Payload)
	if err != nil {
		return dialect.Result{}, err
	}
	if v.Type() != fastjson.TypeObject {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "$ is %s; an object is right", jsondoc.TypeName(v))
	}
	r := reading{d: d, m: m}
	var whole *fastjson.Value
	var time *fastjson.Value
	switch at.kind {
	case events:
		method := jsondoc.Text(v.Get("method"))
		if method != "NotifyStatus" && method != "NotifyFullStatus" {
			// NotifyEvent tells of buttons, scripts and updates.
			return dialect.Result{}, nil
		}
		r.path, whole = "$.params", v.Get("params")
		time = whole.Get("ts")
	case reply:
		r.path, whole = "$.result", v.Get("result")
		time = whole.Get("sys", "unixtime")
		if failure := v.Get("error"); whole == nil && failure != nil {
			return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed,
				"the device answers Shelly.GetStatus with the error %s", dialect.Quote(failure.String()))
		}
	case status:
		r.path = "$"
	}
	if at.kind != status && (whole == nil || whole.Type() != fastjson.TypeObject) {
		return dialect.Result{}, dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; an object of components is right", r.path, jsondoc.TypeName(whole))
	}
	if !r.time(time) {
		return dialect.Result{}, r.faults.Err()
	}

	r.device, r.dev = d.devices.Heard(at.device)
	r.dev.prefix, r.dev.gen1, r.dev.down = d.names.Own(at.prefix), false, false
	r.putLate()
	if at.kind == status {
		r.component(at.leaf, v)
	} else {
		// Since when the device runs decides what its minutes are worth, wherever it stands.
		r.uptime(whole.Get("sys", "uptime"))
		whole.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			if v.Type() == fastjson.TypeObject {
				r.component(jsondoc.View(key), v)
			}
		})
	}
	return dialect.Result{Records: r.records()}, r.faults.Err()
}

// reading is one generation 2 message on its way to records.
type reading struct {
	d      *Dialect
	m      dialect.Message
	device string
	dev    *device
	timeMs int64  // what the device said, or 0
	path   string // where the components stand
	key    string // the component being read, good for this message only
	faults dialect.Faults
	filled []telemetry.Record // what the device said of minutes that went by unheard
}

// maxLateMs is how much older than the device's latest a message may be to count as one that came late: ten minutes. What
// is older still is of a clock that was set back.
const maxLateMs = 10 * 60 * 1000

// putLate lets a message that comes after a later one speak for itself alone: what it says is not what the device said
// last, and what the device said since did not hold then.
func (r *reading) putLate() {
	if r.timeMs == 0 {
		return
	}
	if late := r.dev.latestMs - r.timeMs; late > 0 && late <= maxLateMs {
		r.dev = &device{}
		return
	}
	r.dev.latestMs = r.timeMs
}

// time reads the device's time: seconds since the epoch with a fraction, or null before the device knows it.
func (r *reading) time(v *fastjson.Value) bool {
	if v == nil || v.Type() == fastjson.TypeNull {
		return true
	}
	const maxExact = 1 << 53
	ms, reason := r.d.doc.Scaled(v, "e3")
	if reason != telemetry.ReasonNone || ms < 0 || ms >= maxExact {
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s: the time is %s; seconds since 1970-01-01T00:00:00Z are right",
			r.path, dialect.Quote(v.String())))
		return false
	}
	r.timeMs = dialect.Said(int64(ms))
	return true
}

// component notes what one component's object says.
func (r *reading) component(key string, v *fastjson.Value) {
	r.key = key
	name, number, _ := strings.Cut(key, ":")
	o := v.GetObject()
	switch name {
	case "switch", "pm1", "cover", "light", "rgb", "rgbw", "cct", "em1", "temperature", "voltmeter", "wifi":
		r.fields(key, o)
	case "em1data":
		r.fields("em1:"+number, o)
	case "em", "emdata":
		r.phases("em:"+number, o)
	case "input":
		r.input(key, v.Get("state"))
	case "sys":
		r.uptime(v.Get("uptime"))
	}
}

// plainField is the quantity of a component's field.
func plainField(field string) string {
	switch field {
	case "apower", "act_power":
		return telemetry.PowerW
	case "aprtpower", "aprt_power":
		return telemetry.ApparentVA
	case "voltage":
		return telemetry.VoltageV
	case "current":
		return telemetry.CurrentA
	case "pf":
		return telemetry.PowerFactor
	case "freq":
		return telemetry.FrequencyHz
	case "tC":
		return telemetry.TemperatureC
	case "rssi":
		return telemetry.SignalDBm
	case "total_act_energy":
		return telemetry.EnergyWh
	}
	return ""
}

// totalField is the quantity of a field of the sum over the phases.
func totalField(field string) string {
	switch field {
	case "total_act_power":
		return telemetry.PowerW
	case "total_aprt_power":
		return telemetry.ApparentVA
	case "total_current":
		return telemetry.CurrentA
	case "total_act":
		return telemetry.EnergyWh
	}
	return ""
}

// fields notes what a component with one channel says.
func (r *reading) fields(channel string, o *fastjson.Object) {
	c := r.channel(channel)
	if c == nil {
		return
	}
	o.Visit(func(key []byte, v *fastjson.Value) {
		switch string(key) {
		case "output":
			r.output(c, v)
		case "state":
			r.state(c, v)
		case "aenergy":
			r.number(c, telemetry.EnergyWh, "aenergy.total", v.Get("total"))
			r.minutes(channel, v)
		case "temperature":
			r.number(c, telemetry.TemperatureC, "temperature.tC", v.Get("tC"))
		default:
			if q := plainField(jsondoc.View(key)); q != "" {
				r.number(c, q, jsondoc.View(key), v)
			}
		}
	})
}

// phases notes what a three-phase meter says: its sums on the channel, each phase on one of its own.
func (r *reading) phases(channel string, o *fastjson.Object) {
	o.Visit(func(key []byte, v *fastjson.Value) {
		field := jsondoc.View(key)
		if q := totalField(field); q != "" {
			r.number(r.channel(channel), q, field, v)
			return
		}
		phase, rest, ok := strings.Cut(field, "_")
		if q := plainField(rest); ok && q != "" && len(phase) == 1 && strings.Contains("abcn", phase) {
			r.number(r.channel(channel+"/"+phase), q, field, v)
		}
	})
}

func (r *reading) channel(name string) *channel {
	if err := dialect.CheckName("component", name); err != nil {
		r.faults.Add(err)
		return nil
	}
	c := r.dev.channel(r.d.names.Own(name))
	if c == nil {
		r.faults.Add(tooManyChannels(r.device))
	}
	return c
}

// number notes a number; null means that the device does not know it.
func (r *reading) number(c *channel, quantity, field string, v *fastjson.Value) {
	if c == nil || v == nil {
		return
	}
	if v.Type() == fastjson.TypeNull {
		c.unsay(quantity)
		return
	}
	n, reason := r.d.doc.Number(v)
	if reason == telemetry.ReasonNone {
		if q, _ := dialect.QuantityOf(quantity); n >= q.Min && n <= q.Max {
			c.say(quantity, n, r.m.ReceivedMs)
			return
		}
		r.faults.Add(dialect.CheckNumber(quantity, n, r.where(field)))
	} else {
		r.faults.Add(dialect.Errorf(reason, "%s is %s; a number is right", r.where(field), dialect.Quote(v.String())))
	}
	// The device said something else than before, so what it said before does not hold.
	c.unsay(quantity)
}

// output notes a relay's position.
func (r *reading) output(c *channel, v *fastjson.Value) {
	switch v.Type() {
	case fastjson.TypeTrue:
		c.become("ON", r.m.ReceivedMs)
		c.say(telemetry.RelayOn, 1, r.m.ReceivedMs)
	case fastjson.TypeFalse:
		c.become("OFF", r.m.ReceivedMs)
		c.say(telemetry.RelayOn, 0, r.m.ReceivedMs)
	case fastjson.TypeNull:
		c.become("", r.m.ReceivedMs)
		c.unsay(telemetry.RelayOn)
	default:
		r.faults.Add(dialect.Errorf(telemetry.ReasonMalformed, "%s is %s; true or false is right", r.where("output"), jsondoc.TypeName(v)))
	}
}

// input notes the position of an input that is a contact; buttons and analogue inputs have none.
func (r *reading) input(channel string, v *fastjson.Value) {
	if v == nil || v.Type() != fastjson.TypeTrue && v.Type() != fastjson.TypeFalse {
		return
	}
	c := r.channel(channel)
	if c == nil {
		return
	}
	word := "OFF"
	if v.Type() == fastjson.TypeTrue {
		word = "ON"
	}
	c.become(word, r.m.ReceivedMs)
}

// state notes the word of a cover.
func (r *reading) state(c *channel, v *fastjson.Value) {
	if v.Type() != fastjson.TypeString {
		return
	}
	word := jsondoc.Text(v)
	if err := dialect.CheckState(r.where("state"), word); err != nil {
		r.faults.Add(err)
		return
	}
	c.become(r.d.names.Own(strings.ToUpper(word)), r.m.ReceivedMs)
}

// where is the path of a field of the component being read.
func (r *reading) where(field string) string {
	if r.path == "$" {
		return "$." + field
	}
	return r.path + "." + r.key + "." + field
}

// records makes one sample of each channel that the message spoke of.
func (r *reading) records() []telemetry.Record {
	n := 0
	for i := range r.dev.channels {
		if r.dev.channels[i].touched {
			n++
		}
	}
	if n == 0 {
		return r.filled
	}
	// What was filled in comes first: the message's last word on the device is the live one.
	records := append(make([]telemetry.Record, 0, len(r.filled)+n), r.filled...)
	for i := range r.dev.channels {
		c := &r.dev.channels[i]
		if !c.touched {
			continue
		}
		c.touched = false
		rec := telemetry.Record{Kind: telemetry.KindSample, Device: r.device, Channel: c.name, ValidMs: r.d.validMs}
		rec.Values, rec.State = c.sample(r.m.ReceivedMs-r.d.validMs, r.m.ReceivedMs)
		if len(rec.Values) == 0 && rec.State == "" {
			continue
		}
		r.d.clock.Date(&rec, r.timeMs, r.m.ReceivedMs, false)
		records = append(records, rec)
	}
	return records
}
