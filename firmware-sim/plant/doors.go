package plant

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
)

// doors lets people pass the readers one after another, in the order in which they come. Who waits at a reader is not
// inside yet on the way in, and still inside on the way out, so that presence and taps agree.
type doors struct {
	plant *Plant
	base  *base
	plan  *plan
	rng   *rand.Rand
	free  []int64 // by reader, when it can take the next card
	queue queue
	next  map[*visit]*visit // the same person's next visit
	hands []timedHand       // what cheats are about to do, before run
}

type timedHand struct {
	hand
	atMs int64
}

// passing is a person before a reader: a visitor, or somebody with the cards of people who are not there.
type passing struct {
	atMs  int64
	order int
	what  step
	*visit
	*hand
}

// step is what a person is about to do.
type step uint8

const (
	arriving step = iota
	reaching      // the station's own reader
	quitting
	leaving
	handing
)

// hand is somebody with cards before a workshop's door.
type hand struct {
	holder    string
	workshop  int
	direction string
	cards     []card
}

// card is a card's number and whose it is.
type card struct{ number, owner string }

type queue []passing

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(q[i].atMs, q[j].atMs), cmp.Compare(q[i].order, q[j].order)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(passing)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// run lets everybody come and go; the visits then say when each person really did.
func (d *doors) run(visits []*visit) {
	d.free = make([]int64, len(d.base.doors))
	d.next = map[*visit]*visit{}
	for i, v := range visits {
		if i > 0 && visits[i-1].person == v.person {
			d.next[visits[i-1]] = v
			continue
		}
		d.queue = append(d.queue, passing{atMs: v.arriveMs, order: i, what: arriving, visit: v})
	}
	for i := range d.hands {
		h := &d.hands[i]
		d.queue = append(d.queue, passing{atMs: h.atMs, order: len(visits) + i, what: handing, hand: &h.hand})
	}
	heap.Init(&d.queue)
	for d.queue.Len() > 0 {
		d.pass(heap.Pop(&d.queue).(passing))
	}
}

func (d *doors) push(atMs int64, from passing, what step, v *visit) {
	heap.Push(&d.queue, passing{atMs: atMs, order: from.order, what: what, visit: v})
}

func (d *doors) pass(x passing) {
	v := x.visit
	switch x.what {
	case arriving:
		v.arriveMs = x.atMs
		if v.hull().EndMs-x.atMs < minute {
			v.missed = true
			v.leaveMs = v.arriveMs
			d.goOn(x)
			return
		}
		if v.tapIn {
			v.arriveMs, _ = d.tap(d.reader(v.workshop, "", "in"), x.atMs, d.all(v, "in"))
		}
		v.leaveMs = max(v.leaveMs, v.arriveMs+minute)
		if v.station != "" {
			d.push(v.arriveMs+between(d.rng, 15*second, 50*second), x, reaching, v)
			d.push(v.leaveMs-between(d.rng, 5*second, 8*second), x, quitting, v)
		}
		d.push(v.leaveMs, x, leaving, v)
	case reaching:
		d.tap(d.reader(v.workshop, v.station, "in"), x.atMs, d.own(v, "in"))
	case quitting:
		d.tap(d.reader(v.workshop, v.station, "out"), x.atMs, d.own(v, "out"))
	case leaving:
		v.leaveMs = x.atMs
		if v.tapOut && (!v.leaves || v.back) {
			_, v.leaveMs = d.tap(d.reader(v.workshop, "", "out"), x.atMs, d.all(v, "out"))
		}
		d.goOn(x)
	case handing:
		d.tap(d.reader(x.hand.workshop, "", x.hand.direction), x.atMs, *x.hand)
	}
}

// goOn sends a person to the next visit; it takes a while to get there.
func (d *doors) goOn(x passing) {
	if next := d.next[x.visit]; next != nil {
		d.push(max(next.arriveMs, x.visit.leaveMs+20*second), x, arriving, next)
	}
}

// own is a visitor with nothing but the own card, all one with those of others too.
func (d *doors) own(v *visit, direction string) hand {
	return hand{d.base.People[v.person].ID, v.workshop, direction, []card{d.cardOf(v.person)}}
}

func (d *doors) all(v *visit, direction string) hand {
	h := d.own(v, direction)
	for _, owner := range v.others {
		h.cards = append(h.cards, d.cardOf(owner))
	}
	return h
}

func (d *doors) cardOf(person int) card {
	return card{d.base.cards[person], d.base.People[person].ID}
}

// tap holds cards to a reader, one after the other, when their turn comes, and returns when the first and the last was
// read. People pass two to four seconds apart. Without a reader nothing is tapped.
func (d *doors) tap(reader int, atMs int64, h hand) (first, last int64) {
	if reader < 0 {
		return atMs, atMs
	}
	twice := 0.0
	if i, ok := d.base.people[h.holder]; ok {
		twice = d.base.People[i].Habits.TapsTwice
	}
	for i, c := range h.cards {
		last = max(atMs, d.free[reader])
		if i == 0 {
			first = last
		}
		d.read(reader, last, &h, c)
		if happens(d.rng, twice) {
			last += between(d.rng, 1200, 1900)
			d.read(reader, last, &h, c)
		}
		d.free[reader] = last + between(d.rng, 2*second, 4*second)
	}
	return first, last
}

func (d *doors) read(reader int, atMs int64, h *hand, c card) {
	d.plan.taps = append(d.plan.taps, Tap{
		AtMs: atMs, Reader: d.base.doors[reader].Reader, Card: c.number, Holder: h.holder, Owner: c.owner, Direction: h.direction,
	})
}

// reader chooses a reader for a direction at a station, or at the workshop's door for "", -1 when there is none.
func (d *doors) reader(workshop int, station, direction string) int {
	var found []int
	for i := range d.base.doors {
		r := &d.base.doors[i]
		if r.workshop == workshop && r.Station == station && (r.Direction == "" || r.Direction == direction) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return -1
	}
	return found[d.rng.IntN(len(found))]
}

// ghosts taps the cards of a class that nobody attends: its teacher, or who the fraud names, holds them all at its
// beginning and at its end.
func (d *doors) ghosts(day int) {
	for i := range d.plan.sessions {
		s, c := &d.plan.sessions[i], d.plan.of[i]
		f := d.plant.fraud(d.base, scenario.GhostClass, s)
		if f == nil || len(c.trainees) == 0 {
			continue
		}
		rng := d.plant.chance(day, "ghosts", d.base.Code, s.Class.ID)
		h := hand{holder: d.base.People[d.holder(c, f)].ID, workshop: c.workshop, direction: "in"}
		for _, owner := range c.trainees {
			h.cards = append(h.cards, d.cardOf(owner))
		}
		d.hand(s.Whole.StartMs-between(rng, 10*second, 5*minute), h)
		h.direction = "out"
		d.hand(s.Whole.EndMs+between(rng, 10*second, 2*minute), h)
		d.plan.frauds = append(d.plan.frauds, FraudSpan{Span: s.Whole, Fraud: f, Persons: slices.Clone(s.Class.Trainees)})
	}
}

// hand lets somebody hold cards to a door; nothing happens before the day begins.
func (d *doors) hand(atMs int64, h hand) {
	d.hands = append(d.hands, timedHand{h, max(atMs, d.plan.day.StartMs)})
}

// holder is who holds the cards of others: whom the fraud names, else the teacher, else the first trainee.
func (d *doors) holder(c *class, f *scenario.Fraud) int {
	if i, ok := d.base.people[f.Person]; ok {
		return i
	}
	if c.teacher >= 0 {
		return c.teacher
	}
	return c.trainees[0]
}
