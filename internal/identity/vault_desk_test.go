package identity_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

// shelf is a store in memory.
type shelf struct {
	kept  map[[2]string]identity.Stored
	gone  map[[2]string]bool
	chain []identity.Certificate
	err   error
}

func newShelf() *shelf {
	return &shelf{kept: map[[2]string]identity.Stored{}, gone: map[[2]string]bool{}}
}

func (s *shelf) put(t *testing.T, v *identity.Vault, person string, r identity.Record) {
	t.Helper()
	const base = "cq01"
	sealed, err := v.Seal(base, person, r)
	if err != nil {
		t.Fatal(err)
	}
	s.kept[[2]string{base, person}] = identity.Stored{Base: base, Person: person, Sealed: sealed, UpdatedMs: someMs}
}

func (s *shelf) Identity(_ context.Context, base, person string) (identity.Stored, error) {
	key := [2]string{base, person}
	if s.gone[key] {
		return identity.Stored{}, identity.ErrPurged
	}
	if stored, ok := s.kept[key]; ok {
		return stored, s.err
	}
	return identity.Stored{}, identity.ErrUnknown
}

func (s *shelf) EraseIdentity(ctx context.Context, e identity.Erasure) (identity.Certificate, error) {
	stored, err := s.Identity(ctx, e.Base, e.Person)
	if err != nil {
		return identity.Certificate{}, err
	}
	var was identity.Certificate
	if n := len(s.chain); n > 0 {
		was = s.chain[n-1]
	}
	c := identity.Certify(e, stored, []identity.Kept{{Kind: "enrolments", Rows: 3}}, was)
	s.chain = append(s.chain, c)
	delete(s.kept, [2]string{e.Base, e.Person})
	s.gone[[2]string{e.Base, e.Person}] = true
	return c, nil
}

func (s *shelf) IdentityUses(context.Context) ([]identity.Use, error) { return nil, s.err }

func (s *shelf) IdentitiesUnderOtherKeys(_ context.Context, keyID string, limit int) ([]identity.Stored, error) {
	var out []identity.Stored
	for _, stored := range slices.SortedFunc(maps.Values(s.kept), func(a, b identity.Stored) int { return cmp.Compare(a.Person, b.Person) }) {
		if stored.KeyID != keyID && len(out) < limit {
			out = append(out, stored)
		}
	}
	return out, nil
}

func (s *shelf) ReplaceSealed(_ context.Context, swaps []identity.Swap) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	for _, w := range swaps {
		w.Was.Sealed = w.Next
		s.kept[[2]string{w.Was.Base, w.Was.Person}] = w.Was
	}
	return len(swaps), nil
}

func (s *shelf) IdentityKeys(context.Context) (map[string]int, error) {
	out := map[string]int{}
	for _, stored := range s.kept {
		out[stored.KeyID]++
	}
	return out, nil
}

// book is an audit log in memory.
type book struct {
	entries []identity.Entry
	err     error
}

func (b *book) Record(_ context.Context, e identity.Entry) error {
	if b.err == nil {
		b.entries = append(b.entries, e)
	}
	return b.err
}

