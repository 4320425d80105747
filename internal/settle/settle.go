// Package settle brings the derivations into order: it reads a machine's evidence, finds in the registry what decides its
// state, derives its timeline, and turns days into rows of the ledger. It is for the processes and commands that show or
// keep figures. It refuses rules of its own: what evidence means is in usage, who speaks for a machine is in registry.
//
// The story of one machine, top to bottom:
//
//	sources    which device and channel speak for the machine, and when     (registry)
//	points     what they said in the window and just around it              (points.go)
//	timeline   what the machine did                                          (usage)
//	opening    when its workshop was open                                    (registry, calendar)
//	totals     seconds of each state, rate, coverage                         (usage)
//	row        the day's figures with the digest of all that they rest on    (day.go)
package settle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// RuleVersion names the rules of derivation. It changes whenever the same evidence may give other figures.
const RuleVersion = "usage/1"

// Settler derives figures from evidence and reference data. It holds no state; its methods may be called concurrently.
type Settler struct {
	store    evidence.Store
	registry *registry.Registry
	calendar *calendar.Calendar
	// buffers are *[]usage.Point, to be used again: the points of a day are most of what a derivation allocates.
	buffers sync.Pool
}

// New returns a settler. Nothing is closed by it.
func New(store evidence.Store, reg *registry.Registry, cal *calendar.Calendar) *Settler {
	return &Settler{store: store, registry: reg, calendar: cal}
}

// ErrUnknownEquipment is returned for equipment that the registry does not have.
var ErrUnknownEquipment = errors.New("equipment is not registered")

// Note says why a machine's figures are empty or withheld, where that is not plain from them.
type Note string

// The notes.
const (
	// NoteNone: nothing to say.
	NoteNone Note = ""
	// NoteNoSignal: the equipment leaves no electrical trace; usage is not measured.
	NoteNoSignal Note = "no_signal"
	// NoteNotCalibrated: the equipment is read by power and has no thresholds yet.
	NoteNotCalibrated Note = "not_calibrated"
	// NoteNotBound: no device speaks for the equipment in the window.
	NoteNotBound Note = "not_bound"
	// NoteCalendar: opening hours depend on a calendar that is not published (日历未发布).
	NoteCalendar Note = "calendar_unpublished"
	// NoteNoHours: the registry has no opening hours for the window.
	NoteNoHours Note = "no_opening_hours"
	// NoteNotInService: the equipment is not in service in the window.
	NoteNotInService Note = "not_in_service"
)

// Machine is what one machine did in a window.
type Machine struct {
	Base      string
	Equipment registry.Equipment
	Window    span.Span // the part of the window asked for in which the equipment was in service
	Timeline  []usage.Segment
	Opening   span.Set
	Totals    usage.Totals
	Samples   int    // how many pieces of evidence the timeline rests on
	Digest    string // SHA-256 of that evidence, hex
	Notes     []Note
}

// Machine derives what one machine did in the window. The same evidence and registry give the same result.
func (s *Settler) Machine(ctx context.Context, base, equipment string, window span.Span) (*Machine, error) {
	return s.machine(ctx, base, equipment, window, nil)
}

// seen is shown the points of each source that spoke for a machine, which it must not keep.
type seen func(source registry.Source, points []usage.Point)

// machine is Machine, for those who want to see the evidence too; see may be nil.
func (s *Settler) machine(ctx context.Context, base, equipment string, window span.Span, see seen) (*Machine, error) {
	e, ok := s.registry.Equipment(base, equipment)
	if !ok {
		return nil, fmt.Errorf("equipment %q of base %q: %w", equipment, base, ErrUnknownEquipment)
	}
	m := &Machine{Base: base, Equipment: e, Window: window.Intersect(e.InService)}
	if m.Window.Empty() {
		m.note(NoteNotInService)
		m.Window = span.Span{StartMs: window.StartMs, EndMs: window.StartMs}
		return m, nil
	}
	if err := s.derive(ctx, m, see); err != nil {
		return nil, fmt.Errorf("derive %s of base %s: %w", equipment, base, err)
	}
	if err := s.open(m); err != nil {
		return nil, fmt.Errorf("opening hours of %s of base %s: %w", equipment, base, err)
	}
	m.Totals = usage.Sum(m.Timeline, m.Opening)
	return m, nil
}

