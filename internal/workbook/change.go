package workbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// Change is what an import makes of the content. Personal data in its entries are masked; Content has them whole.
type Change struct {
	// Content is all that there is afterwards.
	Content Content
	// Bases are the codes of the bases that differ from before, in order.
	Bases []string
	// Years are those whose holidays differ, in order.
	Years []int
	// Sheets has an entry for every sheet that the files have, in the order of the template.
	Sheets []SheetChange
}

// Empty reports whether nothing changes.
func (c *Change) Empty() bool { return len(c.Bases) == 0 && len(c.Years) == 0 }

// String returns a line for each sheet with its counts, in both languages.
func (c *Change) String() string {
	var b strings.Builder
	for _, s := range c.Sheets {
		fmt.Fprintf(&b, "%s: 新增 %d，修改 %d，删除 %d，不变 %d / %s: %d added, %d changed, %d removed, %d the same\n",
			s.Sheet, len(s.Added), len(s.Changed), len(s.Removed), s.Same, s.SheetEN, len(s.Added), len(s.Changed), len(s.Removed), s.Same)
	}
	return b.String()
}

// SheetChange is what changes by one kind of row.
type SheetChange struct {
	Sheet, SheetEN string
	Added, Changed []Entry
	Removed        []Entry // only days of a year whose notice is new
	Same           int     // rows that are there already
}

// Entry is one row that changes.
type Entry struct {
	Base   string // code, "" for holidays
	Key    string // what names the row
	Fields []FieldChange
}

// FieldChange is one field, as a cell would have it.
type FieldChange struct {
	Header, HeaderEN string
	Old, New         string
}

func (im *importing) changeOf(s sheet) *SheetChange {
	if im.changes[s] == nil {
		im.changes[s] = &SheetChange{Sheet: s.info().Zh, SheetEN: s.info().En}
	}
	return im.changes[s]
}

// change puts the result together.
func (im *importing) change() *Change {
	c := &Change{Content: Content{People: map[string]registry.People{}}}
	for _, s := range sheets() {
		if change := im.changes[s]; change != nil {
			c.Sheets = append(c.Sheets, *change)
		}
	}
	for _, code := range im.order {
		d := im.drafts[code]
		if !d.touched {
			im.carry(code, &c.Content)
			continue
		}
		c.Bases = append(c.Bases, code)
		base, people := d.assemble()
		c.Content.Bases = append(c.Content.Bases, base)
		c.Content.People[code] = people
		if u := d.self.list[0].unit; u.CreditCode != "" || u.Reporter != "" {
			c.Content.Units = append(c.Content.Units, u)
		}
		for _, p := range d.persons.list {
			if p.who.Name != "" || p.who.IDNumber != "" || p.who.Phone != "" {
				c.Content.Identities = append(c.Content.Identities, Identity{Base: code, Person: p.ID, Record: p.who})
			}
		}
	}
	slices.Sort(c.Bases)
	c.Content.Years, c.Years = im.years()
	return c
}

// carry takes a base over that no row touched.
func (im *importing) carry(code string, to *Content) {
	for _, b := range im.current.Bases {
		if b.Code == code {
			to.Bases = append(to.Bases, b)
		}
	}
	if p, ok := im.current.People[code]; ok {
		to.People[code] = p
	}
	for _, u := range im.current.Units {
		if u.Base == code {
			to.Units = append(to.Units, u)
		}
	}
	for _, i := range im.current.Identities {
		if i.Base == code {
			to.Identities = append(to.Identities, i)
		}
	}
}

// years returns every year's notice, and which of them the files change.
func (im *importing) years() (all []calendar.Year, changed []int) {
	touched := im.touchedYears()
	for _, y := range im.current.Years {
		if touched[y.Year] == nil {
			all = append(all, y)
		}
	}
	for number := range touched {
		y := im.yearOf(number)
		if i := slices.IndexFunc(im.current.Years, func(old calendar.Year) bool { return old.Year == number }); i >= 0 && sameDays(im.current.Years[i], y) {
			all = append(all, im.current.Years[i])
			continue
		}
		all, changed = append(all, y), append(changed, number)
	}
	slices.SortFunc(all, func(a, b calendar.Year) int { return cmp.Compare(a.Year, b.Year) })
	slices.Sort(changed)
	return all, changed
}

func sameDays(a, b calendar.Year) bool {
	return slices.Equal(a.Days, b.Days) && slices.Equal(a.Papers, b.Papers)
}
