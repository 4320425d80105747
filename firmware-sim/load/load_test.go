package load

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/obs"
)

func mustTemplate(t testing.TB, o TemplateOptions) *Template {
	t.Helper()
	m, err := NewTemplate(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// serveOn runs a server until the test ends, and returns its URL.
func serveOn(t *testing.T, serve func(ctx context.Context, l net.Listener)) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { serve(ctx, listener) })
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		serving.Wait()
	})
	return "tcp://" + listener.Addr().String()
}

func startStub(t *testing.T, s *Stub) string {
	t.Helper()
	return serveOn(t, func(ctx context.Context, l net.Listener) {
		if err := s.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	})
}

// balance is what must hold for every load: each message that was due has exactly one fate.
func balance(t *testing.T, r Report) {
	t.Helper()
	if due := r.Sent + r.Missed + r.Unsent; due != r.Planned {
		t.Errorf("%d sent + %d missed + %d unsent = %d, but %d were planned", r.Sent, r.Missed, r.Unsent, due, r.Planned)
	}
	if fates := r.Acked + r.Lost + r.Open; fates != r.Sent {
		t.Errorf("%d acknowledged + %d lost + %d open = %d, but %d were sent", r.Acked, r.Lost, r.Open, fates, r.Sent)
	}
	if r.Late.Count() != r.Sent || r.Response.Count() != r.Acked || r.Service.Count() != r.Acked {
		t.Errorf("histograms of %d, %d and %d messages: want %d, %d and %d", r.Late.Count(), r.Response.Count(), r.Service.Count(), r.Sent, r.Acked, r.Acked)
	}
}

// Two hundred devices: exactly the planned messages, no more and no fewer, and all acknowledged.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		qos  byte
	}{{"QoS 0", 0}, {"QoS 1", 1}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var stub Stub
			var progress atomic.Int64
			r, err := Run(t.Context(), Options{
				Broker: startStub(t, &stub), Devices: 200, Every: 50 * time.Millisecond, QoS: row.qos, Duration: 1100 * time.Millisecond,
				ConnectionsPerSecond: 5000, Message: mustTemplate(t, TemplateOptions{}),
			}, Hooks{Progress: func(Report) { progress.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent != 200*22 || r.Missed+r.Unsent+r.Lost+r.Open+r.Losses != 0 || len(r.Faults) > 0 || r.Connected != 200 || r.Attempts != 200 {
				t.Errorf("%+v: want 4400 sent by 200 devices, and nothing wrong", r)
			}
			if row.qos == 1 {
				balance(t, r)
			}
			if progress.Load() == 0 {
				t.Error("no progress")
			}
			if r.Sending != 1100*time.Millisecond || r.Ramp <= 0 || r.PeakBytes == 0 {
				t.Errorf("sending %v, ramp %v, memory %d", r.Sending, r.Ramp, r.PeakBytes)
			}
			if stub.Messages() != r.Sent {
				t.Errorf("the broker saw %d of %d messages", stub.Messages(), r.Sent)
			}
		})
	}
}

