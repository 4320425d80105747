package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// Before implements evidence.Store.
func (s *Store) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	kinds, err := q.Wanted()
	if err != nil {
		return nil, fmt.Errorf("read evidence before a window: %w", err)
	}
	wanted := func(r seriesRow) bool {
		return slices.Contains(kinds, r.kind) && q.WantsChannel(r.kind, r.channel)
	}
	last, err := s.last(ctx, q.Base, q.Device, &q.Window.StartMs, wanted)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(last, func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) })
	return last, nil
}

// Latest implements evidence.Store.
func (s *Store) Latest(ctx context.Context, base, device string) ([]evidence.Entry, error) {
	q := evidence.Query{Base: base, Device: device}
	if _, err := q.Wanted(); err != nil {
		return nil, fmt.Errorf("read latest evidence: %w", err)
	}
	last, err := s.last(ctx, base, device, nil, func(seriesRow) bool { return true })
	if err != nil {
		return nil, err
	}
	slices.SortFunc(last, evidence.CompareChannels)
	return last, nil
}

// last returns the last sample of each wanted channel and the last link of all, before an instant when there is one.
func (s *Store) last(ctx context.Context, base, device string, beforeMs *int64, wanted func(seriesRow) bool) ([]evidence.Entry, error) {
	var found []evidence.Entry
	err := s.view(ctx, "read last evidence", func(v *snapshot) error {
		all, err := v.series(base, device)
		if err != nil {
			return err
		}
		var link *evidence.Entry
		for _, series := range all {
			if series.kind == telemetry.KindTap || !wanted(series) {
				continue
			}
			e, err := v.lastOf(series, beforeMs)
			switch {
			case err != nil:
				return err
			case e == nil:
			case e.Kind == telemetry.KindLink:
				if link == nil || evidence.Compare(link, e) < 0 {
					link = e
				}
			default:
				found = append(found, *e)
			}
		}
		if link != nil {
			found = append(found, *link)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// lastOf returns a series' last entry, nil when it has none.
func (v *snapshot) lastOf(s seriesRow, beforeMs *int64) (*evidence.Entry, error) {
	query, args := "SELECT event_ms, log, seq, body FROM record WHERE series = ?", []any{s.id}
	if beforeMs != nil {
		query, args = query+" AND event_ms < ?", append(args, *beforeMs)
	}
	rows, err := v.ask(query+" ORDER BY event_ms DESC LIMIT 1", args...)
	if err != nil {
		return nil, fmt.Errorf("find last record: %w", err)
	}
	c := &cursor{v: v, series: s, rows: rows}
	defer c.close()
	return c.Next()
}

// Devices implements evidence.Store. Its cost grows with the number of records in the window.
func (s *Store) Devices(ctx context.Context, base string, window span.Span) ([]evidence.DeviceCount, error) {
	counts := map[string]*evidence.DeviceCount{}
	err := s.view(ctx, "count evidence", func(v *snapshot) error {
		return errors.Join(v.countRecords(base, window, counts), v.countRaw(base, window, counts))
	})
	if err != nil {
		return nil, err
	}
	all := make([]evidence.DeviceCount, 0, len(counts))
	for _, c := range counts {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b evidence.DeviceCount) int { return strings.Compare(a.Device, b.Device) })
	return all, nil
}

func (v *snapshot) countRecords(base string, w span.Span, counts map[string]*evidence.DeviceCount) error {
	rows, err := v.ask(`SELECT d.name, s.kind, count(*), min(r.event_ms), max(r.event_ms)
		FROM device d JOIN series s ON s.device = d.id
		JOIN record r ON r.series = s.id AND r.event_ms >= ? AND r.event_ms < ?
		WHERE d.base = ? GROUP BY s.id`, w.StartMs, w.EndMs, base)
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	err = rows.each(func() error {
		n, first, last := rows.integer(2), rows.integer(3), rows.integer(4)
		c := of(counts, rows.text(0))
		if c.Samples+c.Taps+c.Links == 0 {
			c.FirstMs, c.LastMs = first, last
		}
		c.FirstMs, c.LastMs = min(c.FirstMs, first), max(c.LastMs, last)
		switch telemetry.Kind(rows.integer(1)) {
		case telemetry.KindSample:
			c.Samples += n
		case telemetry.KindTap:
			c.Taps += n
		case telemetry.KindLink:
			c.Links += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("count records: %w", err)
	}
	return nil
}

func (v *snapshot) countRaw(base string, w span.Span, counts map[string]*evidence.DeviceCount) error {
	rows, err := v.ask(`SELECT q.device, count(*) FROM log l JOIN quarantine q ON q.log = l.id
		WHERE l.base = ? AND q.event_ms >= ? AND q.event_ms < ? GROUP BY q.device`, base, w.StartMs, w.EndMs)
	if err != nil {
		return fmt.Errorf("count quarantine: %w", err)
	}
	err = rows.each(func() error { of(counts, rows.text(0)).Raw += rows.integer(1); return nil })
	if err != nil {
		return fmt.Errorf("count quarantine: %w", err)
	}
	return nil
}

func of(counts map[string]*evidence.DeviceCount, device string) *evidence.DeviceCount {
	c := counts[device]
	if c == nil {
		c = &evidence.DeviceCount{Device: device}
		counts[device] = c
	}
	return c
}
