package settle

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// afterMs is how far past a window the evidence is read, so that a silence that crosses the window's end is seen whole:
// two hours, more than any dialect's healthy silence that has a bound.
const afterMs = 2 * 60 * 60 * 1000

// points returns the evidence of one source: the last it said before the window, and all in it and just around it, as
// far as the source spoke for the machine.
func (s *Settler) points(ctx context.Context, base string, source registry.Source, window span.Span, reach int64) ([]usage.Point, error) {
	read := span.Span{StartMs: window.StartMs - reach, EndMs: window.EndMs + afterMs}.Intersect(source.Span)
	q := evidence.Query{
		Base: base, Device: source.Device, Channels: []string{source.Channel}, Window: read,
		Kinds: []telemetry.Kind{telemetry.KindSample, telemetry.KindLink},
	}
	var points []usage.Point
	take := func(e *evidence.Entry) error {
		p, ok := usage.PointOf(&e.Record)
		if !ok || !source.Span.Contains(p.AtMs) {
			return nil
		}
		if source.MaxSilenceMs > 0 {
			p.ValidMs = source.MaxSilenceMs
		}
		points = append(points, p)
		return nil
	}
	before, err := s.store.Before(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range before {
		// take only fails when the store does, and it has not been asked.
		_ = take(&before[i])
	}
	if err := s.store.Read(ctx, q, take); err != nil {
		return nil, err
	}
	return points, nil
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
