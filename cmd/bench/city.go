package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	cityConnections = 50
	cityLimit       = 3 * time.Minute
	// stalled is how long nothing may arrive before what is missing counts as lost.
	stalled    = 10 * time.Second
	profileFor = 5 * time.Second
)

// passage is one run of all messages from the devices into InfluxDB.
type passage struct {
	seconds             float64
	lost                float64   // readings that are not in InfluxDB
	cpu, broker, influx float64   // processor seconds: of what is compared, of the broker beside it, of InfluxDB
	each                []float64 // the parts of cpu
	uplink              float64   // bytes, ours only
}

// passages are the runs of one side.
type passages []passage

func (p passages) series(of func(passage) float64) series {
	var s series
	for _, one := range p {
		s = append(s, of(one))
	}
	return s
}

// measureCity measures the whole path from devices into InfluxDB beside Telegraf, on the same mosquitto and influxd, from
// the same devices.
func measureCity(ctx context.Context, b *bench) error {
	messages := deviceMessages(b.messages, b.began)
	loads := spread(messages, cityConnections)
	var ours, peer passages
	for i := range b.runs {
		p, err := b.jishiPassage(ctx, loads, i == 0)
		if err != nil {
			return err
		}
		b.say("  jishi %.2f s, bridge and collector %.2f s CPU, mosquitto %.2f, influxd %.2f", p.seconds, p.each, p.broker, p.influx)
		ours = append(ours, p)
		if p, err = b.telegrafPassage(ctx, loads); err != nil {
			return err
		}
		b.say("  telegraf %.2f s, %.2f s CPU, mosquitto %.2f, influxd %.2f", p.seconds, p.each, p.broker, p.influx)
		peer = append(peer, p)
	}
	b.reportCity(len(messages), ours, peer)
	b.reportUplink("four readings each, full frames (a bridge that catches up)", bytesOf(loads), ours.series(func(p passage) float64 { return p.uplink }))
	return nil
}

func (b *bench) reportCity(messages int, ours, peer passages) {
	readings := float64(messages * readingsPerMessage)
	rate := func(p passage) float64 { return readings / p.seconds }
	speed := atLeast(50_000, "≥ 50,000 readings/s")
	r, t := ours.series(rate), peer.series(rate)
	b.add(row{
		what: "device → InfluxDB, QoS 1, readings", ours: r.show("readings/s"), peer: "Telegraf: " + t.show("readings/s"),
		ratio: times(r.median() / t.median()), target: speed.text, verdict: speed.verdict(r.median()),
	})
	inMessages := func(p passage) float64 { return float64(messages) / p.seconds }
	r, t = ours.series(inMessages), peer.series(inMessages)
	b.add(row{
		what: fmt.Sprintf("the same in messages of %d readings", readingsPerMessage), ours: r.show("msg/s"), peer: "Telegraf: " + t.show("msg/s"),
		ratio: times(r.median() / t.median()),
	})
	frugal := atLeast(5, "≥ 5× Telegraf's readings per CPU-second")
	micros := func(cpu func(passage) float64) func(passage) float64 {
		return func(p passage) float64 { return cpu(p) / readings * 1e6 }
	}
	own := micros(func(p passage) float64 { return p.cpu })
	all := micros(func(p passage) float64 { return p.cpu + p.broker })
	for _, c := range []struct {
		what, peer string
		of, than   func(passage) float64
		goal       goal
	}{
		{"CPU: bridge (its broker within) + collector", "Telegraf alone: ", own, own, frugal},
		{"CPU: bridge + collector", "Telegraf + its mosquitto: ", own, all, frugal},
		{"CPU: bridge + city's mosquitto + collector", "Telegraf + its mosquitto: ", all, all, goal{}},
		{"CPU of influxd meanwhile", "under Telegraf: ", micros(func(p passage) float64 { return p.influx }), micros(func(p passage) float64 { return p.influx }), goal{}},
	} {
		r, t := ours.series(c.of), peer.series(c.than)
		ratio := t.median() / r.median()
		line := row{what: c.what, ours: r.show("µs/reading"), peer: c.peer + t.show("µs/reading"), ratio: times(ratio)}
		if c.goal.text != "" {
			line.target, line.verdict = c.goal.text, c.goal.verdict(ratio)
		}
		b.add(line)
	}
	lost := func(p passage) float64 { return p.lost }
	none := atMost(0, "0")
	r, t = ours.series(lost), peer.series(lost)
	b.add(row{
		what: fmt.Sprintf("readings of %s that are not in InfluxDB", grouped(readings)), ours: r.show("lost"), peer: "Telegraf: " + t.show("lost"),
		target: none.text, verdict: none.verdict(r.median()),
	})
}

