package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// clueRoutes are the operations of clues. A machine raises them; named persons look into them and decide.
func (s *Server) clueRoutes() {
	get, post := http.MethodGet, http.MethodPost
	huma.Register(s.spec, operation(get, "list-clues", "/bases/{base}/clues", "Clues 疑点线索", access.ViewPeople), s.listClues)
	huma.Register(s.spec, operation(get, "clue", "/bases/{base}/clues/{key}", "One clue with its evidence and history 线索详情", access.ViewPeople), s.clue)
	huma.Register(s.spec, also(operation(post, "step-clue", "/bases/{base}/clues/{key}/steps", "Assign, investigate, decide 分派、核查、定论", access.ReviewClue), http.StatusConflict), s.stepClue)
	huma.Register(s.spec, also(operation(post, "answer-clue", "/bases/{base}/clues/{key}/answers", "What the base says 基地说明", access.AnswerClue), http.StatusConflict), s.answerClue)
	huma.Register(s.spec, operation(get, "clue-precision", "/clues/precision", "How often each rule was right 规则准确率", access.ReviewClue), s.cluePrecision)
}

type cluesInput struct {
	Base     string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	From     string `query:"from" format:"date" doc:"first day, yyyy-mm-dd, Asia/Shanghai"`
	To       string `query:"to" format:"date" doc:"last day, inclusive"`
	Rule     string `query:"rule" enum:"F1,F2,F3,F4,F5,F6,F7,F11,F12"`
	State    string `query:"state" enum:"raised,assigned,investigated,excluded,confirmed,removed,recovered,referred"`
	Severity string `query:"severity" enum:"high,medium,low"`
	Assignee string `query:"assignee" maxLength:"64" doc:"核查人账号"`
	Gone     bool   `query:"gone" doc:"those too that are not found any more 含已消失的"`
	After    string `query:"after" maxLength:"64" doc:"next of the page before"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

type cluesOutput struct {
	Body struct {
		Items []Clue `json:"items" nullable:"false"`
		Total int    `json:"total" doc:"on all pages"`
		Next  string `json:"next,omitempty" doc:"send it as after for the next page"`
	}
}

func (s *Server) listClues(ctx context.Context, in *cluesInput) (*cluesOutput, error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	list, total, err := s.o.Ledger.Clues(ctx, ledger.ClueQuery{
		Base: in.Base, From: in.From, To: in.To, Rule: clue.ID(in.Rule), State: clue.State(in.State), Severity: clue.Severity(in.Severity),
		Assignee: strings.ToLower(in.Assignee), Gone: in.Gone, After: in.After, Most: in.Limit,
	})
	if err != nil {
		return nil, s.problem(err)
	}
	out := &cluesOutput{}
	out.Body.Items, out.Body.Total = make([]Clue, len(list)), total
	for i := range list {
		out.Body.Items[i] = s.clueFor(ctx, &list[i], false)
	}
	if len(list) == in.Limit {
		out.Body.Next = list[len(list)-1].Key
	}
	return out, nil
}

// keepsLedger refuses what needs the ledger of a base that is registered.
func (s *Server) keepsLedger(base string) error {
	if err := s.knownBase(base); err != nil {
		return err
	}
	if s.o.Ledger == nil {
		return noLedger()
	}
	return nil
}

// clueFor is a clue as the caller may see it.
func (s *Server) clueFor(ctx context.Context, c *ledger.ClueRecord, whole bool) Clue {
	out := ClueOf(c, whole)
	out.within(func(base string) bool { return callerOf(ctx).May(access.ViewPeople, base) })
	return out
}

type clueInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Key  string `path:"key" maxLength:"64" doc:"线索编号"`
}

type clueOutput struct{ Body Clue }

func (s *Server) clue(ctx context.Context, in *clueInput) (*clueOutput, error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	c, err := s.o.Ledger.Clue(ctx, in.Base, in.Key)
	if err != nil {
		return nil, s.refused(err)
	}
	return &clueOutput{s.clueFor(ctx, c, true)}, nil
}

type stepClueInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Key  string `path:"key" maxLength:"64" doc:"线索编号"`
	Body struct {
		State       string   `json:"state" enum:"assigned,investigated,excluded,confirmed,removed,recovered,referred" doc:"what it shall be then"`
		Assignee    string   `json:"assignee,omitempty" maxLength:"64" doc:"account of who shall investigate 核查人账号"`
		Finding     string   `json:"finding,omitempty" enum:"excluded,confirmed" doc:"what the investigator proposes 核查结论"`
		Reason      string   `json:"reason,omitempty" maxLength:"500" doc:"required of every step but the first 理由"`
		Attachments []string `json:"attachments,omitempty" nullable:"false" maxItems:"20" doc:"references to documents, such as work orders 附件编号"`
	}
}

func (s *Server) stepClue(ctx context.Context, in *stepClueInput) (*clueOutput, error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	by, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	step := clue.Step{
		AtMs: s.o.Now().UnixMilli(), By: by, To: clue.State(b.State), Assignee: b.Assignee, Finding: clue.State(b.Finding), Reason: b.Reason,
		Attachments: b.Attachments,
	}
	if step.To == clue.Assigned {
		if err := s.investigates(ctx, in.Base, b.Assignee); err != nil {
			return nil, err
		}
	}
	err = s.record(ctx, access.Entry{
		Action: access.ActClue, Object: in.Key, Base: in.Base, Reason: b.Reason,
		Detail: map[string]any{"state": b.State, "assignee": b.Assignee, "finding": b.Finding},
	})
	if err != nil {
		return nil, err
	}
	c, err := s.o.Ledger.StepClue(ctx, in.Base, in.Key, step)
	if err != nil {
		return nil, s.refused(err)
	}
	return &clueOutput{s.clueFor(ctx, c, true)}, nil
}

// investigates refuses an assignee who could not do anything with the clue.
func (s *Server) investigates(ctx context.Context, base, name string) error {
	if s.o.Access == nil {
		return nil
	}
	cannot := badInput("body.assignee", "该账号不存在、已停用，或无权核查本基地的线索", "no such account, or it is disabled, or it may not review clues of this base")
	account, err := s.o.Access.Account(ctx, strings.ToLower(strings.TrimSpace(name)))
	switch {
	case errors.Is(err, access.ErrUnknown):
		return cannot
	case err != nil:
		return s.accessProblem(err)
	case account.Disabled || !(&access.Principal{Grants: account.Grants}).May(access.ReviewClue, base):
		return cannot
	}
	return nil
}

type answerClueInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Key  string `path:"key" maxLength:"64" doc:"线索编号"`
	Body struct {
		Text string `json:"text" minLength:"1" maxLength:"500" doc:"说明"`
	}
}

func (s *Server) answerClue(ctx context.Context, in *answerClueInput) (*clueOutput, error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	by, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.record(ctx, access.Entry{Action: access.ActClueAnswer, Object: in.Key, Base: in.Base}); err != nil {
		return nil, err
	}
	c, err := s.o.Ledger.AnswerClue(ctx, in.Key, ledger.ClueAnswer{Base: in.Base, By: by, AtMs: s.o.Now().UnixMilli(), Text: in.Body.Text})
	if err != nil {
		return nil, s.refused(err)
	}
	return &clueOutput{s.clueFor(ctx, c, true)}, nil
}

// CluePrecision is how often a rule was right, by what people decided.
type CluePrecision struct {
	Rule      string   `json:"rule"`
	Title     string   `json:"title"`
	TitleEN   string   `json:"title_en"`
	Version   int      `json:"version"`
	Confirmed int      `json:"confirmed" doc:"属实"`
	Excluded  int      `json:"excluded" doc:"排除"`
	Open      int      `json:"open" doc:"未定论"`
	Precision *float64 `json:"precision" doc:"confirmed ÷ (confirmed + excluded); null before anything was decided"`
	Low       float64  `json:"low" doc:"Wilson interval at 95 %"`
	High      float64  `json:"high"`
}

func (s *Server) cluePrecision(ctx context.Context, _ *struct{}) (*list[CluePrecision], error) {
	if s.o.Ledger == nil {
		return nil, noLedger()
	}
	outcomes, err := s.o.Ledger.Outcomes(ctx)
	if err != nil {
		return nil, s.problem(err)
	}
	var out []CluePrecision
	for _, p := range clue.Precisions(outcomes) {
		title := titleOf(p.Rule)
		out = append(out, CluePrecision{
			Rule: string(p.Rule), Title: title.Zh, TitleEN: title.En, Version: p.Version, Confirmed: p.Confirmed, Excluded: p.Excluded, Open: p.Open,
			Precision: p.Value, Low: p.Low, High: p.High,
		})
	}
	return listOf(out), nil
}
