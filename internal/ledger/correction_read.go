package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/span"
)

// CorrectionQuery selects corrections.
type CorrectionQuery struct {
	Base   string          // required
	State  CorrectionState // "" is every state
	Window span.Span       // those whose stretch touches it; empty is all of time
}

// Corrections returns the corrections that the query selects, in order of number, without the content of attachments.
func (l *Ledger) Corrections(ctx context.Context, q CorrectionQuery) ([]Correction, error) {
	if q.Window.Empty() {
		q.Window = span.Span{StartMs: -1 << 62, EndMs: 1 << 62}
	}
	all, err := correctionsOf(ctx, l.db, `c.base = ? AND c.start_ms < ? AND c.end_ms > ?`, q.Base, q.Window.EndMs, q.Window.StartMs)
	if err != nil {
		return nil, err
	}
	var out []Correction
	for i := range all {
		if q.State == "" || all[i].State() == q.State {
			out = append(out, all[i])
		}
	}
	return out, nil
}

// Correction returns one correction, without the content of its attachment. The error is ErrNoCorrection.
func (l *Ledger) Correction(ctx context.Context, number int64) (*Correction, error) {
	c, err := correctionOf(ctx, l.db, number)
	if err != nil {
		return nil, fmt.Errorf("correction %d: %w", number, err)
	}
	return c, nil
}

// CorrectionAttachment returns the attachment of a correction with its content. The error is ErrNoCorrection when there is none,
// and ErrAltered when it is not what was attached.
func (l *Ledger) CorrectionAttachment(ctx context.Context, number int64) (*Attachment, error) {
	var a Attachment
	err := l.db.QueryRowContext(ctx, `SELECT name, sha256, size, content FROM correction_attachment WHERE number = ?`, number).
		Scan(&a.Name, &a.SHA256, &a.Size, &a.Content)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoCorrection
	}
	if sum := sha256.Sum256(a.Content); err == nil && hex.EncodeToString(sum[:]) != a.SHA256 {
		err = ErrAltered
	}
	if err != nil {
		return nil, fmt.Errorf("attachment of correction %d: %w", number, err)
	}
	return &a, nil
}

func correctionOf(ctx context.Context, q queryer, number int64) (*Correction, error) {
	list, err := correctionsOf(ctx, q, `c.number = ?`, number)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, ErrNoCorrection
	}
	return &list[0], nil
}

// correctionsOf reads corrections with their steps: one row for each step.
func correctionsOf(ctx context.Context, q queryer, where string, args ...any) (out []Correction, err error) {
	rows, err := q.QueryContext(ctx, `SELECT c.number, c.base, c.session, c.person, c.kind, c.start_ms, c.end_ms, c.reason, c.by_account, c.at_ms,
			a.name, a.sha256, a.size, s.state, s.by_account, s.at_ms, s.note, s.supplement
		FROM correction AS c JOIN correction_step AS s ON s.number = c.number LEFT JOIN correction_attachment AS a ON a.number = c.number
		WHERE `+where+` ORDER BY c.number, s.step`, args...)
	if err != nil {
		return nil, fmt.Errorf("read corrections: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Correction
		var s CorrectionStep
		var name, sum sql.NullString
		var size sql.NullInt64
		err := rows.Scan(&c.Number, &c.Base, &c.Session, &c.Person, &c.Kind, &c.Span.StartMs, &c.Span.EndMs, &c.Reason, &c.By, &c.AtMs,
			&name, &sum, &size, &s.State, &s.By, &s.AtMs, &s.Note, &s.Supplement)
		if err != nil {
			return nil, fmt.Errorf("read corrections: %w", err)
		}
		if name.Valid {
			c.Attachment = &Attachment{Name: name.String, SHA256: sum.String, Size: int(size.Int64)}
		}
		if n := len(out); n == 0 || out[n-1].Number != c.Number {
			out = append(out, c)
		}
		last := &out[len(out)-1]
		last.Steps = append(last.Steps, s)
	}
	return out, rows.Err()
}
