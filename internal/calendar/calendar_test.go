package calendar_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

func embedded(t testing.TB) *calendar.Calendar {
	t.Helper()
	c, err := calendar.New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func date(t testing.TB, s string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWorkdaysOfYears(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	for period, want := range map[string]int{
		"2023-01-01 2023-12-31": 249, "2024-01-01 2024-12-31": 251, "2025-01-01 2025-12-31": 248, "2026-01-01 2026-12-31": 248,
		"2026-01-01 2026-06-30": 120, "2026-07-01 2026-12-31": 128, "2026-10-10 2026-10-10": 1, "2026-10-10 2026-10-09": 0,
	} {
		from, to, _ := strings.Cut(period, " ")
		got, err := c.Workdays(date(t, from), date(t, to))
		if err != nil || got != want {
			t.Errorf("workdays %s: %d, %v, want %d", period, got, err, want)
		}
	}
	if diff := cmp.Diff([]int{2015, 2016, 2017, 2018, 2019, 2020, 2021, 2022, 2023, 2024, 2025, 2026}, c.Years()); diff != "" {
		t.Error(diff)
	}
}

// The data agree, date by date, with a transcription of the same notices by somebody else.
func TestEveryDateAgreesWithTheSecondOpinion(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	text, err := os.ReadFile("testdata/independent.txt")
	if err != nil {
		t.Fatal(err)
	}
	swapped := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if words[0] == "#" {
			continue
		}
		for i, word := range words[2:] {
			if words[1] == "swapped" {
				swapped[words[0]+"-"+word] = true
				continue
			}
			year, _ := strconv.Atoi(words[0])
			first := calendar.Date{Year: year, Month: time.Month(i + 1), Day: 1}
			last := first.Add(40)
			last = calendar.Date{Year: last.Year, Month: last.Month, Day: 1}.Add(-1)
			if got, err := c.Workdays(first, last); err != nil || fmt.Sprint(got) != word {
				t.Errorf("workdays of %d-%02d: %d, %v, want %s", year, i+1, got, err, word)
			}
		}
	}
	days := 0
	for d := date(t, "2015-01-01"); d.Year <= 2026; d = d.Add(1) {
		days++
		weekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
		got, err := c.IsWorkday(d)
		if err != nil || got != (weekend == swapped[d.String()]) {
			t.Errorf("%s %s: worked %v, %v", d, d.Weekday(), got, err)
		}
	}
	if days != 12*365+3 {
		t.Errorf("compared %d days", days)
	}
}

// A notice may name days of the December before its year: both files are read.
func TestDecemberOfTheNextYearsNotice(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	for s, want := range map[string]bool{"2018-12-29": true, "2018-12-31": false, "2022-12-31": false, "2022-12-30": true} {
		if got, err := c.IsWorkday(date(t, s)); err != nil || got != want {
			t.Errorf("%s worked: %v, %v, want %v", s, got, err, want)
		}
	}
	if got := c.Holiday(date(t, "2018-12-29")); got != "元旦" {
		t.Errorf("holiday of the make-up day: %q", got)
	}
}

func TestUnknownYearsAreRefused(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	for _, s := range []string{"2014-12-31", "2027-01-01", "2000-01-01"} {
		if _, err := c.IsWorkday(date(t, s)); !errors.Is(err, calendar.ErrUnpublished) || !strings.Contains(err.Error(), "日历未发布") {
			t.Errorf("IsWorkday(%s): %v, want ErrUnpublished", s, err)
		}
	}
	if _, err := c.Workdays(date(t, "2026-12-01"), date(t, "2027-01-01")); !errors.Is(err, calendar.ErrUnpublished) {
		t.Errorf("Workdays across the end: %v", err)
	}
}

// What a later notice can change is not final, though it has an answer.
func TestFinal(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	tests := map[string]struct {
		from, to string
		final    bool
	}{
		"a whole known year":             {"2025-01-01", "2025-12-31", true},
		"up to where a notice can reach": {"2026-01-01", "2026-12-25", true},
		"the last days of the last year": {"2026-12-25", "2026-12-26", false},
		"unknown year":                   {"2027-06-01", "2027-06-01", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := c.Final(date(t, tt.from), date(t, tt.to)); (err == nil) != tt.final || (err != nil && !errors.Is(err, calendar.ErrUnpublished)) {
				t.Errorf("Final: %v", err)
			}
		})
	}
}

func TestAddWorkdays(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	got, err := c.AddWorkdays(date(t, "2026-09-30"), 3)
	if err != nil || got.String() != "2026-10-10" {
		t.Errorf("three workdays after 2026-09-30: %s, %v, want the make-up Saturday 2026-10-10", got, err)
	}
	if _, err := c.AddWorkdays(date(t, "2026-12-20"), 30); !errors.Is(err, calendar.ErrUnpublished) {
		t.Errorf("a deadline in an unpublished year: %v", err)
	}
	if _, err := c.AddWorkdays(date(t, "2026-01-01"), 0); err == nil {
		t.Error("zero workdays are a deadline")
	}
}

