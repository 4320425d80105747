package clue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	in  = telemetry.DirectionIn
	out = telemetry.DirectionOut
)

// honest is a day of the class as it should be: everybody comes and goes by themselves, and the machines work.
func honest(w *world) *dayOf {
	d := w.day()
	d.lesson("turning", "8:30-11:30")
	d.come("11:30", w.trainees()...)
	d.at("door", d.ms("8:15"), "x1", in)
	d.works("8:35-11:28")
	return d
}

func weeks(w *world, n int) {
	for range n {
		honest(w)
	}
}

// case is a day with a fraud, or one that looks like it and is none.
type story struct {
	name string
	n    int // trainees, 6 where it is 0
	past int // honest days before
	tell func(w *world)
	want []string
}

func play(t *testing.T, stories []story) {
	t.Helper()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n := s.n
			if n == 0 {
				n = 6
			}
			w := newWorld(t, n)
			weeks(w, s.past)
			s.tell(w)
			if diff := cmp.Diff(s.want, w.find()); diff != "" {
				t.Errorf("clues (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHonestDays(t *testing.T) {
	t.Parallel()
	play(t, []story{
		{name: "a class", past: 5, tell: func(w *world) { honest(w) }},
		{name: "nobody at all", tell: func(w *world) { w.day() }},
		{name: "a class that comes by bus and queues", past: 3, n: 9, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			d.hand("8:20", in, "t03", "t07", "t01", "t08", "t05", "t02", "t09", "t04", "t06")
			d.hand("11:31", out, "t05", "t03", "t02", "t06", "t08", "t01", "t04", "t07", "t09")
		}},
		{name: "theory day", past: 5, tell: func(w *world) {
			d := w.day()
			d.lesson("theory", "8:30-11:30")
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:12")+int64(i)*90_000, p, in)
				d.at("lab-door", d.ms("11:31")+int64((i*5)%6)*20_000, p, out)
			}
		}},
		{name: "exam at the stations, most of them unused", past: 5, tell: func(w *world) {
			w.people.Classes = append(w.people.Classes, registry.Class{
				ID: "exam", Name: "考试", Use: registry.UseAssessment, Profile: machine, Workshop: hall, Stations: []string{"s2", "s3"},
			})
			for _, p := range w.trainees() {
				w.people.Enrolments = append(w.people.Enrolments, registry.Enrolment{Class: "exam", Person: p, Valid: registry.Always()})
			}
			d := w.day()
			d.claim(d.lesson("exam", "8:30-11:30"), "", 0)
			d.come("11:30", w.trainees()...)
		}},
		{name: "the readers were away all morning", past: 5, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			d.deaf[hall] = span.NewSet(d.during("7:00-13:00"))
		}},
		{name: "most people never tap out", past: 5, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			for i, p := range w.trainees() {
				d.at("door", d.ms("8:10")+int64(i)*120_000, p, in)
			}
			d.out("11:32", "t03")
		}},
		{name: "a power cut with a work order", past: 5, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("9:30", w.trainees()...)
			d.works("8:35-9:28")
			d.excused = []clue.Excuse{{Span: d.during("9:25-12:00")}}
		}},
	})
}

func TestGhosts(t *testing.T) {
	t.Parallel()
	play(t, []story{
		{name: "claimed and tapped, and no machine ran", past: 5, want: []string{"F1 no_work", "F3 idle", "F7 dark+ratio"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
		}},
		{name: "one machine runs for twelve", n: 12, past: 5, want: []string{"F1 stations+energy"}, tell: func(w *world) {
			d := w.day()
			w.turning().MaxPerStation = 0
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			d.works("8:35-11:28", "m1")
			d.machine("m1").watts = func(int64) float64 { return 700 + 400*w.rng.Float64() }
			d.machine("m1").on = span.NewSet(d.during("8:35-11:28"))
		}},
		{name: "a class in the teacher's hand", past: 5, want: []string{"F1 one_hand", "F2 burst"}, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			d.hand("8:28", in, w.trainees()...)
			d.hand("11:31", out, w.trainees()...)
		}},
		{name: "too many for the room", past: 1, want: []string{"F1 room"}, tell: func(w *world) {
			w.seats[hall] = 4
			honest(w)
		}},
		{name: "two of three meters were away", past: 5, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			d.works("8:35-11:28", "m2", "m3")
			d.machine("m2").silent = span.NewSet(d.date.Span())
			d.machine("m3").silent = span.NewSet(d.date.Span())
		}},
	})
}

