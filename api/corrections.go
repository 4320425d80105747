package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// maxCorrection bounds the body of a request, in bytes: an attachment of 5 MiB in base64 and the rest.
const maxCorrection = 8 << 20

// correctionRoutes are the operations of corrections (补录/更正). Who asks does not decide, and so the steps of the two are operations of
// their own.
func (s *Server) correctionRoutes() {
	const root = "/bases/{base}/corrections"
	get := func(id, path, summary string) huma.Operation {
		return operation(http.MethodGet, id, root+path, summary, access.ViewPeople)
	}
	huma.Register(s.spec, get("list-corrections", "", "Corrections 更正申请"), s.listCorrections)
	huma.Register(s.spec, get("correction", "/{number}", "One correction 更正详情"), s.correction)
	huma.Register(s.spec, get("correction-preview", "/{number}/preview", "What a correction does to the hours 更正预览"), s.previewCorrection)
	huma.Register(s.spec, get("correction-attachment", "/{number}/attachment", "What was attached 附件"), s.correctionAttachment)
	request := operation(http.MethodPost, "request-correction", root, "Ask for a correction 申请更正", access.RequestCorrection)
	request.MaxBodyBytes = maxCorrection
	huma.Register(s.spec, request, s.requestCorrection)
	for _, step := range []struct {
		id, summary string
		state       ledger.CorrectionState
		permission  access.Permission
	}{
		{"submit", "Hand a draft in 提交", ledger.CorrectionSubmitted, access.RequestCorrection},
		{"withdraw", "Take one's own request back 撤回", ledger.CorrectionWithdrawn, access.RequestCorrection},
		{"approve", "Approve another's request 批准", ledger.CorrectionApproved, access.ApproveCorrection},
		{"reject", "Reject another's request 驳回", ledger.CorrectionRejected, access.ApproveCorrection},
		{"revoke", "Take back what was approved 撤销批准", ledger.CorrectionWithdrawn, access.ApproveCorrection},
	} {
		op := operation(http.MethodPost, step.id+"-correction", root+"/{number}/"+step.id, step.summary, step.permission)
		huma.Register(s.spec, also(op, http.StatusConflict), s.stepCorrection(step.state, step.id))
	}
}

// Correction is a request to correct one trainee's lesson, and what became of it.
type Correction struct {
	Number     int64            `json:"number"`
	Base       string           `json:"base"`
	Session    string           `json:"session"`
	Person     string           `json:"person"`
	Kind       string           `json:"kind" enum:"grant,exclude,presence" doc:"补录、剔除、更正在场"`
	From       string           `json:"from" format:"date-time"`
	To         string           `json:"to" format:"date-time" doc:"exclusive"`
	Reason     string           `json:"reason"`
	By         string           `json:"by" doc:"申请人"`
	At         string           `json:"at" format:"date-time"`
	State      string           `json:"state" enum:"draft,submitted,approved,rejected,withdrawn"`
	StateZh    string           `json:"state_zh"`
	Attachment *CorrectionFile  `json:"attachment,omitempty"`
	Steps      []CorrectionStep `json:"steps" nullable:"false"`
}

// CorrectionFile names an attachment.
type CorrectionFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int    `json:"bytes"`
}

// CorrectionStep is what somebody did.
type CorrectionStep struct {
	State      string `json:"state"`
	StateZh    string `json:"state_zh"`
	By         string `json:"by"`
	At         string `json:"at" format:"date-time"`
	Note       string `json:"note,omitempty"`
	Supplement bool   `json:"supplement,omitempty" doc:"after the seal of its period 补充分录"`
}

func correctionOf(c *ledger.Correction) Correction {
	out := Correction{
		Number: c.Number, Base: c.Base, Session: c.Session, Person: c.Person, Kind: string(c.Kind), From: instant(c.Span.StartMs), To: instant(c.Span.EndMs),
		Reason: c.Reason, By: c.By, At: instant(c.AtMs), State: string(c.State()), StateZh: c.State().Zh(), Steps: []CorrectionStep{},
	}
	if a := c.Attachment; a != nil {
		out.Attachment = &CorrectionFile{a.Name, a.SHA256, a.Size}
	}
	for _, x := range c.Steps {
		out.Steps = append(out.Steps, CorrectionStep{string(x.State), x.State.Zh(), x.By, instant(x.AtMs), x.Note, x.Supplement})
	}
	return out
}

