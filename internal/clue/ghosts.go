package clue

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// ghosts is F1, 虚报人数.
func ghosts(p *F1Params, cards *F2Params) *Rule {
	return &Rule{
		ID: F1, Version: 1, Severity: High,
		Title: Text{"虚报人数", "ghost trainees"},
		Innocent: []Text{
			{"理论课，不用设备", "a theory lesson without machines"},
			{"工位电表离线或检修", "the stations' meters were offline or under repair"},
			{"临时合班，两班共用一间教室", "two classes shared one room that day"},
		},
		find: func(s *scene, f *finder) {
			hands := groups(s, cards)
			for i := range s.today.lessons {
				if l := &s.today.lessons[i]; s.today.starts(l) {
					ghostLesson(f, l, p, hands)
				}
			}
		},
	}
}

func ghostLesson(f *finder, l *lesson, p *F1Params, hands []*group) {
	c := Clue{
		Span: l.Span, Subjects: Subjects{Classes: []string{l.Class}, Sessions: []string{l.ID}}, Explain: Text{"课次 " + l.ID, "session " + l.ID},
	}
	crowd(f.scene, l, p, &c)
	oneHand(l, p, hands, &c)
	if l.hands() && len(f.scene.today.excused(l.Workshop, "", "").Clip(l.Span)) == 0 {
		effort(f.scene, l, p, &c)
	}
	if len(c.Tests) == 0 {
		return
	}
	for _, t := range l.claimed() {
		c.Evidence = append(c.Evidence, f.scene.today.taps(t)...)
	}
	f.add(c)
}

// fail notes that a test failed, with its figure and what it says.
func (c *Clue) fail(test string, m Measure, zh, en string) {
	c.Tests = append(c.Tests, test)
	c.Measures = append(c.Measures, m)
	c.Explain.Zh += "；" + zh
	c.Explain.En += "; " + en
}

// crowd compares people present at once with stations and seats.
func crowd(s *scene, l *lesson, p *F1Params, c *Clue) {
	sets := make([]span.Set, 0, len(l.trainees))
	for i := range l.trainees {
		sets = append(sets, l.trainees[i].Present.Intersect(l.time))
	}
	most, when := mostAtOnce(sets, p.Sustained.Milliseconds())
	if room := l.room(p); l.Practice && room > 0 && most > room {
		c.Span = hull(when)
		c.fail("stations", Measure{"present", "count", float64(most), float64(room)},
			fmt.Sprintf("同时在场 %d 人，工位最多容纳 %d 人", most, room),
			fmt.Sprintf("%d people present at once, the stations hold %d", most, room))
	}
	if seats := s.Seats[l.Workshop]; seats > 0 && most > seats {
		c.Span = hull(when)
		c.fail("room", Measure{"present", "count", float64(most), float64(seats)},
			fmt.Sprintf("同时在场 %d 人，教室容量 %d 人", most, seats),
			fmt.Sprintf("%d people present at once, the room holds %d", most, seats))
	}
}

// room is how many people the lesson's stations hold; 0 where nobody knows. A computer room or a bench is one station with
// seats that only the class can tell.
func (l *lesson) room(p *F1Params) int {
	switch l.Profile {
	case registry.Machine, registry.Burst, registry.Thermal:
		return len(l.Stations) * cmp.Or(l.MaxPerStation, p.PerStation)
	case registry.Computer, registry.Bench, registry.Kitchen:
	}
	return len(l.Stations) * l.MaxPerStation
}

// oneHand looks for classes whose cards came all in one hand.
func oneHand(l *lesson, p *F1Params, hands []*group, c *Clue) {
	people := l.claimed()
	if len(people) < p.LeastTrainees {
		return
	}
	for _, g := range hands {
		n := 0
		for _, t := range people {
			if slices.Contains(g.persons(), t.Person) && g.during(l.Span) {
				n++
			}
		}
		if share := float64(n) / float64(len(people)); share >= p.OneHand {
			c.fail("one_hand", Measure{"share_in_one_hand", "share", share, p.OneHand},
				fmt.Sprintf("%d 名申报学员中 %d 人的卡由一人连续刷", len(people), n),
				fmt.Sprintf("the cards of %d of %d claimed trainees were held by one hand", n, len(people)))
			return
		}
	}
}

