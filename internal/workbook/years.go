package workbook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

// touchedYears returns the years that the files have rows of, each with its first row.
func (im *importing) touchedYears() map[int]*row {
	first := map[int]*row{}
	for i := range im.days.list {
		year, r := im.days.list[i].year, im.days.rows[i]
		if r != nil && (first[year] == nil || r.page.index == first[year].page.index && r.line.number < first[year].line.number) {
			first[year] = r
		}
	}
	return first
}

// yearOf returns the notice of a year as the files have it: days that they do not have are no longer in it.
func (im *importing) yearOf(number int) calendar.Year {
	y := calendar.Year{Year: number}
	for i := range im.days.list {
		h := &im.days.list[i]
		if h.year != number || im.days.rows[i] == nil {
			continue
		}
		y.Days = append(y.Days, h.day)
		if h.paper != "" && !slices.Contains(y.Papers, h.paper) {
			y.Papers = append(y.Papers, h.paper)
		}
	}
	slices.SortFunc(y.Days, func(a, b calendar.Day) int { return a.Date.Compare(b.Date) })
	return y
}

// finishYears checks each year that the files have as a whole, and lists the days that it no longer has.
func (im *importing) finishYears() {
	for number, r := range im.touchedYears() {
		im.checkYear(r, im.yearOf(number))
		change := im.changeOf(holidayTable)
		for i := range im.days.list {
			if h := &im.days.list[i]; h.year == number && im.days.rows[i] == nil {
				change.Removed = append(change.Removed, Entry{Key: holidayTable.label(h)})
			}
		}
		im.sameNotice(number, change)
	}
}

// sameNotice takes back what seems to change in a year whose notice is the same: which of the year's rows name it says
// nothing.
func (im *importing) sameNotice(number int, change *SheetChange) {
	i := slices.IndexFunc(im.current.Years, func(y calendar.Year) bool { return y.Year == number })
	if i < 0 || !sameDays(im.current.Years[i], im.yearOf(number)) {
		return
	}
	before := len(change.Changed)
	change.Changed = slices.DeleteFunc(change.Changed, func(e Entry) bool { return strings.HasPrefix(e.Key, fmt.Sprintf("%d ", number)) })
	change.Same += before - len(change.Changed)
}

// checkYear reports at its first row what is wrong with a year.
func (im *importing) checkYear(r *row, y calendar.Year) {
	c := r.cell("year")
	if len(y.Papers) == 0 {
		r.cell("paper").bad("必填：该年至少一行写通知的文号或网址", "required: one row of the year must name the notice")
	}
	for _, date := range statutory(y.Year) {
		if !slices.ContainsFunc(y.Days, func(d calendar.Day) bool { return d.Date == date && d.Off }) {
			c.bad(fmt.Sprintf("%d 年缺少法定节假日 %s（休）；一年的通知要全部写入", y.Year, date), fmt.Sprintf("%s is a statutory day off and not among the rows of %d, which must be the whole notice", date, y.Year))
			return
		}
	}
	text, err := json.Marshal(y)
	if err == nil {
		_, err = calendar.ParseYear(text)
	}
	if err != nil && len(y.Papers) > 0 {
		why := strings.TrimPrefix(err.Error(), fmt.Sprintf("calendar of %d: ", y.Year))
		c.bad(fmt.Sprintf("%d 年的放假安排不完整或不合理，请与通知逐日核对", y.Year), fmt.Sprintf("the rows of %d are no whole notice, compare them day by day: %s", y.Year, why))
	}
}

// statutory are the days off that fall on the same date every year.
func statutory(year int) []calendar.Date {
	return []calendar.Date{{Year: year, Month: 1, Day: 1}, {Year: year, Month: 5, Day: 1}, {Year: year, Month: 10, Day: 1}, {Year: year, Month: 10, Day: 2}, {Year: year, Month: 10, Day: 3}}
}