// jishiPassage sends the loads through bridge, city broker, collector and InfluxDB.
func (b *bench) jishiPassage(ctx context.Context, loads []load, profiled bool) (p passage, err error) {
	ctx, cancel := context.WithTimeout(ctx, cityLimit)
	defer cancel()
	broker, brokerAddr, err := b.mosquitto(ctx)
	if err != nil {
		return p, err
	}
	defer broker.stop()
	influxd, influx, err := b.influxd(ctx)
	if err != nil {
		return p, err
	}
	defer influxd.stop()
	s, err := b.newSite(devices)
	if err != nil {
		return p, err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	collect, err := b.startCollector(ctx, s, brokerAddr, influx)
	if err != nil {
		return p, err
	}
	defer collect.stop()
	bridge, err := b.startBridge(ctx, s, brokerAddr, benchLinger)
	if err != nil {
		return p, err
	}
	defer bridge.stop()

	var wg sync.WaitGroup
	var profiles [2]error
	if profiled && b.profiles != "" {
		wg.Go(func() { profiles[0] = b.profile(ctx, bridge, "bridge", profileFor) })
		wg.Go(func() { profiles[1] = b.profile(ctx, collect, "collector", profileFor) })
	}
	t := transfer{addr: bridge.addr, influx: influx, measurement: "sample", prefix: "count_", loads: loads}
	t.side, t.broker, t.influxd = []*process{bridge.process, collect.process}, broker, influxd
	t.done = func(ctx context.Context) (bool, error) {
		pending, err := metric(ctx, bridge.admin, "jishi_log_pending_records")
		return pending == 0, err
	}
	p, err = t.run(ctx)
	wg.Wait()
	if err = errors.Join(err, profiles[0], profiles[1]); err != nil {
		return p, err
	}
	p.uplink, err = uplinkBytes(ctx, bridge.admin)
	return p, err
}

// transfer is one side's way of getting loads into InfluxDB, set up and ready.
type transfer struct {
	addr                string // the broker that devices know
	influx              string
	measurement, prefix string // how the points are called, and the fields' counts
	loads               []load
	side                []*process // whose processor time is compared
	broker, influxd     *process
	done                func(context.Context) (bool, error) // nil: when InfluxDB has all points
}

// run sends the loads, waits until all is stored or nothing moves any more, and counts.
func (t *transfer) run(ctx context.Context) (p passage, err error) {
	n := count(t.loads)
	f, err := dialFlooder(ctx, t.addr, len(t.loads))
	if err != nil {
		return p, err
	}
	defer f.close()
	all := append([]*process{t.broker, t.influxd}, t.side...)
	before, err := readClocks(all...)
	if err != nil {
		return p, err
	}
	began := time.Now()
	if _, err := f.send(ctx, t.loads, floodWindow); err != nil {
		return p, err
	}
	last, err := t.stored(ctx, n)
	if err != nil {
		return p, err
	}
	p.seconds = last.Sub(began).Seconds()
	// What a process still has to do for these messages, it does within a second of the last of them.
	if err := pause(ctx, time.Second); err != nil {
		return p, err
	}
	after, err := readClocks(all...)
	if err != nil {
		return p, err
	}
	for _, one := range t.side {
		used := (after[one] - before[one]).Seconds()
		p.cpu, p.each = p.cpu+used, append(p.each, used)
	}
	p.broker, p.influx = (after[t.broker] - before[t.broker]).Seconds(), (after[t.influxd] - before[t.influxd]).Seconds()
	p.lost, err = t.lost(ctx, n)
	return p, err
}

// stored waits until InfluxDB has taken n points and the side is done, or nothing has moved for a while; it returns when the last
// moved.
func (t *transfer) stored(ctx context.Context, n int) (time.Time, error) {
	points, last := 0.0, time.Now()
	for {
		now, err := written(ctx, t.influx)
		if err != nil {
			return last, err
		}
		if now > points {
			points, last = now, time.Now()
		}
		done := points >= float64(n)
		if done && t.done != nil {
			if done, err = t.done(ctx); err != nil {
				return last, err
			}
			if done {
				last = time.Now()
			}
		}
		if done || time.Since(last) > stalled {
			return last, nil
		}
		if err := pause(ctx, 2*pollEvery); err != nil {
			return last, err
		}
	}
}

// lost returns how many readings are missing in InfluxDB.
func (t *transfer) lost(ctx context.Context, n int) (float64, error) {
	counts, err := countFields(ctx, t.influx, t.measurement)
	if err != nil {
		return 0, err
	}
	lost := 0.0
	for _, field := range []string{"power_w", "voltage_v", "current_a", "energy_wh"} {
		lost += float64(n) - counts[t.prefix+field]
	}
	return lost, nil
}
