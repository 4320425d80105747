package workbook_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/workbook"
)

var update = flag.Bool("update", false, "write the golden files")

// school is a workbook without a mistake, as a base would send it.
func school() []named {
	return []named{
		{"基地", cells(
			"基地编码|基地名称|层级(1/5/N)|区县代码|统一社会信用代码",
			"b1|一号实训基地|1|500103|12500000450400000C",
			"b2|二号实训基地|5|500106|",
			"b3|三号实训基地|N|X-5001-GXQ|",
		)},
		{"车间", cells(
			"基地编码|车间编号|车间名称|英文名称|备注",
			"b1|CNC|数控车间|CNC workshop|",
			"b1|SPARE|备用车间||二楼",
			"b1|WELD|焊接车间||",
		)},
		{"工位", cells(
			"基地编码|车间编号|工位编号",
			"b1|CNC|01", "b1|CNC|02", "b1|WELD|W1", "b1|WELD|W2", "b1|CNC|03",
		)},
		{"设备", cells(
			"基地编码|设备编号|资产编号|设备名称|车间编号|工位编号|类别(通用/专用)|证据类型|定额机时|原值(元)|启用日期|停用日期|状态来源|关机阈值(W)|运行阈值(W)",
			"b1|lathe-01|ZC-01|车床|CNC|01|通用|机加|1400|320,000|2024-03-01||功率|30|800",
			"b1|lathe-02|ZC-02|车床|CNC|02|通用|机加|||||功率|30|800",
			"b1|mill-01|ZC-03|铣床|CNC||通用|机加||||||| ",
			"b1|mill-02|ZC-04|铣床|CNC||专用|机加||||||| ",
			"b1|weld-01|ZC-05|焊机|WELD|W1|通用|焊接|900|||||| ",
			"b1|weld-02|ZC-06|焊机|WELD|W2|通用|焊接||12000.5|2024年3月1日|2030/1/1|||",
			"b1|oven-01|ZC-07|烘箱|WELD||专用|热工||||||| ",
			"b1|oven-02|ZC-08|烘箱|WELD||专用|热工||||||| ",
			"b1|robot-1|ZC-09|机器人|CNC||专用|机加||||||| ",
		)},
		{"采集终端", cells(
			"基地编码|终端编号|终端类型|协议|最长静默(秒)",
			"b1|meter-01|电表|tasmota|300", "b1|meter-02|电表|shelly|", "b1|door-1|读卡器|native|", "b1|meter-03|电表||", "b1|meter-04|电表||",
		)},
		{"绑定", cells(
			"基地编码|终端编号|通道|用途|设备编号|车间编号|工位编号|起始时间|截止时间",
			"b1|meter-01||状态|lathe-01|||2026-01-01|2026-03-10 12:00",
			"b1|meter-01||状态|lathe-02|||2026-03-10 12:00|",
			"b1|meter-02|0|电能|weld-01|||2026-01-01|",
			"b1|door-1||考勤||CNC|01|2026-01-01|",
			"b1|meter-03||电能|weld-02||||",
			"b1|meter-04||电能|oven-01||||",
		)},
		{"开放时间", cells(
			"基地编码|车间编号|起始日期|截止日期|工作日|休息日|周一|周二",
			"b1||2026-01-01||08:30-12:00,13:30-17:30|关闭||",
			"b1|WELD|2026-01-01||8:30-12:00、13:30-17:30|||",
			"b2||2026-01-01||||08:30—17:30|09:00-17:00",
		)},
		{"开放例外", cells("基地编码|起始日期|截止日期|时段|原因", "b1|2026-05-01|2026-05-05|关闭|劳动节")},
		{"教师", cells(
			"基地编码|人员编号|姓名|身份证号",
			"b1|T1|李四|", "b1|T2|王五|500103199003071239",
		)},
		{"学员", cells(
			"基地编码|人员编号|姓名|身份证号|手机|人员类别",
			"b1|S1|张一|11010519491231002X|13900001111|退役军人",
			"b1|S2|张二||139-0000-2222|残疾人",
			"b1|S3|张三|||",
			"b1|S4|张四|||",
			"b1|S5|张五|||",
			"b1|S6|张六|||院校学生",
			"b1|S7|张七|||",
			"b1|S8|张八|||",
			"b1|S9|张九|||",
		)},
		{"卡", cells(
			"基地编码|卡号|卡令牌|人员编号|起始时间|截止时间",
			"b1|04A1B2C3||S1|2026-03-01|2026-04-01",
			"b1|04A1B2C3||S2|2026-04-02|",
			"b1|04A1B2C4||S3|2026-03-01|",
			"b1||tok-5|S5||",
			"b1|0012345678||S6||",
		)},
		{"班次", cells(
			"基地编码|班次编号|班次名称|培训类型|证据类型|车间编号|工位|教师编号|长周期|是否补贴",
			"b1|A|车工班|社会培训|机加|CNC|01、02|T1|否|是",
			"b1|B|焊工班|技能评价|焊接|WELD|W1|T2||",
			"b1|C|理论班|院校教学|手工|CNC||||否",
		)},
		{"报名", cells(
			"基地编码|班次编号|人员编号|工位编号|起始日期|截止日期",
			"b1|A|S1|01|2026-03-01|", "b1|A|S2|02||", "b1|B|S3|W1||", "b1|B|S4|||", "b1|C|S5|||2026-06-30",
		)},
		{"课表", cells(
			"基地编码|课次编号|班次编号|日期|开始|结束|课间|类型(理论/实操)|车间编号|工位|教师编号",
			"b1|A1|A|2026-03-02|08:30|11:30|10:00-10:15|实操|||",
			"b1|A2|A|2026/3/2|13:30|17:00||实操|||",
			"b1|A3|A|2026-03-03|8:30|11:30||实操|||T2",
			"b1|A4|A|2026年3月4日|08:30|11:30||理论|WELD||",
			"b1|B1|B|2026-03-02|22:00|02:00|23:50-00:10|实操|||",
			"b1|B2|B|2026-03-04|08:30|11:30||实操||W1|",
			"b1|C1|C|2026-03-02|08:30|11:30|10:00-10:15|理论|||",
			"b1|C2|C|2026-03-03|08:30|11:30||理论|||",
			"b1||C|2026-03-04|08:30|11:30||理论|||",
		)},
		{"申报学时", cells(
			"基地编码|课次编号|人员编号|申报分钟|申报学时",
			"b1|A1|S1|165|", "b1|A1|S2||4", "b1|A2|S1|210|", "b1|A2|S2|210|", "b1|C-20260304-0830|S5||4", "b1|C1|S5|150|", "b1|B2|S3|150|",
		)},
		{"节假日", holidays2027()},
	}
}

