package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// decided is what named persons decided, for a command that derives hours by itself; nothing where there is no ledger.
type decided struct {
	ledger      *ledger.Ledger
	corrections *settle.Corrections
}

// openDecided opens the ledger for the approved corrections, if there is one. Its Close may be called on what has none.
func openDecided(ctx context.Context, c *settings, ref *ledger.Reference, store evidence.Store) (*decided, error) {
	path := c.path("ledger.path", "ledger.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &decided{}, nil
	}
	l, err := ledger.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	keeper := &settle.Keeper{
		Settler: settle.New(store, ref.Registry, ref.Calendar), Ledger: l,
		Reference: func(context.Context) (*ledger.Reference, error) { return ref, nil },
	}
	return &decided{l, &settle.Corrections{Keeper: keeper}}, nil
}

// Close releases the ledger.
func (d *decided) Close() error {
	if d.ledger == nil {
		return nil
	}
	return d.ledger.Close()
}

// day is what was decided of a base's day.
func (d *decided) day(ctx context.Context, base string, day calendar.Date) ([]hours.Exclusion, error) {
	if d.corrections == nil {
		return nil, nil
	}
	return d.corrections.Decisions(ctx, base, day)
}

// session is what was decided of a lesson.
func (d *decided) session(ctx context.Context, base, session string) ([]hours.Exclusion, error) {
	if d.corrections == nil {
		return nil, nil
	}
	return d.corrections.OfSession(ctx, base, session)
}
