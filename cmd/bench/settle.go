package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jishi-telemetry/jishi/internal/calendar"
	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/evidence/influx"
	"github.com/jishi-telemetry/jishi/internal/settle"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const (
	settleLimit = 5 * time.Minute // of each store, filling included
	maxSettles  = 3               // filling the stores takes long enough
)

// measureSettle measures how long it takes to settle a day of a base from each evidence store.
func measureSettle(ctx context.Context, b *bench) error {
	s, err := b.newSite(b.machines)
	if err != nil {
		return err
	}
	dir, err := b.folder("embedded")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sqlite, err := embedded.Open(ctx, filepath.Join(dir, "evidence.db"), embedded.Options{})
	if err != nil {
		return err
	}
	c := settleCase{name: "SQLite", site: s, store: sqlite, window: settledDay(), limitName: "reading it alone, one device after the other: "}
	c.limit = c.readAll
	if err := errors.Join(b.settleFrom(ctx, &c), sqlite.Close()); err != nil {
		return err
	}

	influxd, address, err := b.influxd(ctx)
	if err != nil {
		return err
	}
	defer influxd.stop()
	store, err := influx.New(influx.Options{URL: address, Bucket: bucket})
	if err != nil {
		return err
	}
	c = settleCase{name: "InfluxDB", site: s, store: store, window: settledDay(), limitName: "influxd giving out the power alone: "}
	c.limit = func(ctx context.Context) (float64, error) { return askForPower(ctx, address, c.window) }
	c.goal = atMost(2, "< 2 s from InfluxDB")
	return errors.Join(b.settleFrom(ctx, &c), store.Close())
}

// settleCase is a store to settle from, and what of it cannot be faster.
type settleCase struct {
	name      string
	site      *site
	store     evidence.Store
	window    span.Span
	goal      goal
	limitName string
	limit     func(context.Context) (float64, error) // seconds
}

func settledDay() span.Span { return calendar.Date{Year: 2026, Month: time.September, Day: 14}.Span() }

// settleFrom fills a store with the day and settles it.
func (b *bench) settleFrom(ctx context.Context, c *settleCase) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	cal, err := calendar.New()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := b.fill(ctx, c.store, c.window); err != nil {
		return err
	}
	b.say("  %s took the day in %.1f s", c.name, time.Since(began).Seconds())

	settler := settle.New(c.store, c.site.registry, cal)
	var took, limit series
	for range min(b.runs, maxSettles) {
		began := time.Now()
		machines, err := settler.Machines(ctx, baseCode, c.window)
		if err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
		if err := complete(machines, b.machines); err != nil {
			return err
		}
		seconds, err := c.limit(ctx)
		if err != nil {
			return err
		}
		limit = append(limit, seconds)
	}
	line := row{
		what: fmt.Sprintf("settle a base-day, %d machines at 10 s, from %s", b.machines, c.name), ours: took.show("s"),
		peer: c.limitName + limit.show("s"), ratio: times(limit.median() / took.median()),
	}
	if c.goal.text != "" {
		line.target, line.verdict = c.goal.text, c.goal.verdict(took.median())
	}
	b.add(line)
	return nil
}

// complete checks that nothing was left out of what was timed.
func complete(machines []*settle.Machine, want int) error {
	for _, m := range machines {
		if m.Samples != daySamples || m.Totals.UnknownMs != 0 || m.Totals.RunningMs == 0 {
			return fmt.Errorf("machine %s was settled from %d samples with %d ms unknown and %d running, want %d, 0 and some",
				m.Equipment.ID, m.Samples, m.Totals.UnknownMs, m.Totals.RunningMs, daySamples)
		}
	}
	if len(machines) != want {
		return fmt.Errorf("%d machines were settled, want %d", len(machines), want)
	}
	return nil
}

// readAll reads the day of every device.
func (c *settleCase) readAll(ctx context.Context) (float64, error) {
	began := time.Now()
	for _, d := range c.site.registry.EquipmentOf(baseCode) {
		device := "meter" + strings.TrimPrefix(d.ID, "mill")
		n := 0
		err := c.store.Read(ctx, evidence.Query{Base: baseCode, Device: device, Window: c.window}, func(*evidence.Entry) error { n++; return nil })
		if err != nil {
			return 0, err
		}
		if n != daySamples {
			return 0, fmt.Errorf("device %s has %d samples, want %d", device, n, daySamples)
		}
	}
	return time.Since(began).Seconds(), nil
}

// askForPower asks influxd for the one field that decides, of all devices, and throws the answer away.
func askForPower(ctx context.Context, address string, window span.Span) (float64, error) {
	q := url.Values{"db": {database}, "epoch": {"ms"}, "chunked": {"true"}, "q": {fmt.Sprintf(
		`SELECT power_w FROM sample WHERE base='%s' AND time >= %dms AND time < %dms GROUP BY device`, baseCode, window.StartMs, window.EndMs)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/query?"+q.Encode(), http.NoBody)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/x-msgpack")
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && n < daySamples*9 {
		err = fmt.Errorf("influxd gives %d bytes for a base-day", n)
	}
	return time.Since(began).Seconds(), err
}

// fill writes the day as collectors do: in the order of time, in frames of all devices.
func (b *bench) fill(ctx context.Context, store evidence.Store, window span.Span) error {
	const roundsPerWrite = 40
	meters := make([]*meter, b.machines)
	for i := range meters {
		meters[i] = newMeter(i)
	}
	var seq uint64
	for round := 0; round < daySamples; round += roundsPerWrite {
		batch := evidence.Batch{Base: baseCode, Bridge: bridgeID, Epoch: 1, CollectedMs: window.EndMs}
		first := seq + 1
		for r := round; r < min(round+roundsPerWrite, daySamples); r++ {
			for i, m := range meters {
				m.step()
				seq++
				batch.Messages = append(batch.Messages, m.record(seq, deviceName(i), window.StartMs+int64(r)*stepMs))
			}
		}
		batch.Receipts = []evidence.Receipt{{Epoch: 1, First: first, Last: seq, FirstMs: window.StartMs, LastMs: window.EndMs}}
		outcomes, err := store.Write(ctx, []evidence.Batch{batch})
		if err != nil {
			return err
		}
		if rejected := outcomes[0].Rejected; len(rejected) > 0 {
			return fmt.Errorf("store rejects record %d: %s %s", rejected[0].Seq, rejected[0].Reason, rejected[0].Detail)
		}
	}
	return nil
}

// record is what the bridge makes of the meter's message.
func (m *meter) record(seq uint64, device string, atMs int64) telemetry.Message {
	return telemetry.Message{
		Seq: seq, ReceivedMs: atMs + 40, Dialect: "native",
		Records: []telemetry.Record{{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: device, EventMs: atMs, DeviceMs: atMs, ValidMs: 25_000,
			Values: []telemetry.Value{
				{Quantity: telemetry.PowerW, Number: m.powerW},
				{Quantity: telemetry.VoltageV, Number: m.voltageV},
				{Quantity: telemetry.CurrentA, Number: m.powerW / m.voltageV},
				{Quantity: telemetry.EnergyWh, Number: m.energyW},
			},
		}},
	}
}
