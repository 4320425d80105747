package workbook

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// baseRow is a base without what other sheets have.
type baseRow struct {
	registry.Base
	unit         Unit
	district     string // the last one
	districtFrom int64  // when it began
	dated        bool   // the row says when
}

func loadBase(b registry.Base, units []Unit) baseRow {
	row := baseRow{Base: b, unit: Unit{Base: b.Code}, districtFrom: registry.BeginMs}
	if i := slices.IndexFunc(units, func(u Unit) bool { return u.Base == b.Code }); i >= 0 {
		row.unit = units[i]
	}
	if n := len(b.Districts); n > 0 {
		row.district, row.districtFrom = b.Districts[n-1].Code, b.Districts[n-1].Valid.StartMs
	}
	return row
}

var baseTable = &table[baseRow]{
	what:  info{Zh: "基地", En: "bases", also: []string{"公共实训基地", "base"}, noteZh: "每个公共实训基地一行", noteEn: "one row for each base"},
	self:  true,
	store: func(d *draft) *store[baseRow] { return d.self },
	key:   func(b *baseRow) string { return b.Code },
	fresh: func() baseRow { return baseRow{districtFrom: registry.BeginMs} },
	fields: []field[baseRow]{
		codeField("code", "基地编码", "code", func(b *baseRow) *string { return &b.Code }).keyed().required().or("基地编号", "base").like(exampleBase).note("字母、数字、- _ .，用于 MQTT 主题"),
		nameField("name", "基地名称", "name", func(b *baseRow) *string { return &b.Name }).required().or("名称", "AAB004").like("示例公共实训基地"),
		nameField("name_en", "英文名称", "name_en", func(b *baseRow) *string { return &b.NameEN }).like("Example training base"),
		choiceField("tier", "层级(1/5/N)", "tier", tiers, func(b *baseRow) *registry.Tier { return &b.Tier }).required().or("层级").like("N"),
		codeField("district", "区县代码", "district", func(b *baseRow) *string { return &b.district }).required().or("区县", "行政区划", "AAB301").like("500103").note("6 位行政区划代码，或 X- 开头的自定义代码"),
		{
			column: column{key: "district_from", zh: "区县生效日期", en: "district_from", noteZh: "区县变更时填写"},
			get:    func(b *baseRow) string { return showFrom(b.districtFrom) },
			set: func(c cell, b *baseRow) {
				if b.dated = c.filled(); b.dated {
					b.districtFrom = c.day()
				}
			},
		},
		creditField(),
		nameField("reporting_unit", "填报单位", "reporting_unit", func(b *baseRow) *string { return &b.unit.Reporter }).like("示例区人力资源和社会保障局"),
	},
	finish: finishBase,
}

func creditField() field[baseRow] {
	f := codeField("credit_code", "统一社会信用代码", "credit_code", func(b *baseRow) *string { return &b.unit.CreditCode }).like("12500000450400000C").note("18 位")
	f.set = func(c cell, b *baseRow) {
		b.unit.CreditCode = c.code()
		if b.unit.CreditCode == "" {
			return
		}
		if fault := identity.CheckCreditCode(b.unit.CreditCode); fault != nil {
			c.bad(fault.Zh, fault.En)
		}
	}
	return f
}

// baseItself returns the draft of the base that a row of sheet 基地 is about, a new one for a base that is new.
func (im *importing) baseItself(r *row) *draft {
	c := r.cell("code")
	code := c.code()
	switch {
	case c.isBad():
		return nil
	case code == "":
		c.bad("必填", "required")
		return nil
	case !im.inScope(code):
		c.bad("无权修改此基地，本次只能导入 "+joinZh(im.o.Only), "not yours to change, this import is for "+joinEn(im.o.Only))
		return nil
	}
	if im.drafts[code] == nil {
		im.drafts[code] = emptyDraft(code)
		im.order = append(im.order, code)
	}
	return im.drafts[code]
}

