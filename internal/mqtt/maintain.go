package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	minBackoff = 200 * time.Millisecond
	maxBackoff = 30 * time.Second
	// healthyAfter is how long a session has to last for the next wait to start small again.
	healthyAfter = time.Minute
)

// Maintain connects, calls session with the connected client, closes the client when session returns, and begins again,
// until ctx ends; then it returns nil. Session should return when the client's Lost is closed or ctx is done. Between two
// attempts it waits a random time up to a limit, which doubles from 0.2 s to 30 s and starts again after a session that
// lasted a minute. It logs when the connection comes up and when it goes down, not every attempt. The error is that of
// invalid options.
func Maintain(ctx context.Context, o ClientOptions, session func(ctx context.Context, c *Client) error) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	m := newClientMetrics(o.Registerer)
	loop := maintainer[*Client]{
		dial:    func(ctx context.Context) (*Client, error) { return dial(ctx, o, m) },
		session: session,
		jitter:  func(limit time.Duration) time.Duration { return rand.N(limit) },
		logger:  o.Logger.With("url", o.URL, "client_id", o.ClientID),
	}
	loop.run(ctx)
	return nil
}

// maintainer is the loop of Maintain, for any kind of connection.
type maintainer[C interface{ Close() error }] struct {
	dial    func(context.Context) (C, error)
	session func(context.Context, C) error
	jitter  func(limit time.Duration) time.Duration // in [0, limit)
	logger  *slog.Logger

	failures int // attempts and short sessions in a row
	down     bool
}

func (m *maintainer[C]) run(ctx context.Context) {
	for ctx.Err() == nil {
		m.attempt(ctx)
		select {
		case <-time.After(m.jitter(m.limit())):
		case <-ctx.Done():
		}
	}
}

// attempt is one connection, from dialling to its end.
func (m *maintainer[C]) attempt(ctx context.Context) {
	c, err := m.dial(ctx)
	if err != nil {
		m.failures++
		m.goneDown(ctx, "mqtt not connected", err)
		return
	}
	m.logger.Info("mqtt connected", "failed_attempts", m.failures)
	m.down = false
	begin := time.Now()
	err = errors.Join(m.session(ctx, c), c.Close())
	if time.Since(begin) >= healthyAfter {
		m.failures = 0
	}
	m.failures++
	m.goneDown(ctx, "mqtt session ended", err)
}

// goneDown logs the first of a row of failures; that the process is ending is not one.
func (m *maintainer[C]) goneDown(ctx context.Context, message string, err error) {
	level := slog.LevelWarn
	if m.down || ctx.Err() != nil {
		level = slog.LevelDebug
	}
	m.down = true
	m.logger.Log(ctx, level, message, "err", err, "next_attempt_within", m.limit()) //nolint:sloglint // two constants
}

// limit is the longest wait before the next attempt.
func (m *maintainer[C]) limit() time.Duration {
	if m.failures > 8 { // 0.2 s doubled eight times is more than the maximum
		return maxBackoff
	}
	return min(minBackoff<<max(m.failures-1, 0), maxBackoff)
}
