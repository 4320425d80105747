package usage

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// AdjoinMs is how far standby counts as preparation before a run and as post-processing after it: 15 minutes [P].
const AdjoinMs = 15 * 60 * 1000

// Booking is one session of the timetable that a machine is there for.
type Booking struct {
	Session string
	Use     registry.UseCategory
	// Span is the scheduled time, breaks included: a machine that runs through a break works for the session.
	Span   span.Span
	Breaks span.Set
	// Practice sessions plan the machine; theory sessions do not, and yet what runs in one is attributed to it.
	Practice bool
	// Specific bookings name the machine's station; the others only the workshop.
	Specific bool
}

// Effective is effective time (有效机时) in milliseconds by its three parts, the definition of the ministry's form [MOE].
type Effective struct {
	PrepMs int64 // necessary preparation with the machine on
	RunMs  int64
	PostMs int64 // necessary post-processing
}

// Ms is the whole.
func (e Effective) Ms() int64 { return e.PrepMs + e.RunMs + e.PostMs }

// Add returns the sum.
func (e Effective) Add(f Effective) Effective {
	return Effective{PrepMs: e.PrepMs + f.PrepMs, RunMs: e.RunMs + f.RunMs, PostMs: e.PostMs + f.PostMs}
}

// SessionTime is the effective time that is one session's.
type SessionTime struct {
	Session string
	Use     registry.UseCategory
	Effective
}

// Attribution is a machine's time by what it was used for.
type Attribution struct {
	// Effective is H_e. Each of its milliseconds belongs to one session of BySession, and so to one use of ByUse.
	Effective
	BySession []SessionTime // in order of beginning, then id; sessions without any time too
	ByUse     map[registry.UseCategory]Effective
	// ScheduledMs is the timetable's denominator: practice sessions without their breaks, overlaps once.
	ScheduledMs int64
	// ScheduledKnownMs is the part of ScheduledMs in which the machine's state is known.
	ScheduledKnownMs int64
	// ScheduledEffectiveMs is the part of H_e inside ScheduledMs.
	ScheduledEffectiveMs int64
}

// Attribute gives a machine's running time, and the standby that adjoins it, to the sessions that booked the machine.
//
// A run counts as far as it lies in a session's scheduled span. Standby counts where it touches, in the same session, a
// run of that session: up to AdjoinMs before it as preparation, up to AdjoinMs after it as post-processing. Off, fault
// and unknown time end the touch. Where sessions overlap, each millisecond belongs to one: to the one that names the
// machine's station, then to the one that begins first, then to the first by id. So the sum never depends on the order
// of the bookings, and another booking never lowers it.
func Attribute(timeline []Segment, bookings []Booking) Attribution {
	states := bare(timeline)
	a := Attribution{ByUse: map[registry.UseCategory]Effective{}}
	var taken []claimed
	var all []span.Span
	for _, b := range byPriority(bookings) {
		c := claim(states, b)
		for _, before := range taken {
			if !before.Span.Intersect(b.Span).Empty() {
				c.leave(before.all)
			}
		}
		e := Effective{PrepMs: c.prep.Ms(), RunMs: c.run.Ms(), PostMs: c.post.Ms()}
		a.Effective = a.Effective.Add(e)
		a.ByUse[b.Use] = a.ByUse[b.Use].Add(e)
		a.BySession = append(a.BySession, SessionTime{Session: b.Session, Use: b.Use, Effective: e})
		taken = append(taken, c)
		all = append(all, c.all...)
	}
	a.inOrder(bookings)
	a.schedule(states, span.NewSet(all...), bookings)
	return a
}

