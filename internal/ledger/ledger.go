// Package ledger keeps the results of settlement in SQL: one row for each base, machine and day, with the digest of the
// evidence and of the registry it came from, the version of the rules, and a revision. It is for settle, which writes, and
// for the processes, which read. It refuses to change what it holds: other figures for a day are its next revision.
package ledger

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"reflect"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/jishi-telemetry/jishi/internal/usage"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Row is the settled use of one machine on one day.
type Row struct {
	Base      string
	Equipment string
	Day       string // yyyy-mm-dd, Asia/Shanghai
	Revision  int    // from 1; set by Put
	// RuleVersion names the rules, and the digests (SHA-256, hex) the inputs, that gave the figures.
	RuleVersion    string
	RegistryDigest string
	EvidenceDigest string
	SettledMs      int64 // milliseconds since the Unix epoch
	StartMs        int64 // the window's start; a day that is not over yet has a window shorter than a day
	Totals         usage.Totals
}

// Ledger is the store of settled rows. All methods may be called concurrently.
type Ledger struct {
	db *sql.DB
}

// Open opens the ledger in the SQLite file, which it creates, and brings its tables up to date.
func Open(ctx context.Context, path string) (*Ledger, error) {
	pragmas := url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(1)", "secure_delete(1)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+path+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", path, err)
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("bring ledger %s up to date: %w", path, err), db.Close())
	}
	return &Ledger{db: db}, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// DB is the database itself, for packages whose tables lie beside the ledger's own. It is closed by Close.
func (l *Ledger) DB() *sql.DB { return l.db }

// Close releases the ledger. It is idempotent.
func (l *Ledger) Close() error { return l.db.Close() }

// Put stores the rows, all or none. A row whose figures, digests and rule version equal the latest revision of its day
// changes nothing; any other becomes the next revision. It returns how many revisions it added.
func (l *Ledger) Put(ctx context.Context, rows []Row) (added int, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("put in ledger: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for i := range rows {
		latest, err := latestOf(ctx, tx, &rows[i])
		if err != nil {
			return 0, fmt.Errorf("read latest revision: %w", err)
		}
		if latest != nil && same(latest, &rows[i]) {
			continue
		}
		row := rows[i]
		row.Revision = 1
		if latest != nil {
			row.Revision = latest.Revision + 1
		}
		if err := insert(ctx, tx, &row); err != nil {
			return 0, fmt.Errorf("put %s %s in ledger: %w", row.Equipment, row.Day, err)
		}
		added++
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("put in ledger: %w", err)
	}
	return added, nil
}

const columns = `base, equipment, day, revision, rule_version, registry_digest, evidence_digest, settled_ms, start_ms,
	window_ms, running_ms, idle_ms, off_ms, fault_ms, unknown_ms, estimated_running_ms, estimated_off_ms,
	opening_ms, opening_known_ms, opening_running_ms, words`

func insert(ctx context.Context, tx *sql.Tx, r *Row) error {
	words, err := json.Marshal(r.Totals.Words)
	if err != nil {
		return err
	}
	t := &r.Totals
	_, err = tx.ExecContext(ctx, `INSERT INTO usage_day (`+columns+`)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		r.Base, r.Equipment, r.Day, r.Revision, r.RuleVersion, r.RegistryDigest, r.EvidenceDigest, r.SettledMs, r.StartMs,
		t.WindowMs, t.RunningMs, t.IdleMs, t.OffMs, t.FaultMs, t.UnknownMs, t.EstimatedRunningMs, t.EstimatedOffMs,
		t.OpeningMs, t.OpeningKnownMs, t.OpeningRunningMs, string(words))
	return err
}

func latestOf(ctx context.Context, tx *sql.Tx, r *Row) (*Row, error) {
	row, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM usage_day
		WHERE base = ? AND equipment = ? AND day = ? ORDER BY revision DESC LIMIT 1`, r.Base, r.Equipment, r.Day))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return row, err
}

// Latest returns the latest revision of every row of the base from one day to another, both inclusive (yyyy-mm-dd), in
// order of day, then machine.
func (l *Ledger) Latest(ctx context.Context, base, from, to string) ([]Row, error) {
	return l.query(ctx, `SELECT `+columns+` FROM usage_day AS u WHERE base = ? AND day BETWEEN ? AND ?
		AND revision = (SELECT max(revision) FROM usage_day WHERE base = u.base AND equipment = u.equipment AND day = u.day)
		ORDER BY day, equipment`, base, from, to)
}

// History returns every revision of one machine's day, the first first.
func (l *Ledger) History(ctx context.Context, base, equipment, day string) ([]Row, error) {
	return l.query(ctx, `SELECT `+columns+` FROM usage_day WHERE base = ? AND equipment = ? AND day = ? ORDER BY revision`,
		base, equipment, day)
}

func (l *Ledger) query(ctx context.Context, query string, args ...any) (out []Row, err error) {
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		out = append(out, *r)
	}
	return out, rows.Err()
}

func scan(s interface{ Scan(dest ...any) error }) (*Row, error) {
	var r Row
	var words string
	t := &r.Totals
	err := s.Scan(&r.Base, &r.Equipment, &r.Day, &r.Revision, &r.RuleVersion, &r.RegistryDigest, &r.EvidenceDigest,
		&r.SettledMs, &r.StartMs, &t.WindowMs, &t.RunningMs, &t.IdleMs, &t.OffMs, &t.FaultMs, &t.UnknownMs,
		&t.EstimatedRunningMs, &t.EstimatedOffMs, &t.OpeningMs, &t.OpeningKnownMs, &t.OpeningRunningMs, &words)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(words), &t.Words); err != nil {
		return nil, fmt.Errorf("words of %s %s: %w", r.Equipment, r.Day, err)
	}
	return &r, nil
}

// same reports whether two rows say the same, whenever they were settled.
func same(a, b *Row) bool {
	x, y := *a, *b
	x.Revision, x.SettledMs = y.Revision, y.SettledMs
	if !maps.Equal(x.Totals.Words, y.Totals.Words) {
		return false
	}
	x.Totals.Words, y.Totals.Words = nil, nil
	return reflect.DeepEqual(x, y)
}

// Ping reports whether the ledger answers.
func (l *Ledger) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := l.db.PingContext(ctx); err != nil {
		return fmt.Errorf("ping ledger: %w", err)
	}
	return nil
}
