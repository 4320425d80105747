package settle

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

const (
	// bufferDays are settled once more on each day: a gateway may store messages for seven days, and a receipt tells when
	// its messages reached the bridge, not when they happened.
	bufferDays = 8
	// maxHoleDays is the longest time without any evidence whose days are settled, and the longest time that one receipt
	// is believed to span. A bridge whose clock began at 1970 would otherwise have every day since then settled.
	maxHoleDays = 400
)

// Keeper keeps the ledger up with the evidence, the reference data and what people decided. It settles a day when it has been
// over for two hours, which is when its end is decided, and again when anything that the day rests on changes: evidence that
// reaches it later, what of the reference data speaks about it (scope.go), the rules, the corrections of that day. From a base's
// first evidence on, days without any are settled too: they are unknown, and a month's figures must show it. What has not
// changed is not settled again, not even after a restart, and what is settled again to the same figures from the same evidence
// makes no revision.
//
// A day that is not over is not kept: whoever wants it asks the Settler. Its methods may be called concurrently; one works at a
// time. The fields must not be changed after the first call.
type Keeper struct {
	// Settler reads the evidence. Its reference data is used when Reference is nil.
	Settler *Settler
	Ledger  *ledger.Ledger
	// Reference returns the reference data in force; it is asked at every turn. nil is the Settler's own, and nobody learns there.
	Reference func(ctx context.Context) (*ledger.Reference, error)
	// Rules are the figures of attendance and hours; the zero Rules are the defaults.
	Rules Rules
	// Clues are the figures of the rules that raise clues when days were settled; nil raises none. It needs Reference.
	Clues *clue.Params
	// ClueMemory bounds the days that are held to raise clues, in bytes; 0 is 256 MiB.
	ClueMemory int64
	// Every is how often it looks; default one minute.
	Every time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger may be nil.
	Logger *slog.Logger

	mu     sync.Mutex            // held while days are settled; guards the fields below, and the defaults of those above
	scopes map[string]baseScopes // by base

	clues clues
}

