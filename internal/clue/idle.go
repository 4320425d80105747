package clue

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// idleRunning is F4, 设备空转.
func idleRunning(p *F4Params) *Rule {
	return &Rule{
		ID: F4, Version: 1, Severity: Medium,
		Title: Text{"设备空转", "machines run for nobody"},
		Innocent: []Text{
			{"预热、暖机", "a warm-up"},
			{"长时间自动加工（课程应标长周期）", "long automatic machining (flag the course long_cycle)"},
			{"热处理、烘箱等本就无人值守", "heat treatment and the like, which needs nobody"},
			{"维修后试车，有工单", "a trial run after a repair, with a work order"},
		},
		find: func(s *scene, f *finder) {
			for i := range s.today.Machines {
				if m := &s.today.Machines[i]; !s.longCycle(m) && (m.Profile == registry.Machine || m.Profile == registry.Burst) {
					idleMachine(s, f, m, p)
				}
			}
		},
	}
}

func idleMachine(s *scene, f *finder, m *Machine, p *F4Params) {
	excused := s.today.excused(m.Workshop, m.ID, m.Device)
	runs := joined(m.inState(usage.Running).Clip(s.today.Date.Span()), p.Pause.Milliseconds()).Subtract(excused)
	if len(runs) == 0 {
		return
	}
	c := Clue{Subjects: Subjects{Machines: []string{m.ID}}, Explain: Text{"设备 " + m.ID, "machine " + m.ID}}
	var found span.Set
	found = found.Union(unattended(s, m, runs, p, &c))
	found = found.Union(outside(s, m, runs, p, &c))
	found = found.Union(steady(s, m, runs, p, &c))
	found = found.Union(copiedCurve(s, m, p, &c))
	if len(c.Tests) == 0 {
		return
	}
	c.Span = hull(found)
	for _, part := range found {
		c.Evidence = append(c.Evidence, machineRef(m, part))
	}
	f.add(c)
}

// longCycle reports whether the machine, or a class that works at its station, is known to run long by itself.
func (s *scene) longCycle(m *Machine) bool {
	if m.LongCycle {
		return true
	}
	for _, c := range s.Roster.People().Classes {
		if c.LongCycle && c.Workshop == m.Workshop && m.Station != "" && slices.Contains(c.Stations, m.Station) {
			return true
		}
	}
	return false
}

// about is when somebody may have been in a room: around every tap, and in every lesson for which anybody tapped. People
// forget to tap when they go, so a lesson counts whole.
func (s *scene) about(workshop string, around time.Duration) span.Set {
	var out []span.Span
	near := func(sp span.Span) {
		out = append(out, span.Span{StartMs: sp.StartMs - around.Milliseconds(), EndMs: sp.EndMs + around.Milliseconds()})
	}
	for _, t := range s.today.tappedAt(workshop) {
		near(span.Span{StartMs: t.AtMs, EndMs: t.AtMs})
	}
	for i := range s.today.lessons {
		l := &s.today.lessons[i]
		came := slices.ContainsFunc(l.trainees, func(t trainee) bool {
			return len(t.Taps) > 0 || len(t.Pending) > 0 || len(t.TeacherPresent) > 0
		})
		if l.Workshop == workshop && came {
			near(l.Span)
		}
	}
	return span.NewSet(out...).Union(widen(s.today.Deaf[workshop], around.Milliseconds()))
}

// unattended looks for runs with nobody in the room, where readers would have told.
func unattended(s *scene, m *Machine, runs span.Set, p *F4Params, c *Clue) span.Set {
	if !s.today.reads(m.Workshop) {
		return nil
	}
	alone := joined(runs.Subtract(s.about(m.Workshop, p.Around)), p.Pause.Milliseconds())
	run := longest(alone)
	if run.Ms() <= p.Unattended.Milliseconds() {
		return nil
	}
	c.fail("unattended", Measure{"longest_unattended_run", "ms", float64(run.Ms()), float64(p.Unattended.Milliseconds())},
		fmt.Sprintf("室内无人刷卡时连续运行 %s", minutesZh(run.Ms())), fmt.Sprintf("ran for %s with nobody in the room", minutesEn(run.Ms())))
	return long(alone, p.Unattended)
}

// outside looks for runs outside opening hours and lessons.
func outside(s *scene, m *Machine, runs span.Set, p *F4Params, c *Clue) span.Set {
	open, ok := s.today.Opening[m.Workshop]
	if !ok {
		return nil
	}
	var lessons []span.Span
	for i := range s.today.lessons {
		if s.today.lessons[i].Workshop == m.Workshop {
			lessons = append(lessons, s.today.lessons[i].Span)
		}
	}
	beyond := runs.Subtract(widen(open.Union(span.NewSet(lessons...)), p.Around.Milliseconds()))
	run := longest(beyond)
	if run.Ms() <= p.Outside.Milliseconds() {
		return nil
	}
	c.fail("closed", Measure{"longest_run_outside_hours", "ms", float64(run.Ms()), float64(p.Outside.Milliseconds())},
		fmt.Sprintf("开放时间之外连续运行 %s", minutesZh(run.Ms())), fmt.Sprintf("ran for %s outside opening hours", minutesEn(run.Ms())))
	return long(beyond, p.Outside)
}

