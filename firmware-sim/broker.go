package sim

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// Broker returns a ReplayOptions.Dial for a real broker. The session is always clean: what was not acknowledged is sent
// again by the replay itself.
func Broker(o mqtt.ClientOptions) func(context.Context) (Publisher, error) {
	o.CleanSession = true
	if o.MaxInFlight == 0 {
		o.MaxInFlight = maxWindow + spareInFlight
	}
	if o.ReceiveBuffer == 0 {
		o.ReceiveBuffer = 1 // a replayer subscribes to nothing
	}
	return func(ctx context.Context) (Publisher, error) {
		c, err := mqtt.Dial(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("dial broker: %w", err)
		}
		return brokerConnection{c}, nil
	}
}

// spareInFlight leaves room for the clock message that is sent outside the window.
const spareInFlight = 16

// brokerConnection is a client as a Publisher.
type brokerConnection struct{ client *mqtt.Client }

func (b brokerConnection) PublishAsync(topic string, qos byte, retain bool, payload []byte) Token {
	return b.client.PublishAsync(topic, qos, retain, payload)
}

func (b brokerConnection) Lost() <-chan struct{} { return b.client.Lost() }

func (b brokerConnection) Close() { _ = b.client.Close() } // it never fails
