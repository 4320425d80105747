package bridge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/mqtt"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// pause is longer than a frame lingers by default.
const pause = 1100 * time.Millisecond

func (s *scene) wantRanges(want ...frame.Range) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.up.ranges()); diff != "" {
		s.t.Errorf("frames sent (-want +got):\n%s", diff)
	}
}

func (s *scene) wantPending(want uint64) {
	s.t.Helper()
	if _, got, _ := s.log.Unacknowledged(); got != want {
		s.t.Errorf("%d records wait for the city, want %d", got, want)
	}
}

func TestFrameLingersForMore(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		begin := time.Now()
		s.put(1)
		s.wait(600 * time.Millisecond)
		s.put(2)
		s.wait(399 * time.Millisecond)
		s.wantRanges()
		s.wait(time.Millisecond)
		s.wantRanges(span(1, 3))
		if took := s.up.all()[0].at.Sub(begin); took != time.Second {
			t.Errorf("frame was sent after %v, want the default of 1 s after its first record", took)
		}
	})
}

func TestFullFrameDoesNotLinger(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		put(s.t, s.log, 7, bulky)
		synctest.Wait()
		s.wantRanges(span(1, 3), span(4, 6))
		s.wait(pause)
		s.wantRanges(span(1, 3), span(4, 6), span(7, 7))
		for _, f := range s.up.all() {
			if f.frame.Size > frame.MaxFrame {
				t.Errorf("frame has %d bytes, at most %d", f.frame.Size, frame.MaxFrame)
			}
		}
	})
}

func TestUnacknowledgedFrameIsSentAgainEverSlower(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		s.put(3)
		s.wait(pause)
		first := s.up.all()[0].at
		s.wait(10 * time.Minute)
		var got []time.Duration
		for _, f := range s.up.all() {
			if f.bytes != s.up.all()[0].bytes {
				t.Error("a repeat is not the frame that was sent")
			}
			got = append(got, f.at.Sub(first))
		}
		want := []time.Duration{
			0, 10 * time.Second, 30 * time.Second, 70 * time.Second, 150 * time.Second, 270 * time.Second, 390 * time.Second, 510 * time.Second,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sent after (-want +got):\n%s", diff)
		}
		s.ack(span(1, 3))
		s.wait(time.Hour)
		if n := len(s.up.all()); n != len(want) {
			t.Errorf("%d frames were sent after the acknowledgement", n-len(want))
		}
		s.wantPending(0)
	})
}

// TestAcknowledgements: in whatever order and company they come, acknowledgements free what they name and nothing else.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		say     func(s *scene)
		pending uint64
		repeats int // within the first time-out
	}{
		{"in order", func(s *scene) { s.ack(span(1, 2)); s.ack(span(3, 4)); s.ack(span(5, 6)) }, 0, 0},
		{"out of order", func(s *scene) { s.ack(span(5, 6)); s.ack(span(1, 2)); s.ack(span(3, 4)) }, 0, 0},
		{"in one", func(s *scene) { s.ack(span(1, 6)) }, 0, 0},
		{"again and again", func(s *scene) { s.ack(span(1, 4)); s.ack(span(1, 4)); s.ack(span(3, 4), span(1, 2)) }, 2, 1},
		{"the middle only", func(s *scene) { s.ack(span(3, 4)) }, 4, 2},
		{"a part of a frame", func(s *scene) { s.ack(span(2, 3)) }, 4, 3},
		{"parts that make a frame", func(s *scene) { s.ack(span(1, 1)); s.ack(span(2, 2)) }, 4, 2},
		{"numbers never given", func(s *scene) { s.ack(span(7, 1<<40)) }, 6, 3},
		{"another epoch", func(s *scene) { s.answer(&frame.Ack{Epoch: s.log.Epoch() + 1, Stored: []frame.Range{span(1, 6)}}) }, 6, 3},
		{"garbage", func(s *scene) { s.say(nil); s.say([]byte("{}")); s.say(make([]byte, frame.MaxAck+1)) }, 6, 3},
		{"garbage after good ranges", func(s *scene) {
			s.say(append((&frame.Ack{Epoch: s.log.Epoch(), Stored: []frame.Range{span(1, 6)}}).Append(nil), 0xff))
		}, 6, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			story(t, nil, func(s *scene) {
				for range 3 {
					s.put(2)
					s.wait(pause)
				}
				s.wantRanges(span(1, 2), span(3, 4), span(5, 6))
				test.say(s)
				s.wantPending(test.pending)
				s.wait(12 * time.Second)
				if got := len(s.up.all()) - 3; got != test.repeats {
					t.Errorf("%d frames were sent again, want %d", got, test.repeats)
				}
			})
		})
	}
}

