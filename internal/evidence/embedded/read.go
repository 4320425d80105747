package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const maxInterned = 1 << 16

// snapshot is one consistent view of the file, and what is needed to decode what it shows.
type snapshot struct {
	tx      *sql.Tx
	known   []string
	logs    []logName
	strings map[string]string
}

// view runs step on a snapshot of the file.
func (s *Store) view(ctx context.Context, verb string, step func(*snapshot) error) error {
	if s.closed.Load() {
		return evidence.ErrClosed
	}
	tx, err := s.read.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(verb, err)
	}
	defer func() { _ = tx.Rollback() }() //nolint:errcheck // it only read
	v := &snapshot{tx: tx, strings: map[string]string{}}
	if v.known, v.logs, err = s.names.refresh(ctx, tx); err != nil {
		return s.wrap(verb, err)
	}
	var foreign yieldError
	switch err := step(v); {
	case err == nil:
		return nil
	case errors.As(err, &foreign):
		return foreign.error // the caller's own, as it gave it
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	default:
		return s.wrap(verb, err)
	}
}

// yieldError carries an error of the caller's yield through the layers unchanged.
type yieldError struct{ error }

func (v *snapshot) word(id uint64) (string, error) {
	if id == 0 || id > uint64(len(v.known)) {
		return "", fmt.Errorf("%w: no word %d", errBody, id)
	}
	return v.known[id-1], nil
}

func (v *snapshot) intern(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := v.strings[string(b)]; ok {
		return s
	}
	if len(v.strings) >= maxInterned {
		clear(v.strings)
	}
	s := string(b)
	v.strings[s] = s
	return s
}

func (v *snapshot) log(id int64) (logName, error) {
	if id <= 0 || id > int64(len(v.logs)) {
		return logName{}, fmt.Errorf("%w: no log %d", errBody, id)
	}
	return v.logs[id-1], nil
}

// Read implements evidence.Store. It streams: memory does not grow with the window.
func (s *Store) Read(ctx context.Context, q evidence.Query, yield func(*evidence.Entry) error) error {
	kinds, err := q.Wanted()
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	return s.view(ctx, "read evidence", func(v *snapshot) error {
		all, err := v.series(ctx, q.Base, q.Device)
		if err != nil {
			return err
		}
		var cursors []evidence.Cursor
		for _, series := range all {
			if !slices.Contains(kinds, series.kind) || !q.WantsChannel(series.kind, series.channel) {
				continue
			}
			c, err := v.scan(ctx, series, q.Window)
			if err != nil {
				return err
			}
			defer c.close()
			cursors = append(cursors, c.inOrder())
		}
		if slices.Contains(kinds, telemetry.KindRaw) {
			c, err := v.scanRaw(ctx, q)
			if err != nil {
				return err
			}
			cursors = append(cursors, c)
		}
		return evidence.Merge(cursors, guard(yield))
	})
}

// guard marks yield's errors as the caller's.
func guard(yield func(*evidence.Entry) error) func(*evidence.Entry) error {
	return func(e *evidence.Entry) error {
		if err := yield(e); err != nil {
			return yieldError{err}
		}
		return nil
	}
}

// seriesRow is a series of the queried device.
type seriesRow struct {
	id              int64
	kind            telemetry.Kind
	device, channel string
}

func (v *snapshot) series(ctx context.Context, base, device string) ([]seriesRow, error) {
	rows, err := v.tx.QueryContext(ctx, `SELECT s.id, s.kind, s.channel FROM series s JOIN device d ON d.id = s.device
		WHERE d.base = ? AND d.name = ? ORDER BY s.channel, s.kind`, base, device)
	if err != nil {
		return nil, fmt.Errorf("find series: %w", err)
	}
	defer func() { _ = rows.Close() }()
	device = strings.Clone(device)
	var all []seriesRow
	for rows.Next() {
		r := seriesRow{device: device}
		if err := rows.Scan(&r.id, &r.kind, &r.channel); err != nil {
			return nil, fmt.Errorf("find series: %w", err)
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// cursor streams one series in order of event time.
type cursor struct {
	v      *snapshot
	series seriesRow
	rows   *sql.Rows
	body   sql.RawBytes
	entry  evidence.Entry
}

func (v *snapshot) scan(ctx context.Context, s seriesRow, w span.Span) (*cursor, error) {
	rows, err := v.tx.QueryContext(ctx, `SELECT event_ms, log, seq, body FROM record
		WHERE series = ? AND event_ms >= ? AND event_ms < ? ORDER BY event_ms, digest`, s.id, w.StartMs, w.EndMs)
	if err != nil {
		return nil, fmt.Errorf("scan records: %w", err)
	}
	return &cursor{v: v, series: s, rows: rows}, nil
}

func (c *cursor) close() { _ = c.rows.Close() }

// Next implements evidence.Cursor.
func (c *cursor) Next() (*evidence.Entry, error) {
	ok, err := c.fill(&c.entry)
	if err != nil || !ok {
		return nil, err
	}
	return &c.entry, nil
}

// inOrder returns the cursor in the contract's order: taps of one instant stand in the table in order of digest.
func (c *cursor) inOrder() evidence.Cursor {
	if c.series.kind == telemetry.KindTap {
		return evidence.Ties(c.fill)
	}
	return c
}

// fill overwrites the entry with the next row and reports whether there was one.
func (c *cursor) fill(e *evidence.Entry) (bool, error) {
	if !c.rows.Next() {
		return false, c.rows.Err()
	}
	var log, seq int64
	if err := c.rows.Scan(&e.EventMs, &log, &seq, &c.body); err != nil {
		return false, fmt.Errorf("scan record: %w", err)
	}
	e.Kind, e.Device, e.Channel = c.series.kind, c.series.device, c.series.channel
	return true, c.v.decode(log, seq, c.body, e)
}

func (v *snapshot) decode(log, seq int64, body []byte, e *evidence.Entry) error {
	l, err := v.log(log)
	if err != nil {
		return err
	}
	e.Epoch, e.Seq = l.epoch, uint64(seq)
	return decodeBody(body, e, v)
}