func TestWithAYear(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("data/2026.json")
	if err != nil {
		t.Fatal(err)
	}
	empty, err := calendar.Load(fstest.MapFS{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := empty.With(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(empty.Years()) != 0 || len(c.Years()) != 1 || len(c.Notices(2026)) != 1 || c.Notices(2025) != nil {
		t.Errorf("years %v and %v, notices %v", empty.Years(), c.Years(), c.Notices(2026))
	}
	again, err := c.With(text)
	if err != nil || len(again.Years()) != 1 {
		t.Errorf("the same year again: %v", err)
	}
	if _, err := c.With([]byte(`{"year": 2027, "papers": [], "days": []}`)); !errors.Is(err, calendar.ErrUnpublished) {
		t.Errorf("upstream's placeholder: %v", err)
	}
	if _, err := calendar.Load(fstest.MapFS{"2025.json": {Data: text}}); err == nil {
		t.Error("2026 loads from 2025.json")
	}
}

func TestParseYearRefuses(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("data/2026.json")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ old, replacement, want string }{
		"unknown key":          {`"year"`, `"note": 1, "year"`, "unknown field"},
		"no year":              {`"year": 2026`, `"year": null`, "want a year"},
		"other year":           {`"year": 2026`, `"year": 2028`, "want a day of 2028"},
		"date twice":           {"2026-01-02", "2026-01-01", "does not come after"},
		"no such date":         {"2026-02-28", "2026-02-30", "want a day that exists"},
		"loose date":           {"2026-01-02", "2026-1-2", "want a day that exists"},
		"missing flag":         {`"isOffDay": true`, `"isOffDay": null`, "want name, date and isOffDay"},
		"missing name":         {`"元旦"`, `""`, "want 1 to"},
		"statutory day worked": {"2026-05-01", "2026-04-30", "2026-05-01 is a statutory day off"},
		"no notice":            {`"https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm"`, "", "address of the notice"},
		"two objects":          {"", "", "something follows"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(string(good), tt.old, tt.replacement, 1)
			if tt.old == "" {
				text += "{}"
			}
			if _, err := calendar.ParseYear([]byte(text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	cut := good[:strings.Index(string(good), `        {
            "name": "劳动节"`)]
	if _, err := calendar.ParseYear([]byte(strings.TrimRight(strings.TrimSpace(string(cut)), ",") + "]}")); err == nil {
		t.Error("a truncated year loads")
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "2026-1-2", "2026-02-29", "2026-13-01", "26-01-01", "1999-12-31", "3000-01-01", "2026-01-01T00:00:00Z", " 2026-01-01", "2026/01/01"} {
		if d, err := calendar.ParseDate(s); err == nil {
			t.Errorf("ParseDate(%q) = %s, want an error", s, d)
		}
	}
}

// The days of Asia/Shanghai tile time: every instant lies in exactly the day that DateOf names.
func TestDaysTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(946656000000, 32503651199999).Draw(t, "instant"))
		d := calendar.DateOf(at)
		day := d.Span()
		if !day.Contains(at.UnixMilli()) || day.Ms() != 86400000 || d.Add(1).Span().StartMs != day.EndMs || d.Add(1).Add(-1) != d {
			t.Fatalf("%v lies in %s, which is %v", at, d, day)
		}
		again, err := calendar.ParseDate(d.String())
		if err != nil || again != d || d.Before(d) || !d.Before(d.Add(1)) {
			t.Fatalf("%s reads back as %s, %v", d, again, err)
		}
		if got := day.Start().Add(8 * time.Hour).Weekday(); got != d.Weekday() {
			t.Fatalf("%s is a %s, want %s", d, d.Weekday(), got)
		}
	})
}

func TestTodayTurnsAtMidnightInShanghai(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	for at, want := range map[string]string{"2026-12-31T15:59:59Z": "2026-12-31", "2026-12-31T16:00:00Z": "2027-01-01"} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Today(now); got.String() != want {
			t.Errorf("today at %s: %s, want %s", at, got, want)
		}
	}
}

func FuzzParseYear(f *testing.F) {
	for _, year := range []string{"2015", "2019", "2026"} {
		text, err := os.ReadFile("data/" + year + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		year, err := calendar.ParseYear(text)
		if err != nil {
			return
		}
		c, err := calendar.Load(fstest.MapFS{fmt.Sprintf("%d.json", year.Year): {Data: text}})
		if err != nil {
			t.Fatalf("a year that parses does not load: %v", err)
		}
		if n, err := c.Workdays(calendar.Date{Year: year.Year, Month: 1, Day: 1}, calendar.Date{Year: year.Year, Month: 12, Day: 31}); err != nil || n < 200 || n > 280 {
			t.Fatalf("%d workdays, %v", n, err)
		}
	})
}

func Example() {
	c, err := calendar.New()
	if err != nil {
		panic(err)
	}
	d, _ := calendar.ParseDate("2026-10-10")
	worked, _ := c.IsWorkday(d)
	fmt.Println(d, d.Weekday(), worked, c.Holiday(d))
	// Output: 2026-10-10 Saturday true 国庆节
}
