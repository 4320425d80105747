package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// tapAndLeave is F3, 签到后离开.
func tapAndLeave(p *F3Params) *Rule {
	return &Rule{
		ID: F3, Version: 1, Severity: Medium,
		Title: Text{"签到后离开", "tap and leave"},
		Innocent: []Text{
			{"考试或理论讲授，当时不用工位", "an exam or a lecture: the stations were not used then"},
			{"临时改在别处上课，有教室变更记录", "the lesson was held elsewhere, with a room change on record"},
			{"工位设备故障，围在别的工位观摩", "the station's machine was broken, and people watched at another one"},
		},
		find: func(s *scene, f *finder) {
			for i := range s.today.lessons {
				if l := &s.today.lessons[i]; s.today.starts(l) {
					leftLesson(s, f, l, p)
				}
			}
		},
	}
}

// leaver is somebody who came and of whom nothing shows afterwards.
type leaver struct {
	*trainee
	window span.Span
	test   string
}

func leftLesson(s *scene, f *finder, l *lesson, p *F3Params) {
	leavers := s.today.leavers(l, p)
	for i := range l.trainees {
		t := &l.trainees[i]
		if s.missedChecks(t, p) && !slices.ContainsFunc(leavers, func(o leaver) bool { return o.trainee == t }) {
			leavers = append(leavers, leaver{trainee: t, window: l.Span, test: "checks"})
		}
	}
	if len(leavers) == 0 {
		return
	}
	c := Clue{
		Span: l.Span, Subjects: Subjects{Classes: []string{l.Class}, Sessions: []string{l.ID}}, Explain: Text{"课次 " + l.ID, "session " + l.ID},
	}
	tests := map[string]int{}
	share := 0.0
	for _, x := range leavers {
		tests[x.test]++
		c.Subjects.Persons = append(c.Subjects.Persons, x.Person)
		c.Evidence = append(c.Evidence, s.today.taps(x.trainee)...)
		if days, often := s.leavesOften(x.Person, p); days >= p.Days && often > p.DayShare {
			c.Severity, share = High, max(share, often)
		}
	}
	for _, m := range l.machines {
		c.Subjects.Machines = append(c.Subjects.Machines, m.ID)
		c.Evidence = append(c.Evidence, machineRef(m, leavers[0].window))
	}
	c.say(tests, p)
	if tests["idle"] == len(leavers) && l.onlySaid(leavers[0].window) && c.Severity == "" {
		c.Severity = Low
	}
	if share > 0 {
		c.fail("repeated", Measure{"days_share", "share", share, p.DayShare},
			fmt.Sprintf("%.0f%% 的上课日如此", 100*share), fmt.Sprintf("so on %.0f %% of the days", 100*share))
	}
	f.add(c)
}

func (c *Clue) say(tests map[string]int, p *F3Params) {
	within := p.Within.Minutes()
	if n := tests["idle"]; n > 0 {
		c.fail("idle", Measure{"persons", "count", float64(n), 1},
			fmt.Sprintf("%d 人签到后 %.0f 分钟内工位无人操作", n, within),
			fmt.Sprintf("no work at the stations of %d people for %.0f min after they came", n, within))
	}
	if n := tests["station"]; n > 0 {
		c.fail("station", Measure{"persons", "count", float64(n), 1},
			fmt.Sprintf("%d 人在门口签到，却未到任何工位刷卡", n),
			fmt.Sprintf("%d people tapped at the door and at no station", n))
	}
	if n := tests["checks"]; n > 0 {
		c.fail("checks", Measure{"persons", "count", float64(n), 1},
			fmt.Sprintf("%d 人屡次未应答抽查", n), fmt.Sprintf("%d people left repeated checks unanswered", n))
	}
}

// leavers returns who tapped in for a lesson and of whom nothing shows afterwards: neither at a station, nor a tap. Where
// too little is known of the machines it is nobody.
func (d *day) leavers(l *lesson, p *F3Params) []leaver {
	if !l.Practice || l.exam() || l.moved() || len(d.excused(l.Workshop, "", "").Clip(l.Span)) > 0 {
		return nil
	}
	present := 0
	for i := range l.trainees {
		if len(l.trainees[i].Stays) > 0 {
			present++
		}
	}
	stations := d.stationTest(l, present, p)
	var out []leaver
	for i := range l.trainees {
		t := &l.trainees[i]
		window, ok := l.after(t, p)
		if !ok || d.seenAt(t, window) {
			continue
		}
		switch {
		case d.nothingDone(l, t, window, p):
			out = append(out, leaver{t, window, "idle"})
		case stations:
			out = append(out, leaver{t, window, "station"})
		}
	}
	return out
}

