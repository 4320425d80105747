package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

const (
	dayMs      = 24 * 60 * 60 * 1000
	shanghaiMs = 8 * 60 * 60 * 1000 // Asia/Shanghai has had one offset since 1992, and Begin is later
)

// ErrNoHours says that no opening hours are known for a day, which is not the same as closed: a rate over them is null.
var ErrNoHours = errors.New("no opening hours known (未登记开放时间)")

// Times are the open times of one day, in order, without overlap; none means closed.
type Times []Opening

// Opening is one open time, in minutes from the start of the day, 0 <= Start < End <= 1440.
type Opening struct{ Start, End int }

// ParseTimes reads "08:30-11:30,13:30-17:00", or "closed".
func ParseTimes(s string) (Times, error) {
	if s == "closed" {
		return nil, nil
	}
	var times Times
	for part := range strings.SplitSeq(s, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(part), "-")
		start, err1 := parseClock(from)
		end, err2 := parseClock(to)
		if !ok || err1 != nil || err2 != nil {
			return nil, fmt.Errorf("%q is no open time", part)
		}
		if end <= start {
			return nil, fmt.Errorf("%q ends before it starts", part)
		}
		if n := len(times); n > 0 && start < times[n-1].End {
			return nil, fmt.Errorf("%q starts before %s ends", part, clock(times[n-1].End))
		}
		times = append(times, Opening{start, end})
	}
	return times, nil
}

func parseClock(s string) (int, error) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	at := int(hour)*60 + int(minute)
	if !ok || len(h) > 2 || len(m) != 2 || err1 != nil || err2 != nil || minute > 59 || at > 24*60 {
		return 0, fmt.Errorf("%q is no time of day", s)
	}
	return at, nil
}

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// String returns the times as ParseTimes reads them.
func (t Times) String() string {
	if len(t) == 0 {
		return "closed"
	}
	parts := make([]string, len(t))
	for i, o := range t {
		parts[i] = clock(o.Start) + "-" + clock(o.End)
	}
	return strings.Join(parts, ",")
}

// on returns the times as instants of the day that starts at startMs.
func (t Times) on(startMs int64) span.Set {
	spans := make([]span.Span, len(t))
	for i, o := range t {
		spans[i] = span.Span{StartMs: startMs + int64(o.Start)*60000, EndMs: startMs + int64(o.End)*60000}
	}
	return span.NewSet(spans...)
}

// Hours is a timetable of opening for a validity of whole days: by kind of day, or by weekday. By kind of day follows
// the calendar with its make-up days; by weekday does not.
type Hours struct {
	Valid     span.Span
	ByWeekday bool
	Workday   Times    // not ByWeekday
	Restday   Times    // not ByWeekday
	Weekday   [7]Times // ByWeekday, from Sunday
}

// Exception replaces the hours on the days of its validity.
type Exception struct {
	Valid  span.Span
	Times  Times
	Reason string
}

// OpeningHours returns when a workshop was open on a day, and when its base was with workshop "". The day is 24 hours
// from midnight in Asia/Shanghai. The workshop's exceptions come first, then the base's, then the workshop's hours, then
// the base's. isWorkday is only called when the answer depends on it; its error is passed on. Other errors are
// ErrUnknown and ErrNoHours.
func (r *Registry) OpeningHours(base, workshop string, day span.Span, isWorkday func() (bool, error)) (span.Set, error) {
	x := r.byCode[base]
	if x == nil {
		return nil, fmt.Errorf("base %q: %w", base, ErrUnknown)
	}
	if (day.StartMs+shanghaiMs)%dayMs != 0 || day.Ms() != dayMs {
		return nil, fmt.Errorf("opening hours of base %q: the span is not a day in Asia/Shanghai", base)
	}
	w := &Workshop{}
	if workshop != "" {
		if w = x.workshops[workshop]; w == nil {
			return nil, fmt.Errorf("workshop %q of base %q: %w", workshop, base, ErrUnknown)
		}
	}
	for _, list := range [][]Exception{w.Exceptions, x.base.Exceptions} {
		for _, e := range list {
			if e.Valid.Contains(day.StartMs) {
				return e.Times.on(day.StartMs), nil
			}
		}
	}
	for _, list := range [][]Hours{w.Hours, x.base.Hours} {
		for _, h := range list {
			if h.Valid.Contains(day.StartMs) {
				return h.on(day.StartMs, isWorkday)
			}
		}
	}
	return nil, fmt.Errorf("base %q on %s: %w", base, formatInstant(day.StartMs), ErrNoHours)
}

func (h Hours) on(startMs int64, isWorkday func() (bool, error)) (span.Set, error) {
	if h.ByWeekday {
		return h.Weekday[weekdayOf(startMs)].on(startMs), nil
	}
	if h.Workday.String() == h.Restday.String() {
		return h.Workday.on(startMs), nil
	}
	worked, err := isWorkday()
	if err != nil {
		return nil, fmt.Errorf("opening hours: %w", err)
	}
	if worked {
		return h.Workday.on(startMs), nil
	}
	return h.Restday.on(startMs), nil
}

func weekdayOf(startMs int64) time.Weekday {
	return time.UnixMilli(startMs + shanghaiMs).UTC().Weekday()
}

// MarshalText implements encoding.TextMarshaler with String.
func (t Times) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseTimes.
func (t *Times) UnmarshalText(text []byte) error {
	parsed, err := ParseTimes(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}
