package workbook_test

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// TestFilesThatAreNone: each is one clear mistake, soon, and in little memory.
func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	good := xlsx(t, named{"学员", cells("人员编号|姓名", "S1|张三")})
	for _, c := range []struct {
		name string
		file workbook.File
		want string
	}{
		{"empty", workbook.File{Name: "a.xlsx"}, "文件是空的"},
		{"old Excel", workbook.File{Name: "a.xls", Data: []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more")}, "旧版 .xls 或加密"},
		{"a picture", workbook.File{Name: "a.png", Data: []byte("\x89PNG\r\n")}, "应为 .xlsx 或 .csv"},
		{"half a workbook", workbook.File{Name: "a.xlsx", Data: good[:len(good)/2]}, "不是完好的"},
		{"a zip of something else", workbook.File{Name: "a.xlsx", Data: zipOf(t, "readme.txt", "x")}, "不是完好的"},
		{"a bomb", workbook.File{Name: "a.xlsx", Data: bomb(t)}, "解压后超过"},
		{"a bomb that lies", workbook.File{Name: "a.xlsx", Data: liar(t, good)}, "不是完好的"},
		{"a byte that has changed", workbook.File{Name: "a.xlsx", Data: flipped(t, good)}, "不是完好的"},
		{"a sheet that breaks off", workbook.File{Name: "a.xlsx", Data: rewritten(t, good, "</worksheet>", "")}, "不是完好的"},
		{"many parts", workbook.File{Name: "a.xlsx", Data: manyParts(t)}, "含 1200 个部分"},
		{"a row at the end of the sheet", workbook.File{Name: "a.xlsx", Data: rewritten(t, good, `r="2"`, `r="1048577"`)}, "读不出来"},
		{"columns without end", workbook.File{Name: "a.xlsx", Data: rewritten(t, good, `r="B2"`, `r="XFD2"`)}, "列，至多 200 列"},
		{"unknown sheet", workbook.File{Name: "学圆.csv", Data: []byte("人员编号,姓名\nS1,张三\n")}, "是否应为“学员”"},
		{"open quotes", workbook.File{Name: "学员.csv", Data: []byte("人员编号,姓名\nS1,\"张三\nS2,李四\n")}, "引号不成对"},
		{"binary", workbook.File{Name: "学员.csv", Data: []byte("人员编号\x00\x01")}, "不是文本"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mistakes := mistakesOf(t, registered(t), options(), c.file)
			if len(mistakes) != 1 || !strings.Contains(mistakes[0].Zh, c.want) || mistakes[0].File != c.file.Name || mistakes[0].En == "" {
				t.Errorf("got %v, want one mistake with %s", mistakes, c.want)
			}
		})
	}
}

