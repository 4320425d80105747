package sim

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/recordingtest"
)

// collected is what a real broker delivered, acknowledged at once.
type collected struct {
	mu       sync.Mutex // guards messages
	messages []mqtt.Inbound
}

func (c *collected) deliver(in mqtt.Inbound) {
	c.mu.Lock()
	c.messages = append(c.messages, in)
	c.mu.Unlock()
	in.Ack()
}

func startBroker(t testing.TB, deliver func(mqtt.Inbound)) *mqtt.Broker {
	t.Helper()
	b, err := mqtt.NewBroker(mqtt.BrokerOptions{
		Addr: "127.0.0.1:0", Capture: func(string) bool { return true }, Deliver: deliver,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// The recordings' folder through a real broker: what arrives is what the recording says, topic by topic.
func TestReplayThroughBroker(t *testing.T) {
	t.Parallel()
	var c collected
	b := startBroker(t, c.deliver)
	r := open(t, RecordingOptions{}, "testdata/recordings")
	result, err := r.Replay(t.Context(), ReplayOptions{
		Dial: Broker(mqtt.ClientOptions{URL: "tcp://" + b.Addr(), ClientID: "sim"}), Clock: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []Timed
	for _, in := range c.messages {
		if in.Topic != ClockTopic {
			got = append(got, Timed{Topic: in.Topic, Payload: in.Payload, Retain: in.Retain})
		}
	}
	want := messages(t, r)
	for i := range want {
		want[i] = Timed{Topic: want[i].Topic, Payload: want[i].Payload, Retain: want[i].Retain}
	}
	if diff := cmp.Diff(script(want), script(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := int64(len(want)); result.Acked != n || result.Resent != 0 || result.Clocks != int64(len(c.messages))-n {
		t.Errorf("result %+v: want %d acknowledged and %d clocks", result, n, int64(len(c.messages))-n)
	}
}

// A network that is cut again and again, in the middle of packets: everything arrives, in order.
func TestReplayThroughCutConnections(t *testing.T) {
	t.Parallel()
	var c collected
	b := startBroker(t, c.deliver)
	cutter := startCutter(t, b.Addr(), 12_000, 8)
	all := sequence(6000, 10)
	result, err := Replay(t.Context(), each(all), ReplayOptions{
		Dial: Broker(mqtt.ClientOptions{URL: "tcp://" + cutter, ClientID: "sim"}), Clock: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, in := range c.messages {
		n, err := strconv.Atoi(string(in.Payload))
		if err != nil {
			t.Fatal(err)
		}
		if in.Topic == ClockTopic {
			continue
		}
		if n > next {
			t.Fatalf("message %d arrives before message %d", n, next)
		}
		if n == next {
			next++
		}
	}
	if next != len(all) || result.Acked != int64(len(all)) {
		t.Errorf("%d arrived, %d acknowledged: want %d of both", next, result.Acked, len(all))
	}
	if result.Reconnects < 3 || result.Resent == 0 {
		t.Errorf("%d reconnects, %d sent again: the test did not cut", result.Reconnects, result.Resent)
	}
}

// startCutter forwards connections to a broker, and cuts the first of them after so many bytes each.
func startCutter(t *testing.T, to string, after int64, cuts int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for n := 0; ; n++ {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			limit := int64(1 << 60)
			if n < cuts {
				limit = after + int64(n)*1777
			}
			running.Go(func() {
				_, _ = io.CopyN(out, in, limit)
				_ = in.Close()
				_ = out.Close()
			})
			running.Go(func() {
				_, _ = io.Copy(in, out)
				_ = in.Close()
				_ = out.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}

// BenchmarkReplay is the whole way of a recorded line to its acknowledgement, with the embedded broker in the process.
func BenchmarkReplay(b *testing.B) {
	r, err := OpenRecording([]string{recordingtest.Folder(b, "nist_sms_testbed/raw")}, RecordingOptions{})
	if err != nil {
		b.Fatal(err)
	}
	broker := startBroker(b, func(in mqtt.Inbound) { in.Ack() })
	for _, window := range []int{1000, 10_000} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			var n int64
			for b.Loop() {
				result, err := r.Replay(b.Context(), ReplayOptions{
					Dial: Broker(mqtt.ClientOptions{URL: "tcp://" + broker.Addr(), ClientID: "sim"}), Clock: true, Window: window,
				})
				if err != nil {
					b.Fatal(err)
				}
				n += result.Acked
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
