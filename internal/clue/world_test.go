package clue_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

const (
	hall    = "hall"
	lab     = "lab"
	minute  = int64(60_000)
	stepMs  = int64(10_000)
	monday  = "2026-03-02"
	machine = registry.Machine
)

// world is a base with one class of n trainees at three lathes in the hall, day by day as a test tells it. Everything
// that settle derives is derived by the packages that settle uses.
type world struct {
	t      testing.TB
	rng    *rand.Rand
	people registry.People
	days   []*dayOf
	seats  map[string]int
	norms  map[string]float64
}

// dayOf is one day as a test tells it.
type dayOf struct {
	w        *world
	date     calendar.Date
	taps     []attendance.Tap
	sessions []string
	deaf     map[string]span.Set
	machines []*machineOf
	readers  []clue.Reader
	opening  map[string]span.Set
	devices  []clue.Device
	mains    []clue.Main
	excused  []clue.Excuse
}

// machineOf is a machine's day: switched on, running, and unknown.
type machineOf struct {
	id               string
	on, runs, silent span.Set
	word             string
	watts            func(ms int64) float64 // while it runs
	dead             bool                   // the meter shows nothing
	device           string
	rebound, long    bool
	profile          registry.Profile
}

func newWorld(t testing.TB, n int) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(1, uint64(n))), seats: map[string]int{}}
	w.people.Base = "east"
	w.people.Classes = []registry.Class{
		{ID: "turning", Name: "车工", Use: registry.UseSocial, Profile: machine, Workshop: hall, Stations: []string{"s1", "s2", "s3"}, Teacher: "x1"},
		{ID: "theory", Name: "理论", Use: registry.UseSocial, Profile: registry.Bench, Workshop: lab, Teacher: "x1"},
	}
	for i := range n {
		id := fmt.Sprintf("t%02d", i+1)
		w.person(id, false)
		for _, c := range []string{"turning", "theory"} {
			w.people.Enrolments = append(w.people.Enrolments, registry.Enrolment{Class: c, Person: id, Valid: registry.Always()})
		}
	}
	w.person("x1", true)
	return w
}

func (w *world) person(id string, teacher bool) {
	identity := fmt.Sprintf("%064x", len(w.people.Persons)+1)
	w.people.Persons = append(w.people.Persons, registry.Person{ID: id, Teacher: teacher, Identity: identity})
	w.people.Cards = append(w.people.Cards, registry.Card{Token: "card-" + id, Person: id, Valid: registry.Always()})
}

func (w *world) turning() *registry.Class {
	return &w.people.Classes[slices.IndexFunc(w.people.Classes, func(c registry.Class) bool { return c.ID == "turning" })]
}

func (w *world) trainees() []string {
	var out []string
	for _, p := range w.people.Persons {
		if !p.Teacher {
			out = append(out, p.ID)
		}
	}
	return out
}

// day adds the next day: with readers at both doors, three machines that are off, and opening hours of 8:00 to 18:00.
func (w *world) day() *dayOf {
	date, err := calendar.ParseDate(monday)
	if err != nil {
		w.t.Fatal(err)
	}
	d := &dayOf{
		w: w, date: date.Add(len(w.days)), deaf: map[string]span.Set{}, opening: map[string]span.Set{},
		readers: []clue.Reader{{ID: "door", Place: attendance.Place{Workshop: hall}}, {ID: "lab-door", Place: attendance.Place{Workshop: lab}}},
	}
	for _, room := range []string{hall, lab} {
		d.opening[room] = span.NewSet(d.during("8:00-18:00"))
	}
	for _, id := range []string{"m1", "m2", "m3"} {
		d.machines = append(d.machines, &machineOf{id: id, device: id + "-meter", profile: machine})
	}
	w.days = append(w.days, d)
	return d
}

// ms reads "8:30" or "8:30:05" as an instant of the day.
func (d *dayOf) ms(clock string) int64 {
	d.w.t.Helper()
	var h, m, s int64
	if n, err := fmt.Sscanf(clock+":0", "%d:%d:%d", &h, &m, &s); err != nil && n < 2 {
		d.w.t.Fatalf("%q: %v", clock, err)
	}
	return d.date.Span().StartMs + ((h*60+m)*60+s)*1000
}

func (d *dayOf) during(text string) span.Span {
	d.w.t.Helper()
	from, to, _ := strings.Cut(text, "-")
	return span.Span{StartMs: d.ms(from), EndMs: d.ms(to)}
}

