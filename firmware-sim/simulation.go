package sim

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/jishi-telemetry/jishi/firmware-sim/plant"
	"github.com/jishi-telemetry/jishi/firmware-sim/scenario"
	"github.com/jishi-telemetry/jishi/firmware-sim/voice"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// Simulation is a scenario that is being lived: its bases, machines and people, the devices that speak of them, and what is
// wrong with those. The same scenario gives the same messages and the same truth, byte for byte.
//
// Its methods may be called concurrently; a sequence of messages has one reader.
type Simulation struct {
	scenario *scenario.Scenario
	plant    *plant.Plant
	bases    []*crew
}

// Device is a device or reader of a base, for whoever writes the registry.
type Device struct {
	ID string
	voice.Identity
	// Stands are the machines it stands at; none for a reader.
	Stands []Stand
	Reader *scenario.Reader
	// Tells is true for the device by which its machine's state is to be told: the controller where there is one.
	Tells bool
}

// NewSimulation prepares a scenario. The error names what of it cannot be played.
func NewSimulation(s *scenario.Scenario) (*Simulation, error) {
	p, err := plant.New(s)
	if err != nil {
		return nil, err
	}
	sim := &Simulation{scenario: s, plant: p}
	for i := range s.Bases {
		c, err := newCrew(s, &s.Bases[i])
		if err != nil {
			return nil, fmt.Errorf("base %s: %w", s.Bases[i].Code, err)
		}
		sim.bases = append(sim.bases, c)
	}
	return sim, nil
}

// Scenario is what is being lived.
func (s *Simulation) Scenario() *scenario.Scenario { return s.scenario }

// Span is the scenario's time, from the first midnight to the last.
func (s *Simulation) Span() span.Span { return s.scenario.Span() }

// dayMs is a day of a zone without daylight saving time.
const dayMs = 24 * 3600 * 1000

// Devices are the devices and readers of a base, by its place in the scenario.
func (s *Simulation) Devices(base int) []Device {
	var out []Device
	for _, m := range s.bases[base].members {
		out = append(out, Device{ID: m.id, Identity: m.identity, Stands: m.stands, Reader: m.reader, Tells: m.tells})
	}
	return out
}

// Timetable returns every session of a base that begins in the scenario, uncut, with what the base claims for it, in order of days, by the base's
// place in the scenario.
func (s *Simulation) Timetable(base int) []plant.Session {
	var out []plant.Session
	for day := range s.scenario.Days {
		out = append(out, s.plant.Sessions(base, day)...)
	}
	return out
}

// Claims returns what a base claims for its trainees, in the order of Timetable.
func (s *Simulation) Claims(base int) []plant.Claim {
	var out []plant.Claim
	for day := range s.scenario.Days {
		out = append(out, s.plant.Claims(base, day)...)
	}
	return out
}

// Card returns the number of a person's card in hexadecimal; base and person are places in the scenario.
func (s *Simulation) Card(base, person int) string { return s.plant.Card(base, person) }

// Messages yields what the base's broker gets, in order of the instants at which it does. What is true, and how much of it
// could be seen, goes to the ledger, which may be nil. The sequence may be asked for again, and gives the same.
func (s *Simulation) Messages(base int, ledger *Ledger) iter.Seq[Timed] {
	return func(yield func(Timed) bool) {
		r := s.newRun(base, ledger)
		for day := range s.scenario.Days {
			if !r.day(day, yield) {
				return
			}
		}
		r.finish(yield)
	}
}

// Replay publishes a base's messages; see the function Replay.
func (s *Simulation) Replay(ctx context.Context, base int, ledger *Ledger, o ReplayOptions) (Result, error) {
	return Replay(ctx, func(yield func(Timed, error) bool) {
		for m := range s.Messages(base, ledger) {
			if !yield(m, nil) {
				return
			}
		}
	}, o)
}

