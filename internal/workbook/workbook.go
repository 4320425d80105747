// Package workbook reads the reference data of bases from the workbooks that bases keep: XLSX or CSV with Chinese headers,
// a sheet each for bases, workshops, equipment, people, classes and the timetable. It is for the command and the API that
// import them. It refuses half an import: every mistake of every file is reported at once, by sheet, row, column and value,
// with what would be right, in Chinese and English, and then nothing changes. It knows no database and no network: the
// caller hands over what there is and takes what there should be.
//
// A row is an upsert by its key. A column that a sheet does not have leaves its field as it is, an empty cell sets the
// default, and no row is ever removed because it is not in the file, so that importing the same files twice changes
// nothing. docs/import.md has the sheets and their headers.
package workbook

import (
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// Content is the reference data that a workbook can change.
type Content struct {
	Bases []registry.Base
	Units []Unit
	// People are by the code of their base, as registry.NewRoster takes them.
	People map[string]registry.People
	// Identities are of persons in People; one that is not known is not here.
	Identities []Identity
	// Years are the notices of holidays beyond those that the product brings along.
	Years []calendar.Year
}

// Unit is the organisation that runs a base.
type Unit struct {
	Base       string // code
	CreditCode string // 统一社会信用代码, GB 32100; "" when it is not known
	Reporter   string // 填报单位, "" when it is not known
}

// Identity is who a person is. It prints as stars; who may show it reads its fields.
type Identity struct {
	Base   string // code
	Person string // id within the base
	identity.Record
}

// Options are what Import may have.
type Options struct {
	// Base is the base of rows that do not name one. "" is the only base there is, in the content and the files together.
	Base string
	// Only limits the import to these bases, for somebody who may write no other: rows of other bases and holidays are
	// mistakes. Empty is no limit.
	Only []string
	// CardToken turns a card's number, as it is printed or as a reader shows it, into the token that records carry. The
	// error must not repeat the number. nil admits tokens only.
	CardToken func(base, number string) (string, error)
	// Identity returns the keyed hash of an ID number, 64 hexadecimal digits. nil leaves registry.Person.Identity empty.
	Identity func(idNumber string) string
	// Categories are the categories of trainees (人员类别); nil is TraineeCategories.
	Categories []string
	// UnitMinutes is how long one 学时 is in a column of claimed hours; 0 is 45.
	UnitMinutes int
	// Progress, when set, hears how many rows are done of how many. total is 0 while files are still being read. It is
	// called on the caller's goroutine, every thousand rows and at the end.
	Progress func(done, total int)
}

// TraineeCategories are the categories that the city's notices of 2023 and 2024 name.
func TraineeCategories() []string {
	return []string{
		"防止返贫监测对象", "脱贫人口", "毕业年度高校毕业生", "城乡未继续升学初高中毕业生", "农村转移就业劳动者", "城镇登记失业人员", "就业困难人员",
		"转岗职工", "企业职工", "退役军人", "残疾人", "院校学生", "其他",
	}
}

const defaultUnitMinutes = 45

// Import reads the files over the content and returns what changes, Change.Content included. The error is Mistakes when
// the files have any, and nothing changes then. current is not changed.
func Import(current Content, files []File, o Options) (*Change, error) {
	im := newImport(current, o)
	for _, f := range files {
		im.open(f)
	}
	im.progress(0)
	for _, s := range sheets() {
		for _, p := range im.pages {
			if p.sheet == s {
				s.read(im, p)
			}
		}
	}
	im.finishYears()
	im.checkTouched()
	if mistakes := im.sorted(); len(mistakes) > 0 {
		return nil, mistakes
	}
	im.progress(im.total)
	return im.change(), nil
}

// importing is one import under way.
type importing struct {
	*report
	o       Options
	current Content
	pages   []*page
	drafts  map[string]*draft // by base code
	order   []string          // of drafts
	days    *store[holiday]
	changes map[sheet]*SheetChange
	opened  int // pages so far, files as a whole included
	done    int
	total   int // rows
}

func newImport(current Content, o Options) *importing {
	if o.UnitMinutes == 0 {
		o.UnitMinutes = defaultUnitMinutes
	}
	if o.Categories == nil {
		o.Categories = TraineeCategories()
	}
	im := &importing{
		report: newReport(), o: o, current: current, drafts: map[string]*draft{}, changes: map[sheet]*SheetChange{},
		days: newStore(loadDays(current.Years), holidayTable.info(), (*holiday).key),
	}
	for i := range current.Bases {
		b := current.Bases[i]
		im.drafts[b.Code] = loadDraft(b, current)
		im.order = append(im.order, b.Code)
	}
	return im
}

// often is how many rows pass between two calls of Progress.
const often = 1000

func (im *importing) progress(rows int) {
	before := im.done
	im.done += rows
	switch {
	case im.o.Progress == nil:
	case rows == im.total:
		im.o.Progress(im.total, im.total)
	case im.done/often != before/often:
		im.o.Progress(min(im.done, im.total), im.total)
	}
}

// inScope reports whether this import may write to the base.
func (im *importing) inScope(base string) bool {
	return len(im.o.Only) == 0 || slices.Contains(im.o.Only, base)
}

// baseOf returns the draft that a row belongs to, or nil after reporting why there is none.
func (im *importing) baseOf(r *row) *draft {
	c := r.cell(baseKey)
	code := c.code()
	if code == "" {
		code = im.defaultBase()
	}
	switch d := im.drafts[code]; {
	case c.isBad():
	case code == "":
		c.bad("必填：基地编码（有多个基地时每行都要写）", "required: the base's code, in every row when there are several bases")
	case !im.inScope(code):
		c.bad("无权修改此基地，本次只能导入 "+joinZh(im.o.Only), "not yours to change, this import is for "+joinEn(im.o.Only))
	case d == nil:
		c.refer("没有此基地编码，请先在“基地”表登记", "there is no base with this code, enter it in sheet 基地 first", im.order)
	default:
		return d
	}
	return nil
}

func (im *importing) defaultBase() string {
	switch {
	case im.o.Base != "":
		return im.o.Base
	case len(im.o.Only) == 1:
		return im.o.Only[0]
	case len(im.order) == 1:
		return im.order[0]
	}
	return ""
}