// after is the time after a trainee's coming in which something should show; ok is false where the lesson has not enough.
func (l *lesson) after(t *trainee, p *F3Params) (span.Span, bool) {
	if len(t.Stays) == 0 {
		return span.Span{}, false
	}
	from := max(t.Stays[0].StartMs, l.Span.StartMs)
	window := span.Span{StartMs: from, EndMs: from + p.Within.Milliseconds()}
	return window, l.time.Clip(window).Ms() >= p.Within.Milliseconds()*9/10 && window.EndMs <= l.Span.EndMs
}

// seenAt reports whether a tap shows the person at a station or in mid-lesson.
func (d *day) seenAt(t *trainee, window span.Span) bool {
	if slices.Contains(t.Flags, attendance.FlagCheckDone) {
		return true
	}
	for _, i := range t.Taps {
		tap := &d.Taps[i]
		if tap.Station != "" || tap.AtMs > window.StartMs+5*minuteMs && tap.AtMs < window.EndMs {
			return true
		}
	}
	return false
}

// nothingDone reports whether nobody worked at the person's station, or at any of the lesson's where nobody says who works
// where.
func (d *day) nothingDone(l *lesson, t *trainee, window span.Span, p *F3Params) bool {
	on := l.Profile == registry.Computer
	if !l.hands() && !on {
		return false
	}
	machines := l.machines
	if t.Station != "" {
		machines = slices.DeleteFunc(slices.Clone(machines), func(m *Machine) bool { return m.Station != t.Station })
	}
	if len(machines) == 0 {
		return false
	}
	for _, m := range machines {
		if len(d.excused(m.Workshop, m.ID, m.Device).Clip(window)) > 0 {
			return false
		}
	}
	set := span.NewSet(window)
	active, known := work(machines, set, on)
	for _, m := range machines {
		known += float64(m.said().Intersect(set).Ms()) / float64(set.Ms()*int64(len(machines)))
	}
	return len(active) == 0 && known >= p.Known
}

// onlySaid reports whether all that is known of the lesson's machines is that their sources know nothing: then a broken
// connection may be all there is.
func (l *lesson) onlySaid(window span.Span) bool {
	_, known := work(l.machines, span.NewSet(window), false)
	return known == 0
}

// stationTest reports whether a lesson's people tap at their stations, so that who does not stands out: all its stations
// have readers that were heard, there are seats for all, and most people did.
func (d *day) stationTest(l *lesson, present int, p *F3Params) bool {
	if len(l.Stations) == 0 || len(d.Deaf[l.Workshop].Clip(l.Span)) > 0 {
		return false
	}
	for _, id := range l.Stations {
		if !d.readsStation(l.Workshop, id) {
			return false
		}
	}
	if seats := len(l.Stations) * max(l.MaxPerStation, 1); present > seats {
		return false
	}
	at := 0
	for i := range l.trainees {
		if slices.ContainsFunc(l.trainees[i].Taps, func(k int) bool { return d.Taps[k].Station != "" }) {
			at++
		}
	}
	return float64(at) > p.StationShare*float64(present)
}

// leavesOften counts the days on which a person should have worked, and the part of them on which nothing showed.
func (s *scene) leavesOften(person string, p *F3Params) (days int, share float64) {
	left := 0
	for _, d := range append(slices.Clone(s.past), s.today) {
		came, gone := false, false
		for i := range d.lessons {
			l := &d.lessons[i]
			if !d.starts(l) || !slices.ContainsFunc(l.trainees, func(t trainee) bool { return t.Person == person && len(t.Stays) > 0 }) {
				continue
			}
			came = true
			gone = gone || slices.ContainsFunc(d.leavers(l, p), func(x leaver) bool { return x.Person == person })
		}
		if came {
			days++
		}
		if gone {
			left++
		}
	}
	return days, float64(left) / float64(max(days, 1))
}

// missedChecks reports whether a person left this check and enough others unanswered, and answered none.
func (s *scene) missedChecks(t *trainee, p *F3Params) bool {
	if !slices.Contains(t.Flags, attendance.FlagCheckMissed) {
		return false
	}
	missed := 0
	for _, d := range append(slices.Clone(s.past), s.today) {
		for i := range d.Attendance {
			a := &d.Attendance[i]
			if a.Person != t.Person {
				continue
			}
			if slices.Contains(a.Flags, attendance.FlagCheckDone) {
				return false
			}
			if slices.Contains(a.Flags, attendance.FlagCheckMissed) {
				missed++
			}
		}
	}
	return missed >= p.Checks
}
