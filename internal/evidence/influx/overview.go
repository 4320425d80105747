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

// Before implements evidence.Store.
func (s *Store) Before(ctx context.Context, q evidence.Query) ([]evidence.Entry, error) {
	var found []evidence.Entry
	err := s.view("read evidence before a window", func() error {
		kinds, err := q.Wanted()
		if err != nil {
			return err
		}
		until := cut(span.Span{StartMs: evidence.MinMs, EndMs: q.Window.StartMs})
		if until.Empty() {
			return ctx.Err()
		}
		found, err = s.last(ctx, q, kinds, until)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) })
	return found, nil
}

// Latest implements evidence.Store.
func (s *Store) Latest(ctx context.Context, base, device string) ([]evidence.Entry, error) {
	var found []evidence.Entry
	err := s.view("read latest evidence", func() error {
		q := evidence.Query{Base: base, Device: device}
		kinds, err := q.Wanted()
		if err != nil {
			return err
		}
		found, err = s.last(ctx, q, kinds, span.Span{StartMs: evidence.MinMs, EndMs: evidence.MaxMs + 1})
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(found, evidence.CompareChannels)
	return found, nil
}

// last returns the last sample of each channel and the last link of all in the window.
func (s *Store) last(ctx context.Context, q evidence.Query, kinds []telemetry.Kind, window span.Span) ([]evidence.Entry, error) {
	where := ofDevice(q) + " AND " + during(window)
	var found []evidence.Entry
	if slices.Contains(kinds, telemetry.KindSample) && (q.Channels == nil || len(q.Channels) > 0) {
		samples := where
		if q.Channels != nil {
			samples += " AND " + inChannels(q.Channels)
		}
		var err error
		if found, err = s.lastOfEach(ctx, telemetry.KindSample, q, samples); err != nil {
			return nil, err
		}
	}
	if slices.Contains(kinds, telemetry.KindLink) {
		links, err := s.lastOfEach(ctx, telemetry.KindLink, q, where)
		if err != nil {
			return nil, err
		}
		if len(links) > 0 {
			found = append(found, slices.MaxFunc(links, func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) }))
		}
	}
	return found, nil
}

// lastOfEach returns the last entry of each channel.
func (s *Store) lastOfEach(ctx context.Context, kind telemetry.Kind, q evidence.Query, where string) ([]evidence.Entry, error) {
	measurement := sampleName
	if kind == telemetry.KindLink {
		measurement = linkName
	}
	// The fields of a point are not known before it is found: this statement, of one row a channel, asks for all.
	a, err := s.ask(ctx, `SELECT * FROM "`+measurement+`" WHERE `+where+` GROUP BY "channel" ORDER BY time DESC LIMIT 1`)
	if err != nil {
		return nil, err
	}
	defer a.close()
	d := decode(a, kind)
	points := selection{s, kind, measurement, ofDevice(q), []string{"channel"}}
	var found []evidence.Entry
	for {
		e := evidence.Entry{}
		e.Device = q.Device
		ok, err := points.next(ctx, d, &e)
		if err != nil || !ok {
			return found, err
		}
		found = append(found, e)
	}
}

// Devices implements evidence.Store. Its cost grows with the number of records in the window.
func (s *Store) Devices(ctx context.Context, base string, window span.Span) ([]evidence.DeviceCount, error) {
	counts := map[string]*deviceCount{}
	err := s.view("count evidence", func() error {
		window = cut(window)
		if window.Empty() {
			return ctx.Err()
		}
		where := tagIs("base", base) + " AND " + during(window)
		for _, of := range []struct {
			measurement string
			field       func(*evidence.DeviceCount) *int64
		}{
			{sampleName, func(c *evidence.DeviceCount) *int64 { return &c.Samples }},
			{tapName, func(c *evidence.DeviceCount) *int64 { return &c.Taps }},
			{linkName, func(c *evidence.DeviceCount) *int64 { return &c.Links }},
		} {
			if err := s.count(ctx, of.measurement, where, counts, of.field); err != nil {
				return err
			}
		}
		return s.countRaw(ctx, base, window, counts)
	})
	if err != nil {
		return nil, err
	}
	all := make([]evidence.DeviceCount, 0, len(counts))
	for _, c := range counts {
		all = append(all, c.DeviceCount)
	}
	slices.SortFunc(all, func(a, b evidence.DeviceCount) int { return strings.Compare(a.Device, b.Device) })
	return all, nil
}

// count adds what one measurement has of each device.
func (s *Store) count(ctx context.Context, measurement, where string, counts map[string]*deviceCount,
	field func(*evidence.DeviceCount) *int64,
) error {
	err := s.each(ctx, `SELECT COUNT("seq") FROM "`+measurement+`" WHERE `+where+` GROUP BY "device"`, func(a *answer) error {
		n, err := a.cell(a.column("count")).integer()
		if n > 0 {
			*field(&of(counts, decoded(a.tags["device"])).DeviceCount) += n
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, end := range []string{"FIRST", "LAST"} {
		statement := `SELECT ` + end + `("seq") FROM "` + measurement + `" WHERE ` + where + ` GROUP BY "device"`
		err := s.each(ctx, statement, func(a *answer) error {
			ns, err := a.cell(a.column("time")).integer()
			c := of(counts, decoded(a.tags["device"]))
			at := floorMs(ns)
			if !c.dated {
				c.dated, c.FirstMs, c.LastMs = true, at, at
			}
			c.FirstMs, c.LastMs = min(c.FirstMs, at), max(c.LastMs, at)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// countRaw adds the quarantine. It is kept by receive time, and an event may be any time away from that: all of it is
// looked at, which is what a base's quarantine should be small enough for.
func (s *Store) countRaw(ctx context.Context, base string, w span.Span, counts map[string]*deviceCount) error {
	statement := `SELECT "device" FROM "` + quarantineName + `" WHERE ` + tagIs("base", base) + " AND " + eventDuring(w)
	return s.each(ctx, statement, func(a *answer) error {
		device, err := a.cell(a.column("device")).string()
		of(counts, decoded(string(device))).Raw++
		return err
	})
}

func eventDuring(w span.Span) string {
	return `"event_ms" >= ` + strconv.FormatInt(w.StartMs, 10) + ` AND "event_ms" < ` + strconv.FormatInt(w.EndMs, 10)
}

// each calls row for each row of a statement's answer.
func (s *Store) each(ctx context.Context, statement string, row func(*answer) error) error {
	a, err := s.ask(ctx, statement)
	if err != nil {
		return err
	}
	defer a.close()
	for {
		ok, err := a.next()
		if err != nil || !ok {
			return err
		}
		if err := row(a); err != nil {
			return err
		}
	}
}

// deviceCount is a count in the making.
type deviceCount struct {
	evidence.DeviceCount
	dated bool // FirstMs and LastMs are set
}

func of(counts map[string]*deviceCount, device string) *deviceCount {
	c := counts[device]
	if c == nil {
		c = &deviceCount{DeviceCount: evidence.DeviceCount{Device: device}}
		counts[device] = c
	}
	return c
}