// A part of the load sends what this part owes, at this part's instants.
func TestRunShare(t *testing.T) {
	t.Parallel()
	var stub Stub
	asked := false
	r, err := Run(t.Context(), Options{
		Broker: startStub(t, &stub), Devices: 1000, First: 900, Share: 100, Every: 100 * time.Millisecond, QoS: 1, Duration: 300 * time.Millisecond,
		ConnectionsPerSecond: 5000, Message: mustTemplate(t, TemplateOptions{}),
	}, Hooks{Connected: func(at Report) (time.Time, error) {
		asked = at.Connected == 100
		return time.Now().Add(20 * time.Millisecond), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if balance(t, r); r.Sent != 300 || !asked {
		t.Errorf("%+v: want 300 sent, and 100 connected before the start", r)
	}
}

// A broker that hangs up now and then, or says no now and then: devices come back, and every message has a fate.
func TestRunThroughLosses(t *testing.T) {
	t.Parallel()
	var accepted atomic.Int64
	url := serveOn(t, func(_ context.Context, l net.Listener) {
		var serving sync.WaitGroup
		defer serving.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := accepted.Add(1)
			serving.Go(func() {
				defer c.Close()
				switch {
				case n == 1 || n > 12 && n%3 > 0 || n > 30:
					(&Stub{}).serve(c)
				case n%3 == 0: // refuses
					_, _ = c.Read(make([]byte, 512))
					_, _ = c.Write([]byte{packetConnack, 2, 0, 5})
				default: // hangs up after some messages
					(&Stub{}).serve(&shortConn{Conn: c, left: 300})
				}
			})
		}
	})
	r, err := Run(t.Context(), Options{
		Broker: url, Devices: 20, Every: 20 * time.Millisecond, QoS: 1, Duration: 2500 * time.Millisecond,
		Message: mustTemplate(t, TemplateOptions{Dialect: "tasmota"}),
	}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	balance(t, r)
	if r.Losses == 0 || r.Missed == 0 || r.Faults["refused: not authorized"] == 0 || r.Faults["closed by the broker"]+r.Faults["connection reset"] == 0 {
		t.Errorf("%+v: want losses, missed messages and refusals", r)
	}
	if r.Connected < 15 {
		t.Errorf("%d of 20 devices are connected at the end: want nearly all again", r.Connected)
	}
}

// shortConn ends after some bytes.
type shortConn struct {
	net.Conn
	left int
}

func (c *shortConn) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b[:min(len(b), c.left)])
	c.left -= n
	return n, err
}

// A broker that stops reading holds nobody up: what its network does not take is unsent, and the run ends in time.
func TestRunAgainstABrokerThatStopsReading(t *testing.T) {
	t.Parallel()
	url := serveOn(t, func(ctx context.Context, l net.Listener) {
		var serving sync.WaitGroup
		defer serving.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 512))
				_, _ = c.Write([]byte{packetConnack, 2, 0, 0})
				<-ctx.Done()
			})
		}
	})
	began := time.Now()
	r, err := Run(t.Context(), Options{
		Broker: url, Devices: 3, Every: 2 * time.Millisecond, QoS: 0, Duration: 1500 * time.Millisecond, Drain: 100 * time.Millisecond,
		Message: mustTemplate(t, TemplateOptions{Payload: strings.Repeat("x", 64<<10)}),
	}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent+r.Missed+r.Unsent != r.Planned || r.Unsent == 0 {
		t.Errorf("%+v: want some unsent, and all accounted for", r)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the run took %v", took)
	}
}

// A broker that acknowledges nothing: every message is open, and the wait for them is bounded.
func TestRunWithoutAcknowledgements(t *testing.T) {
	t.Parallel()
	url := serveOn(t, func(_ context.Context, l net.Listener) {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 512))
		_, _ = c.Write([]byte{packetConnack, 2, 0, 0})
		_, _ = io.Copy(io.Discard, c)
	})
	r, err := Run(t.Context(), Options{
		Broker: url, Devices: 1, Every: 10 * time.Millisecond, QoS: 1, Duration: 200 * time.Millisecond, Drain: 50 * time.Millisecond,
		Message: mustTemplate(t, TemplateOptions{Dialect: "shelly"}),
	}, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	if balance(t, r); r.Open != 20 {
		t.Errorf("%d open: want 20", r.Open)
	}
}

// The first device decides whether there is a load at all.
func TestRunRefusesAWrongBroker(t *testing.T) {
	t.Parallel()
	good := func(url string) Options {
		return Options{Broker: url, Devices: 1, Every: time.Second, Duration: time.Second, Message: mustTemplate(t, TemplateOptions{})}
	}
	noMQTT := serveOn(t, func(_ context.Context, l net.Listener) {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		_, _ = io.Copy(io.Discard, c)
	})
	for _, row := range []struct{ name, url, want string }{
		{"nobody listens", "tcp://127.0.0.1:1", "connection refused"},
		{"no MQTT", noMQTT, "was not asked for"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Run(t.Context(), good(row.url), Hooks{}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v: want %q", err, row.want)
			}
		})
	}
}

