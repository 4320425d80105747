package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// trusting is an auditor that writes nothing down.
type trusting struct{}

func (trusting) Record(context.Context, identity.Entry) error { return nil }

func deskOf(t *testing.T, l *ledger.Ledger, v *identity.Vault, now int64) *identity.Desk {
	t.Helper()
	d, err := identity.NewDesk(l, v, trusting{}, func() time.Time { return time.UnixMilli(now) })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func secret() identity.Record {
	return identity.Record{Name: "欧阳明月", IDNumber: "500103199003071239", Phone: "13800001234"}
}

// At no time is a plain identity in the ledger's files, and after a deletion not even the sealed one; the rows about the
// person and the figures' digests stay.
func TestADeletedIdentityLeavesCountsAndNoTrace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	v, _ := keys(t)
	hash, err := v.Hash(secret().IDNumber)
	if err != nil {
		t.Fatal(err)
	}
	people := class("b", 3, 2)
	people.Persons[1].Identity = hash
	people.Claims = []registry.Claim{{Session: "s000000", Person: "p00000", Ms: hourMs}, {Session: "s000001", Person: "p00000", Ms: hourMs}}
	c := lines("b")
	c.People[0] = people
	c.Identities = []ledger.Identified{identified(t, v, "p00000", secret()), identified(t, v, "p00001", identity.Record{Name: "李四"})}
	putReference(t, l, c)
	if _, err := l.DB().ExecContext(t.Context(), `CREATE TABLE verdict (base TEXT, person TEXT, ms INTEGER);
		INSERT INTO verdict VALUES ('b','p00000',1),('b','p00000',2),('b','p00001',3),('x','p00000',4)`); err != nil {
		t.Fatal(err)
	}
	sealed := c.Identities[0].Blob
	held := filesOf(t, path)
	if !bytes.Contains(held, sealed) {
		t.Fatal("the sealed record is not in the files: the search finds nothing")
	}
	was, err := l.Reference(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}

	d := deskOf(t, l, v, monday+dayMs)
	certificate, err := d.Purge(t.Context(), identity.Act{Who: "officer", Base: "b", Person: "p00000", Reason: "本人申请"})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]int64{}
	for _, k := range certificate.Kept {
		kept[k.Kind] = k.Rows
	}
	for kind, want := range map[string]int64{"名册 persons": 1, "卡 cards": 1, "报名 enrolments": 1, "申报学时 claims": 2, "台账 verdict": 2} {
		if kept[kind] != want {
			t.Errorf("%s: %d rows are said to stay, want %d", kind, kept[kind], want)
		}
	}
	now, err := l.Reference(t.Context(), nil)
	if err != nil || now.Rosters["b"].Digest() != was.Rosters["b"].Digest() {
		t.Errorf("the roster changed: %v", err)
	}
	var rows int
	if err := l.DB().QueryRowContext(t.Context(), `SELECT count(*) FROM verdict`).Scan(&rows); err != nil || rows != 4 {
		t.Errorf("%d rows, %v", rows, err)
	}
	left := filesOf(t, path)
	for _, secret := range [][]byte{[]byte("欧阳"), []byte("500103199003071239"), []byte("13800001234"), sealed, sealed[17:33]} {
		if bytes.Contains(left, secret) {
			t.Errorf("%q is in the files after the deletion", secret)
		}
		if bytes.Contains(held, secret) && len(secret) < 30 && !bytes.Contains(sealed, secret) {
			t.Errorf("%q was in the files before it", secret)
		}
	}
	if r, err := d.Unmask(t.Context(), identity.Act{Who: "officer", Base: "b", Person: "p00001", Reason: "核对名册"}); err != nil || r.Name != "李四" {
		t.Errorf("another person's: %v", err)
	}
	list, err := l.Certificates(t.Context())
	if err != nil || len(list) != 1 || list[0].Hash != certificate.Hash {
		t.Errorf("certificates %v, %v", list, err)
	}
}

