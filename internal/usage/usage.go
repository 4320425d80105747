// Package usage derives what a machine did from what its controller or its meter said: spans of running, idle, off,
// fault and unknown, with every transition dated to the evidence that shows it. It is for settle and for calibration.
// It refuses input and output, clocks and time zones: the same points, rule and window give the same timeline.
//
// Unknown is a state. A stretch in which the device was silent for longer than its dialect allows is unknown from the
// last thing it said, and nothing is carried into it; an energy counter may bound such a stretch, which is shown as an
// estimate and never counted as use.
//
// All functions are pure and may run concurrently.
package usage

import (
	"github.com/jishi-telemetry/jishi/internal/span"
)

// State is what a machine is doing.
type State uint8

// The states. Unknown is the zero value.
const (
	// Unknown: there is no evidence; never to be read as off or idle.
	Unknown State = iota
	// Off: without power, or drawing less than the off threshold.
	Off
	// Idle: switched on and not working (standby, ready, held, stopped).
	Idle
	// Running: working.
	Running
	// Fault: the controller says that it cannot work.
	Fault
)

// States lists all states in the order in which reports show them.
func States() []State { return []State{Running, Idle, Off, Fault, Unknown} }

// String returns the state's lower-case English name.
func (s State) String() string {
	switch s {
	case Off:
		return "off"
	case Idle:
		return "idle"
	case Running:
		return "running"
	case Fault:
		return "fault"
	}
	return "unknown"
}

// Zh returns the state's Chinese name.
func (s State) Zh() string {
	switch s {
	case Off:
		return "关机"
	case Idle:
		return "待机"
	case Running:
		return "运行"
	case Fault:
		return "故障"
	}
	return "未知"
}

// Point is one piece of evidence about a machine. Points are given in order of AtMs; of two points at one instant the
// later in the slice wins.
type Point struct {
	// AtMs is the event time, milliseconds since the Unix epoch.
	AtMs int64
	// ValidMs is for how long the device may be silent after this point while healthy; 0 when without bound.
	ValidMs int64
	// Word is the controller's word, such as "ACTIVE"; "" when the point has none.
	Word string
	// PowerW is the active power in watts; it counts when HasPower is set.
	PowerW float64
	// EnergyWh is the meter's counter in watt-hours; it counts when HasEnergy is set.
	EnergyWh float64

	HasPower, HasEnergy bool
	// Void says that the source knows no value: what it said before holds no longer.
	Void bool
	// Down marks the end of the device's connection: from here on nothing is known until the next point.
	Down bool
}

// Segment is a stretch of one state. The segments of a timeline are in order, do not overlap, and cover its window.
type Segment struct {
	span.Span
	State State
	// Word is the controller's word behind the state; "" when the state comes from power or from silence.
	Word string
	// Estimate is what an energy counter suggests about an unknown stretch: Off, Running, or Unknown for no suggestion.
	Estimate State
}

// Rule turns one machine's points into states. It is *ControllerRule or *PowerRule.
type Rule interface {
	// Reach is how far before and after a window the points matter, in milliseconds: a timeline is exact when the points
	// given cover the window widened by the reach, and the last point before that.
	Reach() int64
	timeline(points []Point, window span.Span) []Segment
}

// Timeline derives the states of a machine in the window. Points outside the window are context: the last one before
// it says what held at its start. The segments cover the window exactly; neighbours differ in state, word or estimate.
func Timeline(points []Point, rule Rule, window span.Span) []Segment {
	if window.Empty() {
		return nil
	}
	return Join(rule.timeline(points, window), window)
}

// Join makes one timeline of segments that are in order and do not overlap: it cuts them to the window, fills what they
// leave open with unknown, and merges equal neighbours.
func Join(segments []Segment, window span.Span) []Segment {
	var out []Segment
	at := window.StartMs
	for _, s := range segments {
		s.Span = s.Intersect(window)
		if s.Empty() {
			continue
		}
		if at < s.StartMs {
			out = appendMerged(out, Segment{Span: span.Span{StartMs: at, EndMs: s.StartMs}})
		}
		out = appendMerged(out, s)
		at = s.EndMs
	}
	if at < window.EndMs {
		out = appendMerged(out, Segment{Span: span.Span{StartMs: at, EndMs: window.EndMs}})
	}
	return out
}

func appendMerged(out []Segment, s Segment) []Segment {
	if s.Empty() {
		return out
	}
	if n := len(out); n > 0 {
		last := &out[n-1]
		if last.EndMs == s.StartMs && last.State == s.State && last.Word == s.Word && last.Estimate == s.Estimate {
			last.EndMs = s.EndMs
			return out
		}
	}
	return append(out, s)
}

// nextMs returns the instant until which point i speaks at most: the next point, or the window's end.
func nextMs(points []Point, i int, window span.Span) int64 {
	if i+1 < len(points) {
		return points[i+1].AtMs
	}
	return max(window.EndMs, points[i].AtMs)
}

// silent reports whether nothing is known between the point and the next evidence at nextMs.
func (p *Point) silent(nextMs int64) bool {
	return p.Down || (p.ValidMs > 0 && nextMs-p.AtMs > p.ValidMs)
}
