package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
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
	// Addr is where to listen for plain TCP, such as "127.0.0.1:1883"; port 0 is any free port, "" is nowhere. One of
	// Addr and TLSAddr is required.
	Addr string
	// TLSAddr is where to listen for TLS 1.2 and later; "" is nowhere.
	TLSAddr string
	// TLS is the configuration for TLSAddr. Its ClientAuth decides whether client certificates are asked for and verified.
	TLS *tls.Config
	// Admit says who a client is and what it may do, or with a nil Permit why it may not connect. It may be slow, as
	// password hashes are; its context ends with the connection. Nil lets everyone do everything, which is for tests.
	Admit func(ctx context.Context, l Login) (permit *Permit, denied Denial)
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
	for name, addr := range map[string]string{"Addr": o.Addr, "TLSAddr": o.TLSAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil && addr != "" {
			errs = append(errs, fmt.Errorf("broker option %s %q: want host:port", name, addr))
		}
	}
	if o.Addr == "" && o.TLSAddr == "" {
		errs = append(errs, errors.New("broker option Addr or TLSAddr is missing: want host:port"))
	}
	if (o.TLSAddr == "") != (o.TLS == nil) {
		errs = append(errs, errors.New("broker option TLS: it and TLSAddr need each other"))
	}
	if o.TLS != nil && o.TLS.MinVersion != 0 && o.TLS.MinVersion < tls.VersionTLS12 {
		errs = append(errs, errors.New("broker option TLS: MinVersion is below TLS 1.2"))
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

	interest interest
	refusals refusals

	closeOnce sync.Once
	closeErr  error
	closing   chan struct{}
	accepting sync.WaitGroup // the accept loops
	serving   sync.WaitGroup // one per connection

	mu        sync.Mutex // guards what follows
	plain     net.Listener
	encrypted net.Listener
	started   bool
	closed    bool
	conns     map[*conn]*attached
	strangers map[netip.Addr]int // connections by address that have not been admitted yet
	sessions  map[string]*conn   // by mochi's client id, those that have connected
	parties   map[string]*party  // by name
}

// NewBroker returns a broker with valid options; the error names every option that is not. Nothing listens before Start.
func NewBroker(o BrokerOptions) (*Broker, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	b := &Broker{
		o:         o,
		warn:      &occasionally{logger: o.Logger, every: 10 * time.Second},
		closing:   make(chan struct{}),
		conns:     make(map[*conn]*attached),
		strangers: make(map[netip.Addr]int),
		sessions:  make(map[string]*conn),
		parties:   make(map[string]*party),
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
	plain, encrypted, err := b.listen()
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.started {
		return errors.Join(errors.New("start broker: started or closed before"), closeAll(plain, encrypted))
	}
	b.plain, b.encrypted, b.started = plain, encrypted, true
	for _, l := range b.listenersLocked() {
		b.accepting.Go(func() { b.accept(l) })
		b.o.Logger.Info("mqtt broker listens", "addr", l.Addr().String(), "tls", l == encrypted)
	}
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

// Addr returns the host:port that is really bound for plain TCP, or "" before Start and when there is none.
func (b *Broker) Addr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return addrOf(b.plain)
}

// TLSAddr returns the host:port that is really bound for TLS, or "" before Start and when there is none.
func (b *Broker) TLSAddr() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return addrOf(b.encrypted)
}

func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Publish sends a message to the broker's subscribers, and with retain keeps it for later ones (an empty payload then
// forgets the kept one). It is never captured, needs no permission and never blocks: a subscriber that does not keep up
// loses messages, which is counted. A qos above what the subscriber asked for is lowered to that. The payload is copied.
func (b *Broker) Publish(topic string, payload []byte, retain bool, qos byte) error {
	if topic == "" || qos > 2 {
		return fmt.Errorf("publish to %q at qos %d: want a topic, and qos 0 to 2", topic, qos)
	}
	if !retain && !b.interest.in(topic) {
		return nil
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
	listeners := b.listenersLocked()
	b.mu.Unlock()

	err := closeAll(listeners...)
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
