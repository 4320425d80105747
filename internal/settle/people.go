package settle

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// HoursRuleVersion names the rules by which hours are verified. It changes whenever the same evidence may give other
// verdicts.
const HoursRuleVersion = "hours/1"

// besideMs is how far around a day lessons are looked at, so that a tap near its edge is given to the right one.
const besideMs = 12 * 60 * 60 * 1000

// Rules are the figures of attendance and hours.
type Rules struct {
	Attendance attendance.Rule
	Hours      hours.Rule
}

// DefaultRules returns the documented defaults.
func DefaultRules() Rules { return Rules{attendance.DefaultRule(), hours.DefaultRule()} }

// Terms are what people are settled by: the rules, and what named persons decided of the lessons.
type Terms struct {
	Rules
	Decisions []hours.Exclusion
}

// DefaultTerms are the default rules, and no decision.
func DefaultTerms() Terms { return Terms{Rules: DefaultRules()} }

// PeopleDay is who was there on one day at one base, and what of it counts. The story, top to bottom:
//
//	lessons     the timetable of the day and around it           (registry)
//	taps        what the rooms' readers read, and whose it was   (taps.go)
//	deaf        when readers were not heard of                   (taps.go)
//	stations    what the lessons' machines did                   (usage)
//	attendance  who was where                                    (attendance)
//	verdicts    which minutes count, and why the others do not   (hours)
type PeopleDay struct {
	Base string
	Day  calendar.Date
	// Lessons are those that touch the day, in order of beginning.
	Lessons []attendance.Lesson
	// Attendance and Verdicts are of the same trainees' lessons, in the same order.
	Attendance []attendance.Attendance
	Verdicts   []hours.Verdict
	Taps       []attendance.Tap
	Deaf       map[string]span.Set // by workshop
	Stations   []hours.Station
	Machines   []*Machine // of the stations, in order of id
	// Digest names all evidence behind the verdicts (SHA-256, hex).
	Digest string
}

// People derives one day's attendance and hours. The same evidence, registry, roster and terms give the same
// verdicts.
func (s *Settler) People(ctx context.Context, roster *registry.Roster, d calendar.Date, terms Terms) (*PeopleDay, error) {
	p := peopleDay{s: s, roster: roster, rules: terms.Rules, digest: newDigest(), out: &PeopleDay{Base: roster.Base(), Day: d}}
	if err := p.derive(ctx, terms.Decisions); err != nil {
		return nil, fmt.Errorf("people of base %s on %s: %w", roster.Base(), d, err)
	}
	return p.out, nil
}

// peopleDay is a day in the making.
type peopleDay struct {
	s      *Settler
	roster *registry.Roster
	rules  Rules
	digest *digest
	out    *PeopleDay
	only   string              // one person, and whom that person's verdicts depend on; "" is everybody
	around []attendance.Lesson // those of the day, and others near it
	window span.Span           // of all of them
	// stationReaders are the stations with a reader, and when it was not heard of.
	stationReaders map[attendance.Place]span.Set
}

func (p *peopleDay) derive(ctx context.Context, decisions []hours.Exclusion) error {
	day := p.out.Day.Span()
	p.lessons(day)
	if len(p.out.Lessons) == 0 {
		p.out.Digest = p.digest.sum()
		return nil
	}
	if err := p.taps(ctx); err != nil {
		return err
	}
	if err := p.stations(ctx); err != nil {
		return err
	}
	all := attendance.Derive(&attendance.Input{
		Lessons: p.around, Taps: p.out.Taps, Deaf: p.out.Deaf, Running: running(p.out.Stations),
	}, p.rules.Attendance)
	p.out.Attendance = slices.DeleteFunc(all, func(a attendance.Attendance) bool {
		return !slices.ContainsFunc(p.out.Lessons, func(l attendance.Lesson) bool { return l.ID == a.Session })
	})
	p.out.Verdicts = hours.Verify(&hours.Input{
		Day: day, Lessons: p.out.Lessons, Attendance: p.out.Attendance, Stations: p.out.Stations, Decisions: decisions,
	}, p.rules.Hours)
	p.out.Digest = p.digest.sum()
	return nil
}

// lessons finds the timetable of the day and around it.
func (p *peopleDay) lessons(day span.Span) {
	wide := span.Span{StartMs: day.StartMs - besideMs, EndMs: day.EndMs + besideMs}
	for _, s := range p.roster.SessionsIn(wide) {
		p.around = append(p.around, lessonOf(p.roster, s))
	}
	if p.only != "" {
		p.around = concerning(p.around, p.only, day)
	}
	p.around = p.adjoining(day)
	for _, l := range p.around {
		if p.window.Empty() {
			p.window = l.Span
		}
		p.window = span.Span{StartMs: min(p.window.StartMs, l.Span.StartMs), EndMs: max(p.window.EndMs, l.Span.EndMs)}
		if !l.Span.Intersect(day).Empty() {
			p.out.Lessons = append(p.out.Lessons, l)
		}
	}
}

// adjoining keeps the lessons of the day, and those around it that a tap of theirs could belong to as well. Others would only make
// the day rest on the evidence of another one.
func (p *peopleDay) adjoining(day span.Span) []attendance.Lesson {
	var hull span.Span
	gapMs := (p.rules.Attendance.Early + p.rules.Attendance.Late).Milliseconds()
	near := func(l attendance.Lesson) bool {
		if hull.Empty() {
			return !l.Span.Intersect(day).Empty()
		}
		return l.Span.StartMs <= hull.EndMs+gapMs && l.Span.EndMs >= hull.StartMs-gapMs || !l.Span.Intersect(day).Empty()
	}
	for range len(p.around) + 1 { // each round but the last takes one in at least
		was := hull
		for _, l := range p.around {
			switch {
			case !near(l):
			case hull.Empty():
				hull = l.Span
			default:
				hull = span.Span{StartMs: min(hull.StartMs, l.Span.StartMs), EndMs: max(hull.EndMs, l.Span.EndMs)}
			}
		}
		if hull == was {
			break
		}
	}
	return slices.DeleteFunc(p.around, func(l attendance.Lesson) bool { return hull.Empty() || !near(l) })
}

