package workbook

import (
	"fmt"
	"strings"
)

// line is one row of a file as it stands there.
type line struct {
	number int // from 1
	cells  []string
}

// page is one sheet of one file.
type page struct {
	index int    // in the order of the import
	file  string // "" never
	name  string // as the file calls it
	sheet sheet  // nil while it is not known
	lines []line // those that hold something
	late  bool   // days count from 1904
	head  int    // index of the header in lines
	// headed says which columns have a header.
	headed []bool
	// unknownZh and unknownEn are what to say when there is no such sheet and something is in it.
	unknownZh, unknownEn string
}

// body returns the rows below the header, without totals.
func (p *page) body() []line {
	var out []line
	for _, l := range p.lines[p.head+1:] {
		if !isTotal(l) {
			out = append(out, l)
		}
	}
	return out
}

// isTotal reports whether a row adds up others.
func isTotal(l line) bool {
	for _, cell := range l.cells {
		switch word(cell) {
		case "":
		case "合计", "小计", "总计", "total":
			return true
		default:
			return false
		}
	}
	return false
}

// maxTitleRows is how many rows may stand above the header: titles, mostly merged ones.
const maxTitleRows = 5

// findHead looks for the header: the first row in which more columns are known than not, else the first of all.
func (p *page) findHead(known map[string]string) {
	for i, l := range p.lines[:min(len(p.lines), maxTitleRows+1)] {
		hits, others := 0, 0
		for _, cell := range l.cells {
			switch w := word(cell); {
			case w == "":
			case known[w] != "":
				hits++
			default:
				others++
			}
		}
		if hits > 0 && hits >= others {
			p.head = i
			return
		}
	}
}

// ignored are columns that people keep for themselves.
func ignored(w string) bool {
	switch w {
	case "序号", "备注", "no.", "no", "remark", "remarks":
		return true
	}
	return false
}

// heads reads the header. It is false when the rows cannot be read without what is missing.
func (im *importing) heads(p *page, columns []column) (map[string]*head, bool) {
	known, byKey := map[string]string{}, map[string]column{}
	for _, c := range columns {
		byKey[c.key] = c
		for _, name := range append([]string{c.zh, c.en, c.key}, c.also...) {
			known[word(name)] = c.key
		}
	}
	p.findHead(known)
	heads := map[string]*head{}
	p.headed = make([]bool, len(p.lines[p.head].cells))
	for i, cell := range p.lines[p.head].cells {
		w := word(cell)
		key := known[w]
		p.headed[i] = w != ""
		switch {
		case w == "" || ignored(w):
		case key == "":
			im.unknownHeader(p, i, cell, columns)
		case heads[key] != nil:
			im.badHead(p, i, cell, "与 "+letter(heads[key].index)+" 列重复，请只留一列", "the same as column "+letter(heads[key].index)+", keep one of them")
		default:
			heads[key] = &head{index: i, title: byKey[key].zh, mask: byKey[key].mask}
		}
	}
	ok := true
	for _, c := range columns {
		if c.inKey && c.must && heads[c.key] == nil {
			im.missingHeader(p, c)
			ok = false
		}
	}
	return heads, ok
}

func (im *importing) unknownHeader(p *page, index int, cell string, columns []column) {
	var names []string
	for _, c := range columns {
		if !c.unseen {
			names = append(names, c.zh)
		}
	}
	zh, en := suggest(strings.TrimSpace(cell), names, "没有这个表头，可用："+joinZh(names), "there is no such header, want one of "+joinEn(names))
	im.badHead(p, index, cell, zh, en)
}

func (im *importing) badHead(p *page, index int, cell, zh, en string) {
	im.add(spot{p.index, 0, letter(index)}, index, Mistake{
		File: p.file, Sheet: p.title(), Row: p.lines[p.head].number, Column: letter(index), Header: shorten(strings.TrimSpace(cell)), Zh: zh, En: en,
	})
}

// missingHeader reports a column that the sheet needs and does not have, once.
func (im *importing) missingHeader(p *page, c column) {
	im.add(missingSpot(p, c.key), -1, Mistake{
		File: p.file, Sheet: p.title(), Row: p.lines[p.head].number, Header: c.zh,
		Zh: "缺少必填的列“" + c.zh + "”", En: "the required column " + c.zh + " (" + c.en + ") is missing",
	})
}

func missingSpot(p *page, key string) spot { return spot{p.index, 0, "missing " + key} }

// orphans reports values in columns without a header: they would be lost without a word.
func (im *importing) orphans(r *row) {
	for i, cell := range r.line.cells {
		if (i >= len(r.page.headed) || !r.page.headed[i]) && clean(cell) != "" {
			im.badHead(r.page, i, "", fmt.Sprintf("第 %d 行有内容而此列没有表头，请补上表头或清空", r.line.number), fmt.Sprintf("row %d has a value here and the column has no header: give it one, or empty it", r.line.number))
		}
	}
}

// title is what the product calls the sheet, or the file when the product does not know it.
func (p *page) title() string {
	if p.sheet == nil {
		return p.name
	}
	return p.sheet.info().Zh
}

// badPage reports a mistake of a whole sheet.
func (im *importing) badPage(p *page, zh, en string) {
	im.add(spot{page: p.index}, -1, Mistake{File: p.file, Sheet: p.title(), Zh: zh, En: en})
}

// nameZh and nameEn say where a row stands, as seen from another.
func (r *row) nameZh(from *row) string {
	switch {
	case r.page == from.page:
		return fmt.Sprintf("第 %d 行", r.line.number)
	case r.page.file == from.page.file:
		return fmt.Sprintf("“%s”第 %d 行", r.page.title(), r.line.number)
	}
	return fmt.Sprintf("%s “%s”第 %d 行", r.page.file, r.page.title(), r.line.number)
}

func (r *row) nameEn(from *row) string {
	switch {
	case r.page == from.page:
		return fmt.Sprintf("row %d", r.line.number)
	case r.page.file == from.page.file:
		return fmt.Sprintf("row %d of sheet %s", r.line.number, r.page.title())
	}
	return fmt.Sprintf("%s row %d of sheet %s", r.page.file, r.line.number, r.page.title())
}
