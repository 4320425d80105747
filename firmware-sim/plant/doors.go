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
}

// passing is a person before a reader.
type passing struct {
	atMs  int64
	order int
	what  step
	*visit
}

// step is what a person is about to do.
type step uint8

const (
	arriving step = iota
	reaching      // the station's own reader
	quitting
	leaving
)

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
		d.queue = append(d.queue, passing{v.arriveMs, i, arriving, v})
	}
	heap.Init(&d.queue)
	for d.queue.Len() > 0 {
		d.pass(heap.Pop(&d.queue).(passing))
	}
}

func (d *doors) push(atMs int64, from passing, what step, v *visit) {
	heap.Push(&d.queue, passing{atMs, from.order, what, v})
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
			v.arriveMs, _ = d.tapAll(v, x.atMs, "in")
		}
		v.leaveMs = max(v.leaveMs, v.arriveMs+minute)
		if v.station != "" {
			d.push(v.arriveMs+between(d.rng, 15*second, 50*second), x, reaching, v)
			d.push(v.leaveMs-between(d.rng, 5*second, 8*second), x, quitting, v)
		}
		d.push(v.leaveMs, x, leaving, v)
	case reaching:
		d.tap(v.person, v.person, x.atMs, d.reader(v.workshop, v.station, "in"), "in")
	case quitting:
		d.tap(v.person, v.person, x.atMs, d.reader(v.workshop, v.station, "out"), "out")
	case leaving:
		v.leaveMs = x.atMs
		if v.tapOut && (!v.leaves || v.back) {
			_, v.leaveMs = d.tapAll(v, x.atMs, "out")
		}
		d.goOn(x)
	}
}

// goOn sends a person to the next visit; it takes a while to get there.
func (d *doors) goOn(x passing) {
	if next := d.next[x.visit]; next != nil {
		d.push(max(next.arriveMs, x.visit.leaveMs+20*second), x, arriving, next)
	}
}

// tapAll holds the visitor's card and all others that the visitor has to a reader at the door, and returns when the first
// and the last was read.
func (d *doors) tapAll(v *visit, atMs int64, direction string) (first, last int64) {
	reader := d.reader(v.workshop, "", direction)
	first = d.tap(v.person, v.person, atMs, reader, direction)
	last = first
	for _, owner := range v.others {
		last = d.tap(v.person, owner, last, reader, direction)
	}
	return first, last
}

// tap holds a card to a reader when its turn comes, and returns when that was; people pass two to four seconds apart.
// Without a reader nothing is tapped.
func (d *doors) tap(holder, owner int, atMs int64, reader int, direction string) int64 {
	if reader < 0 {
		return atMs
	}
	at := max(atMs, d.free[reader])
	d.read(holder, owner, at, reader, direction)
	d.free[reader] = at + between(d.rng, 2*second, 4*second)
	if happens(d.rng, d.base.People[holder].Habits.TapsTwice) {
		again := at + between(d.rng, 1200, 1900)
		d.read(holder, owner, again, reader, direction)
		d.free[reader] = again + between(d.rng, 2*second, 4*second)
	}
	return at
}

func (d *doors) read(holder, owner int, atMs int64, reader int, direction string) {
	d.plan.taps = append(d.plan.taps, Tap{
		AtMs: atMs, Reader: d.base.doors[reader].Reader, Card: d.base.cards[owner],
		Holder: d.base.People[holder].ID, Owner: d.base.People[owner].ID, Direction: direction,
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
		holder := d.holder(c, f)
		in := max(s.Whole.StartMs-between(rng, 10*second, 5*minute), d.plan.day.StartMs)
		out := s.Whole.EndMs + between(rng, 10*second, 2*minute)
		for _, owner := range c.trainees {
			in = d.tap(holder, owner, in, d.reader(c.workshop, "", "in"), "in")
		}
		for _, owner := range c.trainees {
			out = d.tap(holder, owner, out, d.reader(c.workshop, "", "out"), "out")
		}
		d.plan.frauds = append(d.plan.frauds, FraudSpan{Span: s.Whole, Fraud: f, Persons: slices.Clone(s.Class.Trainees)})
	}
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
