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
	day := settledDay()
	s, err := newSchool(b.machines, []calendar.Date{day})
	if err != nil {
		return err
	}
	if err := b.settleFromSQLite(ctx, s, day); err != nil {
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
	c := settleCase{
		name: "InfluxDB", school: s, store: store, day: day, limitName: "influxd giving out the power alone: ",
		goal: atMost(2, "< 2 s from InfluxDB"),
	}
	c.limit = func(ctx context.Context) (float64, error) { return askForPower(ctx, address, day.Span()) }
	return errors.Join(b.settleFrom(ctx, &c), store.Close())
}

func (b *bench) settleFromSQLite(ctx context.Context, s *school, day calendar.Date) (err error) {
	store, remove, err := b.sqlite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	c := settleCase{
		name: "SQLite", school: s, store: store, day: day, limitName: "reading it alone, one device after the other: ",
		goal: atMost(1, "< 1 s from SQLite"),
	}
	c.limit = c.readAll
	return b.settleFrom(ctx, &c)
}

// sqlite opens an empty store, and says how to remove it.
func (b *bench) sqlite(ctx context.Context) (*embedded.Store, func() error, error) {
	dir, err := b.folder("embedded")
	if err != nil {
		return nil, nil, err
	}
	store, err := embedded.Open(ctx, filepath.Join(dir, "evidence.db"), embedded.Options{})
	if err != nil {
		return nil, nil, err
	}
	return store, func() error { return errors.Join(store.Close(), os.RemoveAll(dir)) }, nil
}

// settleCase is a store to settle from, and what of it cannot be faster.
type settleCase struct {
	name      string
	school    *school
	store     evidence.Store
	day       calendar.Date
	goal      goal // of machines and people together
	limitName string
	limit     func(context.Context) (float64, error) // seconds
}

func settledDay() calendar.Date { return calendar.Date{Year: 2026, Month: time.September, Day: 14} }

// settleFrom fills a store with the day and settles it.
func (b *bench) settleFrom(ctx context.Context, c *settleCase) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	cal, err := calendar.New()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := fill(ctx, c.store, c.school, []calendar.Date{c.day}); err != nil {
		return err
	}
	b.say("  %s took the day in %.1f s", c.name, time.Since(began).Seconds())

	settler := settle.New(c.store, c.school.registry, cal)
	var machines, whole, busy, limit, explained series
	for range min(b.runs, maxSettles) {
		began := time.Now()
		derived, err := settler.Machines(ctx, baseCode, c.day.Span())
		if err != nil {
			return err
		}
		machines = append(machines, time.Since(began).Seconds())
		if err := complete(derived, b.machines); err != nil {
			return err
		}
		seconds, err := c.limit(ctx)
		if err != nil {
			return err
		}
		limit = append(limit, seconds)
		seconds, used, err := b.timeDays(ctx, c.school, settler, []calendar.Date{c.day})
		if err != nil {
			return err
		}
		whole, busy = append(whole, seconds), append(busy, used)
		took, err := c.school.explain(ctx, settler)
		if err != nil {
			return err
		}
		for _, seconds := range took {
			explained = append(explained, 1000*seconds)
		}
	}
	b.add(row{
		what: fmt.Sprintf("machines of a base-day, %d at 10 s, from %s", b.machines, c.name), ours: machines.show("s"),
		peer: c.limitName + limit.show("s"), ratio: times(limit.median() / machines.median()),
	})
	b.add(row{
		what: fmt.Sprintf("settle a base-day: the machines, %d people, %d classes, into the ledger; from %s",
			len(c.school.sessions)*seatsPerRoom, len(c.school.sessions), c.name), ours: whole.show("s"),
		peer: "of that processor time, of both cores: " + busy.show("s"), ratio: times(busy.median() / whole.median()),
		target: c.goal.text, verdict: c.goal.verdict(whole.median()),
	})
	goal := atMost(200, "< 200 ms")
	b.add(row{
		what: "explain one trainee's lesson, from " + c.name, ours: explained.show("ms"),
		target: goal.text, verdict: goal.verdict(explained.median()),
	})
	if c.name == "SQLite" { // it is the same from both
		return b.judge(ctx, c.school, settler, c.day)
	}
	return nil
}

