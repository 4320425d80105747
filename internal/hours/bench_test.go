package hours_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// BenchmarkDay derives attendance and hours of one base-day: 40 classes of 15, half of them in the morning, at 300 machines of
// 40 runs, with 1200 taps. Half of the classes say who works where.
func BenchmarkDay(b *testing.B) {
	in, stations := bigDay()
	day := calendar.Date{Year: 2026, Month: time.March, Day: 2}.Span()
	if len(in.Taps) != 1200 || len(stations) != 300 {
		b.Fatalf("%d taps and %d stations", len(in.Taps), len(stations))
	}
	for b.Loop() {
		attended := attendance.Derive(in, attendance.DefaultRule())
		verdicts := hours.Verify(&hours.Input{Day: day, Lessons: in.Lessons, Attendance: attended, Stations: stations}, hours.DefaultRule())
		if len(verdicts) != 600 {
			b.Fatalf("%d verdicts", len(verdicts))
		}
	}
}

func bigDay() (*attendance.Input, []hours.Station) {
	random := rand.New(rand.NewPCG(1, 2))
	start := calendar.Date{Year: 2026, Month: time.March, Day: 2}.Span().StartMs
	in := &attendance.Input{Running: map[attendance.Place]span.Set{}}
	var stations []hours.Station
	for room := range 20 {
		workshop := fmt.Sprintf("w%d", room)
		var ids []string
		for n := range 15 {
			s := busyStation(random, start, attendance.Place{Workshop: workshop, Station: fmt.Sprintf("s%d", n)})
			in.Running[s.Place] = s.Running
			stations, ids = append(stations, s), append(ids, s.Station)
		}
		for half := range int64(2) {
			from := start + (8*60+30+half*5*60)*minuteMs
			l := attendance.Lesson{
				Session: registry.Session{
					ID: fmt.Sprintf("L%d/%d", room, half), Class: fmt.Sprintf("k%d/%d", room, half), Practice: true,
					Span: span.Span{StartMs: from, EndMs: from + 180*minuteMs}, Workshop: workshop, Stations: ids,
				},
				Profile: registry.Machine,
			}
			for n := range 15 {
				e := registry.Enrolment{Class: l.Class, Person: fmt.Sprintf("p%d/%d/%d", room, half, n)}
				if room%2 == 0 {
					e.Station = ids[n]
				}
				l.Trainees = append(l.Trainees, e)
				for k, at := range []int64{from - random.Int64N(20*minuteMs), l.Span.EndMs + random.Int64N(20*minuteMs)} {
					in.Taps = append(in.Taps, attendance.Tap{
						AtMs: at, Reader: workshop, Place: attendance.Place{Workshop: workshop}, Card: e.Person, Person: e.Person,
						Direction: []telemetry.Direction{telemetry.DirectionIn, telemetry.DirectionOut}[k],
					})
				}
			}
			in.Lessons = append(in.Lessons, l)
		}
	}
	slices.SortFunc(in.Taps, func(a, b attendance.Tap) int { return cmp.Compare(a.AtMs, b.AtMs) })
	return in, stations
}

// busyStation runs forty times between 8:00 and 18:00, mostly ready between runs, off or not heard of at times.
func busyStation(random *rand.Rand, start int64, place attendance.Place) hours.Station {
	s := hours.Station{Place: place}
	at := start + 8*60*minuteMs
	for n := range 40 {
		run := span.Span{StartMs: at, EndMs: at + minuteMs/2 + random.Int64N(15*minuteMs)}
		rest := span.Span{StartMs: run.EndMs, EndMs: run.EndMs + minuteMs/2 + random.Int64N(14*minuteMs)}
		s.Running, at = append(s.Running, run), rest.EndMs
		switch {
		case n%10 == 9:
			s.Unknown = append(s.Unknown, rest)
		case n%4 > 0:
			s.Ready = append(s.Ready, rest)
		}
	}
	return s
}
