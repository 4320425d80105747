package workbook_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// registered is the school's content.
func registered(t testing.TB) workbook.Content {
	t.Helper()
	return mustImport(t, workbook.Content{}, options(), workbook.File{Name: "学校.xlsx", Data: xlsx(t, school()...)}).Content
}

// sheetOf is a file of one sheet.
func sheetOf(t testing.TB, name string, lines ...string) workbook.File {
	t.Helper()
	return workbook.File{Name: "改.xlsx", Data: xlsx(t, named{name, cells(lines...)})}
}

func baseOf(t *testing.T, c workbook.Content, code string) registry.Base {
	t.Helper()
	i := slices.IndexFunc(c.Bases, func(b registry.Base) bool { return b.Code == code })
	if i < 0 {
		t.Fatalf("no base %s", code)
	}
	return c.Bases[i]
}

// TestChanges: what each file changes of the registered school, and nothing else.
func TestChanges(t *testing.T) {
	t.Parallel()
	content, same := registered(t), registered(t)
	for _, c := range []struct {
		name, sheet string
		lines       []string
		want        string // key: header old → new, in order
	}{
		{"the same row", "设备", []string{"基地编码|设备编号|定额机时", "b1|lathe-01|1400"}, ""},
		{"one column changes one field", "设备", []string{"基地编码|设备编号|定额机时", "b1|lathe-01|1500"}, "lathe-01: 定额机时 1400 → 1500"},
		{"an empty cell sets the default", "设备", []string{"基地编码|设备编号|定额机时", "b1|weld-01|"}, "weld-01: 定额机时 900 → 1400"},
		{"value in 10,000 yuan", "设备", []string{"基地编码|设备编号|原值(万元)", "b1|lathe-01|32.5"}, "lathe-01: 原值(元) 320000 → 325000"},
		{"thresholds", "设备", []string{"基地编码|设备编号|关机阈值(W)|运行阈值(W)", "b1|lathe-01|40|900"}, "lathe-01: 关机阈值(W) 30 → 40, 运行阈值(W) 800 → 900"},
		{"a district from a day on", "基地", []string{"基地编码|区县代码|区县生效日期", "b1|500109|2026-06-01"}, "b1: 区县代码 500103 → 500109, 区县生效日期  → 2026-06-01"},
		{"a district that has been so", "基地", []string{"基地编码|区县代码|区县生效日期", "b1|500103|2026-06-01"}, ""},
		{"a binding ends", "绑定", []string{"基地编码|终端编号|通道|用途|设备编号|起始时间|截止时间", "b1|meter-02|0|电能|weld-01|2026-01-01|2026-08-31"}, "meter-02 0 电能 2026-01-01: 截止时间  → 2026-08-31"},
		{"hours by weekday", "开放时间", []string{"基地编码|起始日期|周一", "b1|2026-01-01|9:00-17:00"}, "2026-01-01: 工作日 08:30-12:00,13:30-17:30 → , 休息日 关闭 → , 周一  → 09:00-17:00, 周二  → 关闭, 周三  → 关闭, 周四  → 关闭, 周五  → 关闭, 周六  → 关闭, 周日  → 关闭"},
		{"hours end", "开放时间", []string{"基地编码|起始日期|截止日期", "b1|2026-01-01|2026-12-31"}, "2026-01-01: 截止日期  → 2026-12-31"},
		{"a phone", "学员", []string{"基地编码|人员编号|姓名|手机", "b1|S2|张二|13900003333"}, "S2: 手机 139****2222 → 139****3333"},
		{"an ID number", "学员", []string{"基地编码|学号|AAC003|AAC002", "b1|S3|张三|500103199003072291"}, "-"},
		{"a lesson moves by its id", "课表", []string{"基地编码|课次编号|班次编号|日期|开始|结束", "b1|A1|A|2026-03-09|08:30|11:30"}, "A1 A 2026-03-09 08:30: 日期 2026-03-02 → 2026-03-09"},
		{"a lesson without an id is found again", "课表", []string{"基地编码|班次编号|日期|开始|结束|类型", "b1|C|2026-03-04|08:30|11:00|理论"}, "C-20260304-0830 C 2026-03-04 08:30: 结束 11:30 → 11:00"},
		{"a claim in units", "申报学时", []string{"基地编码|课次编号|人员编号|申报学时", "b1|A1|S1|3.5"}, "A1 S1: 申报分钟 165 → 157.5"},
		{"a new trainee", "学员", []string{"基地编码|人员编号|姓名", "b2|S1|赵六"}, "S1: 人员编号  → S1, 姓名  → 赵*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.want == "-" {
				m := mistakesOf(t, content, options(), sheetOf(t, c.sheet, c.lines...))
				if len(m) != 1 || !strings.Contains(m[0].En, "check character") {
					t.Errorf("got %v, want one mistake of the check character", m)
				}
				return
			}
			file := sheetOf(t, c.sheet, c.lines...)
			change := mustImport(t, content, options(), file)
			if got := describe(change); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if again := mustImport(t, change.Content, options(), file); !again.Empty() {
				t.Errorf("importing again changes %s", describe(again))
			}
			if diff := cmp.Diff(content, same); diff != "" {
				t.Errorf("the content that was handed over has changed:\n%s", diff)
			}
		})
	}
}

