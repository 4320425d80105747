package workbook

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// maxPerStation is the registry's bound.
const maxPerStation = 100

var classTable = &table[registry.Class]{
	what:  info{Zh: "班次", En: "classes", also: []string{"培训班次", "培训班次台账", "班级", "class"}, noteZh: "培训班次", noteEn: "courses held for some trainees"},
	store: func(d *draft) *store[registry.Class] { return d.classes },
	key:   func(c *registry.Class) string { return c.ID },
	fields: []field[registry.Class]{
		codeField("id", "班次编号", "id", func(c *registry.Class) *string { return &c.ID }).keyed().required().or("班级编号", "编号", "class").like("B2026-01"),
		nameField("name", "班次名称", "name", func(c *registry.Class) *string { return &c.Name }).required().or("班级名称", "名称").like("数控车工初级班"),
		choiceField("use", "培训类型", "use", useCategories, func(c *registry.Class) *registry.UseCategory { return &c.Use }).required().like("社会培训"),
		choiceField("profile", "证据类型", "profile", profiles, func(c *registry.Class) *registry.Profile { return &c.Profile }).required().or("证据模式").like("机加"),
		codeField("workshop", "车间编号", "workshop", func(c *registry.Class) *string { return &c.Workshop }).required().or("实训场地", "实训室编号", "车间").like("CNC-1"),
		listField("stations", "工位", "stations", func(c *registry.Class) *[]string { return &c.Stations }).or("工位编号").like("01"),
		codeField("teacher", "教师编号", "teacher", func(c *registry.Class) *string { return &c.Teacher }).or("教师").like("T001"),
		{
			column: column{key: "max_per_station", zh: "每工位人数", en: "max_per_station", number: true, noteZh: "空为规则的默认值", example: "3"},
			get: func(c *registry.Class) string {
				if c.MaxPerStation == 0 {
					return ""
				}
				return strconv.Itoa(c.MaxPerStation)
			},
			set: func(c cell, class *registry.Class) { class.MaxPerStation = c.whole(0, maxPerStation) },
		},
		yesField("long_cycle", "长周期", "long_cycle", func(c *registry.Class) *bool { return &c.LongCycle }).note("设备长时间自动运行是否正常").like("否"),
		yesField("subsidised", "是否补贴", "subsidised", func(c *registry.Class) *bool { return &c.Subsidised }).or("补贴").like("是"),
	},
}

var enrolmentTable = &table[registry.Enrolment]{
	what:   info{Zh: "报名", En: "enrolments", also: []string{"班次学员", "enrolment"}, noteZh: "谁参加哪个班", noteEn: "who takes part in which class"},
	series: true,
	store:  func(d *draft) *store[registry.Enrolment] { return d.enrolments },
	key: func(e *registry.Enrolment) string {
		if e.Class == "" || e.Person == "" {
			return ""
		}
		return joinKey(e.Class, e.Person, strconv.FormatInt(e.Valid.StartMs, 10))
	},
	fresh: func() registry.Enrolment { return registry.Enrolment{Valid: registry.Always()} },
	fields: []field[registry.Enrolment]{
		codeField("class", "班次编号", "class", func(e *registry.Enrolment) *string { return &e.Class }).keyed().required().or("班级编号", "班次").like("B2026-01"),
		codeField("person", "人员编号", "person", func(e *registry.Enrolment) *string { return &e.Person }).keyed().required().or("学员编号", "学员", "AAC001").like("S001"),
		codeField("station", "工位编号", "station", func(e *registry.Enrolment) *string { return &e.Station }).or("工位").like("01"),
		fromField("起始日期", "from", func(e *registry.Enrolment) *span.Span { return &e.Valid }).keyed().or("报名日期", "起始时间").like("2026-03-01"),
		toField("截止日期", "to", func(e *registry.Enrolment) *span.Span { return &e.Valid }).or("退班日期", "截止时间"),
	},
}

// sessionRow is a lesson, with day and times as its row has them.
type sessionRow struct {
	registry.Session
	dayMs      int64
	start, end int // minutes of the day; -1 where nobody says
	breaks     string
}

func rowsOfSessions(list []registry.Session) []sessionRow {
	out := make([]sessionRow, len(list))
	for i, s := range list {
		day := s.Span.StartMs - int64(minuteOf(s.Span.StartMs))*minuteMs
		out[i] = sessionRow{Session: s, dayMs: day - day%minuteMs, start: minuteOf(s.Span.StartMs), end: minuteOf(s.Span.EndMs), breaks: showBreaks(s.Breaks)}
	}
	return out
}

func showBreaks(breaks span.Set) string {
	parts := make([]string, len(breaks))
	for i, b := range breaks {
		parts[i] = showClock(minuteOf(b.StartMs)) + "-" + showClock(minuteOf(b.EndMs))
	}
	return strings.Join(parts, ",")
}

