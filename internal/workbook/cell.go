package workbook

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// clean removes what people do not see around a cell's text, and the apostrophe with which formulas are kept from running.
func clean(s string) string {
	s = strings.TrimFunc(s, invisible)
	if len(s) > 1 && s[0] == '\'' && strings.IndexByte("=+-@'", s[1]) >= 0 {
		s = s[1:]
	}
	return s
}

// invisible characters come with texts that are copied from web pages and chat.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || r == '\u00a0' || r == '\u3000'
}

// narrow brings full-width letters, digits and signs to their usual form: ０１：（ to 01:(.
func narrow(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return width.Fold.String(s)
		}
	}
	return s
}

// word is the form in which headers and words of a list are compared.
func word(s string) string {
	s = strings.ToLower(narrow(strings.TrimSuffix(clean(s), "*")))
	return strings.Map(func(r rune) rune {
		if invisible(r) || r == '_' {
			return -1
		}
		return r
	}, s)
}

// errorValues are what Excel shows in place of a formula's value.
const errorValues = " #REF! #VALUE! #DIV/0! #NAME? #N/A #NULL! #NUM! #SPILL! #CALC! #GETTING_DATA "

func isErrorValue(s string) bool {
	return strings.HasPrefix(s, "#") && !strings.Contains(s, " ") && strings.Contains(errorValues, " "+strings.ToUpper(s)+" ")
}

// floated is a long number that Excel has turned into a floating-point number and shortened to 15 digits.
var floated = regexp.MustCompile(`^[0-9](\.[0-9]+)?[eE]\+?[0-9]+$`)

// The instants that workbooks may name are those of the registry, on days that the calendar has.
const (
	minuteMs = 60_000
	dayMs    = 24 * 60 * minuteMs
)

var serial = regexp.MustCompile(`^[0-9]{5,6}(\.[0-9]{1,15})?$`)

// parseInstant reads a day, possibly with a time of day: 2026-03-02, 2026/3/2, 2026.3.2, 2026年3月2日, 20260302 or the
// serial number that a date is inside a workbook; 8:30 or 08:30:00 may follow. hasTime says that it did. late says that
// the workbook counts days from 1904.
func parseInstant(s string, late bool) (ms int64, hasTime, ok bool) {
	s = strings.TrimSpace(narrow(s))
	if serial.MatchString(s) {
		return fromSerial(s, late)
	}
	day, clock, _ := strings.Cut(strings.Replace(strings.Replace(s, "T", " ", 1), "日", " ", 1), " ")
	date, ok := parseDay(day)
	if !ok {
		return 0, false, false
	}
	ms = date.Span().StartMs
	if clock = strings.TrimSpace(clock); clock == "" {
		return ms, false, true
	}
	seconds := int64(0)
	if rest, ok := strings.CutSuffix(clock, ":"+clock[max(0, len(clock)-2):]); ok && strings.Contains(rest, ":") {
		n, err := strconv.ParseUint(clock[len(clock)-2:], 10, 8)
		if err != nil || n > 59 {
			return 0, false, false
		}
		seconds, clock = int64(n), rest
	}
	minute, ok := parseClock(clock)
	return ms + int64(minute)*minuteMs + seconds*1000, true, ok
}

func parseDay(s string) (calendar.Date, bool) {
	if len(s) == 8 && strings.Trim(s, "0123456789") == "" {
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	parts := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune("-/.年月", r) })
	if len(parts) != 3 || len(parts[0]) != 4 || len(parts[1]) > 2 || len(parts[2]) > 2 {
		return calendar.Date{}, false
	}
	date, err := calendar.ParseDate(fmt.Sprintf("%s-%02s-%02s", parts[0], parts[1], parts[2]))
	return date, err == nil
}

// fromSerial reads days since 1899-12-30, or since 1904-01-01, of local time.
func fromSerial(s string, late bool) (ms int64, hasTime, ok bool) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false, false
	}
	days, fraction := math.Modf(v)
	epoch := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)
	if late {
		epoch = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	date, err := calendar.ParseDate(epoch.AddDate(0, 0, int(days)).Format(time.DateOnly))
	if err != nil {
		return 0, false, false
	}
	minute := math.Round(fraction * 24 * 60)
	return date.Span().StartMs + int64(minute)*minuteMs, minute != 0, true
}

var clockWords = strings.NewReplacer("点", ":", "时", ":", "分", "")

