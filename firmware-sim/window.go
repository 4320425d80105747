package sim

import (
	"cmp"
	"iter"
	"slices"
)

// window keeps the messages of [From, To). Before the first of them it yields the latest earlier message of every
// topic that an agent repeats on connect, in their order, at From.
func (r *Recording) window(messages iter.Seq2[Timed, error]) iter.Seq2[Timed, error] {
	fromMs, toMs := int64(-1<<62), int64(1<<62)
	if !r.options.From.IsZero() {
		fromMs = r.options.From.UnixMilli()
	}
	if !r.options.To.IsZero() {
		toMs = r.options.To.UnixMilli()
	}
	return func(yield func(Timed, error) bool) {
		held := currents{latest: map[string]current{}}
		for m, err := range messages {
			if err != nil {
				yield(m, err)
				return
			}
			if m.AtMs < fromMs {
				if replaced := held.hold(m); replaced {
					r.counts.skip(skipOutside)
				}
				continue
			}
			if m.AtMs >= toMs {
				break
			}
			if !held.release(fromMs, yield) || !yield(m, nil) {
				return
			}
		}
		held.release(fromMs, yield)
	}
}

// currents holds the latest message of each topic.
type currents struct {
	latest map[string]current
	number int
}

type current struct {
	message Timed
	number  int
}

// hold keeps the message if it is a current value, and reports whether one message was left out for it.
func (c *currents) hold(m Timed) (leftOut bool) {
	if !m.current {
		return true
	}
	_, leftOut = c.latest[m.Topic]
	c.number++
	c.latest[m.Topic] = current{m, c.number}
	return leftOut
}

func (c *currents) release(atMs int64, yield func(Timed, error) bool) bool {
	held := make([]current, 0, len(c.latest))
	for _, v := range c.latest {
		held = append(held, v)
	}
	slices.SortFunc(held, func(a, b current) int { return cmp.Compare(a.number, b.number) })
	clear(c.latest)
	for _, v := range held {
		v.message.AtMs = atMs
		if !yield(v.message, nil) {
			return false
		}
	}
	return true
}