// byPriority returns the bookings in the order in which they claim time.
func byPriority(bookings []Booking) []Booking {
	sorted := slices.Clone(bookings)
	slices.SortFunc(sorted, func(a, b Booking) int {
		return cmp.Or(-compareBool(a.Specific, b.Specific), cmp.Compare(a.Span.StartMs, b.Span.StartMs),
			cmp.Compare(a.Session, b.Session), cmp.Compare(a.Span.EndMs, b.Span.EndMs), cmp.Compare(a.Use, b.Use))
	})
	return sorted
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// inOrder brings the sessions into the order of the timetable.
func (a *Attribution) inOrder(bookings []Booking) {
	start := make(map[string]int64, len(bookings))
	for _, b := range bookings {
		start[b.Session] = b.Span.StartMs
	}
	slices.SortStableFunc(a.BySession, func(x, y SessionTime) int {
		return cmp.Or(cmp.Compare(start[x.Session], start[y.Session]), cmp.Compare(x.Session, y.Session))
	})
}

// schedule sums up the timetable's side.
func (a *Attribution) schedule(states []Segment, effective span.Set, bookings []Booking) {
	if len(states) == 0 {
		return
	}
	window := span.Span{StartMs: states[0].StartMs, EndMs: states[len(states)-1].EndMs}
	var planned []span.Span
	for _, b := range bookings {
		if b.Practice {
			planned = append(planned, span.NewSet(b.Span).Subtract(b.Breaks)...)
		}
	}
	scheduled := span.NewSet(planned...).Clip(window)
	a.ScheduledMs = scheduled.Ms()
	a.ScheduledKnownMs = scheduled.Subtract(inState(states, Unknown)).Ms()
	a.ScheduledEffectiveMs = scheduled.Intersect(effective).Ms()
}

// claimed is what one booking takes; the three sets share no instant.
type claimed struct {
	span.Span
	prep, run, post span.Set
	all             span.Set // what it would take by itself
}

// claim finds what the session would take if it were alone.
func claim(states []Segment, b Booking) claimed {
	inside := within(states, b.Span)
	var prep, run, post []span.Span
	for i, s := range inside {
		switch s.State {
		case Running:
			run = append(run, s.Span)
		case Idle:
			if i > 0 && inside[i-1].State == Running && inside[i-1].EndMs == s.StartMs {
				post = append(post, span.Span{StartMs: s.StartMs, EndMs: min(s.EndMs, s.StartMs+AdjoinMs)})
			}
			if i+1 < len(inside) && inside[i+1].State == Running && inside[i+1].StartMs == s.EndMs {
				prep = append(prep, span.Span{StartMs: max(s.StartMs, s.EndMs-AdjoinMs), EndMs: s.EndMs})
			}
		}
	}
	c := claimed{Span: b.Span, run: span.NewSet(run...), post: span.NewSet(post...)}
	c.prep = span.NewSet(prep...).Subtract(c.post) // between two runs that are close, what is over is no longer to come
	c.all = c.run.Union(c.post).Union(c.prep)
	return c
}

// leave gives up what another has taken.
func (c *claimed) leave(taken span.Set) {
	c.prep, c.run, c.post = c.prep.Subtract(taken), c.run.Subtract(taken), c.post.Subtract(taken)
}

// within returns the segments inside the span, cut to it.
func within(states []Segment, s span.Span) []Segment {
	from, _ := slices.BinarySearchFunc(states, s.StartMs, func(g Segment, ms int64) int {
		if g.EndMs <= ms {
			return -1
		}
		return 1
	})
	var out []Segment
	for _, g := range states[from:] {
		if g.StartMs >= s.EndMs {
			break
		}
		g.Span = g.Intersect(s)
		if !g.Empty() {
			out = append(out, g)
		}
	}
	return out
}

// bare is the timeline by state alone. It keeps gaps, which only a timeline that Timeline or Join did not make can have.
func bare(timeline []Segment) []Segment {
	var out []Segment
	for _, s := range timeline {
		out = appendMerged(out, Segment{Span: s.Span, State: s.State})
	}
	return out
}

// inState returns when the machine was in any of the states.
func inState(timeline []Segment, states ...State) span.Set {
	var spans []span.Span
	for _, s := range timeline {
		if slices.Contains(states, s.State) {
			spans = append(spans, s.Span)
		}
	}
	return span.NewSet(spans...)
}
