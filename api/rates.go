package api

import (
	"context"

	"github.com/jishi-telemetry/jishi/internal/settle"
	rates "github.com/jishi-telemetry/jishi/internal/usage"
)

type ratesOutput struct{ Body Rates }

// rates derives the rates of a period, with what people did in it.
func (s *Server) rates(ctx context.Context, in *usageInput) (*ratesOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	from, to, err := s.days(in)
	if err != nil {
		return nil, err
	}
	w := s.world()
	q := settle.RatesQuery{
		Base: in.Base, Equipment: in.Equipment, From: from, To: to, NowMs: s.o.Now().UnixMilli(), Roster: w.Roster(in.Base),
		Options: rates.RateOptions{Floor: s.o.Floor, Outside: rates.DefaultOutside()},
	}
	if err := w.Settler.AddPeople(ctx, &q, s.o.Rules, s.decisionsOf); err != nil {
		return nil, s.problem(err)
	}
	r, err := w.Settler.Rates(ctx, &q)
	if err != nil {
		return nil, s.problem(err)
	}
	return &ratesOutput{*RatesOf(r)}, nil
}