// holidays2027 is invented: the notice is not published.
func holidays2027() grid {
	lines := []string{"年份|日期|名称|休/班|通知"}
	for _, d := range []string{"01-01", "02-05", "02-08", "02-09", "02-10", "02-11", "02-12", "04-05", "05-01", "05-03", "05-04", "05-05", "06-09", "10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07"} {
		lines = append(lines, "2027|2027-"+d+"|假日|休|国办发明电〔2026〕0号")
	}
	return cells(append(lines, "2027|2027-01-30|春节|班|")...)
}

// spoilt is one mistake that is put into the school's workbook.
type spoilt struct {
	kind  string
	sheet string
	cell  string // where it is put
	value any
	at    string // where it is reported, when that is another cell
}

func spoilers() []spoilt {
	return []spoilt{
		{"bad tier", "基地", "C4", "3", ""},
		{"bad district", "基地", "D3", "5001", ""},
		{"credit code checksum", "基地", "E2", "12500000450400001C", ""},
		{"duplicate header", "车间", "D1", "车间名称", ""},
		{"value without a header", "车间", "F2", "漏了表头", "F1"},
		{"unknown workshop of a station", "工位", "B6", "CNCC", ""},
		{"unknown base", "车间", "A3", "b9", ""},
		{"bad id", "设备", "B9", "烘箱 2", ""},
		{"duplicate asset number", "设备", "C3", "ZC-01", ""},
		{"empty required cell", "设备", "D4", "", ""},
		{"unknown workshop", "设备", "E5", "CNC-9", ""},
		{"unknown station", "设备", "F6", "W9", ""},
		{"bad category", "设备", "G7", "通用型", ""},
		{"bad profile", "设备", "H8", "机工", ""},
		{"bad number", "设备", "I2", "一千四百", ""},
		{"number out of range", "设备", "I6", "9000", ""},
		{"negative value", "设备", "J7", "-12000.5", ""},
		{"end before beginning", "设备", "L7", "2020-01-01", ""},
		{"formula that fails", "设备", "D10", "#REF!", ""},
		{"one threshold alone", "设备", "O3", "", ""},
		{"off above run", "设备", "N2", "900", "O2"},
		{"bad kind of device", "采集终端", "C6", "水表", ""},
		{"bad dialect", "采集终端", "D3", "shely", ""},
		{"silence too long", "采集终端", "E2", "999999999", ""},
		{"binding overlap", "绑定", "I2", "2026-04-10", "H3"},
		{"unknown equipment", "绑定", "E4", "weld-09", ""},
		{"reader for a state", "绑定", "D5", "电能", ""},
		{"unknown device", "绑定", "B6", "meter-99", ""},
		{"machine and room", "绑定", "F7", "CNC", "E7"},
		{"times out of order", "开放时间", "E2", "13:30-17:30,08:30-12:00", ""},
		{"kinds of day and weekdays", "开放时间", "E4", "08:30-17:30", ""},
		{"hours of an unknown workshop", "开放时间", "B3", "WELDD", ""},
		{"unknown header", "开放例外", "D1", "时短", ""},
		{"ID date", "教师", "D2", "500103199013071239", ""},
		{"ID checksum", "学员", "D2", "110105194912310021", ""},
		{"ID as a floating-point number", "学员", "D3", 5.00103199003071e17, ""},
		{"ID number of two people", "学员", "D8", "500103199003071239", ""},
		{"phone", "学员", "E2", "1390000111", ""},
		{"category of trainee", "学员", "F2", "退伍军人", ""},
		{"duplicate id", "学员", "B5", "S3", ""},
		{"a teacher as a trainee", "学员", "B10", "T1", ""},
		{"masked name that is unknown", "学员", "C9", "张*", ""},
		{"card overlap", "卡", "F2", "2026-05-01", "E3"},
		{"bad card", "卡", "B4", "卡一", ""},
		{"unknown person", "卡", "D5", "S99", ""},
		{"card and token", "卡", "C6", "tok-6", ""},
		{"bad use", "班次", "D3", "社会陪训", ""},
		{"unknown teacher", "班次", "H3", "T9", ""},
		{"teacher who is a trainee", "班次", "H4", "S1", ""},
		{"bad yes", "班次", "J4", "也许", ""},
		{"unknown class", "报名", "B2", "Z", ""},
		{"teacher enrolled", "报名", "C5", "T1", ""},
		{"station not of the class", "报名", "D4", "W2", ""},
		{"bad date of a validity", "报名", "F6", "六月底", ""},
		{"break outside", "课表", "G2", "11:45-12:00", ""},
		{"session overlap", "课表", "E3", "11:00", ""},
		{"unknown teacher of a lesson", "课表", "K4", "T8", ""},
		{"bad kind of lesson", "课表", "H5", "实践", ""},
		{"lesson too long", "课表", "F6", "21:00", ""},
		{"bad time", "课表", "E7", "8点半", ""},
		{"bad date", "课表", "D8", "2026-02-30", ""},
		{"no length", "课表", "F9", "08:30", ""},
		{"claim negative", "申报学时", "D2", "-165", ""},
		{"claim twice", "申报学时", "C5", "S1", "B5"},
		{"claim of an unknown lesson", "申报学时", "B3", "A9", ""},
		{"claim in two units", "申报学时", "E4", "4", ""},
		{"holiday of another year", "节假日", "B3", "2028-02-05", ""},
		{"year that is no whole notice", "节假日", "D15", "班", "A2"},
	}
}

