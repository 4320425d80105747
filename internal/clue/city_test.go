package clue_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/span"
)

func TestCity(t *testing.T) {
	t.Parallel()
	day, err := calendar.ParseDate(monday)
	if err != nil {
		t.Fatal(err)
	}
	during := func(from, to float64) span.Span {
		at := func(h float64) int64 { return day.Span().StartMs + int64(h*3600_000) }
		return span.Span{StartMs: at(from), EndMs: max(at(to), at(from)+1)}
	}
	seen := func(base, who string, from, to float64) clue.Sighting {
		return clue.Sighting{Base: base, Person: who, Identity: "id-" + who, Card: "card-" + who, Span: during(from, to)}
	}
	claimed := func(s clue.Sighting) clue.Sighting {
		s.Claimed, s.Session = true, "lesson"
		return s
	}
	stranger := func(s clue.Sighting) clue.Sighting {
		s.Person, s.Identity = "", ""
		return s
	}
	teacher := func(s clue.Sighting) clue.Sighting {
		s.Teacher = true
		return s
	}
	// 沙坪坝 and 万州, about 215 km apart; the annex is beside the first.
	places := map[string]clue.Point{"east": {29.54, 106.46}, "west": {30.81, 108.41}, "annex": {29.541, 106.461}}
	for name, c := range map[string]struct {
		list []clue.Sighting
		want []string
	}{
		"in two at once":                 {[]clue.Sighting{seen("east", "t1", 8, 11), seen("west", "t1", 9, 11)}, []string{"F6 overlap"}},
		"claimed here, tapped there":     {[]clue.Sighting{claimed(seen("east", "t1", 8.5, 11.5)), seen("west", "t1", 8.4, 11.6)}, []string{"F6 overlap"}},
		"claimed in both":                {[]clue.Sighting{claimed(seen("east", "t1", 8, 11)), claimed(seen("west", "t1", 10, 12))}, []string{"F6 overlap"}},
		"a copied card":                  {[]clue.Sighting{seen("east", "t1", 8, 11), stranger(seen("west", "t1", 8, 11))}, []string{"F6 overlap"}},
		"one tap amid a stay":            {[]clue.Sighting{seen("east", "t1", 8, 11), seen("west", "t1", 9.5, 9.5)}, []string{"F6 overlap"}},
		"too far in an hour":             {[]clue.Sighting{seen("east", "t1", 8, 10), seen("west", "t1", 11, 12)}, []string{"F6 travel"}},
		"there by the afternoon":         {[]clue.Sighting{seen("east", "t1", 8, 10), seen("west", "t1", 14, 17)}, nil},
		"a claim ends and a stay begins": {[]clue.Sighting{claimed(seen("east", "t1", 8, 11)), seen("west", "t1", 11.1, 12)}, nil},
		"next door":                      {[]clue.Sighting{seen("east", "t1", 8, 10), seen("annex", "t1", 10.01, 12)}, nil},
		"two people":                     {[]clue.Sighting{seen("east", "t1", 8, 11), seen("west", "t2", 8, 11)}, nil},
		"one base":                       {[]clue.Sighting{seen("east", "t1", 8, 11), seen("east", "t1", 9, 12)}, nil},
		"clocks that differ":             {[]clue.Sighting{seen("east", "t1", 8, 10.1), seen("annex", "t1", 10, 12)}, nil},
		"a teacher":                      {[]clue.Sighting{teacher(seen("east", "x", 8, 11)), teacher(seen("west", "x", 8, 11))}, []string{"F11 overlap"}},
		"one id at two bases, two people": {[]clue.Sighting{
			{Base: "east", Person: "t1", Span: during(8, 11)}, {Base: "west", Person: "t1", Span: during(8, 11)},
		}, nil},
	} {
		got := clue.FindCity(day, c.list, places, &clue.DefaultParams().F6)
		if diff := cmp.Diff(c.want, names(got)); diff != "" {
			t.Errorf("%s: clues (-want +got):\n%s", name, diff)
		}
		for i, j := 0, len(c.list)-1; i < j; i, j = i+1, j-1 {
			c.list[i], c.list[j] = c.list[j], c.list[i]
		}
		if diff := cmp.Diff(got, clue.FindCity(day, c.list, places, &clue.DefaultParams().F6)); diff != "" {
			t.Errorf("%s: another order gives other clues:\n%s", name, diff)
		}
	}
}

