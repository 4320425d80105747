package access

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Token is a program's way in, with a part of its owner's rights.
type Token struct {
	ID        string // names it, and is no secret
	Account   string // its owner
	Name      string
	Grants    []Grant
	CreatedMs int64
	ExpiresMs int64
	UsedMs    int64 // to an hour; 0: never
	RevokedMs int64 // 0: not revoked
}

// NewToken is a token to be made.
type NewToken struct {
	Name   string
	Grants []Grant // no more than the owner's
	For    time.Duration
}

const (
	// TokenPrefix starts every token, so that one that leaked can be found.
	TokenPrefix = "jishi_"
	// LongestToken is how long a token may last.
	LongestToken = 366 * 24 * time.Hour
	// maxTokens bounds the tokens of an account that are good at once.
	maxTokens = 50
	usedEvery = time.Hour
)

// AddToken makes a token for the account and returns its secret, which is not kept. The token never holds more than its
// owner does: what the owner loses, it loses. The error is a Problem, or is ErrUnknown.
func (a *Access) AddToken(ctx context.Context, actor, account string, n NewToken) (text string, t Token, err error) {
	grants, err := checkGrants(n.Grants)
	if err := errors.Join(checkText("name", n.Name, maxName), err); err != nil {
		return "", t, err
	}
	switch {
	case len(grants) == 0:
		return "", t, Problem{"roles", "令牌至少需要一个角色", "want at least one role for a token"}
	case n.For < time.Minute || n.For > LongestToken:
		return "", t, Problem{"days", "有效期应为 1 至 366 天", "want a token for 1 to 366 days"}
	}
	text = TokenPrefix + secret()
	hash, now := sha256.Sum256([]byte(text)), a.nowMs()
	t = Token{
		ID: strings.ToLower(secret()[:12]), Account: account, Name: n.Name, Grants: grants,
		CreatedMs: now, ExpiresMs: now + n.For.Milliseconds(),
	}
	t.ID = strings.NewReplacer("-", "x", "_", "y").Replace(t.ID)
	err = a.in(ctx, "add token", func(tx *sql.Tx) error {
		owner, err := accountOf(ctx, tx, account)
		if err != nil {
			return err
		}
		if err := roomFor(ctx, tx, owner, t); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO token (id, account, name, hash, created_ms, expires_ms, used_ms, revoked_ms) VALUES (?,?,?,?,?,?,0,0)`,
			t.ID, account, t.Name, hash[:], t.CreatedMs, t.ExpiresMs)
		if err != nil {
			return err
		}
		if err := grant(ctx, tx, "token", t.ID, grants); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{
			Actor: actor, Action: ActTokenAdd, Object: account + "/" + t.ID,
			Detail: map[string]any{"name": t.Name, "roles": grants, "expires_ms": t.ExpiresMs},
		})
	})
	if err != nil {
		return "", Token{}, err
	}
	return text, t, nil
}

func roomFor(ctx context.Context, tx *sql.Tx, owner Account, t Token) error {
	for _, g := range t.Grants {
		if !covers(owner.Grants, g) {
			return Problem{"roles", "账号本身没有 " + string(g.Role) + " (" + g.Base + ")", "the account itself does not hold " + string(g.Role) + " at " + g.Base}
		}
	}
	var live int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM token WHERE account = ? AND revoked_ms = 0 AND expires_ms > ?`, owner.Name, t.CreatedMs).Scan(&live); err != nil {
		return err
	}
	if live >= maxTokens {
		return Problem{"name", "令牌过多，最多 50 个", "too many tokens, want at most 50"}
	}
	return nil
}

// ByToken returns who the token speaks for; the error is ErrRefused when it has ended, was revoked or never was. Whether its
// owner still has a one-time password does not matter: a program's account may never log in.
func (a *Access) ByToken(ctx context.Context, text string) (*Principal, error) {
	hash, now := sha256.Sum256([]byte(text)), a.nowMs()
	p := &Principal{}
	var id string
	var used int64
	err := a.db.QueryRowContext(ctx, `SELECT t.id, t.name, t.used_ms, a.name, a.display FROM token AS t JOIN account AS a ON a.name = t.account
		WHERE t.hash = ? AND t.revoked_ms = 0 AND t.expires_ms > ? AND a.disabled = 0`,
		hash[:], now).Scan(&id, &p.Token, &used, &p.Account, &p.Display)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrRefused
	}
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	owners, err := grantsOf(ctx, a.db, p.Account)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	own, err := tokenGrants(ctx, a.db, id)
	if err != nil {
		return nil, fmt.Errorf("read roles of token: %w", err)
	}
	p.Grants = slices.DeleteFunc(own, func(g Grant) bool { return !covers(owners, g) })
	if now-used >= usedEvery.Milliseconds() {
		if _, err := a.db.ExecContext(ctx, `UPDATE token SET used_ms = ? WHERE id = ? AND used_ms < ?`, now, id, now); err != nil {
			return nil, fmt.Errorf("keep token's last use: %w", err)
		}
	}
	return p, nil
}

func tokenGrants(ctx context.Context, q querier, id string) ([]Grant, error) {
	return rows(ctx, q, scanGrant, `SELECT role, base FROM token_role WHERE token = ? ORDER BY role, base`, id)
}

// Tokens lists the account's tokens, the newest first, those that have ended too; "" lists everyone's.
func (a *Access) Tokens(ctx context.Context, account string) ([]Token, error) {
	out, err := rows(ctx, a.db, func(s interface{ Scan(...any) error }) (Token, error) {
		var t Token
		err := s.Scan(&t.ID, &t.Account, &t.Name, &t.CreatedMs, &t.ExpiresMs, &t.UsedMs, &t.RevokedMs)
		return t, err
	}, `SELECT id, account, name, created_ms, expires_ms, used_ms, revoked_ms FROM token WHERE ? = '' OR account = ? ORDER BY created_ms DESC, id`, account, account)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	for i := range out {
		if out[i].Grants, err = tokenGrants(ctx, a.db, out[i].ID); err != nil {
			return nil, fmt.Errorf("list roles of token: %w", err)
		}
	}
	return out, nil
}

// RevokeToken ends a token of the account at once; account "" is any. The error is ErrUnknown when the account has no such
// token. Revoking twice changes nothing.
func (a *Access) RevokeToken(ctx context.Context, actor, account, id string) error {
	return a.in(ctx, "revoke token", func(tx *sql.Tx) error {
		var owner string
		var revoked int64
		err := tx.QueryRowContext(ctx, `SELECT account, revoked_ms FROM token WHERE id = ? AND (? = '' OR account = ?)`, id, account, account).Scan(&owner, &revoked)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		if err != nil || revoked != 0 {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE token SET revoked_ms = ? WHERE id = ?`, a.nowMs(), id); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: actor, Action: ActTokenRevoke, Object: owner + "/" + id})
	})
}
