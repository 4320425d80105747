package settle

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// Keeper keeps the ledger up with the evidence: it settles the days that evidence has reached since it last looked, and
// no others. One Run may be going at a time.
type Keeper struct {
	Settler *Settler
	Ledger  *ledger.Ledger
	// Every is how often it looks; default one minute.
	Every time.Duration
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Logger *slog.Logger

	seen map[string]int64 // base to the newest collection time already settled
}

// Run keeps the ledger until ctx ends. What cannot be settled is tried again at the next turn.
func (k *Keeper) Run(ctx context.Context) {
	if k.Now == nil {
		k.Now = time.Now
	}
	if k.Logger == nil {
		k.Logger = slog.New(slog.DiscardHandler)
	}
	if k.Every <= 0 {
		k.Every = time.Minute
	}
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

// Turn settles every dirty day of every base once.
func (k *Keeper) Turn(ctx context.Context) error {
	for _, b := range k.Settler.registry.Bases() {
		days, newest, err := k.dirty(ctx, b.Code)
		if err != nil {
			return fmt.Errorf("find dirty days of base %s: %w", b.Code, err)
		}
		for _, d := range days {
			if err := k.settle(ctx, b.Code, d); err != nil {
				return err
			}
		}
		if k.seen == nil {
			k.seen = make(map[string]int64)
		}
		k.seen[b.Code] = newest
	}
	return nil
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

// dirty returns the days that receipts newer than the last turn reach, and the newest collection time. A receipt
// reaches the day before, too, when it begins just past midnight: it decides how that day ended.
func (k *Keeper) dirty(ctx context.Context, base string) (days []calendar.Date, newest int64, err error) {
	receipts, err := k.Settler.store.Receipts(ctx, base, "")
	if err != nil {
		return nil, 0, err
	}
	newest = k.seen[base]
	reached := make(map[calendar.Date]bool)
	for _, r := range receipts {
		newest = max(newest, r.CollectedMs)
		if r.CollectedMs < k.seen[base] || r.Missing {
			continue
		}
		from, to := calendar.DateOf(time.UnixMilli(r.FirstMs-afterMs)), calendar.DateOf(time.UnixMilli(r.LastMs))
		for d := from; !to.Before(d); d = d.Add(1) {
			reached[d] = true
		}
	}
	days = slices.SortedFunc(maps.Keys(reached), calendar.Date.Compare)
	return days, newest, nil
}