func TestFullWindowSendsNothingMore(t *testing.T) {
	t.Parallel()
	story(t, func(o *bridge.Options) { o.Window, o.AckTimeout = 2, 2*time.Minute }, func(s *scene) {
		for range 5 {
			s.put(1)
			s.wait(pause)
		}
		s.wantRanges(span(1, 1), span(2, 2))
		s.ack(span(2, 2))
		s.wait(pause)
		s.wantRanges(span(1, 1), span(2, 2), span(3, 5))
		s.ack(span(1, 1))
		s.wait(pause)
		s.wantPending(3)
	})
}

// TestNextConnectionBeginsWhereTheCityEnds: what was out is sent again over the next connection, what the city has is not,
// and holes in it neither.
func TestNextConnectionBeginsWhereTheCityEnds(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		for range 5 {
			s.put(2)
			s.wait(pause)
		}
		s.ack(span(1, 2), span(5, 6), span(9, 9))
		close(s.up.acks)
		s.wg.Wait()
		if !errors.Is(s.err, bridge.ErrUplinkLost) {
			t.Fatalf("Forward returned %v, want ErrUplinkLost", s.err)
		}
		if s.b.Connected() {
			t.Error("the bridge says that it is connected")
		}
		s.connect()
		s.wait(pause)
		s.wantRanges(span(3, 4), span(7, 8), span(10, 10))
		s.ack(span(3, 4), span(7, 8), span(10, 10))
		s.wantPending(0)
	})
}

// TestLateAcknowledgementIsHeeded: what the city says it has is not sent, also when it says so before its turn has come.
func TestLateAcknowledgementIsHeeded(t *testing.T) {
	t.Parallel()
	story(t, func(o *bridge.Options) { o.Window = 1 }, func(s *scene) {
		s.put(1)
		s.wait(pause)
		s.put(9)
		s.ack(span(4, 8))
		s.ack(span(1, 1))
		s.wait(pause)
		s.ack(span(2, 3))
		s.wait(pause)
		s.wantRanges(span(1, 1), span(2, 3), span(9, 10))
	})
}

func TestRefusedFrameWaitsForAPerson(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	story(t, func(o *bridge.Options) { o.Logger = errorsTo(&told) }, func(s *scene) {
		s.put(2)
		s.wait(pause)
		refusal := &frame.Ack{Epoch: s.log.Epoch(), Refused: []frame.Refusal{{Range: span(1, 2), Reason: frame.RefusedUnknownBridge}}}
		s.answer(refusal)
		s.put(1)
		s.wait(pause)
		for range 4 {
			before := len(s.up.all())
			s.ack(span(3, 3))
			s.wait(30 * time.Second)
			if n := len(s.up.all()) - before; n > 1 {
				t.Errorf("a refused frame was sent %d times in 30 s", n)
			}
			s.answer(refusal)
		}
		s.wantPending(2)
		if n := strings.Count(told.String(), "city refuses frame"); n != 1 {
			t.Errorf("the refusal was reported %d times, want once:\n%s", n, &told)
		}
		s.ack(span(1, 2))
		s.wantPending(0)
	})
}

func TestForwardEndsWithItsContext(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		s.put(3)
		if err := s.disconnect(); err != nil {
			t.Errorf("Forward returned %v, want nil", err)
		}
	})
}

// waiting is an uplink whose Send waits for its context.
type waiting struct{ *uplink }

func (waiting) Send(ctx context.Context, _ []byte) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestForwardEndsWhileItSends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := openLog(t, t.TempDir(), spool.Options{})
		b := newBridge(t, log, nil)
		put(t, log, 1, body)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := b.Forward(ctx, waiting{newUplink()}); err != nil {
			t.Errorf("Forward returned %v, want nil", err)
		}
	})
}

