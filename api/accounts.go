package api

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// Account is one account.
type Account struct {
	Name       string    `json:"name" doc:"账号名"`
	Display    string    `json:"display" doc:"姓名"`
	Disabled   bool      `json:"disabled" doc:"停用"`
	MustChange bool      `json:"must_change" doc:"has a one-time password"`
	Roles      []RoleAt  `json:"roles" nullable:"false"`
	Created    time.Time `json:"created"`
	Password   time.Time `json:"password_set" doc:"when the password was set"`
}

func accountOf(a *access.Account) Account {
	return Account{
		Name: a.Name, Display: a.Display, Disabled: a.Disabled, MustChange: a.MustChange, Roles: rolesAt(a.Grants),
		Created: utc(a.CreatedMs), Password: utc(a.PasswordMs),
	}
}

func (s *Server) listAccounts(ctx context.Context, _ *struct{}) (*list[Account], error) {
	all, err := s.o.Access.Accounts(ctx)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	var out []Account
	for i := range all {
		out = append(out, accountOf(&all[i]))
	}
	return listOf(out), nil
}

type addAccountInput struct {
	Body struct {
		Name    string `json:"name" minLength:"1" maxLength:"64" doc:"账号名: a-z 0-9 . _ -"`
		Display string `json:"display,omitempty" maxLength:"128" doc:"姓名"`
	}
}

// oneTime is an account with the password to hand over, which is shown this once.
type oneTime struct {
	Body struct {
		Account  Account `json:"account"`
		Password string  `json:"password,omitempty" doc:"one-time password, shown this once 一次性口令，只显示这一次"`
	}
}

// addAccount makes an account without a role: who makes accounts does not say what they may do.
func (s *Server) addAccount(ctx context.Context, in *addAccountInput) (*oneTime, error) {
	password, err := s.o.Access.Add(ctx, callerOf(ctx).Actor(), access.NewAccount{Name: in.Body.Name, Display: in.Body.Display})
	if err != nil {
		return nil, s.accessProblem(err)
	}
	return s.shown(ctx, in.Body.Name, password)
}

func (s *Server) shown(ctx context.Context, name, password string) (*oneTime, error) {
	a, err := s.o.Access.Account(ctx, name)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	out := &oneTime{}
	out.Body.Account, out.Body.Password = accountOf(&a), password
	return out, nil
}

type changeAccountInput struct {
	Name string `path:"name" maxLength:"64" doc:"账号名"`
	Body struct {
		Display       *string `json:"display,omitempty" minLength:"1" maxLength:"128" doc:"姓名"`
		Disabled      *bool   `json:"disabled,omitempty" doc:"停用；会话与令牌立即失效"`
		ResetPassword bool    `json:"reset_password,omitempty" doc:"make a one-time password 重置口令"`
	}
}

func (s *Server) changeAccount(ctx context.Context, in *changeAccountInput) (*oneTime, error) {
	change := access.Change{Display: in.Body.Display, Disabled: in.Body.Disabled, Reset: in.Body.ResetPassword}
	password, err := s.o.Access.Change(ctx, callerOf(ctx).Principal, "", in.Name, change)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	return s.shown(ctx, in.Name, password)
}

type setRolesInput struct {
	Name string `path:"name" maxLength:"64" doc:"账号名"`
	Body struct {
		Roles []RoleAt `json:"roles" nullable:"false" maxItems:"200" doc:"in place of those before 替换原有角色"`
	}
}

func (s *Server) setRoles(ctx context.Context, in *setRolesInput) (*oneTime, error) {
	if err := s.knownBases(in.Body.Roles); err != nil {
		return nil, err
	}
	if err := s.o.Access.SetRoles(ctx, callerOf(ctx).Principal, "", in.Name, grantsOf(in.Body.Roles)); err != nil {
		return nil, s.accessProblem(err)
	}
	return s.shown(ctx, in.Name, "")
}

// knownBases refuses a role at a base that is not there: it would be a typing mistake that nobody notices.
func (s *Server) knownBases(roles []RoleAt) error {
	for _, r := range roles {
		if _, ok := s.world().Registry.Base(r.Base); !ok && r.Base != access.City {
			return badInput("body.roles", "没有登记此基地", "no such base")
		}
	}
	return nil
}

