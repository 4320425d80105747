package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

const (
	logRecordBytes = 150
	logFor         = 700 * time.Millisecond // of each measurement
	logMaxBytes    = 1 << 30                // of each measurement, on the disk
)

// logCase is one way of appending.
type logCase struct {
	batch, callers int
}

func (c logCase) String() string {
	if c.callers == 1 {
		return fmt.Sprintf("log append, durable, %d records a call", c.batch)
	}
	return fmt.Sprintf("log append, durable, %d records a call, %d callers", c.batch, c.callers)
}

// measureLog measures appends to the log beside the limit: as many bytes a sync, written to a plain file.
func measureLog(ctx context.Context, b *bench) error {
	for _, c := range []logCase{{100, 1}, {1000, 1}, {5000, 1}, {100, 8}} {
		var ours, limit series
		for range b.runs {
			rate, err := b.appendRate(ctx, c)
			if err != nil {
				return err
			}
			ours = append(ours, rate)
			if rate, err = b.writeRate(ctx, c); err != nil {
				return err
			}
			limit = append(limit, rate)
		}
		b.add(row{
			what: c.String(), ours: ours.show("records/s"), peer: "bare write + fdatasync: " + limit.show("records/s"),
			ratio: times(ours.median() / limit.median()),
		})
	}
	return nil
}

// appendRate returns the records that the log makes durable in a second.
func (b *bench) appendRate(ctx context.Context, c logCase) (rate float64, err error) {
	dir, err := b.folder("log")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	log, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()

	entries := logEntries(c.batch)
	most := int64(logMaxBytes / (logRecordBytes * c.batch))
	var calls atomic.Int64
	errs := make([]error, c.callers)
	var all sync.WaitGroup
	began := time.Now()
	for i := range c.callers {
		all.Go(func() {
			for errs[i] == nil && time.Since(began) < logFor && calls.Load() < most {
				_, errs[i] = log.Append(ctx, entries)
				calls.Add(1)
			}
		})
	}
	all.Wait()
	return float64(calls.Load()*int64(c.batch)) / time.Since(began).Seconds(), errors.Join(errs...)
}

// logEntries are records with bodies that no disk can compress.
func logEntries(n int) []spool.Entry {
	entries := make([]spool.Entry, n)
	for i := range entries {
		entries[i] = spool.Entry{ReceivedMs: int64(i), Body: noise(logRecordBytes)}
	}
	return entries
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rng.Uint32())
	}
	return out
}

// writeRate is the limit: the records' bytes alone, without numbers, times, checksums or chain, one sync for all callers.
func (b *bench) writeRate(ctx context.Context, c logCase) (rate float64, err error) {
	dir, err := b.folder("raw")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := os.Create(filepath.Join(dir, "raw"))
	if err != nil {
		return 0, fmt.Errorf("write to disk: %w", err)
	}
	defer func() { _ = f.Close() }()

	records := c.batch * c.callers
	buffer := noise(records * logRecordBytes)
	calls, most := 0, logMaxBytes/len(buffer)
	began := time.Now()
	for ctx.Err() == nil && time.Since(began) < logFor && calls < most {
		if _, err := f.Write(buffer); err != nil {
			return 0, fmt.Errorf("write to disk: %w", err)
		}
		if err := dataSync(f); err != nil {
			return 0, fmt.Errorf("sync to disk: %w", err)
		}
		calls++
	}
	return float64(calls*records) / time.Since(began).Seconds(), ctx.Err()
}
