package mqtt_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// captured starts a broker that captures base/# and delivers to the channel.
func captured(t testing.TB, change ...func(*mqtt.BrokerOptions)) (*mqtt.Broker, <-chan mqtt.Inbound) {
	t.Helper()
	in := make(chan mqtt.Inbound, 1<<16)
	o := mqtt.BrokerOptions{
		Addr:    "127.0.0.1:0",
		Capture: func(topic string) bool { return strings.HasPrefix(topic, "base/") },
		Deliver: func(m mqtt.Inbound) { in <- m },
	}
	for _, f := range change {
		f(&o)
	}
	b, err := mqtt.NewBroker(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close broker: %v", err)
		}
	})
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	return b, in
}

// plain is what of a message can be compared.
func plain(m mqtt.Inbound) mqtt.Inbound {
	m.Ack = nil
	return m
}

func qos(q byte) func(*packets.PublishPacket) { return func(p *packets.PublishPacket) { p.Qos = q } }

func TestNoPubackBeforeAck(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	d.publish(7, "base/meter-1/data", "1.5")
	m := receive(t, in, "captured message")
	want := mqtt.Inbound{Client: "meter-1", Topic: "base/meter-1/data", Payload: []byte("1.5"), QoS: 1}
	if diff := cmp.Diff(want, plain(m)); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	d.expectSilence()
	m.Ack()
	d.expectPuback(7)
	m.Ack()
	d.expectSilence()
}

func TestAcksLeaveInTheOrderGiven(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	held := map[string]mqtt.Inbound{}
	for id := uint16(1); id <= 5; id++ {
		d.publish(id, "base/x", fmt.Sprint(id))
		m := receive(t, in, "captured message")
		held[string(m.Payload)] = m
	}
	for _, id := range []uint16{3, 1, 5, 2, 4} {
		held[fmt.Sprint(id)].Ack()
		d.expectPuback(id)
	}
}

func TestQoS0IsCapturedAndNeverAnswered(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	d.publish(0, "base/x", "a")
	receive(t, in, "captured message").Ack()
	d.expectSilence()
}

func TestQoS2IsAnsweredByPubrecAfterAck(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	d.publish(9, "base/x", "a", qos(2))
	m := receive(t, in, "captured message")
	d.expectSilence()
	m.Ack()
	if got := expect[*packets.PubrecPacket](d).MessageID; got != 9 {
		t.Errorf("PUBREC: got id %d, want 9", got)
	}
	rel := packets.NewControlPacket(packets.Pubrel).(*packets.PubrelPacket)
	rel.MessageID = 9
	d.send(rel)
	if got := expect[*packets.PubcompPacket](d).MessageID; got != 9 {
		t.Errorf("PUBCOMP: got id %d, want 9", got)
	}
}

func TestAckAfterTheClientHasGone(t *testing.T) {
	b, in := captured(t)
	first := device(t, b)
	first.publish(7, "base/x", "a")
	stale := receive(t, in, "first delivery")
	_ = first.Close()

	second := device(t, b)
	second.publish(7, "base/x", "a", func(p *packets.PublishPacket) { p.Dup = true })
	again := receive(t, in, "second delivery")
	if !again.Duplicate {
		t.Error("second delivery: Duplicate is false")
	}
	stale.Ack() // must not acknowledge what came on another connection under the same id
	second.expectSilence()
	again.Ack()
	second.expectPuback(7)
}

func TestRetain(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	d.publish(1, "base/x", "21.5", func(p *packets.PublishPacket) { p.Retain = true })
	m := receive(t, in, "captured message")
	if !m.Retain || m.Retained {
		t.Errorf("captured: got Retain %v, Retained %v; want a wish to keep something new", m.Retain, m.Retained)
	}
	early := client(t, b, nil)
	subscribe(t, early, "base/#")
	if err := b.Publish(m.Topic, m.Payload, m.Retain, 1); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, early.Messages(), "routed message"); got.Retained {
		t.Error("subscriber before Publish: got an old message, so the broker kept it before it was durable")
	}
	late := client(t, b, func(o *mqtt.ClientOptions) { o.ClientID = "late" })
	subscribe(t, late, "base/#")
	got := receive(t, late.Messages(), "kept message")
	if !got.Retained || string(got.Payload) != "21.5" {
		t.Errorf("subscriber after Publish: got %+v, want the kept message", plain(got))
	}
}

