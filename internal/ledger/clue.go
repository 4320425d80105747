package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// Errors of clues. They are told with the clue's key.
var (
	ErrNoClue       = errors.New("没有此线索 / there is no such clue")
	ErrClueAnswerer = errors.New("代表基地说明情况的人不得核查或定论，请由他人办理 / who answered for the base neither investigates nor decides, let another person do it")
	ErrManyAnswers  = errors.New("说明次数已达上限 / there are as many answers as a clue takes")
)

// ClueDay says what the clues of a base's day were derived from.
type ClueDay struct {
	Base, Day string // Day as yyyy-mm-dd
	Inputs    string // digest
	Sightings []clue.Sighting
}

// ClueNews is what a derivation changed.
type ClueNews struct{ Raised, Revised, Gone int }

// ClueDays returns the inputs that each of the base's days was derived from, by day.
func (l *Ledger) ClueDays(ctx context.Context, base string) (out map[string]string, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT day, inputs FROM clue_day WHERE base = ?`, base)
	if err != nil {
		return nil, fmt.Errorf("read days of clues: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]string{}
	for rows.Next() {
		var day, inputs string
		if err := rows.Scan(&day, &inputs); err != nil {
			return nil, fmt.Errorf("read days of clues: %w", err)
		}
		out[day] = inputs
	}
	return out, rows.Err()
}

// PutClueDay keeps a day's clues as PutClues does, and what they were derived from. Sightings are kept from the day keepFrom on.
func (l *Ledger) PutClueDay(ctx context.Context, d ClueDay, found []clue.Clue, keepFrom string, atMs int64) (news ClueNews, err error) {
	var sightings []byte
	if d.Day >= keepFrom {
		if sightings, err = pack(d.Sightings); err != nil {
			return ClueNews{}, fmt.Errorf("put sightings of %s %s: %w", d.Base, d.Day, err)
		}
	}
	err = l.inTx(ctx, func(tx *sql.Tx) error {
		if news, err = putClues(ctx, tx, "base "+d.Base+" "+d.Day, found, atMs); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO clue_day (base, day, inputs, sightings) VALUES (?,?,?,?)
			ON CONFLICT (base, day) DO UPDATE SET inputs = excluded.inputs, sightings = excluded.sightings`, d.Base, d.Day, d.Inputs, sightings)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE clue_day SET sightings = NULL WHERE day < ? AND sightings IS NOT NULL`, keepFrom)
		return err
	})
	if err != nil {
		return ClueNews{}, fmt.Errorf("put clues of %s %s: %w", d.Base, d.Day, err)
	}
	return news, nil
}

// StirClueDay has the clues of a day derived again, though nothing that can be told from outside changed: its figures did.
func (l *Ledger) StirClueDay(ctx context.Context, base, day string) error {
	if _, err := l.db.ExecContext(ctx, `UPDATE clue_day SET inputs = '' WHERE base = ? AND day = ?`, base, day); err != nil {
		return fmt.Errorf("stir clues of %s %s: %w", base, day, err)
	}
	return nil
}

// SightedDays returns the days of which sightings are kept, in order, each with the inputs of its bases.
func (l *Ledger) SightedDays(ctx context.Context) (out []ClueDay, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT day, base, inputs FROM clue_day WHERE sightings IS NOT NULL ORDER BY day, base`)
	if err != nil {
		return nil, fmt.Errorf("read sightings: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d ClueDay
		if err := rows.Scan(&d.Day, &d.Base, &d.Inputs); err != nil {
			return nil, fmt.Errorf("read sightings: %w", err)
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// Sightings returns who was seen where on a day, at all bases, in order of base.
func (l *Ledger) Sightings(ctx context.Context, day string) (out []clue.Sighting, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT sightings FROM clue_day WHERE day = ? AND sightings IS NOT NULL ORDER BY base`, day)
	if err != nil {
		return nil, fmt.Errorf("read sightings: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var packed []byte
		if err := rows.Scan(&packed); err != nil {
			return nil, fmt.Errorf("read sightings: %w", err)
		}
		var list []clue.Sighting
		if err := unpack(packed, &list); err != nil {
			return nil, fmt.Errorf("read sightings of %s: %w", day, err)
		}
		out = append(out, list...)
	}
	return out, rows.Err()
}

// PutClues keeps what a derivation found, all or none. origin names the derivation: those of its clues that it does not find any
// more are marked as gone, and come back when it finds them again. A clue that says something else is its next revision.
func (l *Ledger) PutClues(ctx context.Context, origin string, found []clue.Clue, atMs int64) (news ClueNews, err error) {
	err = l.inTx(ctx, func(tx *sql.Tx) error {
		news, err = putClues(ctx, tx, origin, found, atMs)
		return err
	})
	if err != nil {
		return ClueNews{}, fmt.Errorf("put clues of %s: %w", origin, err)
	}
	return news, nil
}

// inTx does something in a transaction of its own.
func (l *Ledger) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func putClues(ctx context.Context, tx *sql.Tx, origin string, found []clue.Clue, atMs int64) (ClueNews, error) {
	var news ClueNews
	keys := make([]string, 0, len(found))
	d := derivation{origin, atMs}
	for i := range found {
		if err := d.put(ctx, tx, &found[i], &news); err != nil {
			return ClueNews{}, fmt.Errorf("%s: %w", found[i].Key, err)
		}
		keys = append(keys, found[i].Key)
	}
	kept, err := json.Marshal(keys)
	if err != nil {
		return ClueNews{}, err
	}
	done, err := tx.ExecContext(ctx, `UPDATE clue SET gone_ms = ? WHERE origin = ? AND gone_ms = 0 AND key NOT IN (SELECT value FROM json_each(?))`,
		max(atMs, 1), origin, string(kept))
	if err != nil {
		return ClueNews{}, err
	}
	gone, err := done.RowsAffected()
	news.Gone = int(gone)
	return news, err
}

// derivation is what finds clues, and when.
type derivation struct {
	origin string
	atMs   int64
}

// put keeps one clue.
func (d derivation) put(ctx context.Context, tx *sql.Tx, c *clue.Clue, news *ClueNews) error {
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var revision int
	var was string
	err = tx.QueryRowContext(ctx, `SELECT c.revision, r.content FROM clue AS c JOIN clue_revision AS r ON r.key = c.key AND r.revision = c.revision
		WHERE c.key = ?`, c.Key).Scan(&revision, &was)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		news.Raised++
		if err := d.insert(ctx, tx, c); err != nil {
			return err
		}
	case err != nil:
		return err
	case was == string(content):
		_, err = tx.ExecContext(ctx, `UPDATE clue SET origin = ?, seen_ms = ?, gone_ms = 0 WHERE key = ?`, d.origin, d.atMs, c.Key)
		return err
	default:
		news.Revised++
		_, err = tx.ExecContext(ctx, `UPDATE clue SET origin = ?, revision = ?, seen_ms = ?, gone_ms = 0 WHERE key = ?`, d.origin, revision+1, d.atMs, c.Key)
		if err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO clue_revision (key, revision, version, severity, content, at_ms) VALUES (?,?,?,?,?,?)`,
		c.Key, revision+1, c.Version, c.Severity, string(content), d.atMs)
	return err
}

func (d derivation) insert(ctx context.Context, tx *sql.Tx, c *clue.Clue) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO clue (key, origin, base, day, rule, revision, first_ms, seen_ms, gone_ms) VALUES (?,?,?,?,?,1,?,?,0)`,
		c.Key, d.origin, c.Base, c.Day.String(), c.Rule, d.atMs, d.atMs)
	if err != nil {
		return err
	}
	bases := append([]string{c.Base}, c.Subjects.Bases...)
	slices.Sort(bases)
	for _, base := range slices.Compact(bases) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO clue_base (base, key) VALUES (?,?)`, base, c.Key); err != nil {
			return err
		}
	}
	return nil
}
