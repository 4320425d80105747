package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// CorrectionKind is what a correction asks for.
type CorrectionKind string

// The kinds of correction.
const (
	// CorrectGrant credits the stretch as verified (补录).
	CorrectGrant CorrectionKind = "grant"
	// CorrectExclude refuses the stretch (剔除).
	CorrectExclude CorrectionKind = "exclude"
	// CorrectPresence says that the person was there (更正在场): what then counts of the stretch is what the stations prove.
	CorrectPresence CorrectionKind = "presence"
)

// CorrectionState is how far a correction has come.
type CorrectionState string

// The states. A rejected or withdrawn correction stays as it is: who wants another one asks anew.
const (
	CorrectionDraft     CorrectionState = "draft"     // 草稿
	CorrectionSubmitted CorrectionState = "submitted" // 已提交
	CorrectionApproved  CorrectionState = "approved"  // 已批准
	CorrectionRejected  CorrectionState = "rejected"  // 已驳回
	CorrectionWithdrawn CorrectionState = "withdrawn" // 已撤回
)

// Zh returns the state's Chinese name.
func (s CorrectionState) Zh() string {
	switch s {
	case CorrectionDraft:
		return "草稿"
	case CorrectionSubmitted:
		return "已提交"
	case CorrectionApproved:
		return "已批准"
	case CorrectionRejected:
		return "已驳回"
	case CorrectionWithdrawn:
		return "已撤回"
	}
	return string(s)
}

// MaxAttachment is how large an attachment may be, in bytes.
const MaxAttachment = 5 << 20

const maxAttachmentName = 255 // bytes

// Errors of corrections. They are told with the correction's number where it has one.
var (
	ErrNoCorrection   = errors.New("没有此更正申请 / there is no such correction")
	ErrMakerIsChecker = errors.New("申请人不得审批自己的申请，请由他人处理 / who asked cannot decide, let another person do it")
	ErrNotMaker       = errors.New("只有申请人可以提交或撤回未决的申请 / only who asked can submit it, or withdraw it before it is decided")
	ErrCorrectionStep = errors.New("当前状态不允许此操作 / the correction's state does not allow this")
	ErrPeriodSealed   = errors.New("所属期间已封存：封存数不变，如仍需批准请明确作为补充分录 / the period is sealed: its figures stay; approve it as a supplementary entry if it is to count")
	ErrNotSupplement  = errors.New("所属期间未封存，无需作为补充分录 / the period is not sealed, so this is no supplementary entry")
	ErrAttachment     = errors.New("附件应为 1 字节至 5 MiB，文件名不含路径 / want an attachment of 1 byte to 5 MiB, its name without a path")
	ErrKind           = errors.New("类型应为 grant（补录）、exclude（剔除）或 presence（在场） / want grant, exclude or presence")
	ErrSpan           = errors.New("时段的结束应晚于开始 / want a span that ends after it starts")
)

// Attachment is a file that shows why a correction is asked for.
type Attachment struct {
	Name    string
	SHA256  string // hex; set by RequestCorrection
	Size    int    // bytes; set by RequestCorrection
	Content []byte // nil where corrections are listed
}

// Correction is a request to correct one trainee's lesson, and what became of it.
type Correction struct {
	Number                int64 // from 1; set by RequestCorrection
	Base, Session, Person string
	Kind                  CorrectionKind
	Span                  span.Span
	Reason                string
	By                    string // who asked: an account
	AtMs                  int64
	Attachment            *Attachment // nil without one
	Steps                 []CorrectionStep
}

// CorrectionStep is what somebody did to a correction.
type CorrectionStep struct {
	State CorrectionState
	By    string
	AtMs  int64
	Note  string // why; wanted of who rejects, and of who withdraws what was approved
	// Supplement says that an approval came after the seal of its period.
	Supplement bool
}

// State is the correction's state.
func (c *Correction) State() CorrectionState {
	if len(c.Steps) == 0 {
		return ""
	}
	return c.Steps[len(c.Steps)-1].State
}

// Days returns the first and the last day (yyyy-mm-dd) that the correction's stretch touches.
func (c *Correction) Days() (from, to string) {
	return calendar.DateOf(c.Span.Start()).String(), calendar.DateOf(c.Span.End().Add(-1)).String()
}

