package ledger_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// Whatever a base and its people hold: what is read is what was put, to the digest that figures name, and older versions stay
// to be read by theirs.
func TestReferenceReadsBackEqual(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	type version struct{ base, people string }
	var before []version
	rapid.Check(t, func(t *rapid.T) {
		b, p := drawWorkshop(t, "b"), drawClass(t, "b")
		want, err := registry.New(b)
		if err != nil {
			t.Fatal(err)
		}
		roster, err := registry.NewRoster(b, p)
		if err != nil {
			t.Fatal(err)
		}
		c := ledger.Change{Since: ledger.AnyVersion, Bases: []registry.Base{b}, People: []registry.People{p}}
		first := putReference(t, l, c)
		if again := putReference(t, l, c); !again.Nothing() || again.Version != first.Version {
			t.Fatalf("the same again changed %+v after %+v", again, first)
		}
		got, err := l.Reference(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Bases(), got.Registry.Bases()); diff != "" || got.Registry.BaseDigest("b") != want.BaseDigest("b") {
			t.Fatalf("base (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(roster.People(), got.Rosters["b"].People()); diff != "" || got.Rosters["b"].Digest() != roster.Digest() {
			t.Fatalf("people (-want +got):\n%s", diff)
		}
		before = append(before, version{want.BaseDigest("b"), roster.Digest()})
		old := before[rapid.IntRange(0, len(before)-1).Draw(t, "old")]
		oldBase, err := l.BaseAt(t.Context(), "b", old.base)
		if err != nil {
			t.Fatal(err)
		}
		oldPeople, err := l.PeopleAt(t.Context(), "b", old.people)
		if err != nil {
			t.Fatal(err)
		}
		oldRoster, err := registry.NewRoster(oldBase, oldPeople)
		if err != nil || oldRoster.Digest() != old.people {
			t.Fatalf("an old roster has another digest now: %v", err)
		}
	})
}

func TestReferenceOfAnEmptyLedger(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	r, err := l.Reference(t.Context(), nil)
	if err != nil || r.Version != 0 || len(r.Registry.Bases()) != 0 || len(r.Rosters) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := r.Calendar.IsWorkday(r.Calendar.Today(time.UnixMilli(monday))); err != nil {
		t.Errorf("the program's own calendar is not there: %v", err)
	}
	if done := putReference(t, l, ledger.Change{}); !done.Nothing() || done.Version != 0 {
		t.Errorf("nothing changed %+v", done)
	}
	putReference(t, l, ledger.Change{Bases: []registry.Base{workshop("b")}})
	if r, err = l.Reference(t.Context(), r); err != nil || r.Rosters["b"].Digest() != registry.EmptyRoster("b").Digest() {
		t.Errorf("a base without people: %v", err)
	}
	if p, err := l.PeopleAt(t.Context(), "b", registry.EmptyRoster("b").Digest()); err != nil || p.Base != "b" {
		t.Errorf("the people of the empty roster: %+v, %v", p, err)
	}
}

// A change with one mistake leaves everything as it was, whatever else is in it.
func TestAChangeIsAllOrNothing(t *testing.T) {
	t.Parallel()
	v, _ := keys(t)
	notice := holidays(t)
	renamed := func() registry.Base { b := workshop("b"); b.Name = "改名"; return b }
	more := func() registry.People { return class("b", 5, 5) }
	good := func() ledger.Change {
		return ledger.Change{
			Since: ledger.AnyVersion, Bases: []registry.Base{renamed(), workshop("c")}, People: []registry.People{more()},
			Identities: []ledger.Identified{identified(t, v, "p00004", identity.Record{Name: "张三"})}, Years: [][]byte{notice},
		}
	}
	for name, c := range map[string]struct {
		spoil    func(c *ledger.Change)
		want     error
		problems bool
	}{
		"good":              {spoil: func(*ledger.Change) {}},
		"no actor":          {spoil: func(c *ledger.Change) { c.Actor = "" }, want: errAny},
		"bad base":          {spoil: func(c *ledger.Change) { c.Bases[1].Tier = "9" }, problems: true},
		"base twice":        {spoil: func(c *ledger.Change) { c.Bases[1] = renamed() }, problems: true},
		"people of no base": {spoil: func(c *ledger.Change) { c.People[0].Base = "x" }, want: registry.ErrUnknown},
		"people twice":      {spoil: func(c *ledger.Change) { c.People = append(c.People, more()) }, want: errAny},
		"bad people":        {spoil: func(c *ledger.Change) { c.People[0].Cards[0].Person = "nobody" }, problems: true},
		"base without rooms": {spoil: func(c *ledger.Change) {
			c.People, c.Bases[0].Workshops[0].Stations = nil, nil
			c.Bases[0].Equipment[0].Station = ""
		}, problems: true},
		"identity of nobody":  {spoil: func(c *ledger.Change) { c.Identities[0].Person = "p00005" }, want: registry.ErrUnknown},
		"identity nowhere":    {spoil: func(c *ledger.Change) { c.Identities[0].Base = "x" }, want: registry.ErrUnknown},
		"identity not sealed": {spoil: func(c *ledger.Change) { c.Identities[0].Blob = []byte("张三") }, want: identity.ErrEnvelope},
		"identity, other key": {spoil: func(c *ledger.Change) { c.Identities[0].KeyID = "00000000" }, want: errAny},
		"half a year":         {spoil: func(c *ledger.Change) { c.Years[0] = notice[:len(notice)/2] }, want: errAny},
		"stale":               {spoil: func(c *ledger.Change) { c.Since = 0 }, want: ledger.ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
			putReference(t, l, lines("b"))
			was, err := l.Reference(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			change := good()
			change.AtMs, change.Actor = monday, "admin"
			c.spoil(&change)
			done, err := l.PutReference(t.Context(), change)
			if c.want == nil && !c.problems {
				want := ledger.Changed{Version: 2, Bases: []string{"b", "c"}, People: []string{"b"}, Years: []int{2027}, Identities: 1}
				if diff := cmp.Diff(want, done); err != nil || diff != "" {
					t.Fatalf("%v (-want +got):\n%s", err, diff)
				}
				return
			}
			_, isProblems := errors.AsType[registry.Problems](err)
			if err == nil || isProblems != c.problems || c.want != nil && !errors.Is(c.want, errAny) && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v, problems %v", err, c.want, c.problems)
			}
			now, err := l.Reference(t.Context(), nil)
			if err != nil || now.Version != was.Version || now.Registry.Digest() != was.Registry.Digest() || now.Rosters["b"].Digest() != was.Rosters["b"].Digest() {
				t.Errorf("something changed: %v", err)
			}
			if counts, _ := l.IdentityKeys(t.Context()); len(counts) != 0 {
				t.Error("an identity was put")
			}
		})
	}
}

