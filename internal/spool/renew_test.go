package spool_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/spool"
)

// kept is a record of a log without its number.
type kept struct {
	ReceivedMs int64
	Body, Raw  string
}

// contentsOf reads a log: its records by number, and its gaps.
func contentsOf(tb testing.TB, log *spool.Log) (records map[uint64]kept, gaps []spool.GapError) {
	tb.Helper()
	from, err := log.Reader(1)
	if err != nil {
		tb.Fatal(err)
	}
	defer closeAll(tb, from)
	records = map[uint64]kept{}
	var rec spool.Record
	for {
		err := from.Next(&rec)
		if errors.Is(err, io.EOF) {
			return records, gaps
		}
		if gap, ok := errors.AsType[*spool.GapError](err); ok {
			gaps = append(gaps, *gap)
			continue
		}
		if err != nil {
			tb.Fatal(err)
		}
		records[rec.Seq] = kept{rec.ReceivedMs, string(rec.Body), string(rec.Raw)}
	}
}

// wanted is what a new log must hold of records with these numbers, under which they were put by put.
func wanted(numbers ...spool.Range) map[uint64]kept {
	out := map[uint64]kept{}
	for _, r := range numbers {
		for seq := r.First; seq <= r.Last; seq++ {
			e := entry(seq)
			out[1+uint64(len(out))] = kept{e.ReceivedMs, string(e.Body), string(e.Raw)}
		}
	}
	return out
}

func ack(tb testing.TB, log *spool.Log, ranges ...spool.Range) {
	tb.Helper()
	if err := log.Acknowledge(ranges...); err != nil {
		tb.Fatal(err)
	}
}

func renew(tb testing.TB, dir string, rescued ...string) spool.Renewal {
	tb.Helper()
	r, err := spool.Renew(tb.Context(), dir, spool.Options{FS: newQuickFS()}, rescued...)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// Everything that the city does not have goes over, in order and unchanged, and nothing else; the old log is kept whole
// [L-16.1] [L-16.5].
func TestRenew(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		acked []spool.Range
		want  []spool.Range
	}{
		"nothing acknowledged":    {nil, seqs(1, 300)},
		"all acknowledged":        {seqs(1, 300), nil},
		"the beginning":           {seqs(1, 120), seqs(121, 300)},
		"holes in what was acked": {[]spool.Range{{First: 1, Last: 50}, {First: 60, Last: 60}, {First: 200, Last: 299}}, []spool.Range{{First: 51, Last: 59}, {First: 61, Last: 199}, {First: 300, Last: 300}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
			for range 30 {
				put(t, log, 10)
			}
			ack(t, log, tt.acked...)
			before, _ := contentsOf(t, log)
			epoch := log.Epoch()
			closeAll(t, log)

			got := renew(t, dir)
			want := wanted(tt.want...)
			if got.OldEpoch != epoch || got.Epoch == epoch || got.Records != uint64(len(want)) || got.Lost != 0 || got.Finished {
				t.Errorf("renewal %+v of epoch %d, want %d records", got, epoch, len(want))
			}
			log = open(t, dir, spool.Options{})
			records, gaps := contentsOf(t, log)
			if diff := cmp.Diff(want, records); diff != "" || len(gaps) > 0 || log.Epoch() != got.Epoch {
				t.Errorf("gaps %v, records (-want +got):\n%s", gaps, diff)
			}
			if log.End() != uint64(len(want))+1 || len(log.Acknowledged()) > 0 {
				t.Errorf("end %d, acknowledged %v", log.End(), log.Acknowledged())
			}
			if _, err := log.Append(t.Context(), []spool.Entry{entry(1)}); err != nil {
				t.Error(err)
			}
			aside := open(t, got.Aside, spool.Options{})
			if old, _ := contentsOf(t, aside); !cmp.Equal(before, old) || aside.Epoch() != epoch {
				t.Error("the old log has changed")
			}
			noLeftovers(t, dir)
		})
	}
}

// noLeftovers holds that nothing of a renewal under way is in the directory.
func noLeftovers(tb testing.TB, dir string) {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "renewal") || strings.HasSuffix(e.Name(), ".damaged") {
			tb.Errorf("%s is left over", e.Name())
		}
	}
}

// What was lost and the city does not know of is lost in the new log too, at its place, so that the city is told.
func TestRenewKeepsLosses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, spool.Options{SegmentBytes: spool.MinSegmentBytes})
	for range 30 {
		put(t, log, 10)
	}
	closeAll(t, log)
	segments := segmentFiles(t, dir)
	if err := errors.Join(os.Remove(segments[0]), os.Remove(segments[2])); err != nil {
		t.Fatal(err)
	}
	log = open(t, dir, spool.Options{})
	_, gaps := contentsOf(t, log)
	if len(gaps) != 2 {
		t.Fatalf("gaps %v, want two", gaps)
	}
	ack(t, log, spool.Range{First: 1, Last: 2}, spool.Range{First: gaps[0].Last + 3, Last: gaps[0].Last + 3})
	missing := log.Missing()
	closeAll(t, log)

	got := renew(t, dir)
	log = open(t, dir, spool.Options{})
	lost := uint64(0)
	for _, r := range missing {
		lost += r.Last - r.First + 1
	}
	if got.Lost != lost || got.Lost+got.Records != log.End()-1 || got.Lost+got.Records != 300-3 {
		t.Errorf("renewal %+v, end %d; %d were missing", got, log.End(), lost)
	}
	want := []spool.GapError{
		{First: 1, Last: gaps[0].Last - 2, Cause: gaps[0].Cause},
		{First: gaps[1].First - 3, Last: gaps[1].Last - 3, Cause: gaps[1].Cause},
	}
	records, gaps := contentsOf(t, log)
	if diff := cmp.Diff(want, gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	if want := wanted(spool.Range{First: 300, Last: 300})[1]; records[log.End()-1] != want {
		t.Errorf("the last record is %v, want %v", records[log.End()-1], want)
	}
	if n := len(log.Missing()); n != 2 {
		t.Errorf("missing %v, want two ranges", log.Missing())
	}
}

