package calibrate

import (
	"cmp"
	"math"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// floorW is what a meter may show of nothing: below it, power is zero.
const floorW = 0.5

// ceilingW is a gigawatt: no machine draws it, and sums of what is less stay finite.
const ceilingW = 1e9

// piece is a stretch of one known power.
type piece struct {
	span.Span
	watts float64
}

// recording is what is known of the power in a window.
type recording struct {
	window span.Span
	// pieces are in order; where one does not begin at the end of the one before, nothing is known between them.
	pieces  []piece
	powers  distribution
	knownMs int64
	// negativeMs is the time in which power was clearly below zero.
	negativeMs int64
	// everyMs is the median interval between readings of power.
	everyMs int64
}

// record cuts the points to stretches of known power by the rules of usage.PowerRule: a power holds until the next
// point, and after a silence nothing is known before the next reading.
func record(points []usage.Point, window span.Span) *recording {
	r := &recording{window: window}
	var watts float64
	var known bool
	var intervals []int64
	lastReading := int64(math.MinInt64)
	for i := range points {
		p := &points[i]
		next := max(window.EndMs, p.AtMs)
		if i+1 < len(points) {
			next = points[i+1].AtMs
		}
		if p.HasPower {
			watts, known = p.PowerW, !math.IsNaN(p.PowerW) && !math.IsInf(p.PowerW, 0)
			if window.Contains(p.AtMs) && lastReading >= window.StartMs {
				intervals = append(intervals, p.AtMs-lastReading)
			}
			lastReading = p.AtMs
		}
		if p.Down || (p.ValidMs > 0 && next-p.AtMs > p.ValidMs) {
			known = false
		}
		if known {
			r.add(span.Span{StartMs: p.AtMs, EndMs: next}.Intersect(window), watts)
		}
	}
	if len(intervals) > 0 {
		slices.Sort(intervals)
		r.everyMs = intervals[len(intervals)/2]
	}
	r.powers = distribute(r.pieces)
	return r
}

func (r *recording) add(s span.Span, watts float64) {
	if s.Empty() {
		return
	}
	r.knownMs += s.Ms()
	if watts < -5 {
		r.negativeMs += s.Ms()
	}
	watts = min(max(watts, 0), ceilingW)
	if n := len(r.pieces); n > 0 && r.pieces[n-1].EndMs == s.StartMs && r.pieces[n-1].watts == watts {
		r.pieces[n-1].EndMs = s.EndMs
		return
	}
	r.pieces = append(r.pieces, piece{s, watts})
}

// follows reports whether piece i begins where the one before it ends.
func (r *recording) follows(i int) bool {
	return i > 0 && r.pieces[i-1].EndMs == r.pieces[i].StartMs
}

// noise is what the meter shows of a machine that is off.
type noise struct {
	// watts is the highest power of it, at least floorW.
	watts float64
	// blips are how often the reading left zero and came back without the machine having been on.
	blips int
	// standing means that the meter never shows zero: the lowest level of all stands for off.
	standing bool
}

// faintOf is the power below which a reading may be noise: 5 W, or 1 % of the machine's high power for the current
// clamps of large machines.
func (r *recording) faintOf() float64 {
	on := r.powers.above(floorW)
	if on.ms() == 0 {
		return 5
	}
	return max(5, on.quantile(0.95)/100)
}

const (
	blipMs    = 2 * 60 * 1000
	blipCount = 5
)

// meterNoise finds the noise: faint readings that leave zero for less than two minutes, at least five times and more
// often than the machine itself does; or, where the meter never shows zero, a faint lowest level that is clear of all
// others.
func (r *recording) meterNoise() noise {
	faintW := r.faintOf()
	if zero := r.powers.below(floorW); zero.ms()*1000 < r.knownMs {
		return r.standingNoise(faintW)
	}
	var blips []piece
	excursions := 0
	for i := 0; i < len(r.pieces); {
		j, peakW := r.excursion(i)
		s := span.Span{StartMs: r.pieces[i].StartMs, EndMs: r.pieces[j-1].EndMs}
		if peakW > floorW {
			excursions++
		}
		if peakW > floorW && peakW <= faintW && s.Ms() < blipMs {
			blips = append(blips, piece{s, peakW})
		}
		i = j
	}
	if len(blips) < blipCount || 2*len(blips) < excursions {
		return noise{watts: floorW}
	}
	return noise{watts: distribute(blips).quantile(0.95), blips: len(blips)}
}

// excursion returns the end of the unbroken stretch from piece i that is all zero or all above it, and its highest power.
func (r *recording) excursion(i int) (end int, peakW float64) {
	zero := r.pieces[i].watts <= floorW
	for j := i; j < len(r.pieces); j++ {
		if (r.pieces[j].watts <= floorW) != zero || (j > i && !r.follows(j)) {
			return j, peakW
		}
		peakW = max(peakW, r.pieces[j].watts)
	}
	return len(r.pieces), peakW
}

func (r *recording) standingNoise(faintW float64) noise {
	on := r.powers.above(floorW)
	if on.ms() == 0 {
		return noise{watts: floorW}
	}
	levels := findLevels(on)
	if len(levels) < 2 || levels[0].toW > faintW || levels[1].fromW < 2*levels[0].toW {
		return noise{watts: floorW}
	}
	return noise{watts: on.between(0, levels[0].highW).quantile(1), standing: true}
}

// distribution is time per power: distinct powers in order with the time up to and including each.
type distribution struct {
	watts []float64
	upTo  []int64
	sumWh []float64 // watt-milliseconds up to and including each
}

func distribute(pieces []piece) distribution {
	sorted := slices.Clone(pieces)
	slices.SortFunc(sorted, func(a, b piece) int { return cmp.Compare(a.watts, b.watts) })
	var d distribution
	var ms int64
	var sum float64
	for _, p := range sorted {
		ms += p.Ms()
		sum += p.watts * float64(p.Ms())
		if n := len(d.watts); n > 0 && d.watts[n-1] == p.watts {
			d.upTo[n-1], d.sumWh[n-1] = ms, sum
			continue
		}
		d.watts, d.upTo, d.sumWh = append(d.watts, p.watts), append(d.upTo, ms), append(d.sumWh, sum)
	}
	return d
}

// slice returns the part of the distribution from index i up to j.
func (d distribution) slice(i, j int) distribution {
	out := distribution{watts: d.watts[i:j], upTo: slices.Clone(d.upTo[i:j]), sumWh: slices.Clone(d.sumWh[i:j])}
	if i == 0 {
		return out
	}
	for k := range out.upTo {
		out.upTo[k] -= d.upTo[i-1]
		out.sumWh[k] -= d.sumWh[i-1]
	}
	return out
}

func (d distribution) index(w float64) int {
	i, _ := slices.BinarySearch(d.watts, w)
	return i
}

// above returns the time at more than w watts, below the rest, between the time from a on and below b.
func (d distribution) above(w float64) distribution {
	return d.slice(d.index(math.Nextafter(w, math.Inf(1))), len(d.watts))
}

func (d distribution) below(w float64) distribution {
	return d.slice(0, d.index(math.Nextafter(w, math.Inf(1))))
}

func (d distribution) between(a, b float64) distribution {
	i, j := d.index(a), d.index(b)
	return d.slice(i, max(i, j))
}

func (d distribution) ms() int64 {
	if len(d.upTo) == 0 {
		return 0
	}
	return d.upTo[len(d.upTo)-1]
}

// quantile returns the least power that is not exceeded for the given part of the time.
func (d distribution) quantile(q float64) float64 {
	want := int64(math.Ceil(q * float64(d.ms())))
	i, _ := slices.BinarySearch(d.upTo, max(want, 1))
	return d.watts[min(i, len(d.watts)-1)]
}

func (d distribution) mean() float64 {
	if d.ms() == 0 {
		return 0
	}
	return d.sumWh[len(d.sumWh)-1] / float64(d.ms())
}
