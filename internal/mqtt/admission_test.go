package mqtt_test

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// named admits everyone under the username that was given, with what change adds to the permit.
func named(change func(*mqtt.Permit)) func(*mqtt.BrokerOptions) {
	return func(o *mqtt.BrokerOptions) {
		o.Admit = func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
			p := &mqtt.Permit{Name: l.Username}
			if change != nil {
				change(p)
			}
			return p, ""
		}
	}
}

func as(name string) func(*packets.ConnectPacket) {
	return func(c *packets.ConnectPacket) { c.UsernameFlag, c.Username = true, name }
}

func reasons(b *mqtt.Broker) map[mqtt.Denial]int64 {
	out := map[mqtt.Denial]int64{}
	for _, r := range b.Refusals() {
		out[r.Why] += r.Count
	}
	return out
}

func TestAdmitSeesTheLogin(t *testing.T) {
	logins := make(chan mqtt.Login, 1)
	b, in := captured(t, func(o *mqtt.BrokerOptions) {
		o.Admit = func(_ context.Context, l mqtt.Login) (*mqtt.Permit, mqtt.Denial) {
			logins <- l
			return &mqtt.Permit{Name: "the meter"}, ""
		}
	})
	d := device(t, b, as("u"), func(c *packets.ConnectPacket) { c.PasswordFlag, c.Password = true, []byte("p") })
	l := receive(t, logins, "login")
	if l.ClientID != "meter-1" || l.Username != "u" || string(l.Password) != "p" || !l.Remote.IsLoopback() || l.Certificate != nil {
		t.Errorf("got %+v", l)
	}
	d.publish(0, "base/x", "a")
	if m := receive(t, in, "message"); m.Name != "the meter" || m.Client != "meter-1" {
		t.Errorf("got %q of %q", m.Client, m.Name)
	}
}

func TestDenialIsTheReason(t *testing.T) {
	for denied, want := range map[mqtt.Denial]mqtt.Denial{"no_such_name": "no_such_name", "": mqtt.DeniedAuthentication} {
		b, _ := captured(t, func(o *mqtt.BrokerOptions) {
			o.Admit = func(context.Context, mqtt.Login) (*mqtt.Permit, mqtt.Denial) { return nil, denied }
		})
		if _, code := knock(t, b, as("u")); code == packets.Accepted || reasons(b)[want] != 1 {
			t.Errorf("%q: code %d, refusals %v", denied, code, b.Refusals())
		}
	}
}

// A device that knows another's client id gets neither its connection nor what waits for it.
func TestClientIDsAreApartPerName(t *testing.T) {
	b, in := captured(t, named(nil))
	kept := func(c *packets.ConnectPacket) { c.CleanSession = false }
	owner := device(t, b, as("owner"), kept)
	sub := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
	sub.MessageID, sub.Topics, sub.Qoss = 1, []string{"secret"}, []byte{1}
	owner.send(sub)
	expect[*packets.SubackPacket](owner)

	thief := device(t, b, as("thief"), kept)
	if err := b.Publish("secret", []byte("for the owner"), false, 1); err != nil {
		t.Fatal(err)
	}
	thief.expectSilence()
	if got := string(expect[*packets.PublishPacket](owner).Payload); got != "for the owner" {
		t.Errorf("the owner got %q", got)
	}
	owner.publish(2, "base/x", "still here")
	if m := receive(t, in, "message"); m.Name != "owner" {
		t.Errorf("got a message of %q", m.Name)
	}
}

