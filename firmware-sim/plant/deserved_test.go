package plant_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// at is a clock time of 2026-03-02.
func at(clockTime string) int64 {
	return monday().UnixMilli() + clock("0:00", clockTime).To.Milliseconds()
}

func from(start, end string) span.Span { return span.Span{StartMs: at(start), EndMs: at(end)} }

// lesson is a day with one class at one station with one machine, written by hand.
type lesson struct {
	base    *scenario.Base
	class   *scenario.Class
	session plant.Session
	day     *plant.Day
}

func newLesson(profile, start, end string) *lesson {
	l := &lesson{base: &scenario.Base{Code: "B", Workshops: []scenario.Workshop{{
		ID: "w", Machines: []scenario.Machine{{ID: "m"}}, Stations: []scenario.Station{{ID: "s", Machines: []string{"m"}, Capacity: 9}},
	}}}}
	slot := practice(start, end)
	l.class = &scenario.Class{ID: "c", Profile: profile, Workshop: "w", Stations: []string{"s"}, Slots: []scenario.Slot{slot}}
	whole := from(start, end)
	day := span.Span{StartMs: at("0:00"), EndMs: at("24:00")}
	l.session = plant.Session{Class: l.class, Slot: &l.class.Slots[0], Planned: whole, Held: whole, Whole: whole, BeginsMs: day.StartMs}
	l.day = &plant.Day{Span: day, Base: l.base, Machines: []plant.MachineDay{{Machine: &l.base.Workshops[0].Machines[0]}}}
	return l
}

// comes adds a trainee who is there.
func (l *lesson) comes(start, end, station string) *lesson {
	id := fmt.Sprint("p", len(l.class.Trainees))
	l.class.Trainees = append(l.class.Trainees, id)
	l.day.People = append(l.day.People, plant.PersonDay{
		Person: &scenario.Person{ID: id}, Present: []plant.Presence{{Span: from(start, end), Station: station}},
	})
	return l
}

// does lets the machine do something.
func (l *lesson) does(state plant.State, start, end string) *lesson {
	m := &l.day.Machines[0]
	m.Phases = append(m.Phases, plant.Phase{Span: from(start, end), State: state})
	return l
}

// reader puts a reader up at a station.
func (l *lesson) reader(station string) *lesson {
	l.base.Workshops[0].Readers = []scenario.Reader{{ID: "r", Station: station}}
	return l
}

func (l *lesson) seats(n int) *lesson {
	l.base.Workshops[0].Stations[0].Capacity = n
	return l
}

func (l *lesson) pause(start, end string) *lesson {
	l.session.Breaks = append(l.session.Breaks, from(start, end))
	return l
}

func (l *lesson) theory() *lesson {
	l.class.Slots[0].Practice = false
	return l
}

func (l *lesson) done() *plant.Day {
	l.day.Sessions = []plant.Session{l.session}
	return l.day
}

