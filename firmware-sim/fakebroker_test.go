package sim

import (
	"context"
	"errors"
	"time"
)

// fakeBroker receives messages in the goroutine that replays. Its connections live as its script says.
type fakeBroker struct {
	script   []life // one for each connection; later ones live for ever
	dials    int
	received []receipt
}

// life says how a connection ends.
type life struct {
	refuse   bool // it is never made
	receives int  // messages that arrive; the next ones are lost, and the connection with them
	unacked  int  // how many of the last received are not acknowledged any more
	mute     bool // it lives on, and acknowledges nothing
}

// receipt is one message as it arrived.
type receipt struct {
	topic, payload string
	connection     int
	at             time.Time
}

type fakeConnection struct {
	broker  *fakeBroker
	number  int
	life    *life
	tokens  []*fakeToken
	lost    chan struct{}
	isLost  bool
	arrived int
}

type fakeToken struct {
	c    *fakeConnection
	done chan struct{}
	over bool
	err  error
}

var errFakeLost = errors.New("fake connection lost")

func (b *fakeBroker) dial(context.Context) (Publisher, error) {
	n := b.dials
	b.dials++
	c := &fakeConnection{broker: b, number: n, lost: make(chan struct{})}
	if n < len(b.script) {
		if b.script[n].refuse {
			return nil, errFakeLost
		}
		c.life = &b.script[n]
	}
	return c, nil
}

func (c *fakeConnection) PublishAsync(topic string, _ byte, _ bool, payload []byte) Token {
	t := &fakeToken{c: c, done: make(chan struct{})}
	c.tokens = append(c.tokens, t)
	if !c.isLost && c.life != nil && c.arrived == c.life.receives {
		c.lose()
	}
	if c.isLost {
		t.end(errFakeLost)
		return t
	}
	c.arrived++
	c.broker.received = append(c.broker.received, receipt{topic, string(payload), c.number, time.Now()})
	return t
}

// lose ends the connection; what arrived is acknowledged but for the last few.
func (c *fakeConnection) lose() {
	if c.isLost {
		return
	}
	acked := min(c.arrived, c.life.receives-c.life.unacked)
	for i, t := range c.tokens {
		if i < acked {
			t.end(nil)
		}
	}
	for _, t := range c.tokens {
		t.end(errFakeLost)
	}
	c.isLost = true
	close(c.lost)
}

func (c *fakeConnection) Lost() <-chan struct{} { return c.lost }

func (c *fakeConnection) Close() {}

// Done acknowledges everything up to the token; if the connection is not to live that long, it ends now.
func (t *fakeToken) Done() <-chan struct{} {
	c := t.c
	if t.over || c.life != nil && c.life.mute {
		return t.done
	}
	for i, other := range c.tokens {
		if c.life != nil && i >= c.life.receives-c.life.unacked {
			c.lose()
			break
		}
		other.end(nil)
		if other == t {
			break
		}
	}
	return t.done
}

func (t *fakeToken) Err() error { return t.err }

func (t *fakeToken) end(err error) {
	if !t.over {
		t.over, t.err = true, err
		close(t.done)
	}
}
