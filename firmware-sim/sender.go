package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// qos is the quality of service of everything that is replayed: at least once.
const qos = 1

// maxTopic is what MQTT allows, in bytes.
const maxTopic = 65535

// sender is the window of messages that the broker has not acknowledged, and the connection they go out on.
// Everything happens on the goroutine that replays.
type sender struct {
	options ReplayOptions
	result  Result

	conn    Publisher
	window  []outgoing // a ring: used from first, count long
	first   int
	count   int
	clockMs int64 // the simulated time published last, 0 before the first

	backoff   time.Duration // before the next attempt to connect
	speed     float64
	startWall time.Time
	startMs   int64

	began, reported time.Time
	reportedCount   int64
}

// outgoing is one message in the window.
type outgoing struct {
	topic   string
	payload []byte
	retain  bool
	isClock bool
	clockMs int64 // the simulated time in force when the message was published
	token   Token
}

func newSender(o ReplayOptions) *sender {
	now := time.Now()
	return &sender{options: o, window: make([]outgoing, o.Window), began: now, reported: now}
}

func (s *sender) close() {
	if s.conn != nil {
		s.conn.Close()
	}
}

// send publishes one message, after the simulated time if that has moved. A message that no broker takes is an error
// here: it would end every connection that it is sent on.
func (s *sender) send(ctx context.Context, m Timed) error {
	if m.Topic == "" || strings.ContainsAny(m.Topic, "+#\x00") || len(m.Topic) > maxTopic || len(m.Payload) > maxPayload {
		return fmt.Errorf("message to %.80q with %d bytes: want a topic without wildcards and at most %d bytes", m.Topic, len(m.Payload), maxPayload)
	}
	if s.options.Clock && s.clockDue(m) {
		if err := s.sendClock(ctx, m.AtMs); err != nil {
			return err
		}
	}
	s.result.AtMs = m.AtMs
	s.result.Messages++
	return s.publish(ctx, outgoing{topic: m.Topic, payload: m.Payload, retain: m.Retain, clockMs: s.clockMs})
}

// clockDue never lets the clock go backwards, even for a sequence that does.
func (s *sender) clockDue(m Timed) bool {
	if m.Exact {
		return m.AtMs > s.clockMs
	}
	return s.clockMs == 0 || m.AtMs >= s.clockMs+clockStepMs
}

func (s *sender) sendClock(ctx context.Context, ms int64) error {
	s.clockMs = ms
	s.result.Clocks++
	return s.publish(ctx, outgoing{topic: ClockTopic, payload: clockPayload(ms), isClock: true, clockMs: ms})
}

// publish puts a message into the window, waiting for room, and sends it.
func (s *sender) publish(ctx context.Context, m outgoing) error {
	for s.count == len(s.window) {
		if err := s.awaitOldest(ctx, nil); err != nil {
			return err
		}
	}
	m.token = s.conn.PublishAsync(m.topic, qos, m.retain, m.payload)
	s.window[(s.first+s.count)%len(s.window)] = m
	s.count++
	return nil
}

// drain waits until everything is acknowledged.
func (s *sender) drain(ctx context.Context) error {
	for s.count > 0 {
		if err := s.awaitOldest(ctx, nil); err != nil {
			return err
		}
		s.report(false)
	}
	return nil
}

// idle keeps the connection and takes acknowledgements for as long as d.
func (s *sender) idle(ctx context.Context, d time.Duration) error {
	over, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for over.Err() == nil {
		if s.count > 0 {
			if err := s.awaitOldest(ctx, over.Done()); err != nil {
				return err
			}
			continue
		}
		select {
		case <-s.conn.Lost():
			if err := s.reconnect(ctx); err != nil {
				return err
			}
		case <-over.Done():
		}
	}
	return ctx.Err()
}

// awaitOldest waits for the fate of the oldest message in the window and takes all acknowledgements that follow it. It
// connects again when the connection is lost, and returns early when stop is closed.
func (s *sender) awaitOldest(ctx context.Context, stop <-chan struct{}) error {
	select {
	case <-s.window[s.first].token.Done():
		if s.takeAcks() {
			return nil
		}
		return s.reconnect(ctx)
	case <-s.conn.Lost():
		return s.reconnect(ctx)
	case <-stop:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeAcks removes the acknowledged messages at the head of the window; false says that one of them failed.
func (s *sender) takeAcks() bool {
	for s.count > 0 {
		oldest := &s.window[s.first]
		select {
		case <-oldest.token.Done():
		default:
			return true
		}
		if oldest.token.Err() != nil {
			return false
		}
		if !oldest.isClock {
			s.result.Acked++
		}
		s.backoff = 0
		*oldest = outgoing{}
		s.first = (s.first + 1) % len(s.window)
		s.count--
	}
	return true
}

// reconnect replaces the connection and sends the window again, from the oldest message on and in order, also what was
// acknowledged out of turn: the receiver's last sight of the messages must be in order.
func (s *sender) reconnect(ctx context.Context) error {
	s.takeAcks()
	s.conn.Close()
	s.options.Logger.InfoContext(ctx, "connection lost", "unacknowledged", s.count)
	if err := s.connect(ctx); err != nil {
		return err
	}
	s.result.Reconnects++
	s.restoreClock()
	for i := range s.count {
		m := &s.window[(s.first+i)%len(s.window)]
		m.token = s.conn.PublishAsync(m.topic, qos, m.retain, m.payload)
		if !m.isClock {
			s.result.Resent++
		}
	}
	return nil
}

// restoreClock tells a broker that may have been born again what time it is. It is sent outside the window: if it is
// lost, so is the connection, and the next one sends it again.
func (s *sender) restoreClock() {
	ms := s.clockMs
	if s.count > 0 {
		ms = s.window[s.first].clockMs
	}
	if s.options.Clock && ms > 0 {
		s.result.Clocks++
		s.conn.PublishAsync(ClockTopic, qos, false, clockPayload(ms))
	}
}

// Backoff between attempts to connect.
const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 5 * time.Second
)

// connect dials until it succeeds or ctx is done, waiting longer each time until a message is acknowledged again. The
// first connection is tried once only: a wrong address is an error, not something to wait for.
func (s *sender) connect(ctx context.Context) error {
	for {
		if err := s.waitBackoff(ctx); err != nil {
			return err
		}
		conn, err := s.options.Dial(ctx)
		if err == nil {
			s.conn = conn
			return nil
		}
		if s.conn == nil || ctx.Err() != nil {
			return err
		}
		s.options.Logger.WarnContext(ctx, "connect to broker", "err", err)
	}
}

// waitBackoff waits before an attempt to connect, not at all before the first since the last acknowledgement.
func (s *sender) waitBackoff(ctx context.Context) error {
	wait := s.backoff
	s.backoff = min(max(2*s.backoff, minBackoff), maxBackoff)
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait/2 + rand.N(wait/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report calls Progress when it is due.
func (s *sender) report(last bool) {
	now := time.Now()
	s.result.Elapsed = now.Sub(s.began)
	since := now.Sub(s.reported)
	if s.options.Progress == nil || !last && since < s.options.ProgressEvery {
		return
	}
	p := Progress{Result: s.result}
	if since > 0 {
		p.PerSecond = float64(s.result.Messages-s.reportedCount) / since.Seconds()
	}
	s.reported, s.reportedCount = now, s.result.Messages
	s.options.Progress(p)
}
