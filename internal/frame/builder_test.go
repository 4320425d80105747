package frame_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// A message that is refused leaves no trace in the frame.
func TestAddRefuses(t *testing.T) {
	t.Parallel()
	all := story()
	body := func(i int) []byte { return frame.AppendMessage(nil, &all[i]) }
	start := frame.ChainStart(epoch)
	after := frame.ChainNext(start, 1, body(0))
	cases := []struct {
		name   string
		seq    uint64
		body   []byte
		before [32]byte
		want   error
	}{
		{"gap", 3, body(1), after, frame.ErrOrder},
		{"repeat", 1, body(1), after, frame.ErrOrder},
		{"zero", 0, body(1), after, frame.ErrOrder},
		{"other chain", 2, body(1), start, frame.ErrChain},
		{"not canonical", 2, append(body(1), 0), after, frame.ErrMalformed},
		{"empty record", 2, []byte{0x1a, 0}, after, frame.ErrMalformed},
		{"too large", 2, make([]byte, frame.MaxMessage+1), after, frame.ErrTooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
			if _, err := b.Add(1, body(0), start, after); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Add(c.seq, c.body, c.before, [32]byte{1}); !errors.Is(err, c.want) {
				t.Fatalf("error is %v, want %v", err, c.want)
			}
			if _, err := b.Add(2, body(1), after, frame.ChainNext(after, 2, body(1))); err != nil {
				t.Fatalf("next good message: %v", err)
			}
			sealed, err := b.Seal(1)
			if err != nil {
				t.Fatal(err)
			}
			want := []telemetry.Message{all[0], all[1]}
			want[0].Seq, want[1].Seq = 1, 2
			if diff := cmp.Diff(want, open(t, sealed)); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

// A frame depends on its messages and not on what the builder did before.
func TestSealIsDeterministic(t *testing.T) {
	t.Parallel()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	seal := func() []byte {
		l := newLog()
		for _, m := range story() {
			l.add(t, b, &m)
		}
		sealed, err := b.Seal(1)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	first := seal()
	l := newLog()
	for _, m := range machineTools(3, 500).messages {
		l.add(t, b, &m)
	}
	if _, err := b.Seal(2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, seal()) {
		t.Error("the same messages made another frame the second time")
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	b.Missing(frame.Range{First: 20, Last: 30}, frame.Range{First: 5, Last: 6})
	b.Missing(frame.Range{First: 7, Last: 8}, frame.Range{First: 25, Last: 40}, frame.Range{First: 10, Last: 10})
	sealed, err := b.Seal(9)
	if err != nil {
		t.Fatal(err)
	}
	f, err := frame.Parse(sealed)
	if err != nil {
		t.Fatal(err)
	}
	want := frame.Header{
		Base: "b1", Bridge: "bridge-1", Epoch: epoch, SentMs: 9,
		Missing: []frame.Range{{First: 5, Last: 8}, {First: 10, Last: 10}, {First: 20, Last: 40}},
	}
	if diff := cmp.Diff(want, f.Header); diff != "" {
		t.Errorf("header differs (-want +got):\n%s", diff)
	}
	if got, err := f.Messages(nil); err != nil || len(got) != 0 {
		t.Errorf("Messages = %v, %v; want none", got, err)
	}
}

func TestSealRefuses(t *testing.T) {
	t.Parallel()
	key := testKey()
	cases := []struct {
		name    string
		builder *frame.Builder
		missing []frame.Range
	}{
		{"nothing", frame.NewBuilder("b1", "x", epoch, key), nil},
		{"base", frame.NewBuilder("b/1", "x", epoch, key), []frame.Range{{First: 1, Last: 1}}},
		{"bridge", frame.NewBuilder("b1", "", epoch, key), []frame.Range{{First: 1, Last: 1}}},
		{"epoch", frame.NewBuilder("b1", "x", 0, key), []frame.Range{{First: 1, Last: 1}}},
		{"key", frame.NewBuilder("b1", "x", epoch, nil), []frame.Range{{First: 1, Last: 1}}},
		{"range from 0", frame.NewBuilder("b1", "x", epoch, key), []frame.Range{{}}},
		{"range reversed", frame.NewBuilder("b1", "x", epoch, key), []frame.Range{{First: 3, Last: 2}}},
		{"range to the end", frame.NewBuilder("b1", "x", epoch, key), []frame.Range{{First: 3, Last: math.MaxUint64}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.builder.Missing(c.missing...)
			if sealed, err := c.builder.Seal(1); !errors.Is(err, frame.ErrMalformed) {
				t.Errorf("Seal = %d bytes, %v; want ErrMalformed", len(sealed), err)
			}
		})
	}
	t.Run("missing in the frame", func(t *testing.T) {
		t.Parallel()
		b := frame.NewBuilder("b1", "x", epoch, key)
		l := newLog()
		for _, m := range story() {
			l.add(t, b, &m)
		}
		b.Missing(frame.Range{First: 7, Last: 12})
		if _, err := b.Seal(1); !errors.Is(err, frame.ErrMalformed) {
			t.Errorf("Seal: %v, want ErrMalformed", err)
		}
		if b.Len() != 0 {
			t.Errorf("builder holds %d messages after Seal", b.Len())
		}
	})
}

// However little the messages compress, a builder that is sealed when it says so makes frames that Parse takes.
func TestFullFrameStaysBelowTheLimit(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(5, 6))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	text := func(n int) string {
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		b := noise(n)
		for i := range b {
			b[i] = letters[b[i]&63]
		}
		return string(b)
	}
	kinds := map[string]func() telemetry.Record{
		"raw": func() telemetry.Record {
			return telemetry.Record{
				Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, Reason: telemetry.ReasonMalformed, EventMs: rnd.Int64(),
				DeviceMs: rnd.Int64(), Topic: string(noise(100)), Payload: noise(telemetry.MaxRawPayload),
			}
		},
		"random numbers": func() telemetry.Record {
			r := telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "d", EventMs: rnd.Int64(), DeviceMs: rnd.Int64()}
			for i := range frame.MaxValues {
				bits := rnd.Uint64() &^ (1 << 62)
				r.Values = append(r.Values, telemetry.Value{Quantity: string(rune('A' + i)), Number: math.Float64frombits(bits)})
			}
			return r
		},
		"places that grow": func() telemetry.Record {
			r := telemetry.Record{Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "d"}
			for i := range frame.MaxValues {
				p := rnd.IntN(8)
				r.Values = append(r.Values, telemetry.Value{
					Quantity: string(rune('A' + i)), Number: round(rnd.NormFloat64()*math.Pow10(rnd.IntN(8)), p),
				})
			}
			return r
		},
		"new names": func() telemetry.Record {
			return telemetry.Record{
				Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: text(1 + rnd.IntN(3)), Channel: text(2),
				ValidMs: rnd.Int64(), State: text(3), Values: []telemetry.Value{{Quantity: text(3), Number: rnd.Float64()}},
			}
		},
		"cards": func() telemetry.Record {
			return telemetry.Record{Kind: telemetry.KindTap, Clock: telemetry.ClockDevice, Device: "r", EventMs: rnd.Int64(), Card: text(40)}
		},
	}
	for name, record := range kinds {
		for _, size := range []int{1, frame.MaxMessage} {
			b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
			l := newLog()
			missing := make([]frame.Range, frame.MaxRanges)
			for i := range missing {
				missing[i] = frame.Range{First: 1<<62 + 3*uint64(i), Last: 1<<62 + 3*uint64(i) + 1}
			}
			b.Missing(missing...)
			count := 0
			for full := false; !full; {
				m := telemetry.Message{ReceivedMs: rnd.Int64()}
				for left := size; len(m.Records) < telemetry.MaxRecords; {
					one := telemetry.Message{Records: []telemetry.Record{record()}}
					if left -= len(frame.AppendMessage(nil, &one)); left < 64 && len(m.Records) > 0 {
						break
					}
					m.Records = append(m.Records, one.Records...)
				}
				full = l.add(t, b, &m)
				count++
			}
			sealed, err := b.Seal(1)
			if err != nil {
				t.Fatalf("%s: Seal: %v", name, err)
			}
			t.Logf("%s, messages of up to %d bytes: %d messages in %d bytes", name, size, count, len(sealed))
			// That they are the same messages is what Messages has proved with the chain.
			if got := len(open(t, sealed)); got != count {
				t.Errorf("%s: %d messages, want %d", name, got, count)
			}
		}
	}
}

// The figure that the uplink was designed for: at most an eighth of the raw MQTT bytes in full frames.
func TestWireIsAnEighthOfRaw(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]*workload{"meters": meters(300, 10_000), "machine tools": machineTools(8, 10_000)} {
		wire := size(w.seal(t, w.log()))
		t.Logf("%s: %d raw bytes, %d on the wire, 1/%.1f", name, w.raw, wire, float64(w.raw)/float64(wire))
		if wire*8 > w.raw {
			t.Errorf("%s: %d bytes for %d raw ones, want at most an eighth", name, wire, w.raw)
		}
	}
}