// lesson adds a practice of a class, or a theory lesson of class "theory", and claims it whole for everybody.
func (d *dayOf) lesson(class, when string) string {
	id := fmt.Sprintf("%s-%s-%d", class, d.date, len(d.sessions))
	s := registry.Session{ID: id, Class: class, Span: d.during(when), Practice: class != "theory"}
	d.w.people.Sessions = append(d.w.people.Sessions, s)
	for _, e := range d.w.people.Enrolments {
		if e.Class == class {
			d.w.people.Claims = append(d.w.people.Claims, registry.Claim{Session: id, Person: e.Person, Ms: s.Span.Ms()})
		}
	}
	d.sessions = append(d.sessions, id)
	return id
}

// claim changes what is claimed of a session; 0 ms claims nothing.
func (d *dayOf) claim(session, person string, ms int64) {
	claims := slices.DeleteFunc(d.w.people.Claims, func(c registry.Claim) bool {
		return c.Session == session && (person == "" || c.Person == person)
	})
	for _, id := range d.w.trainees() {
		if ms > 0 && (person == "" || person == id) {
			claims = append(claims, registry.Claim{Session: session, Person: id, Ms: ms})
		}
	}
	d.w.people.Claims = claims
}

// at taps a person's card at a reader.
func (d *dayOf) at(reader string, ms int64, person string, dir telemetry.Direction) {
	i := slices.IndexFunc(d.readers, func(r clue.Reader) bool { return r.ID == reader })
	if i < 0 {
		d.w.t.Fatalf("no reader %q", reader)
	}
	d.taps = append(d.taps, attendance.Tap{
		AtMs: ms, Reader: reader, Place: d.readers[i].Place, Card: "card-" + person, Person: person, Direction: dir,
	})
}

func (d *dayOf) in(clock, person string) { d.at("door", d.ms(clock), person, telemetry.DirectionIn) }

func (d *dayOf) out(clock, person string) { d.at("door", d.ms(clock), person, telemetry.DirectionOut) }

// hand taps cards one after the other, three seconds apart.
func (d *dayOf) hand(clock string, dir telemetry.Direction, persons ...string) {
	for i, p := range persons {
		d.at("door", d.ms(clock)+int64(i)*3000, p, dir)
	}
}

// come lets everybody come one by one before 8:30, a minute and a half apart, and go likewise, in another order: an honest lesson.
func (d *dayOf) come(to string, persons ...string) {
	for i, p := range persons {
		d.at("door", d.ms("8:30")-20*minute+int64(i)*97_000*20/int64(20+len(persons)), p, telemetry.DirectionIn)
		k := int64((i * 7) % max(len(persons), 1))
		d.at("door", d.ms(to)+k*11_000, p, telemetry.DirectionOut)
	}
}

// works switches machines on for a span and lets them run in it as people do: half a minute to four, with pauses.
func (d *dayOf) works(when string, ids ...string) {
	whole := d.during(when)
	for _, m := range d.machines {
		if len(ids) > 0 && !slices.Contains(ids, m.id) {
			continue
		}
		m.on = m.on.Union(span.NewSet(whole))
		var runs []span.Span
		for at := whole.StartMs + 30_000; at < whole.EndMs-minute; {
			end := min(at+30_000+d.w.rng.Int64N(210_000), whole.EndMs-30_000)
			runs = append(runs, span.Span{StartMs: at, EndMs: end})
			at = end + 15_000 + d.w.rng.Int64N(75_000)
		}
		m.runs = m.runs.Union(span.NewSet(runs...))
	}
}

// runs lets a machine run without a pause, with a steady load.
func (d *dayOf) steady(id, when string) {
	m := d.machine(id)
	s := span.NewSet(d.during(when))
	m.on, m.runs = m.on.Union(s), m.runs.Union(s)
	rest := m.watts
	m.watts = func(ms int64) float64 {
		if s.Contains(ms) || rest == nil {
			return 1300 + float64(d.w.rng.IntN(7))
		}
		return rest(ms)
	}
}

func (d *dayOf) machine(id string) *machineOf {
	return d.machines[slices.IndexFunc(d.machines, func(m *machineOf) bool { return m.id == id })]
}

// cut is power at a lathe: from seven hundred to two thousand watts, as the cuts go.
func (w *world) cut(int64) float64 { return 700 + 1300*w.rng.Float64() }

