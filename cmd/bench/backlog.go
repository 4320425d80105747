package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

const (
	backlogBatch = 5000
	backlogLimit = 20 * time.Minute
)

// measureBacklog measures how fast a base that was cut off catches up, beside how fast its log can be read at all.
func measureBacklog(ctx context.Context, b *bench) error {
	s, err := b.newSite(0)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(s.dir) }()
	if err := b.fillLog(ctx, s); err != nil {
		return fmt.Errorf("fill the log: %w", err)
	}
	size, err := folderBytes(s.logDir())
	if err != nil {
		return err
	}
	b.say("  %s records on disk, %s MB", grouped(float64(b.backlog)), grouped(size/1e6))
	// Each run acknowledges the records; with its state of now, the log knows nothing of that.
	state := filepath.Join(s.logDir(), "state")
	unacknowledged, err := os.ReadFile(state)
	if err != nil {
		return err
	}
	var ours, limit, peak series
	for range b.runs {
		rate, err := b.readLog(ctx, s)
		if err != nil {
			return err
		}
		limit = append(limit, rate)
		if err := os.WriteFile(state, unacknowledged, 0o600); err != nil {
			return err
		}
		rate, held, err := b.drain(ctx, s)
		if err != nil {
			return err
		}
		ours, peak = append(ours, rate), append(peak, held.peak/(1<<20))
		b.say("  %s records/s, the bridge held %.0f MiB at most", grouped(rate), held.peak/(1<<20))
	}
	speed := atLeast(150_000, "≥ 150,000 records/s")
	b.add(row{
		what: fmt.Sprintf("a backlog of %s records drains into a store that only counts", number(float64(b.backlog))), ours: ours.show("records/s"),
		peer: "reading the log alone: " + limit.show("records/s"), ratio: times(ours.median() / limit.median()),
		target: speed.text, verdict: speed.verdict(ours.median()),
	})
	b.add(row{what: "memory of the bridge meanwhile, at most", ours: peak.show("MiB")})
	return nil
}

// fillLog appends to the site's log what a bridge would have.
func (b *bench) fillLog(ctx context.Context, s *site) (err error) {
	router, err := newRouter()
	if err != nil {
		return err
	}
	log, err := spool.Open(s.logDir(), spool.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	var entries []spool.Entry
	var memory []byte // of the entries
	flush := func() error {
		_, err := log.Append(ctx, entries)
		entries, memory = entries[:0], memory[:0]
		return err
	}
	for m := range deviceStream(b.backlog, b.began) {
		start := len(memory)
		memory = frame.AppendMessage(memory, decoded(router, &m))
		split := len(memory)
		memory = append(append(append(memory, m.topic...), 0), m.payload...)
		entries = append(entries, spool.Entry{ReceivedMs: m.atMs, Body: memory[start:split:split], Raw: memory[split:len(memory):len(memory)]})
		if len(entries) == backlogBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func folderBytes(dir string) (float64, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	size := 0.0
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return 0, err
		}
		size += float64(info.Size())
	}
	return size, nil
}

// readLog is the limit: the records that the log gives out in a second to whoever does nothing with them.
func (b *bench) readLog(ctx context.Context, s *site) (rate float64, err error) {
	log, err := spool.Open(s.logDir(), spool.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	began := time.Now()
	n, err := log.Verify(ctx)
	if err == nil && n != uint64(b.backlog) {
		err = fmt.Errorf("the log has %d records of %d", n, b.backlog)
	}
	return float64(n) / time.Since(began).Seconds(), err
}

// drain starts a bridge on the log as it was filled and a city that is empty. It returns the records in a second from the
// start of the bridge's process until it knows of every record that the city has it.
func (b *bench) drain(ctx context.Context, s *site) (rate float64, held memory, err error) {
	ctx, cancel := context.WithTimeout(ctx, backlogLimit)
	defer cancel()
	c, err := b.startCity(ctx, s)
	if err != nil {
		return 0, held, err
	}
	defer c.stop()
	began := time.Now()
	bridge, err := b.startBridge(ctx, s, c.addr, benchLinger)
	if err != nil {
		return 0, held, err
	}
	defer bridge.stop()
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(ctx, bridge, "bridge-backlog", profileFor) }()
	err = await(ctx, backlogLimit, "all is stored", func() (bool, error) { return c.stored() >= b.backlog, nil })
	if err == nil {
		err = await(ctx, backlogLimit, "the bridge knows that all is stored", func() (bool, error) {
			pending, err := metric(ctx, bridge.admin, "jishi_log_pending_records")
			return pending == 0, err
		})
	}
	took := time.Since(began)
	if err == nil {
		err = <-profiled
	}
	if err != nil {
		return 0, held, fmt.Errorf("%w; %d of %d are; the bridge says:\n%s", err, c.stored(), b.backlog, bridge.output)
	}
	if n := c.stored(); n > b.backlog {
		b.say("  %d records came more than once", n-b.backlog)
	}
	held, err = bridge.memory()
	return float64(b.backlog) / took.Seconds(), held, err
}
