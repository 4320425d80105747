package api

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
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
	Rate       *float64           `json:"rate" doc:"使用率(日历) today so far; null when withheld"`
	Coverage   float64            `json:"coverage" doc:"数据完整率 today so far"`
	Device     string             `json:"device,omitempty" doc:"the device that decides the state"`
	LastHeard  *time.Time         `json:"last_heard,omitempty" doc:"event time of the last word of that device's channel"`
	LastState  string             `json:"last_state,omitempty"`
	LastValues map[string]float64 `json:"last_values,omitempty" doc:"the meter's last word"`
	Notes      []string           `json:"notes,omitempty"`
}

// Board is what every machine of a base is doing at one instant.
type Board struct {
	Base     string         `json:"base"`
	Name     string         `json:"name"`
	NameEN   string         `json:"name_en,omitempty"`
	Now      time.Time      `json:"now"`
	Machines []MachineState `json:"machines" nullable:"false"`
}

type boardOutput struct {
	Body Board
}

// boards shares one computed board among all that ask within its time to live: what many browsers poll is derived once.
type boards struct {
	mu     sync.Mutex // guards byBase
	byBase map[string]*sharedBoard
}

type sharedBoard struct {
	mu    sync.Mutex // guards the rest; held while the board is computed, so that others wait for the same one
	board *Board
}

// boardTTL is how old a shared board may be.
const boardTTL = time.Second

func (b *boards) of(base string) *sharedBoard {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byBase == nil {
		b.byBase = make(map[string]*sharedBoard)
	}
	shared := b.byBase[base]
	if shared == nil {
		shared = &sharedBoard{}
		b.byBase[base] = shared
	}
	return shared
}

func (s *Server) stateNow(ctx context.Context, in *baseInput) (*boardOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	shared := s.now.of(in.Base)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	now := s.o.Now()
	if shared.board == nil || now.Sub(shared.board.Now) >= boardTTL {
		board, err := s.board(ctx, in.Base, now)
		if err != nil {
			return nil, s.problem(err)
		}
		shared.board = board
	}
	return &boardOutput{Body: *shared.board}, nil
}

func (s *Server) board(ctx context.Context, base string, now time.Time) (*Board, error) {
	b, _ := s.o.Registry.Base(base)
	machines, err := s.o.Settler.Machines(ctx, base, settle.Window(calendar.DateOf(now), now.UnixMilli()))
	if err != nil {
		return nil, err
	}
	board := &Board{Base: base, Name: b.Name, NameEN: b.NameEN, Now: now.UTC(), Machines: []MachineState{}}
	for _, m := range machines {
		state := stateOf(m, s.o.Floor)
		if err := s.lastWord(ctx, m, now, &state); err != nil {
			return nil, err
		}
		board.Machines = append(board.Machines, state)
	}
	return board, nil
}

func stateOf(m *settle.Machine, floor float64) MachineState {
	u := UsageOf(m, "", floor)
	out := MachineState{
		Equipment: m.Equipment.ID, Name: m.Equipment.Name, NameEN: m.Equipment.NameEN, Workshop: m.Equipment.Workshop,
		State: "unknown", StateZh: "未知", RunningS: u.RunningS, IdleS: u.IdleS, UnknownS: u.UnknownS, Rate: u.Rate,
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
	sources := s.o.Registry.Sources(m.Base, m.Equipment.ID, registry.UseState, instant)
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
	baseInput
	Equipment string    `path:"equipment" maxLength:"128"`
	From      time.Time `query:"from" doc:"RFC 3339; default the start of today"`
	To        time.Time `query:"to" doc:"RFC 3339, exclusive; default now"`
}

type timelineOutput struct {
	Body struct {
		Usage    Usage     `json:"usage"`
		Segments []Segment `json:"segments" nullable:"false"`
	}
}

func (s *Server) timeline(ctx context.Context, in *timelineInput) (*timelineOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	now := s.o.Now()
	window := settle.Window(calendar.DateOf(now), now.UnixMilli())
	if !in.From.IsZero() {
		window.StartMs = in.From.UnixMilli()
	}
	if !in.To.IsZero() {
		window.EndMs = min(in.To.UnixMilli(), now.UnixMilli())
	}
	if window.Empty() {
		return nil, badInput("query.to", "结束时间须晚于开始时间且不在将来", "to must be after from, and from in the past")
	}
	if window.Ms() > maxDays*24*int64(time.Hour/time.Millisecond) {
		return nil, badInput("query.from", fmt.Sprintf("一次最多查询 %d 天", maxDays), fmt.Sprintf("at most %d days at once", maxDays))
	}
	m, err := s.o.Settler.Machine(ctx, in.Base, in.Equipment, window)
	if err != nil {
		return nil, s.problem(err)
	}
	out := &timelineOutput{}
	out.Body.Usage = UsageOf(m, "", s.o.Floor)
	out.Body.Segments = []Segment{}
	for _, g := range m.Timeline {
		segment := Segment{
			From: g.Start(), To: g.End(), Seconds: seconds(g.Ms()), State: g.State.String(), StateZh: g.State.Zh(), Word: g.Word,
		}
		if g.State == 0 && g.Estimate != 0 {
			segment.Estimate = g.Estimate.String()
		}
		out.Body.Segments = append(out.Body.Segments, segment)
	}
	return out, nil
}
