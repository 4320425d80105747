package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of a scenario: a file that is hostile or a slip of the keyboard must not fill the memory.
const (
	MaxDays     = 3660
	MaxBases    = 200
	MaxMachines = 20_000
	MaxPeople   = 200_000
	MaxClasses  = 10_000

	maxWorkshops   = 2_000
	maxStations    = 40_000
	maxReaders     = 20_000
	maxDevices     = 60_000
	maxAtMachine   = 16        // devices of one machine
	maxItems       = 20_000    // of any list
	maxSlots       = 100       // of one class
	maxBreaks      = 24        // of one slot, and opening hours of a day
	maxFaults      = 1_000     // and as many frauds
	maxSessions    = 1_000_000 // slots × days
	maxMemberships = 1_000_000 // trainees and stations of all classes
	maxOptions     = 64
	maxName        = 128
	maxID          = 64
	maxText        = 500 // any value
)

// Bounds of the hours of a class and of the years.
const (
	maxLesson         = 12 * time.Hour
	day               = 24 * time.Hour
	minYear, maxYear  = 2000, 2100
	dateForm          = time.DateOnly
	minEvery          = 100 * time.Millisecond
	defaultDays       = 1
	defaultZoneOffset = 8 * 60 * 60
)

var (
	idShape    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	numeral    = regexp.MustCompile(`\{n+\}`)
	clockShape = regexp.MustCompile(`^([0-9]{1,2}):([0-9]{2})$`)
	zoneShape  = regexp.MustCompile(`^[+-][0-9]{2}:[0-9]{2}$`)
	nameShape  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

var (
	wrongID = wrong{
		fmt.Sprintf("应为 1 至 %d 个字母、数字、-、_、.，以字母或数字开头；{n} 代表序号", maxID),
		fmt.Sprintf("want 1 to %d letters, digits, '-', '_' or '.', a letter or digit first; {n} stands for the number", maxID),
	}
	wrongDate = wrong{
		"应为日期，如 2026-03-02，在 2000 至 2100 年内", "want a date such as 2026-03-02, from 2000 to 2100",
	}
	wrongZone = wrong{
		`应为 Asia/Shanghai、UTC 或固定偏移，如 "+08:00"`, `want Asia/Shanghai, UTC or a fixed offset such as "+08:00"`,
	}
)

// stamp puts the number into a template: {n} as it is, {nnn} with at least three digits.
func stamp(template string, n int) string {
	if !strings.Contains(template, "{n") {
		return template
	}
	return numeral.ReplaceAllStringFunc(template, func(m string) string { return fmt.Sprintf("%0*d", len(m)-2, n) })
}

// parseZone takes fixed offsets only: a zone with daylight saving would need data that differs between machines.
func parseZone(text string) (*time.Location, bool) {
	switch text {
	case "Asia/Shanghai":
		return time.FixedZone("UTC+8", defaultZoneOffset), true
	case "UTC":
		return time.UTC, true
	}
	if !zoneShape.MatchString(text) {
		return nil, false
	}
	hours, minutes := twoDigits(text[1:3]), twoDigits(text[4:6])
	seconds := (hours*60 + minutes) * 60
	if minutes > 59 || seconds > 14*60*60 {
		return nil, false
	}
	if text[0] == '-' {
		seconds = -seconds
	}
	return time.FixedZone("UTC"+text, seconds), true
}

// twoDigits is the number of one or two digits.
func twoDigits(s string) int {
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// parseDate returns the local midnight of a date.
func parseDate(text string, zone *time.Location) (int64, bool) {
	t, err := time.ParseInLocation(dateForm, text, zone)
	if err != nil || t.Year() < minYear || t.Year() > maxYear {
		return 0, false
	}
	return t.UnixMilli(), true
}

// parseInstant reads a date, or a date and a local time.
func parseInstant(text string, zone *time.Location) (int64, bool) {
	if ms, ok := parseDate(text, zone); ok {
		return ms, true
	}
	for _, form := range []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil && t.Year() >= minYear && t.Year() <= maxYear {
			return t.Truncate(time.Millisecond).UnixMilli(), true
		}
	}
	return 0, false
}

// parseDates reads a date, or a range of them with both ends.
func parseDates(text string, zone *time.Location) (firstMs, lastMs int64, ok bool) {
	first, last, isRange := strings.Cut(text, "..")
	firstMs, ok = parseDate(first, zone)
	if !ok || !isRange {
		return firstMs, firstMs, ok
	}
	lastMs, ok = parseDate(last, zone)
	return firstMs, lastMs, ok && firstMs <= lastMs && lastMs-firstMs <= MaxDays*day.Milliseconds()
}

func parseClock(text string) (time.Duration, bool) {
	m := clockShape.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	hours, minutes := twoDigits(m[1]), twoDigits(m[2])
	at := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	return at, minutes < 60 && at <= day
}

// parseHours reads "08:30-11:30"; an end that is not after the start is on the next day.
func parseHours(text string) (Hours, bool) {
	first, last, ok := strings.Cut(text, "-")
	from, okFrom := parseClock(strings.TrimSpace(first))
	to, okTo := parseClock(strings.TrimSpace(last))
	if !ok || !okFrom || !okTo || from == to || from == day {
		return Hours{}, false
	}
	if to < from {
		to += day
	}
	return Hours{From: from, To: to}, true
}

// clock writes a time since midnight as the language has it.
func clock(d time.Duration) string {
	if d > day {
		d -= day
	}
	return fmt.Sprintf("%02d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

// weekdays are the words for the days of the week, Monday first.
func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// parseWeekdays reads "mon" or "mon..fri".
func parseWeekdays(text string) ([]time.Weekday, bool) {
	first, last, isRange := strings.Cut(text, "..")
	if !isRange {
		last = first
	}
	from, to := slices.Index(weekdays(), first), slices.Index(weekdays(), last)
	if from < 0 || to < from {
		return nil, false
	}
	var out []time.Weekday
	for i := from; i <= to; i++ {
		out = append(out, time.Weekday((i+1)%7))
	}
	return out, true
}
