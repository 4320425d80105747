package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jishi-telemetry/jishi/internal/access"
	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/ledger"
)

// A key is dropped when it seals nothing, and when no process can still be sealing with it.
func TestOnlyKeysOfNoUseAreDropped(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	ring, err := identity.NewKeyring(start.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	first := ring.Newest().ID
	rotated, err := ring.Rotated(start.Add(time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	newest := rotated.Newest().ID
	for name, c := range map[string]struct {
		ring *identity.Keyring
		used map[string]int
		at   time.Duration
		want string // the keys, or a part of the error
	}{
		"one key":     {ring, map[string]int{first: 3}, 0, ""},
		"too early":   {rotated, map[string]int{newest: 3}, 119 * time.Minute, "最新密钥生成不足"},
		"late enough": {rotated, map[string]int{newest: 3}, 2 * time.Hour, first},
		"still used":  {rotated, map[string]int{newest: 3, first: 1}, 2 * time.Hour, "key " + first + " still seals 1"},
	} {
		got, err := droppable(c.ring, c.used, start.Add(c.at))
		text := strings.Join(got, ",")
		if err != nil {
			text = err.Error()
		}
		if !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
}

// The audit log has the act, with its reason and without the identity.
func TestPeopleActsAreInTheAuditLog(t *testing.T) {
	t.Parallel()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	log := access.New(l.DB(), access.Options{})
	entry := identity.Entry{Who: "officer", Action: identity.ActionUnmask, Base: "cq01", Person: "p1", Reason: "核对补贴名册", Detail: "shown"}
	if err := (auditLog{log}).Record(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	var actor, action, object, base, reason, detail string
	err = l.DB().QueryRowContext(t.Context(), `SELECT actor, action, object, base, reason, detail FROM audit`).Scan(&actor, &action, &object, &base, &reason, &detail)
	got := strings.Join([]string{actor, action, object, base, reason, detail}, "|")
	if want := `officer|people.unmask|p1|cq01|核对补贴名册|{"outcome":"shown"}`; err != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	if identity.ActionUnmask != string(access.ActUnmask) {
		t.Errorf("two names for one act: %s and %s", identity.ActionUnmask, access.ActUnmask)
	}
}