// measureYear settles a month of a small base, and says what that makes of a city's year.
func measureYear(ctx context.Context, b *bench) (err error) {
	const (
		bases, months = 60, 12
		night         = 10 // hours
	)
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	machines := max(b.machines/10, 1)
	var days []calendar.Date
	for n := range 30 {
		days = append(days, settledDay().Add(n-13)) // all of September
	}
	s, err := newSchool(machines, days)
	if err != nil {
		return err
	}
	store, remove, err := b.sqlite(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := fill(ctx, store, s, days); err != nil {
		return err
	}
	cal, err := calendar.New()
	if err != nil {
		return err
	}
	settler := settle.New(store, s.registry, cal)
	var took, busy, year series
	for range min(b.runs, maxSettles) {
		seconds, used, err := b.timeDays(ctx, s, settler, days)
		if err != nil {
			return err
		}
		took, busy = append(took, seconds), append(busy, used)
		year = append(year, seconds*float64(b.machines)/float64(machines)*bases*months/3600)
	}
	goal := atMost(night, "a night, 10 h")
	b.add(row{
		what: fmt.Sprintf("a city year, %d bases of %d machines, from SQLite: %d times a measured month of %d machines",
			bases, b.machines, bases*months*b.machines/machines, machines), ours: year.show("h"),
		peer: "the month: " + took.show("s") + ", processor time of both cores " + busy.show("s"), target: goal.text, verdict: goal.verdict(year.median()),
	})
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
	for _, d := range c.school.registry.EquipmentOf(baseCode) {
		device := "meter" + strings.TrimPrefix(d.ID, "mill")
		n := 0
		err := c.store.Read(ctx, evidence.Query{Base: baseCode, Device: device, Window: c.day.Span()}, func(*evidence.Entry) error { n++; return nil })
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

// fill writes the days as collectors do: in the order of time, in frames of all devices; the taps at the end.
func fill(ctx context.Context, store evidence.Store, s *school, days []calendar.Date) error {
	meters := make([]*meter, len(s.base.Equipment))
	for i := range meters {
		meters[i] = newMeter(i)
	}
	roundsPerWrite := max(12_000/len(meters), 1)
	var seq uint64
	fromMs, rounds := days[0].Span().StartMs, daySamples*len(days)
	for round := 0; round < rounds; round += roundsPerWrite {
		batch := evidence.Batch{Base: baseCode, Bridge: bridgeID, Epoch: 1}
		first := seq + 1
		for r := round; r < min(round+roundsPerWrite, rounds); r++ {
			for i, m := range meters {
				m.step()
				seq++
				batch.Messages = append(batch.Messages, m.record(seq, deviceName(i), fromMs+int64(r)*stepMs))
			}
		}
		last := batch.Messages[len(batch.Messages)-1].ReceivedMs
		batch.CollectedMs = last
		batch.Receipts = []evidence.Receipt{{Epoch: 1, First: first, Last: seq, FirstMs: batch.Messages[0].ReceivedMs, LastMs: last}}
		if err := put(ctx, store, batch); err != nil {
			return err
		}
	}
	return put(ctx, store, s.taps(seq))
}

func put(ctx context.Context, store evidence.Store, batch evidence.Batch) error {
	outcomes, err := store.Write(ctx, []evidence.Batch{batch})
	if err != nil {
		return err
	}
	if rejected := outcomes[0].Rejected; len(rejected) > 0 {
		return fmt.Errorf("store rejects record %d: %s %s", rejected[0].Seq, rejected[0].Reason, rejected[0].Detail)
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
