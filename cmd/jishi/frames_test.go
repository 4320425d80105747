package main

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// In whatever order and how often frames come, the figures are those of the set of their numbers.
func TestStatsCountNumbers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l logStats
		times := map[uint64]int{}
		for range rapid.IntRange(0, 30).Draw(t, "frames") {
			first := rapid.Uint64Range(1, 60).Draw(t, "first")
			r := frame.Range{First: first, Last: first + rapid.Uint64Range(0, 9).Draw(t, "more")}
			l.see(r)
			for n := r.First; n <= r.Last; n++ {
				times[n]++
			}
			if rapid.Bool().Draw(t, "merge") {
				l.merge()
			}
		}
		lost := frame.Range{First: 40, Last: 44}
		l.missing = append(l.missing, missingRange{lost, "torn"})
		gaps := l.gaps()

		var repeated uint64
		for _, n := range times {
			repeated += uint64(n - 1)
		}
		if l.repeated != repeated {
			t.Fatalf("%d repeated, want %d", l.repeated, repeated)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(times)), numbers(l.seen)); diff != "" {
			t.Fatalf("numbers (-want +got):\n%s", diff)
		}
		known := maps.Clone(times)
		for n := lost.First; n <= lost.Last; n++ {
			known[n]++
		}
		all := slices.Sorted(maps.Keys(known))
		var want []uint64
		for n := all[0]; n < all[len(all)-1]; n++ {
			if known[n] == 0 {
				want = append(want, n)
			}
		}
		if diff := cmp.Diff(want, numbers(gaps)); diff != "" {
			t.Fatalf("gaps (-want +got):\n%s", diff)
		}
	})
}

func numbers(ranges []frame.Range) (out []uint64) {
	for _, r := range ranges {
		for n := r.First; n <= r.Last; n++ {
			out = append(out, n)
		}
	}
	return out
}

// Frames of one log that meet must agree, in whatever order they come; those of another log are not asked.
func TestChainsFindForks(t *testing.T) {
	t.Parallel()
	start := frame.ChainStart(7)
	a, b, other := [32]byte{1}, [32]byte{2}, [32]byte{3}
	of := func(epoch, first uint64, count uint32, before, after [32]byte) *frame.Frame {
		return &frame.Frame{Header: frame.Header{Base: "b", Bridge: "x", Epoch: epoch, First: first, Count: count, ChainBefore: before, ChainCheck: [frame.ChainCheckBytes]byte(after[:])}}
	}
	for _, c := range []struct {
		name   string
		frames []*frame.Frame
		forked bool
	}{
		{"in order", []*frame.Frame{of(7, 1, 3, start, a), of(7, 4, 2, a, b)}, false},
		{"out of order, again, and apart", []*frame.Frame{of(7, 4, 2, a, b), of(7, 1, 3, start, a), of(7, 4, 2, a, b), of(7, 90, 1, other, b)}, false},
		{"other content, same numbers", []*frame.Frame{of(7, 1, 3, start, a), of(7, 1, 3, start, other)}, true},
		{"does not continue", []*frame.Frame{of(7, 4, 2, other, b), of(7, 1, 3, start, a)}, true},
		{"begins wrongly", []*frame.Frame{of(7, 1, 3, other, a)}, true},
		{"another epoch", []*frame.Frame{of(7, 1, 3, start, a), of(8, 1, 3, frame.ChainStart(8), other)}, false},
		{"only missing", []*frame.Frame{of(7, 0, 0, [32]byte{}, [32]byte{})}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all, forked := chains{}, false
			for _, f := range c.frames {
				forked = all.frame(f) != "" || forked
			}
			if forked != c.forked {
				t.Errorf("forked: %v, want %v", forked, c.forked)
			}
		})
	}
}

