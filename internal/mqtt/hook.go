package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is where mochi asks the broker: who may connect, who may publish and read what, and what becomes of a message.
type hook struct {
	mochi.HookBase
	b *Broker
}

// ID implements mochi.Hook.
func (h *hook) ID() string { return "jishi" }

// Provides implements mochi.Hook.
func (h *hook) Provides(what byte) bool {
	switch what {
	case mochi.OnConnectAuthenticate, mochi.OnSessionEstablish, mochi.OnACLCheck, mochi.OnPublish, mochi.OnWill,
		mochi.OnDisconnect:
		return true
	default:
		return false
	}
}

// OnConnectAuthenticate implements mochi.Hook.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	if !h.authentic(cl, pk) {
		h.b.m.refused.WithLabelValues(refusedAuthentication).Inc()
		h.b.warn.log("client refused", "client", cl.ID, "username", string(cl.Properties.Username), "remote", cl.Net.Remote)
		return false
	}
	if !h.mayLeaveWill(cl) {
		h.b.m.refused.WithLabelValues(refusedWill).Inc()
		h.b.warn.log("will refused", "client", cl.ID, "topic", cl.Properties.Will.TopicName)
		return false
	}
	return true
}

func (h *hook) authentic(cl *mochi.Client, pk packets.Packet) bool {
	if cl.ID == mochi.InlineClientId { // mochi's own, which it would let a client take over
		return false
	}
	if leaf := verifiedCertificate(cl); leaf != nil && h.b.o.AuthenticateCert != nil {
		username, ok := h.b.o.AuthenticateCert(cl.ID, leaf)
		cl.Properties.Username = []byte(username)
		return ok
	}
	if h.b.o.Authenticate == nil {
		return h.b.o.AuthenticateCert == nil
	}
	return h.b.o.Authenticate(cl.ID, string(pk.Connect.Username), pk.Connect.Password)
}

func verifiedCertificate(cl *mochi.Client) *x509.Certificate {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return nil
	}
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
func (h *hook) mayLeaveWill(cl *mochi.Client) bool {
	if atomic.LoadUint32(&cl.Properties.Will.Flag) == 0 {
		return true
	}
	topic := cl.Properties.Will.TopicName
	return mochi.IsValidFilter(topic, true) && topic != "" && h.may(cl, topic, true)
}

// OnSessionEstablish implements mochi.Hook. A connection that it ends is not answered.
func (h *hook) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	c, ok := cl.Net.Conn.(*conn)
	if ok && !h.b.attach(c, cl.ID) {
		h.b.m.refused.WithLabelValues(refusedTakeover).Inc()
		h.b.warn.log("client's earlier connection does not end", "client", cl.ID, "remote", cl.Net.Remote)
		_ = c.Close()
	}
}

// OnACLCheck implements mochi.Hook.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	if h.may(cl, topic, write) {
		return true
	}
	reason := refusedRead
	if write {
		reason = refusedWrite
	}
	h.b.m.refused.WithLabelValues(reason).Inc()
	h.b.warn.log("topic refused", "client", cl.ID, "topic", topic, "write", write)
	return false
}

func (h *hook) may(cl *mochi.Client, topic string, write bool) bool {
	if h.b.o.Authorize == nil || cl.Net.Inline {
		return true
	}
	if !write {
		topic = withoutShare(topic)
	}
	return h.b.o.Authorize(cl.ID, string(cl.Properties.Username), topic, write)
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

// OnPublish implements mochi.Hook: a captured message leaves mochi here, before it is acknowledged, kept or routed.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline || !h.b.o.Capture(pk.TopicName) {
		return pk, nil
	}
	h.capture(Inbound{
		Client:    cl.ID,
		Topic:     strings.Clone(pk.TopicName), // it is a view of the packet's bytes, which are the receiver's
		Payload:   slices.Clip(pk.Payload),
		Retain:    pk.FixedHeader.Retain,
		Duplicate: pk.FixedHeader.Dup,
		QoS:       pk.FixedHeader.Qos,
		Ack:       h.acknowledger(cl, pk),
	})
	return pk, packets.ErrRejectPacket
}

func (h *hook) capture(in Inbound) {
	h.b.m.captured.Inc()
	switch {
	case len(in.Payload) <= h.b.o.MaxPayloadBytes:
		h.b.o.Deliver(in)
	case h.b.o.Oversized != nil:
		h.b.m.oversized.Inc()
		h.b.o.Oversized(in)
	default:
		h.b.m.oversized.Inc()
		h.b.warn.log("oversized message dropped", "client", in.Client, "topic", in.Topic, "bytes", len(in.Payload))
		in.Ack()
	}
}

// acknowledger returns the Ack of a message. It is bound to the connection that the message came on: when the client is
// back on another one, it has sent the message again, and that one wants its own.
//
// At QoS 2 the acknowledgement is a PUBREC. Mochi answers the PUBREL that follows with a PUBCOMP although it does not
// know the message; a message sent again before the PUBREC is delivered twice.
func (h *hook) acknowledger(cl *mochi.Client, pk packets.Packet) func() {
	c, ok := cl.Net.Conn.(*conn)
	if !ok || pk.FixedHeader.Qos == 0 {
		return noAck
	}
	a := &acknowledgement{c: c, count: h.b.m.acknowledged, packet: pubackPacket, id: pk.PacketID}
	if pk.FixedHeader.Qos == 2 {
		a.packet = pubrecPacket
	}
	return a.send
}

// OnWill implements mochi.Hook. Mochi publishes wills past OnPublish; the empty will that is returned for a captured one
// has no topic, so it reaches nobody. A will delay is not waited for: the evidence is when the link died.
func (h *hook) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	if h.b.isClosing() {
		return mochi.Will{}, nil
	}
	h.b.m.wills.Inc()
	if !h.b.o.Capture(will.TopicName) {
		return will, nil
	}
	h.capture(Inbound{
		Client:  cl.ID,
		Topic:   strings.Clone(will.TopicName),
		Payload: will.Payload,
		Retain:  will.Retain,
		Will:    true,
		QoS:     will.Qos,
		Ack:     noAck,
	})
	return mochi.Will{}, nil
}

// OnDisconnect implements mochi.Hook.
func (h *hook) OnDisconnect(cl *mochi.Client, err error, _ bool) {
	reason := disconnectReason(err)
	h.b.m.disconnects.WithLabelValues(reason).Inc()
	if errors.Is(err, packets.ErrPacketTooLarge) {
		h.b.m.oversized.Inc()
		h.b.warn.log("connection ended by an oversized packet", "client", cl.ID, "remote", cl.Net.Remote)
	}
	h.b.o.Logger.Debug("client disconnected", "client", cl.ID, "remote", cl.Net.Remote, "reason", reason, "err", err)
}

// disconnectReason is the bounded set of labels under which ends of connections are counted.
func disconnectReason(err error) string {
	var code packets.Code
	switch {
	case err == nil:
		return "goodbye"
	case isTimeout(err):
		return "keep_alive"
	case errors.Is(err, packets.ErrPacketTooLarge):
		return "oversized"
	case errors.Is(err, packets.ErrNotAuthorized):
		return "not_authorized"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "hung_up"
	case errors.As(err, &code):
		return "protocol"
	default:
		return "network"
	}
}
