package bridge_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	bridge "github.com/jishi-telemetry/jishi/broker-bridge"
	"github.com/jishi-telemetry/jishi/internal/frame"
	"github.com/jishi-telemetry/jishi/internal/spool"
)

// Offsets in a block's header, from docs/log.md §5.
const (
	blockHeader, blockChain, blockSum = 80, 40, 76
)

// damage changes the log's file on the disk: block is called with the n-th block, from 0, header first.
func damage(t *testing.T, dir string, n int, block func(b []byte)) {
	t.Helper()
	path := segments(t, dir)[0]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := content
	for range n + 1 {
		i := bytes.Index(at, []byte("JBLK"))
		if i < 0 {
			t.Fatalf("the log has no block %d", n)
		}
		at = at[i:]
		if n > 0 {
			at, n = at[blockHeader:], n-1
		}
	}
	block(at)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lossy tells of a bridge whose log was prepared, and perhaps damaged, before it forwards.
func lossy(t *testing.T, o spool.Options, prepare func(t *testing.T, dir string, log *spool.Log), tell func(s *scene), set func(*bridge.Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		log := openLog(t, dir, o)
		prepare(t, dir, log)
		s := &scene{t: t, log: log, b: newBridge(t, log, set)}
		s.connect()
		tell(s)
		if err := s.disconnect(); err != nil {
			t.Errorf("Forward returned %v, want nil", err)
		}
	})
}

// missing returns what the frames sent so far announced.
func (u *uplink) missing() []frame.Range {
	var out []frame.Range
	for _, s := range u.all() {
		out = append(out, s.frame.Missing...)
	}
	return out
}

// TestDamageIsAnnouncedWhenItIsFound: the city hears of a hole in the log without waiting for the log to grow, once, and
// the hole is forgotten when the city has written it down.
func TestDamageIsAnnouncedWhenItIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		blocks  int
		damaged int
		lost    frame.Range
	}{
		{"in the middle", 3, 1, span(4, 6)},
		{"at the beginning", 2, 0, span(1, 3)},
		{"at the end", 2, 1, span(4, 6)},
		{"everything", 1, 0, span(1, 3)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lossy(t, spool.Options{}, func(t *testing.T, dir string, log *spool.Log) {
				for range test.blocks {
					put(t, log, 3, body)
				}
				damage(t, dir, test.damaged, func(b []byte) { b[blockHeader+20] ^= 1 })
			}, func(s *scene) {
				s.wait(pause)
				if diff := cmp.Diff([]frame.Range{test.lost}, s.up.missing()); diff != "" {
					t.Errorf("announced as missing (-want +got):\n%s", diff)
				}
				var covered uint64
				for _, f := range s.up.all() {
					covered += uint64(f.frame.Count)
					for _, r := range f.frame.Missing {
						covered += r.Len()
					}
				}
				if want := s.log.End() - 1; covered != want {
					t.Errorf("frames speak for %d numbers, want %d", covered, want)
				}
				s.ack(span(1, s.log.End()-1))
				before := len(s.up.all())
				s.wait(pause)
				s.put(1)
				s.wait(pause)
				if n := len(s.up.all()) - before; n != 1 || len(s.log.Missing()) > 0 {
					t.Errorf("%d frames after the loss was written down, want 1; still missing: %v", n, s.log.Missing())
				}
			}, nil)
		})
	}
}

func TestUnacknowledgedLossIsAnnouncedAgain(t *testing.T) {
	t.Parallel()
	lossy(t, spool.Options{}, func(t *testing.T, dir string, log *spool.Log) {
		put(t, log, 3, body)
		damage(t, dir, 0, func(b []byte) { b[blockHeader+20] ^= 1 })
	}, func(s *scene) {
		s.wait(pause)
		_ = s.disconnect()
		s.connect()
		s.wait(pause)
		if diff := cmp.Diff([]frame.Range{span(1, 3)}, s.up.missing()); diff != "" {
			t.Errorf("announced over the second connection (-want +got):\n%s", diff)
		}
	}, nil)
}

// TestAlteredChainReachesTheCity: a log that was altered on purpose does not stop the forwarder; the chain's break stands
// between two frames, where the city sees it.
func TestAlteredChainReachesTheCity(t *testing.T) {
	t.Parallel()
	var frames []sent
	lossy(t, spool.Options{}, func(t *testing.T, dir string, log *spool.Log) {
		put(t, log, 3, body)
		put(t, log, 3, body)
		damage(t, dir, 1, func(b []byte) {
			b[blockChain] ^= 1
			binary.LittleEndian.PutUint32(b[blockSum:], crc32.Checksum(b[:blockSum], crc32.MakeTable(crc32.Castagnoli)))
		})
	}, func(s *scene) {
		s.wait(pause)
		s.wantRanges(span(1, 3), span(4, 6))
		frames = s.up.all()
	}, nil)
	if len(frames) != 2 || frames[0].frame.ChainCheck == [frame.ChainCheckBytes]byte(frames[1].frame.ChainBefore[:]) {
		t.Error("the frames do not show the break")
	}
	for _, f := range frames {
		if _, err := f.frame.Messages(nil); err != nil {
			t.Errorf("a frame is broken in itself: %v", err)
		}
	}
}

