package mqtt

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// admitTimeout bounds how long an Admit may take: a client has given up by then.
const admitTimeout = 30 * time.Second

// maxKnownTopics bounds the topics per connection for which the answer of MayPublish is remembered.
const maxKnownTopics = 64

// Login is what a client showed when it connected. All of it but Certificate and Remote is what the client claims.
type Login struct {
	ClientID string
	Username string
	Password []byte
	// Certificate is the client's own, verified by the broker's TLS configuration; nil when it showed none.
	Certificate *x509.Certificate
	// Remote is the address that the connection came from.
	Remote netip.Addr
}

// Permit is what a client may do for as long as its connection lasts. It does not change: when what a client may do has
// changed, the permit is withdrawn, and the client connects again. Its functions are called concurrently.
type Permit struct {
	// Name is who the client is. Client ids are told apart per name, so that no client can take over the connection or the
	// session of another; "" shares them among all that have no name.
	Name string
	// MayPublish says whether the client may publish to a topic, its will included. It must depend on the topic alone. Nil
	// allows every topic.
	MayPublish func(topic string) bool
	// MayRead says whether the client may be sent messages of a topic; it is also asked with the filter, wildcards and all,
	// when the client subscribes ("$share/group/" removed). Nil allows everything.
	MayRead func(filter string) bool
	// Withdrawn says why the permit does not hold any more, "" while it does. Broker.Review asks. Nil is never.
	Withdrawn func() string
	// MessagesPerSecond bounds what all connections of the name together send, after a burst of Burst messages; a faster
	// one is not read until its turn comes. Subscriptions count as messages. 0 is no bound.
	MessagesPerSecond float64
	Burst             int
	// MaxPayloadBytes is the largest payload; a larger message is refused as one on a foreign topic is. 0 is no bound
	// beside the broker's own.
	MaxPayloadBytes int
	// MaxConnections is how many connections the name may have at a time; 0 is no bound.
	MaxConnections int
}

// Denial is a reason why a client, a message or a subscription was refused. It is the label under which refusals are
// counted, so there must be few.
type Denial string

// The broker's own denials. Whoever admits clients has others.
const (
	DeniedAuthentication Denial = "authentication" // Admit gave no reason
	DeniedClientID       Denial = "client_id"
	DeniedConnections    Denial = "too_many_connections"
	DeniedOversized      Denial = "oversized"
	DeniedPublish        Denial = "publish"
	DeniedRate           Denial = "rate" // nothing was refused, and the client was held back
	DeniedSubscribe      Denial = "subscribe"
	DeniedTakeover       Denial = "takeover"
	DeniedTLS            Denial = "tls"
	DeniedWill           Denial = "will"
	DeniedWithdrawn      Denial = "withdrawn"
)

// party is all connections of one name.
type party struct {
	bucket      *bucket // nil without a bound; guarded by Broker.mu
	connections int     // guarded by Broker.mu
}

// OnConnectAuthenticate implements mochi.Hook.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || cl.ID == mochi.InlineClientId { // mochi's own, which it would let a client take over
		h.b.refuse(refused{why: DeniedClientID, who: string(pk.Connect.Username), remote: cl.Net.Remote, what: cl.ID})
		return false
	}
	c.clientID = cl.ID
	if h.b.o.Admit != nil && !h.admit(cl, c, pk) {
		return false
	}
	if !h.mayLeaveWill(cl, c) {
		h.b.refuseOf(c, DeniedWill, cl.Properties.Will.TopicName)
		return false
	}
	return true
}

// admit asks who the client is, and makes its client id one of that name.
func (h *hook) admit(cl *mochi.Client, c *conn, pk packets.Packet) bool {
	permit, why := h.ask(c, Login{
		ClientID: cl.ID, Username: string(pk.Connect.Username), Password: pk.Connect.Password,
		Certificate: verifiedCertificate(c), Remote: c.remote(),
	})
	if permit == nil {
		h.b.refuse(refused{why: cmp.Or(why, DeniedAuthentication), who: string(pk.Connect.Username), remote: cl.Net.Remote, what: cl.ID})
		return false
	}
	c.permit = permit
	h.b.join(c)
	if permit.MayPublish != nil {
		c.writable = make(map[string]bool)
	}
	if permit.Name != "" {
		cl.ID = permit.Name + "\x00" + cl.ID
	}
	return true
}