// concerning keeps the lessons that decide one person's verdicts of a day: the person's own, those that want the same stations
// at the same time, also by way of others, and whatever else the trainees of all these attend, for that says where they were.
func concerning(lessons []attendance.Lesson, person string, day span.Span) []attendance.Lesson {
	judged := make([]bool, len(lessons))
	for i := range lessons {
		judged[i] = !lessons[i].Span.Intersect(day).Empty() && has(lessons[i], map[string]bool{person: true})
	}
	for grew := true; grew; {
		grew = false
		for i := range lessons {
			if judged[i] {
				continue
			}
			for k := range lessons {
				if judged[k] && hours.Together(&lessons[i], &lessons[k]) {
					judged[i], grew = true, true
				}
			}
		}
	}
	mates := map[string]bool{}
	for i := range lessons {
		for _, e := range lessons[i].Trainees {
			mates[e.Person] = mates[e.Person] || judged[i]
		}
	}
	return slices.DeleteFunc(lessons, func(l attendance.Lesson) bool { return !has(l, mates) })
}

func has(l attendance.Lesson, people map[string]bool) bool {
	return slices.ContainsFunc(l.Trainees, func(e registry.Enrolment) bool { return people[e.Person] })
}

func lessonOf(r *registry.Roster, s registry.Session) attendance.Lesson {
	c, _ := r.Class(s.Class)
	l := attendance.Lesson{Session: s, Profile: c.Profile, MaxPerStation: c.MaxPerStation, Trainees: r.EnrolledIn(&s)}
	seen := map[registry.Check]bool{}
	for _, e := range l.Trainees {
		for _, check := range r.ChecksOf(s.ID, e.Person) {
			if !seen[check] {
				seen[check] = true
				l.Checks = append(l.Checks, check)
			}
		}
	}
	return l
}

// stations derives what the machines at the lessons' stations did.
func (p *peopleDay) stations(ctx context.Context) error {
	at := map[attendance.Place][]int{}
	var wanted []string
	for _, e := range p.s.registry.EquipmentOf(p.out.Base) {
		place := attendance.Place{Workshop: e.Workshop, Station: e.Station}
		if e.Station != "" && e.Signal.Kind != registry.SignalNone && p.needs(place) {
			at[place] = append(at[place], len(wanted))
			wanted = append(wanted, e.ID)
		}
	}
	reach := p.rules.Hours.Reach()
	window := span.Span{StartMs: p.window.StartMs - reach, EndMs: p.window.EndMs + reach}
	p.out.Machines = make([]*Machine, len(wanted))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, id := range wanted {
		g.Go(func() (err error) {
			p.out.Machines[i], err = p.s.Machine(ctx, p.out.Base, id, window)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, m := range p.out.Machines {
		p.digest.text(m.Equipment.ID)
		p.digest.text(m.Digest)
	}
	for _, place := range p.places() {
		var here []*Machine
		for _, i := range at[place] {
			here = append(here, p.out.Machines[i])
		}
		station := stationOf(place, here, window)
		station.Deaf, station.Registers = p.stationReaders[place]
		p.out.Stations = append(p.out.Stations, station)
	}
	slices.SortFunc(p.out.Stations, func(a, b hours.Station) int {
		return cmp.Or(cmp.Compare(a.Workshop, b.Workshop), cmp.Compare(a.Station, b.Station))
	})
	return nil
}

// places are the stations at which the lessons are practised.
func (p *peopleDay) places() []attendance.Place {
	var out []attendance.Place
	for _, l := range p.around {
		for _, id := range l.Stations {
			if place := (attendance.Place{Workshop: l.Workshop, Station: id}); l.Practice && !slices.Contains(out, place) {
				out = append(out, place)
			}
		}
	}
	return out
}

// needs reports whether a lesson wants the station to prove anything.
func (p *peopleDay) needs(place attendance.Place) bool {
	return slices.ContainsFunc(p.around, func(l attendance.Lesson) bool {
		return l.Practice && l.Workshop == place.Workshop && slices.Contains(l.Stations, place.Station)
	})
}

// stationOf joins the timelines of a station's machines: one that works is enough; what none decides is unknown as long as
// any was not heard of.
func stationOf(place attendance.Place, machines []*Machine, window span.Span) hours.Station {
	var run, ready, unknown []span.Span
	for _, m := range machines {
		for _, x := range m.Timeline {
			switch x.State {
			case usage.Running:
				run = append(run, x.Span)
			case usage.Idle, usage.Fault:
				ready = append(ready, x.Span)
			case usage.Unknown:
				unknown = append(unknown, x.Span)
			case usage.Off:
			}
		}
		unknown = append(unknown, span.NewSet(m.Window).Gaps(window)...)
	}
	s := hours.Station{Place: place, Running: span.NewSet(run...), Bare: len(machines) == 0}
	s.Ready = span.NewSet(ready...).Subtract(s.Running)
	s.Unknown = span.NewSet(unknown...).Subtract(s.Running)
	return s
}

func running(stations []hours.Station) map[attendance.Place]span.Set {
	out := make(map[attendance.Place]span.Set, len(stations))
	for i := range stations {
		out[stations[i].Place] = stations[i].Running
	}
	return out
}
