package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The states of a period that are stored. Without one it is provisional.
const (
	PeriodFinal  = "final"
	PeriodSealed = "sealed"
)

// Errors of periods. They are told with the base and the period.
var (
	// ErrNotSealed: there are no sealed figures of the period.
	ErrNotSealed = errors.New("该期间尚未封存 / the period is not sealed")
	// ErrNotFinal: a period is finalised before it is sealed.
	ErrNotFinal = errors.New("该期间尚未定稿 / the period is not final yet")
	// ErrAltered: rows that a seal names are not what they were when it was made.
	ErrAltered = errors.New("台账内容与封存时的摘要不符 / the ledger does not hold what was sealed")
	// ErrText: a reason or a name that is not fit to be kept.
	ErrText = errors.New("不应为空，不应过长，不应含控制字符 / want it not empty, not too long and without control characters")
)

const (
	maxReason  = 2000 // bytes of a reason or a note
	maxAccount = 64   // bytes of an account's name
)

// checkText refuses what nobody could read later. what names the field in both languages.
func checkText(what, s string, most int) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' || r == utf8.RuneError }
	if strings.TrimSpace(s) == "" || len(s) > most || strings.ContainsFunc(s, control) {
		return fmt.Errorf("%s: %w (≤ %d bytes)", what, ErrText, most)
	}
	return nil
}

// account is a name as it is compared: an account is not another one for being written in capitals.
func account(name string) (string, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	return name, checkText("账号 account", name, maxAccount)
}

// Gap is an officer's word that nothing more will come of a day from a bridge.
type Gap struct {
	Base, Bridge string // Bridge "" is every bridge of the base
	Day          string // yyyy-mm-dd
	By, Reason   string
	AtMs         int64
}

// AcceptGaps keeps the gaps, all or none, and returns how many are new. What was accepted before stays as it was.
func (l *Ledger) AcceptGaps(ctx context.Context, gaps []Gap) (added int, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("accept gaps: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, g := range gaps {
		if g.By, err = account(g.By); err != nil {
			return 0, err
		}
		if err := checkText("原因 reason", g.Reason, maxReason); err != nil {
			return 0, err
		}
		done, err := tx.ExecContext(ctx, `INSERT INTO accepted_gap (base, bridge, day, by_account, reason, at_ms) VALUES (?,?,?,?,?,?)
			ON CONFLICT (base, bridge, day) DO NOTHING`, g.Base, g.Bridge, g.Day, g.By, g.Reason, g.AtMs)
		if err != nil {
			return 0, fmt.Errorf("accept gap of %s %s: %w", g.Base, g.Day, err)
		}
		n, err := done.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("accept gap of %s %s: %w", g.Base, g.Day, err)
		}
		added += int(n)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("accept gaps: %w", err)
	}
	return added, nil
}

