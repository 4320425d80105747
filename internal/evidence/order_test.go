package evidence_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/evidence"
	"github.com/jishi-telemetry/jishi/internal/telemetry"
)

// list is a cursor over entries in memory that can fail at its end.
type list struct {
	entries []evidence.Entry
	err     error
}

func (l *list) Next() (*evidence.Entry, error) {
	if len(l.entries) == 0 {
		return nil, l.err
	}
	e := &l.entries[0]
	l.entries = l.entries[1:]
	return e, nil
}

func genEntry(t *rapid.T) evidence.Entry {
	return evidence.Entry{
		Record: telemetry.Record{
			Kind:    telemetry.Kind(rapid.IntRange(1, 4).Draw(t, "kind")),
			Channel: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "channel"),
			EventMs: rapid.Int64Range(0, 5).Draw(t, "event"),
			Card:    rapid.SampledFrom([]string{"", "x"}).Draw(t, "card"),
		},
		Seq: rapid.Uint64Range(1, 3).Draw(t, "seq"),
	}
}

func TestMergeYieldsEverythingInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []evidence.Entry
		var cursors []evidence.Cursor
		for range rapid.IntRange(0, 5).Draw(t, "cursors") {
			entries := rapid.SliceOfN(rapid.Custom(genEntry), 0, 8).Draw(t, "entries")
			byOrder := func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) }
			slices.SortFunc(entries, byOrder)
			all = append(all, entries...)
			cursors = append(cursors, &list{entries: entries})
		}
		slices.SortFunc(all, func(a, b evidence.Entry) int { return evidence.Compare(&a, &b) })
		var got []evidence.Entry
		err := evidence.Merge(cursors, func(e *evidence.Entry) error {
			got = append(got, *e)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(all, got); diff != "" {
			t.Fatalf("merged (-want +got):\n%s", diff)
		}
	})
}

func TestMergeStopsAtTheFirstError(t *testing.T) {
	t.Parallel()
	broken, enough := errors.New("broken"), errors.New("enough")
	one := []evidence.Entry{{Record: telemetry.Record{EventMs: 1}}}
	nothing := func(*evidence.Entry) error { return nil }
	for name, test := range map[string]struct {
		cursors []evidence.Cursor
		yield   func(*evidence.Entry) error
		want    error
	}{
		"cursor at once": {[]evidence.Cursor{&list{err: broken}}, nothing, broken},
		"cursor later":   {[]evidence.Cursor{&list{entries: one, err: broken}, &list{entries: one}}, nothing, broken},
		"yield":          {[]evidence.Cursor{&list{entries: one}}, func(*evidence.Entry) error { return enough }, enough},
		"none":           {nil, nothing, nil},
	} {
		if err := evidence.Merge(test.cursors, test.yield); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}