func desk(t *testing.T, s identity.Store, v *identity.Vault, b identity.Auditor) *identity.Desk {
	t.Helper()
	d, err := identity.NewDesk(s, v, b, func() time.Time { return time.UnixMilli(someMs + 1000) })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestUnmaskingIsWrittenDownFirst(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	s, b := newShelf(), &book{}
	s.put(t, v, "p1", someone())
	d := desk(t, s, v, b)
	act := identity.Act{Who: "officer", Base: "cq01", Person: "p1", Reason: "核对补贴名册"}
	r, err := d.Unmask(t.Context(), act)
	if err != nil || r != someone() {
		t.Fatalf("not shown: %v", err)
	}
	want := identity.Entry{AtMs: someMs + 1000, Who: "officer", Action: identity.ActionUnmask, Base: "cq01", Person: "p1", Reason: "核对补贴名册", Detail: "shown"}
	if len(b.entries) != 1 || b.entries[0] != want {
		t.Fatalf("entries %+v, want %+v", b.entries, want)
	}
	b.err = errors.New("disk full")
	if r, err := d.Unmask(t.Context(), act); !errors.Is(err, b.err) || r != (identity.Record{}) {
		t.Errorf("without an entry: %v", err)
	}
}

func TestUnmaskingIsRefused(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	stranger, _ := vault(t)
	good := identity.Act{Who: "officer", Base: "cq01", Person: "p1", Reason: "核对补贴名册"}
	for name, c := range map[string]struct {
		change  func(a *identity.Act)
		want    error
		entries int
	}{
		"no reason":          {func(a *identity.Act) { a.Reason = " \u3000 " }, identity.ErrReason, 0},
		"reason of a letter": {func(a *identity.Act) { a.Reason = "x" }, identity.ErrReason, 0},
		"reason too long":    {func(a *identity.Act) { a.Reason = strings.Repeat("长", 400) }, identity.ErrReason, 0},
		"reason with escape": {func(a *identity.Act) { a.Reason = "why\x1b[2J" }, identity.ErrReason, 0},
		"reason with name":   {func(a *identity.Act) { a.Reason = "核对欧阳明月的名册" }, identity.ErrReason, 0},
		"reason with number": {func(a *identity.Act) { a.Reason = "check " + idNumber }, identity.ErrReason, 0},
		"nobody":             {func(a *identity.Act) { a.Who = "" }, nil, 0},
		"unknown person":     {func(a *identity.Act) { a.Person = "p9" }, identity.ErrUnknown, 1},
		"other base":         {func(a *identity.Act) { a.Base = "cq02" }, identity.ErrUnknown, 1},
		"key gone":           {func(a *identity.Act) { a.Person = "p2" }, identity.ErrNoKey, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, b := newShelf(), &book{}
			s.put(t, v, "p1", someone())
			s.put(t, stranger, "p2", someone())
			act := good
			c.change(&act)
			r, err := desk(t, s, v, b).Unmask(t.Context(), act)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || r != (identity.Record{}) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if len(b.entries) != c.entries {
				t.Errorf("entries %+v, want %d", b.entries, c.entries)
			}
			if err != nil && (strings.Contains(err.Error(), "欧阳") || strings.Contains(err.Error(), idNumber)) {
				t.Errorf("the refusal says who it is: %v", err)
			}
		})
	}
}

func TestPurgingLeavesACertificateOnTheChain(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	stranger, _ := vault(t)
	s, b := newShelf(), &book{}
	s.put(t, v, "p1", someone())
	s.put(t, stranger, "p2", someone())
	d := desk(t, s, v, b)
	for _, person := range []string{"p1", "p2"} {
		c, err := d.Purge(t.Context(), identity.Act{Who: "officer", Base: "cq01", Person: person, Reason: "保存期满"})
		if err != nil {
			t.Fatalf("%s: %v", person, err)
		}
		text := c.Text()
		for _, want := range []string{"cq01", person, "officer", "保存期满", "enrolments", c.Hash, "2026-03-01"} {
			if !strings.Contains(text, want) {
				t.Errorf("the text does not say %s:\n%s", want, text)
			}
		}
		read, err := identity.ParseCertificate(c.JSON())
		if err != nil || read.Hash != c.Hash {
			t.Errorf("does not read back: %v", err)
		}
	}
	if err := identity.CheckChain(s.chain); err != nil {
		t.Error(err)
	}
	if _, err := d.Purge(t.Context(), identity.Act{Who: "officer", Base: "cq01", Person: "p1", Reason: "保存期满"}); !errors.Is(err, identity.ErrPurged) {
		t.Errorf("a second time: %v", err)
	}
	if len(b.entries) != 2 {
		t.Errorf("%d entries, want one for each deletion", len(b.entries))
	}
	if _, err := d.Unmask(t.Context(), identity.Act{Who: "officer", Base: "cq01", Person: "p1", Reason: "核对名册"}); !errors.Is(err, identity.ErrPurged) {
		t.Errorf("after deletion: %v", err)
	}
}

