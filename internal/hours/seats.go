package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// claim is a trainee who was there, in order of coming.
type claim struct {
	index   int // of the verdict
	present span.Set
	firstMs int64
}

// bench is a station, or several together, that prove the practice of the trainees who work there.
type bench struct {
	stations []activity
	seats    int // at each station; 0 is any number
	claims   []claim
}

// shares is what a bench gives one trainee.
type shares struct{ sure, maybe, crowded span.Set }

// share gives the seats of each instant to those who came first: first the seats that are proved, then those that may be.
// It returns what each claim gets, by place in claims.
func (b *bench) share() []shares {
	slices.SortStableFunc(b.claims, func(x, y claim) int { return cmp.Compare(x.firstMs, y.firstMs) })
	pieces := make([][3][]span.Span, len(b.claims))
	cuts := b.cuts()
	for i := 1; i < len(cuts); i++ {
		piece := span.Span{StartMs: cuts[i-1], EndMs: cuts[i]}
		sure, maybe := b.at(piece.StartMs)
		if sure+maybe == 0 {
			continue
		}
		for k := range b.claims {
			if !b.claims[k].present.Contains(piece.StartMs) {
				continue
			}
			which := 2
			switch {
			case sure > 0:
				which, sure = 0, sure-1
			case maybe > 0:
				which, maybe = 1, maybe-1
			}
			pieces[k][which] = append(pieces[k][which], piece)
		}
	}
	out := make([]shares, len(b.claims))
	for k, p := range pieces {
		out[k] = shares{span.NewSet(p[0]...), span.NewSet(p[1]...), span.NewSet(p[2]...)}
	}
	return out
}

// at counts the seats of an instant.
func (b *bench) at(ms int64) (sure, maybe int) {
	const any = 1 << 30
	seats := b.seats
	if seats <= 0 {
		seats = any
	}
	for i := range b.stations {
		switch {
		case b.stations[i].sure.Contains(ms):
			sure += seats
		case b.stations[i].maybe.Contains(ms):
			maybe += seats
		}
	}
	return sure, maybe
}

// cuts are the instants at which anything changes, in order.
func (b *bench) cuts() []int64 {
	var out []int64
	mark := func(set span.Set) {
		for _, s := range set {
			out = append(out, s.StartMs, s.EndMs)
		}
	}
	for i := range b.stations {
		mark(b.stations[i].sure)
		mark(b.stations[i].maybe)
	}
	for i := range b.claims {
		mark(b.claims[i].present)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
