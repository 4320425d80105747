package settle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

// PeriodKind is how long a period is.
type PeriodKind string

// The kinds of period.
const (
	Month   PeriodKind = "month"
	Quarter PeriodKind = "quarter"
	Year    PeriodKind = "year"
)

// Period is a month, a quarter or a calendar year of days in Asia/Shanghai. Periods are comparable with ==.
type Period struct {
	Kind PeriodKind
	Year int // 2000 to 2999
	// Number is the month from 1 to 12, or the quarter from 1 to 4; 0 of a year.
	Number int
}

// ErrPeriod is returned for a text that names no period.
var ErrPeriod = errors.New("期间应写作 month:2026-03、quarter:2026-Q1 或 year:2026 / want a period as month:2026-03, quarter:2026-Q1 or year:2026")

// ParsePeriod reads a period as String writes it, and in no other way.
func ParsePeriod(s string) (Period, error) {
	kind, rest, _ := strings.Cut(s, ":")
	year, number, has := strings.Cut(rest, "-")
	p := Period{Kind: PeriodKind(kind)}
	p.Year, _ = strconv.Atoi(year)                              //nolint:errcheck // compared below
	p.Number, _ = strconv.Atoi(strings.TrimPrefix(number, "Q")) //nolint:errcheck // compared below
	most := map[PeriodKind]int{Month: 12, Quarter: 4}[p.Kind]
	inside := p.Year >= 2000 && p.Year <= 2999 && p.Number >= min(1, most) && p.Number <= most && has == (most > 0)
	if !inside || p.String() != s {
		return Period{}, fmt.Errorf("%q: %w", s, ErrPeriod)
	}
	return p, nil
}

// String returns the period as it is stored: month:2026-03, quarter:2026-Q1, year:2026.
func (p Period) String() string {
	switch p.Kind {
	case Month:
		return fmt.Sprintf("month:%04d-%02d", p.Year, p.Number)
	case Quarter:
		return fmt.Sprintf("quarter:%04d-Q%d", p.Year, p.Number)
	case Year:
	}
	return fmt.Sprintf("year:%04d", p.Year)
}

// Days returns the period's first and last day.
func (p Period) Days() (first, last calendar.Date) {
	from, months := 1, 12
	switch p.Kind {
	case Month:
		from, months = p.Number, 1
	case Quarter:
		from, months = 3*p.Number-2, 3
	case Year:
	}
	first = calendar.Date{Year: p.Year, Month: time.Month(from), Day: 1}
	next := calendar.Date{Year: p.Year + (from+months-1)/12, Month: time.Month((from+months-1)%12 + 1), Day: 1}
	return first, next.Add(-1)
}

// FreezeRule says until when late data and corrections go into a period's figures: so many working days after its end.
type FreezeRule struct{ Month, Quarter, Year int }

// DefaultFreeze returns the documented defaults: the 5th working day after a month, the 10th after a quarter or a year.
func DefaultFreeze() FreezeRule { return FreezeRule{Month: 5, Quarter: 10, Year: 10} }

// FreezeOn returns the last day of grace. The error is calendar.ErrUnpublished when a notice that is not known yet could move it.
func (p Period) FreezeOn(cal *calendar.Calendar, r FreezeRule) (calendar.Date, error) {
	n := map[PeriodKind]int{Month: r.Month, Quarter: r.Quarter, Year: r.Year}[p.Kind]
	_, last := p.Days()
	on, err := cal.AddWorkdays(last, n)
	if err != nil {
		return calendar.Date{}, fmt.Errorf("冻结日未定 / the freeze date of %s is not known: %w", p, err)
	}
	return on, nil
}
