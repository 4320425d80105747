package plant

import "github.com/jishi-telemetry/jishi/internal/span"

// rendered is an activity with its power and words.
type rendered struct {
	acts  []act
	power []Step
	words []Words
}

func (p *Plant) render(b *base, m *machine, a *activity) rendered {
	return rendered{
		acts:  a.acts,
		power: m.model.power(a.acts, p.chance(a.key, "power", b.Code, m.ID)),
		words: m.model.words(a.acts, p.chance(a.key, "words", b.Code, m.ID)),
	}
}

// layers are activities over a day; a later one ends the one before it.
type layers struct {
	day  span.Span
	over []rendered
}

// add puts an activity on top, from its first act on.
func (l *layers) add(r rendered) {
	if n := len(l.over); n > 0 {
		l.over[n-1] = l.over[n-1].before(r.acts[0].StartMs)
	}
	l.over = append(l.over, r)
}

// before returns what comes before an instant.
func (r rendered) before(ms int64) rendered {
	var out rendered
	for _, a := range r.acts {
		if a.EndMs = min(a.EndMs, ms); !a.Empty() {
			out.acts = append(out.acts, a)
		}
	}
	for _, s := range r.power {
		if s.AtMs < ms {
			out.power = append(out.power, s)
		}
	}
	for _, w := range r.words {
		if w.AtMs < ms {
			out.words = append(out.words, w)
		}
	}
	return out
}

func (l *layers) phases() []Phase {
	var out []Phase
	add := func(s span.Span, state State) {
		if s = s.Intersect(l.day); s.Empty() {
			return
		}
		if n := len(out); n > 0 && out[n-1].State == state {
			out[n-1].EndMs = s.EndMs
			return
		}
		out = append(out, Phase{s, state})
	}
	at := l.day.StartMs
	for _, r := range l.over {
		for _, a := range r.acts {
			add(span.Span{StartMs: at, EndMs: a.StartMs}, Off)
			add(a.Span, a.doing.state())
			at = max(at, a.EndMs)
		}
	}
	add(span.Span{StartMs: at, EndMs: l.day.EndMs}, Off)
	return out
}

func (l *layers) power() []Step {
	out := []Step{{AtMs: l.day.StartMs}}
	for _, r := range l.over {
		for _, s := range r.power {
			last := &out[len(out)-1]
			switch {
			case s.AtMs >= l.day.EndMs:
			case s.AtMs <= last.AtMs:
				last.PowerW = s.PowerW
			case s.PowerW != last.PowerW:
				out = append(out, s)
			}
		}
	}
	return out
}

func (l *layers) words() []Words {
	out := []Words{{AtMs: l.day.StartMs, Execution: unavailable, Mode: unavailable}}
	parts := 0 // finished today by the activities before
	for _, r := range l.over {
		was := 0 // finished by this activity before the day
		for _, w := range r.words {
			if w.AtMs < l.day.StartMs {
				was = w.Parts
			}
			if w.AtMs >= l.day.EndMs {
				break
			}
			w.Parts += parts - was
			last := &out[len(out)-1]
			if w.AtMs <= last.AtMs {
				at := last.AtMs
				*last = w
				last.AtMs = at
				continue
			}
			out = append(out, w)
		}
		parts = out[len(out)-1].Parts
	}
	return out
}
