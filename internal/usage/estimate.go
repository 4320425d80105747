package usage

// estimateGaps sets the estimate of every unknown segment that energy readings bound on both sides: a mean power below
// the off threshold suggests off, one at or above the running threshold suggests running. A counter that went back
// (reset, replaced) suggests nothing.
func estimateGaps(segments []Segment, points []Point, r *PowerRule) []Segment {
	i := 0
	for k := range segments {
		s := &segments[k]
		if s.State != Unknown {
			continue
		}
		for i < len(points) && points[i].AtMs <= s.StartMs {
			i++
		}
		s.Estimate = r.bounded(lastEnergy(points, i, s.StartMs), firstEnergy(points, i, s.EndMs))
	}
	return segments
}

// lastEnergy returns the last point with an energy reading before index i, at or before the instant.
func lastEnergy(points []Point, i int, atMs int64) *Point {
	for j := i - 1; j >= 0; j-- {
		if points[j].HasEnergy && points[j].AtMs <= atMs {
			return &points[j]
		}
		if atMs-points[j].AtMs > maxBoundMs {
			return nil
		}
	}
	return nil
}

// firstEnergy returns the first point with an energy reading from index i on, at or after the instant.
func firstEnergy(points []Point, i int, atMs int64) *Point {
	for ; i < len(points); i++ {
		if points[i].HasEnergy && points[i].AtMs >= atMs {
			return &points[i]
		}
		if points[i].AtMs-atMs > maxBoundMs {
			return nil
		}
	}
	return nil
}

// maxBoundMs is how far from a gap's edge the reading that bounds it may lie: ten minutes.
const maxBoundMs = 10 * 60 * 1000

func (r *PowerRule) bounded(before, after *Point) State {
	if before == nil || after == nil || after.AtMs <= before.AtMs || after.EnergyWh < before.EnergyWh {
		return Unknown
	}
	hours := float64(after.AtMs-before.AtMs) / 3_600_000
	switch meanW := (after.EnergyWh - before.EnergyWh) / hours; {
	case meanW < r.OffW:
		return Off
	case meanW >= r.RunW:
		return Running
	}
	return Unknown
}
