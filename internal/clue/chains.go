package clue

import (
	"cmp"
	"maps"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// chain is cards that were read on one reader one right after the other, each card once, in order.
type chain struct {
	day    *day
	reader string
	room   string
	reads  []*read
	// coming says that its people came in.
	coming bool
}

// read is one card at one reader, repeats left out.
type read struct {
	*attendance.Tap
	chain *chain
	at    int // its place in the chain
}

// queues are all chains of the days, and every card's reads.
type queues struct {
	chains []*chain
	// long are those of enough cards to hold a group.
	long   []*chain
	byCard map[string][]*read
}

func queuesOf(s *scene, p *F2Params) *queues {
	if s.queues != nil {
		return s.queues
	}
	q := &queues{byCard: map[string][]*read{}}
	for _, d := range append(slices.Clone(s.past), s.today) {
		q.take(d, p)
	}
	for _, c := range q.chains {
		if len(c.reads) >= p.Cards {
			q.long = append(q.long, c)
		}
	}
	s.queues = q
	return q
}

// take cuts one day's taps into chains, reader by reader.
func (q *queues) take(d *day, p *F2Params) {
	byReader := map[string][]*attendance.Tap{}
	for i := range d.Taps {
		if t := &d.Taps[i]; d.Date.Span().Contains(t.AtMs) && t.Card != "" {
			byReader[t.Reader] = append(byReader[t.Reader], t)
		}
	}
	visits := map[[2]string]int{} // by room and card: how often it was read at the door
	first := len(q.chains)
	for _, reader := range slices.Sorted(maps.Keys(byReader)) {
		q.cut(d, byReader[reader], p)
	}
	fresh := q.chains[first:]
	slices.SortStableFunc(fresh, func(a, b *chain) int {
		return cmp.Or(cmp.Compare(a.reads[0].AtMs, b.reads[0].AtMs), cmp.Compare(a.reader, b.reader))
	})
	for _, c := range fresh {
		c.direct(visits)
		for i, r := range c.reads {
			r.at = i
			q.byCard[r.Card] = append(q.byCard[r.Card], r)
		}
	}
}

func (q *queues) cut(d *day, taps []*attendance.Tap, p *F2Params) {
	slices.SortStableFunc(taps, func(a, b *attendance.Tap) int {
		return cmp.Or(cmp.Compare(a.AtMs, b.AtMs), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Card, b.Card))
	})
	last := map[string]int64{}
	var open *chain
	var lastMs int64
	for _, t := range taps {
		if open == nil || t.AtMs-lastMs >= p.Gap.Milliseconds() {
			open = nil
		}
		lastMs = t.AtMs
		before, seen := last[t.Card]
		last[t.Card] = t.AtMs
		if seen && t.AtMs-before <= p.Debounce.Milliseconds() {
			continue
		}
		if open == nil {
			open = &chain{day: d, reader: t.Reader, room: t.Workshop}
			q.chains = append(q.chains, open)
		}
		open.reads = append(open.reads, &read{Tap: t, chain: open})
	}
}

// direct decides whether a chain comes in: its reader says so, or it is every other time that most of its cards are read
// at the door.
func (c *chain) direct(visits map[[2]string]int) {
	in := 0
	for _, r := range c.reads {
		key := [2]string{c.room, r.Card}
		switch {
		case r.Station != "":
		case r.Direction == telemetry.DirectionIn, r.Direction == telemetry.DirectionNone && visits[key]%2 == 0:
			in++
		}
		if r.Station == "" {
			visits[key]++
		}
	}
	c.coming = 2*in > len(c.reads)
}

// index returns where a card stands in the chain, -1 when it does not.
func (c *chain) index(card string) int {
	return slices.IndexFunc(c.reads, func(r *read) bool { return r.Card == card })
}

// holds returns where the cards stand in the chain in this order with nobody between, -1 when they do not.
func (c *chain) holds(cards []string) int {
	at := c.index(cards[0])
	if at < 0 || at+len(cards) > len(c.reads) {
		return -1
	}
	for i, card := range cards {
		if c.reads[at+i].Card != card {
			return -1
		}
	}
	return at
}

func (c *chain) hasAll(cards []string) bool {
	return !slices.ContainsFunc(cards, func(card string) bool { return c.index(card) < 0 })
}

// tight reports whether every window of n reads from one place to another lies within a length.
func (c *chain) tight(from, to, n int, withinMs int64) bool {
	for i := from; i+n <= to; i++ {
		if c.reads[i+n-1].AtMs-c.reads[i].AtMs > withinMs {
			return false
		}
	}
	return to-from >= n
}

// group is cards that came in one hand, as far as chance does not explain it.
type group struct {
	cards  []string
	people []string
	passes []*chain // today and before, that hold it
	// chance is how likely that is, apart the part of the day's reads without the others.
	chance, apart float64
	// tau is the least agreement of the order with earlier days, 0 when the group was found by an exact order.
	tau  float64
	days int
}

func (g *group) persons() []string { return g.people }

// during reports whether the group passed a reader about a lesson, today.
func (g *group) during(lesson span.Span) bool {
	const aboutMs = 90 * minuteMs
	wide := span.Span{StartMs: lesson.StartMs - aboutMs, EndMs: lesson.EndMs + aboutMs}
	return slices.ContainsFunc(g.passes, func(c *chain) bool { return wide.Contains(c.reads[0].AtMs) })
}

// within reports whether all cards belong to the group.
func (g *group) within(cards []string) bool {
	return !slices.ContainsFunc(cards, func(card string) bool { return !slices.Contains(g.cards, card) })
}

// refs points to the reads of the group in its chains, the day's own first.
func (g *group) refs(today *day) []Ref {
	var own, past []Ref
	for _, c := range g.passes {
		for _, r := range c.reads {
			if !slices.Contains(g.cards, r.Card) {
				continue
			}
			if c.day == today {
				own = append(own, tapRef(r.Tap))
			} else {
				past = append(past, tapRef(r.Tap))
			}
		}
	}
	if room := MaxEvidence - len(own); room < len(past) {
		past = past[:max(room, 0)]
	}
	return append(own, past...)
}
