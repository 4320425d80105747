package hours_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// handCase is one case of testdata/cases, in the terms of the packages.
type handCase struct {
	title string
	day   calendar.Date
	// worked says what the calendar must call the day; "" is not said.
	worked     string
	attendance attendance.Rule
	rule       hours.Rule
	lessons    []attendance.Lesson
	taps       []attendance.Tap
	deaf       map[string]span.Set
	stations   []hours.Station
	decisions  []hours.Exclusion
	wants      []want
}

// want is one line of what must come: a verdict, or the units of a day when lesson is "".
type want struct {
	line    string
	next    bool // on the following day
	persons []string
	lesson  string
	status  attendance.Status
	amounts []amount
	granted int64
	units   string
}

type amount struct {
	reason hours.Reason
	ms     int64
	spans  span.Set
}

// readCases reads every case of testdata/cases. What it does not understand fails the test: a case that says nothing
// would hold nobody to anything.
func readCases(t testing.TB) []*handCase {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/[1-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []*handCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, readFile(t, filepath.Base(file), string(text))...)
	}
	return all
}

func readFile(t testing.TB, name, text string) []*handCase {
	t.Helper()
	var all []*handCase
	for i, line := range strings.Split(text, "\n") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			all = append(all, &handCase{
				title: title, day: calendar.Date{Year: 2026, Month: time.March, Day: 2}, deaf: map[string]span.Set{},
				attendance: attendance.DefaultRule(), rule: hours.DefaultRule(),
			})
			continue
		}
		said, ok := strings.CutPrefix(line, "    ")
		if !ok || strings.TrimSpace(said) == "" {
			continue
		}
		if len(all) == 0 {
			t.Fatalf("%s:%d: before the first case", name, i+1)
		}
		if err := all[len(all)-1].read(said); err != nil {
			t.Fatalf("%s:%d: %q: %v", name, i+1, said, err)
		}
	}
	return all
}

func (c *handCase) read(line string) error {
	words := strings.Fields(line)
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), words[0]))
	switch words[0] {
	case "date":
		return c.readDate(words[1:])
	case "rule":
		return c.readRule(words[1:])
	case "lesson":
		return c.readLesson(words[1:])
	case "trainee":
		return c.readTrainee(words[1:])
	case "tap":
		return c.readTaps(words[1], strings.TrimSpace(strings.TrimPrefix(rest, words[1])))
	case "station":
		return c.readStation(words[1], strings.TrimSpace(strings.TrimPrefix(rest, words[1])))
	case "deaf":
		set, err := c.spans(words[1:])
		c.deaf["w"] = set
		return err
	case "check":
		l, err := c.lesson(words[1])
		if err != nil {
			return err
		}
		s, err := c.span(words[2])
		l.Checks = append(l.Checks, registry.Check{Session: l.ID, Span: s})
		return err
	case "exclude", "grant":
		s, err := c.span(words[3])
		c.decisions = append(c.decisions, hours.Exclusion{Session: words[2], Person: words[1], Span: s, Grant: words[0] == "grant"})
		return err
	case "=>", "=>+1":
		return c.readWant(line, words[0] == "=>+1", rest)
	}
	return fmt.Errorf("what is %q?", words[0])
}

func (c *handCase) readDate(words []string) (err error) {
	c.day, err = calendar.ParseDate(words[0])
	if len(words) > 1 {
		c.worked = words[1]
	}
	return err
}

func (c *handCase) readRule(words []string) error {
	for _, w := range words {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "cap", "seats":
			n, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			*map[string]*int{"cap": &c.rule.DailyCapUnits, "seats": &c.rule.PerStation}[key] = n
			continue
		}
		field, ok := map[string]*time.Duration{
			"unit": &c.rule.Unit, "dilation": &c.rule.Dilation, "adjoin": &c.rule.Adjoin, "window": &c.rule.Window,
			"grace": &c.attendance.Grace,
		}[key]
		d, err := time.ParseDuration(value)
		if !ok || err != nil {
			return fmt.Errorf("%q is no rule: %w", w, err)
		}
		*field = d
	}
	return nil
}

func (c *handCase) readLesson(words []string) (err error) {
	l := attendance.Lesson{Session: registry.Session{ID: words[0], Class: "k" + words[0], Workshop: "w"}, Profile: registry.Profile(words[3])}
	if l.Span, err = c.span(words[1]); err != nil {
		return err
	}
	l.Practice = words[2] == "practice"
	if !l.Practice && words[2] != "theory" {
		return fmt.Errorf("%q is neither theory nor practice", words[2])
	}
	for words = words[4:]; len(words) > 1; words = words[2:] {
		switch words[0] {
		case "room":
			l.Workshop = words[1]
		case "stations":
			for len(words) > 1 && strings.HasPrefix(words[1], "s") && words[1] != "seats" {
				l.Stations = append(l.Stations, words[1])
				words = words[1:]
			}
			words = append([]string{"", ""}, words[1:]...)
		case "seats":
			if l.MaxPerStation, err = strconv.Atoi(words[1]); err != nil {
				return err
			}
		case "break":
			s, err := c.span(words[1])
			if err != nil {
				return err
			}
			l.Breaks = span.NewSet(append(l.Breaks, s)...)
		default:
			return fmt.Errorf("what is %q?", words[0])
		}
	}
	c.lessons = append(c.lessons, l)
	return nil
}

