package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

var _ identity.Store = (*Ledger)(nil)

// putIdentities writes the identities that differ. A person's that was deleted stays deleted.
func (p *putter) putIdentities() error {
	for i := range p.change.Identities {
		if err := p.putIdentity(&p.change.Identities[i]); err != nil {
			return fmt.Errorf("identity of person %s of base %s: %w", p.change.Identities[i].Person, p.change.Identities[i].Base, err)
		}
	}
	return nil
}

func (p *putter) putIdentity(x *Identified) error {
	roster, err := p.rosterOf(x.Base)
	if err != nil {
		return err
	}
	if _, ok := roster.Person(x.Person); !ok {
		return fmt.Errorf("名册中没有此人 / the people of the base have no such person: %w", registry.ErrUnknown)
	}
	if id, err := identity.KeyOf(x.Blob); err != nil || id != x.KeyID || x.Mark == "" {
		return errors.Join(errors.New("want a sealed record with its key and its mark"), err)
	}
	var mark string
	var deleted sql.NullInt64
	err = p.tx.QueryRowContext(p.ctx, `SELECT mark, deleted_ms FROM identity WHERE base = ? AND person = ?`, x.Base, x.Person).Scan(&mark, &deleted)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case deleted.Valid:
		p.done.Purged = append(p.done.Purged, [2]string{x.Base, x.Person})
		return nil
	case mark == x.Mark:
		return nil
	}
	_, err = p.tx.ExecContext(p.ctx, `INSERT INTO identity (base, person, sealed, key_id, mark, updated_ms) VALUES (?,?,?,?,?,?)
		ON CONFLICT (base, person) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id, mark = excluded.mark, updated_ms = excluded.updated_ms`,
		x.Base, x.Person, x.Blob, x.KeyID, x.Mark, p.change.AtMs)
	if err == nil {
		p.done.Identities++
	}
	return err
}

// Identity returns the sealed identity of a person. The errors are identity.ErrUnknown and identity.ErrPurged.
func (l *Ledger) Identity(ctx context.Context, base, person string) (identity.Stored, error) {
	return identityOf(ctx, l.db, base, person)
}

func identityOf(ctx context.Context, q querier, base, person string) (identity.Stored, error) {
	s := identity.Stored{Base: base, Person: person}
	var deleted sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT sealed, key_id, mark, updated_ms, deleted_ms FROM identity WHERE base = ? AND person = ?`, base, person).
		Scan(&s.Blob, &s.KeyID, &s.Mark, &s.UpdatedMs, &deleted)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return identity.Stored{}, fmt.Errorf("person %q of base %q: %w", person, base, identity.ErrUnknown)
	case err != nil:
		return identity.Stored{}, fmt.Errorf("read identity: %w", err)
	case deleted.Valid:
		return identity.Stored{}, fmt.Errorf("person %q of base %q: %w", person, base, identity.ErrPurged)
	}
	return s, nil
}

// IdentitiesUnderOtherKeys returns up to limit identities that this key did not seal, in order of base and person.
func (l *Ledger) IdentitiesUnderOtherKeys(ctx context.Context, keyID string, limit int) (out []identity.Stored, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT base, person, sealed, key_id, mark, updated_ms FROM identity
		WHERE deleted_ms IS NULL AND key_id <> ? ORDER BY base, person LIMIT ?`, keyID, limit)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s identity.Stored
		if err := rows.Scan(&s.Base, &s.Person, &s.Blob, &s.KeyID, &s.Mark, &s.UpdatedMs); err != nil {
			return nil, fmt.Errorf("read identities: %w", err)
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// ReplaceSealed puts the second envelope in the place of the first, all or none, where the first is still there, and returns
// for how many it was. When a record was written last does not change: it says the same.
func (l *Ledger) ReplaceSealed(ctx context.Context, swaps []identity.Swap) (done int, err error) {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("replace sealed identities: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	for _, s := range swaps {
		result, err := tx.ExecContext(ctx, `UPDATE identity SET sealed = ?, key_id = ? WHERE base = ? AND person = ? AND sealed = ?`,
			s.Next.Blob, s.Next.KeyID, s.Was.Base, s.Was.Person, s.Was.Blob)
		if err != nil {
			return 0, fmt.Errorf("replace sealed identity: %w", err)
		}
		n, err := result.RowsAffected()
		if err != nil {
			return 0, fmt.Errorf("replace sealed identity: %w", err)
		}
		done += int(n)
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("replace sealed identities: %w", err)
	}
	return done, nil
}

// IdentityKeys counts the identities that each key sealed: a key that is in it must not be dropped.
func (l *Ledger) IdentityKeys(ctx context.Context) (out map[string]int, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT key_id, count(*) FROM identity WHERE deleted_ms IS NULL GROUP BY key_id`)
	if err != nil {
		return nil, fmt.Errorf("count identities: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out = map[string]int{}
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			return nil, fmt.Errorf("count identities: %w", err)
		}
		out[id] = n
	}
	return out, rows.Err()
}

// ForgetLog empties the database's write-ahead log into the database, in which what was deleted is overwritten with
// zeros: until then the log may hold it. The error is identity.ErrTraces when a reader keeps the log in use.
func (l *Ledger) ForgetLog(ctx context.Context) error {
	var busy, frames, moved int
	if err := l.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("checkpoint ledger: %w: %w", identity.ErrTraces, err)
	}
	if busy != 0 {
		return fmt.Errorf("checkpoint ledger: a reader keeps its log in use: %w", identity.ErrTraces)
	}
	return nil
}
