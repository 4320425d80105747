package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/mqtt"
)

// fakeBroker receives messages in the goroutine that replays. Its connections live as its script says.
type fakeBroker struct {
	script   []life // one for each connection; later ones live for ever
	dials    int
	received []receipt
}

// life says how a connection ends.
type life struct {
	refuse   bool // it is never made
	receives int  // messages that arrive; the next ones are lost, and the connection with them
	unacked  int  // how many of the last received are not acknowledged any more
	mute     bool // it lives on, and acknowledges nothing
}

// receipt is one message as it arrived.
type receipt struct {
	topic, payload string
	connection     int
	at             time.Time
}

type fakeConnection struct {
	broker  *fakeBroker
	number  int
	life    *life
	tokens  []*fakeToken
	lost    chan struct{}
	isLost  bool
	arrived int
}

type fakeToken struct {
	c    *fakeConnection
	done chan struct{}
	over bool
	err  error
}

var errFakeLost = errors.New("fake connection lost")

func (b *fakeBroker) dial(context.Context) (Publisher, error) {
	n := b.dials
	b.dials++
	c := &fakeConnection{broker: b, number: n, lost: make(chan struct{})}
	if n < len(b.script) {
		if b.script[n].refuse {
			return nil, errFakeLost
		}
		c.life = &b.script[n]
	}
	return c, nil
}

func (c *fakeConnection) PublishAsync(topic string, _ byte, _ bool, payload []byte) Token {
	t := &fakeToken{c: c, done: make(chan struct{})}
	c.tokens = append(c.tokens, t)
	if !c.isLost && c.life != nil && c.arrived == c.life.receives {
		c.lose()
	}
	if c.isLost {
		t.end(errFakeLost)
		return t
	}
	c.arrived++
	c.broker.received = append(c.broker.received, receipt{topic, string(payload), c.number, time.Now()})
	return t
}

// lose ends the connection; what arrived is acknowledged but for the last few.
func (c *fakeConnection) lose() {
	if c.isLost {
		return
	}
	acked := min(c.arrived, c.life.receives-c.life.unacked)
	for i, t := range c.tokens {
		if i < acked {
			t.end(nil)
		}
	}
	for _, t := range c.tokens {
		t.end(errFakeLost)
	}
	c.isLost = true
	close(c.lost)
}

func (c *fakeConnection) Lost() <-chan struct{} { return c.lost }

func (c *fakeConnection) Close() {}

// Done acknowledges everything up to the token; if the connection is not to live that long, it ends now.
func (t *fakeToken) Done() <-chan struct{} {
	c := t.c
	if t.over || c.life != nil && c.life.mute {
		return t.done
	}
	for i, other := range c.tokens {
		if c.life != nil && i >= c.life.receives-c.life.unacked {
			c.lose()
			break
		}
		other.end(nil)
		if other == t {
			break
		}
	}
	return t.done
}

func (t *fakeToken) Err() error { return t.err }

func (t *fakeToken) end(err error) {
	if !t.over {
		t.over, t.err = true, err
		close(t.done)
	}
}

// sequence is n messages, stepMs apart; every third says no exact time.
func sequence(n int, stepMs int64) []Timed {
	out := make([]Timed, n)
	for i := range out {
		out[i] = Timed{AtMs: 1_000_000 + int64(i)*stepMs, Topic: "m", Payload: []byte(strconv.Itoa(i)), Exact: i%3 == 2}
	}
	return out
}

