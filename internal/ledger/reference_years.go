package ledger

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/calendar"
)

// Years returns the notices of holidays that were put into the ledger, in order of year.
func (l *Ledger) Years(ctx context.Context) ([]calendar.Year, error) {
	rows, err := latestYears(ctx, l.db)
	if err != nil {
		return nil, fmt.Errorf("read holidays: %w", err)
	}
	out := make([]calendar.Year, len(rows))
	for i := range rows {
		if out[i], err = calendar.ParseYear([]byte(rows[i].content)); err != nil {
			return nil, fmt.Errorf("read holidays of %d: %w", rows[i].year, err)
		}
	}
	return out, nil
}