func TestDeserved(t *testing.T) {
	t.Parallel()
	ruled := func(change func(*plant.Rule)) plant.Rule {
		r := plant.DefaultRule()
		change(&r)
		return r
	}
	usual := plant.DefaultRule()
	run := func(profile string) *lesson { return newLesson(profile, "8:30", "11:30").comes("8:20", "11:35", "s") }
	for _, tt := range []struct {
		name   string
		lesson *lesson
		rule   plant.Rule
		want   []int64 // verified minutes of each trainee
	}{
		{"theory is schedule and presence", newLesson("machine", "8:30", "11:30").theory().pause("9:50", "10:05").comes("8:45", "11:40", ""), usual, []int64{150}},
		{"a run proves its surroundings", run("machine").does(plant.Running, "9:00", "9:30"), usual, []int64{50}},
		{"being ready next to a run is preparing", run("machine").does(plant.Idle, "8:40", "9:00").does(plant.Running, "9:00", "9:30").does(plant.Idle, "9:30", "11:00"), usual, []int64{80}},
		{"unless the rule has none of it", run("machine").does(plant.Idle, "8:40", "9:00").does(plant.Running, "9:00", "9:30"), ruled(func(r *plant.Rule) { r.Adjoin = 0 }), []int64{50}},
		{"being ready apart from a run is none", run("machine").does(plant.Running, "9:00", "9:30").does(plant.Off, "9:30", "9:31").does(plant.Idle, "9:31", "11:00"), usual, []int64{50}},
		{"breaks never count", run("machine").pause("9:10", "9:20").does(plant.Running, "9:00", "9:30"), usual, []int64{40}},
		{"an arc proves its window", run("burst").does(plant.Running, "9:02", "9:03"), usual, []int64{25}},
		{"an idle welder proves nothing", run("burst").does(plant.Idle, "8:30", "11:30"), usual, []int64{0}},
		{"an oven needs nobody", run("thermal").does(plant.Running, "8:00", "12:00"), usual, []int64{180}},
		{"a computer has to be on", run("computer").does(plant.Idle, "9:00", "10:00"), usual, []int64{80}},
		{"a bench has no condition", run("bench").does(plant.Off, "0:00", "24:00"), usual, []int64{180}},
		{"a kitchen neither", run("kitchen"), usual, []int64{180}},
		{"who found no seat earns nothing", newLesson("machine", "8:30", "11:30").comes("8:20", "11:35", "").does(plant.Running, "8:00", "12:00"), usual, []int64{0}},
		{
			"who comes fourth waits for a seat",
			run("machine").comes("8:20", "11:35", "s").comes("8:20", "9:30", "s").comes("8:50", "11:35", "s").does(plant.Running, "8:00", "12:00"), usual,
			[]int64{180, 180, 60, 120},
		},
		{"a day has its limit", newLesson("machine", "8:00", "16:00").comes("8:00", "16:00", "s").does(plant.Running, "8:00", "16:00"), usual, []int64{360}},
		{"and may have none", newLesson("machine", "8:00", "16:00").comes("8:00", "16:00", "s").does(plant.Running, "8:00", "16:00"), ruled(func(r *plant.Rule) { r.DailyCap = 0 }), []int64{480}},
		{"of a class the station proves anybody", newLesson("machine", "8:30", "11:30").comes("8:20", "11:35", "").does(plant.Running, "9:00", "9:30"), ruled(func(r *plant.Rule) { r.ByClass = true }), []int64{50}},
		{
			"but only so many", newLesson("machine", "8:30", "11:30").comes("8:20", "11:35", "").comes("8:25", "11:35", "").does(plant.Running, "9:00", "9:30"),
			ruled(func(r *plant.Rule) { r.ByClass, r.PerStation = true, 1 }),
			[]int64{50, 0},
		},
		{
			"without readers at stations nobody has a station", newLesson("machine", "8:30", "11:30").comes("8:20", "11:35", "").does(plant.Running, "9:00", "9:30"),
			ruled(func(r *plant.Rule) { r.ByReaders = true }),
			[]int64{50},
		},
		{
			"with them everybody has", newLesson("machine", "8:30", "11:30").reader("s").comes("8:20", "11:35", "").does(plant.Running, "9:00", "9:30"),
			ruled(func(r *plant.Rule) { r.ByReaders, r.ByClass = true, true }),
			[]int64{0},
		},
		{
			"a station has its seats", run("machine").seats(2).comes("8:20", "11:35", "s").comes("8:20", "11:35", "s").does(plant.Running, "8:00", "12:00"),
			ruled(func(r *plant.Rule) { r.BySeats, r.PerStation = true, 1 }),
			[]int64{180, 180, 0},
		},
		{
			"and never fewer than the rule's", run("machine").seats(1).comes("8:20", "11:35", "s").does(plant.Running, "8:00", "12:00"),
			ruled(func(r *plant.Rule) { r.BySeats, r.PerStation = true, 2 }),
			[]int64{180, 180},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []int64
			for _, m := range plant.Deserved(tt.lesson.done(), plant.Neighbours{}, tt.rule) {
				got = append(got, m.Verified.Ms()/minuteMs)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("verified minutes are %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDeservedLooksPastMidnight(t *testing.T) {
	t.Parallel()
	l := newLesson("machine", "22:00", "26:00").comes("21:55", "24:00", "s").does(plant.Off, "0:00", "24:00")
	d := l.done()
	d.Sessions[0].Planned.EndMs = d.EndMs
	after := newLesson("machine", "22:00", "26:00").does(plant.Running, "24:04", "25:00").done()
	after.Span = span.Span{StartMs: d.EndMs, EndMs: d.EndMs + dayMs}
	for _, tt := range []struct {
		near plant.Neighbours
		want int64
	}{{plant.Neighbours{}, 0}, {plant.Neighbours{After: after}, 6}} {
		if got := plant.Deserved(d, tt.near, plant.DefaultRule())[0].Verified.Ms() / minuteMs; got != tt.want {
			t.Errorf("verified %d minutes, want %d", got, tt.want)
		}
	}
}

func TestDeservedIsWithinWhatHappened(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := only(cheats(seed), scenario.Lathe, scenario.CNCMill, scenario.Welder)
		for i := range s.Bases {
			for j := range s.Bases[i].Classes {
				s.Bases[i].Classes[j].Profile = [...]string{"machine", "burst", "thermal", "computer", "bench"}[rng.IntN(5)]
			}
		}
		rule := plant.DefaultRule()
		rule.PerStation = 1 + rng.IntN(3)
		rule.DailyCap = time.Duration(rng.IntN(7)) * time.Hour
		rule.ByClass = rng.IntN(2) == 0
		p := newPlant(t, s)
		base, day := rng.IntN(2), rng.IntN(s.Days-1)
		d := p.Day(base, day)
		near := plant.Neighbours{After: p.Day(base, day+1)}
		if day > 0 {
			near.Before = p.Day(base, day-1)
		}
		checkMerits(d, plant.Deserved(d, near, rule), rule, func(format string, args ...any) {
			t.Fatalf(fmt.Sprintf("seed %d, base %d, day %d, %+v: ", seed, base, day, rule)+format, args...)
		})
	}
}

func checkMerits(d *plant.Day, merits []plant.Merit, rule plant.Rule, bad complain) {
	of := map[string]int64{}
	seats := map[string][]span.Span{}
	for _, m := range merits {
		s := &d.Sessions[m.Session]
		i := slices.IndexFunc(d.People, func(p plant.PersonDay) bool { return p.Person == m.Person })
		var there span.Set
		station := ""
		for _, p := range d.People[i].Present {
			if p.Session == m.Session {
				there = there.Union(span.NewSet(p.Span))
				station = p.Station
			}
		}
		could := there.Clip(s.Planned).Subtract(s.Breaks)
		for what, set := range map[string]span.Set{"verified": m.Verified, "crowded": m.Crowded, "over the limit": m.OverCap} {
			if set.Subtract(could).Ms() > 0 {
				bad("%s of %s: %v, was there %v", what, m.Person.ID, set, could)
			}
		}
		if m.Verified.Intersect(m.Crowded.Union(m.OverCap)).Ms() > 0 {
			bad("%s both counts and does not: %+v", m.Person.ID, m)
		}
		of[m.Person.ID] += m.Verified.Ms()
		if s.Slot.Practice && !rule.ByClass {
			seats[s.Class.ID+station] = append(seats[s.Class.ID+station], m.Verified...)
		}
	}
	for person, ms := range of {
		if rule.DailyCap > 0 && ms > rule.DailyCap.Milliseconds() {
			bad("%s has %d ms, more than the limit %v", person, ms, rule.DailyCap)
		}
	}
	for station, spans := range seats {
		if n := together(spans); n > rule.PerStation {
			bad("%d people count at once at %s", n, station)
		}
	}
}

func ExampleDeserved() {
	l := newLesson("machine", "8:30", "11:30").comes("8:25", "11:32", "s").
		does(plant.Off, "0:00", "8:50").does(plant.Idle, "8:50", "9:00").does(plant.Running, "9:00", "10:00").does(plant.Off, "10:00", "24:00")
	for _, m := range plant.Deserved(l.done(), plant.Neighbours{}, plant.DefaultRule()) {
		fmt.Println(m.Person.ID, m.Verified.Ms()/minuteMs, "minutes")
	}
	// Output:
	// p0 90 minutes
}
