package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// handshakeTimeout bounds the TLS handshake, and then the wait for the CONNECT.
	handshakeTimeout = 10 * time.Second
	// brokerReadBuffer is per connection; a base has hundreds.
	brokerReadBuffer = 16 << 10
	// takeoverTimeout is how long a client waits for the end of its earlier connection.
	takeoverTimeout = 5 * time.Second
	// maxSessionSeconds is how long the session of an absent client is kept.
	maxSessionSeconds = 24 * 60 * 60
	// listenerID is what mochi calls the one listener.
	listenerID = "tcp"
)

// BrokerOptions are what a Broker needs. All functions are called concurrently, in the goroutine of the connection they
// are about: the packets of one connection come one by one and in order.
type BrokerOptions struct {
	// Addr is where to listen, such as "127.0.0.1:1883"; port 0 is any free port. Required.
	Addr string
	// TLS is nil for plain TCP. Its ClientAuth decides whether client certificates are asked for and verified.
	TLS *tls.Config
	// Authenticate says whether a client may connect; nil lets everyone in, which is for the loopback and for demos. It
	// may be slow, as password hashes are.
	Authenticate func(clientID, username string, password []byte) bool
	// AuthenticateCert is asked instead of Authenticate when the client showed a certificate that was verified; the
	// username it returns is the one that Authorize sees. Nil leaves such clients to Authenticate.
	AuthenticateCert func(clientID string, leaf *x509.Certificate) (username string, ok bool)
	// Authorize says whether a client may publish to a topic (write), or be sent it. It is also asked with the filter,
	// wildcards and all, when the client subscribes ("$share/group/" removed), and with the topic of its will when it
	// connects. Nil allows everything.
	Authorize func(clientID, username, topic string, write bool) bool
	// Capture says which topics are captured: their messages go to Deliver, are acknowledged by Inbound.Ack only, and are
	// not routed; the receiver passes them on with Publish when they are durable. All other topics are routed as any
	// broker does. It must depend on the topic alone. Nil captures nothing.
	Capture func(topic string) bool
	// Deliver takes a captured message. It may block, which holds back that one connection; it has to return once the
	// application ends, since Close waits for it. Required with Capture.
	Deliver func(Inbound)
	// Oversized takes a captured message whose payload is larger than MaxPayloadBytes, in place of Deliver. With nil such
	// a message is counted, acknowledged and dropped. A packet of more than four times the limit ends its connection,
	// since nobody could say how much memory it would take.
	Oversized func(Inbound)
	// MaxPayloadBytes is the largest captured payload, 1 to 64 MiB; default 256 KiB.
	MaxPayloadBytes int
	// MaxConnections is how many clients may be connected; default 20000. More are hung up on.
	MaxConnections int
	// Logger and Registerer may be nil. One registerer takes one broker.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o BrokerOptions) complete() (BrokerOptions, error) {
	var errs []error
	if o.MaxPayloadBytes == 0 {
		o.MaxPayloadBytes = 256 << 10
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 20000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if _, _, err := net.SplitHostPort(o.Addr); err != nil {
		errs = append(errs, fmt.Errorf("broker option Addr %q: want host:port", o.Addr))
	}
	if o.Capture != nil && o.Deliver == nil {
		errs = append(errs, errors.New("broker option Deliver is missing: Capture needs it"))
	}
	if o.Capture == nil {
		o.Capture = func(string) bool { return false }
	}
	if o.MaxPayloadBytes < 1 || o.MaxPayloadBytes > 64<<20 {
		errs = append(errs, fmt.Errorf("broker option MaxPayloadBytes is %d: want 1 to %d", o.MaxPayloadBytes, 64<<20))
	}
	if o.MaxConnections < 1 {
		errs = append(errs, fmt.Errorf("broker option MaxConnections is %d: want at least 1", o.MaxConnections))
	}
	return o, errors.Join(errs...)
}

// Broker is an MQTT 3.1, 3.1.1 and 5 broker in memory. What a client publishes to a captured topic is acknowledged when
// the receiver says so, with a PUBACK, or at QoS 2 with a PUBREC; in which order is the receiver's choice.
type Broker struct {
	o      BrokerOptions
	server *mochi.Server
	m      *brokerMetrics
	warn   *occasionally

	closeOnce sync.Once
	closeErr  error
	closing   chan struct{}
	accepting sync.WaitGroup // the accept loop
	serving   sync.WaitGroup // one per connection

	mu       sync.Mutex // guards what follows
	listener net.Listener
	closed   bool
	conns    map[*conn]*attached
	sessions map[string]*conn // by client id, those that have connected
}

// attached is what the broker knows of a connection.
type attached struct {
	clientID string        // "" before it has connected
	ended    chan struct{} // closed when nothing of it is delivered any more, its will included
}

// NewBroker returns a broker with valid options; the error names every option that is not. Nothing listens before Start.
func NewBroker(o BrokerOptions) (*Broker, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	b := &Broker{
		o:        o,
		warn:     &occasionally{logger: o.Logger, every: 10 * time.Second},
		closing:  make(chan struct{}),
		conns:    make(map[*conn]*attached),
		sessions: make(map[string]*conn),
	}
	b.server = mochi.New(&mochi.Options{
		Capabilities:            capabilities(o),
		ClientNetReadBufferSize: brokerReadBuffer,
		Logger:                  slog.New(quiet{o.Logger.Handler()}),
		InlineClient:            true,
		SysTopicResendInterval:  100 * 365 * 24 * 60 * 60, // seconds: in practice never
	})
	b.m = newBrokerMetrics(o.Registerer, b.server.Info)
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		return nil, fmt.Errorf("prepare broker: %w", err)
	}
	return b, nil
}

