package mqtt

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quiet is the handler that mochi logs to. Mochi warns once per bad packet, sometimes without a message, and attaches
// whole packets, passwords included: everything but its errors becomes debug, and packets are left out.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return q.Handler.Enabled(ctx, lowered(level))
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	message := "mochi: " + r.Message
	if r.Message == "" {
		message = "mochi: connection ended"
	}
	out := slog.NewRecord(r.Time, lowered(r.Level), message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "pk", "packet", "will":
		case "error":
			out.AddAttrs(slog.Any("err", a.Value.Any()))
		default:
			out.AddAttrs(a)
		}
		return true
	})
	return q.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

func lowered(level slog.Level) slog.Level {
	if level < slog.LevelError {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// occasionally logs warnings that a misbehaving client could cause without end: one per message text and period, with the
// number of those that were left out. The texts are constants, so there are few.
type occasionally struct {
	logger *slog.Logger
	every  time.Duration

	mu   sync.Mutex // guards seen
	seen map[string]*warning
}

type warning struct {
	last    time.Time
	skipped int
}

func (o *occasionally) log(message string, args ...any) {
	o.mu.Lock()
	if o.seen == nil {
		o.seen = make(map[string]*warning)
	}
	w := o.seen[message]
	now := time.Now()
	if w != nil && now.Sub(w.last) < o.every {
		w.skipped++
		o.mu.Unlock()
		return
	}
	skipped := 0
	if w != nil {
		skipped = w.skipped
	}
	o.seen[message] = &warning{last: now}
	o.mu.Unlock()
	if skipped > 0 {
		args = append(args, "similar_skipped", skipped)
	}
	o.logger.Warn(message, args...) //nolint:sloglint // the callers' messages are constants
}
