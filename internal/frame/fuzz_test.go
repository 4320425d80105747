package frame_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

func seed(f *testing.F, what string) {
	f.Helper()
	for _, v := range readVectors(f) {
		if v.what == what && v.pad == 0 {
			f.Add(v.bytes)
		}
	}
}

// FuzzFrame: no bytes make Parse or Messages panic, and what comes out is sound: numbered, chained, and canonical.
func FuzzFrame(f *testing.F) {
	seed(f, "frame")
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, err := frame.Parse(b)
		if err != nil {
			return
		}
		if err := fr.Verify(public()); err != nil && frame.RefusalReason(err) != frame.RefusedBadSignature {
			t.Errorf("Verify: %v", err)
		}
		checkOpened(t, fr)
	})
}

// FuzzBody is FuzzFrame past the compression, which random bytes hardly survive.
func FuzzBody(f *testing.F) {
	good := sealStory(f, 1)
	rebody(good, func(b []byte) []byte { f.Add(b); return b })
	f.Fuzz(func(t *testing.T, body []byte) {
		fr, err := frame.Parse(rebody(good, func([]byte) []byte { return body }))
		if err != nil {
			return
		}
		checkOpened(t, fr)
	})
}

func checkOpened(t *testing.T, f *frame.Frame) {
	t.Helper()
	all, chainAfter, err := f.Open(nil)
	if err != nil {
		return
	}
	chain := f.ChainBefore
	for i := range all {
		if all[i].Seq != f.First+uint64(i) {
			t.Fatalf("message %d has number %d", i, all[i].Seq)
		}
		body := frame.AppendMessage(nil, &all[i])
		if err := frame.CheckMessage(body); err != nil {
			t.Fatalf("message %d is not acceptable: %v", i, err)
		}
		chain = frame.ChainNext(chain, all[i].Seq, body)
	}
	if chain != chainAfter || [frame.ChainCheckBytes]byte(chain[:]) != f.ChainCheck {
		t.Fatal("messages do not fit the chain")
	}
}

// FuzzMessage: what DecodeMessage accepts are exactly the bytes that AppendMessage writes for it.
func FuzzMessage(f *testing.F) {
	seed(f, "message")
	f.Fuzz(func(t *testing.T, b []byte) {
		var m telemetry.Message
		err := frame.DecodeMessage(b, &m)
		if checked := frame.CheckMessage(b); (checked == nil) != (err == nil) {
			t.Fatalf("CheckMessage says %v, DecodeMessage %v", checked, err)
		}
		if err != nil {
			return
		}
		if got := frame.AppendMessage(nil, &m); !bytes.Equal(got, b) {
			t.Fatalf("decoded %x, encoded %x", b, got)
		}
	})
}

// FuzzAck: what ParseAck accepts are exactly the bytes that Append writes for it.
func FuzzAck(f *testing.F) {
	seed(f, "ack")
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := frame.ParseAck(b)
		if err != nil {
			return
		}
		written := a.Append(nil)
		if !bytes.Equal(written, b) {
			t.Fatalf("parsed %x, written %x", b, written)
		}
		again, err := frame.ParseAck(written)
		if diff := cmp.Diff(a, again); err != nil || diff != "" {
			t.Fatalf("second reading: %v\n%s", err, diff)
		}
	})
}
