package mqtt_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/obs"
)

func errorIs(err, target error) bool { return errors.Is(err, target) }

// client connects to the broker.
func client(t testing.TB, b *mqtt.Broker, change func(*mqtt.ClientOptions)) *mqtt.Client {
	t.Helper()
	return dial(t, "tcp://"+b.Addr(), change)
}

func dial(t testing.TB, url string, change func(*mqtt.ClientOptions)) *mqtt.Client {
	t.Helper()
	o := mqtt.ClientOptions{URL: url, ClientID: "client", CleanSession: true}
	if change != nil {
		change(&o)
	}
	c, err := mqtt.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func subscribe(t testing.TB, c *mqtt.Client, filter string) {
	t.Helper()
	if err := c.Subscribe(t.Context(), filter, 1); err != nil {
		t.Fatal(err)
	}
}

// fakeBroker accepts one connection and leaves the rest of the conversation to the test.
func fakeBroker(t testing.TB, change func(*mqtt.ClientOptions)) (*mqtt.Client, *peer) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	accepted := make(chan *peer, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		p := &peer{t, nc}
		if _, err := p.read(); err == nil {
			_ = packets.NewControlPacket(packets.Connack).Write(nc)
		}
		accepted <- p
	}()
	c := dial(t, "tcp://"+l.Addr().String(), change)
	p := receive(t, accepted, "connection")
	t.Cleanup(func() { _ = p.Close() })
	return c, p
}

func TestPublishWaitsForPuback(t *testing.T) {
	b, in := captured(t)
	c := client(t, b, nil)
	token := c.PublishAsync("base/x", 1, false, []byte("a"))
	m := receive(t, in, "captured message")
	select {
	case <-token.Done():
		t.Fatal("the token is done before the message is durable")
	default:
	}
	if err := token.Err(); err != nil {
		t.Errorf("before Done: got %v", err)
	}
	m.Ack()
	closed(t, token.Done(), "token")
	if err := token.Err(); err != nil {
		t.Errorf("after the PUBACK: got %v", err)
	}
}