func TestAPurgeThatCannotBeWrittenDownDoesNotHappen(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	s, b := newShelf(), &book{err: errors.New("disk full")}
	s.put(t, v, "p1", someone())
	if _, err := desk(t, s, v, b).Purge(t.Context(), identity.Act{Who: "o", Base: "cq01", Person: "p1", Reason: "保存期满"}); !errors.Is(err, b.err) {
		t.Errorf("%v", err)
	}
	if len(s.kept) != 1 || len(s.chain) != 0 {
		t.Error("it was deleted all the same")
	}
}

// Whatever is changed in a chain is seen: a field, the order, a certificate that is gone.
func TestAChangedChainIsBroken(t *testing.T) {
	t.Parallel()
	var was identity.Certificate
	var chain []identity.Certificate
	for i := range 4 {
		was = identity.Certify(identity.Erasure{AtMs: someMs, Who: "o", Base: "b", Person: fmt.Sprint("p", i), Reason: "why"}, identity.Stored{}, nil, was)
		chain = append(chain, was)
	}
	if err := identity.CheckChain(chain); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(c []identity.Certificate) []identity.Certificate{
		"field":   func(c []identity.Certificate) []identity.Certificate { c[1].Reason = "other"; return c },
		"kept":    func(c []identity.Certificate) []identity.Certificate { c[1].Kept = []identity.Kept{{}}; return c },
		"first":   func(c []identity.Certificate) []identity.Certificate { return c[1:] },
		"between": func(c []identity.Certificate) []identity.Certificate { return slices.Delete(c, 1, 2) },
		"order":   func(c []identity.Certificate) []identity.Certificate { c[1], c[2] = c[2], c[1]; return c },
	} {
		if err := identity.CheckChain(change(slices.Clone(chain))); !errors.Is(err, identity.ErrChain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var fields map[string]any
	if err := json.Unmarshal(chain[2].JSON(), &fields); err != nil {
		t.Fatal(err)
	}
	fields["who"] = "another"
	text, _ := json.Marshal(fields)
	if _, err := identity.ParseCertificate(text); !errors.Is(err, identity.ErrChain) {
		t.Errorf("a certificate in another's name: %v", err)
	}
}

func TestResealingGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	v, ring := vault(t)
	s, b := newShelf(), &book{}
	for i := range 1234 {
		s.put(t, v, fmt.Sprintf("p%04d", i), someone())
	}
	rotated, err := ring.Rotated(someMs)
	if err != nil {
		t.Fatal(err)
	}
	next := identity.NewVault(rotated)
	d := desk(t, &failing{shelf: s, after: 1}, next, b)
	done, err := d.Reseal(t.Context(), "admin", "rotation")
	if err == nil || done != 500 {
		t.Fatalf("%d done, %v: want the first batch and an error", done, err)
	}
	done, err = desk(t, s, next, b).Reseal(t.Context(), "admin", "rotation")
	if err != nil || done != 734 {
		t.Fatalf("%d done, %v: want the rest", done, err)
	}
	keys, _ := s.IdentityKeys(t.Context())
	if len(keys) != 1 || keys[rotated.Newest().ID] != 1234 {
		t.Errorf("keys in use %v", keys)
	}
	if done, err := desk(t, s, next, b).Reseal(t.Context(), "admin", "rotation"); done != 0 || err != nil {
		t.Errorf("once more: %d, %v", done, err)
	}
}

func TestResealingNamesTheKeyThatIsMissing(t *testing.T) {
	t.Parallel()
	v, _ := vault(t)
	stranger, lost := vault(t)
	s := newShelf()
	s.put(t, stranger, "p7", someone())
	_, err := desk(t, s, v, &book{}).Reseal(t.Context(), "admin", "rotation")
	if !errors.Is(err, identity.ErrNoKey) || !strings.Contains(err.Error(), lost.Newest().ID) || !strings.Contains(err.Error(), "p7") {
		t.Errorf("%v, want the key %s and the person's id", err, lost.Newest().ID)
	}
}

// failing is a store whose writes end after some.
type failing struct {
	*shelf
	after int
}

func (f *failing) ReplaceSealed(ctx context.Context, swaps []identity.Swap) (int, error) {
	if f.after == 0 {
		return 0, errors.New("power cut")
	}
	f.after--
	return f.shelf.ReplaceSealed(ctx, swaps)
}

func TestWhatIsPastItsRetention(t *testing.T) {
	t.Parallel()
	at := func(text string) int64 {
		ts, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return ts.UnixMilli()
	}
	use := func(person string, updatedMs, lastMs int64) identity.Use {
		return identity.Use{Base: "b", Person: person, UpdatedMs: updatedMs, LastMs: lastMs}
	}
	uses := []identity.Use{
		use("a-day-left", at("2016-03-01T08:00:00+08:00"), at("2016-06-02T17:00:00+08:00")),
		use("over", at("2015-03-01T08:00:00+08:00"), at("2016-06-01T17:00:00+08:00")),
		use("never-came", at("2023-06-01T00:00:00+08:00"), 0),
		use("came-not-yet", at("2024-06-01T00:00:00+08:00"), 0),
		use("leap", at("2010-01-01T00:00:00+08:00"), at("2016-02-29T12:00:00+08:00")),
	}
	var got []string
	for _, o := range identity.DefaultRules().Overdue(uses, at("2026-06-01T17:00:00+08:00")) {
		got = append(got, o.Person+" "+time.UnixMilli(o.DueMs).UTC().Format(time.RFC3339))
	}
	want := []string{"leap 2026-03-01T04:00:00Z", "never-came 2026-05-31T16:00:00Z", "over 2026-06-01T09:00:00Z"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []identity.Rules{{}, {WithHours: 10}, {WithHours: 101, WithoutHours: 1}, {WithHours: 1, WithoutHours: -1}} {
		if bad.Check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// Longer rules never make more overdue, and time never makes less.
func TestRetentionIsMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(946656000000, 2_500_000_000_000)
		var uses []identity.Use
		for i := range rapid.IntRange(0, 8).Draw(t, "people") {
			u := identity.Use{Base: "b", Person: fmt.Sprint(i), UpdatedMs: ms.Draw(t, "updated")}
			if rapid.Bool().Draw(t, "came") {
				u.LastMs = ms.Draw(t, "last")
			}
			uses = append(uses, u)
		}
		rules := identity.Rules{WithHours: rapid.IntRange(1, 50).Draw(t, "with"), WithoutHours: rapid.IntRange(1, 50).Draw(t, "without")}
		now := ms.Draw(t, "now")
		n := len(rules.Overdue(uses, now))
		longer := identity.Rules{WithHours: rules.WithHours + 1, WithoutHours: rules.WithoutHours + 1}
		if len(longer.Overdue(uses, now)) > n || len(rules.Overdue(uses, now+1)) < n {
			t.Fatal("not monotone")
		}
	})
}

func FuzzParseCertificate(f *testing.F) {
	c := identity.Certify(identity.Erasure{AtMs: someMs, Who: "o", Base: "b", Person: "p", Reason: "why"}, identity.Stored{}, []identity.Kept{{Kind: "cards", Rows: 1}}, identity.Certificate{})
	f.Add(c.JSON())
	f.Add([]byte(`{"number":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := identity.ParseCertificate(text)
		if err != nil {
			return
		}
		if again, err := identity.ParseCertificate(c.JSON()); err != nil || again.Hash != c.Hash {
			t.Fatalf("does not read back: %v", err)
		}
	})
}