func describe(c *workbook.Change) string {
	var out []string
	for _, s := range c.Sheets {
		for _, e := range append(slices.Clone(s.Added), s.Changed...) {
			var fields []string
			for _, f := range e.Fields {
				fields = append(fields, f.Header+" "+f.Old+" → "+f.New)
			}
			out = append(out, e.Key+": "+strings.Join(fields, ", "))
		}
	}
	return strings.Join(out, "\n")
}

// TestDistrictIsDated: a base keeps its historic district.
func TestDistrictIsDated(t *testing.T) {
	t.Parallel()
	change := mustImport(t, registered(t), options(), sheetOf(t, "基地", "基地编码|区县代码|区县生效日期", "b1|500109|2026-06-01"))
	b := baseOf(t, change.Content, "b1")
	if before, after := b.District(at(t, "2026-05-31 23:59:59")), b.District(at(t, "2026-06-01 00:00:00")); before != "500103" || after != "500109" {
		t.Errorf("got %s before and %s after, want 500103 and 500109", before, after)
	}
}

// TestLessons: what the rows of the timetable become.
func TestLessons(t *testing.T) {
	t.Parallel()
	sessions := registered(t).People["b1"].Sessions
	find := func(id string) registry.Session {
		i := slices.IndexFunc(sessions, func(s registry.Session) bool { return s.ID == id })
		if i < 0 {
			t.Fatalf("no lesson %s", id)
		}
		return sessions[i]
	}
	night := find("B1")
	if night.Span.StartMs != at(t, "2026-03-02 22:00:00") || night.Span.EndMs != at(t, "2026-03-03 02:00:00") {
		t.Errorf("the night class is %v, want 22:00 to 02:00 of the next day", night.Span)
	}
	if len(night.Breaks) != 1 || night.Breaks[0].StartMs != at(t, "2026-03-02 23:50:00") || night.Breaks[0].EndMs != at(t, "2026-03-03 00:10:00") {
		t.Errorf("its break is %v, want 23:50 to 00:10", night.Breaks)
	}
	if got := find("A4"); got.Practice || got.Workshop != "WELD" {
		t.Errorf("got %+v, want theory in WELD", got)
	}
	if got := find("C-20260304-0830"); got.Span.StartMs != at(t, "2026-03-04 08:30:00") {
		t.Errorf("got %+v, want the lesson named by its beginning", got)
	}
}

// TestAgainstRegistered: a row that does not fit what is registered is reported at the row, and what a row breaks is named.
func TestAgainstRegistered(t *testing.T) {
	t.Parallel()
	content := registered(t)
	for _, c := range []struct {
		name  string
		file  workbook.File
		want  string
		count int
	}{
		{"binding over a registered one", sheetOf(t, "绑定", "基地编码|终端编号|用途|设备编号|起始时间", "b1|meter-01|状态|lathe-01|2026-06-01"), `绑定 E2 [起始时间] "2026-06-01"`, 1},
		{"lesson over a registered one", sheetOf(t, "课表", "基地编码|课次编号|班次编号|日期|开始|结束|类型", "b1|A0|A|2026-03-02|08:00|09:00|实操"), `课表 E2 [开始] "08:00": 同一班次的课次的有效期与`, 1},
		{"class leaves a station that a trainee has", sheetOf(t, "班次", "基地编码|班次编号|工位", "b1|A|01"), `已登记的“报名”A S2`, 1},
		{"trainee becomes a teacher", sheetOf(t, "教师", "基地编码|人员编号|姓名", "b1|S1|张一"), `教师 B2 [人员编号] "S1": 已登记为学员`, 1},
		{"new row without a required column", sheetOf(t, "设备", "基地编码|设备编号|设备名称", "b1|saw-01|锯床"), "设备 1 [证据类型]: 缺少必填的列", 4},
		{"no base named, and there are several", sheetOf(t, "学员", "人员编号|姓名", "S77|张三"), "学员 2 [基地编码]: 必填", 1},
		{"district without its day", sheetOf(t, "基地", "基地编码|区县代码", "b1|500109"), "基地 2 [区县生效日期]: 区县变更须填生效日期（原为 500103）", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mistakes := mistakesOf(t, content, options(), c.file)
			if got := mistakes.Error(); !strings.Contains(got, c.want) || len(mistakes) != c.count {
				t.Errorf("got %d mistakes\n%s\nwant %d, with %s", len(mistakes), got, c.count, c.want)
			}
		})
	}
}

