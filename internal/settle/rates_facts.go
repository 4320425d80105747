package settle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// facts gathers what is known about one machine in a period, day by day, so that a year's evidence is never in memory at
// once: only its timeline is.
type facts struct {
	s *Settler
	q *RatesQuery
	e *registry.Equipment

	window   span.Span // the period in service
	segments []usage.Segment
	opening  []span.Span
	workdays []span.Span
	online   []span.Span
	heard    bool // by a device that decides the state
	energy   []energySource
	metered  bool // a counter is bound, or was heard beside the state
	notes    []Note
	digests  []string
	out      usage.Facts
}

// energySource is one counter that speaks for the machine, for as long as it does.
type energySource struct {
	registry.Source
	meter *usage.EnergyMeter
}

// into measures the machine.
func (f *facts) into(ctx context.Context, m *MachineRates) error {
	f.out = usage.Facts{Profile: f.e.Profile, QuotaHours: f.e.QuotaHours, TellsFault: f.tellsFault()}
	f.period()
	f.meters()
	for d, window := range f.q.days {
		if window = window.Intersect(f.e.InService); window.Empty() {
			continue
		}
		if err := f.day(ctx, d, window); err != nil {
			return err
		}
	}
	f.conclude()
	*m = MachineRates{
		Equipment: *f.e, Window: f.window, Days: len(f.out.Days), Rates: usage.Measure(&f.out, f.q.Options),
		Digest: f.digest(), Notes: f.notes,
	}
	return nil
}

// period finds the part of the period that the machine was in service.
func (f *facts) period() {
	whole := span.Span{StartMs: f.q.From.Span().StartMs, EndMs: Window(f.q.To, f.q.NowMs).EndMs}
	whole.EndMs = max(whole.StartMs, min(whole.EndMs, f.q.NowMs))
	if f.window = whole.Intersect(f.e.InService); f.window.Empty() {
		f.window = span.Span{StartMs: whole.StartMs, EndMs: whole.StartMs}
		f.notes = append(f.notes, NoteNotInService)
	}
}

// meters finds the counters that are bound to the machine. Where none is, the device that decides the state may have one.
func (f *facts) meters() {
	for _, source := range f.s.registry.Sources(f.q.Base, f.e.ID, registry.UseEnergy, registry.Always()) {
		if part := source.Span.Intersect(f.window); !part.Empty() {
			f.metered = true
			f.energy = append(f.energy, energySource{source, usage.NewEnergyMeter(part)})
		}
	}
	if f.metered {
		return
	}
	for _, source := range f.s.registry.Sources(f.q.Base, f.e.ID, registry.UseState, registry.Always()) {
		if part := source.Span.Intersect(f.window); !part.Empty() {
			f.energy = append(f.energy, energySource{source, usage.NewEnergyMeter(part)})
		}
	}
}

// day takes in one day.
func (f *facts) day(ctx context.Context, d calendar.Date, window span.Span) error {
	read := make(map[int]bool) // which of the counters were heard beside the state
	m, err := f.s.machine(ctx, f.q.Base, f.e.ID, window, func(source registry.Source, points []usage.Point) {
		f.heard = true
		f.online = append(f.online, usage.Online(points, source.Span.Intersect(window))...)
		for i := range f.energy {
			if x := &f.energy[i]; x.Device == source.Device && x.Channel == source.Channel && x.Span == source.Span {
				read[i] = true
				f.count(x, points)
			}
		}
	})
	if err != nil {
		return err
	}
	if err := f.readMeters(ctx, window, read); err != nil {
		return err
	}
	f.out.Days = append(f.out.Days, d)
	for _, s := range m.Timeline {
		s.Word = "" // no rate asks for it, and a year of them is much
		f.segments = append(f.segments, s)
	}
	f.digests = append(f.digests, m.Digest)
	f.open(d, m)
	return nil
}

// readMeters reads the counters that are not where the state comes from.
func (f *facts) readMeters(ctx context.Context, window span.Span, read map[int]bool) error {
	for i := range f.energy {
		x := &f.energy[i]
		if !f.metered || read[i] || x.Span.Intersect(window).Empty() {
			continue
		}
		points, err := f.s.points(ctx, f.q.Base, x.Source, window, 0)
		if err != nil {
			return err
		}
		f.count(x, points)
	}
	return nil
}

// count hands the points to the counter's meter; those after the day come again with the next.
func (f *facts) count(x *energySource, points []usage.Point) {
	for i := range points {
		f.out.Energy = orNone(f.out.Energy, points[i].HasEnergy)
		x.meter.Take(&points[i])
	}
}

