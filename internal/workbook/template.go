package workbook

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"
)

// notesSheet is for people; Import does not read it.
const notesSheet = "填写说明"

// WriteTemplate writes a workbook with every sheet, frozen headers, columns of text where Excel would shorten numbers, lists
// to choose from, an example row each, and a sheet that explains them. The examples fit together: Import reads them without
// a mistake.
func WriteTemplate(w io.Writer) error {
	var pages []filled
	for _, s := range sheets() {
		p := filled{sheet: s, columns: shownColumns(s)}
		p.rows = [][]string{exampleRow(p.columns)}
		if s == sheet(holidayTable) {
			p.rows = exampleHolidays()
		}
		pages = append(pages, p)
	}
	return write(w, pages)
}

// WriteContent writes the content of the bases, of all when none is named, as a workbook. Names, ID numbers and phones are
// masked; Import takes a mask for what is registered, so that the file can be corrected and imported again.
func WriteContent(w io.Writer, content Content, bases ...string) error {
	var pages []filled
	drafts := make([]*draft, 0, len(bases))
	for _, b := range content.Bases {
		if len(bases) == 0 || slices.Contains(bases, b.Code) {
			drafts = append(drafts, loadDraft(b, content))
		}
	}
	for _, s := range sheets() {
		p := filled{sheet: s, columns: shownColumns(s)}
		for _, d := range drafts {
			for _, cells := range s.export(d) {
				if s != sheet(baseTable) {
					cells = append([]string{d.code}, cells...)
				}
				p.rows = append(p.rows, cells)
			}
		}
		if s == sheet(holidayTable) {
			p.rows = exportHolidays(content)
		}
		pages = append(pages, p)
	}
	return write(w, pages)
}

func exportHolidays(content Content) [][]string {
	var rows [][]string
	for _, h := range loadDays(content.Years) {
		var cells []string
		for _, f := range holidayTable.fields {
			cells = append(cells, f.get(&h))
		}
		rows = append(rows, cells)
	}
	return rows
}

func shownColumns(s sheet) []column {
	return slices.DeleteFunc(s.columns(), func(c column) bool { return c.unseen })
}

// filled is a sheet as it is written.
type filled struct {
	sheet   sheet
	columns []column
	rows    [][]string
}

func exampleRow(columns []column) []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.example
	}
	return row
}

// exampleHolidays is the notice of 2026, which the product has anyway.
func exampleHolidays() [][]string {
	var rows [][]string
	add := func(name, kind string, days ...string) {
		for _, d := range days {
			rows = append(rows, []string{"2026", "2026-" + d, name, kind, "国办发明电〔2025〕7号"})
		}
	}
	add("元旦", "休", "01-01", "01-02", "01-03")
	add("元旦", "班", "01-04")
	add("春节", "班", "02-14")
	add("春节", "休", "02-15", "02-16", "02-17", "02-18", "02-19", "02-20", "02-21", "02-22", "02-23")
	add("春节", "班", "02-28")
	add("清明节", "休", "04-04", "04-05", "04-06")
	add("劳动节", "休", "05-01", "05-02", "05-03", "05-04", "05-05")
	add("劳动节", "班", "05-09")
	add("端午节", "休", "06-19", "06-20", "06-21")
	add("国庆节", "班", "09-20")
	add("中秋节", "休", "09-25", "09-26", "09-27")
	add("国庆节", "休", "10-01", "10-02", "10-03", "10-04", "10-05", "10-06", "10-07")
	add("国庆节", "班", "10-10")
	return rows
}

func write(w io.Writer, pages []filled) error {
	f := excelize.NewFile()
	defer f.Close()
	style, err := newStyles(f)
	if err != nil {
		return err
	}
	if err := f.SetSheetName("Sheet1", notesSheet); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	if err := writeNotes(f, pages, style); err != nil {
		return err
	}
	for _, p := range pages {
		if err := writePage(f, p, style); err != nil {
			return fmt.Errorf("write sheet %s: %w", p.sheet.info().Zh, err)
		}
	}
	if err := f.Write(w); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}

type styles struct{ head, must, text, plain int }

func newStyles(f *excelize.File) (styles, error) {
	const textFormat = 49 // "@"
	make := func(color string, bold bool) *excelize.Style {
		s := &excelize.Style{NumFmt: textFormat, Font: &excelize.Font{Bold: bold}}
		if color != "" {
			s.Fill = excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{color}}
		}
		return s
	}
	var out styles
	for at, style := range map[*int]*excelize.Style{
		&out.head: make("DDEBF7", true), &out.must: make("FCE4D6", true), &out.text: make("", false), &out.plain: {},
	} {
		id, err := f.NewStyle(style)
		if err != nil {
			return styles{}, fmt.Errorf("write workbook: %w", err)
		}
		*at = id
	}
	return out, nil
}

