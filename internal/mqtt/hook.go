package mqtt

import (
	"errors"
	"io"
	"slices"
	"strings"

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
	case mochi.OnConnectAuthenticate, mochi.OnSessionEstablish, mochi.OnACLCheck, mochi.OnSubscribe, mochi.OnSubscribed,
		mochi.OnUnsubscribed, mochi.OnClientExpired, mochi.OnPublish, mochi.OnWill, mochi.OnDisconnect:
		return true
	default:
		return false
	}
}

// OnPublish implements mochi.Hook: a captured message leaves mochi here, before it is acknowledged, kept or routed.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok { // mochi's own, which is Broker.Publish
		return pk, nil
	}
	if c.tooLarge(pk.Payload) {
		h.refuseOversized(cl, c, pk)
		return pk, packets.ErrRejectPacket
	}
	if !h.b.o.Capture(pk.TopicName) {
		return pk, nil
	}
	h.capture(Inbound{
		Client:    c.clientID,
		Name:      c.name(),
		Topic:     strings.Clone(pk.TopicName), // it is a view of the packet's bytes, which are the receiver's
		Payload:   slices.Clip(pk.Payload),
		Retain:    pk.FixedHeader.Retain,
		Duplicate: pk.FixedHeader.Dup,
		QoS:       pk.FixedHeader.Qos,
		Ack:       h.acknowledger(c, pk),
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
		h.b.warn.log("oversized message dropped", "name", in.Name, "client", in.Client, "topic", in.Topic, "bytes", len(in.Payload))
		in.Ack()
	}
}

// acknowledger returns the Ack of a message. It is bound to the connection that the message came on: when the client is
// back on another one, it has sent the message again, and that one wants its own.
//
// At QoS 2 the acknowledgement is a PUBREC. Mochi answers the PUBREL that follows with a PUBCOMP although it does not
// know the message; a message sent again before the PUBREC is delivered twice.
func (h *hook) acknowledger(c *conn, pk packets.Packet) func() {
	if pk.FixedHeader.Qos == 0 {
		return noAck
	}
	a := &acknowledgement{c: c, count: h.b.m.acknowledged, packet: pubackPacket, id: pk.PacketID}
	if pk.FixedHeader.Qos == 2 {
		a.packet = pubrecPacket
	}
	return a.send
}

// refuseOversized refuses a message whose payload is over the client's own limit. It is not acknowledged: version 5 has an
// answer for that, earlier ones only the end of the connection.
func (h *hook) refuseOversized(cl *mochi.Client, c *conn, pk packets.Packet) {
	h.b.m.oversized.Inc()
	h.b.refuseOf(c, DeniedOversized, pk.TopicName)
	switch {
	case pk.FixedHeader.Qos == 0:
	case cl.Properties.ProtocolVersion == 5:
		answer := []byte{pubackPacket, 3, byte(pk.PacketID >> 8), byte(pk.PacketID), packets.ErrQuotaExceeded.Code}
		if pk.FixedHeader.Qos == 2 {
			answer[0] = pubrecPacket
		}
		_, _ = c.Write(slices.Clip(answer)) //nolint:errcheck // the connection knows that it has ended
	default:
		c.end(errOversized, linger)
	}
}

// OnSubscribed implements mochi.Hook: Publish looks for someone interested before it does anything.
func (h *hook) OnSubscribed(cl *mochi.Client, pk packets.Packet, reasonCodes []byte) {
	c, ok := cl.Net.Conn.(*conn)
	for i, s := range pk.Filters {
		switch {
		case reasonCodes[i] < packets.ErrUnspecifiedError.Code:
			h.b.interest.add(cl.ID, s.Filter)
		case ok:
			h.b.refuseOf(c, DeniedSubscribe, s.Filter)
		}
	}
}

// OnUnsubscribed implements mochi.Hook.
func (h *hook) OnUnsubscribed(cl *mochi.Client, pk packets.Packet) {
	for _, s := range pk.Filters {
		h.b.interest.remove(cl.ID, s.Filter)
	}
}

// OnClientExpired implements mochi.Hook.
func (h *hook) OnClientExpired(cl *mochi.Client) {
	h.b.server.UnsubscribeClient(cl)
	h.b.interest.forget(cl.ID)
}

// OnWill implements mochi.Hook. Mochi publishes wills past OnPublish; the empty will that is returned for a captured one
// has no topic, so it reaches nobody. A will delay is not waited for: the evidence is when the link died.
func (h *hook) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	if h.b.isClosing() {
		return mochi.Will{}, nil
	}
	h.b.m.wills.Inc()
	c, ok := cl.Net.Conn.(*conn)
	if !ok || !h.b.o.Capture(will.TopicName) {
		return will, nil
	}
	h.capture(Inbound{
		Client:  c.clientID,
		Name:    c.name(),
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
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return
	}
	reason := disconnectReason(err)
	h.b.m.disconnects.WithLabelValues(reason).Inc()
	if errors.Is(err, packets.ErrPacketTooLarge) {
		h.b.m.oversized.Inc()
		h.b.refuseOf(c, DeniedOversized, "")
	}
	h.b.o.Logger.Debug("client disconnected", "name", c.name(), "client", c.clientID, "remote", cl.Net.Remote, "reason", reason, "err", err)
}

// disconnectReason is the bounded set of labels under which ends of connections are counted.
func disconnectReason(err error) string {
	var code packets.Code
	switch {
	case err == nil:
		return "goodbye"
	case isTimeout(err):
		return "keep_alive"
	case errors.Is(err, packets.ErrPacketTooLarge), errors.Is(err, errOversized):
		return "oversized"
	case errors.Is(err, errWithdrawn):
		return "withdrawn"
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
