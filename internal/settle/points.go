package settle

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"math"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

const (
	// afterMs is how far past a window the evidence is read at once, so that a silence that crosses the window's end is
	// seen whole: two hours.
	afterMs = 2 * 60 * 60 * 1000
	// returnMs is how far past a window the next word is looked for when there was none in those two hours: eight days,
	// longer than any device may be silent. A device that never comes back is believed for as long as it may be silent.
	returnMs = 8 * 24 * 60 * 60 * 1000
	// boundMs is how far past the first word after the window the evidence matters: a meter's reading within it bounds a
	// silence. What comes later changes nothing and is left out, so that the digest names what the figure rests on.
	boundMs = 10 * 60 * 1000
)

// points returns the evidence of one source: the last it said before the window, all in it, and what just after it says
// how the window ended; as far as the source spoke for the machine.
func (s *Settler) points(ctx context.Context, base string, source registry.Source, window span.Span, reach int64) ([]usage.Point, error) {
	g := gatherer{source: source, endMs: window.EndMs, reach: reach}
	err := s.gather(ctx, base, window, &g)
	return g.points, err
}

// gather is points, for those who bring a gatherer.
func (s *Settler) gather(ctx context.Context, base string, window span.Span, g *gatherer) error {
	source := g.source
	q := evidence.Query{
		Base: base, Device: source.Device, Channels: []string{source.Channel},
		Window: span.Span{StartMs: window.StartMs - g.reach, EndMs: window.EndMs + afterMs}.Intersect(source.Span),
		Kinds:  []telemetry.Kind{telemetry.KindSample, telemetry.KindLink},

		Quantities: usage.Quantities(),
	}
	before, err := s.store.Before(ctx, q)
	if err != nil {
		return err
	}
	for i := range before {
		if err := g.take(&before[i]); err != nil {
			return err
		}
	}
	if len(g.points) > 1 && g.points[0].Down {
		g.points = g.points[1:] // the device came back before the window and has spoken since
	}
	if err := s.read(ctx, q, g); err != nil {
		return err
	}
	if g.undecided() {
		q.Window = span.Span{StartMs: q.Window.EndMs, EndMs: window.EndMs + returnMs}.Intersect(source.Span)
		return s.read(ctx, q, g)
	}
	return nil
}

// read gives the gatherer what it wants of the query's window.
func (s *Settler) read(ctx context.Context, q evidence.Query, g *gatherer) error {
	if q.Window.Empty() {
		return nil
	}
	if err := s.store.Read(ctx, q, g.take); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// gatherer takes the points of one source in order of time, until the window's end is decided.
type gatherer struct {
	source   registry.Source
	endMs    int64 // of the window
	reach    int64 // of the rule
	enoughMs int64 // the first point after this instant is the last that matters; 0 before the first word past the end
	enough   bool
	points   []usage.Point
}

var errEnough = errors.New("enough is read")

func (g *gatherer) take(e *evidence.Entry) error {
	p, ok := usage.PointOf(&e.Record)
	if !ok || !g.source.Span.Contains(p.AtMs) {
		return nil
	}
	if g.source.MaxSilenceMs > 0 {
		p.ValidMs = g.source.MaxSilenceMs
	}
	g.points = append(g.points, p)
	switch {
	case g.enoughMs == 0 && p.AtMs >= g.endMs && !p.Down:
		g.enoughMs = p.AtMs + max(g.reach, boundMs)
	case g.enoughMs != 0 && p.AtMs > g.enoughMs:
		g.enough = true
		return errEnough
	}
	return nil
}

// undecided reports whether the next word, which has not been read, decides how the window ended: whether the source's
// last word holds to the end, or whether a state that began shortly before the end lasts.
func (g *gatherer) undecided() bool {
	if g.enough || len(g.points) == 0 {
		return false
	}
	last := &g.points[len(g.points)-1]
	past := last.AtMs - g.endMs
	return !last.Down && (past > -g.reach && past < g.reach || past < 0 && last.ValidMs > 0 && -past <= last.ValidMs)
}

// digest names the evidence behind a figure.
type digest struct {
	h   hash.Hash
	buf []byte
}

func newDigest() *digest {
	d := &digest{h: sha256.New()}
	d.buf = append(d.buf, "jishi evidence 1\n"...)
	return d
}

// add takes one source's points, every field that the derivation reads.
func (d *digest) add(device, channel string, points []usage.Point) {
	d.text(device)
	d.text(channel)
	d.number(uint64(len(points)))
	for i := range points {
		p := &points[i]
		d.number(uint64(p.AtMs))
		d.number(uint64(p.ValidMs))
		d.text(p.Word)
		d.optional(p.HasPower, p.PowerW)
		d.optional(p.HasEnergy, p.EnergyWh)
		d.optional(p.Down, 0)
		if len(d.buf) > 1<<16 {
			d.flush()
		}
	}
}

func (d *digest) text(s string) {
	d.number(uint64(len(s)))
	d.buf = append(d.buf, s...)
}

func (d *digest) number(n uint64) { d.buf = binary.BigEndian.AppendUint64(d.buf, n) }

func (d *digest) optional(has bool, v float64) {
	if !has {
		d.buf = append(d.buf, 0)
		return
	}
	d.buf = append(d.buf, 1)
	d.number(math.Float64bits(v))
}

func (d *digest) flush() {
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
}

func (d *digest) sum() string {
	d.flush()
	return hex.EncodeToString(d.h.Sum(nil))
}
