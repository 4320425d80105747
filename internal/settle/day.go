package settle

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// readers bounds how many machines are read from the store at once.
const readers = 4

// Window returns the day's span in Asia/Shanghai, cut at nowMs: a day that is not over is measured as far as it has come.
func Window(d calendar.Date, nowMs int64) span.Span {
	day := d.Span()
	return span.Span{StartMs: day.StartMs, EndMs: max(day.StartMs, min(day.EndMs, nowMs))}
}

// Machines derives what every machine of the base did in the window, in order of equipment id.
func (s *Settler) Machines(ctx context.Context, base string, window span.Span) ([]*Machine, error) {
	equipment := s.registry.EquipmentOf(base)
	out := make([]*Machine, len(equipment))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, e := range equipment {
		g.Go(func() (err error) {
			out[i], err = s.Machine(ctx, base, e.ID, window)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// Day settles one base and day: the ledger's rows of all machines that were in service, as far as the day has come at
// nowMs. The rows have no revision yet; ledger.Put gives them one when they say something new.
func (s *Settler) Day(ctx context.Context, base string, d calendar.Date, nowMs int64) ([]ledger.Row, error) {
	machines, err := s.Machines(ctx, base, Window(d, nowMs))
	if err != nil {
		return nil, fmt.Errorf("settle base %s on %s: %w", base, d, err)
	}
	var rows []ledger.Row
	for _, m := range machines {
		if m.Window.Empty() {
			continue
		}
		rows = append(rows, ledger.Row{
			Base: base, Equipment: m.Equipment.ID, Day: d.String(), RuleVersion: RuleVersion,
			RegistryDigest: s.registry.BaseDigest(base), EvidenceDigest: m.Digest,
			SettledMs: nowMs, StartMs: m.Window.StartMs, Totals: m.Totals,
		})
	}
	return rows, nil
}