// Run keeps the ledger until ctx ends. What cannot be settled is tried again at the next turn.
func (k *Keeper) Run(ctx context.Context) {
	k.complete()
	tick := time.NewTicker(k.Every)
	defer tick.Stop()
	for {
		if err := k.Turn(ctx); err != nil && ctx.Err() == nil {
			k.Logger.Error("cannot settle, will try again", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (k *Keeper) complete() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Now == nil {
		k.Now = time.Now
	}
	if k.Logger == nil {
		k.Logger = slog.New(slog.DiscardHandler)
	}
	if k.Every <= 0 {
		k.Every = time.Minute
	}
	if k.Rules == (Rules{}) {
		k.Rules = DefaultRules()
	}
	if k.scopes == nil {
		k.scopes = make(map[string]baseScopes)
	}
}

// Turn settles every dirty day of every base once, and then raises the clues of days that were settled. A base that cannot be
// settled does not hold up the others; the error names each. Clues that cannot be raised are no error: they are logged.
func (k *Keeper) Turn(ctx context.Context) error {
	f, err := k.inForce(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range f.settler.registry.Bases() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, k.keep(ctx, f, b.Code))
	}
	k.raise(ctx, f)
	return errors.Join(errs...)
}

// inForce is what days are settled by.
type inForce struct {
	settler *Settler
	rosters map[string]*registry.Roster
}

func (k *Keeper) inForce(ctx context.Context) (*inForce, error) {
	k.complete()
	if k.Reference == nil {
		return &inForce{settler: k.Settler}, nil
	}
	r, err := k.Reference(ctx)
	if err != nil {
		return nil, fmt.Errorf("find the reference data to settle by: %w", err)
	}
	return &inForce{settler: New(k.Settler.store, r.Registry, r.Calendar), rosters: r.Rosters}, nil
}

// keep settles the dirty days of one base, the oldest first.
func (k *Keeper) keep(ctx context.Context, f *inForce, base string) error {
	receipts, err := f.settler.store.Receipts(ctx, base, "")
	if err != nil {
		return fmt.Errorf("find dirty days of base %s: %w", base, err)
	}
	reached := reachedDays(receipts)
	return k.keepDays(ctx, f, base, reached, daysOf(reached, k.lastOver()))
}

// keepDays settles those of the days that are dirty.
func (k *Keeper) keepDays(ctx context.Context, f *inForce, base string, reached map[calendar.Date]reach, days []calendar.Date) error {
	if len(days) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	settled, err := k.Ledger.SettledDays(ctx, base)
	if err != nil {
		return fmt.Errorf("find dirty days of base %s: %w", base, err)
	}
	approved, err := k.Ledger.Corrections(ctx, ledger.CorrectionQuery{Base: base, State: ledger.CorrectionApproved})
	if err != nil {
		return fmt.Errorf("find dirty days of base %s: %w", base, err)
	}
	t := &turn{Keeper: k, base: base, today: calendar.DateOf(k.Now()), settled: settled}
	for _, d := range days {
		j := &job{inForce: f, base: base, day: d, corrections: touching(approved, d)}
		t.jobs = append(t.jobs, j)
		t.inputs = append(t.inputs, k.inputs(j, reached[d]))
	}
	return t.run(ctx)
}

// turn settles the dirty days among some of one base.
type turn struct {
	*Keeper
	base    string
	today   calendar.Date
	settled map[string]ledger.SettledDay // by day
	jobs    []*job                       // in order of day
	inputs  []inputs                     // theirs
}

func (t *turn) run(ctx context.Context) error {
	for i, j := range t.jobs {
		before, ok := t.settled[j.day.String()]
		if ok && !t.inputs[i].sameEvidence(before.Inputs) {
			if err := t.spread(ctx, j.day); err != nil {
				return err
			}
		}
	}
	for i, j := range t.jobs {
		before, now := t.settled[j.day.String()], ledger.SettledDay{Inputs: t.inputs[i].String(), On: t.today.String()}
		if before.Inputs == now.Inputs && (before.On == now.On || j.day.Before(t.today.Add(-bufferDays))) {
			continue
		}
		news, err := t.settle(ctx, j)
		if err != nil {
			return err
		}
		if news {
			err = t.Ledger.StirClueDay(ctx, t.base, j.day.String())
		}
		if news || strings.HasPrefix(before.Inputs, soiled) && !j.lessons() {
			err = errors.Join(err, t.soil(ctx, j.day.Add(1)))
		}
		if err = errors.Join(err, t.Ledger.PutSettledDay(ctx, t.base, j.day.String(), now)); err != nil {
			return err
		}
	}
	return nil
}

// spread makes the days dirty that evidence of a day may change, too. The last word of a day holds on the next, however late it
// came; and the first word after a silence decides about the days in it. The latter are looked at daily for as long as that can
// be, so they are dirty only when the evidence comes later than that.
func (t *turn) spread(ctx context.Context, d calendar.Date) error {
	err := t.soil(ctx, d.Add(1))
	if d.Before(t.today.Add(-bufferDays)) {
		for n := 1; n <= bufferDays; n++ {
			err = errors.Join(err, t.soil(ctx, d.Add(-n)))
		}
	}
	return err
}

// soiled marks the inputs of a day that is dirty though they are the same.
const soiled = "!"

// soil makes a day dirty that was settled, in the ledger as well: a process that ends now must not forget it.
func (t *turn) soil(ctx context.Context, d calendar.Date) error {
	was, ok := t.settled[d.String()]
	if !ok || strings.HasPrefix(was.Inputs, soiled) {
		return nil
	}
	was.Inputs = soiled + was.Inputs
	t.settled[d.String()] = was
	return t.Ledger.PutSettledDay(ctx, t.base, d.String(), was)
}

// job is one day to settle.
type job struct {
	*inForce
	base        string
	day         calendar.Date
	corrections []ledger.Correction // the approved ones that touch the day
}

// lessons reports whether the day has any, or nobody ever has: else what was last heard of a reader waits for the next day that has.
func (j *job) lessons() bool {
	roster := j.rosters[j.base]
	return roster == nil || len(roster.People().Sessions) == 0 || len(roster.SessionsIn(j.day.Span())) > 0
}

// inputs names all that a day rests on, as far as it can be told without reading the evidence.
type inputs struct {
	evidence reach
	rest     string // digest
}

func (k *Keeper) inputs(j *job, r reach) inputs {
	worked, err := j.settler.calendar.IsWorkday(j.day)
	return inputs{r, digestOf([]any{
		"jishi day 1", k.scope(j), worked, err == nil, RuleVersion, HoursRuleVersion, k.Rules, decisionsOf(j.corrections),
	})}
}

// String is how inputs are kept.
func (i inputs) String() string { return i.evidence.String() + i.rest }

func (i inputs) sameEvidence(kept string) bool {
	return strings.HasPrefix(strings.TrimPrefix(kept, soiled), i.evidence.String())
}

// lastOver returns the last day whose end is decided.
func (k *Keeper) lastOver() calendar.Date {
	return calendar.DateOf(k.Now().Add(-afterMs * time.Millisecond)).Add(-1)
}

// settle puts a day's machines and people into the ledger and reports whether that was news to it.
func (k *Keeper) settle(ctx context.Context, j *job) (bool, error) {
	nowMs := k.Now().UnixMilli()
	rows, err := j.settler.Day(ctx, j.base, j.day, nowMs)
	if err != nil {
		return false, err
	}
	news, err := k.Ledger.News(ctx, rows)
	if err != nil {
		return false, fmt.Errorf("settle base %s on %s: %w", j.base, j.day, err)
	}
	added, err := k.Ledger.Put(ctx, news)
	if err != nil {
		return false, fmt.Errorf("settle base %s on %s: %w", j.base, j.day, err)
	}
	people, err := k.settlePeople(ctx, j, nowMs)
	if err != nil {
		return false, fmt.Errorf("settle people of base %s on %s: %w", j.base, j.day, err)
	}
	if added > 0 || people {
		k.Logger.Debug("day settled", "base", j.base, "day", j.day.String(), "machines", len(rows), "revisions", added, "people", people)
	}
	return added > 0 || people, nil
}

// settlePeople settles who was there, and reports whether that was news.
func (k *Keeper) settlePeople(ctx context.Context, j *job, nowMs int64) (bool, error) {
	roster := j.rosters[j.base]
	if roster == nil {
		return false, nil
	}
	decisions, err := j.settler.decisions(ctx, roster, j.day, k.Rules, j.corrections)
	if err != nil {
		return false, err
	}
	day, rows, err := j.settler.PeopleRows(ctx, roster, j.day, Terms{k.Rules, decisions}, nowMs)
	if err != nil {
		return false, err
	}
	news, err := k.Ledger.PeopleNews(ctx, day, rows)
	if err != nil || !news {
		return false, err
	}
	_, err = k.Ledger.PutPeople(ctx, day, rows)
	return true, err
}

// reach is the evidence that reaches a day: how many receipts, and a sum of what they name, which does not depend on their
// order. Receipts are never taken back, so another reach is other evidence.
type reach struct {
	receipts int
	sum      uint64
}

// String is of one length, so that no reach is the beginning of another.
func (r reach) String() string { return fmt.Sprintf("%016x%016x:", r.receipts, r.sum) }

func (r *reach) add(b *evidence.BridgeReceipt) {
	h := fnv.New64a()
	var n [24]byte
	binary.BigEndian.PutUint64(n[:], b.Epoch)
	binary.BigEndian.PutUint64(n[8:], b.First)
	binary.BigEndian.PutUint64(n[16:], b.Last)
	h.Write(n[:])
	io.WriteString(h, b.Bridge) //nolint:errcheck // a hash takes everything
	r.receipts++
	r.sum += h.Sum64()
}

// reachedDays finds the evidence that reaches each day. A receipt reaches the day before, too, when it begins just past
// midnight: it decides how that day ended.
func reachedDays(receipts []evidence.BridgeReceipt) map[calendar.Date]reach {
	reached := make(map[calendar.Date]reach)
	for i := range receipts {
		r := &receipts[i]
		if r.Missing {
			continue
		}
		add := func(d calendar.Date) {
			sum := reached[d]
			sum.add(r)
			reached[d] = sum
		}
		from, to := calendar.DateOf(time.UnixMilli(r.FirstMs-afterMs)), calendar.DateOf(time.UnixMilli(r.LastMs))
		if from.Add(maxHoleDays).Before(to) || to.Before(from) {
			add(from)
			add(to)
			continue
		}
		for d := from; !to.Before(d); d = d.Add(1) {
			add(d)
		}
	}
	return reached
}

// daysOf returns the days to keep up to the last one, in order: those that evidence reached, and those between.
func daysOf(reached map[calendar.Date]reach, last calendar.Date) []calendar.Date {
	var out []calendar.Date
	fill := func(to calendar.Date) { // with the days before to
		n := len(out)
		if n == 0 || out[n-1].Add(maxHoleDays).Before(to) {
			return
		}
		for d := out[n-1].Add(1); d.Before(to); d = d.Add(1) {
			out = append(out, d)
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(reached), calendar.Date.Compare) {
		if last.Before(d) {
			break
		}
		fill(d)
		out = append(out, d)
	}
	fill(last.Add(1))
	return out
}
