package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jishi-telemetry/jishi/internal/dialect"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// commitAll appends batch after batch to the log and acknowledges each once it is durable. It returns the log's error.
func (b *Bridge) commitAll(ctx context.Context, decoded <-chan *batch) error {
	for next := range decoded {
		if err := b.commit(ctx, next); err != nil {
			return err
		}
		b.batches.done(next)
	}
	return nil
}

// commit makes one batch durable, then acknowledges its messages. While the log is full it waits, and so do the devices:
// nothing is acknowledged that is not on disk.
func (b *Bridge) commit(ctx context.Context, next *batch) error {
	if len(next.entries) > 0 {
		err := b.append(ctx, next.entries)
		if ctx.Err() != nil && err != nil {
			return nil //nolint:nilerr // stopping: what is not acknowledged is sent again
		}
		if err != nil {
			return fmt.Errorf("commit %d messages: %w", len(next.entries), err)
		}
	}
	for _, in := range next.messages {
		in.Ack()
		if b.o.Route != nil {
			b.o.Route(in)
		}
	}
	for _, r := range next.requests {
		b.publish(r)
	}
	return nil
}

// publish sends a request to a device. One that does not arrive is asked again when it is due.
func (b *Bridge) publish(r dialect.Request) {
	publish := b.o.Publish
	if publish == nil {
		publish = b.source.queue
	}
	if err := publish(r); err != nil {
		b.m.requestErrors.Inc()
	}
}

// append writes the entries, waiting while the log has no room.
func (b *Bridge) append(ctx context.Context, entries []spool.Entry) error {
	full := false
	for {
		_, err := b.o.Log.Append(ctx, entries)
		if !errors.Is(err, spool.ErrFull) {
			if full {
				b.status.fullSinceMs.Store(0)
				b.o.Logger.Info("log has room again")
			}
			return err
		}
		if !full {
			full = true
			b.status.fullSinceMs.Store(b.o.Now().UnixMilli())
			b.o.Logger.Error("log is full, devices are not acknowledged", "err", err)
		}
		b.m.full.Inc()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		if _, err := b.o.Log.Retain(); err != nil {
			return fmt.Errorf("make room in the log: %w", err)
		}
	}
}

// retain drops from the log, now and then, what the city has and the audit period no longer asks for.
func (b *Bridge) retain(ctx context.Context) {
	tick := time.NewTicker(b.o.RetainEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n, err := b.o.Log.Retain(); err != nil {
				b.o.Logger.Error("cannot drop old segments", "err", err)
			} else if n > 0 {
				b.o.Logger.Info("old segments dropped", "segments", n)
			}
		}
	}
}

// observe counts what a message yielded.
func (b *Bridge) observe(m *telemetry.Message) {
	b.m.message(dialectLabel(m.Dialect))
	b.status.intake.took(m.ReceivedMs)
	for i := range m.Records {
		r := &m.Records[i]
		b.m.record(r.Kind)
		if r.Kind == telemetry.KindRaw {
			b.m.quarantined.WithLabelValues(string(r.Reason)).Inc()
			b.status.intake.stray(r, m.Dialect, m.ReceivedMs)
		}
		if r.Clock == telemetry.ClockSuspect {
			b.m.suspect.Inc()
		}
		b.status.seen.heard(r, m.Dialect, m.ReceivedMs)
	}
}

func dialectLabel(name string) string {
	if name == "" {
		return "none"
	}
	return name
}
