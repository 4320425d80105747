package mqtt_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/mqtt/mosquittotest"
)

func TestMosquittoRedeliversWhatWasNotAcknowledged(t *testing.T) {
	server := mosquittotest.Start(t)
	keep := func(o *mqtt.ClientOptions) { o.CleanSession, o.ClientID = false, "collector" }
	c := dial(t, server.URL, keep)
	subscribe(t, c, "base/#")
	publisher := dial(t, server.URL, nil)
	for i := range 10 {
		if err := publisher.Publish(t.Context(), "base/x", 1, false, []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		if m := receive(t, c.Messages(), "message"); i%2 == 0 {
			m.Ack()
		}
	}
	_ = c.Close()

	c = dial(t, server.URL, keep)
	if !c.SessionPresent() {
		t.Error("the session was not kept")
	}
	subscribe(t, c, "base/#")
	for i := 1; i < 10; i += 2 {
		m := receive(t, c.Messages(), "message again")
		if string(m.Payload) != fmt.Sprint(i) || !m.Duplicate || m.Retained {
			t.Errorf("got %+v, want message %d as a duplicate", plain(m), i)
		}
		m.Ack()
	}
}

func TestMosquittoRetainAndWill(t *testing.T) {
	server := mosquittotest.Start(t)
	dying := dial(t, server.URL, func(o *mqtt.ClientOptions) {
		o.ClientID, o.Will = "dying", &mqtt.Message{Topic: "base/lwt", Payload: []byte("gone"), QoS: 1, Retain: true}
	})
	if err := dying.Publish(t.Context(), "base/state", 1, true, []byte("on")); err != nil {
		t.Fatal(err)
	}
	c := dial(t, server.URL, nil)
	subscribe(t, c, "base/#")
	if m := receive(t, c.Messages(), "kept message"); !m.Retained || string(m.Payload) != "on" {
		t.Errorf("got %+v", plain(m))
	}
	takeover := dial(t, server.URL, func(o *mqtt.ClientOptions) { o.ClientID = "dying" })
	closed(t, dying.Lost(), "Lost of the client whose id was taken over")
	if m := receive(t, c.Messages(), "will"); m.Retained || string(m.Payload) != "gone" {
		t.Errorf("got %+v", plain(m))
	}
	_ = takeover.Close()
}

func TestMaintainOutlivesAKilledMosquitto(t *testing.T) {
	server := mosquittotest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	sessions := make(chan *mqtt.Client)
	ended := make(chan error, 1)
	var lost atomic.Int32
	go func() {
		o := mqtt.ClientOptions{URL: server.URL, ClientID: "bridge", CleanSession: true}
		ended <- mqtt.Maintain(ctx, o, func(ctx context.Context, c *mqtt.Client) error {
			select {
			case sessions <- c:
			case <-ctx.Done():
				return nil
			}
			select {
			case <-c.Lost():
				lost.Add(1)
				return c.Err()
			case <-ctx.Done():
				return nil
			}
		})
	}()
	for range 3 {
		c := receive(t, sessions, "session")
		if err := c.Publish(t.Context(), "base/x", 1, false, []byte("a")); err != nil {
			t.Fatal(err)
		}
		server.Kill()
		server.Restart(t)
	}
	receive(t, sessions, "last session")
	if n := lost.Load(); n != 3 {
		t.Errorf("%d lost connections, want 3", n)
	}
	cancel()
	if err := receive(t, ended, "end of Maintain"); err != nil {
		t.Error(err)
	}
}
