package api

import (
	"context"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/hours"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// settledHours are the verdicts of the days that the ledger has settled, by day. A day that is not among them, because it is
// not over or nobody has settled it, is to be derived.
func (s *Server) settledHours(ctx context.Context, base string, from, to calendar.Date) (map[string][]Hours, error) {
	out := map[string][]Hours{}
	if s.o.Ledger == nil {
		return out, nil
	}
	for d := from; !to.Before(d); d = d.Add(1) {
		settled, err := s.o.Ledger.Settlements(ctx, base, d.String())
		if err != nil {
			return nil, err
		}
		if len(settled) == 0 || settled[len(settled)-1].RulesDigest != settle.RulesDigest(s.o.Rules) {
			continue
		}
		rows, err := s.o.Ledger.Hours(ctx, ledger.HoursQuery{Base: base, From: d.String(), To: d.String()})
		if err != nil {
			return nil, err
		}
		out[d.String()] = s.hoursOfRows(rows)
	}
	return out, nil
}

// hoursOfRows shows the rows of one day, all of its trainees' together.
func (s *Server) hoursOfRows(rows []ledger.HoursRow) []Hours {
	day := map[string]int64{}
	for i := range rows {
		day[rows[i].Person] += rows[i].VerifiedMs
	}
	out := make([]Hours, len(rows))
	for i := range rows {
		out[i] = hoursOf(&rows[i])
		out[i].DayUnits = float64(s.o.Rules.Hours.HalfUnits(day[rows[i].Person])) / 2
		v := hours.Verdict{Pieces: rows[i].Pieces}
		out[i].Reasons, out[i].Revision = reasonsOf(&v), rows[i].Revision
	}
	return out
}