func long(set span.Set, least time.Duration) span.Set {
	return slices.DeleteFunc(slices.Clone(set), func(s span.Span) bool { return s.Ms() <= least.Milliseconds() })
}

// steady looks for a load that hardly varies, where the machine's usually does.
func steady(s *scene, m *Machine, runs span.Set, p *F4Params, c *Clue) span.Set {
	flat, least := m.flat(runs, p)
	flat = long(flat, p.Steady-time.Millisecond)
	flat = slices.DeleteFunc(flat, func(part span.Span) bool { return s.warmsUp(m, part, p) })
	if len(flat) == 0 {
		return nil
	}
	normal := s.normalCV(m, p)
	if normal <= p.NormalCV {
		return nil
	}
	c.fail("steady", Measure{"power_variation", "share", least, p.SteadyCV},
		fmt.Sprintf("功率平稳（变异系数 %.3f，平时 %.2f）达 %s", least, normal, minutesZh(longest(flat).Ms())),
		fmt.Sprintf("steady power (coefficient of variation %.3f, normally %.2f) for %s", least, normal, minutesEn(longest(flat).Ms())))
	return flat
}

// warmsUp reports whether a steady run follows soon after the machine was switched on, with somebody there, and is short.
func (s *scene) warmsUp(m *Machine, run span.Span, p *F4Params) bool {
	on := m.inState(usage.Running, usage.Idle, usage.Fault)
	return len(on) > 0 && run.StartMs-on[0].StartMs <= p.WarmUp.Milliseconds() && run.Ms() <= p.WarmUp.Milliseconds() &&
		len(s.about(m.Workshop, p.Around).Clip(run)) > 0
}

// flat returns when the power varied too little for at least the length of a window, and the least variation.
func (m *Machine) flat(runs span.Set, p *F4Params) (span.Set, float64) {
	curve := &m.Power
	if curve.StepMs <= 0 {
		return nil, 0
	}
	n := int(p.Steady.Milliseconds() / curve.StepMs)
	if n < 10 {
		return nil, 0 // too coarse to tell
	}
	var out []span.Span
	least := math.Inf(1)
	for _, run := range runs {
		lo, hi := curve.inside(run)
		var w windowSum
		for i := lo; i < hi; i++ {
			w.add(curve.MeanW[i], curve.Known[i])
			if i-lo >= n {
				w.drop(curve.MeanW[i-n], curve.Known[i-n])
			}
			if i-lo+1 < n || w.known < n*9/10 {
				continue
			}
			if cv := variation(w.known, w.sum, w.squares); cv < p.SteadyCV {
				least = min(least, cv)
				end := curve.StartMs + int64(i+1)*curve.StepMs
				out = append(out, span.Span{StartMs: end - int64(n)*curve.StepMs, EndMs: end})
			}
		}
	}
	return span.NewSet(out...), least
}

// inside returns the steps that lie wholly in a span.
func (c *Curve) inside(s span.Span) (lo, hi int) {
	s = s.Intersect(c.Span())
	if s.Empty() {
		return 0, 0
	}
	lo = int((s.StartMs - c.StartMs + c.StepMs - 1) / c.StepMs)
	return lo, max(int((s.EndMs-c.StartMs)/c.StepMs), lo)
}

// windowSum sums up the known steps of a window.
type windowSum struct {
	known        int
	sum, squares float64
}

func (w *windowSum) add(v float64, known bool) {
	if known {
		w.known++
		w.sum += v
		w.squares += float64(v * v)
	}
}

func (w *windowSum) drop(v float64, known bool) {
	if known {
		w.known--
		w.sum -= v
		w.squares -= float64(v * v)
	}
}

// normalCV is how much power usually varies while the machine works: the larger of the median of its own earlier days and
// that of all machines of the room with its profile, so that a machine that is always left running does not make that
// normal; 0 when nothing is known.
func (s *scene) normalCV(m *Machine, p *F4Params) float64 {
	var own, near []float64
	for _, d := range append(slices.Clone(s.past), s.today) {
		for i := range d.Machines {
			o := &d.Machines[i]
			if o.Workshop != m.Workshop || o.Profile != m.Profile {
				continue
			}
			cv, ok := o.runningCV(p)
			switch {
			case !ok:
			case o.ID != m.ID:
				near = append(near, cv)
			case d != s.today:
				own = append(own, cv)
			}
		}
	}
	return max(median(own), median(near))
}

// runningCV is the variation of a day's power over the steps in which the machine ran all along.
func (m *Machine) runningCV(p *F4Params) (float64, bool) {
	if m.Power.StepMs <= 0 {
		return 0, false
	}
	var w windowSum
	for _, run := range joined(m.inState(usage.Running), p.Pause.Milliseconds()) {
		lo, hi := m.Power.inside(run)
		for i := lo; i < hi; i++ {
			w.add(m.Power.MeanW[i], m.Power.Known[i])
		}
	}
	if int64(w.known)*m.Power.StepMs < 10*minuteMs {
		return 0, false
	}
	return variation(w.known, w.sum, w.squares), true
}

func minutesZh(ms int64) string { return fmt.Sprintf("%d 分钟", ms/minuteMs) }
func minutesEn(ms int64) string { return fmt.Sprintf("%d min", ms/minuteMs) }