// effort compares what the machines did for each trainee-hour with what is normal.
func effort(s *scene, l *lesson, p *F1Params, c *Clue) {
	today, ok := s.effortOf(s.today, l, p)
	if !ok || today.trainees < p.LeastTrainees {
		return
	}
	norm, from := s.norm(l, today.unit, p)
	switch {
	case today.amount == 0:
		c.fail("no_work", Measure{"machine_work", today.unit, 0, 0},
			fmt.Sprintf("申报 %d 人实操，工位设备全程没有运行", today.trainees),
			fmt.Sprintf("%d trainees claimed for practice, and no machine ran at all", today.trainees))
	case from > 0 && today.amount < p.EnergyShare*norm:
		c.fail("energy", Measure{"machine_work_per_trainee_hour", today.unit, today.amount, p.EnergyShare * norm},
			fmt.Sprintf("人均每小时 %.4g %s，不足正常值 %.4g 的 %.0f%%", today.amount, today.unit, norm, 100*p.EnergyShare),
			fmt.Sprintf("%.4g %s for each trainee-hour, below %.0f %% of the normal %.4g", today.amount, today.unit, 100*p.EnergyShare, norm))
	default:
		return
	}
	for _, m := range l.machines {
		c.Subjects.Machines = append(c.Subjects.Machines, m.ID)
		c.Evidence = append(c.Evidence, machineRef(m, l.Span))
	}
}

// worked is what machines did for each trainee-hour of a lesson: watt-hours, or running hours where no meter is.
type worked struct {
	unit     string
	amount   float64
	trainees int
}

// effortOf is a lesson's effort, and whether enough is known.
type effortOf struct {
	worked
	ok bool
}

// effortOf measures a lesson once.
func (s *scene) effortOf(d *day, l *lesson, p *F1Params) (worked, bool) {
	e, ok := s.efforts[l]
	if !ok {
		e.worked, e.ok = d.effort(l, p)
		s.efforts[l] = e
	}
	return e.worked, e.ok
}

// effort measures a lesson. The trainees of other lessons at the same stations at the same time share in it. ok is false
// where too little is known of the machines.
func (d *day) effort(l *lesson, p *F1Params) (worked, bool) {
	if len(l.machines) == 0 || !l.hands() {
		return worked{}, false
	}
	var traineeMs int64
	for i := range d.lessons {
		other := &d.lessons[i]
		if other.sharesStations(l) {
			traineeMs += other.time.Intersect(l.time).Ms() * int64(len(other.claimed()))
		}
	}
	if traineeMs == 0 {
		return worked{}, false
	}
	hours := float64(traineeMs) / msPerHour
	out := worked{trainees: len(l.claimed()), unit: "Wh/h"}
	var coverage, share float64
	for _, m := range l.machines {
		wh, known := m.Power.wattHours(l.time)
		out.amount += wh
		coverage += known / float64(len(l.machines))
	}
	active, share := work(l.machines, l.time, false)
	if coverage >= p.Known {
		out.amount /= hours * coverage
		if len(active) == 0 && share >= p.Known {
			out.amount = 0 // what ready machines draw is no work
		}
		return out, true
	}
	out.unit, out.amount = "h/h", float64(runningMs(l))/msPerHour/hours/max(share, 1e-9)
	return out, share >= p.Known
}

func runningMs(l *lesson) (ms int64) {
	for _, m := range l.machines {
		ms += m.inState(usage.Running).Intersect(l.time).Ms()
	}
	return ms
}

func (l *lesson) sharesStations(other *lesson) bool {
	return l.Workshop == other.Workshop && l.Practice &&
		(l.ID == other.ID || slices.ContainsFunc(l.Stations, func(id string) bool { return slices.Contains(other.Stations, id) }))
}

// norm is what is normal for a lesson, and of how many lessons: the given norm for energy, else the median of the class's
// own earlier lessons, else that of others in the room with the same profile.
func (s *scene) norm(l *lesson, unit string, p *F1Params) (norm float64, from int) {
	if unit == "Wh/h" {
		for _, key := range []string{l.Class, string(l.Profile)} {
			if v := s.Norms[key]; v > 0 {
				return v, 1
			}
		}
	}
	var own, near []float64
	for _, d := range append(slices.Clone(s.past), s.today) {
		for i := range d.lessons {
			other := &d.lessons[i]
			if other.ID == l.ID || other.Profile != l.Profile || other.Workshop != l.Workshop {
				continue
			}
			w, ok := s.effortOf(d, other, p)
			if !ok || w.unit != unit || w.amount == 0 {
				continue
			}
			near = append(near, w.amount)
			if other.Class == l.Class {
				own = append(own, w.amount)
			}
		}
	}
	for _, list := range [][]float64{own, near} {
		if len(list) >= p.LeastNorms {
			return median(list), len(list)
		}
	}
	return 0, 0
}
