package hours

import (
	"cmp"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// bench is stations and the trainees who may work at them.
type bench struct {
	stations   int
	activities []activity
	claims     []claim
}

// claim is a trainee who was there.
type claim struct {
	index   int
	person  string
	present span.Set
	firstMs int64
	spots   []spot
	seats   int // at each station, by the trainee's class; 0 is any number
}

// spot is a station that may prove for a trainee, and the activity by which it does.
type spot struct{ station, activity int }

// shares is what a bench gives one trainee.
type shares struct{ sure, maybe, crowded span.Set }

// share gives the seats of each instant to those who came first: first the seats that are proved, then those that may be.
// Who can sit at several stations makes room where that helps somebody who cannot. It sorts the claims by coming and
// returns what each gets, by place in claims.
func (b *bench) share() []shares {
	slices.SortStableFunc(b.claims, func(x, y claim) int {
		return cmp.Or(cmp.Compare(x.firstMs, y.firstMs), cmp.Compare(x.person, y.person))
	})
	twins := b.twins()
	s := seating{
		b: b, proof: make([]proof, len(b.activities)), at: make([]int, len(b.claims)), seated: make([][]int, b.stations),
		tried: make([]bool, b.stations),
	}
	pieces := make([][3][]span.Span, len(b.claims))
	cuts := b.cuts()
	got := make([]proof, len(b.claims))
	for i := 1; i < len(cuts); i++ {
		piece := span.Span{StartMs: cuts[i-1], EndMs: cuts[i]}
		if !s.begin(piece.StartMs) {
			continue
		}
		clear(got)
		for _, level := range []proof{proved, possible} {
			s.level = level
			for k := range b.claims {
				if got[k] != none || !s.wants(k) || !b.claims[k].present.Contains(piece.StartMs) {
					continue
				}
				// One person in two lessons at once has one seat; which lesson has the time is for apart.
				if slices.ContainsFunc(twins[k], func(o int) bool { return got[o] == level }) || s.seat(k) {
					got[k] = level
				}
			}
		}
		for k := range b.claims {
			switch {
			case got[k] == proved:
				pieces[k][0] = append(pieces[k][0], piece)
			case got[k] == possible:
				pieces[k][1] = append(pieces[k][1], piece)
			case s.wants(k) && b.claims[k].present.Contains(piece.StartMs):
				pieces[k][2] = append(pieces[k][2], piece)
			}
		}
	}
	out := make([]shares, len(b.claims))
	for k, p := range pieces {
		out[k] = shares{span.NewSet(p[0]...), span.NewSet(p[1]...), span.NewSet(p[2]...)}
	}
	return out
}

// twins are each claim's other claims of the same person.
func (b *bench) twins() [][]int {
	of := map[string][]int{}
	for k := range b.claims {
		of[b.claims[k].person] = append(of[b.claims[k].person], k)
	}
	out := make([][]int, len(b.claims))
	for k := range b.claims {
		if all := of[b.claims[k].person]; len(all) > 1 {
			out[k] = all
		}
	}
	return out
}

// cuts are the instants at which anything changes, in order.
func (b *bench) cuts() []int64 {
	var out []int64
	mark := func(set span.Set) {
		for _, s := range set {
			out = append(out, s.StartMs, s.EndMs)
		}
	}
	for i := range b.activities {
		mark(b.activities[i].sure)
		mark(b.activities[i].maybe)
	}
	for i := range b.claims {
		mark(b.claims[i].present)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// proof is how well a station is known to be active at an instant.
type proof uint8

const (
	none proof = iota
	possible
	proved
)

// seating is who sits where at one instant.
type seating struct {
	b      *bench
	proof  []proof // of each activity
	level  proof   // what a seat needs to have
	at     []int   // each claim's station, -1 is none
	seated [][]int // the claims at each station
	tried  []bool  // stations, in the search for one claim's seat
}

// begin empties the stations, and reports whether any of them is active.
func (s *seating) begin(ms int64) (any bool) {
	for i := range s.b.activities {
		a := &s.b.activities[i]
		s.proof[i] = none
		switch {
		case a.sure.Contains(ms):
			s.proof[i], any = proved, true
		case a.maybe.Contains(ms):
			s.proof[i], any = possible, true
		}
	}
	if any {
		for i := range s.at {
			s.at[i] = -1
		}
		for i := range s.seated {
			s.seated[i] = s.seated[i][:0]
		}
	}
	return any
}

// wants reports whether any station is active that may prove for the claim.
func (s *seating) wants(k int) bool {
	return slices.ContainsFunc(s.b.claims[k].spots, func(x spot) bool { return s.proof[x.activity] != none })
}

// seat finds a seat for a claim; nobody who has one loses it.
func (s *seating) seat(k int) bool {
	clear(s.tried)
	return s.find(k)
}

func (s *seating) find(k int) bool {
	c := &s.b.claims[k]
	for _, x := range c.spots {
		if s.open(x) && (c.seats <= 0 || len(s.seated[x.station]) < c.seats) {
			s.move(k, x.station)
			return true
		}
	}
	for _, x := range c.spots {
		if !s.open(x) || len(s.seated[x.station]) > c.seats {
			continue
		}
		s.tried[x.station] = true
		if slices.ContainsFunc(s.seated[x.station], s.find) {
			s.move(k, x.station)
			return true
		}
	}
	return false
}

func (s *seating) open(x spot) bool { return s.proof[x.activity] >= s.level && !s.tried[x.station] }

// move seats a claim, from another station when it sat at one.
func (s *seating) move(k, station int) {
	if from := s.at[k]; from >= 0 {
		i := slices.Index(s.seated[from], k)
		s.seated[from] = slices.Delete(s.seated[from], i, i+1)
	}
	s.at[k] = station
	s.seated[station] = append(s.seated[station], k)
}
