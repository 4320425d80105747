package sim

import (
	"context"
	"errors"
	"iter"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

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
