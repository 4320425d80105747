package bridge

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// maxTokens is how many publishes may be without a PUBACK: enough to fill a long link, and a bound on what is lost from
// memory when it breaks (the window sends it again).
const maxTokens = 32

// mqttUplink is an Uplink over one MQTT connection.
type mqttUplink struct {
	client *mqtt.Client
	topic  string
	tokens []*mqtt.Token
}

func openUplink(ctx context.Context, c *mqtt.Client, base, id string) (*mqttUplink, error) {
	if err := c.Subscribe(ctx, frame.AckTopic(base, id), 1); err != nil {
		return nil, fmt.Errorf("subscribe to acknowledgements: %w", err)
	}
	return &mqttUplink{client: c, topic: frame.FrameTopic(base, id)}, nil
}

// Send implements Uplink.
func (u *mqttUplink) Send(ctx context.Context, bytes []byte) error {
	for len(u.tokens) >= maxTokens {
		if err := u.settle(ctx); err != nil {
			return err
		}
	}
	u.tokens = append(u.tokens, u.client.PublishAsync(u.topic, 1, false, bytes))
	return nil
}

// settle waits for the oldest publish and reads its error.
func (u *mqttUplink) settle(ctx context.Context) error {
	oldest := u.tokens[0]
	select {
	case <-oldest.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	u.tokens = u.tokens[1:]
	if err := oldest.Err(); err != nil {
		return fmt.Errorf("publish frame: %w", err)
	}
	return nil
}

// Acks implements Uplink.
func (u *mqttUplink) Acks() <-chan mqtt.Inbound { return u.client.Messages() }