// errAny stands for an error of no kind.
var errAny = errors.New("any")

// holidays is a notice that the program does not have: that of its last year, a year on.
func holidays(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "calendar", "data", "2026.json"))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.NewReplacer("2026", "2027", "2025", "2026").Replace(string(text)))
}

func TestYearsAreInTheCalendar(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	text := holidays(t)
	if done := putReference(t, l, ledger.Change{Years: [][]byte{text}}); !slices.Equal(done.Years, []int{2027}) {
		t.Fatalf("%+v", done)
	}
	if done := putReference(t, l, ledger.Change{Since: 1, Years: [][]byte{append(text, '\n', ' ')}}); !done.Nothing() {
		t.Errorf("the same with blanks changed %+v", done)
	}
	r, err := l.Reference(t.Context(), nil)
	if err != nil || !slices.Contains(r.Calendar.Years(), 2027) {
		t.Errorf("years %v, %v", r.Calendar.Years(), err)
	}
}

func TestWhatDidNotChangeIsTakenOver(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	putReference(t, l, lines("a"))
	putReference(t, l, lines("b"))
	was, err := l.Reference(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	putReference(t, l, ledger.Change{Since: 2, People: []registry.People{class("b", 4, 4)}})
	now, err := l.Reference(t.Context(), was)
	if err != nil {
		t.Fatal(err)
	}
	if now.Rosters["a"] != was.Rosters["a"] || now.Rosters["b"] == was.Rosters["b"] || len(now.Rosters["b"].People().Persons) != 5 {
		t.Error("the wrong rosters were taken over")
	}
	changes, err := l.ReferenceChanges(t.Context(), 2)
	if err != nil || len(changes) != 2 || changes[0].Version != 3 || changes[0].Actor != "admin" {
		t.Errorf("changes %+v, %v", changes, err)
	}
}

func TestChangesAtOnceAreOneAfterTheOther(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			c := lines("b")
			c.AtMs, c.Actor, c.People[0] = monday, "admin", class("b", i+1, 1)
			if _, err := l.PutReference(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if v, err := l.ReferenceVersion(t.Context()); err != nil || v != 6 {
		t.Errorf("version %d, %v: want one for each", v, err)
	}
}

// Nothing in SQL takes away or alters what figures and people were told.
func TestReferenceAndCertificatesAreAppendOnly(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	v, _ := keys(t)
	c := lines("b")
	c.Years, c.Identities = [][]byte{holidays(t)}, []ledger.Identified{identified(t, v, "p00000", identity.Record{Name: "张三"})}
	putReference(t, l, c)
	if _, err := l.EraseIdentity(t.Context(), identity.Erasure{AtMs: monday, Who: "o", Base: "b", Person: "p00000", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	for table, column := range map[string]string{
		"reference_change": "note", "reference_base": "digest", "reference_people": "digest", "calendar_year": "digest", "identity_certificate": "content",
	} {
		for _, statement := range []string{`UPDATE ` + table + ` SET ` + column + ` = 'x'`, `DELETE FROM ` + table} {
			if _, err := l.DB().ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: %v", statement, err)
			}
		}
	}
}

// What this program cannot read whole it does not read at all.
func TestContentOfAnotherKindIsRefused(t *testing.T) {
	t.Parallel()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"unknown field": enc.EncodeAll([]byte(`{"Code":"z","Colour":"red"}`), nil), "two documents": enc.EncodeAll([]byte(`{"Code":"z"} {}`), nil),
		"not JSON": enc.EncodeAll([]byte(`x`), nil), "not compressed": []byte(`{"Code":"z"}`), "cut": enc.EncodeAll([]byte(`{"Code":"z"}`), nil)[:9], "empty": {},
	} {
		l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
		putReference(t, l, lines("b"))
		if _, err := l.DB().ExecContext(t.Context(), `INSERT INTO reference_base (base, version, digest, content) VALUES ('z', 1, 'x', ?)`, content); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Reference(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "base z, version 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLiveReferenceFollowsTheLedger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	putReference(t, l, lines("b"))
	changed := make(chan int64, 1)
	live, err := ledger.OpenLive(t.Context(), open(t, path), ledger.LiveOptions{
		Every: 1e6, Changed: func(was, now *ledger.Reference) { changed <- now.Version - was.Version },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := live.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	putReference(t, l, lines("c"))
	if grown := <-changed; grown != 1 {
		t.Errorf("grown by %d", grown)
	}
	if _, ok := live.Current().Registry.Base("c"); !ok || live.Current().Rosters["c"] == nil {
		t.Error("the new base is not there")
	}
	cancel()
	wg.Wait()
}