func TestPublishHeedsContext(t *testing.T) {
	c, _ := fakeBroker(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Publish(ctx, "base/x", 1, false, []byte("a")); !errorIs(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestConnectionLossEndsEveryToken(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprintf("clean=%v", clean), func(t *testing.T) {
			c, p := fakeBroker(t, func(o *mqtt.ClientOptions) { o.CleanSession = clean })
			var tokens []*mqtt.Token
			for range 500 {
				tokens = append(tokens, c.PublishAsync("base/x", 1, false, []byte("a")))
			}
			for range 100 {
				expect[*packets.PublishPacket](p)
			}
			_ = p.Close()
			closed(t, c.Lost(), "Lost")
			closed(t, c.Messages(), "Messages")
			for i, token := range tokens {
				closed(t, token.Done(), fmt.Sprint("token ", i))
				if !errorIs(token.Err(), mqtt.ErrLost) {
					t.Fatalf("token %d: got %v, want ErrLost", i, token.Err())
				}
			}
			if !errorIs(c.Err(), mqtt.ErrLost) {
				t.Errorf("client: got %v, want ErrLost", c.Err())
			}
			if err := c.Publish(t.Context(), "base/x", 1, false, nil); !errorIs(err, mqtt.ErrLost) {
				t.Errorf("publish afterwards: got %v, want ErrLost", err)
			}
			if err := c.Subscribe(t.Context(), "base/x", 1); err == nil {
				t.Error("subscribe afterwards: no error")
			}
			_ = c.Close()
			if !errorIs(c.Err(), mqtt.ErrLost) {
				t.Errorf("client after Close: got %v, want ErrLost still", c.Err())
			}
		})
	}
}

func TestFullWindowBlocksUntilAnAcknowledgementOrTheEnd(t *testing.T) {
	c, p := fakeBroker(t, func(o *mqtt.ClientOptions) { o.MaxInFlight = 2 })
	c.PublishAsync("base/x", 1, false, nil)
	second := c.PublishAsync("base/x", 1, false, nil)
	expect[*packets.PublishPacket](p)
	id := expect[*packets.PublishPacket](p).MessageID

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Publish(ctx, "base/third", 1, false, nil); !errorIs(err, context.DeadlineExceeded) {
		t.Errorf("publish with a full window: got %v, want it to wait", err)
	}
	c.PublishAsync("marker", 0, false, nil)
	if got := expect[*packets.PublishPacket](p).TopicName; got != "marker" {
		t.Errorf("got %q: it was sent although the window was full", got)
	}

	published := make(chan *mqtt.Token)
	publish := func() { published <- c.PublishAsync("base/x", 1, false, nil) }
	go publish()
	ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
	ack.MessageID = id
	p.send(ack)
	closed(t, second.Done(), "second token")
	receive(t, published, "third token")

	go publish()
	_ = p.Close()
	fourth := receive(t, published, "fourth token")
	closed(t, fourth.Done(), "fourth token")
	if !errorIs(fourth.Err(), mqtt.ErrLost) {
		t.Errorf("fourth token: got %v, want ErrLost", fourth.Err())
	}
}

func TestCloseEndsTokensWithErrClosed(t *testing.T) {
	c, _ := fakeBroker(t, nil)
	token := c.PublishAsync("base/x", 1, false, nil)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	closed(t, token.Done(), "token")
	if !errorIs(token.Err(), mqtt.ErrClosed) || !errorIs(c.Err(), mqtt.ErrClosed) {
		t.Errorf("got token %v, client %v; want ErrClosed", token.Err(), c.Err())
	}
}

func TestBadTopicsAreRefusedHere(t *testing.T) {
	c, _ := fakeBroker(t, nil)
	for _, topic := range []string{"", "a/+", "a/#", "a\x00b", strings.Repeat("a", 1<<16)} {
		if err := c.Publish(t.Context(), topic, 1, false, nil); err == nil {
			t.Errorf("publish to %.10q: no error", topic)
		}
	}
	if err := c.Publish(t.Context(), "a", 3, false, nil); err == nil {
		t.Error("publish at qos 3: no error")
	}
}

func TestClientAcknowledgesOnlyByAck(t *testing.T) {
	c, p := fakeBroker(t, nil)
	for id := uint16(1); id <= 3; id++ {
		p.publish(id, "x", fmt.Sprint(id))
	}
	first := receive(t, c.Messages(), "first")
	second := receive(t, c.Messages(), "second")
	receive(t, c.Messages(), "third") // never acknowledged
	second.Ack()
	p.expectPuback(2)
	first.Ack()
	first.Ack()
	p.expectPuback(1)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	expect[*packets.DisconnectPacket](p)
	p.expectEnd()
}

func TestAckAfterTheConnectionIsLost(t *testing.T) {
	c, p := fakeBroker(t, nil)
	p.publish(1, "x", "a")
	m := receive(t, c.Messages(), "message")
	_ = p.Close()
	closed(t, c.Lost(), "Lost")
	m.Ack()
}

func TestAcksBeforeCloseAreWrittenOut(t *testing.T) {
	c, p := fakeBroker(t, nil)
	const n = 2000
	for id := uint16(1); id <= n; id++ {
		p.publish(id, "x", "a")
	}
	for range n {
		receive(t, c.Messages(), "message").Ack()
	}
	_ = c.Close()
	for id := uint16(1); id <= n; id++ {
		p.expectPuback(id)
	}
}

func TestFullReceiveBufferDoesNotHoldUpTheEnd(t *testing.T) {
	for name, end := range map[string]func(*mqtt.Client, *peer){
		"closed": func(c *mqtt.Client, _ *peer) { _ = c.Close() },
		"lost":   func(_ *mqtt.Client, p *peer) { _ = p.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c, p := fakeBroker(t, func(o *mqtt.ClientOptions) { o.ReceiveBuffer = 1 })
			for id := uint16(1); id <= 20; id++ {
				p.publish(id, "x", "a")
			}
			receive(t, c.Messages(), "first message") // so paho's pipeline is full of the others
			end(c, p)
			closed(t, c.Messages(), "Messages")
			closed(t, c.Lost(), "Lost")
		})
	}
}

