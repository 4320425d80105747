package calibrate

import (
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// The dwells. Transitions are dated back to the first sample past the threshold, so that a dwell does not cut what it
// confirms; what it costs is runs shorter than DwellOn, and what it invents is work in pauses shorter than DwellOff.
const (
	dwellOn  = 5 * time.Second
	dwellOff = 20 * time.Second
	// lostPart is the most of the running time that DwellOn may erase.
	lostPart = 0.005

	burstHold   = 90 * time.Second // where the recording does not say better
	burstLeast  = 60 * time.Second
	burstMost   = 2 * time.Minute
	thermalMost = 10 * time.Minute
	// enough is how many short pauses make a habit.
	enough = 10
)

// holds says what the dwells follow from.
type holds struct {
	// pauses is how many short pauses DwellOff was fitted to; 0 when it is the default.
	pauses int
	// shortRuns means that DwellOn had to be less than the default.
	shortRuns bool
}

// setDwell sets the rule's dwells from the runs and the pauses between them that the thresholds alone give.
func setDwell(rule *usage.PowerRule, points []usage.Point, window span.Span, profile string, idle bool) holds {
	var h holds
	pauses := pausesOf(usage.Timeline(points, rule, window))
	rule.DwellOff, h.pauses = fitDwellOff(pauses, profile, idle)

	work := func() float64 { return float64(runningMs(points, rule, window)) }
	all := work()
	for _, d := range []time.Duration{dwellOn, 3 * time.Second, 2 * time.Second, time.Second, 0} {
		rule.DwellOn = d
		if work() >= (1-lostPart)*all {
			break
		}
		h.shortRuns = true
	}
	return h
}

func runningMs(points []usage.Point, rule *usage.PowerRule, window span.Span) int64 {
	var ms int64
	for _, s := range usage.Timeline(points, rule, window) {
		if s.State == usage.Running {
			ms += s.Ms()
		}
	}
	return ms
}

// pausesOf returns the lengths of the known stretches between two runs, sorted. A pause with unknown time in it is none.
func pausesOf(timeline []usage.Segment) []time.Duration {
	var out []time.Duration
	var ms int64
	after := false // a run came before, with nothing unknown since
	for _, s := range timeline {
		switch s.State {
		case usage.Unknown:
			after, ms = false, 0
		case usage.Running:
			if after && ms > 0 {
				out = append(out, time.Duration(ms)*time.Millisecond)
			}
			after, ms = true, 0
		default:
			ms += s.Ms()
		}
	}
	slices.Sort(out)
	return out
}

// fitDwellOff returns how long a pause may be and still belong to the run, and the number of pauses that says so. Where a
// waiting level was found, a pause is a person's and the default stays. Where every pause is a drop to off, nobody
// switches a machine off and on within two minutes time and again: such pauses are a thermostat's or a programme's.
func fitDwellOff(pauses []time.Duration, profile string, idle bool) (time.Duration, int) {
	least, most, otherwise := dwellOff, burstMost, dwellOff
	switch {
	case profile == "burst":
		least, otherwise = burstLeast, burstHold
	case profile == "thermal":
		most = thermalMost
	case idle:
		return dwellOff, 0
	}
	short, _ := slices.BinarySearch(pauses, most+1)
	within, _ := slices.BinarySearch(pauses, 5*most+1) // longer ones lie between jobs and say nothing about pauses
	if short < enough || 2*short < within {
		return otherwise, 0
	}
	fit := pauses[(short*95+99)/100-1]
	fit = (fit*5/4 + 5*time.Second - 1).Truncate(5 * time.Second)
	fit = min(max(fit, least), most)
	if fit <= dwellOff {
		return fit, 0
	}
	return fit, short
}