// orNone makes an empty sum when there is a reason for one.
func orNone(e *usage.Energy, any bool) *usage.Energy {
	if e == nil && any {
		return &usage.Energy{}
	}
	return e
}

// open takes in when the workshop was open, and whether that was on a working day.
func (f *facts) open(d calendar.Date, m *Machine) {
	for _, n := range m.Notes {
		if !slices.Contains(f.notes, n) {
			f.notes = append(f.notes, n)
		}
		switch n {
		case NoteCalendar:
			f.lack(usage.WhyCalendar)
		case NoteNoHours:
			f.lack(usage.WhyNoHours)
		}
	}
	f.opening = append(f.opening, m.Opening...)
	worked, err := f.s.calendar.IsWorkday(d)
	switch {
	case errors.Is(err, calendar.ErrUnpublished):
		f.out.WorkdaysWhy = cmp.Or(f.out.WorkdaysWhy, usage.WhyCalendar)
	case worked:
		f.workdays = append(f.workdays, m.Opening...)
	}
}

// lack says that a day's opening hours are missing; the first reason stays.
func (f *facts) lack(why usage.Why) {
	f.out.HoursWhy, f.out.WorkdaysWhy = cmp.Or(f.out.HoursWhy, why), cmp.Or(f.out.WorkdaysWhy, why)
}

// conclude brings what the days gave into the form of usage, and adds what came with the query.
func (f *facts) conclude() {
	o := &f.out
	o.Timeline = usage.Join(f.segments, f.window)
	o.Opening, o.Workdays = span.NewSet(f.opening...), span.NewSet(f.workdays...)
	if f.heard {
		online := span.NewSet(f.online...)
		o.Online = &online
	}
	f.drawn()
	o.TellsFault = o.TellsFault || slices.ContainsFunc(o.Timeline, func(s usage.Segment) bool { return s.State == usage.Fault })
	o.Bookings, o.Timetable = bookings(f.q.Roster, f.e, f.window)
	o.Presence = f.q.Presence[f.e.ID]
	o.Maintenance, o.Outages = f.q.Upkeep[f.e.ID].Maintenance, f.q.Upkeep[f.e.ID].Outages
	if v := f.q.Verified; v != nil {
		if ms, ok := v.Equipment[f.e.ID]; ok {
			o.VerifiedMs, o.VerifiedCoverage = &ms, v.Coverage
		}
	}
}

// drawn adds up the counters. A counter that is bound and silent is one of which nothing is known.
func (f *facts) drawn() {
	sum := orNone(f.out.Energy, f.metered)
	if sum == nil {
		return
	}
	*sum = usage.Energy{}
	for i := range f.energy {
		*sum = sum.Add(f.energy[i].meter.Energy())
	}
	sum.ExpectedMs = max(sum.ExpectedMs, f.window.Ms())
	f.out.Energy = sum
}

// tellsFault reports whether the registry says that the machine's controller has a word for a fault.
func (f *facts) tellsFault() bool {
	signal := &f.e.Signal
	if signal.Kind != registry.SignalController {
		return false
	}
	for _, state := range signal.States {
		if state == usage.Fault.String() {
			return true
		}
	}
	for _, source := range f.s.registry.Sources(f.q.Base, f.e.ID, registry.UseState, registry.Always()) {
		if d, ok := f.s.registry.Device(f.q.Base, source.Device); ok && d.Dialect == "native" {
			return true
		}
	}
	return false
}

// bookings returns the sessions that were held where the machine stands, and whether there is a timetable at all. A session
// that names stations is the machine's when it names the machine's own, or when the machine belongs to none and serves
// the whole workshop.
func bookings(r *registry.Roster, e *registry.Equipment, window span.Span) (held []usage.Booking, timetable bool) {
	if r == nil || len(r.People().Sessions) == 0 {
		return nil, false
	}
	for _, session := range r.SessionsIn(window) {
		named := slices.Contains(session.Stations, e.Station)
		if session.Workshop != e.Workshop || len(session.Stations) > 0 && e.Station != "" && !named {
			continue
		}
		class, _ := r.Class(session.Class)
		held = append(held, usage.Booking{
			Session: session.ID, Use: class.Use, Span: session.Span, Breaks: session.Breaks,
			Practice: session.Practice, Specific: named && e.Station != "",
		})
	}
	return held, true
}

// digest names the evidence of all days.
func (f *facts) digest() string {
	h := sha256.New()
	for _, d := range f.digests {
		_, _ = io.WriteString(h, d+"\n") //nolint:errcheck // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}