func (m *machineOf) build(d *dayOf, at attendance.Place) clue.Machine {
	day := d.date.Span()
	state := func(ms int64) usage.State {
		switch {
		case m.silent.Contains(ms):
			return usage.Unknown
		case m.runs.Contains(ms):
			return usage.Running
		case m.on.Contains(ms):
			return usage.Idle
		}
		return usage.Off
	}
	cuts := []int64{day.StartMs, day.EndMs}
	for _, set := range []span.Set{m.on, m.runs, m.silent} {
		for _, s := range set {
			cuts = append(cuts, s.StartMs, s.EndMs)
		}
	}
	slices.Sort(cuts)
	out := clue.Machine{ID: m.id, Place: at, Profile: m.profile, OffW: 30, Device: m.device, Rebound: m.rebound, LongCycle: m.long}
	for i := range cuts[1:] {
		s := usage.Segment{Span: span.Span{StartMs: cuts[i], EndMs: cuts[i+1]}, State: state(cuts[i])}
		if s.State == usage.Running {
			s.Word = m.word
		}
		out.Timeline = append(out.Timeline, s)
	}
	out.Timeline = usage.Join(out.Timeline, day)
	out.Power = clue.Curve{StartMs: day.StartMs, StepMs: stepMs}
	for ms := day.StartMs; ms < day.EndMs; ms += stepMs {
		watts, s := 0.0, state(ms)
		switch {
		case m.dead:
		case s == usage.Running && m.watts != nil:
			watts = m.watts(ms)
		case s == usage.Running:
			watts = d.w.cut(ms)
		case s == usage.Idle:
			watts = 65
		}
		out.Power.MeanW = append(out.Power.MeanW, watts)
		out.Power.Known = append(out.Power.Known, s != usage.Unknown)
	}
	return out
}

func (w *world) roster() *registry.Roster {
	stations := func(ids ...string) []registry.Station {
		var out []registry.Station
		for _, id := range ids {
			out = append(out, registry.Station{ID: id, Name: id})
		}
		return out
	}
	base := registry.Base{
		Code: "east", Name: "东", Tier: registry.TierLocal,
		Workshops: []registry.Workshop{{ID: hall, Name: "车间", Stations: stations("s1", "s2", "s3")}, {ID: lab, Name: "教室"}},
	}
	r, err := registry.NewRoster(base, w.people)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// input derives all days; the last is today.
func (w *world) input() *clue.Input {
	in := &clue.Input{Base: "east", Roster: w.roster(), Seats: w.seats, Norms: w.norms}
	for _, d := range w.days {
		in.Past = append(in.Past, d.build(in.Roster))
	}
	in.Today = in.Past[len(in.Past)-1]
	in.Past = in.Past[:len(in.Past)-1]
	return in
}

func (d *dayOf) build(r *registry.Roster) *clue.Day {
	out := &clue.Day{
		Date: d.date, Readers: d.readers, Deaf: d.deaf, Opening: d.opening, Devices: d.devices, Mains: d.mains, Excused: d.excused,
	}
	slices.SortStableFunc(d.taps, func(a, b attendance.Tap) int { return int(a.AtMs - b.AtMs) })
	for i := range d.taps {
		d.taps[i].Epoch, d.taps[i].Seq = 7, uint64(i)+1
	}
	out.Taps = d.taps
	running := map[attendance.Place]span.Set{}
	var stations []hours.Station
	for i, m := range d.machines {
		at := attendance.Place{Workshop: hall, Station: fmt.Sprintf("s%d", i+1)}
		running[at] = m.runs.Subtract(m.silent)
		stations = append(stations, hours.Station{Place: at, Running: m.runs.Subtract(m.silent), Ready: m.on.Subtract(m.runs), Unknown: m.silent})
		out.Machines = append(out.Machines, m.build(d, at))
	}
	for _, s := range r.SessionsIn(d.date.Span()) {
		c, _ := r.Class(s.Class)
		l := attendance.Lesson{Session: s, Profile: c.Profile, MaxPerStation: c.MaxPerStation, Trainees: r.EnrolledIn(&s)}
		for _, e := range l.Trainees {
			l.Checks = append(l.Checks, r.ChecksOf(s.ID, e.Person)...)
		}
		out.Lessons = append(out.Lessons, l)
	}
	out.Attendance = attendance.Derive(&attendance.Input{Lessons: out.Lessons, Taps: out.Taps, Deaf: out.Deaf, Running: running}, attendance.DefaultRule())
	out.Verdicts = hours.Verify(&hours.Input{
		Day: d.date.Span(), Lessons: out.Lessons, Attendance: out.Attendance, Stations: stations,
	}, hours.DefaultRule())
	return out
}

// find returns the clues about the last day, as "F4 machine m1: steady" and the like.
func (w *world) find() []string {
	w.t.Helper()
	return names(clue.Find(w.input(), clue.DefaultParams()))
}

func names(list []clue.Clue) []string {
	var out []string
	for _, c := range list {
		out = append(out, string(c.Rule)+" "+strings.Join(c.Tests, "+"))
	}
	return out
}