// TestRecordThatNoFrameCarriesIsReported: what an older version let into the log does not stop what follows it.
func TestRecordThatNoFrameCarriesIsReported(t *testing.T) {
	t.Parallel()
	var told strings.Builder
	reg := prometheus.NewPedanticRegistry()
	lossy(t, spool.Options{}, func(t *testing.T, _ string, log *spool.Log) {
		put(t, log, 2, body)
		put(t, log, 1, func(uint64) []byte { return []byte("no message") })
		put(t, log, 1, body)
		put(t, log, 2, func(uint64) []byte { return make([]byte, frame.MaxMessage+1) })
		put(t, log, 1, body)
	}, func(s *scene) {
		s.wait(pause)
		if diff := cmp.Diff([]frame.Range{span(3, 3), span(5, 5), span(6, 6)}, s.up.missing()); diff != "" {
			t.Errorf("announced as missing (-want +got):\n%s", diff)
		}
		for _, f := range s.up.all() {
			if f.frame.Count > 0 {
				s.ack(span(f.frame.First, f.frame.Last()))
			}
		}
		s.wantPending(3)
		before := len(s.up.all())
		s.ack(span(3, 3), span(5, 6))
		s.wantPending(0)
		s.wait(pause)
		if n := len(s.up.all()); n != before {
			t.Errorf("%d frames were sent after all was acknowledged", n-before)
		}
	}, func(o *bridge.Options) { o.Logger, o.Registerer = errorsTo(&told), reg })
	if n := strings.Count(told.String(), "record cannot be sent"); n != 3 {
		t.Errorf("%d records were reported, want 3:\n%s", n, &told)
	}
	wantMetrics(t, reg, `
		# HELP jishi_bridge_unsendable_records_total Records of the log that no frame can carry; the city is told that they are missing.
		# TYPE jishi_bridge_unsendable_records_total counter
		jishi_bridge_unsendable_records_total 3
	`, "jishi_bridge_unsendable_records_total")
}

// wantMetrics compares the named metrics with their exposition.
func wantMetrics(t *testing.T, reg *prometheus.Registry, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(reg, strings.NewReader(strings.ReplaceAll(want, "\t", "")+"\n"), names...); err != nil {
		t.Error(err)
	}
}

// TestThousandsOfLossesFitFrames: a log that dropped every second record announces all of it, within the limit of a frame.
func TestThousandsOfLossesFitFrames(t *testing.T) {
	t.Parallel()
	const n = 2600
	small := func(uint64) []byte { return frame.AppendMessage(nil, &emptyMessage) }
	o := spool.Options{SegmentBytes: spool.MinSegmentBytes, MaxBytes: 1 << 20, DropOldest: true}
	lossy(t, o, func(t *testing.T, _ string, log *spool.Log) {
		var evens []spool.Range
		for log.End() <= n {
			put(t, log, 100, small)
		}
		for seq := uint64(2); seq <= n; seq += 2 {
			evens = append(evens, spool.Range{First: seq, Last: seq})
		}
		if err := log.Acknowledge(evens...); err != nil {
			t.Fatal(err)
		}
		for log.Begin() < n {
			put(t, log, 2, bulky)
		}
	}, func(s *scene) {
		var missing, frames int
		for range 100 {
			s.wait(pause)
			for _, f := range s.up.all() {
				if k := len(f.frame.Missing); k > frame.MaxRanges {
					t.Fatalf("a frame announces %d ranges", k)
				}
				s.ack(f.frame.Missing...)
			}
		}
		for _, f := range s.up.all() {
			if len(f.frame.Missing) > 0 {
				frames, missing = frames+1, missing+len(f.frame.Missing)
			}
		}
		if missing < n/2 || frames < missing/frame.MaxRanges || frames > 1+missing/frame.MaxRanges {
			t.Errorf("%d losses were announced in %d frames, want %d or more, each once", missing, frames, n/2)
		}
		if left := s.log.Missing(); len(left) > 0 {
			t.Errorf("still missing: %d ranges", len(left))
		}
	}, nil)
}

// TestWhatIsOnItsWayIsNotAnnounced: records that the log had to drop after they were sent are not called missing while
// their frame may still arrive.
func TestWhatIsOnItsWayIsNotAnnounced(t *testing.T) {
	t.Parallel()
	o := spool.Options{SegmentBytes: spool.MinSegmentBytes, MaxBytes: 64 << 10, DropOldest: true}
	lossy(t, o, func(*testing.T, string, *spool.Log) {}, func(s *scene) {
		s.put(3)
		s.wait(pause)
		s.wantRanges(span(1, 3))
		for s.log.Begin() <= 3 {
			s.put(50)
		}
		s.wait(pause)
		for _, r := range s.up.missing() {
			if r.First <= 3 {
				t.Errorf("%v is announced as missing, and is on its way", r)
			}
		}
		s.ack(span(1, 3))
		for _, r := range s.log.Missing() {
			if r.First <= 3 {
				t.Errorf("%v is missing, and was acknowledged", r)
			}
		}
	}, nil)
}
