package calibrate

import (
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// What tells a person's waiting from a pause in a programme; the package comment says why.
const (
	longMs     = 15 * 60 * 1000 // duration
	startMs    = 5 * 60 * 1000  // position
	steadyMs   = 60 * 1000      // regularity: a stretch that counts,
	irregular  = 3              // how much longer than the median the longest must be,
	fewest     = 5              // how many there must be,
	waitShare  = 0.25           // and the part of the switched-on time that they must fill
	steadyBand = 1.3            // steady: within this factor of the median
	steadyPart = 0.8            // for this part of the time
	// spikeMs is how long power may leave a waiting level upwards without ending the waiting.
	spikeMs = 5 * 1000
	// apart is how much more the work must draw than the waiting, on average; thermalApart for thermal equipment, whose
	// levels of power are all work but standby; burstApart for tools whose bursts the technician has vouched for.
	apart        = 1.4
	thermalApart = 5
	burstApart   = 3
	// doubtMs is the least time in short pauses that is worth a person's thought.
	doubtMs = 5 * 60 * 1000
)

// evidence is what speaks for waiting at a level.
type evidence string

const (
	byDuration   evidence = "duration"
	byPosition   evidence = "position"
	byRegularity evidence = "regularity"
	byProfile    evidence = "profile"
)

// split is where running is told from idle, and why.
type split struct {
	// found is false when nothing shows a machine waiting; then watts, when it is not 0, is where the split would be if
	// the low power that counts as work were waiting.
	found bool
	why   evidence
	// watts is the running threshold, idleW the level below it, share the part of the switched-on time below it.
	watts, idleW, share float64
	// waits are the steady stretches at that level.
	waits []wait
}

// longestMs returns the length of the longest steady stretch.
func longestMs(waits []wait) int64 {
	var ms int64
	for _, w := range waits {
		ms = max(ms, w.Ms())
	}
	return ms
}

// chooseSplit looks for the highest level that shows a machine waiting; failing that, for the level about which a
// person may doubt: the lowest at which power rests, or else the highest that is often left.
func (r *recording) chooseSplit(levels []level, offW float64, profile string) split {
	on := r.powers.between(offW, math.Inf(1))
	var doubt split
	for i := len(levels) - 2; i >= 0; i-- {
		s, ratio := r.splitAbove(levels[i], on, offW)
		if ratio < apartness(profile) {
			continue
		}
		s.why, s.found = judge(s.waits, on.ms())
		if !s.found && profile == "burst" && ratio >= burstApart {
			s.why, s.found = byProfile, true
		}
		if s.found && profile != "computer" {
			return s
		}
		if s.found = false; s.doubtful(on) && (doubt.watts == 0 || len(s.waits) > 0) {
			doubt = s
		}
	}
	return doubt
}

// splitAbove describes a split above the level, and returns by how much the work above it draws more.
func (r *recording) splitAbove(l level, on distribution, offW float64) (split, float64) {
	above, below := on.between(l.highW, math.Inf(1)), on.between(offW, l.highW)
	s := split{watts: l.highW, idleW: l.meanW, share: float64(below.ms()) / float64(on.ms())}
	s.waits = r.waits(offW, l.highW, l.lowW)
	return s, above.mean() / l.meanW
}

// doubtful reports whether a person may know the level as waiting although the recording does not show it: power is held
// there for a minute at a time, or is that low for a fifth of the time in shorter pauses.
func (s *split) doubtful(on distribution) bool {
	var resting int64
	for _, w := range s.waits {
		resting += w.Ms()
	}
	onMs := float64(on.ms())
	return float64(resting) >= 0.03*onMs || (s.share >= 0.2 && s.share*onMs >= doubtMs)
}

func apartness(profile string) float64 {
	if profile == "thermal" {
		return thermalApart
	}
	return apart
}

// wait is a steady stretch of low power.
type wait struct {
	span.Span
	// fromOff means that it began where the machine was switched on.
	fromOff bool
}

// judge reports whether the stretches are a person's waiting.
func judge(waits []wait, onMs int64) (evidence, bool) {
	if len(waits) == 0 {
		return "", false
	}
	lengths := make([]int64, 0, len(waits))
	var total int64
	fromStart := false
	for _, w := range waits {
		lengths = append(lengths, w.Ms())
		total += w.Ms()
		fromStart = fromStart || (w.fromOff && w.Ms() >= startMs)
	}
	slices.Sort(lengths)
	longest, median := lengths[len(lengths)-1], lengths[len(lengths)/2]
	switch {
	case longest >= longMs:
		return byDuration, true
	case fromStart:
		return byPosition, true
	case len(lengths) >= fewest && float64(total) >= waitShare*float64(onMs) && longest >= irregular*median:
		return byRegularity, true
	}
	return "", false
}

// waits returns the steady stretches of at least a minute in which power stays from offW up to below belowW, with a
// median at or above medianW.
func (r *recording) waits(offW, belowW, medianW float64) []wait {
	var out []wait
	for i := 0; i < len(r.pieces); {
		if !within(r.pieces[i].watts, offW, belowW) {
			i++
			continue
		}
		j := r.lowStretch(i, offW, belowW)
		s := span.Span{StartMs: r.pieces[i].StartMs, EndMs: r.pieces[j-1].EndMs}
		if s.Ms() >= steadyMs && steady(r.pieces[i:j], medianW) {
			out = append(out, wait{Span: s, fromOff: r.follows(i) && r.pieces[i-1].watts < offW})
		}
		i = j
	}
	return out
}

func within(watts, from, below float64) bool { return watts >= from && watts < below }

// lowStretch returns the end of the unbroken stretch of low power from piece i; short spikes do not end it.
func (r *recording) lowStretch(i int, offW, belowW float64) int {
	end := i + 1
	for j := i + 1; j < len(r.pieces) && r.follows(j) && r.pieces[j].watts >= offW; j++ {
		if r.pieces[j].watts < belowW {
			end = j + 1
			continue
		}
		if r.pieces[j].EndMs-r.pieces[end-1].EndMs >= spikeMs {
			break
		}
	}
	return end
}

// steady reports whether power keeps to its median, which is at least medianW.
func steady(pieces []piece, medianW float64) bool {
	d := distribute(pieces)
	m := d.quantile(0.5)
	if m < medianW {
		return false
	}
	near := d.between(m/steadyBand-floorW, m*steadyBand+floorW)
	return float64(near.ms()) >= steadyPart*float64(d.ms())
}
