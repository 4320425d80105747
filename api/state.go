package api

import (
	"context"
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
	"github.com/jishi-telemetry/jishi/internal/usage"
)

// MachineState is what one machine is doing now.
type MachineState struct {
	Equipment  string             `json:"equipment" doc:"设备编号"`
	Name       string             `json:"name" doc:"名称"`
	NameEN     string             `json:"name_en,omitempty"`
	Workshop   string             `json:"workshop" doc:"实训室"`
	State      string             `json:"state" enum:"running,idle,off,fault,unknown"`
	StateZh    string             `json:"state_zh"`
	Word       string             `json:"word,omitempty" doc:"the controller's word behind the state"`
	Since      *time.Time         `json:"since,omitempty" doc:"when the state began; at midnight, it may have begun before"`
	RunningS   float64            `json:"running_s" doc:"running today 今日运行"`
	IdleS      float64            `json:"idle_s" doc:"idle today 今日待机"`
	UnknownS   float64            `json:"unknown_s" doc:"unknown today 今日未知"`
	OpeningS   float64            `json:"opening_s" doc:"开放时间 today so far: the rate's denominator"`
	Rate       *float64           `json:"rate" doc:"使用率(日历) today so far = running_s / opening_s; null when withheld"`
	Coverage   float64            `json:"coverage" doc:"数据完整率 today so far"`
	Device     string             `json:"device,omitempty" doc:"the device that decides the state"`
	LastHeard  *time.Time         `json:"last_heard,omitempty" doc:"event time of the last word of that device's channel"`
	LastState  string             `json:"last_state,omitempty"`
	LastValues map[string]float64 `json:"last_values,omitempty" doc:"the meter's last word"`
	Notes      []string           `json:"notes,omitempty"`
}

// Board is what every machine of a base is doing at one instant.
type Board struct {
	Base   string    `json:"base"`
	Name   string    `json:"name"`
	NameEN string    `json:"name_en,omitempty"`
	Now    time.Time `json:"now"`
	// Floor is the coverage below which rates are withheld.
	Floor     float64        `json:"coverage_floor" doc:"数据完整率 below which a rate is withheld"`
	Workshops []Workshop     `json:"workshops" nullable:"false"`
	Machines  []MachineState `json:"machines" nullable:"false"`
}

// Workshop is one workshop or training room.
type Workshop struct {
	ID     string `json:"id" doc:"实训室编号"`
	Name   string `json:"name" doc:"名称"`
	NameEN string `json:"name_en,omitempty"`
}

type boardOutput struct {
	Body Board
}

func stateOf(m *settle.Machine, floor float64) MachineState {
	u := UsageOf(m, "", floor)
	out := MachineState{
		Equipment: m.Equipment.ID, Name: m.Equipment.Name, NameEN: m.Equipment.NameEN, Workshop: m.Equipment.Workshop,
		State: "unknown", StateZh: "未知", RunningS: u.RunningS, IdleS: u.IdleS, UnknownS: u.UnknownS, OpeningS: u.OpeningS, Rate: u.Rate,
		Coverage: u.Coverage, Notes: u.Notes,
	}
	if n := len(m.Timeline); n > 0 {
		last := m.Timeline[n-1]
		since := last.Start()
		out.State, out.StateZh, out.Word, out.Since = last.State.String(), last.State.Zh(), last.Word, &since
	}
	return out
}

// lastWord adds what the machine's device said last, however long ago.
func (s *Server) lastWord(ctx context.Context, m *settle.Machine, now time.Time, out *MachineState) error {
	instant := span.Span{StartMs: now.UnixMilli(), EndMs: now.UnixMilli() + 1}
	sources := s.world().Registry.Sources(m.Base, m.Equipment.ID, registry.UseState, instant)
	if len(sources) == 0 {
		return nil
	}
	out.Device = sources[0].Device
	latest, err := s.o.Store.Latest(ctx, m.Base, out.Device)
	if err != nil {
		return err
	}
	for i := range latest {
		e := &latest[i]
		if e.Kind != telemetry.KindSample || e.Channel != sources[0].Channel {
			continue
		}
		heard := utc(e.EventMs)
		out.LastHeard, out.LastState = &heard, e.State
		for _, v := range e.Values {
			if out.LastValues == nil {
				out.LastValues = make(map[string]float64)
			}
			out.LastValues[v.Quantity] = v.Number
		}
	}
	return nil
}

// Interval is a stretch of time.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to" doc:"exclusive"`
}

// Segment is one stretch of a timeline.
type Segment struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to" doc:"exclusive"`
	Seconds  float64   `json:"seconds"`
	State    string    `json:"state" enum:"running,idle,off,fault,unknown"`
	StateZh  string    `json:"state_zh"`
	Word     string    `json:"word,omitempty"`
	Estimate string    `json:"estimate,omitempty" doc:"what an energy counter suggests about an unknown stretch; not credited"`
}

type timelineInput struct {
	Base      string    `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Equipment string    `path:"equipment" maxLength:"128" doc:"设备编号"`
	From      time.Time `query:"from" doc:"RFC 3339; default the start of to's day in Asia/Shanghai"`
	To        time.Time `query:"to" doc:"RFC 3339, exclusive; default now, and cut at now"`
}

type timelineOutput struct {
	Body struct {
		Usage    Usage      `json:"usage"`
		Opening  []Interval `json:"opening" nullable:"false" doc:"opening hours in the window 开放时间"`
		Segments []Segment  `json:"segments" nullable:"false" doc:"in order, covering the window without gap or overlap"`
	}
}

// window is what was asked for, at now.
func (in *timelineInput) window(now time.Time) (span.Span, error) {
	w := span.Span{EndMs: now.UnixMilli()}
	if !in.To.IsZero() {
		w.EndMs = min(in.To.UnixMilli(), w.EndMs)
	}
	w.StartMs = calendar.DateOf(time.UnixMilli(w.EndMs)).Span().StartMs
	if !in.From.IsZero() {
		w.StartMs = in.From.UnixMilli()
	}
	if w.Empty() {
		return w, badInput("query.from", "开始时间须早于结束时间，且不在将来", "from must be before to, and in the past")
	}
	if w.Ms() > maxDays*24*time.Hour.Milliseconds() {
		return w, badInput("query.from", fmt.Sprintf("一次最多查询 %d 天", maxDays), fmt.Sprintf("at most %d days at once", maxDays))
	}
	return w, nil
}

func (s *Server) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	window, err := in.window(s.o.Now())
	if err != nil {
		return nil, err
	}
	m, err := s.world().Settler.Machine(ctx, in.Base, in.Equipment, window)
	if err != nil {
		return nil, s.problem(err)
	}
	out := &timelineOutput{}
	out.Body.Usage = UsageOf(m, "", s.o.Floor)
	out.Body.Opening, out.Body.Segments = []Interval{}, []Segment{}
	for _, o := range m.Opening {
		out.Body.Opening = append(out.Body.Opening, Interval{From: o.Start(), To: o.End()})
	}
	for _, g := range m.Timeline {
		segment := Segment{
			From: g.Start(), To: g.End(), Seconds: seconds(g.Ms()), State: g.State.String(), StateZh: g.State.Zh(), Word: g.Word,
		}
		if g.State == usage.Unknown && g.Estimate != usage.Unknown {
			segment.Estimate = g.Estimate.String()
		}
		out.Body.Segments = append(out.Body.Segments, segment)
	}
	return out, nil
}
