package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const maxInterned = 1 << 16

// snapshot is one consistent view of the file, and what is needed to decode what it shows.
type snapshot struct {
	conn    *sqlite.Conn // in a transaction
	known   []string
	logs    []logName
	strings map[string]string
	query   *evidence.Query // of Read: which values are wanted; nil for all
}

// view runs step on a snapshot of the file.
func (s *Store) view(ctx context.Context, verb string, step func(*snapshot) error) error {
	if s.closed.Load() {
		return evidence.ErrClosed
	}
	conn, err := s.read.Take(ctx)
	if err != nil {
		return s.judge(ctx, verb, err)
	}
	defer s.read.Put(conn)
	if err := sqlitex.Execute(conn, "BEGIN", nil); err != nil {
		return s.judge(ctx, verb, err)
	}
	defer func() {
		conn.SetInterrupt(nil)                     // the end of ctx must not leave the transaction open
		_ = sqlitex.Execute(conn, "ROLLBACK", nil) //nolint:errcheck // it only read
	}()
	v := &snapshot{conn: conn, strings: map[string]string{}}
	if v.known, v.logs, err = s.names.refresh(v); err != nil {
		return s.judge(ctx, verb, err)
	}
	var foreign yieldError
	switch err := step(v); {
	case err == nil:
		return nil
	case errors.As(err, &foreign):
		return foreign.error // the caller's own, as it gave it
	default:
		return s.judge(ctx, verb, err)
	}
}

// judge says why a reading failed: an interrupted statement does not know.
func (s *Store) judge(ctx context.Context, verb string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", verb, ctx.Err())
	}
	return s.wrap(verb, err)
}

// yieldError carries an error of the caller's yield through the layers unchanged.
type yieldError struct{ error }

func (v *snapshot) word(id uint64) (string, error) {
	if id == 0 || id > uint64(len(v.known)) {
		return "", fmt.Errorf("%w: no word %d", errBody, id)
	}
	return v.known[id-1], nil
}

// wants reports whether the reader wants a quantity's values.
func (v *snapshot) wants(quantity string) bool {
	return v.query == nil || v.query.WantsQuantity(quantity)
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
		v.query = &q
		all, err := v.series(q.Base, q.Device)
		if err != nil {
			return err
		}
		var cursors []evidence.Cursor
		for _, series := range all {
			if !slices.Contains(kinds, series.kind) || !q.WantsChannel(series.kind, series.channel) {
				continue
			}
			c, err := v.scan(series, q.Window)
			if err != nil {
				return err
			}
			defer c.close()
			cursors = append(cursors, c.inOrder())
		}
		if slices.Contains(kinds, telemetry.KindRaw) {
			c, err := v.scanRaw(q)
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

func (v *snapshot) series(base, device string) ([]seriesRow, error) {
	rows, err := v.ask(`SELECT s.id, s.kind, s.channel FROM series s JOIN device d ON d.id = s.device
		WHERE d.base = ? AND d.name = ? ORDER BY s.channel, s.kind`, base, device)
	if err != nil {
		return nil, fmt.Errorf("find series: %w", err)
	}
	device = strings.Clone(device)
	var all []seriesRow
	err = rows.each(func() error {
		all = append(all, seriesRow{rows.integer(0), telemetry.Kind(rows.integer(1)), device, rows.text(2)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find series: %w", err)
	}
	return all, nil
}

// cursor streams one series in order of event time.
type cursor struct {
	v      *snapshot
	series seriesRow
	rows   *rows
	entry  evidence.Entry
}

func (v *snapshot) scan(s seriesRow, w span.Span) (*cursor, error) {
	rows, err := v.ask(`SELECT event_ms, log, seq, body FROM record
		WHERE series = ? AND event_ms >= ? AND event_ms < ? ORDER BY event_ms, digest`, s.id, w.StartMs, w.EndMs)
	if err != nil {
		return nil, fmt.Errorf("scan records: %w", err)
	}
	return &cursor{v: v, series: s, rows: rows}, nil
}

func (c *cursor) close() { c.rows.close() }

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
	ok, err := c.rows.next()
	if err != nil {
		return false, fmt.Errorf("scan records: %w", err)
	}
	if !ok {
		return false, nil
	}
	e.EventMs = c.rows.integer(0)
	e.Kind, e.Device, e.Channel = c.series.kind, c.series.device, c.series.channel
	return true, c.v.decode(c.rows.integer(1), c.rows.integer(2), c.rows.blob(3), e)
}

func (v *snapshot) decode(log, seq int64, body []byte, e *evidence.Entry) error {
	l, err := v.log(log)
	if err != nil {
		return err
	}
	e.Epoch, e.Seq = l.epoch, uint64(seq)
	return decodeBody(body, e, v)
}