func TestManyCards(t *testing.T) {
	t.Parallel()
	holder := func(d *dayOf, inAt, outAt string) {
		d.hand(inAt, in, "t02", "t01", "t03", "t04")
		d.hand(outAt, out, "t02", "t01", "t03", "t04")
		for i, p := range []string{"t05", "t06", "t07", "t08", "t09", "t10", "t11", "t12"} {
			d.at("door", d.ms("8:09")+int64(i)*100_000, p, in)
		}
	}
	play(t, []story{
		{name: "four cards in one hand on one day", n: 12, past: 2, want: []string{"F2 burst"}, tell: func(w *world) {
			w.turning().MaxPerStation = 6
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			holder(d, "8:26", "11:34")
		}},
		{name: "four friends come together once and go apart", n: 12, past: 2, tell: func(w *world) {
			w.turning().MaxPerStation = 6
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.works("8:35-11:28")
			d.hand("8:26", in, "t02", "t01", "t03", "t04")
			for i, p := range w.trainees()[4:] {
				d.at("door", d.ms("8:09")+int64(i)*100_000, p, in)
			}
			d.out("11:31", "t02")
			d.out("11:33", "t04")
			d.out("11:34", "t01")
			d.out("11:36", "t03")
		}},
		{name: "a group that answered a random check", n: 12, past: 2, tell: func(w *world) {
			w.turning().MaxPerStation = 6
			d := w.day()
			id := d.lesson("turning", "8:30-11:30")
			w.people.Checks = []registry.Check{{Session: id, Span: d.during("9:50-10:10")}}
			d.works("8:35-11:28")
			holder(d, "8:26", "11:34")
			for i, p := range w.trainees() {
				d.at("door", d.ms("9:52")+int64(i)*40_000, p, telemetry.DirectionNone)
			}
		}},
		{name: "five cards in the same order on three days, without tapping out", n: 5, want: []string{"F1 one_hand", "F2 burst"}, tell: func(w *world) {
			for range 3 {
				d := w.day()
				d.lesson("turning", "8:30-11:30")
				d.works("8:35-11:28")
				d.hand("8:26", in, "t01", "t02", "t03", "t04", "t05")
			}
		}},
		{name: "seven cards nearly in order on four days", n: 7, want: []string{"F1 one_hand", "F2 same_order"}, tell: func(w *world) {
			for i := range 4 {
				d := w.day()
				d.lesson("turning", "8:30-11:30")
				d.works("8:35-11:28")
				order := []string{"t01", "t02", "t03", "t04", "t05", "t06", "t07"}
				if i < 3 {
					order[2*i], order[2*i+1] = order[2*i+1], order[2*i]
				}
				d.hand("8:26", in, order...)
			}
		}},
		{name: "two cards that are never apart", n: 12, want: []string{"F2 pair"}, tell: func(w *world) {
			w.turning().MaxPerStation = 6
			for i := range 3 {
				d := w.day()
				d.lesson("turning", "8:30-11:30")
				d.works("8:35-11:28")
				d.come("11:30", w.trainees()[2:]...)
				d.hand("8:03", in, "t01", "t02")
				if i%2 == 0 {
					d.hand("11:40", out, "t02", "t01")
				} else {
					d.hand("11:40", out, "t01", "t02")
				}
			}
		}},
	})
}

func TestTapAndLeave(t *testing.T) {
	t.Parallel()
	stationed := func(d *dayOf) {
		for _, id := range []string{"s1", "s2", "s3"} {
			d.readers = append(d.readers, clue.Reader{ID: "reader-" + id, Place: attendance.Place{Workshop: hall, Station: id}})
		}
	}
	three := func(w *world, leaver string) {
		d := w.day()
		stationed(d)
		w.turning().MaxPerStation = 1
		d.lesson("turning", "8:30-11:30")
		d.works("8:35-11:28")
		d.come("11:30", w.trainees()...)
		for i, p := range w.trainees() {
			if p != leaver {
				d.at("reader-s"+string(rune('1'+i)), d.ms("8:31")+int64(i)*20_000, p, telemetry.DirectionNone)
			}
		}
	}
	play(t, []story{
		{name: "an own station that nobody worked at", past: 3, want: []string{"F3 idle"}, tell: func(w *world) {
			for i := range w.people.Enrolments {
				if e := &w.people.Enrolments[i]; e.Class == "turning" {
					e.Station = map[string]string{"t01": "s1", "t02": "s2"}[e.Person]
					if e.Station == "" {
						e.Station = "s3"
					}
				}
			}
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			d.works("8:35-11:28", "m2", "m3")
		}},
		{name: "tapped at the door and at no station", n: 3, want: []string{"F3 station"}, tell: func(w *world) { three(w, "t02") }},
		{name: "everybody is at a station", n: 3, tell: func(w *world) { three(w, "") }},
		{name: "again and again", n: 3, want: []string{"F3 station+repeated"}, tell: func(w *world) {
			three(w, "t02")
			three(w, "t02")
			three(w, "")
			three(w, "t02")
		}},
		{name: "checks without an answer", n: 3, want: []string{"F3 checks"}, tell: func(w *world) {
			for range 2 {
				d := honest(w)
				w.people.Checks = append(w.people.Checks, registry.Check{Session: d.sessions[0], Person: "t01", Span: d.during("9:50-10:00")})
			}
		}},
		{name: "the machine is broken and nothing is known of it", past: 3, tell: func(w *world) {
			d := w.day()
			d.lesson("turning", "8:30-11:30")
			d.come("11:30", w.trainees()...)
			for _, m := range d.machines {
				m.silent = span.NewSet(d.date.Span())
			}
		}},
		{name: "the class moved, on record", past: 3, tell: func(w *world) {
			d := w.day()
			id := d.lesson("turning", "8:30-11:30")
			for i := range w.people.Sessions {
				if w.people.Sessions[i].ID == id {
					w.people.Sessions[i].Workshop = lab
				}
			}
			for i, p := range w.trainees() {
				d.at("lab-door", d.ms("8:12")+int64(i)*90_000, p, in)
				d.at("lab-door", d.ms("11:31")+int64((i*5)%6)*20_000, p, out)
			}
		}},
	})
}
