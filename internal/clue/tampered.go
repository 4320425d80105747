package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// tampered is F12, 计量篡改.
func tampered(p *F12Params) *Rule {
	return &Rule{
		ID: F12, Version: 1, Severity: High,
		Title: Text{"计量篡改", "a meter that was tampered with"},
		Innocent: []Text{
			{"改线、换表，有工单或绑定变更", "rewiring or another meter, with a work order or a change of its binding"},
			{"电表故障，已报修", "the meter is broken, and that was reported"},
			{"换了加工任务，负荷本来不同", "another job with another load"},
		},
		find: func(s *scene, f *finder) {
			for i := range s.today.lessons {
				if l := &s.today.lessons[i]; s.today.starts(l) {
					for _, m := range l.machines {
						bypassed(s, f, l, m, p)
					}
				}
			}
			for i := range s.today.Devices {
				heardDown(s, f, &s.today.Devices[i], p)
			}
			for i := range s.today.Machines {
				meterMoved(s, f, &s.today.Machines[i], p)
			}
		},
	}
}

// bypassed looks for a machine whose controller works for a class while its meter shows nothing.
func bypassed(s *scene, f *finder, l *lesson, m *Machine, p *F12Params) {
	if m.Rebound || len(m.Power.MeanW) == 0 || len(s.today.excused(m.Workshop, m.ID, m.Device).Clip(l.Span)) > 0 {
		return
	}
	var present span.Set
	for i := range l.trainees {
		present = present.Union(l.trainees[i].Present)
	}
	var says []span.Span
	for _, x := range m.Timeline {
		if x.State == usage.Running && x.Word != "" {
			says = append(says, x.Span)
		}
	}
	runs := span.NewSet(says...).Intersect(present).Clip(l.Span)
	var dead, metered int64
	for _, run := range runs {
		lo, hi := m.Power.inside(run)
		for i := lo; i < hi; i++ {
			if !m.Power.Known[i] {
				continue
			}
			metered += m.Power.StepMs
			if m.Power.MeanW[i] < max(m.OffW, 1) {
				dead += m.Power.StepMs
			}
		}
	}
	if dead < p.Bypassed.Milliseconds() || float64(dead) < p.BypassShare*float64(metered) {
		return
	}
	c := Clue{
		Span:     l.Span,
		Subjects: Subjects{Machines: []string{m.ID}, Sessions: []string{l.ID}}, Evidence: []Ref{machineRef(m, l.Span)},
		Explain: Text{"设备 " + m.ID, "machine " + m.ID},
	}
	c.fail("bypassed", Measure{"running_without_power", "ms", float64(dead), float64(p.Bypassed.Milliseconds())},
		fmt.Sprintf("控制器报告运行而电表功率为零，共 %s", minutesZh(dead)),
		fmt.Sprintf("the controller says that it runs while the meter shows nothing, %s in all", minutesEn(dead)))
	f.add(c)
}

// heardDown looks for a device that is said to be offline and goes on speaking.
func heardDown(s *scene, f *finder, d *Device, p *F12Params) {
	if d.HeardDown < p.HeardDown || d.Rebound || s.today.workOrder(d.ID) {
		return
	}
	c := Clue{
		Severity: Low, Span: hull(d.Down), Subjects: Subjects{Devices: []string{d.ID}}, Evidence: slices.Clone(d.Evidence),
		Explain: Text{"采集设备 " + d.ID, "device " + d.ID},
	}
	c.fail("heard_offline", Measure{"minutes_heard", "count", float64(d.HeardDown), float64(p.HeardDown)},
		fmt.Sprintf("宣告离线期间仍有 %d 分钟收到读数", d.HeardDown),
		fmt.Sprintf("readings came in %d minutes in which it was said to be offline", d.HeardDown))
	f.add(c)
}

// meterMoved looks for a machine whose power at work is another machine's all of a sudden.
func meterMoved(s *scene, f *finder, m *Machine, p *F12Params) {
	if m.Rebound || m.Profile != registry.Machine && m.Profile != registry.Burst ||
		len(s.today.excused(m.Workshop, m.ID, m.Device)) > 0 {
		return
	}
	level, ok := m.level(p)
	if !ok {
		return
	}
	var before []float64
	for i := len(s.past) - 1; i >= 0 && len(before) < 2*p.LevelDays; i-- {
		old := s.past[i].machine(m.ID)
		if old == nil {
			continue
		}
		if old.Device != m.Device {
			return // the registry says that another meter measured then
		}
		if was, ok := old.level(p); ok {
			before = append(before, was)
		}
		if old.Rebound {
			break
		}
	}
	usual := median(before)
	if len(before) < p.LevelDays || level <= p.LevelFactor*usual && level*p.LevelFactor >= usual {
		return
	}
	c := Clue{
		Severity: Medium, Span: s.today.Date.Span(),
		Subjects: Subjects{Machines: []string{m.ID}}, Evidence: []Ref{machineRef(m, s.today.Date.Span())},
		Explain: Text{"设备 " + m.ID, "machine " + m.ID},
	}
	if m.Device != "" {
		c.Subjects.Devices = []string{m.Device}
	}
	limit := p.LevelFactor * usual
	if level < usual {
		limit = usual / p.LevelFactor
	}
	c.fail("level", Measure{"running_power", "W", level, limit},
		fmt.Sprintf("运行功率 %.0f W，此前一直约 %.0f W，电表可能移装到别的设备", level, usual),
		fmt.Sprintf("%.0f W at work, about %.0f W on the days before: the meter may have been moved", level, usual))
	f.add(c)
}

// level is the median power at work over a day; ok is false where it worked too little.
func (m *Machine) level(p *F12Params) (float64, bool) {
	var values []float64
	for _, run := range m.inState(usage.Running) {
		lo, hi := m.Power.inside(run)
		for i := lo; i < hi; i++ {
			if m.Power.Known[i] {
				values = append(values, m.Power.MeanW[i])
			}
		}
	}
	if int64(len(values))*m.Power.StepMs < p.LevelLeast.Milliseconds() || len(values) == 0 {
		return 0, false
	}
	return median(values), true
}