var sessionTable = &table[sessionRow]{
	what:  info{Zh: "课表", En: "sessions", also: []string{"课次", "课程表", "timetable"}, noteZh: "一次课一行；结束早于开始表示到次日", noteEn: "one row for each lesson; an end before the start is on the next day"},
	named: true,
	store: func(d *draft) *store[sessionRow] { return d.sessions },
	key:   sessionKey,
	fresh: func() sessionRow { return sessionRow{start: -1, end: -1} },
	fields: []field[sessionRow]{
		codeField("id", "课次编号", "id", func(s *sessionRow) *string { return &s.ID }).keyed().or("session").note("空为班次编号-年月日-时分，如 B2026-01-20260302-0830"),
		codeField("class", "班次编号", "class", func(s *sessionRow) *string { return &s.Class }).keyed().required().or("班级编号", "班次").like("B2026-01"),
		{
			column: column{key: "date", zh: "日期", en: "date", inKey: true, must: true, example: "2026-03-02"},
			get:    func(s *sessionRow) string { return showDay(s.dayMs) },
			set:    func(c cell, s *sessionRow) { s.dayMs = c.day() },
		},
		clockField("start", "开始", "start", func(s *sessionRow) *int { return &s.start }).keyed().or("开始时间", "上课时间").like("08:30"),
		clockField("end", "结束", "end", func(s *sessionRow) *int { return &s.end }).or("结束时间", "下课时间").like("11:30"),
		{
			column: column{key: "breaks", zh: "课间", en: "breaks", also: []string{"休息", "课间休息"}, noteZh: "如 10:00-10:15，多段用逗号分隔", example: "10:00-10:15"},
			get:    func(s *sessionRow) string { return s.breaks },
			set:    func(c cell, s *sessionRow) { s.breaks = c.text },
		},
		{
			column: column{key: "kind", zh: "类型(理论/实操)", en: "kind", also: []string{"类型", "理论实操", "课型"}, must: true, choice: lessonKinds, example: "实操"},
			get: func(s *sessionRow) string {
				if s.Practice {
					return lessonKinds.show(practice)
				}
				return lessonKinds.show(theory)
			},
			set: func(c cell, s *sessionRow) { s.Practice = lessonKinds.read(c) == practice },
		},
		codeField("workshop", "车间编号", "workshop", func(s *sessionRow) *string { return &s.Workshop }).or("实训场地", "实训室编号", "车间").note("空为班次的"),
		listField("stations", "工位", "stations", func(s *sessionRow) *[]string { return &s.Stations }).or("工位编号").note("空为班次的；多个用顿号或逗号分隔"),
		codeField("teacher", "教师编号", "teacher", func(s *sessionRow) *string { return &s.Teacher }).or("教师").note("空为班次的"),
	},
	finish: finishSession,
}

func clockField(key, zh, en string, at func(*sessionRow) *int) field[sessionRow] {
	return field[sessionRow]{
		column: column{key: key, zh: zh, en: en, must: true},
		get: func(s *sessionRow) string {
			if *at(s) < 0 {
				return ""
			}
			return showClock(*at(s))
		},
		set: func(c cell, s *sessionRow) { *at(s) = c.clock() },
	}
}

// sessionKey is the lesson's id, or one made of its class and beginning, which it gets.
func sessionKey(s *sessionRow) string {
	if s.ID == "" && s.Class != "" && s.dayMs != 0 && s.start >= 0 {
		s.ID = fmt.Sprintf("%s-%s-%s", s.Class, strings.ReplaceAll(showDay(s.dayMs), "-", ""), strings.ReplaceAll(showClock(s.start), ":", ""))
	}
	return s.ID
}

func finishSession(r *row, s, before *sessionRow) {
	sessionKey(s)
	keepInherited(r, s, before)
	for _, key := range []string{"date", "start", "end"} {
		if r.cell(key).isBad() {
			s.Span, s.Breaks = span.Span{}, nil
			return
		}
	}
	if s.dayMs == 0 || s.start < 0 || s.end < 0 {
		return // reported as required
	}
	if s.start == s.end {
		r.cell("end").bad("应晚于开始；早于开始表示到次日", "want an end after the start; one before the start is on the next day")
	}
	s.Span = span.Span{StartMs: s.dayMs + int64(s.start)*minuteMs, EndMs: s.dayMs + int64(s.end)*minuteMs}
	if s.end < s.start {
		s.Span.EndMs += dayMs
	}
	s.readBreaks(r.cell("breaks"))
}