// finishBase enters the district with the day on which it began.
func finishBase(r *row, b, before *baseRow) {
	b.unit.Base = b.Code
	c := r.cell("district_from")
	if !r.cell("district").present() || c.isBad() || b.district == "" {
		return
	}
	n := len(b.Districts)
	if before == nil || n == 0 {
		b.Districts = []registry.District{{Code: b.district, Valid: span.Span{StartMs: b.districtFrom, EndMs: registry.ForeverMs}}}
		return
	}
	last := b.Districts[n-1]
	switch {
	case !b.dated:
		b.districtFrom = last.Valid.StartMs
		if b.district != last.Code {
			c.bad("区县变更须填生效日期（原为 "+last.Code+"）", "a change of district needs the day from which it holds (it was "+last.Code+")")
		}
	case b.districtFrom < last.Valid.StartMs:
		c.bad("应不早于现有区县的生效日期 "+showDay(last.Valid.StartMs), "want no day before that of the district there is, "+showDay(last.Valid.StartMs))
	default:
		b.Districts = slices.Clone(b.Districts)
		if b.districtFrom == last.Valid.StartMs {
			b.Districts[n-1].Code = b.district
			return
		}
		if b.district == last.Code {
			b.districtFrom = last.Valid.StartMs // it has held all along
			return
		}
		b.Districts[n-1].Valid.EndMs = min(last.Valid.EndMs, b.districtFrom)
		b.Districts = append(b.Districts, registry.District{Code: b.district, Valid: span.Span{StartMs: b.districtFrom, EndMs: registry.ForeverMs}})
	}
}

// workshopRow is a workshop without what other sheets have.
type workshopRow struct{ ID, Name, NameEN string }

var workshopTable = &table[workshopRow]{
	what:  info{Zh: "车间", En: "workshops", also: []string{"实训室", "车间实训室", "workshop"}, noteZh: "车间或实训室", noteEn: "workshops and training rooms"},
	most:  2000,
	store: func(d *draft) *store[workshopRow] { return d.workshops },
	key:   func(w *workshopRow) string { return w.ID },
	fields: []field[workshopRow]{
		codeField("id", "车间编号", "id", func(w *workshopRow) *string { return &w.ID }).keyed().required().or("实训室编号", "workshop", "编号").like("CNC-1"),
		nameField("name", "车间名称", "name", func(w *workshopRow) *string { return &w.Name }).required().or("实训室名称", "名称").like("数控车间"),
		nameField("name_en", "英文名称", "name_en", func(w *workshopRow) *string { return &w.NameEN }).like("CNC workshop"),
	},
}

// stationRow is a station and where it is.
type stationRow struct {
	Workshop string
	registry.Station
}

var stationTable = &table[stationRow]{
	what:  info{Zh: "工位", En: "stations", also: []string{"station"}, noteZh: "车间里的工位", noteEn: "work places in a workshop"},
	most:  20_000,
	store: func(d *draft) *store[stationRow] { return d.stations },
	key: func(s *stationRow) string {
		if s.Workshop == "" || s.ID == "" {
			return ""
		}
		return joinKey(s.Workshop, s.ID)
	},
	fields: []field[stationRow]{
		codeField("workshop", "车间编号", "workshop", func(s *stationRow) *string { return &s.Workshop }).keyed().required().or("实训室编号", "车间", "实训室").like("CNC-1"),
		codeField("id", "工位编号", "id", func(s *stationRow) *string { return &s.ID }).keyed().required().or("station", "编号").like("01"),
		nameField("name", "工位名称", "name", func(s *stationRow) *string { return &s.Name }).or("名称").like("1 号工位"),
	},
	finish: func(r *row, s, _ *stationRow) { r.workshopKnown("workshop", s.Workshop) },
}

// workshopKnown reports a workshop that the row's base does not have, where the registry cannot see it.
func (r *row) workshopKnown(key, id string) {
	d := r.im.rowBase(r)
	if d == nil || id == "" {
		return
	}
	if _, ok := d.workshops.at[id]; !ok {
		var known []string
		for _, w := range d.workshops.list {
			known = append(known, w.ID)
		}
		r.cell(key).refer("没有此车间编号，请先在“车间”表登记", "there is no workshop with this id, enter it in sheet 车间 first", known)
	}
}

// rowBase is the draft of a row that has passed baseOf.
func (im *importing) rowBase(r *row) *draft {
	code := r.cell(baseKey).code()
	if code == "" {
		code = im.defaultBase()
	}
	return im.drafts[code]
}