// A rescued log comes first, is only looked at, and may be the only one.
func TestRenewWithRescuedLog(t *testing.T) {
	t.Parallel()
	broken, dir := t.TempDir(), t.TempDir()
	log := open(t, broken, spool.Options{})
	put(t, log, 100)
	ack(t, log, spool.Range{First: 1, Last: 90})
	closeAll(t, log)
	before := copyDir(t, broken)

	first := renew(t, dir, broken)
	if first.Records != 10 {
		t.Errorf("renewal %+v, want 10 records", first)
	}
	log = open(t, dir, spool.Options{})
	if _, err := log.Append(t.Context(), []spool.Entry{entry(101), entry(102)}); err != nil {
		t.Fatal(err)
	}
	ack(t, log, spool.Range{First: 1, Last: 11})
	closeAll(t, log)
	second := renew(t, dir, broken)
	log = open(t, dir, spool.Options{})
	records, _ := contentsOf(t, log)
	if diff := cmp.Diff(wanted(spool.Range{First: 91, Last: 100}, spool.Range{First: 102, Last: 102}), records); diff != "" || second.Records != 11 {
		t.Errorf("renewal %+v, records (-want +got):\n%s", second, diff)
	}
	wantSameFiles(t, before, broken)
}

func wantSameFiles(t *testing.T, want, got string) {
	t.Helper()
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(got, name))
		if string(a) != string(b) {
			t.Errorf("%s has changed", name)
		}
		return errors.Join(errA, errB)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestRenewRefuses(t *testing.T) {
	t.Parallel()
	o := spool.Options{FS: newQuickFS()}
	empty := filepath.Join(t.TempDir(), "none")
	if _, err := spool.Renew(t.Context(), empty, o); !errors.Is(err, spool.ErrNoLog) {
		t.Errorf("Renew without a log: %v, want ErrNoLog", err)
	}
	if _, err := os.Stat(empty); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Renew made a directory: %v", err)
	}
	dir := t.TempDir()
	log := open(t, dir, spool.Options{FS: spool.RealFS()})
	put(t, log, 10)
	if _, err := spool.Renew(t.Context(), dir, spool.Options{}); !errors.Is(err, spool.ErrLocked) {
		t.Errorf("Renew beside the bridge: %v, want ErrLocked", err)
	}
	closeAll(t, log)
	if _, err := spool.Renew(t.Context(), dir, o, t.TempDir()); !errors.Is(err, spool.ErrNoLog) {
		t.Errorf("Renew with a rescued directory that holds none: %v, want ErrNoLog", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := spool.Renew(ctx, dir, o); !errors.Is(err, context.Canceled) {
		t.Errorf("Renew that is to end: %v", err)
	}
	noLeftovers(t, dir)
	log = open(t, dir, spool.Options{})
	wantAnswer(t, log, answer{Seqs: seqs(1, 10)})
}

// Looking into a directory that is half renewed would show a mixture [L-16.6].
func TestInspectRefusesAHalfRenewedLog(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"aside", "moving"} {
		dir := t.TempDir()
		filled(t, dir, spool.Options{FS: newQuickFS()})
		if err := os.WriteFile(filepath.Join(dir, "renewal-00000000000000ff."+phase), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := spool.Inspect(dir); !errors.Is(err, spool.ErrRenewing) {
			t.Errorf("Inspect: %v, want ErrRenewing", err)
		}
	}
}

// Whatever was acknowledged, and however the records were cut into commits, the new log is the rest in its order.
func TestRenewProperty(t *testing.T) {
	t.Parallel()
	const dir = "log"
	rapid.Check(t, func(rt *rapid.T) {
		o := spool.Options{FS: newMemFS(1), SegmentBytes: spool.MinSegmentBytes}
		log, err := spool.Open(dir, o)
		if err != nil {
			rt.Fatal(err)
		}
		for _, size := range rapid.SliceOfN(rapid.IntRange(1, 40), 0, 12).Draw(rt, "commits") {
			if _, err := tryPut(t, log, size); err != nil {
				rt.Fatal(err)
			}
		}
		end := log.End()
		acked := make([]bool, end)
		for range rapid.IntRange(0, 5).Draw(rt, "acknowledgements") {
			first := rapid.Uint64Range(1, end).Draw(rt, "first")
			last := rapid.Uint64Range(first, end).Draw(rt, "last")
			ack(t, log, spool.Range{First: first, Last: last})
			for seq := first; seq <= last && seq < end; seq++ {
				acked[seq] = true
			}
		}
		closeAll(t, log)
		var rest []spool.Range
		for seq := uint64(1); seq < end; seq++ {
			if !acked[seq] {
				rest = append(rest, spool.Range{First: seq, Last: seq})
			}
		}
		if _, err := spool.Renew(t.Context(), dir, o); err != nil {
			rt.Fatal(err)
		}
		if log, err = spool.Open(dir, o); err != nil {
			rt.Fatal(err)
		}
		records, gaps := contentsOf(t, log)
		if diff := cmp.Diff(wanted(rest...), records); diff != "" || len(gaps) > 0 {
			rt.Fatalf("gaps %v, records (-want +got):\n%s", gaps, diff)
		}
		closeAll(t, log)
	})
}
