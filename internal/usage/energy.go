package usage

import (
	"math"

	"github.com/jishi-telemetry/jishi/internal/span"
)

const (
	// maxBlipMs is how long a counter may show less than before and still be believed when it is back: some meters say 0
	// for a moment.
	maxBlipMs = 10 * 60 * 1000
	// maxMeanW is the mean power between two readings above which the counter was exchanged or set, not turned: 1 MW,
	// far above any machine of a training base [P].
	maxMeanW = 1_000_000
	// slackMilliWh is the coarsest step of a counter, 10 kWh: a step is no power.
	slackMilliWh = 10_000_000
	// maxCounterWh is the highest counter that is exact in thousandths of a watt-hour; a counter above it is none.
	maxCounterWh = 1e12
)

// Energy is what a meter's counter says that a machine drew in a period.
type Energy struct {
	// MilliWh is the sum of the counter's advances, thousandths of a watt-hour.
	MilliWh int64
	// CoveredMs is the time between readings that are in the sum.
	CoveredMs int64
	// ExpectedMs is the length of the period.
	ExpectedMs int64
	// Resets counts how often the counter went back or leapt; what was drawn across one is not known and not in the sum.
	Resets int
}

// Coverage is the part of the period that the counter accounts for, 0 to 1.
func (e Energy) Coverage() float64 {
	if e.ExpectedMs <= 0 {
		return 0
	}
	return float64(e.CoveredMs) / float64(e.ExpectedMs)
}

// Add returns the sum of two periods or two machines.
func (e Energy) Add(f Energy) Energy {
	return Energy{
		MilliWh: e.MilliWh + f.MilliWh, CoveredMs: e.CoveredMs + f.CoveredMs, ExpectedMs: e.ExpectedMs + f.ExpectedMs,
		Resets: e.Resets + f.Resets,
	}
}

// EnergyMeter sums up one counter over a period, reading by reading. An advance counts whole at its later reading, so
// that the days of a month add up to the month; a silence loses nothing, for the counter went on. A counter that goes back
// and soon is where it was said something wrong in between; one that stays back was reset or exchanged, and what was drawn
// across that is left out. Make one with NewEnergyMeter. It is not safe for concurrent use.
type EnergyMeter struct {
	window span.Span
	last   reading   // the last that is believed
	any    bool      // whether there is one
	back   []reading // what the counter said since it went back, at most maxBlipMs long
	sum    Energy
}

type reading struct{ atMs, milliWh int64 }

// NewEnergyMeter returns the meter of a period.
func NewEnergyMeter(window span.Span) *EnergyMeter {
	return &EnergyMeter{window: window, sum: Energy{ExpectedMs: window.Ms()}}
}

// Take takes the next point. Points are given in order of AtMs; one that is not later than the last counts for nothing,
// so that what is given may overlap. Readings before the period say where the counter began; those after it count for
// nothing.
func (m *EnergyMeter) Take(p *Point) {
	if !p.HasEnergy || p.AtMs >= m.window.EndMs || !(p.EnergyWh >= 0 && p.EnergyWh <= maxCounterWh) {
		return
	}
	m.take(reading{atMs: p.AtMs, milliWh: int64(math.Round(p.EnergyWh * 1000))})
}

func (m *EnergyMeter) take(now reading) {
	n := len(m.back)
	switch {
	case !m.any:
		m.last, m.any = now, true
	case now.atMs <= m.last.atMs, n > 0 && now.atMs <= m.back[n-1].atMs:
	case n > 0 && now.atMs-m.back[0].atMs > maxBlipMs:
		m.accept()
		m.take(now)
	case now.milliWh >= m.last.milliWh:
		m.back = nil
		m.advance(now)
	default:
		m.back = append(m.back, now)
	}
}

// accept believes what the counter said since it went back.
func (m *EnergyMeter) accept() {
	for _, r := range m.back {
		m.advance(r)
	}
	m.back = nil
}

// advance goes from the last reading to the next.
func (m *EnergyMeter) advance(to reading) {
	from := m.last
	m.last = to
	if to.atMs < m.window.StartMs {
		return
	}
	drawn, ms := to.milliWh-from.milliWh, to.atMs-from.atMs
	if drawn < 0 || float64(drawn) > slackMilliWh+maxMeanW*1000*float64(ms)/msPerHour {
		m.sum.Resets++
		return
	}
	m.sum.MilliWh += drawn
	m.sum.CoveredMs += span.Span{StartMs: from.atMs, EndMs: to.atMs}.Intersect(m.window).Ms()
}

// Energy returns the sum of what was taken so far.
func (m *EnergyMeter) Energy() Energy {
	done := *m
	done.accept()
	return done.sum
}
