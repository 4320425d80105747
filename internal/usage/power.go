package usage

import (
	"errors"
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// PowerRule reads the state from active power, with two thresholds, hysteresis and dwell:
//
//	Off      P < OffW
//	Idle     OffW <= P < RunW
//	Running  P >= RunW for at least DwellOn; left when P < RunW*(1-Hysteresis) for at least DwellOff
//
// Off is left at OffW and entered again below OffW*(1-Hysteresis). A transition is dated to the first sample past the
// threshold, not to the end of the dwell. What the evidence cannot confirm, because the device fell silent within the
// dwell, is not counted as running.
type PowerRule struct {
	// OffW is the off threshold in watts, above 0.
	OffW float64
	// RunW is the running threshold in watts, at least OffW.
	RunW float64
	// Hysteresis is the part of a threshold by which power must fall below it to leave, 0 to below 1.
	Hysteresis float64
	// DwellOn is how long power must stay at or above RunW to count as running, 0 or more.
	DwellOn time.Duration
	// DwellOff is how long power must stay below to end a run, 0 or more; shorter dips belong to the run.
	DwellOff time.Duration
}

// Validate returns every mistake in the rule, each naming its field and the allowed range; nil when there is none.
func (r *PowerRule) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(r.OffW > 0, "OffW is %v: want watts above 0", r.OffW)
	check(r.RunW >= r.OffW, "RunW is %v: want watts of at least OffW (%v)", r.RunW, r.OffW)
	check(r.Hysteresis >= 0 && r.Hysteresis < 1, "Hysteresis is %v: want a ratio from 0 to below 1", r.Hysteresis)
	check(r.DwellOn >= 0, "DwellOn is %v: want 0 or more", r.DwellOn)
	check(r.DwellOff >= 0, "DwellOff is %v: want 0 or more", r.DwellOff)
	return errors.Join(errs...)
}

// Reach implements Rule: a dwell that spans the window's edge must be seen whole.
func (r *PowerRule) Reach() int64 { return max(r.DwellOn, r.DwellOff).Milliseconds() }

func (r *PowerRule) timeline(points []Point, window span.Span) []Segment {
	levels := r.levels(points, window)
	return estimateGaps(r.dwell(levels), points, r)
}

// levels gives every stretch its state by the thresholds and hysteresis alone.
func (r *PowerRule) levels(points []Point, window span.Span) []Segment {
	var out []Segment
	state := Unknown
	for i := range points {
		p := &points[i]
		next := nextMs(points, i, window)
		if p.HasPower {
			state = r.level(state, p.PowerW)
		}
		if p.Void || p.silent(next) {
			state = Unknown
		}
		out = appendMerged(out, Segment{Span: span.Span{StartMs: p.AtMs, EndMs: next}, State: state})
	}
	return out
}

func (r *PowerRule) level(before State, powerW float64) State {
	off, run := r.OffW, r.RunW
	if before == Idle || before == Running {
		off *= 1 - r.Hysteresis
	}
	if before == Running {
		run *= 1 - r.Hysteresis
	}
	switch {
	case powerW >= run:
		return Running
	case powerW >= off:
		return Idle
	}
	return Off
}

// dwell takes back runs that are too short, and fills dips that are too short to end a run.
func (r *PowerRule) dwell(levels []Segment) []Segment {
	onMs, offMs := r.DwellOn.Milliseconds(), r.DwellOff.Milliseconds()
	var out []Segment
	running := false
	for i := 0; i < len(levels); {
		j, ms := stretch(levels, i)
		switch {
		case levels[i].State == Unknown:
			running = false
			out = appendAs(out, levels[i:j], Unknown)
		case levels[i].State == Running:
			if !running && ms < onMs {
				out = appendAs(out, levels[i:j], Idle)
				break
			}
			running = true
			out = appendAs(out, levels[i:j], Running)
		case running && ms < offMs && j < len(levels) && levels[j].State == Running:
			out = appendAs(out, levels[i:j], Running)
		default:
			running = false
			for _, s := range levels[i:j] {
				out = appendMerged(out, s)
			}
		}
		i = j
	}
	return out
}

// stretch returns the end of the run of segments from i that are all running, all unknown, or all neither, and its
// length in milliseconds.
func stretch(levels []Segment, i int) (int, int64) {
	class := func(s State) State {
		if s == Running || s == Unknown {
			return s
		}
		return Idle
	}
	j := i
	for j < len(levels) && class(levels[j].State) == class(levels[i].State) {
		j++
	}
	return j, levels[j-1].EndMs - levels[i].StartMs
}

func appendAs(out, segments []Segment, state State) []Segment {
	for _, s := range segments {
		s.State = state
		out = appendMerged(out, s)
	}
	return out
}
