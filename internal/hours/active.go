package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// activity is when a station proves practice, and when it may do so for all that is known.
type activity struct {
	sure  span.Set
	maybe span.Set // without sure
	on    span.Set // switched on, for telling idle from off
}

// either is when the station proves practice for all that is known.
func (a activity) either() span.Set { return a.sure.Union(a.maybe) }

// inDoubt is the activity of a station whose reader was not heard of: who worked there may be anybody.
func (a activity) inDoubt() activity { return activity{maybe: a.either(), on: a.on} }

// active judges a station for a lesson, by the profile of the course.
func (r Rule) active(s *Station, profile registry.Profile, lesson span.Span) activity {
	if profile == registry.Bench || profile == registry.Kitchen {
		return activity{sure: span.NewSet(lesson)}
	}
	if s.Bare {
		return activity{maybe: span.NewSet(lesson)}
	}
	sure := r.shown(s.Running, s.Ready, profile, lesson)
	either := r.shown(s.Running.Union(s.Unknown), s.Ready, profile, lesson)
	return activity{
		sure: sure.Clip(lesson), maybe: either.Subtract(sure).Clip(lesson), on: s.Running.Union(s.Ready).Clip(lesson),
	}
}

// shown is when a station that did so proves practice.
func (r Rule) shown(running, ready span.Set, profile registry.Profile, lesson span.Span) span.Set {
	var out span.Set
	switch profile {
	case registry.Computer:
		out = running.Union(ready)
	case registry.Burst:
		out = windows(running, r.Window.Milliseconds())
	default:
		out = running.Union(adjoining(running, ready, r.Adjoin.Milliseconds()).Clip(lesson))
	}
	return widen(out, r.Dilation.Milliseconds())
}

// adjoining is the readiness that touches a run, as far as it is near that run.
func adjoining(running, ready span.Set, nearMs int64) span.Set {
	var out []span.Span
	for _, r := range running {
		if s, ok := touching(ready, r.StartMs); ok {
			out = append(out, span.Span{StartMs: max(s.StartMs, r.StartMs-nearMs), EndMs: r.StartMs})
		}
		if s, ok := touching(ready, r.EndMs); ok {
			out = append(out, span.Span{StartMs: r.EndMs, EndMs: min(s.EndMs, r.EndMs+nearMs)})
		}
	}
	return span.NewSet(out...)
}

// touching is the span of a set that holds an instant or ends there.
func touching(set span.Set, ms int64) (span.Span, bool) {
	i, _ := slices.BinarySearchFunc(set, ms, func(s span.Span, ms int64) int { return cmp.Compare(s.EndMs, ms) })
	if i < len(set) && set[i].StartMs <= ms {
		return set[i], true
	}
	return span.Span{}, false
}

// windows are the windows of a length, counted from the epoch, in which the set has anything.
func windows(set span.Set, ms int64) span.Set {
	if ms <= 0 {
		return set
	}
	out := make([]span.Span, len(set))
	for i, s := range set {
		out[i] = span.Span{StartMs: s.StartMs - s.StartMs%ms, EndMs: (s.EndMs + ms - 1) / ms * ms}
	}
	return span.NewSet(out...)
}

// widen makes every span longer at both ends.
func widen(set span.Set, ms int64) span.Set {
	out := make([]span.Span, len(set))
	for i, s := range set {
		out[i] = span.Span{StartMs: s.StartMs - ms, EndMs: s.EndMs + ms}
	}
	return span.NewSet(out...)
}