// readBreaks brings the breaks to the lesson's day, or to the day after where they come before its beginning.
func (s *sessionRow) readBreaks(c cell) {
	s.Breaks = nil
	if word(s.breaks) == "" || word(s.breaks) == "无" {
		s.breaks = ""
		return
	}
	ranges, ok := parseRanges(s.breaks)
	if !ok {
		c.bad("应为时段，如 10:00-10:15，多段用逗号分隔", "want times like 10:00-10:15, with commas between them")
		return
	}
	lastMs := s.Span.StartMs
	for _, r := range ranges {
		b := span.Span{StartMs: s.dayMs + int64(r[0])*minuteMs, EndMs: s.dayMs + int64(r[1])*minuteMs}
		if b.StartMs < s.Span.StartMs {
			b.StartMs, b.EndMs = b.StartMs+dayMs, b.EndMs+dayMs
		}
		if b.EndMs < b.StartMs {
			b.EndMs += dayMs
		}
		if b.StartMs < lastMs || b.EndMs > s.Span.EndMs {
			c.bad("课间应在课次之内，按先后、不重叠", "want breaks within the lesson, in order and without overlap")
			return
		}
		lastMs = b.EndMs
		s.Breaks = append(s.Breaks, b)
	}
	s.breaks = showBreaks(s.Breaks)
}

// keepInherited leaves a field as it is when the cell is empty, which means the class's, and the registered lesson says the
// class's in so many words: rosters hand lessons out with what they inherit filled in.
func keepInherited(r *row, s, before *sessionRow) {
	d := r.im.rowBase(r)
	if before == nil || d == nil {
		return
	}
	i, ok := d.classes.at[s.Class]
	if !ok {
		return
	}
	class := &d.classes.list[i]
	if s.Teacher == "" && before.Teacher == class.Teacher {
		s.Teacher = before.Teacher
	}
	if s.Workshop == "" && before.Workshop == class.Workshop {
		s.Workshop = before.Workshop
	}
	if len(s.Stations) == 0 && slices.Equal(before.Stations, class.Stations) {
		s.Stations = before.Stations
	}
}

// claimRow is a claim, from whichever column says it.
type claimRow struct {
	registry.Claim
	given bool
}

func rowsOfClaims(list []registry.Claim) []claimRow {
	out := make([]claimRow, len(list))
	for i, c := range list {
		out[i].Claim = c
	}
	return out
}

// The most that can be claimed for one lesson.
const maxClaimMinutes = 24 * 60

var claimTable = &table[claimRow]{
	what:  info{Zh: "申报学时", En: "claims", also: []string{"学时申报", "claim"}, noteZh: "基地为每个学员每次课申报的时间；分钟与学时恰填一个", noteEn: "what the base claims for a trainee and a lesson"},
	store: func(d *draft) *store[claimRow] { return d.claims },
	key: func(c *claimRow) string {
		if c.Session == "" || c.Person == "" {
			return ""
		}
		return joinKey(c.Session, c.Person)
	},
	fields: []field[claimRow]{
		codeField("session", "课次编号", "session", func(c *claimRow) *string { return &c.Session }).keyed().required().or("课次").like("B2026-01-20260302-0830"),
		codeField("person", "人员编号", "person", func(c *claimRow) *string { return &c.Person }).keyed().required().or("学员编号", "学员", "AAC001").like("S001"),
		{
			column: column{key: "minutes", zh: "申报分钟", en: "minutes", number: true, noteZh: "与申报学时恰填一个", example: "165"},
			get:    func(c *claimRow) string { return showNumber(float64(c.Ms) / minuteMs) },
			set: func(c cell, claim *claimRow) {
				if c.filled() {
					claim.given, claim.Ms = true, int64(math.Round(c.number(0, maxClaimMinutes)*minuteMs))
				}
			},
		},
		{
			column: column{key: "units", zh: "申报学时", en: "units", also: []string{"学时"}, number: true, noteZh: "1 学时默认 45 分钟"},
			get:    func(*claimRow) string { return "" },
			set: func(c cell, claim *claimRow) {
				if !c.filled() {
					return
				}
				if c.r.cell("minutes").filled() {
					c.bad("申报分钟与申报学时应恰填一个", "want exactly one of 申报分钟 (minutes) and 申报学时 (units)")
					return
				}
				unit := float64(c.r.im.o.UnitMinutes)
				claim.given, claim.Ms = true, int64(math.Round(c.number(0, maxClaimMinutes/unit)*unit*minuteMs))
			},
		},
	},
	finish: func(r *row, c, _ *claimRow) {
		if m := r.cell("minutes"); !c.given && !m.isBad() && !r.cell("units").isBad() {
			m.bad("必填：申报分钟或申报学时", "required: 申报分钟 (minutes) or 申报学时 (units)")
		}
		c.given = false
	},
}
