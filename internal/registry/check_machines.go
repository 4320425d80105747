package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/strictyaml"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func (c *checker) equipment(b *Base, at place) {
	for i := range b.Equipment {
		e, p := &b.Equipment[i], at.item("equipment", i)
		p.field("id").id(e.ID)
		p.field("id").unique("equipment\x00"+b.Code, e.ID, "设备编号", "equipment id")
		p.field("asset_number").token(e.AssetNumber, true)
		p.field("asset_number").unique("asset\x00"+b.Code, e.AssetNumber, "资产编号", "asset number")
		p.field("name").name(e.Name, true)
		p.field("name_en").name(e.NameEN, false)
		p.field("model").name(e.Model, false)
		c.location(b, e, p)
		p.field("category").oneOf(string(e.Category), string(General), string(Special))
		p.field("profile").oneOf(string(e.Profile), string(Machine), string(Burst), string(Thermal), string(Computer), string(Bench), string(Kitchen))
		if e.QuotaHours < 0 || e.QuotaHours > 8784 || e.QuotaHours != e.QuotaHours {
			p.field("quota_hours").bad(number(e.QuotaHours), quotaZh, quotaEn)
		}
		if e.ValueFen < 0 {
			p.field("value_yuan").bad(strconv.FormatInt(e.ValueFen, 10), "不应为负", "want no negative amount")
		}
		p.field("in_service").valid(e.InService)
		c.signal(e.Signal, p.field("signal"))
	}
}

func (c *checker) location(b *Base, e *Equipment, p place) {
	if e.Workshop == "" {
		p.field("workshop").bad("", "必填：车间编号", "required: the id of a workshop")
		return
	}
	i := slices.IndexFunc(b.Workshops, func(w Workshop) bool { return w.ID == e.Workshop })
	if i < 0 {
		p.field("workshop").unknownRef(e.Workshop, ids(b.Workshops, func(w Workshop) string { return w.ID }))
		return
	}
	stations := ids(b.Workshops[i].Stations, func(s Station) string { return s.ID })
	if e.Station != "" && !slices.Contains(stations, e.Station) {
		p.field("station").unknownRef(e.Station, stations)
	}
}

func (c *checker) signal(s Signal, p place) {
	p.field("kind").oneOf(string(s.Kind), string(SignalController), string(SignalPower), string(SignalNone))
	if s.Kind != SignalController && len(s.States) > 0 {
		p.field("states").bad("", "只用于 kind: controller", "only for kind: controller")
	}
	for word, state := range s.States {
		q := p.field("states").field(word)
		if word == "" || len(word) > telemetry.MaxState {
			q.bad(word, fmt.Sprintf("状态字应为 1 至 %d 字节", telemetry.MaxState), fmt.Sprintf("want a word of 1 to %d bytes", telemetry.MaxState))
		} else {
			q.oneOf(state, stateWords...)
		}
	}
	if s.Power == nil {
		return
	}
	if s.Kind != SignalPower {
		p.field("power").bad("", "只用于 kind: power", "only for kind: power")
		return
	}
	s.Power.check(p.field("power"))
}

// maxPowerW is far above any training equipment and catches a threshold in the wrong unit.
const maxPowerW = 1e7

