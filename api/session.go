package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/jishi-telemetry/jishi/internal/access"
)

// whoAmI is answered without accounts, too: so a page learns that there are none.
const whoAmI = "who-am-i"

// RoleAt is a role that someone holds, and where.
type RoleAt struct {
	Role string `json:"role" enum:"technician,base-admin,evaluator,officer,system-admin,security-admin,audit-admin" doc:"角色"`
	Base string `json:"base" minLength:"1" maxLength:"64" doc:"code of a base, or * for the whole city 基地编码，* 为全市"`
}

func rolesAt(grants []access.Grant) []RoleAt {
	out := []RoleAt{}
	for _, g := range grants {
		out = append(out, RoleAt{Role: string(g.Role), Base: g.Base})
	}
	return out
}

func grantsOf(roles []RoleAt) []access.Grant {
	var out []access.Grant
	for _, r := range roles {
		out = append(out, access.Grant{Role: access.Role(r.Role), Base: r.Base})
	}
	return out
}

// Me is who is logged in.
type Me struct {
	Account    string   `json:"account" doc:"账号名"`
	Display    string   `json:"display" doc:"姓名"`
	Open       bool     `json:"open" doc:"the service keeps no accounts and serves everyone 未启用账号"`
	MustChange bool     `json:"must_change" doc:"the one-time password has to be changed before anything else 须先修改口令"`
	Token      string   `json:"token,omitempty" doc:"name of the API token that was shown"`
	Roles      []RoleAt `json:"roles" nullable:"false"`
	CSRF       string   `json:"csrf,omitempty" doc:"what a session sends as X-CSRF-Token with all that changes something"`
}

func meOf(p *access.Principal) Me {
	return Me{
		Account: p.Account, Display: p.Display, Open: p.Open(), MustChange: p.MustChange, Token: p.Token,
		Roles: rolesAt(p.Grants), CSRF: p.CSRF,
	}
}

type meOutput struct {
	Body Me
}

func (s *Server) me(ctx context.Context, _ *struct{}) (*meOutput, error) {
	return &meOutput{meOf(callerOf(ctx).Principal)}, nil
}

type logInInput struct {
	Body struct {
		Name     string `json:"name" maxLength:"64" doc:"账号名"`
		Password string `json:"password" maxLength:"128" doc:"口令"`
	}
}

type sessionOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      Me
}

func (s *Server) logIn(ctx context.Context, in *logInInput) (*sessionOutput, error) {
	c := callerOf(ctx)
	session, err := s.o.Access.LogIn(ctx, in.Body.Name, in.Body.Password, c.from)
	if err != nil {
		return nil, s.accessProblem(err)
	}
	lasts := int((session.ExpiresMs - s.o.Now().UnixMilli()) / time.Second.Milliseconds())
	return &sessionOutput{cookie(c, session.ID, lasts), meOf(session.Principal)}, nil
}

// cookie is the session's cookie for so many seconds, by which a browser's clock that is wrong does no harm; -1 removes it.
func cookie(c caller, id string, seconds int) http.Cookie {
	return http.Cookie{
		Name: cookieOf(c.secure), Value: id, Path: "/", MaxAge: seconds,
		HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode,
	}
}

type doneOutput struct {
	Body struct {
		Done bool `json:"done"`
	}
}

func done() *doneOutput {
	out := &doneOutput{}
	out.Body.Done = true
	return out
}

type logOutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      struct {
		Done bool `json:"done"`
	}
}

func (s *Server) logOut(ctx context.Context, _ *struct{}) (*logOutOutput, error) {
	c := callerOf(ctx)
	if err := bySession(c); err != nil {
		return nil, err
	}
	if err := s.o.Access.LogOut(ctx, c.Principal); err != nil {
		return nil, s.accessProblem(err)
	}
	out := &logOutOutput{SetCookie: cookie(c, "", -1)}
	out.Body.Done = true
	return out, nil
}

// bySession keeps to people what would give a program that has a token more than the token.
func bySession(c caller) error {
	if c.Token != "" {
		return huma.Error403Forbidden("令牌不能进行此操作，请登录 (a token cannot do this; log in)")
	}
	return nil
}

type passwordInput struct {
	Body struct {
		Old string `json:"old" maxLength:"128" doc:"原口令"`
		New string `json:"new" minLength:"12" maxLength:"128" doc:"新口令"`
	}
}

func (s *Server) changePassword(ctx context.Context, in *passwordInput) (*doneOutput, error) {
	c := callerOf(ctx)
	if err := bySession(c); err != nil {
		return nil, err
	}
	err := s.o.Access.ChangePassword(ctx, c.Principal, c.from, in.Body.Old, in.Body.New)
	if errors.Is(err, access.ErrRefused) {
		return nil, badInput("body.old", "原口令不正确", "the old password is not right")
	}
	if err != nil {
		return nil, s.accessProblem(err)
	}
	return done(), nil
}

// accessProblem is the map from errors of access to what a user is told; nil stays nil.
func (s *Server) accessProblem(err error) error {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[access.Problem](err); ok {
		return badInput("body."+p.Field, p.Zh, p.En)
	}
	switch {
	case errors.Is(err, access.ErrThrottled):
		wait := time.Minute
		if t, ok := errors.AsType[access.ThrottledError](err); ok {
			wait = t.Wait
		}
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		return huma.ErrorWithHeaders(huma.Error429TooManyRequests(access.ErrThrottled.Error()), http.Header{"Retry-After": {seconds}})
	case errors.Is(err, access.ErrBusy):
		return unavailable(access.ErrBusy.Error())
	case errors.Is(err, access.ErrUnknown):
		return huma.Error404NotFound(access.ErrUnknown.Error())
	case errors.Is(err, access.ErrExists):
		return huma.Error409Conflict(access.ErrExists.Error())
	case errors.Is(err, access.ErrOwn):
		return huma.Error403Forbidden(access.ErrOwn.Error())
	case errors.Is(err, access.ErrGuarded):
		return huma.Error403Forbidden(access.ErrGuarded.Error())
	case errors.Is(err, access.ErrRefused):
		return unauthenticated(access.ErrRefused.Error())
	}
	s.o.Logger.Error("ledger does not answer", "err", err)
	return unavailable("台账暂不可用，请稍后重试 (the ledger is not available at the moment; try again)")
}
