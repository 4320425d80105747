package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
)

// Publish sends a message and waits for the broker's acknowledgement (at QoS 0: until it is on its way). When ctx ends
// first the message may still arrive.
func (c *Client) Publish(ctx context.Context, topic string, qos byte, retain bool, payload []byte) error {
	t := newToken(Message{Topic: topic, Payload: payload, QoS: qos, Retain: retain})
	c.enqueue(ctx, t)
	select {
	case <-t.Done():
		return t.Err()
	case <-ctx.Done():
		return fmt.Errorf("publish to %q: %w", topic, ctx.Err())
	}
}

// PublishAsync sends a message and returns at once, unless MaxInFlight publishes are unacknowledged or the network does
// not keep up: then it waits until that has changed or the connection has ended. The payload must not be changed before
// the token is done. Messages of one caller keep their order.
func (c *Client) PublishAsync(topic string, qos byte, retain bool, payload []byte) *Token {
	t := newToken(Message{Topic: topic, Payload: payload, QoS: qos, Retain: retain})
	c.enqueue(context.Background(), t)
	return t
}

// enqueue gives the token to the publisher, or ends it.
func (c *Client) enqueue(ctx context.Context, t *Token) {
	if err := t.message.check(); err != nil {
		t.end(err)
		return
	}
	if t.message.QoS > 0 {
		select {
		case c.inflight.window <- struct{}{}:
		case <-c.conn.ended:
			t.end(c.failed(t, c.ended()))
			return
		case <-ctx.Done():
			t.end(c.failed(t, ctx.Err()))
			return
		}
	}
	c.publishing.RLock()
	defer c.publishing.RUnlock()
	if !c.refusing {
		select {
		case c.queue <- t:
			return
		case <-ctx.Done():
			c.release(t, ctx.Err())
			return
		case <-c.conn.ended:
		case <-c.closing:
		}
	}
	c.release(t, c.ended())
}

func (m Message) check() error {
	if m.Topic == "" || strings.ContainsAny(m.Topic, "+#\x00") || len(m.Topic) > 65535 || m.QoS > 2 {
		return fmt.Errorf("publish to %q at qos %d: want a topic without wildcards, and qos 0 to 2", m.Topic, m.QoS)
	}
	return nil
}

// release ends a token that has its place in the window, and frees the place.
func (c *Client) release(t *Token, err error) {
	if err != nil {
		err = c.failed(t, err)
	}
	t.end(err)
	if t.message.QoS > 0 {
		<-c.inflight.window
	}
}

func (c *Client) failed(t *Token, err error) error {
	c.m.publishFailures.Inc()
	return fmt.Errorf("publish to %q: %w", t.message.Topic, err)
}

// publish is the one goroutine that gives messages to paho, until the connection ends.
func (c *Client) publish() {
	for {
		select {
		case t := <-c.queue:
			c.conn.waitRoom()
			c.send(t)
		case <-c.conn.ended:
			return
		case <-c.closing:
			return
		}
	}
}

func (c *Client) send(t *Token) {
	m := t.message
	if c.conn.cause() != nil {
		c.release(t, c.ended())
		return
	}
	if m.QoS > 0 {
		c.inflight.expect(t)
	}
	token := c.paho.Publish(m.Topic, m.QoS, m.Retain, m.Payload)
	var err error
	select {
	case <-token.Done():
		err = token.Error()
	default:
	}
	if err != nil {
		err = c.unsent(err)
	}
	switch {
	case m.QoS == 0:
		c.release(t, err)
	case err != nil || c.conn.cause() != nil:
		if c.inflight.forget(t) {
			c.release(t, cmp.Or(err, c.ended()))
		}
	}
	if err == nil {
		c.m.published.Inc()
	}
}

// unsent is the error of what paho would not take, which it does only when the connection is ending.
func (c *Client) unsent(err error) error {
	if ended := c.ended(); errors.Is(ended, ErrClosed) || c.conn.cause() != nil {
		return ended
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

func (c *Client) drain(err error) {
	for {
		select {
		case t := <-c.queue:
			c.release(t, err)
		default:
			return
		}
	}
}
