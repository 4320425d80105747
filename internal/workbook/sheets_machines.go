package workbook

import (
	"math"
	"strconv"
	"time"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// equipmentRow is a machine, with the thresholds as its row has them.
type equipmentRow struct {
	registry.Equipment
	off, run *float64 // watts; nil where nobody says
}

func rowsOfEquipment(list []registry.Equipment) []equipmentRow {
	out := make([]equipmentRow, len(list))
	for i, e := range list {
		out[i].Equipment = e
		if p := e.Signal.Power; p != nil {
			out[i].off, out[i].run = &p.OffW, &p.RunW
		}
	}
	return out
}

// The bounds of quantities, those of the registry where it has them.
const (
	maxQuotaHours = 8784
	maxValueYuan  = 1e10
	maxPowerW     = 1e7
	maxSilenceS   = 7 * 24 * 3600
)

var equipmentTable = &table[equipmentRow]{
	what:  info{Zh: "设备", En: "equipment", also: []string{"实训设备", "设备台账", "machines"}, noteZh: "实训设备", noteEn: "training equipment"},
	most:  20_000,
	store: func(d *draft) *store[equipmentRow] { return d.equipment },
	key:   func(e *equipmentRow) string { return e.ID },
	fresh: func() equipmentRow {
		return equipmentRow{Equipment: registry.Equipment{InService: registry.Always(), Signal: registry.Signal{Kind: registry.SignalNone}}}
	},
	fields: []field[equipmentRow]{
		codeField("id", "设备编号", "id", func(e *equipmentRow) *string { return &e.ID }).keyed().required().or("编号").like("lathe-01"),
		codeField("asset_number", "资产编号", "asset_number", func(e *equipmentRow) *string { return &e.AssetNumber }).required().like("ZC-2024-0001"),
		nameField("name", "设备名称", "name", func(e *equipmentRow) *string { return &e.Name }).required().or("名称").like("数控车床"),
		nameField("name_en", "英文名称", "name_en", func(e *equipmentRow) *string { return &e.NameEN }).like("CNC lathe"),
		nameField("model", "型号", "model", func(e *equipmentRow) *string { return &e.Model }).or("规格型号").like("CK6140"),
		codeField("workshop", "车间编号", "workshop", func(e *equipmentRow) *string { return &e.Workshop }).required().or("实训室编号", "车间", "实训室").like("CNC-1"),
		codeField("station", "工位编号", "station", func(e *equipmentRow) *string { return &e.Station }).or("工位").like("01"),
		choiceField("category", "类别(通用/专用)", "category", categories, func(e *equipmentRow) *registry.Category { return &e.Category }).required().or("类别", "设备类别").like("通用"),
		choiceField("profile", "证据类型", "profile", profiles, func(e *equipmentRow) *registry.Profile { return &e.Profile }).required().or("证据模式").like("机加").note("什么能证明实操"),
		{
			column: column{key: "quota_hours", zh: "定额机时", en: "quota_hours", also: []string{"定额机时(小时/年)"}, number: true, noteZh: "小时/年；空为通用 1400、专用 800", example: "1400"},
			get:    func(e *equipmentRow) string { return showNumber(e.QuotaHours) },
			set:    func(c cell, e *equipmentRow) { e.QuotaHours = c.number(0, maxQuotaHours) },
		},
		valueField("value_yuan", "原值(元)", 1).like("320000"),
		valueField("value_wan", "原值(万元)", 10_000).hidden(),
		fromField("启用日期", "from", func(e *equipmentRow) *span.Span { return &e.InService }).or("购置日期", "in_service_from").like("2024-03-01"),
		toField("停用日期", "to", func(e *equipmentRow) *span.Span { return &e.InService }).or("报废日期", "in_service_to"),
		choiceField("kind", "状态来源", "signal", signals, func(e *equipmentRow) *registry.SignalKind { return &e.Signal.Kind }).or("信号来源").like("功率"),
		wattField("off_w", "关机阈值(W)", func(e *equipmentRow) **float64 { return &e.off }).like("30"),
		wattField("run_w", "运行阈值(W)", func(e *equipmentRow) **float64 { return &e.run }).like("800"),
	},
	finish: finishEquipment,
}

// valueField is an amount of money in units of so many yuan.
func valueField(key, zh string, yuan float64) field[equipmentRow] {
	return field[equipmentRow]{
		column: column{key: key, zh: zh, en: key, number: true},
		get: func(e *equipmentRow) string {
			if e.ValueFen == 0 {
				return ""
			}
			return strconv.FormatFloat(float64(e.ValueFen)/(100*yuan), 'f', -1, 64)
		},
		set: func(c cell, e *equipmentRow) {
			if c.filled() || yuan == 1 {
				e.ValueFen = int64(math.Round(c.number(0, maxValueYuan/yuan) * yuan * 100))
			}
		},
	}
}

func wattField(key, zh string, at func(*equipmentRow) **float64) field[equipmentRow] {
	return field[equipmentRow]{
		column: column{key: key, zh: zh, en: key, number: true, noteZh: "空为尚未标定"},
		get: func(e *equipmentRow) string {
			if p := *at(e); p != nil {
				return showNumber(*p)
			}
			return ""
		},
		set: func(c cell, e *equipmentRow) {
			*at(e) = nil
			if c.filled() {
				v := c.number(0, maxPowerW)
				*at(e) = &v
			}
		},
	}
}

func finishEquipment(r *row, e, _ *equipmentRow) {
	if e.QuotaHours == 0 {
		e.QuotaHours = 1400
		if e.Category == registry.Special {
			e.QuotaHours = 800
		}
	}
	if e.Signal.Kind == "" {
		e.Signal.Kind = registry.SignalNone
	}
	switch off, run := r.cell("off_w"), r.cell("run_w"); {
	case off.isBad() || run.isBad():
	case (e.off == nil) != (e.run == nil):
		missing := off
		if e.run == nil {
			missing = run
		}
		missing.bad("关机阈值与运行阈值应同时填写", "want both thresholds or none")
	case e.off == nil:
		e.Signal.Power = nil
	default:
		e.Signal.Power = powerRule(e)
	}
}

// powerRule keeps what a calibration found beside the thresholds.
func powerRule(e *equipmentRow) *registry.PowerRule {
	rule := registry.PowerRule{Hysteresis: registry.DefaultHysteresis, DwellOn: registry.DefaultDwellOn, DwellOff: registry.DefaultDwellOff}
	if e.Profile == registry.Burst {
		rule.DwellOff = registry.DefaultDwellOffBurst
	}
	if e.Signal.Power != nil {
		rule = *e.Signal.Power
	}
	rule.OffW, rule.RunW = *e.off, *e.run
	return &rule
}

var deviceTable = &table[registry.Device]{
	what:  info{Zh: "采集终端", En: "devices", also: []string{"终端", "device"}, noteZh: "电表、控制器、读卡器", noteEn: "meters, controllers, badge readers"},
	most:  20_000,
	store: func(d *draft) *store[registry.Device] { return d.devices },
	key:   func(d *registry.Device) string { return d.ID },
	fields: []field[registry.Device]{
		codeField("id", "终端编号", "id", func(d *registry.Device) *string { return &d.ID }).keyed().required().or("device", "终端标识", "编号").like("meter-01").note("与终端自报的标识一致"),
		nameField("name", "终端名称", "name", func(d *registry.Device) *string { return &d.Name }).or("名称").like("1 号车床电表"),
		choiceField("kind", "终端类型", "kind", deviceKinds, func(d *registry.Device) *registry.DeviceKind { return &d.Kind }).required().or("类型").like("电表"),
		choiceField("dialect", "协议", "dialect", dialectNames, func(d *registry.Device) *string { return &d.Dialect }).like("tasmota").note("空为按主题判断"),
		{
			column: column{key: "max_silence", zh: "最长静默(秒)", en: "max_silence", also: []string{"最长静默"}, number: true, noteZh: "空为协议自己的规则"},
			get: func(d *registry.Device) string {
				if d.MaxSilence == 0 {
					return ""
				}
				return showNumber(d.MaxSilence.Seconds())
			},
			set: func(c cell, d *registry.Device) {
				d.MaxSilence = time.Duration(c.number(0, maxSilenceS)*1000) * time.Millisecond
			},
		},
	},
}

var bindingTable = &table[registry.Binding]{
	what:   info{Zh: "绑定", En: "bindings", also: []string{"终端绑定", "binding"}, noteZh: "终端的通道在什么时候代表哪台设备或哪个车间", noteEn: "which machine or room a device's channel speaks for, and when"},
	most:   20_000,
	series: true,
	store:  func(d *draft) *store[registry.Binding] { return d.bindings },
	key: func(b *registry.Binding) string {
		if b.Device == "" || b.Use == "" {
			return ""
		}
		return joinKey(b.Device, b.Channel, string(b.Use), strconv.FormatInt(b.Valid.StartMs, 10))
	},
	fresh: func() registry.Binding { return registry.Binding{Valid: registry.Always()} },
	fields: []field[registry.Binding]{
		codeField("device", "终端编号", "device", func(b *registry.Binding) *string { return &b.Device }).keyed().required().or("终端标识", "终端").like("meter-01"),
		codeField("channel", "通道", "channel", func(b *registry.Binding) *string { return &b.Channel }).keyed().note("空为终端的默认通道"),
		choiceField("use", "用途", "use", uses, func(b *registry.Binding) *registry.Use { return &b.Use }).keyed().required().like("状态"),
		codeField("equipment", "设备编号", "equipment", func(b *registry.Binding) *string { return &b.Equipment }).or("设备").like("lathe-01").note("设备编号与车间编号恰填一个"),
		codeField("room", "车间编号", "room", func(b *registry.Binding) *string { return &b.Room }).or("实训室编号", "车间", "实训室"),
		codeField("station", "工位编号", "station", func(b *registry.Binding) *string { return &b.Station }).or("工位").note("读卡器在某个工位时填写"),
		fromField("起始时间", "from", func(b *registry.Binding) *span.Span { return &b.Valid }).keyed().or("起始日期", "开始时间").like("2026-01-01"),
		toField("截止时间", "to", func(b *registry.Binding) *span.Span { return &b.Valid }).or("截止日期", "结束时间"),
	},
	finish: finishBinding,
}

// finishBinding says in the words of the sheet what the registry would say in its own.
func finishBinding(r *row, b, _ *registry.Binding) {
	equipment, station, use := r.cell("equipment"), r.cell("station"), r.cell("use")
	switch {
	case equipment.isBad() || r.cell("room").isBad():
	case (b.Equipment == "") == (b.Room == ""):
		equipment.bad("设备编号与车间编号应恰填一个", "want exactly one of 设备编号 (equipment) and 车间编号 (room)")
	case b.Station != "" && b.Room == "":
		station.bad("工位编号只与车间编号同用", "want 工位编号 (station) only beside 车间编号 (room)")
	case b.Room != "" && b.Use == registry.UseState:
		use.bad("车间没有状态，应为电能或考勤", "a room has no state, want 电能 (energy) or 考勤 (presence)")
	}
	d := r.im.rowBase(r)
	if d == nil {
		return
	}
	i, ok := d.devices.at[b.Device]
	if !ok {
		return // the registry says so
	}
	if kind := d.devices.list[i].Kind; (kind == registry.Reader) != (b.Use == registry.UsePresence) && !use.isBad() {
		use.bad("终端 "+b.Device+" 是"+deviceKinds.show(string(kind))+"；读卡器只用于考勤，其他只用于状态、电能",
			"device "+b.Device+" is a "+string(kind)+": a reader is for 考勤 (presence), the others are for 状态 (state) and 电能 (energy)")
	}
}
