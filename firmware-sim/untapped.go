package sim

import (
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// The states of FactUntapped: why no tap shows that a person was there.
const (
	// UntappedForgot: the person held no card to a reader.
	UntappedForgot = "forgot"
	// UntappedDeaf: the person did, or would have, and no reader was there that heard it.
	UntappedDeaf = "deaf"
	// UntappedLost: a reader heard it, and its message never came.
	UntappedLost = "lost"
)

// visit is a person's time in a workshop, from coming to leaving.
type visit struct {
	span.Span
	person, workshop string
	parts            []part
}

// part is what of a visit belongs to one session.
type part struct {
	span.Span
	session string // its id
}

// doorbook follows who was in which workshop, and which of their own taps came through, until no message can come any
// more that tells of one.
type doorbook struct {
	readers map[string][]string // ids of readers by workshop
	home    map[string]string   // workshop by reader
	visits  []*visit
	taps    []*ownTap
	byPlace map[tapPlace]*ownTap
}

// ownTap is a person's own card, held by the person, at a reader.
type ownTap struct {
	tapPlace
	person string
	fate   string // "" when it was heard, else a state of FactUntapped
}

// tapPlace is where and when a tap was.
type tapPlace struct {
	reader string
	atMs   int64
}

// repeatMs is within which a card that was heard and is held to the same reader again is the same tap: some readers say
// it once only.
const repeatMs = 2000

func newDoorbook(b *scenario.Base) *doorbook {
	book := &doorbook{readers: map[string][]string{}, home: map[string]string{}, byPlace: map[tapPlace]*ownTap{}}
	for i := range b.Workshops {
		w := &b.Workshops[i]
		for j := range w.Readers {
			book.readers[w.ID] = append(book.readers[w.ID], w.Readers[j].ID)
			book.home[w.Readers[j].ID] = w.ID
		}
	}
	return book
}

// lived takes in a day: who was where, and which cards were held to readers.
func (b *doorbook) lived(day *plant.Day) {
	for i := range day.People {
		p := &day.People[i]
		for k := range p.Present {
			in := &p.Present[k]
			s := &day.Sessions[in.Session]
			b.enter(p.Person.ID, s.Class.Workshop, part{in.Span, s.ID})
		}
	}
	for i := range day.Taps {
		t := &day.Taps[i]
		if t.Holder != t.Owner {
			continue
		}
		tap := &ownTap{tapPlace: tapPlace{t.Reader.ID, t.AtMs}, person: t.Owner, fate: UntappedDeaf}
		b.taps, b.byPlace[tap.tapPlace] = append(b.taps, tap), tap
	}
}

// enter goes on with the person's visit, or begins one.
func (b *doorbook) enter(person, workshop string, p part) {
	for _, v := range slices.Backward(b.visits) {
		if v.person == person && v.workshop == workshop && v.EndMs == p.StartMs {
			v.EndMs, v.parts = p.EndMs, append(v.parts, p)
			return
		}
	}
	b.visits = append(b.visits, &visit{Span: p.Span, person: person, workshop: workshop, parts: []part{p}})
}

// heard takes in a reader's message of a tap, which may have been lost on its way.
func (b *doorbook) heard(reader string, atMs int64, lost bool) {
	tap := b.byPlace[tapPlace{reader, atMs}]
	switch {
	case tap == nil: // a ghost card, or somebody else's
	case !lost:
		tap.fate = ""
	case tap.fate != "":
		tap.fate = UntappedLost
	}
}

// close hands over what no tap shows of the visits that ended before an instant, and forgets them.
func (b *doorbook) close(beforeMs int64, hand func(person, session, state string, s span.Span)) {
	b.visits = slices.DeleteFunc(b.visits, func(v *visit) bool {
		if v.EndMs >= beforeMs {
			return false
		}
		for _, gap := range b.untapped(v) {
			for _, p := range v.parts {
				if s := p.Intersect(gap.Span); !s.Empty() {
					hand(v.person, p.session, gap.state, s)
				}
			}
		}
		return true
	})
	oldest := beforeMs
	for _, v := range b.visits {
		oldest = min(oldest, v.StartMs)
	}
	b.taps = slices.DeleteFunc(b.taps, func(t *ownTap) bool {
		if t.atMs >= oldest-repeatMs {
			return false
		}
		delete(b.byPlace, t.tapPlace)
		return true
	})
}

// gap is a part of a visit that no tap shows.
type gap struct {
	span.Span
	state string
}

// untapped returns when no tap shows that a visitor was there: before the first tap that was heard, and after the last.
func (b *doorbook) untapped(v *visit) []gap {
	if len(b.readers[v.workshop]) == 0 {
		return []gap{{v.Span, UntappedDeaf}}
	}
	taps := b.tapsOf(v)
	if len(taps) == 0 {
		return []gap{{v.Span, UntappedForgot}}
	}
	first, last := taps[0], taps[len(taps)-1]
	forgot := []gap{
		{span.Span{StartMs: v.StartMs, EndMs: first.atMs}, UntappedForgot}, {span.Span{StartMs: last.atMs, EndMs: v.EndMs}, UntappedForgot},
	}
	heard := slices.DeleteFunc(slices.Clone(taps), func(t *ownTap) bool { return t.fate != "" })
	if len(heard) == 0 {
		return append(forgot, gap{span.Span{StartMs: first.atMs, EndMs: last.atMs}, first.fate})
	}
	return append(forgot,
		gap{span.Span{StartMs: first.atMs, EndMs: heard[0].atMs}, first.fate},
		gap{span.Span{StartMs: heard[len(heard)-1].atMs, EndMs: last.atMs}, last.fate})
}

// tapsOf returns a visitor's taps in order of time. A repeat of one that was heard was heard too.
func (b *doorbook) tapsOf(v *visit) []*ownTap {
	var out []*ownTap
	for _, t := range b.taps {
		if t.person != v.person || t.atMs < v.StartMs || t.atMs > v.EndMs || b.home[t.reader] != v.workshop {
			continue
		}
		if n := len(out); n > 0 && t.fate != "" && out[n-1].fate == "" && out[n-1].reader == t.reader && t.atMs-out[n-1].atMs <= repeatMs {
			t.fate = ""
		}
		out = append(out, t)
	}
	return out
}
