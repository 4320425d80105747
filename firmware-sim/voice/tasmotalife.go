package voice

import (
	"strconv"
	"time"
)

// tasmotaStamp is how Tasmota writes a time.
const tasmotaStamp = "2006-01-02T15:04:05"

// tasmotaClock is how a device with Tasmota says the time.
type tasmotaClock struct {
	form   string
	zoneMs int64
}

// The words of the option time.
const (
	timeLocal   = "local"
	timeISO     = "iso"
	timeBoth    = "both"
	timeEpoch   = "epoch"
	timeEpochMs = "epoch_ms"
)

func (o *optionReader) tasmotaClock(zoneMs int64) tasmotaClock {
	return tasmotaClock{form: o.word("time", timeLocal, timeISO, timeBoth, timeEpoch, timeEpochMs), zoneMs: zoneMs}
}

// firstYearMs is before every time that a device says when it has one.
const firstYearMs = 365 * 24 * 3600 * 1000

// time writes the time of a message. Telemetry falls on whole seconds, because the firmware's clock does.
func (c *tasmotaClock) time(out []byte, in *Input, atMs int64) []byte {
	said := in.saidMs(atMs)
	zone := c.zoneMs
	if said < firstYearMs {
		// Before it knows the time it does not know its zone either.
		zone = 0
	}
	number := said
	if in.LocalTime {
		number += zone
	}
	switch c.form {
	case timeEpoch:
		return appendWhole(out, "Time", number/1000)
	case timeEpochMs:
		return appendWhole(out, "Time", number)
	}
	out = append(appendKey(out, "Time"), '"')
	out = appendStamp(out, said+zone, tasmotaStamp)
	if c.form == timeISO && !in.LocalTime {
		out = appendOffset(out, zone)
	}
	out = append(out, '"')
	if c.form == timeBoth {
		out = appendWhole(out, "Epoch", number/1000)
	}
	return out
}

// inexact reports whether the time that a message says is another than when it was sent.
func (c *tasmotaClock) inexact(in *Input, atMs int64) bool {
	return in.saidMs(atMs) != atMs || in.LocalTime || c.form != timeEpochMs && atMs%1000 != 0
}

// dated is the instant that a message's time stands for.
func (c *tasmotaClock) dated(in *Input, atMs int64) int64 {
	said := in.saidMs(atMs)
	if in.LocalTime && c.form != timeLocal && c.form != timeISO {
		said += c.zoneMs
	}
	if c.form == timeEpochMs {
		return said
	}
	return said / 1000 * 1000
}

// appendOffset writes an offset from UTC.
func appendOffset(out []byte, ms int64) []byte {
	return time.UnixMilli(0).In(time.FixedZone("", int(ms/1000))).AppendFormat(out, "-07:00")
}

// wholeSecond is the first whole second at or after an instant.
func wholeSecond(atMs int64) int64 { return (atMs + 999) / 1000 * 1000 }

// greet says what a device says when it has connected: its birth, and what it is.
func (g *gadget) greet(t *tasmotaTopics, boots, atMs int64) {
	g.word("Online", Message{AtMs: atMs, Topic: t.will, Retain: true, Exact: true, Tells: Birth})
	chip := hexID(g.id)[6:]
	g.text = appendText(append(g.text[:0], `{"Info1":{`...), "Module", "Generic")
	g.text = appendText(g.text, "Version", "14.4.1(release-tasmota)")
	g.text = appendText(g.text, "FallbackTopic", "cmnd/DVES_"+chip+"_fb/")
	g.text = append(appendText(g.text, "GroupTopic", "cmnd/tasmotas/"), '}', '}')
	g.send(Message{AtMs: atMs, Topic: t.info + "1", Exact: true})
	g.text = appendText(append(g.text[:0], `{"Info2":{`...), "WebServerMode", "Admin")
	g.text = appendText(g.text, "Hostname", "tasmota-"+chip)
	g.text = append(appendText(g.text, "IPAddress", "192.168.8."+strconv.FormatInt(20+spread(g.id, 200), 10)), '}', '}')
	g.send(Message{AtMs: atMs, Topic: t.info + "2", Exact: true})
	g.text = appendText(append(g.text[:0], `{"Info3":{`...), "RestartReason", "Power On")
	g.text = append(appendWhole(g.text, "BootCount", boots), '}', '}')
	g.send(Message{AtMs: atMs, Topic: t.info + "3", Exact: true})
}

// appendUptime writes the members of STATE up to the relays.
func appendUptime(out []byte, upMs int64) []byte {
	seconds := upMs / 1000
	const day = 86_400
	out = append(appendKey(out, "Uptime"), '"')
	out = append(strconv.AppendInt(out, seconds/day, 10), 'T')
	out = append(appendStamp(out, seconds%day*1000, "15:04:05"), '"')
	out = appendWhole(out, "UptimeSec", seconds)
	out = appendWhole(out, "Heap", 25)
	out = appendText(out, "SleepMode", "Dynamic")
	out = appendWhole(out, "Sleep", 50)
	out = appendWhole(out, "LoadAvg", 19)
	return appendWhole(out, "MqttCount", 1)
}

// appendWifi writes the last member of STATE.
func appendWifi(out []byte, id string, links int64) []byte {
	rssi := 40 + spread(id, 50)
	out = append(appendKey(out, "Wifi"), '{')
	out = appendWhole(out, "AP", 1)
	out = appendText(out, "SSId", "workshop")
	out = appendText(out, "BSSId", "02:00:5E:10:00:01")
	out = appendWhole(out, "Channel", 6)
	out = appendText(out, "Mode", "11n")
	out = appendWhole(out, "RSSI", rssi)
	out = appendWhole(out, "Signal", rssi/2-100)
	out = appendWhole(out, "LinkCount", links)
	return append(appendText(out, "Downtime", "0T00:00:05"), '}')
}