func (r PowerRule) check(p place) {
	if !(r.OffW >= 0 && r.OffW <= maxPowerW) {
		p.field("off_w").bad(given(r.OffW), "必填：0 至 10000000 瓦", "required: 0 to 10000000 watts")
	}
	if !(r.RunW > 0 && r.RunW <= maxPowerW) {
		p.field("run_w").bad(given(r.RunW), "必填：大于 0，至多 10000000 瓦", "required: more than 0, at most 10000000 watts")
	} else if r.OffW <= maxPowerW && r.OffW > r.RunW {
		p.field("run_w").bad(number(r.RunW), fmt.Sprintf("应不小于 off_w（%s 瓦）", number(r.OffW)), fmt.Sprintf("want at least off_w (%s watts)", number(r.OffW)))
	}
	if !(r.Hysteresis >= 0 && r.Hysteresis <= 0.5) {
		p.field("hysteresis").bad(number(r.Hysteresis), "应为 0 至 0.5", "want 0 to 0.5")
	} else if r.RunW*(1-r.Hysteresis) <= r.OffW && r.RunW > r.OffW {
		p.field("hysteresis").bad(number(r.Hysteresis), "过大：run_w × (1 − hysteresis) 应大于 off_w", "too large: want run_w × (1 − hysteresis) above off_w")
	}
	if r.DwellOn < 0 || r.DwellOn > maxDwell || r.DwellOn%1e6 != 0 {
		p.field("dwell_on").bad(r.DwellOn.String(), "应为 0s 至 10m，精确到毫秒", "want 0s to 10m, in whole milliseconds")
	}
	if r.DwellOff < 0 || r.DwellOff > maxDwell || r.DwellOff%1e6 != 0 {
		p.field("dwell_off").bad(r.DwellOff.String(), "应为 0s 至 10m，精确到毫秒", "want 0s to 10m, in whole milliseconds")
	}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// given is number, and nothing for the value that stands for a missing threshold.
func given(v float64) string {
	if v > maxPowerW*1e9 {
		return ""
	}
	return number(v)
}

func (c *checker) bindings(b *Base, at place) {
	devices := map[string]*Device{}
	for i := range b.Devices {
		devices[b.Devices[i].ID] = &b.Devices[i]
	}
	equipment := map[string]*Equipment{}
	for i := range b.Equipment {
		equipment[b.Equipment[i].ID] = &b.Equipment[i]
	}
	byChannel, byEquipment := map[[2]string][]boundAt{}, map[string][]placed{}
	for i, bind := range b.Bindings {
		p, before := at.item("bindings", i), len(c.problems)
		p.field("channel").token(bind.Channel, false)
		c.target(b, bind, p)
		c.use(bind, devices[bind.Device], equipment[bind.Equipment], p)
		if bind.Device == "" {
			p.field("device").bad("", "必填：设备标识", "required: the id of a device")
		} else if devices[bind.Device] == nil {
			p.field("device").unknownRef(bind.Device, ids(b.Devices, func(d Device) string { return d.ID }))
		}
		here := placed{p, p.valid(bind.Valid)}
		if len(c.problems) > before {
			continue // overlaps of a binding that is wrong in itself would only confuse
		}
		channel := [2]string{bind.Device, bind.Channel}
		oneTarget(byChannel[channel], boundAt{here, bind})
		byChannel[channel] = append(byChannel[channel], boundAt{here, bind})
		if bind.Use == UseState && bind.Equipment != "" {
			byEquipment[bind.Equipment] = append(byEquipment[bind.Equipment], here)
		}
	}
	for id, list := range byEquipment {
		disjoint(list, fmt.Sprintf("设备 %s 的状态来源", id), "state bindings of equipment "+id)
	}
}

// boundAt is a binding and where it stands.
type boundAt struct {
	placed
	bind Binding
}

// oneTarget reports a binding by which its channel would speak for two things at once, or for one thing twice. One
// channel may serve two uses of the same thing: a meter's power and its energy.
func oneTarget(earlier []boundAt, later boundAt) {
	for _, e := range earlier {
		sameThing := e.bind.Equipment == later.bind.Equipment && e.bind.Room == later.bind.Room && e.bind.Station == later.bind.Station
		if !sameThing || e.bind.Use == later.bind.Use {
			disjoint([]placed{e.placed, later.placed}, fmt.Sprintf("设备 %s 通道 %q 的绑定", e.bind.Device, e.bind.Channel), fmt.Sprintf("bindings of device %s channel %q", e.bind.Device, e.bind.Channel))
		}
	}
}

func (c *checker) target(b *Base, bind Binding, p place) {
	switch {
	case (bind.Equipment == "") == (bind.Room == ""):
		p.field("equipment").bad(bind.Equipment, "equipment 与 room 应恰有一个", "want exactly one of equipment and room")
	case bind.Equipment != "":
		if known := ids(b.Equipment, func(e Equipment) string { return e.ID }); !slices.Contains(known, bind.Equipment) {
			p.field("equipment").unknownRef(bind.Equipment, known)
		}
	default:
		if known := ids(b.Workshops, func(w Workshop) string { return w.ID }); !slices.Contains(known, bind.Room) {
			p.field("room").unknownRef(bind.Room, known)
		}
	}
	if bind.Station != "" {
		c.station(b, bind, p.field("station"))
	}
}

// station checks the station of the room at which a reader stands.
func (c *checker) station(b *Base, bind Binding, p place) {
	if bind.Room == "" {
		p.bad(bind.Station, "station 只与 room 同用", "want station only beside room")
		return
	}
	if i := slices.IndexFunc(b.Workshops, func(w Workshop) bool { return w.ID == bind.Room }); i >= 0 {
		if known := ids(b.Workshops[i].Stations, func(s Station) string { return s.ID }); !slices.Contains(known, bind.Station) {
			p.unknownRef(bind.Station, known)
		}
	}
}

// use checks that the device can do what the binding uses it for. d and e are nil when they are unknown.
func (c *checker) use(bind Binding, d *Device, e *Equipment, p place) {
	at := p.field("use")
	at.oneOf(string(bind.Use), string(UseState), string(UseEnergy), string(UsePresence))
	if d != nil && (d.Kind == Reader) != (bind.Use == UsePresence) {
		at.bad(string(bind.Use), fmt.Sprintf("设备 %s 的类型是 %s；reader 只用于 presence，其他只用于 state、energy", d.ID, d.Kind),
			fmt.Sprintf("device %s is a %s: a reader is for presence, the others are for state and energy", d.ID, d.Kind))
		return
	}
	if bind.Use != UseState {
		return
	}
	switch {
	case bind.Room != "":
		at.bad(string(bind.Use), "房间没有状态，只用于 energy、presence", "a room has no state, use energy or presence")
	case e == nil:
	case e.Signal.Kind == SignalNone:
		at.bad(string(bind.Use), fmt.Sprintf("设备 %s 未写 signal.kind，应为 controller 或 power", e.ID), fmt.Sprintf("equipment %s has no signal.kind, want controller or power there", e.ID))
	case e.Signal.Kind == SignalController && d != nil && d.Kind == Meter:
		at.bad(string(bind.Use), fmt.Sprintf("设备 %s 的状态来自控制器，而 %s 是电表", e.ID, d.ID), fmt.Sprintf("equipment %s takes its state from a controller, and %s is a meter", e.ID, d.ID))
	}
}

// unknownRef reports a reference to something that is not in the base.
func (p place) unknownRef(value string, known []string) {
	const shown = 8
	slices.Sort(known)
	known = slices.DeleteFunc(slices.Compact(known), func(id string) bool { return id == "" })
	if len(known) == 0 {
		p.bad(value, "本基地没有登记任何一个", "the base has none of these")
		return
	}
	sample, more := known, ""
	if len(sample) > shown {
		sample, more = sample[:shown], " …"
	}
	zh, en := "本基地没有，现有：", "not in this base, which has "
	for i, id := range sample {
		if i > 0 {
			zh, en = zh+"、", en+", "
		}
		zh, en = zh+id, en+id
	}
	if near := strictyaml.Nearest(value, known); near != "" && withoutDigits(near) != withoutDigits(value) {
		zh, en = fmt.Sprintf("是否应为 %s？%s", near, zh), fmt.Sprintf("did you mean %s? %s", near, en)
	}
	p.bad(value, zh+more, en+more)
}

// withoutDigits keeps lathe-01 from being suggested for lathe-02: that is another machine, not a typing mistake.
func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

func ids[T any](list []T, id func(T) string) []string {
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, id(v))
	}
	return out
}
