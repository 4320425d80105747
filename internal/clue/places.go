package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// twoPlaces is F6 as far as one base can see it, 一人多班.
func twoPlaces(p *F6Params) *Rule {
	return &Rule{
		ID: F6, Version: 1, Severity: High,
		Title: Text{"一人多班或时间冲突", "one person in two places"},
		Innocent: []Text{
			{"卡已挂失，由他人捡用", "the card was reported lost, and somebody else used it"},
			{"两个班次合班授课，申报时重复", "two classes were taught together and claimed twice by mistake"},
			{"转班、补课", "a change of class, or a lesson made up"},
		},
		find: func(s *scene, f *finder) {
			lessons := s.today.lessons
			for i := range lessons {
				for j := i + 1; j < len(lessons); j++ {
					claimedTwice(s, f, &lessons[i], &lessons[j], p)
				}
			}
		},
	}
}

// claimedTwice looks for people for whom the base claims two lessons at one time. Whose claims fit into the two lessons
// one after the other is none of them.
func claimedTwice(s *scene, f *finder, a, b *lesson, p *F6Params) {
	both := a.time.Intersect(b.time)
	if both.Ms() < p.Overlap.Milliseconds() || !s.today.starts(a) && !s.today.starts(b) {
		return
	}
	room := a.time.Union(b.time).Ms()
	c := Clue{
		Span: hull(both), Subjects: Subjects{Sessions: []string{a.ID, b.ID}},
		Explain: Text{"课次 " + a.ID + " 与 " + b.ID, "sessions " + a.ID + " and " + b.ID},
	}
	var most int64
	for i := range a.trainees {
		x := &a.trainees[i]
		k := slices.IndexFunc(b.trainees, func(t trainee) bool { return t.Person == x.Person })
		if k < 0 {
			continue
		}
		y := &b.trainees[k]
		over := min(both.Ms(), x.claimedMs+y.claimedMs-room)
		if over < p.Overlap.Milliseconds() {
			continue
		}
		most = max(most, over)
		c.Subjects.Persons = append(c.Subjects.Persons, x.Person)
		c.Evidence = append(append(c.Evidence, s.today.taps(x)...), s.today.taps(y)...)
	}
	n := len(c.Subjects.Persons)
	if n == 0 {
		return
	}
	c.fail("claimed_twice", Measure{"claimed_twice", "ms", float64(most), float64(p.Overlap.Milliseconds())},
		fmt.Sprintf("%d 人在同一时间重复申报，最多 %s", n, minutesZh(most)),
		fmt.Sprintf("%d people claimed in both at once, for up to %s", n, minutesEn(most)))
	f.add(c)
}

// twoRooms is F11 within one base, 一师多地.
func twoRooms(p *F11Params) *Rule {
	return &Rule{
		ID: F11, Version: 1, Severity: Medium,
		Title: Text{"一师多地", "one teacher in two rooms"},
		Innocent: []Text{
			{"交接班，前后课短时重叠", "a handover: two lessons overlap for a moment"},
			{"教师临时代看隔壁教室", "the teacher looked after the next room for a while"},
			{"另有代课教师，未改课表", "somebody stood in, and the timetable was not changed"},
		},
		find: func(s *scene, f *finder) {
			lessons := s.today.lessons
			for i := range lessons {
				for j := i + 1; j < len(lessons); j++ {
					teacherTwice(s, f, &lessons[i], &lessons[j], p)
				}
			}
		},
	}
}

// teacherTwice looks for two lessons of one teacher that were held at once in two rooms: both with people, and with the
// teacher's card in both, or in one of them only while both are claimed.
func teacherTwice(s *scene, f *finder, a, b *lesson, p *F11Params) {
	both := a.time.Intersect(b.time)
	if a.Teacher == "" || a.Teacher != b.Teacher || a.Workshop == b.Workshop || both.Ms() <= p.Handover.Milliseconds() ||
		!s.today.starts(a) && !s.today.starts(b) || !a.held() || !b.held() {
		return
	}
	c := Clue{
		Span: hull(both), Subjects: Subjects{Persons: []string{a.Teacher}, Sessions: []string{a.ID, b.ID}},
		Explain: Text{"教师 " + a.Teacher, "teacher " + a.Teacher},
	}
	rooms := map[string]bool{}
	for i := range s.today.Taps {
		t := &s.today.Taps[i]
		if t.Person == a.Teacher && (t.Workshop == a.Workshop || t.Workshop == b.Workshop) && widen(both, 90*minuteMs).Contains(t.AtMs) {
			rooms[t.Workshop] = true
			c.Evidence = append(c.Evidence, tapRef(t))
		}
	}
	if len(rooms) == 2 {
		c.Severity = High
	}
	c.fail("two_rooms", Measure{"overlap", "ms", float64(both.Ms()), float64(p.Handover.Milliseconds())},
		fmt.Sprintf("课次 %s 与 %s 同时在两间教室上课 %s，其中 %d 间有该教师刷卡", a.ID, b.ID, minutesZh(both.Ms()), len(rooms)),
		fmt.Sprintf("sessions %s and %s were held in two rooms at once for %s; the teacher's card was read in %d of them", a.ID, b.ID, minutesEn(both.Ms()), len(rooms)))
	f.add(c)
}

// held reports whether anybody was there or is claimed to have been.
func (l *lesson) held() bool {
	return slices.ContainsFunc(l.trainees, func(t trainee) bool { return t.claimed && t.claimedMs > 0 || len(t.Stays) > 0 })
}

// spanAt is the instant of one record as a span.
func spanAt(ms int64) span.Span { return span.Span{StartMs: ms, EndMs: ms + 1} }