// AcceptedGaps returns the gaps of the base's days from one to another, both inclusive, in order of day and bridge.
func (l *Ledger) AcceptedGaps(ctx context.Context, base, from, to string) (out []Gap, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT base, bridge, day, by_account, reason, at_ms FROM accepted_gap
		WHERE base = ? AND day BETWEEN ? AND ? ORDER BY day, bridge`, base, from, to)
	if err != nil {
		return nil, fmt.Errorf("read accepted gaps: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var g Gap
		if err := rows.Scan(&g.Base, &g.Bridge, &g.Day, &g.By, &g.Reason, &g.AtMs); err != nil {
			return nil, fmt.Errorf("read accepted gaps: %w", err)
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// PeriodStep is what a named person did to a base's period.
type PeriodStep struct {
	Base, Period   string // Period as month:2026-03
	State          string // PeriodFinal or PeriodSealed
	FromDay, ToDay string // both inclusive
	Digest         string // of the figures at that step; set by Finalise and Seal
	By             string
	AtMs           int64
}

// PeriodSteps returns what was done to periods of a base, in order of their first day; base "" is every base and period ""
// every period.
func (l *Ledger) PeriodSteps(ctx context.Context, base, period string) ([]PeriodStep, error) {
	return periodSteps(ctx, l.db, base, period)
}

func periodSteps(ctx context.Context, q queryer, base, period string) (out []PeriodStep, err error) {
	rows, err := q.QueryContext(ctx, `SELECT base, period, state, from_day, to_day, digest, by_account, at_ms FROM period_step
		WHERE (? = '' OR base = ?) AND (? = '' OR period = ?) ORDER BY base, from_day, period, state`, base, base, period, period)
	if err != nil {
		return nil, fmt.Errorf("read periods: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s PeriodStep
		if err := rows.Scan(&s.Base, &s.Period, &s.State, &s.FromDay, &s.ToDay, &s.Digest, &s.By, &s.AtMs); err != nil {
			return nil, fmt.Errorf("read periods: %w", err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Finalise says that all figures of a period are there. It is the caller who knows that they are. A period that has the step
// already keeps it, and that one is returned.
func (l *Ledger) Finalise(ctx context.Context, s PeriodStep) (PeriodStep, error) {
	s.State = PeriodFinal
	return l.step(ctx, s, func(tx *sql.Tx, s *PeriodStep) error {
		f, err := latestFigures(ctx, tx, s.Base, s.FromDay, s.ToDay)
		if err != nil {
			return err
		}
		s.Digest = f.Digest
		return nil
	})
}

// Seal closes a final period: from then on its figures are the revisions of now, whatever comes later. A sealed period stays
// as it is, and its step is returned. The error is ErrNotFinal when it was not finalised.
func (l *Ledger) Seal(ctx context.Context, s PeriodStep) (PeriodStep, error) {
	s.State = PeriodSealed
	return l.step(ctx, s, func(tx *sql.Tx, s *PeriodStep) error { return seal(ctx, tx, s) })
}

// step does a step once. do fills in the digest.
func (l *Ledger) step(ctx context.Context, s PeriodStep, do func(*sql.Tx, *PeriodStep) error) (_ PeriodStep, err error) {
	if s.By, err = account(s.By); err != nil {
		return PeriodStep{}, err
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return PeriodStep{}, fmt.Errorf("period %s of %s: %w", s.Period, s.Base, err)
	}
	done, err := stepOnce(ctx, tx, s, do)
	if err != nil {
		return PeriodStep{}, errors.Join(fmt.Errorf("period %s of %s: %w", s.Period, s.Base, err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return PeriodStep{}, fmt.Errorf("period %s of %s: %w", s.Period, s.Base, err)
	}
	return done, nil
}

func stepOnce(ctx context.Context, tx *sql.Tx, s PeriodStep, do func(*sql.Tx, *PeriodStep) error) (PeriodStep, error) {
	steps, err := periodSteps(ctx, tx, s.Base, s.Period)
	if err != nil {
		return PeriodStep{}, err
	}
	for _, before := range steps {
		if before.State == s.State {
			return before, nil
		}
	}
	if s.State == PeriodSealed && len(steps) == 0 {
		return PeriodStep{}, ErrNotFinal
	}
	if err := do(tx, &s); err != nil {
		return PeriodStep{}, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO period_step (base, period, state, from_day, to_day, digest, by_account, at_ms) VALUES (?,?,?,?,?,?,?,?)`,
		s.Base, s.Period, s.State, s.FromDay, s.ToDay, s.Digest, s.By, s.AtMs)
	return s, err
}

// sealedPeriod returns a sealed period of the base that has a day from one to another, both inclusive; "" when none has.
func sealedPeriod(ctx context.Context, q querier, base, from, to string) (string, error) {
	var period string
	err := q.QueryRowContext(ctx, `SELECT period FROM period_step WHERE base = ? AND state = 'sealed' AND from_day <= ? AND to_day >= ?
		ORDER BY from_day, period LIMIT 1`, base, to, from).Scan(&period)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return period, err
}