// run is one pass through a base's days.
type run struct {
	s      *Simulation
	base   int
	crew   *crew
	voices []voice.Voice
	upset  []*upset
	hosts  []*host          // who listens to a Sparkplug node, nil for the others
	sent   []func(delivery) // where a member's messages go
	watch  *watch
	ledger *Ledger
	queue  queue
	order  uint64

	yesterday, tomorrow *plant.Day
	tomorrowN           int // which day tomorrow is
}

func (s *Simulation) newRun(base int, ledger *Ledger) *run {
	r := &run{s: s, base: base, crew: s.bases[base], ledger: ledger}
	for i, m := range r.crew.members {
		v, _, err := voice.New(m.spec)
		if err != nil {
			panic("sim: a voice that could be made cannot be made again: " + err.Error()) // NewSimulation made it
		}
		r.voices = append(r.voices, v)
		r.upset = append(r.upset, newUpset(s.scenario, m))
		r.listen(i)
	}
	if ledger != nil {
		r.watch = newWatch(s, base, ledger)
	}
	return r
}

// listen lets a member's messages go to the broker, a Sparkplug node's by way of the host that hears them there.
func (r *run) listen(member int) {
	broker := func(d delivery) { heap.Push(&r.queue, d) }
	var h *host
	next := broker
	if r.crew.members[member].identity.Dialect == string(scenario.Sparkplug) {
		h = newHost(broker)
		next = h.take
	}
	r.hosts = append(r.hosts, h)
	r.sent = append(r.sent, func(d delivery) {
		d.member = member
		r.order++
		d.order = r.order
		next(d)
	})
}

// listener lets a node's messages pass on as it says them, so that a host can ask it for its birth.
type listener struct {
	*host
	passage  *passage
	emulated bool
}

// Said implements voice.Host.
func (l listener) Said(m *voice.Message) {
	if l.emulated {
		m.Tells |= voice.Wrong
	}
	l.passage.said(m)
}

// day lives one day, and yields what has arrived by its end.
func (r *run) day(n int, yield func(Timed) bool) bool {
	day := r.live(n)
	if r.watch != nil {
		r.watch.lived(day, plant.Neighbours{Before: r.yesterday, After: r.live(n + 1)})
	}
	for i, m := range r.crew.members {
		rng := random(r.s.scenario, r.base, m.number, n, purposeUpset)
		p := r.upset[i].begin(day.Span, rng, r.sent[i])
		in := r.input(m, day, n)
		if h := r.hosts[i]; h != nil {
			in.Host = listener{h, p, emulated(m, day)}
			r.voices[i].Day(in)
			p.end()
			h.pass(day.EndMs)
			continue
		}
		for _, said := range r.voices[i].Day(in) {
			if emulated(m, day) {
				said.Tells |= voice.Wrong
			}
			p.said(&said)
		}
		p.end()
	}
	r.yesterday = day // an emulated device has said what was then before
	return r.deliver(day.EndMs, yield)
}

// live returns a day of the base, nil beyond the scenario's end. The day that comes is made once.
func (r *run) live(n int) *plant.Day {
	if n >= r.s.scenario.Days {
		return nil
	}
	if r.tomorrow == nil || r.tomorrowN != n {
		r.tomorrow, r.tomorrowN = r.s.plant.Day(r.base, n), n
	}
	return r.tomorrow
}

func (r *run) finish(yield func(Timed) bool) {
	for _, h := range r.hosts {
		if h != nil {
			h.drain()
		}
	}
	if r.deliver(never, yield) && r.watch != nil {
		r.watch.finish()
	}
}

const never = int64(1) << 62

// deliver yields what arrives before an instant.
func (r *run) deliver(beforeMs int64, yield func(Timed) bool) bool {
	for len(r.queue) > 0 && r.queue[0].atMs < beforeMs {
		d, ok := heap.Pop(&r.queue).(delivery)
		if !ok {
			panic("sim: the queue holds deliveries")
		}
		if r.watch != nil {
			r.watch.seen(d)
		}
		m := &d.message
		if !d.lost && !yield(Timed{AtMs: d.atMs, Topic: m.Topic, Payload: m.Payload, Retain: m.Retain, Exact: m.Exact, current: m.Current}) {
			return false
		}
	}
	return true
}

