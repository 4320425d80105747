package clue

import (
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/attendance"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// manyCards is F2, 代打卡.
func manyCards(p *F2Params) *Rule {
	return &Rule{
		ID: F2, Version: 1, Severity: High,
		Title: Text{"代打卡：一人持多卡", "one holder, many cards"},
		Innocent: []Text{
			{"全班同车到达，排队刷卡（须多次同序且无抽查应答才成线索）", "a class that arrives by one bus and queues (hence the repeats, and no answer to a random check)"},
			{"同宿舍或夫妻总是结伴而行", "room-mates or couples who always walk together"},
			{"教师代替忘带卡的学员统一刷卡，有登记", "a teacher who taps for people whose cards are kept at the base, on record"},
		},
		find: func(s *scene, f *finder) {
			found := groups(s, p)
			for _, g := range found {
				f.add(g.clue(s, p))
			}
			pairs(s, p, found, f)
		},
	}
}

func (g *group) clue(s *scene, p *F2Params) Clue {
	at := g.today(s)
	c := Clue{
		Span: at, Subjects: Subjects{Persons: slices.Clone(g.people), Cards: slices.Clone(g.cards)}, Evidence: g.refs(s.today),
		Explain: Text{fmt.Sprintf("%d 张卡总由同一只手刷", len(g.cards)), fmt.Sprintf("%d cards seem to be in one hand", len(g.cards))},
	}
	for _, pass := range g.passes {
		if pass.day == s.today {
			c.Subjects.Readers = append(c.Subjects.Readers, pass.reader)
		}
	}
	if g.tau > 0 {
		c.fail("same_order", Measure{"kendall_tau", "share", g.tau, p.Tau},
			fmt.Sprintf("%d 天里次序几乎不变（τ ≥ %.2f）", g.days, g.tau),
			fmt.Sprintf("in nearly the same order on %d days (tau at least %.2f)", g.days, g.tau))
	} else {
		c.fail("burst", Measure{"cards", "count", float64(len(g.cards)), float64(p.Cards)},
			fmt.Sprintf("每次间隔不足 %.0f 秒，%d 次次序完全相同", p.Gap.Seconds(), len(g.passes)),
			fmt.Sprintf("less than %.0f s apart, %d times in exactly the same order", p.Gap.Seconds(), len(g.passes)))
	}
	c.Measures = append(c.Measures, Measure{"chance", "share", g.chance, p.Chance}, Measure{"apart", "share", g.apart, p.Apart})
	return c
}

// today is from the group's first to its last read of the day.
func (g *group) today(s *scene) span.Span {
	var all []span.Span
	for _, c := range g.passes {
		if c.day == s.today {
			for _, r := range c.reads {
				if slices.Contains(g.cards, r.Card) {
					all = append(all, span.Span{StartMs: r.AtMs, EndMs: r.AtMs + 1})
				}
			}
		}
	}
	return hull(span.NewSet(all...))
}

// groups finds cards that came in one hand today. A queue of people is as tight as a hand of cards, and people come in
// queues after a break and go in queues at the end of a class; so that the cards come close together is not enough: the
// same cards must come in the same order again, more often than chance lets people do. See docs/clues.md.
func groups(s *scene, p *F2Params) []*group {
	q := queuesOf(s, p)
	var out []*group
	add := func(g *group) {
		if g != nil && !slices.ContainsFunc(out, func(o *group) bool { return o.within(g.cards) }) && !g.answered(s) {
			out = slices.DeleteFunc(out, func(o *group) bool { return g.within(o.cards) })
			out = append(out, g)
		}
	}
	for _, c := range q.long {
		if c.day == s.today && c.coming {
			for from := 0; from+p.Cards <= len(c.reads); {
				g := q.exact(c, from, p)
				add(g)
				if g != nil {
					from += len(g.cards)
				} else {
					from++
				}
			}
		}
	}
	for _, c := range q.long {
		if c.day == s.today && c.coming && len(c.reads) >= p.OrderCards {
			add(q.ordered(c, p))
		}
	}
	return out
}

// answered reports whether anybody of the group but one answered a request to tap again: then they were there.
func (g *group) answered(s *scene) bool {
	n := 0
	for _, person := range g.people {
		if slices.ContainsFunc(s.today.Attendance, func(a attendance.Attendance) bool {
			return a.Person == person && slices.Contains(a.Flags, attendance.FlagCheckDone)
		}) {
			n++
		}
	}
	return n > 1
}

// exact returns the longest group that begins at a place of a coming chain and came again in the same order; nil for none
// that chance does not explain.
func (q *queues) exact(c *chain, from int, p *F2Params) *group {
	for to := len(c.reads); to-from >= p.Cards; to-- {
		if !c.tight(from, to, p.Cards, p.Within.Milliseconds()) {
			continue
		}
		cards := cardsOf(c.reads[from:to])
		var again, could []*chain
		for _, o := range q.long {
			if o == c || o.room != c.room || !o.hasAll(cards) {
				continue
			}
			could = append(could, o)
			if o.holds(cards) >= 0 {
				again = append(again, o)
			}
		}
		if len(again) == 0 {
			continue
		}
		g := &group{cards: cards, people: peopleOf(c.reads[from:to]), passes: append([]*chain{c}, again...)}
		g.chance = q.clustered(g, p) * chanceOf(len(c.reads), len(cards), again, len(could))
		g.apart = q.apart(g, c.day)
		g.days = daysOf(g.passes)
		if g.chance <= p.Chance && (g.apart <= p.Apart || g.chance <= p.Chance/100) {
			return g
		}
	}
	return nil
}

// chanceOf is how likely it is that of some chains which hold the same cards so many repeat any k neighbours of a chain of
// n in order, if people queue in any order: C(chains, repeats) × Π (n-k+1) × (N-k+1) × (N-k)! ÷ N!.
func chanceOf(n, k int, again []*chain, chains int) float64 {
	chance := choose(chains, len(again))
	for _, o := range again {
		order := float64((n - k + 1) * (len(o.reads) - k + 1))
		for i := range k {
			order /= float64(len(o.reads) - i)
		}
		chance *= min(order, 1)
	}
	return min(chance, 1)
}

func choose(n, k int) float64 {
	out := 1.0
	for i := range k {
		out = out * float64(n-i) / float64(i+1)
	}
	return out
}

// clustered is how likely it is in this room that people come as close together as a group does: the share of all others'
// comings in such chains, with one in fifty where nothing is known.
func (q *queues) clustered(g *group, p *F2Params) float64 {
	const unknown = 50
	queued, all := 1.0, float64(unknown)
	for _, c := range q.chains {
		if !c.coming || c.room != g.passes[0].room {
			continue
		}
		for _, r := range c.reads {
			if slices.Contains(g.cards, r.Card) {
				continue
			}
			all++
			if len(c.reads) >= p.Cards {
				queued++
			}
		}
	}
	return queued / all
}

// apart is the part of the cards' reads on a day in which they were not with the others.
func (q *queues) apart(g *group, d *day) float64 {
	away, all := 0, 0
	for _, card := range g.cards {
		for _, r := range q.byCard[card] {
			if r.chain.day != d {
				continue
			}
			all++
			if !slices.Contains(g.passes, r.chain) {
				away++
			}
		}
	}
	if all == 0 {
		return 0
	}
	return float64(away) / float64(all)
}

// ordered returns the group of a coming chain whose order is nearly that of enough earlier days.
func (q *queues) ordered(c *chain, p *F2Params) *group {
	g := &group{passes: []*chain{c}, tau: 1}
	compared := 0
	for _, o := range q.long {
		if !o.coming || o.day == c.day || o.room != c.room {
			continue
		}
		cards, rank := shared(c, o, g.cards)
		if len(cards) < p.OrderCards {
			continue
		}
		compared++
		if tau := kendall(rank); tau >= p.Tau {
			g.cards, g.tau = cards, min(g.tau, tau)
			g.passes = append(g.passes, o)
		}
	}
	if g.days = daysOf(g.passes); g.days < p.OrderDays {
		return nil
	}
	g.people = peopleOf(slices.DeleteFunc(slices.Clone(c.reads), func(r *read) bool { return !slices.Contains(g.cards, r.Card) }))
	g.chance = choose(compared, len(g.passes)-1)
	for range len(g.passes) - 1 {
		g.chance *= orderChance(len(g.cards), p.Tau)
	}
	if g.apart = q.apart(g, c.day); g.chance > p.Chance || g.apart > p.Apart {
		return nil
	}
	return g
}

// shared returns the cards of a chain that another holds too, of only where there are any, and their places there.
func shared(c, o *chain, only []string) (cards []string, rank []int) {
	for _, r := range c.reads {
		if at := o.index(r.Card); at >= 0 && (len(only) == 0 || slices.Contains(only, r.Card)) {
			cards, rank = append(cards, r.Card), append(rank, at)
		}
	}
	return cards, rank
}

// orderChance is the part of all orders of k things whose tau with a given one is at least tau: those with few inversions,
// counted by the recurrence of the Mahonian numbers.
func orderChance(k int, tau float64) float64 {
	most := int((1 - tau) / 2 * float64(k*(k-1)/2))
	share := make([]float64, most+1)
	share[0] = 1
	for n := 2; n <= k; n++ {
		next := make([]float64, most+1)
		for i := range next {
			for j := max(0, i-n+1); j <= i; j++ {
				next[i] += share[j] / float64(n)
			}
		}
		share = next
	}
	sum := 0.0
	for _, v := range share {
		sum += v
	}
	return min(sum, 1)
}

func cardsOf(reads []*read) []string {
	out := make([]string, len(reads))
	for i, r := range reads {
		out[i] = r.Card
	}
	return out
}

func peopleOf(reads []*read) []string {
	var out []string
	for _, r := range reads {
		if r.Person != "" {
			out = append(out, r.Person)
		}
	}
	return out
}

func daysOf(chains []*chain) int {
	seen := map[*day]bool{}
	for _, c := range chains {
		seen[c.day] = true
	}
	return len(seen)
}

// pairs finds two cards that have always been read right after each other.
func pairs(s *scene, p *F2Params, found []*group, f *finder) {
	q := queuesOf(s, p)
	seen := map[[2]string]bool{}
	for _, c := range q.chains {
		if c.day != s.today || !c.coming {
			continue
		}
		for i := range c.reads[1:] {
			a, b := c.reads[i], c.reads[i+1]
			key := [2]string{min(a.Card, b.Card), max(a.Card, b.Card)}
			if seen[key] || slices.ContainsFunc(found, func(g *group) bool { return g.within(key[:]) }) {
				continue
			}
			seen[key] = true
			if days, reads := q.always(a.Card, b.Card, p); days >= p.PairDays && reads >= p.PairReads {
				f.add(pairClue(a, b, days, reads, p))
			}
		}
	}
}

// always counts the days and reads of two cards; 0, 0 when one was ever read without the other.
func (q *queues) always(a, b string, p *F2Params) (days, reads int) {
	with := func(list []*read, other string) bool {
		for _, r := range list {
			if !slices.ContainsFunc(q.byCard[other], func(o *read) bool {
				apart := max(r.AtMs-o.AtMs, o.AtMs-r.AtMs)
				return o.Reader == r.Reader && apart <= p.Gap.Milliseconds()
			}) {
				return false
			}
		}
		return true
	}
	if !with(q.byCard[a], b) || !with(q.byCard[b], a) {
		return 0, 0
	}
	seen := map[*day]bool{}
	for _, r := range q.byCard[a] {
		seen[r.chain.day] = true
	}
	return len(seen), len(q.byCard[a])
}

func pairClue(a, b *read, days, reads int, p *F2Params) Clue {
	c := Clue{
		Severity: Low, Span: span.Span{StartMs: min(a.AtMs, b.AtMs), EndMs: max(a.AtMs, b.AtMs) + 1},
		Subjects: Subjects{
			Persons: peopleOf([]*read{a, b}), Cards: []string{a.Card, b.Card}, Readers: []string{a.Reader},
		},
		Evidence: []Ref{tapRef(a.Tap), tapRef(b.Tap)}, Explain: Text{"两张卡形影不离", "two cards are never apart"},
	}
	c.fail("pair", Measure{"reads", "count", float64(reads), float64(p.PairReads)},
		fmt.Sprintf("%d 天 %d 次刷卡都相隔不到 %.0f 秒", days, reads, p.Gap.Seconds()),
		fmt.Sprintf("read %d times on %d days, always within %.0f s", reads, days, p.Gap.Seconds()))
	return c
}
