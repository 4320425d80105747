package collector

import (
	"context"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// mqttDownlink is a Downlink over one MQTT connection.
type mqttDownlink struct {
	client *mqtt.Client
}

func openDownlink(ctx context.Context, c *mqtt.Client, group string) (*mqttDownlink, error) {
	filter := frame.FrameFilter()
	if group != "" {
		filter = "$share/" + group + "/" + filter
	}
	if err := c.Subscribe(ctx, filter, 1); err != nil {
		return nil, fmt.Errorf("subscribe to frames: %w", err)
	}
	return &mqttDownlink{client: c}, nil
}

// Frames implements Downlink.
func (d *mqttDownlink) Frames() <-chan mqtt.Inbound { return d.client.Messages() }

// Acknowledge implements Downlink.
func (d *mqttDownlink) Acknowledge(ctx context.Context, topic string, payload []byte) error {
	return d.client.Publish(ctx, topic, 1, false, payload)
}
