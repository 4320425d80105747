package access_test

import (
	"database/sql"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// door is an Access over a real ledger, with a clock that the test moves.
type door struct {
	*access.Access
	db  *sql.DB
	now atomic.Int64 // ms
}

const (
	system   = "root at the server"
	password = "correct horse battery"
)

var here = netip.MustParseAddr("192.0.2.7")

func newDoor(t *testing.T) *door {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	d := &door{db: l.DB()}
	d.now.Store(time.Date(2026, 3, 2, 4, 0, 0, 0, time.UTC).UnixMilli())
	d.Access = access.New(l.DB(), access.Options{
		Now:  func() time.Time { return time.UnixMilli(d.now.Load()) },
		Cost: credential.Cost{MemoryKiB: 64, Passes: 1, Threads: 1}, // guessing costs nothing here, and the tests no time
	})
	return d
}

func (d *door) pass(by time.Duration) { d.now.Add(by.Milliseconds()) }

// add makes an account whose password is changed already.
func (d *door) add(t *testing.T, name string, grants ...access.Grant) {
	t.Helper()
	first, err := d.Add(t.Context(), system, access.NewAccount{Name: name, Grants: grants})
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.LogIn(t.Context(), name, first, here)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.ChangePassword(t.Context(), s.Principal, here, first, password); err != nil {
		t.Fatal(err)
	}
	if err := d.LogOut(t.Context(), s.Principal); err != nil {
		t.Fatal(err)
	}
}

func (d *door) logIn(t *testing.T, name string) *access.Session {
	t.Helper()
	s, err := d.LogIn(t.Context(), name, password, here)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// actions lists what the audit log says was done, the first first.
func (d *door) actions(t *testing.T) []access.Action {
	t.Helper()
	entries, err := d.Entries(t.Context(), access.AuditQuery{Most: 500})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]access.Action, len(entries))
	for i := range entries {
		out[len(entries)-1-i] = entries[i].Action
	}
	return out
}
