package api

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

const defaultFloor = usage.CoverageFloor

// maxDays bounds one request for usage; a year has its own report.
const maxDays = 62

// Usage is the use of one machine in a window, a day unless said otherwise. Durations are seconds, exact to the
// millisecond: window_s = running_s + idle_s + off_s + fault_s + unknown_s.
type Usage struct {
	Base      string    `json:"base"`
	Equipment string    `json:"equipment" doc:"设备编号"`
	Name      string    `json:"name" doc:"名称"`
	NameEN    string    `json:"name_en,omitempty"`
	Day       string    `json:"day,omitempty" format:"date" doc:"Asia/Shanghai"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to" doc:"exclusive; earlier than the day's end while the day is not over"`
	WindowS   float64   `json:"window_s"`
	RunningS  float64   `json:"running_s" doc:"运行"`
	IdleS     float64   `json:"idle_s" doc:"待机"`
	OffS      float64   `json:"off_s" doc:"关机"`
	FaultS    float64   `json:"fault_s" doc:"故障"`
	UnknownS  float64   `json:"unknown_s" doc:"未知: no evidence, neither off nor idle"`
	// EstimatedRunningS and EstimatedOffS are parts of UnknownS.
	EstimatedRunningS float64            `json:"estimated_running_s" doc:"part of unknown_s that an energy counter suggests was running; not credited"`
	EstimatedOffS     float64            `json:"estimated_off_s" doc:"part of unknown_s that an energy counter suggests was off"`
	OpeningS          float64            `json:"opening_s" doc:"开放时间: the rate's denominator"`
	OpeningRunningS   float64            `json:"opening_running_s" doc:"running inside opening hours"`
	Rate              *float64           `json:"rate" doc:"使用率(日历) = running_s / opening_s; null when withheld 数据不足"`
	Coverage          float64            `json:"coverage" doc:"数据完整率: known part of opening hours, of the window when it has none"`
	Words             map[string]float64 `json:"words,omitempty" doc:"seconds of each word of the controller"`
	Samples           int                `json:"samples" doc:"pieces of evidence"`
	Evidence          string             `json:"evidence" doc:"SHA-256 of the evidence"`
	RuleVersion       string             `json:"rule_version"`
	Revision          int                `json:"revision,omitempty" doc:"of a settled day"`
	Notes             []string           `json:"notes,omitempty" doc:"why figures are empty or withheld"`
}

// UsageOf shows what a machine did; day is "" for a window that is not one day's. floor is the coverage below which the
// rate is withheld.
func UsageOf(m *settle.Machine, day string, floor float64) Usage {
	u := usageOf(&m.Totals, floor)
	u.Base, u.Equipment, u.Name, u.NameEN, u.Day = m.Base, m.Equipment.ID, m.Equipment.Name, m.Equipment.NameEN, day
	u.From, u.To = m.Window.Start(), m.Window.End()
	u.Samples, u.Evidence, u.RuleVersion = m.Samples, m.Digest, settle.RuleVersion
	for _, n := range m.Notes {
		u.Notes = append(u.Notes, string(n))
	}
	return u
}

func usageOf(t *usage.Totals, floor float64) Usage {
	u := Usage{
		WindowS: seconds(t.WindowMs), RunningS: seconds(t.RunningMs), IdleS: seconds(t.IdleMs), OffS: seconds(t.OffMs),
		FaultS: seconds(t.FaultMs), UnknownS: seconds(t.UnknownMs),
		EstimatedRunningS: seconds(t.EstimatedRunningMs), EstimatedOffS: seconds(t.EstimatedOffMs),
		OpeningS: seconds(t.OpeningMs), OpeningRunningS: seconds(t.OpeningRunningMs), Coverage: shownCoverage(t.Coverage(), floor),
	}
	if rate, ok := t.Rate(floor); ok {
		rate = round4(rate)
		u.Rate = &rate
	}
	for _, w := range t.SortedWords() {
		if u.Words == nil {
			u.Words = make(map[string]float64)
		}
		u.Words[w] = seconds(t.Words[w])
	}
	return u
}

// shownCoverage is the coverage to four places. One that is under the floor is never shown as the floor: it would seem
// that a rate was withheld for nothing.
func shownCoverage(coverage, floor float64) float64 {
	if shown := round4(coverage); coverage >= floor || shown < floor {
		return shown
	}
	return math.Floor(coverage*10000) / 10000
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }
func round4(v float64) float64 { return math.Round(v*10000) / 10000 }
func utc(ms int64) time.Time   { return time.UnixMilli(ms).UTC() }