func TestKeptSession(t *testing.T) {
	b, _ := captured(t)
	keep := func(o *mqtt.ClientOptions) { o.CleanSession, o.ClientID = false, "keeper" }
	c := client(t, b, keep)
	if c.SessionPresent() {
		t.Error("first connection: the session is present")
	}
	subscribe(t, c, "plain/#")
	_ = c.Close()
	if err := b.Publish("plain/x", []byte("while away"), false, 1); err != nil {
		t.Fatal(err)
	}
	c = client(t, b, keep)
	if !c.SessionPresent() {
		t.Error("second connection: the session is not present")
	}
	if m := receive(t, c.Messages(), "queued message"); string(m.Payload) != "while away" || m.Retained {
		t.Errorf("got %+v", plain(m))
	}
}

func TestDialErrors(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		b, _ := captured(t, func(o *mqtt.BrokerOptions) {
			o.Admit = func(context.Context, mqtt.Login) (*mqtt.Permit, mqtt.Denial) { return nil, "" }
		})
		_, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{
			URL: "tcp://" + b.Addr(), CleanSession: true, Username: "u", Password: "secret",
		})
		if !errorIs(err, mqtt.ErrRefused) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want ErrRefused without the password", err)
		}
	})
	t.Run("context ends during the handshake", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { // a broker that reads the CONNECT and says nothing
			if nc, err := l.Accept(); err == nil {
				defer nc.Close()
				_, _ = packets.ReadPacket(nc)
				cancel()
				<-t.Context().Done()
			}
		}()
		begin := time.Now()
		_, err = mqtt.Dial(ctx, mqtt.ClientOptions{URL: "tcp://" + l.Addr().String(), CleanSession: true})
		if !errorIs(err, context.Canceled) || time.Since(begin) > patience {
			t.Errorf("got %v after %v, want context.Canceled at once", err, time.Since(begin))
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := mqtt.Dial(t.Context(), mqtt.ClientOptions{URL: "tcp://" + l.Addr().String(), CleanSession: true}); err == nil {
			t.Error("no error")
		}
	})
}

func TestClientOptionErrorsNameTheField(t *testing.T) {
	t.Parallel()
	base := mqtt.ClientOptions{URL: "tcp://127.0.0.1:1", CleanSession: true}
	for field, change := range map[string]func(*mqtt.ClientOptions){
		"URL":           func(o *mqtt.ClientOptions) { o.URL = "ws://host" },
		"URL: ":         func(o *mqtt.ClientOptions) { o.URL = "tcp://u:hush@host" },
		"ClientID":      func(o *mqtt.ClientOptions) { o.CleanSession = false },
		"Password":      func(o *mqtt.ClientOptions) { o.Password = obs.Secret("hush") },
		"KeepAlive":     func(o *mqtt.ClientOptions) { o.KeepAlive = time.Millisecond },
		"MaxInFlight":   func(o *mqtt.ClientOptions) { o.MaxInFlight = 65536 },
		"ReceiveBuffer": func(o *mqtt.ClientOptions) { o.ReceiveBuffer = -1 },
		"Will":          func(o *mqtt.ClientOptions) { o.Will = &mqtt.Message{} },
	} {
		o := base
		change(&o)
		_, err := mqtt.Dial(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got error %v, want one that names the field and no password", field, err)
		}
		if err := mqtt.Maintain(t.Context(), o, nil); err == nil {
			t.Errorf("%s: Maintain accepts it", field)
		}
	}
}
