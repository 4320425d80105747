package usage

import "github.com/jishi-telemetry/jishi/internal/span"

// Online returns when the device behind the points was heard of: from each point on for as long as it is believed. A
// device that says that it knows nothing is there all the same, so what is known is part of what is online.
func Online(points []Point, window span.Span) span.Set {
	var spans []span.Span
	for i := range points {
		next := nextMs(points, i, window)
		if s := (span.Span{StartMs: points[i].AtMs, EndMs: next}).Intersect(window); !s.Empty() && !points[i].silent(next) {
			spans = append(spans, s)
		}
	}
	return span.NewSet(spans...)
}