// The base is written out in each input: huma does not see the fields of an embedded type that is not exported.
type usageInput struct {
	Base      string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	From      string `query:"from" format:"date" doc:"first day in Asia/Shanghai, yyyy-mm-dd; default today"`
	To        string `query:"to" format:"date" doc:"last day, inclusive; default the first; days to come are left out"`
	Equipment string `query:"equipment" maxLength:"128" doc:"one machine; default all"`
}

// days reads the first and the last day, neither of them after today.
func (s *Server) days(in *usageInput) (from, to calendar.Date, err error) {
	today := calendar.DateOf(s.o.Now())
	from, to = today, today
	if in.From != "" {
		if from, err = calendar.ParseDate(in.From); err != nil {
			return from, to, badInput("query.from", fmt.Sprintf("日期 %q 无效，应为 yyyy-mm-dd", in.From), err.Error())
		}
		to = from
	}
	if in.To != "" {
		if to, err = calendar.ParseDate(in.To); err != nil {
			return from, to, badInput("query.to", fmt.Sprintf("日期 %q 无效，应为 yyyy-mm-dd", in.To), err.Error())
		}
	}
	if to.Before(from) {
		return from, to, badInput("query.to", "结束日期早于开始日期", "the last day is before the first")
	}
	if !to.Before(from.Add(maxDays)) {
		return from, to, badInput("query.to", fmt.Sprintf("一次最多查询 %d 天", maxDays), fmt.Sprintf("at most %d days at once", maxDays))
	}
	if today.Before(from) {
		return from, to, badInput("query.from", "该日期尚未到来", "the first day is still to come")
	}
	if today.Before(to) {
		to = today
	}
	return from, to, nil
}

func (s *Server) usage(ctx context.Context, in *usageInput) (*list[Usage], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	from, to, err := s.days(in)
	if err != nil {
		return nil, err
	}
	var out []Usage
	for d := from; !to.Before(d); d = d.Add(1) {
		machines, err := s.machines(ctx, in, settle.Window(d, s.o.Now().UnixMilli()))
		if err != nil {
			return nil, s.problem(err)
		}
		for _, m := range machines {
			out = append(out, UsageOf(m, d.String(), s.o.Floor))
		}
	}
	return listOf(out), nil
}

func (s *Server) machines(ctx context.Context, in *usageInput, window span.Span) ([]*settle.Machine, error) {
	if in.Equipment == "" {
		return s.world().Settler.Machines(ctx, in.Base, window)
	}
	m, err := s.world().Settler.Machine(ctx, in.Base, in.Equipment, window)
	if err != nil {
		return nil, err
	}
	return []*settle.Machine{m}, nil
}

func (s *Server) settled(ctx context.Context, in *usageInput) (*list[Usage], error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	from, to, err := s.days(in)
	if err != nil {
		return nil, err
	}
	if s.o.Ledger == nil {
		return nil, huma.Error404NotFound("本服务没有台账 (this service keeps no ledger)")
	}
	rows, err := s.o.Ledger.Latest(ctx, in.Base, from.String(), to.String())
	if err != nil {
		return nil, s.problem(err)
	}
	var out []Usage
	for i := range rows {
		if in.Equipment == "" || in.Equipment == rows[i].Equipment {
			out = append(out, s.settledUsage(&rows[i]))
		}
	}
	// Equipment that has left the registry keeps its settled days.
	if _, ok := s.world().Registry.Equipment(in.Base, in.Equipment); !ok && in.Equipment != "" && len(out) == 0 {
		return nil, s.problem(settle.ErrUnknownEquipment)
	}
	return listOf(out), nil
}

func (s *Server) settledUsage(r *ledger.Row) Usage {
	u := usageOf(&r.Totals, s.o.Floor)
	e, _ := s.world().Registry.Equipment(r.Base, r.Equipment)
	u.Base, u.Equipment, u.Name, u.NameEN, u.Day = r.Base, r.Equipment, e.Name, e.NameEN, r.Day
	u.From, u.To = utc(r.StartMs), utc(r.StartMs+r.Totals.WindowMs)
	u.Evidence, u.RuleVersion, u.Revision = r.EvidenceDigest, r.RuleVersion, r.Revision
	return u
}
