package mqtt_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// A message is acknowledged when it is durable, and only then passed on to the broker's other subscribers.
func ExampleBroker() {
	log := make(chan mqtt.Inbound, 16)
	broker, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr:    "127.0.0.1:0",
		Capture: func(topic string) bool { return strings.HasPrefix(topic, "tele/") },
		Deliver: func(m mqtt.Inbound) { log <- m },
	})
	if err == nil {
		err = broker.Start()
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	device := mqtt.ClientOptions{URL: "tcp://" + broker.Addr(), ClientID: "meter-1", CleanSession: true}
	err = mqtt.Maintain(ctx, device, func(ctx context.Context, c *mqtt.Client) error {
		defer cancel() // one session is enough here
		token := c.PublishAsync("tele/meter-1", 1, false, []byte("21.5 W"))
		m := <-log // and to disk
		m.Ack()
		<-token.Done()
		fmt.Printf("%s: %s, acknowledged: %v\n", m.Topic, m.Payload, token.Err() == nil)
		return broker.Publish(m.Topic, m.Payload, m.Retain, m.QoS)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: tele/meter-1: 21.5 W, acknowledged: true
}
