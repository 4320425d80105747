package access

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jishi-telemetry/jishi/internal/credential"
)

// Account is one person's, or one program's.
type Account struct {
	Name       string
	Display    string
	Disabled   bool
	MustChange bool // the password was made by someone else and was not changed yet
	Grants     []Grant
	CreatedMs  int64
	PasswordMs int64 // when the password was set
}

// NewAccount is an account to be made.
type NewAccount struct {
	Name    string
	Display string // "" is the name
	Grants  []Grant
	// Password is what it logs in with for the first time; "" has one made.
	Password string
}

// FirstName is the name of the account that the first run makes.
const FirstName = "admin"

// InUse reports whether there is any account.
func (a *Access) InUse(ctx context.Context) (bool, error) {
	var used bool
	if err := a.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM account)`).Scan(&used); err != nil {
		return false, fmt.Errorf("look for accounts: %w", err)
	}
	return used, nil
}

// FirstRun makes the first account when there is none, and returns its password, which must be changed at the first
// log-in; otherwise it returns "". The account is system and security administrator at once, so that it can make the
// others; nobody else can be made both, and once its roles were changed, neither can it.
func (a *Access) FirstRun(ctx context.Context) (password string, err error) {
	err = a.in(ctx, "make the first account", func(tx *sql.Tx) error {
		var used bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM account)`).Scan(&used); err != nil || used {
			return err
		}
		password = credential.NewPassword()
		first := NewAccount{
			Name: FirstName, Display: "管理员", Password: password,
			Grants: []Grant{{SecurityAdmin, City}, {SystemAdmin, City}},
		}
		if err := a.insert(ctx, tx, first); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: "first run", Action: ActFirstRun, Object: FirstName, Detail: map[string]any{"roles": first.Grants}})
	})
	if err != nil {
		return "", err
	}
	return password, nil
}

// Add makes an account and returns the password to hand over, which must be changed at the first log-in. The error is a
// Problem, or is ErrExists.
func (a *Access) Add(ctx context.Context, actor string, n NewAccount) (password string, err error) {
	if n.Display == "" {
		n.Display = n.Name
	}
	grants, err := checkGrants(n.Grants)
	if err := errors.Join(checkAccountName(n.Name), checkText("display", n.Display, maxDisplay), err); err != nil {
		return "", err
	}
	n.Grants = grants
	if n.Password == "" {
		n.Password = credential.NewPassword()
	} else if err := checkPassword(n.Name, n.Password); err != nil {
		return "", err
	}
	err = a.in(ctx, "add account "+n.Name, func(tx *sql.Tx) error {
		if _, err := accountOf(ctx, tx, n.Name); !errors.Is(err, ErrUnknown) {
			return errors.Join(ErrExists, err)
		}
		if err := a.insert(ctx, tx, n); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{Actor: actor, Action: ActAccountAdd, Object: n.Name, Detail: map[string]any{"roles": n.Grants}})
	})
	return n.Password, err
}

func (a *Access) insert(ctx context.Context, tx *sql.Tx, n NewAccount) error {
	now := a.nowMs()
	_, err := tx.ExecContext(ctx, `INSERT INTO account (name, display, password, must_change, disabled, created_ms, password_ms) VALUES (?,?,?,1,0,?,?)`,
		n.Name, n.Display, credential.NewHash([]byte(n.Password), a.o.Cost).String(), now, now)
	if err != nil {
		return err
	}
	return grant(ctx, tx, "account", n.Name, n.Grants)
}

// grant writes the roles of an account or of a token.
func grant(ctx context.Context, tx *sql.Tx, of, name string, grants []Grant) error {
	for _, g := range grants {
		query := `INSERT INTO account_role (account, role, base) VALUES (?,?,?)`
		if of == "token" {
			query = `INSERT INTO token_role (token, role, base) VALUES (?,?,?)`
		}
		if _, err := tx.ExecContext(ctx, query, name, string(g.Role), g.Base); err != nil {
			return err
		}
	}
	return nil
}

const accountColumns = `name, display, disabled, must_change, created_ms, password_ms`

func scanAccount(s interface{ Scan(...any) error }) (Account, error) {
	var x Account
	err := s.Scan(&x.Name, &x.Display, &x.Disabled, &x.MustChange, &x.CreatedMs, &x.PasswordMs)
	return x, err
}

func scanGrant(s interface{ Scan(...any) error }) (Grant, error) {
	var g Grant
	err := s.Scan(&g.Role, &g.Base)
	return g, err
}

func grantsOf(ctx context.Context, q querier, account string) ([]Grant, error) {
	return rows(ctx, q, scanGrant, `SELECT role, base FROM account_role WHERE account = ? ORDER BY role, base`, account)
}

func accountOf(ctx context.Context, q querier, name string) (Account, error) {
	x, err := scanAccount(q.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM account WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return x, ErrUnknown
	}
	if err != nil {
		return x, err
	}
	x.Grants, err = grantsOf(ctx, q, name)
	return x, err
}

