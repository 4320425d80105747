package spool_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// model is what must be true of a log, in the simplest words: a number is waiting, acknowledged, or gone after it was.
type model struct {
	epoch uint64
	end   uint64
	acked map[uint64]bool
	begin uint64 // as the log said last; may only rise, and only over acknowledged numbers
}

// Whatever is done in whatever order, the log and the model agree.
func TestLogAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		disk := newMemFS(1)
		c := newClock()
		o := spool.Options{SegmentBytes: spool.MinSegmentBytes, FS: disk, Now: c.now, Audit: time.Hour}
		if rapid.Bool().Draw(rt, "bounded") {
			o.MaxBytes = 32 << 10
		}
		log, err := spool.Open("log", o)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			if log != nil {
				_ = log.Close()
			}
		}()
		m := model{epoch: log.Epoch(), end: 1, begin: 1, acked: map[uint64]bool{}}
		reopen := func(rt *rapid.T) {
			if log, err = spool.Open("log", o); err != nil {
				rt.Fatal(err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"append": func(rt *rapid.T) {
				n := rapid.IntRange(1, 30).Draw(rt, "n")
				entries := make([]spool.Entry, n)
				for i := range entries {
					entries[i] = entry(m.end + uint64(i))
				}
				first, err := log.Append(t.Context(), entries)
				if errors.Is(err, spool.ErrFull) && o.MaxBytes > 0 {
					return
				}
				if err != nil || first != m.end {
					rt.Fatalf("append: %d, %v; want %d", first, err, m.end)
				}
				m.end += uint64(n)
			},
			"acknowledge": func(rt *rapid.T) {
				first := rapid.Uint64Range(1, m.end).Draw(rt, "first")
				last := first + rapid.Uint64Range(0, 60).Draw(rt, "length")
				if err := log.Acknowledge(spool.Range{First: first, Last: last}); err != nil {
					rt.Fatal(err)
				}
				for seq := first; seq <= last && seq < m.end; seq++ {
					m.acked[seq] = true
				}
			},
			"wait": func(*rapid.T) { c.advance(20 * time.Minute) },
			"retain": func(rt *rapid.T) {
				if _, err := log.Retain(); err != nil {
					rt.Fatal(err)
				}
			},
			"close and open": func(rt *rapid.T) {
				if err := log.Close(); err != nil {
					rt.Fatal(err)
				}
				reopen(rt)
			},
			"crash and open": func(rt *rapid.T) {
				old := log
				disk = disk.afterKill()
				o.FS = disk
				reopen(rt)
				if err := old.Close(); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) { m.check(rt, log) },
		})
	})
}

func (m *model) check(rt *rapid.T, log *spool.Log) {
	begin := log.Begin()
	if log.Epoch() != m.epoch || log.End() != m.end || begin < m.begin || len(log.Missing()) > 0 || len(log.Losses()) > 0 {
		rt.Fatalf("epoch %d, begin %d, end %d, missing %v; want %d, from %d, %d, nothing",
			log.Epoch(), begin, log.End(), log.Missing(), m.epoch, m.begin, m.end)
	}
	var acked []spool.Range
	waiting, first := uint64(0), m.end
	for seq := uint64(1); seq < m.end; seq++ {
		if !m.acked[seq] {
			first = min(first, seq)
			waiting++
			if seq < begin {
				rt.Fatalf("record %d was deleted unacknowledged", seq)
			}
			continue
		}
		if n := len(acked); n > 0 && acked[n-1].Last+1 == seq {
			acked[n-1].Last = seq
		} else {
			acked = append(acked, spool.Range{First: seq, Last: seq})
		}
	}
	m.begin = begin
	gotFirst, gotWaiting, _ := log.Unacknowledged()
	if gotFirst != first || gotWaiting != waiting {
		rt.Fatalf("%d records wait from %d, want %d from %d", gotWaiting, gotFirst, waiting, first)
	}
	if diff := cmp.Diff(acked, log.Acknowledged()); diff != "" {
		rt.Fatalf("acknowledged (-want +got):\n%s", diff)
	}
	want := answer{}
	if begin > 1 {
		want.Gaps = []spool.GapError{{First: 1, Last: begin - 1, Cause: spool.CauseExpired}}
	}
	if begin < m.end {
		want.Seqs = seqs(begin, m.end-1)
	}
	if diff := cmp.Diff(want, readAll(rt, log, 1)); diff != "" {
		rt.Fatalf("records (-want +got):\n%s", diff)
	}
	from := min(m.end, (begin+m.end)/2)
	if got := readAll(rt, log, from); held(got) != m.end-from {
		rt.Fatalf("reading from %d: %v", from, got)
	}
}
