package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// copiedCurve looks for an earlier day that the machine repeats: its power minute by minute, or its changes of state.
func copiedCurve(s *scene, m *Machine, p *F4Params, c *Clue) span.Set {
	for _, before := range slices.Backward(s.past) {
		old := before.machine(m.ID)
		if old == nil {
			continue
		}
		if r, ok := sameCurve(m, old, p); ok && r > p.Correlation {
			c.Severity = High
			c.fail("copied", Measure{"correlation", "share", r, p.Correlation},
				fmt.Sprintf("功率曲线与 %s 相同（相关系数 %.4f）", before.Date, r),
				fmt.Sprintf("the power curve is that of %s (correlation %.4f)", before.Date, r))
			return m.inState(usage.Running)
		}
		if n, share := sameSteps(m, old, p.StepWithin.Milliseconds()); n >= p.Steps && share >= p.StepShare {
			c.Severity = High
			c.fail("copied_steps", Measure{"same_changes", "share", share, p.StepShare},
				fmt.Sprintf("%d 次启停中 %.0f%% 与 %s 的时刻相同", n, 100*share, before.Date),
				fmt.Sprintf("%.0f %% of %d starts and stops came at the times of %s", 100*share, n, before.Date))
			return m.inState(usage.Running)
		}
	}
	return nil
}

func (d *day) machine(id string) *Machine {
	if i := slices.IndexFunc(d.Machines, func(m Machine) bool { return m.ID == id }); i >= 0 {
		return &d.Machines[i]
	}
	return nil
}

// sameCurve correlates two days' power by the minute, over the minutes in which the machine was on on either day: that it is
// off at night says nothing. ok is false where the machine ran too little or too little is known.
func sameCurve(a, b *Machine, p *F4Params) (r float64, ok bool) {
	least := p.Compared.Milliseconds()
	if a.regular() || b.regular() {
		return 0, false
	}
	if a.inState(usage.Running).Ms() < least || b.inState(usage.Running).Ms() < least {
		return 0, false
	}
	offW := max(a.OffW, b.OffW, 1)
	x, y := a.Power.minutes(), b.Power.minutes()
	var mine, theirs []float64
	for i := range min(len(x), len(y)) {
		if x[i].known && y[i].known && (x[i].w >= offW || y[i].w >= offW) {
			mine, theirs = append(mine, x[i].w), append(theirs, y[i].w)
		}
	}
	if int64(len(mine))*minuteMs < least {
		return 0, false
	}
	return correlation(mine, theirs)
}

type minute struct {
	w     float64
	known bool
}

// minutes are the means of the day's minutes from the curve's beginning; one counts as known when half of it is.
func (c *Curve) minutes() []minute {
	if c.StepMs <= 0 || c.StepMs > minuteMs {
		return nil
	}
	per := int(minuteMs / c.StepMs)
	out := make([]minute, 0, len(c.MeanW)/per)
	for i := 0; i+per <= len(c.MeanW); i += per {
		n, sum := 0, 0.0
		for k := i; k < i+per; k++ {
			if c.Known[k] {
				n++
				sum += c.MeanW[k]
			}
		}
		if n > 0 {
			sum /= float64(n)
		}
		out = append(out, minute{sum, 2*n >= per})
	}
	return out
}

// sameSteps counts a day's beginnings and ends of runs, and the part of them that an earlier day has at the same time of day,
// each of its own matched once. The share is of the day that has more of them.
func sameSteps(a, b *Machine, withinMs int64) (n int, share float64) {
	if len(a.Timeline) == 0 || len(b.Timeline) == 0 || a.regular() || b.regular() {
		return 0, 0
	}
	same := 0
	x, y := a.steps(), b.steps()
	for kind := range x {
		j := 0
		for _, at := range x[kind] {
			for j < len(y[kind]) && y[kind][j] < at-withinMs {
				j++
			}
			if j < len(y[kind]) && y[kind][j] <= at+withinMs {
				same++
				j++
			}
		}
	}
	n = max(len(x[0])+len(x[1]), len(y[0])+len(y[1]))
	if n == 0 {
		return 0, 0
	}
	return n, float64(same) / float64(n)
}

// regular reports whether a machine's runs come in a beat of its own, as those of a compressor do that nobody draws from:
// then one day is like another. It is so where the time from run to run varies by less than 0.3 of its mean.
func (m *Machine) regular() bool {
	const beat = 0.3
	runs := m.inState(usage.Running)
	var w windowSum
	for i := 1; i < len(runs); i++ {
		w.add(float64(runs[i].StartMs-runs[i-1].StartMs), true)
	}
	return w.known > 1 && variation(w.known, w.sum, w.squares) < beat
}

// steps are the beginnings and the ends of runs, by time since the timeline began.
func (m *Machine) steps() [2][]int64 {
	var out [2][]int64
	from := m.Timeline[0].StartMs
	const dayMs = 24 * 60 * minuteMs
	if rest := (from + 8*60*minuteMs) % dayMs; rest != 0 {
		from -= rest // a machine that came into service in mid-day: count from midnight in Asia/Shanghai all the same
	}
	for _, s := range m.inState(usage.Running) {
		out[0], out[1] = append(out[0], s.StartMs-from), append(out[1], s.EndMs-from)
	}
	return out
}
