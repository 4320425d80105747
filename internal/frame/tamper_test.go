package frame_test

import (
	"crypto/ed25519"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/frame"
)

// No single bit of a frame can change on its way without the city seeing it.
func TestEveryBitIsGuarded(t *testing.T) {
	t.Parallel()
	b := frame.NewBuilder("b1", "bridge-1", epoch, testKey())
	l := newLog()
	for _, m := range story()[:2] {
		l.add(t, b, &m)
	}
	b.Missing(frame.Range{First: 90, Last: 95})
	good, err := b.Seal(1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		f, err := frame.Parse(bad)
		if err == nil {
			err = f.Verify(public())
		}
		if err == nil {
			t.Errorf("bit %d of byte %d (%#02x) changed, and the frame still verifies", i%8, i/8, good[i/8])
		}
	}
}

// Even a frame that was signed after the damage shows it: its messages are the ones that were logged, or an error.
func TestEveryBitOfTheBodyIsChained(t *testing.T) {
	t.Parallel()
	good := sealStory(t, 100)
	want := open(t, good)
	var size int
	rebody(good, func(b []byte) []byte { size = len(b); return b })
	for i := range 8 * size {
		bad := rebody(good, func(b []byte) []byte { b[i/8] ^= 1 << (i % 8); return b })
		f, err := frame.Parse(bad)
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		got, err := f.Messages(nil)
		if err != nil {
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bit %d of byte %d of the body changed, and other messages came out (-want +got):\n%s", i%8, i/8, diff)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	f, err := frame.Parse(sealStory(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := frame.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]ed25519.PublicKey{
		"another key": other.Public().(ed25519.PublicKey), "no key": nil, "a short key": public()[:31],
	} {
		if err := f.Verify(key); frame.RefusalReason(err) != frame.RefusedBadSignature {
			t.Errorf("%s: error is %v, want ErrSignature", name, err)
		}
	}
}

// Hostile bytes never cost more memory than the largest honest frame could. It does not run beside other tests, whose
// memory it would count.
func TestHostileFramesAreBounded(t *testing.T) {
	const limit = 48 << 20
	for _, v := range readVectors(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if f, err := frame.Parse(v.bytes); v.what == "frame" && err == nil {
			if _, err := f.Messages(nil); err == nil && v.expect == "too_large" {
				t.Errorf("%s: opened", v.name)
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > limit {
			t.Errorf("%s: %d bytes allocated, at most %d", v.name, used, limit)
		}
	}
}
