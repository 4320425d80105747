package mqtt

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrClosed is the error of what was under way when Close was called.
var ErrClosed = errors.New("mqtt connection closed")

// ErrLost is in the error of what was under way when the connection was lost. A publish that ends with it may or may not
// have arrived.
var ErrLost = errors.New("mqtt connection lost")

// ErrRefused is in the error when the broker answered and said no: to the connection or to a subscription.
var ErrRefused = errors.New("refused by mqtt broker")

// Inbound is one message received, by the embedded broker from a device or by a client from its subscriptions.
type Inbound struct {
	// Client is the MQTT client id of the publisher, known only to the embedded broker; "" for a subscription.
	Client string
	// Name is who the publisher is, of its Permit; "" when it has none.
	Name  string
	Topic string
	// Payload is owned by the receiver.
	Payload []byte
	// Retained is true when a broker replayed the message from its memory: its content is not new. It is always false
	// at the embedded broker's Deliver.
	Retained bool
	// Retain is true when the publisher asks the broker to keep the message for later subscribers. It is only known at
	// the embedded broker's Deliver, and says nothing about age; pass it on to Broker.Publish.
	Retain bool
	// Will is true when the embedded broker speaks for a client whose connection ended without a goodbye.
	Will bool
	// Duplicate is the DUP flag: the sender sent the message before and saw no acknowledgement.
	Duplicate bool
	// QoS is 0, 1 or 2.
	QoS byte
	// Ack tells the sender that the message is durable. It is never nil, may be called from any goroutine, never blocks,
	// and does nothing at QoS 0, the second time, or after the connection has ended. A message whose Ack is never called
	// is never acknowledged; the sender then sends it again on its next connection.
	Ack func()
}

// Message is a message to be sent.
type Message struct {
	Topic   string
	Payload []byte
	// QoS is 0, 1 or 2.
	QoS byte
	// Retain asks the broker to keep the message for later subscribers.
	Retain bool
}

func noAck() {}

// acknowledgement is one PUBACK or PUBREC that is still owed; its send is an Inbound.Ack.
type acknowledgement struct {
	c      *conn
	count  prometheus.Counter
	sent   atomic.Bool
	id     uint16
	packet byte
}

func (a *acknowledgement) send() {
	if a.sent.CompareAndSwap(false, true) {
		a.c.acknowledge(a.packet, a.id)
		a.count.Inc()
	}
}
