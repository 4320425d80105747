package sim

import (
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// watch writes the ledger: what is true, and for each machine what somebody would know who believes every message that
// came, at the time at which it says that it happened, and nothing beyond how long it is good for. It asks no decoder and
// no derivation of the product.
type watch struct {
	sim     *Simulation
	base    int
	code    string
	ledger  *Ledger
	beliefs []*belief
	doors   *doorbook
	horizon int64 // how late a message may come
	seenMs  int64
	settled int64 // beliefs before it are settled
}

// belief is what the messages say of one machine.
type belief struct {
	id     string
	phases []plant.Phase // true, of the days that are not settled
	points []point       // believed, in order of time
}

// point is a believed word about a machine from an instant on.
type point struct {
	atMs, validMs int64
	state         string // what is believed: the true state when it was said; "" knows nothing
	mistaken      bool   // it is wrong in itself
}

// A time is believed from 2000 on, and up to two minutes ahead of the receiver: what the product documents (design.md §5).
const (
	earliestMs = 946_684_800_000
	aheadMs    = 120_000
)

func newWatch(s *Simulation, base int, ledger *Ledger) *watch {
	w := &watch{
		sim: s, base: base, code: s.scenario.Bases[base].Code, ledger: ledger, horizon: 2 * 3600_000, settled: s.scenario.FromMs,
		doors: newDoorbook(&s.scenario.Bases[base]),
	}
	for i := range s.scenario.Faults {
		w.horizon = max(w.horizon, 2*s.scenario.Faults[i].For.Milliseconds()+2*3600_000)
	}
	for i := range s.scenario.Bases[base].Workshops {
		for j := range s.scenario.Bases[base].Workshops[i].Machines {
			w.beliefs = append(w.beliefs, w.expect(s.scenario.Bases[base].Workshops[i].Machines[j].ID))
		}
	}
	return w
}

// expect prepares for a machine: where no device stands there that tells of it, nothing is known.
func (w *watch) expect(machine string) *belief {
	b := &belief{id: machine}
	for _, m := range w.sim.bases[w.base].members {
		for _, s := range m.stands {
			if m.tells && s.Machine.ID == machine {
				b.points = append(b.points, point{atMs: s.Span.StartMs}, point{atMs: s.Span.EndMs})
			}
		}
	}
	slices.SortStableFunc(b.points, func(a, b point) int { return compareMs(a.atMs, b.atMs) })
	return b
}

// of is what is believed of a machine.
func (w *watch) of(machine string) *belief {
	return w.beliefs[slices.IndexFunc(w.beliefs, func(b *belief) bool { return b.id == machine })]
}

// lived takes in a day as it truly was.
func (w *watch) lived(day *plant.Day, n plant.Neighbours) {
	for i := range day.Machines {
		m := &day.Machines[i]
		b := w.of(m.Machine.ID)
		b.phases = append(b.phases, m.Phases...)
		for _, p := range m.Phases {
			w.ledger.add(Fact{Kind: FactMachine, Base: w.code, Subject: m.Machine.ID, Span: p.Span, State: p.State.String()})
		}
	}
	for _, dark := range day.Dark {
		w.ledger.add(Fact{Kind: FactDark, Base: w.code, Subject: w.code, Span: dark})
	}
	w.attended(day, n)
	for i := range day.Frauds {
		f := &day.Frauds[i]
		w.ledger.add(Fact{
			Kind: FactFraud, Base: w.code, Subject: fraudSubject(f.Fraud), Span: f.Span, State: string(f.Fraud.Kind), Detail: strings.Join(f.Persons, ","),
		})
	}
}

// attended takes in who was to be where, who was, and what the person deserves of it.
func (w *watch) attended(day *plant.Day, n plant.Neighbours) {
	for i := range day.Sessions {
		s := &day.Sessions[i]
		w.ledger.add(Fact{Kind: FactClass, Base: w.code, Subject: s.Class.ID, Span: s.Held, Detail: s.ID})
		w.planned(s)
	}
	for i := range day.People {
		p := &day.People[i]
		for _, in := range p.Present {
			w.ledger.add(Fact{Kind: FactPresent, Base: w.code, Subject: p.Person.ID, Span: in.Span, State: in.Station, Detail: day.Sessions[in.Session].ID})
		}
	}
	rule := plant.DefaultRule()
	rule.ByReaders, rule.BySeats = true, true
	for _, m := range plant.Deserved(day, n, rule) {
		for _, s := range m.Verified {
			w.ledger.add(Fact{Kind: FactDeserved, Base: w.code, Subject: m.Person.ID, Span: s, Detail: day.Sessions[m.Session].ID})
		}
	}
	w.doors.lived(day)
}

// planned writes what a session wants of its trainees.
func (w *watch) planned(s *plant.Session) {
	kind := "theory"
	if s.Slot.Practice {
		kind = "practice"
	}
	for _, person := range s.Class.Trainees {
		for _, p := range span.NewSet(s.Planned).Subtract(s.Breaks) {
			w.ledger.add(Fact{Kind: FactPlanned, Base: w.code, Subject: person, Span: p, State: kind, Detail: s.ID})
		}
	}
}

// untapped writes what no tap shows of the visits that ended before an instant.
func (w *watch) untapped(beforeMs int64) {
	w.doors.close(beforeMs, func(person, session, state string, s span.Span) {
		w.ledger.add(Fact{Kind: FactUntapped, Base: w.code, Subject: person, Span: s, State: state, Detail: session})
	})
}

func fraudSubject(f *scenario.Fraud) string {
	for _, s := range []string{f.Class, f.Person, f.Machine, f.Device} {
		if s != "" {
			return s
		}
	}
	return string(f.Kind)
}

// deaf notes what a reader did not hear and what it invented.
func (w *watch) deaf(m *member, deaf span.Set, ghosts []plant.Tap) {
	for _, s := range deaf {
		w.ledger.add(Fact{Kind: FactDeaf, Base: w.code, Subject: m.id, Span: s})
	}
	for _, t := range ghosts {
		w.ledger.add(Fact{Kind: FactGhost, Base: w.code, Subject: m.id, Span: span.Span{StartMs: t.AtMs, EndMs: t.AtMs + 1}})
	}
}

// seen takes in what reached the broker.
func (w *watch) seen(d delivery) {
	w.seenMs = max(w.seenMs, d.atMs)
	m := w.sim.bases[w.base].members[d.member]
	if !d.lost && m.tells && d.message.Tells&(voice.State|voice.Death) != 0 {
		w.believe(m, d)
	}
	if d.message.Tells.Has(voice.Tapped) && !d.again {
		w.doors.heard(m.id, d.message.EventMs, d.lost)
	}
	if w.seenMs-w.horizon > w.settled+3600_000 {
		w.settle(w.seenMs - w.horizon)
	}
}

// believe puts a message's word where it says that it happened.
func (w *watch) believe(m *member, d delivery) {
	i := slices.IndexFunc(m.stands, func(s Stand) bool { return s.Span.Contains(d.message.EventMs) })
	if i < 0 {
		return
	}
	b := w.of(m.stands[i].Machine.ID)
	p := point{atMs: datedMs(d), validMs: d.message.ValidMs}
	if d.message.Tells.Has(voice.State) && !d.message.Tells.Has(voice.Death) {
		p.state = b.stateAt(d.message.EventMs)
		p.mistaken = d.message.Tells.Has(voice.Wrong)
	}
	at, _ := slices.BinarySearchFunc(b.points, p, func(a, b point) int {
		if a.atMs == b.atMs {
			return -1 // of two words at one instant the later counts
		}
		return compareMs(a.atMs, b.atMs)
	})
	b.points = slices.Insert(b.points, at, p)
}

// datedMs is the instant that a receiver takes the message for: the device's own, unless it says none or one that cannot
// be, before 2000 or ahead of the receiver (design.md §5).
func datedMs(d delivery) int64 {
	if said := d.message.SaidMs; said >= earliestMs && said <= d.atMs+aheadMs {
		return said
	}
	return d.atMs
}

// stateAt is the true state at an instant.
func (b *belief) stateAt(ms int64) string {
	for _, p := range slices.Backward(b.phases) {
		if p.Contains(ms) {
			return p.State.String()
		}
	}
	return ""
}

// settle writes what was unseen and mistaken before an instant.
func (w *watch) settle(untilMs int64) {
	for _, b := range w.beliefs {
		w.settleBelief(b, untilMs)
	}
	w.untapped(untilMs)
	w.settled = untilMs
}

func (w *watch) finish() {
	end := w.sim.Span().EndMs
	if w.settled < end {
		w.settle(end)
	}
	w.untapped(never)
}

// settleBelief compares what is believed with what is true from the last settled instant on.
func (w *watch) settleBelief(b *belief, untilMs int64) {
	w.compare(b, span.Span{StartMs: w.settled, EndMs: untilMs})
	keep := 0
	for keep+1 < len(b.points) && b.points[keep+1].atMs <= untilMs {
		keep++
	}
	if len(b.points) > 0 && b.points[keep].atMs <= untilMs {
		b.points = slices.Delete(b.points, 0, keep)
	}
	b.phases = slices.DeleteFunc(b.phases, func(p plant.Phase) bool { return p.EndMs <= untilMs-dayMs })
}

// compare writes unseen and mistaken time of one span.
func (w *watch) compare(b *belief, at span.Span) {
	from := at.StartMs
	i := 0
	for i < len(b.points) && b.points[i].atMs <= from {
		i++
	}
	for from < at.EndMs {
		next := at.EndMs
		nextPoint := never
		if i < len(b.points) {
			nextPoint = b.points[i].atMs
			next = min(next, nextPoint)
		}
		var now point
		if i > 0 {
			now = b.points[i-1]
		}
		w.write(b, now, i > 0, nextPoint, span.Span{StartMs: from, EndMs: next})
		from = next
		i++
	}
}

// write notes one believed stretch.
func (w *watch) write(b *belief, now point, known bool, nextMs int64, s span.Span) {
	if s.Empty() {
		return
	}
	if last := now.atMs + now.validMs; nextMs == never && now.validMs > 0 && s.EndMs > last && s.StartMs < last {
		// Who never comes back is believed for as long as it may be silent.
		w.write(b, now, known, last, span.Span{StartMs: s.StartMs, EndMs: last})
		s.StartMs = last
	}
	silent := now.validMs > 0 && nextMs-now.atMs > now.validMs
	if !known || now.state == "" || silent {
		w.ledger.add(Fact{Kind: FactUnseen, Base: w.code, Subject: b.id, Span: s})
		return
	}
	if now.mistaken {
		w.ledger.add(Fact{Kind: FactMistaken, Base: w.code, Subject: b.id, Span: s, State: "wrong"})
		return
	}
	for i := range b.phases {
		p := &b.phases[i]
		if part := p.Intersect(s); !part.Empty() && p.State.String() != now.state {
			w.ledger.add(Fact{Kind: FactMistaken, Base: w.code, Subject: b.id, Span: part, State: now.state})
		}
	}
}