func capabilities(o BrokerOptions) *mochi.Capabilities {
	c := mochi.NewDefaultServerCapabilities()
	c.MaximumMessageExpiryInterval = 0 // the default forgets retained messages after a day
	c.MaximumSessionExpiryInterval = maxSessionSeconds
	c.MaximumPacketSize = uint32(4 * max(o.MaxPayloadBytes, 256<<10))
	c.ReceiveMaximum = math.MaxUint16 // how many unacknowledged messages a version 5 client may have out
	c.TopicAliasMaximum = 0           // mochi asks the ACL before it resolves the alias
	return c
}

// Start listens and serves until Close. It may be called once.
func (b *Broker) Start() error {
	if err := b.server.Serve(); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.forgetSysTopics()
	listener, err := net.Listen("tcp", b.o.Addr)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.listener != nil {
		_ = listener.Close()
		return errors.New("start broker: started or closed before")
	}
	b.listener = listener
	b.accepting.Go(func() { b.accept(listener) })
	b.o.Logger.Info("mqtt broker listens", "addr", listener.Addr().String(), "tls", b.o.TLS != nil)
	return nil
}

// forgetSysTopics removes the $SYS messages that mochi retains once at its start: they would be as old as the process.
func (b *Broker) forgetSysTopics() {
	for topic := range b.server.Topics.Retained.GetAll() {
		if strings.HasPrefix(topic, mochi.SysPrefix) {
			b.server.Topics.RetainMessage(packets.Packet{TopicName: topic})
		}
	}
}

// Addr returns the host:port that is really bound, or "" before Start.
func (b *Broker) Addr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listener == nil {
		return ""
	}
	return b.listener.Addr().String()
}

// Publish sends a message to the broker's subscribers, and with retain keeps it for later ones (an empty payload then
// forgets the kept one). It is never captured, needs no permission and never blocks: a subscriber that does not keep up
// loses messages, which is counted. A qos above what the subscriber asked for is lowered to that. The payload is copied.
func (b *Broker) Publish(topic string, payload []byte, retain bool, qos byte) error {
	if topic == "" || qos > 2 {
		return fmt.Errorf("publish to %q at qos %d: want a topic, and qos 0 to 2", topic, qos)
	}
	if err := b.server.Publish(topic, payload, retain, qos); err != nil {
		return fmt.Errorf("publish to %q: %w", topic, err)
	}
	return nil
}