// A load that is stopped says what it did until then.
func TestRunStopped(t *testing.T) {
	t.Parallel()
	var stub Stub
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Run(ctx, Options{
		Broker: startStub(t, &stub), Devices: 10, Every: 10 * time.Millisecond, QoS: 1, Duration: time.Hour, Message: mustTemplate(t, TemplateOptions{}),
	}, Hooks{Progress: func(r Report) {
		if r.Sent > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || r.Sent == 0 || r.Sending > time.Minute {
		t.Errorf("error %v after %v with %d sent", err, r.Sending, r.Sent)
	}
}

func TestOptionErrorsNameTheField(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		want string
		edit func(*Options)
	}{
		{"Broker: example.org is not on this machine", func(o *Options) { o.Broker = "tcp://example.org:1883" }},
		{"Broker: 10.0.0.7 is not on this machine", func(o *Options) { o.Broker = "mqtt://10.0.0.7" }},
		{"Broker: localhost.example.org is not", func(o *Options) { o.Broker = "tcp://localhost.example.org" }},
		{`Broker: scheme "ssl": TLS is not spoken`, func(o *Options) { o.Broker = "ssl://127.0.0.1" }},
		{`Broker: scheme "http"`, func(o *Options) { o.Broker = "http://127.0.0.1" }},
		{"Broker: has a user or password", func(o *Options) { o.Broker = "tcp://u:p@127.0.0.1" }},
		{"Broker: has no host", func(o *Options) { o.Broker = "tcp://" }},
		{"Devices is 0", func(o *Options) { o.Devices = 0 }},
		{"First and Share are 5 and 6", func(o *Options) { o.First, o.Share = 5, 6 }},
		{"Every is 0s", func(o *Options) { o.Every = 0 }},
		{"QoS is 2", func(o *Options) { o.QoS = 2 }},
		{"Message is required", func(o *Options) { o.Message = nil }},
		{"ConnectionsPerSecond is -1", func(o *Options) { o.ConnectionsPerSecond = -1 }},
		{"Duration is 0s", func(o *Options) { o.Duration = 0 }},
		{"Drain is -1s", func(o *Options) { o.Drain = -time.Second }},
		{"KeepAlive is 1.5s", func(o *Options) { o.KeepAlive = 1500 * time.Millisecond }},
		{"Password is set without", func(o *Options) { o.Password = obs.Secret("x") }},
		{"Sources is -1", func(o *Options) { o.Sources = -1 }},
	} {
		t.Run(row.want, func(t *testing.T) {
			t.Parallel()
			o := Options{Broker: "tcp://127.0.0.1", Devices: 10, Every: time.Second, Duration: time.Second, Message: mustTemplate(t, TemplateOptions{})}
			if _, err := o.complete(); err != nil {
				t.Fatal(err)
			}
			row.edit(&o)
			if _, err := Run(t.Context(), o, Hooks{}); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v: want %q", err, row.want)
			}
		})
	}
	o := Options{Broker: "tcp://10.0.0.7", AnyBroker: true}
	if address, err := o.address(); err != nil || address != "10.0.0.7:1883" {
		t.Errorf("own broker elsewhere: %q, %v", address, err)
	}
}

func TestNamesDiffer(t *testing.T) {
	t.Parallel()
	o := Options{Message: mustTemplate(t, TemplateOptions{})}
	for device, want := range map[int]string{0: "load-000000", 42: "load-000042", 999_999: "load-999999", 1_000_000: "load-1000000"} {
		if got := o.name(device); got != want {
			t.Errorf("device %d is %q, want %q", device, got, want)
		}
	}
}

// So many devices that one address has no ports for them take turns at several.
func TestSources(t *testing.T) {
	t.Parallel()
	o := Options{Broker: "tcp://127.0.0.1", Devices: 100_000, Every: time.Second, Duration: time.Second, Message: mustTemplate(t, TemplateOptions{})}
	o, err := o.complete()
	if err != nil {
		t.Fatal(err)
	}
	each := map[string]int{}
	for i := range o.Devices {
		each[o.source(i, "127.0.0.1:1883").String()]++
	}
	if len(each) != 10 || each["127.0.0.1:0"] != 10_000 || each["127.0.0.10:0"] != 10_000 {
		t.Errorf("%v: want 10 addresses with 10,000 devices each", each)
	}
	for _, elsewhere := range []string{"[::1]:1883", "10.0.0.1:1883", "broker.example.org:1883"} {
		if a := o.source(1, elsewhere); a != nil {
			t.Errorf("source %v for %s: want the system's choice", a, elsewhere)
		}
	}
	o.Sources = 1
	if a := o.source(1, "127.0.0.1:1883"); a != nil {
		t.Errorf("source %v where one address is enough: want the system's choice", a)
	}
}