// input is what a member lives through on a day.
func (r *run) input(m *member, day *plant.Day, n int) voice.Input {
	in := voice.Input{
		Span: day.Span, First: n == 0,
		Conditions: conditionsOf(r.s.scenario, r.base, m, day, n),
		Rand:       random(r.s.scenario, r.base, m.number, n, purposeVoice),
	}
	if m.reader != nil {
		in.Taps = r.taps(m, day, n)
		return in
	}
	machine, at := r.machineOf(m, day)
	if emulated(m, day) && r.yesterday != nil {
		machine = dayLater(r.machineOf(m, r.yesterday))
	}
	in.Machine, in.At = machine, at
	return in
}

// machineOf is what a device's machine did. A device that moves in the middle of a day is given the day as one machine's:
// that of the one it stands at, from the instant on.
func (r *run) machineOf(m *member, day *plant.Day) (*plant.MachineDay, span.Set) {
	var parts []*plant.MachineDay
	var spans []span.Span
	for _, st := range m.stands {
		if at := st.Span.Intersect(day.Span); !at.Empty() {
			if i := slices.IndexFunc(day.Machines, func(d plant.MachineDay) bool { return d.Machine.ID == st.Machine.ID }); i >= 0 {
				parts, spans = append(parts, &day.Machines[i]), append(spans, at)
			}
		}
	}
	switch len(parts) {
	case 0:
		return &plant.MachineDay{}, nil
	case 1:
		return parts[0], span.NewSet(spans[0])
	}
	joined := &plant.MachineDay{Machine: parts[0].Machine}
	for i, p := range parts {
		joined.Power = append(joined.Power, stepsWithin(p.Power, spans[i])...)
		joined.Words = append(joined.Words, wordsWithin(p.Words, spans[i])...)
	}
	return joined, span.NewSet(spans...)
}

// emulated reports whether somebody plays the device on that day: what it said the day before comes once more.
func emulated(m *member, day *plant.Day) bool {
	return slices.ContainsFunc(day.Frauds, func(f plant.FraudSpan) bool {
		return f.Fraud.Kind == scenario.EmulatedDevice && f.Fraud.Device == m.id
	})
}

// dayLater is what a machine did, as if it had been a day later.
func dayLater(m *plant.MachineDay, _ span.Set) *plant.MachineDay {
	later := *m
	later.Power, later.Words = slices.Clone(m.Power), slices.Clone(m.Words)
	for i := range later.Power {
		later.Power[i].AtMs += dayMs
	}
	for i := range later.Words {
		later.Words[i].AtMs += dayMs
	}
	return &later
}

// stepsWithin cuts steps to a span; the first stands at its start.
func stepsWithin(steps []plant.Step, at span.Span) []plant.Step {
	var out []plant.Step
	for _, s := range steps {
		switch {
		case s.AtMs <= at.StartMs:
			out = []plant.Step{{AtMs: at.StartMs, PowerW: s.PowerW}}
		case s.AtMs < at.EndMs:
			out = append(out, s)
		}
	}
	return out
}

func wordsWithin(words []plant.Words, at span.Span) []plant.Words {
	var out []plant.Words
	for _, w := range words {
		switch {
		case w.AtMs <= at.StartMs:
			w.AtMs = at.StartMs
			out = []plant.Words{w}
		case w.AtMs < at.EndMs:
			out = append(out, w)
		}
	}
	return out
}

// What chance is for.
const (
	purposeVoice = iota
	purposeConditions
	purposeUpset
)

// random is the source of chance of one member, day and purpose.
func random(s *scenario.Scenario, base int, member uint64, day, purpose int) *rand.Rand {
	stream := uint64(base)<<48 ^ member<<24 ^ uint64(day)<<4 ^ uint64(purpose)
	return rand.New(rand.NewPCG(s.Seed^0x6a69736869, stream*0x9e3779b97f4a7c15+1))
}
