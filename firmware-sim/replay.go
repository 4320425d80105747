package sim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"
)

// ReplayOptions says how messages are published.
type ReplayOptions struct {
	// Dial connects to the broker; it is called again after every loss of the connection. Required; see Broker.
	Dial func(ctx context.Context) (Publisher, error)
	// Speed is how many times faster than recorded the messages are published, 1 for real time; 0 is as fast as the
	// broker acknowledges. It must not be negative, and is 0 when Live is set.
	Speed float64
	// Live publishes what lies in the past as fast as the broker acknowledges, and everything else at its own instant by
	// the wall clock.
	Live bool
	// Clock publishes the simulated time for a bridge with its replay clock on.
	Clock bool
	// Window is how many messages may be unacknowledged, 1 to 60000; 0 is 1000.
	Window int
	// Progress, if set, is called from the replaying goroutine about every ProgressEvery (0 is one second) and once at
	// the end. It must return soon.
	Progress      func(Progress)
	ProgressEvery time.Duration
	// Logger gets lost connections; nil is silent.
	Logger *slog.Logger
}

// Result counts what a replay did.
type Result struct {
	// Messages were handed to the broker for the first time, and Clocks are the clock messages besides.
	Messages, Clocks int64
	// Acked is how many of Messages the broker acknowledged.
	Acked int64
	// Resent counts messages published again because the connection was lost before their acknowledgement.
	Resent int64
	// Reconnects counts the connections after the first.
	Reconnects int64
	// AtMs is the instant of the last message, Unix milliseconds of recorded time.
	AtMs    int64
	Elapsed time.Duration
	// Counts is what became of the recording's lines; zero when the messages came from elsewhere.
	Counts Counts
}

// Progress is the state of a running replay.
type Progress struct {
	Result
	// PerSecond is the rate of first publications since the progress before.
	PerSecond float64
	// TotalBytes is the size of the recording on disk, of which Counts.Bytes are read; 0 when not known.
	TotalBytes int64
}

// Publisher is a connection to a broker. Its messages are delivered in the order of publication while it lasts.
type Publisher interface {
	// PublishAsync sends the message and returns a token that is done when the broker has acknowledged it.
	PublishAsync(topic string, qos byte, retain bool, payload []byte) Token
	// Lost is closed when the connection is gone; tokens that are not done then never succeed.
	Lost() <-chan struct{}
	// Close ends the connection; it is idempotent.
	Close()
}

// Token is the fate of one published message.
type Token interface {
	Done() <-chan struct{}
	// Err is nil when the broker acknowledged the message; only to be called once Done is closed.
	Err() error
}

// Limits and defaults of ReplayOptions.
const (
	defaultWindow        = 1000
	maxWindow            = 60000
	defaultProgressEvery = time.Second
)

// clockStepMs is the coarsest step of the simulated clock for messages that carry their own time.
const clockStepMs = 1000

func (o *ReplayOptions) validate() error {
	var errs []error
	if o.Dial == nil {
		errs = append(errs, errors.New("option Dial is required"))
	}
	if o.Speed < 0 || o.Speed > 0 && o.Live {
		errs = append(errs, fmt.Errorf("option Speed %g: must be 0 or more, and 0 with Live", o.Speed))
	}
	if o.Window < 0 || o.Window > maxWindow {
		errs = append(errs, fmt.Errorf("option Window %d: must be 0 (for %d) to %d", o.Window, defaultWindow, maxWindow))
	}
	if o.Window == 0 {
		o.Window = defaultWindow
	}
	if o.ProgressEvery <= 0 {
		o.ProgressEvery = defaultProgressEvery
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(errs...)
}

// Replay publishes the recording; see the function Replay. The result and the progress carry the recording's counts.
func (r *Recording) Replay(ctx context.Context, o ReplayOptions) (Result, error) {
	if progress := o.Progress; progress != nil {
		total := r.Bytes()
		o.Progress = func(p Progress) {
			p.Counts, p.TotalBytes = r.Counts(), total
			progress(p)
		}
	}
	result, err := Replay(ctx, r.Messages(), o)
	result.Counts = r.Counts()
	return result, err
}

// Replay publishes messages, which must be in the order of their instants, with QoS 1 and returns when the broker has
// acknowledged all of them, when ctx is done, or at the first error in the sequence.
//
// No message is lost: each is kept until its acknowledgement, and when the connection goes, Replay connects again, for
// as long as it takes, and publishes everything from the oldest unacknowledged message on, in order. A broker that dies
// and comes back thus sees every message at least once, and the last time it sees them they are in order.
//
// With Clock, a message is preceded by the simulated time whenever that has moved by a second since it was published
// last, and whenever it differs at all if the message carries no exact time itself (Timed.Exact). After a connection
// the first message is the time that was in force when the oldest unacknowledged message was published first, so that
// what is sent again gets the same receive time again. While a paced replay waits it publishes the time once a second.
func Replay(ctx context.Context, messages iter.Seq2[Timed, error], o ReplayOptions) (Result, error) {
	if err := o.validate(); err != nil {
		return Result{}, fmt.Errorf("replay: %w", err)
	}
	s := newSender(o)
	defer s.close()
	err := s.run(ctx, messages)
	s.report(true)
	if err != nil {
		return s.result, fmt.Errorf("replay: %w", err)
	}
	return s.result, nil
}

func (s *sender) run(ctx context.Context, messages iter.Seq2[Timed, error]) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	for m, err := range messages {
		if err != nil {
			return err
		}
		if err := s.pace(ctx, m.AtMs); err != nil {
			return err
		}
		if err := s.send(ctx, m); err != nil {
			return err
		}
		s.report(false)
	}
	return s.drain(ctx)
}

// pace waits until the message's time has come.
func (s *sender) pace(ctx context.Context, atMs int64) error {
	switch {
	case s.options.Live:
		s.startWall, s.startMs, s.speed = time.Unix(0, 0), 0, 1
	case s.options.Speed > 0 && s.speed == 0:
		s.startWall, s.startMs, s.speed = time.Now(), atMs, s.options.Speed
	}
	if s.speed == 0 {
		return nil
	}
	due := s.startWall.Add(time.Duration(float64(atMs-s.startMs) / s.speed * float64(time.Millisecond)))
	if s.options.Live {
		due = time.UnixMilli(atMs)
	}
	for {
		wait := time.Until(due)
		if wait <= 0 {
			return nil
		}
		if err := s.idle(ctx, min(wait, time.Second)); err != nil {
			return err
		}
		if err := s.tick(ctx, atMs); err != nil {
			return err
		}
	}
}

// tick publishes the simulated time while nothing else is due, so that silence is seen as silence.
func (s *sender) tick(ctx context.Context, beforeMs int64) error {
	s.report(false)
	nowMs := s.startMs + int64(float64(time.Since(s.startWall).Milliseconds())*s.speed)
	if s.options.Live {
		nowMs = time.Now().UnixMilli()
	}
	if !s.options.Clock || nowMs >= beforeMs || nowMs < s.clockMs+clockStepMs {
		return nil
	}
	return s.sendClock(ctx, nowMs)
}