func writePage(f *excelize.File, p filled, style styles) error {
	name := p.sheet.info().Zh
	if _, err := f.NewSheet(name); err != nil {
		return err
	}
	if err := addLists(f, name, p.columns); err != nil { // what a stream writes last must be there when it begins
		return err
	}
	s, err := f.NewStreamWriter(name)
	if err != nil {
		return err
	}
	head := make([]any, len(p.columns))
	kinds := make([]int, len(p.columns))
	for i, c := range p.columns {
		kinds[i], head[i] = style.text, excelize.Cell{StyleID: style.head, Value: c.zh}
		if c.must {
			head[i] = excelize.Cell{StyleID: style.must, Value: c.zh + "*"}
		}
		if c.number {
			kinds[i] = style.plain
		}
		if err := s.SetColStyle(i+1, i+1, kinds[i]); err != nil {
			return err
		}
		if err := s.SetColWidth(i+1, i+1, 18); err != nil {
			return err
		}
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if err := s.SetRow("A1", head); err != nil {
		return err
	}
	for i, row := range p.rows {
		if err := s.SetRow(fmt.Sprintf("A%d", i+2), cellsOf(row, kinds)); err != nil {
			return err
		}
	}
	return s.Flush()
}

func cellsOf(row []string, kinds []int) []any {
	out := make([]any, len(row))
	for i, text := range row {
		out[i] = excelize.Cell{StyleID: kinds[i], Value: harmless(text)}
	}
	return out
}

// harmless keeps a text from being taken for a formula, here or in a CSV that is made of it. clean takes it back.
func harmless(s string) string {
	if s != "" && strings.IndexByte("=+-@'", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// listRows is how far down a column offers its list.
const listRows = 5000

func addLists(f *excelize.File, name string, columns []column) error {
	for i, c := range columns {
		if len(c.choice) == 0 {
			continue
		}
		list := excelize.NewDataValidation(true)
		list.Sqref = fmt.Sprintf("%s2:%s%d", letter(i), letter(i), listRows)
		if err := list.SetDropList(c.choice.words()); err != nil {
			return err
		}
		if err := f.AddDataValidation(name, list); err != nil {
			return err
		}
	}
	return nil
}

// writeNotes explains the sheets and columns.
func writeNotes(f *excelize.File, pages []filled, style styles) error {
	s, err := f.NewStreamWriter(notesSheet)
	if err != nil {
		return fmt.Errorf("write notes: %w", err)
	}
	for i, width := range []float64{14, 20, 20, 10, 70} {
		if err := s.SetColWidth(i+1, i+1, width); err != nil {
			return fmt.Errorf("write notes: %w", err)
		}
	}
	for i, row := range noteRows(pages) {
		cells := make([]any, len(row))
		for j, text := range row {
			cells[j] = excelize.Cell{StyleID: style.text, Value: text}
		}
		if err := s.SetRow(fmt.Sprintf("A%d", i+1), cells); err != nil {
			return fmt.Errorf("write notes: %w", err)
		}
	}
	if err := s.Flush(); err != nil {
		return fmt.Errorf("write notes: %w", err)
	}
	return nil
}

func noteRows(pages []filled) [][]string {
	rows := [][]string{
		{"机时（jishi）参考数据导入模板"},
		{"带 * 的列必填。第 2 行起是示例，请覆盖。不用的工作表和列可以删去：没有的列保持原值，空单元格取默认值。"},
		{"按编号新增或修改，不会因为文件里没有而删除；结束用截止日期。有一处错误就全部不导入，错误会一次列全。"},
		{"身份证号、卡号、编号列为文本格式，请勿改为数字。日期如 2026-03-02，时刻如 08:30。"},
		{"人员类别：" + joinZh(TraineeCategories())},
		{},
		{"工作表", "列", "英文表头", "必填", "说明"},
	}
	for _, p := range pages {
		i := p.sheet.info()
		rows = append(rows, []string{i.Zh, "", i.En, "", i.noteZh + " / " + i.noteEn})
		for _, c := range p.columns {
			rows = append(rows, []string{"", c.zh, c.en, map[bool]string{true: "是"}[c.must], noteOf(c)})
		}
	}
	return rows
}

func noteOf(c column) string {
	if len(c.choice) == 0 {
		return c.noteZh
	}
	if c.noteZh == "" {
		return "可用：" + joinZh(c.choice.words())
	}
	return c.noteZh + "；可用：" + joinZh(c.choice.words())
}
