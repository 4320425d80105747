package settle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

const (
	// bufferDays are settled once more on each day: a gateway may store messages for seven days, and a receipt tells when
	// its messages reached the bridge, not when they happened.
	bufferDays = 8
	// maxHoleDays is the longest time without any evidence whose days are settled, and the longest time that one receipt
	// is believed to span. A bridge whose clock began at 1970 would otherwise have every day since then settled.
	maxHoleDays = 400
)

// Keeper keeps the ledger up with the evidence. It settles a day when it has been over for two hours, which is when its
// end is decided, and again when evidence reaches it later. From a base's first evidence on, days without any are
// settled too: they are unknown, and a month's figures must show it. What has not changed makes no revision.
//
// A day that is not over is not kept: whoever wants it asks the Settler. One Run or Turn may be going at a time.
type Keeper struct {
	Settler *Settler
	Ledger  *ledger.Ledger
	// Every is how often it looks; default one minute.
	Every time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Logger may be nil.
	Logger *slog.Logger

	kept map[string]map[calendar.Date]keptDay // by base
}

// keptDay is what was the case when a day was settled.
type keptDay struct {
	receipts int           // that reach the day
	on       calendar.Date // when
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
	if k.Now == nil {
		k.Now = time.Now
	}
	if k.Logger == nil {
		k.Logger = slog.New(slog.DiscardHandler)
	}
	if k.Every <= 0 {
		k.Every = time.Minute
	}
	if k.kept == nil {
		k.kept = make(map[string]map[calendar.Date]keptDay)
	}
}

// Turn settles every dirty day of every base once. A base that cannot be settled does not hold up the others; the error
// names each.
func (k *Keeper) Turn(ctx context.Context) error {
	k.complete()
	var errs []error
	for _, b := range k.Settler.registry.Bases() {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, k.keep(ctx, b.Code))
	}
	return errors.Join(errs...)
}

// keep settles the dirty days of one base, the oldest first.
func (k *Keeper) keep(ctx context.Context, base string) error {
	receipts, err := k.Settler.store.Receipts(ctx, base, "")
	if err != nil {
		return fmt.Errorf("find dirty days of base %s: %w", base, err)
	}
	reached := reachedDays(receipts)
	today := calendar.DateOf(k.Now())
	if k.kept[base] == nil {
		k.kept[base] = make(map[calendar.Date]keptDay)
	}
	for _, d := range daysOf(reached, k.lastOver()) {
		now := keptDay{receipts: reached[d], on: today}
		if before, ok := k.kept[base][d]; ok && before.receipts == now.receipts && (before.on == today || d.Before(today.Add(-bufferDays))) {
			continue
		}
		if err := k.settle(ctx, base, d); err != nil {
			return err
		}
		k.kept[base][d] = now
	}
	return nil
}

// lastOver returns the last day whose end is decided.
func (k *Keeper) lastOver() calendar.Date {
	return calendar.DateOf(k.Now().Add(-afterMs * time.Millisecond)).Add(-1)
}

func (k *Keeper) settle(ctx context.Context, base string, d calendar.Date) error {
	rows, err := k.Settler.Day(ctx, base, d, k.Now().UnixMilli())
	if err != nil {
		return err
	}
	added, err := k.Ledger.Put(ctx, rows)
	if err != nil {
		return fmt.Errorf("settle base %s on %s: %w", base, d, err)
	}
	if added > 0 {
		k.Logger.Debug("day settled", "base", base, "day", d.String(), "machines", len(rows), "revisions", added)
	}
	return nil
}

// reachedDays counts the receipts that reach each day. Receipts are never taken back, so another number is other
// evidence. A receipt reaches the day before, too, when it begins just past midnight: it decides how that day ended.
func reachedDays(receipts []evidence.BridgeReceipt) map[calendar.Date]int {
	reached := make(map[calendar.Date]int)
	for _, r := range receipts {
		if r.Missing {
			continue
		}
		from, to := calendar.DateOf(time.UnixMilli(r.FirstMs-afterMs)), calendar.DateOf(time.UnixMilli(r.LastMs))
		if from.Add(maxHoleDays).Before(to) || to.Before(from) {
			reached[from]++
			reached[to]++
			continue
		}
		for d := from; !to.Before(d); d = d.Add(1) {
			reached[d]++
		}
	}
	return reached
}

// daysOf returns the days to keep up to the last one, in order: those that evidence reached, and those between.
func daysOf(reached map[calendar.Date]int, last calendar.Date) []calendar.Date {
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