// spoil returns the school's workbook with every mistake in it.
func spoil(t *testing.T) []named {
	t.Helper()
	sheets := school()
	for _, s := range spoilers() {
		i := slices.IndexFunc(sheets, func(n named) bool { return n.name == s.sheet })
		column, row := int(s.cell[0]-'A'), 0
		for _, digit := range s.cell[1:] {
			row = row*10 + int(digit-'0')
		}
		cells := sheets[i].rows[row-1]
		for len(cells) <= column {
			cells = append(cells, "")
		}
		if cells[column] == s.value {
			t.Fatalf("%s: the cell %s %s has the mistake already", s.kind, s.sheet, s.cell)
		}
		cells[column] = s.value
		sheets[i].rows[row-1] = cells
	}
	return append(sheets, named{"学圆", cells("人员编号|姓名", "S1|张一")})
}

// TestMistakes: a workbook with more than sixty kinds of mistakes reports each at its cell, in two languages, and changes
// nothing; the corrected one imports; importing it again changes nothing.
func TestMistakes(t *testing.T) {
	t.Parallel()
	claims := workbook.File{Name: "申报学时.csv", Data: []byte("课次编号,申报分钟\nA2,210\n")}
	mistakes := mistakesOf(t, workbook.Content{}, options(), workbook.File{Name: "学校.xlsx", Data: xlsx(t, spoil(t)...)}, claims)
	for _, s := range spoilers() {
		at := s.at
		if at == "" {
			at = s.cell
		}
		if !slices.ContainsFunc(mistakes, func(m workbook.Mistake) bool { return m.Sheet == s.sheet && m.Column+itoa(m.Row) == at }) {
			t.Errorf("%s: no mistake at %s %s", s.kind, s.sheet, at)
		}
	}
	for _, m := range mistakes {
		if m.File == "" || m.Sheet == "" || m.Zh == "" || m.En == "" || strings.Contains(m.Zh+m.En, "[") {
			t.Errorf("mistake %+v lacks its place or a language, or speaks of paths", m)
		}
	}
	golden(t, "mistakes.golden", mistakes.Error()+"\n")

	corrected := workbook.File{Name: "学校.xlsx", Data: xlsx(t, school()...)}
	claims.Data = []byte("基地编码,课次编号,人员编号,申报分钟\nb1,A3,S1,180\n")
	change := mustImport(t, workbook.Content{}, options(), corrected, claims)
	if got := len(change.Content.People["b1"].Claims); got != 8 {
		t.Errorf("got %d claims, want 8", got)
	}
	again := mustImport(t, change.Content, options(), corrected, claims)
	if diff := cmp.Diff(change.Content, again.Content); !again.Empty() || diff != "" {
		t.Errorf("importing again changes (-first +second):\n%v%s", again, diff)
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}