// A record of a log whose hash the one before does not lead to is found; a gap is no break.
func TestChainsOfALog(t *testing.T) {
	t.Parallel()
	start, a, b := frame.ChainStart(7), [32]byte{1}, [32]byte{2}
	all := chains{}
	for i, c := range []struct {
		seq           uint64
		before, after [32]byte
		broken        bool
	}{{1, start, a, false}, {2, a, b, false}, {5, a, a, false}, {6, b, b, true}, {7, b, a, false}} {
		fault := all.record(7, &spool.Record{Seq: c.seq, ChainBefore: c.before, ChainAfter: c.after})
		if (fault != "") != c.broken {
			t.Errorf("step %d: %q, want broken %v", i, fault, c.broken)
		}
	}
}

// A file of nothing but faults ends, with their number, and does not flood the terminal.
func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	f := faults{w: &told}
	for range 10_000 {
		f.add("file\x1b", "%w", errors.New("bad\n\x1b[2J"))
	}
	if n := strings.Count(told.String(), "\n"); n != maxFaultLines {
		t.Errorf("%d lines, want %d", n, maxFaultLines)
	}
	checkPrintable(t, told.String())
	if err := f.err(); err == nil || !strings.Contains(err.Error(), "10000") {
		t.Errorf("error %v, want the number of all", err)
	}
}

// realFrames is a file of frames with every kind of record, and hostile texts.
func realFrames(tb testing.TB) []byte {
	tb.Helper()
	evil := "\x1b]0;owned\a\u202e\u009b"
	messages := []telemetry.Message{
		{ReceivedMs: 1, Dialect: "native" + evil, Records: []telemetry.Record{{
			Kind: telemetry.KindSample, Clock: telemetry.ClockDevice, Device: "d" + evil, Channel: evil, State: evil, EventMs: 1,
			Values: []telemetry.Value{{Quantity: telemetry.PowerW + evil, Number: -12.5}},
		}}},
		{ReceivedMs: 2, Records: []telemetry.Record{
			{Kind: telemetry.KindTap, Clock: telemetry.ClockReceived, Device: "r", Card: evil, Direction: telemetry.DirectionOut},
			{Kind: telemetry.KindLink, Clock: telemetry.ClockSuspect, Device: "r", Link: telemetry.LinkWill, Retained: true},
			{Kind: telemetry.KindRaw, Clock: telemetry.ClockReceived, Reason: telemetry.Reason("x" + evil), Detail: evil, Topic: "\xff" + evil, Payload: []byte("\xff" + evil)},
		}},
	}
	b := frame.NewBuilder("b1", "x", 7, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)))
	chain := frame.ChainStart(7)
	for i := range messages {
		body := frame.AppendMessage(nil, &messages[i])
		after := frame.ChainNext(chain, uint64(i)+1, body)
		if _, err := b.Add(uint64(i)+1, body, chain, after); err != nil {
			tb.Fatal(err)
		}
		chain = after
	}
	b.Missing(frame.Range{First: 10, Last: 12})
	sealed, err := b.Seal(3)
	if err != nil {
		tb.Fatal(err)
	}
	return frame.AppendDelimited(nil, sealed)
}

// Whatever is in a file, looking at it ends, and nothing of it reaches the terminal as a control.
func FuzzFrames(f *testing.F) {
	good := realFrames(f)
	f.Add(good)
	f.Add(good[:len(good)-9])
	f.Add(good[2:])
	f.Add([]byte("JISHILOG"))
	f.Fuzz(func(t *testing.T, file []byte) {
		path := filepath.Join(t.TempDir(), "x.frames")
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"table", "json"} {
			var stdout, stderr bytes.Buffer
			flags := framesFlags{format: format, stats: true}
			l, err := flags.look(nil, &stdout, &stderr)
			if err != nil {
				t.Fatal(err)
			}
			l.print = true
			if err := l.source(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			err = l.end()
			if (err != nil) != (stderr.Len() > 0) {
				t.Fatalf("ends with %v, and told:\n%s", err, &stderr)
			}
			checkPrintable(t, stdout.String())
			checkPrintable(t, strings.ReplaceAll(stderr.String(), path, ""))
			if bytes.Equal(file, good) && (err != nil || !strings.Contains(stdout.String(), "10") || strings.Count(stdout.String(), "\n") < 6) {
				t.Fatalf("a good file: %v\n%s%s", err, &stdout, &stderr)
			}
		}
	})
}