// Close stops listening, writes out the acknowledgements that were given, hangs up on every client and waits until every
// Deliver has returned. No will is sent: that the broker ends says nothing about the devices. Later calls return the same.
func (b *Broker) Close() error {
	b.closeOnce.Do(func() { b.closeErr = b.close() })
	return b.closeErr
}

func (b *Broker) close() error {
	close(b.closing)
	b.mu.Lock()
	b.closed = true
	listener := b.listener
	b.mu.Unlock()

	var err error
	if listener != nil {
		err = listener.Close()
	}
	b.accepting.Wait()
	b.mu.Lock()
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.serving.Wait()
	if serverErr := b.server.Close(); serverErr != nil {
		err = errors.Join(err, serverErr)
	}
	if err != nil {
		return fmt.Errorf("close broker: %w", err)
	}
	return nil
}

func (b *Broker) isClosing() bool {
	select {
	case <-b.closing:
		return true
	default:
		return false
	}
}

// accept hands each connection to a goroutine of its own.
func (b *Broker) accept(listener net.Listener) {
	var pause time.Duration
	for {
		nc, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			b.admit(nc)
		case b.isClosing() || errors.Is(err, net.ErrClosed):
			return
		default: // such as too many open files: it passes when a connection ends
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			b.warn.log("connection not accepted", "err", err)
			select {
			case <-time.After(pause):
			case <-b.closing:
			}
		}
	}
}

func (b *Broker) admit(nc net.Conn) {
	b.mu.Lock()
	full := len(b.conns) >= b.o.MaxConnections
	b.mu.Unlock()
	if full {
		b.m.refused.WithLabelValues(refusedConnections).Inc()
		b.warn.log("too many connections", "remote", nc.RemoteAddr().String(), "max_connections", b.o.MaxConnections)
		_ = nc.Close()
		return
	}
	if b.o.TLS != nil {
		nc = tls.Server(nc, b.o.TLS)
	}
	c := newConn(nc, 0) // mochi reads through a buffer of its own
	b.mu.Lock()
	b.conns[c] = &attached{ended: make(chan struct{})}
	b.mu.Unlock()
	b.serving.Go(func() { b.serve(c) })
}

// serve is one connection, from its handshake to its end.
func (b *Broker) serve(c *conn) {
	defer func() {
		b.detach(c)
		_ = c.Close()
		<-c.flushed
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	if err := b.handshake(c); err != nil {
		b.m.refused.WithLabelValues(refusedTLS).Inc()
		b.warn.log("tls handshake failed", "remote", c.RemoteAddr().String(), "err", err)
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(handshakeTimeout)) // for the CONNECT; mochi sets the next one after it
	err := b.server.EstablishConnection(listenerID, c)
	b.o.Logger.Debug("connection ended", "remote", c.RemoteAddr().String(), "err", err)
}

func (b *Broker) handshake(c *conn) error {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	return t.HandshakeContext(ctx)
}

// attach makes c the connection of the client id. It ends the one that the client had before, and waits until the last of
// that one, in the end its will, has been delivered: mochi alone would let the new connection overtake it, and a device
// that is back would look dead. It reports false when that takes too long; the client may try again.
func (b *Broker) attach(c *conn, clientID string) bool {
	late := time.After(takeoverTimeout)
	for {
		before := b.claim(c, clientID)
		if before == nil {
			return true
		}
		select {
		case <-before:
		case <-c.ended:
			return false
		case <-late:
			return false
		}
	}
}

// claim records c under the client id, or ends the connection that has it and returns when that will be over.
func (b *Broker) claim(c *conn, clientID string) (before <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.sessions[clientID]; other != nil {
		_ = other.Close()
		return b.conns[other].ended
	}
	b.sessions[clientID] = c
	b.conns[c].clientID = clientID
	return nil
}

// detach says that nothing of the connection will be delivered any more.
func (b *Broker) detach(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.conns[c]
	if b.sessions[a.clientID] == c {
		delete(b.sessions, a.clientID)
	}
	close(a.ended)
}
