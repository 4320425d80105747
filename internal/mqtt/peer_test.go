package mqtt_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// patience is how long a test waits for what must happen. It only passes when the test fails.
const patience = 10 * time.Second

// peer is one end of a connection that speaks MQTT packet by packet, without a library's opinion.
type peer struct {
	t testing.TB
	net.Conn
}

// device connects to the broker as a device does.
func device(t testing.TB, b *mqtt.Broker, change ...func(*packets.ConnectPacket)) *peer {
	t.Helper()
	p, code := knock(t, b, change...)
	if code != packets.Accepted {
		t.Fatalf("connect: got code %d, want accepted", code)
	}
	return p
}

// knock connects and returns the broker's answer.
func knock(t testing.TB, b *mqtt.Broker, change ...func(*packets.ConnectPacket)) (*peer, byte) {
	t.Helper()
	p := dialPeer(t, b)
	connect := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	connect.ProtocolName, connect.ProtocolVersion = "MQTT", 4
	connect.CleanSession, connect.Keepalive, connect.ClientIdentifier = true, 60, "meter-1"
	for _, f := range change {
		f(connect)
	}
	p.send(connect)
	return p, expect[*packets.ConnackPacket](p).ReturnCode
}

func dialPeer(t testing.TB, b *mqtt.Broker) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	return &peer{t, nc}
}

func (p *peer) send(packet packets.ControlPacket) {
	p.t.Helper()
	if err := packet.Write(p); err != nil {
		p.t.Errorf("send %T: %v", packet, err) // not Fatalf: also called in goroutines
	}
}

func (p *peer) publish(id uint16, topic, payload string, change ...func(*packets.PublishPacket)) {
	p.t.Helper()
	packet := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	packet.TopicName, packet.Payload, packet.MessageID = topic, []byte(payload), id
	if id > 0 {
		packet.Qos = 1
	}
	for _, f := range change {
		f(packet)
	}
	p.send(packet)
}

func (p *peer) read() (packets.ControlPacket, error) {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	return packets.ReadPacket(p)
}

// expect reads one packet, which must be a P.
func expect[P packets.ControlPacket](p *peer) P {
	p.t.Helper()
	packet, err := p.read()
	if err != nil {
		p.t.Fatalf("read: got error %v, want %T", err, *new(P))
	}
	want, ok := packet.(P)
	if !ok {
		p.t.Fatalf("read: got %v, want %T", packet, want)
	}
	return want
}

// expectPuback reads the PUBACK of the message id.
func (p *peer) expectPuback(id uint16) {
	p.t.Helper()
	if got := expect[*packets.PubackPacket](p).MessageID; got != id {
		p.t.Fatalf("PUBACK: got id %d, want %d", got, id)
	}
}

// expectSilence proves that the other side has sent nothing up to now: packets are answered in order, so an earlier one
// would come before the answer to this ping.
func (p *peer) expectSilence() {
	p.t.Helper()
	p.send(packets.NewControlPacket(packets.Pingreq))
	expect[*packets.PingrespPacket](p)
}

// expectEnd reads until the other side has hung up.
func (p *peer) expectEnd() {
	p.t.Helper()
	for {
		_, err := p.read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.t.Fatal("the connection is still open")
		}
		if err != nil {
			return
		}
	}
}

// receive takes one value, or fails the test.
func receive[V any](t testing.TB, from <-chan V, what string) V {
	t.Helper()
	select {
	case v, ok := <-from:
		if !ok {
			t.Fatalf("%s: the channel is closed", what)
		}
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing came", what)
	}
	panic("unreachable")
}

// closed waits until the channel is closed, or fails the test.
func closed[V any](t testing.TB, c <-chan V, what string) {
	t.Helper()
	end := time.After(patience)
	for {
		select {
		case _, ok := <-c:
			if !ok {
				return
			}
		case <-end:
			t.Fatalf("%s: not closed", what)
		}
	}
}