func each(all []Timed) iter.Seq2[Timed, error] {
	return func(yield func(Timed, error) bool) {
		for _, m := range all {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Whenever connections end: every message arrives and is acknowledged, in order when seen first and in order when seen
// last, and always under the clock of its own time, also at a broker that was born again.
func TestReplayLosesNothing(t *testing.T) {
	t.Parallel()
	lives := rapid.Custom(func(t *rapid.T) life {
		receives := rapid.IntRange(0, 40).Draw(t, "receives")
		return life{
			refuse: rapid.IntRange(0, 4).Draw(t, "refuse") == 0, receives: receives,
			unacked: rapid.IntRange(0, receives).Draw(t, "unacknowledged"),
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		script := rapid.SliceOfN(lives, 0, 8).Draw(rt, "script")
		if len(script) > 0 {
			script[0].refuse = false
		}
		all := sequence(rapid.IntRange(0, 120).Draw(rt, "messages"), rapid.Int64Range(0, 700).Draw(rt, "step"))
		b := &fakeBroker{script: script}
		o := ReplayOptions{Dial: b.dial, Clock: true, Window: rapid.IntRange(1, 30).Draw(rt, "window")}
		var result Result
		var err error
		synctest.Test(t, func(t *testing.T) { result, err = Replay(t.Context(), each(all), o) })
		if err != nil {
			rt.Fatal(err)
		}
		if n := int64(len(all)); result.Messages != n || result.Acked != n {
			rt.Fatalf("%d messages, %d acknowledged: want %d of both", result.Messages, result.Acked, n)
		}
		checkReceipts(rt, b.received, all)
	})
}

// checkReceipts reads what arrived as a bridge with its replay clock on does that forgets its clock with a connection.
func checkReceipts(t *rapid.T, received []receipt, all []Timed) {
	first, connection, clockMs := 0, -1, int64(0)
	lastSeen := make([]int, len(all))
	for at, r := range received {
		if r.connection != connection {
			connection, clockMs = r.connection, 0
		}
		n, err := strconv.ParseInt(r.payload, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if r.topic == ClockTopic {
			if n < clockMs {
				t.Fatalf("the clock goes back from %d to %d", clockMs, n)
			}
			clockMs = n
			continue
		}
		m := all[n]
		behind := m.AtMs - clockMs
		if m.Exact && behind != 0 || behind < 0 || behind >= clockStepMs {
			t.Fatalf("message %d of instant %d arrives at clock %d", n, m.AtMs, clockMs)
		}
		if int(n) > first {
			t.Fatalf("message %d arrives before message %d", n, first)
		}
		if int(n) == first {
			first++
		}
		lastSeen[n] = at
	}
	if first != len(all) {
		t.Fatalf("%d messages of %d arrived", first, len(all))
	}
	for i := 1; i < len(all); i++ {
		if lastSeen[i] < lastSeen[i-1] {
			t.Fatalf("message %d is seen last before message %d is", i, i-1)
		}
	}
}

// A paced replay keeps the recorded distances, and says what time it is while it waits.
func TestReplayPace(t *testing.T) {
	t.Parallel()
	all := []Timed{{AtMs: 10_000, Topic: "m"}, {AtMs: 10_500, Topic: "m"}, {AtMs: 16_000, Topic: "m"}}
	for _, row := range []struct {
		name string
		o    ReplayOptions
		want []string
	}{
		{"as fast as it goes", ReplayOptions{Clock: true}, []string{"0s clock 10000", "0s m", "0s m", "0s clock 16000", "0s m"}},
		{"real time", ReplayOptions{Speed: 1, Clock: true}, []string{
			"0s clock 10000", "0s m", "500ms m", "1.5s clock 11500", "2.5s clock 12500", "3.5s clock 13500", "4.5s clock 14500",
			"5.5s clock 15500", "6s m",
		}},
		{"twice as fast, no clock", ReplayOptions{Speed: 2}, []string{"0s m", "250ms m", "3s m"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				b := &fakeBroker{}
				row.o.Dial = b.dial
				if _, err := Replay(t.Context(), each(all), row.o); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(row.want, story(b.received, begin)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func story(received []receipt, begin time.Time) []string {
	var out []string
	for _, r := range received {
		text := r.at.Sub(begin).String() + " " + r.topic
		if r.topic == ClockTopic {
			text = r.at.Sub(begin).String() + " clock " + r.payload
		}
		out = append(out, text)
	}
	return out
}

// Live: the past at once, the present when it comes.
func TestReplayLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		b := &fakeBroker{}
		all := []Timed{{AtMs: now.Add(-time.Hour).UnixMilli(), Topic: "m"}, {AtMs: now.UnixMilli(), Topic: "m"}, {AtMs: now.Add(2500 * time.Millisecond).UnixMilli(), Topic: "m"}}
		if _, err := Replay(t.Context(), each(all), ReplayOptions{Dial: b.dial, Live: true}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0s m", "0s m", "2.5s m"}, story(b.received, now)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A connection that is lost while nothing is due is made again at once, not with the next message.
func TestReplayReconnectsWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBroker{}
		var conns []*fakeConnection
		all := []Timed{{AtMs: 10_000, Topic: "a"}, {AtMs: 3_610_000, Topic: "b"}}
		dial := func(ctx context.Context) (Publisher, error) {
			p, err := b.dial(ctx)
			c := p.(*fakeConnection)
			conns = append(conns, c)
			if len(conns) == 1 {
				c.life = &life{receives: 1}
				time.AfterFunc(time.Minute, c.lose)
			}
			return p, err
		}
		begin := time.Now()
		if _, err := Replay(t.Context(), each(all), ReplayOptions{Dial: dial, Speed: 1}); err != nil {
			t.Fatal(err)
		}
		if b.dials != 2 {
			t.Errorf("%d connections, want 2", b.dials)
		}
		if diff := cmp.Diff([]string{"0s a", "1h0m0s b"}, story(b.received, begin)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestReplayErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk on fire")
	good := (&fakeBroker{}).dial
	for _, row := range []struct {
		name     string
		o        ReplayOptions
		messages iter.Seq2[Timed, error]
		want     string
	}{
		{"no dial", ReplayOptions{}, each(nil), "Dial is required"},
		{"negative speed", ReplayOptions{Dial: good, Speed: -1}, each(nil), "Speed -1"},
		{"live and paced", ReplayOptions{Dial: good, Speed: 1, Live: true}, each(nil), "Speed 1"},
		{"window", ReplayOptions{Dial: good, Window: 60001}, each(nil), "Window 60001: must be 0 (for 1000) to 60000"},
		{"no broker", ReplayOptions{Dial: (&fakeBroker{script: []life{{refuse: true}}}).dial}, each(nil), errFakeLost.Error()},
		{"a wildcard in a topic", ReplayOptions{Dial: good}, each([]Timed{{Topic: "a/+"}}), "want a topic without wildcards"},
		{"a payload no broker takes", ReplayOptions{Dial: good}, each([]Timed{{Topic: "a", Payload: make([]byte, maxPayload+1)}}), "at most"},
		{"a sequence that fails", ReplayOptions{Dial: good}, func(yield func(Timed, error) bool) { yield(Timed{}, broken) }, broken.Error()},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			if _, err := Replay(t.Context(), row.messages, row.o); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want an error with %q", err, row.want)
			}
		})
	}
}

// A cancelled replay returns, whatever it waits for, and says how far it came.
func TestReplayCancel(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ReplayOptions{"waiting for the next message": {Speed: 1}, "waiting for an acknowledgement": {Window: 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				b := &fakeBroker{}
				if o.Window == 1 {
					b.script = []life{{receives: 5, mute: true}}
				}
				o.Dial = b.dial
				result, err := Replay(ctx, each([]Timed{{AtMs: 0, Topic: "m"}, {AtMs: 1e9, Topic: "m"}}), o)
				if !errors.Is(err, context.DeadlineExceeded) || result.Messages == 0 {
					t.Errorf("got %+v, %v: want a cancelled replay with a message", result, err)
				}
			})
		})
	}
}

// Progress ends with the final figures and tells how far the files are read.
func TestReplayProgress(t *testing.T) {
	t.Parallel()
	r := open(t, RecordingOptions{}, "testdata/recordings")
	var last Progress
	calls := 0
	result, err := r.Replay(t.Context(), ReplayOptions{Dial: (&fakeBroker{}).dial, Progress: func(p Progress) {
		last = p
		calls++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(result, last.Result); diff != "" {
		t.Errorf("last progress (-result +progress):\n%s", diff)
	}
	if calls != 1 || last.TotalBytes != r.Bytes() || last.Counts.Bytes != r.Bytes() || result.Counts.Lines != 35 {
		t.Errorf("%d calls, last %+v: want one call with all bytes read", calls, last)
	}
}

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
	r, err := OpenRecording([]string{dataDir(b, "nist_sms_testbed/raw")}, RecordingOptions{})
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