// TestSightings: a day of one base tells of stays, claims, teachers and strangers' cards; a lost card is nobody's.
func TestSightings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	d := w.day()
	d.lesson("turning", "8:30-11:30")
	d.works("8:35-11:28")
	d.in("8:20", "t01")
	d.out("11:32", "t01")
	d.at("door", d.ms("8:10"), "x1", in)
	d.at("door", d.ms("11:35"), "x1", out)
	d.at("door", d.ms("8:28"), "stranger", in)
	d.at("door", d.ms("11:33"), "stranger", out)
	d.at("door", d.ms("9:00"), "lost", in)
	for i := range d.taps {
		switch d.taps[i].Card {
		case "card-stranger":
			d.taps[i].Person = ""
		case "card-lost":
			d.taps[i].Person, d.taps[i].Expired = "t02", true
		}
	}
	var got []string
	for _, s := range clue.Sightings(w.input()) {
		got = append(got, fmt.Sprintf("%s%s %s claimed=%v teacher=%v %d min", s.Person, s.Session, s.Card, s.Claimed, s.Teacher, s.Span.Ms()/minute))
	}
	want := []string{
		"x1 card-x1 claimed=false teacher=true 205 min",
		"t01 card-t01 claimed=false teacher=false 192 min",
		" card-stranger claimed=false teacher=false 185 min",
		"t01turning-2026-03-02-0 card-t01 claimed=true teacher=false 180 min",
		"t02turning-2026-03-02-0  claimed=true teacher=false 180 min",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sightings (-want +got):\n%s", diff)
	}
}

func TestYear(t *testing.T) {
	t.Parallel()
	at := func(date string) int64 {
		d, err := calendar.ParseDate(date)
		if err != nil {
			t.Fatal(err)
		}
		return d.Span().StartMs
	}
	list := []clue.Participation{
		{"east", "a", "t1", "h1", at("2026-03-02")},
		{"west", "b", "t9", "h1", at("2026-09-01")},
		{"east", "a", "t2", "h2", at("2026-03-02")},
		{"west", "b", "t3", "h2", at("2027-01-01")},
		{"east", "a", "t3", "", at("2026-03-02")},
		{"west", "b", "t3", "", at("2026-09-01")},
		{"east", "a", "t4", "h4", at("2026-03-02")},
		{"east", "a", "t4", "h4", at("2026-03-02")},
	}
	got := clue.FindYear(list, &clue.DefaultParams().F6)
	if len(got) != 1 || got[0].Day.String() != "2026-09-01" || got[0].Base != "west" ||
		!cmp.Equal(got[0].Subjects.Persons, []string{"east/t1", "west/t9"}) {
		t.Errorf("clues %+v", got)
	}
}

// TestNoHourRestsOnAClue: whatever verifies hours or shows attendance does not know this package.
func TestNoHourRestsOnAClue(t *testing.T) {
	t.Parallel()
	read := 0
	for _, pattern := range []string{"../hours/*.go", "../attendance/*.go", "../usage/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			read++
			for _, spec := range f.Imports {
				if path, err := strconv.Unquote(spec.Path.Value); err != nil || strings.HasSuffix(path, "internal/clue") {
					t.Errorf("%s imports clue: a clue never changes an hour", name)
				}
			}
		}
	}
	if read < 10 {
		t.Errorf("only %d files were looked at", read)
	}
}
