package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// EraseIdentity deletes a person's sealed identity and writes the certificate, both or neither. The person's id and every
// row about it stay. The errors are identity.ErrUnknown, identity.ErrPurged, and identity.ErrTraces beside a certificate that is
// valid: the deletion is done, and a later ForgetLog takes the traces away.
func (l *Ledger) EraseIdentity(ctx context.Context, e identity.Erasure) (_ identity.Certificate, err error) {
	roster, err := l.keptInRoster(ctx, e.Base, e.Person) // before the transaction: it may take a second
	if err != nil {
		return identity.Certificate{}, fmt.Errorf("erase identity: %w", err)
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return identity.Certificate{}, fmt.Errorf("erase identity: %w", err)
	}
	c, err := erase(ctx, tx, e, roster)
	if err != nil {
		return identity.Certificate{}, errors.Join(fmt.Errorf("erase identity: %w", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return identity.Certificate{}, fmt.Errorf("erase identity: %w", err)
	}
	return c, l.ForgetLog(ctx)
}

func erase(ctx context.Context, tx *sql.Tx, e identity.Erasure, roster []identity.Kept) (identity.Certificate, error) {
	held, err := identityOf(ctx, tx, e.Base, e.Person)
	if err != nil {
		return identity.Certificate{}, err
	}
	tables, err := keptInTables(ctx, tx, e.Base, e.Person)
	if err != nil {
		return identity.Certificate{}, err
	}
	was, err := lastCertificate(ctx, tx)
	if err != nil {
		return identity.Certificate{}, err
	}
	c := identity.Certify(e, held, append(roster, tables...), was)
	_, err = tx.ExecContext(ctx, `UPDATE identity SET sealed = NULL, key_id = '', mark = '', deleted_ms = ? WHERE base = ? AND person = ?`, e.AtMs, e.Base, e.Person)
	if err != nil {
		return identity.Certificate{}, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO identity_certificate (number, base, person, content) VALUES (?,?,?,?)`, c.Number, c.Base, c.Person, string(c.JSON()))
	return c, err
}

// lastCertificate returns the zero Certificate when there is none.
func lastCertificate(ctx context.Context, tx *sql.Tx) (identity.Certificate, error) {
	var text string
	err := tx.QueryRowContext(ctx, `SELECT content FROM identity_certificate ORDER BY number DESC LIMIT 1`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return identity.Certificate{}, nil
	}
	if err != nil {
		return identity.Certificate{}, err
	}
	return identity.ParseCertificate([]byte(text))
}

// keptInRoster counts what the base's people, as they are now, say of a person.
func (l *Ledger) keptInRoster(ctx context.Context, base, person string) ([]identity.Kept, error) {
	people, err := l.People(ctx, base)
	if err != nil {
		return nil, err
	}
	return []identity.Kept{
		{Kind: "名册 persons", Rows: count(people.Persons, func(p registry.Person) bool { return p.ID == person })},
		{Kind: "卡 cards", Rows: count(people.Cards, func(c registry.Card) bool { return c.Person == person })},
		{Kind: "报名 enrolments", Rows: count(people.Enrolments, func(e registry.Enrolment) bool { return e.Person == person })},
		{Kind: "任教班次 classes taught", Rows: count(people.Classes, func(c registry.Class) bool { return c.Teacher == person })},
		{Kind: "任教课次 sessions taught", Rows: count(people.Sessions, func(s registry.Session) bool { return s.Teacher == person })},
		{Kind: "申报学时 claims", Rows: count(people.Claims, func(c registry.Claim) bool { return c.Person == person })},
		{Kind: "抽查 checks", Rows: count(people.Checks, func(c registry.Check) bool { return c.Person == person })},
	}, nil
}

func count[T any](list []T, is func(T) bool) int64 {
	var n int64
	for _, x := range list {
		if is(x) {
			n++
		}
	}
	return n
}

// keptInTables counts the rows about a person in every table of the ledger that has a base and a person, whoever made the
// table: one that comes later cannot be forgotten here.
func keptInTables(ctx context.Context, tx *sql.Tx, base, person string) ([]identity.Kept, error) {
	tables, err := tablesOfPersons(ctx, tx)
	if err != nil {
		return nil, err
	}
	var out []identity.Kept
	for _, table := range tables {
		k := identity.Kept{Kind: "台账 " + table}
		query := `SELECT count(*) FROM "` + strings.ReplaceAll(table, `"`, `""`) + `" WHERE base = ? AND person = ?`
		if err := tx.QueryRowContext(ctx, query, base, person).Scan(&k.Rows); err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", table, err)
		}
		out = append(out, k)
	}
	return out, nil
}

func tablesOfPersons(ctx context.Context, tx *sql.Tx) (out []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND c.name IN ('base', 'person') GROUP BY m.name HAVING count(*) = 2 ORDER BY m.name`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"identity", "identity_certificate"}, name) {
			out = append(out, name)
		}
	}
	return out, rows.Err()
}

// Certificates returns every certificate of deletion, the first first, held to its chain: the error is identity.ErrChain when
// one was changed or taken away. Those at the end can be missed only by who holds a copy of a later one.
func (l *Ledger) Certificates(ctx context.Context) (out []identity.Certificate, err error) {
	rows, err := l.db.QueryContext(ctx, `SELECT content FROM identity_certificate ORDER BY number`)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		c, err := identity.ParseCertificate([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("read certificates: %w", err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	return out, identity.CheckChain(out)
}
