package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/jishi-telemetry/jishi/internal/access"
)

func fillAudit(t *testing.T, d *door, n int) {
	t.Helper()
	for i := range n {
		e := access.Entry{
			Actor: "zhang", Action: access.ActUnmask, Object: fmt.Sprintf("person %d", i), Base: "b1", Reason: "电话抽查",
			Detail: map[string]any{"n": i},
		}
		if err := d.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoStatementChangesTheAuditLog(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	fillAudit(t, d, 5)
	for _, statement := range []string{
		`UPDATE audit SET actor = 'li' WHERE seq = 3`,
		`UPDATE audit SET seq = 30 WHERE seq = 3`,
		`DELETE FROM audit WHERE seq = 3`,
		`DELETE FROM audit`,
		`INSERT OR REPLACE INTO audit SELECT 3, at_ms, 'li', action, object, base, reason, detail, hash FROM audit WHERE seq = 3`,
		`INSERT INTO audit SELECT 7, at_ms, 'li', action, object, base, reason, detail, hash FROM audit WHERE seq = 3`,
		`INSERT INTO audit SELECT -1, at_ms, 'li', action, object, base, reason, detail, hash FROM audit WHERE seq = 3`,
		`UPDATE OR REPLACE audit SET seq = 4 WHERE seq = 3`,
	} {
		if _, err := d.db.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if seq, _, err := d.Verify(t.Context()); seq != 5 || err != nil {
		t.Errorf("%d entries, %v", seq, err)
	}
}

// Who owns the file can drop the triggers. Then the chain shows it.
func TestVerifyFindsTheFirstBrokenLink(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		statement string
		broken    int64
	}{
		"actor":       {`UPDATE audit SET actor = 'li' WHERE seq = 3`, 3},
		"time":        {`UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 2`, 2},
		"action":      {`UPDATE audit SET action = 'login' WHERE seq = 1`, 1},
		"object":      {`UPDATE audit SET object = '' WHERE seq = 4`, 4},
		"base":        {`UPDATE audit SET base = 'b2' WHERE seq = 4`, 4},
		"reason":      {`UPDATE audit SET reason = '' WHERE seq = 5`, 5},
		"detail":      {`UPDATE audit SET detail = '{"n":7}' WHERE seq = 5`, 5},
		"not JSON":    {`UPDATE audit SET detail = '{' WHERE seq = 5`, 5},
		"hash":        {`UPDATE audit SET hash = x'00' WHERE seq = 2`, 2},
		"moved text":  {`UPDATE audit SET base = base || reason, reason = '' WHERE seq = 2`, 2},
		"a middle":    {`DELETE FROM audit WHERE seq = 3`, 3},
		"the first":   {`DELETE FROM audit WHERE seq = 1`, 1},
		"the last":    {`DELETE FROM audit WHERE seq = 5`, 5},
		"all":         {`DELETE FROM audit`, 1},
		"two swapped": {`UPDATE audit SET object = CASE seq WHEN 2 THEN 'person 2' ELSE 'person 1' END WHERE seq IN (2, 3)`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			fillAudit(t, d, 5)
			for _, statement := range []string{`DROP TRIGGER audit_no_update`, `DROP TRIGGER audit_no_delete`, tt.statement} {
				if _, err := d.db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			_, _, err := d.Verify(t.Context())
			broken, ok := errors.AsType[access.BrokenError](err)
			if !ok || broken.Seq != tt.broken {
				t.Errorf("%v, want a broken link at %d", err, tt.broken)
			}
			if _, err := d.Entries(t.Context(), access.AuditQuery{}); err != nil {
				t.Errorf("the rest cannot be read: %v", err)
			}
		})
	}
}

func TestAuditFromManySidesIsOneChain(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	ctx := t.Context()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for w := range errs {
		wg.Go(func() {
			for i := range 10 {
				errs[w] = errors.Join(errs[w], d.Record(context.WithoutCancel(ctx), access.Entry{Actor: fmt.Sprint(w), Action: access.ActRefused, Object: fmt.Sprint(i)}))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if seq, head, err := d.Verify(ctx); seq != 80 || err != nil || head == [32]byte{} {
		t.Errorf("%d entries, %v", seq, err)
	}
}

func TestAuditQueries(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	fillAudit(t, d, 30)
	long := access.Entry{Actor: strings.Repeat("长", 1000), Action: "x", Object: "\xff", Reason: strings.Repeat("r", 1<<20), Base: "b2"}
	if err := d.Record(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	if err := d.Record(t.Context(), access.Entry{Detail: map[string]any{"x": strings.Repeat("y", 1<<20)}}); err == nil {
		t.Error("a megabyte of detail was taken")
	}
	count := func(q access.AuditQuery) int {
		t.Helper()
		out, err := d.Entries(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(out); i++ {
			if out[i].Seq >= out[i-1].Seq {
				t.Error("not the newest first")
			}
		}
		return len(out)
	}
	for _, tt := range []struct {
		q    access.AuditQuery
		want int
	}{
		{access.AuditQuery{}, 31},
		{access.AuditQuery{Most: 7}, 7},
		{access.AuditQuery{Before: 11}, 10},
		{access.AuditQuery{Base: "b2"}, 1},
		{access.AuditQuery{Base: "b1", Before: 6}, 5},
		{access.AuditQuery{Actor: "nobody"}, 0},
		{access.AuditQuery{Action: string(access.ActUnmask), Most: 1000}, 30},
	} {
		if got := count(tt.q); got != tt.want {
			t.Errorf("%+v: %d entries, want %d", tt.q, got, tt.want)
		}
	}
	if _, _, err := d.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
