package influx

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Read implements evidence.Store. It streams: memory does not grow with the window, but for raw records.
func (s *Store) Read(ctx context.Context, q evidence.Query, yield func(*evidence.Entry) error) error {
	return s.view("read evidence", func() error {
		kinds, err := q.Wanted()
		if err != nil {
			return err
		}
		window := cut(q.Window)
		if window.Empty() {
			return ctx.Err()
		}
		where := ofDevice(q) + " AND " + during(window)
		var cursors []evidence.Cursor
		for _, kind := range []telemetry.Kind{telemetry.KindSample, telemetry.KindTap, telemetry.KindLink} {
			if !slices.Contains(kinds, kind) {
				continue
			}
			c, a, err := s.scan(ctx, kind, q, where)
			if err != nil {
				return err
			}
			if a != nil {
				defer a.close()
				cursors = append(cursors, c)
			}
		}
		if slices.Contains(kinds, telemetry.KindRaw) {
			c, err := s.rawOf(ctx, q, window)
			if err != nil {
				return err
			}
			cursors = append(cursors, c)
		}
		return evidence.Merge(cursors, guard(yield))
	})
}

// scan starts reading one kind. There is no answer when there is nothing to read.
func (s *Store) scan(ctx context.Context, kind telemetry.Kind, q evidence.Query, where string) (evidence.Cursor, *answer, error) {
	measurement, columns := tapName, []string{"card", "direction"}
	switch kind {
	case telemetry.KindLink:
		measurement, columns = linkName, []string{"event"}
	case telemetry.KindSample:
		if q.Channels != nil {
			if len(q.Channels) == 0 {
				return nil, nil, nil
			}
			where += " AND " + inChannels(q.Channels)
		}
		if q.Quantities != nil {
			return s.scanLean(ctx, q, where)
		}
		var err error
		if columns, err = s.survey(ctx, where); err != nil || columns == nil {
			return nil, nil, err
		}
		measurement = sampleName
	}
	a, err := s.ask(ctx, selectFrom(measurement, append(provenanceColumns(), columns...), where))
	if err != nil {
		return nil, nil, err
	}
	d := decode(a, kind)
	points := selection{s, kind, measurement, ofDevice(q), []string{"channel"}}
	return evidence.Ties(func(e *evidence.Entry) (bool, error) {
		e.Device = q.Device
		return points.next(ctx, d, e)
	}), a, nil
}

// scanLean starts reading samples with the query's quantities and nothing of where they came from: each column costs the
// server as much as any other. It asks for no survey, which reads a column, too.
func (s *Store) scanLean(ctx context.Context, q evidence.Query, where string) (evidence.Cursor, *answer, error) {
	columns := []string{"meta", "state"}
	if len(q.Channels) != 1 {
		columns = append(columns, "channel")
	}
	a, err := s.ask(ctx, selectFrom(sampleName, append(columns, q.Quantities...), where))
	if err != nil {
		return nil, nil, err
	}
	d := decode(a, telemetry.KindSample)
	d.lean = &q
	points := selection{s, telemetry.KindSample, sampleName, ofDevice(q), []string{"channel"}}
	if len(q.Channels) == 1 {
		points.where, points.tags = points.where+" AND "+inChannels(q.Channels), nil
	}
	return evidence.Ties(func(e *evidence.Entry) (bool, error) {
		e.Device = q.Device
		return points.next(ctx, d, e)
	}), a, nil
}

// survey returns the sample fields that the device uses in the window, nil when it has no sample there. Asking for the
// others, which other devices use, would cost the server a column of nothing for each.
func (s *Store) survey(ctx context.Context, where string) ([]string, error) {
	a, err := s.ask(ctx, `SELECT DISTINCT("meta") FROM "`+sampleName+`" WHERE `+where)
	if err != nil {
		return nil, err
	}
	defer a.close()
	var columns []string
	known := map[string]bool{}
	for {
		ok, err := a.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if columns == nil {
			columns = []string{"state"}
		}
		text, err := a.cell(a.column("distinct")).string() // never null: a distinct value is one
		if err != nil {
			return nil, err
		}
		m, err := parseMeta(string(text))
		if err != nil {
			return nil, err
		}
		for _, q := range m.quantities {
			if !known[q] {
				known[q] = true
				columns = append(columns, q)
			}
		}
	}
	return columns, nil
}

func provenanceColumns() []string {
	return []string{"channel", "seq", "received_ms", "collected_ms", "device_ms", "meta"}
}

func selectFrom(measurement string, columns []string, where string) string {
	return `SELECT "` + strings.Join(columns, `","`) + `" FROM "` + measurement + `" WHERE ` + where
}

func ofDevice(q evidence.Query) string {
	return tagIs("base", q.Base) + " AND " + tagIs("device", q.Device)
}

func inChannels(channels []string) string {
	var each []string
	for _, c := range channels {
		each = append(each, tagIs("channel", c))
	}
	return "(" + strings.Join(each, " OR ") + ")"
}

// cut returns the part of a window in which there can be evidence, so that it can be said in nanoseconds.
func cut(w span.Span) span.Span {
	return w.Intersect(span.Span{StartMs: evidence.MinMs, EndMs: evidence.MaxMs + 1})
}

func during(w span.Span) string { return atLeast(w.StartMs) + " AND " + before(w.EndMs) }

func atLeast(ms int64) string { return "time >= " + strconv.FormatInt(ms*nsPerMs, 10) }

func before(ms int64) string { return "time < " + strconv.FormatInt(ms*nsPerMs, 10) }
