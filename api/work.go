package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/clue"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/settle"
)

// actor is the account of the person who calls. What somebody answers for is done by account and not by token: a token of the same
// account is the same person, who cannot check their own work. A service without accounts knows nobody.
func (s *Server) actor(ctx context.Context) (string, error) {
	c := callerOf(ctx)
	if c.Open() || c.Account == "" {
		return "", huma.Error403Forbidden("须由具名人员办理：请先建立账号 (a named person must do it: make accounts first)")
	}
	return c.Account, nil
}

// record writes what is about to be done into the audit log; what cannot be written is not done.
func (s *Server) record(ctx context.Context, e access.Entry) error {
	if s.o.Access == nil {
		return nil
	}
	e.Actor = callerOf(ctx).Actor()
	if err := s.o.Access.Record(ctx, e); err != nil {
		return s.accessProblem(err)
	}
	return nil
}

// noLedger is the answer of a service that keeps none.
func noLedger() error {
	return huma.Error404NotFound("本服务没有台账 (this service keeps no ledger)")
}

// work is the map from what the workflow refuses to what a user is told, by status.
var work = []struct {
	status int
	errs   []error
}{
	{http.StatusNotFound, []error{ledger.ErrNoClue, ledger.ErrNoCorrection, settle.ErrUnknownBase, identity.ErrUnknown, identity.ErrPurged}},
	{http.StatusUnprocessableEntity, []error{
		ledger.ErrText, ledger.ErrKind, ledger.ErrSpan, ledger.ErrAttachment, settle.ErrNoLesson, settle.ErrNoTrainee, settle.ErrOutside,
		settle.ErrPeriod, settle.ErrUnknownBridge, identity.ErrReason,
	}},
	{http.StatusConflict, []error{
		clue.ErrStep, ledger.ErrClueAnswerer, ledger.ErrManyAnswers, ledger.ErrMakerIsChecker, ledger.ErrNotMaker, ledger.ErrCorrectionStep,
		ledger.ErrPeriodSealed, ledger.ErrNotSupplement, ledger.ErrNotFinal, settle.ErrNotOver, settle.ErrProvisional, settle.ErrNotFrozen,
		calendar.ErrUnpublished,
	}},
}

// refused says why something was not done: what the workflow does not allow, or what went wrong.
func (s *Server) refused(err error) error {
	for _, row := range work {
		for _, known := range row.errs {
			if errors.Is(err, known) {
				return huma.NewError(row.status, "未办理 not done: "+err.Error())
			}
		}
	}
	return s.problem(err)
}

// Unmasked is who a person is.
type Unmasked struct {
	Person   string `json:"person"`
	Name     string `json:"name" doc:"姓名"`
	IDNumber string `json:"id_number" doc:"证件号码"`
	Phone    string `json:"phone" doc:"手机"`
}

type unmaskInput struct {
	Base   string `path:"base" maxLength:"64" doc:"Code of the base 基地编码"`
	Person string `path:"person" maxLength:"64" doc:"人员编号"`
	Body   struct {
		Reason string `json:"reason" minLength:"2" maxLength:"500" doc:"why; it is kept, so it names nobody 原因（长期保存，不要写姓名）"`
	}
}

type unmaskOutput struct{ Body Unmasked }

// unmask shows who a person is. The desk writes the look into the audit log, and shows nothing when it cannot.
func (s *Server) unmask(ctx context.Context, in *unmaskInput) (*unmaskOutput, error) {
	if err := s.knownBase(in.Base); err != nil {
		return nil, err
	}
	if _, err := s.actor(ctx); err != nil {
		return nil, err
	}
	if s.o.Identities == nil {
		return nil, noLedger()
	}
	desk, err := s.o.Identities(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, huma.Error404NotFound("还没有任何身份信息 (there are no identities yet)")
	}
	if err != nil {
		return nil, s.refused(err)
	}
	r, err := desk.Unmask(ctx, identity.Act{Who: callerOf(ctx).Actor(), Base: in.Base, Person: in.Person, Reason: in.Body.Reason})
	if err != nil {
		return nil, s.refused(err)
	}
	return &unmaskOutput{Unmasked{Person: in.Person, Name: r.Name, IDNumber: r.IDNumber, Phone: r.Phone}}, nil
}
