package embedded_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/evidence/embedded"
	"github.com/jishi-telemetry/jishi/internal/span"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

var always = span.Span{StartMs: evidence.MinMs, EndMs: evidence.MaxMs}

// frame is a batch of samples of one device, numbered from first, one a millisecond.
func frame(first uint64, n int) evidence.Batch {
	b := evidence.Batch{Base: "base", Bridge: "bridge", Epoch: 1}
	for i := range n {
		seq := first + uint64(i)
		b.Messages = append(b.Messages, telemetry.Message{Seq: seq, Dialect: "native", Records: []telemetry.Record{{
			Kind: telemetry.KindSample, Device: "d", EventMs: int64(seq),
			Values: []telemetry.Value{{Quantity: telemetry.PowerW, Number: float64(seq)}},
		}}})
	}
	b.Receipts = []evidence.Receipt{{Epoch: 1, First: first, Last: first + uint64(n) - 1, FirstMs: int64(first)}}
	return b
}

func write(t *testing.T, s *embedded.Store, batches ...evidence.Batch) []evidence.Outcome {
	t.Helper()
	out, err := s.Write(t.Context(), batches)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func count(t *testing.T, s *embedded.Store) (n int) {
	t.Helper()
	q := evidence.Query{Base: "base", Device: "d", Window: always}
	if err := s.Read(t.Context(), q, func(*evidence.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// Repeats are counted one by one, whatever share of a statement's rows they are.
func TestDuplicatesAreCounted(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "e.db"), embedded.Options{})
	for _, step := range []struct {
		batches []evidence.Batch
		want    []evidence.Outcome
	}{
		{[]evidence.Batch{frame(1, 300)}, []evidence.Outcome{{Accepted: 300}}},
		{[]evidence.Batch{frame(1, 300)}, []evidence.Outcome{{Duplicate: 300}}},
		{[]evidence.Batch{frame(291, 20)}, []evidence.Outcome{{Accepted: 10, Duplicate: 10}}},
		{[]evidence.Batch{frame(311, 64), frame(311, 64)}, []evidence.Outcome{{Duplicate: 64}, {Accepted: 64}}},
		{[]evidence.Batch{frame(100, 400)}, []evidence.Outcome{{Accepted: 125, Duplicate: 275}}},
	} {
		if diff := cmp.Diff(step.want, write(t, s, step.batches...)); diff != "" {
			t.Errorf("outcome (-want +got):\n%s", diff)
		}
	}
	if n := count(t, s); n != 499 {
		t.Errorf("%d records, want 499", n)
	}
}

func TestReopenedStoreHasEverything(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "强 %41?#&.db") // whatever the path is made of
	first, err := embedded.Open(t.Context(), path, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, first, frame(1, 100))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	second := openAt(t, path, embedded.Options{})
	if out := write(t, second, frame(91, 20)); out[0].Duplicate != 10 {
		t.Errorf("%+v", out)
	}
	if n := count(t, second); n != 110 {
		t.Errorf("%d records, want 110", n)
	}
}

func TestReadOnlyBesideTheWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "e.db")
	writer := openAt(t, path, embedded.Options{})
	write(t, writer, frame(1, 10))
	reader := openAt(t, path, embedded.Options{ReadOnly: true})
	if n := count(t, reader); n != 10 {
		t.Errorf("%d records, want 10", n)
	}
	// What is written later shows, with names that the reader has not seen.
	b := frame(11, 1)
	b.Epoch, b.Messages[0].Dialect, b.Messages[0].Records[0].Values[0].Quantity = 2, "new", "newer"
	write(t, writer, b)
	latest, err := reader.Latest(t.Context(), "base", "d")
	if err != nil || len(latest) != 1 || latest[0].Epoch != 2 || latest[0].Dialect != "new" || latest[0].Values[0].Quantity != "newer" {
		t.Errorf("%+v, %v", latest, err)
	}
	if _, err := reader.Write(t.Context(), []evidence.Batch{frame(20, 1)}); !errors.Is(err, evidence.ErrPermanent) {
		t.Errorf("write through a reader: %v", err)
	}
}

// A call that fails leaves nothing behind, in the file or in memory: names that it made are made again.
func TestFailedCallLeavesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "e.db")
	s := openAt(t, path, embedded.Options{})
	ctx := &endsAfter{Context: t.Context(), calls: 3}
	if _, err := s.Write(ctx, []evidence.Batch{frame(1, 1_000)}); !errors.Is(err, errEnded) {
		t.Fatalf("%v, want the context's error", err)
	}
	if n := count(t, s); n != 0 {
		t.Errorf("%d records of a failed call", n)
	}
	if out := write(t, s, frame(1, 1_000)); out[0].Accepted != 1_000 {
		t.Errorf("%+v", out)
	}
	if n := count(t, openAt(t, path, embedded.Options{ReadOnly: true})); n != 1_000 {
		t.Errorf("%d records, want 1,000", n)
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sqlite := func(name string, statements ...string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer")
	openAt(t, newer, embedded.Options{})
	sqlite("newer", "PRAGMA user_version = 99")
	for name, test := range map[string]struct {
		path     string
		readOnly bool
		want     string
	}{
		"another program's":     {sqlite("other", "CREATE TABLE x (y)"), false, "not an evidence store"},
		"no database":           {text, false, "not a database"},
		"newer":                 {newer, false, "newer"},
		"newer, to read":        {newer, true, "newer"},
		"nothing there to read": {filepath.Join(dir, "nothing"), true, "open"},
		"empty, to read":        {sqlite("empty", "PRAGMA user_version = 0"), true, ""},
		"no folder":             {filepath.Join(dir, "no", "such", "folder"), false, "open"},
	} {
		s, err := embedded.Open(t.Context(), test.path, embedded.Options{ReadOnly: test.readOnly})
		if err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
			continue
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q lacks %q", name, err, test.want)
		}
	}
}
