package calendar

import (
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// shanghaiOffset is the whole difference between a day here and a day in UTC. It is a constant and not a time zone
// database, so that a figure does not depend on the machine it is computed on: since 1992 Asia/Shanghai has had one
// offset, and dates before 2000, where daylight saving time would matter, are refused.
const shanghaiOffset = 8 * time.Hour

// zone returns UTC+8 without daylight saving time.
func zone() *time.Location { return time.FixedZone("Asia/Shanghai", int(shanghaiOffset/time.Second)) }

const minYear, maxYear = 2000, 2999

// Date is a day in Asia/Shanghai, from 2000-01-01 to 2999-12-31. Dates are comparable with ==. The zero Date is no date.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads a date written exactly as YYYY-MM-DD. Other forms, days that do not exist and years outside 2000 to
// 2999 are errors.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || len(s) != len(time.DateOnly) {
		return Date{}, fmt.Errorf("date %q: want a day that exists, as YYYY-MM-DD", s)
	}
	if t.Year() < minYear || t.Year() > maxYear {
		return Date{}, fmt.Errorf("date %q: want a year from %d to %d", s, minYear, maxYear)
	}
	return fromUTC(t), nil
}

// DateOf returns the day in Asia/Shanghai in which the instant lies.
func DateOf(t time.Time) Date { return fromUTC(t.In(zone())) }

func fromUTC(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

func (d Date) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

// String returns the date as YYYY-MM-DD.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// IsZero reports whether d is no date.
func (d Date) IsZero() bool { return d == Date{} }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.utc().Weekday() }

// Add returns the date the given number of days later, earlier when negative.
func (d Date) Add(days int) Date { return fromUTC(d.utc().AddDate(0, 0, days)) }

// Compare returns -1, 0 or +1 as d is before, at or after e.
func (d Date) Compare(e Date) int { return d.utc().Compare(e.utc()) }

// Before reports whether d is before e.
func (d Date) Before(e Date) bool { return d.Compare(e) < 0 }

// Span returns the day's instants, from 00:00 to 24:00 in Asia/Shanghai: always 86,400,000 ms.
func (d Date) Span() span.Span {
	start := d.utc().Add(-shanghaiOffset)
	return span.Of(start, start.Add(24*time.Hour))
}

// MarshalText implements encoding.TextMarshaler; the zero Date is an empty text.
func (d Date) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with the rule of ParseDate; an empty text is the zero Date.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	parsed, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
