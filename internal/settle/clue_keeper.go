package settle

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// sightingDays is how long it is kept who was seen where, to compare bases: a gateway that comes back, or a roster that is corrected
// at the month's end, is well within it. Of a day before that, clues about several bases stay as they are.
const sightingDays = 62

// clues is what a Keeper remembers of clues.
type clues struct {
	mu     sync.Mutex // held while clues are raised; guards the fields below
	memory clueMemory
	city   map[string]string // by day: the inputs that clues about several bases were derived from
	years  string            // the inputs of clues about a year
}

// raise derives the clues of days that were settled since it last did, the oldest first, and then those about several bases. No hour
// depends on them, so what goes wrong is only told, and tried again at the next turn. When it takes longer than the time between two
// turns, the rest waits for the next, too: settling comes first.
func (k *Keeper) raise(ctx context.Context, f *inForce) {
	if k.Clues == nil {
		return
	}
	k.clues.mu.Lock()
	defer k.clues.mu.Unlock()
	k.clues.memory.most = cmp.Or(k.ClueMemory, defaultClueMemory)
	r := &raising{Keeper: k, inForce: f, until: k.Now().Add(k.Every), figures: digestOf([]any{"jishi clues 1", k.Clues, versionsOf(k.Clues)})}
	for _, base := range slices.Sorted(maps.Keys(f.rosters)) {
		if err := r.base(ctx, f.rosters[base]); err != nil && ctx.Err() == nil {
			k.Logger.Error("cannot raise clues, will try again", "base", base, "err", err)
		}
	}
	if err := r.city(ctx); err != nil && ctx.Err() == nil {
		k.Logger.Error("cannot raise clues about several bases, will try again", "err", err)
	}
}

// versionsOf names the rules' versions.
func versionsOf(p *clue.Params) (out []string) {
	for _, r := range clue.Rules(p) {
		out = append(out, fmt.Sprint(r.ID, "/", r.Version))
	}
	return out
}

// raising is one turn of raising clues.
type raising struct {
	*Keeper
	*inForce
	until   time.Time
	figures string // digest of the rules' figures and versions
}

// clueBase is one base in a turn of raising clues.
type clueBase struct {
	*raising
	roster   *registry.Roster
	settled  map[string]ledger.SettledDay // by day
	done     map[string]string            // by day: what its clues were derived from
	approved []ledger.Correction
}

// base raises the clues of one base's days.
func (r *raising) base(ctx context.Context, roster *registry.Roster) error {
	b := &clueBase{raising: r, roster: roster}
	var err error
	if b.settled, err = r.Ledger.SettledDays(ctx, roster.Base()); err != nil {
		return err
	}
	if b.done, err = r.Ledger.ClueDays(ctx, roster.Base()); err != nil {
		return err
	}
	if b.approved, err = r.Ledger.Corrections(ctx, ledger.CorrectionQuery{Base: roster.Base(), State: ledger.CorrectionApproved}); err != nil {
		return err
	}
	for _, text := range slices.Sorted(maps.Keys(b.settled)) {
		inputs := digestOf([]any{r.figures, b.settled[text].Inputs})
		if b.done[text] == inputs || strings.HasPrefix(b.settled[text].Inputs, soiled) {
			continue // nothing new, or it waits to be settled
		}
		if err := ctx.Err(); err != nil || r.Now().After(r.until) {
			return err
		}
		d, err := calendar.ParseDate(text)
		if err != nil {
			return fmt.Errorf("day %q of the ledger: %w", text, err)
		}
		if err := b.day(ctx, d, inputs); err != nil {
			return fmt.Errorf("raise clues of base %s on %s: %w", roster.Base(), d, err)
		}
	}
	return nil
}

// day raises one day's clues, by what was normal on the days before it.
func (b *clueBase) day(ctx context.Context, d calendar.Date, inputs string) error {
	var past []*clue.Day
	for n := -ClueHistoryDays; n < 0; n++ {
		before, err := b.derived(ctx, d.Add(n), false)
		if err != nil {
			return err
		}
		if before != nil {
			past = append(past, before)
		}
	}
	was, known := b.done[d.String()]
	today, err := b.derived(ctx, d, known && was == "")
	if err != nil {
		return err
	}
	news, err := b.Ledger.PutClueDay(ctx, ledger.ClueDay{
		Base: b.roster.Base(), Day: d.String(), Inputs: inputs,
		Sightings: clue.Sightings(&clue.Input{Base: b.roster.Base(), Roster: b.roster, Today: today}),
	}, Clues(b.roster, today, past, b.Clues), b.sightedFrom(), b.Now().UnixMilli())
	if err != nil {
		return err
	}
	b.Logger.Debug("clues raised", "base", b.roster.Base(), "day", d.String(), "new", news.Raised, "revised", news.Revised, "gone", news.Gone)
	return nil
}

