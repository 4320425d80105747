// Package span is arithmetic on half-open spans of time and on sets of them: union, intersection, difference, gaps and
// totals. It is for the derivations, which turn evidence into seconds. It refuses time zones, days and clocks: a span
// is two integers of milliseconds since the Unix epoch, UTC.
//
// All functions are pure and never change their arguments.
package span

import "time"

// Span is the half-open interval [StartMs, EndMs), milliseconds since the Unix epoch. It is empty when
// EndMs <= StartMs.
type Span struct {
	StartMs, EndMs int64
}

// Of returns the span from start to end, cut to whole milliseconds.
func Of(start, end time.Time) Span { return Span{start.UnixMilli(), end.UnixMilli()} }

// Empty reports whether the span holds no millisecond.
func (s Span) Empty() bool { return s.EndMs <= s.StartMs }

// Ms returns the length in milliseconds, 0 when the span is empty.
func (s Span) Ms() int64 {
	if s.Empty() {
		return 0
	}
	return s.EndMs - s.StartMs
}

// Contains reports whether the instant lies in the span.
func (s Span) Contains(ms int64) bool { return s.StartMs <= ms && ms < s.EndMs }

// Intersect returns the part that both spans cover, possibly empty.
func (s Span) Intersect(t Span) Span {
	return Span{max(s.StartMs, t.StartMs), min(s.EndMs, t.EndMs)}
}

// Start returns the span's first instant as a time in UTC.
func (s Span) Start() time.Time { return time.UnixMilli(s.StartMs).UTC() }

// End returns the span's end, the first instant outside it, as a time in UTC.
func (s Span) End() time.Time { return time.UnixMilli(s.EndMs).UTC() }
