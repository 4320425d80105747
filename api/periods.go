package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// periodRoutes are the operations of months, quarters and years, and the rates in a period.
func (s *Server) periodRoutes() {
	const root = "/bases/{base}/periods"
	huma.Register(s.spec, operation(http.MethodGet, "list-periods", root, "Periods of a year and how far they have come 期间", access.ViewFigures), s.listPeriods)
	huma.Register(s.spec, operation(http.MethodGet, "period", root+"/{period}", "How far a period has come, day by day 期间状态", access.ViewFigures), s.period)
	post := func(id, summary string) huma.Operation {
		return also(operation(http.MethodPost, id+"-period", root+"/{period}/"+id, summary, access.SettlePeriod), http.StatusConflict)
	}
	huma.Register(s.spec, post("finalise", "Say that the figures are all there 定稿"), s.finalise)
	huma.Register(s.spec, post("seal", "Close the period for good 封存"), s.seal)
	huma.Register(s.spec, post("accept-gap", "Accept that nothing more will come 接受缺口"), s.acceptGap)
	huma.Register(s.spec, operation(http.MethodGet, "rates", "/bases/{base}/rates", "Rates of the machines 设备使用率", access.ViewFigures), s.rates)
}

// Period is a month, quarter or year of a base.
type Period struct {
	Period  string       `json:"period" doc:"month:2026-03, quarter:2026-Q1 or year:2026"`
	From    string       `json:"from" format:"date"`
	To      string       `json:"to" format:"date" doc:"inclusive"`
	State   string       `json:"state" enum:"provisional,final,sealed"`
	StateZh string       `json:"state_zh"`
	Steps   []PeriodStep `json:"steps" nullable:"false"`
}

// PeriodStep is what a person did to a period.
type PeriodStep struct {
	State  string `json:"state" enum:"final,sealed"`
	By     string `json:"by"`
	At     string `json:"at" format:"date-time"`
	Digest string `json:"digest" doc:"SHA-256 of the figures at that step"`
}

// PeriodDetail is how far a period has come.
type PeriodDetail struct {
	Period
	FreezeOn   string            `json:"freeze_on,omitempty" format:"date" doc:"last day of grace 冻结日"`
	FreezeWhy  string            `json:"freeze_why,omitempty" doc:"why it is not known"`
	Days       []PeriodDay       `json:"days" nullable:"false"`
	Watermarks []PeriodWatermark `json:"watermarks" nullable:"false"`
}

// PeriodDay says whether a day is final, and if not, why.
type PeriodDay struct {
	Day      string      `json:"day" format:"date"`
	Final    bool        `json:"final"`
	Over     bool        `json:"over"`
	Behind   []string    `json:"behind,omitempty" doc:"bridges whose records may still come"`
	Lossy    []string    `json:"lossy,omitempty" doc:"bridges that lost records of about that day"`
	Accepted []PeriodGap `json:"accepted,omitempty" doc:"gaps that an officer accepted"`
}

// PeriodGap is an officer's word that nothing more will come.
type PeriodGap struct {
	Bridge string `json:"bridge" doc:"empty for all of the base"`
	By     string `json:"by"`
	At     string `json:"at" format:"date-time"`
	Reason string `json:"reason"`
}

// PeriodWatermark is until when everything of a bridge is there.
type PeriodWatermark struct {
	Bridge  string `json:"bridge"`
	Through string `json:"through,omitempty" format:"date-time"`
	Waiting int    `json:"waiting" doc:"ranges that may still come"`
	Lost    int    `json:"lost" doc:"ranges that will never come"`
}

func periodOf(p settle.Period, steps []ledger.PeriodStep) Period {
	first, last := p.Days()
	out := Period{Period: p.String(), From: first.String(), To: last.String(), State: "provisional", StateZh: "暂定", Steps: []PeriodStep{}}
	for _, x := range steps {
		out.Steps = append(out.Steps, periodStepOf(x))
		out.State, out.StateZh = x.State, map[string]string{ledger.PeriodFinal: "定稿", ledger.PeriodSealed: "封存"}[x.State]
	}
	return out
}

func periodStepOf(x ledger.PeriodStep) PeriodStep {
	return PeriodStep{x.State, x.By, instant(x.AtMs), x.Digest}
}

type periodsInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Year int    `query:"year" minimum:"2000" maximum:"2999" doc:"default the current year"`
}

func (s *Server) listPeriods(ctx context.Context, in *periodsInput) (*list[Period], error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	steps, err := s.o.Ledger.PeriodSteps(ctx, in.Base, "")
	if err != nil {
		return nil, s.problem(err)
	}
	today := calendar.DateOf(s.o.Now())
	if in.Year == 0 {
		in.Year = today.Year
	}
	var out []Period
	for _, p := range periodsOf(in.Year) {
		own := slices.DeleteFunc(slices.Clone(steps), func(x ledger.PeriodStep) bool { return x.Period != p.String() })
		if first, _ := p.Days(); !today.Before(first) {
			out = append(out, periodOf(p, own))
		}
	}
	return listOf(out), nil
}

// periodsOf are a year's periods: the year, its quarters, its months.
func periodsOf(year int) []settle.Period {
	out := []settle.Period{{Kind: settle.Year, Year: year}}
	for n := range 4 {
		out = append(out, settle.Period{Kind: settle.Quarter, Year: year, Number: n + 1})
	}
	for n := range 12 {
		out = append(out, settle.Period{Kind: settle.Month, Year: year, Number: n + 1})
	}
	return out
}

type periodInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Period string `path:"period" maxLength:"32" doc:"month:2026-03, quarter:2026-Q1 or year:2026"`
}

// at reads the period and refuses what there is no desk for.
func (s *Server) at(in *periodInput) (settle.Period, error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return settle.Period{}, err
	}
	p, err := settle.ParsePeriod(in.Period)
	switch {
	case err != nil:
		return p, s.refused(err)
	case s.o.Periods == nil:
		return p, noLedger()
	}
	return p, nil
}

type periodOutput struct{ Body PeriodDetail }

func (s *Server) period(ctx context.Context, in *periodInput) (*periodOutput, error) {
	p, err := s.at(in)
	if err != nil {
		return nil, err
	}
	status, err := s.o.Periods.Status(ctx, in.Base, p)
	if err != nil {
		return nil, s.refused(err)
	}
	return &periodOutput{periodDetailOf(status)}, nil
}

func periodDetailOf(p *settle.PeriodStatus) PeriodDetail {
	out := PeriodDetail{Period: periodOf(p.Period, p.Steps), Days: []PeriodDay{}, Watermarks: []PeriodWatermark{}}
	if p.FreezeErr != nil {
		out.FreezeWhy = p.FreezeErr.Error()
	} else {
		out.FreezeOn = p.FreezeOn.String()
	}
	for i := range p.Days {
		d := &p.Days[i]
		x := PeriodDay{Day: d.Day.String(), Final: d.Final, Over: d.Over, Behind: d.Behind, Lossy: d.Lossy}
		for _, g := range d.Accepted {
			x.Accepted = append(x.Accepted, PeriodGap{g.Bridge, g.By, instant(g.AtMs), g.Reason})
		}
		out.Days = append(out.Days, x)
	}
	for i := range p.Watermarks {
		w := &p.Watermarks[i]
		x := PeriodWatermark{Bridge: w.Bridge, Waiting: len(w.Waiting), Lost: len(w.Lost)}
		if w.ThroughMs != 0 {
			x.Through = instant(w.ThroughMs)
		}
		out.Watermarks = append(out.Watermarks, x)
	}
	return out
}

type periodStepOutput struct{ Body PeriodStep }

func (s *Server) finalise(ctx context.Context, in *periodInput) (*periodStepOutput, error) {
	return s.stepPeriod(ctx, in, "finalise", func(p settle.Period, by string) (ledger.PeriodStep, error) {
		return s.o.Periods.Finalise(ctx, in.Base, p, by)
	})
}

func (s *Server) seal(ctx context.Context, in *periodInput) (*periodStepOutput, error) {
	return s.stepPeriod(ctx, in, "seal", func(p settle.Period, by string) (ledger.PeriodStep, error) {
		return s.o.Periods.Seal(ctx, in.Base, p, by)
	})
}

// stepPeriod does a step to a period in the caller's name.
func (s *Server) stepPeriod(ctx context.Context, in *periodInput, name string, do func(settle.Period, string) (ledger.PeriodStep, error)) (*periodStepOutput, error) {
	p, err := s.at(in)
	if err != nil {
		return nil, err
	}
	by, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, access.Entry{Action: access.ActPeriod, Object: name + " " + p.String(), Base: in.Base}); err != nil {
		return nil, err
	}
	step, err := do(p, by)
	if err != nil {
		return nil, s.refused(err)
	}
	return &periodStepOutput{periodStepOf(step)}, nil
}

type acceptGapInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Period string `path:"period" maxLength:"32" doc:"month:2026-03, quarter:2026-Q1 or year:2026"`
	Body   struct {
		From   string `json:"from" format:"date" doc:"first day, in the period"`
		To     string `json:"to" format:"date" doc:"last day, inclusive, in the period"`
		Bridge string `json:"bridge,omitempty" maxLength:"64" doc:"default every bridge of the base 网桥"`
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"原因"`
	}
}

type acceptGapOutput struct {
	Body struct {
		Added int `json:"added" doc:"days that were not accepted before"`
	}
}

func (s *Server) acceptGap(ctx context.Context, in *acceptGapInput) (*acceptGapOutput, error) {
	p, err := s.at(&periodInput{in.Base, in.Period})
	if err != nil {
		return nil, err
	}
	by, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	a := settle.Acceptance{Base: in.Base, Bridge: in.Body.Bridge, By: by, Reason: in.Body.Reason}
	if a.From, err = calendar.ParseDate(in.Body.From); err != nil {
		return nil, badInput("body.from", "应为 yyyy-mm-dd", "want yyyy-mm-dd")
	}
	if a.To, err = calendar.ParseDate(in.Body.To); err != nil {
		return nil, badInput("body.to", "应为 yyyy-mm-dd", "want yyyy-mm-dd")
	}
	if first, last := p.Days(); a.From.Before(first) || last.Before(a.To) || a.To.Before(a.From) {
		return nil, badInput("body.from", "起止日期应在期间之内，且先后有序", "want days of the period, the first before the last")
	}
	entry := access.Entry{
		Action: access.ActPeriod, Object: "accept-gap " + p.String(), Base: in.Base, Reason: in.Body.Reason,
		Detail: map[string]any{"from": in.Body.From, "to": in.Body.To, "bridge": in.Body.Bridge},
	}
	if err := s.record(ctx, entry); err != nil {
		return nil, err
	}
	n, err := s.o.Periods.AcceptGap(ctx, a)
	if err != nil {
		return nil, s.refused(err)
	}
	out := &acceptGapOutput{}
	out.Body.Added = n
	return out, nil
}