type correctionsInput struct {
	Base  string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	State string `query:"state" enum:"draft,submitted,approved,rejected,withdrawn"`
	After int64  `query:"after" minimum:"0" doc:"number to go on from, exclusive"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func (s *Server) listCorrections(ctx context.Context, in *correctionsInput) (*list[Correction], error) {
	if err := s.keepsLedger(in.Base); err != nil {
		return nil, err
	}
	all, err := s.o.Ledger.Corrections(ctx, ledger.CorrectionQuery{Base: in.Base, State: ledger.CorrectionState(in.State)})
	if err != nil {
		return nil, s.problem(err)
	}
	var out []Correction
	for i := range all {
		if all[i].Number > in.After && len(out) < in.Limit {
			out = append(out, correctionOf(&all[i]))
		}
	}
	return listOf(out), nil
}

type requestCorrectionInput struct {
	Base string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Body struct {
		Session    string    `json:"session" minLength:"1" maxLength:"64" doc:"课次编号"`
		Person     string    `json:"person" minLength:"1" maxLength:"64" doc:"学员编号"`
		Kind       string    `json:"kind" enum:"grant,exclude,presence" doc:"补录、剔除、更正在场"`
		From       time.Time `json:"from" doc:"inside the lesson"`
		To         time.Time `json:"to" doc:"exclusive"`
		Reason     string    `json:"reason" minLength:"1" maxLength:"500" doc:"原因"`
		Draft      bool      `json:"draft,omitempty" doc:"do not hand it in yet 只存草稿"`
		Attachment *struct {
			Name string `json:"name" minLength:"1" maxLength:"200"`
			Data []byte `json:"data" doc:"base64, at most 5 MiB"`
		} `json:"attachment,omitempty"`
	}
}

type correctionOutput struct{ Body Correction }

// desk refuses what needs corrections of a base that is registered, and says who acts.
func (s *Server) desk(ctx context.Context, base string) (by string, err error) {
	if err := s.keepsLedger(base); err != nil {
		return "", err
	}
	if s.o.Corrections == nil {
		return "", noLedger()
	}
	return s.actor(ctx)
}

func (s *Server) requestCorrection(ctx context.Context, in *requestCorrectionInput) (*correctionOutput, error) {
	by, err := s.desk(ctx, in.Base)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	c := ledger.Correction{
		Base: in.Base, Session: b.Session, Person: b.Person, Kind: ledger.CorrectionKind(b.Kind), Reason: b.Reason, By: by,
		Span: span.Span{StartMs: b.From.UnixMilli(), EndMs: b.To.UnixMilli()},
	}
	if b.Attachment != nil {
		c.Attachment = &ledger.Attachment{Name: b.Attachment.Name, Content: b.Attachment.Data}
	}
	entry := access.Entry{Action: access.ActCorrection, Object: "request " + b.Session, Base: in.Base, Reason: b.Reason, Detail: map[string]any{"person": b.Person, "kind": b.Kind}}
	if err := s.record(ctx, entry); err != nil {
		return nil, err
	}
	number, err := s.o.Corrections.Request(ctx, c)
	if err != nil {
		return nil, s.refused(err)
	}
	if !b.Draft {
		if _, err := s.o.Ledger.StepCorrection(ctx, number, ledger.CorrectionStep{State: ledger.CorrectionSubmitted, By: by, AtMs: s.o.Now().UnixMilli()}); err != nil {
			return nil, s.refused(err)
		}
	}
	return s.correction(ctx, &correctionInput{in.Base, number})
}

type correctionInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Number int64  `path:"number" minimum:"1" doc:"申请号"`
}

func (s *Server) correction(ctx context.Context, in *correctionInput) (*correctionOutput, error) {
	c, err := s.correctionAt(ctx, in.Base, in.Number)
	if err != nil {
		return nil, err
	}
	return &correctionOutput{correctionOf(c)}, nil
}

// correctionAt is a correction of the base; another base's is as one that never was.
func (s *Server) correctionAt(ctx context.Context, base string, number int64) (*ledger.Correction, error) {
	if err := s.keepsLedger(base); err != nil {
		return nil, err
	}
	c, err := s.o.Ledger.Correction(ctx, number)
	if err == nil && c.Base != base {
		err = fmt.Errorf("correction %d: %w", number, ledger.ErrNoCorrection)
	}
	if err != nil {
		return nil, s.refused(err)
	}
	return c, nil
}

func (s *Server) correctionAttachment(ctx context.Context, in *correctionInput) (*templateOutput, error) {
	if _, err := s.correctionAt(ctx, in.Base, in.Number); err != nil {
		return nil, err
	}
	a, err := s.o.Ledger.CorrectionAttachment(ctx, in.Number)
	if err != nil {
		return nil, s.refused(err)
	}
	return &templateOutput{FileOut{a.Name, "application/octet-stream", a.Content}}, nil
}

// CorrectionEffect is what a correction does to one day of a trainee's lesson.
type CorrectionEffect struct {
	Day  string            `json:"day" format:"date"`
	Now  CorrectionOutcome `json:"now" doc:"without it, with the other approved ones"`
	Then CorrectionOutcome `json:"then" doc:"with it"`
}

// CorrectionOutcome is a lesson's hours on that day.
type CorrectionOutcome struct {
	VerifiedS float64 `json:"verified_s" doc:"核验"`
	PendingS  float64 `json:"pending_s" doc:"待人工核验"`
	GrantedS  float64 `json:"granted_s" doc:"补录"`
	DayUnits  float64 `json:"day_units" doc:"学时 of the whole trainee-day"`
}

func outcomeOf(o *settle.Outcome) CorrectionOutcome {
	v := &o.Verdict
	return CorrectionOutcome{seconds(v.VerifiedMs), seconds(v.PendingMs), seconds(v.GrantedMs), float64(o.HalfUnits) / 2}
}

func (s *Server) previewCorrection(ctx context.Context, in *correctionInput) (*list[CorrectionEffect], error) {
	if _, err := s.correctionAt(ctx, in.Base, in.Number); err != nil {
		return nil, err
	}
	if s.o.Corrections == nil {
		return nil, noLedger()
	}
	effects, err := s.o.Corrections.Preview(ctx, in.Number)
	if err != nil {
		return nil, s.refused(err)
	}
	var out []CorrectionEffect
	for i := range effects {
		e := &effects[i]
		out = append(out, CorrectionEffect{e.Day.String(), outcomeOf(&e.Now), outcomeOf(&e.Then)})
	}
	return listOf(out), nil
}

type stepCorrectionInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Number int64  `path:"number" minimum:"1" doc:"申请号"`
	Body   struct {
		Note       string `json:"note,omitempty" maxLength:"500" doc:"why; required of who rejects or revokes 说明"`
		Supplement bool   `json:"supplement,omitempty" doc:"the period is sealed: let it count as a supplementary entry 期间已封存，作为补充分录"`
	}
}

// stepCorrection takes a correction to a state.
func (s *Server) stepCorrection(to ledger.CorrectionState, name string) func(context.Context, *stepCorrectionInput) (*correctionOutput, error) {
	return func(ctx context.Context, in *stepCorrectionInput) (*correctionOutput, error) {
		by, err := s.desk(ctx, in.Base)
		if err != nil {
			return nil, err
		}
		was, err := s.correctionAt(ctx, in.Base, in.Number)
		if err != nil {
			return nil, err
		}
		if name == "withdraw" && was.By != by {
			return nil, s.refused(fmt.Errorf("correction %d: %w", in.Number, ledger.ErrNotMaker)) // taking back what was approved is revoke's
		}
		entry := access.Entry{Action: access.ActCorrection, Object: fmt.Sprintf("%s %d", name, in.Number), Base: in.Base, Reason: in.Body.Note}
		if err := s.record(ctx, entry); err != nil {
			return nil, err
		}
		c, err := s.o.Ledger.StepCorrection(ctx, in.Number, ledger.CorrectionStep{
			State: to, By: by, AtMs: s.o.Now().UnixMilli(), Note: in.Body.Note, Supplement: in.Body.Supplement,
		})
		if err != nil {
			return nil, s.refused(err)
		}
		return &correctionOutput{correctionOf(c)}, nil
	}
}
