package mapping

import (
	"fmt"
	"iter"
)

// check reports what is wrong between the parts of a rule.
func (r *rule) check(o *object) {
	for p := range r.allPaths() {
		switch {
		case p.item && r.each == nil:
			o.c.bad(p.at, p.text, wrong{"没有 each，路径应以 $ 开头", "there is no each, so the path starts with $"})
		case r.text && len(p.steps) > 0:
			o.c.bad(p.at, p.text, wrong{"payload: text 只有 $ 一个值", "payload: text has one value, which is $"})
		}
	}
	if r.text && r.each != nil {
		o.c.bad(r.each.at, r.each.text, wrong{"payload: text 没有可逐项读取的内容", "payload: text has no items for each"})
	}
	seen := map[string]bool{}
	for i := range r.samples {
		name := r.samples[i].channel.text
		if name != "" && seen[name] {
			o.c.bad(r.samples[i].channel.at, name, wrong{"两个样本同用一个通道，后者会覆盖前者", "two samples share a channel, so that the later would replace the earlier"})
		}
		seen[name] = true
	}
	if r.each == nil {
		for _, t := range r.templates() {
			if t.ofItem() {
				o.c.bad(t.at, t.text, wrong{"没有 each，不能用 {@…}", "there is no each, so there is no {@…}"})
			}
		}
		return
	}
	if !r.itemsDiffer() {
		o.c.bad(r.each.at, r.each.text, wrong{
			"each 的各项会成为同一条记录：在 device、channel 中用 {@key} 或 {@.…}，或让 time 取自各项",
			"all items of each would be one record: put {@key} or {@.…} into device or channel, or take time from the item",
		})
	}
}

// itemsDiffer reports whether the records of two items of each are told apart.
func (r *rule) itemsDiffer() bool {
	if r.device.ofItem() || r.time != nil && r.time.path != nil && r.time.path.item {
		return true
	}
	if r.link != nil {
		return false
	}
	for i := range r.samples {
		if !r.samples[i].channel.ofItem() {
			return false
		}
	}
	// Two taps at one instant stay two.
	return true
}

func (r *rule) templates() []*template {
	out := []*template{&r.device}
	for i := range r.samples {
		out = append(out, &r.samples[i].channel)
	}
	return out
}

// allPaths yields every path of the rule but that of each.
func (r *rule) allPaths() iter.Seq[*path] {
	return func(yield func(*path) bool) {
		for i := range r.when {
			if p := r.when[i].path; p != nil && !yield(p) {
				return
			}
		}
		if r.tap != nil && r.tap.card != nil && !yield(r.tap.card) {
			return
		}
		r.spoken()(yield)
	}
}

// spoken yields every path whose value goes into a record as it is, or into an error: all but the card's and those of
// conditions.
func (r *rule) spoken() iter.Seq[*path] {
	return func(yield func(*path) bool) {
		var paths []*path
		add := func(p *path) {
			if p != nil {
				paths = append(paths, p)
			}
		}
		for _, t := range r.templates() {
			t.paths(func(p *path) bool { add(p); return true })
		}
		if r.time != nil {
			add(r.time.path)
		}
		for i := range r.samples {
			s := &r.samples[i]
			for n := range s.values {
				add(s.values[n].path)
			}
			if s.state != nil {
				add(s.state.path)
			}
		}
		if r.link != nil {
			add(r.link.path)
		}
		if r.tap != nil && r.tap.direction != nil {
			add(r.tap.direction.path)
		}
		for _, p := range paths {
			if !yield(p) {
				return
			}
		}
	}
}

// keepCardsApart reports every path that would carry a card's number into a record: no rule may read as anything else
// what a rule for the same topics reads as a card.
func (m *Mapping) keepCardsApart(c *checker) {
	for i := range m.rules {
		holder := &m.rules[i]
		if holder.tap == nil || holder.tap.card == nil {
			continue
		}
		for n := range m.rules {
			r := &m.rules[n]
			if !r.topic.overlaps(&holder.topic) {
				continue
			}
			for p := range r.spoken() {
				if p.meets(r.each, holder.tap.card, holder.each) {
					c.bad(p.at, p.text, wrong{
						fmt.Sprintf("此处是卡号（见第 %d 行的规则），只能用于 card", holder.line),
						fmt.Sprintf("this is a card's number (see the rule on line %d), which may be read by card only", holder.line),
					})
				}
			}
		}
	}
}