// sightedFrom is the first day of which it is kept who was seen where.
func (k *Keeper) sightedFrom() string { return calendar.DateOf(k.Now()).Add(-sightingDays).String() }

// derived returns what the rules look at of a day, nil of one that is not settled. What is held of a day that was stirred is old.
func (b *clueBase) derived(ctx context.Context, d calendar.Date, stirred bool) (*clue.Day, error) {
	settled, ok := b.settled[d.String()]
	if !ok {
		return nil, nil //nolint:nilnil // there is no such day, and that is no mistake
	}
	inputs := strings.TrimPrefix(settled.Inputs, soiled)
	if day := b.clues.memory.get(b.roster.Base(), d, inputs); day != nil && !stirred {
		return day, nil
	}
	decisions, err := b.settler.decisions(ctx, b.roster, d, b.Rules, touching(b.approved, d))
	if err != nil {
		return nil, err
	}
	day, err := b.settler.ClueDay(ctx, b.roster, d, Terms{b.Rules, decisions})
	if err != nil {
		return nil, err
	}
	b.clues.memory.put(b.roster.Base(), d, inputs, day)
	return day, nil
}

// city raises the clues that no base can see by itself: the same person at two of them, and in too many classes of a year.
func (r *raising) city(ctx context.Context) error {
	sighted, err := r.Ledger.SightedDays(ctx)
	if err != nil {
		return err
	}
	if r.clues.city == nil {
		r.clues.city = map[string]string{}
	}
	for len(sighted) > 0 {
		n := slices.IndexFunc(sighted, func(d ledger.ClueDay) bool { return d.Day != sighted[0].Day })
		if n < 0 {
			n = len(sighted)
		}
		if err := r.cityDay(ctx, sighted[:n]); err != nil {
			return err
		}
		sighted = sighted[n:]
	}
	return r.cityYears(ctx)
}

// cityDay compares the bases of one day.
func (r *raising) cityDay(ctx context.Context, bases []ledger.ClueDay) error {
	text := bases[0].Day
	inputs := digestOf([]any{r.figures, bases})
	if len(bases) < 2 || r.clues.city[text] == inputs {
		return nil
	}
	d, err := calendar.ParseDate(text)
	if err != nil {
		return fmt.Errorf("day %q of the ledger: %w", text, err)
	}
	seen, err := r.Ledger.Sightings(ctx, text)
	if err != nil {
		return err
	}
	if _, err := r.Ledger.PutClues(ctx, "city "+text, clue.FindCity(d, seen, nil, &r.Clues.F6), r.Now().UnixMilli()); err != nil {
		return err
	}
	r.clues.city[text] = inputs
	return nil
}

// cityYears counts the subsidised classes of everybody that have begun.
func (r *raising) cityYears(ctx context.Context) error {
	var digests []string
	for _, base := range slices.Sorted(maps.Keys(r.rosters)) {
		digests = append(digests, base, r.rosters[base].Digest())
	}
	inputs := digestOf([]any{r.figures, digests, calendar.DateOf(r.Now())})
	if r.clues.years == inputs {
		return nil
	}
	var list []clue.Participation
	for _, base := range slices.Sorted(maps.Keys(r.rosters)) {
		list = append(list, participations(r.rosters[base], r.Now().UnixMilli())...)
	}
	if _, err := r.Ledger.PutClues(ctx, "years", clue.FindYear(list, &r.Clues.F6), r.Now().UnixMilli()); err != nil {
		return err
	}
	r.clues.years = inputs
	return nil
}

// participations are those who were enrolled in a base's subsidised classes when these began.
func participations(roster *registry.Roster, nowMs int64) (out []clue.Participation) {
	begun := map[string]bool{}
	sessions := slices.SortedFunc(slices.Values(roster.People().Sessions), func(a, b registry.Session) int {
		return cmp.Or(cmp.Compare(a.Span.StartMs, b.Span.StartMs), cmp.Compare(a.ID, b.ID))
	})
	for i := range sessions {
		s := &sessions[i]
		class, ok := roster.Class(s.Class)
		if !ok || !class.Subsidised || begun[s.Class] || s.Span.StartMs > nowMs {
			continue
		}
		begun[s.Class] = true
		for _, e := range roster.EnrolledIn(s) {
			p, _ := roster.Person(e.Person)
			out = append(out, clue.Participation{Base: roster.Base(), Class: s.Class, Person: e.Person, Identity: p.Identity, BeginsMs: s.Span.StartMs})
		}
	}
	return out
}
