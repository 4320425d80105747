package calibrate

import (
	"math"
)

// The histogram's grid: bins of a 24th of a decade (10 %), smoothed with a Gaussian of one bin, which is less
// than two levels of a machine differ.
const (
	binsPerDecade = 24
	smoothBins    = 1.0
)

// level is a range of power between two valleys of the histogram.
type level struct {
	lowW, highW float64 // the valleys: from lowW on and below highW
	fromW, toW  float64 // the middle 96 % of its time
	meanW       float64
	ms          int64
}

// histogram is time per power above the noise on a logarithmic grid that hangs at the highest power, so that it moves
// with the machine when all its powers grow by the same factor.
type histogram struct {
	topW float64
	bins []float64 // milliseconds; the last bin holds topW
}

func newHistogram(on distribution) histogram {
	topW, lowW := on.watts[len(on.watts)-1], on.watts[0]
	h := histogram{topW: topW}
	h.bins = make([]float64, int(math.Round(binsPerDecade*math.Log10(topW/lowW)))+1)
	before := int64(0)
	for i, w := range on.watts {
		h.bins[h.bin(w)] += float64(on.upTo[i] - before)
		before = on.upTo[i]
	}
	return h
}

func (h histogram) bin(w float64) int {
	back := int(math.Round(binsPerDecade * math.Log10(h.topW/w)))
	return min(max(len(h.bins)-1-back, 0), len(h.bins)-1)
}

// edge returns the power at the lower edge of a bin.
func (h histogram) edge(i int) float64 {
	return h.topW * math.Pow(10, (float64(i-(len(h.bins)-1))-0.5)/binsPerDecade)
}

func (h histogram) smooth() []float64 {
	const reach = 4 * smoothBins
	out := make([]float64, len(h.bins))
	for i, v := range h.bins {
		if v == 0 {
			continue
		}
		for j := max(0, i-reach); j <= min(len(out)-1, i+reach); j++ {
			d := float64(j-i) / smoothBins
			out[j] += v * math.Exp(-d*d/2)
		}
	}
	return out
}

// hill is a stretch of bins with one peak: bins from lo up to hi.
type hill struct {
	lo, hi int
	peak   float64
	mass   float64
}

// findLevels cuts the histogram into levels at its valleys. There is always at least one.
func findLevels(on distribution) []level {
	h := newHistogram(on)
	smooth := h.smooth()
	hills := mergeHills(climb(smooth, h.bins), smooth)
	cuts := make([]float64, len(hills)+1)
	cuts[0], cuts[len(hills)] = 0, math.Inf(1)
	for i := 1; i < len(hills); i++ {
		cuts[i] = h.valley(smooth, hills[i-1], hills[i])
	}
	var out []level
	for i := range hills {
		part := on.between(cuts[i], cuts[i+1])
		if part.ms() == 0 {
			continue
		}
		out = append(out, level{
			lowW: cuts[i], highW: cuts[i+1], fromW: part.quantile(0.02), toW: part.quantile(0.98), meanW: part.mean(), ms: part.ms(),
		})
	}
	return out
}

// climb cuts the smoothed histogram at every local minimum.
func climb(smooth, bins []float64) []hill {
	var out []hill
	start := 0
	for i := 1; i <= len(smooth); i++ {
		valley := i < len(smooth) && i > start && smooth[i] > smooth[i-1] && falling(smooth, start, i-1)
		if i < len(smooth) && !valley {
			continue
		}
		b := hill{lo: start, hi: i}
		for k := start; k < i; k++ {
			b.peak = max(b.peak, smooth[k])
			b.mass += bins[k]
		}
		out = append(out, b)
		start = i
	}
	return out
}

// falling reports whether the curve has come down to i since start: it rises before a valley.
func falling(smooth []float64, start, i int) bool {
	for k := start; k < i; k++ {
		if smooth[k] > smooth[i] {
			return true
		}
	}
	return false
}

const (
	shallow = 0.6   // a valley less deep than this part of its lower peak separates nothing
	meagre  = 0.01  // a hill between two others with less than this part of the time is no level of its own,
	rare    = 0.002 // nor is the lowest or highest with less than this: a machine may work for minutes in a week
)

// mergeHills joins neighbours with a shallow valley between them, the shallowest first, and then hills with hardly any
// time to the neighbour behind the shallower valley.
func mergeHills(hills []hill, smooth []float64) []hill {
	var total float64
	for _, b := range hills {
		total += b.mass
	}
	for len(hills) > 1 {
		at, depth := -1, shallow
		for i := range len(hills) - 1 {
			rel := lowest(smooth, hills[i], hills[i+1]) / min(hills[i].peak, hills[i+1].peak)
			if thin(hills, i, total) || thin(hills, i+1, total) {
				rel += 1 // before all that are merely shallow
			}
			if rel > depth {
				at, depth = i, rel
			}
		}
		if at < 0 {
			return hills
		}
		a, b := hills[at], hills[at+1]
		hills[at] = hill{lo: a.lo, hi: b.hi, peak: max(a.peak, b.peak), mass: a.mass + b.mass}
		hills = append(hills[:at+1], hills[at+2:]...)
	}
	return hills
}

func thin(hills []hill, i int, total float64) bool {
	if i == len(hills)-1 {
		return hills[i].mass < rare*total
	}
	return hills[i].mass < meagre*total
}

// peaks returns where the two hills are highest.
func peaks(smooth []float64, a, b hill) (int, int) {
	at := func(h hill) int {
		best := h.lo
		for k := h.lo; k < h.hi; k++ {
			if smooth[k] > smooth[best] {
				best = k
			}
		}
		return best
	}
	return at(a), at(b)
}

func lowest(smooth []float64, a, b hill) float64 {
	from, to := peaks(smooth, a, b)
	low := smooth[from]
	for k := from; k <= to; k++ {
		low = min(low, smooth[k])
	}
	return low
}

// valley returns the power in the middle of the valley's floor: of the longest stretch of bins between the two peaks
// that hold next to nothing, 5 % of the lower peak or as little as there is.
func (h histogram) valley(smooth []float64, a, b hill) float64 {
	from, to := peaks(smooth, a, b)
	floor := max(lowest(smooth, a, b)*1.0001, 0.05*min(a.peak, b.peak))
	bestFrom, bestTo := from, from
	for k := from; k <= to; {
		if smooth[k] > floor {
			k++
			continue
		}
		start := k
		for k <= to && smooth[k] <= floor {
			k++
		}
		if k-start > bestTo-bestFrom {
			bestFrom, bestTo = start, k
		}
	}
	return math.Sqrt(h.edge(bestFrom) * h.edge(bestTo))
}