// filesOf is all bytes of the database and its log.
func filesOf(t *testing.T, path string) []byte {
	t.Helper()
	var all []byte
	for _, name := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

func TestADeletedIdentityDoesNotComeBack(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	v, _ := keys(t)
	c := lines("b")
	c.Identities = []ledger.Identified{identified(t, v, "p00000", secret())}
	if done := putReference(t, l, c); done.Identities != 1 {
		t.Fatalf("%+v", done)
	}
	c.Identities[0] = identified(t, v, "p00000", secret()) // another envelope of the same
	if done := putReference(t, l, c); !done.Nothing() {
		t.Errorf("the same again changed %+v", done)
	}
	erasure := identity.Erasure{AtMs: monday, Who: "o", Base: "b", Person: "p00000", Reason: "why"}
	if _, err := l.EraseIdentity(t.Context(), erasure); err != nil {
		t.Fatal(err)
	}
	done := putReference(t, l, c)
	if diff := cmp.Diff([][2]string{{"b", "p00000"}}, done.Purged); !done.Nothing() || diff != "" {
		t.Errorf("after the deletion %+v", done)
	}
	if _, err := l.Identity(t.Context(), "b", "p00000"); !errors.Is(err, identity.ErrPurged) {
		t.Errorf("%v", err)
	}
	if _, err := l.EraseIdentity(t.Context(), erasure); !errors.Is(err, identity.ErrPurged) {
		t.Errorf("deleted twice: %v", err)
	}
	erasure.Person = "p00001"
	if _, err := l.EraseIdentity(t.Context(), erasure); !errors.Is(err, identity.ErrUnknown) {
		t.Errorf("deleted what is not there: %v", err)
	}
}

func TestAReaderOfTheLogIsToldOf(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := open(t, path)
	v, _ := keys(t)
	c := lines("b")
	c.Identities = []ledger.Identified{identified(t, v, "p00000", secret())}
	putReference(t, l, c)
	if _, err := l.DB().ExecContext(t.Context(), `PRAGMA busy_timeout = 1`); err != nil {
		t.Fatal(err)
	}
	l.DB().SetMaxOpenConns(1) // so that it is this connection that does not wait
	reader := open(t, path)
	rows, err := reader.DB().QueryContext(t.Context(), `SELECT base FROM reference_base`)
	if err != nil || !rows.Next() {
		t.Fatalf("no reader: %v", err)
	}
	certificate, err := l.EraseIdentity(t.Context(), identity.Erasure{AtMs: monday, Who: "o", Base: "b", Person: "p00000", Reason: "why"})
	if !errors.Is(err, identity.ErrTraces) || certificate.Number != 1 {
		t.Errorf("with a reader: %+v, %v; want a certificate and ErrTraces", certificate, err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.ForgetLog(t.Context()); err != nil {
		t.Error(err)
	}
	if bytes.Contains(filesOf(t, path), c.Identities[0].Blob) {
		t.Error("traces stay")
	}
}

func TestKeysRotateInTheLedger(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	v, ring := keys(t)
	c := lines("b")
	c.People[0] = class("b", 520, 1)
	for i := range 520 {
		c.Identities = append(c.Identities, identified(t, v, fmt.Sprintf("p%05d", i), secret()))
	}
	putReference(t, l, c)
	if _, err := l.EraseIdentity(t.Context(), identity.Erasure{AtMs: monday, Who: "o", Base: "b", Person: "p00007", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	rotated, err := ring.Rotated(monday)
	if err != nil {
		t.Fatal(err)
	}
	next := identity.NewVault(rotated)
	done, err := deskOf(t, l, next, monday).Reseal(t.Context(), "admin", "rotation")
	if err != nil || done != 519 {
		t.Fatalf("%d, %v", done, err)
	}
	counts, err := l.IdentityKeys(t.Context())
	if diff := cmp.Diff(map[string]int{rotated.Newest().ID: 519}, counts); err != nil || diff != "" {
		t.Errorf("keys in use: %v\n%s", err, diff)
	}
	alone, err := rotated.Without(ring.Newest().ID)
	if err != nil {
		t.Fatal(err)
	}
	r, err := deskOf(t, l, identity.NewVault(alone), monday).Unmask(t.Context(), identity.Act{Who: "o", Base: "b", Person: "p00011", Reason: "核对名册"})
	if err != nil || r != secret() {
		t.Errorf("under the new key alone: %v", err)
	}
	if done := putReference(t, l, c); !done.Nothing() {
		t.Errorf("the same import after a rotation changed %+v", done)
	}
}

// An envelope that was replaced by an import in the meantime is left alone.
func TestOnlyWhatWasReadIsReplaced(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	v, _ := keys(t)
	c := lines("b")
	c.Identities = []ledger.Identified{identified(t, v, "p00000", secret())}
	putReference(t, l, c)
	was, err := l.Identity(t.Context(), "b", "p00000")
	if err != nil {
		t.Fatal(err)
	}
	c.Identities[0] = identified(t, v, "p00000", identity.Record{Name: "改名"})
	putReference(t, l, c)
	n, err := l.ReplaceSealed(t.Context(), []identity.Swap{{Was: was, Next: was.Sealed}})
	now, _ := l.Identity(t.Context(), "b", "p00000")
	if err != nil || n != 0 || !bytes.Equal(now.Blob, c.Identities[0].Blob) {
		t.Errorf("%d replaced, %v", n, err)
	}
}

func TestLastSessions(t *testing.T) {
	t.Parallel()
	l := open(t, filepath.Join(t.TempDir(), "ledger.db"))
	v, _ := keys(t)
	endOf := func(day int) int64 { return monday + int64(day)*dayMs + 11*hourMs }
	people := class("b", 5, 4)
	people.Enrolments[1].Valid.EndMs = monday + 2*dayMs // left before the third
	people.Enrolments[2].Valid = span.Span{StartMs: monday + 100*dayMs, EndMs: monday + 200*dayMs}
	people.Enrolments = slices.Delete(people.Enrolments, 3, 5) // the last two are nowhere
	people.Claims = []registry.Claim{{Session: "s000001", Person: "p00003"}}
	c := lines("b")
	c.People[0] = people
	for _, p := range people.Persons {
		c.Identities = append(c.Identities, identified(t, v, p.ID, identity.Record{Name: "某人"}))
	}
	putReference(t, l, c)
	check := func(when string, want map[string]int64) {
		t.Helper()
		uses, err := l.IdentityUses(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, u := range uses {
			got[u.Person] = u.LastMs
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("at first", map[string]int64{"p00000": endOf(3), "p00001": endOf(1), "p00002": 0, "p00003": endOf(1), "p00004": 0, "t1": endOf(3)})
	shorter := people
	shorter.Sessions, shorter.Claims = people.Sessions[:1], nil
	putReference(t, l, ledger.Change{Since: ledger.AnyVersion, People: []registry.People{shorter}})
	check("when the timetable was corrected", map[string]int64{"p00000": endOf(0), "p00001": endOf(0), "p00002": 0, "p00003": endOf(1), "p00004": 0, "t1": endOf(0)})

	overdue, err := deskOf(t, l, v, monday+4*365*dayMs).Due(t.Context(), identity.DefaultRules())
	var due []string
	for _, o := range overdue {
		due = append(due, o.Person)
	}
	if err != nil || !slices.Equal(due, []string{"p00002", "p00004"}) {
		t.Errorf("due after four years: %v, %v; want who never came", due, err)
	}
}
