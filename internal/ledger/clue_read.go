package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// MaxClues is how many clues one query returns at most.
const MaxClues = 500

// ClueQuery selects clues. The zero value of a field selects all.
type ClueQuery struct {
	Base     string // those that are about it, among others
	From, To string // days, both inclusive, yyyy-mm-dd
	Rule     clue.ID
	State    clue.State
	Severity clue.Severity
	Assignee string // account
	// Gone selects those that are not found any more, too.
	Gone bool
	// After is the key of the last clue of the page before, "" for the first page.
	After string
	Most  int // from 1 to MaxClues; 0 is MaxClues
}

// ClueRecord is a clue with what people made of it.
type ClueRecord struct {
	clue.Clue
	Revision int   // from 1
	FirstMs  int64 // when it was raised
	SeenMs   int64 // when it was found the last time
	GoneMs   int64 // since when it is not found any more; 0: it is
	Review   clue.Review
	// Seen are the revisions that the persons of Review.Steps saw.
	Seen    []int
	Answers []ClueAnswer
}

// ClueAnswer is what a base says to a clue.
type ClueAnswer struct {
	Base, By string
	AtMs     int64
	Text     string
}

// lastStep is a clue's last step, joined as s; a clue without any has NULLs there.
const lastStep = ` LEFT JOIN clue_step AS s ON s.key = c.key AND s.step = (SELECT max(step) FROM clue_step WHERE key = c.key)`

// assignee is who a clue was given to the last time.
const assignee = `(SELECT assignee FROM clue_step WHERE key = c.key AND state = 'assigned' ORDER BY step DESC LIMIT 1)`

// where is the query's condition on c, its latest revision r, and its last step s.
func (q *ClueQuery) where() (text string, args []any) {
	text = `1 = 1`
	add := func(condition string, wanted bool, values ...any) {
		if wanted {
			text += ` AND ` + condition
			args = append(args, values...)
		}
	}
	add(`c.key IN (SELECT key FROM clue_base WHERE base = ?)`, q.Base != "", q.Base)
	add(`c.day >= ?`, q.From != "", q.From)
	add(`c.day <= ?`, q.To != "", q.To)
	add(`c.rule = ?`, q.Rule != "", string(q.Rule))
	add(`coalesce(s.state, 'raised') = ?`, q.State != "", string(q.State))
	add(`r.severity = ?`, q.Severity != "", string(q.Severity))
	add(assignee+` = ?`, q.Assignee != "", q.Assignee)
	add(`c.gone_ms = 0`, !q.Gone)
	return text, args
}

// Clues returns the clues that the query selects, the latest day first, and how many there are on all pages.
func (l *Ledger) Clues(ctx context.Context, q ClueQuery) (out []ClueRecord, total int, err error) {
	if q.Most <= 0 || q.Most > MaxClues {
		q.Most = MaxClues
	}
	const from = ` FROM clue AS c JOIN clue_revision AS r ON r.key = c.key AND r.revision = c.revision` + lastStep + ` WHERE `
	where, args := q.where()
	if err := l.db.QueryRowContext(ctx, `SELECT count(*)`+from+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count clues: %w", err)
	}
	if q.After != "" {
		where += ` AND (c.day, c.key) < (SELECT day, key FROM clue WHERE key = ?)`
		args = append(args, q.After)
	}
	rows, err := l.db.QueryContext(ctx, `SELECT c.key`+from+where+` ORDER BY c.day DESC, c.key DESC LIMIT ?`, append(args, q.Most)...)
	if err != nil {
		return nil, 0, fmt.Errorf("list clues: %w", err)
	}
	keys, err := textsOf(rows)
	if err != nil {
		return nil, 0, fmt.Errorf("list clues: %w", err)
	}
	for _, key := range keys {
		c, err := clueOf(ctx, l.db, key)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, *c)
	}
	return out, total, nil
}

func textsOf(rows *sql.Rows) (out []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Clue returns one clue that is about a base, or about any for base "". The error is ErrNoClue.
func (l *Ledger) Clue(ctx context.Context, base, key string) (*ClueRecord, error) {
	return clueAt(ctx, l.db, base, key)
}

func clueAt(ctx context.Context, q querier, base, key string) (*ClueRecord, error) {
	var n int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM clue_base WHERE key = ? AND (? = '' OR base = ?)`, key, base, base).Scan(&n)
	if err == nil && n == 0 {
		err = ErrNoClue
	}
	if err != nil {
		return nil, fmt.Errorf("clue %q: %w", key, err)
	}
	return clueOf(ctx, q, key)
}

func clueOf(ctx context.Context, q querier, key string) (*ClueRecord, error) {
	var c ClueRecord
	var content string
	err := q.QueryRowContext(ctx, `SELECT c.revision, c.first_ms, c.seen_ms, c.gone_ms, r.content
		FROM clue AS c JOIN clue_revision AS r ON r.key = c.key AND r.revision = c.revision WHERE c.key = ?`, key).
		Scan(&c.Revision, &c.FirstMs, &c.SeenMs, &c.GoneMs, &content)
	if err == nil {
		err = json.Unmarshal([]byte(content), &c.Clue)
	}
	if err == nil {
		err = c.readSteps(ctx, q)
	}
	if err == nil {
		err = c.readAnswers(ctx, q)
	}
	if err != nil {
		return nil, fmt.Errorf("read clue %q: %w", key, err)
	}
	return &c, nil
}

func (c *ClueRecord) readSteps(ctx context.Context, q querier) (err error) {
	rows, err := q.QueryContext(ctx, `SELECT revision, state, by_account, at_ms, assignee, finding, reason, attachments
		FROM clue_step WHERE key = ? ORDER BY step`, c.Key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s clue.Step
		var revision int
		var attachments string
		if err := rows.Scan(&revision, &s.To, &s.By, &s.AtMs, &s.Assignee, &s.Finding, &s.Reason, &attachments); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(attachments), &s.Attachments); err != nil {
			return err
		}
		c.Review.Steps, c.Seen = append(c.Review.Steps, s), append(c.Seen, revision)
	}
	return rows.Err()
}

func (c *ClueRecord) readAnswers(ctx context.Context, q querier) (err error) {
	rows, err := q.QueryContext(ctx, `SELECT base, by_account, at_ms, answer FROM clue_answer WHERE key = ? ORDER BY number`, c.Key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a ClueAnswer
		if err := rows.Scan(&a.Base, &a.By, &a.AtMs, &a.Text); err != nil {
			return err
		}
		c.Answers = append(c.Answers, a)
	}
	return rows.Err()
}

// Outcomes returns every clue for the precision of the rules: with the version of the rule that the last person saw. Those that are
// not found any more count only when they were decided.
func (l *Ledger) Outcomes(ctx context.Context) (out []clue.Outcome, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT c.rule, r.version, coalesce(s.state, 'raised') FROM clue AS c`+lastStep+`
		JOIN clue_revision AS r ON r.key = c.key AND r.revision = coalesce(s.revision, c.revision)
		WHERE c.gone_ms = 0 OR coalesce(s.state, 'raised') NOT IN ('raised', 'assigned', 'investigated') ORDER BY c.key`)
	if err != nil {
		return nil, fmt.Errorf("read outcomes of clues: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var o clue.Outcome
		if err := rows.Scan(&o.Rule, &o.Version, &o.State); err != nil {
			return nil, fmt.Errorf("read outcomes of clues: %w", err)
		}
		out = append(out, o)
	}
	return out, rows.Err()
}
