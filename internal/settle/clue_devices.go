package settle

import (
	"cmp"
	"context"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// curveStepMs is fine enough to tell a steady load from a cycle.
const curveStepMs = 10_000

// clueMachine is a machine's day with its power, and takes in what its devices said.
func (s *Settler) clueMachine(ctx context.Context, m *Machine, window span.Span, heard map[string]*deviceDay) (clue.Machine, error) {
	e := &m.Equipment
	out := clue.Machine{
		ID: e.ID, Place: attendance.Place{Workshop: e.Workshop, Station: e.Station}, Profile: e.Profile, Timeline: m.Timeline,
	}
	if e.Signal.Power != nil {
		out.OffW = e.Signal.Power.OffW
	}
	sources := slices.Concat(
		s.registry.Sources(m.Base, e.ID, registry.UseState, window), s.registry.Sources(m.Base, e.ID, registry.UseEnergy, window),
	)
	for i, source := range sources {
		d := heard[source.Device]
		if d == nil {
			d = newDeviceDay(source.Device, window)
			heard[source.Device] = d
		}
		out.Rebound = out.Rebound || source.Span != window
		d.Rebound = d.Rebound || source.Span != window
		if err := s.hear(ctx, m.Base, source, d); err != nil {
			return out, err
		}
		if m.Equipment.Signal.Kind == registry.SignalController {
			out.Timeline = d.said(out.Timeline)
		}
		if i == 0 || source.Span.EndMs == window.EndMs {
			out.Device = cmp.Or(out.Device, source.Device)
		}
		if c := d.curves[source.Channel]; c != nil && out.Power.MeanW == nil {
			out.Power = c.done()
		}
	}
	return out, nil
}

// deviceDay is what one device said on a day, in the making.
type deviceDay struct {
	clue.Device
	window  span.Span
	read    map[string]bool      // channels
	curves  map[string]*curveDay // by channel
	printer map[string]*clue.Printer
	energy  map[string]float64 // the last counter of each channel
	off     []int64            // how far the clock is off, each time that it is
	downMs  int64              // since when it is said to be offline
	gone    []span.Span        // when it said so itself, or its agent for it
	goodbye bool               // the end of the connection was said, and not only noticed
	minute  int64              // the last in which it was heard while down
}

func newDeviceDay(id string, window span.Span) *deviceDay {
	return &deviceDay{
		Device: clue.Device{ID: id}, window: window, read: map[string]bool{}, curves: map[string]*curveDay{},
		printer: map[string]*clue.Printer{}, energy: map[string]float64{}, minute: -1,
	}
}

// hear reads what one source said on the day, once.
func (s *Settler) hear(ctx context.Context, base string, source registry.Source, d *deviceDay) error {
	if d.read[source.Channel] {
		return nil
	}
	kinds := []telemetry.Kind{telemetry.KindSample}
	if len(d.read) == 0 {
		kinds = append(kinds, telemetry.KindLink)
	}
	d.read[source.Channel] = true
	q := evidence.Query{Base: base, Device: source.Device, Channels: []string{source.Channel}, Window: d.window, Kinds: kinds}
	if slices.Contains(kinds, telemetry.KindLink) {
		before, err := s.store.Before(ctx, evidence.Query{Base: base, Device: source.Device, Channels: []string{}, Window: d.window, Kinds: kinds})
		if err != nil {
			return err
		}
		for i := range before {
			d.take(&before[i])
		}
	}
	if err := s.store.Read(ctx, q, func(e *evidence.Entry) error { d.take(e); return nil }); err != nil {
		return err
	}
	if d.downMs != 0 {
		d.back(d.window.EndMs)
	}
	return nil
}

// take takes one record. What the broker kept says nothing new.
func (d *deviceDay) take(e *evidence.Entry) {
	if e.Kind == telemetry.KindLink {
		d.link(e)
		return
	}
	if e.Retained {
		return
	}
	d.Dialect = cmp.Or(d.Dialect, e.Dialect)
	if len(d.Evidence) == 0 {
		d.Evidence = []clue.Ref{{Epoch: e.Epoch, Seq: e.Seq, Source: d.ID}}
	}
	d.clock(e)
	d.whileDown(e)
	if power, ok := e.Value(telemetry.PowerW); ok {
		if d.curves[e.Channel] == nil {
			d.curves[e.Channel], d.printer[e.Channel] = newCurveDay(d.window), &clue.Printer{}
		}
		d.curves[e.Channel].take(power, e.EventMs, e.ValidMs)
		d.printer[e.Channel].Take(power, e.EventMs, e.Epoch, e.Seq)
	}
	if energy, ok := e.Value(telemetry.EnergyWh); ok {
		if last, known := d.energy[e.Channel]; known && energy < last {
			d.Backward = append(d.Backward, clue.Backward{AtMs: e.EventMs, FromWh: last, ToWh: energy, Epoch: e.Epoch, Seq: e.Seq})
		}
		d.energy[e.Channel] = energy
	}
}

// link takes the end and the return of a connection.
func (d *deviceDay) link(e *evidence.Entry) {
	switch {
	case e.Link.Down() && d.downMs == 0:
		d.downMs, d.goodbye = max(e.EventMs, d.window.StartMs), e.Link == telemetry.LinkOffline
	case !e.Link.Down() && d.downMs != 0:
		d.back(e.EventMs)
	}
}

// back ends a stretch in which the device was said to be offline.
func (d *deviceDay) back(atMs int64) {
	down := span.Span{StartMs: d.downMs, EndMs: atMs}
	d.Down = append(d.Down, down)
	if d.goodbye {
		d.gone = append(d.gone, down)
	}
	d.downMs = 0
}

// said writes into a timeline where nothing is known because the device, or its agent, said goodbye: a controller that was
// switched off, and not a link that broke.
func (d *deviceDay) said(timeline []usage.Segment) []usage.Segment {
	var out []usage.Segment
	gone := span.NewSet(d.gone...)
	for _, s := range timeline {
		if s.State != usage.Unknown || s.Word != "" {
			out = append(out, s)
			continue
		}
		cut := func(set span.Set, word string) {
			for _, part := range set {
				out = append(out, usage.Segment{Span: part, Word: word, Estimate: s.Estimate})
			}
		}
		cut(gone.Clip(s.Span), telemetry.StateUnavailable)
		cut(span.NewSet(s.Span).Subtract(gone), "")
	}
	slices.SortStableFunc(out, func(a, b usage.Segment) int { return cmp.Compare(a.StartMs, b.StartMs) })
	return out
}

// whileDown counts the minutes in which a device that is said to be offline was heard.
func (d *deviceDay) whileDown(e *evidence.Entry) {
	const minuteMs = 60_000
	if minute := e.ReceivedMs / minuteMs; d.downMs != 0 && e.ReceivedMs > d.downMs && minute != d.minute {
		d.minute = minute
		d.HeardDown++
	}
}

// clock compares the device's clock with the bridge's.
func (d *deviceDay) clock(e *evidence.Entry) {
	if e.Clock != telemetry.ClockDevice || e.DeviceMs == 0 {
		return
	}
	d.Clock.Trusted++
	if off := e.DeviceMs - e.ReceivedMs; max(off, -off) > clueClockOffMs {
		d.Clock.Off++
		d.off = append(d.off, off)
	}
}

// clueClockOffMs is F5's default: two minutes.
const clueClockOffMs = 120_000

// devicesOf finishes the devices, in order of id.
func devicesOf(heard map[string]*deviceDay) []clue.Device {
	out := make([]clue.Device, 0, len(heard))
	for _, d := range heard {
		if n := len(d.off); n > 0 {
			slices.Sort(d.off)
			d.Clock.WorstMs = d.off[n/2]
		}
		for _, p := range d.printer {
			d.Prints = append(d.Prints, p.Prints()...)
		}
		slices.SortStableFunc(d.Prints, func(a, b clue.Print) int { return cmp.Or(cmp.Compare(a.AtMs, b.AtMs), cmp.Compare(a.Hash, b.Hash)) })
		d.Down = span.NewSet(d.Down...)
		out = append(out, d.Device)
	}
	slices.SortFunc(out, func(a, b clue.Device) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// curveDay makes a curve of power from readings that hold until the next, as long as the device may be silent.
type curveDay struct {
	clue.Curve
	knownMs []int64   // of each step
	wattMs  []float64 // of each step
	atMs    int64     // of the last reading, 0 before the first
	validMs int64
	watts   float64
}

func newCurveDay(window span.Span) *curveDay {
	n := int((window.Ms() + curveStepMs - 1) / curveStepMs)
	return &curveDay{
		Curve: clue.Curve{StartMs: window.StartMs, StepMs: curveStepMs}, knownMs: make([]int64, n), wattMs: make([]float64, n),
	}
}

func (c *curveDay) take(watts float64, atMs, validMs int64) {
	c.hold(atMs)
	c.atMs, c.validMs, c.watts = atMs, validMs, watts
}

// hold spreads the last reading until an instant over the steps. A silence that is too long is unknown as a whole.
func (c *curveDay) hold(untilMs int64) {
	if c.atMs == 0 || c.validMs > 0 && untilMs-c.atMs > c.validMs {
		return
	}
	for ms := max(c.atMs, c.StartMs); ms < untilMs; {
		i := int((ms - c.StartMs) / c.StepMs)
		if i >= len(c.knownMs) {
			return
		}
		next := min(untilMs, c.StartMs+int64(i+1)*c.StepMs)
		c.knownMs[i] += next - ms
		c.wattMs[i] += c.watts * float64(next-ms)
		ms = next
	}
}

// done returns the curve. A step of which less than half is known is not known.
func (c *curveDay) done() clue.Curve {
	end := c.StartMs + int64(len(c.knownMs))*c.StepMs
	if c.validMs > 0 {
		end = min(end, c.atMs+c.validMs)
	}
	c.hold(end)
	c.atMs = 0
	c.MeanW, c.Known = make([]float64, len(c.knownMs)), make([]bool, len(c.knownMs))
	for i, ms := range c.knownMs {
		if c.Known[i] = 2*ms >= c.StepMs; c.Known[i] {
			c.MeanW[i] = c.wattMs[i] / float64(ms)
		}
	}
	return c.Curve
}
