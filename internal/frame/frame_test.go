package frame_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

const epoch = 0x0102030405060708

// testKey is the same in every run, so that vectors can be made again.
func testKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte("jishi frame tests: a fixed seed."))
}

func public() ed25519.PublicKey { return testKey().Public().(ed25519.PublicKey) }

// log is a bridge's log in memory: it numbers and chains.
type log struct {
	seq   uint64
	chain [32]byte
}

func newLog() *log { return &log{seq: 1, chain: frame.ChainStart(epoch)} }

// add hands the message to the builder with the log's next number.
func (l *log) add(t rapid.TB, b *frame.Builder, m *telemetry.Message) (full bool) {
	t.Helper()
	m.Seq = l.seq
	body := frame.AppendMessage(nil, m)
	after := frame.ChainNext(l.chain, l.seq, body)
	full, err := b.Add(l.seq, body, l.chain, after)
	if err != nil {
		t.Fatalf("Add(%d): %v", l.seq, err)
	}
	l.seq, l.chain = l.seq+1, after
	return full
}

func open(t rapid.TB, sealed []byte) []telemetry.Message {
	t.Helper()
	f, err := frame.Parse(sealed)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if err := f.Verify(public()); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	got, err := f.Messages(nil)
	if err != nil {
		t.Fatalf("Messages: %v", err)
	}
	return got
}

// Whatever a base logged comes out of the frame as it went in.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(messages(), 1, 60).Draw(t, "messages")
		l := newLog()
		for i := range want {
			l.add(t, b, &want[i])
		}
		sealed, err := b.Seal(1_700_000_000_000)
		if err != nil {
			t.Fatalf("Seal: %v", err)
		}
		if diff := cmp.Diff(want, open(t, sealed)); diff != "" {
			t.Errorf("messages differ (-want +got):\n%s", diff)
		}
	})
}