func TestForwardReturnsWhyItCannotSend(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		s.up.refuse = errInjected
		s.put(1)
		s.wait(pause)
		if err := s.disconnect(); !errors.Is(err, errInjected) {
			t.Errorf("Forward returned %v, want what Send did", err)
		}
		s.connect()
		s.wait(pause)
		s.wantRanges(span(1, 1))
	})
}

func TestForwardReturnsThatAnAcknowledgementCannotBeNoted(t *testing.T) {
	t.Parallel()
	story(t, nil, func(s *scene) {
		s.put(1)
		s.wait(pause)
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		acked := false
		a := frame.Ack{Epoch: s.log.Epoch(), Stored: []frame.Range{span(1, 1)}}
		s.up.acks <- mqtt.Inbound{Payload: a.Append(nil), Ack: func() { acked = true }}
		s.wg.Wait()
		if !errors.Is(s.err, spool.ErrClosed) || acked {
			t.Errorf("Forward returned %v (acknowledged to the broker: %v), want ErrClosed and no", s.err, acked)
		}
	})
}

// TestEveryRecordIsSentAndNothingWithoutCause plays a city that loses, delays and repeats, over connections that break.
func TestEveryRecordIsSentAndNothingWithoutCause(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var connections []*uplink
		var end uint64
		var epoch uint64
		story(t, func(o *bridge.Options) { o.Window = 1 + rng.IntN(5) }, func(s *scene) {
			for range 100 {
				switch rng.IntN(8) {
				case 0, 1, 2:
					s.put(1 + rng.IntN(40))
				case 3, 4:
					s.wait(time.Duration(rng.IntN(4000)) * time.Millisecond)
				case 5, 6:
					if all := s.up.all(); len(all) > 0 {
						f := all[rng.IntN(len(all))].frame
						first := f.First + uint64(rng.IntN(int(f.Count)))
						s.ack(span(first, f.Last()))
					}
				case 7:
					if rng.IntN(4) == 0 {
						connections = append(connections, s.up)
						_ = s.disconnect()
						s.connect()
					}
				}
			}
			connections = append(connections, s.up)
			end, epoch = s.log.End(), s.log.Epoch()
			for range 1000 {
				if _, pending, _ := s.log.Unacknowledged(); pending == 0 {
					break
				}
				s.wait(pause)
				for _, f := range s.up.all() {
					s.ack(span(f.frame.First, f.frame.Last()))
				}
			}
			s.wantPending(0)
			if missing := s.log.Missing(); len(missing) > 0 {
				t.Errorf("missing %v", missing)
			}
		})
		checkFrames(t, connections, epoch, end)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkFrames holds all that was sent to what must be so: it covers every record, the chains of neighbours join, the
// messages are the log's, and within a connection a record comes again only when its time-out has passed.
func checkFrames(t *testing.T, connections []*uplink, epoch, end uint64) {
	t.Helper()
	covered := make(map[uint64]bool)
	chain := map[uint64][32]byte{1: frame.ChainStart(epoch)} // before the number
	for _, up := range connections {
		last := make(map[uint64]time.Time)
		for _, s := range up.all() {
			messages, chainAfter, err := s.frame.Open(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range messages {
				if diff := cmp.Diff(string(body(m.Seq)), string(frame.AppendMessage(nil, &m))); diff != "" {
					t.Errorf("message %d is another:\n%s", m.Seq, diff)
				}
				if at, ok := last[m.Seq]; ok && s.at.Sub(at) < 10*time.Second {
					t.Errorf("record %d was sent again after %v", m.Seq, s.at.Sub(at))
				}
				last[m.Seq], covered[m.Seq] = s.at, true
			}
			join(t, chain, s.frame.First, s.frame.ChainBefore)
			join(t, chain, s.frame.Last()+1, chainAfter)
		}
	}
	for seq := uint64(1); seq < end; seq++ {
		if !covered[seq] {
			t.Errorf("record %d was never sent", seq)
		}
	}
}

// join wants one hash before each number, whatever frame it stands in.
func join(t *testing.T, chain map[uint64][32]byte, seq uint64, hash [32]byte) {
	t.Helper()
	if have, ok := chain[seq]; ok && have != hash {
		t.Errorf("chain does not join before %d", seq)
	}
	chain[seq] = hash
}