func TestNoSysTopics(t *testing.T) {
	b, _ := captured(t)
	c := client(t, b, nil)
	subscribe(t, c, "$SYS/#")
	subscribe(t, c, "marker")
	if err := b.Publish("marker", []byte("x"), false, 0); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, c.Messages(), "marker"); m.Topic != "marker" {
		t.Errorf("got %q", m.Topic)
	}
}

// own permits the topics below base/<id>.
func own(id string) *mqtt.Permit {
	below := func(topic string) bool { return strings.HasPrefix(topic, "base/"+id+"/") }
	return &mqtt.Permit{MayPublish: below, MayRead: below}
}

func TestRefusals(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	b, in := captured(t, func(o *mqtt.BrokerOptions) {
		o.Registerer = reg
		o.Admit = func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
			if l.Username != "u" || string(l.Password) != "right" {
				return nil, ""
			}
			return own(l.ClientID), ""
		}
	})
	login := func(password string) func(*packets.ConnectPacket) {
		return func(c *packets.ConnectPacket) {
			c.UsernameFlag, c.Username, c.PasswordFlag, c.Password = true, "u", true, []byte(password)
		}
	}
	if _, code := knock(t, b, login("wrong")); code != packets.ErrRefusedNotAuthorised {
		t.Errorf("wrong password: got code %d, want %d", code, packets.ErrRefusedNotAuthorised)
	}
	thief := device(t, b, login("right"))
	thief.publish(1, "base/meter-2/data", "x")
	thief.expectEnd()

	d := device(t, b, login("right"))
	d.publish(0, "base/meter-2/data", "x")
	d.publish(1, "base/meter-1/data", "mine")
	if m := receive(t, in, "own message"); string(m.Payload) != "mine" {
		t.Errorf("got %+v: a refused message was delivered", plain(m))
	}

	c := client(t, b, func(o *mqtt.ClientOptions) { o.ClientID, o.Username, o.Password = "reader", "u", "right" })
	for _, filter := range []string{"#", "base/+/data", "$share/g/base/meter-1/data"} {
		if err := c.Subscribe(t.Context(), filter, 1); !errorIs(err, mqtt.ErrRefused) {
			t.Errorf("subscribe to %q: got %v, want ErrRefused", filter, err)
		}
	}
	subscribe(t, c, "$share/g/base/reader/cmd")

	want := `
# HELP jishi_mqtt_broker_refused_total Connections, publishes and subscriptions refused.
# TYPE jishi_mqtt_broker_refused_total counter
jishi_mqtt_broker_refused_total{reason="authentication"} 1
jishi_mqtt_broker_refused_total{reason="publish"} 2
jishi_mqtt_broker_refused_total{reason="subscribe"} 3
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "jishi_mqtt_broker_refused_total"); err != nil {
		t.Error(err)
	}
}

func TestOversized(t *testing.T) {
	small := func(o *mqtt.BrokerOptions) { o.MaxPayloadBytes = 8 }

	t.Run("is acknowledged and dropped", func(t *testing.T) {
		b, in := captured(t, small)
		d := device(t, b)
		d.publish(1, "base/x", "123456789")
		d.expectPuback(1)
		d.publish(2, "base/x", "12345678")
		if m := receive(t, in, "message at the limit"); len(m.Payload) != 8 {
			t.Errorf("got %d bytes", len(m.Payload))
		}
	})
	t.Run("is handed over", func(t *testing.T) {
		large := make(chan mqtt.Inbound, 1)
		b, _ := captured(t, small, func(o *mqtt.BrokerOptions) { o.Oversized = func(m mqtt.Inbound) { large <- m } })
		d := device(t, b)
		d.publish(1, "base/x", "123456789")
		m := receive(t, large, "oversized message")
		d.expectSilence()
		m.Ack()
		d.expectPuback(1)
	})
	t.Run("ends the connection beyond reason", func(t *testing.T) {
		b, in := captured(t, small)
		d := device(t, b)
		// The broker hangs up at the header, so the rest may not find a reader.
		packet := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		packet.TopicName, packet.Payload, packet.MessageID, packet.Qos = "base/x", make([]byte, 2<<20), 1, 1
		_ = packet.Write(d)
		d.expectEnd()
		other := device(t, b)
		other.publish(1, "base/x", "ok")
		if m := receive(t, in, "other message"); string(m.Payload) != "ok" {
			t.Errorf("got %d bytes", len(m.Payload))
		}
	})
}

func TestBlockedDeliverHoldsBackOneConnectionOnly(t *testing.T) {
	release := make(chan struct{})
	delivered := make(chan mqtt.Inbound)
	b, _ := captured(t, func(o *mqtt.BrokerOptions) {
		o.Deliver = func(m mqtt.Inbound) {
			if m.Client == "slow" {
				<-release
			}
			delivered <- m
		}
	})
	slow := device(t, b, func(c *packets.ConnectPacket) { c.ClientIdentifier = "slow" })
	slow.publish(1, "base/x", "a")
	d := device(t, b)
	d.publish(1, "base/x", "b")
	if m := receive(t, delivered, "message of the other"); m.Client != "meter-1" {
		t.Errorf("got the message of %q", m.Client)
	}
	close(release)
	if m := receive(t, delivered, "message held back"); m.Client != "slow" {
		t.Errorf("got the message of %q", m.Client)
	}
}

func TestConcurrentPublishers(t *testing.T) {
	const publishers, each = 50, 200
	var acks sync.WaitGroup
	pending := make(chan mqtt.Inbound, publishers*each)
	b, _ := captured(t, func(o *mqtt.BrokerOptions) { o.Deliver = func(m mqtt.Inbound) { pending <- m } })
	for range 4 { // committers
		acks.Go(func() {
			for m := range pending {
				m.Ack()
			}
		})
	}
	var done sync.WaitGroup
	for n := range publishers {
		d := device(t, b, func(c *packets.ConnectPacket) { c.ClientIdentifier = fmt.Sprint("meter-", n) })
		done.Go(func() {
			for id := uint16(1); id <= each; id++ {
				d.publish(id, "base/x", "payload")
			}
		})
		done.Go(func() {
			seen := map[uint16]bool{}
			for range each {
				packet, err := d.read()
				ack, ok := packet.(*packets.PubackPacket)
				if err != nil || !ok || seen[ack.MessageID] {
					t.Errorf("publisher %d: got %v, %v; want each PUBACK once", n, packet, err)
					return
				}
				seen[ack.MessageID] = true
			}
		})
	}
	done.Wait()
	close(pending)
	acks.Wait()
}

func TestInternalClientIDIsRefused(t *testing.T) {
	b, _ := captured(t)
	if _, code := knock(t, b, func(c *packets.ConnectPacket) { c.ClientIdentifier = "inline" }); code == packets.Accepted {
		t.Error("accepted")
	}
}

func TestTooManyConnections(t *testing.T) {
	b, _ := captured(t, func(o *mqtt.BrokerOptions) { o.MaxConnections = 1 })
	device(t, b)
	if _, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + b.Addr(), CleanSession: true}); err == nil {
		t.Error("second connection: accepted")
	}
}

func TestCloseWritesOutAcks(t *testing.T) {
	b, in := captured(t)
	d := device(t, b)
	d.publish(1, "base/x", "a")
	receive(t, in, "captured message").Ack()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	d.expectPuback(1)
	d.expectEnd()
}

func TestBrokerOptionErrorsNameTheField(t *testing.T) {
	t.Parallel()
	_, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr: "1883", TLSAddr: "8883", Capture: func(string) bool { return true }, MaxPayloadBytes: -1, MaxConnections: -1,
	})
	for _, field := range []string{"option Addr", "TLSAddr", "TLS:", "Deliver", "MaxPayloadBytes", "MaxConnections"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error %v does not name %s", err, field)
		}
	}
}

func TestBrokerThatNeverStartedCloses(t *testing.T) {
	b, err := mqtt.NewBroker(mqtt.BrokerOptions{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Start(); err == nil {
		t.Error("start after close: no error")
	}
}
