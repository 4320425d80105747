package mqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

const (
	clientReadBuffer = 64 << 10
	// handoffTimeout is how long paho waits to hand a packet to its writer. The writer never waits for the network (see
	// conn.waitRoom), so it only passes when the connection is being torn down.
	handoffTimeout = 2 * time.Second
	// goodbyeTimeout is how long Close waits for paho's goroutines to end.
	goodbyeTimeout = 5 * time.Second
	// publishQueue smooths the hand-over to the goroutine that publishes.
	publishQueue = 256
)

// Client is one connection to a broker. It ends with the connection and does not come back; Maintain makes the next one.
// All methods may be called concurrently.
type Client struct {
	paho           paho.Client
	conn           *conn
	m              *clientMetrics
	sessionPresent bool

	messages chan Inbound
	inflight *inflight
	lost     chan struct{} // closed by finish
	reason   error         // why the connection ended; written before lost is closed

	closeOnce sync.Once
	closing   chan struct{} // closed by Close before it does anything else
	running   sync.WaitGroup

	receiving sync.RWMutex // held for reading by receive; guards finished
	finished  bool         // messages is closed

	publishing sync.RWMutex // held for reading while a token is queued; guards refusing
	refusing   bool         // no token may be queued any more
	queue      chan *Token
}

// Dial connects once. It returns when the broker has accepted the client, refused it (ErrRefused), or ctx or 15 seconds
// have passed. The caller closes the Client, also after its connection was lost.
func Dial(ctx context.Context, o ClientOptions) (*Client, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	return dial(ctx, o, newClientMetrics(o.Registerer))
}

func dial(ctx context.Context, o ClientOptions, m *clientMetrics) (*Client, error) {
	c := &Client{
		m:        m,
		messages: make(chan Inbound, o.ReceiveBuffer),
		inflight: newInflight(o.MaxInFlight),
		lost:     make(chan struct{}),
		closing:  make(chan struct{}),
		queue:    make(chan *Token, publishQueue),
	}
	if err := c.connect(ctx, o); err != nil {
		m.connectFailures.Inc()
		return nil, fmt.Errorf("connect to %s: %w", o.URL, err)
	}
	m.connects.Inc()
	m.connected.Inc()
	c.running.Go(c.publish)
	c.running.Go(func() {
		<-c.conn.ended
		c.finish()
	})
	return c, nil
}

// connect makes the network connection and the MQTT session on it.
func (c *Client) connect(ctx context.Context, o ClientOptions) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	giveUp := func() bool { return true }
	options := c.pahoOptions(o, func() (net.Conn, error) {
		nc, err := o.open(ctx)
		if err != nil {
			return nil, err
		}
		c.conn = newConn(nc, clientReadBuffer)
		giveUp = context.AfterFunc(ctx, func() { c.conn.end(context.Cause(ctx), 0) })
		return c.conn, nil
	})
	c.paho = paho.NewClient(options)
	token := c.paho.Connect()
	<-token.Done() // in time: opening heeds ctx, and the handshake is cut off by giveUp
	err := token.Error()
	if !giveUp() && err == nil { // it became too late in the very moment of success
		err = ctx.Err()
	}
	if err != nil {
		if c.conn != nil {
			_ = c.conn.Close()
			<-c.conn.flushed
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return refusal(err)
	}
	if t, ok := token.(*paho.ConnectToken); ok {
		c.sessionPresent = t.SessionPresent()
	}
	return nil
}

// refusal marks the errors that are the broker's answer.
func refusal(err error) error {
	for _, answer := range []error{
		packets.ErrorRefusedBadProtocolVersion, packets.ErrorRefusedIDRejected, packets.ErrorRefusedServerUnavailable,
		packets.ErrorRefusedBadUsernameOrPassword, packets.ErrorRefusedNotAuthorised,
	} {
		if errors.Is(err, answer) {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
	}
	return err
}

func (c *Client) pahoOptions(o ClientOptions, open func() (net.Conn, error)) *paho.ClientOptions {
	p := paho.NewClientOptions().
		AddBroker(o.URL).
		SetClientID(o.ClientID).
		SetUsername(o.Username).
		SetPassword(o.Password.Reveal()).
		SetCleanSession(o.CleanSession).
		SetKeepAlive(o.KeepAlive).
		SetProtocolVersion(4). // explicit, or paho tries 3.1 after a refusal
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(handoffTimeout).
		SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetStore(c.inflight).
		SetDefaultPublishHandler(c.receive). // before Connect: queued messages come before any SUBACK
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return open() })
	w := o.Will
	if o.WillAtConnect != nil {
		w = o.WillAtConnect()
	}
	if w != nil {
		p.SetBinaryWill(w.Topic, w.Payload, w.QoS, w.Retain)
	}
	return p
}

