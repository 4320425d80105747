package usage

import (
	"maps"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// Totals are the milliseconds of each state in a window, and what the rates are made of.
type Totals struct {
	// WindowMs is the window's length: RunningMs + IdleMs + OffMs + FaultMs + UnknownMs.
	WindowMs  int64
	RunningMs int64
	IdleMs    int64
	OffMs     int64
	FaultMs   int64
	UnknownMs int64
	// EstimatedRunningMs and EstimatedOffMs are parts of UnknownMs that an energy counter bounds. They are shown and
	// never credited.
	EstimatedRunningMs int64
	EstimatedOffMs     int64
	// OpeningMs is the length of the opening hours in the window: the rate's denominator.
	OpeningMs int64
	// OpeningKnownMs is the part of OpeningMs in which the state is known.
	OpeningKnownMs int64
	// OpeningRunningMs is the part of RunningMs inside the opening hours.
	OpeningRunningMs int64
	// Words are the milliseconds of each controller word, for machines whose controller speaks.
	Words map[string]int64
}

// Sum adds up a timeline. Opening hours outside the timeline's window count for nothing.
func Sum(timeline []Segment, opening span.Set) Totals {
	t := Totals{Words: map[string]int64{}}
	states := make(map[State]span.Set)
	for _, s := range timeline {
		ms := s.Ms()
		t.WindowMs += ms
		*t.of(s.State) += ms
		if s.State == Unknown {
			switch s.Estimate {
			case Running:
				t.EstimatedRunningMs += ms
			case Off:
				t.EstimatedOffMs += ms
			}
		}
		if s.Word != "" {
			t.Words[s.Word] += ms
		}
		states[s.State] = append(states[s.State], s.Span)
	}
	if len(timeline) == 0 {
		return t
	}
	open := opening.Clip(span.Span{StartMs: timeline[0].StartMs, EndMs: timeline[len(timeline)-1].EndMs})
	t.OpeningMs = open.Ms()
	t.OpeningKnownMs = t.OpeningMs - open.Intersect(span.NewSet(states[Unknown]...)).Ms()
	t.OpeningRunningMs = open.Intersect(span.NewSet(states[Running]...)).Ms()
	return t
}

func (t *Totals) of(s State) *int64 {
	switch s {
	case Running:
		return &t.RunningMs
	case Idle:
		return &t.IdleMs
	case Off:
		return &t.OffMs
	case Fault:
		return &t.FaultMs
	}
	return &t.UnknownMs
}

// Of returns the milliseconds of one state.
func (t *Totals) Of(s State) int64 { return *t.of(s) }

// SortedWords returns the controller's words in alphabetical order.
func (t *Totals) SortedWords() []string { return slices.Sorted(maps.Keys(t.Words)) }

// CoverageFloor is the default coverage below which a rate is withheld (数据不足): 0.90, the gate of the
// evaluation's 数据完整率.
const CoverageFloor = 0.90

// Coverage is the part of the expected time in which the state is known (数据完整率), 0 to 1: of the opening hours, or of
// the whole window when it has none. It is 0 for an empty window.
func (t *Totals) Coverage() float64 {
	if t.OpeningMs > 0 {
		return float64(t.OpeningKnownMs) / float64(t.OpeningMs)
	}
	if t.WindowMs > 0 {
		return float64(t.WindowMs-t.UnknownMs) / float64(t.WindowMs)
	}
	return 0
}

// Rate is running time over opening hours (使用率(日历), U_c of the evaluation's formulas): all running time of the
// window, also outside the opening hours, so that it may exceed 1. It is withheld, and ok is false, when there are no
// opening hours or the coverage is below the floor.
func (t *Totals) Rate(floor float64) (rate float64, ok bool) {
	if t.OpeningMs == 0 || t.Coverage() < floor {
		return 0, false
	}
	return float64(t.RunningMs) / float64(t.OpeningMs), true
}

// Add returns the sum of two totals, for periods of several days or several machines.
func (t Totals) Add(u Totals) Totals {
	words := maps.Clone(t.Words)
	if words == nil {
		words = map[string]int64{}
	}
	for w, ms := range u.Words {
		words[w] += ms
	}
	return Totals{
		WindowMs: t.WindowMs + u.WindowMs, RunningMs: t.RunningMs + u.RunningMs, IdleMs: t.IdleMs + u.IdleMs,
		OffMs: t.OffMs + u.OffMs, FaultMs: t.FaultMs + u.FaultMs, UnknownMs: t.UnknownMs + u.UnknownMs,
		EstimatedRunningMs: t.EstimatedRunningMs + u.EstimatedRunningMs, EstimatedOffMs: t.EstimatedOffMs + u.EstimatedOffMs,
		OpeningMs: t.OpeningMs + u.OpeningMs, OpeningKnownMs: t.OpeningKnownMs + u.OpeningKnownMs,
		OpeningRunningMs: t.OpeningRunningMs + u.OpeningRunningMs, Words: words,
	}
}
