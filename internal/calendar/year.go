package calendar

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

//go:embed data/*.json
var data embed.FS

func embedded() fs.FS {
	sub, err := fs.Sub(data, "data")
	if err != nil {
		panic(err) // the directory is compiled in
	}
	return sub
}

// Limits of a year's file; upstream's largest is 5 KB with 39 days.
const (
	maxFileBytes = 256 << 10
	maxDays      = 120
	maxNameBytes = 200
	// minOffWeekdays and maxOffWeekdays bound the Mondays to Fridays that a notice gives off: 16 to 19 in the years from
	// 2015. A truncated or invented file falls outside.
	minOffWeekdays = 10
	maxOffWeekdays = 35
	// maxMakeUpDays bounds the Saturdays and Sundays that a notice gives to work: 5 to 8 in the years from 2015.
	maxMakeUpDays = 15
)

// Year is one year's notice as holiday-cn writes it.
type Year struct {
	Schema string   `json:"$schema"`
	ID     string   `json:"$id"`
	Year   int      `json:"year"`
	Papers []string `json:"papers"`
	Days   []Day    `json:"days"`
}

// Day is one date that a notice names.
type Day struct {
	Name string `json:"name"`
	Date Date   `json:"date"`
	Off  bool   `json:"isOffDay"`
}

// Load returns the calendar of every <year>.json in the root of fsys, read by the rule of ParseYear. Files that say that
// their year is not published yet are skipped.
func Load(fsys fs.FS) (*Calendar, error) {
	names, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return nil, fmt.Errorf("load calendar: %w", err)
	}
	c := &Calendar{years: map[int]Year{}, days: map[Date]Day{}}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("load calendar: %w", err)
		}
		year, err := ParseYear(text)
		if errors.Is(err, ErrUnpublished) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("load calendar: %s: %w", name, err)
		}
		if name != fmt.Sprintf("%d.json", year.Year) {
			return nil, fmt.Errorf("load calendar: %s: holds the year %d", name, year.Year)
		}
		if c, err = c.with(year); err != nil {
			return nil, fmt.Errorf("load calendar: %s: %w", name, err)
		}
	}
	return c, nil
}

// With returns a calendar that also knows the year in the file's text. A year that c knows already is replaced (a notice
// can be amended during its year), so handing the same file over twice is harmless. c does not change. The errors are those of ParseYear, and that a date is named by two years.
func (c *Calendar) With(text []byte) (*Calendar, error) {
	year, err := ParseYear(text)
	if err != nil {
		return nil, err
	}
	return c.with(year)
}

func (c *Calendar) with(year Year) (*Calendar, error) {
	next := &Calendar{years: maps.Clone(c.years), days: map[Date]Day{}}
	next.years[year.Year] = year
	for _, y := range sortedYears(next.years) {
		for _, day := range next.years[y].Days {
			if _, ok := next.days[day.Date]; ok {
				return nil, fmt.Errorf("calendar of %d: %s is also named by the notice of another year", year.Year, day.Date)
			}
			next.days[day.Date] = day
		}
	}
	return next, nil
}

