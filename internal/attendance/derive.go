package attendance

import (
	"cmp"
	"maps"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Derive returns the attendance of every trainee of every lesson, in the order of the lessons and of their trainees.
func Derive(in *Input, r Rule) []Attendance {
	d := deriver{in: in, rule: r, taps: tapsByPerson(in.Taps), of: map[seat]int{}}
	for i := range in.Lessons {
		for _, e := range in.Lessons[i].Trainees {
			d.of[seat{i, e.Person}] = len(d.out)
			d.out = append(d.out, Attendance{Session: in.Lessons[i].ID, Person: e.Person, Station: e.Station})
		}
	}
	for _, person := range d.persons() {
		d.person(person)
	}
	d.teachers()
	return d.out
}

// deriver derives attendance, one person after the other.
type deriver struct {
	in   *Input
	rule Rule
	taps map[string][]int // by person, indexes into in.Taps
	of   map[seat]int     // index into out
	out  []Attendance
}

// seat is a person in a lesson.
type seat struct {
	lesson int
	person string
}

func tapsByPerson(taps []Tap) map[string][]int {
	out := map[string][]int{}
	for i := range taps {
		if p := taps[i].Person; p != "" {
			out[p] = append(out[p], i)
		}
	}
	return out
}

func (d *deriver) persons() []string {
	var out []string
	for i := range d.out {
		out = append(out, d.out[i].Person)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// person derives one person's attendance at all lessons.
func (d *deriver) person(person string) {
	var lessons []int
	for i := range d.in.Lessons {
		if _, ok := d.of[seat{i, person}]; ok {
			lessons = append(lessons, i)
		}
	}
	for _, b := range d.blocks(lessons) {
		taps := d.within(person, b.window)
		walked := d.walk(b, taps)
		for _, i := range b.lessons {
			d.note(&d.out[d.of[seat{i, person}]], i, b, walked)
		}
	}
}

// block is a row of lessons in one room between which nobody has to tap.
type block struct {
	lessons  []int // in order
	workshop string
	planned  span.Span // from the first one's beginning to the last one's end
	window   span.Span // in which taps belong to it
	profile  registry.Profile
	checks   []registry.Check
}

// blocks cuts a person's lessons into blocks. A tap belongs to one block of a room: where the times around two blocks
// overlap, they meet in the middle.
func (d *deriver) blocks(lessons []int) []block {
	var out []block
	last := map[string]int{} // by workshop
	for _, i := range lessons {
		l := &d.in.Lessons[i]
		if j, ok := last[l.Workshop]; ok {
			b := &out[j]
			if l.Span.StartMs-b.planned.EndMs <= blockGapMs && !d.between(lessons, b.planned.EndMs, l) {
				b.lessons = append(b.lessons, i)
				b.planned.EndMs = max(b.planned.EndMs, l.Span.EndMs)
				b.checks = append(b.checks, l.Checks...)
				continue
			}
		}
		last[l.Workshop] = len(out)
		out = append(out, block{
			lessons: []int{i}, workshop: l.Workshop, planned: l.Span, profile: l.Profile, checks: slices.Clone(l.Checks),
		})
	}
	for j := range out {
		b := &out[j]
		b.window = span.Span{StartMs: b.planned.StartMs - d.rule.Early.Milliseconds(), EndMs: b.planned.EndMs + d.rule.Late.Milliseconds()}
		for k := range out {
			if o := &out[k]; k != j && o.workshop == b.workshop {
				meet(b, o.planned)
			}
		}
	}
	return out
}

// blockGapMs is the longest gap between two lessons in one room that a person is believed to spend there: a class break.
const blockGapMs = 45 * 60 * 1000

// between reports whether the person has a lesson elsewhere between two of one room.
func (d *deriver) between(lessons []int, endMs int64, next *Lesson) bool {
	gap := span.Span{StartMs: endMs, EndMs: next.Span.StartMs}
	return slices.ContainsFunc(lessons, func(i int) bool {
		l := &d.in.Lessons[i]
		return l.Workshop != next.Workshop && !l.Span.Intersect(gap).Empty()
	})
}

// meet keeps a block's window on its own side of the middle between it and another.
func meet(b *block, other span.Span) {
	switch {
	case other.StartMs >= b.planned.EndMs:
		b.window.EndMs = min(b.window.EndMs, (b.planned.EndMs+other.StartMs+1)/2)
	case other.EndMs <= b.planned.StartMs:
		b.window.StartMs = max(b.window.StartMs, (other.EndMs+b.planned.StartMs+1)/2)
	}
}

// within returns the taps of a person in a window, in all rooms.
func (d *deriver) within(person string, window span.Span) []int {
	all := d.taps[person]
	from, _ := slices.BinarySearchFunc(all, window.StartMs, func(i int, ms int64) int { return cmp.Compare(d.in.Taps[i].AtMs, ms) })
	to, _ := slices.BinarySearchFunc(all, window.EndMs, func(i int, ms int64) int { return cmp.Compare(d.in.Taps[i].AtMs, ms) })
	return all[from:to]
}

// note writes down what a block's walk says of one lesson.
func (d *deriver) note(a *Attendance, lesson int, b block, w *walked) {
	l := &d.in.Lessons[lesson]
	a.Taps, a.Flags = w.taps, slices.Clone(w.flags)
	a.Stays = w.stays
	a.Present, a.Pending, a.absences = w.present, w.pending, w.absences
	if w.station != "" && slices.Contains(l.Stations, w.station) {
		a.Station = w.station
	}
	d.answered(a, l)
	a.Status = d.status(a, l)
	if len(a.Present.Subtract(span.NewSet(b.planned))) > 0 && !b.planned.Empty() {
		a.flag(FlagNotScheduled)
	}
}

// answered flags the checks of a lesson that the person answered, or missed while present.
func (d *deriver) answered(a *Attendance, l *Lesson) {
	for _, c := range l.Checks {
		if c.Person != "" && c.Person != a.Person {
			continue
		}
		hit := slices.ContainsFunc(a.Taps, func(i int) bool {
			return c.Span.Contains(d.in.Taps[i].AtMs) && d.in.Taps[i].Workshop == l.Workshop && !d.in.Taps[i].Expired
		})
		switch {
		case hit:
			a.flag(FlagCheckDone)
		case len(a.Present.Clip(c.Span).Subtract(d.in.Deaf[l.Workshop])) > 0:
			a.flag(FlagCheckMissed)
		}
	}
}

func (a *Attendance) flag(f Flag) {
	if !slices.Contains(a.Flags, f) {
		a.Flags = append(a.Flags, f)
	}
}

// status sums up. Breaks are not looked at.
func (d *deriver) status(a *Attendance, l *Lesson) Status {
	there := a.Present.Clip(l.Span)
	if len(a.Pending.Clip(l.Span)) > 0 {
		return Pending
	}
	if len(there) == 0 {
		return Absent
	}
	late := there[0].StartMs > l.Span.StartMs+d.rule.LateAfter.Milliseconds()
	early := there[len(there)-1].EndMs < l.Span.EndMs-d.rule.LeftBefore.Milliseconds()
	switch {
	case late && early:
		a.flag(FlagLateAndEarly)
		return Late
	case late:
		return Late
	case early:
		return LeftEarly
	}
	return Present
}

// teachers notes when each lesson's teacher was there. A teacher's lessons stand in blocks as a trainee's do.
func (d *deriver) teachers() {
	of := map[string][]int{}
	for i := range d.in.Lessons {
		if id := d.in.Lessons[i].Teacher; id != "" {
			of[id] = append(of[id], i)
		}
	}
	for _, teacher := range slices.Sorted(maps.Keys(of)) {
		for _, b := range d.blocks(of[teacher]) {
			w := d.walk(b, d.within(teacher, b.window))
			for _, i := range b.lessons {
				d.taught(&d.in.Lessons[i], i, w)
			}
		}
	}
}

// taught writes down what a teacher's walk says of one lesson.
func (d *deriver) taught(l *Lesson, lesson int, w *walked) {
	there := w.present.Clip(l.Span)
	for _, e := range l.Trainees {
		a := &d.out[d.of[seat{lesson, e.Person}]]
		a.TeacherPresent = there
		if len(there) == 0 && len(w.pending.Clip(l.Span)) == 0 {
			a.flag(FlagTeacherAway)
		}
	}
}
