package mqtt

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// served returns a connection as admit leaves it, without a network.
func served(b *Broker) *conn {
	near, _ := net.Pipe()
	c := newConn(near, 0)
	b.conns[c] = &attached{ended: make(chan struct{})}
	return c
}

func newTestBroker(t *testing.T) *Broker {
	t.Helper()
	b, err := NewBroker(BrokerOptions{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTakeoverWaitsForTheEarlierConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTestBroker(t)
		first, second := served(b), served(b)
		if b.attach(first, "meter-1") != "" {
			t.Fatal("the first connection is refused")
		}
		begin := time.Now()
		go func() {
			<-first.ended // the takeover ends it
			time.Sleep(time.Second)
			b.detach(first)
		}()
		if b.attach(second, "meter-1") != "" || time.Since(begin) != time.Second {
			t.Errorf("attached after %v, want when the first has ended, after 1s", time.Since(begin))
		}
		b.detach(second)
		if len(b.sessions) != 0 {
			t.Errorf("%d sessions are left", len(b.sessions))
		}
		_ = second.Close()
		<-first.flushed
		<-second.flushed
		_ = b.Close()
	})
}

// A Deliver that blocks for hours must not gather a connection per attempt of the device.
func TestTakeoverGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newTestBroker(t)
		stuck := served(b)
		if denied := b.attach(stuck, "meter-1"); denied != "" {
			t.Fatal(denied)
		}
		for range 3 {
			begin := time.Now()
			c := served(b)
			if b.attach(c, "meter-1") == "" {
				t.Fatal("a new connection may overtake the earlier one")
			}
			if d := time.Since(begin); d != takeoverTimeout {
				t.Errorf("gave up after %v, want %v", d, takeoverTimeout)
			}
			b.detach(c)
			_ = c.Close()
			<-c.flushed
		}
		b.detach(stuck)
		<-stuck.flushed
		c := served(b)
		if b.attach(c, "meter-1") != "" {
			t.Error("refused after the earlier connection has ended")
		}
		_ = c.Close()
		<-c.flushed
		_ = b.Close()
	})
}