// RequestCorrection keeps a request as a draft and returns its number. It does not look whether there is such a lesson: who
// calls it does.
func (l *Ledger) RequestCorrection(ctx context.Context, c Correction) (number int64, err error) {
	if err := c.check(); err != nil {
		return 0, fmt.Errorf("request correction: %w", err)
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("request correction: %w", err)
	}
	if number, err = insertCorrection(ctx, tx, &c); err != nil {
		return 0, errors.Join(fmt.Errorf("request correction: %w", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("request correction: %w", err)
	}
	return number, nil
}

// check refuses what cannot be kept, all of it at once, and writes the account as it is compared.
func (c *Correction) check() error {
	var errs []error
	var err error
	c.By, err = account(c.By)
	errs = append(errs, err, checkText("原因 reason", c.Reason, maxReason))
	for _, f := range [][2]string{{"基地 base", c.Base}, {"课次 session", c.Session}, {"学员 person", c.Person}} {
		errs = append(errs, checkText(f[0], f[1], maxAttachmentName))
	}
	if c.Kind != CorrectGrant && c.Kind != CorrectExclude && c.Kind != CorrectPresence {
		errs = append(errs, fmt.Errorf("类型 kind %q: %w", c.Kind, ErrKind))
	}
	if c.Span.Empty() {
		errs = append(errs, fmt.Errorf("时段 span: %w", ErrSpan))
	}
	if a := c.Attachment; a != nil {
		name := strings.ReplaceAll(a.Name, `\`, "/")
		if len(a.Content) == 0 || len(a.Content) > MaxAttachment || path.Base(name) != a.Name || a.Name == ".." || a.Name == "." {
			errs = append(errs, fmt.Errorf("附件 attachment %q, %d bytes: %w", path.Base(name), len(a.Content), ErrAttachment))
		}
		errs = append(errs, checkText("附件名 attachment name", a.Name, maxAttachmentName))
	}
	return errors.Join(errs...)
}

func insertCorrection(ctx context.Context, tx *sql.Tx, c *Correction) (int64, error) {
	done, err := tx.ExecContext(ctx, `INSERT INTO correction (base, session, person, kind, start_ms, end_ms, reason, by_account, at_ms)
		VALUES (?,?,?,?,?,?,?,?,?)`, c.Base, c.Session, c.Person, c.Kind, c.Span.StartMs, c.Span.EndMs, c.Reason, c.By, c.AtMs)
	if err != nil {
		return 0, err
	}
	number, err := done.LastInsertId()
	if err != nil {
		return 0, err
	}
	if a := c.Attachment; a != nil {
		sum := sha256.Sum256(a.Content)
		_, err := tx.ExecContext(ctx, `INSERT INTO correction_attachment (number, name, sha256, size, content) VALUES (?,?,?,?,?)`,
			number, a.Name, hex.EncodeToString(sum[:]), len(a.Content), a.Content)
		if err != nil {
			return 0, err
		}
	}
	return number, insertStep(ctx, tx, number, 1, CorrectionStep{State: CorrectionDraft, By: c.By, AtMs: c.AtMs})
}

func insertStep(ctx context.Context, tx *sql.Tx, number int64, step int, s CorrectionStep) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO correction_step (number, step, state, by_account, at_ms, note, supplement) VALUES (?,?,?,?,?,?,?)`,
		number, step, s.State, s.By, s.AtMs, s.Note, s.Supplement)
	return err
}

// StepCorrection takes a correction a step on, and returns what it is then. Who asked submits it, and may withdraw it while it is
// not decided; another person approves or rejects it, or withdraws what was approved, and says why. After the seal of its period
// an approval or its withdrawal wants Supplement, and appears as a supplementary entry only.
func (l *Ledger) StepCorrection(ctx context.Context, number int64, s CorrectionStep) (*Correction, error) {
	var err error
	if s.By, err = account(s.By); err != nil {
		return nil, fmt.Errorf("correction %d: %w", number, err)
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("correction %d: %w", number, err)
	}
	c, err := stepCorrection(ctx, tx, number, s)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("correction %d: %w", number, err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("correction %d: %w", number, err)
	}
	return c, nil
}

func stepCorrection(ctx context.Context, tx *sql.Tx, number int64, s CorrectionStep) (*Correction, error) {
	c, err := correctionOf(ctx, tx, number)
	if err != nil {
		return nil, err
	}
	if err := c.allows(s); err != nil {
		return nil, err
	}
	from, to := c.Days()
	period, err := sealedPeriod(ctx, tx, c.Base, from, to)
	if err != nil {
		return nil, err
	}
	effect := s.State == CorrectionApproved || c.State() == CorrectionApproved // it changes figures
	switch {
	case effect && period != "" && !s.Supplement:
		return nil, fmt.Errorf("%s: %w", period, ErrPeriodSealed)
	case s.Supplement && (period == "" || !effect):
		return nil, ErrNotSupplement
	}
	if err := insertStep(ctx, tx, number, len(c.Steps)+1, s); err != nil {
		return nil, err
	}
	c.Steps = append(c.Steps, s)
	return c, nil
}

// allows says who may take which step from where. The tables hold the same.
func (c *Correction) allows(s CorrectionStep) error {
	from, maker := c.State(), s.By == c.By
	wrong := fmt.Errorf("%s → %s: %w", from.Zh(), s.State.Zh(), ErrCorrectionStep)
	decides := false
	switch s.State {
	case CorrectionSubmitted:
		if from != CorrectionDraft {
			return wrong
		}
	case CorrectionApproved, CorrectionRejected:
		if from != CorrectionSubmitted {
			return wrong
		}
		decides = true
	case CorrectionWithdrawn:
		if from != CorrectionDraft && from != CorrectionSubmitted && from != CorrectionApproved {
			return wrong
		}
		decides = from == CorrectionApproved
	case CorrectionDraft:
		return wrong
	default:
		return wrong
	}
	switch {
	case decides && maker:
		return ErrMakerIsChecker
	case !decides && !maker:
		return ErrNotMaker
	case decides && s.State != CorrectionApproved || s.Note != "":
		return checkText("说明 note", s.Note, maxReason)
	}
	return nil
}
