package mapping

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// device is what is remembered of one device: what it last said on the channels that a heartbeat affirms.
type device struct {
	said map[string]said
}

// said is a sample, and when the device or its heartbeat last stood by it, by the bridge's clock.
type said struct {
	record  telemetry.Record
	heardMs int64
}

// remember keeps a sample that a heartbeat may affirm later. A replayed one says nothing of the present.
func (r *reading) remember(rec *telemetry.Record) {
	if rec.Retained || !slices.Contains(r.by.affirmed, rec.Channel) {
		return
	}
	_, dev := r.d.devices.Heard(rec.Device)
	if dev.said == nil {
		dev.said = make(map[string]said, len(r.by.affirmed))
	}
	dev.said[rec.Channel] = said{*rec, r.m.ReceivedMs}
}

// forget drops what a device said before its connection ended.
func (r *reading) forget(name string) {
	if dev := r.d.devices.Find(name); dev != nil {
		clear(dev.said)
	}
}

// affirm repeats what the device last said, dated by its heartbeat. What it said before a silence that was too long is
// forgotten instead: a change may have been lost in it, and the heartbeat does not know.
func (r *reading) affirm(name string) {
	dev := r.d.devices.Find(name)
	for _, channel := range r.rule.affirms {
		var last said
		known := false
		if dev != nil && !r.m.Retained {
			last, known = dev.said[channel]
		}
		if known && r.m.ReceivedMs-last.heardMs > last.record.ValidMs {
			delete(dev.said, channel)
			known = false
		}
		if !known {
			r.note("心跳，但 "+channel+" 没有可延续的最近状态", "a heartbeat, and nothing that "+channel+" said of late to affirm")
			continue
		}
		r.emit(last.record)
	}
}

// checkAffirms reports channels to affirm that no sample has, or whose samples hold without a heartbeat.
func (m *Mapping) checkAffirms(c *checker) {
	for i := range m.rules {
		for n, channel := range m.rules[i].affirms {
			at := m.rules[i].affirmsAt
			valid, ok := m.validOf(channel)
			switch {
			case !ok:
				c.bad(at, channel, wrong{"没有样本用此通道（通道名须为固定文字）", "no sample has this channel as plain text"})
			case valid == 0:
				c.bad(at, channel, wrong{
					"此通道的 valid 为 until_changed，无需心跳延续；有心跳时应写时长",
					"the channel's valid is until_changed, which needs no heartbeat; with a heartbeat give a duration",
				})
			case slices.Contains(m.rules[i].affirms[:n], channel):
				c.bad(at, channel, wrong{"重复", "given twice"})
			case !slices.Contains(m.affirmed, channel):
				m.affirmed = append(m.affirmed, channel)
			}
		}
	}
}

// validOf returns the shortest validity of the samples with a channel.
func (m *Mapping) validOf(channel string) (ms int64, ok bool) {
	for i := range m.rules {
		for n := range m.rules[i].samples {
			if m.rules[i].samples[n].channel.text != channel {
				continue
			}
			if valid := m.rules[i].validMs; !ok || valid < ms {
				ms, ok = valid, true
			}
		}
	}
	return ms, ok
}
