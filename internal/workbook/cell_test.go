package workbook_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// at is an instant in Asia/Shanghai.
func at(t *testing.T, text string) int64 {
	t.Helper()
	when, err := time.Parse(time.DateTime+" -0700", text+" +0800")
	if err != nil {
		t.Fatal(err)
	}
	return when.UnixMilli()
}

func TestParseInstant(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-03-02":          "2026-03-02 00:00:00",
		"2026-3-2":            "2026-03-02 00:00:00",
		"2026/3/2":            "2026-03-02 00:00:00",
		"2026.03.02":          "2026-03-02 00:00:00",
		"2026年3月2日":           "2026-03-02 00:00:00",
		"２０２６－０３－０２":          "2026-03-02 00:00:00",
		"20260302":            "2026-03-02 00:00:00",
		"46083":               "2026-03-02 00:00:00",
		"46083.5":             "2026-03-02 12:00:00",
		"46083.354166666664":  "2026-03-02 08:30:00",
		"2026-03-02 8:30":     "2026-03-02 08:30:00",
		"2026-03-02 08:30:15": "2026-03-02 08:30:15",
		"2026-03-02T08:30":    "2026-03-02 08:30:00",
		"2026年3月2日 8点30分":     "2026-03-02 08:30:00",
		"2024-02-29":          "2024-02-29 00:00:00",
		"2026-02-29":          "",
		"2026-13-01":          "",
		"26-3-2":              "",
		"1999-12-31":          "",
		"3000-01-01":          "",
		"1":                   "",
		"99999999":            "",
		"2026-03":             "",
		"2026-03-02 25:00":    "",
		"2026-03-02 08:30:60": "",
		"明天":                  "",
		"":                    "",
	} {
		got, _, ok := workbook.ParseInstant(text, false)
		switch {
		case want == "" && ok:
			t.Errorf("%q is read as %d, want a mistake", text, got)
		case want != "" && (!ok || got != at(t, want)):
			t.Errorf("%q: got %d, %v, want %s", text, got, ok, want)
		}
	}
	if got, _, ok := workbook.ParseInstant("44621", true); !ok || got != at(t, "2026-03-02 00:00:00") {
		t.Errorf("a day since 1904: got %d, %v", got, ok)
	}
}

func TestParseClock(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"8:30": 510, "08:30": 510, "08:30:00": 510, "８：３０": 510, "8点30分": 510, "8点": 480, "8时05分": 485, "0.354166666666667": 510,
		"24:00": 1440, "0": 0, "1": 1440, "00:00": 0, "0.9993055555555556": 1439,
		"24:01": -1, "8:60": -1, "8:3": -1, "830": -1, "8点半": -1, "-1:00": -1, "1.5": -1, "0.3541": -1, "": -1, "08:30:30": -1, "a:bc": -1,
	} {
		got, ok := workbook.ParseClock(text)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, ok, want)
		}
	}
}

func TestParseTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"08:30-11:30,13:30-17:00": "08:30-11:30,13:30-17:00",
		"8:30—11:30、13:30至17:00":  "08:30-11:30,13:30-17:00",
		"８：３０～１１：３０；13:30–17:00":  "08:30-11:30,13:30-17:00",
		"8:30-11:30\n13:30-24:00": "08:30-11:30,13:30-24:00",
		"关闭":                      "closed", "不开放": "closed", "Closed": "closed", " 休息 ": "closed",
		"08:30": "-", "11:30-08:30": "-", "08:30-11:30,11:00-12:00": "-", "13:00-14:00,08:00-09:00": "-", "08:30-08:30": "-", "": "-", "随时": "-",
	} {
		got, ok := workbook.ParseTimes(text)
		if ok != (want != "-") || ok && got.String() != want {
			t.Errorf("%q: got %v, %v, want %s", text, got, ok, want)
		}
	}
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"1400": 1400, "1,400": 1400, "１４００": 1400, "-3.5": -3.5, "3E2": 300, "0.30000000000000004": 0.30000000000000004} {
		if got, ok := workbook.ParseNumber(text); !ok || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "一千", "NaN", "Inf", "-inf", "0x10", "1_000", "1e999", "12小时"} {
		if got, ok := workbook.ParseNumber(text); ok {
			t.Errorf("%q is read as %v, want a mistake", text, got)
		}
	}
}

