package clue

import (
	"fmt"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// shortened is F7, 缩短课时.
func shortened(p *F7Params) *Rule {
	return &Rule{
		ID: F7, Version: 1, Severity: Medium,
		Title: Text{"缩短课时或多报学时", "a shortened class, or hours claimed that were not held"},
		Innocent: []Text{
			{"临时改在别的教室上课", "the class moved to another room"},
			{"停电、设备故障提前下课，并按实际申报", "a power cut or a broken machine ended the class, and the claim says so"},
			{"读卡器故障，已作待核", "a reader's outage, which is pending"},
		},
		find: func(s *scene, f *finder) {
			for i := range s.today.lessons {
				if l := &s.today.lessons[i]; s.today.starts(l) && l.anyClaim() {
					shortLesson(s, f, l, p)
				}
			}
		},
	}
}

func shortLesson(s *scene, f *finder, l *lesson, p *F7Params) {
	people := slices.DeleteFunc(l.claimed(), func(t *trainee) bool { return !t.claimed })
	if len(people) == 0 {
		return
	}
	c := Clue{
		Span: l.Span, Subjects: Subjects{Classes: []string{l.Class}, Sessions: []string{l.ID}}, Explain: Text{"课次 " + l.ID, "session " + l.ID},
	}
	overClaimed(l, people, p, &c)
	if len(people) >= p.Trainees && !s.today.heldElsewhere(l, people) {
		excused := s.today.excused(l.Workshop, "", "").Clip(l.Span)
		endedEarly(s.today, l, people, p, &c)
		if len(excused) == 0 {
			dark(l, p, &c)
		}
		fellShort(s.today, l, people, p, &c)
	}
	if len(c.Tests) == 0 {
		return
	}
	for _, t := range people {
		c.Subjects.Persons = append(c.Subjects.Persons, t.Person)
		c.Evidence = append(c.Evidence, s.today.taps(t)...)
	}
	for _, m := range l.machines {
		c.Subjects.Machines = append(c.Subjects.Machines, m.ID)
		c.Evidence = append(c.Evidence, machineRef(m, l.Span))
	}
	f.add(c)
}

// overClaimed looks for claims that are longer than the lesson.
func overClaimed(l *lesson, people []*trainee, p *F7Params, c *Clue) {
	planned, most, n := l.time.Ms(), int64(0), 0
	for _, t := range people {
		if t.claimedMs > planned+p.Over.Milliseconds() {
			n++
			most = max(most, t.claimedMs)
		}
	}
	if n == 0 {
		return
	}
	c.Severity = High
	c.fail("over_claimed", Measure{"claimed", "ms", float64(most), float64(planned)},
		fmt.Sprintf("%d 人申报 %s，课表只有 %s", n, minutesZh(most), minutesZh(planned)),
		fmt.Sprintf("%s claimed for %d people in a lesson of %s", minutesEn(most), n, minutesEn(planned)))
}

// heldElsewhere reports whether most of the people tapped in another room at the time of the lesson: then it moved, and
// what is missing is the record of it.
func (d *day) heldElsewhere(l *lesson, people []*trainee) bool {
	const aboutMs = 15 * minuteMs
	wide := span.Span{StartMs: l.Span.StartMs - aboutMs, EndMs: l.Span.EndMs + aboutMs}
	n := 0
	for _, t := range people {
		if len(t.Taps) == 0 && slices.ContainsFunc(d.Taps, func(x attendance.Tap) bool {
			return x.Person == t.Person && x.Workshop != l.Workshop && wide.Contains(x.AtMs)
		}) {
			n++
		}
	}
	return 2*n > len(people)
}

// endedEarly looks for a lesson of which nothing shows long before its end.
func endedEarly(d *day, l *lesson, people []*trainee, p *F7Params, c *Clue) {
	least := max(int64(p.Ended*float64(l.Span.Ms())), p.EndedLeast.Milliseconds())
	from := l.Span.EndMs - least
	tail := span.Span{StartMs: from, EndMs: l.Span.EndMs}
	if l.Span.EndMs > d.Date.Span().EndMs || len(d.Deaf[l.Workshop].Clip(tail)) > 0 || len(d.excused(l.Workshop, "", "").Clip(tail)) > 0 {
		return
	}
	gone, together, later := departures(d, l, people, from, p)
	ran, known := span.Set(nil), 0.0
	if l.hands() {
		ran, known = work(l.machines, l.time.Clip(tail), false)
	}
	if later > 0 || len(ran) > 0 {
		return
	}
	still := l.hands() && known >= p.Known && l.ranBefore(from)
	switch {
	case gone >= 3 && together, gone == 2 && together && l.hands(), still && len(people) >= p.Alone:
	default:
		return
	}
	last := l.lastSign(d, people)
	if l.claimsOnly(people, last, p) {
		return
	}
	c.Span = span.Span{StartMs: last, EndMs: l.Span.EndMs}
	c.fail("ended_early", Measure{"nothing_before_end", "ms", float64(l.Span.EndMs - last), float64(least)},
		fmt.Sprintf("下课前 %s 已无任何在场迹象，其中 %d 人早已签退", minutesZh(l.Span.EndMs-last), gone),
		fmt.Sprintf("no sign of anybody for the last %s; %d people had tapped out before", minutesEn(l.Span.EndMs-last), gone))
}

// claimsOnly reports whether no more is claimed than was held until an instant.
func (l *lesson) claimsOnly(people []*trainee, until int64, p *F7Params) bool {
	held := l.time.Clip(span.Span{StartMs: l.Span.StartMs, EndMs: until}).Ms()
	var claimed int64
	for _, t := range people {
		claimed += t.claimedMs
	}
	return float64(held)*float64(len(people)) >= p.Ratio*float64(claimed)
}

// departures counts who tapped out for good before an instant, whether they did so together, and how many of the lesson's
// people were read in the room after it.
func departures(d *day, l *lesson, people []*trainee, from int64, p *F7Params) (gone int, together bool, later int) {
	var first, last int64
	for _, t := range people {
		if len(t.Taps) == 0 {
			continue
		}
		at := d.lastTap(t, l)
		if at >= from {
			later++
			continue
		}
		out := len(t.Stays) > 0 && t.Stays[len(t.Stays)-1].Out >= 0 && t.Stays[len(t.Stays)-1].EndMs == at
		if !out || at < l.Span.StartMs {
			continue
		}
		if gone == 0 || at < first {
			first = at
		}
		last = max(last, at)
		gone++
	}
	return gone, gone > 0 && last-first <= p.Together.Milliseconds(), later
}

// lastTap is when a trainee was last read in the lesson's room, up to an hour and a half after it.
func (d *day) lastTap(t *trainee, l *lesson) (at int64) {
	for _, i := range t.Taps {
		if x := &d.Taps[i]; x.AtMs < l.Span.EndMs+90*minuteMs {
			at = max(at, x.AtMs)
		}
	}
	return at
}

// ranBefore reports whether any of the lesson's machines worked in it before an instant.
func (l *lesson) ranBefore(at int64) bool {
	ran, _ := work(l.machines, span.NewSet(span.Span{StartMs: l.Span.StartMs, EndMs: at}), false)
	return len(ran) > 0
}

// lastSign is when anything last showed of the lesson, its beginning when nothing did.
func (l *lesson) lastSign(d *day, people []*trainee) int64 {
	last := l.Span.StartMs
	for _, t := range people {
		last = max(last, d.lastTap(t, l))
	}
	if l.hands() {
		for _, m := range l.machines {
			if runs := m.inState(usage.Running).Clip(l.Span); len(runs) > 0 {
				last = max(last, runs[len(runs)-1].EndMs)
			}
		}
	}
	return min(last, l.Span.EndMs)
}

// dark looks for a practice at stations that were never switched on.
func dark(l *lesson, p *F7Params, c *Clue) {
	if !l.hands() || len(l.machines) == 0 {
		return
	}
	on, _ := work(l.machines, l.time, true)
	offMs := int64(0)
	for _, m := range l.machines {
		offMs += m.inState(usage.Off).Intersect(l.time).Ms()
		on = on.Union(m.inState(usage.Fault).Intersect(l.time))
	}
	share := float64(offMs) / float64(max(l.time.Ms()*int64(len(l.machines)), 1))
	if len(on) > 0 || share < p.Known {
		return
	}
	c.Severity = High
	c.fail("dark", Measure{"off_share", "share", share, p.Known},
		"申报了实操，工位全程未通电", "practice was claimed, and no station was ever switched on")
}

// fellShort compares verified with claimed, and wants the lesson to have fallen short for its people together: one who is
// late and another who forgets a tap are no shortened class. Few people may all be late by chance, so the beginning counts
// only of lessons with enough of them.
func fellShort(d *day, l *lesson, people []*trainee, p *F7Params, c *Clue) {
	var lost []span.Set
	var credit, claimed int64
	for _, t := range people {
		if t.verdict == nil {
			return
		}
		set := t.lost(d, l)
		lost = append(lost, set)
		whole := t.claimedToday(l)
		claimed += whole
		credit += min(t.verdict.PlannedMs-set.Ms(), whole)
	}
	planned := people[0].verdict.PlannedMs
	enough := int(math.Ceil(float64(p.PersonShare * float64(len(people)))))
	together := atOnce(lost)[enough]
	if len(people) < p.Late && len(together) > 0 && together[0].StartMs <= l.time[0].StartMs && float64(together.Ms()) < p.Ratio*float64(planned) {
		together = together[1:]
	}
	ratio := float64(credit) / float64(max(claimed, 1))
	if ratio >= p.Ratio || float64(together.Ms()) < (1-p.Ratio)*float64(planned) || planned == 0 {
		return
	}
	c.fail("ratio", Measure{"verified_by_claimed", "share", ratio, p.Ratio},
		fmt.Sprintf("申报学时中只有 %.0f%% 得到核验或另有解释，%s 全班几乎无人在学", 100*ratio, minutesZh(together.Ms())),
		fmt.Sprintf("only %.0f %% of what is claimed is verified or explained; for %s hardly anybody was learning", 100*ratio, minutesEn(together.Ms())))
}

// claimedToday is a trainee's claim; of a lesson past midnight the part that the verdict's day has.
func (t *trainee) claimedToday(l *lesson) int64 {
	return int64(float64(t.claimedMs) * float64(t.verdict.PlannedMs) / float64(max(l.time.Ms(), 1)))
}

// lost is when a trainee's time is refused and nothing else explains it. What is pending, what rests on a missing tap of
// somebody who was there, what a work order explains and what other rules refuse (crowding, the daily cap, two lessons at
// once) is not held against the lesson.
func (t *trainee) lost(d *day, l *lesson) span.Set {
	var out []span.Span
	for _, piece := range t.verdict.Pieces {
		switch piece.Reason {
		case hours.Verified, hours.DataGap, hours.Overcrowded, hours.DailyCap, hours.OverlapOtherClass, hours.IdentityFail,
			hours.ManualExcluded:
			continue
		case hours.NoBadgeIn, hours.NoBadgeOut:
			if len(t.Taps) > 0 {
				continue
			}
		default:
		}
		out = append(out, piece.Span)
	}
	return span.NewSet(out...).Subtract(d.excused(l.Workshop, "", ""))
}
