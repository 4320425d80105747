package mqtt

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// link is a connection without a network.
type link struct{ closed int }

func (l *link) Close() error { l.closed++; return nil }

// script plays attempts: each is how long the session lasts, or a negative number for a dial that fails.
type script struct {
	lasts []time.Duration
	links []*link
	times []time.Duration // since the start, of each dial
	limit []time.Duration // asked of jitter
	log   bytes.Buffer
}

func (s *script) play(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	var last time.Duration
	m := maintainer[*link]{
		dial: func(context.Context) (*link, error) {
			s.times = append(s.times, time.Since(begin))
			if len(s.lasts) == 0 {
				cancel()
				return nil, ctx.Err()
			}
			last, s.lasts = s.lasts[0], s.lasts[1:]
			if last < 0 {
				return nil, errors.New("nobody there")
			}
			l := &link{}
			s.links = append(s.links, l)
			return l, nil
		},
		session: func(context.Context, *link) error {
			time.Sleep(last)
			return ErrLost
		},
		jitter: func(limit time.Duration) time.Duration {
			s.limit = append(s.limit, limit)
			return limit / 2
		},
		logger: slog.New(slog.NewTextHandler(&s.log, nil)),
	}
	m.run(ctx)
	for i, l := range s.links {
		if l.closed != 1 {
			t.Errorf("link %d: closed %d times", i, l.closed)
		}
	}
}

func repeated(d time.Duration, n int) []time.Duration {
	var all []time.Duration
	for range n {
		all = append(all, d)
	}
	return all
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{lasts: repeated(-1, 11)}
		s.play(t)
		want := []time.Duration{
			200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond,
			3200 * time.Millisecond, 6400 * time.Millisecond, 12800 * time.Millisecond, 25600 * time.Millisecond,
			30 * time.Second, 30 * time.Second, 30 * time.Second,
		}
		if diff := cmp.Diff(want, s.limit[:11]); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
		if got := s.times[2] - s.times[1]; got != 200*time.Millisecond {
			t.Errorf("waited %v, want what jitter said, 200ms", got)
		}
		if n := strings.Count(s.log.String(), "\n"); n != 1 {
			t.Errorf("%d log lines, want one for the change:\n%s", n, s.log.String())
		}
	})
}

func TestBackoffStartsAgainAfterAHealthySession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{lasts: []time.Duration{-1, -1, -1, time.Second, time.Minute, -1}}
		s.play(t)
		want := []time.Duration{
			200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond,
			1600 * time.Millisecond, // a session of a second is no sign of health
			200 * time.Millisecond,
			400 * time.Millisecond,
		}
		if diff := cmp.Diff(want, s.limit[:6]); diff != "" {
			t.Errorf("limits (-want +got):\n%s", diff)
		}
		if n := strings.Count(s.log.String(), "mqtt connected"); n != 2 {
			t.Errorf("%d lines of connections, want 2:\n%s", n, s.log.String())
		}
		if n := strings.Count(s.log.String(), "level=WARN"); n != 3 {
			t.Errorf("%d warnings, want 3 changes for the worse:\n%s", n, s.log.String())
		}
	})
}

func TestMaintainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, dial := range map[string]func(context.Context) (*link, error){
		"while it waits": func(context.Context) (*link, error) { return nil, errors.New("nobody there") },
		"while it dials": func(ctx context.Context) (*link, error) { <-ctx.Done(); return nil, ctx.Err() },
		"in its session": func(context.Context) (*link, error) { return &link{}, nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				begin := time.Now()
				m := maintainer[*link]{
					dial:    dial,
					session: func(ctx context.Context, _ *link) error { <-ctx.Done(); return nil },
					jitter:  func(limit time.Duration) time.Duration { return limit },
					logger:  slog.New(slog.DiscardHandler),
				}
				m.run(ctx)
				if d := time.Since(begin); d != time.Hour {
					t.Errorf("ended after %v, want 1h", d)
				}
			})
		})
	}
}