func TestMaxConnectionsPerName(t *testing.T) {
	b, _ := captured(t, named(func(p *mqtt.Permit) { p.MaxConnections = 2 }))
	id := func(id string) func(*packets.ConnectPacket) {
		return func(c *packets.ConnectPacket) { c.ClientIdentifier = id }
	}
	first := device(t, b, as("a"), id("1"))
	device(t, b, as("a"), id("2"))
	device(t, b, as("a"), id("2")) // takes over
	device(t, b, as("b"), id("1"))
	third := func() error {
		_, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + b.Addr(), ClientID: "3", CleanSession: true, Username: "a"})
		return err
	}
	if third() == nil || reasons(b)[mqtt.DeniedConnections] != 1 {
		t.Errorf("a third connection: refusals %v", b.Refusals())
	}
	_ = first.Close()
	for end := time.Now().Add(patience); third() != nil; {
		if time.Now().After(end) {
			t.Fatal("a connection that ended still counts")
		}
	}
}

// A message over the device's own limit is never acknowledged as if it were kept.
func TestOversizedOfOneDevice(t *testing.T) {
	small := named(func(p *mqtt.Permit) { p.MaxPayloadBytes = 4 })
	t.Run("QoS 0 is dropped", func(t *testing.T) {
		b, in := captured(t, small)
		d := device(t, b, as("a"))
		d.publish(0, "base/x", "12345")
		d.publish(1, "base/x", "1234")
		if m := receive(t, in, "message at the limit"); string(m.Payload) != "1234" || reasons(b)[mqtt.DeniedOversized] != 1 {
			t.Errorf("got %q, refusals %v", m.Payload, b.Refusals())
		}
	})
	t.Run("QoS 1 ends the connection, and the will says so", func(t *testing.T) {
		b, in := captured(t, small)
		d := device(t, b, as("a"), func(c *packets.ConnectPacket) {
			c.WillFlag, c.WillTopic, c.WillMessage = true, "base/lwt", []byte("gone")
		})
		d.publish(1, "base/x", "12345")
		d.expectEnd()
		if m := receive(t, in, "will"); !m.Will {
			t.Errorf("got %+v", plain(m))
		}
	})
	t.Run("a will of that size is refused", func(t *testing.T) {
		b, _ := captured(t, small)
		if _, code := knock(t, b, as("a"), func(c *packets.ConnectPacket) {
			c.WillFlag, c.WillTopic, c.WillMessage = true, "base/lwt", []byte("12345")
		}); code == packets.Accepted || reasons(b)[mqtt.DeniedWill] != 1 {
			t.Errorf("code %d, refusals %v", code, b.Refusals())
		}
	})
}

// Paho's packets are of version 3: version 5 is spoken byte by byte.
func TestOversizedIsAnsweredInVersion5(t *testing.T) {
	b, _ := captured(t, named(func(p *mqtt.Permit) { p.MaxPayloadBytes = 4 }))
	for qos, want := range map[byte]byte{1: 0x40, 2: 0x50} {
		c := dialRaw(t, b)
		c.write(0x10, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0, 0, 1, 'c')
		if kind, body := c.read(); kind != 0x20 || body[1] != 0 {
			t.Fatalf("connect: got %x %x", kind, body)
		}
		c.write(0x30|qos<<1, 0, 6, 'b', 'a', 's', 'e', '/', 'x', 0, 7, 0, '1', '2', '3', '4', '5')
		if kind, body := c.read(); kind != want || string(body) != "\x00\x07\x97" {
			t.Errorf("QoS %d: got %x %x, want the answer that a quota is exceeded", qos, kind, body)
		}
		c.write(0xc0)
		if kind, _ := c.read(); kind != 0xd0 {
			t.Errorf("QoS %d: the connection does not go on: got %x", qos, kind)
		}
	}
}

// rawConn speaks bytes.
type rawConn struct{ *peer }

func dialRaw(t *testing.T, b *mqtt.Broker) rawConn {
	t.Helper()
	return rawConn{dialPeer(t, b)}
}

func (c rawConn) write(kind byte, body ...byte) {
	c.t.Helper()
	if _, err := c.Write(append([]byte{kind, byte(len(body))}, body...)); err != nil {
		c.t.Fatal(err)
	}
}