// TestWithoutKey: who has no city key imports what the rest of a row says, and leaves the hashes that are there.
func TestWithoutKey(t *testing.T) {
	t.Parallel()
	content := registered(t)
	file := sheetOf(t, "学员", "基地编码|人员编号|姓名|身份证号|人员类别", "b1|S1|张一|11010519491231002X|残疾人")
	person := mustImport(t, content, workbook.Options{}, file).Content.People["b1"].Persons[2]
	if person.ID != "S1" || person.Category != "残疾人" || person.Identity != keyed("id", "11010519491231002X") {
		t.Errorf("got %+v, want another category and the same hash", person)
	}
	mistakes := mistakesOf(t, content, workbook.Options{}, sheetOf(t, "卡", "基地编码|卡号|人员编号", "b1|04A1B2FF|S1"))
	if len(mistakes) != 1 || !strings.Contains(mistakes[0].En, "use the token") {
		t.Errorf("got %v, want that a token is needed", mistakes)
	}
}

// TestOnly: who may write to one base writes to no other, and to no calendar.
func TestOnly(t *testing.T) {
	t.Parallel()
	content, o := registered(t), options()
	o.Only = []string{"b1"}
	change := mustImport(t, content, o, sheetOf(t, "学员", "人员编号|姓名", "S77|张三"))
	if !slices.Equal(change.Bases, []string{"b1"}) {
		t.Errorf("got a change of %v, want b1, which rows need not name", change.Bases)
	}
	for name, file := range map[string]workbook.File{
		"another base": sheetOf(t, "学员", "基地编码|人员编号|姓名", "b2|S77|张三"),
		"a new base":   sheetOf(t, "基地", "基地编码|基地名称|层级|区县代码", "b7|七号|N|500103"),
		"holidays":     {Name: "改.xlsx", Data: xlsx(t, named{"节假日", holidays2027()})},
	} {
		if mistakes := mistakesOf(t, content, o, file); len(mistakes) != 1 {
			t.Errorf("%s: got %v, want one mistake", name, mistakes)
		}
	}
}

// TestNothingPersonalIsShown: what a dry run prints, and what lands in a log, has nobody's number or phone whole.
func TestNothingPersonalIsShown(t *testing.T) {
	t.Parallel()
	change := mustImport(t, workbook.Content{}, options(), workbook.File{Name: "学校.xlsx", Data: xlsx(t, school()...)})
	sheets, err := json.Marshal(change.Sheets)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("identities", "all", change.Content.Identities)
	shown := string(sheets) + change.String() + fmt.Sprintf("%v %+v %s", change.Content.Identities, change.Content.Identities, change.Content.Identities) + log.String()
	for _, secret := range []string{"11010519491231002X", "500103199003071239", "13900001111", "13900002222", "张一", "04A1B2C3"} {
		if strings.Contains(shown, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if i := change.Content.Identities; len(i) != 11 || i[0].Name != "李四" || i[1].IDNumber != "500103199003071239" {
		t.Errorf("the identities do not have what the file says: %d", len(i))
	}
}

// TestHolidaysAreReplaced: the rows of a year are its whole notice.
func TestHolidaysAreReplaced(t *testing.T) {
	t.Parallel()
	days := holidays2027()
	change := mustImport(t, registered(t), options(), workbook.File{Name: "改.xlsx", Data: xlsx(t, named{"节假日", days[:len(days)-1]})})
	if !slices.Equal(change.Years, []int{2027}) || len(change.Sheets[0].Removed) != 1 || change.Sheets[0].Removed[0].Key != "2027 2027-01-30" {
		t.Errorf("got %+v of %v, want that 2027-01-30 is no longer named", change.Sheets, change.Years)
	}
	if got := change.Content.Years[0].Days; len(got) != 20 {
		t.Errorf("got %d days, want 20", len(got))
	}
}

// TestSeriesAreBounded: what is compared in pairs cannot be made to take minutes.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	lines := []string{"基地编码|卡令牌|人员编号|起始时间|截止时间"}
	for i := range 1001 {
		lines = append(lines, fmt.Sprintf("b1|tok-9|S1|%d-01-%02d|%d-01-%02d", 2030+i/28, 1+i%28, 2030+i/28, 1+i%28))
	}
	mistakes := mistakesOf(t, registered(t), options(), sheetOf(t, "卡", lines...))
	if len(mistakes) != 1 || mistakes[0].Row != 1002 || !strings.Contains(mistakes[0].En, "at most 1000") {
		t.Errorf("got %v, want one mistake in row 1002", mistakes)
	}
}

// TestMistakesAreBounded: a file that is something else altogether is not repeated whole.
func TestMistakesAreBounded(t *testing.T) {
	t.Parallel()
	lines := []string{"基地编码|人员编号|姓名|身份证号"}
	for i := range 1100 {
		lines = append(lines, fmt.Sprintf("b1|P%d|名|1", i))
	}
	mistakes := mistakesOf(t, registered(t), options(), sheetOf(t, "学员", lines...))
	if len(mistakes) != workbook.MaxMistakes || !strings.HasSuffix(mistakes.Error(), "only the first 1000 are listed") {
		t.Errorf("got %d mistakes, want %d and a word about the rest", len(mistakes), workbook.MaxMistakes)
	}
}
