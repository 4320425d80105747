package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	// chunk is how many rows one INSERT takes: enough that the statement's own cost vanishes, few enough that a conflict
	// makes only few rows be looked at one by one.
	chunk       = 64
	columns     = 6       // of the table record
	maxRecalled = 1 << 19 // names in memory before they are forgotten and looked up again
)

// writer holds the one connection that writes, its statements, and the ids it has looked up. Its owner holds the turn.
type writer struct {
	conn  *sql.Conn
	names *names

	begin, commit, rollback   *sql.Stmt
	save, release, back       *sql.Stmt
	insertMany, insertOne     *sql.Stmt
	existing, replace         *sql.Stmt
	insertQuarantine, receipt *sql.Stmt

	words  map[string]int64
	series map[seriesKey]int64
	logs   map[logName]int64
	undo   []func() // forgets ids that a rolled back transaction made

	rows  []row
	arena []byte // the rows' bodies
	args  []any
}

type seriesKey struct {
	base, device, channel string
	kind                  telemetry.Kind
}

// row is one record on its way into the table.
type row struct {
	series, eventMs, digest int64
	log                     int64
	seq                     uint64
	from, to                int // of the body in the arena
	batch                   int
}

func newWriter(ctx context.Context, db *sql.DB, n *names) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the writing connection: %w", err)
	}
	w := &writer{conn: conn, names: n}
	w.forget()
	const into = "INSERT OR IGNORE INTO record (series, event_ms, digest, log, seq, body) VALUES "
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.commit, "COMMIT"},
		{&w.rollback, "ROLLBACK"},
		{&w.save, "SAVEPOINT rows"},
		{&w.release, "RELEASE rows"},
		{&w.back, "ROLLBACK TO rows"},
		{&w.insertMany, into + strings.Repeat("(?,?,?,?,?,?),", chunk-1) + "(?,?,?,?,?,?)"},
		{&w.insertOne, into + "(?,?,?,?,?,?)"},
		{&w.existing, "SELECT log, seq FROM record WHERE series = ? AND event_ms = ? AND digest = ?"},
		{&w.replace, "UPDATE record SET log = ?, seq = ?, body = ? WHERE series = ? AND event_ms = ? AND digest = ?"},
		{&w.insertQuarantine, "INSERT OR IGNORE INTO quarantine (log, seq, idx, received_ms, event_ms, device, body) VALUES (?,?,?,?,?,?,?)"},
		{&w.receipt, "INSERT OR IGNORE INTO receipt (log, first, last, missing, chain_before, chain_after, first_ms, last_ms, collected_ms) VALUES (?,?,?,?,?,?,?,?,?)"},
	} {
		if *s.to, err = conn.PrepareContext(ctx, s.sql); err != nil {
			return nil, errors.Join(fmt.Errorf("prepare %q: %w", s.sql[:min(len(s.sql), 40)], err), w.close())
		}
	}
	return w, nil
}

// close gives the connection back; its statements end with it.
func (w *writer) close() error { return w.conn.Close() }

// forget empties the memory of ids, so that it is bounded whatever devices call themselves.
func (w *writer) forget() {
	w.words, w.series, w.logs = map[string]int64{}, map[seriesKey]int64{}, map[logName]int64{}
	w.undo = nil
}