// ParseYear reads one year's file in the format of holiday-cn and refuses everything that is not certainly a whole
// notice: unknown keys, dates out of order or twice or outside the year and the December before it, a missing
// statutory day, an implausible number of days off or of make-up days. A named working day may be a weekday: an amended
// notice says when work begins again (2020-02-03). The error is ErrUnpublished for upstream's placeholder, a year without
// papers and days.
func ParseYear(text []byte) (Year, error) {
	if len(text) > maxFileBytes {
		return Year{}, fmt.Errorf("read year: %d bytes, want at most %d", len(text), maxFileBytes)
	}
	if !utf8.Valid(text) {
		return Year{}, errors.New("read year: not UTF-8")
	}
	var raw struct {
		Schema string   `json:"$schema"`
		ID     string   `json:"$id"`
		Year   *int     `json:"year"`
		Papers []string `json:"papers"`
		Days   []struct {
			Name *string `json:"name"`
			Date *Date   `json:"date"`
			Off  *bool   `json:"isOffDay"`
		} `json:"days"`
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return Year{}, fmt.Errorf("read year: %w", err)
	}
	if dec.More() {
		return Year{}, errors.New("read year: something follows the object")
	}
	if raw.Year == nil || *raw.Year < minYear || *raw.Year > maxYear {
		return Year{}, fmt.Errorf("read year: want a year from %d to %d", minYear, maxYear)
	}
	year := Year{Schema: raw.Schema, ID: raw.ID, Year: *raw.Year, Papers: raw.Papers}
	for i, d := range raw.Days {
		if d.Name == nil || d.Date == nil || d.Off == nil {
			return Year{}, fmt.Errorf("calendar of %d: days[%d]: want name, date and isOffDay", year.Year, i)
		}
		year.Days = append(year.Days, Day{Name: *d.Name, Date: *d.Date, Off: *d.Off})
	}
	if len(year.Papers) == 0 && len(year.Days) == 0 {
		return Year{}, fmt.Errorf("calendar of %d: no notice in the file: %w", year.Year, ErrUnpublished)
	}
	if err := year.check(); err != nil {
		return Year{}, fmt.Errorf("calendar of %d: %w", year.Year, err)
	}
	return year, nil
}

func (y Year) check() error {
	if len(y.Papers) == 0 {
		return errors.New("papers: want the address of the notice")
	}
	if len(y.Days) > maxDays {
		return fmt.Errorf("days: %d, want at most %d", len(y.Days), maxDays)
	}
	offWeekdays, makeUpDays := 0, 0
	for i, day := range y.Days {
		if err := y.checkDay(day); err != nil {
			return fmt.Errorf("days[%d]: %w", i, err)
		}
		if i > 0 && !y.Days[i-1].Date.Before(day.Date) {
			return fmt.Errorf("days[%d]: %s does not come after %s", i, day.Date, y.Days[i-1].Date)
		}
		if day.Off && !isWeekend(day.Date) {
			offWeekdays++
		}
		if !day.Off && isWeekend(day.Date) {
			makeUpDays++
		}
	}
	if offWeekdays < minOffWeekdays || offWeekdays > maxOffWeekdays {
		return fmt.Errorf("days: %d Mondays to Fridays off, want %d to %d", offWeekdays, minOffWeekdays, maxOffWeekdays)
	}
	if makeUpDays > maxMakeUpDays {
		return fmt.Errorf("days: %d make-up days, want at most %d", makeUpDays, maxMakeUpDays)
	}
	return y.checkStatutory()
}

func (y Year) checkDay(day Day) error {
	switch {
	case strings.TrimSpace(day.Name) == "" || len(day.Name) > maxNameBytes:
		return fmt.Errorf("name %q: want 1 to %d bytes", day.Name, maxNameBytes)
	case day.Date.IsZero():
		return errors.New("date: missing")
	case day.Date.Year != y.Year && (day.Date.Year != y.Year-1 || day.Date.Month != time.December):
		return fmt.Errorf("date %s: want a day of %d or of the December before", day.Date, y.Year)
	}
	return nil
}

// checkStatutory looks for the days off that fall on the same date every year.
func (y Year) checkStatutory() error {
	for _, d := range []Date{{y.Year, time.January, 1}, {y.Year, time.May, 1}, {y.Year, time.October, 1}, {y.Year, time.October, 2}, {y.Year, time.October, 3}} {
		if !slices.ContainsFunc(y.Days, func(day Day) bool { return day.Date == d && day.Off }) {
			return fmt.Errorf("days: %s is a statutory day off and is not in the file as one", d)
		}
	}
	return nil
}

func isWeekend(d Date) bool { return d.Weekday() == time.Saturday || d.Weekday() == time.Sunday }

func sortedYears(years map[int]Year) []int { return slices.Sorted(maps.Keys(years)) }