func zipOf(t *testing.T, name, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	part, err := w.Create(name)
	if err == nil {
		_, err = io.WriteString(part, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb says that it unpacks to 400 MB.
func bomb(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	part, err := w.CreateRaw(&zip.FileHeader{Name: "xl/worksheets/sheet1.xml", Method: zip.Deflate, CompressedSize64: 2, UncompressedSize64: 400 << 20})
	if err == nil {
		_, err = part.Write([]byte{3, 0})
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// liar is a workbook whose sheet unpacks to a megabyte and says that it is ten bytes.
func liar(t *testing.T, good []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	deflate, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err == nil {
		_, err = deflate.Write(bytes.Repeat([]byte("<row/>"), 1<<18))
	}
	if err == nil {
		err = deflate.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		if !strings.HasSuffix(f.Name, "sheet1.xml") {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
			continue
		}
		part, err := w.CreateRaw(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: 10})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(packed.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// flipped is a workbook of which one byte of the sheet has changed on its way.
func flipped(t *testing.T, good []byte) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(good)
	for _, f := range r.File {
		if strings.HasSuffix(f.Name, "sheet1.xml") {
			offset, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			out[offset+int64(f.CompressedSize64)/2] ^= 0x10
		}
	}
	return out
}

func manyParts(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range 1200 {
		if _, err := w.Create(fmt.Sprintf("part%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rewritten is a workbook with a change in the XML of its first sheet.
func rewritten(t *testing.T, data []byte, old, now string) []byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	changed := false
	for _, f := range r.File {
		part, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, "sheet1.xml") {
			changed = bytes.Contains(text, []byte(old))
			text = bytes.Replace(text, []byte(old), []byte(now), 1)
		}
		out, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || !changed {
		t.Fatalf("nothing to change, or %v", err)
	}
	return b.Bytes()
}

// TestRowsThatAreSkipped: titles above the header, blank rows, totals and columns of one's own are no data.
func TestRowsThatAreSkipped(t *testing.T) {
	t.Parallel()
	file := sheetOf(t, "学员", "某某基地花名册", "", "序号|基地编码|人员编号*|姓名|备注", "1|b2|S1|赵六|x", "", "2|b2|S2|钱七|", "合计||2||")
	change := mustImport(t, registered(t), options(), file)
	if got := len(change.Content.People["b2"].Persons); got != 2 {
		t.Errorf("got %d persons, want 2", got)
	}
}

// TestMistakesAreWhereExcelShowsThem: blank rows and titles count.
func TestMistakesAreWhereExcelShowsThem(t *testing.T) {
	t.Parallel()
	m := mistakesOf(t, registered(t), options(), sheetOf(t, "学员", "花名册", "", "基地编码|人员编号|姓名", "", "b2|S 1|赵六"))
	if len(m) != 1 || m[0].Row != 5 || m[0].Column != "B" {
		t.Errorf("got %v, want a mistake at B5", m)
	}
	m = mistakesOf(t, registered(t), options(), workbook.File{Name: "学员.csv", Data: []byte("基地编码,人员编号,姓名\n\n\nb2,\"S\n1\",赵六\nb2,S 2,钱七\n")})
	if len(m) != 2 || m[0].Row != 4 || m[1].Row != 6 {
		t.Errorf("got %v, want mistakes in lines 4 and 6", m)
	}
}

// TestNumbersOfCells: dates, times and codes that are numbers in the workbook read like texts.
func TestNumbersOfCells(t *testing.T) {
	t.Parallel()
	file := workbook.File{Name: "改.xlsx", Data: xlsx(t,
		named{"学员", grid{{"基地编码", "人员编号", "姓名", "手机"}, {"b2", 20260001, "赵六", 13900001111}}},
		named{"车间", cells("基地编码|车间编号|车间名称", "b2|W|车间")},
		named{"班次", cells("基地编码|班次编号|班次名称|培训类型|证据类型|车间编号", "b2|K|班|social|bench|W")},
		named{"课表", grid{{"基地编码", "班次编号", "日期", "开始", "结束", "类型"}, {"b2", "K", 46083, 0.354166666666667, 0.5, "实操"}}},
	)}
	change := mustImport(t, registered(t), options(), file)
	people := change.Content.People["b2"]
	if people.Persons[0].ID != "20260001" || people.Sessions[0].Span.StartMs != at(t, "2026-03-02 08:30:00") || people.Sessions[0].ID != "K-20260302-0830" {
		t.Errorf("got %+v", people)
	}
	failed := rewritten(t, file.Data, `<v>20260001</v>`, `<v>2.0260001E+17</v>`)
	if m := mistakesOf(t, registered(t), options(), workbook.File{Name: "改.xlsx", Data: failed}); len(m) != 1 || !strings.Contains(m[0].En, "lost its last digits") {
		t.Errorf("got %v, want that digits are lost", m)
	}
	failed = rewritten(t, file.Data, `<v>20260001</v>`, `<f>Sheet9!A1</f><v>#REF!</v>`)
	if m := mistakesOf(t, registered(t), options(), workbook.File{Name: "改.xlsx", Data: failed}); len(m) != 1 || !strings.Contains(m[0].Zh, "公式出错") {
		t.Errorf("got %v, want a formula that failed", m)
	}
}

// TestCSV: a sheet as CSV, as Excel in China writes it.
func TestCSV(t *testing.T) {
	t.Parallel()
	text := "基地编码,人员编号,姓名,手机\r\nb2,S1,赵六,\"13900001111\"\r\nb2,S2,'=钱七,\r\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"UTF-8": text, "with its mark": "\xef\xbb\xbf" + text, "GB18030": gb} {
		change := mustImport(t, registered(t), options(), workbook.File{Name: `C:\导入\学员.csv`, Data: []byte(data)})
		i := change.Content.Identities
		if got := i[len(i)-2:]; got[0].Name != "赵六" || got[1].Name != "=钱七" || got[1].Base != "b2" {
			t.Errorf("%s: got other people", name)
		}
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"基地编码,人员编号,姓名,身份证号,手机,人员类别\nb2,S1,赵六,500103199003071239,13900001111,残疾人\n", "人员编号,姓名\n\"", "\xef\xbb\xbf姓名\n张*\n",
		"人员编号,人员编号\n1,2\n", "花名册\n\n人员编号,姓名,,x\nb2,#REF!,5E+17,\n",
	} {
		f.Add("学员", s)
	}
	f.Add("课表", "课次编号,班次编号,日期,开始,结束,课间,类型\n,A,2026-3-2,22:00,2:00,23:50-0:10,实操\n")
	f.Add("绑定", "终端编号,通道,用途,设备编号,起始时间,截止时间\nmeter-01,,状态,lathe-01,2026-01-01,2026-03-10 12:00\n")
	f.Add("开放时间", "起始日期,周一,周二\n2027-01-01,8:30-9:00,关闭\n")
	f.Add("节假日", "年份,日期,名称,休/班\n2027,2027-1-1,元旦,休\n")
	f.Add("基地", "基地编码,区县代码,区县生效日期,统一社会信用代码\nb2,500106,2027-1-1,12500000450400000C\n")
	content := registered(f)
	o := options()
	o.Base = "b1"
	f.Fuzz(func(t *testing.T, sheet, text string) {
		file := workbook.File{Name: strings.ReplaceAll(sheet, "/", "") + ".csv", Data: []byte(text)}
		change, err := workbook.Import(content, []workbook.File{file}, o)
		if err != nil {
			if change != nil || err.Error() == "" {
				t.Errorf("got %v and %v, want one of them", change, err)
			}
			return
		}
		again, err := workbook.Import(change.Content, []workbook.File{file}, o)
		if err != nil || !again.Empty() {
			t.Errorf("importing again: %v\n%v%+v", err, again, again.Sheets)
		}
	})
}

// FuzzXLSX: whatever stands in the parts of a workbook, an import ends with a change or with mistakes.
func FuzzXLSX(f *testing.F) {
	good := xlsx(f, named{"学员", cells("基地编码|人员编号|姓名|身份证号", "b2|S1|赵六|500103199003071239")})
	parts := map[string]string{}
	r, err := zip.NewReader(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range r.File {
		part, err := entry.Open()
		if err != nil {
			f.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			f.Fatal(err)
		}
		parts[entry.Name] = string(text)
	}
	const sheet, book, strs = "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"
	f.Add(parts[sheet], parts[book], parts[strs])
	f.Add(`<worksheet><sheetData><row r="3"><c r="A1" t="s"><v>0</v></c><c t="e"><v>#REF!</v></c><c r="C" t="b"><v>1</v></c></row><row/></sheetData></worksheet>`, parts[book], `<sst><si><t>姓名</t></si></sst>`)
	f.Add(parts[sheet], `<workbook><workbookPr date1904="1"/><sheets><sheet name="学员" sheetId="1" r:id="rId1"/></sheets></workbook>`, `<sst`)
	content := registered(f)
	f.Fuzz(func(t *testing.T, sheetXML, bookXML, strsXML string) {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for name, text := range parts {
			switch name {
			case sheet:
				text = sheetXML
			case book:
				text = bookXML
			case strs:
				text = strsXML
			}
			part, err := w.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(part, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		change, err := workbook.Import(content, []workbook.File{{Name: "a.xlsx", Data: b.Bytes()}}, options())
		if (change == nil) == (err == nil) {
			t.Errorf("got %v and %v, want one of them", change, err)
		}
	})
}