// SessionPresent reports whether the broker had kept the session of this client id.
func (c *Client) SessionPresent() bool { return c.sessionPresent }

// Messages are what the subscriptions, of this connection and of a kept session, deliver. It is closed when the
// connection ends; what was received before can still be read from it.
func (c *Client) Messages() <-chan Inbound { return c.messages }

// Lost is closed when the connection has ended, for whatever reason; by then every token has.
func (c *Client) Lost() <-chan struct{} { return c.lost }

// Err says why the connection ended: ErrClosed after Close, an ErrLost otherwise, nil before Lost is closed.
func (c *Client) Err() error {
	select {
	case <-c.lost:
		return c.reason
	default:
		return nil
	}
}

// ended is the error for what cannot be done any more.
func (c *Client) ended() error {
	select {
	case <-c.closing:
		return ErrClosed
	default:
		return fmt.Errorf("%w: %w", ErrLost, c.conn.cause())
	}
}

// receive is paho's handler. While it waits for room in messages nothing is read; it ends with the connection.
func (c *Client) receive(_ paho.Client, m paho.Message) {
	in := Inbound{
		Topic:     m.Topic(),
		Payload:   m.Payload(),
		Retained:  m.Retained(),
		Duplicate: m.Duplicate(),
		QoS:       m.Qos(),
		Ack:       noAck,
	}
	switch in.QoS {
	case 1:
		in.Ack = (&acknowledgement{c: c.conn, count: c.m.acknowledged, packet: pubackPacket, id: m.MessageID()}).send
	case 2:
		in.Ack = (&acknowledgement{c: c.conn, count: c.m.acknowledged, packet: pubrecPacket, id: m.MessageID()}).send
	}
	c.receiving.RLock()
	defer c.receiving.RUnlock()
	if c.finished {
		return
	}
	select {
	case c.messages <- in:
		c.m.received.Inc()
	case <-c.conn.ended:
	}
}

// Subscribe asks for the messages that match the filter, at most at the given QoS, and waits for the broker's answer. A
// refusal is an ErrRefused.
func (c *Client) Subscribe(ctx context.Context, filter string, qos byte) error {
	token := c.paho.Subscribe(filter, qos, nil)
	select {
	case <-token.Done():
	case <-c.lost:
		return fmt.Errorf("subscribe to %q: %w", filter, c.ended())
	case <-ctx.Done():
		return fmt.Errorf("subscribe to %q: %w", filter, ctx.Err())
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe to %q: %w", filter, err)
	}
	for _, granted := range token.(*paho.SubscribeToken).Result() {
		if granted >= 0x80 {
			return fmt.Errorf("subscribe to %q: %w", filter, ErrRefused)
		}
	}
	return nil
}

// finish ends everything that depends on the connection. It runs once, after conn.ended.
func (c *Client) finish() {
	err := c.ended()
	for _, t := range c.inflight.abandon() {
		c.release(t, err)
	}
	c.publishing.Lock()
	c.refusing = true
	c.publishing.Unlock()
	c.drain(err)

	c.receiving.Lock()
	c.finished = true
	close(c.messages)
	c.receiving.Unlock()
	c.m.connected.Dec()
	c.reason = err
	close(c.lost)
}

// Close says goodbye, so that the broker does not publish the will, writes out the acknowledgements that were given, and
// waits until everything has ended. It returns nil; later calls do nothing. Publishes under way end with ErrClosed.
func (c *Client) Close() error {
	c.closeOnce.Do(func() {
		close(c.closing)
		c.paho.Disconnect(uint(goodbyeTimeout.Milliseconds()))
		_ = c.conn.Close()
		c.running.Wait()
		<-c.conn.flushed
	})
	return nil
}