// Accounts lists all accounts by name.
func (a *Access) Accounts(ctx context.Context) ([]Account, error) {
	out, err := rows(ctx, a.db, scanAccount, `SELECT `+accountColumns+` FROM account ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	for i := range out {
		if out[i].Grants, err = grantsOf(ctx, a.db, out[i].Name); err != nil {
			return nil, fmt.Errorf("list roles of %s: %w", out[i].Name, err)
		}
	}
	return out, nil
}

// Account returns one account; the error is ErrUnknown when there is none of that name.
func (a *Access) Account(ctx context.Context, name string) (Account, error) {
	x, err := accountOf(ctx, a.db, name)
	if err != nil {
		return x, fmt.Errorf("read account %s: %w", clip(name, maxName), err)
	}
	return x, nil
}

// Change is what to change of an account; nil changes nothing.
type Change struct {
	Display  *string
	Disabled *bool
	// Reset gives it a password that must be changed at the next log-in, and ends its sessions.
	Reset bool
	// Password is what Reset gives; "" has one made.
	Password string
}

// Change changes an account and returns the password that Reset gave. by is nil at the server's command line, where
// whoever may write the database may do all; actor names them. Whoever is disabled, or reset, loses their sessions at once.
func (a *Access) Change(ctx context.Context, by *Principal, actor, name string, c Change) (password string, err error) {
	if by != nil {
		actor = by.Actor()
	}
	if c.Display != nil {
		if err := checkText("display", *c.Display, maxDisplay); err != nil {
			return "", err
		}
	}
	err = a.in(ctx, "change account "+clip(name, maxName), func(tx *sql.Tx) error {
		x, err := accountOf(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := mayChange(by, x, c); err != nil {
			return err
		}
		if err := a.change(ctx, tx, actor, x, c); err != nil || !c.Reset {
			return err
		}
		password, err = a.reset(ctx, tx, actor, name, c.Password)
		return err
	})
	return password, err
}

// mayChange keeps an administrator from disabling themselves, and from becoming another by giving them a new password.
func mayChange(by *Principal, x Account, c Change) error {
	if by == nil {
		return nil
	}
	own := by.Account == x.Name
	guarded := slices.ContainsFunc(x.Grants, func(g Grant) bool { return g.Role == SecurityAdmin || g.Role == AuditAdmin })
	switch {
	case own && (c.Reset || c.Disabled != nil && *c.Disabled):
		return ErrOwn
	case !own && guarded && (c.Reset || c.Disabled != nil):
		return ErrGuarded
	}
	return nil
}

func (a *Access) change(ctx context.Context, tx *sql.Tx, actor string, x Account, c Change) error {
	detail := make(map[string]any)
	if c.Display != nil && *c.Display != x.Display {
		x.Display, detail["display"] = *c.Display, *c.Display
	}
	if c.Disabled != nil && *c.Disabled != x.Disabled {
		x.Disabled, detail["disabled"] = *c.Disabled, *c.Disabled
	}
	if len(detail) == 0 {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `UPDATE account SET display = ?, disabled = ? WHERE name = ?`, x.Display, x.Disabled, x.Name); err != nil {
		return err
	}
	if x.Disabled {
		if err := endSessions(ctx, tx, x.Name, nil); err != nil {
			return err
		}
	}
	return a.RecordIn(ctx, tx, Entry{Actor: actor, Action: ActAccountChange, Object: x.Name, Detail: detail})
}

func (a *Access) reset(ctx context.Context, tx *sql.Tx, actor, name, password string) (string, error) {
	if password == "" {
		password = credential.NewPassword()
	} else if err := checkPassword(name, password); err != nil {
		return "", err
	}
	if err := a.setPassword(ctx, tx, name, password, true); err != nil {
		return "", err
	}
	if err := endSessions(ctx, tx, name, nil); err != nil {
		return "", err
	}
	return password, a.RecordIn(ctx, tx, Entry{Actor: actor, Action: ActAccountPassword, Object: name, Detail: map[string]any{"reset": true}})
}

func (a *Access) setPassword(ctx context.Context, tx *sql.Tx, name, password string, mustChange bool) error {
	_, err := tx.ExecContext(ctx, `UPDATE account SET password = ?, must_change = ?, password_ms = ? WHERE name = ?`,
		credential.NewHash([]byte(password), a.o.Cost).String(), mustChange, a.nowMs(), name)
	return err
}

// SetRoles gives an account these roles in place of those it had. by is nil at the server's command line. The error is a
// Problem, or is ErrUnknown, or ErrOwn: nobody changes their own roles.
func (a *Access) SetRoles(ctx context.Context, by *Principal, actor, name string, grants []Grant) error {
	if by != nil {
		actor = by.Actor()
		if by.Account == name {
			return ErrOwn
		}
	}
	grants, err := checkGrants(grants)
	if err != nil {
		return err
	}
	return a.in(ctx, "set roles of "+clip(name, maxName), func(tx *sql.Tx) error {
		before, err := accountOf(ctx, tx, name)
		if err != nil {
			return err
		}
		if slices.Equal(before.Grants, grants) {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM account_role WHERE account = ?`, name); err != nil {
			return err
		}
		if err := grant(ctx, tx, "account", name, grants); err != nil {
			return err
		}
		return a.RecordIn(ctx, tx, Entry{
			Actor: actor, Action: ActAccountRoles, Object: name,
			Detail: map[string]any{"before": before.Grants, "after": grants},
		})
	})
}
