package mqtt_test

import (
	"context"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

func TestWill(t *testing.T) {
	will := func(topic string) func(*packets.ConnectPacket) {
		return func(c *packets.ConnectPacket) {
			c.WillFlag, c.WillQos, c.WillRetain, c.WillTopic, c.WillMessage = true, 1, true, topic, []byte("gone")
		}
	}
	want := mqtt.Inbound{
		Client: "meter-1", Topic: "base/meter-1/lwt", Payload: []byte("gone"), Retain: true, Will: true, QoS: 1,
	}

	t.Run("reaches Deliver when the client hangs up", func(t *testing.T) {
		b, in := captured(t)
		_ = device(t, b, will("base/meter-1/lwt")).Close()
		m := receive(t, in, "will")
		if diff := cmp.Diff(want, plain(m)); diff != "" {
			t.Errorf("will (-want +got):\n%s", diff)
		}
		m.Ack()
	})
	t.Run("is not sent after a goodbye", func(t *testing.T) {
		b, in := captured(t)
		d := device(t, b, will("base/meter-1/lwt"))
		d.send(packets.NewControlPacket(packets.Disconnect))
		d.expectEnd()
		other := device(t, b)
		other.publish(1, "base/other", "x")
		if m := receive(t, in, "the other message"); m.Will {
			t.Errorf("got the will %+v", plain(m))
		}
	})
	t.Run("is not sent because the broker ends", func(t *testing.T) {
		b, in := captured(t)
		device(t, b, will("base/meter-1/lwt"))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-in:
			t.Errorf("got %+v", plain(m))
		default:
		}
	})
	t.Run("comes before anything of the connection that takes over", func(t *testing.T) {
		for range 20 { // it is a race that is to be won always
			b, in := captured(t)
			device(t, b, will("base/meter-1/lwt"))
			device(t, b).publish(1, "base/meter-1/state", "back")
			if m := receive(t, in, "will"); !m.Will {
				t.Fatalf("got %+v before the will", plain(m))
			}
			receive(t, in, "message of the new connection")
		}
	})
	t.Run("is routed when its topic is not captured", func(t *testing.T) {
		b, _ := captured(t)
		c := client(t, b, nil)
		subscribe(t, c, "#")
		_ = device(t, b, will("plain/lwt")).Close()
		if m := receive(t, c.Messages(), "will"); m.Topic != "plain/lwt" || m.Will {
			t.Errorf("got %+v", plain(m))
		}
	})
	t.Run("a captured one is not routed before Publish", func(t *testing.T) {
		b, in := captured(t)
		c := client(t, b, nil)
		subscribe(t, c, "#")
		_ = device(t, b, will("base/meter-1/lwt")).Close()
		receive(t, in, "will")
		if err := b.Publish("marker", []byte("x"), false, 1); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, c.Messages(), "marker"); m.Topic != "marker" {
			t.Errorf("got %+v, want the marker first", plain(m))
		}
	})
	t.Run("may not have a topic that the client may not publish to", func(t *testing.T) {
		b, _ := captured(t, func(o *mqtt.BrokerOptions) {
			o.Admit = func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) { return own(l.ClientID), "" }
		})
		for _, topic := range []string{"base/meter-2/lwt", "base/meter-1/+", "$SYS/broker/version"} {
			if _, code := knock(t, b, will(topic)); code == packets.Accepted {
				t.Errorf("will on %q: accepted", topic)
			}
		}
	})
}