func (c rawConn) read() (kind byte, body []byte) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		c.t.Fatal(err)
	}
	body = make([]byte, head[1])
	if _, err := io.ReadFull(c, body); err != nil {
		c.t.Fatal(err)
	}
	return head[0], body
}

// Nobody who has not been admitted makes the broker hold much: the header of a large first packet is enough to hang up.
func TestLargeFirstPacketIsHungUpOn(t *testing.T) {
	b, _ := captured(t)
	for _, header := range [][]byte{{0x10, 0x80, 0x80, 0x05}, {0x10, 0xff, 0xff, 0xff, 0x7f}} {
		p := dialPeer(t, b)
		for _, one := range header {
			if _, err := p.Write([]byte{one}); err != nil {
				break // it has hung up already
			}
		}
		p.expectEnd()
	}
	device(t, b, func(c *packets.ConnectPacket) {
		c.WillFlag, c.WillTopic, c.WillMessage = true, "base/lwt", make([]byte, 60<<10)
	})
}

// A withdrawn permit ends the connection and what is kept for the client; its will still says that it went.
func TestReview(t *testing.T) {
	var gone atomic.Bool
	b, in := captured(t, named(func(p *mqtt.Permit) {
		name := p.Name
		p.Withdrawn = func() string {
			if gone.Load() && strings.HasPrefix(name, "bad") {
				return "stolen"
			}
			return ""
		}
	}))
	subscribed := func(name string) *peer {
		d := device(t, b, as(name), func(c *packets.ConnectPacket) {
			c.CleanSession, c.WillFlag, c.WillTopic, c.WillMessage = false, true, "base/lwt", []byte(name)
		})
		sub := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
		sub.MessageID, sub.Topics, sub.Qoss = 1, []string{"cmd/" + name}, []byte{1}
		d.send(sub)
		expect[*packets.SubackPacket](d)
		return d
	}
	here, away, good := subscribed("bad-1"), subscribed("bad-2"), subscribed("good")
	_ = away.Close()
	receive(t, in, "will of the one that is away")
	if n := b.Review(); n != 0 {
		t.Errorf("%d connections ended before anything was withdrawn", n)
	}
	gone.Store(true)
	if n := b.Review(); n != 1 {
		t.Errorf("%d connections ended, want 1", n)
	}
	here.expectEnd()
	if m := receive(t, in, "will"); string(m.Payload) != "bad-1" {
		t.Errorf("got %+v", plain(m))
	}
	good.expectSilence()
	list := b.Refusals()
	if len(list) != 1 || list[0].Why != mqtt.DeniedWithdrawn || list[0].Who != "bad-1" || list[0].What != "stolen" || !list[0].Proven {
		t.Errorf("refusals %+v", list)
	}
	gone.Store(false)
	back := device(t, b, as("bad-2"), func(c *packets.ConnectPacket) { c.CleanSession = false })
	if err := b.Publish("cmd/bad-2", []byte("x"), false, 1); err != nil {
		t.Fatal(err)
	}
	back.expectSilence() // its subscription was forgotten
}

// PUBLISH of a client that floods is read as fast as allowed; what is not read stays with the client.
func TestHeldBackClientEndsWithItsConnection(t *testing.T) {
	b, in := captured(t, named(func(p *mqtt.Permit) { p.MessagesPerSecond, p.Burst = 0.01, 1 }))
	d := device(t, b, as("a"))
	d.publish(1, "base/x", "1")
	receive(t, in, "the burst").Ack()
	d.expectPuback(1)
	d.publish(2, "base/x", "2")
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(patience); reasons(b)[mqtt.DeniedRate] == 0; <-poll.C {
		if time.Now().After(end) {
			t.Fatal("not held back")
		}
	}
	begin := time.Now()
	if err := b.Close(); err != nil { // must not wait for the client's turn, which is in 100 s
		t.Fatal(err)
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("close took %v", took)
	}
}
