package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/obs"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// lookAtLog makes a status of what the log's files say, for a base whose bridge does not answer; why says how it does not.
// It changes nothing.
func lookAtLog(ctx context.Context, c *settings, why error) (*edgeStatus, error) {
	dir := c.path("spool.dir", "log")
	log, err := spool.Inspect(dir)
	if err != nil {
		return nil, fmt.Errorf("%w; and the log cannot be looked at: %w", why, err)
	}
	s := &edgeStatus{StatusVersion: statusVersion, Program: obs.ReadBuild().Version, ReadFrom: "log", Status: bridge.Status{
		Base: c.String("base.code"), Bridge: c.String("bridge.id"), NowMs: time.Now().UnixMilli(),
		Disk: bridge.DiskStatus{
			Epoch: fmt.Sprintf("%016x", log.Epoch()), Begin: log.Begin(), MaxBytes: c.Size("spool.max-bytes"),
			MinFreeBytes: c.Size("spool.min-free-bytes"), AuditSeconds: int64(c.Duration("spool.audit").Seconds()),
			DropOldest: c.Bool("spool.drop-oldest"), RoomBytes: -1, FreeBytes: -1,
		},
	}}
	s.ReceiveMs = s.NowMs
	s.Disk.Segments, s.Disk.LogBytes = log.Size()
	if free, err := spool.RealFS().Free(dir); err == nil {
		s.Disk.FreeBytes = free
	}
	s.Losses = bridge.SumLosses(log.Losses(), log.Acknowledged())
	if err := errors.Join(countWaiting(ctx, log, s), log.Close()); err != nil {
		return nil, err
	}
	s.Attention = append([]concern{notRunning(why)}, concernsOf(s)...)
	return s, nil
}

// countWaiting reads what waits for the city.
func countWaiting(ctx context.Context, log *spool.Inspection, s *edgeStatus) error {
	acked := log.Acknowledged()
	if len(acked) > 0 && acked[0].First == 1 {
		log.SkipTo(acked[0].Last + 1)
	}
	s.Disk.End = log.Begin()
	var rec spool.Record
	for {
		err := log.Next(&rec)
		gap, lost := errors.AsType[*spool.GapError](err)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case lost:
			s.Disk.End = gap.Last + 1
			continue
		case err != nil:
			return fmt.Errorf("look at the log: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		s.Disk.End = rec.Seq + 1
		if slices.ContainsFunc(acked, func(r spool.Range) bool { return r.First <= rec.Seq && rec.Seq <= r.Last }) {
			continue
		}
		if s.Queue.Records++; s.Queue.Records == 1 {
			s.Queue.OldestMs = rec.ReceivedMs
		}
		s.Queue.Bytes += int64(len(rec.Body) + len(rec.Raw))
	}
}