func (c *handCase) readTrainee(words []string) error {
	var persons []string
	var own, in string
	for ; len(words) > 0; words = words[1:] {
		switch words[0] {
		case "own":
			own, words = words[1], words[1:]
		case "in":
			in, words = words[1], words[1:]
		default:
			persons = append(persons, words[0])
		}
	}
	for i := range c.lessons {
		l := &c.lessons[i]
		for _, p := range persons {
			if in == "" || in == l.ID {
				l.Trainees = append(l.Trainees, registry.Enrolment{Class: l.Class, Person: p, Station: own})
			}
		}
	}
	return nil
}

func (c *handCase) readTaps(person, text string) error {
	for item := range strings.SplitSeq(text, ",") {
		words := strings.Fields(item)
		at, err := c.clock(words[0])
		if err != nil {
			return err
		}
		tap := attendance.Tap{AtMs: at, Reader: "door", Place: attendance.Place{Workshop: "w"}, Card: person, Person: person}
		for words = words[1:]; len(words) > 0; words = words[1:] {
			switch words[0] {
			case "in":
				tap.Direction = telemetry.DirectionIn
			case "out":
				tap.Direction = telemetry.DirectionOut
			case "expired":
				tap.Expired = true
			case "at":
				tap.Station, tap.Reader, words = words[1], words[1], words[1:]
			case "room":
				tap.Workshop, tap.Reader, words = words[1], words[1], words[1:]
			case "card":
				tap.Card, words = words[1], words[1:]
			default:
				return fmt.Errorf("what is %q?", words[0])
			}
		}
		c.taps = append(c.taps, tap)
	}
	slices.SortStableFunc(c.taps, func(a, b attendance.Tap) int { return cmp.Compare(a.AtMs, b.AtMs) })
	return nil
}

func (c *handCase) readStation(id, text string) error {
	s := hours.Station{Place: attendance.Place{Workshop: "w", Station: id}}
	for item := range strings.SplitSeq(text, ",") {
		words := strings.Fields(item)
		set, err := c.spans(words[1:])
		if err != nil {
			return err
		}
		switch words[0] {
		case "run":
			s.Running = set
		case "ready":
			s.Ready = set
		case "unknown":
			s.Unknown = set
		case "reader":
			s.Registers, s.Deaf = true, set
		case "bare":
			s.Bare = true
		case "off":
		default:
			return fmt.Errorf("what is %q?", words[0])
		}
	}
	c.stations = append(c.stations, s)
	return nil
}

func (c *handCase) readWant(line string, next bool, rest string) error {
	w := want{line: strings.TrimSpace(line), next: next}
	items := strings.Split(rest, "|")
	words := strings.Fields(items[0])
	for len(words) > 0 && words[0] != "units" && !slices.ContainsFunc(c.lessons, func(l attendance.Lesson) bool { return l.ID == words[0] }) {
		w.persons, words = append(w.persons, words[0]), words[1:]
	}
	if len(words) != 2 || len(w.persons) == 0 {
		return fmt.Errorf("want persons, then a lesson and its status or \"units\" and their number")
	}
	if words[0] == "units" {
		w.units = words[1]
	} else {
		w.lesson, w.status = words[0], attendance.Status(words[1])
	}
	for _, item := range items[1:] {
		words := strings.Fields(item)
		ms, err := minutes(words[1])
		if err != nil {
			return err
		}
		if words[0] == "granted" {
			w.granted = ms
			continue
		}
		set, err := c.spans(words[2:])
		if err != nil {
			return err
		}
		reason := hours.Reason(words[0])
		if words[0] == "verified" {
			reason = hours.Verified
		} else if !slices.Contains(hours.Reasons(), reason) {
			return fmt.Errorf("%q is no reason", words[0])
		}
		if set.Ms() != ms {
			return fmt.Errorf("%s: %s are said, the spans add up to %s", words[0], words[1], showMs(set.Ms()))
		}
		w.amounts = append(w.amounts, amount{reason, ms, set})
	}
	c.wants = append(c.wants, w)
	return nil
}

func (c *handCase) lesson(id string) (*attendance.Lesson, error) {
	for i := range c.lessons {
		if c.lessons[i].ID == id {
			return &c.lessons[i], nil
		}
	}
	return nil, fmt.Errorf("no lesson %q", id)
}