// derive reads the machine's evidence, source by source, and joins the timelines.
func (s *Settler) derive(ctx context.Context, m *Machine, see seen) error {
	rule := ruleOf(m)
	digest := newDigest()
	var segments []usage.Segment
	sources := s.sources(m)
	for _, source := range sources {
		if rule == nil {
			break
		}
		buffer := s.buffer()
		g := gatherer{source: source, endMs: m.Window.EndMs, reach: rule.Reach(), points: (*buffer)[:0]}
		if err := s.gather(ctx, m.Base, m.Window, &g); err != nil {
			return err
		}
		points := g.points
		digest.add(source.Device, source.Channel, points)
		m.Samples += len(points)
		if see != nil {
			see(source, points)
		}
		segments = append(segments, usage.Timeline(points, rule, source.Span.Intersect(m.Window))...)
		*buffer = points
		s.buffers.Put(buffer)
	}
	if rule != nil && len(sources) == 0 {
		m.note(NoteNotBound)
	}
	m.Timeline = usage.Join(segments, m.Window)
	m.Digest = digest.sum()
	return nil
}

// buffer returns a buffer of points.
func (s *Settler) buffer() *[]usage.Point {
	if b, ok := s.buffers.Get().(*[]usage.Point); ok {
		return b
	}
	return new([]usage.Point)
}

// sources returns who speaks for the machine in the window, each with the whole of its validity, so that a value said
// before the window still counts and one said by a meter elsewhere does not.
func (s *Settler) sources(m *Machine) []registry.Source {
	var out []registry.Source
	for _, source := range s.registry.Sources(m.Base, m.Equipment.ID, registry.UseState, registry.Always()) {
		if !source.Span.Intersect(m.Window).Empty() {
			out = append(out, source)
		}
	}
	return out
}

// ruleOf returns the rule that the registry gives the machine, or nil with a note.
func ruleOf(m *Machine) usage.Rule {
	signal := m.Equipment.Signal
	switch signal.Kind {
	case registry.SignalController:
		words := make(map[string]usage.State, len(signal.States))
		for word, name := range signal.States {
			words[word] = stateNamed(name)
		}
		return usage.NewControllerRule(words)
	case registry.SignalPower:
		if signal.Power == nil {
			m.note(NoteNotCalibrated)
			return nil
		}
		p := signal.Power
		return &usage.PowerRule{
			OffW: p.OffW, RunW: p.RunW, Hysteresis: p.Hysteresis, DwellOn: p.DwellOn, DwellOff: p.DwellOff,
		}
	}
	m.note(NoteNoSignal)
	return nil
}

func stateNamed(name string) usage.State {
	for _, s := range usage.States() {
		if s.String() == name {
			return s
		}
	}
	return usage.Unknown
}

// open sets the opening hours of the machine's workshop in its window.
func (s *Settler) open(m *Machine) error {
	var open span.Set
	for d := calendar.DateOf(m.Window.Start()); d.Span().StartMs < m.Window.EndMs; d = d.Add(1) {
		hours, err := s.registry.OpeningHours(m.Base, m.Equipment.Workshop, d.Span(),
			func() (bool, error) { return s.calendar.IsWorkday(d) })
		switch {
		case errors.Is(err, calendar.ErrUnpublished):
			m.note(NoteCalendar)
		case errors.Is(err, registry.ErrNoHours):
			m.note(NoteNoHours)
		case err != nil:
			return err
		}
		open = open.Union(hours)
	}
	m.Opening = open.Clip(m.Window)
	return nil
}

func (m *Machine) note(n Note) {
	if !slices.Contains(m.Notes, n) {
		m.Notes = append(m.Notes, n)
	}
}