// ask calls Admit, which may be slow, with a context that ends with the connection.
func (h *hook) ask(c *conn, l Login) (*Permit, Denial) {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-c.ended:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	return h.b.o.Admit(ctx, l)
}

func verifiedCertificate(c *conn) *x509.Certificate {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	if len(state.VerifiedChains) == 0 {
		return nil
	}
	return state.PeerCertificates[0]
}

// mayLeaveWill asks at the start what mochi would not ask at the end: it publishes wills without a check.
func (h *hook) mayLeaveWill(cl *mochi.Client, c *conn) bool {
	if atomic.LoadUint32(&cl.Properties.Will.Flag) == 0 {
		return true
	}
	topic := cl.Properties.Will.TopicName
	return topic != "" && mochi.IsValidFilter(topic, true) && c.mayPublish(topic) && !c.tooLarge(cl.Properties.Will.Payload)
}

// OnSessionEstablish implements mochi.Hook. A connection that it ends is not answered.
func (h *hook) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return
	}
	if why := h.b.attach(c, cl.ID); why != "" {
		h.b.refuseOf(c, why, "")
		_ = c.Close()
	}
}

// OnACLCheck implements mochi.Hook. For a publish it is called in the goroutine of the client's connection, so the client
// is held back here, before anything is done for its message.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || c.permit == nil {
		return true
	}
	if !write {
		return c.permit.MayRead == nil || c.permit.MayRead(withoutShare(topic))
	}
	h.b.holdBack(c, 1)
	if c.mayPublish(topic) {
		return true
	}
	h.b.refuseOf(c, DeniedPublish, topic)
	return false
}

// mayPublish is called in the goroutine of the connection only.
func (c *conn) mayPublish(topic string) bool {
	if c.permit == nil || c.permit.MayPublish == nil || c.writable[topic] {
		return true
	}
	ok := c.permit.MayPublish(topic)
	if ok && len(c.writable) < maxKnownTopics {
		c.writable[strings.Clone(topic)] = true // the topic is a view of the packet
	}
	return ok
}

func (c *conn) tooLarge(payload []byte) bool {
	return c.permit != nil && c.permit.MaxPayloadBytes > 0 && len(payload) > c.permit.MaxPayloadBytes
}

// withoutShare removes "$share/group/", so that rules need not know of it and cannot be passed by it.
func withoutShare(filter string) string {
	prefix, rest, ok := strings.Cut(filter, "/")
	if !ok || !strings.EqualFold(prefix, mochi.SharePrefix) {
		return filter
	}
	_, rest, _ = strings.Cut(rest, "/")
	return rest
}

// OnSubscribe implements mochi.Hook.
func (h *hook) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	if c, ok := cl.Net.Conn.(*conn); ok {
		h.b.holdBack(c, len(pk.Filters))
	}
	return pk
}

// join makes the connection one of its permit's name, whose connections share one rate.
func (b *Broker) join(c *conn) {
	p := c.permit
	if p.Name == "" {
		if p.MessagesPerSecond > 0 {
			c.bucket = newBucket(p.MessagesPerSecond, p.Burst, time.Now())
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c.party = b.parties[p.Name]
	if c.party == nil {
		c.party = &party{}
		b.parties[p.Name] = c.party
	}
	switch of := c.party; {
	case p.MessagesPerSecond <= 0:
		of.bucket = nil
	case of.bucket == nil || !of.bucket.like(p.MessagesPerSecond, p.Burst):
		of.bucket = newBucket(p.MessagesPerSecond, p.Burst, time.Now())
	}
	c.bucket = c.party.bucket
}

// holdBack waits until the client's turn has come to have n messages read, or until its connection ends.
func (b *Broker) holdBack(c *conn, n int) {
	if c.bucket == nil {
		return
	}
	wait := c.bucket.take(float64(n), time.Now())
	if wait <= 0 {
		return
	}
	b.m.heldBack.Inc()
	b.refuseOf(c, DeniedRate, "")
	turn := time.NewTimer(wait)
	defer turn.Stop()
	select {
	case <-turn.C:
	case <-c.ended:
	}
}