// Token is one API token. Its secret is told when it is made and never again.
type Token struct {
	ID      string     `json:"id"`
	Name    string     `json:"name" doc:"名称"`
	Roles   []RoleAt   `json:"roles" nullable:"false"`
	Created time.Time  `json:"created"`
	Expires time.Time  `json:"expires" doc:"到期"`
	Used    *time.Time `json:"used,omitempty" doc:"last use, to an hour 最近使用"`
	Revoked *time.Time `json:"revoked,omitempty" doc:"吊销"`
}

func tokenOf(t *access.Token) Token {
	out := Token{ID: t.ID, Name: t.Name, Roles: rolesAt(t.Grants), Created: utc(t.CreatedMs), Expires: utc(t.ExpiresMs)}
	for _, x := range []struct {
		ms int64
		to **time.Time
	}{{t.UsedMs, &out.Used}, {t.RevokedMs, &out.Revoked}} {
		if x.ms != 0 {
			at := utc(x.ms)
			*x.to = &at
		}
	}
	return out
}

func (s *Server) listTokens(ctx context.Context, _ *struct{}) (*list[Token], error) {
	all, err := s.o.Access.Tokens(ctx, callerOf(ctx).Account)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	var out []Token
	for i := range all {
		out = append(out, tokenOf(&all[i]))
	}
	return listOf(out), nil
}

type addTokenInput struct {
	Body struct {
		Name  string   `json:"name" minLength:"1" maxLength:"64" doc:"名称"`
		Days  int      `json:"days,omitempty" minimum:"1" maximum:"366" default:"90" doc:"有效天数"`
		Roles []RoleAt `json:"roles" nullable:"false" minItems:"1" maxItems:"200" doc:"no more than one's own 不超过本人角色"`
	}
}

type tokenOutput struct {
	Body struct {
		Token  Token  `json:"token"`
		Secret string `json:"secret" doc:"what the program shows, told this once 只显示这一次"`
	}
}

func (s *Server) addToken(ctx context.Context, in *addTokenInput) (*tokenOutput, error) {
	c := callerOf(ctx)
	if err := bySession(c); err != nil {
		return nil, err
	}
	if c.MustChange {
		return nil, mustChange() // a token would be a way around it
	}
	n := access.NewToken{Name: in.Body.Name, Grants: grantsOf(in.Body.Roles), For: time.Duration(in.Body.Days) * 24 * time.Hour}
	text, t, err := s.o.Access.AddToken(ctx, c.Actor(), c.Account, n)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	out := &tokenOutput{}
	out.Body.Token, out.Body.Secret = tokenOf(&t), text
	return out, nil
}

type tokenInput struct {
	ID string `path:"id" maxLength:"64"`
}

// revokeToken ends one of one's own tokens. Another's is as one that never was.
func (s *Server) revokeToken(ctx context.Context, in *tokenInput) (*doneOutput, error) {
	c := callerOf(ctx)
	if err := s.o.Access.RevokeToken(ctx, c.Actor(), c.Account, in.ID); err != nil {
		return nil, s.accessProblem(err)
	}
	return done(), nil
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	Seq    int64          `json:"seq"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor" doc:"操作人"`
	Action string         `json:"action" doc:"操作"`
	Object string         `json:"object" doc:"对象"`
	Base   string         `json:"base,omitempty" doc:"基地"`
	Reason string         `json:"reason,omitempty" doc:"理由"`
	Detail map[string]any `json:"detail,omitempty"`
	Hash   string         `json:"hash" doc:"SHA-256 over the entry and the hash before it"`
}

type auditInput struct {
	Actor  string `query:"actor" maxLength:"200" doc:"操作人"`
	Action string `query:"action" maxLength:"64" doc:"操作"`
	Base   string `query:"base" maxLength:"64" doc:"基地"`
	Before int64  `query:"before" minimum:"0" doc:"sequence number to go back from, exclusive; default the end"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func (s *Server) audit(ctx context.Context, in *auditInput) (*list[AuditEntry], error) {
	entries, err := s.o.Access.Entries(ctx, access.AuditQuery{
		Actor: in.Actor, Action: in.Action, Base: in.Base, Before: in.Before, Most: in.Limit,
	})
	if err != nil {
		return nil, s.accessProblem(err)
	}
	var out []AuditEntry
	for i := range entries {
		e := &entries[i]
		out = append(out, AuditEntry{
			Seq: e.Seq, At: utc(e.AtMs), Actor: e.Actor, Action: string(e.Action), Object: e.Object, Base: e.Base,
			Reason: e.Reason, Detail: e.Detail, Hash: hex.EncodeToString(e.Hash[:]),
		})
	}
	return listOf(out), nil
}
