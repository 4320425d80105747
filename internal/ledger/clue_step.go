package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

const (
	maxAttached = 20 // attachments of one step
	maxAnswers  = 50 // of one clue
)

// StepClue takes a clue that is about the base, or about any for base "", a step on and returns what it is then. What is allowed is
// clue.Review's matter, and the error is clue.ErrStep; who answered for a base neither investigates nor decides: ErrClueAnswerer.
func (l *Ledger) StepClue(ctx context.Context, base, key string, s clue.Step) (c *ClueRecord, err error) {
	if err := checkStep(&s); err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	err = l.inTx(ctx, func(tx *sql.Tx) error {
		if c, err = clueAt(ctx, tx, base, key); err != nil {
			return err
		}
		decides := s.To == clue.Investigated || s.To == clue.Excluded || s.To == clue.Confirmed
		if decides && slices.ContainsFunc(c.Answers, func(a ClueAnswer) bool { return a.By == s.By }) {
			return ErrClueAnswerer
		}
		if c.Review, err = c.Review.Apply(s); err != nil {
			return err
		}
		c.Seen = append(c.Seen, c.Revision)
		return insertClueStep(ctx, tx, c, &s)
	})
	if err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	return c, nil
}

// checkStep refuses what nobody could read later, and writes accounts as they are compared.
func checkStep(s *clue.Step) (err error) {
	if s.By, err = account(s.By); err != nil {
		return err
	}
	if s.To == clue.Assigned && s.Assignee != "" {
		if s.Assignee, err = account(s.Assignee); err != nil {
			return fmt.Errorf("核查人 assignee: %w", err)
		}
	}
	if s.To != clue.Assigned {
		s.Assignee = ""
	}
	if s.To != clue.Investigated {
		s.Finding = ""
	}
	if s.Reason != "" {
		if err := checkText("理由 reason", s.Reason, maxReason); err != nil {
			return err
		}
	}
	if len(s.Attachments) > maxAttached {
		return fmt.Errorf("附件 attachments: %d, %w (≤ %d)", len(s.Attachments), ErrText, maxAttached)
	}
	for _, a := range s.Attachments {
		if err := checkText("附件 attachment", a, maxAttachmentName); err != nil {
			return err
		}
	}
	return nil
}

func insertClueStep(ctx context.Context, tx *sql.Tx, c *ClueRecord, s *clue.Step) error {
	attachments, err := json.Marshal(s.Attachments)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO clue_step (key, step, revision, state, by_account, at_ms, assignee, finding, reason, attachments)
		VALUES (?,?,?,?,?,?,?,?,?,?)`, c.Key, len(c.Review.Steps), c.Revision, s.To, s.By, s.AtMs, s.Assignee, s.Finding, s.Reason, string(attachments))
	return err
}

// AnswerClue keeps what a base says to a clue about it, and returns the clue. The state stays as it is.
func (l *Ledger) AnswerClue(ctx context.Context, key string, a ClueAnswer) (c *ClueRecord, err error) {
	if a.By, err = account(a.By); err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	if err := checkText("说明 answer", a.Text, maxReason); err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	err = l.inTx(ctx, func(tx *sql.Tx) error {
		if c, err = clueAt(ctx, tx, a.Base, key); err != nil {
			return err
		}
		if len(c.Answers) >= maxAnswers {
			return fmt.Errorf("%w (%d)", ErrManyAnswers, maxAnswers)
		}
		c.Answers = append(c.Answers, a)
		_, err := tx.ExecContext(ctx, `INSERT INTO clue_answer (key, number, base, by_account, at_ms, answer) VALUES (?,?,?,?,?,?)`,
			key, len(c.Answers), a.Base, a.By, a.AtMs, a.Text)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	return c, nil
}
