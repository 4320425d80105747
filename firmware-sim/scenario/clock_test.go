package scenario_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// calendar is a drawn scenario with what it says as plain dates.
type calendar struct {
	*scenario.Scenario
	dates   []string // of all days, in order
	holiday map[string]bool
	makeup  map[string]bool
}

func drawCalendar(t *rapid.T, class string) calendar {
	zone := rapid.SampledFrom([]string{"Asia/Shanghai", "UTC", "+08:00", "-03:30", "+14:00"}).Draw(t, "zone")
	first := time.Date(2024, 2, 20, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 400).Draw(t, "first"))
	days := rapid.IntRange(1, 40).Draw(t, "days")
	c := calendar{holiday: map[string]bool{}, makeup: map[string]bool{}}
	for i := range days {
		at := first.AddDate(0, 0, i)
		date := at.Format(time.DateOnly)
		c.dates = append(c.dates, date)
		weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
		switch rapid.IntRange(0, 5).Draw(t, "sort of day") {
		case 0:
			c.holiday[date] = true
		case 1:
			c.makeup[date] = weekend
		}
	}
	text := fmt.Sprintf("from: %s\ndays: %d\nzone: %q\nholidays: [%s]\nmakeup: [%s]\nbases: {workshops: {machines: {kind: lathe}}, classes: %s}\n",
		c.dates[0], days, zone, list(c.holiday), list(c.makeup), class)
	s, err := scenario.Read("drawn.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	c.Scenario = s
	return c
}

func list(dates map[string]bool) string {
	var out []string
	for date, is := range dates {
		if is {
			out = append(out, date)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func (c calendar) works(date string) bool {
	at, err := time.Parse(time.DateOnly, date)
	weekend := at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
	return err == nil && !c.holiday[date] && (!weekend || c.makeup[date])
}

// The days of a scenario follow each other without a gap, each begins at a local midnight, and a working day is what the
// lists of dates say.
func TestDays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t, "[]")
		i := 0
		for midnight := range c.Midnights() {
			local := time.UnixMilli(midnight).In(c.Zone)
			if got := local.Format("2006-01-02 15:04:05.000"); got != c.dates[i]+" 00:00:00.000" {
				t.Fatalf("day %d begins at %s, want %s", i, got, c.dates[i])
			}
			within := midnight + rapid.Int64Range(0, c.Midnight(i+1)-midnight-1).Draw(t, "within")
			if c.DayOf(within) != midnight {
				t.Fatalf("the day of %d is %d, want %d", within, c.DayOf(within), midnight)
			}
			if c.Workday(midnight) != c.works(c.dates[i]) || c.Holiday(midnight) != c.holiday[c.dates[i]] {
				t.Fatalf("%s: workday %v, holiday %v", c.dates[i], c.Workday(midnight), c.Holiday(midnight))
			}
			i++
		}
		if whole := c.Span(); i != c.Days || whole.StartMs != c.FromMs || whole.EndMs != c.Midnight(c.Days) {
			t.Fatalf("%d days of %d, span %v", i, c.Days, whole)
		}
	})
}

// A class is held on the days of its slots and on no others, at the slot's hours, and its breaks lie within.
func TestSessions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 23*60).Draw(t, "from")
		length := rapid.IntRange(30, 12*60).Draw(t, "length")
		pause := rapid.IntRange(1, length-2).Draw(t, "pause")
		rest := rapid.IntRange(1, length-pause-1).Draw(t, "rest")
		days := rapid.SampledFrom([]string{"workdays", "mon..fri", "[sat, sun]", "wed"}).Draw(t, "days of the week")
		slot := fmt.Sprintf("{days: %s, time: %q, breaks: [%q]}", days, hours(from, length), hours(from+pause, rest))
		c := drawCalendar(t, "{slots: ["+slot+"]}")
		class := &c.Bases[0].Classes[0]
		for i, date := range c.dates {
			midnight := c.Midnight(i)
			sessions := c.Sessions(class, midnight)
			if held := len(sessions) == 1; held != c.held(days, date) || len(sessions) > 1 {
				t.Fatalf("%s on %s: %d sessions", days, date, len(sessions))
			}
			for _, s := range sessions {
				start := midnight + int64(from)*60_000
				if s.StartMs != start || s.EndMs != start+int64(length)*60_000 {
					t.Fatalf("%s: session %v", slot, s.Span)
				}
				if b := s.Breaks; len(b) != 1 || b[0].StartMs != start+int64(pause)*60_000 || b.Ms() != int64(rest)*60_000 {
					t.Fatalf("%s: breaks %v", slot, b)
				}
			}
		}
	})
}

func (c calendar) held(days, date string) bool {
	at, _ := time.Parse(time.DateOnly, date)
	switch weekday := at.Weekday(); days {
	case "workdays":
		return c.works(date)
	case "mon..fri":
		return !c.holiday[date] && weekday != time.Saturday && weekday != time.Sunday
	case "wed":
		return !c.holiday[date] && weekday == time.Wednesday
	default:
		return !c.holiday[date] && (weekday == time.Saturday || weekday == time.Sunday)
	}
}

// hours writes minutes of the day as the language has them; they may pass midnight.
func hours(from, length int) string {
	clock := func(m int) string { m %= 24 * 60; return fmt.Sprintf("%02d:%02d", m/60, m%60) }
	return clock(from) + "-" + clock(from+length)
}

// Dates are held whatever day it is, and the base's hours follow the kind of day.
func TestDatesAndOpening(t *testing.T) {
	t.Parallel()
	s, err := scenario.Read("may.yaml", []byte(`
from: 2026-05-01
days: 9
holidays: 2026-05-01..2026-05-05
makeup: 2026-05-09
bases:
  opening: {workdays: ["08:00-12:00", "18:00-01:00"], restdays: "10:00-12:00"}
  workshops: {machines: {kind: lathe}}
  classes: {slots: [{days: [2026-05-02, 2026-05-09], time: "09:00-10:00"}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	var held []int
	var open []time.Duration
	for i := range s.Days {
		if len(s.Sessions(&s.Bases[0].Classes[0], s.Midnight(i))) > 0 {
			held = append(held, i+1)
		}
		open = append(open, time.Duration(s.Open(&s.Bases[0], s.Midnight(i)).Ms())*time.Millisecond/time.Hour)
	}
	if want := []int{2, 9}; !slices.Equal(held, want) {
		t.Errorf("held on %v, want %v", held, want)
	}
	if want := []time.Duration{2, 2, 2, 2, 2, 11, 11, 11, 11}; !slices.Equal(open, want) {
		t.Errorf("open for %v hours, want %v", open, want)
	}
}
