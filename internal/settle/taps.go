package settle

import (
	"cmp"
	"context"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// taps reads what the rooms' readers said: the taps, and when a reader was not heard of.
func (p *peopleDay) taps(ctx context.Context) error {
	rule := p.rules.Attendance
	window := span.Span{StartMs: p.window.StartMs - rule.Early.Milliseconds(), EndMs: p.window.EndMs + rule.Late.Milliseconds()}
	deaf := map[string][]span.Span{}
	p.stationReaders = map[attendance.Place]span.Set{}
	for _, b := range p.s.registry.Readers(p.out.Base, window) {
		place, ok := p.placeOf(b)
		if !ok {
			continue
		}
		r := hearing{binding: b, place: place, roster: p.roster}
		if err := p.s.listen(ctx, p.out.Base, &r); err != nil {
			return err
		}
		p.out.Taps = append(p.out.Taps, r.taps...)
		if place.Station == "" {
			deaf[place.Workshop] = append(deaf[place.Workshop], r.deaf()...)
			continue
		}
		p.stationReaders[place] = p.stationReaders[place].Union(r.deaf())
	}
	slices.SortStableFunc(p.out.Taps, func(a, b attendance.Tap) int {
		return cmp.Or(cmp.Compare(a.AtMs, b.AtMs), cmp.Compare(a.Reader, b.Reader), cmp.Compare(a.Card, b.Card), cmp.Compare(a.Direction, b.Direction))
	})
	p.out.Deaf = map[string]span.Set{}
	for workshop, spans := range deaf {
		p.out.Deaf[workshop] = span.NewSet(spans...)
	}
	p.digestTaps()
	return nil
}

// placeOf returns where a reader stands: a room, or the station of the machine that it belongs to.
func (p *peopleDay) placeOf(b registry.Binding) (attendance.Place, bool) {
	if b.Room != "" {
		return attendance.Place{Workshop: b.Room, Station: b.Station}, true
	}
	e, ok := p.s.registry.Equipment(p.out.Base, b.Equipment)
	return attendance.Place{Workshop: e.Workshop, Station: e.Station}, ok && e.Station != ""
}

// hearing is one reader's part of a window.
type hearing struct {
	binding registry.Binding
	place   attendance.Place
	roster  *registry.Roster
	taps    []attendance.Tap
	// deafMs is since when the reader was not heard of; 0 while it is. validMs is until when its last word holds; 0 without
	// bound.
	deafMs, validMs int64
	gaps            []span.Span
}

// listen reads what one reader said.
func (s *Settler) listen(ctx context.Context, base string, h *hearing) error {
	q := evidence.Query{
		Base: base, Device: h.binding.Device, Window: h.binding.Valid,
		Kinds: []telemetry.Kind{telemetry.KindSample, telemetry.KindTap, telemetry.KindLink},
	}
	before, err := s.store.Before(ctx, q)
	if err != nil {
		return err
	}
	for i := range before {
		h.word(&before[i])
	}
	return s.store.Read(ctx, q, func(e *evidence.Entry) error {
		h.word(e)
		if e.Kind == telemetry.KindTap && (h.binding.Channel == "" || h.binding.Channel == e.Channel) {
			h.tap(e)
		}
		return nil
	})
}

// word takes whatever a reader says as a sign of life, or of death.
func (h *hearing) word(e *evidence.Entry) {
	if e.Retained && e.Kind == telemetry.KindSample {
		return
	}
	if h.deafMs == 0 && h.validMs > 0 && e.EventMs > h.validMs {
		h.deafMs = h.validMs
	}
	if e.Kind == telemetry.KindLink && e.Link.Down() {
		if h.deafMs == 0 {
			h.deafMs = e.EventMs
		}
		h.validMs = 0
		return
	}
	if h.deafMs != 0 {
		h.gaps = append(h.gaps, span.Span{StartMs: h.deafMs, EndMs: e.EventMs})
		h.deafMs = 0
	}
	switch {
	case e.ValidMs > 0:
		h.validMs = max(h.validMs, e.EventMs+e.ValidMs)
	case e.Kind != telemetry.KindTap:
		h.validMs = 0
	}
}

// deaf is when the reader was not heard of.
func (h *hearing) deaf() span.Set {
	gaps := h.gaps
	endMs := h.binding.Valid.EndMs
	if h.deafMs == 0 && h.validMs > 0 && endMs > h.validMs {
		h.deafMs = h.validMs
	}
	if h.deafMs != 0 {
		gaps = append(gaps, span.Span{StartMs: h.deafMs, EndMs: endMs})
	}
	return span.NewSet(gaps...).Clip(h.binding.Valid)
}

// tap takes one tap. A card that the broker kept is an old one at an unknown time.
func (h *hearing) tap(e *evidence.Entry) {
	if e.Retained {
		return
	}
	t := attendance.Tap{
		AtMs: e.EventMs, Reader: h.binding.Device, Place: h.place, Card: e.Card, Direction: e.Direction, Epoch: e.Epoch, Seq: e.Seq,
	}
	t.Person, t.Expired = h.roster.Holder(e.Card, e.EventMs)
	h.taps = append(h.taps, t)
}

// digestTaps adds what attendance rests on to the digest.
func (p *peopleDay) digestTaps() {
	p.digest.number(uint64(len(p.out.Taps)))
	for i := range p.out.Taps {
		t := &p.out.Taps[i]
		p.digest.number(uint64(t.AtMs))
		p.digest.text(t.Reader)
		p.digest.text(t.Card)
		p.digest.number(uint64(t.Direction))
	}
	for _, l := range p.out.Lessons {
		for _, s := range p.out.Deaf[l.Workshop] {
			p.digest.number(uint64(s.StartMs))
			p.digest.number(uint64(s.EndMs))
		}
	}
}
