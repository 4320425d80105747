// Package calendar knows the working days of mainland China, make-up days included, and what a day is: 00:00 to 24:00
// in Asia/Shanghai. It is for the denominators of rates and for deadlines counted in working days. It refuses to guess:
// a year whose notice is not known is an error (日历未发布), not a year of ordinary weeks.
//
// The rule: a date that a notice names is off or worked as the notice says; any other date is off on Saturday and
// Sunday. A notice may name days of the December before its year, so the last days of a year are provisional until the
// next year's notice is known (see Calendar.Final).
package calendar

import (
	"errors"
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// ErrUnpublished says that a date's kind is not known, because the notice that decides it is not.
var ErrUnpublished = errors.New("calendar not published (日历未发布)")

// provisionalFrom is the first day of December that a next year's notice is expected to be able to change. The earliest
// one ever did is 12-29 (2018); a weekend could be moved from as early as the 26th.
const provisionalFrom = 26

// Calendar answers which days are worked. It never changes, so it may be used by many goroutines; With makes a new one.
type Calendar struct {
	years map[int]Year
	days  map[Date]Day
}

// New returns the calendar of the embedded notices, one year after the other from 2015.
func New() (*Calendar, error) { return Load(embedded()) }

// Years returns the years whose notices are known, in order.
func (c *Calendar) Years() []int { return sortedYears(c.years) }

// Notices returns the sources of a year's data, nil for a year that is not known.
func (c *Calendar) Notices(year int) []string {
	return append([]string(nil), c.years[year].Papers...)
}

// IsWorkday reports whether the date is worked. The error is ErrUnpublished when the date's own year is not known; for
// the provisional last days of a year it answers with what is known (see Final).
func (c *Calendar) IsWorkday(d Date) (bool, error) {
	if day, ok := c.days[d]; ok {
		return !day.Off, nil
	}
	if _, ok := c.years[d.Year]; !ok {
		return false, unpublished(d, d.Year)
	}
	return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday, nil
}

// Holiday returns the name of the holiday that a notice gives the date, "" for an ordinary date. A make-up working day
// carries the name of the holiday that it makes up for.
func (c *Calendar) Holiday(d Date) string { return c.days[d].Name }

// Workdays counts the worked days from one date to another, both included; 0 when to is before from.
func (c *Calendar) Workdays(from, to Date) (int, error) {
	n := 0
	for d := from; !to.Before(d); d = d.Add(1) {
		worked, err := c.IsWorkday(d)
		if err != nil {
			return 0, fmt.Errorf("count workdays: %w", err)
		}
		if worked {
			n++
		}
	}
	return n, nil
}

// AddWorkdays returns the n-th worked day after d (n > 0), by which a deadline of n working days that starts on d ends.
// It refuses provisional days: a deadline that a later notice could move is not given.
func (c *Calendar) AddWorkdays(d Date, n int) (Date, error) {
	if n <= 0 {
		return Date{}, fmt.Errorf("add workdays: n is %d, want 1 or more", n)
	}
	for n > 0 {
		d = d.Add(1)
		if err := c.Final(d, d); err != nil {
			return Date{}, fmt.Errorf("add workdays: %w", err)
		}
		if worked, _ := c.IsWorkday(d); worked { //nolint:errcheck // Final has said that the date is known
			n--
		}
	}
	return d, nil
}

// Final returns nil when no notice still to come can change a date from one to the other, both included, and
// ErrUnpublished with the first date that could change otherwise. Deadlines, quotas and sealed figures must ask it.
func (c *Calendar) Final(from, to Date) error {
	for d := from; !to.Before(d); d = d.Add(1) {
		if _, err := c.IsWorkday(d); err != nil {
			return err
		}
		if d.Month != time.December || d.Day < provisionalFrom {
			continue
		}
		if _, ok := c.years[d.Year+1]; !ok {
			return unpublished(d, d.Year+1)
		}
	}
	return nil
}

// Day returns the instants of a date; it is d.Span, here for the callers that hold a calendar.
func (c *Calendar) Day(d Date) span.Span { return d.Span() }

// Today returns the date in Asia/Shanghai of the instant now.
func (c *Calendar) Today(now time.Time) Date { return DateOf(now) }

func unpublished(d Date, year int) error {
	return fmt.Errorf("%s: notice for %d is not known, add its file: %w", d, year, ErrUnpublished)
}
