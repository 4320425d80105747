package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// Session is a log-in that held.
type Session struct {
	// ID is the secret that the browser shows from now on. Only its hash is kept here.
	ID        string
	ExpiresMs int64
	Principal *Principal
}

// ThrottledError is an ErrThrottled that says how long to wait.
type ThrottledError struct{ Wait time.Duration }

// Error implements error.
func (e ThrottledError) Error() string { return ErrThrottled.Error() }

// Is makes it an ErrThrottled.
func (e ThrottledError) Is(target error) bool { return target == ErrThrottled }

// LogIn opens a session for who knows the password. The error is ErrRefused, ErrThrottled (a ThrottledError) or ErrBusy. A
// wrong password, an unknown name and a disabled account take the same time and say the same.
func (a *Access) LogIn(ctx context.Context, name, password string, from netip.Addr) (*Session, error) {
	name, hood := clip(name, maxName), neighbourhood(from)
	if err := a.attempt(name, hood); err != nil {
		a.logins.WithLabelValues("throttled").Inc()
		return nil, err
	}
	right, known, err := a.right(ctx, name, password)
	if err != nil {
		if errors.Is(err, ErrBusy) {
			a.accounts.succeeded(name)
			a.addresses.succeeded(hood)
			a.logins.WithLabelValues("busy").Inc()
		}
		return nil, err
	}
	if !right {
		a.logins.WithLabelValues("refused").Inc()
		if !known {
			name = "" // people type passwords into the wrong field
		}
		return nil, errors.Join(ErrRefused, a.Record(ctx, Entry{
			Actor: name, Action: ActLogInRefused, Object: name, Detail: map[string]any{"address": from.String(), "known": known},
		}))
	}
	s, err := a.open(ctx, name, from)
	if err != nil {
		return nil, err
	}
	a.accounts.succeeded(name)
	a.addresses.succeeded(hood)
	a.logins.WithLabelValues("ok").Inc()
	return s, nil
}

func (a *Access) attempt(name, hood string) error {
	now := a.o.Now()
	if wait, ok := a.addresses.begin(hood, now); !ok {
		return ThrottledError{wait}
	}
	if wait, ok := a.accounts.begin(name, now); !ok {
		a.addresses.succeeded(hood)
		return ThrottledError{wait}
	}
	return nil
}

// right compares the password, in the same time whether or not there is such an account.
func (a *Access) right(ctx context.Context, name, password string) (right, known bool, err error) {
	if err := a.acquire(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-a.computing }()
	var text string
	var disabled bool
	err = a.db.QueryRowContext(ctx, `SELECT password, disabled FROM account WHERE name = ?`, name).Scan(&text, &disabled)
	if errors.Is(err, sql.ErrNoRows) {
		a.nobody.Matches([]byte(password))
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("read account: %w", err)
	}
	hash, err := credential.ParseHash(text)
	if err != nil {
		return false, true, fmt.Errorf("read password of %s: %w", name, err)
	}
	return hash.Matches([]byte(password)) && !disabled && len(password) <= MaxPassword, true, nil
}

// acquire waits for a turn to compute.
func (a *Access) acquire(ctx context.Context) error {
	select {
	case a.waiting <- struct{}{}:
	default:
		return ErrBusy
	}
	defer func() { <-a.waiting }()
	select {
	case a.computing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ChangePassword changes the password of who is logged in, ends their other sessions and keeps this one. The error is a
// Problem, ErrRefused when the old password is not right, or ErrThrottled.
func (a *Access) ChangePassword(ctx context.Context, p *Principal, from netip.Addr, before, after string) error {
	if err := checkPassword(p.Account, after); err != nil {
		return err
	}
	if before == after {
		return Problem{"password", "新口令不得与原口令相同", "want a password that is not the one before"}
	}
	hood := neighbourhood(from)
	if err := a.attempt(p.Account, hood); err != nil {
		return err
	}
	right, _, err := a.right(ctx, p.Account, before)
	if err != nil {
		return err
	}
	if !right {
		return errors.Join(ErrRefused, a.Record(ctx, Entry{
			Actor: p.Actor(), Action: ActLogInRefused, Object: p.Account, Detail: map[string]any{"address": from.String(), "change": true},
		}))
	}
	a.accounts.succeeded(p.Account)
	a.addresses.succeeded(hood)
	return a.in(ctx, "change password", func(tx *sql.Tx) error {
		if err := a.setPassword(ctx, tx, p.Account, after, false); err != nil {
			return err
		}
		if err := endSessions(ctx, tx, p.Account, p.session[:]); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: p.Actor(), Action: ActAccountPassword, Object: p.Account})
	})
}
