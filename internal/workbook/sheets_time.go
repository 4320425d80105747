package workbook

import (
	"strconv"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// hoursRow is opening hours and whose they are.
type hoursRow struct {
	Workshop string // "" is the base's
	registry.Hours
	byKind, byDay bool // which cells the row has filled
}

func rowsOfHours(workshop string, list []registry.Hours) []hoursRow {
	out := make([]hoursRow, len(list))
	for i, h := range list {
		out[i] = hoursRow{Workshop: workshop, Hours: h}
	}
	return out
}

var hoursTable = &table[hoursRow]{
	what:   info{Zh: "开放时间", En: "hours", also: []string{"opening hours"}, noteZh: "按工作日和休息日，或按星期；车间编号空为整个基地", noteEn: "by kind of day or by weekday; of the base where there is no workshop"},
	series: true,
	store:  func(d *draft) *store[hoursRow] { return d.hours },
	key: func(h *hoursRow) string {
		return joinKey("hours", h.Workshop, strconv.FormatInt(h.Valid.StartMs, 10))
	},
	fresh: func() hoursRow { return hoursRow{Hours: registry.Hours{Valid: registry.Always()}} },
	fields: []field[hoursRow]{
		codeField("workshop", "车间编号", "workshop", func(h *hoursRow) *string { return &h.Workshop }).keyed().or("实训室编号", "车间"),
		fromField("起始日期", "from", func(h *hoursRow) *span.Span { return &h.Valid }).keyed().like("2026-01-01"),
		toField("截止日期", "to", func(h *hoursRow) *span.Span { return &h.Valid }),
		kindHours("workday", "工作日", func(h *hoursRow) *registry.Times { return &h.Workday }).like("08:30-12:00,13:30-17:30"),
		kindHours("restday", "休息日", func(h *hoursRow) *registry.Times { return &h.Restday }).like("关闭"),
		weekdayHours("monday", "周一", 1), weekdayHours("tuesday", "周二", 2), weekdayHours("wednesday", "周三", 3),
		weekdayHours("thursday", "周四", 4), weekdayHours("friday", "周五", 5), weekdayHours("saturday", "周六", 6),
		weekdayHours("sunday", "周日", 0),
	},
	finish: finishHours,
}

func kindHours(key, zh string, at func(*hoursRow) *registry.Times) field[hoursRow] {
	return field[hoursRow]{
		column: column{key: key, zh: zh, en: key, noteZh: "如 08:30-12:00,13:30-17:30，或“关闭”"},
		get: func(h *hoursRow) string {
			if h.ByWeekday {
				return ""
			}
			return showTimes(*at(h))
		},
		set: func(c cell, h *hoursRow) {
			*at(h), h.byKind = c.times(), h.byKind || c.filled()
		},
	}
}

func weekdayHours(key, zh string, day int) field[hoursRow] {
	return field[hoursRow]{
		column: column{key: key, zh: zh, en: key, noteZh: "按星期开放时填写，不与工作日、休息日同用"},
		get: func(h *hoursRow) string {
			if !h.ByWeekday {
				return ""
			}
			return showTimes(h.Weekday[day])
		},
		set: func(c cell, h *hoursRow) {
			h.Weekday[day], h.byDay = c.times(), h.byDay || c.filled()
		},
	}
}

func finishHours(r *row, h, before *hoursRow) {
	r.workshopKnown("workshop", h.Workshop)
	if before != nil && !h.byKind && !h.byDay {
		h.Hours = registry.Hours{Valid: h.Valid, ByWeekday: before.ByWeekday, Workday: before.Workday, Restday: before.Restday, Weekday: before.Weekday}
		return
	}
	switch c := r.cell("workday"); {
	case h.byKind && h.byDay:
		c.bad("工作日、休息日与星期不能同时填写", "want either kinds of day or weekdays, not both")
	case !h.byKind && !h.byDay && !h.anyBad(r):
		c.bad("必填：工作日，或周一至周日之一；不开放请填“关闭”", "required: 工作日 (workday) or one of the weekdays; 关闭 where it is closed")
	case h.byDay:
		h.ByWeekday, h.Workday, h.Restday = true, nil, nil
	default:
		h.ByWeekday, h.Weekday = false, [7]registry.Times{}
	}
	h.byKind, h.byDay = false, false
}

func (h *hoursRow) anyBad(r *row) bool {
	for key := range r.heads {
		if r.cell(key).isBad() {
			return true
		}
	}
	return false
}

// exceptionRow is an exception and whose it is.
type exceptionRow struct {
	Workshop string
	registry.Exception
}

func rowsOfExceptions(workshop string, list []registry.Exception) []exceptionRow {
	out := make([]exceptionRow, len(list))
	for i, e := range list {
		out[i] = exceptionRow{workshop, e}
	}
	return out
}

var exceptionTable = &table[exceptionRow]{
	what:   info{Zh: "开放例外", En: "exceptions", also: []string{"例外", "临时开放"}, noteZh: "某些日子不同的开放时间，先于开放时间", noteEn: "days with other hours"},
	series: true,
	store:  func(d *draft) *store[exceptionRow] { return d.exceptions },
	key: func(e *exceptionRow) string {
		if e.Valid.StartMs == 0 {
			return ""
		}
		return joinKey("exception", e.Workshop, strconv.FormatInt(e.Valid.StartMs, 10))
	},
	fields: []field[exceptionRow]{
		codeField("workshop", "车间编号", "workshop", func(e *exceptionRow) *string { return &e.Workshop }).keyed().or("实训室编号", "车间"),
		{
			column: column{key: "from", zh: "起始日期", en: "from", also: []string{"日期"}, inKey: true, must: true, example: "2026-05-01"},
			get:    func(e *exceptionRow) string { return showDay(e.Valid.StartMs) },
			set:    func(c cell, e *exceptionRow) { e.Valid.StartMs = c.day() },
		},
		{
			column: column{key: "to", zh: "截止日期", en: "to", noteZh: "含当日；空为只有起始日期一天", example: "2026-05-05"},
			get:    func(e *exceptionRow) string { return showTo(e.Valid.EndMs) },
			set: func(c cell, e *exceptionRow) {
				e.Valid.EndMs = e.Valid.StartMs + dayMs
				if c.filled() {
					e.Valid.EndMs = c.to()
				}
			},
		},
		{
			column: column{key: "times", zh: "时段", en: "times", also: []string{"开放时段"}, must: true, noteZh: "如 08:30-12:00，或“关闭”", example: "关闭"},
			get:    func(e *exceptionRow) string { return showTimes(e.Times) },
			set:    func(c cell, e *exceptionRow) { e.Times = c.times() },
		},
		nameField("reason", "原因", "reason", func(e *exceptionRow) *string { return &e.Reason }).like("劳动节"),
	},
	finish: func(r *row, e, _ *exceptionRow) {
		if e.Valid.EndMs == 0 {
			e.Valid.EndMs = e.Valid.StartMs + dayMs
		}
		r.workshopKnown("workshop", e.Workshop)
	},
}

// holiday is a day that a year's notice names.
type holiday struct {
	year  int
	day   calendar.Day
	paper string
}

func (h *holiday) key() string {
	if h.year == 0 || h.day.Date.IsZero() {
		return ""
	}
	return joinKey(strconv.Itoa(h.year), h.day.Date.String())
}

func loadDays(years []calendar.Year) []holiday {
	var out []holiday
	for _, y := range years {
		for i, d := range y.Days {
			h := holiday{year: y.Year, day: d}
			if i < len(y.Papers) {
				h.paper = y.Papers[i]
			}
			out = append(out, h)
		}
	}
	return out
}

// The years that a notice may be for.
const minYear, maxYear = 2000, 2999

var holidayTable = &table[holiday]{
	what:   info{Zh: "节假日", En: "holidays", also: []string{"放假安排", "调休"}, noteZh: "国务院办公厅的放假通知；一年的行就是通知的全部", noteEn: "the yearly notice; the rows of a year are all of it"},
	global: true,
	key:    (*holiday).key,
	fields: []field[holiday]{
		{
			column: column{key: "year", zh: "年份", en: "year", inKey: true, must: true, number: true, noteZh: "通知的年份", example: "2027"},
			get:    func(h *holiday) string { return strconv.Itoa(h.year) },
			set:    func(c cell, h *holiday) { h.year = c.whole(minYear, maxYear) },
		},
		{
			column: column{key: "date", zh: "日期", en: "date", inKey: true, must: true},
			get:    func(h *holiday) string { return h.day.Date.String() },
			set: func(c cell, h *holiday) {
				if ms := c.day(); ms != 0 {
					h.day.Date = calendar.DateOf(span.Span{StartMs: ms}.Start())
				}
			},
		},
		nameField("name", "名称", "name", func(h *holiday) *string { return &h.day.Name }).required().or("节日", "节假日"),
		{
			column: column{key: "off", zh: "休/班", en: "off", also: []string{"休班", "类型", "是否放假"}, must: true, choice: dayKinds},
			get: func(h *holiday) string {
				if h.day.Off {
					return dayKinds.show(dayOff)
				}
				return dayKinds.show(dayWork)
			},
			set: func(c cell, h *holiday) { h.day.Off = dayKinds.read(c) == dayOff },
		},
		nameField("paper", "通知", "paper", func(h *holiday) *string { return &h.paper }).or("通知文号", "来源").note("文号或网址，每年至少一行"),
	},
	finish: func(r *row, h, _ *holiday) {
		if d := h.day.Date; d.Year != h.year && (d.Year != h.year-1 || d.Month != 12) {
			r.cell("date").bad("应为 "+strconv.Itoa(h.year)+" 年或上一年 12 月的日期", "want a day of "+strconv.Itoa(h.year)+" or of the December before")
		}
	},
}