// parseClock reads a time of day as minutes, 0 to 1440: 8:30, 08:30, 08:30:00, 8点30分, or the fraction of a day that a time
// is inside a workbook.
func parseClock(s string) (int, bool) {
	s = strings.TrimSpace(narrow(s))
	if v, err := strconv.ParseFloat(s, 64); err == nil && strings.Contains(s, ".") || s == "0" || s == "1" {
		minute := math.Round(v * 24 * 60)
		return int(minute), v >= 0 && v <= 1 && math.Abs(v*24*60-minute) < 0.01
	}
	s = clockWords.Replace(s)
	if strings.HasSuffix(s, ":") {
		s += "00"
	}
	parts := strings.Split(s, ":")
	if len(parts) == 3 && parts[2] == "00" {
		parts = parts[:2]
	}
	if len(parts) != 2 || len(parts[0]) > 2 || len(parts[1]) != 2 {
		return 0, false
	}
	hour, err1 := strconv.ParseUint(parts[0], 10, 8)
	minute, err2 := strconv.ParseUint(parts[1], 10, 8)
	at := int(hour)*60 + int(minute)
	return at, err1 == nil && err2 == nil && minute < 60 && at <= 24*60
}

var (
	commas = strings.NewReplacer("、", ",", ";", ",", "\n", ",", "\r", "", "。", ",")
	dashes = strings.NewReplacer("~", "-", "—", "-", "–", "-", "至", "-", "到", "-")
)

// splitList splits what people put into one cell: 01、02，03.
func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(commas.Replace(narrow(s)), ",") {
		if part = strings.TrimFunc(part, invisible); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// parseRanges reads times of day in pairs, 08:30-11:30、13:30-17:00, each as it stands.
func parseRanges(s string) ([][2]int, bool) {
	var out [][2]int
	for _, part := range splitList(dashes.Replace(narrow(s))) {
		from, to, ok := strings.Cut(part, "-")
		start, ok1 := parseClock(from)
		end, ok2 := parseClock(to)
		if !ok || !ok1 || !ok2 || start == end {
			return nil, false
		}
		out = append(out, [2]int{start, end})
	}
	return out, len(out) > 0
}

// parseTimes reads the open times of a day, or one of the words for none.
func parseTimes(s string) (registry.Times, bool) {
	switch word(s) {
	case "关闭", "不开放", "休息", "闭馆", "无", "closed":
		return nil, true
	}
	ranges, ok := parseRanges(s)
	if !ok {
		return nil, false
	}
	var times registry.Times
	for i, r := range ranges {
		if r[1] <= r[0] || (i > 0 && r[0] < ranges[i-1][1]) {
			return nil, false
		}
		times = append(times, registry.Opening{Start: r[0], End: r[1]})
	}
	return times, true
}

// parseNumber reads a decimal number, with or without commas between thousands.
func parseNumber(s string) (float64, bool) {
	s = strings.ReplaceAll(strings.TrimSpace(narrow(s)), ",", "")
	if strings.ContainsAny(s, "xXpP_iInN") {
		return 0, false // hexadecimal, Inf and NaN are no numbers here
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// How values are written: the forms that the parsers read.

func showNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func showDay(ms int64) string { return calendar.DateOf(span.Span{StartMs: ms}.Start()).String() }

func showClock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// minuteOf is the minute of its day.
func minuteOf(ms int64) int {
	day := calendar.DateOf(span.Span{StartMs: ms}.Start()).Span()
	return int((ms - day.StartMs) / minuteMs)
}

func isMidnight(ms int64) bool {
	return calendar.DateOf(span.Span{StartMs: ms}.Start()).Span().StartMs == ms
}

// showFrom is the beginning of a validity, "" for one that always held.
func showFrom(ms int64) string {
	switch {
	case ms == registry.BeginMs:
		return ""
	case isMidnight(ms):
		return showDay(ms)
	}
	return showInstant(ms)
}

func showInstant(ms int64) string {
	text := showDay(ms) + " " + showClock(minuteOf(ms))
	if s := ms / 1000 % 60; s != 0 {
		text += fmt.Sprintf(":%02d", s)
	}
	return text
}

// showTo is the end of a validity, "" for one that has none. A day is the last one inside.
func showTo(ms int64) string {
	switch {
	case ms == registry.ForeverMs:
		return ""
	case isMidnight(ms):
		return showDay(ms - dayMs)
	}
	return showInstant(ms)
}

func showTimes(t registry.Times) string {
	if len(t) == 0 {
		return "关闭"
	}
	return t.String()
}

func showBool(v bool) string {
	if v {
		return "是"
	}
	return "否"
}
