package calibrate

import (
	"slices"
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
	found bool
	// watts is the running threshold, idleW the waiting level, when found.
	watts, idleW float64
	why          evidence
	// longestMs and count describe the steady stretches at the idle level.
	longestMs int64
	count     int
	// doubtW is the running threshold that would hold if the low power that counts as work were waiting; 0 when there is
	// no such level. doubtShare is the part of the switched-on time below it.
	doubtW, doubtShare float64
}

// chooseSplit looks for the highest level that shows a machine waiting.
func (r *recording) chooseSplit(levels []level, offW float64, profile string) split {
	on := r.powers.between(offW, levels[len(levels)-1].highW)
	var doubt split
	for i := len(levels) - 2; i >= 0; i-- {
		v := levels[i].highW
		ratio := on.between(v, levels[len(levels)-1].highW).mean() / levels[i].meanW
		if ratio < apartness(profile) {
			continue
		}
		waits := r.waits(offW, v, levels[i].lowW)
		why, ok := judge(waits, on.ms())
		if !ok && profile == "burst" && ratio >= burstApart {
			why, ok = byProfile, true
		}
		if ok && profile != "computer" {
			s := split{found: true, watts: v, idleW: levels[i].meanW, why: why, count: len(waits)}
			for _, w := range waits {
				s.longestMs = max(s.longestMs, w.ms)
			}
			return s
		}
		if share := float64(on.between(offW, v).ms()) / float64(on.ms()); ratio >= 2 && share >= 0.05 && doubt.doubtW == 0 {
			doubt.doubtW, doubt.doubtShare = v, share
		}
	}
	return doubt
}

func apartness(profile string) float64 {
	if profile == "thermal" {
		return thermalApart
	}
	return apart
}

// wait is a steady stretch of low power.
type wait struct {
	ms int64
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
		lengths = append(lengths, w.ms)
		total += w.ms
		fromStart = fromStart || (w.fromOff && w.ms >= startMs)
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
		ms := r.pieces[j-1].EndMs - r.pieces[i].StartMs
		if ms >= steadyMs && steady(r.pieces[i:j], medianW) {
			out = append(out, wait{ms: ms, fromOff: r.follows(i) && r.pieces[i-1].watts < offW})
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
		if r.pieces[j].EndMs-r.pieces[end-1].EndMs > spikeMs {
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