// TestWhatIsShownIsRead: the ends of a validity and open times are written in the forms that are read.
func TestWhatIsShownIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(registry.BeginMs/1000+1, registry.ForeverMs/1000-1-40*366*86400).Draw(t, "second") * 1000
		if got, _, ok := workbook.ParseInstant(workbook.ShowFrom(ms), false); !ok || got != ms {
			t.Errorf("from %q: got %d, %v, want %d", workbook.ShowFrom(ms), got, ok, ms)
		}
		got, hasTime, ok := workbook.ParseInstant(workbook.ShowTo(ms), false)
		if !hasTime {
			got += 24 * 3600 * 1000
		}
		if !ok || got != ms {
			t.Errorf("to %q: got %d, %v, want %d", workbook.ShowTo(ms), got, ok, ms)
		}
		minute := rapid.IntRange(0, 1440).Draw(t, "minute")
		if got, ok := workbook.ParseClock(workbook.ShowClock(minute)); !ok || got != minute {
			t.Errorf("clock %q: got %d, %v, want %d", workbook.ShowClock(minute), got, ok, minute)
		}
	})
}

// TestHarmless: no text that is written begins like a formula, and what is written is read as it was.
func TestHarmless(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := workbook.Clean(rapid.StringMatching(`[=+\-@'a张 ]{0,6}`).Draw(t, "text"))
		written := workbook.Harmless(text)
		if written != "" && strings.IndexByte("=+-@", written[0]) >= 0 {
			t.Errorf("%q is written as %q", text, written)
		}
		if got := workbook.Clean(written); got != text {
			t.Errorf("%q is written as %q and read as %q", text, written, got)
		}
	})
}

func FuzzCells(f *testing.F) {
	for _, s := range []string{"2026-03-02 08:30", "2026年3月2日", "46083.5", "8点30分", "08:30-11:30,13:30-17:00", "1,400", "5.00103E+17", "'=1+1", "关闭", "23:50-00:10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if ms, _, ok := workbook.ParseInstant(s, false); ok && (ms < registry.BeginMs || ms > registry.ForeverMs) {
			t.Errorf("instant %q is outside the years of the registry: %d", s, ms)
		}
		if minute, ok := workbook.ParseClock(s); ok && (minute < 0 || minute > 1440) {
			t.Errorf("clock %q is no minute of a day: %d", s, minute)
		}
		if times, ok := workbook.ParseTimes(s); ok {
			again, ok := workbook.ParseTimes(workbook.ShowTimes(times))
			if !ok || again.String() != times.String() {
				t.Errorf("times %q are shown as %q and read as %v", s, workbook.ShowTimes(times), again)
			}
		}
		if ranges, ok := workbook.ParseRanges(s); ok && len(ranges) == 0 {
			t.Errorf("ranges %q are right and none", s)
		}
		if v, ok := workbook.ParseNumber(s); ok && v-v != 0 {
			t.Errorf("number %q is %v", s, v)
		}
		if once := workbook.Clean(s); len(once) > len(s) {
			t.Errorf("%q is longer when clean: %q", s, once)
		}
	})
}

func TestDecodeText(t *testing.T) {
	t.Parallel()
	const want = "人员编号,姓名\nS1,张三\n"
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"UTF-8": want, "UTF-8 with its mark": "\xef\xbb\xbf" + want, "GB18030": gb, "UTF-16": utf16(want),
	} {
		if got, ok := workbook.DecodeText([]byte(data)); !ok || got != want {
			t.Errorf("%s: got %q, %v", name, got, ok)
		}
	}
	for name, data := range map[string]string{"zeros": "a\x00b", "neither": "\xff\x80\x81", "torn GB18030": gb[:len(gb)-3] + "\x81"} {
		if got, ok := workbook.DecodeText([]byte(data)); ok {
			t.Errorf("%s is read as %q, want a mistake", name, got)
		}
	}
}

func utf16(s string) string {
	out := []byte{0xff, 0xfe}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return string(out)
}