// transact runs step between BEGIN and COMMIT, and rolls everything back when it fails.
func (w *writer) transact(ctx context.Context, step func() error) error {
	if len(w.series)+len(w.words) > maxRecalled {
		w.forget()
	}
	w.rows, w.arena, w.undo = w.rows[:0], w.arena[:0], w.undo[:0]
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	err := step()
	if err == nil {
		if _, err = w.commit.ExecContext(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	for _, forget := range w.undo {
		forget()
	}
	// SQLite rolls back by itself after some errors (disk full); then there is nothing left to roll back.
	_, _ = w.rollback.ExecContext(context.WithoutCancel(ctx)) //nolint:errcheck // see above
	return err
}

// insert writes the rows, which are sorted by key with one row for each key, and calls fresh for each whose key was new.
func (w *writer) insert(ctx context.Context, stop func() error, fresh func(batch int)) error {
	rows := w.rows
	for len(rows) >= chunk {
		if err := stop(); err != nil {
			return err
		}
		if err := w.insertChunk(ctx, rows[:chunk], fresh); err != nil {
			return err
		}
		rows = rows[chunk:]
	}
	return w.insertEach(ctx, rows, fresh)
}

// insertChunk writes chunk rows with one statement. When some key is there already, which a whole repeated frame or a
// device with a coarse clock brings about, it takes that back and looks at each row.
func (w *writer) insertChunk(ctx context.Context, rows []row, fresh func(int)) error {
	w.args = w.args[:0]
	for i := range rows {
		w.args = w.appendArgs(w.args, &rows[i])
	}
	if _, err := w.save.ExecContext(ctx); err != nil {
		return fmt.Errorf("set savepoint: %w", err)
	}
	res, err := w.insertMany.ExecContext(ctx, w.args...)
	if err != nil {
		return fmt.Errorf("insert records: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("count inserted records: %w", err)
	}
	if n == int64(len(rows)) {
		for i := range rows {
			fresh(rows[i].batch)
		}
	} else {
		if _, err := w.back.ExecContext(ctx); err != nil {
			return fmt.Errorf("go back to savepoint: %w", err)
		}
		if err := w.insertEach(ctx, rows, fresh); err != nil {
			return err
		}
	}
	if _, err := w.release.ExecContext(ctx); err != nil {
		return fmt.Errorf("release savepoint: %w", err)
	}
	return nil
}

func (w *writer) insertEach(ctx context.Context, rows []row, fresh func(int)) error {
	for i := range rows {
		r := &rows[i]
		w.args = w.appendArgs(w.args[:0], r)
		res, err := w.insertOne.ExecContext(ctx, w.args...)
		if err != nil {
			return fmt.Errorf("insert record: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return fmt.Errorf("count inserted records: %w", err)
		}
		if n == 1 {
			fresh(r.batch)
			continue
		}
		if err := w.resolve(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// resolve decides between a row and the one that is there with its key.
func (w *writer) resolve(ctx context.Context, r *row) error {
	var log, seq int64
	if err := w.existing.QueryRowContext(ctx, r.series, r.eventMs, r.digest).Scan(&log, &seq); err != nil {
		return fmt.Errorf("find existing record: %w", err)
	}
	if log == r.log && r.seq <= uint64(seq) {
		return nil // the same record again, or an older one that came late
	}
	_, err := w.replace.ExecContext(ctx, r.log, int64(r.seq), w.arena[r.from:r.to], r.series, r.eventMs, r.digest)
	if err != nil {
		return fmt.Errorf("replace record: %w", err)
	}
	return nil
}

func (w *writer) appendArgs(args []any, r *row) []any {
	return append(args, r.series, r.eventMs, r.digest, r.log, int64(r.seq), w.arena[r.from:r.to])
}

func (w *writer) word(text string) (int64, error) {
	if id, ok := w.words[text]; ok {
		return id, nil
	}
	id, err := w.identify("word", []string{"text"}, text)
	if err != nil {
		return 0, err
	}
	text = strings.Clone(text) // the caller's may be a slice of a whole frame
	w.words[text] = id
	w.undo = append(w.undo, func() { delete(w.words, text) })
	return id, nil
}

func (w *writer) logID(l logName) (int64, error) {
	if id, ok := w.logs[l]; ok {
		return id, nil
	}
	id, err := w.identify("log", []string{"base", "bridge", "epoch"}, l.base, l.bridge, int64(l.epoch))
	if err != nil {
		return 0, err
	}
	w.logs[l] = id
	w.undo = append(w.undo, func() { delete(w.logs, l) })
	return id, nil
}

func (w *writer) seriesID(k seriesKey) (int64, error) {
	if id, ok := w.series[k]; ok {
		return id, nil
	}
	device, err := w.identify("device", []string{"base", "name"}, k.base, k.device)
	if err != nil {
		return 0, err
	}
	id, err := w.identify("series", []string{"device", "kind", "channel"}, device, int64(k.kind), k.channel)
	if err != nil {
		return 0, err
	}
	k.base, k.device, k.channel = strings.Clone(k.base), strings.Clone(k.device), strings.Clone(k.channel)
	w.series[k] = id
	w.undo = append(w.undo, func() { delete(w.series, k) })
	return id, nil
}

// identify returns the id of the row with these values, which it makes when there is none. table and fields are
// constants of this file.
func (w *writer) identify(table string, fields []string, values ...any) (int64, error) {
	ctx := context.Background() // short, within the transaction, and the caller looks at its own context between steps
	find := "SELECT id FROM " + table + " WHERE " + strings.Join(fields, " = ? AND ") + " = ?"
	var id int64
	err := w.conn.QueryRowContext(ctx, find, values...).Scan(&id)
	if err == nil {
		return id, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("find %s: %w", table, err)
	}
	add := "INSERT INTO " + table + " (" + strings.Join(fields, ", ") + ") VALUES (?" + strings.Repeat(",?", len(fields)-1) + ")"
	res, err := w.conn.ExecContext(ctx, add, values...)
	if err != nil {
		return 0, fmt.Errorf("add %s: %w", table, err)
	}
	if id, err = res.LastInsertId(); err != nil {
		return 0, fmt.Errorf("add %s: %w", table, err)
	}
	return id, nil
}
