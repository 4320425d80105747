package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// seenEvery is how exactly a session's last request is kept: a write for each would be a write every two seconds for
// each open board.
const seenEvery = time.Minute

// secret makes 256 random bits as text.
func secret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // it never returns an error
	return base64.RawURLEncoding.EncodeToString(raw)
}

// csrfOf is what a page of the session's owner can know and another page cannot: it is told in answers, which another
// page's scripts cannot read.
func csrfOf(id string) string {
	sum := sha256.Sum256([]byte("jishi csrf\n" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// open begins a session, and removes those that have ended.
func (a *Access) open(ctx context.Context, name string, from netip.Addr) (*Session, error) {
	s := &Session{ID: secret(), ExpiresMs: a.o.Now().Add(a.o.Longest).UnixMilli()}
	hash := sha256.Sum256([]byte(s.ID))
	err := a.in(ctx, "open session", func(tx *sql.Tx) error {
		now := a.nowMs()
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE expires_ms <= ? OR seen_ms <= ?`, now, now-a.o.Idle.Milliseconds()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO session (id_hash, account, created_ms, seen_ms, expires_ms) VALUES (?,?,?,?,?)`,
			hash[:], name, now, now, s.ExpiresMs)
		if err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: name, Action: ActLogIn, Object: name, Detail: map[string]any{"address": from.String()}})
	})
	if err != nil {
		return nil, err
	}
	s.Principal, err = a.BySession(ctx, s.ID)
	return s, err
}

// BySession returns who the session is; the error is ErrRefused when it has ended or never was.
func (a *Access) BySession(ctx context.Context, id string) (*Principal, error) {
	hash, now := sha256.Sum256([]byte(id)), a.nowMs()
	p := &Principal{session: hash, CSRF: csrfOf(id)}
	var seen int64
	err := a.db.QueryRowContext(ctx, `SELECT a.name, a.display, a.must_change, s.seen_ms FROM session AS s JOIN account AS a ON a.name = s.account
		WHERE s.id_hash = ? AND s.expires_ms > ? AND s.seen_ms > ? AND a.disabled = 0`,
		hash[:], now, now-a.o.Idle.Milliseconds()).Scan(&p.Account, &p.Display, &p.MustChange, &seen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrRefused
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if p.Grants, err = grantsOf(ctx, a.db, p.Account); err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	if now-seen >= seenEvery.Milliseconds() {
		if _, err := a.db.ExecContext(ctx, `UPDATE session SET seen_ms = ? WHERE id_hash = ? AND seen_ms < ?`, now, hash[:], now); err != nil {
			return nil, fmt.Errorf("keep session: %w", err)
		}
	}
	return p, nil
}

// LogOut ends the session.
func (a *Access) LogOut(ctx context.Context, p *Principal) error {
	return a.in(ctx, "log out", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM session WHERE id_hash = ?`, p.session[:]); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: p.Actor(), Action: ActLogOut, Object: p.Account})
	})
}

// endSessions ends the account's sessions, except the one of that hash.
func endSessions(ctx context.Context, tx *sql.Tx, account string, except []byte) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM session WHERE account = ? AND (? IS NULL OR id_hash <> ?)`, account, except, except)
	return err
}
