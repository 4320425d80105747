package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// emulated is F5, 伪造终端或重放.
func emulated(p *F5Params) *Rule {
	return &Rule{
		ID: F5, Version: 1, Severity: High,
		Title: Text{"伪造终端或重放", "an emulated terminal, or a replay"},
		Innocent: []Text{
			{"换表，有工单或绑定变更", "the meter was replaced, with a work order or a change of its binding"},
			{"对时服务（NTP）故障，时钟质量已有标记", "a fault of NTP, which the quality of the clock tells"},
			{"设备重启后从存储补发旧数据", "the device sent stored data again after a restart"},
		},
		find: func(s *scene, f *finder) {
			for i := range s.today.Devices {
				emulatedDevice(s, f, &s.today.Devices[i], p)
			}
			for i := range s.today.Mains {
				mainMeter(s, f, &s.today.Mains[i], p)
			}
		},
	}
}

func emulatedDevice(s *scene, f *finder, d *Device, p *F5Params) {
	if s.today.workOrder(d.ID) {
		return
	}
	c := Clue{
		Span: s.today.Date.Span(), Subjects: Subjects{Devices: []string{d.ID}}, Evidence: slices.Clone(d.Evidence),
		Explain: Text{"采集设备 " + d.ID, "device " + d.ID},
	}
	replayed(s, d, p, &c)
	clockOff(d, p, &c)
	counterBack(d, p, &c)
	if len(c.Tests) > 0 {
		f.add(c)
	}
}

// replayed looks for windows of samples, or changes of state, that an earlier day of the device has too.
func replayed(s *scene, d *Device, p *F5Params, c *Clue) {
	old := map[uint64]*day{}
	for _, before := range s.past {
		for _, o := range before.Devices {
			if o.ID == d.ID {
				for _, x := range o.Prints {
					old[x.Hash] = before
				}
			}
		}
	}
	n := 0
	var from *day
	for _, x := range d.Prints {
		if before := old[x.Hash]; before != nil {
			n++
			from = before
			c.Evidence = append(c.Evidence, Ref{x.Epoch, x.Seq, d.ID, span.Span{StartMs: x.AtMs, EndMs: x.AtMs + 1}})
		}
	}
	if n >= p.Repeats && n > 0 {
		c.fail("repeated_samples", Measure{"repeated_windows", "count", float64(n), float64(p.Repeats)},
			fmt.Sprintf("至少 60 个连续读数与 %s 完全相同（%d 处）", from.Date, n),
			fmt.Sprintf("at least 60 readings in a row are exactly those of %s (%d windows)", from.Date, n))
		return
	}
	replayedSteps(s, d, p, c)
}

// replayedSteps compares the changes of state of the machines that the device speaks for.
func replayedSteps(s *scene, d *Device, p *F5Params, c *Clue) {
	for i := range s.today.Machines {
		m := &s.today.Machines[i]
		if m.Device != d.ID || m.Rebound {
			continue
		}
		for _, before := range slices.Backward(s.past) {
			old := before.machine(m.ID)
			if old == nil {
				continue
			}
			if n, share := sameSteps(m, old, p.StepWithin.Milliseconds()); n >= p.Steps && share >= p.StepShare {
				c.Subjects.Machines = append(c.Subjects.Machines, m.ID)
				c.Evidence = append(c.Evidence, machineRef(m, s.today.Date.Span()))
				c.fail("repeated_states", Measure{"same_changes", "share", share, p.StepShare},
					fmt.Sprintf("%d 次启停中 %.0f%% 与 %s 的时刻相同", n, 100*share, before.Date),
					fmt.Sprintf("%.0f %% of %d starts and stops came at the times of %s", 100*share, n, before.Date))
				return
			}
		}
	}
}

// clockOff looks for a device whose clock is believed and is off.
func clockOff(d *Device, p *F5Params, c *Clue) {
	if d.Clock.Trusted < p.ClockLeast || float64(d.Clock.Off) < p.ClockShare*float64(d.Clock.Trusted) {
		return
	}
	if len(c.Tests) == 0 {
		c.Severity = Low // alone it is more often a battery than a fraud
	}
	c.fail("clock", Measure{"clock_difference", "ms", float64(d.Clock.WorstMs), float64(p.ClockOff.Milliseconds())},
		fmt.Sprintf("%d 条记录中 %d 条的设备时间偏差超过 %.0f 秒", d.Clock.Trusted, d.Clock.Off, p.ClockOff.Seconds()),
		fmt.Sprintf("the device's clock is off by more than %.0f s in %d of %d records", p.ClockOff.Seconds(), d.Clock.Off, d.Clock.Trusted))
}

// counterBack looks for an energy counter that was set back: neither reset to nothing, nor that of another meter.
func counterBack(d *Device, p *F5Params, c *Clue) {
	if d.Rebound {
		return
	}
	for _, b := range d.Backward {
		if b.FromWh-b.ToWh < p.BackWh || b.ToWh < p.ZeroShare*b.FromWh {
			continue
		}
		c.Severity = High
		c.Evidence = append(c.Evidence, Ref{b.Epoch, b.Seq, d.ID, span.Span{StartMs: b.AtMs, EndMs: b.AtMs + 1}})
		c.fail("counter_back", Measure{"counter_went_back", "Wh", b.FromWh - b.ToWh, p.BackWh},
			fmt.Sprintf("电量表底由 %.0f Wh 退到 %.0f Wh", b.FromWh, b.ToWh),
			fmt.Sprintf("the energy counter went back from %.0f to %.0f Wh", b.FromWh, b.ToWh))
		return
	}
}

// mainMeter compares a main meter with those behind it.
func mainMeter(s *scene, f *finder, m *Main, p *F5Params) {
	if m.Coverage < p.MainCoverage || m.SubsWh <= p.MainShare*m.MainWh || s.today.workOrder(m.Device) {
		return
	}
	c := Clue{
		Span: s.today.Date.Span(), Subjects: Subjects{Devices: append([]string{m.Device}, m.Subs...)},
		Evidence: []Ref{{Source: m.Device, Span: s.today.Date.Span()}},
		Explain:  Text{"总表 " + m.Device, "main meter " + m.Device},
	}
	c.fail("sub_meters", Measure{"sub_meters_energy", "Wh", m.SubsWh, p.MainShare * m.MainWh},
		fmt.Sprintf("分表合计 %.0f Wh，超过总表 %.0f Wh 的 %.0f%%", m.SubsWh, m.MainWh, 100*p.MainShare),
		fmt.Sprintf("the meters behind it show %.0f Wh, more than %.0f %% of its %.0f Wh", m.SubsWh, 100*p.MainShare, m.MainWh))
	f.add(c)
}
