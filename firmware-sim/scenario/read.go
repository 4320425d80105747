package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/strictyaml"
)

// Version is the version of the language that this package reads.
const Version = 1

// Overrides change what a file says, as flags of a command do. The zero value changes nothing.
type Overrides struct {
	// Seed takes the place of the file's; nil leaves it.
	Seed *uint64
	// Faults, when not nil, take the place of the file's. Each is written as an item of the list would be: drop, or
	// {kind: delay, rate: 0.1, for: 30s}. A kind alone stands for the file's own faults of that kind where it has any: so
	// one file of all faults is played with each of them alone.
	Faults []string
}

// Read reads a scenario file. name is how problems call it, such as its path. The error is Problems, all mistakes of the
// file with their places.
func Read(name string, text []byte) (*Scenario, error) { return ReadWith(name, text, Overrides{}) }

// ReadWith is Read with some of the file's values replaced before anything is derived from them.
func ReadWith(name string, text []byte, o Overrides) (*Scenario, error) {
	f := &file{checker: checker{file: name}, overrides: o}
	if root := f.parse(text); root != nil {
		f.scenario(root)
		root.done()
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return &f.Scenario, nil
}

// file is a scenario that is being read.
type file struct {
	checker
	Scenario
	overrides Overrides
	bases     []*base
	end       int64 // of the scenario
	// timeless is true when the first day could not be read: nothing more is said about dates then.
	timeless bool
	// totals of the whole file, by what is counted; over is true once one of them was too high: what is left is not read.
	totals   map[called]int
	exceeded map[called]bool
	over     bool
}

// parse returns the root of a YAML text, or nil, and what is wrong has been said.
func (f *file) parse(text []byte) *object {
	root, problems := strictyaml.Parse(text)
	for _, p := range problems {
		f.bad(spot{line: p.Line, column: p.Column}, "", wrong{p.Zh, p.En})
	}
	if len(problems) > 0 {
		return nil
	}
	return f.object(spot{line: max(root.Line, 1), column: max(root.Column, 1)}, root)
}

func (f *file) scenario(o *object) {
	if node, at, ok := o.get("version"); ok && (node.Kind != strictyaml.Scalar || node.Text != strconv.Itoa(Version)) {
		f.bad(at, node.Text, wrong{fmt.Sprintf("语言版本，应为 %d", Version), fmt.Sprintf("the version of the language, want %d", Version)})
	}
	f.Name = o.name(f.file)
	f.readSeed(o)
	f.readTime(o)
	f.Holidays = f.dates(o, "holidays")
	f.readMakeup(o)
	if !o.each("bases", MaxBases, f.base) {
		f.bad(o.at, "", wrong{"缺少 bases：至少一个基地", "bases is missing: at least one base is needed"})
	}
	for _, b := range f.bases {
		f.Bases = append(f.Bases, b.Base)
	}
	f.readFaults(o)
	f.readFrauds(o)
	f.checkCards()
	if !f.over {
		f.checkTimetable()
	}
}

func (f *file) readSeed(o *object) {
	f.Seed = 1
	if node, at, ok := o.get("seed"); ok {
		v, err := strconv.ParseUint(node.Text, 10, 64)
		if node.Kind != strictyaml.Scalar || node.Quoted || err != nil {
			f.bad(at, node.Text, wrong{"应为 0 至 18446744073709551615 的整数", "want a whole number from 0 to 18446744073709551615"})
		}
		f.Seed = v
	}
	if f.overrides.Seed != nil {
		f.Seed = *f.overrides.Seed
	}
}

// readTime reads zone, first day and number of days.
func (f *file) readTime(o *object) {
	zone, at := o.text("zone", "Asia/Shanghai")
	var ok bool
	if f.Zone, ok = parseZone(zone); !ok {
		f.bad(at, zone, wrongZone)
		f.Zone, _ = parseZone("Asia/Shanghai")
	}
	f.Days = o.whole("days", defaultDays, 1, MaxDays)
	node, at, ok := o.require("from", wrong{"第一天的日期，如 2026-03-02", "the date of the first day, such as 2026-03-02"})
	if ok {
		if f.FromMs, ok = parseDate(node.Text, f.Zone); !ok || node.Kind != strictyaml.Scalar {
			f.bad(at, node.Text, wrongDate)
		}
	}
	if f.timeless = !ok; f.timeless {
		f.FromMs, _ = parseDate("2026-01-01", f.Zone)
	}
	f.end = f.Midnight(f.Days)
}

// dates reads dates and ranges of them within the scenario, in order, each once; nil when they are not given.
func (f *file) dates(o *object, key string) []int64 {
	words, ok := o.words(key, maxItems)
	if !ok {
		return nil
	}
	out := []int64{}
	for _, w := range words {
		first, last, ok := parseDates(w.text, f.Zone)
		if !ok {
			f.bad(w.at, w.text, wrong{wrongDate.zh + "，或范围 2026-05-01..2026-05-05", wrongDate.en + ", or a range such as 2026-05-01..2026-05-05"})
			continue
		}
		if !f.inside(w, span.Span{StartMs: first, EndMs: last + 1}) {
			continue
		}
		for at := time.UnixMilli(first).In(f.Zone); at.UnixMilli() <= last && len(out) < 2*MaxDays; at = at.AddDate(0, 0, 1) {
			out = append(out, at.UnixMilli())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inside reports whether a span lies within the scenario, and says so if not.
func (f *file) inside(w word, s span.Span) bool {
	if f.timeless || s.StartMs >= f.FromMs && s.EndMs <= f.end {
		return true
	}
	first, last := f.date(f.FromMs), f.date(f.end-1)
	f.bad(w.at, w.text, wrong{fmt.Sprintf("不在情景之内：%s 至 %s", first, last), fmt.Sprintf("outside the scenario, which lasts from %s to %s", first, last)})
	return false
}

func (f *file) date(ms int64) string { return time.UnixMilli(ms).In(f.Zone).Format(dateForm) }

func (f *file) readMakeup(o *object) {
	f.Makeup = f.dates(o, "makeup")
	_, at, _ := o.get("makeup")
	for _, ms := range f.Makeup {
		switch day := f.weekday(ms); {
		case f.Holiday(ms):
			f.bad(at, f.date(ms), wrong{"同一天不能既是假日又是调休上班日", "one day cannot be both a holiday and a make-up day"})
		case day != time.Saturday && day != time.Sunday:
			f.bad(at, f.date(ms), wrong{"调休上班日应为周六或周日", "want a Saturday or Sunday: other days are working days anyhow"})
		}
	}
}

// instant reads a date or a local time within the scenario; 0 when it is not given.
func (f *file) instant(o *object, key string) int64 {
	node, at, ok := o.get(key)
	if !ok {
		return 0
	}
	ms, ok := parseInstant(node.Text, f.Zone)
	if !ok || node.Kind != strictyaml.Scalar {
		f.bad(at, node.Text, wrong{`应为日期或当地时刻，如 2026-03-02 或 "2026-03-02 10:30"`, `want a date or a local time such as 2026-03-02 or "2026-03-02 10:30"`})
		return 0
	}
	if !f.inside(word{node.Text, at}, span.Span{StartMs: ms, EndMs: ms}) {
		return 0
	}
	return ms
}

// bounds reads from and to; 0 is without bound.
func (f *file) bounds(o *object) (fromMs, toMs int64) {
	fromMs, toMs = f.instant(o, "from"), f.instant(o, "to")
	if fromMs != 0 && toMs != 0 && toMs <= fromMs {
		node, at, _ := o.get("to")
		f.bad(at, node.Text, wrong{"应在 from 之后", "want a time after from"})
		return fromMs, 0
	}
	return fromMs, toMs
}

// count adds to a total of the whole file and reports whether that is still within its limit.
func (f *file) count(at spot, what called, n, most int) bool {
	if f.totals == nil {
		f.totals = map[called]int{}
	}
	f.totals[what] += n
	if f.totals[what] <= most {
		return true
	}
	f.totals[what] = most // so that no sum overflows
	f.over = true
	if f.exceeded[what] {
		return false
	}
	if f.exceeded == nil {
		f.exceeded = map[called]bool{}
	}
	f.exceeded[what] = true
	f.bad(at, "", wrong{fmt.Sprintf("一个情景最多 %d 个%s", most, what.zh), fmt.Sprintf("a scenario has at most %d %s", most, what.en)})
	return false
}

// id checks an id that was made from a template.
func (f *file) id(at spot, id string) bool {
	if len(id) <= maxID && idShape.MatchString(id) && !strings.Contains(id, "..") {
		return true
	}
	f.bad(at, id, wrongID)
	return false
}

// pattern reads the template of ids with its default. For more than one thing it needs the number.
func (f *file) pattern(o *object, def string, count int) (string, spot) {
	text, at := o.text("id", def)
	if count > 1 && !numeral.MatchString(text) {
		f.bad(at, text, wrong{"有多个时须含序号 {n}", "more than one of them need the number {n} in it"})
	}
	return text, at
}
